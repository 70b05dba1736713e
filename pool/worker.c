/* SPDX-License-Identifier: MIT */
/*
 * Workers: the threads of a pool, and who wakes whom.
 *
 *     (none) --started--> LOOKING --job--> RUNNING --it ended--> LOOKING --nothing queued--> IDLE
 *     IDLE --called--> LOOKING
 *     IDLE --keepalive is over, or the pool stops--> (none)
 *
 * Wake accounting. `waking` counts the threads that were called off the idle list, or are being
 * started, and do not hold the lock yet. It is 0 or 1, and whenever nothing holds the lock
 *
 *     something is queued, and a thread is idle or may still be started  =>  waking == 1
 *
 * (a failed start aside, see below). So no job waits in vain, and never are more threads woken than
 * jobs wait:
 *   - a submission calls one if waking is 0 (weft__call_worker_locked);
 *   - who arrives takes a job first; then, if more is queued, it calls the next before it runs its
 *     own. A burst of jobs thus costs the loop one wakeup, and the workers spread it themselves;
 *   - who arrives and finds nothing (a busy thread was faster) gets idle again: nothing is queued;
 *   - a thread gets idle only when nothing is queued; a cancelled job makes the queue shorter.
 * The newest idle thread is called first, so that the others can leave.
 *
 * Calling is decided under the lock and done without it: a thread woken under the lock would only
 * run into it. A `weft__worker` lives as long as its pool, so a signal that comes late wakes
 * somebody in vain at worst, who sees that `called` is not set.
 *
 * Failing to start a thread: if others exist, the job waits for them, and the next submission tries
 * again. If none does, there is nobody to wait for: every queued job fails with the error of
 * pthread_create().
 *
 * Leaving: a thread that leaves joins the one that left before it, so that at most one is unjoined,
 * which the last unref joins. A thread that is stuck in a job nobody waits for, its loop being
 * gone, is left behind by the last unref: when it comes back, it detaches itself, and the last such
 * thread frees the pool.
 *
 * The lock is taken once a job: to note that the last one ended and to take the next.
 */
#include "pool/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "core/sys.h"
#include "pool/job.h"
#include "pool/schedule.h"

/* ---- Calling ---- */

static struct weft__worker *pop(struct weft__worker **list)
{
    struct weft__worker *worker = *list;
    *list = worker->next;
    return worker;
}

static void push(struct weft__worker **list, struct weft__worker *worker)
{
    worker->next = *list;
    *list = worker;
}

static struct weft__call call_idle_locked(weft_pool *pool) WEFT_REQUIRES(pool->mu)
{
    if (pool->waking || !weft__schedule_eligible_locked(pool) || !pool->idle)
        return (struct weft__call){NULL, false};
    struct weft__worker *worker = pop(&pool->idle);
    worker->called = true;
    pool->idle_count--;
    pool->waking++;
    return (struct weft__call){worker, false};
}

struct weft__call weft__call_worker_locked(weft_pool *pool)
{
    if (pool->waking || !weft__schedule_eligible_locked(pool) || pool->idle || !pool->free ||
        pool->by_hand)
        return call_idle_locked(pool);
    pool->threads++;
    pool->waking++;
    return (struct weft__call){pop(&pool->free), true};
}

/* ---- Being a worker ---- */

static void name_thread(const struct weft__worker *self)
{
    char name[16];
    snprintf(name, sizeof(name), "%s-%hu", self->pool->thread_name,
             (unsigned short)(self - self->pool->workers));
    pthread_setname_np(pthread_self(), name);
}

/*
 * Run jobs until none may run. An end is noted, and the next job taken, before the one that ended is
 * sent home: whoever sees it complete finds its place in the lane free. Something may have been
 * queued while the last one was sent, so this looks again before it returns.
 */
static void run_jobs(weft_pool *pool) WEFT_REQUIRES(pool->mu)
{
    struct weft__job *job, *ended = NULL;
    weft_ns now = weft__pool_now();
    while ((job = weft__schedule_take_locked(pool, now)) || ended) {
        struct weft__call next = weft__call_worker_locked(pool);
        weft__mutex_unlock(&pool->mu);
        weft__rouse(next);
        if (ended)
            weft__job_send(ended);
        if (job)
            weft__job_run(job);
        now = weft__pool_now();
        weft__mutex_lock(&pool->mu);
        if (job)
            weft__schedule_ended_locked(pool, job, now);
        ended = job;
    }
}

static struct timespec time_after(weft_ns duration)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    weft_ns at = WEFT_S(now.tv_sec) + now.tv_nsec;
    at = duration < WEFT_FOREVER - at ? at + duration : WEFT_FOREVER;
    return (struct timespec){.tv_sec = at / WEFT_S(1), .tv_nsec = at % WEFT_S(1)};
}

/* True: the keepalive is over for this thread. */
static bool wait_a_while(weft_pool *pool, struct weft__worker *self,
                         const struct timespec *deadline) WEFT_REQUIRES(pool->mu)
{
    if (pool->threads > pool->min_threads)
        return pthread_cond_timedwait(&self->roused, &pool->mu.mutex, deadline) == ETIMEDOUT &&
               pool->threads > pool->min_threads;
    pthread_cond_wait(&self->roused, &pool->mu.mutex);
    return false;
}

static void leave_idle(weft_pool *pool, struct weft__worker *self) WEFT_REQUIRES(pool->mu)
{
    struct weft__worker **at = &pool->idle;
    while (*at != self)
        at = &(*at)->next;
    *at = self->next;
    pool->idle_count--;
}

/* Wait for a call. False: it is time to leave. */
static bool park(weft_pool *pool, struct weft__worker *self) WEFT_REQUIRES(pool->mu)
{
    struct timespec deadline = time_after(pool->keepalive);
    bool over = false;
    self->called = false;
    push(&pool->idle, self);
    pool->idle_count++;
    while (!self->called && !pool->stopping && !over)
        over = wait_a_while(pool, self, &deadline);
    if (!self->called)
        leave_idle(pool, self);
    return self->called;
}

/* Nobody waits for this thread: it ends by itself. */
static void leave_deserted(weft_pool *pool) WEFT_RELEASE(pool->mu)
{
    bool last = pool->threads == 0;
    weft__mutex_unlock(&pool->mu);
    pthread_detach(pthread_self());
    if (last)
        weft__pool_destroy(pool);
}

static void leave(weft_pool *pool, struct weft__worker *self) WEFT_RELEASE(pool->mu)
{
    pool->threads--;
    push(&pool->free, self);
    if (pool->deserted) {
        leave_deserted(pool);
        return;
    }
    bool join = pool->has_last_left;
    pthread_t before = pool->last_left;
    pool->has_last_left = true;
    pool->last_left = pthread_self();
    pthread_cond_signal(&pool->left);
    weft__mutex_unlock(&pool->mu);
    if (join)
        pthread_join(before, NULL);
}

static void *work(void *arg)
{
    struct weft__worker *self = arg;
    weft_pool *pool = self->pool;
    name_thread(self);
    weft__mutex_lock(&pool->mu);
    do {
        pool->waking--;
        run_jobs(pool);
    } while (park(pool, self));
    leave(pool, self);
    return NULL;
}

/* ---- Starting ---- */

/* All signals but those by which the kernel reports a fault of this very thread. */
static void block_signals(sigset_t *ret_old)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    sigset_t all;
    sigfillset(&all);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        sigdelset(&all, faults[i]);
    pthread_sigmask(SIG_SETMASK, &all, ret_old);
}

/* 0 or an error number. */
static int start_thread(struct weft__worker *worker)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t old;
    int error = pthread_attr_init(&attributes);
    if (error)
        return error;
    error = pthread_attr_setstacksize(&attributes, worker->pool->stack_size);
    if (!error) {
        block_signals(&old);
        error = weft__sys.pthread_create(&thread, &attributes, work, worker);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
    }
    pthread_attr_destroy(&attributes);
    return error;
}

/* The jobs that nobody is there to run, linked by `next`. */
static struct weft__job *take_orphans_locked(weft_pool *pool) WEFT_REQUIRES(pool->mu)
{
    struct weft__job *first = NULL, **end = &first;
    if (pool->threads > 0)
        return NULL;
    while ((*end = weft__lane_pop_locked(&pool->lane)))
        end = &(*end)->next;
    return first;
}

static void wake(struct weft__worker *worker)
{
    if (worker)
        pthread_cond_signal(&worker->roused);
}

static void give_up_start(struct weft__worker *worker, int error)
{
    weft_pool *pool = worker->pool;
    weft__mutex_lock(&pool->mu);
    pool->threads--;
    pool->waking--;
    push(&pool->free, worker);
    struct weft__job *next, *orphan = take_orphans_locked(pool);
    struct weft__call idle = call_idle_locked(pool);
    weft__mutex_unlock(&pool->mu);
    wake(idle.worker);
    for (; orphan; orphan = next) {
        next = orphan->next;
        weft__job_finish(orphan, weft_err(-error));
    }
}

void weft__rouse(struct weft__call call)
{
    if (!call.start) {
        wake(call.worker);
        return;
    }
    int error = start_thread(call.worker);
    if (error)
        give_up_start(call.worker, error);
}

/* ---- The end ---- */

void weft__end_workers(weft_pool *pool)
{
    weft__mutex_lock(&pool->mu);
    pool->stopping = true;
    for (struct weft__worker *idle = pool->idle; idle; idle = idle->next)
        pthread_cond_signal(&idle->roused);
    while (pool->threads > pool->abandoned)
        pthread_cond_wait(&pool->left, &pool->mu.mutex);
    bool join = pool->has_last_left;
    pthread_t last = pool->last_left;
    bool destroy = pool->threads == 0;
    pool->deserted = true;
    weft__mutex_unlock(&pool->mu);
    if (join)
        pthread_join(last, NULL);
    if (destroy)
        weft__pool_destroy(pool);
}
