/* SPDX-License-Identifier: MIT */
/*
 * Blocking: a job that waits for others lets another thread run.
 *
 * A job may wait for its loop, for another job, for another thread: in a queue's blocking calls, for a
 * task that it spawned, or between weft_job_blocking_begin() and _end(). What it waits for may need a
 * worker, and if all of them wait like this, nothing would ever happen. So a job that waits does not
 * count against max_threads (weft__pool_slots): while it does, one thread more may run jobs, up to
 * max_spares. Waits are counted once a job, however they are nested.
 *
 * When the wait is over the job goes on at once, without asking: to hold it back until a place is free
 * could itself never end. For a while more jobs run than max_threads; then their workers take no new
 * ones (pool/schedule.c: no job is eligible while the slots are full), get idle, and leave as others do.
 *
 * With max_spares used up, or the thread not to be started, the deadlock is there: limits are limits.
 */
#include "pool/worker.h"

#include "pool/cancel.h"
#include "pool/wake.h"

static void begin(void)
{
    struct weft__worker *self = weft__worker_here;
    weft_pool *pool = self->pool;
    if (!self->in_job || self->blocking++ > 0)
        return;
    weft__mutex_lock(&pool->mu);
    weft__count_up(&pool->blocked);
    struct weft__call call = weft__call_worker_locked(pool);
    weft__mutex_unlock(&pool->mu);
    weft__rouse(call);
}

static void end(void)
{
    struct weft__worker *self = weft__worker_here;
    weft_pool *pool = self->pool;
    if (self->blocking == 0 || --self->blocking > 0)
        return;
    weft__mutex_lock(&pool->mu);
    weft__count_down(&pool->blocked);
    if (weft__count_get(&pool->running) > weft__pool_slots(pool)) /* then some stop: see above */
        weft__express_close_locked(pool);
    struct weft__call call =
        weft__call_worker_locked(pool); /* a watcher may have nothing to watch */
    weft__mutex_unlock(&pool->mu);
    weft__rouse(call);
}

const struct weft__blocking_ops weft__worker_blocking = {begin, end, weft__control_watch};

void weft__worker_unblock_locked(weft_pool *pool, struct weft__worker *self)
{
    if (self->blocking > 0)
        weft__count_down(&pool->blocked);
    self->blocking = 0;
}

void weft_job_blocking_begin(void)
{
    weft__blocking_begin();
}

void weft_job_blocking_end(void)
{
    weft__blocking_end();
}
