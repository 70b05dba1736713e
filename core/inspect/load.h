/* SPDX-License-Identifier: MIT */
/* Load: what a loop counts about itself, for anybody to read. See core/inspect/load.c. */
#ifndef WEFT_CORE_INSPECT_LOAD_H
#define WEFT_CORE_INSPECT_LOAD_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/loop.h>
#include <weft/time.h>

#include "core/histogram.h"
#include "core/inspect/hooks.h"

struct weft__text;

/** Numbers are relaxed, and written by their loop alone but where it says otherwise. Zero: nothing was
 * counted. */
struct weft__load {
    weft_ns read_at;              /* [loop] when the clock was looked at last */
    weft_ns usual;                /* [loop] an item of the last batch that had no slow one */
    weft_ns spun;                 /* [loop] of the time since `read_at`, what was no work */
    uint64_t turn_callbacks;      /* [loop] at the turn's beginning */
    _Atomic uint64_t callbacks;   /* [atomic] run at `read_at` */
    _Atomic weft_ns busy;         /* [atomic] see weft__load_read() */
    _Atomic weft_ns turn_began;   /* [atomic] 0: it sleeps, or is not run */
    _Atomic uint64_t ticks;       /* [atomic] those of weft_loop_stats, at the last turn's end */
    _Atomic uint64_t polls;       /* [atomic] */
    _Atomic uint64_t spins;       /* [atomic] */
    _Atomic uint64_t spins_paid;  /* [atomic] */
    struct weft__histogram lag;   /* turns */
    struct weft__histogram steps; /* items */
    _Atomic weft_ns told;         /* [atomic] by readers: the most that was told of `busy` */
    _Atomic uint64_t reports;     /* [atomic] to the error handler */
    _Atomic uint64_t blocked;     /* [atomic] reports of the watchdog, whose thread adds to it */
};

/** What can be read of a loop. */
struct weft__load_sum {
    weft_ns at;     /* when it was read */
    weft_ns busy;   /* in turns, since the beginning */
    weft_ns turn;   /* how long the one lasts that is on; 0: it sleeps, or is not run */
    weft_ns cpu;    /* that its thread ran; 0: not known */
    weft_ns queued; /* that its thread could have run, and had no CPU; 0: not known */
    uint64_t callbacks, ticks, polls, spins, spins_paid, reports, blocked;
    size_t tasks, jobs;
    struct weft__sum lag, steps;
};

/** Read it. The loop is pinned, or this thread's. Thread: any. */
void weft__load_read(weft_loop *loop, struct weft__load_sum *ret);

/** Write members of an object of JSON: at_ns, busy_ns, turn_ns, cpu_ns, queued_ns, callbacks, ticks,
 * polls, spins, spins_paid, reports, blocked; lag and steps, with count, p50_ns, p90_ns, p99_ns, max_ns, and
 * buckets: [longest, count] of each that has something.
 * As weft__load_read(). */
void weft__load_write(weft_loop *loop, struct weft__text *to);

/** Write durations as an object of that kind. */
void weft__load_write_times(struct weft__text *to, const char *key, const struct weft__sum *sum);

/* ---- The loop's side, at the times at which it looks at the clock anyway ---- */

#if WEFT_HOOKS

/** A turn begins: a poll has ended, or the loop is run from now on. */
void weft__load_begin(weft_loop *loop, weft_ns now);

/** Within a turn, when the clock was looked at. */
void weft__load_look(weft_loop *loop, weft_ns now);

/** The same; a batch that is still shorter than a microsecond goes on. */
void weft__load_glance(weft_loop *loop, weft_ns now);

/** A turn has ended and the next one begins, by a poll that did not sleep and whose time counts as the
 * turn's, so that one look at the clock does for both. */
void weft__load_pass(weft_loop *loop, weft_ns now);

/** The turn ends: there will be a poll, which may sleep if `may_sleep`, or nobody runs the loop. */
void weft__load_end(weft_loop *loop, bool may_sleep);

/** From then, or the last poll, to then the loop has only looked for mail. */
static inline void weft__load_spun(struct weft__load *load, weft_ns from, weft_ns to)
{
    weft_ns began = from > load->read_at ? from : load->read_at;
    load->spun += to > began ? to - began : 0;
}

#else

static inline void weft__load_begin(weft_loop *loop, weft_ns now)
{
    (void)loop;
    (void)now;
}

static inline void weft__load_look(weft_loop *loop, weft_ns now)
{
    (void)loop;
    (void)now;
}

static inline void weft__load_glance(weft_loop *loop, weft_ns now)
{
    (void)loop;
    (void)now;
}

static inline void weft__load_pass(weft_loop *loop, weft_ns now)
{
    (void)loop;
    (void)now;
}

static inline void weft__load_end(weft_loop *loop, bool may_sleep)
{
    (void)loop;
    (void)may_sleep;
}

static inline void weft__load_spun(struct weft__load *load, weft_ns from, weft_ns to)
{
    (void)load;
    (void)from;
    (void)to;
}

#endif

#endif
