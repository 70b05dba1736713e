/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <weft/blocking.h>
#include <weft/weft.h>

#include "tests/support/loop.h"

TestSuite(blocking, .init = weft_test_loop_begin, .timeout = 60);

Test(blocking, is_not_allowed_outside_of_a_block)
{
    cr_assert_null(weft_blocking_allowed());
    WEFT_ALLOW_BLOCKING("a test") {
        cr_assert_str_eq(weft_blocking_allowed(), "a test");
    }
    cr_assert_null(weft_blocking_allowed());
    weft_test_loop_end();
}

Test(blocking, runs_the_block_once_and_counts_it)
{
    uint64_t before = weft_blocking_scopes();
    int runs = 0;
    WEFT_ALLOW_BLOCKING("a test")
        runs++;
    cr_assert_eq(runs, 1);
    cr_assert_eq(weft_blocking_scopes(), before + 1);
    weft_test_loop_end();
}

Test(blocking, blocks_nest)
{
    WEFT_ALLOW_BLOCKING("outer") {
        WEFT_ALLOW_BLOCKING("inner") {
            cr_assert_str_eq(weft_blocking_allowed(), "inner");
        }
        cr_assert_str_eq(weft_blocking_allowed(), "outer");
    }
    cr_assert_null(weft_blocking_allowed());
    weft_test_loop_end();
}

Test(blocking, break_and_continue_leave_the_block_only)
{
    int rounds = 0;
    for (; rounds < 3; rounds++) {
        WEFT_ALLOW_BLOCKING("a test") {
            if (rounds == 1)
                break;
            if (rounds == 2)
                continue;
        }
        cr_assert_null(weft_blocking_allowed());
    }
    cr_assert_eq(rounds, 3);
    weft_test_loop_end();
}

static int return_from_within(void)
{
    WEFT_ALLOW_BLOCKING("a test") {
        return 42;
    }
    return 0;
}

Test(blocking, return_ends_the_block)
{
    cr_assert_eq(return_from_within(), 42);
    cr_assert_null(weft_blocking_allowed());
    weft_test_loop_end();
}

struct fails_within {
    WEFT_FRAME;
};

static WEFT_ASYNC(fails_within)
{
    WEFT_BEGIN;
    WEFT_ALLOW_BLOCKING("a test") {
        WEFT_FAIL(-EIO);
    }
    WEFT_FINALLY;
    cr_assert_null(weft_blocking_allowed());
    WEFT_END;
}

Test(blocking, a_failure_of_the_coroutine_ends_the_block)
{
    weft_future *failed = weft_spawn(fails_within);
    cr_assert_eq(weft_loop_run_until(weft_loop_current(), failed), -EIO);
    cr_assert_null(weft_blocking_allowed());
    weft_test_loop_end();
}

Test(blocking, an_end_closes_what_was_left_open_within_it)
{
    struct weft_blocking_scope outer, inner;
    weft_allow_blocking_begin(&outer, "outer");
    weft_allow_blocking_begin(&inner, NULL);
    cr_assert_str_eq(weft_blocking_allowed(), "no reason was given");
    weft_allow_blocking_end(&outer);
    cr_assert_null(weft_blocking_allowed());
    weft_allow_blocking_end(&inner);
    weft_allow_blocking_end(&outer);
    cr_assert_null(weft_blocking_allowed());
    weft_test_loop_end();
}

/* ---- What is left open ---- */

struct leaves_open {
    WEFT_FRAME;
    struct weft_blocking_scope scope;
};

static WEFT_ASYNC(leaves_open)
{
    WEFT_BEGIN;
    weft_allow_blocking_begin(&self->scope, "a test");
    WEFT_AWAIT(weft_sleep(1));
    cr_assert_null(weft_blocking_allowed());
    weft_allow_blocking_end(&self->scope);
    weft_allow_blocking_begin(&self->scope, "a test");
    WEFT_END;
}

Test(blocking, is_not_allowed_beyond_the_tick_and_the_loop_is_told)
{
    cr_assert_eq(weft_test_run(weft_spawn(leaves_open)), 0);
    cr_assert_null(weft_blocking_allowed());
    cr_assert_eq(test_reports.count, 2);
    cr_assert_eq(test_reports.status, -EPROTO);
    WEFT_ALLOW_BLOCKING("around a loop") {
        cr_assert_eq(weft_test_run(weft_sleep(1)), 0);
        cr_assert_str_eq(weft_blocking_allowed(), "around a loop");
    }
    cr_assert_eq(test_reports.count, 2);
    weft_test_loop_end();
}

static char left_by[32];

static void note_who(weft_loop *loop, const struct weft_error_report *report, void *arg)
{
    (void)loop;
    ++*(int *)arg;
    snprintf(left_by, sizeof(left_by), "%s", report->task ? report->task : "");
}

Test(blocking, is_not_allowed_beyond_the_step_in_debug_mode_which_names_the_task)
{
    weft_loop_free(test_loop);
    setenv("WEFT_DEBUG", "1", 1);
    test_loop = weft_loop_new(NULL);
    int reports = 0;
    weft_loop_set_error_handler(test_loop, note_who, &reports);
    cr_assert_eq(weft_test_run(weft_spawn(leaves_open)), 0);
    cr_assert_eq(reports, 2);
    cr_assert_str_eq(left_by, "leaves_open");
    weft_test_loop_end();
}

/* By longjmp() out of the block: its struct is gone. */
static jmp_buf out;

static void jump_out(void)
{
    WEFT_ALLOW_BLOCKING("a test") {
        longjmp(out, 1);
    }
}

static void jump(void *arg)
{
    if (setjmp(out) == 0)
        jump_out();
    *(int *)arg = 1;
}

Test(blocking, is_not_allowed_any_longer_after_a_longjmp)
{
    int jumped = 0;
    cr_assert_eq(weft_test_run(weft_call_soon(jump, &jumped)), 0);
    cr_assert_eq(jumped, 1);
    cr_assert_null(weft_blocking_allowed());
    cr_assert_eq(test_reports.count, 1);
    weft_test_loop_end();
}

static void *is_allowed(void *arg)
{
    (void)arg;
    return (void *)(uintptr_t)weft_blocking_allowed();
}

Test(blocking, is_allowed_to_this_thread_only)
{
    pthread_t thread;
    void *why = &thread;
    WEFT_ALLOW_BLOCKING("a test") {
        cr_assert_eq(pthread_create(&thread, NULL, is_allowed, NULL), 0);
        cr_assert_eq(pthread_join(thread, &why), 0);
    }
    cr_assert_null(why);
    weft_test_loop_end();
}
