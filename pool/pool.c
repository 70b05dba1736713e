/* SPDX-License-Identifier: MIT */
/*
 * Pool: the object, its options, its references. Its threads are in pool/worker.c, wake.c and
 * start.c, its lanes in pool/lanes.c.
 *
 * One block of memory, places for all threads included: nothing is allocated later on, so that no
 * job can be lost for want of memory once it was accepted.
 *
 * Lock order: there is one lock, pool->mu. No user code runs and no other lock is taken while it is
 * held.
 */
#include "pool/pool.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "core/cpus.h"
#include "core/memory.h"
#include "core/thread.h"
#include "pool/interrupt.h"
#include "pool/start.h"

enum { MOST_THREADS = 65535, SPARE_THREADS = 4, DEFAULT_MOST = 32 };
#define DEFAULT_KEEPALIVE WEFT_S(10)
#define PATIENCE WEFT_US(200)
#define DEFAULT_STACK ((size_t)1 << 20)

/* The options with their defaults filled in. 0 or -EINVAL. */
static int complete_options(const struct weft_pool_options *options, struct weft_pool_options *ret)
{
    static const struct weft_pool_options none;
    *ret = options ? *options : none;
    if (ret->size != 0 && ret->size != sizeof(*ret))
        return -EINVAL;
    if (!ret->max_threads) {
        unsigned cpus = weft__cpus() + SPARE_THREADS;
        ret->max_threads = cpus < DEFAULT_MOST ? cpus : DEFAULT_MOST;
        if (ret->max_threads < ret->min_threads)
            ret->max_threads = ret->min_threads;
    }
    if (!ret->keepalive)
        ret->keepalive = DEFAULT_KEEPALIVE;
    if (!ret->stack_size)
        ret->stack_size = DEFAULT_STACK;
    if (!ret->thread_name)
        ret->thread_name = "weft";
    if (!ret->interrupt_signal)
        ret->interrupt_signal = SIGURG;
    if (!ret->max_spares)
        ret->max_spares = ret->max_threads;
    if (ret->max_spares == WEFT_NO_SPARES)
        ret->max_spares = 0;
    bool valid = ret->max_threads <= MOST_THREADS && ret->max_spares <= MOST_THREADS &&
                 ret->min_threads <= ret->max_threads && ret->keepalive > 0 &&
                 weft__interrupt_is_possible(ret->interrupt_signal) &&
                 ret->stack_size >= (size_t)PTHREAD_STACK_MIN;
    return valid ? 0 : -EINVAL;
}

static int init_monotonic(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;
    int error = pthread_condattr_init(&attributes);
    if (error)
        return error;
    error = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (!error)
        error = pthread_cond_init(cond, &attributes);
    pthread_condattr_destroy(&attributes);
    return error;
}

/* The lowest is the first to be taken. */
static int make_places(weft_pool *pool)
{
    struct weft__worker **end = &pool->free;
    for (; pool->made < pool->places; pool->made++) {
        struct weft__worker *worker = &pool->workers[pool->made];
        int error = init_monotonic(&worker->roused);
        if (error)
            return error;
        worker->pool = pool;
        *end = worker;
        end = &worker->next;
    }
    return 0;
}

static weft_pool *allocate(const struct weft_pool_options *options)
{
    size_t places = (size_t)options->max_threads + options->max_spares + WEFT__LANES_THREADS;
    size_t size = sizeof(weft_pool) + places * sizeof(struct weft__worker);
    weft_pool *pool = weft__calloc(1, size + places * sizeof(struct weft__tally));
    if (!pool)
        return NULL;
    pool->generation = weft__generation;
    pool->refs = 1;
    pool->min_threads = options->min_threads;
    pool->max_threads = options->max_threads;
    pool->max_spares = options->max_spares;
    pool->places = (unsigned)places;
    pool->tallies = (void *)&pool->workers[places];
    weft__lanes_init(pool, options->max_queued);
    pool->quick_threads = weft__cpus();
    if (pool->quick_threads < pool->min_threads)
        pool->quick_threads = pool->min_threads;
    pool->patience = PATIENCE;
    pool->interrupt_signal = options->interrupt_signal;
    pool->thread_start = options->thread_start;
    pool->thread_stop = options->thread_stop;
    pool->thread_arg = options->thread_arg;
    pool->keepalive = options->keepalive;
    pool->spin = options->spin;
    pool->stack_size = options->stack_size;
    snprintf(pool->thread_name, sizeof(pool->thread_name), "%.9s", options->thread_name);
    return pool;
}

void weft__pool_destroy(weft_pool *pool)
{
    weft__source_remove(&pool->source);
    weft__interrupt_release(pool);
    while (pool->made > 0)
        pthread_cond_destroy(&pool->workers[--pool->made].roused);
    pthread_cond_destroy(&pool->left);
    pthread_mutex_destroy(&pool->mu.mutex);
    weft__lanes_destroy(pool);
    weft__express_destroy(pool);
    weft__free(pool);
}

weft_pool *weft_pool_new(const struct weft_pool_options *options)
{
    struct weft_pool_options complete;
    int status = complete_options(options, &complete);
    if (status < 0) {
        errno = -status;
        return NULL;
    }
    weft_pool *pool = allocate(&complete);
    if (!pool) {
        errno = ENOMEM;
        return NULL;
    }
    pthread_mutex_init(&pool->mu.mutex, NULL);
    pthread_cond_init(&pool->left, NULL);
    int error = make_places(pool);
    if (error) {
        weft__pool_destroy(pool);
        errno = error;
        return NULL;
    }
    weft__pool_show(pool);
    return pool;
}

bool weft__pool_is_inherited(const weft_pool *pool)
{
    return pool->generation != weft__generation;
}

/* The locks go with the memory: to destroy one that is held is not allowed. */
static void unref_inherited(weft_pool *pool) WEFT_NO_THREAD_SAFETY_ANALYSIS
{
    if (--pool->refs > 0)
        return;
    weft__express_destroy(pool);
    weft__free(pool);
}

static void ref_inherited(weft_pool *pool) WEFT_NO_THREAD_SAFETY_ANALYSIS
{
    pool->refs++;
}

weft_pool *weft_pool_ref(weft_pool *pool)
{
    if (weft__pool_is_inherited(pool)) {
        ref_inherited(pool);
        return pool;
    }
    weft__mutex_lock(&pool->mu);
    pool->refs++;
    weft__mutex_unlock(&pool->mu);
    return pool;
}

void weft_pool_unref(weft_pool *pool)
{
    if (!pool)
        return;
    if (weft__pool_is_inherited(pool)) {
        unref_inherited(pool);
        return;
    }
    weft__mutex_lock(&pool->mu);
    bool last = --pool->refs == 0;
    weft__mutex_unlock(&pool->mu);
    if (last)
        weft__end_workers(pool);
}

void weft_pool_get_stats(weft_pool *pool, struct weft_pool_stats *ret)
{
    *ret = (struct weft_pool_stats){0};
    if (weft__pool_is_inherited(pool))
        return;
    ret->queued = weft__lanes_queued(pool);
    ret->threads = weft__count_get(&pool->threads);
    ret->idle = weft__count_get(&pool->idle_count);
    ret->running = weft__lanes_running(pool);
    ret->blocked = weft__count_get(&pool->blocked);
    ret->spares = ret->threads > pool->max_threads ? ret->threads - pool->max_threads : 0;
    if (ret->spares > ret->blocked) /* the rest are threads of the built-in lanes */
        ret->spares = ret->blocked;
    ret->started = weft__count_get(&pool->started);
    ret->ended = weft__count_get(&pool->ended);
    ret->wakeups_sent = weft__count_get(&pool->wakeups_sent);
    for (unsigned i = 0; i < pool->places; i++) {
        ret->spins += weft__count_get(&pool->workers[i].spins);
        ret->spins_paid += weft__count_get(&pool->workers[i].spins_paid);
    }
    ret->wakeups_saved = weft__count_get(&pool->wakeups_saved) + weft__express_saved(pool);
}
