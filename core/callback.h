/* SPDX-License-Identifier: MIT */
/* Callbacks in the caller's memory: their end with the loop. See core/callback.c. */
#ifndef WEFT_CORE_CALLBACK_H
#define WEFT_CORE_CALLBACK_H

#include <stdbool.h>

#include "core/loop.h"

/** The loop ends: take the callbacks out of what is ready. They are idle from then on. */
void weft__callbacks_end(weft_loop *loop);

/** The loop ends: if the timer is a callback's, disarm it, and true. */
bool weft__callback_end_timer(weft_loop *loop, weft__timer *timer);

/** What a queued callback's item calls; 0: it is none. */
uintptr_t weft__callback_function(const weft__item *item);

#endif
