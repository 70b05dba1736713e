/* SPDX-License-Identifier: MIT */
/* Chains that are to end, or are not: dropped by their lane, cancelled, late, in a lane that goes. */
#include <criterion/criterion.h>

#include <errno.h>
#include <stdatomic.h>
#include <weft/testing.h>
#include <weft/weft.h>

#include "tests/support/gate.h"
#include "tests/support/loop.h"
#include "tests/support/pool.h"

TestSuite(continue_end, .init = weft_test_loop_begin, .timeout = 20);

static atomic_int ran;

static weft_pool *use_stepped(void)
{
    weft_pool *pool = weft_testing_pool_new(WEFT_TESTING_STEPPED);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    weft_pool_unref(pool);
    return pool;
}

struct last {
    int value;
};

static WEFT_BLOCKING(last)
{
    atomic_fetch_add(&ran, 1);
    return weft_ok(self->value);
}

struct begins {
    struct gate *gate; /* passed first; NULL: none */
    bool commits;
};

static WEFT_BLOCKING(begins)
{
    if (self->gate)
        gate_pass(self->gate);
    if (self->commits && weft_job_commit() < 0)
        return weft_err(-EIO);
    return weft_continue(last, .value = 5);
}

/* ---- A full lane ---- */

static weft_lane *lossy_lane(size_t max_queued)
{
    weft_lane *lane = weft_lane_new(weft_loop_pool(test_loop),
                                    &(struct weft_lane_options){.name = "lossy",
                                                                .max_queued = max_queued,
                                                                .on_full = WEFT_FULL_DROP_OLDEST});
    cr_assert_not_null(lane);
    return lane;
}

static void is_not_dropped(bool commits, uint64_t key)
{
    weft_pool *pool = use_stepped();
    weft_lane *lane = lossy_lane(2);
    struct weft_job_options options = {.lane = lane, .key = key};
    weft_future *chain = weft_offload(&options, begins, .commits = commits);
    cr_assert_eq(weft_testing_pool_step(pool, 1), 1);
    weft_future *older = weft_offload(&options, last, .value = 1);
    weft_future *newer = weft_offload(&options, last, .value = 2);
    cr_assert_eq(weft_testing_pool_step(pool, 5), 2);
    cr_assert_eq(weft_test_run(weft_ref(chain)), 0);
    cr_assert_eq(weft_future_value(chain).i64, 5);
    weft_unref(chain);
    cr_assert_eq(weft_test_run(older), WEFT_EDROPPED);
    cr_assert_eq(weft_test_run(newer), 0);
    weft_lane_unref(lane);
}

Test(continue_end, a_full_lane_drops_no_job_that_has_begun)
{
    is_not_dropped(false, 0);
    is_not_dropped(true, 0);
    is_not_dropped(false, 7);
    is_not_dropped(true, 7);
    weft_test_loop_end();
}

Test(continue_end, a_lane_that_is_full_of_jobs_that_have_begun_refuses_others)
{
    weft_pool *pool = use_stepped();
    weft_lane *lane = lossy_lane(1);
    struct weft_lane_stats stats;
    weft_future *chain = weft_to_thread_in(lane, begins);
    cr_assert_eq(weft_testing_pool_step(pool, 1), 1);
    cr_assert_eq(weft_test_run(weft_to_thread_in(lane, last, .value = 1)), -EAGAIN);
    cr_assert_eq(weft_testing_pool_step(pool, 5), 1);
    cr_assert_eq(weft_test_run(chain), 0);
    weft_lane_get_stats(lane, &stats);
    cr_assert_eq(stats.dropped, 0);
    cr_assert_eq(stats.rejected, 1);
    weft_lane_unref(lane);
    weft_test_loop_end();
}

/* ---- Cancels and limits ---- */

static void cancel_in_between(const struct weft_job_options *options)
{
    weft_pool *pool = use_stepped();
    weft_future *job = weft_offload(options, begins, .commits = true);
    cr_assert_eq(weft_testing_pool_step(pool, 1), 1);
    cr_assert(weft_cancel(job));
    cr_assert_not(weft_is_done(job));
    cr_assert_eq(weft_testing_pool_step(pool, 1), 1);
    cr_assert_eq(weft_test_run(job), 0);
}

Test(continue_end, one_that_has_committed_goes_on_in_each_mode_with_a_limit_or_without)
{
    for (int mode = WEFT_CANCEL_WAIT; mode <= WEFT_CANCEL_ABANDON; mode++) {
        cancel_in_between(&(struct weft_job_options){.on_cancel = (enum weft_on_cancel)mode});
        cancel_in_between(&(struct weft_job_options){.on_cancel = (enum weft_on_cancel)mode,
                                                     .max_wait = WEFT_S(1)});
    }
    cr_assert_eq(atomic_load(&ran), 2 * (WEFT_CANCEL_ABANDON + 1));
    weft_test_loop_end();
}

Test(continue_end, one_that_has_committed_goes_on_after_its_deadline)
{
    weft_pool *pool = use_stepped();
    for (int mode = WEFT_CANCEL_WAIT; mode <= WEFT_CANCEL_ABANDON; mode++) {
        weft_future *job =
            weft_offload((&(struct weft_job_options){.on_cancel = (enum weft_on_cancel)mode,
                                                     .deadline = weft_now() + WEFT_S(1)}),
                         begins, .commits = true);
        cr_assert_eq(weft_testing_pool_step(pool, 1), 1);
        cr_assert_eq(weft_testing_advance(test_loop, WEFT_S(2)), 0);
        cr_assert_eq(weft_testing_pool_step(pool, 1), 1);
        cr_assert_eq(weft_test_run(job), 0);
    }
    weft_test_loop_end();
}

struct awaits {
    WEFT_FRAME;
    struct gate *gate;
    const struct weft_job_options *options;
    int status, later;
};

/* Its value: how the job ended, and the await after that. */
static WEFT_ASYNC(awaits)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_offload(self->options, begins, .gate = self->gate));
    WEFT_CATCH(self->later, weft_sleep(0));
    WEFT_RETURN(self->status * 1000 + self->later);
    WEFT_END;
}

static void cancel_once(const struct weft_job_options *options)
{
    struct gate gate;
    gate_init(&gate);
    weft_future *task = weft_spawn(awaits, .gate = &gate, .options = options);
    cr_assert_eq(weft_test_run(weft_sleep(0)), 0);
    gate_wait_entered(&gate);
    cr_assert(weft_cancel(task));
    gate_open(&gate);
    cr_assert_eq(weft_test_run(weft_ref(task)), 0);
    cr_assert_eq(weft_future_value(task).i64, -ECANCELED * 1000, "%d",
                 (int)weft_future_value(task).i64);
    weft_unref(task);
}

Test(continue_end, a_cancel_that_keeps_a_job_from_going_on_is_delivered_once)
{
    cancel_once(&(struct weft_job_options){.on_cancel = WEFT_CANCEL_COOPERATIVE});
    cancel_once(&(struct weft_job_options){.max_wait = WEFT_S(1)});
    cancel_once(NULL);
    cr_assert_eq(atomic_load(&ran), 0);
    weft_test_loop_end();
}

/* ---- Lanes that go ---- */

struct gives_up {
    weft_lane *lane; /* owned */
};

static void unref_lane(void *args)
{
    const struct gives_up *gives_up = args;
    weft_lane_unref(gives_up->lane);
}

static WEFT_BLOCKING(gives_up)
{
    return weft_continue_in(self->lane, last, .value = 3);
}

Test(continue_end, in_a_lane_that_its_arguments_give_up_fails)
{
    use_pool(NULL);
    for (int i = 0; i < 5; i++) {
        weft_lane *lane =
            weft_lane_new(weft_loop_pool(test_loop), &(struct weft_lane_options){.name = "going"});
        cr_assert_not_null(lane);
        weft_future *job = weft_offload((&(struct weft_job_options){.release = unref_lane}),
                                        gives_up, .lane = lane);
        cr_assert_eq(weft_test_run(job), -ESHUTDOWN);
    }
    weft_test_loop_end();
}

/* ---- The end of the loop ---- */

static void note_status(weft_future *future, void *status)
{
    *(int *)status = weft_future_status(future);
}

Test(continue_end, one_that_has_committed_is_dropped_in_between_when_its_loop_is_freed)
{
    int status = 0;
    weft_pool *pool = use_stepped();
    const struct weft_shutdown_options options = {.jobs_timeout = 1};
    weft_future *job = weft_to_thread(begins, .commits = true);
    cr_assert_eq(weft_testing_pool_step(pool, 1), 1);
    cr_assert_eq(weft_then(job, note_status, &status), 0);
    cr_assert_eq(weft_loop_shutdown(test_loop, &options, NULL), WEFT_ESTUCK);
    weft_test_loop_end();
    cr_assert_eq(status, -ECANCELED);
    cr_assert_eq(atomic_load(&ran), 0);
}
