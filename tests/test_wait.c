/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <weft/weft.h>

#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(wait, .init = weft_test_loop_begin, .timeout = 20);

/* Sleeps for some milliseconds, then ends as told. */
struct child {
    WEFT_FRAME;
    int ms, value, fail;
};

static WEFT_ASYNC(child)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_MS(self->ms)));
    if (self->fail)
        WEFT_FAIL(self->fail, "child %d", self->value);
    WEFT_RETURN(self->value);
    WEFT_END;
}

static weft_waited *waited_of(weft_future *wait)
{
    weft_value value;
    cr_assert_eq(weft_test_run(weft_ref(wait)), 0);
    cr_assert_eq(weft_future_take(wait, &value), 0);
    weft_unref(wait);
    return value.ptr;
}

/* Frees it. */
static void splits(weft_waited *waited, size_t done, size_t pending)
{
    cr_assert_eq(weft_waited_done_count(waited), done);
    cr_assert_eq(weft_waited_pending_count(waited), pending);
    cr_assert_null(weft_waited_done(waited, done));
    cr_assert_null(weft_waited_pending(waited, pending));
    weft_waited_free(waited);
}

/* ---- The modes ---- */

Test(wait, for_all_completes_when_the_last_one_is_done)
{
    weft_future *a = weft_spawn(child, .ms = 20), *b = weft_spawn(child, .ms = 10);
    weft_waited *waited = waited_of(weft_wait(WEFT_ALL, WEFT_FOREVER, weft_ref(a), weft_ref(b)));
    cr_assert_eq(weft_now(), WEFT_MS(20));
    cr_assert_eq(weft_waited_done(waited, 0), a);
    cr_assert_eq(weft_waited_done(waited, 1), b);
    splits(waited, 2, 0);
    weft_unref(a);
    weft_unref(b);
    weft_test_loop_end();
}

Test(wait, for_all_does_not_end_with_a_failure)
{
    weft_waited *waited = waited_of(weft_wait(
        WEFT_ALL, WEFT_FOREVER, weft_spawn(child, .fail = -EIO), weft_spawn(child, .ms = 10)));
    cr_assert_eq(weft_now(), WEFT_MS(10));
    cr_assert_eq(weft_future_status(weft_waited_done(waited, 0)), -EIO);
    splits(waited, 2, 0);
    weft_test_loop_end();
}

Test(wait, for_the_first_completed_ends_with_the_first_and_the_others_go_on)
{
    weft_future *a = weft_spawn(child, .ms = 20), *b = weft_spawn(child, .ms = 10);
    weft_waited *waited =
        waited_of(weft_wait(WEFT_FIRST_COMPLETED, WEFT_FOREVER, weft_ref(a), weft_ref(b)));
    cr_assert_eq(weft_now(), WEFT_MS(10));
    cr_assert_eq(weft_waited_done(waited, 0), b);
    cr_assert_eq(weft_waited_pending(waited, 0), a);
    splits(waited, 1, 1);
    cr_assert_eq(weft_test_run(a), 0);
    cr_assert_eq(weft_now(), WEFT_MS(20));
    weft_unref(b);
    weft_test_loop_end();
}

Test(wait, for_the_first_completed_ends_with_a_cancelled_one)
{
    weft_future *a = weft_spawn(child, .ms = 20), *b = weft_spawn(child, .ms = 10);
    weft_future *wait = weft_wait(WEFT_FIRST_COMPLETED, WEFT_FOREVER, weft_ref(a), b);
    weft_test_ticks(1);
    cr_assert(weft_cancel(a));
    weft_waited *waited = waited_of(wait);
    cr_assert_eq(weft_now(), 0);
    cr_assert_eq(weft_waited_done(waited, 0), a);
    splits(waited, 1, 1);
    weft_unref(a);
    weft_test_loop_end();
}

Test(wait, for_the_first_failed_ends_with_a_failure)
{
    weft_waited *waited = waited_of(
        weft_wait(WEFT_FIRST_FAILED, WEFT_FOREVER, weft_spawn(child, .ms = 5),
                  weft_spawn(child, .ms = 10, .fail = -EIO), weft_spawn(child, .ms = 20)));
    cr_assert_eq(weft_now(), WEFT_MS(10));
    cr_assert_eq(weft_future_status(weft_waited_done(waited, 1)), -EIO);
    splits(waited, 2, 1);
    weft_test_loop_end();
}

Test(wait, for_the_first_failed_ignores_cancelled_ones)
{
    weft_future *a = weft_spawn(child, .ms = 20), *b = weft_spawn(child, .ms = 10);
    weft_future *wait = weft_wait(WEFT_FIRST_FAILED, WEFT_FOREVER, weft_ref(a), b);
    weft_test_ticks(1);
    cr_assert(weft_cancel(a));
    splits(waited_of(wait), 2, 0);
    cr_assert_eq(weft_now(), WEFT_MS(10));
    weft_unref(a);
    weft_test_loop_end();
}

Test(wait, for_the_first_failed_without_failures_waits_for_all)
{
    splits(waited_of(weft_wait(WEFT_FIRST_FAILED, WEFT_FOREVER, weft_spawn(child, .ms = 5),
                               weft_spawn(child, .ms = 10))),
           2, 0);
    cr_assert_eq(weft_now(), WEFT_MS(10));
    weft_test_loop_end();
}

Test(wait, of_what_is_done_completes_in_a_later_tick)
{
    weft_future *future = weft_future_new();
    cr_assert_eq(weft_future_resolve(future, weft_value_i64(1), NULL), 0);
    weft_future *wait = weft_wait(WEFT_FIRST_COMPLETED, WEFT_FOREVER, future);
    cr_assert_not(weft_is_done(wait));
    splits(waited_of(wait), 1, 0);
    weft_test_loop_end();
}

Test(wait, takes_the_same_future_twice)
{
    weft_future *a = weft_spawn(child, .ms = 5);
    splits(waited_of(weft_wait(WEFT_ALL, WEFT_FOREVER, weft_ref(a), a)), 2, 0);
    weft_test_loop_end();
}

Test(wait, what_is_done_is_settled_when_it_is_first_asked)
{
    weft_future *a = weft_future_new(), *b = weft_future_new(), *c = weft_future_new();
    weft_future *wait =
        weft_wait(WEFT_FIRST_COMPLETED, WEFT_FOREVER, weft_ref(a), weft_ref(b), weft_ref(c));
    cr_assert_eq(weft_future_resolve(b, weft_value_i64(0), NULL), 0);
    weft_waited *waited = waited_of(wait);
    cr_assert_eq(weft_future_resolve(a, weft_value_i64(0), NULL), 0);
    cr_assert_eq(weft_waited_pending_count(waited), 1);
    cr_assert_eq(weft_future_resolve(c, weft_value_i64(0), NULL), 0);
    cr_assert_eq(weft_waited_done(waited, 0), a);
    cr_assert_eq(weft_waited_done(waited, 1), b);
    cr_assert_eq(weft_waited_pending(waited, 0), c);
    splits(waited, 2, 1);
    weft_unref(a);
    weft_unref(b);
    weft_unref(c);
    weft_test_loop_end();
}

/* ---- The timeout ---- */

Test(wait, a_timeout_is_not_an_error_and_cancels_nothing)
{
    weft_future *a = weft_spawn(child, .ms = 20), *b = weft_spawn(child, .ms = 5);
    weft_waited *waited = waited_of(weft_wait(WEFT_ALL, WEFT_MS(10), weft_ref(a), weft_ref(b)));
    cr_assert_eq(weft_now(), WEFT_MS(10));
    cr_assert_eq(weft_waited_done(waited, 0), b);
    cr_assert_eq(weft_waited_pending(waited, 0), a);
    splits(waited, 1, 1);
    cr_assert_eq(weft_cancelling(a), 0);
    cr_assert_eq(weft_test_run(a), 0);
    weft_unref(b);
    weft_test_loop_end();
}

Test(wait, a_timeout_of_zero_gives_what_is_done)
{
    weft_future *done = weft_future_new();
    cr_assert_eq(weft_future_resolve(done, weft_value_i64(1), NULL), 0);
    splits(waited_of(weft_wait(WEFT_ALL, 0, done, weft_spawn(child, .ms = 5))), 1, 1);
    cr_assert_eq(weft_now(), 0);
    weft_test_loop_end();
}

Test(wait, a_timeout_below_zero_is_no_limit)
{
    splits(waited_of(weft_wait(WEFT_ALL, -1, weft_spawn(child, .ms = 5))), 1, 0);
    cr_assert_eq(weft_now(), WEFT_MS(5));
    weft_test_loop_end();
}

Test(wait, ended_in_time_leaves_no_timer)
{
    splits(waited_of(weft_wait(WEFT_ALL, WEFT_S(10), weft_spawn(child, .ms = 5))), 1, 0);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_S(20))), 0);
    weft_test_loop_end();
}

Test(wait, done_in_the_tick_of_the_timeout_is_done)
{
    weft_future *sleep = weft_sleep(WEFT_MS(10));
    splits(waited_of(weft_wait(WEFT_ALL, WEFT_MS(10), sleep)), 1, 0);
    weft_future *wait = weft_wait(WEFT_ALL, WEFT_MS(10), weft_sleep(WEFT_MS(10)), weft_sleep(0));
    splits(waited_of(wait), 2, 0);
    weft_test_loop_end();
}

/* ---- Observing, values ---- */

Test(wait, does_not_count_as_observing_a_failure)
{
    splits(waited_of(weft_wait(WEFT_ALL, WEFT_FOREVER, weft_spawn(child, .fail = -EIO))), 1, 0);
    cr_assert_eq(test_reports.count, 1);
    cr_assert_eq(test_reports.status, -EIO);
    weft_test_loop_end();
}

Test(wait, leaves_values_where_they_are)
{
    weft_future *future = weft_future_new();
    weft_value value;
    cr_assert_eq(weft_future_resolve(future, weft_value_ptr(malloc(1)), free), 0);
    weft_waited *waited = waited_of(weft_wait(WEFT_ALL, WEFT_FOREVER, future));
    cr_assert_eq(weft_future_take(weft_waited_done(waited, 0), &value), 0);
    free(value.ptr);
    splits(waited, 1, 0);
    weft_test_loop_end();
}

Test(wait, that_nobody_looks_at_drops_its_futures)
{
    weft_future *future = weft_future_new();
    weft_future *wait = weft_wait(WEFT_ALL, WEFT_FOREVER, future);
    cr_assert_eq(weft_future_resolve(future, weft_value_ptr(malloc(1)), free), 0);
    cr_assert_eq(weft_test_run(wait), 0);
    weft_test_loop_end();
}

/* ---- Cancel ---- */

Test(wait, cancelled_cancels_nothing)
{
    weft_future *a = weft_spawn(child, .ms = 5);
    weft_future *wait = weft_wait(WEFT_ALL, WEFT_S(1), weft_ref(a), weft_sleep(WEFT_S(1)));
    weft_test_ticks(1);
    cr_assert(weft_cancel_because(wait, "go"));
    cr_assert(weft_is_cancelled(wait));
    cr_assert_str_eq(weft_message(wait), "go");
    cr_assert_eq(weft_test_run(wait), -ECANCELED);
    cr_assert_eq(weft_now(), 0);
    cr_assert_eq(weft_test_run(a), 0);
    weft_test_loop_end();
}

struct waiter {
    WEFT_FRAME;
    weft_future *wait; /* consumed */
    weft_waited *waited;
    int status;
};

static WEFT_ASYNC(waiter)
{
    WEFT_BEGIN;
    WEFT_CATCH_INTO(self->status, self->waited, self->wait);
    weft_test_mark(self->status == 0 ? "v" : "x");
    weft_waited_free(self->waited);
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
    weft_test_mark(self->status == 0 ? "s" : "X");
    WEFT_END;
}

Test(wait, that_has_enough_is_not_lost_to_a_cancel_of_the_task)
{
    weft_future *future = weft_future_new();
    weft_future *task =
        weft_spawn(waiter, .wait = weft_wait(WEFT_FIRST_COMPLETED, WEFT_S(1), weft_sleep(WEFT_S(5)),
                                             weft_ref(future)));
    weft_test_ticks(1);
    cr_assert_eq(weft_future_resolve(future, weft_value_i64(0), NULL), 0);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_str_eq(test_trace, "vX");
    weft_unref(future);
    weft_test_loop_end();
}

Test(wait, cancelled_with_one_of_two_done_is_cancelled)
{
    weft_future *future = weft_future_new();
    weft_future *task = weft_spawn(
        waiter, .wait = weft_wait(WEFT_FIRST_FAILED, -1, weft_ref(future), weft_sleep(WEFT_S(5))));
    weft_test_ticks(1);
    cr_assert_eq(weft_future_resolve(future, weft_value_i64(0), NULL), 0);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_str_eq(test_trace, "xs");
    weft_unref(future);
    weft_test_loop_end();
}

Test(wait, under_way_at_the_shutdown_ends_with_its_futures)
{
    weft_future *wait =
        weft_wait(WEFT_ALL, WEFT_S(9), weft_spawn(child, .ms = 5), weft_future_new());
    weft_test_ticks(1);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert(weft_is_done(wait));
    weft_unref(wait);
    wait = weft_wait(WEFT_ALL, WEFT_S(9), weft_future_failed(-EIO, NULL));
    cr_assert_eq(weft_future_status(wait), -ESHUTDOWN);
    weft_unref(wait);
    weft_test_loop_end();
}

/* ---- Misuse, memory ---- */

Test(wait, refuses_nothing_null_and_unknown_modes)
{
    cr_assert_eq(weft_test_run(weft_wait_array(0, NULL, WEFT_ALL, 0)), -EINVAL);
    cr_assert_eq(weft_test_run(weft_wait(WEFT_ALL, 0, weft_sleep(1), NULL)), -EINVAL);
    cr_assert_eq(weft_test_run(weft_wait((enum weft_wait_mode)7, 0, weft_sleep(1))), -EINVAL);
    weft_waited_free(NULL);
    weft_test_loop_end();
}

static int in_time(void)
{
    return weft_test_run(
        weft_wait(WEFT_ALL, WEFT_S(1), weft_spawn(child, .ms = 5), weft_sleep(WEFT_MS(6))));
}

Test(wait, survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(in_time);
    weft_test_loop_end();
}
