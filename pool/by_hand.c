/* SPDX-License-Identifier: MIT */
/*
 * Pools by hand: for tests, pools that have no thread, so that what happens has one order.
 *
 * A job is queued, cancelled and listed as ever. It runs when weft__pool_step() is called: by the test,
 * or for an inline pool by an item of the client's that stands in the ready queue (pool/client.c). Then
 * it comes home by the mailbox, as from a worker. While it runs, the thread has no loop: what a
 * worker must not do fails here as it does there.
 *
 * For the shares of lanes each job counts as EACH, however long it took, so that their order is always
 * the same.
 *
 * These jobs do not hold up virtual time: one that nobody steps would do so for ever.
 */
#include "core/inspect/probe.h"
#include "core/thread.h"
#include "pool/job.h"
#include "pool/pool.h"
#include "pool/schedule.h"
#include "pool/trace.h"

#define EACH WEFT_MS(1)

weft_pool *weft__pool_by_hand(enum weft__by_hand how)
{
    weft_pool *pool = weft_pool_new(&(struct weft_pool_options){.max_threads = 1});
    if (pool)
        pool->by_hand = how;
    return pool;
}

static void run_without_loop(struct weft__job *job)
{
    weft_loop *loop = weft__loop;
    uint32_t id = weft__loop_id;
    weft__loop = NULL;
    weft__loop_id = 0;
    weft__lent_loop_id = id;
    WEFT__PROBE1(job_begin, job);
    if (weft__trace_is_on())
        weft__job_trace_run(job);
    weft__job_run(job);
    WEFT__PROBE1(job_end, job);
    if (weft__trace_is_on())
        weft__job_trace_end(job, job->result.status);
    weft_pool *pool = job->pool;
    weft__mutex_lock(&pool->mu);
    bool goes_on = weft__chain_ended_locked(pool, job, job->started_at + EACH);
    weft__mutex_unlock(&pool->mu);
    if (!goes_on)
        weft__job_send(job);
    weft__loop = loop;
    weft__loop_id = id;
    weft__lent_loop_id = 0;
}

static struct weft__job *take(weft_pool *pool)
{
    weft__mutex_lock(&pool->mu);
    struct weft__job *job = weft__schedule_take_locked(pool, weft__pool_now());
    weft__mutex_unlock(&pool->mu);
    return job;
}

size_t weft__pool_step(weft_pool *pool, size_t count)
{
    size_t done = 0;
    struct weft__job *job;
    if (!pool->by_hand || weft__pool_is_inherited(pool))
        return 0;
    for (; done < count && (job = take(pool)); done++)
        run_without_loop(job);
    return done;
}
