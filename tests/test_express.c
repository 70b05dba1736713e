/* SPDX-License-Identifier: MIT */
/* Jobs that go by rings, past the pool's lock: what is promised of jobs holds for them all the same. */
#include <criterion/criterion.h>

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <weft/weft.h>

#include "pool/pool.h"
#include "tests/support/child.h"
#include "tests/support/express.h"
#include "tests/support/gate.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/pool.h"
#include "tests/support/sanitizer.h"

TestSuite(express, .init = weft_test_loop_begin_real, .timeout = 60);

static struct weft_lane_stats default_stats(void)
{
    struct weft_lane_stats stats;
    weft_lane_get_stats(weft_pool_lane(scene.pool, "default"), &stats);
    return stats;
}

Test(express, jobs_go_by_a_ring_while_nothing_speaks_against_it)
{
    begin();
    weft_future *one = submit(NULL, 0), *other = submit(NULL, 1);
    cr_assert(is_open(scene.pool));
    cr_assert_eq(default_stats().queued, 2);
    cr_assert_eq(stats_of(scene.pool).queued, 2);
    cr_assert_eq(default_stats().submitted, 3);
    go();
    cr_assert_eq(weft_test_run(one), 0);
    cr_assert_eq(weft_test_run(other), 0);
    expect_order(2);
    weft_test_loop_end();
}

Test(express, the_counts_are_exact_whenever_a_job_is_seen_complete)
{
    begin();
    go();
    for (uint64_t i = 1; i < 300; i++) {
        cr_assert_eq(weft_test_run(submit(NULL, 0)), 0);
        struct weft_lane_stats stats = default_stats();
        cr_assert_eq(stats.queued + stats.running, 0);
        cr_assert_eq(stats.submitted, i + 1);
        cr_assert_eq(stats.completed, i + 1);
        cr_assert_eq(stats.run_time.count, i + 1);
        cr_assert_eq(stats.queue_wait.count, i + 1);
        cr_assert_eq(stats_of(scene.pool).running, 0);
        atomic_store(&scene.count, 0);
    }
    weft_test_loop_end();
}

Test(express, a_job_of_another_lane_takes_no_place_of_those_before_it)
{
    begin();
    weft_lane *lane = weft_lane_new(scene.pool, &(struct weft_lane_options){.name = "other"});
    weft_future *jobs[3] = {submit(NULL, 0), submit(NULL, 1)};
    jobs[2] = weft_to_thread_fn(lane, return_nothing, NULL);
    cr_assert_not(is_open(scene.pool));
    cr_assert_eq(default_stats().queued, 2);
    go();
    await_all(jobs, 3);
    expect_order(2);
    cr_assert_eq(weft_test_run(submit(NULL, 2)), 0);
    cr_assert(is_open(scene.pool));
    weft_lane_unref(lane);
    weft_test_loop_end();
}

Test(express, one_with_a_key_keeps_its_place_among_the_others)
{
    begin();
    weft_future *jobs[3] = {submit(NULL, 0)};
    jobs[1] = submit_keyed(1);
    jobs[2] = submit(NULL, 2);
    go();
    await_all(jobs, 3);
    expect_order(3);
    weft_test_loop_end();
}

Test(express, a_cancelled_one_never_runs_and_the_others_keep_their_order)
{
    begin();
    weft_future *one = submit(NULL, 0), *cancelled = submit(NULL, 7), *other = submit(NULL, 1);
    cr_assert(weft_cancel(cancelled));
    cr_assert_eq(weft_test_run(weft_ref(cancelled)), -ECANCELED);
    cr_assert_eq(weft_job_outcome(cancelled), WEFT_JOB_NOT_STARTED);
    weft_unref(cancelled);
    cr_assert_eq(default_stats().cancelled_queued, 1);
    go();
    cr_assert_eq(weft_test_run(one), 0);
    cr_assert_eq(weft_test_run(other), 0);
    expect_order(2);
    weft_test_loop_end();
}

Test(express, one_that_was_claimed_is_not_cancelled_any_more)
{
    struct gate gate;
    gate_init(&gate);
    begin();
    weft_future *claimed = weft_to_thread_fn(NULL, gate_pass, &gate);
    go();
    gate_wait_entered(&gate);
    weft_cancel(claimed);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(weft_ref(claimed)), 0);
    cr_assert_eq(weft_job_outcome(claimed), WEFT_JOB_FINISHED);
    cr_assert_eq(weft_future_value(claimed).i64, 7);
    weft_unref(claimed);
    weft_test_loop_end();
}

Test(express, a_lane_that_is_changed_holds_what_it_says_for_what_was_in_the_ring)
{
    struct gate gate;
    weft_future *jobs[4];
    gate_init(&gate);
    gate_init(&scene.gate);
    scene.pool = use_pool(&(struct weft_pool_options){.max_threads = 2, .min_threads = 2});
    for (int i = 0; i < 4; i++)
        jobs[i] = weft_to_thread_fn(NULL, gate_pass, &gate);
    gate_wait_entered(&gate);
    gate_wait_entered(&gate);
    struct weft_lane_options one = {.max_running = 1};
    cr_assert_eq(weft_lane_configure(weft_pool_lane(scene.pool, "default"), &one), 0);
    cr_assert_not(is_open(scene.pool));
    gate_open(&gate);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(jobs[0]), 0);
    cr_assert_eq(weft_test_run(jobs[1]), 0);
    gate_wait_entered(&gate);
    cr_assert_eq(default_stats().running, 1);
    cr_assert_eq(default_stats().queued, 1);
    gate_open(&gate);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(jobs[2]), 0);
    cr_assert_eq(weft_test_run(jobs[3]), 0);
    weft_test_loop_end();
}

Test(express, a_lane_that_nobody_holds_runs_what_was_in_the_ring)
{
    gate_init(&scene.gate);
    scene.pool = use_pool(&(struct weft_pool_options){.max_threads = 1});
    weft_lane *lane = weft_lane_new(scene.pool, &(struct weft_lane_options){.name = "brief"});
    scene.first = weft_to_thread_fn(lane, gate_pass, &scene.gate);
    gate_wait_entered(&scene.gate);
    weft_future *job = submit(lane, 0);
    cr_assert_eq(atomic_load(&scene.pool->express.lane), lane);
    weft_lane_unref(lane);
    go();
    cr_assert_eq(weft_test_run(job), 0);
    cr_assert_null(weft_pool_lane(scene.pool, "brief"));
    weft_test_loop_end();
}

Test(express, a_round_does_not_wait_for_what_is_in_the_ring)
{
    begin();
    weft_future *job = submit(NULL, 1);
    weft_future *round = weft_pool_run_on_each(scene.pool, note, numbered(0));
    cr_assert_not(is_open(scene.pool));
    go();
    cr_assert_eq(weft_test_run(round), 0);
    cr_assert_eq(weft_test_run(job), 0);
    expect_order(2);
    weft_test_loop_end();
}

Test(express, a_shutdown_drops_what_is_in_the_ring)
{
    begin();
    weft_future *job = submit(NULL, 0);
    gate_open(&scene.gate);
    cr_assert_eq(weft_test_run(scene.first), 0);
    cr_assert_eq(weft_test_run(job), 0);
    scene.first = weft_to_thread_fn(NULL, gate_pass, &scene.gate);
    gate_wait_entered(&scene.gate);
    job = submit(NULL, 1);
    static const struct weft_shutdown_options soon = {.jobs_timeout = 1};
    cr_assert_eq(weft_loop_shutdown(test_loop, &soon, NULL), WEFT_ESTUCK);
    cr_assert_eq(weft_future_status(job), -ECANCELED);
    weft_unref(job);
    weft_unref(scene.first);
    gate_open(&scene.gate);
    wait_for_idle(scene.pool, 1);
    cr_assert_eq(atomic_load(&scene.count), 1);
    weft_test_loop_end();
}

Test(express, more_jobs_than_a_ring_holds_run_in_their_order)
{
    static weft_future *jobs[MANY];
    begin();
    for (int i = 0; i < MANY; i++)
        jobs[i] = submit(NULL, i);
    cr_assert_eq(default_stats().queued, MANY);
    go();
    await_all(jobs, MANY);
    expect_order(MANY);
    weft_test_loop_end();
}

static int completed[MANY], completions;

static void note_completion(void *number)
{
    completed[completions++] = *(int *)number;
}

Test(express, what_one_thread_has_run_completes_in_its_order)
{
    static struct weft_job jobs[WEFT__RING];
    begin();
    for (int i = 0; i < WEFT__RING; i++) {
        weft_job_init(&jobs[i], note, numbered(i), note_completion);
        weft_unref(weft_job_submit(&jobs[i], NULL));
    }
    gate_open(&scene.gate);
    while (default_stats().completed <= WEFT__RING)
        ;
    cr_assert_eq(weft_test_run(scene.first), 0);
    while (completions < WEFT__RING)
        cr_assert_eq(weft_test_run(weft_sleep(0)), 0);
    for (int i = 0; i < WEFT__RING; i++)
        cr_assert_eq(completed[i], i);
    weft_test_loop_end();
}

Test(express, without_memory_for_a_ring_jobs_go_another_way)
{
    scene.pool = use_pool(&(struct weft_pool_options){.max_threads = 1});
    for (size_t n = 1; n < 8; n++) {
        weft_test_heap_fail_at(n);
        int status = weft_test_run(submit(NULL, 0));
        weft_test_heap_fail_at(0);
        cr_assert(status == 0 || status == -ENOMEM);
    }
    weft_test_loop_end();
}

static weft_result fail_with_message(void *arg)
{
    return weft_errf(-EIO, "%s", (const char *)arg);
}

static weft_result allocate_value(void *arg)
{
    (void)arg;
    return weft_ok(calloc(1, 1), free);
}

struct second {
    int number;
};

static WEFT_BLOCKING(second)
{
    return weft_ok(self->number + 1);
}

static weft_result name_second(void *arg)
{
    (void)arg;
    return weft_continue(second, .number = 41);
}

static weft_result name_and_forget(void *arg)
{
    (void)arg;
    weft_continue(second, .number = 41);
    return weft_ok(3);
}

Test(express, results_of_every_kind_come_home)
{
    static char why[] = "why";
    begin();
    weft_future *failed = weft_to_thread_fn(NULL, fail_with_message, why);
    weft_future *owned = weft_to_thread_fn(NULL, allocate_value, NULL);
    weft_future *chain = weft_to_thread_fn(NULL, name_second, NULL);
    weft_future *forgets = weft_to_thread_fn(NULL, name_and_forget, NULL);
    go();
    cr_assert_eq(weft_test_run(weft_ref(failed)), -EIO);
    cr_assert_str_eq(weft_message(failed), "why");
    cr_assert_eq(weft_test_run(weft_ref(chain)), 0);
    cr_assert_eq(weft_future_value(chain).i64, 42);
    cr_assert_eq(weft_test_run(weft_ref(forgets)), 0);
    cr_assert_eq(weft_future_value(forgets).i64, 3);
    cr_assert_eq(weft_test_run(owned), 0);
    weft_unref(failed);
    weft_unref(chain);
    weft_unref(forgets);
    weft_test_loop_end();
}

struct submitter {
    WEFT_FRAME;
    int from;
    weft_future *jobs[3];
};

static WEFT_ASYNC(submitter)
{
    WEFT_BEGIN;
    for (int i = 0; i < 3; i++)
        self->jobs[i] = submit(NULL, self->from + i);
    cr_assert_eq(default_stats().queued, (size_t)self->from + 3);
    cr_assert(weft_cancel(self->jobs[2]));
    gate_open(&scene.gate);
    WEFT_AWAIT(weft_gather(self->jobs[0], self->jobs[1]));
    weft_unref(self->jobs[2]);
    WEFT_END;
}

Test(express, what_is_kept_back_in_a_tick_is_queued_for_all_that_it_matters_to)
{
    begin();
    cr_assert_eq(weft_test_run(weft_spawn(submitter, .from = 0)), 0);
    cr_assert_eq(weft_test_run(scene.first), 0);
    expect_order(2);
    weft_test_loop_end();
}

static void look_in_child(void *job)
{
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    CHILD_EXPECT(weft_future_status(job) == WEFT_EFORK);
    weft_unref(job);
    CHILD_EXPECT(weft_future_status(scene.first) == WEFT_EFORK);
    weft_unref(scene.first);
#ifndef WEFT_TEST_NO_THREADS_IN_CHILD
    int status = weft_loop_run_until(test_loop, weft_to_thread_fn(NULL, return_nothing, NULL));
    CHILD_EXPECT(status == 0);
#endif
    weft_loop_free(test_loop);
}

Test(express, in_a_forked_child_what_was_in_the_ring_fails)
{
    begin();
    weft_future *job = submit(NULL, 0);
    weft_test_in_child(look_in_child, job);
    go();
    cr_assert_eq(weft_test_run(job), 0);
    weft_test_loop_end();
}

/* ---- Searching ---- */

static uint64_t spins_with(weft_ns spin, unsigned cpus)
{
    weft__spin_pretend(cpus);
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 1, .spin = spin});
    for (int i = 0; i < 200; i++)
        cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), 0);
    wait_for_idle(pool, 1);
    uint64_t spins = stats_of(pool).spins;
    cr_assert_leq(stats_of(pool).spins_paid, spins);
    weft__spin_pretend(0);
    return spins;
}

Test(express, a_thread_searches_before_it_gets_idle_unless_told_not_to)
{
    cr_assert_gt(spins_with(0, 2), 0);
    cr_assert_eq(spins_with(-1, 2), 0);
    weft_test_loop_end();
}

Test(express, nobody_searches_with_one_cpu)
{
    cr_assert_eq(spins_with(0, 1), 0);
    weft_test_loop_end();
}

Test(express, a_thread_that_searches_lets_go_of_a_pool_that_ends)
{
    weft__spin_pretend(4);
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 1, .spin = WEFT_S(3600)});
    cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), 0);
    while (atomic_load(&pool->express.searching) == 0)
        sched_yield();
    weft_test_loop_end();
    weft__spin_pretend(0);
}

Test(express, a_thread_that_searches_takes_a_job_of_another_lane)
{
    weft__spin_pretend(2);
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 1, .spin = WEFT_S(3600)});
    weft_lane *lane = weft_lane_new(pool, &(struct weft_lane_options){.name = "other"});
    for (int i = 0; i < 10; i++) {
        cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), 0);
        cr_assert_eq(weft_test_run(weft_to_thread_fn(lane, return_nothing, NULL)), 0);
    }
    cr_assert_eq(weft_test_run(weft_pool_run_on_each(pool, return_nothing, NULL)), 0);
    weft_lane_unref(lane);
    weft_test_loop_end();
    weft__spin_pretend(0);
}

static void count_running(void *count, const struct weft_running_job *job)
{
    (void)job;
    ++*(int *)count;
}

Test(express, a_job_that_comes_while_one_searches_is_found)
{
    int running = 0;
    gate_init(&scene.gate);
    weft__spin_pretend(4); /* a place for the loop, too */
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 1, .spin = WEFT_S(3600)});
    cr_assert_eq(weft_test_run(weft_to_thread_fn(NULL, return_nothing, NULL)), 0);
    while (atomic_load(&pool->express.searching) == 0)
        sched_yield();
    weft_future *job = weft_to_thread_fn(NULL, gate_pass, &scene.gate);
    gate_wait_entered(&scene.gate);
    weft_pool_each_running(pool, count_running, &running);
    cr_assert_eq(running, 1);
    gate_open(&scene.gate);
    cr_assert_eq(weft_test_run(job), 0);
    cr_assert_eq(stats_of(pool).spins_paid, 1);
    weft_test_loop_end();
    weft__spin_pretend(0);
}

static weft_result note_slowly(void *number)
{
    nanosleep(&(struct timespec){.tv_nsec = WEFT_MS(1)}, NULL); /* on purpose */
    return note(number);
}

enum { ALONE = 50, BOTH = 50, FIRST = 40 };

/* How many of the first jobs are the other lane's, once it has come. */
static int share_of_other(weft_lane *lane)
{
    static weft_future *jobs[ALONE + 2 * BOTH];
    gate_init(&scene.gate);
    atomic_store(&scene.count, 0);
    scene.first = weft_to_thread_fn(NULL, gate_pass, &scene.gate);
    gate_wait_entered(&scene.gate);
    for (int i = 0; i < ALONE + BOTH; i++) {
        jobs[i] = weft_to_thread_fn(NULL, note_slowly, numbered(i));
    }
    cr_assert(is_open(scene.pool));
    go();
    cr_assert_eq(weft_test_run(weft_ref(jobs[ALONE - 1])), 0);
    for (int i = ALONE + BOTH; i < ALONE + 2 * BOTH; i++) {
        jobs[i] = weft_to_thread_fn(lane, note_slowly, numbered(i));
    }
    await_all(jobs, ALONE + 2 * BOTH);
    int at = 0, of_other = 0;
    while (scene.order[at] < ALONE + BOTH)
        at++;
    for (int i = at; i < at + FIRST; i++)
        of_other += scene.order[i] >= ALONE + BOTH;
    return of_other;
}

/* What a lane has taken while no other wanted anything is not held against it: else the other would have
 * all of the next turns. How many of them is left to the machine. When that holds up the loop, or a job,
 * for long, the one lane has ended before the other comes, or rightly waits for its turn: then again. */
Test(express, a_lane_that_was_alone_still_has_its_share_when_another_comes)
{
    scene.pool = use_pool(&(struct weft_pool_options){.max_threads = 1});
    weft_lane *lane = weft_lane_new(scene.pool, &(struct weft_lane_options){.name = "other"});
    int of_other = FIRST;
    for (int tries = 0; of_other == FIRST && tries < 20; tries++)
        of_other = share_of_other(lane);
    cr_assert(of_other > 0 && of_other < FIRST, "%d of %d", of_other, FIRST);
    weft_lane_unref(lane);
    weft_test_loop_end();
}

/* Workers that look for the next job beside the one that gets it do not count as running. */
Test(express, nothing_runs_once_the_only_job_is_seen_complete)
{
    scene.pool = use_pool(
        &(struct weft_pool_options){.max_threads = 4, .min_threads = 4, .spin = WEFT_MS(1)});
    weft_future *jobs[4];
    int wrong = 0;
    for (int i = 0; i < 30000; i++) {
        int n = i % 8 == 0 ? 4 : 1;
        for (int k = 0; k < n; k++)
            jobs[k] = weft_to_thread_fn(NULL, return_nothing, NULL);
        for (int k = 0; k < n; k++)
            cr_assert_eq(weft_test_run(jobs[k]), 0);
        struct weft_lane_stats stats = default_stats();
        wrong += stats.queued + stats.running != 0;
    }
    cr_assert_eq(wrong, 0, "%d", wrong);
    weft_test_loop_end();
}
