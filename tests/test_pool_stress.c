/* SPDX-License-Identifier: MIT */
/*
 * Several loops on one pool, with threads that leave at once, starts that fail, cancels at random.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <weft/pool.h>
#include <weft/weft.h>

#include "core/sys.h"
#include "pool/pool.h"
#include "tests/support/loop.h"
#include "tests/support/pool.h"

TestSuite(pool_stress, .init = weft_test_loop_begin_real, .timeout = 60);

enum { LOOPS = 3, ROUNDS = 400, BATCH = 16 };

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

struct double_it {
    int64_t number;
    uint32_t seed;
};

static WEFT_BLOCKING(double_it)
{
    for (volatile uint32_t turns = next_random(&self->seed) % 512; turns > 0; turns--)
        ;
    if (next_random(&self->seed) % 32 == 0)
        sched_yield();
    return weft_ok(self->number * 2);
}

struct hammer {
    pthread_t thread;
    weft_pool *pool; /* borrowed */
    uint32_t seed;
    unsigned wrong, cancelled, done;
};

/* Start a batch, cancel some, wait for all. */
static void hammer_batch(struct hammer *hammer, weft_loop *loop)
{
    weft_future *jobs[BATCH];
    for (int i = 0; i < BATCH; i++)
        jobs[i] = weft_to_thread(double_it, .number = i, .seed = next_random(&hammer->seed) | 1);
    for (int i = 0; i < BATCH; i++)
        if (next_random(&hammer->seed) % 4 == 0)
            weft_cancel(jobs[i]);
    for (int i = 0; i < BATCH; i++) {
        int status = weft_loop_run_until(loop, weft_ref(jobs[i]));
        hammer->done += status == 0;
        hammer->cancelled += status == -ECANCELED;
        hammer->wrong += status == 0 && weft_future_value(jobs[i]).i64 != i * 2;
        weft_unref(jobs[i]);
    }
}

static void *run_hammer(void *arg)
{
    struct hammer *hammer = arg;
    weft_loop *loop = weft_loop_new(NULL);
    hammer->wrong += weft_loop_set_pool(loop, hammer->pool) != 0;
    for (int round = 0; round < ROUNDS; round++)
        hammer_batch(hammer, loop);
    for (int i = 0; i < BATCH; i++)
        weft_unref(weft_to_thread(double_it, .number = i, .seed = 1));
    weft_loop_free(loop);
    return NULL;
}

/* Threads that leave at once, and starts that fail, so that every way is taken often. */
static void hammer_with(const struct weft_pool_options *options, uint32_t seed)
{
    struct hammer hammers[LOOPS] = {{0}};
    weft_pool *pool = weft_pool_new(options);
    for (uint32_t i = 0; i < LOOPS; i++) {
        hammers[i].pool = pool;
        hammers[i].seed = seed * 100 + i + 1;
        pthread_create(&hammers[i].thread, NULL, run_hammer, &hammers[i]);
    }
    for (int i = 0; i < LOOPS; i++) {
        pthread_join(hammers[i].thread, NULL);
        cr_assert_eq(hammers[i].wrong, 0);
        cr_assert_eq(hammers[i].done + hammers[i].cancelled, ROUNDS * BATCH);
    }
    weft_pool_unref(pool);
}

Test(pool_stress, serves_many_loops_that_cancel_at_random)
{
    for (uint32_t seed = 1; seed <= 2; seed++) {
        hammer_with(&(struct weft_pool_options){.max_threads = 4}, seed);
        hammer_with(&(struct weft_pool_options){.max_threads = 1}, seed);
        hammer_with(&(struct weft_pool_options){.max_threads = 4, .keepalive = 1}, seed);
    }
    weft_test_loop_end();
}

static atomic_uint creates;

/* Every third fails. */
static int flaky_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                        void *arg)
{
    if (atomic_fetch_add(&creates, 1) % 3 == 2)
        return EAGAIN;
    return pthread_create(thread, attributes, start, arg);
}

static void *run_flaky_hammer(void *arg)
{
    struct hammer *hammer = arg;
    weft_loop *loop = weft_loop_new(NULL);
    hammer->wrong += weft_loop_set_pool(loop, hammer->pool) != 0;
    for (int i = 0; i < ROUNDS * 4; i++) {
        int status = weft_loop_run_until(loop, weft_to_thread_fn(NULL, return_nothing, NULL));
        hammer->wrong += status != 0 && status != -EAGAIN;
    }
    weft_loop_free(loop);
    return NULL;
}

Test(pool_stress, orphans_no_job_while_starting_threads_fails_at_random)
{
    struct hammer hammers[LOOPS] = {{0}};
    weft__sys.pthread_create = flaky_create;
    weft_pool *pool = weft_pool_new(&(struct weft_pool_options){.max_threads = 3, .keepalive = 1});
    for (int i = 0; i < LOOPS; i++) {
        hammers[i].pool = pool;
        pthread_create(&hammers[i].thread, NULL, run_flaky_hammer, &hammers[i]);
    }
    for (int i = 0; i < LOOPS; i++) {
        pthread_join(hammers[i].thread, NULL);
        cr_assert_eq(hammers[i].wrong, 0);
    }
    weft_pool_unref(pool);
    weft_test_loop_end();
}

/* ---- Growing and waiting for others ---- */

struct jitter {
    uint32_t seed;
};

/* Some spin, some wait for others, nested or for ever as far as the pool knows. */
static WEFT_BLOCKING(jitter)
{
    uint32_t kind = next_random(&self->seed) % 8;
    for (uint32_t i = 0; i < kind / 4; i++)
        weft_job_blocking_begin();
    for (volatile uint32_t turns = next_random(&self->seed) % 2048; turns > 0; turns--)
        ;
    if (kind % 2)
        sched_yield();
    if (kind == 4)
        weft_job_blocking_end();
    return weft_ok(0);
}

static void *run_jitter(void *arg)
{
    struct hammer *hammer = arg;
    weft_loop *loop = weft_loop_new(NULL);
    weft_future *jobs[BATCH];
    hammer->wrong += weft_loop_set_pool(loop, hammer->pool) != 0;
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t count = 1 + next_random(&hammer->seed) % BATCH;
        for (uint32_t i = 0; i < count; i++)
            jobs[i] = weft_to_thread(jitter, .seed = next_random(&hammer->seed) | 1);
        if (next_random(&hammer->seed) % 8 == 0)
            hammer->wrong +=
                weft_loop_run_until(loop,
                                    weft_pool_run_on_each(hammer->pool, return_nothing, NULL)) != 0;
        for (uint32_t i = 0; i < count; i++)
            hammer->wrong += weft_loop_run_until(loop, jobs[i]) != 0;
    }
    weft_loop_free(loop);
    return NULL;
}

static void jitter_with(unsigned max_threads, weft_ns patience, weft_ns keepalive, uint32_t seed)
{
    struct hammer hammers[LOOPS] = {{0}};
    weft_pool *pool = weft_pool_new(
        &(struct weft_pool_options){.max_threads = max_threads, .keepalive = keepalive});
    pool->quick_threads = 1;
    pool->patience = patience;
    for (uint32_t i = 0; i < LOOPS; i++) {
        hammers[i].pool = pool;
        hammers[i].seed = seed * 100 + i + 1;
        pthread_create(&hammers[i].thread, NULL, run_jitter, &hammers[i]);
    }
    for (int i = 0; i < LOOPS; i++) {
        pthread_join(hammers[i].thread, NULL);
        cr_assert_eq(hammers[i].wrong, 0);
    }
    cr_assert_eq(stats_of(pool).blocked, 0);
    cr_assert_eq(stats_of(pool).running, 0);
    weft_pool_unref(pool);
}

Test(pool_stress, grows_and_shrinks_under_jobs_that_wait_for_others)
{
    for (uint32_t seed = 1; seed <= 3; seed++) {
        jitter_with(1, 1, 1, seed);
        jitter_with(4, WEFT_US(20), WEFT_US(50), seed);
        jitter_with(4, WEFT_MS(1), WEFT_S(1), seed);
    }
    weft_test_loop_end();
}
