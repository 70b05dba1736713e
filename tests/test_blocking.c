/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <pthread.h>
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
