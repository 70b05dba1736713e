/* SPDX-License-Identifier: MIT */
/* Debug mode: what is looked at in a loop with .debug or WEFT_DEBUG=1 only. See core/debug.c. */
#ifndef WEFT_CORE_DEBUG_H
#define WEFT_CORE_DEBUG_H

#include <stdbool.h>
#include <weft/loop.h>
#include <weft/time.h>

#include "core/inspect/deadlock.h"

struct weft__coro;

/** All fields are [loop]. */
struct weft__debug {
    weft_ns slow_step; /* [const] longer steps are reported */
    weft_ns inner;     /* of what runs now, the time that is accounted for: steps within it */
    struct weft__deadlocks deadlocks;
};

/** What debug mode needs, as the options or the environment say. False: out of memory. */
bool weft__debug_init(weft_loop *loop, const struct weft_loop_options *options);

/** A step of a coroutine, or an item, is under way. */
struct weft__debug_clock {
    weft_ns began, outer_inner;
    int line; /* from which the coroutine goes on; 0: from its beginning */
    struct weft_blocking_scope *allowed; /* around it */
};

struct weft__debug_clock weft__debug_begin(struct weft__debug *debug, int line);

/** It is over: a report if it was slow. */
void weft__debug_step_ended(weft_loop *loop, const struct weft__debug_clock *clock,
                            const struct weft__coro *coro);
void weft__debug_item_ended(weft_loop *loop, const struct weft__debug_clock *clock);

/** The loop shuts down, and nobody has completed this future of weft_future_new(): report it. */
void weft__debug_report_left(weft_loop *loop, weft_future *future);

#endif
