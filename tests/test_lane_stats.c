/* SPDX-License-Identifier: MIT */
/* What lanes tell of themselves. Durations are made up: the scheduler is told what time it is. */
#include <criterion/criterion.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <weft/lane.h>
#include <weft/weft.h>

#include "core/sys.h"
#include "pool/job.h"
#include "pool/lane.h"
#include "pool/pool.h"
#include "pool/schedule.h"
#include "tests/support/child.h"
#include "tests/support/gate.h"
#include "tests/support/loop.h"
#include "tests/support/pool.h"

TestSuite(lane_stats, .init = weft_test_loop_begin_real, .timeout = 60);

static weft_pool *pool; /* borrowed from the loop */
static weft_lane *lane;

static void begin_on(weft_pool *made, const struct weft_lane_options *options)
{
    pool = made;
    cr_assert_not_null(pool);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    weft_pool_unref(pool);
    lane = weft_lane_new(pool, options);
    cr_assert_not_null(lane);
}

static void begin_with(const struct weft_lane_options *options)
{
    begin_on(weft_pool_new(&(struct weft_pool_options){.max_threads = 2}), options);
}

static void begin(void)
{
    begin_with(&(struct weft_lane_options){.name = "lane"});
}

/* No threads: the test runs what it takes. */
static void begin_by_hand(void)
{
    begin_on(weft__pool_by_hand(WEFT__STEPPED), &(struct weft_lane_options){.name = "lane"});
}

static void end(void)
{
    weft_lane_unref(lane);
    weft_test_loop_end();
}

static struct weft_lane_stats told_of(weft_lane *of)
{
    struct weft_lane_stats stats;
    memset(&stats, 0xee, sizeof(stats));
    weft_lane_get_stats(of, &stats);
    return stats;
}

static weft_future *submit(void)
{
    return weft_to_thread_fn(lane, return_nothing, NULL);
}

static weft_future *submit_gate(struct gate *gate)
{
    return weft_to_thread_fn(lane, gate_pass, gate);
}

static void assert_latency(struct weft_latency latency, uint64_t count)
{
    cr_assert_eq(latency.count, count);
    cr_assert_leq(latency.p50, latency.p90);
    cr_assert_leq(latency.p90, latency.p99);
    cr_assert_leq(latency.p99, latency.max);
}

/* ---- Counts ---- */

Test(lane_stats, a_new_lane_has_its_name_and_zeros)
{
    begin();
    struct weft_lane_stats wanted = {.name = "lane"}, stats = told_of(lane);
    cr_assert_str_eq(stats.name, "lane");
    cr_assert_eq(stats.queued + stats.running + stats.waiting + stats.abandoned_running, 0);
    cr_assert_eq(memcmp(&stats.submitted, &wanted.submitted,
                        sizeof(stats) - offsetof(struct weft_lane_stats, submitted)),
                 0);
    end();
}

Test(lane_stats, a_job_that_ended_was_submitted_and_completed_and_has_waited_and_run)
{
    begin();
    for (int i = 0; i < 3; i++)
        cr_assert_eq(weft_test_run(submit()), 0);
    struct weft_lane_stats stats = told_of(lane);
    cr_assert_eq(stats.submitted, 3);
    cr_assert_eq(stats.completed, 3);
    cr_assert_eq(stats.running + stats.queued, 0);
    assert_latency(stats.queue_wait, 3);
    assert_latency(stats.run_time, 3);
    cr_assert_gt(stats.queue_wait.max, 0);
    cr_assert_gt(stats.run_time.max, 0);
    cr_assert_eq(told_of(weft_pool_lane(pool, "default")).submitted, 0);
    end();
}

Test(lane_stats, what_runs_what_is_queued_and_what_waits_for_room_are_told_apart)
{
    struct gate gate;
    weft_future *jobs[4];
    gate_init(&gate);
    begin_with(&(struct weft_lane_options){
        .name = "lane", .max_running = 1, .max_queued = 1, .on_full = WEFT_FULL_WAIT});
    for (int i = 0; i < 4; i++) {
        jobs[i] = submit_gate(&gate);
        if (i == 0)
            gate_wait_entered(&gate);
    }
    struct weft_lane_stats stats = told_of(lane);
    cr_assert_eq(stats.running, 1);
    cr_assert_eq(stats.queued, 1);
    cr_assert_eq(stats.waiting, 2);
    cr_assert_eq(stats.queue_wait.count, 1);
    cr_assert_eq(stats.run_time.count, 0);
    for (int i = 0; i < 4; i++)
        gate_open(&gate);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(weft_test_run(jobs[i]), 0);
    stats = told_of(lane);
    cr_assert_eq(stats.running + stats.queued + stats.waiting, 0);
    cr_assert_eq(stats.submitted, 4);
    cr_assert_eq(stats.completed, 4);
    end();
}

Test(lane_stats, one_that_is_rejected_is_neither_submitted_nor_has_it_waited)
{
    struct gate gate;
    gate_init(&gate);
    begin_with(&(struct weft_lane_options){.name = "lane", .max_running = 1, .max_queued = 1});
    weft_future *running = submit_gate(&gate);
    gate_wait_entered(&gate);
    weft_future *queued = submit();
    cr_assert_eq(weft_test_run(submit()), -EAGAIN);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(running), 0);
    cr_assert_eq(weft_test_run(queued), 0);
    struct weft_lane_stats stats = told_of(lane);
    cr_assert_eq(stats.rejected, 1);
    cr_assert_eq(stats.submitted, 2);
    cr_assert_eq(stats.queue_wait.count, 2);
    end();
}

Test(lane_stats, one_that_is_dropped_is_counted_and_has_not_run)
{
    struct gate gate;
    gate_init(&gate);
    begin_with(&(struct weft_lane_options){
        .name = "lane", .max_running = 1, .max_queued = 1, .on_full = WEFT_FULL_DROP_OLDEST});
    weft_future *running = submit_gate(&gate);
    gate_wait_entered(&gate);
    weft_future *dropped = submit(), *queued = submit();
    cr_assert_eq(weft_test_run(dropped), WEFT_EDROPPED);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(running), 0);
    cr_assert_eq(weft_test_run(queued), 0);
    struct weft_lane_stats stats = told_of(lane);
    cr_assert_eq(stats.dropped, 1);
    cr_assert_eq(stats.submitted, 3);
    cr_assert_eq(stats.completed, 2);
    cr_assert_eq(stats.queue_wait.count, 2);
    end();
}

Test(lane_stats, one_that_is_cancelled_in_the_queue_is_counted_and_has_not_waited)
{
    begin_by_hand();
    weft_future *job = submit();
    cr_assert(weft_cancel(job));
    cr_assert_eq(weft_test_run(job), -ECANCELED);
    struct weft_lane_stats stats = told_of(lane);
    cr_assert_eq(stats.cancelled_queued, 1);
    cr_assert_eq(stats.submitted, 1);
    cr_assert_eq(stats.queued + stats.completed, 0);
    cr_assert_eq(stats.queue_wait.count, 0);
    end();
}

/* Says that it runs, and then waits until it is told to stop. */
static weft_result stop_when_told(void *gate)
{
    sem_post(&((struct gate *)gate)->entered);
    while (!weft_job_cancelled())
        sched_yield();
    return weft_err(-ECANCELED);
}

Test(lane_stats, one_that_stops_when_it_is_told_is_counted_and_was_completed)
{
    struct gate gate;
    gate_init(&gate);
    begin();
    weft_future *job = weft_offload_fn(
        (&(struct weft_job_options){.lane = lane, .on_cancel = WEFT_CANCEL_COOPERATIVE}),
        stop_when_told, &gate);
    gate_wait_entered(&gate);
    cr_assert_eq(told_of(lane).cancelled_cooperative, 0);
    cr_assert(weft_cancel(job));
    cr_assert_eq(weft_test_run(job), -ECANCELED);
    struct weft_lane_stats stats = told_of(lane);
    cr_assert_eq(stats.cancelled_cooperative, 1);
    cr_assert_eq(stats.cancelled_queued + stats.cancelled_interrupted + stats.abandoned, 0);
    cr_assert_eq(stats.completed, 1);
    end();
}

Test(lane_stats, one_that_is_abandoned_runs_on_and_is_told_apart_until_it_returns)
{
    struct gate gate;
    gate_init(&gate);
    begin();
    weft_future *job = weft_offload_fn(
        (&(struct weft_job_options){.lane = lane, .on_cancel = WEFT_CANCEL_ABANDON}), gate_pass,
        &gate);
    gate_wait_entered(&gate);
    cr_assert(weft_cancel(job));
    cr_assert_eq(weft_test_run(job), -ECANCELED);
    struct weft_lane_stats stats = told_of(lane);
    cr_assert_eq(stats.abandoned, 1);
    cr_assert_eq(stats.abandoned_running, 1);
    cr_assert_eq(stats.running, 1);
    gate_open(&gate);
    while (told_of(lane).running + told_of(lane).abandoned_running > 0)
        sched_yield();
    cr_assert_eq(told_of(lane).abandoned, 1);
    wait_for_idle(pool, 1); /* the job's memory is gone, too */
    end();
}

Test(lane_stats, one_whose_time_in_the_queue_is_over_has_expired_and_has_not_waited)
{
    struct gate gate;
    gate_init(&gate);
    begin_with(&(struct weft_lane_options){.name = "lane", .max_running = 1});
    weft_future *running = submit_gate(&gate);
    gate_wait_entered(&gate);
    /* On a slow machine it may be over before the job is queued at all. */
    for (weft_ns max_wait = WEFT_MS(1); told_of(lane).submitted < 2; max_wait *= 2)
        cr_assert_eq(weft_test_run(weft_offload_fn(
                         (&(struct weft_job_options){.lane = lane, .max_wait = max_wait}),
                         return_nothing, NULL)),
                     -ETIMEDOUT);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(running), 0);
    struct weft_lane_stats stats = told_of(lane);
    cr_assert_eq(stats.expired, 1);
    cr_assert_eq(stats.submitted, 2);
    cr_assert_eq(stats.queue_wait.count, 1);
    end();
}

/* ---- Durations ---- */

/* Run the oldest job by hand: it is started and ends so long after it was queued. */
static void run_one(weft_ns started, weft_ns ended)
{
    weft__mutex_lock(&pool->mu);
    weft_ns queued_at = lane->line.first->queued_at;
    struct weft__job *job = weft__schedule_take_locked(pool, queued_at + started);
    weft__mutex_unlock(&pool->mu);
    cr_assert_not_null(job);
    weft__job_run(job);
    weft__mutex_lock(&pool->mu);
    weft__schedule_ended_locked(pool, job, queued_at + ended);
    weft__mutex_unlock(&pool->mu);
    weft__job_send(job);
}

Test(lane_stats, the_wait_ends_when_the_job_starts_and_the_run_when_it_ends)
{
    begin_by_hand();
    weft_future *job = submit();
    run_one(WEFT_MS(30), WEFT_MS(100));
    cr_assert_eq(weft_test_run(job), 0);
    struct weft_lane_stats stats = told_of(lane);
    cr_assert_eq(stats.queue_wait.max, WEFT_MS(30));
    cr_assert_eq(stats.run_time.max, WEFT_MS(70));
    end();
}

Test(lane_stats, percentiles_are_within_a_16th_of_the_truth)
{
    begin_by_hand();
    for (int i = 1; i <= 100; i++) {
        weft_future *job = submit();
        run_one(WEFT_MS(i), WEFT_MS(i) + WEFT_US(i));
        cr_assert_eq(weft_test_run(job), 0);
    }
    struct weft_lane_stats stats = told_of(lane);
    assert_latency(stats.queue_wait, 100);
    assert_latency(stats.run_time, 100);
    cr_assert(stats.queue_wait.p50 >= WEFT_MS(50) && stats.queue_wait.p50 < WEFT_MS(50) * 17 / 16);
    cr_assert(stats.queue_wait.p99 >= WEFT_MS(99) && stats.queue_wait.p99 <= WEFT_MS(100));
    cr_assert(stats.run_time.p90 >= WEFT_US(90) && stats.run_time.p90 < WEFT_US(90) * 17 / 16);
    cr_assert_eq(stats.run_time.max, WEFT_US(100));
    end();
}

/* ---- All lanes ---- */

struct seen {
    char names[256];
    size_t count;
    uint64_t submitted;
};

static void see(void *arg, const struct weft_lane_stats *stats)
{
    struct seen *seen = arg;
    size_t len = strlen(seen->names);
    snprintf(seen->names + len, sizeof(seen->names) - len, "%s ", stats->name);
    seen->count++;
    seen->submitted += stats->submitted;
}

Test(lane_stats, each_lane_is_told_oldest_first)
{
    struct seen seen = {0};
    begin();
    weft_lane *later = weft_lane_new(pool, &(struct weft_lane_options){.name = "later"});
    weft_pool_each_lane(pool, see, &seen);
    cr_assert_str_eq(seen.names, "default dns files lane later ");
    weft_lane_unref(later);
    end();
}

Test(lane_stats, a_lane_that_nobody_holds_is_told_as_long_as_it_has_jobs)
{
    struct gate gate;
    gate_init(&gate);
    begin();
    weft_future *job = submit_gate(&gate);
    gate_wait_entered(&gate);
    weft_lane_unref(lane);
    struct seen seen = {0}, seen_later = {0};
    weft_pool_each_lane(pool, see, &seen);
    cr_assert_str_eq(seen.names, "default dns files lane ");
    gate_open(&gate);
    cr_assert_eq(weft_test_run(job), 0);
    weft_pool_each_lane(pool, see, &seen_later);
    cr_assert_str_eq(seen_later.names, "default dns files ");
    weft_test_loop_end();
}

static void make_and_drop(void *arg, const struct weft_lane_stats *stats)
{
    (void)stats;
    weft_lane *made = weft_lane_new(pool, &(struct weft_lane_options){.name = "made on the way"});
    cr_assert_not_null(made);
    weft_lane_unref(made);
    ++*(size_t *)arg;
}

Test(lane_stats, who_is_told_may_make_lanes_and_drop_them)
{
    size_t count = 0;
    begin();
    weft_pool_each_lane(pool, make_and_drop, &count);
    cr_assert_eq(count, 4);
    end();
}

Test(lane_stats, nothing_is_told_of_no_pool_and_to_nobody)
{
    struct seen seen = {0};
    begin();
    weft_pool_each_lane(NULL, see, &seen);
    weft_pool_each_lane(pool, NULL, NULL);
    cr_assert_eq(seen.count, 0);
    end();
}

/* ---- Reading beside the jobs ---- */

Test(lane_stats, reading_takes_no_lock_that_a_job_needs)
{
    struct seen seen = {0};
    begin();
    weft__mutex_lock(&pool->mu);
    cr_assert_eq(told_of(lane).submitted, 0);
    weft_pool_each_lane(pool, see, &seen);
    weft__mutex_unlock(&pool->mu);
    cr_assert_eq(seen.count, 4);
    end();
}

enum { MANY = 3000 };

static void *read_until_all_ran(void *arg)
{
    struct weft_lane_stats stats = {0};
    (void)arg;
    while (stats.completed < MANY) {
        uint64_t before = stats.completed;
        stats = told_of(lane);
        cr_assert_geq(stats.completed, before);
        cr_assert_leq(stats.running, 2);
        cr_assert_leq(stats.run_time.p99, stats.run_time.max);
        cr_assert_leq(stats.queue_wait.p99, stats.queue_wait.max);
    }
    return NULL;
}

static void *list_lanes(void *arg)
{
    atomic_bool *over = arg;
    while (!atomic_load(over)) {
        struct seen seen = {0};
        weft_pool_each_lane(pool, see, &seen);
        cr_assert_geq(seen.count, 4);
    }
    return NULL;
}

Test(lane_stats, other_threads_read_while_jobs_run_and_lanes_come_and_go)
{
    pthread_t reader, lister;
    atomic_bool over = false;
    begin();
    cr_assert_eq(pthread_create(&reader, NULL, read_until_all_ran, NULL), 0);
    cr_assert_eq(pthread_create(&lister, NULL, list_lanes, &over), 0);
    for (int i = 0; i < MANY / 10; i++) {
        weft_future *jobs[10];
        weft_lane *made = weft_lane_new(pool, &(struct weft_lane_options){.name = "made"});
        for (int j = 0; j < 10; j++)
            jobs[j] = submit();
        weft_future *last = weft_to_thread_fn(made, return_nothing, NULL);
        weft_lane_unref(made);
        for (int j = 0; j < 10; j++)
            cr_assert_eq(weft_test_run(jobs[j]), 0);
        cr_assert_eq(weft_test_run(last), 0);
    }
    cr_assert_eq(pthread_join(reader, NULL), 0);
    atomic_store(&over, true);
    cr_assert_eq(pthread_join(lister, NULL), 0);
    end();
}

/* By rings; then what the threads have counted of the one lane moves out of their way for the other. */
static void run_in(weft_lane *of, uint64_t before)
{
    enum { JOBS = 20 };
    weft_future *jobs[JOBS];
    for (int i = 0; i < JOBS; i++)
        jobs[i] = weft_to_thread_fn(of, return_nothing, NULL);
    for (int i = 0; i < JOBS; i++)
        cr_assert_eq(weft_test_run(jobs[i]), 0);
    cr_assert_eq(told_of(of).completed, before + JOBS);
    cr_assert_eq(told_of(of).queue_wait.count, before + JOBS);
}

static void *read_on(void *over)
{
    uint64_t before = 0, now;
    for (; !atomic_load((atomic_bool *)over); before = now) {
        now = told_of(lane).completed;
        cr_assert_geq(now, before);
        cr_assert_leq(now, told_of(lane).submitted);
    }
    return NULL;
}

Test(lane_stats, each_job_is_told_of_once_when_threads_change_lanes)
{
    pthread_t reader;
    atomic_bool over = false;
    begin();
    weft_lane *other = weft_lane_new(pool, &(struct weft_lane_options){.name = "other"});
    cr_assert_eq(pthread_create(&reader, NULL, read_on, &over), 0);
    for (uint64_t i = 0; i < 1000; i++) {
        run_in(lane, i * 20);
        run_in(other, i * 20);
    }
    atomic_store(&over, true);
    cr_assert_eq(pthread_join(reader, NULL), 0);
    weft_lane_unref(other);
    end();
}

/* ---- What is never started ---- */

static int cannot_start(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                        void *arg)
{
    (void)thread;
    (void)attributes;
    (void)start;
    (void)arg;
    return EAGAIN;
}

Test(lane_stats, jobs_for_which_no_thread_can_be_started_are_unstarted_not_completed)
{
    begin_with(&(struct weft_lane_options){.name = "lane", .max_running = 1});
    weft__sys.pthread_create = cannot_start;
    for (int i = 0; i < 2; i++)
        cr_assert_eq(weft_test_run(submit()), -EAGAIN);
    struct weft_lane_stats stats = told_of(lane);
    cr_assert_eq(stats.unstarted, 2);
    cr_assert_eq(stats.submitted, 2);
    cr_assert_eq(stats.completed, 0);
    cr_assert_eq(stats.queued, 0);
    cr_assert_eq(stats.running, 0);
    assert_latency(stats.queue_wait, 0);
    assert_latency(stats.run_time, 0);
    weft__sys.pthread_create = pthread_create;
    cr_assert_eq(weft_test_run(submit()), 0);
    cr_assert_eq(told_of(lane).completed, 1);
    cr_assert_eq(told_of(lane).unstarted, 2);
    end();
}

static int cannot_work(void *arg, void **ret_state)
{
    (void)arg;
    (void)ret_state;
    return -EACCES;
}

Test(lane_stats, jobs_whose_thread_could_not_begin_are_unstarted)
{
    begin_on(
        weft_pool_new(&(struct weft_pool_options){.max_threads = 1, .thread_start = cannot_work}),
        &(struct weft_lane_options){.name = "lane"});
    cr_assert_eq(weft_test_run(submit()), -EACCES);
    cr_assert_eq(told_of(lane).unstarted, 1);
    cr_assert_eq(told_of(lane).completed, 0);
    end();
}

/* ---- fork ---- */

static void in_child(void *arg)
{
    struct seen seen = {0};
    struct weft_lane_stats stats;
    (void)arg;
    weft_lane_get_stats(lane, &stats);
    CHILD_EXPECT(strcmp(stats.name, "lane") == 0);
    CHILD_EXPECT(stats.submitted == 0 && stats.running == 0 && stats.queue_wait.count == 0);
    weft_pool_each_lane(pool, see, &seen);
    CHILD_EXPECT(seen.count == 0);
}

Test(lane_stats, in_a_forked_child_there_is_nothing_to_tell)
{
    struct gate gate;
    gate_init(&gate);
    begin();
    weft_future *job = submit_gate(&gate);
    gate_wait_entered(&gate);
    weft__mutex_lock(&pool->mu); /* as if a worker had it */
    weft_test_in_child(in_child, NULL);
    weft__mutex_unlock(&pool->mu);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(job), 0);
    end();
}
