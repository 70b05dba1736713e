/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(wait_for, .init = weft_test_loop_begin, .timeout = 20);

enum answer { OBEYS, RETURNS, FAILS };

/* Takes a second; when cancelled cleans up for some milliseconds, then answers the cancel. */
struct worker {
    WEFT_FRAME;
    enum answer answer;
    int cleanup_ms;
    int status;
};

static WEFT_ASYNC(worker)
{
    WEFT_BEGIN;
    weft_test_mark("w");
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
    if (self->status == 0)
        WEFT_RETURN(10);
    if (self->status != -ECANCELED)
        WEFT_FAIL(self->status);
    weft_test_mark("c");
    WEFT_AWAIT(weft_sleep(WEFT_MS(self->cleanup_ms)));
    weft_test_mark("C");
    if (self->answer == RETURNS)
        WEFT_RETURN(20);
    if (self->answer == FAILS)
        WEFT_FAIL(-EIO, "%s", "clean-up");
    WEFT_FAIL(-ECANCELED);
    WEFT_END;
}

static int end_of(weft_future *future)
{
    return weft_test_run(weft_ref(future));
}

/* ---- Without the limit ---- */

Test(wait_for, gives_what_comes_in_time)
{
    weft_future *wait = weft_wait_for(weft_spawn(worker), WEFT_S(2));
    cr_assert_eq(end_of(wait), 0);
    cr_assert_eq(weft_future_value(wait).i64, 10);
    cr_assert_eq(weft_now(), WEFT_S(1));
    weft_unref(wait);
    weft_test_loop_end();
}

Test(wait_for, without_limit_waits_as_long_as_it_takes)
{
    weft_future *negative = weft_wait_for(weft_spawn(worker), -1);
    weft_future *forever = weft_wait_for(weft_spawn(worker), WEFT_FOREVER);
    cr_assert_eq(weft_test_run(negative), 0);
    cr_assert_eq(weft_test_run(forever), 0);
    weft_test_loop_end();
}

Test(wait_for, without_limit_costs_no_tick)
{
    weft_future *future = weft_future_new();
    weft_future *wait = weft_wait_for(weft_ref(future), -1);
    cr_assert_eq(weft_future_resolve(future, weft_value_i64(1), NULL), 0);
    cr_assert(weft_is_done(wait));
    weft_unref(future);
    weft_unref(wait);
    weft_test_loop_end();
}

Test(wait_for, passes_on_failure_and_message)
{
    weft_future *wait = weft_wait_for(weft_future_failed(-EPIPE, "%s", "broken"), WEFT_S(1));
    cr_assert_eq(end_of(wait), -EPIPE);
    cr_assert_str_eq(weft_message(wait), "broken");
    weft_unref(wait);
    weft_test_loop_end();
}

Test(wait_for, passes_on_a_value_with_its_destructor)
{
    weft_future *future = weft_future_new();
    weft_future *wait = weft_wait_for(weft_ref(future), WEFT_S(1));
    cr_assert_eq(weft_future_resolve(future, weft_value_ptr(malloc(1)), free), 0);
    weft_unref(future);
    cr_assert_eq(weft_test_run(wait), 0);
    weft_test_loop_end();
}

/* ---- The limit ---- */

Test(wait_for, timeout_says_what_took_too_long)
{
    weft_future *wait = weft_wait_for(weft_spawn(worker), WEFT_MS(1));
    cr_assert_eq(weft_test_run(weft_ref(wait)), -ETIMEDOUT);
    cr_assert_str_eq(weft_message(wait), "worker: timed out");
    weft_unref(wait);
    weft_test_loop_end();
}

Test(wait_for, fails_with_a_timeout_when_the_cancelled_future_has_ended)
{
    weft_future *task = weft_spawn(worker, .cleanup_ms = 50);
    weft_future *wait = weft_wait_for(weft_ref(task), WEFT_MS(100));
    cr_assert_eq(end_of(wait), -ETIMEDOUT);
    cr_assert_not(weft_is_cancelled(wait));
    cr_assert(weft_is_cancelled(task));
    cr_assert_eq(weft_now(), WEFT_MS(150));
    cr_assert_str_eq(test_trace, "wcC");
    weft_unref(task);
    weft_unref(wait);
    weft_test_loop_end();
}

Test(wait_for, gives_the_value_with_which_the_cancel_was_answered)
{
    weft_future *wait = weft_wait_for(weft_spawn(worker, .answer = RETURNS), WEFT_MS(100));
    cr_assert_eq(end_of(wait), 0);
    cr_assert_eq(weft_future_value(wait).i64, 20);
    weft_unref(wait);
    weft_test_loop_end();
}

Test(wait_for, gives_the_failure_with_which_the_cancel_was_answered)
{
    weft_future *wait = weft_wait_for(weft_spawn(worker, .answer = FAILS), WEFT_MS(100));
    cr_assert_eq(end_of(wait), -EIO);
    cr_assert_str_eq(weft_message(wait), "clean-up");
    weft_unref(wait);
    weft_test_loop_end();
}

Test(wait_for, of_zero_takes_only_what_is_done)
{
    weft_future *done = weft_future_new();
    cr_assert_eq(weft_future_resolve(done, weft_value_i64(1), NULL), 0);
    weft_future *taken = weft_wait_for(done, 0);
    cr_assert_eq(end_of(taken), 0);
    cr_assert_eq(weft_future_value(taken).i64, 1);
    weft_future *running = weft_spawn(worker, .cleanup_ms = 10);
    weft_test_ticks(1);
    cr_assert_eq(weft_test_run(weft_wait_for(running, 0)), -ETIMEDOUT);
    cr_assert_eq(weft_now(), WEFT_MS(10));
    weft_unref(taken);
    weft_test_loop_end();
}

Test(wait_for, of_zero_never_starts_a_new_task)
{
    cr_assert_eq(weft_test_run(weft_wait_for(weft_spawn(worker), 0)), -ETIMEDOUT);
    cr_assert_str_eq(test_trace, "");
    weft_test_loop_end();
}

Test(wait_for, done_in_the_tick_of_the_deadline_gives_the_value)
{
    weft_future *sooner = weft_wait_for(weft_sleep(WEFT_MS(10)), WEFT_MS(10));
    cr_assert_eq(weft_test_run(sooner), 0);
    weft_test_loop_end();
}

Test(wait_for, nested_times_out_at_the_shorter_limit)
{
    weft_future *wait = weft_wait_for(weft_wait_for(weft_spawn(worker), WEFT_MS(10)), WEFT_MS(20));
    cr_assert_eq(weft_test_run(wait), -ETIMEDOUT);
    cr_assert_eq(weft_now(), WEFT_MS(10));
    wait = weft_wait_for(weft_wait_for(weft_spawn(worker), WEFT_MS(20)), WEFT_MS(10));
    cr_assert_eq(weft_test_run(wait), -ETIMEDOUT);
    cr_assert_eq(weft_now(), WEFT_MS(20));
    weft_test_loop_end();
}

Test(wait_for, leaves_no_timer_behind)
{
    weft_future *future = weft_future_new();
    weft_future *wait = weft_wait_for(weft_ref(future), WEFT_S(100));
    cr_assert_eq(weft_future_resolve(future, weft_value_i64(0), NULL), 0);
    cr_assert_eq(weft_test_run(wait), 0);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_S(200))), 0);
    cr_assert_eq(weft_now(), WEFT_S(200));
    weft_unref(future);
    weft_test_loop_end();
}

/* ---- Cancel ---- */

Test(wait_for, cancelled_cancels_the_future_and_waits_for_it)
{
    weft_future *task = weft_spawn(worker, .cleanup_ms = 50);
    weft_future *wait = weft_wait_for(weft_ref(task), WEFT_MS(100));
    weft_test_ticks(1);
    cr_assert(weft_cancel_because(wait, "go"));
    cr_assert_eq(end_of(wait), -ECANCELED);
    cr_assert_eq(weft_now(), WEFT_MS(50));
    cr_assert_str_eq(test_trace, "wcC");
    cr_assert_str_eq(weft_message(task), "go");
    cr_assert_str_eq(weft_message(wait), "go");
    weft_unref(task);
    weft_unref(wait);
    weft_test_loop_end();
}

struct stubborn {
    WEFT_FRAME;
    int status;
};

static WEFT_ASYNC(stubborn)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(1000)));
    WEFT_AWAIT(weft_sleep(WEFT_S(1000)));
    WEFT_END;
}

Test(wait_for, keeps_its_limit_when_the_future_swallows_a_cancel)
{
    weft_future *wait = weft_wait_for(weft_spawn(stubborn), WEFT_S(5));
    weft_test_ticks(1);
    cr_assert(weft_cancel(wait));
    cr_assert_eq(weft_test_run(wait), -ECANCELED);
    cr_assert_eq(weft_now(), WEFT_S(5));
    weft_test_loop_end();
}

Test(wait_for, cancelled_after_the_deadline_is_a_cancellation)
{
    weft_future *wait = weft_wait_for(weft_spawn(worker, .cleanup_ms = 500), WEFT_MS(100));
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(200))), 0);
    cr_assert_str_eq(test_trace, "wc");
    cr_assert(weft_cancel(wait));
    cr_assert_eq(weft_test_run(wait), -ECANCELED);
    cr_assert_eq(weft_now(), WEFT_MS(200));
    weft_test_loop_end();
}

Test(wait_for, of_a_future_that_is_cancelled_from_elsewhere_is_cancelled)
{
    weft_future *task = weft_spawn(worker);
    weft_future *wait = weft_wait_for(weft_ref(task), WEFT_MS(100));
    weft_test_ticks(1);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(wait), -ECANCELED);
    cr_assert_eq(weft_now(), 0);
    weft_unref(task);
    weft_test_loop_end();
}

struct waits {
    WEFT_FRAME;
    weft_future *on; /* consumed */
    weft_ns limit;
    int value, status;
};

static WEFT_ASYNC(waits)
{
    WEFT_BEGIN;
    WEFT_CATCH_INTO(self->status, self->value, weft_wait_for(self->on, self->limit));
    weft_test_mark(self->status == 0 ? "v" : self->status == -ETIMEDOUT ? "t" : "x");
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
    weft_test_mark(self->status == 0 ? "V" : "X");
    WEFT_RETURN(self->value);
    WEFT_END;
}

Test(wait_for, does_not_lose_a_value_to_a_cancel_of_the_task)
{
    weft_future *future = weft_future_new();
    weft_future *task = weft_spawn(waits, .on = weft_ref(future), .limit = WEFT_S(1));
    weft_test_ticks(1);
    cr_assert_eq(weft_future_resolve(future, weft_value_i64(5), NULL), 0);
    cr_assert(weft_cancel(task));
    cr_assert_eq(end_of(task), 0);
    cr_assert_str_eq(test_trace, "vX");
    cr_assert_eq(weft_future_value(task).i64, 5);
    weft_unref(task);
    weft_unref(future);
    weft_test_loop_end();
}

Test(wait_for, does_not_swallow_a_cancel_at_the_deadline)
{
    weft_future *task = weft_spawn(waits, .on = weft_future_new(), .limit = WEFT_MS(10));
    weft_test_ticks(1);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_str_eq(test_trace, "xV");
    weft_test_loop_end();
}

static void resolve_it(void *future)
{
    cr_assert_eq(weft_future_resolve(future, weft_value_i64(5), NULL), 0);
}

static void cancel_it(void *task)
{
    cr_assert(weft_cancel_because(task, "go"));
}

/* In the tick in which the limit has just cancelled what is waited for: asyncio lost that cancel
 * (cpython 86296). */
Test(wait_for, a_cancel_at_the_very_deadline_wins_and_is_not_swallowed)
{
    weft_future *task = weft_spawn(waits, .on = weft_future_new(), .limit = WEFT_MS(10));
    weft_test_ticks(1);
    weft_unref(weft_call_at(WEFT_MS(10), cancel_it, task));
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_str_eq(test_trace, "xV");
    weft_test_loop_end();
}

Test(wait_for, a_cancel_at_the_very_deadline_keeps_its_reason)
{
    weft_future *wait = weft_wait_for(weft_future_new(), WEFT_MS(10));
    weft_unref(weft_call_at(WEFT_MS(10), cancel_it, wait));
    cr_assert_eq(end_of(wait), -ECANCELED);
    cr_assert_str_eq(weft_message(wait), "go");
    weft_unref(wait);
    weft_test_loop_end();
}

/* The other half of the same trap: result, deadline and cancel in one tick. */
Test(wait_for, a_cancel_that_comes_with_the_result_is_kept_for_the_next_await)
{
    weft_future *future = weft_future_new();
    weft_unref(weft_call_at(WEFT_MS(10), resolve_it, future));
    weft_future *task = weft_spawn(waits, .on = weft_ref(future), .limit = WEFT_MS(10));
    weft_test_ticks(1);
    weft_unref(weft_call_at(WEFT_MS(10), cancel_it, task));
    cr_assert_eq(end_of(task), 0);
    cr_assert_str_eq(test_trace, "vX");
    cr_assert_eq(weft_cancelling(task), 1);
    weft_unref(task);
    weft_unref(future);
    weft_test_loop_end();
}

Test(wait_for, timeout_does_not_count_as_a_cancel_of_the_waiting_task)
{
    weft_future *task = weft_spawn(waits, .on = weft_future_new(), .limit = WEFT_MS(10));
    cr_assert_eq(end_of(task), 0);
    cr_assert_str_eq(test_trace, "tV");
    cr_assert_eq(weft_cancelling(task), 0);
    weft_unref(task);
    weft_test_loop_end();
}

/* ---- Misuse, memory ---- */

Test(wait_for, refuses_null)
{
    cr_assert_eq(weft_test_run(weft_wait_for(NULL, WEFT_S(1))), -EINVAL);
    weft_test_loop_end();
}

static int in_time(void)
{
    return weft_test_run(weft_wait_for(weft_spawn(worker), WEFT_S(2)));
}

static int too_late(void)
{
    int status = weft_test_run(weft_wait_for(weft_spawn(worker), WEFT_MS(2)));
    return status == -ETIMEDOUT ? 0 : status;
}

Test(wait_for, survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(in_time);
    weft_test_every_lack_of_memory(too_late);
    weft_test_loop_end();
}
