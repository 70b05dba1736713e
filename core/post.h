/* SPDX-License-Identifier: MIT */
/* Posting to a loop. See core/post.c. */
#ifndef WEFT_CORE_POST_H
#define WEFT_CORE_POST_H

#include <stdint.h>

#include "core/ready.h"

/** What a queued post's item calls; 0: it is none. Thread: loop. */
uintptr_t weft__post_function(const weft__item *item);

/** This thread's loop ends: give back the memory that is kept for its next posts. */
void weft__posts_leave(void);

#endif
