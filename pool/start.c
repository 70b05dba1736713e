/* SPDX-License-Identifier: MIT */
/*
 * Start: how a worker comes, and how it goes.
 *
 *     FREE --called--> STARTING --thread_start--> PRESENT (pool/worker.c) --> FREE, and thread_stop
 *     STARTING --no thread, or thread_start fails--> FREE
 *
 * A thread counts among pool->threads, and holds a place, from the call until it begins to leave. One
 * that runs thread_stop, or fails the jobs that waited for it, is none of the pool's workers any more,
 * only waited for at the pool's end (`leaving`): no job waits for it, and another thread may have its
 * place.
 *
 * Failing to start: if other threads exist, the job waits for them, and whoever looks next (a
 * submission, the end of a job) tries again. If none does, there is nobody to wait for: every queued
 * job fails with the error of pthread_create() or of thread_start.
 *
 * A thread that leaves joins the one that left before it, so that at most one is unjoined, which the
 * last unref joins. A thread that is stuck in a job nobody waits for, its loop being gone, is left
 * behind by the last unref: when it comes back, it detaches itself, and the last such thread frees the
 * pool.
 */
#include "pool/start.h"

#include <signal.h>
#include <stdio.h>

#include "core/sys.h"
#include "core/thread.h"
#include "pool/job.h"
#include "pool/schedule.h"
#include "pool/wake.h"
#include "pool/worker.h"

/* ---- Coming ---- */

/* 0 or an error number. */
static int create_thread(struct weft__worker *worker)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t old;
    int error = pthread_attr_init(&attributes);
    if (error)
        return error;
    error = pthread_attr_setstacksize(&attributes, worker->pool->stack_size);
    if (!error) {
        weft__block_signals(&old);
        error = weft__sys.pthread_create(&thread, &attributes, weft__work, worker);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
    }
    pthread_attr_destroy(&attributes);
    return error;
}

/* The jobs that nobody is there to run, linked by `next`. */
static struct weft__job *take_orphans_locked(weft_pool *pool) WEFT_REQUIRES(pool->mu)
{
    struct weft__job *job, *first = NULL, **end = &first;
    weft_ns now = weft__pool_now();
    while (weft__count_get(&pool->threads) == 0 &&
           (job = weft__schedule_give_up_locked(pool, now))) {
        *end = job;
        end = &job->next;
    }
    *end = NULL;
    return first;
}

static void fail_all(struct weft__job *orphan, int status)
{
    struct weft__job *next;
    for (; orphan; orphan = next) {
        next = orphan->next;
        weft__job_finish(orphan, weft_err(status));
    }
}

void weft__start_thread(struct weft__worker *worker)
{
    weft_pool *pool = worker->pool;
    int error = create_thread(worker);
    if (!error)
        return;
    weft__mutex_lock(&pool->mu);
    weft__count_down(&pool->threads);
    pool->waking--;
    weft__worker_push(&pool->free, worker);
    struct weft__job *orphans = take_orphans_locked(pool);
    struct weft__call call = weft__call_present_locked(pool);
    weft__mutex_unlock(&pool->mu);
    weft__rouse(call);
    fail_all(orphans, -error);
}

/* ---- Going ---- */

/* Nobody waits for this thread: it ends by itself. */
static void leave_deserted(weft_pool *pool) WEFT_RELEASE(pool->mu)
{
    bool last = weft__count_get(&pool->threads) + pool->leaving == 0;
    weft__mutex_unlock(&pool->mu);
    pthread_detach(pthread_self());
    if (last)
        weft__pool_destroy(pool);
}

/* The thread is no worker any more. Its place is free at once: another thread may be a worker there
 * before this one has ended. */
static void give_up_place(weft_pool *pool, struct weft__worker *self) WEFT_REQUIRES(pool->mu)
{
    weft__worker_here = NULL;
    weft__blocking_ops = NULL;
    weft__count_down(&pool->threads);
    pool->leaving++;
    weft__worker_push(&pool->free, self);
}

static void go(weft_pool *pool) WEFT_RELEASE(pool->mu)
{
    pool->leaving--;
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

void weft__worker_leave_locked(weft_pool *pool, struct weft__worker *self)
{
    void *state = self->state;
    pool->present--;
    give_up_place(pool, self);
    weft__count_up(&pool->ended);
    if (pool->thread_stop) {
        weft__mutex_unlock(&pool->mu);
        pool->thread_stop(state);
        weft__mutex_lock(&pool->mu);
    }
    go(pool);
}

/* It is here, but cannot be of use: as if it could not have been created. */
static void fail_start(weft_pool *pool, struct weft__worker *self, int status)
{
    weft__mutex_lock(&pool->mu);
    pool->waking--;
    give_up_place(pool, self);
    struct weft__job *orphans = take_orphans_locked(pool);
    struct weft__call call = weft__call_present_locked(pool);
    weft__mutex_unlock(&pool->mu);
    weft__rouse(call);
    fail_all(orphans, status);
    weft__mutex_lock(&pool->mu);
    go(pool);
}

bool weft__worker_begin(struct weft__worker *self)
{
    weft_pool *pool = self->pool;
    self->state = NULL;
    int status = pool->thread_start ? pool->thread_start(pool->thread_arg, &self->state) : 0;
    if (status < 0) {
        fail_start(pool, self, status);
        return false;
    }
    return true;
}

void weft__end_workers(weft_pool *pool)
{
    weft__mutex_lock(&pool->mu);
    pool->stopping = true;
    weft__express_close_locked(pool);
    for (struct weft__worker *idle = pool->idle; idle; idle = idle->next)
        pthread_cond_signal(&idle->roused);
    if (pool->watcher)
        pthread_cond_signal(&pool->watcher->roused);
    while (weft__count_get(&pool->threads) + pool->leaving > pool->abandoned)
        pthread_cond_wait(&pool->left, &pool->mu.mutex);
    bool join = pool->has_last_left;
    pthread_t last = pool->last_left;
    bool destroy = weft__count_get(&pool->threads) + pool->leaving == 0;
    pool->deserted = true;
    weft__mutex_unlock(&pool->mu);
    if (join)
        pthread_join(last, NULL);
    if (destroy)
        weft__pool_destroy(pool);
}
