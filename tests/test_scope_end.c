/* SPDX-License-Identifier: MIT */
/* Scopes that are misused, left open, shut down with their loop, or short of memory. */
#include <weft/scope.h>

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "tests/support/gate.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/scope.h"
#include "tests/support/trace.h"

TestSuite(scope_end, .init = weft_test_loop_begin, .timeout = 20);

/* ---- Left open ---- */

struct child_of {
    WEFT_FRAME;
    int *in_frame; /* of the parent */
    int fails, cleanup_ms;
    int status;
};

static WEFT_ASYNC(child_of)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_sleep(WEFT_MS(100)));
    weft_test_mark(self->status == 0 ? "C" : "c");
    if (self->status < 0)
        WEFT_AWAIT(weft_sleep(WEFT_MS(self->cleanup_ms)));
    *self->in_frame += 1;
    if (self->fails < 0)
        WEFT_FAIL(self->fails);
    WEFT_END;
}

struct forgets {
    WEFT_FRAME;
    int fails, child_fails, cleanup_ms;
    int counter;
    weft_scope *scope;
};

static WEFT_ASYNC(forgets)
{
    WEFT_BEGIN;
    self->scope = weft_scope_open(&(struct weft_scope_options){.name = "forgotten"});
    weft_scope_spawn(self->scope, child_of, .in_frame = &self->counter, .fails = self->child_fails,
                     .cleanup_ms = self->cleanup_ms);
    WEFT_AWAIT(weft_sleep(WEFT_MS(1)));
    weft_test_mark("b");
    if (self->fails < 0)
        WEFT_FAIL(self->fails, "%s", "the body");
    WEFT_RETURN(strdup("value"), free);
    WEFT_END;
}

Test(scope_end, task_that_leaves_its_scope_open_ends_after_its_children)
{
    weft_future *task = weft_spawn(forgets);
    cr_assert_eq(weft_test_run(weft_ref(task)), 0);
    cr_assert_str_eq(test_trace, "bC");
    cr_assert_eq(weft_now(), WEFT_MS(100));
    cr_assert_str_eq(weft_future_value(task).ptr, "value");
    weft_unref(task);
    weft_test_loop_end();
}

Test(scope_end, left_open_is_reported_with_its_name_and_where_it_was_opened)
{
    cr_assert_eq(weft_test_run(weft_spawn(forgets)), 0);
    cr_assert_eq(test_reports.count, 1);
    cr_assert_str_eq(test_reports.task, "forgotten");
    cr_assert_not_null(strstr(test_reports.spawned_at, "test_scope_end.c:"));
    cr_assert_not_null(strstr(test_reports.what, "left open"));
    weft_test_loop_end();
}

Test(scope_end, task_that_fails_and_leaves_its_scope_open_cancels_its_children)
{
    weft_future *task = weft_spawn(forgets, .fails = -EIO, .cleanup_ms = 10);
    cr_assert_eq(weft_test_run(weft_ref(task)), WEFT_EGROUP);
    cr_assert_str_eq(test_trace, "bc");
    cr_assert_eq(weft_now(), WEFT_MS(11));
    cr_assert_not_null(strstr(weft_message(task), "EIO: the body"));
    weft_unref(task);
    weft_test_loop_end();
}

Test(scope_end, failure_of_a_child_that_was_left_is_the_tasks)
{
    weft_future *task = weft_spawn(forgets, .child_fails = -EPIPE);
    cr_assert_eq(weft_test_run(weft_ref(task)), WEFT_EGROUP);
    cr_assert(weft_errors_has(weft_future_errors(task), -EPIPE));
    weft_unref(task);
    weft_test_loop_end();
}

Test(scope_end, task_that_waits_for_children_it_left_can_be_cancelled)
{
    weft_future *task = weft_spawn(forgets, .cleanup_ms = 10);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(50))), 0);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(weft_ref(task)), -ECANCELED);
    cr_assert_eq(weft_now(), WEFT_MS(60));
    cr_assert_str_eq(test_trace, "bc");
    weft_unref(task);
    weft_test_loop_end();
}

struct calls {
    WEFT_FRAME;
    int status;
};

static WEFT_ASYNC(calls)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_call(forgets));
    weft_test_mark(".");
    WEFT_END;
}

Test(scope_end, call_that_leaves_its_scope_open_holds_up_its_caller)
{
    cr_assert_eq(weft_test_run(weft_spawn(calls)), 0);
    cr_assert_str_eq(test_trace, "bC.");
    weft_test_loop_end();
}

struct leaves_many {
    WEFT_FRAME;
    int counter, i;
    weft_scope *scopes[3];
};

static WEFT_ASYNC(leaves_many)
{
    WEFT_BEGIN;
    for (self->i = 0; self->i < 3; self->i++) {
        self->scopes[self->i] = weft_scope_open(NULL);
        weft_scope_spawn(self->scopes[self->i], child_of, .in_frame = &self->counter);
    }
    WEFT_END;
}

Test(scope_end, every_scope_that_is_left_open_is_waited_for)
{
    cr_assert_eq(weft_test_run(weft_spawn(leaves_many)), 0);
    cr_assert_str_eq(test_trace, "CCC");
    cr_assert_eq(test_reports.count, 3);
    weft_test_loop_end();
}

static weft_scope *reported;
static int how_to_end;

static void end_scope(weft_loop *loop, const struct weft_error_report *report, void *arg)
{
    (void)loop;
    (void)report;
    (void)arg;
    weft_scope *scope = reported;
    reported = NULL;
    if (scope && how_to_end == 0)
        weft_scope_free(scope);
    else if (scope)
        weft_unref(weft_scope_close(scope, -ECANCELED));
}

struct is_reported {
    WEFT_FRAME;
    int counter;
};

static WEFT_ASYNC(is_reported)
{
    WEFT_BEGIN;
    reported = weft_scope_open(NULL);
    weft_scope_spawn(reported, child_of, .in_frame = &self->counter);
    WEFT_AWAIT(weft_sleep(WEFT_MS(1)));
    WEFT_END;
}

Test(scope_end, handler_may_free_or_close_the_scope_that_is_reported)
{
    weft_loop_set_error_handler(test_loop, end_scope, NULL);
    for (how_to_end = 0; how_to_end < 2; how_to_end++)
        cr_assert_eq(weft_test_run(weft_spawn(is_reported)), -ECANCELED);
    cr_assert_str_eq(test_trace, "cc");
    weft_test_loop_end();
}

/* ---- Misuse ---- */

Test(scope_end, freed_before_it_is_closed_is_reported_and_cancels_the_children)
{
    weft_scope *scope = weft_scope_open(NULL);
    weft_future *task = weft_ref(
        weft_scope_spawn(scope, test_child, .what = {.name = "x", .ms = 100, .cleanup = -EBUSY}));
    weft_test_ticks(1);
    weft_scope_free(scope);
    cr_assert_eq(test_reports.count, 1);
    cr_assert_not_null(strstr(test_reports.what, "freed before it was closed"));
    cr_assert_eq(weft_test_run(task), -EBUSY);
    weft_test_ticks(2);
    cr_assert_eq(test_reports.count, 2, "the failure is not silent");
    cr_assert_eq(test_reports.status, WEFT_EGROUP);
    weft_test_loop_end();
}

Test(scope_end, of_null_starts_nothing_and_fails_when_closed)
{
    weft_future *future = weft_future_new();
    cr_assert_eq(weft_future_status(weft_scope_spawn(NULL, test_child, .what = {.name = "x"})),
                 -ENOMEM);
    cr_assert_eq(weft_future_status(weft_scope_add(NULL, weft_ref(future))), -ENOMEM);
    cr_assert(weft_is_cancelled(future));
    cr_assert_eq(weft_test_run(weft_scope_start(NULL, test_child, .what = {.name = "x"})), -ENOMEM);
    cr_assert_eq(weft_test_run(weft_scope_close(NULL, 0)), -ENOMEM);
    cr_assert_eq(weft_test_run(weft_scope_close(NULL, -EIO)), -EIO);
    cr_assert_null(weft_scope_errors(NULL));
    cr_assert_eq(weft_scope_count(NULL), 0);
    weft_scope_free(NULL);
    weft_test_ticks(2);
    cr_assert_str_eq(test_trace, "");
    weft_unref(future);
    weft_test_loop_end();
    cr_assert_eq(test_reports.count, 0);
}

Test(scope_end, refuses_options_of_another_size)
{
    errno = 0;
    cr_assert_null(weft_scope_open(&(struct weft_scope_options){.size = 1}));
    cr_assert_eq(errno, EINVAL);
    weft_test_loop_end();
}

static void *elsewhere(void *scope)
{
    if (scope) {
        cr_assert_eq(weft_future_status(weft_scope_spawn(scope, test_child)), WEFT_ETHREAD);
        cr_assert_eq(weft_future_status(weft_scope_spawn_eager(scope, test_child)), WEFT_ETHREAD);
        cr_assert_eq(weft_future_status(weft_scope_add(scope, NULL)), WEFT_ETHREAD);
        weft_future *future = weft_scope_close(scope, 0);
        cr_assert_eq(weft_future_status(future), WEFT_ETHREAD);
        weft_unref(future);
        future = weft_scope_start(scope, test_child);
        cr_assert_eq(weft_future_status(future), WEFT_ETHREAD);
        weft_unref(future);
        weft_scope_cancel(scope);
        cr_assert_null(weft_scope_errors(scope));
        cr_assert_eq(weft_scope_count(scope), 0);
        weft_scope_free(scope);
        return NULL;
    }
    errno = 0;
    cr_assert_null(weft_scope_open(NULL));
    cr_assert_eq(errno, EINVAL);
    weft_future *close = weft_scope_close(NULL, 0);
    cr_assert_eq(weft_future_status(close), WEFT_ENOLOOP);
    weft_unref(close);
    cr_assert_eq(weft_future_status(weft_scope_spawn(NULL, test_child)), WEFT_ENOLOOP);
    return NULL;
}

static void run_elsewhere(void *arg)
{
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, elsewhere, arg), 0);
    cr_assert_eq(pthread_join(thread, NULL), 0);
}

Test(scope_end, needs_a_loop)
{
    run_elsewhere(NULL);
    weft_test_loop_end();
}

Test(scope_end, used_on_another_thread_changes_nothing)
{
    weft_scope *scope = weft_scope_open(NULL);
    weft_scope_spawn(scope, test_child, .what = {.name = "x", .ms = 10});
    run_elsewhere(scope);
    cr_assert_eq(weft_scope_count(scope), 1);
    cr_assert_eq(weft_test_run(weft_scope_close(scope, 0)), 0);
    cr_assert_str_eq(test_trace, "xX");
    weft_scope_free(scope);
    weft_test_loop_end();
}

/* ---- The loop ends ---- */

Test(scope_end, shutdown_cancels_children_and_parents_and_leaves_nothing)
{
    weft_future *left = weft_spawn(forgets, .cleanup_ms = 10);
    weft_future *call = weft_spawn(calls);
    weft_scope *scope = weft_scope_open(NULL);
    weft_scope_spawn(scope, test_child, .what = {.name = "x", .ms = 1000, .cleanup_ms = 10});
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(50))), 0);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert(weft_is_cancelled(left));
    cr_assert(weft_is_cancelled(call));
    weft_unref(left);
    weft_unref(call);
    cr_assert_eq(weft_scope_count(scope), 0);
    weft_scope_free(scope);
    weft_test_loop_end();
}

struct stays {
    WEFT_FRAME;
    int status;
};

static WEFT_ASYNC(stays)
{
    WEFT_BEGIN;
    for (;;)
        WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
    WEFT_END;
}

struct has_stuck_child {
    WEFT_FRAME;
    bool closes;
    weft_scope *scope;
};

static WEFT_ASYNC(has_stuck_child)
{
    WEFT_BEGIN;
    self->scope = weft_scope_open(NULL);
    weft_scope_spawn(self->scope, stays);
    if (!self->closes)
        WEFT_RETURN(0);
    WEFT_AWAIT(weft_scope_close(self->scope, 0));
    WEFT_END;
}

static void expect_stuck(bool closes)
{
    weft_future *task = weft_spawn(has_stuck_child, .closes = closes);
    weft_test_ticks(3);
    struct weft_shutdown_options options = {.tasks_timeout = WEFT_MS(10)};
    cr_assert_eq(weft_loop_shutdown(test_loop, &options, NULL), WEFT_ESTUCK);
    cr_assert_eq(weft_future_status(task), WEFT_ESTUCK);
    weft_unref(task);
    weft_test_loop_end();
}

Test(scope_end, shutdown_gives_up_a_scope_whose_child_is_stuck)
{
    expect_stuck(true);
}

Test(scope_end, shutdown_gives_up_a_task_that_waits_for_a_stuck_child_it_left)
{
    expect_stuck(false);
}

Test(scope_end, job_that_is_stuck_at_the_end_is_given_up_with_its_scope)
{
    static struct gate gate;
    gate_init(&gate);
    weft_scope *scope = weft_scope_open(NULL);
    weft_scope_add(scope, weft_to_thread_fn(NULL, gate_pass, &gate));
    weft_unref(weft_scope_close(scope, 0));
    gate_wait_entered(&gate);
    struct weft_shutdown_options options = {.jobs_timeout = WEFT_MS(1)};
    cr_assert_eq(weft_loop_shutdown(test_loop, &options, NULL), WEFT_ESTUCK);
    weft_scope_free(scope);
    weft_loop_free(test_loop);
    gate_open(&gate);
    while (weft_test_heap_live() > 0)
        sched_yield();
}

/* ---- Memory ---- */

struct gets_ready {
    WEFT_FRAME;
};

static WEFT_ASYNC(gets_ready)
{
    WEFT_BEGIN;
    weft_scope_ready(1);
    WEFT_END;
}

struct tries {
    WEFT_FRAME;
    int status;
    weft_scope *scope, *inner;
    weft_future *start;
};

static WEFT_ASYNC(tries)
{
    WEFT_BEGIN;
    self->scope =
        weft_scope_open(&(struct weft_scope_options){.name = "tries", .timeout = WEFT_S(100)});
    weft_scope_spawn(self->scope, test_child, .what = {.name = "x", .ms = 10});
    weft_scope_add(self->scope, weft_sleep(WEFT_MS(5)));
    self->inner = weft_scope_open(NULL);
    weft_scope_spawn(self->inner, test_child, .what = {.name = "y", .ms = 10, .fails = -EIO});
    weft_scope_spawn(self->inner, test_child, .what = {.name = "y", .ms = 100});
    WEFT_CATCH(self->status, weft_scope_close(self->inner, 0));
    if (self->status < 0 && self->status != WEFT_EGROUP)
        WEFT_FAIL(self->status);
    if (weft_errors_has(weft_scope_errors(self->inner), -ENOMEM))
        WEFT_FAIL(-ENOMEM);
    WEFT_AWAIT(weft_scope_start(self->scope, gets_ready));

    WEFT_FINALLY;
    WEFT_SCOPE_CLOSE(self->scope);
    WEFT_END;
}

static int try(void)
{
    weft_future *task = weft_spawn(tries);
    int status = weft_test_run(weft_ref(task));
    if (status == WEFT_EGROUP &&
        (weft_errors_has(weft_future_errors(task), -ENOMEM) || !weft_future_errors(task)))
        status = -ENOMEM;
    weft_unref(task);
    test_trace[0] = 0;
    return status;
}

Test(scope_end, survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(try);
    weft_test_loop_end();
    cr_assert_eq(test_reports.count, 0);
}

Test(scope_end, names_a_child_for_which_there_was_no_memory_by_its_coroutine)
{
    int failed = 1, unmade = 0;
    for (size_t n = 1; failed; n++) {
        weft_scope *scope = weft_scope_open(NULL);
        weft_test_heap_fail_at(n);
        weft_future *child = weft_scope_spawn(scope, test_child, .what = {.name = "x", .ms = 1});
        failed = weft_test_heap_failed();
        weft_test_heap_fail_at(0);
        if (weft_future_status(child) == -ENOMEM) {
            unmade++;
            cr_assert_eq(weft_test_run(weft_scope_close(scope, 0)), WEFT_EGROUP);
            cr_assert_eq(weft_errors_count(weft_scope_errors(scope)), 1);
            cr_assert_eq(weft_errors_status(weft_scope_errors(scope), 0), -ENOMEM);
            cr_assert_str_eq(weft_errors_name(weft_scope_errors(scope), 0), "test_child");
            cr_assert_not_null(weft_errors_spawned_at(weft_scope_errors(scope), 0));
        } else {
            cr_assert_eq(weft_test_run(weft_scope_close(scope, 0)), 0);
        }
        weft_scope_free(scope);
        test_trace[0] = 0;
    }
    cr_assert_geq(unmade, 2); /* its record, and the task itself */
    weft_test_loop_end();
}
