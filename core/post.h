/* SPDX-License-Identifier: MIT */
/* Posting to a loop. See core/post.c. */
#ifndef WEFT_CORE_POST_H
#define WEFT_CORE_POST_H

/** This thread's loop ends: give back the memory that is kept for its next posts. */
void weft__posts_leave(void);

#endif
