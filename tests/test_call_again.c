/* SPDX-License-Identifier: MIT */
/*
 * Calls of one coroutine one after the other: each is as if it were the first, though the memory may be that of
 * the one before. On the C library's heap, since only there memory is used again.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <weft/testing.h>
#include <weft/weft.h>

static weft_loop *loop;

static void begin(void)
{
    const struct weft_loop_options options = {.clock = WEFT_CLOCK_VIRTUAL};
    weft_set_allocator(NULL);
    loop = weft_loop_new(&options);
    cr_assert_not_null(loop);
}

TestSuite(call_again, .init = begin, .timeout = 60);

static void end(void)
{
    weft_loop_free(loop);
}

enum how { RETURNS, YIELDS, SLEEPS, FAILS, CATCHES_CANCEL };

struct does {
    WEFT_FRAME;
    int64_t value;
    enum how how;
    int status, again;
};

static WEFT_ASYNC(does)
{
    WEFT_BEGIN;
    if (self->how == YIELDS)
        WEFT_YIELD;
    if (self->how == SLEEPS)
        WEFT_AWAIT(weft_sleep(WEFT_MS(1)));
    if (self->how == FAILS)
        WEFT_FAIL(-EIO, "%d", (int)self->value);
    if (self->how == CATCHES_CANCEL)
        WEFT_CATCH(self->status, weft_sleep(WEFT_S(9)));
    cr_assert_eq(self->again, 0);
    self->again = 1;
    WEFT_RETURN(self->value + self->status);
    WEFT_END;
}

/* ---- One after the other ---- */

struct one_by_one {
    WEFT_FRAME;
    int64_t value;
    int i, status;
};

static WEFT_ASYNC(one_by_one)
{
    WEFT_BEGIN;
    for (; self->i < 64; self->i++) {
        self->value = -1;
        WEFT_CATCH_INTO(self->status, self->value,
                        weft_call(does, .how = (enum how)(self->i / (self->i % 2 ? 1 : 4) % 4),
                                  .value = self->i));
        cr_assert_eq(self->status, self->value < 0 ? -EIO : 0);
        cr_assert(self->value < 0 || self->value == self->i);
    }
    WEFT_END;
}

Test(call_again, each_has_its_own_arguments_and_end_in_whatever_way_the_last_one_ended)
{
    cr_assert_eq(weft_loop_run_until(loop, weft_spawn(one_by_one)), 0);
    end();
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
    if (self->n % 3 == 0)
        WEFT_YIELD;
    WEFT_AWAIT_INTO(self->b, weft_call(fibonacci, .n = self->n - 2));
    WEFT_RETURN(self->a + self->b);
    WEFT_END;
}

Test(call_again, one_that_is_under_way_is_not_disturbed_by_others_of_its_coroutine)
{
    weft_future *task = weft_spawn(fibonacci, .n = 15);
    cr_assert_eq(weft_loop_run_until(loop, weft_ref(task)), 0);
    cr_assert_eq(weft_future_value(task).i64, 610);
    weft_unref(task);
    end();
}

struct holds_the_first {
    WEFT_FRAME;
    weft_future *first;
    int64_t value, second;
};

static WEFT_ASYNC(holds_the_first)
{
    WEFT_BEGIN;
    self->first = weft_call(does, .value = 1);
    WEFT_AWAIT_INTO(self->value, weft_ref(self->first));
    WEFT_AWAIT_INTO(self->second, weft_call(does, .value = 2));
    cr_assert_eq(weft_future_value(self->first).i64, 1);
    WEFT_AWAIT_INTO(self->value, self->first);
    cr_assert_eq(self->value, 1);
    cr_assert_eq(self->second, 2);
    WEFT_END;
}

Test(call_again, one_that_somebody_holds_keeps_its_value)
{
    cr_assert_eq(weft_loop_run_until(loop, weft_spawn(holds_the_first)), 0);
    end();
}

/* ---- What the last one has gone through ---- */

struct after_a_cancel {
    WEFT_FRAME;
    weft_future *call;
    int64_t value;
};

static WEFT_ASYNC(after_a_cancel)
{
    WEFT_BEGIN;
    self->call = weft_call(does, .how = CATCHES_CANCEL, .value = 1);
    weft_cancel(self->call);
    WEFT_AWAIT_INTO(self->value, self->call);
    cr_assert_eq(self->value, 1 - ECANCELED);
    WEFT_AWAIT_INTO(self->value, weft_call(does, .how = SLEEPS, .value = 2));
    cr_assert_eq(self->value, 2);
    WEFT_END;
}

Test(call_again, one_after_a_cancelled_one_is_not_cancelled)
{
    cr_assert_eq(weft_loop_run_until(loop, weft_spawn(after_a_cancel)), 0);
    end();
}

struct without_memory {
    WEFT_FRAME;
    int64_t value;
    int status;
};

static WEFT_ASYNC(without_memory)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->value, weft_call(does, .value = 1));
    weft_testing_fail_allocation(1);
    WEFT_CATCH(self->status, weft_call(does, .value = 2));
    weft_testing_fail_allocation(0);
    cr_assert_eq(self->status, -ENOMEM);
    WEFT_AWAIT_INTO(self->value, weft_call(does, .value = 3));
    cr_assert_eq(self->value, 3);
    WEFT_END;
}

Test(call_again, lack_of_memory_is_met_by_every_call)
{
    cr_assert_eq(weft_loop_run_until(loop, weft_spawn(without_memory)), 0);
    end();
}

/* ---- The error handler ---- */

static int handled;
static weft_future *held;

static void call_what_fails(weft_loop *of, const struct weft_error_report *report, void *arg)
{
    (void)of;
    (void)report;
    (void)arg;
    handled++;
    weft_unref(held);
    held = weft_call(does, .how = FAILS);
}

struct calls_and_drops {
    WEFT_FRAME;
    weft_future *failed;
    int64_t value;
};

static WEFT_ASYNC(calls_and_drops)
{
    WEFT_BEGIN;
    self->failed = weft_call(does, .how = FAILS);
    WEFT_AWAIT_INTO(self->value, weft_call(does, .value = 1));
    weft_unref(self->failed);
    WEFT_END;
}

Test(call_again, what_fails_by_the_error_handler_is_not_told_to_it)
{
    weft_loop_set_error_handler(loop, call_what_fails, NULL);
    cr_assert_eq(weft_loop_run_until(loop, weft_spawn(calls_and_drops)), 0);
    cr_assert_eq(handled, 1);
    weft_unref(held);
    cr_assert_eq(handled, 1);
    end();
}
