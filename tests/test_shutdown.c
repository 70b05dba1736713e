/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "core/memory.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(shutdown, .init = weft_test_loop_begin, .timeout = 60);

static const struct weft_shutdown_options one_second = {.tasks_timeout = WEFT_S(1)};
/* For tasks that never let virtual time go on: then real time counts. */
static const struct weft_shutdown_options soon = {.tasks_timeout = WEFT_MS(1)};

/* Sleeps for ever; when cancelled cleans up for some milliseconds, and may start another one. */
struct sleeper {
    WEFT_FRAME;
    const char *name;
    int cleanup_ms;
    const char *successor;
};

static WEFT_ASYNC(sleeper)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_FOREVER));
    WEFT_FINALLY;
    weft_test_mark(self->name);
    if (self->successor)
        weft_unref(weft_spawn(sleeper, .name = self->successor));
    WEFT_AWAIT(weft_sleep(WEFT_MS(self->cleanup_ms)));
    weft_test_mark(self->successor ? "+" : "!");
    WEFT_END;
}

/* Does not end, and never suspends for longer than a tick. */
struct spinner {
    WEFT_FRAME;
    int sleeps;
    int status;
};

static WEFT_ASYNC(spinner)
{
    WEFT_BEGIN;
    WEFT_FINALLY;
    for (;;) {
        if (self->sleeps)
            WEFT_CATCH(self->status, weft_sleep(0));
        else
            WEFT_CATCH(self->status, weft_call(spinner, .sleeps = 1));
    }
    WEFT_END;
}

/* Waits for ever, whatever is asked of it. */
struct rock {
    WEFT_FRAME;
    int in_call;
    weft_future *on; /* borrowed; NULL: a new future each time */
    int status;
};

static WEFT_ASYNC(rock)
{
    WEFT_BEGIN;
    if (self->in_call)
        WEFT_AWAIT(weft_call(rock));
    for (;;)
        WEFT_CATCH(self->status, self->on ? weft_shield(weft_ref(self->on)) : weft_future_new());
    WEFT_FINALLY;
    weft_test_mark("never");
    WEFT_END;
}

static int shut_down(const struct weft_shutdown_options *options)
{
    return weft_loop_shutdown(test_loop, options, NULL);
}

/* ---- Tasks ---- */

Test(shutdown, of_an_idle_loop_is_nothing)
{
    struct weft_stuck_list *stuck = (void *)&stuck;
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, &stuck), 0);
    cr_assert_null(stuck);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    weft_test_loop_end();
}

Test(shutdown, cancels_every_task_oldest_first_and_waits_for_the_cleanup)
{
    weft_unref(weft_spawn(sleeper, .name = "a", .cleanup_ms = 20));
    weft_unref(weft_spawn(sleeper, .name = "b", .cleanup_ms = 10));
    weft_future *last = weft_spawn(sleeper, .name = "c", .cleanup_ms = 30);
    weft_test_ticks(1);
    cr_assert_eq(shut_down(NULL), 0);
    cr_assert_str_eq(test_trace, "abc!!!");
    cr_assert(weft_is_cancelled(last));
    cr_assert_str_eq(weft_message(last), "the loop shuts down");
    cr_assert_eq(weft_cancelling(last), 1);
    weft_unref(last);
    cr_assert_eq(test_reports.count, 0);
    weft_test_loop_end();
}

Test(shutdown, cancels_tasks_that_have_not_begun)
{
    weft_future *task = weft_spawn(sleeper, .name = "a");
    cr_assert_eq(shut_down(NULL), 0);
    cr_assert(weft_is_cancelled(task));
    cr_assert_str_eq(test_trace, "");
    weft_unref(task);
    weft_test_loop_end();
}

Test(shutdown, cancels_tasks_that_tasks_start_in_a_second_round)
{
    weft_unref(weft_spawn(sleeper, .name = "a", .cleanup_ms = 10, .successor = "b"));
    weft_test_ticks(1);
    cr_assert_eq(shut_down(NULL), 0);
    cr_assert_str_eq(test_trace, "a+b!");
    weft_test_loop_end();
}

struct fails {
    WEFT_FRAME;
};

static WEFT_ASYNC(fails)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_FOREVER));
    WEFT_FINALLY;
    WEFT_FAIL(-EIO, "%s", "clean-up failed");
    WEFT_END;
}

Test(shutdown, reports_failures_of_tasks)
{
    weft_unref(weft_spawn(fails));
    weft_test_ticks(1);
    cr_assert_eq(shut_down(NULL), 0);
    cr_assert_eq(test_reports.count, 1);
    cr_assert_eq(test_reports.status, -EIO);
    cr_assert_str_eq(test_reports.message, "clean-up failed");
    weft_test_loop_end();
}

struct swallows {
    WEFT_FRAME;
    int status;
};

static WEFT_ASYNC(swallows)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_sleep(WEFT_FOREVER));
    WEFT_AWAIT(weft_sleep(WEFT_MS(900)));
    weft_test_mark("done");
    WEFT_END;
}

Test(shutdown, cancels_a_task_once_only)
{
    weft_unref(weft_spawn(swallows));
    weft_test_ticks(1);
    cr_assert_eq(shut_down(&one_second), 0);
    cr_assert_str_eq(test_trace, "done");
    weft_test_loop_end();
}

/* ---- What is stuck ---- */

Test(shutdown, lists_and_reports_a_task_that_does_not_end_and_leaks_nothing)
{
    struct weft_stuck_list *list = NULL;
    weft_future *task = weft_spawn(rock);
    weft_test_ticks(1);
    cr_assert_eq(weft_loop_shutdown(test_loop, &one_second, &list), WEFT_ESTUCK);
    cr_assert_eq(weft_now(), WEFT_S(1));
    cr_assert_eq(list->count, 1);
    cr_assert_str_eq(list->stuck[0].kind, "task");
    cr_assert_str_eq(list->stuck[0].name, "rock");
    cr_assert(strstr(list->stuck[0].spawned_at, "test_shutdown.c:"));
    cr_assert(strstr(list->stuck[0].waits_at, "test_shutdown.c:"));
    cr_assert_eq(test_reports.count, 1);
    cr_assert_eq(test_reports.status, WEFT_ESTUCK);
    cr_assert_str_eq(test_reports.task, "rock");
    cr_assert(weft_is_done(task));
    cr_assert_eq(weft_future_status(task), WEFT_ESTUCK);
    cr_assert_str_eq(test_trace, "");
    weft_unref(task);
    weft__free(list);
    weft_test_loop_end();
}

Test(shutdown, gives_up_tasks_that_await_each_other)
{
    weft_future *never = weft_future_new();
    weft_future *first = weft_spawn(rock, .on = never);
    weft_future *second = weft_spawn(rock, .on = first);
    weft_future *third = weft_spawn(rock, .in_call = 1);
    weft_test_ticks(1);
    cr_assert_eq(shut_down(&one_second), WEFT_ESTUCK);
    cr_assert_eq(test_reports.count, 3);
    cr_assert_eq(weft_future_status(first), WEFT_ESTUCK);
    cr_assert_eq(weft_future_status(second), WEFT_ESTUCK);
    cr_assert_eq(weft_future_status(third), WEFT_ESTUCK);
    cr_assert_str_eq(test_trace, "");
    weft_unref(never);
    weft_unref(first);
    weft_unref(second);
    weft_unref(third);
    weft_test_loop_end();
}

Test(shutdown, gives_up_a_task_that_never_waits_longer_than_a_tick)
{
    weft_future *sleeping = weft_spawn(spinner, .sleeps = 1);
    weft_future *calling = weft_spawn(spinner);
    weft_test_ticks(1);
    cr_assert_eq(shut_down(&soon), WEFT_ESTUCK);
    cr_assert_eq(weft_future_status(sleeping), WEFT_ESTUCK);
    cr_assert_eq(weft_future_status(calling), WEFT_ESTUCK);
    weft_unref(sleeping);
    weft_unref(calling);
    weft_test_loop_end();
}

/* Starts its worker again whenever it ends. */
struct supervisor {
    WEFT_FRAME;
    int status;
};

static WEFT_ASYNC(supervisor)
{
    WEFT_BEGIN;
    for (;;)
        WEFT_CATCH(self->status, weft_spawn(rock));
    WEFT_END;
}

Test(shutdown, gives_up_a_task_that_starts_another_one_for_each_that_ends)
{
    weft_unref(weft_spawn(supervisor));
    weft_test_ticks(2);
    cr_assert_eq(shut_down(&one_second), WEFT_ESTUCK);
    weft_test_loop_end();
}

/* Each starts the next one before it ends. */
struct phoenix {
    WEFT_FRAME;
};

static WEFT_ASYNC(phoenix)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_FOREVER));
    WEFT_FINALLY;
    weft_unref(weft_spawn(phoenix));
    WEFT_YIELD;
    WEFT_YIELD;
    WEFT_END;
}

Test(shutdown, ends_though_each_task_starts_another_one)
{
    weft_unref(weft_spawn(phoenix));
    weft_test_ticks(1);
    int status = shut_down(&soon);
    cr_assert(status == 0 || status == WEFT_ESTUCK);
    weft_test_loop_end();
}

struct awaits_gather {
    WEFT_FRAME;
    int status;
};

static WEFT_ASYNC(awaits_gather)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_gather(weft_call(rock), weft_call(rock)));
    WEFT_END;
}

Test(shutdown, gives_up_calls_that_run_side_by_side)
{
    weft_future *task = weft_spawn(awaits_gather);
    weft_test_ticks(1);
    cr_assert_eq(shut_down(&one_second), WEFT_ESTUCK);
    weft_unref(task);
    weft_test_loop_end();
}

struct outlived {
    WEFT_FRAME;
    int status;
};

static WEFT_ASYNC(outlived)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_gather(weft_call(rock), weft_future_failed(-EIO, NULL)));
    weft_test_mark("end");
    WEFT_END;
}

Test(shutdown, leaks_no_call_that_outlives_its_task)
{
    cr_assert_eq(weft_test_run(weft_spawn(outlived)), 0);
    cr_assert_str_eq(test_trace, "end");
    shut_down(&one_second);
    cr_assert_str_eq(test_trace, "end");
    weft_test_loop_end();
}

static void ignore(weft_loop *loop, const struct weft_error_report *report, void *arg)
{
    (void)loop;
    (void)report;
    (void)arg;
}

/* Another loop for this test, in place of the one it has. */
static int renew_loop(void)
{
    struct weft_loop_options options = {.clock = WEFT_CLOCK_VIRTUAL};
    weft_loop_free(test_loop);
    test_loop = weft_loop_new(&options);
    if (!test_loop)
        return errno == ENOMEM ? -ENOMEM : -EIO;
    weft_loop_set_error_handler(test_loop, ignore, NULL);
    return 0;
}

static int run_one_tick(void)
{
    weft_loop_stop(test_loop);
    return weft_loop_run(test_loop);
}

static int shutdown_of_a_stuck_loop(void)
{
    struct weft_stuck_list *list = (void *)&list;
    int status = renew_loop();
    if (status < 0)
        return status;
    weft_future *task = weft_spawn(rock);
    cr_assert_eq(run_one_tick(), 0);
    status = weft_loop_shutdown(test_loop, &one_second, &list);
    cr_assert_eq(list != NULL, status == WEFT_ESTUCK);
    cr_assert(weft_is_done(task));
    weft__free(list);
    weft_unref(task);
    return status == WEFT_ESTUCK ? 0 : status;
}

Test(shutdown, without_memory_for_the_list_is_done_all_the_same)
{
    weft_test_every_lack_of_memory(shutdown_of_a_stuck_loop);
    weft_test_loop_end();
}

/* ---- Afterwards, misuse ---- */

static void count_call(void *arg)
{
    ++*(int *)arg;
}

Test(shutdown, once_done_refuses_new_tasks_and_calls)
{
    int calls = 0;
    cr_assert_eq(shut_down(NULL), 0);
    weft_future *task = weft_spawn(rock);
    cr_assert(weft_is_done(task));
    cr_assert_eq(weft_future_status(task), -ESHUTDOWN);
    weft_unref(task);
    weft_future *call = weft_call(rock);
    cr_assert_eq(weft_future_status(call), -ESHUTDOWN);
    weft_unref(call);
    weft_future *later = weft_call_later(WEFT_S(1), count_call, &calls);
    cr_assert_eq(weft_future_status(later), -ESHUTDOWN);
    weft_unref(later);
    weft_future *sleep = weft_sleep(WEFT_S(1));
    cr_assert_eq(weft_future_status(sleep), -ESHUTDOWN);
    weft_unref(sleep);
    weft_test_loop_end();
}

static void try_shutdown(void *arg)
{
    *(int *)arg = weft_loop_shutdown(test_loop, NULL, NULL);
}

static void try_run(void *arg)
{
    *(int *)arg = weft_loop_run(test_loop);
}

static void try_free(void *arg)
{
    (void)arg;
    weft_loop_free(test_loop);
}

Test(shutdown, inside_a_tick_is_refused)
{
    int status = 0;
    cr_assert_eq(weft_test_run(weft_call_soon(try_shutdown, &status)), 0);
    cr_assert_eq(status, -EDEADLK);
    cr_assert_eq(weft_test_run(weft_call_soon(try_free, NULL)), 0);
    cr_assert_eq(test_reports.count, 1);
    cr_assert_eq(test_reports.status, -EDEADLK);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_S(1))), 0);
    weft_test_loop_end();
}

Test(shutdown, refuses_to_run_shut_down_or_free_the_loop_meanwhile)
{
    int run = 0, shutdown = 0;
    cr_assert_eq(weft_post(test_loop, try_run, &run), 0);
    cr_assert_eq(weft_post(test_loop, try_shutdown, &shutdown), 0);
    cr_assert_eq(weft_post(test_loop, try_free, NULL), 0);
    cr_assert_eq(shut_down(NULL), 0);
    cr_assert_eq(run, -EDEADLK);
    cr_assert_eq(shutdown, -EDEADLK);
    cr_assert_eq(test_reports.count, 1);
    weft_test_loop_end();
}

Test(shutdown, is_part_of_free)
{
    weft_unref(weft_spawn(sleeper, .name = "a", .cleanup_ms = 20));
    weft_test_ticks(1);
    weft_test_loop_end();
    cr_assert_str_eq(test_trace, "a!");
    weft_loop_free(NULL);
}

static int shutdown_of_a_busy_loop(void)
{
    int status = renew_loop();
    if (status < 0)
        return status;
    weft_unref(weft_spawn(sleeper, .name = "", .cleanup_ms = 10));
    weft_unref(weft_spawn(swallows));
    weft_unref(weft_wait_for(weft_sleep(WEFT_S(2)), WEFT_S(1)));
    cr_assert_eq(run_one_tick(), 0);
    return shut_down(&one_second);
}

Test(shutdown, survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(shutdown_of_a_busy_loop);
    weft_test_loop_end();
}

struct stops {
    WEFT_FRAME;
};

static WEFT_ASYNC(stops)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_FOREVER));
    WEFT_FINALLY;
    weft_loop_stop(test_loop);
    WEFT_AWAIT(weft_sleep(WEFT_MS(20)));
    weft_test_mark("end");
    WEFT_END;
}

Test(shutdown, goes_on_sleeping_though_a_task_stops_the_loop)
{
    weft_unref(weft_spawn(stops));
    weft_test_ticks(1);
    weft_loop_stop(test_loop);
    cr_assert_eq(shut_down(&one_second), 0);
    cr_assert_str_eq(test_trace, "end");
    weft_test_loop_end();
}

Test(shutdown, without_deadlines_waits_as_long_as_it_takes)
{
    struct weft_shutdown_options forever = {.tasks_timeout = WEFT_FOREVER,
                                            .jobs_timeout = WEFT_FOREVER};
    weft_unref(weft_spawn(sleeper, .name = "a", .cleanup_ms = 60 * 60 * 1000));
    weft_test_ticks(1);
    cr_assert_eq(shut_down(&forever), 0);
    cr_assert_str_eq(test_trace, "a!");
    weft_test_loop_end();
}

enum behind_what { GATHER, WAIT_FOR, SHIELD };

/* Waits for ever for futures that nobody completes, behind a combinator. */
struct behind {
    WEFT_FRAME;
    enum behind_what what;
    int status;
};

static WEFT_ASYNC(behind)
{
    WEFT_BEGIN;
    for (;;) {
        if (self->what == GATHER)
            WEFT_CATCH(self->status, weft_gather(weft_future_new(), weft_future_new()));
        else if (self->what == WAIT_FOR)
            WEFT_CATCH(self->status, weft_wait_for(weft_future_new(), WEFT_FOREVER));
        else
            WEFT_CATCH(self->status, weft_shield(weft_future_new()));
    }
    WEFT_END;
}

Test(shutdown, leaks_nothing_of_what_a_stuck_task_awaits)
{
    weft_unref(weft_spawn(behind, .what = GATHER));
    weft_unref(weft_spawn(behind, .what = WAIT_FOR));
    weft_unref(weft_spawn(behind, .what = SHIELD));
    weft_test_ticks(1);
    cr_assert_eq(shut_down(&one_second), WEFT_ESTUCK);
    cr_assert_eq(test_reports.count, 3);
    weft_test_loop_end();
}

struct leaves {
    WEFT_FRAME;
    int stuck;
};

static WEFT_ASYNC(leaves)
{
    WEFT_BEGIN;
    if (self->stuck)
        weft_unref(weft_call(rock));
    else
        weft_unref(weft_call(sleeper, .name = "a", .cleanup_ms = 10));
    WEFT_END;
}

Test(shutdown, cancels_a_call_that_outlives_its_task_and_waits_for_the_cleanup)
{
    cr_assert_eq(weft_test_run(weft_spawn(leaves)), 0);
    cr_assert_eq(shut_down(NULL), 0);
    cr_assert_str_eq(test_trace, "a!");
    weft_test_loop_end();
}

Test(shutdown, names_a_stuck_call_that_outlives_its_task)
{
    struct weft_stuck_list *stuck;
    cr_assert_eq(weft_test_run(weft_spawn(leaves, .stuck = 1)), 0);
    cr_assert_eq(weft_loop_shutdown(test_loop, &one_second, &stuck), WEFT_ESTUCK);
    cr_assert_eq(test_reports.count, 1);
    cr_assert_str_eq(test_reports.task, "rock");
    cr_assert_eq(stuck->count, 1);
    cr_assert_str_eq(stuck->stuck[0].name, "rock");
    weft__free(stuck);
    weft_test_loop_end();
}
