/* SPDX-License-Identifier: MIT */
#include <weft/cleanup.h>

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <weft/weft.h>

#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/scope.h"
#include "tests/support/trace.h"

TestSuite(cleanup, .init = weft_test_loop_begin, .timeout = 20);

/* Cleans up, then awaits once more. */
struct tidy {
    WEFT_FRAME;
    weft_ns limit;
    int ms;           /* the clean-up takes so long */
    bool swallows;    /* it goes on when it is told to stop */
    bool asks_itself; /* to stop, before it begins */
    weft_cleanup *cleanup;
    int status;
};

static int during, behind; /* what the clean-up, and the await behind it, gave */
static weft_ns left_at;

static WEFT_ASYNC(tidy)
{
    WEFT_BEGIN;
    if (self->asks_itself)
        weft_cancel(weft_current_task());
    self->cleanup = weft_cleanup_enter(self->limit);
    WEFT_CATCH(self->status, weft_sleep(WEFT_MS(self->ms)));
    if (self->swallows)
        self->status = 0;
    during = weft_cleanup_exit(self->cleanup, self->status);
    left_at = weft_now();
    weft_test_mark("x");
    WEFT_CATCH(behind, weft_sleep(WEFT_MS(1)));
    WEFT_END;
}

static void pass(int ms)
{
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(ms))), 0);
}

/* ---- A request from elsewhere ---- */

Test(cleanup, keeps_a_cancel_until_the_first_await_behind_it)
{
    weft_future *task = weft_spawn(tidy, .limit = WEFT_S(1), .ms = 50);
    pass(10);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(weft_ref(task)), 0);
    cr_assert_eq(during, 0);
    cr_assert_eq(left_at, WEFT_MS(50));
    cr_assert_eq(behind, -ECANCELED);
    cr_assert_eq(weft_cancelling(task), 1);
    weft_unref(task);
    weft_test_loop_end();
}

Test(cleanup, is_not_interrupted_by_many_cancels)
{
    weft_future *task = weft_spawn(tidy, .limit = WEFT_FOREVER, .ms = 50);
    for (int i = 0; i < 10; i++) {
        pass(1);
        cr_assert(weft_cancel(task));
    }
    cr_assert_eq(weft_test_run(weft_ref(task)), 0);
    cr_assert_eq(during, 0);
    cr_assert_eq(left_at, WEFT_MS(50));
    cr_assert_eq(behind, -ECANCELED);
    weft_unref(task);
    weft_test_loop_end();
}

Test(cleanup, keeps_a_cancel_that_was_not_delivered_before)
{
    cr_assert_eq(weft_test_run(weft_spawn(tidy, .limit = WEFT_S(1), .ms = 50, .asks_itself = true)),
                 0);
    cr_assert_eq(during, 0);
    cr_assert_eq(behind, -ECANCELED);
    weft_test_loop_end();
}

Test(cleanup, forgets_a_cancel_that_is_taken_back)
{
    weft_future *task = weft_spawn(tidy, .limit = WEFT_S(1), .ms = 50);
    pass(10);
    cr_assert(weft_cancel(task));
    pass(10);
    cr_assert_eq(weft_uncancel(task), 0);
    cr_assert_eq(weft_test_run(weft_ref(task)), 0);
    cr_assert_eq(during, 0);
    cr_assert_eq(behind, 0);
    weft_unref(task);
    weft_test_loop_end();
}

Test(cleanup, without_a_cancel_changes_nothing)
{
    cr_assert_eq(weft_test_run(weft_spawn(tidy, .limit = WEFT_S(1), .ms = 50)), 0);
    cr_assert_eq(during, 0);
    cr_assert_eq(behind, 0);
    weft_test_loop_end();
}

/* ---- The time ---- */

Test(cleanup, whose_time_is_over_cannot_hang)
{
    weft_future *task = weft_spawn(tidy, .limit = WEFT_MS(20), .ms = 1000000);
    cr_assert_eq(weft_test_run(weft_ref(task)), 0);
    cr_assert_eq(during, -ETIMEDOUT);
    cr_assert_eq(left_at, WEFT_MS(20));
    cr_assert_eq(behind, 0, "its own request is answered");
    cr_assert_eq(weft_cancelling(task), 0, "and taken back");
    weft_unref(task);
    weft_test_loop_end();
}

Test(cleanup, whose_time_is_over_still_delivers_the_cancel_that_it_kept)
{
    weft_future *task = weft_spawn(tidy, .limit = WEFT_MS(20), .ms = 1000);
    pass(10);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(weft_ref(task)), 0);
    cr_assert_eq(during, -ETIMEDOUT);
    cr_assert_eq(behind, -ECANCELED);
    cr_assert_eq(weft_cancelling(task), 1);
    weft_unref(task);
    weft_test_loop_end();
}

Test(cleanup, that_goes_on_when_its_time_is_over_has_succeeded)
{
    cr_assert_eq(
        weft_test_run(weft_spawn(tidy, .limit = WEFT_MS(20), .ms = 1000, .swallows = true)), 0);
    cr_assert_eq(during, 0);
    cr_assert_eq(behind, 0);
    weft_test_loop_end();
}

Test(cleanup, of_no_time_is_over_at_its_first_await)
{
    cr_assert_eq(weft_test_run(weft_spawn(tidy, .limit = 0, .ms = 1000)), 0);
    cr_assert_eq(during, -ETIMEDOUT);
    cr_assert_eq(left_at, 0);
    weft_test_loop_end();
}

/* ---- In WEFT_FINALLY ---- */

struct polite {
    WEFT_FRAME;
    weft_cleanup *cleanup;
    int status;
};

static WEFT_ASYNC(polite)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_S(1000)));

    WEFT_FINALLY;
    weft_test_mark("f");
    self->cleanup = weft_cleanup_enter(WEFT_MS(100));
    WEFT_CATCH(self->status, weft_sleep(WEFT_MS(50)));
    self->status = weft_cleanup_exit(self->cleanup, self->status);
    weft_test_mark(self->status == 0 ? "F" : "!");
    WEFT_END;
}

Test(cleanup, of_a_cancelled_task_is_not_cut_short_by_the_next_cancel)
{
    weft_future *task = weft_spawn(polite);
    pass(10);
    cr_assert(weft_cancel(task));
    pass(10);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(weft_ref(task)), -ECANCELED);
    cr_assert_str_eq(test_trace, "fF");
    cr_assert_eq(weft_now(), WEFT_MS(60));
    weft_unref(task);
    weft_test_loop_end();
}

Test(cleanup, of_a_child_is_waited_for_by_its_scope)
{
    weft_scope *scope = weft_scope_open(NULL);
    weft_scope_spawn(scope, polite);
    pass(10);
    weft_scope_cancel(scope);
    weft_future *close = weft_scope_close(scope, 0);
    weft_test_ticks(3);
    cr_assert(weft_cancel(close));
    cr_assert_eq(weft_test_run(close), -ECANCELED);
    cr_assert_str_eq(test_trace, "fF");
    weft_scope_free(scope);
    weft_test_loop_end();
}

Test(cleanup, that_hangs_does_not_hang_the_shutdown)
{
    weft_future *task = weft_spawn(tidy, .limit = WEFT_MS(20), .ms = 1000000);
    weft_test_ticks(1);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(during, -ETIMEDOUT);
    cr_assert_eq(behind, -ECANCELED);
    weft_unref(task);
    weft_test_loop_end();
}

/* ---- Blocks within ---- */

struct holds {
    WEFT_FRAME;
    int how;
    weft_cleanup *cleanup, *inner;
    weft_timeout *timeout;
    weft_scope *scope;
    int status;
};

static WEFT_ASYNC(holds)
{
    WEFT_BEGIN;
    self->cleanup = weft_cleanup_enter(WEFT_S(100));
    if (self->how == 't') {
        self->timeout = weft_timeout_enter(WEFT_MS(20));
        WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
        self->status = weft_timeout_exit(self->timeout, self->status);
    } else if (self->how == 's') {
        self->scope = weft_scope_open(NULL);
        weft_scope_spawn(self->scope, test_child, .what = {.name = "x", .ms = 20, .fails = -EIO});
        WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
        WEFT_CATCH(self->status, weft_scope_close(self->scope, self->status));
    } else if (self->how == 'c') {
        self->inner = weft_cleanup_enter(WEFT_MS(20));
        WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
        self->status = weft_cleanup_exit(self->inner, self->status);
        if (self->status == -ETIMEDOUT)
            WEFT_CATCH(self->status, weft_sleep(WEFT_MS(30))); /* still shielded */
    } else if (self->how == 'w') {
        WEFT_CATCH(self->status, weft_wait_for(weft_spawn(polite), WEFT_MS(20)));
    }
    during = weft_cleanup_exit(self->cleanup, self->status);
    left_at = weft_now();
    WEFT_CATCH(behind, weft_sleep(WEFT_MS(1)));
    WEFT_END;
}

static void expect_within(int how, int status, int ms)
{
    weft_ns begin = weft_now();
    weft_future *task = weft_spawn(holds, .how = how);
    pass(10);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(weft_ref(task)), 0);
    cr_assert_eq(during, status, "%c: %d", how, during);
    cr_assert_eq(left_at - begin, WEFT_MS(ms));
    cr_assert_eq(behind, -ECANCELED);
    cr_assert_eq(weft_cancelling(task), 1);
    weft_unref(task);
}

Test(cleanup, lets_the_time_of_a_block_within_it_pass)
{
    expect_within('t', -ETIMEDOUT, 20);
    weft_test_loop_end();
}

Test(cleanup, lets_a_scope_within_it_cancel_its_body)
{
    expect_within('s', WEFT_EGROUP, 20);
    weft_test_loop_end();
}

Test(cleanup, within_a_clean_up_leaves_the_outer_one_shielded)
{
    expect_within('c', 0, 50);
    weft_test_loop_end();
}

Test(cleanup, lets_what_it_waits_for_be_cancelled)
{
    expect_within('w', -ETIMEDOUT, 70);
    weft_test_loop_end();
}

/* ---- Blocks around ---- */

struct limited {
    WEFT_FRAME;
    weft_cleanup *cleanup;
    weft_timeout *timeout;
    int status;
};

static WEFT_ASYNC(limited)
{
    WEFT_BEGIN;
    self->timeout = weft_timeout_enter(WEFT_MS(20));
    self->cleanup = weft_cleanup_enter(WEFT_S(1));
    WEFT_CATCH(self->status, weft_sleep(WEFT_MS(50)));
    during = weft_cleanup_exit(self->cleanup, self->status);
    WEFT_CATCH(self->status, weft_sleep(WEFT_MS(50)));
    left_at = weft_now();
    self->status = weft_timeout_exit(self->timeout, self->status);
    WEFT_CATCH(behind, weft_sleep(WEFT_MS(1)));
    WEFT_RETURN(self->status);
    WEFT_END;
}

Test(cleanup, keeps_off_the_time_of_a_block_around_it)
{
    weft_future *task = weft_spawn(limited);
    cr_assert_eq(weft_test_run(weft_ref(task)), 0);
    cr_assert_eq(during, 0);
    cr_assert_eq(left_at, WEFT_MS(50));
    cr_assert_eq(weft_future_value(task).i64, -ETIMEDOUT);
    cr_assert_eq(behind, 0);
    weft_unref(task);
    weft_test_loop_end();
}

/* ---- Calls ---- */

struct calls_tidy {
    WEFT_FRAME;
    int status;
};

static WEFT_ASYNC(calls_tidy)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_call(tidy, .limit = WEFT_S(1), .ms = 50));
    WEFT_CATCH(self->status, weft_sleep(WEFT_MS(1)));
    WEFT_RETURN(self->status);
    WEFT_END;
}

Test(cleanup, in_a_call_keeps_a_cancel_of_the_task)
{
    weft_future *task = weft_spawn(calls_tidy);
    pass(10);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(weft_ref(task)), 0);
    cr_assert_eq(during, 0);
    cr_assert_eq(left_at, WEFT_MS(50));
    cr_assert_eq(behind, -ECANCELED);
    cr_assert_eq(weft_future_value(task).i64, 0, "one request, one -ECANCELED");
    weft_unref(task);
    weft_test_loop_end();
}

/* ---- Misuse, memory ---- */

struct forgetful {
    WEFT_FRAME;
    weft_cleanup *cleanup;
};

static WEFT_ASYNC(forgetful)
{
    WEFT_BEGIN;
    self->cleanup = weft_cleanup_enter(WEFT_S(1));
    WEFT_AWAIT(weft_sleep(WEFT_MS(50)));
    WEFT_END;
}

struct calls_forgetful {
    WEFT_FRAME;
    int status;
};

static WEFT_ASYNC(calls_forgetful)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_call(forgetful));
    during = self->status;
    WEFT_CATCH(behind, weft_sleep(WEFT_MS(1)));
    WEFT_END;
}

Test(cleanup, that_is_never_left_ends_with_its_coroutine_and_is_reported)
{
    weft_future *task = weft_spawn(calls_forgetful);
    pass(10);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_eq(during, 0);
    cr_assert_eq(behind, -ECANCELED);
    cr_assert_eq(test_reports.count, 1);
    cr_assert_not_null(strstr(test_reports.what, "clean-up block"));
    cr_assert_str_eq(test_reports.task, "forgetful");
    weft_test_loop_end();
}

struct lends {
    WEFT_FRAME;
    weft_cleanup **cleanup;
};

static WEFT_ASYNC(lends)
{
    WEFT_BEGIN;
    *self->cleanup = weft_cleanup_enter(WEFT_S(1));
    WEFT_AWAIT(weft_sleep(WEFT_MS(50)));
    WEFT_END;
}

Test(cleanup, is_not_left_by_another_task)
{
    weft_cleanup *cleanup = NULL;
    weft_future *task = weft_spawn(lends, .cleanup = &cleanup);
    weft_test_ticks(1);
    cr_assert_eq(weft_cleanup_exit(cleanup, 0), -EINVAL);
    cr_assert_eq(weft_cleanup_exit(cleanup, -EIO), -EIO);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_eq(weft_now(), WEFT_MS(50));
    cr_assert_eq(test_reports.count, 1, "nobody left it");
    weft_test_loop_end();
}

Test(cleanup, outside_of_a_coroutine_is_refused)
{
    errno = 0;
    cr_assert_null(weft_cleanup_enter(WEFT_S(1)));
    cr_assert_eq(errno, EINVAL);
    cr_assert_eq(weft_cleanup_exit(NULL, 0), -EINVAL);
    cr_assert_eq(weft_cleanup_exit(NULL, -EIO), -EIO);
    weft_test_loop_end();
}

static int tidy_up(void)
{
    weft_future *task = weft_spawn(tidy, .limit = WEFT_S(1), .ms = 5);
    during = behind = 0;
    int status = weft_test_run(task);
    if (status == 0)
        status = during < 0 ? during : behind;
    return status;
}

Test(cleanup, survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(tidy_up);
    weft_test_loop_end();
}
