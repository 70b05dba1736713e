/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(future, .init = weft_test_loop_begin, .timeout = 20);

static size_t destroyed;

static void destroy(void *ptr)
{
    destroyed++;
    free(ptr);
}

static weft_value text(const char *string)
{
    return weft_value_ptr(strdup(string));
}

static void mark_then(weft_future *future, void *name)
{
    cr_assert(weft_is_done(future));
    weft_test_mark(name);
}

static void then(weft_future *future, const char *name)
{
    cr_assert_eq(weft_then(weft_ref(future), mark_then, (void *)name), 0);
}

/* ---- Completing ---- */

Test(future, pending_shows_nothing)
{
    weft_value value = weft_value_i64(77);
    weft_future *future = weft_future_new();
    cr_assert_not(weft_is_done(future));
    cr_assert_not(weft_is_cancelled(future));
    cr_assert_eq(weft_future_status(future), -EINPROGRESS);
    cr_assert_eq(weft_future_value(future).i64, 0);
    cr_assert_eq(weft_future_take(future, &value), -EINPROGRESS);
    cr_assert_eq(value.i64, 77);
    cr_assert_null(weft_message(future));
    cr_assert_str_eq(weft_task_name(future), "future");
    cr_assert_null(weft_task_spawned_at(future));
    cr_assert_eq(weft_task_await_line(future), 0);
    weft_unref(future);
    weft_unref(NULL);
    weft_test_loop_end();
}

Test(future, resolved_shows_its_value)
{
    weft_value value;
    weft_future *future = weft_future_new();
    cr_assert_eq(weft_future_resolve(future, weft_value_f64(2.5), NULL), 0);
    cr_assert(weft_is_done(future));
    cr_assert_eq(weft_future_status(future), 0);
    cr_assert_eq(weft_future_value(future).f64, 2.5);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(weft_future_take(future, &value), 0);
        cr_assert_eq(value.f64, 2.5);
    }
    cr_assert_null(weft_message(future));
    weft_unref(future);
    weft_test_loop_end();
}

Test(future, failed_shows_its_error_and_message)
{
    weft_value value = weft_value_i64(77);
    weft_future *future = weft_future_new();
    cr_assert_eq(weft_future_fail(future, -EIO, "disk %d", 3), 0);
    cr_assert_eq(weft_future_status(future), -EIO);
    cr_assert_not(weft_is_cancelled(future));
    cr_assert_str_eq(weft_message(future), "disk 3");
    cr_assert_eq(weft_future_value(future).i64, 0);
    cr_assert_eq(weft_future_take(future, &value), -EIO);
    cr_assert_eq(value.i64, 77);
    weft_unref(future);
    weft_test_loop_end();
}

Test(future, completes_once)
{
    weft_future *future = weft_future_new();
    cr_assert_eq(weft_future_resolve(future, weft_value_i64(1), NULL), 0);
    cr_assert_eq(weft_future_resolve(future, text("x"), destroy), -EALREADY);
    cr_assert_eq(destroyed, 1);
    cr_assert_eq(weft_future_fail(future, -EIO, NULL), -EALREADY);
    cr_assert_eq(weft_future_value(future).i64, 1);
    weft_unref(future);
    weft_test_loop_end();
}

Test(future, fails_with_errors_only)
{
    weft_future *future = weft_future_new();
    cr_assert_eq(weft_future_fail(future, 0, NULL), -EINVAL);
    cr_assert_eq(weft_future_fail(future, 5, NULL), -EINVAL);
    cr_assert_not(weft_is_done(future));
    weft_unref(future);
    weft_test_loop_end();
}

Test(future, of_an_operation_cannot_be_completed_from_outside)
{
    weft_future *sleep = weft_sleep(WEFT_S(1));
    cr_assert_eq(weft_future_resolve(sleep, text("x"), destroy), -EINVAL);
    cr_assert_eq(destroyed, 1);
    cr_assert_eq(weft_future_fail(sleep, -EIO, NULL), -EINVAL);
    cr_assert_eq(weft_test_run(sleep), 0);
    weft_test_loop_end();
}

Test(future, failed_from_the_start_is_done)
{
    weft_future *future = weft_future_failed(-EACCES, "no %s", "key");
    cr_assert(weft_is_done(future));
    cr_assert_eq(weft_future_status(future), -EACCES);
    cr_assert_str_eq(weft_message(future), "no key");
    cr_assert_eq(weft_future_resolve(future, weft_value_i64(1), NULL), -EINVAL);
    weft_unref(future);
    future = weft_future_failed(3, NULL);
    cr_assert_eq(weft_future_status(future), -EINVAL);
    cr_assert_null(weft_message(future));
    weft_unref(future);
    weft_test_loop_end();
}

/* ---- Values ---- */

Test(future, value_nobody_takes_is_destroyed_with_the_last_reference)
{
    weft_future *future = weft_ref(weft_future_new());
    cr_assert_eq(weft_future_resolve(future, text("x"), destroy), 0);
    cr_assert_str_eq(weft_future_value(future).ptr, "x");
    weft_unref(future);
    cr_assert_eq(destroyed, 0);
    weft_unref(future);
    cr_assert_eq(destroyed, 1);
    weft_test_loop_end();
}

Test(future, value_with_a_destructor_is_taken_once)
{
    weft_value value = {0}, second = weft_value_i64(77);
    weft_future *future = weft_future_new();
    cr_assert_eq(weft_future_resolve(future, text("x"), destroy), 0);
    cr_assert_eq(weft_future_take(future, &value), 0);
    cr_assert_eq(weft_future_take(future, &second), -EALREADY);
    cr_assert_eq(second.i64, 77);
    cr_assert_null(weft_future_value(future).ptr);
    cr_assert_eq(weft_future_status(future), 0);
    weft_unref(future);
    cr_assert_eq(destroyed, 0);
    destroy(value.ptr);
    weft_test_loop_end();
}

Test(future, dropped_while_pending_still_takes_a_value_from_who_resolves_it)
{
    weft_future *future = weft_future_new();
    weft_future *resolver = weft_ref(future);
    weft_unref(future);
    cr_assert_eq(weft_future_resolve(resolver, text("x"), destroy), 0);
    weft_unref(resolver);
    cr_assert_eq(destroyed, 1);
    weft_test_loop_end();
}

/* ---- Continuations ---- */

Test(future, continuations_run_in_the_next_tick_in_order)
{
    weft_future *future = weft_future_new();
    then(future, "1");
    then(future, "2");
    then(future, "3");
    cr_assert_eq(weft_future_resolve(future, weft_value_i64(0), NULL), 0);
    cr_assert_str_eq(test_trace, "");
    then(future, "4");
    weft_test_ticks(1);
    cr_assert_str_eq(test_trace, "1234");
    weft_unref(future);
    weft_test_loop_end();
}

Test(future, continuation_of_what_is_done_is_never_called_inline)
{
    weft_future *future = weft_future_failed(-EIO, NULL);
    then(future, "x");
    cr_assert_str_eq(test_trace, "");
    weft_test_ticks(1);
    cr_assert_str_eq(test_trace, "x");
    weft_unref(future);
    weft_test_loop_end();
}

static void add_more(weft_future *future, void *arg)
{
    (void)arg;
    then(future, "b");
    weft_test_mark("a");
}

Test(future, continuation_added_by_a_continuation_runs_in_the_tick_after)
{
    weft_future *future = weft_future_failed(-EIO, NULL);
    cr_assert_eq(weft_then(weft_ref(future), add_more, NULL), 0);
    then(future, "c");
    weft_test_ticks(1);
    cr_assert_str_eq(test_trace, "ac");
    weft_test_ticks(1);
    cr_assert_str_eq(test_trace, "acb");
    weft_unref(future);
    weft_test_loop_end();
}

Test(future, continuation_owns_a_reference_and_counts_as_a_look)
{
    weft_future *future = weft_future_new();
    weft_future *resolver = weft_ref(future);
    cr_assert_eq(weft_then(future, mark_then, (void *)"x"), 0);
    cr_assert_eq(weft_future_fail(resolver, -EIO, NULL), 0);
    weft_unref(resolver);
    weft_test_ticks(1);
    cr_assert_str_eq(test_trace, "x");
    cr_assert_eq(test_reports.count, 0);
    weft_test_loop_end();
}

Test(future, continuation_runs_when_it_is_cancelled)
{
    weft_future *future = weft_future_new();
    then(future, "x");
    cr_assert(weft_cancel(future));
    cr_assert_str_eq(test_trace, "");
    weft_test_ticks(1);
    cr_assert_str_eq(test_trace, "x");
    weft_unref(future);
    weft_test_loop_end();
}

Test(future, continuation_that_is_refused_leaves_the_reference)
{
    weft_future *future = weft_future_new();
    cr_assert_eq(weft_then(future, NULL, NULL), -EINVAL);
    weft_test_heap_fail_at(1);
    int status = weft_then(future, mark_then, NULL);
    weft_test_heap_fail_at(0);
    cr_assert_eq(status, -ENOMEM);
    weft_unref(future);
    weft_test_loop_end();
}

/* ---- The futures that need no memory ---- */

Test(future, without_memory_is_one_that_has_failed)
{
    weft_test_heap_fail_at(1);
    weft_future *first = weft_future_new();
    weft_test_heap_fail_at(1);
    weft_future *second = weft_sleep(1);
    weft_test_heap_fail_at(1);
    weft_future *third = weft_future_failed(-EIO, NULL);
    weft_test_heap_fail_at(0);
    weft_future *all[] = {first, second, third};
    for (int i = 0; i < 3; i++) {
        cr_assert(weft_is_done(all[i]));
        cr_assert_not(weft_cancel(all[i]));
        cr_assert_eq(weft_future_resolve(all[i], weft_value_i64(0), NULL), -EINVAL);
        cr_assert_eq(weft_test_run(all[i]), -ENOMEM);
    }
    cr_assert_eq(test_reports.count, 0);
    weft_test_loop_end();
}

Test(future, lack_of_memory_nobody_looked_at_is_reported)
{
    weft_test_heap_fail_at(1);
    weft_unref(weft_future_new());
    weft_test_heap_fail_at(0);
    cr_assert_eq(test_reports.count, 1);
    cr_assert_eq(test_reports.status, -ENOMEM);
    weft_test_loop_end();
}

Test(future, message_without_memory_is_dropped_and_the_status_kept)
{
    weft_future *future = weft_future_new();
    weft_test_heap_fail_at(1);
    int status = weft_future_fail(future, -EIO, "%s", "text");
    weft_test_heap_fail_at(0);
    cr_assert_eq(status, 0);
    cr_assert_eq(weft_future_status(future), -EIO);
    cr_assert_null(weft_message(future));
    weft_unref(future);
    weft_test_loop_end();
}

Test(future, without_a_loop_is_one_that_has_failed)
{
    weft_test_loop_end();
    weft_future *futures[] = {weft_future_new(), weft_future_failed(-EIO, "%s", "x"),
                              weft_gather(weft_future_new()), weft_wait_for(weft_future_new(), 1),
                              weft_shield(weft_future_new())};
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(weft_future_status(futures[i]), WEFT_ENOLOOP);
        cr_assert_eq(weft_then(futures[i], mark_then, NULL), WEFT_ENOLOOP);
        cr_assert_not(weft_cancel(futures[i]));
        weft_unref(futures[i]);
    }
}

Test(future, for_no_loop_may_be_awaited_on_a_loop)
{
    weft_loop_free(test_loop);
    weft_future *future = weft_future_new();
    struct weft_loop_options options = {.clock = WEFT_CLOCK_VIRTUAL};
    test_loop = weft_loop_new(&options);
    cr_assert_eq(weft_test_run(weft_gather_with(WEFT_GATHER_ALL, future)), 0);
    weft_test_loop_end();
}

Test(future, nobody_resolved_is_cancelled_when_the_loop_ends)
{
    weft_future *held = weft_future_new();
    weft_unref(weft_wait_for(weft_future_new(), -1));
    weft_unref(weft_gather(weft_future_new(), weft_shield(weft_future_new())));
    weft_unref(weft_future_new());
    weft_loop_free(test_loop);
    cr_assert(weft_is_cancelled(held));
    weft_unref(held);
    cr_assert_eq(weft_test_heap_live(), 0);
}
