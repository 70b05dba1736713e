/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(map, .init = weft_test_loop_begin, .timeout = 60);

static int running, most, made;

/* Works for some milliseconds; cancelled it cleans up. */
struct worker {
    WEFT_FRAME;
    int number, ms, fail, cleanup_ms;
    int status;
};

static WEFT_ASYNC(worker)
{
    WEFT_BEGIN;
    running++;
    most = running > most ? running : most;
    WEFT_AWAIT(weft_sleep(WEFT_MS(self->ms)));
    if (self->fail)
        WEFT_FAIL(self->fail, "number %d", self->number);
    WEFT_RETURN(self->number);
    WEFT_FINALLY;
    WEFT_AWAIT(weft_sleep(WEFT_MS(self->cleanup_ms)));
    running--;
    WEFT_END;
}

/* What each does, in order. */
struct plan {
    int ms, fail, cleanup_ms;
};

static weft_future *as_planned(size_t index, void *arg)
{
    const struct plan *plan = (const struct plan *)arg + index;
    made++;
    return weft_spawn(worker, .number = (int)index, .ms = plan->ms, .fail = plan->fail,
                      .cleanup_ms = plan->cleanup_ms);
}

static weft_results *results_of(weft_future *map)
{
    weft_value value;
    cr_assert_eq(weft_test_run(weft_ref(map)), 0);
    cr_assert_eq(weft_future_take(map, &value), 0);
    weft_unref(map);
    return value.ptr;
}

/* The values are their own numbers; frees them. */
static void are_in_order(weft_results *results, size_t count)
{
    cr_assert_eq(weft_results_count(results), count);
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(weft_results_value(results, i).i64, (int64_t)i);
    weft_results_free(results);
}

static int end_of(weft_future *future)
{
    return weft_test_run(weft_ref(future));
}

/* ---- Success ---- */

Test(map, runs_at_most_limit_at_a_time_and_keeps_the_order)
{
    struct plan plan[] = {{.ms = 50}, {.ms = 10}, {.ms = 10}, {.ms = 40}, {.ms = 5}};
    are_in_order(results_of(weft_map(5, 2, as_planned, plan)), 5);
    cr_assert_eq(most, 2);
    cr_assert_eq(made, 5);
    cr_assert_eq(weft_now(), WEFT_MS(60));
    weft_test_loop_end();
}

Test(map, with_a_limit_of_one_runs_one_after_the_other)
{
    struct plan plan[] = {{.ms = 10}, {.ms = 10}, {.ms = 10}};
    are_in_order(results_of(weft_map(3, 1, as_planned, plan)), 3);
    cr_assert_eq(most, 1);
    cr_assert_eq(weft_now(), WEFT_MS(30));
    weft_test_loop_end();
}

Test(map, with_a_limit_beyond_the_count_runs_all_at_once)
{
    struct plan plan[] = {{.ms = 10}, {.ms = 10}, {.ms = 10}};
    are_in_order(results_of(weft_map(3, SIZE_MAX, as_planned, plan)), 3);
    cr_assert_eq(weft_now(), WEFT_MS(10));
    weft_test_loop_end();
}

Test(map, of_nothing_is_empty_at_once)
{
    weft_future *map = weft_map(0, 5, as_planned, NULL);
    cr_assert(weft_is_done(map));
    are_in_order(results_of(map), 0);
    weft_test_loop_end();
}

Test(map, calls_the_function_in_a_later_tick)
{
    struct plan plan[] = {{.ms = 10}};
    weft_future *map = weft_map(1, 1, as_planned, plan);
    cr_assert_eq(made, 0);
    are_in_order(results_of(map), 1);
    weft_test_loop_end();
}

static size_t destroyed;

static void destroy(void *ptr)
{
    destroyed++;
    free(ptr);
}

static weft_future *done_already(size_t index, void *arg)
{
    (void)arg;
    made++;
    weft_future *future = weft_future_new();
    int status = index % 1000 == 999
                     ? weft_future_resolve(future, weft_value_ptr(malloc(1)), destroy)
                     : weft_future_resolve(future, weft_value_u64(index), NULL);
    cr_assert_eq(status, 0);
    return future;
}

enum { MANY = 100000 };

Test(map, of_very_many_that_are_done_already)
{
    weft_results *results = results_of(weft_map(MANY, 10, done_already, NULL));
    cr_assert_eq(weft_results_value(results, MANY - 2).i64, MANY - 2);
    free(weft_results_take(results, MANY - 1).ptr);
    weft_results_free(results);
    cr_assert_eq(destroyed, MANY / 1000 - 1);
    weft_test_loop_end();
}

/* ---- Failure ---- */

Test(map, the_first_failure_makes_no_more_and_the_running_are_cancelled_and_awaited)
{
    struct plan plan[] = {{.ms = 1000, .cleanup_ms = 30}, {.ms = 10, .fail = -EIO}, {.ms = 5}};
    weft_future *map = weft_map(3, 2, as_planned, plan);
    cr_assert_eq(end_of(map), -EIO);
    cr_assert_str_eq(weft_message(map), "number 1");
    cr_assert_eq(made, 2);
    cr_assert_eq(running, 0);
    cr_assert_eq(weft_now(), WEFT_MS(40));
    weft_unref(map);
    weft_test_loop_end();
}

Test(map, later_failures_count_as_observed)
{
    struct plan plan[] = {{.ms = 10, .fail = -EIO}, {.ms = 10, .fail = -EPIPE}};
    cr_assert_eq(weft_test_run(weft_map(2, 2, as_planned, plan)), -EIO);
    cr_assert_eq(test_reports.count, 0);
    weft_test_loop_end();
}

static weft_future *cancelled_one(size_t index, void *arg)
{
    (void)index;
    (void)arg;
    made++;
    weft_future *future = weft_sleep(WEFT_S(1));
    cr_assert(weft_cancel(future));
    return future;
}

Test(map, a_cancelled_operation_is_an_error)
{
    cr_assert_eq(weft_test_run(weft_map(5, 2, cancelled_one, NULL)), -ECANCELED);
    cr_assert_eq(made, 2);
    weft_test_loop_end();
}

Test(map, of_all_makes_all_and_keeps_every_status)
{
    struct plan plan[] = {{.ms = 10, .fail = -EIO}, {.ms = 10}, {.ms = 10, .fail = -EPIPE}};
    weft_results *results = results_of(weft_map_with(WEFT_GATHER_ALL, 3, 1, as_planned, plan));
    cr_assert_eq(weft_results_status(results, 0), -EIO);
    cr_assert_eq(weft_results_status(results, 1), 0);
    cr_assert_eq(weft_results_status(results, 2), -EPIPE);
    cr_assert_str_eq(weft_results_message(results, 2), "number 2");
    weft_results_free(results);
    weft_test_loop_end();
}

static weft_future *group_error(size_t index, void *arg)
{
    (void)index;
    (void)arg;
    return weft_first_success(weft_future_failed(-EIO, NULL), weft_future_failed(-EPIPE, NULL));
}

Test(map, a_group_error_keeps_what_is_behind_it)
{
    weft_future *map = weft_map(1, 1, group_error, NULL);
    cr_assert_eq(end_of(map), WEFT_EGROUP);
    cr_assert_eq(weft_errors_count(weft_future_errors(map)), 2);
    weft_unref(map);
    weft_test_loop_end();
}

/* ---- Cancel ---- */

Test(map, cancelled_makes_no_more_and_awaits_the_running)
{
    struct plan plan[] = {{.ms = 100, .cleanup_ms = 30}, {.ms = 100}, {.ms = 100}};
    weft_future *map = weft_map(3, 2, as_planned, plan);
    weft_test_ticks(3);
    cr_assert(weft_cancel_because(map, "go"));
    cr_assert_eq(end_of(map), -ECANCELED);
    cr_assert_str_eq(weft_message(map), "go");
    cr_assert_eq(made, 2);
    cr_assert_eq(weft_now(), WEFT_MS(30));
    weft_unref(map);
    weft_test_loop_end();
}

Test(map, cancelled_before_the_first_makes_none)
{
    struct plan plan[] = {{.ms = 100}};
    weft_future *map = weft_map(1, 2, as_planned, plan);
    cr_assert(weft_cancel(map));
    cr_assert_eq(weft_test_run(map), -ECANCELED);
    cr_assert_eq(made, 0);
    weft_test_loop_end();
}

static weft_future *the_map;

static weft_future *cancels_the_map(size_t index, void *arg)
{
    made++;
    if (index == 1)
        cr_assert(weft_cancel(the_map));
    return as_planned(0, arg);
}

Test(map, cancelled_by_its_own_function_cancels_what_that_makes)
{
    struct plan plan[] = {{.ms = 100}};
    the_map = weft_map(5, 3, cancels_the_map, plan);
    cr_assert_eq(weft_test_run(the_map), -ECANCELED);
    cr_assert_eq(made, 4);
    cr_assert_eq(weft_now(), 0);
    weft_test_loop_end();
}

struct awaits {
    WEFT_FRAME;
    weft_future *map; /* consumed */
    weft_results *results;
    int status;
};

static WEFT_ASYNC(awaits)
{
    WEFT_BEGIN;
    WEFT_CATCH_INTO(self->status, self->results, self->map);
    weft_results_free(self->results);
    weft_test_mark(self->status == 0 ? "v" : self->status == -EIO ? "f" : "x");
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
    weft_test_mark(self->status == 0 ? "s" : "X");
    WEFT_END;
}

static weft_future *given(size_t index, void *futures)
{
    return weft_ref(((weft_future **)futures)[index]);
}

Test(map, whose_operations_are_all_done_is_not_lost_to_a_cancel_of_the_task)
{
    weft_future *future = weft_future_new();
    weft_future *task = weft_spawn(awaits, .map = weft_map(1, 1, given, &future));
    weft_test_ticks(2);
    cr_assert_eq(weft_future_resolve(future, weft_value_i64(0), NULL), 0);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_str_eq(test_trace, "vX");
    weft_unref(future);
    weft_test_loop_end();
}

Test(map, cancelled_after_a_failure_is_that_failure)
{
    struct plan plan[] = {{.ms = 1000, .cleanup_ms = 30}, {.ms = 10, .fail = -EIO}};
    weft_future *task = weft_spawn(awaits, .map = weft_map(2, 2, as_planned, plan));
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(20))), 0);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_str_eq(test_trace, "fX");
    weft_test_loop_end();
}

Test(map, under_way_at_the_shutdown_ends)
{
    struct plan plan[] = {{.ms = 1000}, {.ms = 1000}};
    weft_future *map = weft_map(2, 1, as_planned, plan);
    weft_test_ticks(3);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(weft_future_status(map), -ECANCELED);
    weft_unref(map);
    map = weft_map(2, 1, as_planned, plan);
    cr_assert_eq(weft_future_status(map), -ESHUTDOWN);
    weft_unref(map);
    weft_test_loop_end();
}

/* ---- Context ---- */

static WEFT_CONTEXT_KEY(tag, const char *, NULL);

static weft_future *sees_the_tag(size_t index, void *arg)
{
    (void)arg;
    cr_assert_str_eq(weft_context_get(tag), "one");
    cr_assert_null(weft_current_task());
    return weft_sleep(WEFT_MS((int)index));
}

struct sets_tag {
    WEFT_FRAME;
    weft_future *map;
};

static WEFT_ASYNC(sets_tag)
{
    WEFT_BEGIN;
    cr_assert_eq(weft_context_set(tag, "one"), 0);
    self->map = weft_map(3, 1, sees_the_tag, NULL);
    cr_assert_eq(weft_context_set(tag, "two"), 0);
    WEFT_AWAIT(self->map);
    WEFT_END;
}

Test(map, calls_the_function_in_the_context_of_who_asked_for_it)
{
    cr_assert_eq(weft_test_run(weft_spawn(sets_tag)), 0);
    weft_test_loop_end();
}

/* ---- Misuse, memory ---- */

static weft_future *nothing(size_t index, void *arg)
{
    (void)index;
    (void)arg;
    return NULL;
}

Test(map, refuses_no_function_no_room_and_unknown_flags)
{
    cr_assert_eq(weft_test_run(weft_map(1, 1, NULL, NULL)), -EINVAL);
    cr_assert_eq(weft_test_run(weft_map(1, 0, nothing, NULL)), -EINVAL);
    cr_assert_eq(weft_test_run(weft_map_with((enum weft_gather_flags)9, 1, 1, nothing, NULL)),
                 -EINVAL);
    cr_assert_eq(weft_test_run(weft_map(SIZE_MAX, 1, nothing, NULL)), -ENOMEM);
    weft_test_loop_end();
}

Test(map, a_function_that_makes_nothing_fails)
{
    weft_future *map = weft_map(1, 1, nothing, NULL);
    cr_assert_eq(end_of(map), -EINVAL);
    cr_assert_str_eq(weft_message(map), "weft_map: no future was made");
    weft_unref(map);
    weft_test_loop_end();
}

static int scene(void)
{
    static struct plan plan[] = {{.ms = 10}, {.ms = 20}, {.ms = 5}};
    return weft_test_run(weft_map(3, 2, as_planned, plan));
}

Test(map, survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(scene);
    weft_test_loop_end();
}
