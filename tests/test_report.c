/* SPDX-License-Identifier: MIT */
/* What the error handler is told, when, and how often. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/weft.h>

#include "core/memory.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(report, .init = weft_test_loop_begin, .timeout = 20);

/* ---- Failures that nobody observed ---- */

Test(report, of_a_failure_nobody_looked_at_is_made_once_at_the_drop_of_the_last_reference)
{
    weft_future *future = weft_ref(weft_future_failed(-EIO, "%s", "broken"));
    weft_unref(future);
    cr_assert_eq(test_reports.count, 0);
    weft_unref(future);
    cr_assert_eq(test_reports.count, 1);
    cr_assert_eq(test_reports.status, -EIO);
    cr_assert_str_eq(test_reports.message, "broken");
    cr_assert_str_eq(test_reports.task, "operation");
    weft_test_loop_end();
}

static void unref_after(weft_future *future, int (*look)(weft_future *future))
{
    look(future);
    weft_unref(future);
}

static int take(weft_future *future)
{
    weft_value value;
    return weft_future_take(future, &value);
}

Test(report, is_not_made_of_a_failure_somebody_looked_at)
{
    unref_after(weft_future_failed(-EIO, NULL), weft_future_status);
    unref_after(weft_future_failed(-EIO, NULL), take);
    cr_assert_eq(weft_test_run(weft_future_failed(-EIO, NULL)), -EIO);
    cr_assert_eq(test_reports.count, 0);
    weft_test_loop_end();
}

Test(report, asking_whether_it_is_done_is_no_look)
{
    weft_future *future = weft_future_failed(-EIO, NULL);
    cr_assert(weft_is_done(future));
    cr_assert_not(weft_is_cancelled(future));
    weft_unref(future);
    cr_assert_eq(test_reports.count, 1);
    weft_test_loop_end();
}

Test(report, is_not_made_of_a_cancellation_nobody_looked_at)
{
    weft_future *future = weft_future_new();
    cr_assert(weft_cancel(future));
    weft_unref(future);
    cr_assert_eq(test_reports.count, 0);
    weft_test_loop_end();
}

Test(report, of_a_failure_that_is_held_unobserved_is_made_once_at_the_loops_close)
{
    weft_future *held = weft_future_failed(-EIO, "first");
    weft_future *looked_at = weft_future_failed(-EIO, "second");
    weft_future *cancelled = weft_future_new();
    weft_future *dropped = weft_future_failed(-EPIPE, "fourth");
    cr_assert_eq(weft_future_status(looked_at), -EIO);
    cr_assert(weft_cancel(cancelled));
    weft_unref(dropped);
    cr_assert_eq(test_reports.count, 1);
    weft_loop_free(test_loop);
    cr_assert_eq(test_reports.count, 2);
    cr_assert_str_eq(test_reports.message, "first");
    weft_unref(held);
    weft_unref(looked_at);
    weft_unref(cancelled);
    cr_assert_eq(test_reports.count, 2);
    cr_assert_eq(weft_test_heap_live(), 0);
}

struct fails {
    WEFT_FRAME;
    int in_call;
};

static WEFT_ASYNC(fails)
{
    WEFT_BEGIN;
    WEFT_YIELD;
    if (self->in_call)
        WEFT_AWAIT(weft_call(fails));
    WEFT_FAIL(-EIO, "disk %d", 7);
    WEFT_END;
}

Test(report, of_a_task_nobody_holds_is_made_at_once)
{
    weft_unref(weft_spawn(fails));
    weft_test_ticks(1);
    cr_assert_eq(test_reports.count, 0);
    weft_test_ticks(1);
    cr_assert_eq(test_reports.count, 1);
    weft_test_loop_end();
}

static int spawned_on;

static weft_future *spawn_fails(void)
{
    spawned_on = __LINE__ + 1;
    return weft_spawn(fails);
}

Test(report, has_text_task_name_id_and_where_it_was_spawned)
{
    char place[64];
    weft_unref(spawn_fails());
    weft_test_ticks(2);
    cr_assert_eq(test_reports.status, -EIO);
    cr_assert_str_eq(test_reports.message, "disk 7");
    cr_assert_str_eq(test_reports.task, "fails");
    cr_assert_eq(test_reports.task_id, 1);
    snprintf(place, sizeof(place), "test_report.c:%d", spawned_on);
    cr_assert_not_null(strstr(test_reports.spawned_at, place), "%s", test_reports.spawned_at);
    weft_test_loop_end();
}

/* cpython 117379: there, a task that nobody holds may be collected before it has run */
Test(report, of_a_task_nobody_holds_comes_since_it_runs_to_its_end)
{
    for (int i = 0; i < 100; i++)
        weft_unref(weft_spawn(fails, .in_call = 1));
    weft_test_ticks(4);
    cr_assert_eq(test_reports.count, 100);
    weft_test_loop_end();
}

/* ---- Its context ---- */

static WEFT_CONTEXT_KEY(request, const char *, NULL);

static void note_request(weft_loop *loop, const struct weft_error_report *report, void *arg)
{
    (void)loop;
    (void)arg;
    const char *id = weft_context_get_from(report->context, request);
    weft_test_mark(id ? id : "-");
}

struct handler {
    WEFT_FRAME;
    const char *id;
};

static WEFT_ASYNC(handler)
{
    WEFT_BEGIN;
    cr_assert_eq(weft_context_set(request, self->id), 0);
    WEFT_AWAIT(weft_call(fails));
    WEFT_END;
}

Test(report, has_the_context_in_which_the_task_ended)
{
    weft_loop_set_error_handler(test_loop, note_request, NULL);
    weft_unref(weft_spawn(handler, .id = "a"));
    weft_future *held = weft_spawn(handler, .id = "b");
    weft_test_ticks(2);
    cr_assert_str_eq(test_trace, "a");
    weft_unref(held);
    cr_assert_str_eq(test_trace, "ab");
    weft_test_loop_end();
}

struct calls {
    WEFT_FRAME;
    weft_future *call;
};

static WEFT_ASYNC(calls)
{
    WEFT_BEGIN;
    cr_assert_eq(weft_context_set(request, "c"), 0);
    self->call = weft_call(fails);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    WEFT_RETURN(self->call);
    WEFT_END;
}

Test(report, of_a_call_that_outlives_its_task_has_the_tasks_context)
{
    weft_loop_set_error_handler(test_loop, note_request, NULL);
    weft_future *task = weft_spawn(calls);
    cr_assert_eq(weft_test_run(weft_ref(task)), 0);
    weft_future *call = weft_future_value(task).ptr;
    weft_unref(task);
    weft_unref(call);
    cr_assert_str_eq(test_trace, "c");
    weft_test_loop_end();
}

/* ---- The handler ---- */

Test(report, handler_gets_its_argument_and_can_be_taken_away)
{
    weft_unref(weft_future_failed(-EIO, NULL));
    cr_assert_eq(test_reports.count, 1);
    weft_loop_set_error_handler(test_loop, NULL, NULL);
    weft_unref(weft_future_failed(-EIO, "%s", "this line belongs to the test"));
    cr_assert_eq(test_reports.count, 1);
    weft_test_loop_end();
}

struct logs {
    WEFT_FRAME;
};

static WEFT_ASYNC(logs)
{
    WEFT_BEGIN;
    WEFT_END;
}

static int handled;
static weft_future *held[3];

static void spawn_log(weft_loop *loop, const struct weft_error_report *report, void *arg)
{
    (void)loop;
    (void)report;
    (void)arg;
    handled++;
    weft_unref(weft_spawn(logs));
}

Test(report, handler_whose_own_failure_is_reported_is_not_called_again)
{
    weft_loop_set_error_handler(test_loop, spawn_log, NULL);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    weft_unref(weft_future_failed(-EIO, NULL));
    cr_assert_eq(handled, 1);
    weft_test_loop_end();
}

static void hold_log(weft_loop *loop, const struct weft_error_report *report, void *arg)
{
    (void)loop;
    (void)report;
    (void)arg;
    cr_assert_lt(handled, 2);
    held[handled++] = weft_spawn(logs);
}

Test(report, handler_may_hold_a_failure_when_the_loop_ends)
{
    weft_loop_set_error_handler(test_loop, hold_log, NULL);
    held[2] = weft_future_failed(-EIO, NULL);
    weft_loop_free(test_loop);
    cr_assert_eq(handled, 1);
}

static void end_loop(weft_loop *loop, const struct weft_error_report *report, void *arg)
{
    (void)report;
    (void)arg;
    handled++;
    cr_assert_eq(weft_loop_shutdown(loop, NULL, NULL), -EDEADLK);
    weft_loop_free(loop);
}

Test(report, handler_cannot_free_the_loop)
{
    weft_loop_set_error_handler(test_loop, end_loop, NULL);
    weft_unref(weft_future_failed(-EIO, NULL));
    cr_assert_eq(handled, 1);
    weft_test_loop_end();
}

/* What is written to stderr from now on, until it is read. */
static int redirected, kept_stderr;

static void redirect_stderr(void)
{
    int ends[2];
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    fflush(stderr);
    kept_stderr = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    redirected = ends[0];
}

/* How many lines there were; the text is in `text`. */
static int read_stderr(char *text, size_t size)
{
    fflush(stderr);
    dup2(kept_stderr, STDERR_FILENO);
    close(kept_stderr);
    ssize_t length = read(redirected, text, size - 1);
    close(redirected);
    text[length > 0 ? length : 0] = '\0';
    int lines = 0;
    for (const char *at = text; (at = strchr(at, '\n')); at++)
        lines++;
    return lines;
}

static void drop_a_failure(weft_loop *loop, const struct weft_error_report *report, void *arg)
{
    (void)loop;
    (void)report;
    (void)arg;
    handled++;
    weft_unref(weft_future_failed(-ENOSPC, "the log is full"));
}

Test(report, handler_that_fails_itself_is_told_on_stderr_once)
{
    char text[512];
    weft_loop_set_error_handler(test_loop, drop_a_failure, NULL);
    redirect_stderr();
    weft_unref(weft_future_failed(-EIO, NULL));
    int lines = read_stderr(text, sizeof(text));
    cr_assert_eq(lines, 1, "%s", text);
    cr_assert_not_null(strstr(text, "the log is full"), "%s", text);
    cr_assert_eq(handled, 1);
    weft_test_loop_end();
}

Test(report, what_the_handler_holds_when_the_loop_ends_may_be_dropped_after_that)
{
    char text[512];
    weft_loop_set_error_handler(test_loop, hold_log, NULL);
    held[2] = weft_future_failed(-EIO, NULL);
    redirect_stderr();
    weft_loop_free(test_loop);
    int lines = read_stderr(text, sizeof(text));
    weft_unref(held[0]);
    weft_unref(held[2]);
    cr_assert_eq(lines, 1, "%s", text);
    cr_assert_not_null(strstr(text, "before the loop ended"), "%s", text);
    cr_assert_eq(handled, 1);
}

Test(report, lack_of_memory_that_is_held_when_the_loop_ends_may_be_dropped_after_that)
{
    weft__memory_fail(1);
    weft_future *future = weft_sleep(0);
    weft__memory_fail(0);
    cr_assert_eq(weft_future_status(future), -ENOMEM);
    weft_loop_free(test_loop);
    cr_assert_eq(weft_test_heap_live(), 1);
    weft_unref(future);
    cr_assert_eq(weft_test_heap_live(), 0);
}

static void start_what_fails(weft_loop *loop, const struct weft_error_report *report, void *arg)
{
    (void)loop;
    (void)report;
    (void)arg;
    handled++;
    weft_unref(weft_spawn(fails));
}

Test(report, handler_that_starts_what_fails_later_is_not_called_for_ever)
{
    char text[512];
    weft_loop_set_error_handler(test_loop, start_what_fails, NULL);
    weft_unref(weft_future_failed(-EIO, NULL));
    redirect_stderr();
    weft_test_ticks(10);
    int lines = read_stderr(text, sizeof(text));
    cr_assert_eq(lines, 1, "%s", text);
    cr_assert_not_null(strstr(text, "fails (started at "), "%s", text);
    cr_assert_eq(handled, 1);
    weft_test_loop_end();
}

static void *cancel_from_here(void *future)
{
    weft_cancel(future);
    return NULL;
}

Test(report, says_on_stderr_what_happened_once)
{
    static const char what[] = "called on a thread other than its loop's";
    char text[512];
    pthread_t thread;
    weft_future *future = weft_future_new();
    weft_loop_set_error_handler(test_loop, NULL, NULL);
    redirect_stderr();
    pthread_create(&thread, NULL, cancel_from_here, future);
    pthread_join(thread, NULL);
    weft_test_ticks(10);
    int lines = read_stderr(text, sizeof(text));
    cr_assert_eq(lines, 1, "%s", text);
    const char *first = strstr(text, what);
    cr_assert_not_null(first, "%s", text);
    cr_assert_null(strstr(first + 1, what), "%s", text);
    weft_unref(future);
    weft_test_loop_end();
}
