/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "core/loop.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(task_info, .init = weft_test_loop_begin, .timeout = 20);

struct worker {
    WEFT_FRAME;
    weft_future *on; /* consumed; NULL: ends at once */
};

static WEFT_ASYNC(worker)
{
    WEFT_BEGIN;
    if (self->on)
        WEFT_AWAIT(self->on);
    WEFT_END;
}

/* ---- Ids and parents ---- */

Test(task_info, ids_count_from_one)
{
    weft_future *one = weft_spawn(worker), *two = weft_spawn(worker);
    weft_future *sleep = weft_sleep(0);
    cr_assert_eq(weft_task_id(one), 1);
    cr_assert_eq(weft_task_id(two), 2);
    cr_assert_eq(weft_task_id(sleep), 0);
    cr_assert_eq(weft_test_run(weft_gather(weft_ref(one), two)), 0);
    cr_assert_eq(weft_task_id(one), 1, "a task keeps its id when it is done");
    weft_unref(one);
    weft_unref(sleep);
    weft_test_loop_end();
}

Test(task_info, ids_begin_anew_at_one)
{
    test_loop->last_id = UINT32_MAX - 1;
    weft_future *last = weft_spawn(worker), *first = weft_spawn(worker);
    cr_assert_eq(weft_task_id(last), UINT32_MAX);
    cr_assert_eq(weft_task_id(first), 1);
    cr_assert_eq(weft_test_run(weft_gather(last, first)), 0);
    weft_test_loop_end();
}

struct family {
    WEFT_FRAME;
    weft_future *child, *call;
};

static WEFT_ASYNC(family)
{
    WEFT_BEGIN;
    self->child = weft_spawn(worker);
    self->call = weft_call(worker, .on = weft_sleep(0));
    cr_assert_eq(weft_task_parent(self->child), weft_task_id(weft_current_task()));
    cr_assert_eq(weft_task_id(self->call), 0);
    cr_assert_eq(weft_task_parent(self->call), 0);
    cr_assert_eq(weft_task_get_state(self->call), WEFT_TASK_NONE);
    WEFT_AWAIT(self->child);
    WEFT_AWAIT(self->call);
    WEFT_END;
}

Test(task_info, parent_is_the_task_that_started_it)
{
    weft_future *task = weft_spawn(family);
    cr_assert_eq(weft_task_parent(task), 0);
    cr_assert_eq(weft_test_run(task), 0);
    weft_test_loop_end();
}

/* ---- Names ---- */

Test(task_info, name_is_the_coroutines_unless_one_is_set)
{
    weft_future *on = weft_future_new();
    weft_future *task = weft_spawn(worker, .on = weft_ref(on));
    char name[] = "worker 7";
    cr_assert_eq(weft_task_set_name(task, NULL), 0);
    cr_assert_str_eq(weft_task_name(task), "worker");
    cr_assert_eq(weft_task_set_name(task, name), 0);
    name[0] = '?';
    cr_assert_str_eq(weft_task_name(task), "worker 7");
    cr_assert_eq(weft_task_set_name(task, "another"), 0);
    cr_assert_str_eq(weft_task_name(task), "another");
    cr_assert_eq(weft_task_set_name(task, NULL), 0);
    cr_assert_str_eq(weft_task_name(task), "worker");
    cr_assert_eq(weft_future_resolve(on, weft_value_i64(0), NULL), 0);
    cr_assert_eq(weft_test_run(task), 0);
    weft_unref(on);
    weft_test_loop_end();
}

Test(task_info, name_is_for_tasks_only)
{
    weft_future *sleep = weft_sleep(0);
    cr_assert_eq(weft_task_set_name(sleep, "x"), -EINVAL);
    cr_assert_eq(weft_task_set_name(NULL, "x"), -EINVAL);
    weft_unref(sleep);
    weft_test_loop_end();
}

Test(task_info, name_that_was_set_shows_in_the_report_with_the_id)
{
    weft_future *on = weft_future_new();
    weft_future *task = weft_spawn(worker, .on = weft_ref(on));
    cr_assert_eq(weft_task_set_name(task, "worker 7"), 0);
    weft_test_ticks(1);
    weft_unref(task);
    cr_assert_eq(weft_future_fail(on, -EIO, NULL), 0);
    weft_unref(on);
    weft_test_ticks(1);
    cr_assert_eq(test_reports.count, 1);
    cr_assert_str_eq(test_reports.task, "worker 7");
    cr_assert_eq(test_reports.task_id, 1);
    weft_test_loop_end();
}

static int name_it(void)
{
    weft_future *task = weft_spawn(worker);
    int refused = weft_is_done(task) ? 0 : weft_task_set_name(task, "x");
    int status = weft_test_run(task);
    return status < 0 ? status : refused;
}

Test(task_info, name_survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(name_it);
    weft_test_loop_end();
}

/* ---- States ---- */

static enum weft_task_state state_inside;

struct stateful {
    WEFT_FRAME;
    weft_future *on; /* consumed */
};

static WEFT_ASYNC(stateful)
{
    WEFT_BEGIN;
    state_inside = weft_task_get_state(weft_current_task());
    WEFT_AWAIT(self->on);
    WEFT_END;
}

Test(task_info, state_follows_the_life_of_a_task)
{
    weft_future *on = weft_future_new();
    weft_future *task = weft_spawn(stateful, .on = weft_ref(on));
    cr_assert_eq(weft_task_get_state(task), WEFT_TASK_NEW);
    weft_test_ticks(1);
    cr_assert_eq(state_inside, WEFT_TASK_RUNNING);
    cr_assert_eq(weft_task_get_state(task), WEFT_TASK_WAITING);
    cr_assert_eq(weft_future_resolve(on, weft_value_i64(0), NULL), 0);
    cr_assert_eq(weft_task_get_state(task), WEFT_TASK_READY);
    weft_test_ticks(1);
    cr_assert_eq(weft_task_get_state(task), WEFT_TASK_DONE);
    cr_assert_eq(weft_task_get_state(on), WEFT_TASK_NONE);
    weft_unref(task);
    weft_unref(on);
    weft_test_loop_end();
}

struct caller {
    WEFT_FRAME;
    weft_future *on; /* consumed */
};

static WEFT_ASYNC(caller)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_call(stateful, .on = self->on));
    WEFT_END;
}

Test(task_info, state_of_a_task_in_a_call_is_the_calls)
{
    weft_future *on = weft_future_new();
    weft_future *task = weft_spawn(caller, .on = weft_ref(on));
    weft_test_ticks(1);
    cr_assert_eq(state_inside, WEFT_TASK_RUNNING);
    cr_assert_eq(weft_task_get_state(task), WEFT_TASK_WAITING);
    cr_assert_eq(weft_future_resolve(on, weft_value_i64(0), NULL), 0);
    cr_assert_eq(weft_task_get_state(task), WEFT_TASK_READY);
    cr_assert_eq(weft_test_run(task), 0);
    weft_unref(on);
    weft_test_loop_end();
}

Test(task_info, what_a_task_waits_for_is_known_down_to_the_operation)
{
    weft_future *on = weft_future_new();
    weft_future *task = weft_spawn(caller, .on = weft_ref(on));
    cr_assert_null(weft_task_waits_for(task));
    weft_test_ticks(1);
    weft_future *call = weft_task_waits_for(task);
    cr_assert_str_eq(weft_task_name(call), "stateful");
    cr_assert_eq(weft_task_waits_for(call), on);
    cr_assert_null(weft_task_waits_for(on));
    cr_assert_eq(weft_future_resolve(on, weft_value_i64(0), NULL), 0);
    cr_assert_null(weft_task_waits_for(call));
    cr_assert_eq(weft_test_run(task), 0);
    weft_unref(on);
    weft_test_loop_end();
}

/* Two calls of one task that await each other, a third beside them, and the task in one of the two. */
static weft_future *knot_calls[3];

struct knot {
    WEFT_FRAME;
    int other;
};

static WEFT_ASYNC(knot)
{
    WEFT_BEGIN;
    WEFT_YIELD;
    WEFT_AWAIT(weft_ref(knot_calls[self->other]));
    WEFT_END;
}

struct beside {
    WEFT_FRAME;
    int i;
};

static WEFT_ASYNC(beside)
{
    WEFT_BEGIN;
    for (self->i = 0; self->i < 4; self->i++)
        WEFT_YIELD;
    WEFT_END;
}

struct knotted {
    WEFT_FRAME;
};

static WEFT_ASYNC(knotted)
{
    WEFT_BEGIN;
    knot_calls[0] = weft_call(knot, .other = 1);
    knot_calls[1] = weft_call(knot, .other = 0);
    knot_calls[2] = weft_call(beside);
    WEFT_AWAIT(weft_ref(knot_calls[0]));
    WEFT_END;
}

Test(task_info, calls_that_await_each_other_do_not_hang_what_looks_at_their_task)
{
    static const struct weft_shutdown_options soon = {.tasks_timeout = WEFT_S(1)};
    weft_future *task = weft_spawn(knotted);
    weft_test_ticks(3);
    cr_assert_eq(weft_task_get_state(task), WEFT_TASK_WAITING);
    cr_assert(weft_cancel(task));
    weft_test_ticks(4);
    cr_assert_eq(weft_future_status(knot_calls[2]), 0);
    cr_assert_eq(weft_loop_shutdown(test_loop, &soon, NULL), WEFT_ESTUCK);
    for (int i = 0; i < 3; i++)
        weft_unref(knot_calls[i]);
    weft_unref(task);
    weft_test_loop_end();
}

/* ---- All of them ---- */

Test(task_info, all_tasks_are_those_that_have_not_ended_oldest_first)
{
    weft_future *on = weft_future_new();
    weft_future *ended = weft_spawn(worker);
    weft_future *one = weft_spawn(worker, .on = weft_ref(on));
    weft_future *two = weft_spawn(caller, .on = weft_ref(on));
    weft_test_ticks(1);
    weft_future **tasks = NULL;
    cr_assert_eq(weft_all_tasks(&tasks), 2);
    cr_assert_eq(tasks[0], one);
    cr_assert_eq(tasks[1], two);
    weft_unref(one);
    weft_unref(two);
    cr_assert_eq(weft_future_resolve(on, weft_value_i64(0), NULL), 0);
    weft_test_ticks(2);
    cr_assert_eq(weft_task_get_state(tasks[0]), WEFT_TASK_DONE);
    weft_tasks_free(tasks, 2);
    cr_assert_eq(weft_all_tasks(&tasks), 0);
    cr_assert_null(tasks);
    weft_tasks_free(tasks, 0);
    weft_unref(ended);
    weft_unref(on);
    weft_test_loop_end();
}

static int list_all(void)
{
    weft_future *task = weft_spawn(worker);
    weft_future **tasks = NULL;
    int count = weft_all_tasks(&tasks);
    cr_assert_eq(tasks != NULL, count > 0);
    weft_tasks_free(tasks, count);
    int status = weft_test_run(task);
    return status < 0 ? status : count < 0 ? count : 0;
}

Test(task_info, all_tasks_survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(list_all);
    weft_test_loop_end();
}

Test(task_info, all_tasks_without_a_loop_is_an_error)
{
    weft_future **tasks = NULL;
    weft_loop_free(test_loop);
    test_loop = NULL;
    cr_assert_eq(weft_all_tasks(&tasks), WEFT_ENOLOOP);
    weft_test_loop_end();
}
