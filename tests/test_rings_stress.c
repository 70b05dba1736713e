/* SPDX-License-Identifier: MIT */
/*
 * The protocol of pool/express.c where it is a matter of luck: a job comes at the moment in which a thread
 * gets idle or ends its search, or somebody closes the pool, or its slot has just been claimed. A call or a job
 * that is lost shows as a time-out. tests/mutation breaks each line.
 */
#include <criterion/criterion.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <weft/weft.h>

#include "core/loop.h"
#include "pool/pool.h"
#include "tests/support/loop.h"
#include "tests/support/pool.h"

TestSuite(rings_stress, .init = weft_test_loop_begin_real, .timeout = 60);

static weft_pool *pool;

static void use_threads(unsigned threads, weft_ns spin)
{
    pool = use_pool(
        &(struct weft_pool_options){.max_threads = threads, .min_threads = threads, .spin = spin});
    for (unsigned i = 0; i < 10; i++)
        cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), 0);
}

/* ---- Calls ---- */

/* Each comes at about the moment in which the thread finds that there is none. */
Test(rings_stress, a_job_that_comes_while_a_thread_gets_idle_is_run)
{
    use_threads(1, -1);
    for (int i = 0; i < 30000; i++)
        cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), 0);
    weft_test_loop_end();
}

Test(rings_stress, a_job_that_comes_while_a_search_ends_is_run)
{
    weft__spin_pretend(4);
    use_threads(1, WEFT_US(1));
    for (int i = 0; i < 30000; i++)
        cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), 0);
    weft_test_loop_end();
}

static weft_result meet(void *barrier)
{
    pthread_barrier_wait(barrier);
    return weft_ok(0);
}

/* Each job waits for the other: whoever finds the one has to call a thread for the other. */
Test(rings_stress, who_finds_one_of_two_jobs_calls_a_thread_for_the_other)
{
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, 2);
    weft__spin_pretend(4);
    use_threads(2, WEFT_US(20));
    for (int i = 0; i < 10000; i++) {
        weft_future *one = weft_to_thread_fn(NULL, meet, &barrier);
        weft_future *other = weft_to_thread_fn(NULL, meet, &barrier);
        cr_assert_eq(weft_test_run(one), 0);
        cr_assert_eq(weft_test_run(other), 0);
    }
    pthread_barrier_destroy(&barrier);
    weft_test_loop_end();
}

/* ---- Closing meanwhile ---- */

enum { ROUNDS = 20000 };

static atomic_int arrivals;

/* Both go on at once, and one of them a little later in each round than in the one before. */
static void begin_round(int round, bool late)
{
    atomic_fetch_add(&arrivals, 1);
    for (unsigned turns = 0; atomic_load(&arrivals) < 2 * (round + 1);)
        if (++turns % 4096 == 0)
            sched_yield();
    for (volatile int turns = late ? round % 64 * 16 : 0; turns > 0; turns--)
        ;
}

/* In each round, a job of another lane: it closes the pool. */
static void *close_often(void *lane)
{
    weft_loop *loop = weft_loop_new(NULL);
    cr_assert_eq(weft_loop_set_pool(loop, pool), 0);
    for (int i = 0; i < ROUNDS; i++) {
        begin_round(2 * i, true);
        cr_assert_eq(weft_loop_run_until(loop, weft_to_thread_fn(lane, return_nothing, NULL)), 0);
        begin_round(2 * i + 1, false);
    }
    weft_loop_free(loop);
    return NULL;
}

/* Nobody comes to mend it within a round. */
Test(rings_stress, a_job_that_is_published_while_the_pool_is_closed_is_run)
{
    pthread_t thread;
    use_threads(1, -1);
    weft_lane *lane = weft_lane_new(pool, &(struct weft_lane_options){.name = "other"});
    pthread_create(&thread, NULL, close_often, lane);
    for (int i = 0; i < ROUNDS; i++) {
        begin_round(2 * i, false);
        cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), 0);
        begin_round(2 * i + 1, false);
    }
    pthread_join(thread, NULL);
    weft_lane_unref(lane);
    weft_test_loop_end();
}

/* ---- A full ring ---- */

enum { TIMES = 12, AT_ONCE = 3000, ALL = TIMES * AT_ONCE };

static atomic_uchar runs[ALL];
static atomic_int ran;

static weft_result count(void *run)
{
    atomic_fetch_add((atomic_uchar *)run, 1);
    atomic_fetch_add(&ran, 1);
    return weft_ok(0);
}

/* A slot is written anew as soon as its job was claimed. */
Test(rings_stress, jobs_that_fill_a_ring_again_and_again_are_each_run_once)
{
    use_threads(2, 0);
    for (int i = 0; i < ALL; i++) {
        while (i - atomic_load(&ran) >= WEFT__RING - 200)
            sched_yield();
        weft_unref(weft_to_thread_fn(NULL, count, &runs[i]));
    }
    while (atomic_load(&ran) < ALL)
        sched_yield();
    for (int i = 0; i < ALL; i++)
        cr_assert_eq(atomic_load(&runs[i]), 1, "job %d was run %d times", i, atomic_load(&runs[i]));
    weft_test_loop_end();
}

/* ---- Loops that come ---- */

static void *come(void *its_pool)
{
    weft_loop *loop = weft_loop_new(NULL);
    cr_assert_eq(weft_loop_set_pool(loop, its_pool), 0);
    cr_assert_eq(weft_loop_run_until(loop, weft_to_thread_fn(NULL, return_nothing, NULL)), 0);
    weft_loop_free(loop);
    return NULL;
}

/* Its ring is looked at from then on. */
Test(rings_stress, a_loop_that_comes_while_anothers_jobs_are_claimed_is_served)
{
    enum { POOLS = 100, JOBS = 64 };
    for (int i = 0; i < POOLS; i++) {
        pthread_t other;
        weft_future *jobs[JOBS];
        weft_pool *new_pool = use_pool(&(struct weft_pool_options){.max_threads = 2});
        cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), 0);
        pthread_create(&other, NULL, come, new_pool);
        for (int k = 0; k < JOBS; k++)
            jobs[k] = weft_to_thread_fn(NULL, return_nothing, NULL);
        for (int k = 0; k < JOBS; k++)
            cr_assert_eq(weft_test_run(jobs[k]), 0);
        pthread_join(other, NULL);
    }
    weft_test_loop_end();
}
