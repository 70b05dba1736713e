/* SPDX-License-Identifier: MIT */
/*
 * What the threads of a pool are at, for a look from outside.
 *
 * Each worker notes which job it has taken, and forgets it when the function has returned, before the
 * job is sent home: so what is noted has not been freed. Who looks holds the pool's lock, and so do workers
 * as a rule. One that goes on with the next job without it (pool/express.c) exchanges what it has noted.
 * Who looks marks that by its lowest bit first; a worker that finds the mark waits for the lock.
 * The user's function is called with no lock held, on a copy.
 */
#include <stdio.h>

#include "pool/cancel.h"
#include "pool/job.h"
#include "pool/lane.h"
#include "pool/pool.h"
#include "pool/schedule.h"
#include "pool/worker.h"

enum { LOOKED_AT = 1 };

static void describe_locked(const struct weft__job *job, weft_ns started_at,
                            struct weft_running_job *ret)
{
    *ret = (struct weft_running_job){.runs_for = weft__pool_now() - started_at,
                                     .is_abandoned = job->deserted || job->let_go,
                                     .state = weft__control_describe(job->control)};
    snprintf(ret->name, sizeof(ret->name), "%s", job->name);
    snprintf(ret->started_at, sizeof(ret->started_at), "%s", job->place ? job->place : "");
    snprintf(ret->lane, sizeof(ret->lane), "%s", job->lane->name);
}

/* False: this one runs no job. */
static bool look(weft_pool *pool, struct weft__worker *worker, struct weft_running_job *ret)
{
    weft__mutex_lock(&pool->mu);
    uintptr_t job = atomic_load(&worker->job);
    while (job && !atomic_compare_exchange_weak(&worker->job, &job, job | LOOKED_AT))
        ;
    if (job)
        describe_locked((const struct weft__job *)job,
                        atomic_load_explicit(&worker->started_at, memory_order_relaxed), ret);
    uintptr_t marked = job | LOOKED_AT;
    if (job)
        atomic_compare_exchange_strong(&worker->job, &marked, job);
    weft__mutex_unlock(&pool->mu);
    return job;
}

void weft__running_goes_on(struct weft__worker *self, const struct weft__job *next, weft_ns now)
{
    atomic_store_explicit(&self->started_at, now, memory_order_relaxed);
    uintptr_t before = atomic_exchange(&self->job, (uintptr_t)next);
    if (!(before & LOOKED_AT))
        return;
    weft__mutex_lock(&self->pool->mu); /* who looks is done with it */
    weft__mutex_unlock(&self->pool->mu);
}

void weft_pool_each_running(weft_pool *pool,
                            void (*fn)(void *arg, const struct weft_running_job *job), void *arg)
{
    struct weft_running_job job;
    if (!pool || !fn || weft__pool_is_inherited(pool))
        return;
    for (unsigned i = 0; i < pool->places; i++)
        if (look(pool, &pool->workers[i], &job))
            fn(arg, &job);
}
