/* SPDX-License-Identifier: MIT */
/*
 * What the threads of a pool are at, for a look from outside.
 *
 * Each worker notes under the pool's lock which job it has taken, and forgets it under that lock
 * when the function has returned, before the job is sent home: so what is noted has not been freed.
 * The user's function is called with no lock held, on a copy.
 */
#include <stdio.h>

#include "pool/cancel.h"
#include "pool/job.h"
#include "pool/lane.h"
#include "pool/pool.h"
#include "pool/schedule.h"

static void describe_locked(const struct weft__job *job, struct weft_running_job *ret)
{
    *ret = (struct weft_running_job){.runs_for = weft__pool_now() - job->started_at,
                                     .is_abandoned = job->deserted || job->let_go,
                                     .state = weft__control_describe(job->control)};
    snprintf(ret->name, sizeof(ret->name), "%s", job->name);
    snprintf(ret->started_at, sizeof(ret->started_at), "%s", job->place ? job->place : "");
    snprintf(ret->lane, sizeof(ret->lane), "%s", job->lane->name);
}

/* False: this one runs no job. */
static bool look(weft_pool *pool, const struct weft__worker *worker, struct weft_running_job *ret)
{
    weft__mutex_lock(&pool->mu);
    const struct weft__job *job = worker->job;
    if (job)
        describe_locked(job, ret);
    weft__mutex_unlock(&pool->mu);
    return job;
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
