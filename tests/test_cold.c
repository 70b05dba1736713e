/* SPDX-License-Identifier: MIT */
/* The cold part of a future: texts may get lost for want of memory, nothing else may. */
#include "core/cold.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <weft/weft.h>

#include "core/memory.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"

TestSuite(cold, .init = weft_test_loop_begin, .timeout = 20);

static size_t destroyed;

static void destroy(void *ptr)
{
    destroyed++;
    free(ptr);
}

Test(cold, is_not_made_for_success_nor_failure_without_a_message)
{
    weft_future *succeeded = weft_future_new();
    weft_future *failed = weft_future_new();
    size_t before = weft_test_heap_live();
    cr_assert_eq(weft_future_resolve(succeeded, weft_value_i64(1), NULL), 0);
    cr_assert_eq(weft_future_fail(failed, -EIO, NULL), 0);
    cr_assert_eq(weft_test_heap_live(), before);
    cr_assert_eq(weft_future_status(failed), -EIO);
    weft_unref(succeeded);
    weft_unref(failed);
    weft_test_loop_end();
}

Test(cold, leaves_the_value_and_its_destructor_alone)
{
    weft_value value;
    weft_future *future = weft_future_new();
    cr_assert_not_null(weft__cold_make(future));
    cr_assert_eq(weft_future_resolve(future, weft_value_ptr(malloc(1)), destroy), 0);
    cr_assert_not_null(weft__cold(future));
    cr_assert_eq(weft_future_take(weft_ref(future), &value), 0);
    cr_assert_eq(weft_future_take(future, &value), -EALREADY);
    free(value.ptr);
    weft_unref(future);
    weft_unref(future);
    cr_assert_eq(destroyed, 0);
    weft_test_loop_end();
}

Test(cold, made_after_completion_keeps_the_value_and_its_destructor)
{
    weft_future *future = weft_future_new();
    cr_assert_eq(weft_future_resolve(future, weft_value_ptr(malloc(1)), destroy), 0);
    cr_assert_not_null(weft__cold_make(future));
    cr_assert_eq(weft__cold_make(future), weft__cold(future));
    weft_unref(future);
    cr_assert_eq(destroyed, 1);
    weft_test_loop_end();
}

/* Of three failures in a row that nobody looked at, each is taken out of the list in turn. */
Test(cold, keeps_its_place_among_the_failures_nobody_looked_at)
{
    for (int looked_at = 0; looked_at < 3; looked_at++) {
        weft_future *failed[3];
        test_reports.count = 0;
        for (int i = 0; i < 3; i++)
            failed[i] = weft_future_failed(-EIO, i == 1 ? "with a message" : NULL);
        cr_assert_not_null(weft__cold_make(failed[2]));
        weft_future_status(failed[looked_at]);
        for (int i = 0; i < 3; i++)
            weft_unref(failed[i]);
        cr_assert_eq(test_reports.count, 2);
    }
    weft_test_loop_end();
}

Test(cold, lost_for_want_of_memory_takes_the_message_along_and_not_the_status)
{
    weft_future *future = weft_future_new();
    char *message = weft__strdup("out of paper");
    weft_test_heap_fail_at(1);
    weft__complete_failed(future, -EIO, message);
    cr_assert(weft_test_heap_failed());
    cr_assert_eq(weft_future_status(future), -EIO);
    cr_assert_null(weft_message(future));
    weft_unref(future);
    weft_test_loop_end();
}

Test(cold, lost_for_want_of_memory_takes_the_reason_along_and_not_the_cancel)
{
    for (size_t n = 1; n <= 2; n++) {
        weft_future *future = weft_future_new();
        weft_test_heap_fail_at(n);
        cr_assert(weft_cancel_because(future, "enough"));
        cr_assert(weft_test_heap_failed());
        cr_assert_eq(weft_future_status(future), -ECANCELED);
        cr_assert_null(weft_message(future));
        weft_unref(future);
    }
    weft_test_loop_end();
}
