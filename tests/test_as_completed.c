/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <weft/weft.h>

#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(as_completed, .init = weft_test_loop_begin, .timeout = 20);

/* Sleeps for some milliseconds, then ends as told. */
struct child {
    WEFT_FRAME;
    int ms, value, fail;
};

static WEFT_ASYNC(child)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_MS(self->ms)));
    if (self->fail)
        WEFT_FAIL(self->fail, "child %d", self->value);
    WEFT_RETURN(self->value);
    WEFT_END;
}

/* Status of a next one; *ret is what it gives, a reference. */
static int next_of(weft_completions *completions, weft_future **ret)
{
    weft_value value;
    weft_future *next = weft_next_completed(completions);
    int status = weft_test_run(weft_ref(next));
    if (status == 0) {
        cr_assert_eq(weft_future_take(next, &value), 0);
        *ret = value.ptr;
    }
    weft_unref(next);
    return status;
}

/* The next one is this, which ended so. */
static void gives(weft_completions *completions, weft_future *expected, int status)
{
    weft_future *future = NULL;
    cr_assert_eq(next_of(completions, &future), 0);
    cr_assert_eq(future, expected);
    cr_assert_eq(weft_future_status(future), status);
    weft_unref(future);
    weft_unref(expected);
}

static void ends(weft_completions *completions, int status)
{
    weft_future *future;
    cr_assert_eq(next_of(completions, &future), status);
}

Test(as_completed, yields_the_original_futures_in_order_of_completion)
{
    weft_future *a = weft_spawn(child, .ms = 30), *b = weft_spawn(child, .ms = 10),
                *c = weft_spawn(child, .ms = 20, .fail = -EIO);
    weft_completions *completions =
        weft_as_completed(WEFT_FOREVER, weft_ref(a), weft_ref(b), weft_ref(c));
    gives(completions, b, 0);
    cr_assert_eq(weft_now(), WEFT_MS(10));
    gives(completions, c, -EIO);
    gives(completions, a, 0);
    ends(completions, WEFT_EOF);
    ends(completions, WEFT_EOF);
    weft_completions_free(completions);
    weft_test_loop_end();
}

Test(as_completed, yields_at_once_what_completed_meanwhile)
{
    weft_future *a = weft_spawn(child, .ms = 10), *b = weft_spawn(child, .ms = 10);
    weft_completions *completions = weft_as_completed(WEFT_FOREVER, weft_ref(a), weft_ref(b));
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(20))), 0);
    weft_future *next = weft_next_completed(completions);
    cr_assert(weft_is_done(next));
    cr_assert_eq(weft_future_value(next).ptr, a);
    weft_unref(next);
    gives(completions, b, 0);
    weft_unref(a);
    weft_completions_free(completions);
    weft_test_loop_end();
}

Test(as_completed, yields_cancelled_ones_and_goes_on)
{
    weft_future *a = weft_spawn(child, .ms = 10), *b = weft_spawn(child, .ms = 10);
    weft_completions *completions = weft_as_completed(WEFT_FOREVER, weft_ref(a), weft_ref(b));
    weft_test_ticks(1);
    cr_assert(weft_cancel(b));
    gives(completions, b, -ECANCELED);
    gives(completions, a, 0);
    weft_completions_free(completions);
    weft_test_loop_end();
}

Test(as_completed, of_nothing_is_at_its_end)
{
    weft_completions *completions = weft_as_completed_array(0, NULL, WEFT_S(1));
    ends(completions, WEFT_EOF);
    weft_completions_free(completions);
    weft_test_loop_end();
}

Test(as_completed, serves_those_who_wait_in_order)
{
    weft_future *a = weft_spawn(child, .ms = 10), *b = weft_spawn(child, .ms = 20);
    weft_completions *completions = weft_as_completed(WEFT_FOREVER, weft_ref(a), weft_ref(b));
    weft_future *first = weft_next_completed(completions);
    weft_future *second = weft_next_completed(completions);
    ends(completions, WEFT_EOF); /* both are spoken for */
    cr_assert_eq(weft_test_run(weft_ref(second)), 0);
    cr_assert_eq(weft_future_value(first).ptr, a);
    cr_assert_eq(weft_future_value(second).ptr, b);
    weft_unref(first);
    weft_unref(second);
    weft_unref(a);
    weft_unref(b);
    weft_completions_free(completions);
    weft_test_loop_end();
}

Test(as_completed, that_nobody_takes_drops_the_reference)
{
    weft_completions *completions =
        weft_as_completed(WEFT_FOREVER, weft_spawn(child, .fail = -EIO));
    cr_assert_eq(weft_test_run(weft_next_completed(completions)), 0);
    cr_assert_eq(test_reports.count, 1);
    weft_completions_free(completions);
    weft_test_loop_end();
}

/* ---- The timeout ---- */

Test(as_completed, after_a_timeout_the_rest_go_on)
{
    weft_future *a = weft_spawn(child, .ms = 5), *b = weft_spawn(child, .ms = 30);
    weft_completions *completions = weft_as_completed(WEFT_MS(10), weft_ref(a), weft_ref(b));
    gives(completions, a, 0);
    ends(completions, -ETIMEDOUT);
    cr_assert_eq(weft_now(), WEFT_MS(10));
    ends(completions, -ETIMEDOUT);
    weft_completions_free(completions);
    cr_assert_eq(weft_cancelling(b), 0);
    cr_assert_eq(weft_test_run(b), 0);
    cr_assert_eq(weft_now(), WEFT_MS(30));
    weft_test_loop_end();
}

Test(as_completed, after_a_timeout_still_yields_what_was_done_before)
{
    weft_future *a = weft_spawn(child, .ms = 5), *b = weft_spawn(child, .ms = 10);
    weft_completions *completions =
        weft_as_completed(WEFT_MS(10), weft_ref(a), weft_ref(b), weft_sleep(WEFT_S(1)));
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(20))), 0);
    gives(completions, a, 0);
    ends(completions, -ETIMEDOUT);
    weft_completions_free(completions);
    weft_unref(b);
    weft_test_loop_end();
}

Test(as_completed, had_to_the_last_in_time_ends_with_eof_after_the_timeout)
{
    weft_future *a = weft_spawn(child, .ms = 5);
    weft_completions *completions = weft_as_completed(WEFT_MS(10), weft_ref(a));
    gives(completions, a, 0);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(20))), 0);
    ends(completions, WEFT_EOF);
    weft_completions_free(completions);
    weft_test_loop_end();
}

Test(as_completed, without_limit_waits_as_long_as_it_takes)
{
    weft_future *a = weft_spawn(child, .ms = 5000);
    weft_completions *completions = weft_as_completed(-1, weft_ref(a));
    gives(completions, a, 0);
    weft_completions_free(completions);
    weft_test_loop_end();
}

/* ---- Cancel, freeing ---- */

Test(as_completed, a_cancelled_next_loses_nothing)
{
    weft_future *a = weft_spawn(child, .ms = 5);
    weft_completions *completions = weft_as_completed(WEFT_FOREVER, weft_ref(a));
    weft_future *first = weft_next_completed(completions);
    cr_assert(weft_cancel(first));
    cr_assert(weft_is_cancelled(first));
    weft_unref(first);
    gives(completions, a, 0);
    weft_completions_free(completions);
    weft_test_loop_end();
}

Test(as_completed, cancelled_in_the_middle_of_the_line_the_others_keep_their_places)
{
    weft_future *a = weft_spawn(child, .ms = 5), *b = weft_spawn(child, .ms = 10);
    weft_completions *completions =
        weft_as_completed(WEFT_FOREVER, weft_ref(a), weft_ref(b), weft_sleep(WEFT_S(1)));
    weft_future *line[3];
    for (int i = 0; i < 3; i++)
        line[i] = weft_next_completed(completions);
    cr_assert(weft_cancel(line[1]));
    cr_assert_eq(weft_test_run(weft_ref(line[2])), 0);
    cr_assert_eq(weft_future_value(line[0]).ptr, a);
    cr_assert_eq(weft_future_value(line[2]).ptr, b);
    for (int i = 0; i < 3; i++)
        weft_unref(line[i]);
    weft_completions_free(completions);
    weft_unref(a);
    weft_unref(b);
    weft_test_loop_end();
}

Test(as_completed, freed_fails_who_waits_and_cancels_nothing)
{
    weft_future *a = weft_spawn(child, .ms = 5);
    weft_completions *completions = weft_as_completed(WEFT_S(1), weft_ref(a), weft_sleep(0));
    weft_future *next = weft_next_completed(completions);
    weft_completions_free(completions); /* while a waiter is queued */
    cr_assert_eq(weft_test_run(next), WEFT_ECLOSED);
    cr_assert_eq(weft_test_run(a), 0);
    weft_test_loop_end();
}

Test(as_completed, freed_drops_what_nobody_had)
{
    weft_completions *completions =
        weft_as_completed(WEFT_FOREVER, weft_spawn(child), weft_spawn(child, .ms = 50));
    weft_test_ticks(4);
    weft_completions_free(completions);
    weft_completions_free(NULL);
    weft_test_loop_end();
}

Test(as_completed, can_be_freed_after_the_shutdown)
{
    weft_completions *completions = weft_as_completed(WEFT_S(1), weft_spawn(child, .ms = 50));
    weft_future *next = weft_next_completed(completions);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(weft_future_status(next), 0);
    weft_unref(next);
    weft_completions_free(completions);
    errno = 0;
    cr_assert_null(weft_as_completed(WEFT_S(1), weft_future_failed(-ECANCELED, NULL)));
    cr_assert_eq(errno, ESHUTDOWN);
    weft_test_loop_end();
}

/* ---- Misuse, memory ---- */

Test(as_completed, refuses_null)
{
    errno = 0;
    cr_assert_null(weft_as_completed(WEFT_S(1), weft_spawn(child), NULL));
    cr_assert_eq(errno, EINVAL);
    ends(NULL, -ENOMEM);
    weft_test_loop_end();
    cr_assert_eq(test_reports.count, 0);
}

static int scene(void)
{
    weft_future *future = NULL;
    weft_completions *completions =
        weft_as_completed(WEFT_S(1), weft_spawn(child, .ms = 5), weft_spawn(child, .ms = 6));
    int status = next_of(completions, &future);
    if (status == 0)
        status = weft_test_run(future);
    if (status == 0)
        status = next_of(completions, &future);
    if (status == 0)
        status = weft_test_run(future);
    weft_completions_free(completions);
    return status;
}

Test(as_completed, survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(scene);
    weft_test_loop_end();
}
