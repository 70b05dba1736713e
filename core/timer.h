/* SPDX-License-Identifier: MIT */
/*
 * Timers: a 4-ary heap ordered by (deadline, order of creation). Adding allocates only when the
 * heap grows.
 */
#ifndef WEFT_CORE_TIMER_H
#define WEFT_CORE_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/loop.h>
#include <weft/time.h>

#include "core/ready.h"

/** Embedded by whoever wants to be run at a time. The item is queued when the timer is due. */
typedef struct weft__timer {
    weft__item item;
    size_t slot; /* [loop] 1 + its place in the heap; 0: not armed */
} weft__timer;

struct weft__timer_entry {
    weft_ns deadline;
    uint64_t order;
    weft__timer *timer;
};

/** All [loop]. */
struct weft__timers {
    struct weft__timer_entry *heap;
    size_t count, capacity;
    uint64_t order; /* of the next one */
};

void weft__timers_fini(struct weft__timers *timers);

/** Arm a timer that is not armed. 0 or -ENOMEM. */
int weft__timer_start(weft_loop *loop, weft__timer *timer, weft_ns deadline);

/** Disarm; nothing if it is not armed. */
void weft__timer_stop(weft_loop *loop, weft__timer *timer);

/** Let `to`, which is not armed, take the place of `from`, which is. */
void weft__timer_move(weft_loop *loop, weft__timer *from, weft__timer *to);

static inline bool weft__timer_is_armed(const weft__timer *timer)
{
    return timer->slot != 0;
}

/** `duration` from now, at most WEFT_FOREVER. */
weft_ns weft__deadline_after(weft_ns duration);

/** The earliest deadline; WEFT_FOREVER when there is none. */
weft_ns weft__timers_next(const struct weft__timers *timers);

/** Cancel every operation that waits for a time: the loop ends. */
void weft__timers_cancel_all(weft_loop *loop);

/** Queue every timer that is due at `now`, in order. */
void weft__timers_collect(weft_loop *loop, weft_ns now);

#endif
