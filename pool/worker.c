/* SPDX-License-Identifier: MIT */
/*
 * Worker: what a thread of a pool does.
 *
 *     (none) --started--> LOOKING --job--> RUNNING --it ended--> LOOKING --none is eligible--> IDLE
 *     LOOKING --the last before the pool grows--> WATCHING --called, or time is over--> LOOKING
 *     IDLE --called--> LOOKING
 *     IDLE --keepalive is over, or the pool stops--> (none)
 *
 * Who calls whom, and when one watches, is in pool/wake.c; how a thread comes and goes in
 * pool/start.c. The lock is taken once a job: to note that the last one ended and to take the next.
 */
#include "pool/worker.h"

#include <errno.h>
#include <stdio.h>

#include "pool/each.h"
#include "pool/job.h"
#include "pool/schedule.h"
#include "pool/start.h"
#include "pool/wake.h"

_Thread_local struct weft__worker *weft__worker_here = NULL;

static void name_thread(const struct weft__worker *self)
{
    char name[16];
    snprintf(name, sizeof(name), "%s-%hu", self->pool->thread_name,
             (unsigned short)(self - self->pool->workers));
    pthread_setname_np(pthread_self(), name);
}

static weft_ns time_after(weft_ns from, weft_ns duration)
{
    return duration < WEFT_FOREVER - from ? from + duration : WEFT_FOREVER;
}

/* False: `until` is over. */
static bool wait_until(weft_pool *pool, struct weft__worker *self, weft_ns until)
    WEFT_REQUIRES(pool->mu)
{
    struct timespec at = {.tv_sec = until / WEFT_S(1), .tv_nsec = until % WEFT_S(1)};
    return pthread_cond_timedwait(&self->roused, &pool->mu.mutex, &at) != ETIMEDOUT;
}

/* The thread that was called holds the lock: the next one may be called. */
static bool arrive(weft_pool *pool, struct weft__worker *self) WEFT_REQUIRES(pool->mu)
{
    bool called = self->called;
    self->called = false;
    if (called)
        pool->waking = false;
    return called;
}

/* Leave the jobs to the busy threads until one has waited for too long. */
static void watch(weft_pool *pool, struct weft__worker *self) WEFT_REQUIRES(pool->mu)
{
    while (!pool->watcher && !pool->stopping && weft__must_watch_locked(pool) &&
           !weft__each_is_due_locked(pool, self)) {
        weft_ns until = time_after(weft__schedule_oldest_locked(pool), pool->patience);
        if (weft__pool_now() >= until)
            return;
        pool->watcher = self;
        while (pool->watcher == self && !pool->stopping && wait_until(pool, self, until))
            ;
        if (pool->watcher == self)
            pool->watcher = NULL;
        arrive(pool, self);
    }
}

/* Run the function. */
static void run_job(struct weft__worker *self, struct weft__job *job)
{
    self->in_job = true;
    weft__job_run(job);
    self->in_job = false;
}

/*
 * Run jobs until none may run. An end is noted, and the next job taken, before the one that ended is
 * sent home: whoever sees it complete finds its place in the lane free. Something may have been
 * queued while the last one was sent, so this looks again before it returns.
 */
static void run_jobs(weft_pool *pool, struct weft__worker *self) WEFT_REQUIRES(pool->mu)
{
    struct weft__job *ended = NULL;
    weft_ns now = weft__pool_now();
    for (;;) {
        bool due = weft__each_is_due_locked(pool, self);
        struct weft__job *job = due ? NULL : weft__schedule_take_locked(pool, now);
        if (!due && !job && !ended)
            return;
        struct weft__call next = weft__call_worker_locked(pool);
        self->job = job;
        weft__mutex_unlock(&pool->mu);
        weft__rouse(next);
        if (ended)
            weft__job_send(ended);
        if (job)
            run_job(self, job);
        if (due)
            weft__each_serve(pool, self);
        now = weft__pool_now();
        weft__mutex_lock(&pool->mu);
        self->job = NULL;
        weft__worker_unblock_locked(pool, self);
        ended = job && !weft__chain_ended_locked(pool, job, now) ? job : NULL;
    }
}

/* True: the keepalive is over for this thread. */
static bool wait_a_while(weft_pool *pool, struct weft__worker *self, weft_ns until)
    WEFT_REQUIRES(pool->mu)
{
    if (weft__count_get(&pool->threads) > pool->min_threads)
        return !wait_until(pool, self, until) &&
               weft__count_get(&pool->threads) > pool->min_threads;
    pthread_cond_wait(&self->roused, &pool->mu.mutex);
    return false;
}

static void leave_idle(weft_pool *pool, struct weft__worker *self) WEFT_REQUIRES(pool->mu)
{
    struct weft__worker **at = &pool->idle;
    while (*at != self)
        at = &(*at)->next;
    *at = self->next;
    weft__count_down(&pool->idle_count);
}

/* Wait for a call. False: it is time to leave. */
static bool park(weft_pool *pool, struct weft__worker *self) WEFT_REQUIRES(pool->mu)
{
    weft_ns until = time_after(weft__pool_now(), pool->keepalive);
    bool over = false;
    weft__worker_push(&pool->idle, self);
    weft__count_up(&pool->idle_count);
    while (!self->called && !pool->stopping && !over && !weft__each_is_due_locked(pool, self))
        over = wait_a_while(pool, self, until);
    if (!self->called)
        leave_idle(pool, self);
    return arrive(pool, self) || (!pool->stopping && weft__each_is_due_locked(pool, self));
}

void *weft__work(void *worker)
{
    struct weft__worker *self = worker;
    weft_pool *pool = self->pool;
    name_thread(self);
    weft__worker_here = self;
    weft__blocking_ops = &weft__worker_blocking;
    if (!weft__worker_begin(self))
        return NULL;
    weft__mutex_lock(&pool->mu);
    weft__count_up(&pool->started);
    pool->present++;
    self->round = pool->last_round;
    self->called = true;
    arrive(pool, self);
    do {
        watch(pool, self);
        run_jobs(pool, self);
    } while (park(pool, self));
    weft__worker_leave_locked(pool, self);
    return NULL;
}

void *weft_thread_state(void)
{
    const struct weft__worker *self = weft__worker_here;
    return self && (self->in_job || self->in_round) ? self->state : NULL;
}
