/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <weft/weft.h>

#include "core/future.h"
#include "core/loop.h"
#include "tests/support/cancel.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(cancel, .init = weft_test_loop_begin, .timeout = 20);

/* ---- What is done, what never began ---- */

Test(cancel, is_refused_by_what_is_done)
{
    weft_future *task = weft_spawn(test_sleeper);
    weft_future *future = weft_future_new();
    cr_assert_eq(weft_test_end_of(task), 0);
    cr_assert_eq(weft_future_resolve(future, weft_value_i64(1), NULL), 0);
    cr_assert_not(weft_cancel(task));
    cr_assert_not(weft_cancel_because(future, "late"));
    cr_assert_eq(weft_cancelling(task), 0);
    cr_assert_null(weft_message(future));
    cr_assert_not(weft_is_cancelled(task));
    weft_unref(task);
    weft_unref(future);
    weft_test_loop_end();
}

Test(cancel, completes_a_plain_future_at_once)
{
    weft_future *future = weft_future_new();
    cr_assert(weft_cancel_because(future, "not needed"));
    cr_assert(weft_is_done(future));
    cr_assert(weft_is_cancelled(future));
    cr_assert_eq(weft_future_status(future), -ECANCELED);
    cr_assert_str_eq(weft_message(future), "not needed");
    cr_assert_eq(weft_future_resolve(future, weft_value_i64(1), NULL), -EALREADY);
    cr_assert_eq(weft_cancelling(future), 0);
    cr_assert_eq(weft_uncancel(future), 0);
    weft_unref(future);
    weft_test_loop_end();
}

Test(cancel, taken_back_before_the_first_step_lets_the_body_run)
{
    weft_future *task = weft_spawn(test_sleeper);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_uncancel(task), 0);
    cr_assert_eq(weft_test_end_of(task), 0);
    cr_assert_str_eq(test_trace, "s");
    weft_unref(task);
    weft_test_loop_end();
}

Test(cancel, before_the_first_step_runs_no_finally)
{
    weft_future *on = weft_future_new();
    weft_future *task = weft_spawn(test_waiter, .on = on, .name = "f");
    cr_assert(weft_cancel_because(task, "too late"));
    cr_assert_eq(weft_test_end_of(task), -ECANCELED);
    cr_assert(weft_is_cancelled(task));
    cr_assert_str_eq(weft_message(task), "too late");
    cr_assert_str_eq(test_trace, "");
    weft_unref(task);
    weft_unref(on);
    weft_test_loop_end();
}

/* ---- Delivery ---- */

Test(cancel, is_delivered_at_the_next_tick_by_the_pending_await)
{
    weft_future *task = weft_test_started(weft_spawn(test_sleeper, .rounds = 1));
    cr_assert(weft_cancel(task));
    cr_assert_str_eq(test_trace, "s");
    weft_test_ticks(1);
    cr_assert_str_eq(test_trace, "sc");
    weft_unref(task);
    weft_test_loop_end();
}

Test(cancel, swallowed_is_no_cancellation)
{
    weft_future *task = weft_test_started(weft_spawn(test_sleeper, .rounds = 2));
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_end_of(task), 0);
    cr_assert_str_eq(test_trace, "scv");
    cr_assert_not(weft_is_cancelled(task));
    cr_assert_eq(weft_future_value(task).i64, 2);
    cr_assert_eq(weft_cancelling(task), 1);
    weft_unref(task);
    weft_test_loop_end();
}

Test(cancel, two_requests_before_delivery_are_one_error)
{
    weft_future *task = weft_test_started(weft_spawn(test_sleeper, .rounds = 3));
    cr_assert(weft_cancel(task));
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_cancelling(task), 2);
    cr_assert_eq(weft_test_end_of(task), 0);
    cr_assert_str_eq(test_trace, "scvv");
    cr_assert_eq(weft_cancelling(task), 2);
    weft_unref(task);
    weft_test_loop_end();
}

Test(cancel, is_delivered_once_for_each_request_that_comes_after_a_delivery)
{
    weft_future *task = weft_test_started(weft_spawn(test_sleeper, .rounds = 3));
    cr_assert(weft_cancel(task));
    weft_test_ticks(1);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_end_of(task), 0);
    cr_assert_str_eq(test_trace, "sccv");
    weft_unref(task);
    weft_test_loop_end();
}

struct yielder {
    WEFT_FRAME;
    int status;
};

static WEFT_ASYNC(yielder)
{
    WEFT_BEGIN;
    weft_test_mark("1");
    WEFT_YIELD;
    weft_test_mark("2");
    WEFT_FINALLY;
    weft_test_mark("f");
    WEFT_END;
}

Test(cancel, is_delivered_at_a_yield)
{
    weft_future *task = weft_test_started(weft_spawn(yielder));
    cr_assert(weft_cancel(task));
    cr_assert(weft_cancel_because(task, "stop"));
    cr_assert_eq(weft_test_end_of(task), -ECANCELED);
    cr_assert_str_eq(test_trace, "1f");
    cr_assert_str_eq(weft_message(task), "stop");
    weft_unref(task);
    weft_test_loop_end();
}

Test(cancel, is_delivered_by_a_sleep_of_one_tick)
{
    weft_future *task = weft_test_started(weft_spawn(test_waiter, .on = weft_sleep(WEFT_S(1))));
    weft_future *brief = weft_call(test_waiter, .on = weft_sleep(0));
    cr_assert(weft_cancel(task));
    cr_assert(weft_cancel(brief));
    cr_assert_eq(weft_test_run(task), -ECANCELED);
    cr_assert_eq(weft_test_run(brief), -ECANCELED);
    weft_test_loop_end();
}

/* ---- A result that was ready is never lost ---- */

struct receiver {
    WEFT_FRAME;
    weft_future *on; /* consumed */
    int value, status;
};

static WEFT_ASYNC(receiver)
{
    WEFT_BEGIN;
    WEFT_CATCH_INTO(self->status, self->value, self->on);
    weft_test_mark(self->status == 0 ? "v" : "c");
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
    weft_test_mark(self->status == 0 ? "V" : "C");
    WEFT_RETURN(self->value);
    WEFT_END;
}

Test(cancel, that_comes_after_the_result_waits_for_the_next_await)
{
    weft_future *on = weft_future_new();
    weft_future *task = weft_test_started(weft_spawn(receiver, .on = weft_ref(on)));
    cr_assert_eq(weft_future_resolve(on, weft_value_i64(7), NULL), 0);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_end_of(task), 0);
    cr_assert_str_eq(test_trace, "vC");
    cr_assert_eq(weft_future_value(task).i64, 7);
    weft_unref(task);
    weft_unref(on);
    weft_test_loop_end();
}

Test(cancel, twice_after_the_result_is_one_error_at_the_next_await)
{
    weft_future *on = weft_future_new();
    weft_future *task = weft_test_started(weft_spawn(receiver, .on = weft_ref(on)));
    cr_assert_eq(weft_future_resolve(on, weft_value_i64(7), NULL), 0);
    cr_assert(weft_cancel(task));
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_end_of(task), 0);
    cr_assert_str_eq(test_trace, "vC");
    weft_unref(task);
    weft_unref(on);
    weft_test_loop_end();
}

Test(cancel, taken_back_before_it_was_delivered_is_dropped)
{
    weft_future *on = weft_future_new();
    weft_future *task = weft_test_started(weft_spawn(receiver, .on = weft_ref(on)));
    cr_assert_eq(weft_future_resolve(on, weft_value_i64(7), NULL), 0);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_uncancel(task), 0);
    cr_assert_eq(weft_test_end_of(task), 0);
    cr_assert_str_eq(test_trace, "vV");
    weft_unref(task);
    weft_unref(on);
    weft_test_loop_end();
}

Test(cancel, of_which_one_request_of_two_was_taken_back_is_delivered)
{
    weft_future *on = weft_future_new();
    weft_future *task = weft_test_started(weft_spawn(receiver, .on = weft_ref(on)));
    cr_assert_eq(weft_future_resolve(on, weft_value_i64(7), NULL), 0);
    cr_assert(weft_cancel(task));
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_uncancel(task), 1);
    cr_assert_eq(weft_test_end_of(task), 0);
    cr_assert_str_eq(test_trace, "vC");
    weft_unref(task);
    weft_unref(on);
    weft_test_loop_end();
}

Test(cancel, that_went_to_the_awaited_operation_cannot_be_taken_back)
{
    weft_future *task = weft_test_started(weft_spawn(test_sleeper, .rounds = 2));
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_uncancel(task), 0);
    cr_assert_eq(weft_test_end_of(task), 0);
    cr_assert_str_eq(test_trace, "scv");
    weft_unref(task);
    weft_test_loop_end();
}

Test(cancel, pending_at_the_return_leaves_the_value)
{
    weft_future *on = weft_future_new();
    weft_future *task = weft_test_started(weft_spawn(test_waiter, .on = weft_ref(on)));
    cr_assert_eq(weft_future_resolve(on, weft_value_i64(7), NULL), 0);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_end_of(task), 0);
    cr_assert_not(weft_is_cancelled(task));
    cr_assert_eq(weft_future_value(task).i64, 7);
    cr_assert_eq(weft_cancelling(task), 1);
    weft_unref(task);
    weft_unref(on);
    weft_test_loop_end();
}

/* An operation that cannot be stopped. */
static bool refuse_to_stop(weft_future *future)
{
    weft_test_mark("r");
    return future == NULL;
}

static const struct weft__future_ops unstoppable_ops = {.name = "rock", .cancel = refuse_to_stop};

Test(cancel, of_what_cannot_be_stopped_waits_for_the_next_await)
{
    weft_future *rock = weft__future_alloc(test_loop, &unstoppable_ops, sizeof(*rock), 2);
    weft_future *task = weft_test_started(weft_spawn(receiver, .on = weft_ref(rock)));
    cr_assert(weft_cancel(task));
    weft_test_ticks(3);
    cr_assert_not(weft_is_done(task));
    weft__complete(rock, weft_value_i64(3), NULL);
    cr_assert_eq(weft_test_end_of(task), 0);
    cr_assert_str_eq(test_trace, "rvC");
    cr_assert_eq(weft_future_value(task).i64, 3);
    weft_unref(task);
    weft_unref(rock);
    weft_unref(rock);
    weft_test_loop_end();
}

/* ---- The counter ---- */

Test(cancel, counter_has_a_floor)
{
    weft_future *task = weft_spawn(test_sleeper);
    cr_assert_eq(weft_cancelling(task), 0);
    cr_assert_eq(weft_uncancel(task), 0);
    cr_assert(weft_cancel(task));
    cr_assert(weft_cancel(task));
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_cancelling(task), 3);
    cr_assert_eq(weft_uncancel(task), 2);
    cr_assert_eq(weft_uncancel(task), 1);
    cr_assert_eq(weft_uncancel(task), 0);
    cr_assert_eq(weft_uncancel(task), 0);
    cr_assert_eq(weft_test_run(task), 0);
    weft_test_loop_end();
}

Test(cancel, counter_is_kept_after_the_end)
{
    weft_future *task = weft_test_started(weft_spawn(test_waiter, .on = weft_sleep(WEFT_S(1))));
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_end_of(task), -ECANCELED);
    cr_assert_eq(weft_cancelling(task), 1);
    weft_unref(task);
    weft_test_loop_end();
}

Test(cancel, counter_does_not_wrap)
{
    weft_future *task = weft_test_started(weft_spawn(test_sleeper, .rounds = 1));
    for (int i = 0; i < 65536; i++)
        cr_assert(weft_cancel(task));
    cr_assert_eq(weft_cancelling(task), 65536);
    cr_assert_eq(weft_test_run(task), 0);
    weft_test_loop_end();
}

/* ---- FINALLY ---- */

struct cleaner {
    WEFT_FRAME;
    int rounds;
    int i;
};

static WEFT_ASYNC(cleaner)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    WEFT_FINALLY;
    for (self->i = 0; self->i < self->rounds; self->i++) {
        weft_test_mark("f");
        WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    }
    weft_test_mark("e");
    WEFT_END;
}

Test(cancel, during_finally_interrupts_the_cleanup)
{
    weft_future *task = weft_test_started(weft_spawn(cleaner, .rounds = 2));
    cr_assert(weft_cancel(task));
    weft_test_ticks(1);
    cr_assert_str_eq(test_trace, "f");
    cr_assert(weft_cancel_because(task, "again"));
    cr_assert_eq(weft_test_end_of(task), -ECANCELED);
    cr_assert_str_eq(test_trace, "f");
    weft_unref(task);
    weft_test_loop_end();
}

Test(cancel, delivered_before_finally_leaves_the_cleanup_alone)
{
    weft_future *task = weft_test_started(weft_spawn(cleaner, .rounds = 2));
    cr_assert(weft_cancel(task));
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_end_of(task), -ECANCELED);
    cr_assert_str_eq(test_trace, "ffe");
    weft_unref(task);
    weft_test_loop_end();
}

/* ---- Oneself ---- */

struct suicide {
    WEFT_FRAME;
    int in_call;
    int status;
};

static WEFT_ASYNC(suicide)
{
    WEFT_BEGIN;
    if (self->in_call) {
        WEFT_CATCH(self->status, weft_call(suicide));
        weft_test_mark(self->status == -ECANCELED ? "x" : "?");
        WEFT_RETURN(0);
    }
    cr_assert(weft_cancel_because(weft_current_task(), "enough"));
    WEFT_CATCH(self->status, weft_future_failed(-EIO, NULL));
    weft_test_mark(self->status == -EIO ? "a" : "?");
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    weft_test_mark("never");
    WEFT_END;
}

Test(cancel, of_oneself_is_delivered_at_the_next_await_that_waits)
{
    weft_future *task = weft_spawn(suicide);
    cr_assert_eq(weft_test_end_of(task), -ECANCELED);
    cr_assert_str_eq(test_trace, "a");
    cr_assert_str_eq(weft_message(task), "enough");
    weft_unref(task);
    weft_test_loop_end();
}

Test(cancel, of_oneself_within_a_call_is_delivered_there)
{
    weft_future *task = weft_spawn(suicide, .in_call = 1);
    cr_assert_eq(weft_test_end_of(task), 0);
    cr_assert_str_eq(test_trace, "ax");
    weft_unref(task);
    weft_test_loop_end();
}

struct quits {
    WEFT_FRAME;
};

static WEFT_ASYNC(quits)
{
    WEFT_BEGIN;
    WEFT_FAIL(-ECANCELED, "%s", "I quit");
    WEFT_END;
}

Test(cancel, is_what_a_task_that_ends_with_its_error_is)
{
    weft_future *task = weft_spawn(quits);
    cr_assert_eq(weft_test_end_of(task), -ECANCELED);
    cr_assert(weft_is_cancelled(task));
    cr_assert_str_eq(weft_message(task), "I quit");
    cr_assert_eq(weft_cancelling(task), 0);
    weft_unref(task);
    weft_test_loop_end();
}

Test(cancel, is_no_failure_to_report)
{
    weft_future *task = weft_test_started(weft_spawn(test_waiter, .on = weft_sleep(WEFT_S(1))));
    cr_assert(weft_cancel(task));
    weft_unref(task);
    weft_test_ticks(3);
    cr_assert_eq(test_reports.count, 0);
    weft_test_loop_end();
}
