/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <weft/weft.h>

#include "core/block.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(timeout, .init = weft_test_loop_begin, .timeout = 20);

static int end_of(weft_future *future)
{
    return weft_test_run(weft_ref(future));
}

static unsigned requests(void)
{
    return weft_cancelling(weft_current_task());
}

enum answer { OBEYS, SWALLOWS, FAILS, LEAVES_OPEN };

/* Sleeps in a block, answers the cancel; then sleeps once more, which shows a stray cancel. */
struct limited {
    WEFT_FRAME;
    weft_ns limit, work;
    enum answer answer;
    weft_timeout *block;
    int body, status, after;
    bool expired;
    unsigned during, left;
};

static WEFT_ASYNC(limited)
{
    WEFT_BEGIN;
    self->block = weft_timeout_enter(self->limit);
    WEFT_CATCH(self->body, weft_sleep(self->work));
    self->expired = weft_timeout_expired(self->block);
    self->during = requests();
    weft_test_mark(self->body == 0 ? "b" : "B");
    if (self->answer == LEAVES_OPEN)
        WEFT_RETURN(1);
    if (self->answer == SWALLOWS)
        self->body = 0;
    if (self->answer == FAILS)
        self->body = -EIO;
    self->status = weft_timeout_exit(self->block, self->body);
    self->left = requests();
    WEFT_CATCH(self->after, weft_sleep(0));
    weft_test_mark(self->after == 0 ? "a" : "A");
    if (self->status < 0)
        WEFT_FAIL(self->status);
    WEFT_END;
}

static const struct limited *frame(weft_future *task)
{
    return (const struct limited *)(const void *)weft__frame_of(weft__coro_of(task));
}

static void cancel_it(void *task)
{
    cr_assert(weft_cancel(task));
}

/* ---- One block ---- */

Test(timeout, at_the_deadline_cancels_the_task_and_the_exit_says_etimedout)
{
    weft_future *task = weft_spawn(limited, .limit = WEFT_MS(10), .work = WEFT_S(1));
    cr_assert_eq(end_of(task), -ETIMEDOUT);
    cr_assert_eq(weft_now(), WEFT_MS(10));
    cr_assert_str_eq(test_trace, "Ba");
    cr_assert(frame(task)->expired);
    weft_unref(task);
    weft_test_loop_end();
}

Test(timeout, counts_as_one_request_until_the_exit_takes_it_back)
{
    weft_future *task = weft_spawn(limited, .limit = WEFT_MS(10), .work = WEFT_S(1));
    cr_assert_eq(end_of(task), -ETIMEDOUT);
    cr_assert_eq(frame(task)->during, 1);
    cr_assert_eq(frame(task)->left, 0);
    weft_unref(task);
    weft_test_loop_end();
}

Test(timeout, left_in_time_changes_nothing_and_leaves_no_timer)
{
    weft_future *task = weft_spawn(limited, .limit = WEFT_S(100), .work = WEFT_MS(10));
    cr_assert_eq(end_of(task), 0);
    cr_assert_not(frame(task)->expired);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_S(200))), 0);
    cr_assert_str_eq(test_trace, "ba");
    weft_unref(task);
    weft_test_loop_end();
}

Test(timeout, of_a_body_that_swallows_the_cancel_is_a_success)
{
    weft_future *task =
        weft_spawn(limited, .limit = WEFT_MS(10), .work = WEFT_S(1), .answer = SWALLOWS);
    cr_assert_eq(end_of(task), 0);
    cr_assert(frame(task)->expired);
    cr_assert_eq(frame(task)->left, 0);
    cr_assert_str_eq(test_trace, "Ba");
    weft_unref(task);
    weft_test_loop_end();
}

Test(timeout, of_a_body_that_fails_is_that_failure)
{
    weft_future *task =
        weft_spawn(limited, .limit = WEFT_MS(10), .work = WEFT_S(1), .answer = FAILS);
    cr_assert_eq(end_of(task), -EIO);
    cr_assert_eq(frame(task)->left, 0);
    weft_unref(task);
    weft_test_loop_end();
}

Test(timeout, without_limit_never_expires)
{
    weft_future *task = weft_spawn(limited, .limit = WEFT_FOREVER, .work = WEFT_S(1000));
    cr_assert_eq(weft_test_run(task), 0);
    weft_test_loop_end();
}

Test(timeout, of_zero_or_less_is_over_at_the_first_await)
{
    cr_assert_eq(weft_test_run(weft_spawn(limited, .limit = 0, .work = WEFT_S(1))), -ETIMEDOUT);
    cr_assert_eq(weft_test_run(weft_spawn(limited, .limit = -1, .work = WEFT_S(1))), -ETIMEDOUT);
    cr_assert_eq(weft_now(), 0);
    weft_test_loop_end();
}

/* ---- Other requests ---- */

Test(timeout, an_outer_cancel_wins_over_the_expiry)
{
    weft_future *task = weft_spawn(limited, .limit = WEFT_MS(10), .work = WEFT_S(1));
    weft_test_ticks(1);
    weft_unref(weft_call_at(WEFT_MS(10), cancel_it, task)); /* when the block has just asked */
    cr_assert_eq(end_of(task), -ECANCELED);
    cr_assert(frame(task)->expired);
    cr_assert_eq(frame(task)->during, 2);
    cr_assert_eq(frame(task)->left, 1);
    weft_unref(task);
    weft_test_loop_end();
}

Test(timeout, an_outer_cancel_before_the_expiry_is_no_timeout)
{
    weft_future *task = weft_spawn(limited, .limit = WEFT_MS(10), .work = WEFT_S(1));
    weft_test_ticks(1);
    cr_assert(weft_cancel(task));
    cr_assert_eq(end_of(task), -ECANCELED);
    cr_assert_not(frame(task)->expired);
    weft_unref(task);
    weft_test_loop_end();
}

/* Swallows what comes first, then waits in the block. */
struct deaf {
    WEFT_FRAME;
    bool in_block;
    weft_timeout *block;
    int status;
};

static WEFT_ASYNC(deaf)
{
    WEFT_BEGIN;
    if (self->in_block)
        self->block = weft_timeout_enter(WEFT_MS(10));
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
    weft_test_mark(self->status == -ECANCELED ? "x" : "-");
    if (!self->in_block)
        self->block = weft_timeout_enter(WEFT_MS(10));
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
    self->status = weft_timeout_exit(self->block, self->status);
    if (self->status < 0)
        WEFT_FAIL(self->status);
    WEFT_END;
}

Test(timeout, a_cancel_that_the_body_swallowed_still_wins)
{
    weft_future *task = weft_spawn(deaf, .in_block = true);
    weft_test_ticks(1);
    cr_assert(weft_cancel(task));
    cr_assert_eq(end_of(task), -ECANCELED);
    cr_assert_eq(weft_cancelling(task), 1);
    weft_unref(task);
    weft_test_loop_end();
}

Test(timeout, a_cancel_from_before_the_block_does_not_count)
{
    weft_future *task = weft_spawn(deaf);
    weft_test_ticks(1);
    cr_assert(weft_cancel(task));
    cr_assert_eq(end_of(task), -ETIMEDOUT);
    cr_assert_eq(weft_cancelling(task), 1);
    weft_unref(task);
    weft_test_loop_end();
}

Test(timeout, a_cancel_that_was_taken_back_does_not_count)
{
    weft_future *task = weft_spawn(deaf, .in_block = true);
    weft_test_ticks(1);
    cr_assert(weft_cancel(task));
    weft_test_ticks(1);
    cr_assert_eq(weft_uncancel(task), 0);
    cr_assert_eq(weft_test_run(task), -ETIMEDOUT);
    weft_test_loop_end();
}

Test(timeout, a_shutdown_is_no_timeout)
{
    weft_future *task = weft_spawn(limited, .limit = WEFT_S(1), .work = WEFT_S(2));
    weft_test_ticks(1);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(weft_future_status(task), -ECANCELED);
    weft_unref(task);
    weft_test_loop_end();
}

/* ---- Nested ---- */

struct nested {
    WEFT_FRAME;
    weft_ns outer_limit, inner_limit;
    bool outer_first; /* leave the outer one first */
    weft_timeout *outer, *inner;
    int status, inner_status;
};

static WEFT_ASYNC(nested)
{
    WEFT_BEGIN;
    self->outer = weft_timeout_enter(self->outer_limit);
    self->inner = weft_timeout_enter(self->inner_limit);
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
    if (self->outer_first)
        self->status = weft_timeout_exit(self->outer, self->status);
    self->inner_status = self->status = weft_timeout_exit(self->inner, self->status);
    weft_test_mark(self->status == -ETIMEDOUT ? "i" : "-");
    if (!self->outer_first)
        self->status = weft_timeout_exit(self->outer, self->status);
    weft_test_mark(self->status == -ETIMEDOUT ? "o" : "-");
    WEFT_RETURN(requests());
    WEFT_END;
}

static void ends(weft_future *task, const char *trace)
{
    *test_trace = '\0';
    cr_assert_eq(end_of(task), 0);
    cr_assert_str_eq(test_trace, trace);
    cr_assert_eq(weft_future_value(task).i64, 0);
    weft_unref(task);
}

Test(timeout, nested_the_inner_expires_alone)
{
    ends(weft_spawn(nested, .outer_limit = WEFT_MS(20), .inner_limit = WEFT_MS(10)), "io");
    cr_assert_eq(weft_now(), WEFT_MS(10));
    weft_test_loop_end();
}

Test(timeout, nested_the_outer_expires_alone)
{
    ends(weft_spawn(nested, .outer_limit = WEFT_MS(10), .inner_limit = WEFT_MS(20)), "-o");
    cr_assert_eq(weft_now(), WEFT_MS(10));
    weft_test_loop_end();
}

Test(timeout, nested_and_expiring_together_the_outer_one_times_out)
{
    ends(weft_spawn(nested, .outer_limit = WEFT_MS(10), .inner_limit = WEFT_MS(10)), "-o");
    weft_test_loop_end();
}

Test(timeout, blocks_left_in_the_wrong_order_each_take_back_their_own)
{
    ends(weft_spawn(nested, .outer_limit = WEFT_MS(20), .inner_limit = WEFT_MS(10),
                    .outer_first = true),
         "io");
    ends(weft_spawn(nested, .outer_limit = WEFT_MS(10), .inner_limit = WEFT_MS(20),
                    .outer_first = true),
         "io");
    ends(weft_spawn(nested, .outer_limit = WEFT_MS(10), .inner_limit = WEFT_MS(10),
                    .outer_first = true),
         "io");
    weft_test_loop_end();
}

/* ---- Not delivered ---- */

/* Gets what it waits for in the tick in which the time is over. */
struct just_in_time {
    WEFT_FRAME;
    weft_future *future; /* consumed */
    weft_timeout *block;
    int status, value, after;
    bool swallow_first;
};

static WEFT_ASYNC(just_in_time)
{
    WEFT_BEGIN;
    if (self->swallow_first)
        WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
    self->block = weft_timeout_enter_at(WEFT_MS(10));
    WEFT_CATCH_INTO(self->status, self->value, self->future);
    weft_test_mark(weft_timeout_expired(self->block) ? "e" : "-");
    self->status = weft_timeout_exit(self->block, self->status);
    weft_test_mark(self->status == 0 ? "v" : "x");
    WEFT_CATCH(self->after, weft_sleep(WEFT_MS(1)));
    weft_test_mark(self->after == 0 ? "a" : "X");
    WEFT_RETURN(self->value);
    WEFT_END;
}

static void resolve(void *future)
{
    cr_assert_eq(weft_future_resolve(future, weft_value_i64(5), NULL), 0);
    weft_unref(future);
}

static weft_future *resolved_at(weft_ns when)
{
    weft_future *future = weft_future_new();
    weft_unref(weft_call_at(when, resolve, weft_ref(future)));
    return future;
}

Test(timeout, a_result_that_comes_at_the_deadline_is_not_lost_and_no_cancel_stays)
{
    weft_future *task = weft_spawn(just_in_time, .future = resolved_at(WEFT_MS(10)));
    cr_assert_eq(end_of(task), 0);
    cr_assert_str_eq(test_trace, "eva");
    cr_assert_eq(weft_future_value(task).i64, 5);
    weft_unref(task);
    weft_test_loop_end();
}

Test(timeout, takes_its_undelivered_cancel_along_even_where_an_older_request_stands)
{
    weft_future *task =
        weft_spawn(just_in_time, .future = resolved_at(WEFT_MS(10)), .swallow_first = true);
    weft_test_ticks(1);
    cr_assert(weft_cancel(task));
    cr_assert_eq(end_of(task), 0);
    cr_assert_str_eq(test_trace, "eva");
    cr_assert_eq(weft_cancelling(task), 1);
    weft_unref(task);
    weft_test_loop_end();
}

Test(timeout, does_not_take_along_somebody_elses_undelivered_cancel)
{
    weft_future *task = weft_spawn(just_in_time, .future = resolved_at(WEFT_MS(10)));
    weft_test_ticks(1);
    weft_unref(weft_call_at(WEFT_MS(10), cancel_it, task));
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_str_eq(test_trace, "evX");
    weft_test_loop_end();
}

struct busy {
    WEFT_FRAME;
    weft_timeout *block;
    int status;
};

static WEFT_ASYNC(busy)
{
    WEFT_BEGIN;
    self->block = weft_timeout_enter(0);
    self->status = weft_timeout_exit(self->block, 0);
    cr_assert_eq(self->status, 0);
    WEFT_AWAIT(weft_sleep(WEFT_MS(1)));
    WEFT_END;
}

Test(timeout, cannot_expire_while_the_block_does_not_await)
{
    cr_assert_eq(weft_test_run(weft_spawn(busy)), 0);
    weft_test_loop_end();
}

/* ---- Rescheduled ---- */

/* Another deadline, set from outside while the block waits. */
static void expires_at(weft_ns when, weft_ns set_at, weft_ns deadline)
{
    weft_ns start = weft_now();
    weft_future *task = weft_spawn(limited, .limit = WEFT_MS(10), .work = WEFT_S(1));
    weft_test_ticks(1);
    cr_assert_eq(weft_timeout_when(frame(task)->block), start + WEFT_MS(10));
    cr_assert_eq(weft_test_run(weft_sleep(set_at)), 0);
    cr_assert_eq(weft_timeout_reschedule(frame(task)->block, deadline), 0);
    cr_assert_eq(weft_timeout_when(frame(task)->block), deadline);
    cr_assert_eq(weft_test_run(task), when == WEFT_S(1) ? 0 : -ETIMEDOUT);
    cr_assert_eq(weft_now(), start + when);
}

Test(timeout, rescheduled_to_a_later_time)
{
    expires_at(WEFT_MS(50), WEFT_MS(5), WEFT_MS(50));
    weft_test_loop_end();
}

Test(timeout, rescheduled_to_the_past_is_over_at_the_next_tick)
{
    expires_at(WEFT_MS(5), WEFT_MS(5), WEFT_MS(1));
    weft_test_loop_end();
}

Test(timeout, rescheduled_to_never_does_not_expire)
{
    expires_at(WEFT_S(1), WEFT_MS(5), WEFT_FOREVER);
    weft_test_loop_end();
}

/* The block's timer is queued behind the callback that puts it off. */
static void put_off(void *task)
{
    cr_assert_eq(weft_timeout_reschedule(frame(task)->block, WEFT_MS(20)), 0);
}

Test(timeout, rescheduled_in_the_tick_of_its_deadline_goes_on)
{
    weft_future *task = weft_spawn(limited, .limit = WEFT_MS(10), .work = WEFT_S(1));
    weft_unref(weft_call_at(WEFT_MS(10), put_off, task));
    cr_assert_eq(weft_test_run(task), -ETIMEDOUT);
    cr_assert_eq(weft_now(), WEFT_MS(20));
    weft_test_loop_end();
}

struct late {
    WEFT_FRAME;
    weft_timeout *block;
    int status;
};

static WEFT_ASYNC(late)
{
    WEFT_BEGIN;
    self->block = weft_timeout_enter(WEFT_MS(10));
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
    cr_assert_eq(weft_timeout_reschedule(self->block, WEFT_S(5)), -EALREADY);
    cr_assert_eq(weft_timeout_exit(self->block, self->status), -ETIMEDOUT);
    WEFT_END;
}

Test(timeout, that_expired_cannot_be_rescheduled)
{
    cr_assert_eq(weft_test_run(weft_spawn(late)), 0);
    weft_test_loop_end();
}
