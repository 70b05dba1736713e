/* SPDX-License-Identifier: MIT */
/* Closing a scope: in WEFT_FINALLY, again, by way of a combinator, with very many children. */
#include <weft/scope.h>

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <weft/weft.h>

#include "tests/support/loop.h"
#include "tests/support/scope.h"
#include "tests/support/trace.h"

TestSuite(scope_close, .init = weft_test_loop_begin, .timeout = 120);

/* ---- Closing by the macro ---- */

struct closes {
    WEFT_FRAME;
    int how;
    int status;
    weft_scope *scope;
};

static WEFT_ASYNC(closes)
{
    WEFT_BEGIN;
    if (self->how == 0)
        WEFT_FAIL(-EIO, "%s", "before it was opened");
    if (self->how == 1)
        WEFT_RETURN(1);
    self->scope = weft_scope_open(NULL);
    weft_scope_add(self->scope, weft_future_failed(-EPIPE, NULL));
    if (self->how == 2)
        WEFT_SCOPE_CLOSE(self->scope); /* fails */
    if (self->how == 3)
        WEFT_CATCH(self->status, weft_scope_close(self->scope, 0));
    weft_test_mark("b");
    WEFT_RETURN(3);

    WEFT_FINALLY;
    WEFT_SCOPE_CLOSE(self->scope);
    weft_test_mark("f");
    WEFT_END;
}

Test(scope_close, close_of_what_was_never_opened_keeps_the_failure_of_the_body)
{
    weft_future *task = weft_spawn(closes, .how = 0);
    cr_assert_eq(weft_test_run(weft_ref(task)), -EIO);
    cr_assert_str_eq(weft_message(task), "before it was opened");
    cr_assert_str_eq(test_trace, "f");
    weft_unref(task);
    weft_test_loop_end();
}

Test(scope_close, close_of_what_was_never_opened_is_a_failure_where_the_body_succeeds)
{
    cr_assert_eq(weft_test_run(weft_spawn(closes, .how = 1)), -ENOMEM);
    cr_assert_str_eq(test_trace, "f");
    weft_test_loop_end();
}

Test(scope_close, close_in_the_body_fails_there)
{
    cr_assert_eq(weft_test_run(weft_spawn(closes, .how = 2)), WEFT_EGROUP);
    cr_assert_str_eq(test_trace, "f");
    weft_test_loop_end();
}

Test(scope_close, close_of_what_is_closed_leaves_the_outcome_alone)
{
    cr_assert_eq(weft_test_run(weft_spawn(closes, .how = 3)), 0);
    cr_assert_str_eq(test_trace, "bf");
    weft_test_loop_end();
}

Test(scope_close, close_again_gives_the_same_future)
{
    weft_scope *scope = weft_scope_open(NULL);
    weft_scope_spawn(scope, test_child, .what = {.name = "x", .ms = 100});
    weft_future *one = weft_scope_close(scope, 0);
    weft_future *two = weft_scope_close(scope, -EIO);
    cr_assert_eq(one, two);
    cr_assert_eq(weft_test_run(one), WEFT_EGROUP, "the failure that came later counts too");
    cr_assert_eq(weft_now(), 0, "and cancelled the child");
    cr_assert_eq(weft_test_run(two), WEFT_EGROUP);
    weft_scope_free(scope);
    weft_test_loop_end();
}

/* ---- Closing within a combinator ---- */

struct goes_on {
    WEFT_FRAME;
    int how;
    int status;
    weft_scope *scope;
};

static WEFT_ASYNC(goes_on)
{
    WEFT_BEGIN;
    self->scope = weft_scope_open(NULL);
    weft_scope_spawn(self->scope, test_child, .what = {.name = "x", .ms = 100, .cleanup_ms = 10});
    if (self->how == 's')
        WEFT_AWAIT(weft_shield(weft_scope_close(self->scope, 0)));
    if (self->how == 'g')
        WEFT_AWAIT(weft_gather(weft_scope_close(self->scope, 0), weft_future_failed(-EIO, NULL)));
    if (self->how == 'w')
        WEFT_AWAIT(weft_wait_for(weft_scope_close(self->scope, 0), WEFT_MS(20)));

    WEFT_FINALLY;
    weft_test_mark("f");
    WEFT_SCOPE_CLOSE(self->scope);
    weft_test_mark("F");
    WEFT_END;
}

static int end_of(int how, bool cancel)
{
    test_trace[0] = 0;
    weft_future *task = weft_spawn(goes_on, .how = how);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(5))), 0);
    if (cancel)
        cr_assert(weft_cancel(task));
    return weft_test_run(task);
}

Test(scope_close, close_that_was_shielded_is_waited_for_in_the_clean_up)
{
    cr_assert_eq(end_of('s', true), -ECANCELED, "and the cancel is not lost");
    cr_assert_str_eq(test_trace, "xf!F");
    weft_test_loop_end();
}

Test(scope_close, close_beside_a_failure_is_waited_for_in_the_clean_up)
{
    cr_assert_eq(end_of('g', false), WEFT_EGROUP);
    cr_assert_str_eq(test_trace, "xf!F");
    weft_test_loop_end();
}

Test(scope_close, close_with_a_limit_of_time_cancels_the_children_and_waits)
{
    cr_assert_eq(end_of('w', false), -ETIMEDOUT);
    cr_assert_str_eq(test_trace, "x!fF");
    weft_test_loop_end();
}

/* ---- Many ---- */

struct crowd {
    WEFT_FRAME;
    int count, fails;
    weft_scope *scope;
};

static WEFT_ASYNC(crowd)
{
    WEFT_BEGIN;
    self->scope = weft_scope_open(NULL);
    for (int i = 0; i < self->count; i++)
        weft_scope_add(self->scope, self->fails ? weft_future_failed(-EIO, NULL) : weft_sleep(1));
    WEFT_AWAIT(weft_scope_close(self->scope, 0));
    WEFT_END;
}

/* 100,000 × 100,000 steps would not end within the suite's limit. */
Test(scope_close, of_100000_children_takes_linear_time)
{
    cr_assert_eq(weft_test_run(weft_spawn(crowd, .count = 100000)), 0);
    weft_future *task = weft_spawn(crowd, .count = 100000, .fails = 1);
    cr_assert_eq(weft_test_run(weft_ref(task)), WEFT_EGROUP);
    cr_assert_eq(weft_errors_count(weft_future_errors(task)), 100000);
    weft_unref(task);
    task = weft_spawn(crowd, .count = 100000);
    weft_test_ticks(1);
    weft_cancel(task);
    cr_assert_eq(weft_test_run(task), -ECANCELED);
    weft_test_loop_end();
}

/* ---- Cancelled twice, and what a scope cannot wait for ---- */

Test(scope_close, cancelled_twice_cancels_each_child_once_and_closes_with_0)
{
    weft_scope *scope = weft_scope_open(NULL);
    weft_future *child =
        test_child_spawn(scope, &(struct test_role){.name = "x", .ms = 100, .cleanup_ms = 10});
    weft_test_ticks(1);
    weft_scope_cancel(scope);
    weft_test_ticks(2);
    weft_scope_cancel(scope);
    cr_assert_eq(weft_cancelling(child), 1);
    cr_assert_eq(weft_test_run(weft_scope_close(scope, 0)), 0);
    cr_assert_eq(weft_now(), WEFT_MS(10), "the clean-up was not interrupted");
    weft_scope_free(scope);
    weft_test_loop_end();
}

static void *add_foreign(void *foreign)
{
    weft_loop *loop = weft_loop_new(NULL);
    cr_assert_not_null(loop);
    weft_scope *scope = weft_scope_open(NULL);
    weft_future *added = weft_scope_add(scope, foreign);
    cr_assert_neq(added, foreign);
    cr_assert_eq(weft_future_status(added), -EXDEV);
    cr_assert_eq(weft_loop_run_until(loop, weft_scope_close(scope, 0)), WEFT_EGROUP);
    cr_assert(weft_errors_has(weft_scope_errors(scope), -EXDEV));
    added = weft_scope_add(scope, foreign); /* and to one that is closed */
    cr_assert_eq(weft_future_status(added), WEFT_ECLOSED);
    weft_scope_free(scope);
    weft_loop_free(loop);
    return NULL;
}

Test(scope_close, future_of_another_loop_is_a_child_that_fails_and_its_reference_stays)
{
    pthread_t thread;
    weft_future *foreign = weft_future_new();
    cr_assert_eq(pthread_create(&thread, NULL, add_foreign, foreign), 0);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    cr_assert_not(weft_is_done(foreign), "nor is it cancelled");
    weft_unref(foreign);
    weft_test_loop_end();
}
