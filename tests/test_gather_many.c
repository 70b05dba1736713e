/* SPDX-License-Identifier: MIT */
/* Gathers of very many children, and of the same one very often. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <weft/weft.h>

#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(gather_many, .init = weft_test_loop_begin, .timeout = 120);

enum { MANY = 100000 };

static weft_future **futures;

static void make(weft_future *(*make_one)(size_t index))
{
    futures = malloc(MANY * sizeof(weft_future *));
    cr_assert_not_null(futures);
    for (size_t i = 0; i < MANY; i++)
        futures[i] = make_one(i);
}

static weft_future *gather(enum weft_gather_flags flags)
{
    weft_future *gather = weft_gather_array(MANY, futures, flags);
    free(futures);
    return gather;
}

static weft_results *results_of(weft_future *gather)
{
    weft_value value;
    cr_assert_eq(weft_test_run(weft_ref(gather)), 0);
    cr_assert_eq(weft_future_take(gather, &value), 0);
    weft_unref(gather);
    return value.ptr;
}

static size_t with_status(const weft_results *results, int status)
{
    size_t count = 0;
    for (size_t i = 0; i < MANY; i++)
        count += weft_results_status(results, i) == status;
    return count;
}

struct child {
    WEFT_FRAME;
    int number, fail;
    weft_ns time;
};

static WEFT_ASYNC(child)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(self->time));
    if (self->fail)
        WEFT_FAIL(self->fail, "child %d", self->number);
    WEFT_RETURN(self->number);
    WEFT_END;
}

static weft_future *succeeds(size_t index)
{
    return weft_spawn(child, .number = (int)index);
}

static weft_future *fails(size_t index)
{
    return weft_spawn(child, .number = (int)index, .fail = -EIO);
}

static weft_future *sleeps(size_t index)
{
    return weft_spawn(child, .number = (int)index, .time = WEFT_S(1));
}

Test(gather_many, succeed)
{
    make(succeeds);
    weft_results *results = results_of(gather(WEFT_GATHER_FIRST_ERROR));
    cr_assert_eq(weft_results_count(results), MANY);
    size_t right = 0;
    for (size_t i = 0; i < MANY; i++)
        right += weft_results_value(results, i).i64 == (int64_t)i;
    cr_assert_eq(right, MANY);
    weft_results_free(results);
    weft_test_loop_end();
}

Test(gather_many, all_fail_and_every_status_is_kept)
{
    make(fails);
    weft_results *results = results_of(gather(WEFT_GATHER_ALL));
    cr_assert_eq(with_status(results, -EIO), MANY);
    cr_assert_str_eq(weft_results_message(results, MANY - 1), "child 99999");
    weft_results_free(results);
    weft_test_loop_end();
}

Test(gather_many, all_fail_and_the_first_failure_is_the_gathers)
{
    make(fails);
    weft_future *all = gather(WEFT_GATHER_FIRST_ERROR);
    cr_assert_eq(weft_test_run(weft_ref(all)), -EIO);
    cr_assert_str_eq(weft_message(all), "child 0");
    weft_test_ticks(3);
    cr_assert_eq(test_reports.count, 0);
    weft_unref(all);
    weft_test_loop_end();
}

Test(gather_many, all_are_cancelled_by_the_gather)
{
    make(sleeps);
    weft_future *all = gather(WEFT_GATHER_FIRST_ERROR);
    weft_test_ticks(1);
    cr_assert(weft_cancel_because(all, "enough"));
    cr_assert_eq(weft_test_run(all), -ECANCELED);
    cr_assert_eq(weft_now(), 0);
    weft_test_loop_end();
}

Test(gather_many, all_are_cancelled_one_by_one)
{
    make(sleeps);
    weft_future **mine = malloc(MANY * sizeof(weft_future *));
    for (size_t i = 0; i < MANY; i++)
        mine[i] = weft_ref(futures[i]);
    weft_future *all = gather(WEFT_GATHER_ALL);
    weft_test_ticks(1);
    size_t asked = 0;
    for (size_t i = 0; i < MANY; i++) {
        asked += weft_cancel(mine[i]);
        weft_unref(mine[i]);
    }
    cr_assert_eq(asked, MANY);
    free(mine);
    weft_results *results = results_of(all);
    cr_assert_eq(with_status(results, -ECANCELED), MANY);
    weft_results_free(results);
    weft_test_loop_end();
}

/* ---- The same future ---- */

static size_t destroyed;
static weft_future *one;

static void destroy(void *ptr)
{
    destroyed++;
    free(ptr);
}

static weft_future *text(void)
{
    weft_future *future = weft_future_new();
    cr_assert_eq(weft_future_resolve(future, weft_value_ptr(malloc(1)), destroy), 0);
    return future;
}

static weft_future *the_same(size_t index)
{
    (void)index;
    return weft_ref(one);
}

Test(gather_many, are_all_the_same_future_which_the_first_place_owns)
{
    one = text();
    make(the_same);
    weft_results *results = results_of(gather(WEFT_GATHER_FIRST_ERROR));
    void *value = weft_future_value(one).ptr;
    cr_assert_null(value);
    value = weft_results_value(results, 0).ptr;
    cr_assert_not_null(value);
    size_t right = 0;
    for (size_t i = 0; i < MANY; i++)
        right += weft_results_value(results, i).ptr == value;
    cr_assert_eq(right, MANY);
    weft_results_free(results);
    cr_assert_eq(destroyed, 1);
    weft_unref(one);
    weft_test_loop_end();
}

Test(gather_many, are_all_the_same_future_which_is_cancelled)
{
    one = weft_spawn(child, .time = WEFT_S(1));
    make(the_same);
    weft_future *all = gather(WEFT_GATHER_FIRST_ERROR);
    weft_test_ticks(1);
    cr_assert(weft_cancel(all));
    cr_assert_eq(weft_test_run(all), -ECANCELED);
    weft_unref(one);
    weft_test_loop_end();
}

Test(gather_many, the_same_future_among_others_is_shared)
{
    weft_future *a = text(), *b = text();
    weft_results *results =
        results_of(weft_gather(weft_ref(a), weft_ref(b), weft_ref(a), weft_ref(b), weft_ref(a)));
    cr_assert_eq(weft_results_value(results, 0).ptr, weft_results_value(results, 4).ptr);
    cr_assert_eq(weft_results_value(results, 1).ptr, weft_results_value(results, 3).ptr);
    cr_assert_neq(weft_results_value(results, 0).ptr, weft_results_value(results, 1).ptr);
    weft_results_free(results);
    cr_assert_eq(destroyed, 2);
    weft_unref(a);
    weft_unref(b);
    weft_test_loop_end();
}

Test(gather_many, a_value_that_another_gather_took_is_not_borrowed)
{
    weft_future *future = text();
    weft_results *results = results_of(weft_gather(weft_ref(future)));
    weft_future *again = weft_gather_with(WEFT_GATHER_ALL, weft_ref(future));
    weft_results *others = results_of(again);
    cr_assert_eq(weft_results_status(others, 0), -EALREADY);
    weft_results_free(others);
    weft_results_free(results);
    results = results_of(weft_gather_with(WEFT_GATHER_ALL, future));
    cr_assert_eq(weft_results_status(results, 0), -EALREADY);
    weft_results_free(results);
    weft_test_loop_end();
}
