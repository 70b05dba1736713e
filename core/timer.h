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
    size_t place; /* [loop] its cell; 0: not armed */
} weft__timer;

enum {
    WEFT__WHEEL_LEVELS = 11,
    WEFT__WHEEL_SLOTS = WEFT__WHEEL_LEVELS * 64,
    WEFT__WHEEL_HEADS = 2 * WEFT__WHEEL_SLOTS + 1, /* of two wheels, and of what lasts for ever */
    WEFT__TIMER_CELLS = 3,
    WEFT__TIMER_PLACES = 4, /* numbers of places for a block */
    WEFT__TIMER_GAPS = 32
};

/** A cache line of timers, in the list of their slot; or spare; or a part of the lists' heads. */
struct weft__timer_block {
    uint32_t next, prev; /* 0: none. next: of the spare ones, too */
    uint16_t slot;
    uint8_t filled, armed; /* cells: from the first one on, and those of them that are armed */
    struct {
        uint64_t key;       /* the deadline, as a number that is not signed */
        weft__timer *timer; /* NULL: was disarmed */
    } cells[WEFT__TIMER_CELLS];
};

/** All [loop]. */
struct weft__timers {
    void *memory;                     /* NULL: no timer was armed yet */
    struct weft__timer_block *blocks; /* therein, at a cache line's beginning; the heads first */
    size_t count;                     /* armed */
    size_t lists;                     /* blocks that are in lists */
    size_t used, capacity;            /* of `blocks`, with the heads */
    uint32_t spare;                   /* first block that is not in use, but was; 0: none */
    uint32_t levels;                  /* a bit for each level in which there is something */
    uint64_t base[2];                 /* of each wheel: a moment that has been */
    uint64_t busy[2 * WEFT__WHEEL_LEVELS + 1]; /* a bit for each slot in which there is something */
    uint64_t mixed[2 * WEFT__WHEEL_LEVELS + 1]; /* and for each one that is not in order */
    uint32_t gaps;                              /* in use of `gap` */
    uint32_t gap[WEFT__TIMER_GAPS + 1]; /* blocks that became empty; they are in their lists yet */
    uint64_t next;                      /* no deadline is before it; see weft__timers_next() */
    bool stale;                         /* what that was the deadline of is gone */
};

/** `now` is what the deadlines will be around, or any moment before. */
void weft__timers_init(struct weft__timers *timers, weft_ns now);
void weft__timers_fini(struct weft__timers *timers);

/** Arm a timer that is not armed. 0 or -ENOMEM. */
int weft__timer_start(weft_loop *loop, weft__timer *timer, weft_ns deadline);

/** Disarm; nothing if it is not armed. */
void weft__timer_stop(weft_loop *loop, weft__timer *timer);

/** Let `to`, which is not armed, take the place of `from`, which is. */
void weft__timer_move(weft_loop *loop, weft__timer *from, weft__timer *to);

static inline bool weft__timer_is_armed(const weft__timer *timer)
{
    return timer->place != 0;
}

/** The deadline in a cell of a block, for who looks from outside: a timer's place is the block's number times
 * WEFT__TIMER_PLACES, and the cell's. */
weft_ns weft__timer_deadline(const struct weft__timer_block *in, size_t cell);

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
