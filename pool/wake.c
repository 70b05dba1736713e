/* SPDX-License-Identifier: MIT */
/*
 * Wake: who is called when there is a job to run, and when the pool grows.
 *
 * A job is eligible if its lane and the pool's limits let it run now (pool/schedule.c). A call takes
 * a thread off the idle list and signals it, or starts one. `waking` are the threads that were called
 * and did not hold the lock since. Whenever nothing holds the lock
 *
 *     a job is eligible, and a thread is idle, watches, or may be started
 *         =>  waking > 0, or a watcher waits that must watch                                 (*)
 *
 * (a failed start aside, see pool/start.c). So no eligible job waits in vain. And nobody is called
 * unless more jobs are eligible than threads are on their way:
 *   - whoever makes a job eligible looks under the same lock, and calls one: a submission, a change of
 *     a lane's limits, a job that begins to wait for others;
 *   - the end of a job may make others eligible, of any lane. Its own worker takes one of them under
 *     the same lock, and then looks as everybody;
 *   - who arrives takes a job, then looks, and calls the next two before it runs its own, while fewer
 *     than SPREAD are on their way. Everybody else calls if nobody is. A burst of jobs thus costs
 *     the loop one wakeup, and the workers spread it themselves, faster than one by one;
 *   - who arrives and finds nothing (a busy thread was faster) gets idle again: nothing is eligible;
 *   - a thread gets idle only when nothing is eligible;
 *   - a thread that is none of these, busy at whatever else, looks before it gets idle.
 * The newest idle thread is called first, so that the others can leave.
 *
 * Growing. A queue that moves fast needs no more threads, and a job that blocks for long must not
 * keep others waiting: which of the two it is shows only with time. So the last thread that the pool
 * has, or has just started, does not take the job for which it was called: it watches. It waits until
 * the oldest eligible job has waited for `patience`; if the busy ones were faster, it gets idle, and
 * the pool does not grow. If not, it takes the job and calls the next, which is started. That one
 * finds the rest of a burst old enough, so a burst of N jobs that block is delayed once, not N times.
 * Nobody watches (weft__must_watch_locked)
 *   - while fewer jobs run than there are `quick_threads`: as many as CPUs, or min_threads, start at
 *     once. A job that waits for others does not count;
 *   - while another thread is idle: then this one is needed, and the other can watch. So a pool whose
 *     load repeats has its threads, and one more, and delays no job;
 *   - when there is no room to grow: then to wait serves nothing.
 * When one of these comes true while somebody watches, that one is called before all others.
 *
 * Calling is decided under the lock and done without it: a thread woken under the lock would only
 * run into it. A `weft__worker` lives as long as its pool, so a signal that comes late wakes
 * somebody in vain at worst, who sees that `called` is not set.
 */
#include "pool/wake.h"

#include "core/inspect/trace.h"
#include "pool/schedule.h"
#include "pool/start.h"

/* Threads that are running jobs or about to do so are `threads`; more than
 * weft__schedule_threads_locked() are of no use. */
static bool may_start(const weft_pool *pool) WEFT_REQUIRES(pool->mu)
{
    return pool->free && !pool->by_hand &&
           weft__count_get(&pool->threads) < weft__schedule_threads_locked(pool);
}

/* So many are busy that the pool would have to grow. */
static bool must_grow(const weft_pool *pool) WEFT_REQUIRES(pool->mu)
{
    uint64_t busy = weft__count_get(&pool->running) - weft__pool_excused(pool);
    return busy >= pool->quick_threads && !pool->idle && may_start(pool);
}

bool weft__must_watch_locked(const weft_pool *pool)
{
    return must_grow(pool) && weft__schedule_eligible_locked(pool);
}

/* Is there anybody for a job that comes now by a ring? Not if somebody will look by himself. */
static bool is_callable(const weft_pool *pool) WEFT_REQUIRES(pool->mu)
{
    if (pool->waking || weft__schedule_common_locked(pool) == 0)
        return false;
    return pool->watcher ? !must_grow(pool) : pool->idle || may_start(pool);
}

void weft__note_callable_locked(weft_pool *pool)
{
    weft__express_note_locked(pool, is_callable(pool));
}

static struct weft__call call_thread(weft_pool *pool, struct weft__worker *worker)
    WEFT_REQUIRES(pool->mu)
{
    worker->called = true;
    pool->waking++;
    weft__count_up(&pool->wakeups_sent);
    return (struct weft__call){worker, false};
}

/* So many may be on their way afterwards, who was called included. */
static struct weft__call call_present(weft_pool *pool, unsigned most) WEFT_REQUIRES(pool->mu)
{
    struct weft__worker *watcher = pool->watcher;
    if (pool->waking >= most || (!watcher && !pool->idle) ||
        weft__schedule_eligible_locked(pool) <= pool->waking)
        return (struct weft__call){NULL, false};
    if (watcher && weft__must_watch_locked(pool))
        return (struct weft__call){NULL, false};
    if (watcher) {
        pool->watcher = NULL;
        return call_thread(pool, watcher);
    }
    weft__count_down(&pool->idle_count);
    return call_thread(pool, weft__worker_pop(&pool->idle));
}

static struct weft__call call_any(weft_pool *pool, unsigned most) WEFT_REQUIRES(pool->mu)
{
    if (pool->waking || pool->watcher || pool->idle || !may_start(pool) ||
        !weft__schedule_eligible_locked(pool))
        return call_present(pool, most);
    weft__count_up(&pool->threads);
    pool->waking++;
    return (struct weft__call){weft__worker_pop(&pool->free), true};
}

/* The hint of pool/express.c is stored before the look at the rings. */
struct weft__call weft__call_present_locked(weft_pool *pool)
{
    weft__note_callable_locked(pool);
    struct weft__call call = call_present(pool, 1);
    if (call.worker)
        weft__express_note_locked(pool, false);
    return call;
}

static struct weft__call call_worker(weft_pool *pool, unsigned most) WEFT_REQUIRES(pool->mu)
{
    weft__note_callable_locked(pool);
    struct weft__call call = call_any(pool, most);
    if (call.worker)
        weft__express_note_locked(pool, false);
    return call;
}

struct weft__call weft__call_worker_locked(weft_pool *pool)
{
    return call_worker(pool, 1);
}

struct weft__call weft__call_further_locked(weft_pool *pool)
{
    enum { SPREAD = 4 };
    return call_worker(pool, SPREAD);
}

void weft__rouse(struct weft__call call)
{
    if (call.worker && weft__trace_is_on())
        weft__trace_record(WEFT__TRACE_WAKE, 0, 0, (uintptr_t)call.worker, "worker");
    if (call.start)
        weft__start_thread(call.worker);
    else if (call.worker)
        pthread_cond_signal(&call.worker->roused);
}
