/* SPDX-License-Identifier: MIT */
/*
 * Scheduler: which job starts next.
 */
#include "pool/schedule.h"

#include "pool/job.h"
#include "pool/lane.h"

struct weft__job *weft__schedule_take_locked(weft_pool *pool, weft_ns now)
{
    (void)now;
    struct weft__job *job = weft__lane_pop_locked(&pool->lane);
    if (job)
        pool->running++;
    return job;
}

void weft__schedule_ended_locked(weft_pool *pool, struct weft__job *job, weft_ns now)
{
    (void)job;
    (void)now;
    pool->running--;
}

size_t weft__schedule_eligible_locked(const weft_pool *pool)
{
    return pool->lane.queued;
}
