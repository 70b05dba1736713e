/* SPDX-License-Identifier: MIT */
/* weft_spawn_eager(): a task whose first step runs inside the call. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <weft/weft.h>

#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(eager, .init = weft_test_loop_begin, .timeout = 20);

static WEFT_CONTEXT_KEY(depth, int, NULL);

struct child {
    WEFT_FRAME;
    weft_future *on; /* consumed; NULL: ends in its first step */
    int fails;
};

static WEFT_ASYNC(child)
{
    WEFT_BEGIN;
    weft_test_mark("c");
    cr_assert_eq(weft_context_set(depth, weft_context_get(depth) + 1), 0);
    if (self->on)
        WEFT_AWAIT(self->on);
    weft_test_mark("C");
    if (self->fails)
        WEFT_FAIL(-EIO, "on purpose");
    WEFT_RETURN(7);
    WEFT_END;
}

Test(eager, finished_at_once_is_done_and_costs_no_tick)
{
    weft_future *task = weft_spawn_eager(child);
    cr_assert(weft_is_done(task));
    cr_assert_eq(weft_future_value(task).i64, 7);
    cr_assert_str_eq(test_trace, "cC");
    weft_unref(task);
    weft_test_loop_end();
}

Test(eager, suspended_goes_on_as_any_task)
{
    weft_future *task = weft_spawn_eager(child, .on = weft_sleep(WEFT_S(1)));
    cr_assert_str_eq(test_trace, "c");
    cr_assert_eq(weft_task_get_state(task), WEFT_TASK_WAITING);
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_str_eq(test_trace, "cC");
    weft_test_loop_end();
}

static void mark_done(weft_future *future, void *arg)
{
    (void)arg;
    weft_test_mark(weft_is_done(future) ? "d" : "?");
}

/* cpython 128550 */
Test(eager, finished_childs_continuations_are_queued_never_run_inline)
{
    weft_future *task = weft_spawn_eager(child);
    cr_assert_eq(weft_then(task, mark_done, NULL), 0);
    cr_assert_str_eq(test_trace, "cC");
    weft_test_ticks(1);
    cr_assert_str_eq(test_trace, "cCd");
    weft_test_loop_end();
}

struct parent {
    WEFT_FRAME;
    weft_future *on; /* consumed */
    weft_future *child;
};

static WEFT_ASYNC(parent)
{
    WEFT_BEGIN;
    weft_test_mark("p");
    self->child = weft_spawn_eager(child, .on = self->on);
    weft_test_mark("P");
    cr_assert_neq(weft_task_id(self->child), weft_task_id(weft_current_task()));
    cr_assert_eq(weft_task_parent(self->child), weft_task_id(weft_current_task()));
    cr_assert_eq(weft_context_get(depth), 0);
    WEFT_AWAIT(weft_sleep(WEFT_S(2)));
    weft_test_mark("q");
    WEFT_FINALLY;
    weft_unref(self->child);
    WEFT_END;
}

Test(eager, task_is_one_of_its_own_within_another)
{
    cr_assert_eq(weft_test_run(weft_spawn(parent)), 0);
    cr_assert_str_eq(test_trace, "pcCPq");
    weft_test_loop_end();
}

Test(eager, task_has_no_part_in_its_parents_cancel)
{
    weft_future *on = weft_future_new();
    weft_future *task = weft_spawn_eager(parent, .on = weft_ref(on));
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(task), -ECANCELED);
    cr_assert_str_eq(test_trace, "pcP");
    cr_assert_eq(weft_future_resolve(on, weft_value_i64(0), NULL), 0);
    weft_test_ticks(1);
    cr_assert_str_eq(test_trace, "pcPC");
    weft_unref(on);
    weft_test_loop_end();
}

struct cancels_parent {
    WEFT_FRAME;
    weft_future *parent; /* borrowed */
};

static WEFT_ASYNC(cancels_parent)
{
    WEFT_BEGIN;
    cr_assert(weft_cancel_because(self->parent, "the child says so"));
    WEFT_END;
}

struct is_cancelled_by_child {
    WEFT_FRAME;
    int status;
};

static WEFT_ASYNC(is_cancelled_by_child)
{
    WEFT_BEGIN;
    weft_unref(weft_spawn_eager(cancels_parent, .parent = weft_current_task()));
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
    cr_assert_eq(self->status, -ECANCELED);
    cr_assert_str_eq(WEFT_CAUGHT_MESSAGE, "the child says so");
    WEFT_END;
}

Test(eager, child_that_cancels_its_parent_is_heard_at_the_parents_next_await)
{
    cr_assert_eq(weft_test_run(weft_spawn(is_cancelled_by_child)), 0);
    cr_assert_eq(weft_now(), 0);
    weft_test_loop_end();
}

Test(eager, failure_nobody_looks_at_is_reported_at_once)
{
    weft_unref(weft_spawn_eager(child, .fails = 1));
    cr_assert_eq(test_reports.count, 1);
    cr_assert_str_eq(test_reports.task, "child");
    cr_assert_str_eq(test_reports.message, "on purpose");
    weft_test_loop_end();
}

struct nest {
    WEFT_FRAME;
    int depth;
    weft_future *next;
};

static WEFT_ASYNC(nest)
{
    WEFT_BEGIN;
    if (self->depth > 0)
        self->next = weft_spawn_eager(nest, .depth = self->depth - 1);
    if (self->next)
        WEFT_AWAIT(self->next);
    WEFT_END;
}

Test(eager, nested_deeper_than_the_stack_works)
{
    cr_assert_eq(weft_test_run(weft_spawn_eager(nest, .depth = 100000)), 0);
    weft_test_loop_end();
}

Test(eager, without_a_loop_or_after_its_end_is_refused)
{
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    weft_future *task = weft_spawn_eager(child);
    cr_assert_eq(weft_future_status(task), -ESHUTDOWN);
    weft_unref(task);
    weft_loop_free(test_loop);
    test_loop = NULL;
    task = weft_spawn_eager(child);
    cr_assert_eq(weft_future_status(task), WEFT_ENOLOOP);
    weft_unref(task);
    cr_assert_str_eq(test_trace, "");
    weft_test_loop_end();
}

static int spawn_both(void)
{
    int status = weft_test_run(weft_spawn_eager(nest, .depth = 2));
    int later = weft_test_run(weft_spawn_eager(nest));
    return status < 0 ? status : later;
}

Test(eager, survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(spawn_both);
    weft_test_loop_end();
}
