/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <weft/weft.h>

#include "core/future.h"
#include "core/loop.h"
#include "tests/support/cancel.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(cancel_chain, .init = weft_test_loop_begin, .timeout = 20);

/* ---- Chains ---- */

struct chain {
    WEFT_FRAME;
    int depth;
    int tasks; /* each level is a task, not a call */
};

static WEFT_ASYNC(chain)
{
    WEFT_BEGIN;
    if (self->depth == 0)
        WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    else if (self->tasks)
        WEFT_AWAIT(weft_spawn(chain, .depth = self->depth - 1, .tasks = 1));
    else
        WEFT_AWAIT(weft_call(chain, .depth = self->depth - 1));
    WEFT_FINALLY;
    weft_test_mark((const char *[]){"0", "1", "2", "3"}[self->depth]);
    WEFT_END;
}

Test(cancel_chain, unwinds_a_chain_of_calls_in_one_tick_from_the_inside)
{
    weft_future *task = weft_test_started(weft_spawn(chain, .depth = 3));
    cr_assert(weft_cancel_because(task, "why"));
    weft_test_ticks(1);
    cr_assert_str_eq(test_trace, "0123");
    cr_assert(weft_is_cancelled(task));
    cr_assert_str_eq(weft_message(task), "why");
    cr_assert_eq(weft_cancelling(task), 1);
    weft_unref(task);
    weft_test_loop_end();
}

Test(cancel_chain, unwinds_a_chain_of_tasks_a_tick_each_from_the_inside)
{
    weft_future *task = weft_spawn(chain, .depth = 3, .tasks = 1);
    weft_test_ticks(4);
    cr_assert(weft_cancel_because(task, "why"));
    static const char *const after[] = {"0", "01", "012", "0123"};
    for (int i = 0; i < 4; i++) {
        weft_test_ticks(1);
        cr_assert_str_eq(test_trace, after[i]);
    }
    cr_assert(weft_is_cancelled(task));
    cr_assert_str_eq(weft_message(task), "why");
    weft_unref(task);
    weft_test_loop_end();
}

Test(cancel_chain, of_a_task_counts_at_the_task_it_awaits_too)
{
    weft_future *inner = weft_spawn(test_sleeper, .rounds = 2);
    weft_future *outer = weft_spawn(test_waiter, .on = weft_ref(inner));
    weft_test_ticks(1);
    cr_assert(weft_cancel(outer));
    cr_assert_eq(weft_cancelling(outer), 1);
    cr_assert_eq(weft_cancelling(inner), 1);
    cr_assert_eq(weft_test_run(outer), 0);
    cr_assert_eq(weft_future_value(inner).i64, 2);
    cr_assert_str_eq(test_trace, "scv");
    weft_unref(inner);
    weft_test_loop_end();
}

Test(cancel_chain, of_an_awaited_task_reaches_all_who_await_it)
{
    weft_future *inner = weft_spawn(test_sleeper, .rounds = 1);
    weft_future *victim = weft_spawn(test_waiter, .on = weft_sleep(WEFT_S(1)));
    weft_future *one = weft_spawn(test_waiter, .on = weft_ref(victim), .name = "1");
    weft_future *two = weft_spawn(test_waiter, .on = weft_ref(victim), .name = "2");
    weft_test_ticks(1);
    cr_assert(weft_cancel(victim));
    cr_assert_eq(weft_test_run(one), -ECANCELED);
    cr_assert_eq(weft_test_end_of(two), -ECANCELED);
    cr_assert_eq(weft_cancelling(two), 0);
    cr_assert_eq(weft_test_run(inner), 0);
    cr_assert_str_eq(test_trace, "s12v");
    weft_unref(victim);
    weft_unref(two);
    weft_test_loop_end();
}

Test(cancel_chain, of_a_call_ends_it_alone)
{
    weft_future *call = weft_call(test_sleeper, .rounds = 1);
    cr_assert_str_eq(test_trace, "s");
    cr_assert(weft_cancel(call));
    cr_assert_eq(weft_test_run(call), 0);
    cr_assert_str_eq(test_trace, "sc");
    weft_test_loop_end();
}

struct calls_and_cancels {
    WEFT_FRAME;
    weft_future *call;
    int status;
};

static WEFT_ASYNC(calls_and_cancels)
{
    WEFT_BEGIN;
    self->call = weft_call(chain, .depth = 1);
    cr_assert(weft_cancel_because(self->call, "mine"));
    cr_assert_eq(weft_cancelling(weft_current_task()), 0);
    WEFT_CATCH(self->status, self->call);
    cr_assert_eq(self->status, -ECANCELED);
    cr_assert_str_eq(WEFT_CAUGHT_MESSAGE, "mine");
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
    WEFT_RETURN(self->status);
    WEFT_END;
}

Test(cancel_chain, of_ones_own_call_leaves_the_task_alone)
{
    weft_future *task = weft_spawn(calls_and_cancels);
    cr_assert_eq(weft_test_end_of(task), 0);
    cr_assert_eq(weft_future_value(task).i64, 0);
    cr_assert_str_eq(test_trace, "01");
    weft_unref(task);
    weft_test_loop_end();
}

/* ---- Odd shapes ---- */

static int cancel_chain(void)
{
    weft_future *task = weft_spawn(chain, .depth = 3, .tasks = 1);
    for (int i = 0; i < 4; i++)
        weft_unref(weft_sleep(0)); /* may fail: then it is a report more */
    for (int i = 0; i < 5 && !weft_is_done(task); i++)
        weft_loop_stop(test_loop), weft_loop_run(test_loop);
    if (!weft_is_done(task))
        cr_assert(weft_cancel_because(task, "why"));
    int status = weft_test_run(task);
    return status == -ECANCELED ? 0 : status;
}

Test(cancel_chain, is_delivered_whatever_allocation_fails)
{
    weft_test_every_lack_of_memory(cancel_chain);
    weft_test_loop_end();
}

enum by { DIRECTLY, GATHER, WAIT_FOR };

/* Waits for a task that waits for it, directly or through something that passes a cancel on. */
struct ring {
    WEFT_FRAME;
    weft_future **next; /* borrowed */
    enum by how;
};

static WEFT_ASYNC(ring)
{
    WEFT_BEGIN;
    if (self->how == DIRECTLY)
        WEFT_AWAIT(weft_ref(*self->next));
    else if (self->how == GATHER)
        WEFT_AWAIT(weft_gather(weft_ref(*self->next)));
    else
        WEFT_AWAIT(weft_wait_for(weft_ref(*self->next), WEFT_S(1000)));
    WEFT_END;
}

static void cancel_ring(enum by how)
{
    static const struct weft_shutdown_options soon = {.tasks_timeout = WEFT_S(1)};
    weft_future *a = NULL, *b = NULL;
    a = weft_spawn(ring, .next = &b, .how = how);
    b = weft_spawn(ring, .next = &a, .how = how);
    weft_test_ticks(1);
    cr_assert(weft_cancel_because(a, "go"));
    cr_assert_eq(weft_loop_shutdown(test_loop, &soon, NULL), WEFT_ESTUCK);
    cr_assert_eq(weft_future_status(a), WEFT_ESTUCK);
    cr_assert_eq(weft_future_status(b), WEFT_ESTUCK);
    weft_unref(a);
    weft_unref(b);
    weft_test_loop_end();
}

Test(cancel_chain, of_tasks_that_await_each_other_ends)
{
    cancel_ring(DIRECTLY);
}

Test(cancel_chain, of_tasks_that_gather_each_other_ends)
{
    cancel_ring(GATHER);
}

Test(cancel_chain, of_tasks_that_wait_for_each_other_with_a_limit_ends)
{
    cancel_ring(WAIT_FOR);
}

Test(cancel_chain, of_a_task_that_gathers_itself_ends)
{
    static const struct weft_shutdown_options soon = {.tasks_timeout = WEFT_S(1)};
    weft_future *task = NULL;
    task = weft_spawn(ring, .next = &task, .how = GATHER);
    weft_test_ticks(1);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_loop_shutdown(test_loop, &soon, NULL), WEFT_ESTUCK);
    weft_unref(task);
    weft_test_loop_end();
}

struct beside {
    WEFT_FRAME;
    int i;
};

static WEFT_ASYNC(beside)
{
    WEFT_BEGIN;
    for (self->i = 0; self->i < 10; self->i++)
        WEFT_YIELD;
    WEFT_END;
}

struct has_one_beside {
    WEFT_FRAME;
    weft_future *resolved;
    weft_future *aside;
    int status, aside_status;
};

static WEFT_ASYNC(has_one_beside)
{
    WEFT_BEGIN;
    self->aside = weft_call(beside);
    WEFT_AWAIT(weft_ref(self->resolved));
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
    WEFT_CATCH(self->aside_status, self->aside);
    WEFT_RETURN(self->aside_status ? self->aside_status - 1000 : self->status);
    WEFT_END;
}

Test(cancel_chain, of_a_task_is_not_taken_by_a_call_that_goes_on_beside_it)
{
    weft_future *resolved = weft_future_new();
    weft_future *task = weft_spawn(has_one_beside, .resolved = resolved);
    weft_test_ticks(3);
    /* In the queue: the call, which yields; behind it the task, which gets its value first. */
    cr_assert_eq(weft_future_resolve(resolved, weft_value_i64(0), NULL), 0);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(weft_ref(task)), 0);
    cr_assert_eq(weft_future_value(task).i64, -ECANCELED);
    weft_unref(task);
    weft_unref(resolved);
    weft_test_loop_end();
}

/* ---- Through a scope that fails ---- */

struct careless {
    WEFT_FRAME;
};

static WEFT_ASYNC(careless)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    WEFT_FINALLY;
    WEFT_FAIL(-EIO, "clean-up");
    WEFT_END;
}

/* Ends with its scope, whatever becomes of that. */
struct quiet {
    WEFT_FRAME;
    weft_scope *scope;
    int status;
};

static WEFT_ASYNC(quiet)
{
    WEFT_BEGIN;
    self->scope = weft_scope_open(NULL);
    weft_scope_spawn(self->scope, careless);
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
    WEFT_CATCH(self->status, weft_scope_close(self->scope, self->status));
    weft_test_mark(self->status == WEFT_EGROUP ? "g" : "?");
    WEFT_END;
}

struct waits_for_quiet {
    WEFT_FRAME;
    int status;
};

static WEFT_ASYNC(waits_for_quiet)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_spawn(quiet));
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
    weft_test_mark(self->status == -ECANCELED ? "c" : "v");
    WEFT_END;
}

Test(cancel_chain, of_who_waits_for_a_task_comes_back_when_its_scope_fails_and_it_awaits_no_more)
{
    weft_future *task = weft_spawn(waits_for_quiet);
    weft_test_ticks(3);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_str_eq(test_trace, "gc");
    weft_test_loop_end();
}
