/* SPDX-License-Identifier: MIT */
/*
 * The protocol of pool/express.c, line by line: what happens when a job, a thread that gets idle and whoever
 * closes the pool meet. A call or a job that is lost shows as a time-out. tests/mutation breaks each line.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <weft/weft.h>

#include "core/loop.h"
#include "pool/pool.h"
#include "pool/schedule.h"
#include "tests/support/express.h"
#include "tests/support/gate.h"
#include "tests/support/loop.h"
#include "tests/support/pool.h"

TestSuite(rings, .init = weft_test_loop_begin_real, .timeout = 60);

/* How many jobs were taken with the lock. */
static uint64_t locked_starts(weft_pool *pool) WEFT_NO_THREAD_SAFETY_ANALYSIS
{
    weft__mutex_lock(&pool->mu);
    uint64_t starts = pool->starts;
    weft__mutex_unlock(&pool->mu);
    return starts;
}

Test(rings, what_comes_while_a_thread_is_busy_is_claimed_without_the_lock)
{
    weft_future *jobs[8];
    begin();
    for (int i = 0; i < 8; i++)
        jobs[i] = submit(NULL, i);
    go();
    await_all(jobs, 8);
    expect_order(8);
    cr_assert_eq(locked_starts(scene.pool), 1);
    weft_test_loop_end();
}

/* ---- What rings are not for ---- */

static weft_lane *open_lane(void)
{
    return atomic_load(&scene.pool->express.lane);
}

static void use_threads(unsigned threads, weft_ns spin)
{
    scene.pool = use_pool(
        &(struct weft_pool_options){.max_threads = threads, .min_threads = threads, .spin = spin});
    for (unsigned i = 0; i < 10; i++)
        cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), 0);
}

static void expect_closed_for(const struct weft_lane_options *options)
{
    weft_lane *lane = weft_lane_new(scene.pool, options);
    cr_assert_not_null(lane);
    weft_future *job = weft_to_thread_fn(lane, return_nothing, NULL);
    cr_assert_null(open_lane(), "%s", options->name);
    cr_assert_eq(weft_test_run(job), 0);
    weft_lane_unref(lane);
}

Test(rings, no_job_of_a_lane_with_a_limit_goes_by_a_ring)
{
    use_threads(2, -1);
    expect_closed_for(&(struct weft_lane_options){.name = "one", .max_running = 1});
    expect_closed_for(&(struct weft_lane_options){.name = "few", .max_queued = 10});
    weft_test_loop_end();
}

Test(rings, no_job_with_a_key_goes_by_a_ring)
{
    begin();
    weft_future *job =
        weft_offload_fn((&(struct weft_job_options){.key = 5}), return_nothing, NULL);
    cr_assert_null(open_lane());
    go();
    cr_assert_eq(weft_test_run(job), 0);
    weft_test_loop_end();
}

Test(rings, no_job_goes_by_a_ring_during_a_round)
{
    gate_init(&scene.gate);
    use_threads(1, -1);
    weft_future *round = weft_pool_run_on_each(scene.pool, gate_pass, &scene.gate);
    gate_wait_entered(&scene.gate);
    weft_future *job = submit(NULL, 0);
    cr_assert_null(open_lane());
    gate_open(&scene.gate);
    cr_assert_eq(weft_test_run(round), 0);
    cr_assert_eq(weft_test_run(job), 0);
    weft_test_loop_end();
}

/* ---- Late into a ring ---- */

/* As if this loop had found the pool open just before somebody closed it, and had put its jobs in the ring
 * just after what was there had been taken out. */
static void close_as_if_before(void)
{
    weft__mutex_lock(&scene.pool->mu);
    atomic_store(&scene.pool->express.lane, NULL);
    weft__mutex_unlock(&scene.pool->mu);
}

Test(rings, what_came_late_can_be_cancelled)
{
    begin();
    weft_future *late = submit(NULL, 0);
    close_as_if_before();
    cr_assert(weft_cancel(late));
    cr_assert_eq(weft_test_run(weft_ref(late)), -ECANCELED);
    cr_assert_eq(weft_job_outcome(late), WEFT_JOB_NOT_STARTED);
    weft_unref(late);
    go();
    expect_order(0);
    weft_test_loop_end();
}

Test(rings, what_came_late_runs_before_what_this_loop_queues_after_it)
{
    begin();
    weft_future *jobs[3] = {submit(NULL, 0)};
    close_as_if_before();
    jobs[1] = submit_keyed(1);
    jobs[2] = submit(NULL, 2);
    go();
    await_all(jobs, 3);
    expect_order(3);
    weft_test_loop_end();
}

Test(rings, what_came_late_stays_where_it_is_if_the_pool_is_opened_for_it_again)
{
    begin();
    weft_future *jobs[2] = {submit(NULL, 0)};
    close_as_if_before();
    jobs[1] = submit(NULL, 1);
    go();
    await_all(jobs, 2);
    expect_order(2);
    weft_test_loop_end();
}

/* With two jobs in the ring when the one before them ends: tests/mutation has the pool closed at that moment. */
Test(rings, what_follows_a_job_runs_in_its_order)
{
    begin();
    weft_future *jobs[3] = {submit(NULL, 0), submit(NULL, 1)};
    go();
    jobs[2] = submit(NULL, 2);
    await_all(jobs, 3);
    expect_order(3);
    weft_test_loop_end();
}

/* The ring holds jobs of the default lane when the pool is opened for another one. */
Test(rings, what_came_late_runs_in_its_own_lane)
{
    begin();
    weft_lane *lane = weft_lane_new(scene.pool, &(struct weft_lane_options){.name = "other"});
    weft_future *jobs[2] = {submit(NULL, 0)};
    close_as_if_before();
    jobs[1] = submit(lane, 1);
    go();
    await_all(jobs, 2);
    struct weft_lane_stats stats;
    weft_lane_get_stats(lane, &stats);
    cr_assert_eq(stats.completed, 1);
    weft_lane_unref(lane);
    weft_test_loop_end();
}

/* ---- Two loops ---- */

static sem_t came;
static pthread_t elsewhere;
static weft_lane *lane_elsewhere; /* NULL: the default one */

static void wait_for(sem_t *what)
{
    WEFT_ALLOW_BLOCKING("the order of what two threads do is what is tested") {
        while (sem_wait(what) < 0)
            ;
    }
}

static void *submit_elsewhere(void *number)
{
    weft_loop *loop = weft_loop_new(NULL);
    cr_assert_eq(weft_loop_set_pool(loop, scene.pool), 0);
    weft_future *job = weft_to_thread_fn(lane_elsewhere, note, number);
    sem_post(&came);
    cr_assert_eq(weft_loop_run_until(loop, job), 0);
    weft_loop_free(loop);
    return NULL;
}

static void submit_one_elsewhere(int number)
{
    sem_init(&came, 0, 0);
    pthread_create(&elsewhere, NULL, submit_elsewhere, numbered(number));
    wait_for(&came);
}

static void expect_lane(weft_lane *lane, uint64_t completed)
{
    struct weft_lane_stats stats;
    weft_lane_get_stats(lane, &stats);
    cr_assert_eq(stats.running, 0);
    cr_assert_eq(stats.completed, completed);
}

/* The pool is open for another lane, by the ring of another loop, which had been another's before. */
static weft_future *meet_another_lane(bool late)
{
    begin();
    submit_one_elsewhere(0);
    go();
    pthread_join(elsewhere, NULL);
    scene.first = weft_to_thread_fn(NULL, gate_pass, &scene.gate);
    gate_wait_entered(&scene.gate);
    lane_elsewhere = weft_lane_new(scene.pool, &(struct weft_lane_options){.name = "other"});
    weft_future *job = submit(NULL, 2);
    if (late)
        close_as_if_before();
    submit_one_elsewhere(1);
    cr_assert_eq(open_lane(), late ? lane_elsewhere : NULL);
    return job;
}

Test(rings, what_came_late_is_not_run_for_another_lane)
{
    weft_future *jobs[2] = {meet_another_lane(true)};
    go();
    pthread_join(elsewhere, NULL);
    expect_order(2);
    expect_lane(lane_elsewhere, 1);
    jobs[1] = submit(NULL, 3);
    await_all(jobs, 2);
    expect_order(4);
    expect_lane(lane_elsewhere, 1);
    expect_lane(weft_pool_lane(scene.pool, "default"), 5);
    weft_lane_unref(lane_elsewhere);
    weft_test_loop_end();
}

static void expect_both_run(weft_future *job)
{
    go();
    cr_assert_eq(weft_test_run(job), 0);
    pthread_join(elsewhere, NULL);
    expect_lane(lane_elsewhere, 1);
    expect_lane(weft_pool_lane(scene.pool, "default"), 4);
    weft_lane_unref(lane_elsewhere);
    weft_test_loop_end();
}

Test(rings, what_is_there_runs_when_another_loop_brings_something_for_another_lane)
{
    expect_both_run(meet_another_lane(false));
}

Test(rings, what_is_recalled_of_several_lanes_runs)
{
    weft_future *job = meet_another_lane(true);
    weft__mutex_lock(&scene.pool->mu);
    weft__express_empty_locked(scene.pool);
    weft__mutex_unlock(&scene.pool->mu);
    expect_both_run(job);
}

/* What this loop brings for that lane has no room beside it. */
Test(rings, what_came_late_shares_its_ring_with_no_other_lane)
{
    weft_future *jobs[2] = {meet_another_lane(true)};
    jobs[1] = submit(lane_elsewhere, 3);
    go();
    for (int i = 0; i < 2; i++)
        cr_assert_eq(weft_test_run(jobs[i]), 0);
    pthread_join(elsewhere, NULL);
    expect_lane(lane_elsewhere, 2);
    expect_lane(weft_pool_lane(scene.pool, "default"), 4);
    weft_lane_unref(lane_elsewhere);
    weft_test_loop_end();
}

static weft_future *kept;

/* Whatever is run is run before the tick ends. */
static void let_others_run(int count)
{
    gate_open(&scene.gate);
    while (atomic_load(&scene.count) < count)
        sched_yield();
}

static void submit_when_another_has_a_ring(void *arg)
{
    (void)arg;
    kept = submit(NULL, 1);
    submit_one_elsewhere(2);
    let_others_run(3);
}

/* Though its tick goes on, and a job of the other one has come since. */
Test(rings, those_of_several_loops_are_not_kept_back)
{
    begin();
    submit_one_elsewhere(0);
    pthread_t first = elsewhere;
    cr_assert_eq(weft_test_run(weft_call_soon(submit_when_another_has_a_ring, NULL)), 0);
    cr_assert_eq(weft_test_run(scene.first), 0);
    cr_assert_eq(weft_test_run(kept), 0);
    pthread_join(first, NULL);
    pthread_join(elsewhere, NULL);
    expect_order(3);
    weft_test_loop_end();
}

static void submit_before_another_has_a_ring(void *arg)
{
    (void)arg;
    kept = submit(NULL, 0);
    submit_one_elsewhere(1);
    let_others_run(2);
}

Test(rings, what_a_loop_keeps_back_comes_before_what_the_second_one_brings)
{
    begin();
    cr_assert_eq(weft_test_run(weft_call_soon(submit_before_another_has_a_ring, NULL)), 0);
    cr_assert_eq(weft_test_run(scene.first), 0);
    cr_assert_eq(weft_test_run(kept), 0);
    pthread_join(elsewhere, NULL);
    expect_order(2);
    weft_test_loop_end();
}

static struct gate second_gate;

/* The rings are open again when it brings its second job. */
static void *bring_two(void *arg)
{
    weft_loop *loop = weft_loop_new(NULL);
    cr_assert_eq(weft_loop_set_pool(loop, scene.pool), 0);
    cr_assert_eq(weft_loop_run_until(loop, submit(NULL, 1)), 0);
    weft_future *gated = weft_to_thread_fn(NULL, gate_pass, &second_gate);
    gate_wait_entered(&second_gate);
    weft_future *job = submit(NULL, 2);
    sem_post(&came);
    cr_assert_eq(weft_loop_run_until(loop, gated), 0);
    cr_assert_eq(weft_loop_run_until(loop, job), 0);
    weft_loop_free(loop);
    return arg;
}

static weft_future *last;

static void submit_before_and_after(void *arg)
{
    (void)arg;
    kept = submit(NULL, 0);
    pthread_create(&elsewhere, NULL, bring_two, NULL);
    gate_open(&scene.gate);
    wait_for(&came);
    last = submit(NULL, 3);
    gate_open(&second_gate);
    while (atomic_load(&scene.count) < 4)
        sched_yield();
}

Test(rings, what_comes_in_the_tick_of_what_was_kept_back_is_not_as_old)
{
    begin();
    gate_init(&second_gate);
    sem_init(&came, 0, 0);
    cr_assert_eq(weft_test_run(weft_call_soon(submit_before_and_after, NULL)), 0);
    cr_assert_eq(weft_test_run(scene.first), 0);
    cr_assert_eq(weft_test_run(kept), 0);
    cr_assert_eq(weft_test_run(last), 0);
    pthread_join(elsewhere, NULL);
    expect_order(4);
    weft_test_loop_end();
}

static void submit_one(void *arg)
{
    (void)arg;
    kept = submit(NULL, 0);
}

Test(rings, what_is_kept_back_is_published_when_the_tick_ends)
{
    begin();
    cr_assert_eq(weft_test_run(weft_call_soon(submit_one, NULL)), 0);
    go();
    cr_assert_eq(weft_test_run(kept), 0);
    cr_assert_eq(locked_starts(scene.pool), 1);
    weft_test_loop_end();
}

static void submit_and_be_late(void *arg)
{
    (void)arg;
    kept = submit(NULL, 0);
    close_as_if_before();
}

/* This loop was as late with the job that it has kept back. Nobody else comes to mend it. */
Test(rings, what_is_published_into_a_closed_ring_runs)
{
    begin();
    cr_assert_eq(weft_test_run(weft_call_soon(submit_and_be_late, NULL)), 0);
    go();
    cr_assert_eq(weft_test_run(kept), 0);
    expect_order(1);
    weft_test_loop_end();
}

static void submit_and_let_it_run(void *arg)
{
    (void)arg;
    kept = submit(NULL, 0);
    let_others_run(1);
}

/* With the lock it is seen before it is published. */
Test(rings, what_is_kept_back_is_run_by_a_thread_that_has_nothing_else_to_do)
{
    begin();
    cr_assert_eq(weft_test_run(weft_call_soon(submit_and_let_it_run, NULL)), 0);
    cr_assert_eq(weft_test_run(scene.first), 0);
    cr_assert_eq(weft_test_run(kept), 0);
    cr_assert_eq(weft_test_run(submit(NULL, 1)), 0);
    expect_order(2);
    weft_test_loop_end();
}

/* ---- Looking in vain ---- */

static atomic_bool has_watched;

/* One thread runs a job. */
static void *watch(void *arg)
{
    struct weft_lane_stats stats;
    size_t most = 0;
    for (int i = 0; i < 100000; i++) {
        weft_lane_get_stats(weft_pool_lane(scene.pool, "default"), &stats);
        most = stats.running > most ? stats.running : most;
    }
    atomic_store(&has_watched, true);
    return most == 1 ? arg : NULL;
}

/* What it sees in the ring it does not get, as the pool is closed. */
Test(rings, a_thread_that_gets_no_job_is_never_counted_as_running_one)
{
    pthread_t watcher;
    void *saw_one;
    struct weft__claim claim;
    begin();
    weft_future *jobs[2] = {submit(NULL, 0)};
    struct weft__span span = {.lane = &scene.pool->default_lane};
    close_as_if_before();
    pthread_create(&watcher, NULL, watch, &scene);
    while (!atomic_load(&has_watched))
        cr_assert_not(weft__schedule_resume(scene.pool, &span, &claim));
    pthread_join(watcher, &saw_one);
    cr_assert_not_null(saw_one);
    jobs[1] = submit(NULL, 1);
    go();
    await_all(jobs, 2);
    weft_test_loop_end();
}

/* ---- What is urgent, and what is full ---- */

static weft_result set(void *flag)
{
    atomic_store((atomic_bool *)flag, true);
    return weft_ok(0);
}

static weft_future *submit_gated(void)
{
    weft_future *job = weft_to_thread_fn(NULL, gate_pass, &scene.gate);
    gate_wait_entered(&scene.gate);
    return job;
}

/* Who is idle when the lock is free has looked at the rings, and waits for a call. */
static void use_two_idle_threads(void)
{
    weft_future *jobs[2];
    gate_init(&scene.gate);
    scene.pool =
        use_pool(&(struct weft_pool_options){.max_threads = 2, .min_threads = 2, .spin = -1});
    for (int i = 0; i < 2; i++)
        jobs[i] = submit_gated();
    for (int i = 0; i < 2; i++)
        gate_open(&scene.gate);
    await_all(jobs, 2);
    wait_for_idle(scene.pool, 2);
    (void)locked_starts(scene.pool);
}

/* The first one is alone, and not kept back for that. */
static void submit_two_and_wait(void *arg)
{
    atomic_bool has_run = false;
    (void)arg;
    scene.first = submit_gated();
    cr_assert(is_open(scene.pool));
    weft_future *job = weft_to_thread_fn(NULL, set, &has_run);
    while (!atomic_load(&has_run))
        sched_yield();
    gate_open(&scene.gate);
    weft_unref(job);
}

/* Its tick does not end before it has run. */
Test(rings, a_job_is_not_kept_back_while_a_thread_is_idle)
{
    use_two_idle_threads();
    cr_assert_eq(weft_test_run(weft_call_soon(submit_two_and_wait, NULL)), 0);
    cr_assert_eq(weft_test_run(scene.first), 0);
    weft_test_loop_end();
}

Test(rings, a_ring_from_which_all_was_claimed_has_room_again)
{
    begin();
    go();
    for (int i = 0; i < 3 * WEFT__RING / 2; i++) {
        cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), 0);
        cr_assert(is_open(scene.pool));
    }
    weft_test_loop_end();
}
