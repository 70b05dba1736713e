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
    struct weft__job *job = NULL;
    if (weft__schedule_eligible_locked(pool))
        job = weft__lane_pop_locked(&pool->lane);
    if (job)
        weft__count_up(&pool->running);
    return job;
}

void weft__schedule_ended_locked(weft_pool *pool, struct weft__job *job, weft_ns now)
{
    (void)job;
    (void)now;
    weft__count_down(&pool->running);
}

size_t weft__schedule_eligible_locked(const weft_pool *pool)
{
    size_t slots = weft__pool_slots(pool), running = weft__count_get(&pool->running);
    size_t room = slots > running ? slots - running : 0;
    return pool->lane.queued < room ? pool->lane.queued : room;
}

weft_ns weft__schedule_oldest_locked(const weft_pool *pool)
{
    return pool->lane.first->queued_at;
}
