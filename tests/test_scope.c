/* SPDX-License-Identifier: MIT */
/* Scopes: children, failures, results. Cancelling them is in test_scope_cancel.c, misuse and the end
 * of the loop in test_scope_end.c. */
#include <weft/scope.h>

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/scope.h"
#include "tests/support/trace.h"

TestSuite(scope, .init = weft_test_loop_begin, .timeout = 20);

/* ---- Closing ---- */

struct two {
    WEFT_FRAME;
    struct weft_scope_options options;
    struct test_role first, second; /* what the children do; nothing with a NULL name */
    int body_ms, body;              /* the body sleeps, then fails with this */
    int status;
    weft_scope *scope;
};

static WEFT_ASYNC(two)
{
    WEFT_BEGIN;
    self->scope = weft_scope_open(&self->options);
    if (self->first.name)
        test_child_spawn(self->scope, &self->first);
    if (self->second.name)
        test_child_spawn(self->scope, &self->second);
    if (self->body_ms) {
        WEFT_CATCH(self->status, weft_sleep(WEFT_MS(self->body_ms)));
        weft_test_mark(self->status == 0 ? "B" : "b");
        if (self->status < 0)
            WEFT_FAIL(self->status);
    }
    if (self->body < 0)
        WEFT_FAIL(self->body, "%s", "the body");

    WEFT_FINALLY;
    WEFT_SCOPE_CLOSE(self->scope);
    weft_test_mark(".");
    WEFT_END;
}

static weft_future *run_two(struct two what)
{
    weft_future *task =
        weft_spawn(two, .options = what.options, .first = what.first, .second = what.second,
                   .body_ms = what.body_ms, .body = what.body);
    (void)weft_test_run(weft_ref(task));
    return task;
}

Test(scope, closes_when_all_children_have_ended)
{
    weft_future *task =
        run_two((struct two){.first = {.name = "x", .ms = 20}, .second = {.name = "y", .ms = 10}});
    cr_assert_eq(weft_future_status(task), 0);
    cr_assert_str_eq(test_trace, "xyYX.");
    cr_assert_eq(weft_now(), WEFT_MS(20));
    weft_unref(task);
    weft_test_loop_end();
}

Test(scope, without_children_closes_at_once)
{
    weft_future *task = run_two((struct two){.first = {0}});
    cr_assert_eq(weft_future_status(task), 0);
    cr_assert_eq(weft_now(), 0);
    weft_unref(task);
    weft_test_loop_end();
}

struct values {
    WEFT_FRAME;
    weft_scope *scope;
    weft_future *number, *text; /* borrowed from the scope */
};

struct gives {
    WEFT_FRAME;
    int what;
};

static WEFT_ASYNC(gives)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_MS(1)));
    if (self->what == 0)
        WEFT_RETURN(7);
    WEFT_RETURN(strdup("seven"), free);
    WEFT_END;
}

static WEFT_ASYNC(values)
{
    WEFT_BEGIN;
    self->scope = weft_scope_open(NULL);
    self->number = weft_scope_spawn(self->scope, gives, .what = 0);
    self->text = weft_scope_spawn(self->scope, gives, .what = 1);
    WEFT_AWAIT(weft_scope_close(self->scope, 0));
    cr_assert_eq(weft_future_value(self->number).i64, 7);
    cr_assert_str_eq(weft_future_value(self->text).ptr, "seven");
    WEFT_END;
}

Test(scope, keeps_its_children_until_it_is_freed_with_its_coroutine)
{
    cr_assert_eq(weft_test_run(weft_spawn(values)), 0);
    weft_test_loop_end();
}

struct forgetful {
    WEFT_FRAME;
    int n;
    size_t blocks;
    weft_scope *scope;
};

static WEFT_ASYNC(forgetful)
{
    WEFT_BEGIN;
    self->scope = weft_scope_open(&(struct weft_scope_options){.forgets = true});
    for (self->n = 0; self->n < 10; self->n++) {
        weft_scope_spawn(self->scope, gives, .what = 1);
        WEFT_AWAIT(weft_sleep(WEFT_MS(5)));
        if (self->n == 0)
            self->blocks = weft_test_heap_live();
    }
    cr_assert_eq(weft_test_heap_live(), self->blocks);
    cr_assert_eq(weft_scope_count(self->scope), 0);
    WEFT_AWAIT(weft_scope_close(self->scope, 0));
    WEFT_END;
}

Test(scope, that_forgets_drops_a_child_when_it_has_ended)
{
    cr_assert_eq(weft_test_run(weft_spawn(forgetful)), 0);
    weft_test_loop_end();
}

struct many {
    WEFT_FRAME;
    int n;
    weft_scope *scope;
};

static WEFT_ASYNC(many)
{
    WEFT_BEGIN;
    for (self->n = 0; self->n < 100; self->n++) {
        self->scope = weft_scope_open(NULL);
        weft_scope_spawn(self->scope, gives, .what = 1);
        WEFT_AWAIT(weft_scope_close(self->scope, 0));
        weft_scope_free(self->scope);
    }
    cr_assert_leq(weft_test_heap_live(), 40);
    WEFT_END;
}

Test(scope, can_be_freed_before_its_coroutine_ends)
{
    cr_assert_eq(weft_test_run(weft_spawn(many)), 0);
    weft_test_loop_end();
}

/* ---- = The first child that fails aborts ---- */

Test(scope, first_child_that_fails_while_the_body_runs_cancels_siblings_and_body)
{
    weft_future *task = run_two((struct two){.first = {.name = "x", .ms = 10, .fails = -EIO},
                                             .second = {.name = "y", .ms = 100},
                                             .body_ms = 50});
    cr_assert_eq(weft_future_status(task), WEFT_EGROUP);
    cr_assert_str_eq(test_trace, "xyX!b.", "%s", test_trace);
    cr_assert_eq(weft_now(), WEFT_MS(10));
    cr_assert_eq(weft_cancelling(task), 0, "the scope took its request back");
    const weft_errors *errors = weft_future_errors(task);
    cr_assert_eq(weft_errors_count(errors), 1);
    cr_assert_eq(weft_errors_status(errors, 0), -EIO);
    cr_assert_str_eq(weft_errors_message(errors, 0), "x failed");
    weft_unref(task);
    weft_test_loop_end();
}

struct counts {
    WEFT_FRAME;
    int cancels, status;
    weft_scope *scope;
};

static WEFT_ASYNC(counts)
{
    WEFT_BEGIN;
    self->scope = weft_scope_open(NULL);
    for (int i = 0; i < 5; i++)
        weft_scope_add(self->scope, weft_future_failed(-EIO, NULL));
    weft_scope_spawn(self->scope, test_child,
                     .what = {.name = "x", .ms = 100, .cleanup_ms = 10, .cleanup = -EBUSY});
    do {
        WEFT_CATCH(self->status, weft_sleep(WEFT_MS(50)));
        self->cancels += self->status == -ECANCELED;
    } while (self->status < 0);
    cr_assert_eq(weft_cancelling(weft_current_task()), 1);
    weft_scope_cancel(self->scope);
    WEFT_CATCH(self->status, weft_scope_close(self->scope, 0));
    cr_assert_eq(self->status, WEFT_EGROUP);
    WEFT_RETURN(self->cancels);
    WEFT_END;
}

Test(scope, cancels_the_body_once_however_many_children_fail)
{
    weft_future *task = weft_spawn(counts);
    cr_assert_eq(weft_test_run(weft_ref(task)), 0);
    cr_assert_eq(weft_future_value(task).i64, 1);
    cr_assert_eq(weft_cancelling(task), 0);
    weft_unref(task);
    weft_test_loop_end();
}

Test(scope, child_that_fails_while_it_closes_cancels_the_siblings)
{
    weft_future *task = run_two((struct two){.first = {.name = "x", .ms = 10, .fails = -EIO},
                                             .second = {.name = "y", .ms = 100}});
    cr_assert_eq(weft_future_status(task), WEFT_EGROUP);
    cr_assert_str_eq(test_trace, "xyX!.", "%s", test_trace);
    cr_assert_eq(weft_now(), WEFT_MS(10));
    cr_assert_eq(weft_cancelling(task), 0);
    weft_unref(task);
    weft_test_loop_end();
}

Test(scope, cancellation_of_a_child_is_no_failure)
{
    weft_future *task = run_two((struct two){.first = {.name = "x", .ms = 10, .fails = -ECANCELED},
                                             .second = {.name = "y", .ms = 20}});
    cr_assert_eq(weft_future_status(task), 0);
    cr_assert_str_eq(test_trace, "xyXY.");
    weft_unref(task);
    weft_test_loop_end();
}

Test(scope, waits_for_the_clean_up_of_the_children_it_cancelled)
{
    weft_future *task =
        run_two((struct two){.first = {.name = "x", .ms = 10, .fails = -EIO},
                             .second = {.name = "y", .ms = 100, .cleanup_ms = 500}});
    cr_assert_eq(weft_future_status(task), WEFT_EGROUP);
    cr_assert_eq(weft_now(), WEFT_MS(510));
    weft_unref(task);
    weft_test_loop_end();
}

/* ---- = The group error keeps every status and message ---- */

Test(scope, children_that_fail_in_the_same_tick_are_all_kept)
{
    weft_future *task = run_two((struct two){.first = {.name = "x", .ms = 10, .fails = -EIO},
                                             .second = {.name = "y", .ms = 10, .fails = -EPIPE}});
    const weft_errors *errors = weft_future_errors(task);
    cr_assert_eq(weft_future_status(task), WEFT_EGROUP);
    cr_assert_eq(weft_errors_count(errors), 2);
    cr_assert_eq(weft_errors_status(errors, 0), -EIO);
    cr_assert_eq(weft_errors_status(errors, 1), -EPIPE);
    cr_assert_str_eq(weft_errors_name(errors, 1), "test_child");
    cr_assert_not_null(strstr(weft_errors_spawned_at(errors, 1), "scope.c:"));
    cr_assert_eq(strncmp(weft_message(task), "2 of 2 failed: test_child at scope.c:", 36), 0, "%s",
                 weft_message(task));
    weft_unref(task);
    weft_test_loop_end();
    cr_assert_eq(test_reports.count, 0);
}

Test(scope, failure_in_a_childs_clean_up_after_the_abort_is_kept)
{
    weft_future *task = run_two(
        (struct two){.first = {.name = "x", .ms = 10, .fails = -EIO},
                     .second = {.name = "y", .ms = 100, .cleanup_ms = 5, .cleanup = -EBUSY}});
    const weft_errors *errors = weft_future_errors(task);
    cr_assert_eq(weft_errors_count(errors), 2);
    cr_assert_eq(weft_errors_status(errors, 1), -EBUSY);
    cr_assert_str_eq(weft_errors_message(errors, 1), "clean-up of y");
    weft_unref(task);
    weft_test_loop_end();
}

Test(scope, failure_of_the_body_cancels_the_children_and_is_the_last_of_the_group)
{
    weft_future *task = run_two((struct two){
        .first = {.name = "x", .ms = 100, .cleanup = -EBUSY}, .body = -EPERM, .body_ms = 1});
    const weft_errors *errors = weft_future_errors(task);
    cr_assert_eq(weft_future_status(task), WEFT_EGROUP);
    cr_assert_eq(weft_errors_count(errors), 2);
    cr_assert_eq(weft_errors_status(errors, 0), -EBUSY);
    cr_assert_eq(weft_errors_status(errors, 1), -EPERM);
    cr_assert_str_eq(weft_errors_message(errors, 1), "the body");
    cr_assert_str_eq(weft_errors_name(errors, 1), "two");
    weft_unref(task);
    weft_test_loop_end();
}

Test(scope, failure_of_the_body_alone_is_a_group_of_one)
{
    weft_future *task = run_two((struct two){.body = -EPERM});
    cr_assert_eq(weft_future_status(task), WEFT_EGROUP);
    cr_assert_eq(weft_errors_count(weft_future_errors(task)), 1);
    cr_assert_not_null(strstr(weft_message(task), "1 of 1 failed: two at test_scope.c:"));
    cr_assert_not_null(strstr(weft_message(task), ": EPERM: the body"));
    weft_unref(task);
    weft_test_loop_end();
}

Test(scope, errors_can_be_looked_at_while_it_is_open)
{
    weft_scope *scope = weft_scope_open(NULL);
    cr_assert_null(weft_scope_errors(scope));
    weft_scope_spawn(scope, test_child, .what = {.name = "x", .fails = -EIO});
    weft_test_ticks(3);
    cr_assert_eq(weft_errors_status(weft_scope_errors(scope), 0), -EIO);
    cr_assert_eq(weft_test_run(weft_scope_close(scope, 0)), WEFT_EGROUP);
    weft_scope_free(scope);
    weft_test_loop_end();
}

/* ---- = Children may be added until it has closed, also by children ---- */

struct family {
    WEFT_FRAME;
    weft_scope *scope;
    int generation;
};

static WEFT_ASYNC(family)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_MS(1)));
    weft_test_mark("c");
    if (self->generation < 3)
        weft_scope_spawn(self->scope, family, .scope = self->scope,
                         .generation = self->generation + 1);
    WEFT_END;
}

Test(scope, children_may_add_children_while_it_closes)
{
    weft_scope *scope = weft_scope_open(NULL);
    weft_scope_spawn(scope, family, .scope = scope);
    cr_assert_eq(weft_test_run(weft_scope_close(scope, 0)), 0);
    cr_assert_str_eq(test_trace, "cccc");
    cr_assert_eq(weft_now(), WEFT_MS(4));
    weft_scope_free(scope);
    weft_test_loop_end();
}

Test(scope, refuses_children_when_it_is_closed)
{
    weft_scope *scope = weft_scope_open(NULL);
    weft_future *future = weft_future_new();
    cr_assert_eq(weft_test_run(weft_scope_close(scope, 0)), 0);
    weft_future *refused = weft_scope_spawn(scope, test_child, .what = {.name = "x"});
    cr_assert_eq(weft_future_status(refused), WEFT_ECLOSED);
    cr_assert_eq(weft_future_status(weft_scope_add(scope, weft_ref(future))), WEFT_ECLOSED);
    cr_assert(weft_is_cancelled(future), "it is cancelled, not lost");
    cr_assert_eq(weft_test_run(weft_scope_start(scope, test_child, .what = {.name = "x"})),
                 WEFT_ECLOSED);
    weft_test_ticks(2);
    cr_assert_str_eq(test_trace, "");
    weft_unref(future);
    weft_scope_free(scope);
    weft_test_loop_end();
    cr_assert_eq(test_reports.count, 0);
}

Test(scope, refuses_tasks_while_it_aborts)
{
    weft_scope *scope = weft_scope_open(NULL);
    weft_scope_spawn(scope, test_child, .what = {.name = "x", .ms = 100, .cleanup_ms = 10});
    weft_test_ticks(1);
    weft_scope_cancel(scope);
    weft_future *refused = weft_scope_spawn(scope, test_child, .what = {.name = "y"});
    cr_assert_eq(weft_future_status(refused), -ECANCELED);
    cr_assert_eq(weft_test_run(weft_scope_close(scope, 0)), 0);
    cr_assert_str_eq(test_trace, "x!");
    weft_scope_free(scope);
    weft_test_loop_end();
}

Test(scope, that_aborts_cancels_a_future_that_is_added_and_waits_for_it)
{
    weft_scope *scope = weft_scope_open(NULL);
    weft_future *task = weft_spawn(test_child, .what = {.name = "x", .ms = 100, .cleanup_ms = 50});
    weft_test_ticks(1);
    weft_scope_cancel(scope);
    cr_assert_eq(weft_scope_add(scope, task), task);
    cr_assert_eq(weft_test_run(weft_scope_close(scope, 0)), 0);
    cr_assert_eq(weft_now(), WEFT_MS(50));
    weft_scope_free(scope);
    weft_test_loop_end();
}

/* ---- Futures as children ---- */

Test(scope, waits_for_a_future_that_was_added)
{
    weft_scope *scope = weft_scope_open(NULL);
    weft_scope_add(scope, weft_sleep(WEFT_MS(30)));
    cr_assert_eq(weft_scope_count(scope), 1);
    cr_assert_eq(weft_test_run(weft_scope_close(scope, 0)), 0);
    cr_assert_eq(weft_now(), WEFT_MS(30));
    weft_scope_free(scope);
    weft_test_loop_end();
}

Test(scope, takes_futures_that_are_done_or_failed_already)
{
    weft_scope *scope = weft_scope_open(NULL);
    weft_future *done = weft_future_new();
    cr_assert_eq(weft_future_resolve(done, weft_value_ptr(malloc(1)), free), 0);
    weft_scope_add(scope, done);
    weft_scope_add(scope, weft_future_failed(-EIO, "%s", "disk"));
    cr_assert_eq(weft_scope_count(scope), 2, "nothing happens inside the call");
    weft_future *sleeps = weft_scope_add(scope, weft_sleep(WEFT_S(1)));
    cr_assert_eq(weft_test_run(weft_scope_close(scope, 0)), WEFT_EGROUP);
    cr_assert_str_eq(weft_errors_message(weft_scope_errors(scope), 0), "disk");
    cr_assert(weft_is_cancelled(sleeps));
    cr_assert_eq(weft_now(), 0);
    weft_scope_free(scope);
    weft_test_loop_end();
}

Test(scope, future_may_be_a_child_of_two_scopes)
{
    weft_scope *one = weft_scope_open(NULL), *two = weft_scope_open(NULL);
    weft_future *task = weft_spawn(test_child, .what = {.name = "x", .ms = 100});
    weft_scope_add(one, weft_ref(task));
    weft_scope_add(two, task);
    weft_scope_add(one, weft_future_failed(-EIO, NULL));
    cr_assert_eq(weft_test_run(weft_scope_close(one, 0)), WEFT_EGROUP);
    cr_assert_eq(weft_test_run(weft_scope_close(two, 0)), 0, "cancellation is no failure");
    weft_scope_free(one);
    weft_scope_free(two);
    weft_test_loop_end();
}

Test(scope, future_that_cannot_be_awaited_is_a_child_that_fails)
{
    weft_scope *scope = weft_scope_open(NULL);
    weft_scope_add(scope, NULL);
    cr_assert_eq(weft_test_run(weft_scope_close(scope, 0)), WEFT_EGROUP);
    cr_assert_eq(weft_errors_status(weft_scope_errors(scope), 0), -EINVAL);
    weft_scope_free(scope);
    weft_test_loop_end();
}

struct adds_itself {
    WEFT_FRAME;
    weft_scope *scope;
};

static WEFT_ASYNC(adds_itself)
{
    WEFT_BEGIN;
    self->scope = weft_scope_open(NULL);
    weft_scope_add(self->scope, weft_ref(weft_current_task()));
    WEFT_AWAIT(weft_scope_close(self->scope, 0));
    WEFT_END;
}

Test(scope, does_not_wait_for_the_task_whose_scope_it_is)
{
    weft_future *task = weft_spawn(adds_itself);
    cr_assert_eq(weft_test_run(weft_ref(task)), WEFT_EGROUP);
    cr_assert(weft_errors_has(weft_future_errors(task), -EDEADLK));
    weft_unref(task);
    weft_test_loop_end();
}

/* ---- Nested ---- */

struct inner {
    WEFT_FRAME;
    weft_scope *scope;
};

static WEFT_ASYNC(inner)
{
    WEFT_BEGIN;
    self->scope = weft_scope_open(NULL);
    weft_scope_spawn(self->scope, test_child, .what = {.name = "i", .ms = 10, .fails = -EIO});
    weft_scope_spawn(self->scope, test_child, .what = {.name = "j", .ms = 10, .fails = -EPIPE});

    WEFT_FINALLY;
    WEFT_SCOPE_CLOSE(self->scope);
    WEFT_END;
}

struct outer {
    WEFT_FRAME;
    weft_scope *scope;
};

static WEFT_ASYNC(outer)
{
    WEFT_BEGIN;
    self->scope = weft_scope_open(NULL);
    weft_scope_spawn(self->scope, test_child, .what = {.name = "o", .ms = 100});
    WEFT_AWAIT(weft_call(inner));

    WEFT_FINALLY;
    WEFT_SCOPE_CLOSE(self->scope);
    WEFT_END;
}

Test(scope, nested_failure_is_a_group_within_the_group)
{
    weft_future *task = weft_spawn(outer);
    cr_assert_eq(weft_test_run(weft_ref(task)), WEFT_EGROUP);
    const weft_errors *errors = weft_future_errors(task);
    cr_assert_eq(weft_errors_count(errors), 1);
    cr_assert_eq(weft_errors_status(errors, 0), WEFT_EGROUP);
    const weft_errors *nested = weft_errors_nested(errors, 0);
    cr_assert_eq(weft_errors_count(nested), 2);
    cr_assert_eq(weft_errors_status(nested, 1), -EPIPE);
    cr_assert(weft_errors_has(errors, -EPIPE));
    cr_assert_eq(weft_now(), WEFT_MS(10));
    weft_unref(task);
    weft_test_loop_end();
}

/* ---- The time ---- */

Test(scope, whose_time_is_over_cancels_children_and_body)
{
    weft_future *task = run_two((struct two){.options = {.timeout = WEFT_MS(20)},
                                             .first = {.name = "x", .ms = 100, .cleanup_ms = 5},
                                             .body_ms = 50});
    cr_assert_eq(weft_future_status(task), -ETIMEDOUT);
    cr_assert_str_eq(weft_message(task), "scope: timed out");
    cr_assert_str_eq(test_trace, "x!b.", "%s", test_trace);
    cr_assert_eq(weft_now(), WEFT_MS(25));
    cr_assert_eq(weft_cancelling(task), 0);
    weft_unref(task);
    weft_test_loop_end();
}

Test(scope, whose_time_is_over_while_it_closes_cancels_the_children)
{
    weft_future *task = run_two(
        (struct two){.options = {.timeout = WEFT_MS(20)}, .first = {.name = "x", .ms = 100}});
    cr_assert_eq(weft_future_status(task), -ETIMEDOUT);
    cr_assert_eq(weft_now(), WEFT_MS(20));
    weft_unref(task);
    weft_test_loop_end();
}

Test(scope, that_closes_in_time_leaves_no_timer)
{
    weft_future *task = run_two(
        (struct two){.options = {.timeout = WEFT_MS(20)}, .first = {.name = "x", .ms = 10}});
    cr_assert_eq(weft_future_status(task), 0);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_S(1))), 0);
    cr_assert_eq(weft_now(), WEFT_MS(1010));
    weft_unref(task);
    weft_test_loop_end();
}
