/* SPDX-License-Identifier: MIT */
/* Debug mode: what is looked at in a loop with .debug or WEFT_DEBUG=1 only. See core/debug.c. */
#ifndef WEFT_CORE_DEBUG_H
#define WEFT_CORE_DEBUG_H

#include <stdbool.h>
#include <weft/loop.h>
#include <weft/task.h>
#include <weft/time.h>

#include "core/ready.h"

struct weft__coro;

/** All fields are [loop]. */
struct weft__debug {
    weft_ns slow_step; /* [const] longer steps are reported */
    weft_ns inner;     /* of what runs now, the time that is accounted for: steps within it */
};

/** What debug mode needs, as the options or the environment say. False: out of memory. */
bool weft__debug_init(weft_loop *loop, const struct weft_loop_options *options);

/** A step of a coroutine, timed. */
weft_step weft__debug_step(weft_loop *loop, struct weft__coro *coro);

/** item->run(item), timed. */
void weft__debug_run(weft_loop *loop, weft__item *item);

/** The loop shuts down, and nobody has completed this future of weft_future_new(): report it. */
void weft__debug_report_left(weft_loop *loop, weft_future *future);

#endif
