/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

static weft_lock *lock;

static void begin(void)
{
    weft_test_loop_begin();
    lock = weft_lock_new();
    cr_assert_not_null(lock);
}

static void end(void)
{
    weft_lock_free(lock);
    weft_test_loop_end();
}

TestSuite(lock, .init = begin, .timeout = 20);

/* Takes the lock, says its name in small letters, holds it for a while, says it in capitals. */
struct holder {
    WEFT_FRAME;
    const char *small, *capital;
    weft_ns hold;
    weft_ns limit; /* 0: none */
    int status;
};

static WEFT_ASYNC(holder)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status,
               weft_wait_for(weft_lock_acquire(lock), self->limit ? self->limit : WEFT_FOREVER));
    if (self->status < 0) {
        weft_test_mark("!");
        WEFT_FAIL(self->status);
    }
    weft_test_mark(self->small);
    WEFT_AWAIT(weft_sleep(self->hold));
    weft_test_mark(self->capital);

    WEFT_FINALLY;
    (void)weft_lock_release(lock);
    WEFT_END;
}

static weft_future *spawn(const char *small, const char *capital)
{
    return weft_spawn(holder, .small = small, .capital = capital, .hold = WEFT_S(1));
}

static int end_of(weft_future *future)
{
    return weft_test_run(weft_ref(future));
}

/* ---- Order ---- */

Test(lock, is_held_by_one_and_handed_over_in_order_of_asking)
{
    weft_future *all = weft_gather(spawn("a", "A"), spawn("b", "B"), spawn("c", "C"));
    cr_assert_eq(weft_test_run(all), 0);
    cr_assert_str_eq(test_trace, "aAbBcC");
    cr_assert_eq(weft_now(), WEFT_S(3));
    end();
}

Test(lock, that_is_free_is_taken_without_waiting)
{
    weft_future *future = weft_lock_acquire(lock);
    cr_assert(weft_is_done(future));
    cr_assert_eq(weft_future_status(future), 0);
    cr_assert(weft_lock_is_locked(lock));
    weft_unref(future);
    cr_assert_eq(weft_lock_release(lock), 0);
    cr_assert_not(weft_lock_is_locked(lock));
    end();
}

/* Releases and wants it again at once. */
struct greedy {
    WEFT_FRAME;
    int rounds;
    const char *name;
};

static WEFT_ASYNC(greedy)
{
    WEFT_BEGIN;
    for (; self->rounds > 0; self->rounds--) {
        WEFT_AWAIT(weft_lock_acquire(lock));
        weft_test_mark(self->name);
        WEFT_YIELD;
        cr_assert_eq(weft_lock_release(lock), 0);
    }
    WEFT_END;
}

Test(lock, cannot_be_taken_again_past_those_who_wait)
{
    weft_future *both = weft_gather(weft_spawn(greedy, .rounds = 3, .name = "x"),
                                    weft_spawn(greedy, .rounds = 3, .name = "y"));
    cr_assert_eq(weft_test_run(both), 0);
    cr_assert_str_eq(test_trace, "xyxyxy");
    end();
}

struct watcher {
    WEFT_FRAME;
    int unused;
};

static WEFT_ASYNC(watcher)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_lock_acquire(lock));
    weft_test_mark(weft_lock_is_locked(lock) ? "L" : "-");
    WEFT_YIELD;
    cr_assert_eq(weft_lock_release(lock), 0);
    weft_test_mark(weft_lock_is_locked(lock) ? "L" : "-");
    WEFT_END;
}

Test(lock, is_not_locked_between_a_release_and_the_step_of_the_next_as_in_asyncio)
{
    weft_future *both = weft_gather(weft_spawn(watcher), weft_spawn(watcher));
    cr_assert_eq(weft_test_run(both), 0);
    cr_assert_str_eq(test_trace, "L-L-");
    end();
}

/* ---- Cancelling ---- */

static void cancel_waiter(int which)
{
    weft_future *tasks[] = {spawn("a", "A"), spawn("b", "B"), spawn("c", "C"), spawn("d", "D")};
    weft_test_ticks(1);
    cr_assert(weft_cancel(tasks[which]));
    cr_assert_eq(end_of(tasks[which]), -ECANCELED);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(weft_test_run(tasks[i]), i == which ? -ECANCELED : 0);
    cr_assert_not(weft_lock_is_locked(lock));
    end();
}

Test(lock, holder_that_is_cancelled_hands_over)
{
    cancel_waiter(0);
    cr_assert_str_eq(test_trace, "abBcCdD");
}

Test(lock, first_waiter_that_is_cancelled_leaves_the_line)
{
    cancel_waiter(1);
    cr_assert_str_eq(test_trace, "a!AcCdD");
}

Test(lock, waiter_in_the_middle_that_is_cancelled_leaves_the_line)
{
    cancel_waiter(2);
    cr_assert_str_eq(test_trace, "a!AbBdD");
}

Test(lock, last_waiter_that_is_cancelled_leaves_the_line)
{
    cancel_waiter(3);
    cr_assert_str_eq(test_trace, "a!AbBcC");
}

/* Waits without any combinator. */
struct plain_holder {
    WEFT_FRAME;
    int status;
};

static WEFT_ASYNC(plain_holder)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_lock_acquire(lock));
    weft_test_mark(self->status == 0 ? "h" : "x");
    if (self->status == 0)
        cr_assert_eq(weft_lock_release(lock), 0);
    WEFT_END;
}

Test(lock, waiter_that_was_woken_and_then_cancelled_passes_the_wake_on)
{
    weft_future *got = weft_lock_acquire(lock);
    cr_assert_eq(weft_test_run(got), 0);
    weft_future *victim = weft_spawn(plain_holder);
    weft_future *next = weft_spawn(plain_holder);
    weft_test_ticks(1);
    cr_assert_eq(weft_lock_release(lock), 0);
    cr_assert(weft_cancel(victim));
    cr_assert_eq(weft_test_run(victim), 0);
    cr_assert_eq(weft_test_run(next), 0);
    cr_assert_str_eq(test_trace, "xh");
    end();
}

Test(lock, next_in_line_runs_at_the_tick_after_the_release)
{
    cr_assert_eq(weft_test_run(weft_lock_acquire(lock)), 0);
    weft_future *task = weft_spawn(plain_holder);
    weft_test_ticks(1);
    cr_assert_eq(weft_lock_release(lock), 0);
    weft_unref(weft_call_soon(weft_test_mark_call, (char[]){"s"}));
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_str_eq(test_trace, "hs"); /* in its place in that tick, too */
    end();
}

Test(lock, that_was_got_is_not_lost_to_a_cancel_before_the_next_step)
{
    weft_future *future = weft_lock_acquire(lock);
    weft_future *wait = weft_wait_for(weft_ref(future), WEFT_S(1));
    cr_assert_not(weft_cancel(future));
    cr_assert_eq(weft_test_run(wait), 0);
    cr_assert(weft_lock_is_locked(lock));
    weft_unref(future);
    cr_assert(weft_lock_is_locked(lock));
    cr_assert_eq(weft_lock_release(lock), 0);
    end();
}

/* ---- A limit of time ---- */

Test(lock, wait_for_that_times_out_leaves_the_line)
{
    weft_future *slow = spawn("a", "A");
    weft_future *hasty =
        weft_spawn(holder, .small = "b", .capital = "B", .limit = WEFT_MS(500), .hold = 1);
    weft_future *next = spawn("c", "C");
    cr_assert_eq(weft_test_run(hasty), -ETIMEDOUT);
    cr_assert_eq(weft_now(), WEFT_MS(500));
    cr_assert_eq(weft_test_run(slow), 0);
    cr_assert_eq(weft_test_run(next), 0);
    cr_assert_str_eq(test_trace, "a!AcC");
    end();
}

Test(lock, wait_for_that_times_out_when_the_lock_is_released_loses_nothing)
{
    weft_future *slow = spawn("a", "A");
    weft_future *hasty =
        weft_spawn(holder, .small = "b", .capital = "B", .limit = WEFT_S(1), .hold = 1);
    weft_future *next = spawn("c", "C");
    int status = weft_test_run(hasty);
    cr_assert(status == 0 || status == -ETIMEDOUT);
    cr_assert_eq(weft_test_run(slow), 0);
    cr_assert_eq(weft_test_run(next), 0);
    cr_assert_not(weft_lock_is_locked(lock));
    end();
}

/* ---- Nobody looks ---- */

Test(lock, future_that_is_dropped_unseen_gives_the_lock_back)
{
    weft_unref(weft_lock_acquire(lock));
    weft_future *again = weft_lock_acquire(lock);
    cr_assert(weft_is_done(again));
    weft_future *waits = weft_lock_acquire(lock);
    weft_unref(again);
    cr_assert_eq(weft_test_run(waits), 0);
    cr_assert_eq(weft_lock_release(lock), 0);
    end();
}

Test(lock, future_that_is_dropped_while_it_waits_passes_the_lock_on)
{
    cr_assert_eq(weft_test_run(weft_lock_acquire(lock)), 0);
    weft_unref(weft_lock_acquire(lock));
    weft_future *third = weft_lock_acquire(lock);
    cr_assert_eq(weft_lock_release(lock), 0);
    cr_assert_eq(weft_test_run(third), 0);
    cr_assert_eq(weft_lock_release(lock), 0);
    end();
}

Test(lock, dropped_wait_for_gives_the_lock_back)
{
    weft_future *wait = weft_wait_for(weft_lock_acquire(lock), WEFT_S(1));
    weft_unref(wait);
    cr_assert_eq(weft_test_run(weft_lock_acquire(lock)), 0);
    wait = weft_wait_for(weft_lock_acquire(lock), WEFT_S(1));
    cr_assert_eq(weft_lock_release(lock), 0);
    weft_unref(wait);
    weft_test_ticks(4);
    cr_assert_eq(weft_test_run(weft_lock_acquire(lock)), 0);
    cr_assert_eq(weft_lock_release(lock), 0);
    end();
}

Test(lock, cancelled_gather_gives_back_what_it_was_granted)
{
    weft_lock *other = weft_lock_new();
    cr_assert_eq(weft_test_run(weft_lock_acquire(other)), 0);
    weft_future *both = weft_gather(weft_lock_acquire(lock), weft_lock_acquire(other));
    weft_test_ticks(2);
    cr_assert(weft_cancel(both));
    cr_assert_eq(weft_test_run(both), -ECANCELED);
    cr_assert_eq(weft_test_run(weft_lock_acquire(lock)), 0);
    cr_assert_eq(weft_lock_release(lock), 0);
    weft_lock_free(other);
    end();
}

Test(lock, gather_that_succeeded_holds_all_of_its_locks)
{
    weft_lock *other = weft_lock_new();
    weft_future *both = weft_gather(weft_lock_acquire(lock), weft_gather(weft_lock_acquire(other)));
    cr_assert_eq(weft_test_run(both), 0); /* and drops the results */
    cr_assert(weft_lock_is_locked(lock));
    cr_assert(weft_lock_is_locked(other));
    cr_assert_eq(weft_lock_release(lock), 0);
    cr_assert_eq(weft_lock_release(other), 0);
    weft_lock_free(other);
    end();
}

Test(lock, loser_of_a_race_gives_its_lock_back)
{
    weft_lock *other = weft_lock_new();
    weft_future *race = weft_race(weft_lock_acquire(lock), weft_lock_acquire(other));
    cr_assert_eq(end_of(race), 0);
    cr_assert_eq(weft_race_winner(race), 0);
    weft_unref(race);
    cr_assert(weft_lock_is_locked(lock));
    cr_assert_eq(weft_test_run(weft_lock_acquire(other)), 0);
    cr_assert_eq(weft_lock_release(other), 0);
    cr_assert_eq(weft_lock_release(lock), 0);
    weft_lock_free(other);
    end();
}

static void release(weft_future *future, void *arg)
{
    (void)future;
    weft_test_mark("r");
    cr_assert_eq(weft_lock_release(arg), 0);
}

Test(lock, callback_of_then_holds_the_lock)
{
    cr_assert_eq(weft_then(weft_lock_acquire(lock), release, lock), 0);
    cr_assert_eq(weft_then(weft_lock_acquire(lock), release, lock), 0);
    weft_test_ticks(5);
    cr_assert_str_eq(test_trace, "rr");
    end();
}

Test(lock, value_that_is_taken_is_nothing_and_keeps_the_lock)
{
    weft_future *future = weft_lock_acquire(lock);
    weft_value value = weft_value_i64(9);
    cr_assert_eq(weft_future_take(future, &value), 0);
    cr_assert_eq(value.i64, 0);
    weft_unref(future);
    cr_assert(weft_lock_is_locked(lock));
    cr_assert_eq(weft_lock_release(lock), 0);
    end();
}

/* ---- Owners, misuse ---- */

struct twice {
    WEFT_FRAME;
    int status;
};

static WEFT_ASYNC(twice)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_lock_acquire(lock));
    WEFT_CATCH(self->status, weft_lock_acquire(lock));
    cr_assert_eq(self->status, -EDEADLK);
    cr_assert(weft_lock_is_locked(lock));
    cr_assert_eq(weft_lock_release(lock), 0);
    cr_assert_eq(weft_lock_release(lock), -EPERM);
    WEFT_END;
}

Test(lock, knows_its_owner_and_refuses_to_be_taken_twice)
{
    cr_assert_eq(weft_test_run(weft_spawn(twice)), 0);
    end();
}

Test(lock, is_released_by_its_owner_only)
{
    weft_future *task = spawn("a", "A");
    cr_assert_eq(weft_lock_release(lock), -EPERM);
    weft_test_ticks(3);
    cr_assert_str_eq(test_trace, "a");
    cr_assert_eq(weft_lock_release(lock), -EPERM);
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_eq(weft_lock_release(lock), -EPERM);
    end();
}

Test(lock, that_nobody_has_seen_granted_cannot_be_released)
{
    weft_future *future = weft_lock_acquire(lock);
    cr_assert_eq(weft_lock_release(lock), -EPERM);
    cr_assert_eq(weft_future_status(future), 0);
    cr_assert_eq(weft_lock_release(lock), 0);
    weft_unref(future);
    end();
}

Test(lock, refuses_null)
{
    cr_assert_eq(weft_test_run(weft_lock_acquire(NULL)), -EINVAL);
    cr_assert_eq(weft_lock_release(NULL), -EINVAL);
    weft_lock_free(NULL);
    end();
}

Test(lock, needs_a_loop)
{
    weft_loop_free(test_loop);
    cr_assert_null(weft_lock_new());
    cr_assert_eq(errno, EINVAL);
    weft_future *future = weft_lock_acquire(lock);
    cr_assert_eq(weft_future_status(future), WEFT_ENOLOOP);
    weft_unref(future);
    cr_assert_eq(weft_lock_release(lock), WEFT_ENOLOOP);
    weft_lock_free(lock);
    cr_assert_eq(weft_test_heap_live(), 0);
}

/* ---- Its end ---- */

Test(lock, that_is_freed_fails_those_who_wait)
{
    cr_assert_eq(weft_test_run(weft_lock_acquire(lock)), 0);
    weft_future *first = weft_lock_acquire(lock);
    weft_future *second = weft_lock_acquire(lock);
    weft_future *called = weft_lock_acquire(lock);
    cr_assert(weft_cancel(first));
    cr_assert_eq(weft_lock_release(lock), 0);
    weft_lock_free(lock);
    cr_assert_eq(weft_test_run(first), -ECANCELED);
    cr_assert_eq(weft_test_run(second), WEFT_ECLOSED);
    cr_assert_eq(weft_test_run(called), WEFT_ECLOSED);
    weft_test_loop_end();
}

Test(lock, can_be_freed_before_what_it_granted_is_dropped)
{
    weft_future *granted = weft_lock_acquire(lock);
    weft_lock_free(lock);
    weft_unref(granted);
    weft_test_loop_end();
}

Test(lock, waiters_are_cancelled_by_a_shutdown_and_the_lock_is_freed_after_it)
{
    weft_future *task = spawn("a", "A");
    weft_future *waits = spawn("b", "B");
    weft_test_ticks(2);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert(weft_is_cancelled(task));
    cr_assert(weft_is_cancelled(waits));
    weft_unref(task);
    weft_unref(waits);
    cr_assert_eq(weft_test_run(weft_lock_acquire(lock)), -ESHUTDOWN);
    cr_assert_eq(weft_lock_release(lock), -ESHUTDOWN);
    cr_assert_null(weft_lock_new());
    cr_assert_eq(errno, ESHUTDOWN);
    end();
}

Test(lock, waiter_without_a_task_is_cancelled_when_the_loop_ends)
{
    cr_assert_eq(weft_test_run(weft_lock_acquire(lock)), 0);
    weft_future *waits = weft_lock_acquire(lock);
    weft_unref(weft_lock_acquire(lock));
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert(weft_is_cancelled(waits));
    weft_unref(waits);
    end();
}

/* ---- Memory ---- */

static int contend(void)
{
    weft_lock *own = weft_lock_new();
    if (!own)
        return -errno;
    int status = weft_test_run(weft_lock_acquire(own));
    if (status == 0) {
        weft_future *waits = weft_lock_acquire(own);
        cr_assert_eq(weft_lock_release(own), 0);
        status = weft_test_run(waits);
    }
    weft_lock_free(own);
    return status;
}

Test(lock, survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(contend);
    end();
}
