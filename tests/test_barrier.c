/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <weft/weft.h>

#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

static weft_barrier *barrier;

static void begin_with(size_t parties)
{
    barrier = weft_barrier_new(parties);
    cr_assert_not_null(barrier);
}

static void end(void)
{
    weft_barrier_free(barrier);
    weft_test_loop_end();
}

TestSuite(barrier, .init = weft_test_loop_begin, .timeout = 20);

struct party {
    WEFT_FRAME;
    const char *name;
    int rounds;
    int status, number;
};

static WEFT_ASYNC(party)
{
    WEFT_BEGIN;
    for (; self->rounds > 0; self->rounds--) {
        WEFT_CATCH_INTO(self->status, self->number, weft_barrier_wait(barrier));
        weft_test_mark(self->status == 0 ? self->name : self->status == WEFT_EBROKEN ? "B" : "!");
        if (self->status < 0)
            WEFT_FAIL(self->status);
        weft_test_mark((const char[]){(char)('0' + self->number), '\0'});
    }
    WEFT_END;
}

static weft_future *meet(int rounds, const char *name)
{
    return weft_spawn(party, .name = name, .rounds = rounds);
}

Test(barrier, lets_all_go_on_when_the_last_has_come)
{
    begin_with(3);
    weft_future *two = weft_gather(meet(1, "a"), meet(1, "b"));
    weft_test_ticks(3);
    cr_assert_str_eq(test_trace, "");
    cr_assert_eq(weft_barrier_waiting(barrier), 2);
    cr_assert_eq(weft_barrier_parties(barrier), 3);
    cr_assert_eq(weft_test_run(weft_gather(meet(1, "c"), two)), 0);
    cr_assert_str_eq(test_trace, "c2a0b1");
    cr_assert_eq(weft_barrier_waiting(barrier), 0);
    end();
}

/* What the same programs print in Python. */
Test(barrier, is_met_at_again_and_again_in_the_order_of_asyncio)
{
    begin_with(3);
    cr_assert_eq(weft_test_run(weft_gather(meet(3, "a"), meet(3, "b"), meet(3, "c"))), 0);
    cr_assert_str_eq(test_trace, "c2a0b1a2b0c1b2c0a1");
    weft_barrier_free(barrier);
    test_trace[0] = '\0';
    begin_with(2);
    weft_future *four = weft_gather(meet(3, "a"), meet(3, "b"), meet(3, "c"), meet(3, "d"));
    cr_assert_eq(weft_test_run(four), 0);
    cr_assert_str_eq(test_trace, "b1a0b1a0b1a0d1c0d1c0d1c0");
    end();
}

Test(barrier, of_one_is_never_waited_for)
{
    begin_with(1);
    cr_assert_eq(weft_test_run(meet(3, "a")), 0);
    cr_assert_str_eq(test_trace, "a0a0a0");
    end();
}

static void cancel_waiter(int which)
{
    const char *names[] = {"a", "b", "c"};
    weft_future *tasks[3];
    begin_with(4);
    for (int i = 0; i < 3; i++)
        tasks[i] = meet(1, names[i]);
    weft_test_ticks(1);
    cr_assert(weft_cancel(tasks[which]));
    cr_assert_eq(weft_barrier_waiting(barrier), 2);
    weft_future *two = weft_gather(meet(1, "d"), meet(1, "e"));
    cr_assert_eq(weft_test_run(two), 0);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(weft_test_run(tasks[i]), i == which ? -ECANCELED : 0);
    end();
}

Test(barrier, first_waiter_that_is_cancelled_leaves_no_gap)
{
    cancel_waiter(0);
    cr_assert_str_eq(test_trace, "!e3b0c1d2");
}

Test(barrier, waiter_in_the_middle_that_is_cancelled_leaves_no_gap)
{
    cancel_waiter(1);
    cr_assert_str_eq(test_trace, "!e3a0c1d2");
}

Test(barrier, last_waiter_that_is_cancelled_leaves_no_gap)
{
    cancel_waiter(2);
    cr_assert_str_eq(test_trace, "!e3a0b1d2");
}

Test(barrier, waiter_that_was_called_and_then_cancelled_holds_up_nobody)
{
    begin_with(2);
    weft_future *task = meet(1, "a");
    weft_test_ticks(1);
    cr_assert_eq(weft_test_run(weft_barrier_wait(barrier)), 0);
    cr_assert_eq(weft_test_run(task), 0);
    task = meet(1, "b");
    weft_test_ticks(1);
    weft_future *last = weft_barrier_wait(barrier);
    cr_assert(weft_cancel(task));
    weft_future *outside = weft_barrier_wait(barrier);
    cr_assert_eq(weft_test_run(last), 0);
    cr_assert_eq(weft_test_run(task), -ECANCELED);
    weft_test_ticks(2);
    cr_assert_eq(weft_barrier_waiting(barrier), 1);
    cr_assert(weft_cancel(outside));
    cr_assert_eq(weft_test_run(outside), -ECANCELED);
    cr_assert_eq(weft_barrier_waiting(barrier), 0);
    end();
}

Test(barrier, who_comes_while_others_go_on_can_be_cancelled)
{
    begin_with(2);
    weft_future *task = meet(1, "a");
    weft_test_ticks(1);
    weft_future *last = weft_barrier_wait(barrier);
    weft_future *outside = weft_barrier_wait(barrier), *next = weft_barrier_wait(barrier);
    cr_assert_eq(weft_barrier_waiting(barrier), 0);
    cr_assert(weft_cancel(outside));
    weft_test_ticks(1);
    weft_future *called = weft_barrier_wait(barrier);
    cr_assert(weft_cancel(next)); /* it was called to look again */
    weft_test_ticks(2);
    cr_assert_eq(weft_barrier_waiting(barrier), 1);
    cr_assert_eq(weft_test_run(last), 0);
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_eq(weft_test_run(outside), -ECANCELED);
    cr_assert_eq(weft_test_run(next), -ECANCELED);
    cr_assert(weft_cancel(called));
    cr_assert_eq(weft_test_run(called), -ECANCELED);
    end();
}

Test(barrier, aborted_fails_all_until_it_is_reset)
{
    begin_with(2);
    weft_future *task = meet(1, "a");
    weft_test_ticks(1);
    cr_assert_eq(weft_barrier_abort(barrier), 0);
    cr_assert(weft_barrier_is_broken(barrier));
    cr_assert_eq(weft_test_run(task), WEFT_EBROKEN);
    cr_assert_eq(weft_test_run(meet(1, "b")), WEFT_EBROKEN);
    cr_assert_eq(weft_barrier_reset(barrier), 0);
    cr_assert_not(weft_barrier_is_broken(barrier));
    cr_assert_eq(weft_test_run(weft_gather(meet(1, "c"), meet(1, "d"))), 0);
    cr_assert_str_eq(test_trace, "BBd1c0");
    end();
}

Test(barrier, reset_fails_those_who_wait_and_lets_in_who_comes_then)
{
    begin_with(2);
    weft_future *task = meet(1, "a");
    weft_test_ticks(1);
    cr_assert_eq(weft_barrier_reset(barrier), 0);
    cr_assert_eq(weft_barrier_reset(barrier), 0);
    weft_future *late = meet(1, "b"), *later = weft_barrier_wait(barrier);
    cr_assert_eq(weft_test_run(task), WEFT_EBROKEN);
    cr_assert_eq(weft_test_run(late), 0);
    cr_assert_eq(weft_test_run(later), 0);
    end();
}

Test(barrier, aborted_while_others_go_on_fails_who_came_since)
{
    begin_with(2);
    weft_future *task = meet(1, "a");
    weft_test_ticks(1);
    weft_future *last = weft_barrier_wait(barrier), *outside = weft_barrier_wait(barrier);
    cr_assert_eq(weft_barrier_abort(barrier), 0);
    cr_assert_eq(weft_test_run(outside), WEFT_EBROKEN);
    cr_assert_eq(weft_test_run(last), 0);
    cr_assert_eq(weft_test_run(task), WEFT_EBROKEN);
    cr_assert(weft_barrier_is_broken(barrier));
    end();
}

Test(barrier, wait_for_that_times_out_leaves)
{
    begin_with(2);
    weft_future *wait = weft_wait_for(weft_barrier_wait(barrier), WEFT_MS(10));
    cr_assert_eq(weft_test_run(wait), -ETIMEDOUT);
    cr_assert_eq(weft_barrier_waiting(barrier), 0);
    end();
}

Test(barrier, that_is_freed_fails_those_who_wait)
{
    begin_with(2);
    weft_future *called = weft_barrier_wait(barrier), *last = weft_barrier_wait(barrier);
    weft_future *outside = weft_barrier_wait(barrier);
    weft_barrier_free(barrier);
    cr_assert_eq(weft_test_run(called), WEFT_ECLOSED);
    cr_assert_eq(weft_test_run(last), 0);
    cr_assert_eq(weft_test_run(outside), WEFT_ECLOSED);
    weft_test_loop_end();
}

Test(barrier, waiters_are_cancelled_when_the_loop_ends)
{
    begin_with(3);
    weft_future *task = meet(1, "a"), *alone = weft_barrier_wait(barrier);
    weft_test_ticks(1);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert(weft_is_cancelled(task));
    cr_assert(weft_is_cancelled(alone));
    weft_unref(task);
    weft_unref(alone);
    cr_assert_eq(weft_barrier_reset(barrier), -ESHUTDOWN);
    end();
}

Test(barrier, refuses_null_and_nobody)
{
    cr_assert_null(weft_barrier_new(0));
    cr_assert_eq(errno, EINVAL);
    cr_assert_eq(weft_test_run(weft_barrier_wait(NULL)), -EINVAL);
    cr_assert_eq(weft_barrier_reset(NULL), -EINVAL);
    cr_assert_eq(weft_barrier_abort(NULL), -EINVAL);
    weft_barrier_free(NULL);
    weft_test_loop_end();
}

static int all_meet(void)
{
    weft_barrier *own = weft_barrier_new(2);
    if (!own)
        return -errno;
    weft_future *first = weft_barrier_wait(own), *last = weft_barrier_wait(own);
    int status = weft_future_status(weft_is_done(first) ? first : last);
    if (status == 0)
        status = weft_test_run(weft_ref(first));
    weft_barrier_free(own);
    weft_unref(first);
    weft_unref(last);
    return status;
}

Test(barrier, survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(all_meet);
    weft_test_loop_end();
}
