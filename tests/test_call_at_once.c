/* SPDX-License-Identifier: MIT */
/* Calls that end in their first step, and such that begin within them. */
#include <criterion/criterion.h>
#include <errno.h>
#include <weft/weft.h>

#include "tests/support/loop.h"

TestSuite(call_at_once, .init = weft_test_loop_begin, .timeout = 60);

struct add {
    WEFT_FRAME;
    int64_t a;
    char b, c;
};

static WEFT_ASYNC(add)
{
    WEFT_BEGIN;
    WEFT_RETURN(self->a + self->b + self->c);
    WEFT_END;
}

struct holds {
    WEFT_FRAME;
    weft_future *first, *second;
    int64_t a, b, c;
};

static WEFT_ASYNC(holds)
{
    WEFT_BEGIN;
    self->first = weft_call(add, .a = 1, .b = 2, .c = 3);
    self->second = weft_call(add, .a = 10, .c = 30);
    WEFT_AWAIT_INTO(self->a, self->first);
    WEFT_AWAIT_INTO(self->b, weft_call(add, .b = 7));
    WEFT_AWAIT_INTO(self->c, self->second);
    WEFT_RETURN(self->a * 10000 + self->b * 100 + self->c);
    WEFT_END;
}

Test(call_at_once, each_has_its_own_arguments_and_value_though_several_are_held)
{
    weft_future *task = weft_spawn(holds);
    cr_assert_eq(weft_loop_run_until(test_loop, weft_ref(task)), 0);
    cr_assert_eq(weft_future_value(task).i64, 60740);
    weft_unref(task);
    weft_test_loop_end();
}

struct fibonacci {
    WEFT_FRAME;
    int64_t n, a, b;
};

static WEFT_ASYNC(fibonacci)
{
    WEFT_BEGIN;
    if (self->n < 2)
        WEFT_RETURN(self->n);
    WEFT_AWAIT_INTO(self->a, weft_call(fibonacci, .n = self->n - 1));
    WEFT_AWAIT_INTO(self->b, weft_call(fibonacci, .n = self->n - 2));
    WEFT_RETURN(self->a + self->b);
    WEFT_END;
}

Test(call_at_once, a_coroutine_may_call_itself)
{
    weft_future *task = weft_spawn(fibonacci, .n = 15);
    cr_assert_eq(weft_loop_run_until(test_loop, weft_ref(task)), 0);
    cr_assert_eq(weft_future_value(task).i64, 610);
    weft_unref(task);
    weft_test_loop_end();
}

static int finallies;

struct finally_returns {
    WEFT_FRAME;
    int in_body, in_finally;
};

static WEFT_ASYNC(finally_returns)
{
    WEFT_BEGIN;
    WEFT_RETURN(self->in_body);
    WEFT_FINALLY;
    finallies++;
    if (self->in_finally)
        WEFT_RETURN(self->in_finally);
    WEFT_END;
}

struct two_finallies {
    WEFT_FRAME;
    int64_t a, b;
};

static WEFT_ASYNC(two_finallies)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->a, weft_call(finally_returns, .in_body = 1));
    WEFT_FINALLY;
    WEFT_AWAIT_INTO(self->b, weft_call(finally_returns, .in_body = 1, .in_finally = 2));
    WEFT_RETURN(self->a * 10 + self->b);
    WEFT_END;
}

Test(call_at_once, a_return_goes_through_finally_once_and_one_in_it_replaces_the_value)
{
    weft_future *task = weft_spawn(two_finallies);
    cr_assert_eq(weft_loop_run_until(test_loop, weft_ref(task)), 0);
    cr_assert_eq(weft_future_value(task).i64, 12);
    cr_assert_eq(finallies, 2);
    weft_unref(task);
    weft_test_loop_end();
}

/* ---- Destructors may use weft ---- */

static weft_future *started;

struct yields {
    WEFT_FRAME;
};

static WEFT_ASYNC(yields)
{
    WEFT_BEGIN;
    WEFT_YIELD;
    WEFT_RETURN(5);
    WEFT_END;
}

static void spawn_eagerly(void *value)
{
    (void)value;
    started = weft_spawn_eager(yields);
}

static void call(void *value)
{
    (void)value;
    started = weft_call(yields);
}

/* A future that has failed; the value that goes with it is destroyed by `destructor`. */
static weft_future *failed_with(weft_destructor *destructor)
{
    weft_future *first = weft_future_new(), *second = weft_future_new();
    weft_future *gather = weft_gather(weft_ref(first), weft_ref(second));
    cr_assert_eq(weft_future_resolve(first, weft_value_ptr(&started), destructor), 0);
    cr_assert_eq(weft_future_fail(second, -EIO, NULL), 0);
    weft_unref(first);
    weft_unref(second);
    cr_assert_eq(weft_loop_run_until(test_loop, weft_ref(gather)), -EIO);
    return gather;
}

struct catches {
    WEFT_FRAME;
    weft_future *failed;
    int status, ends_with;
};

static WEFT_ASYNC(catches)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, self->failed);
    if (self->ends_with < 0)
        WEFT_FAIL(self->ends_with);
    WEFT_RETURN(self->status);
    WEFT_END;
}

struct calls_it {
    WEFT_FRAME;
    weft_future *failed;
    int status, ends_with;
    int64_t value;
};

static WEFT_ASYNC(calls_it)
{
    WEFT_BEGIN;
    WEFT_CATCH_INTO(self->status, self->value,
                    weft_call(catches, .failed = self->failed, .ends_with = self->ends_with));
    WEFT_RETURN(self->status < 0 ? self->status : self->value);
    WEFT_END;
}

static void drop_within_a_call(weft_destructor *destructor, int ends_with)
{
    weft_future *task =
        weft_spawn(calls_it, .failed = failed_with(destructor), .ends_with = ends_with);
    cr_assert_eq(weft_loop_run_until(test_loop, weft_ref(task)), 0);
    cr_assert_eq(weft_future_value(task).i64, ends_with < 0 ? ends_with : -EIO);
    weft_unref(task);
    cr_assert_eq(weft_loop_run_until(test_loop, weft_ref(started)), 0);
    cr_assert_eq(weft_future_value(started).i64, 5);
    weft_unref(started);
}

Test(call_at_once, what_is_destroyed_when_a_call_ends_may_start_something)
{
    drop_within_a_call(spawn_eagerly, 0);
    drop_within_a_call(spawn_eagerly, -EPIPE);
    drop_within_a_call(call, 0);
    drop_within_a_call(call, -EPIPE);
    weft_test_loop_end();
}

struct fails_later {
    WEFT_FRAME;
};

static WEFT_ASYNC(fails_later)
{
    WEFT_BEGIN;
    WEFT_YIELD;
    WEFT_FAIL(-EIO);
    WEFT_END;
}

static void add_at_once(void *value)
{
    (void)value;
    started = weft_spawn_eager(add, .a = 5);
}

struct leaves_scope_open {
    WEFT_FRAME;
};

static WEFT_ASYNC(leaves_scope_open)
{
    WEFT_BEGIN;
    weft_scope_spawn(weft_scope_open(NULL), fails_later);
    WEFT_RETURN(&started, add_at_once);
    WEFT_END;
}

Test(call_at_once, a_value_in_whose_place_comes_a_failure_may_start_something_when_it_is_destroyed)
{
    weft_future *task = weft_spawn(leaves_scope_open);
    cr_assert_eq(weft_loop_run_until(test_loop, weft_ref(task)), WEFT_EGROUP);
    weft_unref(task);
    cr_assert_eq(weft_future_status(started), 0);
    cr_assert_eq(weft_future_value(started).i64, 5);
    weft_unref(started);
    weft_test_loop_end();
}

/* ---- A call that outlives its task ---- */

struct awaits_its_task {
    WEFT_FRAME;
    weft_future *task;
    int status;
};

static WEFT_ASYNC(awaits_its_task)
{
    WEFT_BEGIN;
    WEFT_YIELD;
    WEFT_YIELD;
    WEFT_CATCH(self->status, self->task);
    WEFT_RETURN(self->status);
    WEFT_END;
}

static int destroyed;

static void destroy(void *value)
{
    (void)value;
    destroyed++;
}

struct leaves_a_call {
    WEFT_FRAME;
    bool has_destructor;
};

static WEFT_ASYNC(leaves_a_call)
{
    WEFT_BEGIN;
    started = weft_call(awaits_its_task, .task = weft_ref(weft_current_task()));
    if (self->has_destructor)
        WEFT_RETURN(&destroyed, destroy);
    WEFT_RETURN(1);
    WEFT_END;
}

Test(call_at_once, one_that_outlives_its_task_may_await_it_whatever_it_returned)
{
    for (int i = 0; i < 2; i++) {
        weft_unref(weft_spawn(leaves_a_call, .has_destructor = i));
        cr_assert_eq(weft_test_run(weft_spawn(yields)), 0);
        cr_assert_eq(weft_loop_run_until(test_loop, weft_ref(started)), 0);
        cr_assert_eq(weft_future_value(started).i64, 0);
        weft_unref(started);
    }
    cr_assert_eq(destroyed, 1);
    weft_test_loop_end();
}
