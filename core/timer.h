/* SPDX-License-Identifier: MIT */
/*
 * Timers: a wheel of eleven levels that knows each deadline to the nanosecond. Adding allocates only
 * when there are more timers than ever before. See core/timer.c.
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
    size_t slot; /* [loop] its entry's place; 0: not armed */
} weft__timer;

enum { WEFT__WHEEL_LEVELS = 11 };

/** A timer in the list of its slot of the wheel; or the head of such a list; or spare. */
struct weft__timer_entry {
    uint64_t key;        /* the deadline, as a number that is not signed */
    uint32_t next, prev; /* in a ring with the slot's head; next: of the spare ones */
};

/** All [loop]. */
struct weft__timers {
    struct weft__timer_entry *entries; /* the heads first; NULL: no timer was armed yet */
    weft__timer **timers;              /* of each entry, behind all of them */
    size_t count;                      /* armed */
    size_t used, capacity;             /* of `entries` */
    uint32_t spare;                    /* first entry that is not in use, but was; 0: none */
    uint64_t base;                     /* a moment that has been */
    uint64_t busy[WEFT__WHEEL_LEVELS]; /* a bit for each slot in which there is something */
    uint64_t next;                     /* no deadline is before it; see weft__timers_next() */
    bool stale;                        /* what that was the deadline of is gone */
    bool has_past;                     /* what is in the first slot may be before the base */
};

void weft__timers_init(struct weft__timers *timers);
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

/**
 * When to look at the timers next: at the earliest deadline, or before if that belongs to a crowd which is
 * not sorted yet; WEFT_FOREVER when there is none.
 */
weft_ns weft__timers_next(struct weft__timers *timers);

/** Cancel every operation that waits for a time: the loop ends. */
void weft__timers_cancel_all(weft_loop *loop);

/** Queue every timer that is due at `now`, in order. */
void weft__timers_collect(weft_loop *loop, weft_ns now);

#endif
