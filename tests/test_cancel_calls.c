/* SPDX-License-Identifier: MIT */
/* Requests to cancel that meet calls within calls. */
#include <criterion/criterion.h>
#include <errno.h>
#include <weft/weft.h>

#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(cancel_calls, .init = weft_test_loop_begin, .timeout = 20);

/* Sleeps until 10 ms and then a moment, and swallows what comes. */
struct inner {
    WEFT_FRAME;
    weft_future *first; /* consumed */
    int status;
};

static WEFT_ASYNC(inner)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, self->first);
    weft_test_mark(self->status == 0 ? "f" : "F");
    WEFT_CATCH(self->status, weft_sleep(WEFT_MS(1)));
    weft_test_mark(self->status == 0 ? "i" : "I");
    WEFT_END;
}

/* A block in the middle of a chain of calls. */
struct middle {
    WEFT_FRAME;
    weft_future *first; /* consumed */
    weft_timeout *block;
    int status;
};

static WEFT_ASYNC(middle)
{
    WEFT_BEGIN;
    self->block = weft_timeout_enter_at(WEFT_MS(10));
    WEFT_CATCH(self->status, weft_call(inner, .first = self->first));
    WEFT_CATCH(self->status, weft_sleep(WEFT_MS(1)));
    weft_test_mark(self->status == 0 ? "m" : "M");
    self->status = weft_timeout_exit(self->block, self->status);
    weft_test_mark(self->status == 0 ? "0" : self->status == -ETIMEDOUT ? "T" : "C");
    WEFT_END;
}

struct outer {
    WEFT_FRAME;
    weft_future *first; /* consumed */
    int status;
};

static WEFT_ASYNC(outer)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_call(middle, .first = self->first));
    WEFT_CATCH(self->status, weft_sleep(WEFT_MS(1)));
    weft_test_mark(self->status == 0 ? "o" : "O");
    WEFT_RETURN(weft_cancelling(weft_current_task()));
    WEFT_END;
}

static void cancel_it(void *task)
{
    cr_assert(weft_cancel(task));
}

static void resolve_it(void *future)
{
    cr_assert_eq(weft_future_resolve(future, weft_value_i64(0), NULL), 0);
}

static void ends(weft_future *task, const char *trace, int requests)
{
    cr_assert_eq(weft_test_run(weft_ref(task)), 0);
    cr_assert_str_eq(test_trace, trace);
    cr_assert_eq(weft_future_value(task).i64, requests);
    weft_unref(task);
}

Test(cancel_calls, the_tasks_and_a_calls_request_in_one_tick_are_one_error)
{
    weft_future *task = weft_spawn(outer, .first = weft_sleep(WEFT_S(1)));
    weft_unref(weft_call_at(WEFT_MS(10), cancel_it, task)); /* before the block's */
    ends(task, "Fim0o", 1);
    weft_test_loop_end();
}

Test(cancel_calls, a_calls_and_the_tasks_request_in_one_tick_are_one_error)
{
    weft_future *task = weft_spawn(outer, .first = weft_sleep(WEFT_S(1)));
    weft_test_ticks(1);
    weft_unref(weft_call_at(WEFT_MS(10), cancel_it, task)); /* behind the block's */
    ends(task, "Fim0o", 1);
    weft_test_loop_end();
}

Test(cancel_calls, a_request_that_a_call_keeps_is_for_the_next_await_of_the_calls_within_it)
{
    weft_future *future = weft_future_new();
    weft_unref(weft_call_at(WEFT_MS(10), resolve_it, future));
    weft_future *task = weft_spawn(outer, .first = weft_ref(future));
    ends(task, "fIm0o", 0);
    weft_unref(future);
    weft_test_loop_end();
}

/* A call with a block, in which a cancel is swallowed and taken back before the time is over. */
struct takes_back {
    WEFT_FRAME;
    weft_timeout *block;
    int status;
};

static WEFT_ASYNC(takes_back)
{
    WEFT_BEGIN;
    self->block = weft_timeout_enter_at(WEFT_MS(10));
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
    cr_assert_eq(weft_uncancel(weft_current_task()), 0);
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
    self->status = weft_timeout_exit(self->block, self->status);
    weft_test_mark(self->status == -ETIMEDOUT ? "T" : "C");
    WEFT_END;
}

struct calls_it {
    WEFT_FRAME;
};

static WEFT_ASYNC(calls_it)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_call(takes_back));
    WEFT_RETURN(weft_cancelling(weft_current_task()));
    WEFT_END;
}

Test(cancel_calls, a_request_that_is_taken_back_is_so_from_the_calls_that_it_passed)
{
    weft_future *task = weft_spawn(calls_it);
    weft_test_ticks(1);
    cr_assert(weft_cancel(task));
    ends(task, "T", 0);
    weft_test_loop_end();
}

static weft_future *ring[2];

struct half_of_a_ring {
    WEFT_FRAME;
    int other;
    int status;
};

static WEFT_ASYNC(half_of_a_ring)
{
    WEFT_BEGIN;
    WEFT_YIELD;
    WEFT_CATCH(self->status, weft_ref(ring[self->other]));
    WEFT_END;
}

struct yields {
    WEFT_FRAME;
};

static WEFT_ASYNC(yields)
{
    WEFT_BEGIN;
    WEFT_YIELD;
    WEFT_END;
}

struct makes_a_ring {
    WEFT_FRAME;
    weft_future *asked;
};

static WEFT_ASYNC(makes_a_ring)
{
    WEFT_BEGIN;
    self->asked = weft_call(yields);
    cr_assert(weft_cancel(self->asked)); /* from now on calls of this task are searched */
    weft_unref(self->asked);
    ring[0] = weft_call(half_of_a_ring, .other = 1);
    ring[1] = weft_call(half_of_a_ring, .other = 0);
    WEFT_AWAIT(weft_sleep(WEFT_MS(1)));
    cr_assert(weft_cancel(ring[0]));
    cr_assert(weft_cancel(ring[1]));
    WEFT_END;
}

Test(cancel_calls, calls_that_await_each_other_are_asked_and_no_search_is_endless)
{
    struct weft_shutdown_options options = {.tasks_timeout = WEFT_MS(10)};
    cr_assert_eq(weft_test_run(weft_spawn(makes_a_ring)), 0);
    cr_assert_eq(weft_loop_shutdown(test_loop, &options, NULL), WEFT_ESTUCK);
    for (int i = 0; i < 2; i++)
        weft_unref(ring[i]);
    weft_test_loop_end();
}

/* Waits for what cannot be stopped, since it is about to be there, and for nothing else. */
struct brief {
    WEFT_FRAME;
    weft_future *done; /* consumed */
};

static WEFT_ASYNC(brief)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_gather(self->done));
    weft_test_mark("b");
    WEFT_END;
}

struct calls_brief {
    WEFT_FRAME;
    weft_future *first; /* consumed */
    int status;
};

static WEFT_ASYNC(calls_brief)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_ref(self->first));
    WEFT_AWAIT(weft_call(brief, .done = self->first));
    WEFT_CATCH(self->status, weft_sleep(WEFT_MS(1)));
    weft_test_mark(self->status == 0 ? "c" : "C");
    WEFT_END;
}

Test(cancel_calls, a_request_is_not_lost_in_a_call_that_ends_without_hearing_of_it)
{
    weft_future *first = weft_future_new();
    weft_future *task = weft_spawn(calls_brief, .first = weft_ref(first));
    weft_test_ticks(1);
    cr_assert_eq(weft_future_resolve(first, weft_value_i64(0), NULL), 0);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_str_eq(test_trace, "bC");
    weft_unref(first);
    weft_test_loop_end();
}

/* Waits for what has its result already, and can no more be cancelled; then ends. */
struct gathers {
    WEFT_FRAME;
    weft_future *done; /* borrowed */
    int depth;         /* of calls */
    weft_results *results;
};

static WEFT_ASYNC(gathers)
{
    WEFT_BEGIN;
    if (self->depth > 0)
        WEFT_AWAIT(weft_call(gathers, .done = self->done, .depth = self->depth - 1));
    else
        WEFT_AWAIT_INTO(self->results, weft_gather(weft_ref(self->done)));
    weft_results_free(self->results);
    WEFT_END;
}

/* Has a request that no call of its delivers, and then sleeps. */
struct asked_before_it_calls {
    WEFT_FRAME;
    weft_future *done; /* borrowed */
    int depth;
    bool calls_first;
    weft_future *call;
    int status;
};

static WEFT_ASYNC(asked_before_it_calls)
{
    WEFT_BEGIN;
    if (self->calls_first)
        self->call = weft_call(gathers, .done = self->done, .depth = self->depth);
    cr_assert(weft_cancel(weft_current_task()));
    if (!self->calls_first)
        self->call = weft_call(gathers, .done = self->done, .depth = self->depth);
    WEFT_AWAIT(self->call);
    WEFT_CATCH(self->status, weft_sleep(WEFT_MS(1)));
    weft_test_mark(self->status == -ECANCELED ? "C" : "-");
    WEFT_CATCH(self->status, weft_sleep(WEFT_MS(1)));
    weft_test_mark(self->status == 0 ? "0" : "-");
    WEFT_RETURN(weft_cancelling(weft_current_task()));
    WEFT_END;
}

static void asked_before_it_calls_ends(bool calls_first)
{
    weft_future *done = weft_future_new();
    cr_assert_eq(weft_future_resolve(done, weft_value_i64(0), NULL), 0);
    weft_future *task =
        weft_spawn(asked_before_it_calls, .done = done, .depth = 3, .calls_first = calls_first);
    ends(task, "C0", 1);
    weft_unref(done);
    weft_test_loop_end();
}

Test(cancel_calls,
     a_request_that_calls_within_calls_cannot_deliver_is_for_the_next_await_behind_them)
{
    asked_before_it_calls_ends(false);
}

Test(cancel_calls, a_request_from_before_the_await_of_calls_within_calls_is_not_lost_in_them)
{
    asked_before_it_calls_ends(true);
}

/* Asks its own task to stop in its first step, and then sleeps. */
struct asks_at_once {
    WEFT_FRAME;
    int status;
};

static WEFT_ASYNC(asks_at_once)
{
    WEFT_BEGIN;
    cr_assert(weft_cancel(weft_current_task()));
    WEFT_CATCH(self->status, weft_sleep(WEFT_MS(1)));
    weft_test_mark(self->status == 0 ? "a" : "A");
    WEFT_RETURN(self->status);
    WEFT_END;
}

struct limits_it {
    WEFT_FRAME;
    weft_timeout *block;
    int64_t status;
};

static WEFT_ASYNC(limits_it)
{
    WEFT_BEGIN;
    self->block = weft_timeout_enter(0);
    WEFT_AWAIT_INTO(self->status, weft_call(asks_at_once));
    self->status = weft_timeout_exit(self->block, (int)self->status);
    weft_test_mark(self->status == -ECANCELED ? "C" : "-");
    WEFT_END;
}

struct calls_limits_it {
    WEFT_FRAME;
};

static WEFT_ASYNC(calls_limits_it)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_call(limits_it));
    WEFT_RETURN(weft_cancelling(weft_current_task()));
    WEFT_END;
}

Test(cancel_calls, a_request_in_a_calls_first_step_is_from_elsewhere_for_a_block_around_the_call)
{
    ends(weft_spawn(calls_limits_it), "AC", 1);
    weft_test_loop_end();
}

struct shields_it {
    WEFT_FRAME;
    weft_cleanup *block;
    int status;
};

static WEFT_ASYNC(shields_it)
{
    WEFT_BEGIN;
    self->block = weft_cleanup_enter(WEFT_S(1));
    WEFT_CATCH(self->status, weft_call(asks_at_once));
    cr_assert_eq(weft_cleanup_exit(self->block, self->status), 0);
    WEFT_CATCH(self->status, weft_sleep(WEFT_MS(1)));
    weft_test_mark(self->status == -ECANCELED ? "C" : "-");
    WEFT_END;
}

struct calls_shields_it {
    WEFT_FRAME;
};

static WEFT_ASYNC(calls_shields_it)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_call(shields_it));
    WEFT_RETURN(weft_cancelling(weft_current_task()));
    WEFT_END;
}

Test(cancel_calls, a_request_in_a_calls_first_step_is_kept_by_a_clean_up_around_the_call)
{
    ends(weft_spawn(calls_shields_it), "aC", 1);
    weft_test_loop_end();
}

struct sleeps {
    WEFT_FRAME;
};

static WEFT_ASYNC(sleeps)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    WEFT_END;
}

/* The time of its block is over at once. */
struct has_no_time {
    WEFT_FRAME;
    weft_timeout *block;
    int status;
};

static WEFT_ASYNC(has_no_time)
{
    WEFT_BEGIN;
    self->block = weft_timeout_enter(0);
    WEFT_CATCH(self->status, weft_call(sleeps));
    self->status = weft_timeout_exit(self->block, self->status);
    weft_test_mark(self->status == -ETIMEDOUT ? "T" : "C");
    WEFT_END;
}

/* Its scope asks it to stop, and it has not heard of that when it calls. */
struct cancels_its_scope {
    WEFT_FRAME;
    weft_scope *scope;
};

static WEFT_ASYNC(cancels_its_scope)
{
    WEFT_BEGIN;
    self->scope = weft_scope_open(NULL);
    weft_scope_cancel(self->scope);
    WEFT_AWAIT(weft_call(has_no_time));
    WEFT_FINALLY;
    WEFT_SCOPE_CLOSE(self->scope);
    WEFT_END;
}

struct calls_cancels_its_scope {
    WEFT_FRAME;
};

static WEFT_ASYNC(calls_cancels_its_scope)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_call(cancels_its_scope));
    WEFT_RETURN(weft_cancelling(weft_current_task()));
    WEFT_END;
}

Test(cancel_calls, a_request_from_before_a_block_in_a_call_is_not_one_since_it_was_entered)
{
    ends(weft_spawn(calls_cancels_its_scope), "T", 0);
    weft_test_loop_end();
}

/* ---- Where it is only a tick until the task goes on ---- */

struct pauses {
    WEFT_FRAME;
    bool sleeps;
    int64_t value;
    int status;
};

/* It asked for its own cancel, and lets others run before that can reach it. */
static WEFT_ASYNC(pauses)
{
    WEFT_BEGIN;
    self->value = 7;
    weft_cancel_because(weft_current_task(), "changed my mind");
    if (self->sleeps)
        WEFT_CATCH_INTO(self->status, self->value, weft_sleep(0));
    else
        WEFT_YIELD;
    weft_test_mark(self->status == 0 ? "p" : "P");
    if (self->status < 0)
        WEFT_FAIL(self->status, "%s", WEFT_CAUGHT_MESSAGE);
    WEFT_RETURN(self->sleeps ? self->value : 0);
    WEFT_END;
}

struct calls_pauses {
    WEFT_FRAME;
    bool sleeps;
    int64_t value;
};

static WEFT_ASYNC(calls_pauses)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->value, weft_call(pauses, .sleeps = self->sleeps));
    WEFT_RETURN(self->value);
    WEFT_END;
}

static weft_future *spawn_pauses(bool sleeps, bool in_a_call)
{
    return in_a_call ? weft_spawn(calls_pauses, .sleeps = sleeps)
                     : weft_spawn(pauses, .sleeps = sleeps);
}

static void take_back(void *task)
{
    cr_assert_eq(weft_uncancel(task), 0);
}

Test(cancel_calls,
     a_request_kept_at_a_yield_or_a_sleep_of_nothing_can_be_taken_back_until_it_is_over)
{
    for (int i = 0; i < 4; i++) {
        test_trace[0] = '\0';
        weft_future *task = spawn_pauses(i & 1, i & 2);
        weft_unref(weft_call_soon(take_back, task)); /* between the two steps */
        ends(task, "p", 0);
    }
    weft_test_loop_end();
}

Test(cancel_calls, a_request_kept_at_a_yield_or_a_sleep_of_nothing_is_heard_with_its_reason)
{
    struct weft_cancel_info info;
    for (int i = 0; i < 4; i++) {
        weft_future *task = spawn_pauses(i & 1, i & 2);
        cr_assert_eq(weft_test_run(weft_ref(task)), -ECANCELED);
        cr_assert_str_eq(weft_message(task), "changed my mind");
        cr_assert(weft_task_cancel_info(task, &info));
        cr_assert_str_eq(info.by, i & 2 ? "calls_pauses" : "pauses");
        weft_unref(task);
    }
    weft_test_loop_end();
}

struct limited {
    WEFT_FRAME;
    weft_timeout *block;
    int status;
};

static WEFT_ASYNC(limited)
{
    WEFT_BEGIN;
    self->block = weft_timeout_enter(0);
    WEFT_CATCH(self->status, weft_sleep(0));
    self->status = weft_timeout_exit(self->block, self->status);
    weft_test_mark(self->status == -ETIMEDOUT ? "T" : "C");
    WEFT_END;
}

struct enters_late {
    WEFT_FRAME;
};

static WEFT_ASYNC(enters_late)
{
    WEFT_BEGIN;
    weft_cancel(weft_current_task());
    WEFT_AWAIT(weft_call(limited));
    WEFT_RETURN(weft_cancelling(weft_current_task()));
    WEFT_END;
}

/* Python 3.12's asyncio.timeout(0) around asyncio.sleep(0) says the same. */
Test(cancel_calls, a_block_in_a_call_knows_of_a_request_that_was_kept_when_it_was_entered)
{
    ends(weft_spawn(enters_late), "T", 1);
    weft_test_loop_end();
}
