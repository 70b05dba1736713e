/* SPDX-License-Identifier: MIT */
/*
 * What the threads of a pool are at, for a look from outside.
 *
 * Each worker notes which job it has taken, and forgets it when the function has returned, before the
 * job is sent home. Who looks holds the pool's lock, and so do workers as a rule, when they note something.
 * One that goes on with the next job without it (pool/express.c) does not even look whether somebody is
 * looking: that would be a full barrier for each job. It is the loop that waits, before it may free what
 * has come home:
 *
 *     worker   K1  forgets the job                 who looks  E1  looked: set it
 *              K2  publishes it (pool/home.c)                 E2  reads what is noted, and in that job
 *     loop     F1  takes it, having seen K2                   E3  looked: take it back
 *              F2  looked: read and write it; if
 *                  it is set, wait for the lock
 *              F3  frees it
 *
 * F2 and E1 are atomic steps of one variable. If F2 is first then E1 reads what it wrote, and with that
 * K1, K2, F1 and F2 are before E2, which does not find the job noted. If E1 is first then F2 finds it
 * set, and waits until the lock is free; or E3 came before, and with that E2.
 * A job that goes home by the mailbox waits for the lock itself, on the worker. In a forked child nobody
 * looks, though `looked` may be set, and nobody gives back the lock. tests/model/home.pml has it for Spin.
 *
 * The user's function is called with no lock held, on a copy.
 */
#include <stdio.h>
#include <string.h>

#include "pool/cancel.h"
#include "pool/job.h"
#include "pool/lane.h"
#include "pool/pool.h"
#include "pool/schedule.h"
#include "pool/worker.h"

/* Not in one expression: gcc would read both with the bytes around them, which the loop may be writing. */
static bool is_abandoned(const struct weft__job *job)
{
    bool left = job->deserted;
    if (!left)
        left = job->let_go;
    return left;
}

static void describe_locked(const struct weft__worker *worker, const struct weft__job *job,
                            struct weft__busy *ret)
{
    weft_ns started_at = atomic_load_explicit(&worker->started_at, memory_order_relaxed);
    *ret = (struct weft__busy){
        .tid = atomic_load_explicit(&worker->tid, memory_order_relaxed),
        .serial = (uint64_t)started_at,
        .what = &job->future,
        .loop_id = job->future.loop_id,
        .runs_for = weft__pool_now() - started_at,
        .slow_after = job->lane->slow_job,
        .is_abandoned = is_abandoned(job),
        .told = weft__control_describe(job->control),
    };
    snprintf(ret->name, sizeof(ret->name), "%s", job->name);
    snprintf(ret->started_at, sizeof(ret->started_at), "%s", job->place ? job->place : "");
    snprintf(ret->lane, sizeof(ret->lane), "%s", job->lane->name);
}

/* False: this one runs no job. */
static bool look(weft_pool *pool, struct weft__worker *worker, struct weft__busy *ret)
{
    weft__mutex_lock(&pool->mu);
    weft__express_look_locked(pool, true); /* E1 */
    const struct weft__job *job = atomic_load(&worker->job);
    if (job)
        describe_locked(worker, job, ret);
    weft__express_look_locked(pool, false); /* E3 */
    weft__mutex_unlock(&pool->mu);
    return job;
}

void weft__running_goes_on(struct weft__worker *self, struct weft__job *next, weft_ns now)
{
    atomic_store_explicit(&self->started_at, now, memory_order_relaxed);
    atomic_store_explicit(&self->job, next, memory_order_release); /* K1 */
}

void weft__running_wait(weft_pool *pool)
{
    weft__mutex_lock(&pool->mu);
    weft__mutex_unlock(&pool->mu);
}

void weft__running_is_over(struct weft__home *home)
{
    if (atomic_fetch_add(&home->looked, 0) /* F2 */ && !weft__pool_is_inherited(home->pool))
        weft__running_wait(home->pool);
}

void weft__running_each(weft_pool *pool, void (*fn)(void *arg, const struct weft__busy *busy),
                        void *arg)
{
    struct weft__busy busy;
    if (weft__pool_is_inherited(pool))
        return;
    for (unsigned i = 0; i < pool->places; i++)
        if (look(pool, &pool->workers[i], &busy))
            fn(arg, &busy);
}

struct teller {
    void (*fn)(void *arg, const struct weft_running_job *job);
    void *arg;
};

static void tell(void *arg, const struct weft__busy *busy)
{
    const struct teller *teller = arg;
    struct weft_running_job job = {
        .runs_for = busy->runs_for, .is_abandoned = busy->is_abandoned, .state = busy->told};
    memcpy(job.name, busy->name, sizeof(job.name));
    memcpy(job.started_at, busy->started_at, sizeof(job.started_at));
    memcpy(job.lane, busy->lane, sizeof(job.lane));
    teller->fn(teller->arg, &job);
}

void weft_pool_each_running(weft_pool *pool,
                            void (*fn)(void *arg, const struct weft_running_job *job), void *arg)
{
    struct teller teller = {fn, arg};
    if (pool && fn)
        weft__running_each(pool, tell, &teller);
}
