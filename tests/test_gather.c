/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(gather, .init = weft_test_loop_begin, .timeout = 20);

/* Sleeps for some milliseconds, then ends as told. */
struct child {
    WEFT_FRAME;
    int ms, value, fail;
    const char *name;
    int swallows; /* a cancel, and returns its value all the same */
    int status;
};

static WEFT_ASYNC(child)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_sleep(WEFT_MS(self->ms)));
    if (self->status < 0 && !self->swallows)
        WEFT_FAIL(self->status);
    if (self->fail)
        WEFT_FAIL(self->fail, "child %d", self->value);
    WEFT_RETURN(self->value);
    WEFT_FINALLY;
    if (self->name)
        weft_test_mark(self->name);
    WEFT_END;
}

static size_t destroyed;

static void destroy(void *ptr)
{
    destroyed++;
    free(ptr);
}

/* A future that has succeeded with an allocated string. */
static weft_future *text(const char *string)
{
    weft_future *future = weft_future_new();
    cr_assert_eq(weft_future_resolve(future, weft_value_ptr(strdup(string)), destroy), 0);
    return future;
}

static weft_results *results_of(weft_future *gather)
{
    weft_value value;
    cr_assert_eq(weft_test_run(weft_ref(gather)), 0);
    cr_assert_eq(weft_future_take(gather, &value), 0);
    weft_unref(gather);
    return value.ptr;
}

/* ---- Success ---- */

Test(gather, of_nothing_is_empty_at_once)
{
    weft_future *none = weft_gather_array(0, NULL, WEFT_GATHER_FIRST_ERROR);
    cr_assert(weft_is_done(none));
    weft_results *results = results_of(none);
    cr_assert_eq(weft_results_count(results), 0);
    weft_results_free(results);
    weft_results_free(NULL);
    weft_test_loop_end();
}

Test(gather, keeps_the_order_of_the_arguments)
{
    weft_results *results = results_of(weft_gather(weft_spawn(child, .ms = 30, .value = 1),
                                                   weft_spawn(child, .ms = 10, .value = 2),
                                                   weft_spawn(child, .ms = 20, .value = 3)));
    cr_assert_eq(weft_now(), WEFT_MS(30));
    cr_assert_eq(weft_results_count(results), 3);
    for (size_t i = 0; i < 3; i++) {
        cr_assert_eq(weft_results_status(results, i), 0);
        cr_assert_eq(weft_results_value(results, i).i64, (int64_t)i + 1);
        cr_assert_null(weft_results_message(results, i));
    }
    weft_results_free(results);
    weft_test_loop_end();
}

Test(gather, of_what_is_done_completes_in_a_later_tick)
{
    weft_future *done = text("x");
    weft_future *gather = weft_gather(done);
    cr_assert_not(weft_is_done(gather));
    cr_assert_eq(weft_test_run(gather), 0);
    cr_assert_eq(destroyed, 1);
    weft_test_loop_end();
}

Test(gather, results_say_so_when_there_is_no_such_place)
{
    weft_results *results = results_of(weft_gather(weft_spawn(child, .value = 5)));
    cr_assert_eq(weft_results_status(results, 1), -ERANGE);
    cr_assert_eq(weft_results_value(results, 1).i64, 0);
    cr_assert_null(weft_results_message(results, 1));
    cr_assert_eq(weft_results_take(results, 1).i64, 0);
    weft_results_free(results);
    weft_test_loop_end();
}

Test(gather, values_can_be_taken_once_and_the_rest_is_destroyed)
{
    weft_results *results = results_of(weft_gather(text("a"), text("b")));
    char *taken = weft_results_take(results, 0).ptr;
    cr_assert_str_eq(taken, "a");
    cr_assert_null(weft_results_take(results, 0).ptr);
    cr_assert_null(weft_results_value(results, 0).ptr);
    weft_results_free(results);
    cr_assert_eq(destroyed, 1);
    free(taken);
    weft_test_loop_end();
}

Test(gather, numbers_can_be_taken_again_and_again)
{
    weft_results *results = results_of(weft_gather(weft_spawn(child, .value = 5)));
    cr_assert_eq(weft_results_take(results, 0).i64, 5);
    cr_assert_eq(weft_results_take(results, 0).i64, 5);
    weft_results_free(results);
    weft_test_loop_end();
}

Test(gather, takes_the_same_future_twice)
{
    weft_future *future = text("twice");
    weft_future *number = weft_spawn(child, .value = 8);
    weft_results *results =
        results_of(weft_gather(weft_ref(number), weft_ref(future), number, future));
    cr_assert_eq(weft_results_value(results, 0).i64, 8);
    cr_assert_eq(weft_results_value(results, 2).i64, 8);
    cr_assert_str_eq(weft_results_value(results, 1).ptr, "twice");
    cr_assert_eq(weft_results_status(results, 3), 0);
    cr_assert_eq(weft_results_value(results, 3).ptr, weft_results_value(results, 1).ptr);
    char *taken = weft_results_take(results, 1).ptr;
    weft_results_free(results);
    cr_assert_eq(destroyed, 0);
    free(taken);
    weft_test_loop_end();
}

Test(gather, nobody_took_is_destroyed)
{
    weft_unref(weft_gather(text("a"), text("b")));
    weft_test_ticks(3);
    cr_assert_eq(destroyed, 2);
    weft_test_loop_end();
}

/* ---- Failure ---- */

Test(gather, fails_at_once_with_the_first_failure_and_the_others_go_on)
{
    weft_future *slow = weft_spawn(child, .ms = 20, .value = 1, .name = "s");
    weft_future *gather =
        weft_gather(weft_ref(slow), weft_spawn(child, .ms = 10, .value = 2, .fail = -EIO));
    cr_assert_eq(weft_test_run(weft_ref(gather)), -EIO);
    cr_assert_str_eq(weft_message(gather), "child 2");
    cr_assert_eq(weft_now(), WEFT_MS(10));
    cr_assert_not(weft_is_done(slow));
    weft_unref(gather);
    cr_assert_eq(weft_test_run(slow), 0);
    cr_assert_str_eq(test_trace, "s");
    weft_test_loop_end();
}

Test(gather, later_failures_count_as_observed)
{
    cr_assert_eq(weft_test_run(weft_gather(weft_spawn(child, .ms = 1, .fail = -EIO),
                                           weft_spawn(child, .ms = 2, .fail = -EPIPE))),
                 -EIO);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(5))), 0);
    cr_assert_eq(test_reports.count, 0);
    weft_test_loop_end();
}

Test(gather, that_failed_destroys_values_that_come_later)
{
    weft_future *late = weft_future_new();
    weft_future *gather =
        weft_gather(text("early"), weft_future_failed(-EIO, NULL), weft_ref(late));
    cr_assert_eq(weft_test_run(gather), -EIO);
    cr_assert_eq(weft_future_resolve(late, weft_value_ptr(strdup("late")), destroy), 0);
    weft_unref(late);
    weft_test_ticks(2);
    cr_assert_eq(destroyed, 2);
    weft_test_loop_end();
}

Test(gather, whose_failure_nobody_observes_is_reported_once)
{
    weft_unref(weft_gather(weft_spawn(child, .value = 3, .fail = -EIO)));
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(5))), 0);
    cr_assert_eq(test_reports.count, 1);
    cr_assert_eq(test_reports.status, -EIO);
    cr_assert_str_eq(test_reports.message, "child 3");
    weft_test_loop_end();
}

Test(gather, of_all_keeps_every_status_and_message)
{
    weft_future *cancelled = weft_spawn(child, .ms = 50);
    weft_future *gather =
        weft_gather_with(WEFT_GATHER_ALL, weft_spawn(child, .ms = 10, .value = 1, .fail = -EIO),
                         weft_spawn(child, .ms = 30, .value = 2), weft_ref(cancelled),
                         weft_spawn(child, .ms = 20, .value = 4, .fail = -EPIPE));
    weft_test_ticks(2);
    cr_assert(weft_cancel_because(cancelled, "unwanted"));
    weft_unref(cancelled);
    weft_results *results = results_of(gather);
    cr_assert_eq(weft_now(), WEFT_MS(30));
    cr_assert_eq(weft_results_status(results, 0), -EIO);
    cr_assert_str_eq(weft_results_message(results, 0), "child 1");
    cr_assert_eq(weft_results_value(results, 1).i64, 2);
    cr_assert_eq(weft_results_status(results, 2), -ECANCELED);
    cr_assert_str_eq(weft_results_message(results, 2), "unwanted");
    cr_assert_eq(weft_results_status(results, 3), -EPIPE);
    weft_results_free(results);
    weft_test_loop_end();
}

/* ---- Cancel ---- */

Test(gather, a_cancelled_child_is_an_error_and_no_sibling_is_cancelled)
{
    weft_future *victim = weft_spawn(child, .ms = 50);
    weft_future *sibling = weft_spawn(child, .ms = 50, .value = 6);
    weft_future *gather = weft_gather(weft_ref(victim), weft_ref(sibling));
    weft_test_ticks(2);
    cr_assert(weft_cancel(victim));
    cr_assert_eq(weft_test_run(gather), -ECANCELED);
    cr_assert_eq(weft_cancelling(sibling), 0);
    cr_assert_eq(weft_test_run(sibling), 0);
    weft_unref(victim);
    weft_test_loop_end();
}

Test(gather, cancelled_asks_a_future_as_often_as_it_stands_there)
{
    weft_future *task = weft_spawn(child, .ms = 10), *other = weft_spawn(child, .ms = 10);
    weft_future *gather = weft_gather(weft_ref(task), weft_ref(other), weft_ref(task));
    weft_test_ticks(1);
    cr_assert(weft_cancel(gather));
    cr_assert_eq(weft_cancelling(task), 2);
    cr_assert_eq(weft_cancelling(other), 1);
    cr_assert_eq(weft_test_run(gather), -ECANCELED);
    weft_unref(task);
    weft_unref(other);
    weft_test_loop_end();
}

Test(gather, cancelled_cancels_every_child_and_waits_for_all)
{
    weft_future *plain = weft_future_new();
    weft_future *cleanup = weft_spawn(child, .ms = 10, .swallows = 1, .value = 1, .name = "1");
    weft_future *gather = weft_gather(weft_spawn(child, .ms = 10, .name = "0"), weft_ref(cleanup),
                                      weft_ref(plain), text("done"));
    weft_test_ticks(2);
    cr_assert(weft_cancel_because(gather, "enough"));
    cr_assert_not(weft_is_done(gather));
    cr_assert(weft_is_cancelled(plain));
    cr_assert_eq(weft_test_run(weft_ref(gather)), -ECANCELED);
    cr_assert_str_eq(weft_message(gather), "enough");
    cr_assert_str_eq(weft_message(plain), "enough");
    cr_assert_str_eq(test_trace, "01");
    cr_assert_eq(weft_future_status(cleanup), 0);
    weft_unref(plain);
    weft_unref(cleanup);
    weft_unref(gather);
    cr_assert_eq(destroyed, 1);
    weft_test_loop_end();
}

Test(gather, of_all_cancelled_is_cancelled_when_all_have_ended)
{
    weft_future *cleanup = weft_spawn(child, .ms = 10, .swallows = 1, .name = "1");
    weft_future *gather = weft_gather_with(
        WEFT_GATHER_ALL, weft_spawn(child, .ms = 20, .name = "0"), weft_ref(cleanup));
    weft_test_ticks(2);
    cr_assert(weft_cancel(gather));
    cr_assert_eq(weft_test_run(gather), -ECANCELED);
    cr_assert_eq(weft_future_status(cleanup), 0);
    cr_assert_str_eq(test_trace, "01");
    weft_unref(cleanup);
    weft_test_loop_end();
}

Test(gather, cancelled_waits_for_children_that_fail_meanwhile)
{
    weft_future *cleanup = weft_future_new();
    weft_future *gather =
        weft_gather(weft_spawn(child, .ms = 10, .swallows = 1, .fail = -EIO), weft_shield(cleanup),
                    weft_spawn(child, .ms = 10, .swallows = 1, .name = "x"));
    weft_test_ticks(2);
    cr_assert(weft_cancel(gather));
    cr_assert_eq(weft_test_run(gather), -ECANCELED);
    cr_assert_str_eq(test_trace, "x");
    cr_assert_eq(test_reports.count, 0);
    weft_test_loop_end();
}

Test(gather, cancelled_when_all_children_are_done_gives_its_result)
{
    weft_future *gather = weft_gather(text("a"), text("b"));
    weft_cancel(gather);
    weft_results *results = results_of(gather);
    cr_assert_str_eq(weft_results_value(results, 1).ptr, "b");
    weft_results_free(results);
    weft_test_loop_end();
}

struct parent {
    WEFT_FRAME;
    weft_future *on; /* consumed */
    weft_results *results;
    int status;
};

static WEFT_ASYNC(parent)
{
    WEFT_BEGIN;
    WEFT_CATCH_INTO(self->status, self->results, self->on);
    weft_test_mark(self->status == 0 ? "v" : "c");
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
    weft_test_mark(self->status == 0 ? "V" : "C");
    WEFT_FINALLY;
    weft_results_free(self->results);
    WEFT_END;
}

Test(gather, awaited_and_complete_is_not_lost_to_a_cancel_of_the_task)
{
    weft_future *future = weft_future_new();
    weft_future *task = weft_spawn(parent, .on = weft_gather(weft_ref(future)));
    weft_test_ticks(1);
    cr_assert_eq(weft_future_resolve(future, weft_value_i64(1), NULL), 0);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_str_eq(test_trace, "vC");
    weft_unref(future);
    weft_test_loop_end();
}

Test(gather, awaited_and_cancelled_twice_is_one_error)
{
    weft_future *task = weft_spawn(
        parent, .on = weft_gather(weft_spawn(child, .ms = 10), weft_spawn(child, .ms = 10)));
    weft_test_ticks(2);
    cr_assert(weft_cancel(task));
    weft_test_ticks(1);
    cr_assert(weft_cancel(task));
    weft_test_ticks(1);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_str_eq(test_trace, "cV");
    weft_test_loop_end();
}

Test(gather, that_is_done_cannot_be_cancelled)
{
    weft_future *gather = weft_gather(weft_spawn(child));
    cr_assert_eq(weft_test_run(weft_ref(gather)), 0);
    cr_assert_not(weft_cancel(gather));
    weft_unref(gather);
    weft_test_loop_end();
}

/* ---- Misuse, memory ---- */

Test(gather, refuses_null_and_unknown_flags_and_drops_the_references)
{
    weft_future *future = weft_future_new();
    weft_future *bad[] = {weft_ref(future), NULL};
    cr_assert_eq(weft_test_run(weft_gather_array(2, bad, WEFT_GATHER_ALL)), -EINVAL);
    weft_future *good[] = {weft_ref(future)};
    cr_assert_eq(weft_test_run(weft_gather_array(1, good, (enum weft_gather_flags)2)), -EINVAL);
    cr_assert_not(weft_is_done(future));
    weft_unref(future);
    weft_test_loop_end();
}

static int gather_three(void)
{
    weft_future *gather = weft_gather(weft_spawn(child, .ms = 1), weft_spawn(child, .ms = 2),
                                      weft_gather(weft_sleep(1), weft_sleep(2)));
    return weft_test_run(gather);
}

Test(gather, survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(gather_three);
    weft_test_loop_end();
}

static int gather_all_failing(void)
{
    weft_future *gather = weft_gather_with(WEFT_GATHER_ALL, weft_spawn(child, .fail = -EIO),
                                           weft_future_failed(-EPIPE, "%s", "text"));
    return weft_test_run(gather);
}

Test(gather, of_all_survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(gather_all_failing);
    weft_test_loop_end();
}
