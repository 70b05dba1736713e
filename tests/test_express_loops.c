/* SPDX-License-Identifier: MIT */
/* Jobs of several loops that go by rings of one pool, each by its own loop's. */
#include <criterion/criterion.h>

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <weft/weft.h>

#include "core/loop.h"
#include "pool/express.h"
#include "pool/pool.h"
#include "tests/support/express.h"
#include "tests/support/gate.h"
#include "tests/support/loop.h"
#include "tests/support/pool.h"

TestSuite(express_loops, .init = weft_test_loop_begin_real, .timeout = 60);

static void *use_a_loop(void *arg)
{
    weft_loop *loop = weft_loop_new(NULL);
    cr_assert_eq(weft_loop_set_pool(loop, scene.pool), 0);
    for (int i = 0; i < 50; i++)
        cr_assert_eq(weft_loop_run_until(loop, weft_to_thread_fn(NULL, return_nothing, arg)), 0);
    weft_loop_free(loop);
    return NULL;
}

Test(express_loops, a_ring_that_a_loop_has_left_is_used_by_the_next_one)
{
    scene.pool = use_pool(&(struct weft_pool_options){.max_threads = 2});
    for (int i = 0; i < 2 * WEFT__PLACES; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, use_a_loop, NULL);
        pthread_join(thread, NULL);
    }
    cr_assert_eq(atomic_load(&scene.pool->express.count), 1);
    weft_test_loop_end();
}

Test(express_loops, more_loops_than_there_are_rings_are_served)
{
    enum { LOOPS = WEFT__PLACES + 3 };
    pthread_t threads[LOOPS];
    scene.pool = use_pool(&(struct weft_pool_options){.max_threads = 2});
    for (int i = 0; i < LOOPS; i++)
        pthread_create(&threads[i], NULL, use_a_loop, NULL);
    for (int i = 0; i < LOOPS; i++)
        pthread_join(threads[i], NULL);
    cr_assert_leq(atomic_load(&scene.pool->express.count), WEFT__PLACES);
    weft_test_loop_end();
}

Test(express_loops, a_loop_that_had_no_ring_in_its_pool_gets_one_in_the_next)
{
    struct weft__place *others[WEFT__PLACES];
    weft__ready none;
    weft__ready_init(&none);
    weft_pool *full = use_pool(NULL);
    for (int i = 0; i < WEFT__PLACES; i++)
        others[i] = weft__express_join(full, test_loop->mailbox);
    cr_assert_eq(weft_test_run(submit(NULL, 0)), 0);
    cr_assert_not(is_open(full));
    for (int i = 0; i < WEFT__PLACES; i++) {
        weft__home_leave(weft__express_home(others[i]), &none);
        weft__express_leave(others[i]);
    }
    weft_pool *pool = use_pool(NULL);
    cr_assert_eq(weft_test_run(submit(NULL, 1)), 0);
    cr_assert(is_open(pool));
    weft_test_loop_end();
}

static struct gate stuck_gate;

/* Ends while its job runs. */
static void *leave_a_job(void *arg)
{
    static const struct weft_shutdown_options soon = {.jobs_timeout = 1};
    weft_loop *loop = weft_loop_new(NULL);
    cr_assert_eq(weft_loop_set_pool(loop, scene.pool), 0);
    weft_unref(weft_to_thread_fn(NULL, gate_pass, &stuck_gate));
    gate_wait_entered(&stuck_gate);
    cr_assert_eq(weft_loop_shutdown(loop, &soon, NULL), WEFT_ESTUCK);
    weft_loop_free(loop);
    return arg;
}

Test(express_loops, what_a_loop_has_left_does_not_come_home_to_another)
{
    pthread_t thread;
    gate_init(&stuck_gate);
    scene.pool = use_pool(&(struct weft_pool_options){.max_threads = 2, .min_threads = 2});
    pthread_create(&thread, NULL, leave_a_job, NULL);
    pthread_join(thread, NULL);
    cr_assert_eq(weft_test_run(submit(NULL, 0)), 0);
    cr_assert_eq(atomic_load(&scene.pool->express.count), 1);
    gate_open(&stuck_gate);
    while (count_abandoned(scene.pool) > 0)
        ;
    cr_assert_eq(weft_test_run(submit(NULL, 1)), 0);
    expect_order(2);
    weft_test_loop_end();
}

static sem_t came;

static void *submit_elsewhere(void *arg)
{
    weft_loop *loop = weft_loop_new(NULL);
    cr_assert_eq(weft_loop_set_pool(loop, scene.pool), 0);
    weft_future *job = submit(NULL, 0);
    sem_post(&came);
    cr_assert_eq(weft_loop_run_until(loop, job), 0);
    weft_loop_free(loop);
    return arg;
}

Test(express_loops, those_of_several_loops_are_recalled_in_the_order_in_which_they_came)
{
    pthread_t thread;
    begin();
    sem_init(&came, 0, 0);
    weft_lane *lane = weft_lane_new(scene.pool, &(struct weft_lane_options){.name = "other"});
    pthread_create(&thread, NULL, submit_elsewhere, NULL);
    while (sem_wait(&came) < 0)
        ;
    weft_future *jobs[2] = {submit(NULL, 1)};
    cr_assert(is_open(scene.pool));
    jobs[1] = weft_to_thread_fn(lane, return_nothing, NULL);
    cr_assert_not(is_open(scene.pool));
    go();
    await_all(jobs, 2);
    pthread_join(thread, NULL);
    expect_order(2);
    weft_lane_unref(lane);
    weft_test_loop_end();
}

static void *submit_one_elsewhere(void *arg)
{
    weft_loop *loop = weft_loop_new(NULL);
    cr_assert_eq(weft_loop_set_pool(loop, scene.pool), 0);
    weft_future *job = submit(NULL, 1);
    sem_post(&came);
    cr_assert_eq(weft_loop_run_until(loop, job), 0);
    weft_loop_free(loop);
    return arg;
}

static pthread_t elsewhere;
static weft_future *of_here[2];

/* In one tick, with one of another loop in between. */
static void submit_around(void *arg)
{
    (void)arg;
    of_here[0] = submit(NULL, 0);
    pthread_create(&elsewhere, NULL, submit_one_elsewhere, NULL);
    WEFT_ALLOW_BLOCKING("the order of the two is what is tested") {
        while (sem_wait(&came) < 0)
            ;
    }
    of_here[1] = submit(NULL, 2);
}

Test(express_loops, one_that_is_kept_back_overtakes_none_of_another_loop)
{
    begin();
    sem_init(&came, 0, 0);
    cr_assert_eq(weft_test_run(weft_call_soon(submit_around, NULL)), 0);
    go();
    for (int i = 0; i < 2; i++)
        cr_assert_eq(weft_test_run(of_here[i]), 0);
    pthread_join(elsewhere, NULL);
    expect_order(3);
    weft_test_loop_end();
}
