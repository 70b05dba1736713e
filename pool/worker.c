/* SPDX-License-Identifier: MIT */
/*
 * Worker: what a thread of a pool does.
 *
 *     (none) --started--> LOOKING --job--> RUNNING --it ended--> LOOKING --none is eligible--> IDLE
 *     LOOKING --the last before the pool grows--> WATCHING --called, or time is over--> LOOKING
 *     IDLE --called--> LOOKING
 *     IDLE --keepalive is over, or the pool stops--> (none)
 *
 *     RUNNING --it ended, and the pool is open for its lane--> SEARCHING --a job in a ring--> RUNNING
 *     SEARCHING --none for a while, or the pool was closed--> LOOKING
 *
 * Who calls whom, and when one watches, is in pool/wake.c; how a thread comes and goes in
 * pool/start.c. The lock is taken once a job: to note that the last one ended and to take the next; or
 * not at all while jobs of one lane come by rings (pool/express.c).
 */
#include "pool/worker.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "core/inspect/probe.h"
#include "core/line.h"
#include "core/spin.h"
#include "core/thread.h"
#include "pool/each.h"
#include "pool/job.h"
#include "pool/schedule.h"
#include "pool/start.h"
#include "pool/trace.h"
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
        pool->waking--;
    return called;
}

/* Leave the jobs to the busy threads until one has waited for too long. */
static void watch(weft_pool *pool, struct weft__worker *self) WEFT_REQUIRES(pool->mu)
{
    while (!pool->watcher && !pool->stopping && weft__must_watch_locked(pool) &&
           !weft__each_is_due_locked(pool, self)) {
        weft_ns oldest = weft__schedule_oldest_locked(pool);
        weft_ns until = time_after(oldest, pool->patience);
        if (oldest == WEFT_FOREVER || weft__pool_now() >= until)
            return;
        pool->watcher = self;
        while (pool->watcher == self && !pool->stopping && wait_until(pool, self, until))
            ;
        if (pool->watcher == self)
            pool->watcher = NULL;
        arrive(pool, self);
    }
}

/* Run the function of a job that was taken with the lock, or claimed (`run` is NULL unless it is plain). */
static void call(struct weft__worker *self, weft_result (*run)(void *params), void *params,
                 struct weft__return *out)
{
    self->in_job = true;
    WEFT__PROBE1(job_begin, out->job);
    if (weft__trace_is_on())
        weft__job_trace_run(out->job);
    if (run)
        out->by_value = weft__job_run_plain(out->job, run, params, &out->status, &out->value);
    else
        weft__job_run(out->job);
    WEFT__PROBE1(job_end, out->job);
    if (weft__trace_is_on())
        weft__job_trace_end(out->job, out->by_value ? out->status : out->job->result.status);
    self->in_job = false;
}

/* Does its end need the lock, whatever comes next? */
static bool needs_lock(const struct weft__worker *self, const struct weft__return *out)
{
    return self->blocking > 0 || (!out->by_value && (out->job->key || out->job->chain.goes_on));
}

/* ---- Searching: looking for a job for a while, with the last one home ---- */

struct search {
    weft_pool *pool;
    struct weft__span *span;
    struct weft__claim *claim;
};

static enum weft__look look(void *arg, weft_ns now)
{
    struct search *search = arg;
    (void)now;
    if (weft__express_has(search->pool, search->span->lane)) {
        weft__fetch_to_write(&search->pool->express.searching); /* the loop has looked at it */
        if (weft__schedule_resume(search->pool, search->span, search->claim))
            return WEFT__FOUND;
    }
    return weft__express_is_open(search->pool, search->span->lane) ? WEFT__NOTHING : WEFT__ENOUGH;
}

static bool search_for_next(struct weft__worker *self, struct weft__span *span,
                            struct weft__claim *claim)
{
    weft_pool *pool = self->pool;
    struct search search = {pool, span, claim};
    weft__express_search_begin(pool);
    enum weft__spun spun = weft__spin(&self->spin, pool->spin, look, &search);
    weft__express_search_end(pool);
    if (spun != WEFT__SPUN_NOT)
        weft__count_up(&self->spins);
    if (spun == WEFT__SPUN_PAID)
        weft__count_up(&self->spins_paid);
    if (spun == WEFT__SPUN_PAID)
        weft__express_hand_on(pool, span->lane);
    return spun == WEFT__SPUN_PAID;
}

/* ---- Running jobs ---- */

/* Send home a job that has ended: the worker goes on with the next one, or rests. */
static void let_go(struct weft__worker *self, struct weft__job *next, const struct weft__span *span,
                   struct weft__return *out)
{
    weft__running_goes_on(self, next, span->started_at);
    weft__home_send(self, out);
    out->job = NULL;
}

/* Go on with the next job without the lock; false: that is needed. If the job has been sent home already
 * out->job is NULL. */
static bool go_on(struct weft__worker *self, struct weft__span *span, struct weft__claim *claim,
                  struct weft__return *out)
{
    if (needs_lock(self, out))
        return false;
    if (weft__schedule_go_on(self->pool, span, claim)) {
        let_go(self, claim->job, span, out);
        return true;
    }
    if (!weft__express_is_open(self->pool, span->lane))
        return false;
    weft__schedule_rest(span);
    let_go(self, NULL, span, out);
    if (!search_for_next(self, span, claim))
        return false;
    weft__running_goes_on(self, claim->job, span->started_at);
    return true;
}

/*
 * Run a job, and those that follow by the rings without the lock. *out: the last one, whose end is not
 * noted; or none, and the worker has its account still.
 */
static void run_on(struct weft__worker *self, struct weft__job *job, struct weft__span *span,
                   struct weft__return *out)
{
    *span = (struct weft__span){.lane = job->lane,
                                .started_at = job->started_at,
                                .charged = job->charged,
                                .tally = &self->pool->tallies[self - self->pool->workers]};
    struct weft__claim claim = {.run = NULL};
    *out = (struct weft__return){.job = job, .home = job->home, .mailbox = job->mailbox};
    for (;;) {
        call(self, claim.run, claim.params, out);
        if (!go_on(self, span, &claim, out))
            break;
        *out =
            (struct weft__return){.job = claim.job, .home = claim.home, .mailbox = claim.mailbox};
    }
    weft__schedule_settle(span);
    if (!out->job)
        return;
    out->job->started_at = span->started_at;
    out->job->charged = span->charged;
}

/* What the worker has been doing is over. True: it is to be sent home. */
static bool end_locked(weft_pool *pool, const struct weft__span *span,
                       const struct weft__return *out, weft_ns now) WEFT_REQUIRES(pool->mu)
{
    if (out->job)
        return !weft__chain_ended_locked(pool, out->job, now);
    weft__schedule_leave_locked(pool, span);
    return false;
}

struct calls {
    struct weft__call one, other;
};

static struct calls call_others(weft_pool *pool, bool arrived) WEFT_REQUIRES(pool->mu)
{
    struct calls calls = {{NULL, false}, {NULL, false}};
    calls.one = arrived ? weft__call_further_locked(pool) : weft__call_worker_locked(pool);
    if (arrived)
        calls.other = weft__call_further_locked(pool);
    return calls;
}

/*
 * Run jobs until none may run. An end is noted, and the next job taken, before the one that ended is
 * sent home: whoever sees it complete finds its place in the lane free. Something may have been
 * queued while the last one was sent, so this looks again before it returns. Who has just arrived
 * calls two others, who comes from a job one.
 */
static void run_jobs(weft_pool *pool, struct weft__worker *self) WEFT_REQUIRES(pool->mu)
{
    bool arrived = true;
    struct weft__return ended = {.job = NULL};
    struct weft__span span;
    weft_ns now = weft__pool_now();
    for (;;) {
        bool due = weft__each_is_due_locked(pool, self);
        struct weft__job *job = due ? NULL : weft__schedule_take_locked(pool, now);
        if (!due && !job && !ended.job)
            return;
        struct calls calls = call_others(pool, arrived);
        bool woken = arrived;
        arrived = false;
        atomic_store_explicit(&self->started_at, now, memory_order_relaxed);
        atomic_store(&self->job, job);
        if (job)
            weft__tally_bind_locked(pool, &pool->tallies[self - pool->workers], job->lane);
        weft__mutex_unlock(&pool->mu);
        if (woken && weft__trace_is_on())
            weft__trace_record(WEFT__TRACE_WOKEN, 0, 0, (uintptr_t)self, "worker");
        weft__rouse(calls.one);
        weft__rouse(calls.other);
        if (ended.job)
            weft__home_send(self, &ended);
        ended.job = NULL;
        if (job)
            run_on(self, job, &span, &ended);
        if (due)
            weft__each_serve(pool, self);
        now = weft__pool_now();
        weft__mutex_lock(&pool->mu);
        atomic_store(&self->job, NULL);
        weft__worker_unblock_locked(pool, self);
        if (job && !end_locked(pool, &span, &ended, now))
            ended.job = NULL;
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
    weft__note_callable_locked(pool);
    if (weft__schedule_eligible_locked(pool)) {
        leave_idle(pool, self);
        return true;
    }
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
    atomic_store_explicit(&self->tid, gettid(), memory_order_relaxed);
    weft__worker_here = self;
    weft__blocking_ops = &weft__worker_blocking;
    if (!weft__worker_begin(self))
        return NULL;
    weft__thread_begin_own();
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
    weft__thread_end_own();
    return NULL;
}

void *weft_thread_state(void)
{
    const struct weft__worker *self = weft__worker_here;
    return self && (self->in_job || self->in_round) ? self->state : NULL;
}
