/* SPDX-License-Identifier: MIT */
/* Cancelling scopes: from outside before, during and after the abort, and by themselves. */
#include <weft/scope.h>

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <weft/weft.h>

#include "tests/support/gate.h"
#include "tests/support/loop.h"
#include "tests/support/scope.h"
#include "tests/support/trace.h"

TestSuite(scope_cancel, .init = weft_test_loop_begin, .timeout = 20);

/* A body with a scope around it, and an await behind that. */
struct parent {
    WEFT_FRAME;
    int before_ms; /* sleep before the scope, whatever becomes of it */
    struct test_role first, second;
    int body_ms;
    bool swallows; /* the body goes on when it is cancelled */
    weft_scope *scope;
    int status;
    int after; /* what the await behind the scope gave */
    int *ret_status, *ret_after;
};

static WEFT_ASYNC(parent)
{
    WEFT_BEGIN;
    if (self->before_ms)
        WEFT_CATCH(self->status, weft_sleep(WEFT_MS(self->before_ms)));
    self->scope = weft_scope_open(NULL);
    if (self->first.name)
        test_child_spawn(self->scope, &self->first);
    if (self->second.name)
        test_child_spawn(self->scope, &self->second);
    WEFT_CATCH(self->status, weft_sleep(WEFT_MS(self->body_ms)));
    if (self->swallows)
        self->status = 0;
    WEFT_CATCH(self->status, weft_scope_close(self->scope, self->status));
    weft_test_mark(".");
    WEFT_CATCH(self->after, weft_sleep(WEFT_MS(1)));
    *self->ret_status = self->status;
    *self->ret_after = self->after;
    WEFT_END;
}

static int status, after; /* of the scope, and of the await behind it */

#define SPAWN(...) weft_spawn(parent, .ret_status = &status, .ret_after = &after, __VA_ARGS__)

static void pass(int ms)
{
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(ms))), 0);
}

/* ---- From outside ---- */

Test(scope_cancel, of_the_parent_in_the_body_cancels_the_children_and_is_the_scopes_result)
{
    weft_future *task = SPAWN(.first = {.name = "x", .ms = 100, .cleanup_ms = 10}, .body_ms = 50);
    pass(20);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(weft_ref(task)), 0);
    cr_assert_eq(status, -ECANCELED);
    cr_assert_eq(after, 0, "one request is one -ECANCELED");
    cr_assert_eq(weft_cancelling(task), 1, "who asked takes back");
    cr_assert_str_eq(test_trace, "x!.");
    weft_unref(task);
    weft_test_loop_end();
}

Test(scope_cancel, of_the_parent_while_it_closes_cancels_the_children_and_waits_for_them)
{
    weft_future *task = SPAWN(.first = {.name = "x", .ms = 100, .cleanup_ms = 30});
    pass(20);
    cr_assert(weft_cancel_because(task, "enough"));
    cr_assert_eq(weft_test_run(weft_ref(task)), 0);
    cr_assert_eq(status, -ECANCELED);
    cr_assert_eq(after, 0);
    cr_assert_eq(weft_now(), WEFT_MS(51));
    weft_unref(task);
    weft_test_loop_end();
}

static void cancel_it(void *task)
{
    cr_assert(weft_cancel(task));
}

Test(scope_cancel, of_the_parent_while_it_closes_reaches_the_children_in_its_next_step)
{
    weft_future *task =
        SPAWN(.first = {.name = "x", .ms = 100}, .second = {.name = "y", .ms = 20}, .body_ms = 10);
    weft_unref(weft_call_at(WEFT_MS(20), cancel_it, task)); /* y is due as well, right behind it */
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_eq(status, -ECANCELED);
    cr_assert_str_eq(test_trace, "xyY!.");
    weft_test_loop_end();
}

Test(scope_cancel, of_the_parent_many_times_never_ends_the_wait)
{
    weft_future *task = SPAWN(.first = {.name = "x", .ms = 100, .cleanup_ms = 30});
    pass(10);
    for (int i = 0; i < 20; i++) {
        cr_assert(weft_cancel(task));
        pass(1);
        cr_assert_str_eq(test_trace, "x!");
    }
    cr_assert_eq(weft_test_run(weft_ref(task)), 0);
    cr_assert_eq(status, -ECANCELED);
    cr_assert_eq(after, 0);
    cr_assert_eq(weft_now(), WEFT_MS(41));
    cr_assert_eq(weft_cancelling(task), 20);
    weft_unref(task);
    weft_test_loop_end();
}

Test(scope_cancel, from_elsewhere_while_it_aborts_is_not_dropped)
{
    weft_future *task = SPAWN(.first = {.name = "x", .ms = 10, .fails = -EIO},
                              .second = {.name = "y", .ms = 100, .cleanup_ms = 30});
    pass(20);
    cr_assert_str_eq(test_trace, "xyX!");
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(weft_ref(task)), 0);
    cr_assert_eq(status, WEFT_EGROUP, "a failure is more than a cancel");
    cr_assert_eq(after, -ECANCELED, "but the cancel comes with the next await");
    cr_assert_eq(weft_cancelling(task), 1);
    weft_unref(task);
    weft_test_loop_end();
}

/* asyncio drops this one: no failure, and its own abort hides the other request. */
Test(scope_cancel, from_elsewhere_while_a_cancelled_scope_closes_is_not_dropped)
{
    weft_scope *scope = weft_scope_open(NULL);
    weft_scope_spawn(scope, test_child, .what = {.name = "x", .ms = 100, .cleanup_ms = 30});
    weft_test_ticks(1);
    weft_scope_cancel(scope);
    weft_future *close = weft_scope_close(scope, 0);
    pass(10);
    cr_assert(weft_cancel(close));
    cr_assert_eq(weft_test_run(close), -ECANCELED);
    weft_scope_free(scope);
    weft_test_loop_end();
}

Test(scope_cancel, from_elsewhere_in_the_tick_of_the_abort_is_not_dropped)
{
    weft_future *task = SPAWN(.first = {.name = "x", .ms = 10, .fails = -EIO}, .body_ms = 50);
    pass(9);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(1))), 0);
    weft_test_ticks(1); /* the child has failed; the body is asked to stop */
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(weft_ref(task)), 0);
    cr_assert_eq(status, WEFT_EGROUP);
    cr_assert_eq(after, -ECANCELED);
    weft_unref(task);
    weft_test_loop_end();
}

Test(scope_cancel, that_was_swallowed_by_the_body_is_made_again_after_a_failure)
{
    weft_future *task =
        SPAWN(.first = {.name = "x", .ms = 40, .fails = -EIO}, .body_ms = 50, .swallows = true);
    pass(20);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(weft_ref(task)), 0);
    cr_assert_eq(status, WEFT_EGROUP);
    cr_assert_eq(after, -ECANCELED);
    weft_unref(task);
    weft_test_loop_end();
}

Test(scope_cancel, that_was_swallowed_by_the_body_is_no_failure)
{
    weft_future *task = SPAWN(.first = {.name = "x", .ms = 40}, .body_ms = 50, .swallows = true);
    pass(20);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(weft_ref(task)), 0);
    cr_assert_eq(status, 0);
    cr_assert_eq(after, 0);
    cr_assert_str_eq(test_trace, "xX.");
    weft_unref(task);
    weft_test_loop_end();
}

Test(scope_cancel, before_the_scope_was_opened_is_not_made_again)
{
    weft_future *task = SPAWN(.before_ms = 50, .first = {.name = "x", .ms = 10, .fails = -EIO});
    pass(20);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(weft_ref(task)), 0);
    cr_assert_eq(status, WEFT_EGROUP);
    cr_assert_eq(after, 0);
    cr_assert_eq(weft_cancelling(task), 1);
    weft_unref(task);
    weft_test_loop_end();
}

Test(scope_cancel, of_the_parent_after_it_has_closed_changes_nothing_of_the_result)
{
    weft_future *task = SPAWN(.first = {.name = "x", .ms = 10});
    pass(10);
    weft_test_ticks(2);
    cr_assert_str_eq(test_trace, "xX.");
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_eq(status, 0);
    cr_assert_eq(after, -ECANCELED);
    weft_test_loop_end();
}

Test(scope_cancel, of_the_parent_when_the_last_child_has_ended_loses_no_result)
{
    weft_future *task = SPAWN(.first = {.name = "x", .ms = 10});
    pass(9);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(1))), 0);
    weft_test_ticks(1); /* closed; the parent is about to run */
    cr_assert_str_eq(test_trace, "xX");
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_eq(status, 0);
    cr_assert_eq(after, -ECANCELED);
    weft_test_loop_end();
}

Test(scope_cancel, of_a_child_cancels_no_sibling)
{
    weft_scope *scope = weft_scope_open(NULL);
    weft_future *one = weft_scope_spawn(scope, test_child, .what = {.name = "x", .ms = 10});
    weft_scope_spawn(scope, test_child, .what = {.name = "y", .ms = 20});
    weft_test_ticks(1);
    cr_assert(weft_cancel(one));
    cr_assert_eq(weft_test_run(weft_scope_close(scope, 0)), 0);
    cr_assert_str_eq(test_trace, "xy!Y");
    weft_scope_free(scope);
    weft_test_loop_end();
}

Test(scope_cancel, that_a_child_swallows_is_still_the_scopes_result)
{
    weft_future *task = SPAWN(.first = {.name = "x", .ms = 100, .swallows = true});
    pass(10);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_eq(status, -ECANCELED);
    cr_assert_eq(after, 0);
    weft_test_loop_end();
}

Test(scope_cancel, answered_by_a_failure_is_a_failure_and_comes_again)
{
    weft_future *task = SPAWN(.first = {.name = "x", .ms = 100, .cleanup = -EBUSY});
    pass(10);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_eq(status, WEFT_EGROUP);
    cr_assert_eq(after, -ECANCELED);
    weft_test_loop_end();
}

/* ---- weft_scope_cancel() ---- */

enum canceller { BODY, CHILD, CALLBACK };

struct cancels_itself {
    WEFT_FRAME;
    enum canceller by;
    weft_scope *scope;
    int times;
};

struct canceller_child {
    WEFT_FRAME;
    weft_scope *scope;
};

static WEFT_ASYNC(canceller_child)
{
    WEFT_BEGIN;
    weft_scope_cancel(self->scope);
    weft_test_mark("k");
    WEFT_AWAIT(weft_sleep(WEFT_MS(50)));
    weft_test_mark("?");
    WEFT_END;
}

static void cancel_scope(void *scope)
{
    weft_scope_cancel(scope);
}

static WEFT_ASYNC(cancels_itself)
{
    WEFT_BEGIN;
    self->scope = weft_scope_open(NULL);
    weft_scope_spawn(self->scope, test_child, .what = {.name = "x", .ms = 100, .cleanup_ms = 10});
    WEFT_AWAIT(weft_sleep(WEFT_MS(1)));
    if (self->by == BODY)
        weft_scope_cancel(self->scope);
    if (self->by == CHILD)
        weft_scope_spawn(self->scope, canceller_child, .scope = self->scope);
    if (self->by == CALLBACK)
        weft_unref(weft_call_later(WEFT_MS(5), cancel_scope, self->scope));
    weft_test_mark("b");
    WEFT_AWAIT(weft_sleep(WEFT_MS(50)));
    weft_test_mark("?");

    WEFT_FINALLY;
    weft_scope_cancel(self->scope); /* again */
    WEFT_SCOPE_CLOSE(self->scope);
    weft_scope_cancel(self->scope); /* too late */
    weft_test_mark(".");
    WEFT_END;
}

static void expect_cancelled_by(enum canceller who, const char *trace, weft_ns at)
{
    weft_ns before = weft_now();
    test_trace[0] = 0;
    weft_future *task = weft_spawn(cancels_itself, .by = who);
    cr_assert_eq(weft_test_run(weft_ref(task)), 0);
    cr_assert_str_eq(test_trace, trace, "%s", test_trace);
    cr_assert_eq(weft_now() - before, at);
    cr_assert_eq(weft_cancelling(task), 0);
    weft_unref(task);
}

Test(scope_cancel, by_scope_cancel_ends_children_and_body_and_close_returns_0)
{
    expect_cancelled_by(BODY, "xb!.", WEFT_MS(11));
    expect_cancelled_by(CHILD, "xbk!.", WEFT_MS(11));
    expect_cancelled_by(CALLBACK, "xb!.", WEFT_MS(16));
    weft_test_loop_end();
}

Test(scope_cancel, by_scope_cancel_of_null_or_a_closed_scope_is_nothing)
{
    weft_scope *scope = weft_scope_open(NULL);
    weft_scope_cancel(NULL);
    cr_assert_eq(weft_test_run(weft_scope_close(scope, 0)), 0);
    weft_scope_cancel(scope);
    cr_assert_eq(weft_test_run(weft_scope_close(scope, 0)), 0);
    weft_scope_free(scope);
    weft_test_loop_end();
}

struct cancels_and_goes_on {
    WEFT_FRAME;
    weft_scope *scope;
};

static WEFT_ASYNC(cancels_and_goes_on)
{
    WEFT_BEGIN;
    self->scope = weft_scope_open(NULL);
    weft_scope_cancel(self->scope);
    WEFT_AWAIT(weft_scope_close(self->scope, 0));
    WEFT_AWAIT(weft_sleep(WEFT_MS(1)));
    weft_test_mark("+");
    WEFT_END;
}

Test(scope_cancel, by_scope_cancel_is_taken_back_when_the_body_awaits_nothing)
{
    cr_assert_eq(weft_test_run(weft_spawn(cancels_and_goes_on)), 0);
    cr_assert_str_eq(test_trace, "+");
    weft_test_loop_end();
}

Test(scope_cancel, by_scope_cancel_keeps_the_failures_of_clean_ups)
{
    weft_scope *scope = weft_scope_open(NULL);
    weft_scope_spawn(scope, test_child, .what = {.name = "x", .ms = 100, .cleanup = -EBUSY});
    weft_test_ticks(1);
    weft_scope_cancel(scope);
    cr_assert_eq(weft_test_run(weft_scope_close(scope, 0)), WEFT_EGROUP);
    weft_scope_free(scope);
    weft_test_loop_end();
}

struct gives_up {
    WEFT_FRAME;
    weft_scope *scope;
};

static WEFT_ASYNC(gives_up)
{
    WEFT_BEGIN;
    self->scope = weft_scope_open(NULL);
    weft_scope_spawn(self->scope, test_child, .what = {.name = "x", .ms = 100, .cleanup_ms = 30});
    WEFT_AWAIT(weft_sleep(WEFT_MS(1)));
    weft_scope_cancel(self->scope);
    WEFT_AWAIT(weft_sleep(WEFT_MS(1)));

    WEFT_FINALLY;
    WEFT_SCOPE_CLOSE(self->scope);
    WEFT_END;
}

Test(scope_cancel, of_the_parent_while_its_cancelled_scope_closes_is_not_dropped)
{
    weft_future *task = weft_spawn(gives_up);
    pass(10);
    cr_assert(weft_cancel_because(task, "from elsewhere"));
    cr_assert_eq(weft_test_run(weft_ref(task)), -ECANCELED);
    cr_assert_str_eq(weft_message(task), "from elsewhere");
    cr_assert_eq(weft_cancelling(task), 1);
    cr_assert_eq(weft_now(), WEFT_MS(31));
    weft_unref(task);
    weft_test_loop_end();
}

/* ---- Nested ---- */

struct nest {
    WEFT_FRAME;
    struct test_role outer_child, inner_child;
    weft_scope *outer, *inner;
    int inner_status, outer_status, after;
};

static WEFT_ASYNC(nest)
{
    WEFT_BEGIN;
    self->outer = weft_scope_open(&(struct weft_scope_options){.name = "outer"});
    test_child_spawn(self->outer, &self->outer_child);
    self->inner = weft_scope_open(&(struct weft_scope_options){.name = "inner"});
    test_child_spawn(self->inner, &self->inner_child);
    WEFT_CATCH(self->inner_status, weft_scope_close(self->inner, 0));
    weft_test_mark(",");
    WEFT_CATCH(self->outer_status, weft_scope_close(self->outer, self->inner_status));
    weft_test_mark(".");
    WEFT_CATCH(self->after, weft_sleep(WEFT_MS(1)));
    status = self->outer_status;
    after = self->after;
    WEFT_RETURN(self->inner_status);
    WEFT_END;
}

static int inner_status_of(weft_future *task)
{
    cr_assert_eq(weft_test_run(weft_ref(task)), 0);
    int inner = (int)weft_future_value(task).i64;
    weft_unref(task);
    return inner;
}

Test(scope_cancel, failure_in_the_outer_scope_cancels_the_inner_one_while_it_closes)
{
    weft_future *task = weft_spawn(nest, .outer_child = {.name = "o", .ms = 10, .fails = -EIO},
                                   .inner_child = {.name = "i", .ms = 100, .cleanup_ms = 30});
    cr_assert_eq(inner_status_of(task), -ECANCELED);
    cr_assert_eq(status, WEFT_EGROUP);
    cr_assert_eq(after, 0);
    cr_assert_str_eq(test_trace, "oiO!,.");
    weft_test_loop_end();
}

Test(scope_cancel, failure_in_the_inner_scope_cancels_the_outer_one)
{
    weft_future *task = weft_spawn(nest, .outer_child = {.name = "o", .ms = 100, .cleanup_ms = 30},
                                   .inner_child = {.name = "i", .ms = 10, .fails = -EIO});
    cr_assert_eq(inner_status_of(task), WEFT_EGROUP);
    cr_assert_eq(status, WEFT_EGROUP);
    cr_assert_eq(after, 0);
    cr_assert_str_eq(test_trace, "oiI,!.");
    weft_test_loop_end();
}

Test(scope_cancel, of_the_parent_while_the_inner_scope_closes_goes_through_both)
{
    weft_future *task = weft_spawn(nest, .outer_child = {.name = "o", .ms = 100},
                                   .inner_child = {.name = "i", .ms = 100, .cleanup_ms = 10});
    pass(20);
    cr_assert(weft_cancel(task));
    cr_assert_eq(inner_status_of(task), -ECANCELED);
    cr_assert_eq(status, -ECANCELED);
    cr_assert_eq(after, 0);
    cr_assert_str_eq(test_trace, "oi!,!.");
    weft_test_loop_end();
}

Test(scope_cancel, both_fail_and_each_keeps_its_failures)
{
    weft_future *task = weft_spawn(nest, .outer_child = {.name = "o", .ms = 10, .fails = -EIO},
                                   .inner_child = {.name = "i", .ms = 100, .cleanup = -EBUSY});
    cr_assert_eq(inner_status_of(task), WEFT_EGROUP);
    cr_assert_eq(status, WEFT_EGROUP);
    cr_assert_eq(after, 0, "nobody but the scopes asked");
    weft_test_loop_end();
}

/* ---- In calls ---- */

struct beside {
    WEFT_FRAME;
    struct test_role child;
    const char *mark;
    weft_scope *scope;
};

static WEFT_ASYNC(beside)
{
    WEFT_BEGIN;
    self->scope = weft_scope_open(NULL);
    test_child_spawn(self->scope, &self->child);
    WEFT_AWAIT(weft_sleep(WEFT_MS(50)));
    weft_test_mark(self->mark);

    WEFT_FINALLY;
    WEFT_SCOPE_CLOSE(self->scope);
    WEFT_END;
}

struct calls_both {
    WEFT_FRAME;
    weft_results *results;
};

static WEFT_ASYNC(calls_both)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(
        self->results,
        weft_gather_with(
            WEFT_GATHER_ALL,
            weft_call(beside, .child = {.name = "x", .ms = 10, .fails = -EIO}, .mark = "1"),
            weft_call(beside, .child = {.name = "y", .ms = 10}, .mark = "2")));
    cr_assert_eq(weft_results_status(self->results, 0), WEFT_EGROUP);
    cr_assert_eq(weft_results_status(self->results, 1), 0);
    weft_results_free(self->results);
    WEFT_END;
}

Test(scope_cancel, abort_in_one_call_leaves_the_call_beside_it_alone)
{
    cr_assert_eq(weft_test_run(weft_spawn(calls_both)), 0);
    cr_assert_str_eq(test_trace, "xyXY2");
    weft_test_loop_end();
}

/* ---- != Offloaded jobs are children too ---- */

struct pass_gate {
    struct gate *gate;
};

static WEFT_BLOCKING(pass_gate)
{
    return gate_pass(self->gate);
}

static void open_gate(void *gate)
{
    gate_open(gate);
}

Test(scope_cancel, offloaded_job_that_runs_is_waited_for_and_one_that_is_queued_never_runs)
{
    static struct gate running, queued;
    weft_pool *pool = weft_pool_new(&(struct weft_pool_options){.max_threads = 1});
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    weft_pool_unref(pool);
    gate_init(&running);
    gate_init(&queued);
    weft_scope *scope = weft_scope_open(NULL);
    weft_future *one = weft_scope_to_thread(scope, pass_gate, .gate = &running);
    weft_future *two = weft_scope_to_thread(scope, pass_gate, .gate = &queued);
    gate_wait_entered(&running);
    weft_scope_cancel(scope);
    weft_future *close = weft_scope_close(scope, 0);
    weft_test_ticks(3);
    cr_assert_not(weft_is_done(close), "a job still runs");
    weft_unref(weft_call_soon(open_gate, &running));
    cr_assert_eq(weft_test_run(close), 0);
    cr_assert_eq(weft_future_value(one).i64, 7, "it did happen");
    cr_assert(weft_is_cancelled(two));
    cr_assert_neq(sem_trywait(&queued.entered), 0);
    weft_scope_free(scope);
    weft_test_loop_end();
}
