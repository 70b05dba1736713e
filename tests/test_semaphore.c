/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <weft/weft.h>

#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

static weft_semaphore *semaphore;

static void begin(void)
{
    weft_test_loop_begin();
    semaphore = weft_semaphore_new(2, 2);
    cr_assert_not_null(semaphore);
}

static void end(void)
{
    weft_semaphore_free(semaphore);
    weft_test_loop_end();
}

TestSuite(semaphore, .init = begin, .timeout = 20);

struct user {
    WEFT_FRAME;
    const char *name;
    int status;
};

static WEFT_ASYNC(user)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_semaphore_acquire(semaphore));
    weft_test_mark(self->status == 0 ? self->name : "!");
    if (self->status < 0)
        WEFT_FAIL(self->status);
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
    cr_assert_eq(weft_semaphore_release(semaphore), 0);
    WEFT_END;
}

static void take_all(void)
{
    cr_assert_eq(weft_test_run(weft_semaphore_acquire(semaphore)), 0);
    cr_assert_eq(weft_test_run(weft_semaphore_acquire(semaphore)), 0);
    cr_assert_eq(weft_semaphore_value(semaphore), 0);
}

Test(semaphore, lets_in_as_many_as_it_has_units_in_order)
{
    weft_future *all = weft_gather(weft_spawn(user, .name = "a"), weft_spawn(user, .name = "b"),
                                   weft_spawn(user, .name = "c"), weft_spawn(user, .name = "d"),
                                   weft_spawn(user, .name = "e"));
    weft_test_ticks(4);
    cr_assert_str_eq(test_trace, "ab");
    cr_assert_eq(weft_test_run(all), 0);
    cr_assert_str_eq(test_trace, "abcde");
    cr_assert_eq(weft_now(), WEFT_S(3));
    cr_assert_eq(weft_semaphore_value(semaphore), 2);
    end();
}

Test(semaphore, unit_that_was_released_cannot_be_taken_past_those_who_wait)
{
    take_all();
    weft_future *waits = weft_semaphore_acquire(semaphore);
    cr_assert_eq(weft_semaphore_release(semaphore), 0);
    weft_future *late = weft_semaphore_acquire(semaphore);
    cr_assert_eq(weft_semaphore_value(semaphore), 0);
    cr_assert_eq(weft_test_run(waits), 0);
    cr_assert_not(weft_is_done(late));
    cr_assert_eq(weft_semaphore_release(semaphore), 0);
    cr_assert_eq(weft_test_run(late), 0);
    end();
}

Test(semaphore, nobody_passes_by_one_who_was_woken_and_has_not_run_as_in_asyncio)
{
    take_all();
    weft_future *woken = weft_semaphore_acquire(semaphore);
    cr_assert_eq(weft_semaphore_release(semaphore), 0);
    cr_assert_eq(weft_semaphore_release(semaphore), 0);
    weft_future *late = weft_semaphore_acquire(semaphore);
    cr_assert_eq(weft_semaphore_value(semaphore), 1);
    cr_assert_not(weft_is_done(late));
    cr_assert_eq(weft_test_run(woken), 0);
    cr_assert_eq(weft_test_run(late), 0);
    cr_assert_eq(weft_semaphore_value(semaphore), 0);
    end();
}

Test(semaphore, release_beyond_the_bound_is_an_error)
{
    cr_assert_eq(weft_semaphore_release(semaphore), -EOVERFLOW);
    cr_assert_eq(weft_semaphore_value(semaphore), 2);
    end();
}

Test(semaphore, with_bound_never_holds_more_though_a_unit_was_released_before_anybody_looked)
{
    weft_future *unseen = weft_semaphore_acquire(semaphore);
    cr_assert_eq(weft_semaphore_release(semaphore), 0);
    cr_assert_eq(weft_semaphore_value(semaphore), 2);
    weft_unref(unseen);
    cr_assert_eq(weft_semaphore_value(semaphore), 2);
    end();
}

Test(semaphore, without_bound_grows)
{
    weft_semaphore *own = weft_semaphore_new(0, 0);
    cr_assert_eq(weft_semaphore_release(own), 0);
    cr_assert_eq(weft_semaphore_release(own), 0);
    cr_assert_eq(weft_semaphore_value(own), 2);
    cr_assert_eq(weft_test_run(weft_semaphore_acquire(own)), 0);
    cr_assert_eq(weft_semaphore_value(own), 1);
    weft_semaphore_free(own);
    end();
}

Test(semaphore, refuses_a_value_above_its_bound)
{
    cr_assert_null(weft_semaphore_new(3, 2));
    cr_assert_eq(errno, EINVAL);
    end();
}

static void cancel_waiter(int which)
{
    const char *names[] = {"a", "b", "c"};
    weft_future *tasks[3];
    take_all();
    for (int i = 0; i < 3; i++)
        tasks[i] = weft_spawn(user, .name = names[i]);
    weft_test_ticks(1);
    cr_assert(weft_cancel(tasks[which]));
    weft_test_ticks(1);
    cr_assert_eq(weft_semaphore_release(semaphore), 0);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(weft_test_run(tasks[i]), i == which ? -ECANCELED : 0);
    cr_assert_eq(weft_semaphore_value(semaphore), 1);
    end();
}

Test(semaphore, first_waiter_that_is_cancelled_leaves_the_line)
{
    cancel_waiter(0);
    cr_assert_str_eq(test_trace, "!bc");
}

Test(semaphore, waiter_in_the_middle_that_is_cancelled_leaves_the_line)
{
    cancel_waiter(1);
    cr_assert_str_eq(test_trace, "!ac");
}

Test(semaphore, last_waiter_that_is_cancelled_leaves_the_line)
{
    cancel_waiter(2);
    cr_assert_str_eq(test_trace, "!ab");
}

Test(semaphore, waiter_that_was_woken_and_then_cancelled_passes_the_wake_on)
{
    take_all();
    weft_future *victim = weft_spawn(user, .name = "v"), *next = weft_spawn(user, .name = "n");
    weft_test_ticks(1);
    cr_assert_eq(weft_semaphore_release(semaphore), 0);
    cr_assert(weft_cancel(victim));
    cr_assert_eq(weft_test_run(victim), -ECANCELED);
    cr_assert_eq(weft_test_run(next), 0);
    cr_assert_str_eq(test_trace, "!n");
    cr_assert_eq(weft_semaphore_value(semaphore), 1);
    end();
}

Test(semaphore, waiter_that_was_woken_and_then_cancelled_gives_the_unit_back)
{
    take_all();
    weft_future *victim = weft_semaphore_acquire(semaphore);
    cr_assert_eq(weft_semaphore_release(semaphore), 0);
    cr_assert(weft_cancel(victim));
    cr_assert_eq(weft_test_run(victim), -ECANCELED);
    cr_assert_eq(weft_semaphore_value(semaphore), 1);
    end();
}

Test(semaphore, unit_that_nobody_looks_at_passes_on)
{
    weft_unref(weft_semaphore_acquire(semaphore));
    cr_assert_eq(weft_semaphore_value(semaphore), 2);
    take_all();
    weft_unref(weft_semaphore_acquire(semaphore));
    weft_future *waits = weft_semaphore_acquire(semaphore);
    cr_assert_eq(weft_semaphore_release(semaphore), 0);
    cr_assert_eq(weft_test_run(waits), 0);
    end();
}

Test(semaphore, wait_for_that_times_out_takes_nothing)
{
    take_all();
    weft_future *wait = weft_wait_for(weft_semaphore_acquire(semaphore), WEFT_MS(10));
    cr_assert_eq(weft_test_run(wait), -ETIMEDOUT);
    cr_assert_eq(weft_semaphore_release(semaphore), 0);
    cr_assert_eq(weft_semaphore_value(semaphore), 1);
    end();
}

Test(semaphore, cancelled_gather_gives_back_what_it_was_granted)
{
    weft_future *three =
        weft_gather(weft_semaphore_acquire(semaphore), weft_semaphore_acquire(semaphore),
                    weft_semaphore_acquire(semaphore));
    weft_test_ticks(2);
    cr_assert_eq(weft_semaphore_value(semaphore), 0);
    cr_assert(weft_cancel(three));
    cr_assert_eq(weft_test_run(three), -ECANCELED);
    cr_assert_eq(weft_semaphore_value(semaphore), 2);
    end();
}

Test(semaphore, that_is_freed_fails_those_who_wait)
{
    take_all();
    weft_future *called = weft_semaphore_acquire(semaphore);
    weft_future *waits = weft_semaphore_acquire(semaphore);
    cr_assert_eq(weft_semaphore_release(semaphore), 0);
    weft_semaphore_free(semaphore);
    cr_assert_eq(weft_test_run(called), WEFT_ECLOSED);
    cr_assert_eq(weft_test_run(waits), WEFT_ECLOSED);
    weft_test_loop_end();
}

Test(semaphore, waiters_are_cancelled_when_the_loop_ends)
{
    take_all();
    weft_future *waits = weft_semaphore_acquire(semaphore);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert(weft_is_cancelled(waits));
    weft_unref(waits);
    cr_assert_eq(weft_semaphore_release(semaphore), -ESHUTDOWN);
    end();
}

Test(semaphore, refuses_null)
{
    cr_assert_eq(weft_test_run(weft_semaphore_acquire(NULL)), -EINVAL);
    cr_assert_eq(weft_semaphore_release(NULL), -EINVAL);
    weft_semaphore_free(NULL);
    end();
}

static int contend(void)
{
    weft_semaphore *own = weft_semaphore_new(1, 0);
    if (!own)
        return -errno;
    int status = weft_test_run(weft_semaphore_acquire(own));
    if (status == 0) {
        weft_future *waits = weft_semaphore_acquire(own);
        cr_assert_eq(weft_semaphore_release(own), 0);
        status = weft_test_run(waits);
    }
    weft_semaphore_free(own);
    return status;
}

Test(semaphore, survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(contend);
    end();
}
