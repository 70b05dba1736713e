/* SPDX-License-Identifier: MIT */
/*
 * Limits of time of jobs: in the queue, while they run, and what the job can read of them.
 */
#include <criterion/criterion.h>

#include <errno.h>
#include <stdatomic.h>
#include <weft/weft.h>

#include "core/loop.h"
#include "pool/pool.h"
#include "tests/support/gate.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/pool.h"
#include "tests/support/trace.h"

/* On a pool by hand, in virtual time: what happens when is exact. */
static weft_pool *stepped;

static void begin(void)
{
    weft_test_loop_begin();
    stepped = weft__pool_by_hand(WEFT__STEPPED);
    cr_assert_eq(weft_loop_set_pool(test_loop, stepped), 0);
}

static void end(void)
{
    weft_pool_unref(stepped);
    weft_test_loop_end();
}

TestSuite(job_limits, .init = begin, .timeout = 60);
TestSuite(job_limits_real, .init = weft_test_loop_begin_real, .timeout = 60);

static weft_ns ended_at;
static int ended_with;

static void note_end(weft_future *future, void *arg)
{
    (void)arg;
    ended_at = weft_now();
    ended_with = weft_future_status(future);
}

/* A job that is queued and never stepped; when it ended, and how. */
static weft_ns end_of_queued(weft_future *job)
{
    ended_with = 1;
    cr_assert_eq(weft_then(weft_ref(job), note_end, NULL), 0);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_S(100))), 0);
    cr_assert_eq(ended_with, -ETIMEDOUT);
    cr_assert_eq(weft_job_outcome(job), WEFT_JOB_NOT_STARTED);
    cr_assert_eq(weft__pool_step(stepped, 10), 0);
    weft_unref(job);
    return ended_at;
}

static weft_future *offload_nothing(struct weft_job_options options)
{
    return weft_offload_fn(&options, return_nothing, NULL);
}

Test(job_limits, a_queued_job_fails_unrun_at_its_deadline)
{
    cr_assert_eq(end_of_queued(offload_nothing((struct weft_job_options){.deadline = WEFT_S(7)})),
                 WEFT_S(7));
    struct weft_lane_stats stats;
    weft_lane_get_stats(weft_loop_lane(test_loop, "default"), &stats);
    cr_assert_eq(stats.expired, 1);
    cr_assert_eq(stats.cancelled_queued, 0);
    end();
}

Test(job_limits, a_queued_job_fails_unrun_when_it_has_waited_for_too_long)
{
    struct weft_job_options options = {.max_wait = WEFT_S(3), .deadline = WEFT_S(7)};
    cr_assert_eq(end_of_queued(offload_nothing(options)), WEFT_S(3));
    end();
}

Test(job_limits, how_long_it_may_run_is_no_limit_in_the_queue)
{
    struct weft_job_options options = {.max_run = WEFT_S(2), .deadline = WEFT_S(7)};
    cr_assert_eq(end_of_queued(offload_nothing(options)), WEFT_S(7));
    end();
}

Test(job_limits, a_lane_limits_how_long_its_jobs_wait)
{
    struct weft_lane_options options = {.name = "short", .max_wait = WEFT_S(4)};
    weft_lane *lane = weft_lane_new(stepped, &options);
    cr_assert_eq(end_of_queued(weft_to_thread_fn(lane, return_nothing, NULL)), WEFT_S(4));
    weft_lane_unref(lane);
    end();
}

Test(job_limits, a_job_whose_time_is_over_is_not_started)
{
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_S(9))), 0);
    weft_future *job = offload_nothing((struct weft_job_options){.deadline = WEFT_S(9)});
    cr_assert_eq(weft_future_status(job), -ETIMEDOUT);
    cr_assert_eq(weft_job_outcome(job), WEFT_JOB_NOT_STARTED);
    weft_unref(job);
    end();
}

Test(job_limits, refuses_limits_that_make_no_sense)
{
    cr_assert_eq(weft_test_run(offload_nothing((struct weft_job_options){.deadline = -1})),
                 -EINVAL);
    cr_assert_eq(weft_test_run(offload_nothing((struct weft_job_options){.max_wait = -1})),
                 -EINVAL);
    cr_assert_eq(weft_test_run(offload_nothing((struct weft_job_options){.max_run = -1})), -EINVAL);
    end();
}

Test(job_limits, a_job_that_is_run_or_cancelled_in_time_leaves_no_timer)
{
    weft_future *run = offload_nothing((struct weft_job_options){.deadline = WEFT_S(7)});
    cr_assert_eq(weft__pool_step(stepped, 1), 1);
    cr_assert_eq(weft_test_run(run), 0);
    weft_future *cancelled = offload_nothing((struct weft_job_options){.deadline = WEFT_S(7)});
    cr_assert(weft_cancel(cancelled));
    weft_unref(cancelled);
    cr_assert_eq(test_loop->timers.count, 0);
    end();
}

/* ---- Blocks ---- */

static weft_ns remaining;

static weft_result read_remaining(void *arg)
{
    (void)arg;
    weft_ns deadline = weft_job_deadline();
    remaining = weft_job_remaining();
    return weft_ok(deadline == WEFT_FOREVER ? -1 : deadline - weft_now() <= remaining + 1);
}

struct in_block {
    WEFT_FRAME;
    weft_future **ret;
    weft_ns deadline;
    weft_timeout *outer, *inner;
};

/* Starts a job in two blocks, and leaves them. */
static WEFT_ASYNC(in_block)
{
    WEFT_BEGIN;
    self->outer = weft_timeout_enter(WEFT_S(20));
    self->inner = weft_timeout_enter(WEFT_S(5));
    *self->ret = weft_offload_fn(&(struct weft_job_options){.deadline = self->deadline},
                                 read_remaining, NULL);
    cr_assert_eq(weft_timeout_exit(self->inner, 0), 0);
    cr_assert_eq(weft_timeout_exit(self->outer, 0), 0);
    WEFT_END;
}

static weft_future *start_in_block(weft_ns deadline)
{
    weft_future *job = NULL;
    cr_assert_eq(weft_test_run(weft_spawn(in_block, .ret = &job, .deadline = deadline)), 0);
    return job;
}

Test(job_limits, the_deadline_of_the_block_around_the_call_is_stamped_on_the_job)
{
    cr_assert_eq(end_of_queued(start_in_block(0)), WEFT_S(5));
    end();
}

Test(job_limits, the_earliest_deadline_counts)
{
    cr_assert_eq(end_of_queued(start_in_block(WEFT_S(3))), WEFT_S(3));
    cr_assert_eq(end_of_queued(start_in_block(weft_now() + WEFT_S(8))), WEFT_S(100) + WEFT_S(5));
    end();
}

Test(job_limits, a_job_can_read_what_remains_of_the_block_around_its_call)
{
    weft_future *job = start_in_block(0);
    cr_assert_eq(weft__pool_step(stepped, 1), 1);
    cr_assert_eq(weft_test_run(job), 0);
    cr_assert_leq(remaining, WEFT_S(5));
    cr_assert_gt(remaining, 0);
    end();
}

Test(job_limits, a_job_without_limits_reads_for_ever)
{
    weft_future *job = weft_to_thread_fn(NULL, read_remaining, NULL);
    cr_assert_eq(weft__pool_step(stepped, 1), 1);
    cr_assert_eq(weft_test_run(job), 0);
    cr_assert_eq(remaining, WEFT_FOREVER);
    cr_assert_eq(weft_job_deadline(), 0);
    cr_assert_eq(weft_job_remaining(), 0);
    end();
}

struct cleans_up {
    WEFT_FRAME;
    bool shielded;
    weft_timeout *timeout;
    weft_cleanup *cleanup;
    int waited, cleaned;
};

/* Runs out of time, then cleans up by a job, before it leaves the block. */
static WEFT_ASYNC(cleans_up)
{
    WEFT_BEGIN;
    self->timeout = weft_timeout_enter(WEFT_S(5));
    WEFT_CATCH(self->waited, weft_sleep(WEFT_S(50)));
    if (self->shielded)
        self->cleanup = weft_cleanup_enter(WEFT_S(30));
    WEFT_CATCH(self->cleaned, weft_to_thread_fn(NULL, read_remaining, NULL));
    if (self->shielded)
        cr_assert_eq(weft_cleanup_exit(self->cleanup, 0), 0);
    cr_assert_eq(weft_timeout_exit(self->timeout, self->waited), -ETIMEDOUT);
    WEFT_RETURN(self->cleaned);
    WEFT_END;
}

static void step_soon(void *arg)
{
    (void)arg;
    cr_assert_eq(weft__pool_step(stepped, 1), 1);
}

static weft_ns remaining_for_cleanup(bool shielded)
{
    weft_future *task = weft_spawn(cleans_up, .shielded = shielded);
    weft_unref(weft_call_later(WEFT_S(6), step_soon, NULL));
    cr_assert_eq(weft_test_run(weft_ref(task)), 0);
    cr_assert_eq(weft_future_value(task).i64, 0);
    weft_unref(task);
    return remaining;
}

Test(job_limits, a_deadline_that_has_passed_does_not_keep_a_clean_up_from_its_jobs)
{
    cr_assert_eq(remaining_for_cleanup(false), WEFT_FOREVER);
    weft_ns left = remaining_for_cleanup(true);
    cr_assert_leq(left, WEFT_S(30));
    cr_assert_gt(left, WEFT_S(5));
    end();
}

static int with_limits(void)
{
    weft_future *job = offload_nothing(
        (struct weft_job_options){.deadline = weft_now() + WEFT_S(1), .max_run = WEFT_S(2)});
    weft__pool_step(stepped, 1);
    return weft_test_run(job);
}

Test(job_limits, survive_the_failure_of_any_allocation)
{
    weft_test_every_lack_of_memory(with_limits);
    end();
}

/* ---- While it runs: in real time ---- */

static weft_result wait_to_be_told(void *gate)
{
    if (gate)
        gate_pass(gate);
    return weft_err(weft_job_poll(-1, 0, WEFT_FOREVER));
}

/* A deadline that has passed before a worker came to the job is doubled: this one must run. */
Test(job_limits_real, a_running_job_is_told_at_its_deadline_and_has_timed_out)
{
    enum weft_job_outcome outcome = WEFT_JOB_NOT_STARTED;
    for (weft_ns limit = WEFT_MS(2); outcome == WEFT_JOB_NOT_STARTED; limit *= 2) {
        struct weft_job_options options = {.on_cancel = WEFT_CANCEL_COOPERATIVE,
                                           .deadline = weft_now() + limit};
        weft_future *job = weft_offload_fn(&options, wait_to_be_told, NULL);
        cr_assert_eq(weft_test_run(weft_ref(job)), -ETIMEDOUT);
        outcome = weft_job_outcome(job);
        weft_unref(job);
    }
    cr_assert_eq(outcome, WEFT_JOB_FINISHED);
    weft_test_loop_end();
}

Test(job_limits_real, a_running_job_is_told_when_it_has_run_for_too_long)
{
    struct weft_job_options options = {.on_cancel = WEFT_CANCEL_COOPERATIVE, .max_run = WEFT_MS(2)};
    cr_assert_eq(weft_test_run(weft_offload_fn(&options, wait_to_be_told, NULL)), -ETIMEDOUT);
    weft_test_loop_end();
}

static weft_result return_when_late(void *arg)
{
    while (weft_job_remaining() > 0)
        cr_expect_eq(weft_job_poll(-1, 0, weft_job_deadline()), -ETIMEDOUT);
    return weft_ok(arg ? weft_job_cancelled() : 7);
}

Test(job_limits_real, a_running_job_that_is_waited_for_delivers_its_value_however_late)
{
    struct weft_job_options options = {.max_run = WEFT_MS(1)};
    weft_future *job = weft_offload_fn(&options, return_when_late, NULL);
    cr_assert_eq(weft_test_run(weft_ref(job)), 0);
    cr_assert_eq(weft_future_value(job).i64, 7);
    weft_unref(job);
    weft_test_loop_end();
}

Test(job_limits_real, a_running_job_is_abandoned_when_it_has_run_for_too_long)
{
    struct weft_job_options options = {.on_cancel = WEFT_CANCEL_ABANDON, .max_run = WEFT_MS(1)};
    struct gate gate;
    gate_init(&gate);
    weft_pool *pool = use_pool(&(struct weft_pool_options){.max_threads = 1});
    weft_future *job = weft_offload_fn(&options, gate_pass, &gate);
    cr_assert_eq(weft_test_run(weft_ref(job)), -ETIMEDOUT);
    cr_assert_eq(weft_job_outcome(job), WEFT_JOB_UNKNOWN);
    weft_unref(job);
    gate_open(&gate);
    wait_for_idle(pool, 1);
    weft_test_loop_end();
}

Test(job_limits_real, who_cancels_as_well_gets_an_answer_to_that)
{
    struct weft_job_options options = {.on_cancel = WEFT_CANCEL_COOPERATIVE, .max_run = WEFT_MS(1)};
    struct gate gate;
    gate_init(&gate);
    weft_future *job = weft_offload_fn(&options, wait_to_be_told, &gate);
    gate_wait_entered(&gate);
    cr_assert(weft_cancel(job));
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(2))), 0);
    gate_open(&gate);
    cr_assert_eq(weft_test_run(job), -ECANCELED);
    weft_test_loop_end();
}

/* The loop does not run meanwhile: only the worker can see that it is too late. */
Test(job_limits_real, a_worker_does_not_run_a_job_that_is_too_late)
{
    struct gate gate, never;
    gate_init(&gate);
    gate_init(&never);
    use_pool(&(struct weft_pool_options){.max_threads = 1});
    weft_future *running = weft_to_thread_fn(NULL, gate_pass, &gate);
    weft_ns deadline = weft_now() + WEFT_MS(2);
    weft_future *late =
        weft_offload_fn(&(struct weft_job_options){.deadline = deadline}, gate_pass, &never);
    gate_wait_entered(&gate);
    while (weft_now() <= deadline)
        ;
    gate_open(&gate);
    cr_assert_eq(weft_test_run(running), 0);
    cr_assert_eq(weft_test_run(weft_ref(late)), -ETIMEDOUT);
    cr_assert_eq(weft_job_outcome(late), WEFT_JOB_NOT_STARTED);
    cr_assert_eq(sem_trywait(&never.entered), -1);
    weft_unref(late);
    weft_test_loop_end();
}
