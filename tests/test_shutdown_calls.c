/* SPDX-License-Identifier: MIT */
/* Calls and continuations that are left over when a loop shuts down. */
#include <criterion/criterion.h>
#include <errno.h>
#include <weft/weft.h>

#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(shutdown_calls, .init = weft_test_loop_begin, .timeout = 60);

static const struct weft_shutdown_options one_second = {.tasks_timeout = WEFT_S(1)};
/* For calls that never let virtual time go on: then real time counts. */
static const struct weft_shutdown_options soon = {.tasks_timeout = WEFT_MS(1)};

static void count_call(void *arg)
{
    ++*(int *)arg;
}

Test(shutdown_calls, does_not_make_calls_whose_time_has_not_come)
{
    int calls = 0;
    weft_future *later = weft_call_later(WEFT_S(1), count_call, &calls);
    weft_unref(weft_call_later(WEFT_S(1), count_call, &calls));
    weft_future *wait = weft_wait_for(weft_future_new(), WEFT_S(1));
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(calls, 0);
    cr_assert(weft_is_cancelled(later));
    cr_assert(weft_is_cancelled(wait));
    weft_unref(later);
    weft_unref(wait);
    weft_test_loop_end();
}

Test(shutdown_calls, makes_calls_that_were_posted)
{
    int calls = 0;
    cr_assert_eq(weft_post(test_loop, count_call, &calls), 0);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(calls, 1);
    cr_assert_eq(weft_post(test_loop, count_call, &calls), -ESHUTDOWN);
    weft_test_loop_end();
}

static void call_again(void *arg)
{
    ++*(int *)arg;
    weft_unref(weft_call_soon(call_again, arg));
}

Test(shutdown_calls, ends_though_a_call_asks_for_itself_again_and_again)
{
    int calls = 0;
    weft_unref(weft_call_soon(call_again, &calls));
    weft_test_ticks(3);
    cr_assert_eq(weft_loop_shutdown(test_loop, &soon, NULL), 0);
    weft_test_loop_end();
}

static void beat(weft_future *timer, void *arg)
{
    (void)timer;
    ++*(int *)arg;
    weft_future *next = weft_sleep(WEFT_S(1));
    if (weft_then(next, beat, arg) < 0)
        weft_unref(next);
}

Test(shutdown_calls, ends_though_a_continuation_arms_itself_again_and_again)
{
    int beats = 0;
    cr_assert_eq(weft_then(weft_sleep(WEFT_S(1)), beat, &beats), 0);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(2500))), 0);
    cr_assert_eq(beats, 2);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    weft_test_loop_end();
}

/* Waits for ever, whatever is asked of it. */
struct rock {
    WEFT_FRAME;
    int status;
};

static WEFT_ASYNC(rock)
{
    WEFT_BEGIN;
    for (;;)
        WEFT_CATCH(self->status, weft_future_new());
    WEFT_END;
}

static void start_task(weft_future *timer, void *arg)
{
    (void)timer;
    (void)arg;
    weft_unref(weft_spawn(rock));
}

Test(shutdown_calls, leaks_no_task_that_a_continuation_starts_at_the_very_end)
{
    cr_assert_eq(weft_then(weft_sleep(WEFT_S(1)), start_task, NULL), 0);
    cr_assert_eq(weft_loop_shutdown(test_loop, &one_second, NULL), 0);
    weft_test_loop_end();
}
