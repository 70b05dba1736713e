/* SPDX-License-Identifier: MIT */
/* Why a task was cancelled, by whom and from where. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weft/weft.h>

#include "core/future.h"
#include "core/loop.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(cancel_reason, .init = weft_test_loop_begin, .timeout = 20);

/* The task, after one tick. */
static weft_future *started(weft_future *task)
{
    weft_test_ticks(1);
    return task;
}

static int end_of(weft_future *task)
{
    return weft_test_run(weft_ref(task));
}

/* True if `at` is this line of this file. */
static bool is_line(const char *at, int line)
{
    char end[64];
    snprintf(end, sizeof(end), "test_cancel_reason.c:%d", line);
    size_t length = strlen(at), tail = strlen(end);
    return length >= tail && strcmp(at + length - tail, end) == 0;
}

struct waiter {
    WEFT_FRAME;
    weft_future *on; /* consumed */
};

static WEFT_ASYNC(waiter)
{
    WEFT_BEGIN;
    WEFT_AWAIT(self->on);
    WEFT_END;
}

/* ---- The reason ---- */

struct reader {
    WEFT_FRAME;
    int status, i;
};

static WEFT_ASYNC(reader)
{
    WEFT_BEGIN;
    for (self->i = 0; self->i < 2; self->i++) {
        WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
        cr_assert_eq(self->status, -ECANCELED);
        weft_test_mark(WEFT_CAUGHT_MESSAGE ? WEFT_CAUGHT_MESSAGE : "-");
    }
    WEFT_END;
}

Test(cancel_reason, is_the_message_of_the_error)
{
    weft_future *task = started(weft_spawn(reader));
    cr_assert(weft_cancel_because(task, "a"));
    cr_assert_str_eq(weft_message(task), "a");
    weft_test_ticks(1);
    cr_assert_str_eq(test_trace, "a");
    weft_unref(task);
    weft_test_loop_end();
}

Test(cancel_reason, is_that_of_its_own_request_not_of_an_earlier_one)
{
    weft_future *task = started(weft_spawn(reader));
    cr_assert(weft_cancel_because(task, "a"));
    weft_test_ticks(1);
    cr_assert(weft_cancel_because(task, "b"));
    cr_assert_str_eq(weft_message(task), "b");
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_str_eq(test_trace, "ab");
    weft_test_loop_end();
}

Test(cancel_reason, is_none_without_one_and_not_of_an_earlier_one)
{
    weft_future *task = started(weft_spawn(reader));
    cr_assert(weft_cancel_because(task, "a"));
    weft_test_ticks(1);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_str_eq(test_trace, "a-");
    weft_test_loop_end();
}

Test(cancel_reason, is_copied)
{
    char reason[] = "gone";
    weft_future *task = started(weft_spawn(waiter, .on = weft_sleep(WEFT_S(1))));
    cr_assert(weft_cancel_because(task, reason));
    reason[0] = 'd';
    cr_assert_eq(end_of(task), -ECANCELED);
    cr_assert_str_eq(weft_message(task), "gone");
    weft_unref(task);
    weft_test_loop_end();
}

/* ---- Who and from where ---- */

struct canceller {
    WEFT_FRAME;
    weft_future *victim; /* borrowed */
    int line;
};

static int cancelled_at;

static WEFT_ASYNC(canceller)
{
    WEFT_BEGIN;
    cancelled_at = __LINE__ + 1;
    weft_cancel_because(self->victim, "client went away");
    WEFT_END;
}

Test(cancel_reason, tells_who_asked_and_from_where)
{
    struct weft_cancel_info info;
    weft_future *task = weft_spawn(waiter, .on = weft_sleep(WEFT_S(1)));
    cr_assert_not(weft_task_cancel_info(task, &info));
    weft_test_ticks(1);
    weft_future *by = weft_spawn(canceller, .victim = task);
    cr_assert_eq(end_of(task), -ECANCELED);
    cr_assert(weft_task_cancel_info(task, &info));
    cr_assert_str_eq(info.reason, "client went away");
    cr_assert_str_eq(info.by, "canceller");
    cr_assert_eq(info.by_id, weft_task_id(by));
    cr_assert(is_line(info.at, cancelled_at), "%s", info.at);
    weft_unref(task);
    weft_unref(by);
    weft_test_loop_end();
}

Test(cancel_reason, outside_of_a_task_is_a_place_only)
{
    struct weft_cancel_info info;
    weft_future *task = started(weft_spawn(waiter, .on = weft_sleep(WEFT_S(1))));
    int line = __LINE__ + 1;
    cr_assert(weft_cancel(task));
    cr_assert(weft_task_cancel_info(task, &info));
    cr_assert_null(info.reason);
    cr_assert_null(info.by);
    cr_assert_eq(info.by_id, 0);
    cr_assert(is_line(info.at, line), "%s", info.at);
    cr_assert_eq(weft_test_run(task), -ECANCELED);
    weft_test_loop_end();
}

Test(cancel_reason, remembers_the_name_of_who_asked_though_it_was_set_and_the_task_is_gone)
{
    struct weft_cancel_info info;
    weft_future *task = started(weft_spawn(waiter, .on = weft_sleep(WEFT_S(1))));
    weft_future *by = weft_spawn(canceller, .victim = task);
    cr_assert_eq(weft_task_set_name(by, "supervisor 3"), 0);
    weft_unref(by);
    cr_assert_eq(end_of(task), -ECANCELED);
    cr_assert(weft_task_cancel_info(task, &info));
    cr_assert_str_eq(info.by, "supervisor 3");
    weft_unref(task);
    weft_test_loop_end();
}

Test(cancel_reason, goes_down_to_what_a_task_awaits_and_up_to_who_awaits_it)
{
    struct weft_cancel_info info;
    weft_future *inner = weft_spawn(waiter, .on = weft_sleep(WEFT_S(1)));
    weft_future *middle = weft_spawn(waiter, .on = weft_gather(weft_ref(inner)));
    weft_future *outer = weft_spawn(waiter, .on = weft_wait_for(weft_ref(middle), WEFT_S(9)));
    weft_test_ticks(1);
    weft_unref(weft_spawn(canceller, .victim = middle));
    cr_assert_eq(end_of(outer), -ECANCELED);
    weft_future *all[] = {inner, middle, outer};
    for (int i = 0; i < 3; i++) {
        cr_assert(weft_task_cancel_info(all[i], &info), "%d", i);
        cr_assert_str_eq(info.by, "canceller");
        cr_assert_str_eq(info.reason, "client went away");
        weft_unref(all[i]);
    }
    weft_test_loop_end();
}

Test(cancel_reason, that_waited_for_the_next_await_is_told_there)
{
    struct weft_cancel_info info;
    weft_future *inner = weft_spawn(waiter, .on = weft_sleep(WEFT_S(1)));
    weft_future *task = weft_spawn(waiter, .on = weft_gather(weft_ref(inner)));
    weft_future *by = weft_spawn_eager(canceller, .victim = task);
    cr_assert_eq(weft_uncancel(task), 0);
    weft_test_ticks(1);
    cr_assert_not(weft_task_cancel_info(task, &info), "it was taken back");
    cr_assert_not(weft_task_cancel_info(inner, &info));
    weft_cancel(task);
    cr_assert_eq(weft_test_run(task), -ECANCELED);
    weft_unref(inner);
    weft_unref(by);
    weft_test_loop_end();
}

struct two_steps {
    WEFT_FRAME;
    weft_future *first; /* consumed */
    weft_future *inner; /* borrowed */
};

static WEFT_ASYNC(two_steps)
{
    WEFT_BEGIN;
    WEFT_AWAIT(self->first);
    WEFT_AWAIT(weft_gather(weft_ref(self->inner)));
    WEFT_END;
}

Test(cancel_reason, of_a_request_kept_for_the_next_await_is_that_of_who_asked)
{
    struct weft_cancel_info info;
    weft_future *first = weft_future_new();
    weft_future *inner = weft_spawn(waiter, .on = weft_sleep(WEFT_S(1)));
    weft_future *task = weft_spawn(two_steps, .first = weft_ref(first), .inner = inner);
    weft_test_ticks(1);
    cr_assert_eq(weft_future_resolve(first, weft_value_i64(0), NULL), 0);
    weft_unref(weft_spawn_eager(canceller, .victim = task));
    cr_assert_eq(end_of(task), -ECANCELED);
    cr_assert(weft_task_cancel_info(inner, &info));
    cr_assert_str_eq(info.by, "canceller");
    cr_assert(is_line(info.at, cancelled_at));
    weft_unref(task);
    weft_unref(inner);
    weft_unref(first);
    weft_test_loop_end();
}

Test(cancel_reason, of_a_limit_of_time_names_no_place)
{
    struct weft_cancel_info info;
    weft_future *task = weft_spawn(waiter, .on = weft_sleep(WEFT_S(10)));
    cr_assert_eq(weft_test_run(weft_wait_for(weft_ref(task), WEFT_S(1))), -ETIMEDOUT);
    cr_assert(weft_task_cancel_info(task, &info));
    cr_assert_str_eq(info.reason, "timed out");
    cr_assert_null(info.by);
    cr_assert_null(info.at);
    weft_unref(task);
    weft_test_loop_end();
}

struct swallower {
    WEFT_FRAME;
    int status;
};

static WEFT_ASYNC(swallower)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
    WEFT_END;
}

Test(cancel_reason, who_asked_is_known_of_a_task_that_swallowed_the_request_too)
{
    struct weft_cancel_info info;
    weft_future *task = started(weft_spawn(swallower));
    weft_unref(weft_spawn(canceller, .victim = task));
    cr_assert_eq(end_of(task), 0);
    cr_assert(weft_task_cancel_info(task, &info));
    cr_assert_str_eq(info.by, "canceller");
    cr_assert_null(info.reason);
    weft_unref(task);
    weft_test_loop_end();
}

Test(cancel_reason, latest_request_is_told)
{
    struct weft_cancel_info info;
    weft_future *task = started(weft_spawn(swallower));
    weft_unref(weft_spawn_eager(canceller, .victim = task));
    cr_assert(weft_cancel_because(task, "again"));
    cr_assert(weft_task_cancel_info(task, &info));
    cr_assert_null(info.by);
    cr_assert_str_eq(info.reason, "again");
    cr_assert_eq(weft_test_run(task), 0);
    weft_test_loop_end();
}

Test(cancel_reason, works_through_pointers_to_the_functions_without_a_place)
{
    bool (*cancel)(weft_future *) = weft_cancel;
    bool (*because)(weft_future *, const char *) = weft_cancel_because;
    struct weft_cancel_info info;
    weft_future *task = started(weft_spawn(waiter, .on = weft_sleep(WEFT_S(1))));
    cr_assert(because(task, "so"));
    cr_assert(weft_task_cancel_info(task, &info));
    cr_assert_str_eq(info.reason, "so");
    cr_assert_null(info.at);
    cr_assert_eq(end_of(task), -ECANCELED);
    cr_assert_not(cancel(task));
    weft_unref(task);
    weft_test_loop_end();
}

Test(cancel_reason, shows_in_a_report_with_who_asked_and_from_where)
{
    weft_future *task = started(weft_spawn(waiter, .on = weft_sleep(WEFT_S(1))));
    weft_unref(weft_spawn(canceller, .victim = task));
    cr_assert_eq(end_of(task), -ECANCELED);
    weft__report_future(task, "failed");
    const char *asked = strstr(test_reports.message, "client went away (asked by canceller at ");
    cr_assert_eq(asked, test_reports.message, "%s", test_reports.message);
    weft_unref(task);
    weft_test_loop_end();
}

struct sleeper {
    WEFT_FRAME;
};

static WEFT_ASYNC(sleeper)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    WEFT_END;
}

/* A task that has a name of its own cancels another, which sleeps. */
static int cancel_by_another(void)
{
    weft_future *task = weft_spawn_eager(sleeper);
    weft_future *by = weft_spawn(canceller, .victim = task);
    if (weft_is_done(by))
        weft_cancel(task);
    else
        weft_task_set_name(by, "set");
    weft_unref(by);
    int status = weft_test_run(task);
    return status == -ECANCELED ? 0 : status;
}

static void ignore(weft_loop *loop, const struct weft_error_report *report, void *arg)
{
    (void)loop;
    (void)report;
    (void)arg;
}

Test(cancel_reason, lost_to_a_lack_of_memory_leaves_the_request)
{
    weft_loop_set_error_handler(test_loop, ignore, NULL);
    weft_test_every_lack_of_memory(cancel_by_another);
    weft_test_loop_end();
}

/* ---- By way of other operations ---- */

static weft_future *make_ref(size_t index, void *inner)
{
    (void)index;
    return weft_ref(inner);
}

static weft_future *around_gather(weft_future *inner)
{
    return weft_gather(weft_ref(inner));
}

static weft_future *around_wait_for(weft_future *inner)
{
    return weft_wait_for(weft_ref(inner), WEFT_S(9));
}

static weft_future *around_shield(weft_future *inner)
{
    return weft_shield(weft_ref(inner));
}

static weft_future *around_race(weft_future *inner)
{
    return weft_race(weft_ref(inner), weft_future_new());
}

static weft_future *around_first_success(weft_future *inner)
{
    return weft_first_success(weft_ref(inner), weft_ref(inner));
}

static weft_future *around_map(weft_future *inner)
{
    return weft_map(1, 1, make_ref, inner);
}

static weft_future *around_retry(weft_future *inner)
{
    return weft_retry(&(struct weft_retry_options){.attempts = 3}, make_ref, inner);
}

static weft_future *around_each_other(weft_future *inner)
{
    return weft_gather(weft_wait_for(weft_shield(weft_ref(inner)), WEFT_S(9)));
}

static const struct {
    const char *name;
    weft_future *(*around)(weft_future *inner);
    bool shields;
} ways[] = {
    {"gather", around_gather, false}, {"wait_for", around_wait_for, false},
    {"shield", around_shield, true},  {"race", around_race, false},
    {"map", around_map, false},       {"first_success", around_first_success, false},
    {"retry", around_retry, false},   {"several", around_each_other, true},
};

enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

static void assert_asked_by_canceller(const weft_future *task, const char *way)
{
    struct weft_cancel_info info;
    cr_assert(weft_task_cancel_info(task, &info), "%s", way);
    cr_assert_str_eq(info.reason, "client went away", "%s", way);
    cr_assert(info.by && strcmp(info.by, "canceller") == 0, "%s: %s", way, info.by);
    cr_assert_neq(info.by_id, 0, "%s", way);
    cr_assert(info.at && is_line(info.at, cancelled_at), "%s: %s", way, info.at);
}

Test(cancel_reason, of_what_an_operation_waits_for_is_told_to_who_awaits_that)
{
    for (int i = 0; i < WAYS; i++) {
        weft_future *inner = weft_spawn(waiter, .on = weft_sleep(WEFT_S(1)));
        weft_future *outer = weft_spawn(waiter, .on = ways[i].around(inner));
        weft_test_ticks(3);
        weft_unref(weft_spawn(canceller, .victim = inner));
        cr_assert_eq(end_of(outer), -ECANCELED, "%s", ways[i].name);
        assert_asked_by_canceller(outer, ways[i].name);
        weft_unref(outer);
        weft_unref(inner);
    }
    weft_test_loop_end();
}

Test(cancel_reason, of_an_operation_is_told_to_who_awaits_it_and_to_what_it_waits_for)
{
    for (int i = 0; i < WAYS; i++) {
        weft_future *inner = weft_spawn(waiter, .on = weft_sleep(WEFT_S(1)));
        weft_future *operation = ways[i].around(inner);
        weft_future *outer = weft_spawn(waiter, .on = weft_ref(operation));
        weft_test_ticks(3);
        weft_unref(weft_spawn(canceller, .victim = operation));
        cr_assert_eq(end_of(outer), -ECANCELED, "%s", ways[i].name);
        assert_asked_by_canceller(outer, ways[i].name);
        if (!ways[i].shields)
            assert_asked_by_canceller(inner, ways[i].name);
        weft_unref(outer);
        weft_unref(operation);
        weft_unref(inner);
    }
    weft_test_loop_end();
}

Test(cancel_reason, of_one_task_is_told_to_another_that_awaits_the_same_operation)
{
    weft_future *operation = weft_sleep(WEFT_S(1));
    weft_future *one = weft_spawn(waiter, .on = weft_ref(operation));
    weft_future *other = weft_spawn(waiter, .on = operation);
    weft_test_ticks(2);
    weft_unref(weft_spawn(canceller, .victim = one));
    cr_assert_eq(end_of(other), -ECANCELED);
    assert_asked_by_canceller(one, "one");
    assert_asked_by_canceller(other, "other");
    weft_unref(one);
    weft_unref(other);
    weft_test_loop_end();
}

static weft_future *stopped, *made;
static int stopped_at;

static weft_future *stop_and_make(size_t index, void *arg)
{
    (void)index;
    (void)arg;
    stopped_at = __LINE__ + 1;
    weft_cancel_because(stopped, "enough");
    made = weft_spawn(sleeper); /* which is asked before it starts */
    return weft_ref(made);
}

Test(cancel_reason, of_a_map_or_a_retry_is_told_to_what_is_made_meanwhile)
{
    struct weft_cancel_info info;
    for (int i = 0; i < 2; i++) {
        stopped = i ? weft_retry(NULL, stop_and_make, NULL) : weft_map(2, 2, stop_and_make, NULL);
        cr_assert_eq(weft_test_run(weft_ref(stopped)), -ECANCELED);
        cr_assert(weft_task_cancel_info(made, &info), "%d", i);
        cr_assert_str_eq(info.reason, "enough");
        cr_assert(info.at && is_line(info.at, stopped_at), "%s", info.at);
        weft_unref(made);
        weft_unref(stopped);
    }
    weft_test_loop_end();
}

/* ---- Rings ---- */

static weft_future *ring_gather, *ring_sibling;

/* A gather of two tasks; the first of them waits for the one that waits for the gather. */
struct gathers_its_waiter {
    WEFT_FRAME;
    int status;
};

static WEFT_ASYNC(gathers_its_waiter)
{
    WEFT_BEGIN;
    ring_sibling = weft_spawn(waiter, .on = weft_sleep(WEFT_S(1)));
    ring_gather = weft_gather(weft_spawn(waiter, .on = weft_ref(weft_current_task())),
                              weft_ref(ring_sibling));
    WEFT_CATCH(self->status, weft_ref(ring_gather));
    WEFT_END;
}

Test(cancel_reason, of_a_request_that_comes_round_in_a_ring_is_told_to_all)
{
    struct weft_shutdown_options options = {.tasks_timeout = WEFT_MS(10)};
    struct weft_cancel_info info;
    weft_future *task = weft_spawn(gathers_its_waiter);
    weft_test_ticks(3);
    cr_assert(weft_cancel_because(ring_gather, "a text that is long enough to be noticed"));
    cr_assert(weft_task_cancel_info(ring_sibling, &info));
    cr_assert_str_eq(info.reason, "a text that is long enough to be noticed");
    cr_assert_eq(weft_loop_shutdown(test_loop, &options, NULL), WEFT_ESTUCK);
    weft_unref(task);
    weft_unref(ring_gather);
    weft_unref(ring_sibling);
    weft_test_loop_end();
}

/* A reason that is lost on the way comes round as none. */
Test(cancel_reason, that_is_lost_in_a_ring_frees_no_text_in_use)
{
    struct weft_shutdown_options options = {.tasks_timeout = WEFT_MS(10)};
    const char *why = "a text that is long enough to be noticed";
    struct weft_cancel_info info;
    int failed = 1;
    for (size_t n = 1; failed; n++) {
        weft_future *task = weft_spawn(gathers_its_waiter);
        weft_test_ticks(3);
        weft_test_heap_fail_at(n);
        cr_assert(weft_cancel_because(ring_gather, why));
        failed = weft_test_heap_failed();
        weft_test_heap_fail_at(0);
        cr_assert(weft_task_cancel_info(ring_sibling, &info));
        cr_assert(!info.reason || strcmp(info.reason, why) == 0, "%s", info.reason);
        weft_unref(task);
        weft_unref(ring_gather);
        weft_unref(ring_sibling);
    }
    cr_assert_eq(weft_loop_shutdown(test_loop, &options, NULL), WEFT_ESTUCK);
    weft_test_loop_end();
}
