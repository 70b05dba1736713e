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

/* Which byte of the job `worker->job` points to says whether it is looked at. */
static char *looked_at(char *job)
{
    return job + 1;
}

static bool is_looked_at(const char *job)
{
    return (uintptr_t)job % 2 != 0;
}

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
    char *job = atomic_load(&worker->job);
    while (job && !atomic_compare_exchange_weak(&worker->job, &job, looked_at(job)))
        ;
    if (job)
        describe_locked((const struct weft__job *)(void *)job,
                        atomic_load_explicit(&worker->started_at, memory_order_relaxed), ret);
    char *marked = job ? looked_at(job) : NULL;
    if (job)
        atomic_compare_exchange_strong(&worker->job, &marked, job);
    weft__mutex_unlock(&pool->mu);
    return job;
}

void weft__running_goes_on(struct weft__worker *self, struct weft__job *next, weft_ns now)
{
    atomic_store_explicit(&self->started_at, now, memory_order_relaxed);
    const char *before = atomic_exchange(&self->job, (char *)next);
    if (!is_looked_at(before))
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
