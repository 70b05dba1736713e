/* SPDX-License-Identifier: MIT */
/* Timeout blocks in calls and clean-ups, left open, misused, and without memory. */
#include <criterion/criterion.h>
#include <errno.h>
#include <weft/weft.h>

#include "core/block.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(timeout_places, .init = weft_test_loop_begin, .timeout = 20);

static int end_of(weft_future *future)
{
    return weft_test_run(weft_ref(future));
}

/* A block of `limit` around `work`. */
struct limited {
    WEFT_FRAME;
    weft_ns limit, work;
    const char *ok, *timed_out, *cancelled;
    weft_timeout *block;
    int status;
};

static WEFT_ASYNC(limited)
{
    WEFT_BEGIN;
    self->block = weft_timeout_enter(self->limit);
    WEFT_CATCH(self->status, weft_sleep(self->work));
    self->status = weft_timeout_exit(self->block, self->status);
    weft_test_mark(self->status == 0            ? self->ok
                   : self->status == -ETIMEDOUT ? self->timed_out
                                                : self->cancelled);
    if (self->status < 0)
        WEFT_FAIL(self->status);
    WEFT_END;
}

#define LIMITED(how, limit_ms, work_ms, letters)                                                  \
    weft_##how(limited, .limit = WEFT_MS(limit_ms), .work = WEFT_MS(work_ms), .ok = (letters)[0], \
               .timed_out = (letters)[1], .cancelled = (letters)[2])

static const char *const a[] = {"a", "A", "x"}, *const b[] = {"b", "B", "y"};

/* ---- In calls ---- */

/* A block around a call with a block. */
struct caller {
    WEFT_FRAME;
    int limit_ms, call_ms;
    weft_timeout *block;
    int status;
};

static WEFT_ASYNC(caller)
{
    WEFT_BEGIN;
    self->block = weft_timeout_enter(WEFT_MS(self->limit_ms));
    WEFT_CATCH(self->status, LIMITED(call, self->call_ms, 1000, a));
    weft_test_mark(weft_cancelling(weft_current_task()) ? "1" : "0");
    self->status = weft_timeout_exit(self->block, self->status);
    weft_test_mark(self->status == -ETIMEDOUT ? "T" : "-");
    WEFT_CATCH(self->status, weft_sleep(WEFT_MS(1)));
    weft_test_mark(self->status == 0 ? "s" : "S");
    if (self->status < 0)
        WEFT_FAIL(self->status);
    WEFT_RETURN(weft_cancelling(weft_current_task()));
    WEFT_END;
}

static void ends(weft_future *task, int status, const char *trace)
{
    cr_assert_eq(end_of(task), status);
    cr_assert_str_eq(test_trace, trace);
    weft_unref(task);
}

Test(timeout_places, in_a_call_stops_that_call)
{
    ends(weft_spawn(caller, .limit_ms = 20, .call_ms = 10), 0, "A0Ts");
    cr_assert_eq(weft_now(), WEFT_MS(11));
    weft_test_loop_end();
}

Test(timeout_places, around_a_call_stops_the_call_with_it)
{
    ends(weft_spawn(caller, .limit_ms = 10, .call_ms = 20), 0, "x1Ts");
    weft_test_loop_end();
}

Test(timeout_places, in_and_around_a_call_expiring_together_times_out_outside)
{
    ends(weft_spawn(caller, .limit_ms = 10, .call_ms = 10), 0, "x1Ts");
    weft_test_loop_end();
}

Test(timeout_places, in_a_call_a_cancel_of_the_task_wins)
{
    weft_future *task = weft_spawn(caller, .limit_ms = 20, .call_ms = 10);
    weft_test_ticks(1);
    cr_assert(weft_cancel(task));
    ends(task, 0, "x1-s");
    weft_test_loop_end();
}

static void cancel_it(void *task)
{
    cr_assert(weft_cancel(task));
}

Test(timeout_places, in_a_call_a_cancel_of_the_task_at_the_deadline_wins)
{
    weft_future *task = weft_spawn(caller, .limit_ms = 20, .call_ms = 10);
    weft_test_ticks(1);
    weft_unref(weft_call_at(WEFT_MS(10), cancel_it, task));
    ends(task, 0, "x1-s");
    weft_test_loop_end();
}

struct shows_requests {
    WEFT_FRAME;
    weft_timeout *block;
    int status;
};

static WEFT_ASYNC(shows_requests)
{
    WEFT_BEGIN;
    self->block = weft_timeout_enter(WEFT_MS(1));
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
    weft_test_mark(weft_cancelling(weft_current_task()) == 1 ? "1" : "?");
    self->status = weft_timeout_exit(self->block, self->status);
    weft_test_mark(weft_cancelling(weft_current_task()) == 0 ? "0" : "?");
    WEFT_END;
}

struct calls_it {
    WEFT_FRAME;
};

static WEFT_ASYNC(calls_it)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_call(shows_requests));
    WEFT_END;
}

Test(timeout_places, in_a_call_counts_as_a_request_of_its_task)
{
    ends(weft_spawn(calls_it), 0, "10");
    weft_test_loop_end();
}

struct side_by_side {
    WEFT_FRAME;
    int second_ms;
    weft_results *results;
    int status;
};

static WEFT_ASYNC(side_by_side)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->results, weft_gather_with(WEFT_GATHER_ALL, LIMITED(call, 10, 1000, a),
                                                    LIMITED(call, self->second_ms, 30, b)));
    weft_results_free(self->results);
    WEFT_CATCH(self->status, weft_sleep(WEFT_MS(1)));
    weft_test_mark(self->status == 0 ? "s" : "S");
    WEFT_RETURN(weft_cancelling(weft_current_task()));
    WEFT_END;
}

Test(timeout_places, of_two_calls_side_by_side_the_one_that_is_late_is_stopped)
{
    ends(weft_spawn(side_by_side, .second_ms = 1000), 0, "Abs");
    cr_assert_eq(weft_now(), WEFT_MS(31));
    weft_test_loop_end();
}

Test(timeout_places, of_two_calls_side_by_side_each_times_out_for_itself)
{
    ends(weft_spawn(side_by_side, .second_ms = 10), 0, "ABs");
    weft_test_loop_end();
}

Test(timeout_places, of_two_calls_side_by_side_a_cancel_of_the_task_wins_in_both)
{
    weft_future *task = weft_spawn(side_by_side, .second_ms = 10);
    weft_test_ticks(1);
    weft_unref(weft_call_at(WEFT_MS(10), cancel_it, task));
    ends(task, -ECANCELED, "xy");
    weft_test_loop_end();
}

/* ---- In the clean-up ---- */

struct cleans_up {
    WEFT_FRAME;
    int cleanup_ms;
    weft_timeout *block;
    int status;
};

static WEFT_ASYNC(cleans_up)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    WEFT_FINALLY;
    self->block = weft_timeout_enter(WEFT_MS(10));
    WEFT_CATCH(self->status, weft_sleep(WEFT_MS(self->cleanup_ms)));
    self->status = weft_timeout_exit(self->block, self->status);
    weft_test_mark(self->status == 0 ? "c" : self->status == -ETIMEDOUT ? "T" : "x");
    WEFT_END;
}

Test(timeout_places, in_finally_limits_the_clean_up_after_a_cancel)
{
    weft_future *task = weft_spawn(cleans_up, .cleanup_ms = 1000);
    weft_test_ticks(1);
    cr_assert(weft_cancel(task));
    ends(task, -ECANCELED, "T");
    cr_assert_eq(weft_now(), WEFT_MS(10));
    weft_test_loop_end();
}

Test(timeout_places, in_finally_lets_a_short_clean_up_end)
{
    weft_future *task = weft_spawn(cleans_up, .cleanup_ms = 5);
    weft_test_ticks(1);
    cr_assert(weft_cancel(task));
    ends(task, -ECANCELED, "c");
    weft_test_loop_end();
}

/* ---- With the macros ---- */

struct two_steps {
    WEFT_FRAME;
    int first_ms, second_ms, third_ms;
    weft_timeout *limit;
    int status;
};

static WEFT_ASYNC(two_steps)
{
    WEFT_BEGIN;
    WEFT_TIMEOUT_ENTER(self->limit, WEFT_MS(10));
    WEFT_AWAIT(weft_sleep(WEFT_MS(self->first_ms)));
    weft_test_mark("1");
    WEFT_AWAIT(weft_sleep(WEFT_MS(self->second_ms)));
    weft_test_mark("2");
    WEFT_TIMEOUT_EXIT(self->limit);
    WEFT_AWAIT(weft_sleep(WEFT_MS(self->third_ms)));
    weft_test_mark("3");
    WEFT_RETURN(3);
    WEFT_FINALLY;
    weft_test_mark("f");
    WEFT_TIMEOUT_EXIT(self->limit);
    WEFT_END;
}

Test(timeout_places, the_macros_limit_several_awaits_and_not_what_follows)
{
    ends(weft_spawn(two_steps, .first_ms = 5, .second_ms = 4, .third_ms = 1000), 0, "123f");
    cr_assert_eq(test_reports.count, 0);
    weft_test_loop_end();
}

Test(timeout_places, the_macros_make_the_coroutine_fail_with_etimedout)
{
    weft_future *task = weft_spawn(two_steps, .first_ms = 5, .second_ms = 6);
    ends(task, -ETIMEDOUT, "1f");
    cr_assert_eq(weft_now(), WEFT_MS(10));
    cr_assert_eq(test_reports.count, 0);
    weft_test_loop_end();
}

Test(timeout_places, the_macros_leave_a_cancel_alone)
{
    weft_future *task = weft_spawn(two_steps, .first_ms = 5);
    weft_test_ticks(1);
    cr_assert(weft_cancel(task));
    ends(task, -ECANCELED, "f");
    cr_assert_eq(test_reports.count, 0);
    weft_test_loop_end();
}

static int macros(void)
{
    return weft_test_run(weft_spawn(two_steps, .first_ms = 5));
}

Test(timeout_places, the_macros_survive_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(macros);
    cr_assert_eq(test_reports.count, 0);
    weft_test_loop_end();
}

/* ---- Left open ---- */

struct leaves_open {
    WEFT_FRAME;
    weft_ns work;
    weft_timeout *outer, *inner;
};

static WEFT_ASYNC(leaves_open)
{
    WEFT_BEGIN;
    self->outer = weft_timeout_enter(WEFT_S(5));
    self->inner = weft_timeout_enter(WEFT_S(1));
    WEFT_AWAIT(weft_sleep(self->work));
    WEFT_RETURN(3);
    WEFT_END;
}

Test(timeout_places, left_open_at_the_end_of_the_task_is_closed_and_reported)
{
    weft_future *task = weft_spawn(leaves_open);
    cr_assert_eq(end_of(task), 0);
    cr_assert_eq(weft_future_value(task).i64, 3);
    cr_assert_eq(test_reports.count, 2);
    cr_assert_str_eq(test_reports.what, "ended, and left a timeout block open");
    cr_assert_str_eq(test_reports.task, "leaves_open");
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_S(10))), 0);
    weft_unref(task);
    weft_test_loop_end();
}

Test(timeout_places, left_open_after_the_expiry_is_a_cancel)
{
    weft_future *task = weft_spawn(leaves_open, .work = WEFT_S(2));
    cr_assert_eq(end_of(task), -ECANCELED);
    cr_assert_eq(weft_cancelling(task), 0);
    cr_assert_eq(test_reports.count, 2);
    weft_unref(task);
    weft_test_loop_end();
}

struct calls_one_that_leaves_open {
    WEFT_FRAME;
    int status;
};

static WEFT_ASYNC(calls_one_that_leaves_open)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_call(leaves_open, .work = WEFT_S(2)));
    cr_assert_eq(self->status, -ECANCELED);
    cr_assert_eq(weft_cancelling(weft_current_task()), 0);
    WEFT_AWAIT(weft_sleep(WEFT_S(10)));
    WEFT_END;
}

Test(timeout_places, left_open_by_a_call_is_closed_at_the_end_of_the_call)
{
    cr_assert_eq(weft_test_run(weft_spawn(calls_one_that_leaves_open)), 0);
    cr_assert_eq(test_reports.count, 2);
    weft_test_loop_end();
}

struct stuck {
    WEFT_FRAME;
    weft_timeout *block;
    int status;
};

static WEFT_ASYNC(stuck)
{
    WEFT_BEGIN;
    self->block = weft_timeout_enter(WEFT_S(1));
    while (!self->status || self->status == -ECANCELED)
        WEFT_CATCH(self->status, weft_sleep(WEFT_MS(1)));
    WEFT_END;
}

Test(timeout_places, of_a_task_that_is_given_up_is_not_reported_as_well)
{
    struct weft_shutdown_options options = {.tasks_timeout = WEFT_MS(10)};
    weft_future *task = weft_spawn(stuck);
    weft_test_ticks(1);
    cr_assert_eq(weft_loop_shutdown(test_loop, &options, NULL), WEFT_ESTUCK);
    cr_assert_eq(test_reports.count, 1);
    weft_unref(task);
    weft_test_loop_end();
}

/* ---- Misuse ---- */

Test(timeout_places, outside_of_a_task_is_refused)
{
    errno = 0;
    cr_assert_null(weft_timeout_enter(WEFT_S(1)));
    cr_assert_eq(errno, EINVAL);
    cr_assert_eq(weft_timeout_exit(NULL, 0), -EINVAL);
    cr_assert_eq(weft_timeout_exit(NULL, -EIO), -EIO);
    weft_test_loop_end();
    cr_assert_null(weft_timeout_enter_at(WEFT_S(1)));
    cr_assert_eq(weft_timeout_exit(NULL, 0), -EINVAL);
}

Test(timeout_places, null_is_no_limit_and_never_expires)
{
    cr_assert_eq(weft_timeout_when(NULL), WEFT_FOREVER);
    cr_assert_not(weft_timeout_expired(NULL));
    cr_assert_eq(weft_timeout_reschedule(NULL, 0), -EINVAL);
    weft_test_loop_end();
}

struct lends {
    WEFT_FRAME;
    weft_timeout **slot;
    int status;
};

static WEFT_ASYNC(lends)
{
    WEFT_BEGIN;
    *self->slot = weft_timeout_enter(WEFT_MS(10));
    WEFT_CATCH(self->status, weft_sleep(WEFT_MS(30)));
    weft_test_mark(self->status == -ECANCELED ? "x" : "-");
    WEFT_AWAIT(weft_sleep(WEFT_MS(30)));
    WEFT_END;
}

struct borrows {
    WEFT_FRAME;
    weft_timeout **slot;
    int status;
};

static WEFT_ASYNC(borrows)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_MS(20)));
    self->status = weft_timeout_exit(*self->slot, 0);
    cr_assert_eq(self->status, -EINVAL);
    WEFT_END;
}

Test(timeout_places, left_by_another_task_is_refused_but_closed)
{
    weft_timeout *block = NULL;
    weft_future *task = weft_spawn(lends, .slot = &block);
    cr_assert_eq(weft_test_run(weft_spawn(borrows, .slot = &block)), 0);
    cr_assert_eq(weft_cancelling(task), 0);
    ends(task, 0, "x");
    weft_test_loop_end();
}

/* ---- Looking ---- */

struct nests_call {
    WEFT_FRAME;
    int seconds, expected;
    weft_timeout *inner;
};

static WEFT_ASYNC(nests_call)
{
    WEFT_BEGIN;
    self->inner = weft_timeout_enter_at(WEFT_S(self->seconds));
    cr_assert_eq(weft__task_deadline(weft_current_task()), WEFT_S(self->expected));
    WEFT_YIELD;
    cr_assert_eq(weft__task_deadline(weft_current_task()), WEFT_S(self->expected));
    cr_assert_eq(weft_timeout_exit(self->inner, 0), 0);
    WEFT_END;
}

struct nests {
    WEFT_FRAME;
    weft_timeout *outer;
};

static WEFT_ASYNC(nests)
{
    WEFT_BEGIN;
    cr_assert_eq(weft__task_deadline(weft_current_task()), WEFT_FOREVER);
    self->outer = weft_timeout_enter_at(WEFT_S(20));
    cr_assert_eq(weft__task_deadline(weft_current_task()), WEFT_S(20));
    WEFT_AWAIT(weft_call(nests_call, .seconds = 10, .expected = 10));
    WEFT_AWAIT(weft_call(nests_call, .seconds = 30, .expected = 20));
    cr_assert_eq(weft_timeout_exit(self->outer, 0), 0);
    WEFT_END;
}

Test(timeout_places, the_earliest_deadline_of_a_task_is_known)
{
    cr_assert_eq(weft_test_run(weft_spawn(nests)), 0);
    weft_test_loop_end();
}

/* ---- Memory ---- */

static int in_time(void)
{
    return weft_test_run(LIMITED(spawn, 20, 10, a));
}

static int too_late(void)
{
    int status = weft_test_run(LIMITED(spawn, 10, 20, a));
    return status == -ETIMEDOUT ? 0 : status;
}

Test(timeout_places, without_memory_for_the_block_the_exit_says_enomem)
{
    weft_test_every_lack_of_memory(in_time);
    weft_test_every_lack_of_memory(too_late);
    weft_test_loop_end();
}

struct moves {
    WEFT_FRAME;
    weft_timeout *block;
    int status, moved;
};

static WEFT_ASYNC(moves)
{
    WEFT_BEGIN;
    self->block = weft_timeout_enter(WEFT_MS(10));
    self->moved = weft_timeout_reschedule(self->block, weft_now() + WEFT_MS(20));
    WEFT_CATCH(self->status, weft_sleep(WEFT_MS(15)));
    self->status = weft_timeout_exit(self->block, self->status);
    if (self->moved == -ENOMEM && self->status == -ETIMEDOUT)
        WEFT_FAIL(-ENOMEM, "kept its deadline");
    if (self->status < 0)
        WEFT_FAIL(self->status);
    WEFT_END;
}

static int moved(void)
{
    return weft_test_run(weft_spawn(moves));
}

Test(timeout_places, without_memory_to_be_rescheduled_keeps_its_deadline)
{
    weft_test_every_lack_of_memory(moved);
    weft_test_loop_end();
}
