/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <weft/weft.h>

#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

static weft_lock *lock;
static weft_condition *condition;
static int level;

static void begin(void)
{
    weft_test_loop_begin();
    lock = weft_lock_new();
    condition = weft_condition_new(lock);
    cr_assert_not_null(condition);
}

static void end(void)
{
    weft_condition_free(condition);
    weft_lock_free(lock);
    weft_test_loop_end();
}

TestSuite(condition, .init = begin, .timeout = 20);

static bool is_high(void *limit)
{
    return level >= *(int *)limit;
}

/* Waits under the lock; a small letter before, a capital one with the lock, and one a tick later. */
struct waiter {
    WEFT_FRAME;
    const char *small, *capital;
    int *limit; /* NULL: any notification will do */
    int status;
};

static WEFT_ASYNC(waiter)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_lock_acquire(lock));
    weft_test_mark(self->small);
    WEFT_CATCH(self->status, self->limit ? weft_condition_wait_for(condition, is_high, self->limit)
                                         : weft_condition_wait(condition));
    cr_assert(weft_lock_is_locked(lock));
    weft_test_mark(self->status == 0 ? self->capital : "!");
    if (self->status < 0)
        WEFT_FAIL(self->status);
    WEFT_YIELD;
    weft_test_mark(self->capital);

    WEFT_FINALLY;
    (void)weft_lock_release(lock);
    WEFT_END;
}

static weft_future *spawn(const char *small, const char *capital)
{
    return weft_spawn(waiter, .small = small, .capital = capital);
}

/* From outside of tasks. */
static void take(void)
{
    cr_assert_eq(weft_test_run(weft_lock_acquire(lock)), 0);
}

static void let_go(void)
{
    cr_assert_eq(weft_lock_release(lock), 0);
}

static void notify(size_t count)
{
    take();
    cr_assert_eq(weft_condition_notify(condition, count), 0);
    let_go();
}

/* ---- Order ---- */

struct notifier {
    WEFT_FRAME;
    int unused;
};

static WEFT_ASYNC(notifier)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_lock_acquire(lock));
    cr_assert_eq(weft_condition_notify(condition, 1), 0);
    weft_test_mark("1");
    WEFT_YIELD;
    weft_test_mark("2");
    cr_assert_eq(weft_condition_notify_all(condition), 0);
    cr_assert_eq(weft_lock_release(lock), 0);
    weft_test_mark("3");
    WEFT_END;
}

/* What the same program prints in Python. */
Test(condition, wakes_in_order_and_one_after_the_other_as_in_asyncio)
{
    weft_future *all = weft_gather(spawn("a", "A"), spawn("b", "B"), spawn("c", "C"),
                                   spawn("d", "D"), weft_spawn(notifier));
    cr_assert_eq(weft_test_run(all), 0);
    cr_assert_str_eq(test_trace, "abcd123AABBCCDD");
    end();
}

Test(condition, notifies_as_many_as_it_is_told)
{
    weft_future *tasks[] = {spawn("a", "A"), spawn("b", "B"), spawn("c", "C")};
    weft_test_ticks(1);
    notify(2);
    cr_assert_eq(weft_test_run(tasks[0]), 0);
    cr_assert_eq(weft_test_run(tasks[1]), 0);
    weft_test_ticks(3);
    cr_assert_not(weft_is_done(tasks[2]));
    notify(0);
    weft_test_ticks(3);
    cr_assert_not(weft_is_done(tasks[2]));
    notify(5);
    cr_assert_eq(weft_test_run(tasks[2]), 0);
    cr_assert_str_eq(test_trace, "abcAABBCC");
    end();
}

Test(condition, waiter_goes_on_only_with_the_lock)
{
    weft_future *task = spawn("a", "A");
    weft_test_ticks(1);
    take();
    cr_assert_eq(weft_condition_notify(condition, 1), 0);
    weft_test_ticks(5);
    cr_assert_str_eq(test_trace, "a");
    let_go();
    cr_assert_eq(weft_test_run(task), 0);
    end();
}

/* ---- A predicate ---- */

Test(condition, wait_for_goes_on_when_the_predicate_is_true)
{
    int two = 2;
    weft_future *task = weft_spawn(waiter, .small = "a", .capital = "A", .limit = &two);
    weft_test_ticks(1);
    notify(1);
    weft_test_ticks(3);
    cr_assert_not(weft_is_done(task));
    level = 2;
    weft_test_ticks(3);
    cr_assert_not(weft_is_done(task));
    notify(1);
    cr_assert_eq(weft_test_run(task), 0);
    end();
}

Test(condition, wait_for_what_is_true_does_not_wait)
{
    int zero = 0;
    take();
    weft_future *wait = weft_condition_wait_for(condition, is_high, &zero);
    cr_assert(weft_is_done(wait));
    cr_assert(weft_lock_is_locked(lock));
    cr_assert_eq(weft_test_run(wait), 0);
    let_go();
    end();
}

static weft_future *hooked;

static bool frees_the_condition(void *arg)
{
    (void)arg;
    if (level++ == 0)
        return false;
    weft_condition_free(condition);
    condition = NULL;
    return false;
}

Test(condition, predicate_may_free_the_condition)
{
    take();
    weft_future *wait = weft_condition_wait_for(condition, frees_the_condition, NULL);
    notify(1);
    cr_assert_eq(weft_test_run(wait), WEFT_ECLOSED);
    cr_assert(weft_lock_is_locked(lock));
    let_go();
    end();
}

static bool cancels_the_wait(void *arg)
{
    (void)arg;
    if (level++ > 0)
        weft_cancel(hooked);
    return false;
}

Test(condition, predicate_may_cancel_the_wait)
{
    take();
    hooked = weft_condition_wait_for(condition, cancels_the_wait, NULL);
    notify(1);
    cr_assert_eq(weft_test_run(hooked), -ECANCELED);
    let_go();
    end();
}

/* ---- Cancelling ---- */

static void cancel_waiter(int which)
{
    weft_future *tasks[] = {spawn("a", "A"), spawn("b", "B"), spawn("c", "C")};
    weft_test_ticks(1);
    cr_assert(weft_cancel(tasks[which]));
    cr_assert_eq(weft_test_run(weft_ref(tasks[which])), -ECANCELED);
    notify(2);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(weft_test_run(tasks[i]), i == which ? -ECANCELED : 0);
    end();
}

Test(condition, first_waiter_that_is_cancelled_leaves_the_line)
{
    cancel_waiter(0);
    cr_assert_str_eq(test_trace, "abc!BBCC");
}

Test(condition, waiter_in_the_middle_that_is_cancelled_leaves_the_line)
{
    cancel_waiter(1);
    cr_assert_str_eq(test_trace, "abc!AACC");
}

Test(condition, last_waiter_that_is_cancelled_leaves_the_line)
{
    cancel_waiter(2);
    cr_assert_str_eq(test_trace, "abc!AABB");
}

Test(condition, wait_takes_the_lock_again_even_when_cancelled)
{
    weft_future *task = spawn("a", "A");
    weft_test_ticks(1);
    take();
    cr_assert(weft_cancel_because(task, "enough"));
    weft_test_ticks(3);
    cr_assert_not(weft_is_done(task));
    cr_assert(weft_cancel(task)); /* once more, while it waits for the lock */
    weft_test_ticks(3);
    cr_assert_str_eq(test_trace, "a");
    let_go();
    cr_assert_eq(weft_test_run(task), -ECANCELED);
    cr_assert_str_eq(test_trace, "a!");
    end();
}

Test(condition, waiter_that_was_woken_and_then_cancelled_passes_the_wake_on)
{
    weft_future *victim = spawn("a", "A"), *next = spawn("b", "B");
    weft_test_ticks(1);
    notify(1);
    cr_assert(weft_cancel(victim));
    cr_assert_eq(weft_test_run(victim), -ECANCELED);
    cr_assert_eq(weft_test_run(next), 0);
    cr_assert_str_eq(test_trace, "ab!BB");
    end();
}

Test(condition, waiter_that_is_cancelled_while_it_waits_for_the_lock_passes_the_wake_on)
{
    weft_future *victim = spawn("a", "A"), *next = spawn("b", "B");
    weft_test_ticks(1);
    take();
    cr_assert_eq(weft_condition_notify(condition, 1), 0);
    weft_test_ticks(2);
    cr_assert(weft_cancel(victim));
    let_go();
    cr_assert_eq(weft_test_run(victim), -ECANCELED);
    cr_assert_eq(weft_test_run(next), 0);
    end();
}

Test(condition, wait_for_that_times_out_has_the_lock)
{
    take();
    weft_future *wait = weft_wait_for(weft_condition_wait(condition), WEFT_MS(10));
    cr_assert_eq(weft_test_run(wait), -ETIMEDOUT);
    cr_assert(weft_lock_is_locked(lock));
    let_go();
    end();
}

Test(condition, dropped_wait_has_the_lock_in_the_end)
{
    take();
    weft_unref(weft_condition_wait(condition));
    cr_assert_not(weft_lock_is_locked(lock));
    notify(1);
    weft_test_ticks(2);
    cr_assert(weft_lock_is_locked(lock));
    let_go();
    end();
}

struct leaver {
    WEFT_FRAME;
    int unused;
};

static WEFT_ASYNC(leaver)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_lock_acquire(lock));
    weft_unref(weft_condition_wait(condition));
    WEFT_END;
}

Test(condition, wait_of_a_task_that_has_ended_passes_the_lock_on)
{
    cr_assert_eq(weft_test_run(weft_spawn(leaver)), 0);
    notify(1);
    weft_test_ticks(2);
    cr_assert_not(weft_lock_is_locked(lock));
    take();
    let_go();
    end();
}

/* ---- Misuse ---- */

struct keeper {
    WEFT_FRAME;
    int unused;
};

static WEFT_ASYNC(keeper)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_lock_acquire(lock));
    WEFT_YIELD;
    cr_assert_eq(weft_lock_release(lock), 0);
    WEFT_END;
}

Test(condition, needs_the_lock)
{
    int zero = 0;
    cr_assert_eq(weft_test_run(weft_condition_wait(condition)), -EPERM);
    cr_assert_eq(weft_test_run(weft_condition_wait_for(condition, is_high, &zero)), -EPERM);
    cr_assert_eq(weft_condition_notify(condition, 1), -EPERM);
    cr_assert_eq(weft_condition_notify_all(condition), -EPERM);
    weft_future *task = weft_spawn(keeper); /* somebody else's will not do */
    weft_test_ticks(1);
    cr_assert(weft_lock_is_locked(lock));
    cr_assert_eq(weft_condition_notify(condition, 1), -EPERM);
    cr_assert_eq(weft_test_run(task), 0);
    end();
}

Test(condition, refuses_null)
{
    take();
    cr_assert_null(weft_condition_new(NULL));
    cr_assert_eq(errno, EINVAL);
    cr_assert_eq(weft_test_run(weft_condition_wait(NULL)), -EINVAL);
    cr_assert_eq(weft_test_run(weft_condition_wait_for(NULL, is_high, NULL)), -EINVAL);
    cr_assert_eq(weft_test_run(weft_condition_wait_for(condition, NULL, NULL)), -EINVAL);
    cr_assert_eq(weft_condition_notify(NULL, 1), -EINVAL);
    cr_assert_eq(weft_condition_notify_all(NULL), -EINVAL);
    weft_condition_free(NULL);
    let_go();
    end();
}

/* ---- Its end ---- */

Test(condition, that_is_freed_fails_those_who_wait_with_the_lock)
{
    weft_future *first = spawn("a", "A"), *second = spawn("b", "B");
    weft_test_ticks(1);
    weft_condition_free(condition);
    condition = NULL;
    cr_assert_eq(weft_test_run(first), WEFT_ECLOSED);
    cr_assert_eq(weft_test_run(second), WEFT_ECLOSED);
    cr_assert_str_eq(test_trace, "ab!!");
    cr_assert_not(weft_lock_is_locked(lock));
    end();
}

Test(condition, whose_lock_is_freed_fails_those_who_are_notified)
{
    take();
    weft_future *called = weft_condition_wait(condition);
    take();
    weft_future *in_line = weft_condition_wait(condition);
    take();
    weft_future *waits = weft_condition_wait(condition);
    take();
    cr_assert_eq(weft_condition_notify(condition, 1), 0);
    weft_test_ticks(1);
    cr_assert_eq(weft_condition_notify(condition, 1), 0);
    weft_lock_free(lock);
    cr_assert_eq(weft_condition_notify(condition, 1), WEFT_ECLOSED);
    cr_assert_eq(weft_test_run(called), WEFT_ECLOSED);
    cr_assert_eq(weft_test_run(in_line), WEFT_ECLOSED);
    weft_condition_free(condition);
    cr_assert_eq(weft_test_run(waits), WEFT_ECLOSED);
    weft_test_loop_end();
}

Test(condition, waiters_are_cancelled_when_the_loop_ends)
{
    weft_future *task = spawn("a", "A");
    weft_test_ticks(1);
    take();
    weft_future *alone = weft_condition_wait(condition);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert(weft_is_cancelled(task));
    cr_assert(weft_is_cancelled(alone));
    weft_unref(task);
    weft_unref(alone);
    cr_assert_eq(weft_condition_notify(condition, 1), -ESHUTDOWN);
    end();
}

static int wait_and_notify(void)
{
    weft_lock *own = weft_lock_new();
    weft_condition *change = own ? weft_condition_new(own) : NULL;
    int status = change ? weft_test_run(weft_lock_acquire(own)) : -errno;
    weft_future *wait = status == 0 ? weft_condition_wait(change) : NULL;
    if (wait && weft_is_done(wait))
        status = weft_future_status(wait);
    if (status == 0)
        status = weft_test_run(weft_lock_acquire(own));
    if (status == 0) {
        cr_assert_eq(weft_condition_notify(change, 1), 0);
        cr_assert_eq(weft_lock_release(own), 0);
        status = weft_test_run(weft_ref(wait));
    }
    weft_unref(wait);
    weft_condition_free(change);
    weft_lock_free(own);
    return status;
}

Test(condition, survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(wait_and_notify);
    end();
}
