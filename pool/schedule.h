/* SPDX-License-Identifier: MIT */
/*
 * The scheduler: which job of which lane starts next. See pool/schedule.c.
 *
 * A thread that runs jobs goes round
 *
 *     lock; job = take; unlock; weft__job_run(job); lock; ended(job); next = take; unlock;
 *     weft__job_send(job)
 *
 * The end is noted before the job is sent home, so that whoever sees it complete finds its place
 * free, and the job's memory is still there.
 *
 * `now` is weft__pool_now() of any moment since the lock was last held, or made up by a test.
 */
#ifndef WEFT_POOL_SCHEDULE_H
#define WEFT_POOL_SCHEDULE_H

#include <stddef.h>
#include <time.h>
#include <weft/time.h>

#include "pool/pool.h"

struct weft__job;

/** Real monotonic time. Thread: any. */
static inline weft_ns weft__pool_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return WEFT_S(now.tv_sec) + now.tv_nsec;
}

/** Take out of its lane the job that is to run next, and count it as running; NULL: none may. */
struct weft__job *weft__schedule_take_locked(weft_pool *pool, weft_ns now) WEFT_REQUIRES(pool->mu);

/** The function of a job that was taken has returned: its place is free. Before it is sent home. */
void weft__schedule_ended_locked(weft_pool *pool, struct weft__job *job, weft_ns now)
    WEFT_REQUIRES(pool->mu);

/** The time of a job that runs, while it is not noted in the job; and the account of a worker that has
 * none just now. */
struct weft__span {
    weft_lane *lane;
    weft_ns started_at, charged; /* as a job's */
    weft_ns unsettled;           /* what its jobs have taken by rings, and the lane does not know */
    struct weft__tally *tally;   /* the worker's */
};

/**
 * The function of a job that was taken has returned: end it, and take the next one of the lane, out of a
 * ring, if nothing needs the lock for that; false: something does. Thread: the worker that ran it; no
 * lock held.
 */
bool weft__schedule_go_on(weft_pool *pool, struct weft__span *span, struct weft__claim *ret);

/**
 * End a job without taking the next one; the worker keeps its account. If there is one, later, take it
 * out of a ring; or give up the account. Thread: the same.
 */
void weft__schedule_rest(struct weft__span *span);
bool weft__schedule_resume(weft_pool *pool, struct weft__span *span, struct weft__claim *ret);
void weft__schedule_leave_locked(weft_pool *pool, const struct weft__span *span)
    WEFT_REQUIRES(pool->mu);

/** Tell the lane what was taken: when the worker goes back to the lock. Thread: the same. */
void weft__schedule_settle(struct weft__span *span);

/** Take out of its lane the job that would run next, for good: there will be no thread for it. It counts
 * as unstarted, and no limit of its lane keeps back the one behind it. NULL: none may run. */
struct weft__job *weft__schedule_give_up_locked(weft_pool *pool, weft_ns now)
    WEFT_REQUIRES(pool->mu);

/** The pool, which was open for this lane, is closed (pool/express.c): before anything of it is recalled. */
void weft__schedule_close_locked(weft_lane *lane);

/** The lane, or what waits in it, was changed. */
void weft__schedule_account_locked(weft_lane *lane);

static inline size_t weft__least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/** a - b, but not below 0. */
static inline size_t weft__less(size_t a, size_t b)
{
    return a > b ? a - b : 0;
}

/** How many threads more may run jobs of any lane. */
static inline size_t weft__schedule_common_locked(const weft_pool *pool) WEFT_REQUIRES(pool->mu)
{
    return weft__less(weft__pool_slots(pool) + WEFT__LANES_THREADS,
                      weft__count_get(&pool->running) + pool->unused);
}

/**
 * How many jobs could be taken one after the other now, by as many threads as there may be. Exact:
 * if it is not 0, the next take returns a job (but for those in rings, which others claim without the
 * lock). It rises when a job is queued, or ends, or when
 * limits are changed: whoever does that calls weft__call_worker_locked().
 */
static inline size_t weft__schedule_eligible_locked(const weft_pool *pool) WEFT_REQUIRES(pool->mu)
{
    if (!pool->active)
        return weft__least(weft__express_ready_locked(pool), weft__schedule_common_locked(pool));
    return pool->own + weft__least(pool->common, weft__schedule_common_locked(pool));
}

/** When that one of the eligible jobs was queued which waits longest; WEFT_FOREVER: there is none. */
weft_ns weft__schedule_oldest_locked(const weft_pool *pool) WEFT_REQUIRES(pool->mu);

/**
 * How many threads are of use now: all but the reserved ones that nobody needs. If there are as many,
 * and something is eligible, one of them runs nothing and will look for a job before it gets idle.
 */
static inline size_t weft__schedule_threads_locked(const weft_pool *pool) WEFT_REQUIRES(pool->mu)
{
    return weft__less(weft__pool_slots(pool) + WEFT__LANES_THREADS, pool->unused) + pool->own;
}

#endif
