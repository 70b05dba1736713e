/* SPDX-License-Identifier: MIT */
/* The sleep that a coroutine takes over shows in nothing but what it costs. */
#include "core/sleep.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weft/weft.h>

#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(sleep, .init = weft_test_loop_begin, .timeout = 20);

static char reason[64]; /* of the last cancel that a sleeper caught; empty: it had none */

/* Marks its name after each of its sleeps of a second, with "!" after one that was cancelled. */
struct sleeper {
    WEFT_FRAME;
    const char *name;
    int rounds;
    int status;
};

static WEFT_ASYNC(sleeper)
{
    WEFT_BEGIN;
    do {
        WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
        if (self->status == -ECANCELED)
            snprintf(reason, sizeof(reason), "%s", WEFT_CAUGHT_MESSAGE ? WEFT_CAUGHT_MESSAGE : "");
        weft_test_mark(self->name);
        weft_test_mark(self->status == -ECANCELED ? "!" : "");
    } while (--self->rounds > 0);
    WEFT_END;
}

/* A task that sleeps by its own waiter. */
static weft_future *asleep(weft_future *task)
{
    weft_test_ticks(1);
    cr_assert(weft__is_asleep(weft__coro_of(task)));
    return task;
}

Test(sleep, that_nobody_else_holds_is_taken_over_and_its_memory_is_free)
{
    weft_future *task = weft_spawn(sleeper, .name = "a");
    size_t before = weft_test_heap_live();
    asleep(task);
    cr_assert_leq(weft_test_heap_live(), before + 1); /* the heap of timers */
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_eq(weft_now(), WEFT_S(1));
    cr_assert_str_eq(test_trace, "a");
    weft_test_loop_end();
}

struct holder {
    WEFT_FRAME;
    weft_future *sleep;
};

static WEFT_ASYNC(holder)
{
    WEFT_BEGIN;
    self->sleep = weft_sleep(WEFT_S(1));
    WEFT_AWAIT(weft_ref(self->sleep));
    cr_assert(weft_is_done(self->sleep));
    WEFT_FINALLY;
    weft_unref(self->sleep);
    WEFT_END;
}

Test(sleep, that_somebody_holds_stays_a_future)
{
    weft_future *task = weft_spawn(holder);
    weft_test_ticks(1);
    cr_assert_not(weft__is_asleep(weft__coro_of(task)));
    cr_assert_eq(weft_test_run(task), 0);
    weft_test_loop_end();
}

Test(sleep, ends_in_the_order_of_deadlines_and_then_of_their_making)
{
    weft_future *tasks[6];
    static const char *const names[] = {"a", "b", "c", "d", "e", "f"};
    for (int i = 0; i < 6; i++) {
        tasks[i] = i % 2 ? weft_call_later(WEFT_S(1), weft_test_mark_call, (void *)names[i])
                         : weft_spawn(sleeper, .name = names[i]);
        weft_test_ticks(1);
    }
    cr_assert_eq(weft_test_run(weft_gather_array(6, tasks, WEFT_GATHER_ALL)), 0);
    cr_assert_str_eq(test_trace, "bdface"); /* the tasks go on one tick later */
    weft_test_loop_end();
}

/* ---- Cancelling ---- */

Test(sleep, that_is_cancelled_ends_at_the_next_tick_and_knows_why)
{
    weft_future *task = asleep(weft_spawn(sleeper, .name = "a"));
    cr_assert(weft_cancel_because(task, "the guests are here"));
    cr_assert_str_eq(test_trace, "");
    weft_test_ticks(1);
    cr_assert_str_eq(test_trace, "a!");
    cr_assert_str_eq(reason, "the guests are here");
    cr_assert_eq(weft_now(), 0);
    cr_assert_eq(weft_test_run(task), 0);
    weft_test_loop_end();
}

Test(sleep, that_is_cancelled_twice_is_cancelled_once)
{
    weft_future *task = asleep(weft_spawn(sleeper, .name = "a", .rounds = 2));
    cr_assert(weft_cancel(task));
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_str_eq(test_trace, "a!a");
    weft_test_loop_end();
}

static void cancel(void *task)
{
    cr_assert(weft_cancel_because(task, "just before the alarm"));
}

/* The call that cancels `task`, the sleep of `other` and that of `task` are all due at one second, in
 * this order. */
static weft_future *due_together(weft_future *task, weft_future *other)
{
    weft_unref(weft_call_later(WEFT_S(1), cancel, task));
    weft_test_ticks(2);
    cr_assert(weft__is_asleep(weft__coro_of(task)));
    weft_unref(other);
    return task;
}

Test(sleep, that_is_cancelled_in_the_tick_in_which_it_is_due_is_cancelled)
{
    weft_future *other = weft_spawn(sleeper, .name = "b");
    weft_future *task = due_together(weft_spawn(sleeper, .name = "a", .rounds = 2), other);
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_str_eq(test_trace, "a!ba"); /* at the place that the cancel had */
    cr_assert_str_eq(reason, "just before the alarm");
    weft_test_loop_end();
}

Test(sleep, that_was_over_when_the_cancel_came_is_not_cancelled_but_the_next_one)
{
    weft_future *task = asleep(weft_spawn(sleeper, .name = "a", .rounds = 2));
    weft_unref(weft_call_later(WEFT_S(1), cancel, task));
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_str_eq(test_trace, "aa!");
    cr_assert_eq(weft_now(), WEFT_S(1));
    weft_test_loop_end();
}

static int cancel_while_asleep(void)
{
    weft_future *task = weft_spawn(sleeper, .name = "");
    weft_test_ticks(1);
    weft_cancel_because(task, "enough");
    return weft_test_run(task);
}

/* What it ends with does not depend on memory; nor does that it ends now. */
Test(sleep, that_is_cancelled_without_memory_is_cancelled)
{
    for (size_t n = 1; n <= 5; n++) {
        weft_future *task = asleep(weft_spawn(sleeper, .name = "a"));
        weft_test_heap_fail_at(n);
        cr_assert(weft_cancel_because(task, "enough"));
        weft_test_ticks(1);
        weft_test_heap_fail_at(0);
        cr_assert(weft_is_done(task));
        weft_unref(task);
    }
    cr_assert_str_eq(test_trace, "a!a!a!a!a!");
    cr_assert_eq(weft_now(), 0);
    cr_assert_eq(cancel_while_asleep(), 0);
    weft_test_loop_end();
}

static size_t failing;

static void cancel_without_memory(void *task)
{
    weft_test_heap_fail_at(failing);
    cr_assert(weft_cancel_because(task, "enough"));
    weft_test_heap_fail_at(0);
}

Test(sleep, that_is_cancelled_without_memory_when_it_is_due_is_cancelled)
{
    for (failing = 1; failing <= 5; failing++) {
        weft_future *task = weft_spawn(sleeper, .name = "a");
        weft_unref(weft_call_later(WEFT_S(1), cancel_without_memory, task));
        weft_test_ticks(1);
        cr_assert_eq(weft_test_run(task), 0);
    }
    cr_assert_str_eq(test_trace, "a!a!a!a!a!");
    weft_test_loop_end();
}

struct caller {
    WEFT_FRAME;
};

static WEFT_ASYNC(caller)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_call(sleeper, .name = "called"));
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    WEFT_END;
}

Test(sleep, of_a_call_is_cancelled_through_its_task)
{
    weft_future *task = weft_spawn(caller);
    weft_test_ticks(1);
    cr_assert(weft_cancel(task));
    weft_test_ticks(1);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(task), -ECANCELED);
    cr_assert_str_eq(test_trace, "called!");
    cr_assert_eq(weft_now(), 0);
    weft_test_loop_end();
}

/* ---- Looking ---- */

Test(sleep, is_what_the_task_waits_for)
{
    weft_future *task = asleep(weft_spawn(sleeper, .name = "a"));
    cr_assert_eq(weft_task_get_state(task), WEFT_TASK_WAITING);
    weft_future *sleep = weft_ref(weft_task_waits_for(task));
    cr_assert_str_eq(weft_task_name(sleep), "sleep");
    cr_assert_eq(weft_task_waits_for(task), sleep);
    cr_assert_not(weft_is_done(sleep));
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_eq(weft_future_status(sleep), 0);
    cr_assert_eq(weft_now(), WEFT_S(1));
    weft_unref(sleep);
    weft_test_loop_end();
}

Test(sleep, is_cancelled_by_what_the_task_waits_for)
{
    weft_future *task = asleep(weft_spawn(sleeper, .name = "a"));
    cr_assert(weft_cancel(weft_task_waits_for(task)));
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_str_eq(test_trace, "a!");
    weft_test_loop_end();
}

Test(sleep, without_memory_to_be_looked_at_goes_on)
{
    weft_future *task = asleep(weft_spawn(sleeper, .name = "a"));
    weft_test_heap_fail_at(1);
    cr_assert_null(weft_task_waits_for(task));
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_eq(weft_now(), WEFT_S(1));
    weft_test_loop_end();
}

/* ---- The end of the loop ---- */

struct stubborn {
    WEFT_FRAME;
    int status;
};

static WEFT_ASYNC(stubborn)
{
    WEFT_BEGIN;
    for (;;)
        WEFT_CATCH(self->status, weft_sleep(WEFT_S(60)));
    WEFT_END;
}

Test(sleep, of_a_task_that_is_given_up_ends)
{
    static const struct weft_shutdown_options soon = {.tasks_timeout = WEFT_S(1)};
    weft_future *task = asleep(weft_spawn(stubborn));
    cr_assert_eq(weft_loop_shutdown(test_loop, &soon, NULL), WEFT_ESTUCK);
    cr_assert_eq(weft_future_status(task), WEFT_ESTUCK);
    weft_unref(task);
    weft_test_loop_end();
}
