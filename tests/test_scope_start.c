/* SPDX-License-Identifier: MIT */
/* Children that say when they are ready. */
#include <weft/scope.h>

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(scope_start, .init = weft_test_loop_begin, .timeout = 20);

static int ready_status;

struct server {
    WEFT_FRAME;
    int fails, ends; /* before it is ready */
    bool with_text, in_call, again, swallows;
    int after; /* it fails with this when it was ready */
    int status;
};

struct says_ready {
    WEFT_FRAME;
};

static WEFT_ASYNC(says_ready)
{
    WEFT_BEGIN;
    ready_status = weft_scope_ready(8080);
    WEFT_END;
}

static WEFT_ASYNC(server)
{
    WEFT_BEGIN;
    weft_test_mark("s");
    WEFT_CATCH(self->status, weft_sleep(WEFT_MS(10)));
    if (self->status < 0 && !self->swallows)
        WEFT_FAIL(self->status);
    if (self->fails < 0)
        WEFT_FAIL(self->fails, "%s", "port in use");
    if (self->ends)
        WEFT_RETURN(0);
    if (self->in_call)
        WEFT_AWAIT(weft_call(says_ready));
    else if (self->with_text)
        ready_status = weft_scope_ready(strdup("ready"), free);
    else
        ready_status = weft_scope_ready(8080);
    weft_test_mark("r");
    if (self->again)
        ready_status = weft_scope_ready(strdup("again"), free);
    WEFT_AWAIT(weft_sleep(WEFT_MS(100)));
    weft_test_mark("e");
    if (self->after < 0)
        WEFT_FAIL(self->after);
    WEFT_END;
}

static weft_scope *scope;
static int close_scope(void)
{
    int status = weft_test_run(weft_scope_close(scope, 0));
    weft_scope_free(scope);
    return status;
}

static void open_scope(void)
{
    scope = weft_scope_open(NULL);
}

Test(scope_start, gives_the_value_with_which_the_child_is_ready)
{
    open_scope();
    weft_future *start = weft_scope_start(scope, server);
    cr_assert_eq(weft_test_run(weft_ref(start)), 0);
    cr_assert_eq(weft_future_value(start).i64, 8080);
    cr_assert_eq(weft_now(), WEFT_MS(10));
    cr_assert_str_eq(test_trace, "sr");
    cr_assert_eq(close_scope(), 0);
    cr_assert_str_eq(test_trace, "sre", "the child goes on in the scope");
    weft_unref(start);
    weft_test_loop_end();
}

Test(scope_start, child_may_be_ready_within_a_call)
{
    open_scope();
    cr_assert_eq(weft_test_run(weft_scope_start(scope, server, .in_call = true)), 0);
    cr_assert_eq(ready_status, 0);
    cr_assert_eq(close_scope(), 0);
    weft_test_loop_end();
}

Test(scope_start, value_that_nobody_takes_is_destroyed)
{
    open_scope();
    cr_assert_eq(weft_test_run(weft_scope_start(scope, server, .with_text = true)), 0);
    cr_assert_eq(close_scope(), 0);
    weft_test_loop_end();
}

Test(scope_start, value_is_destroyed_when_nobody_waits_any_more)
{
    open_scope();
    weft_unref(weft_scope_start(scope, server, .with_text = true));
    cr_assert_eq(close_scope(), 0);
    cr_assert_eq(ready_status, 0);
    weft_test_loop_end();
}

Test(scope_start, failure_before_the_child_is_ready_is_the_callers_and_aborts_nothing)
{
    open_scope();
    weft_future *start = weft_scope_start(scope, server, .fails = -EADDRINUSE);
    cr_assert_eq(weft_test_run(weft_ref(start)), -EADDRINUSE);
    cr_assert_str_eq(weft_message(start), "port in use");
    weft_unref(start);
    cr_assert_eq(weft_test_run(weft_scope_start(scope, server)), 0, "the next one may succeed");
    cr_assert_eq(close_scope(), 0);
    weft_test_loop_end();
}

Test(scope_start, failure_after_the_child_was_ready_is_the_scopes)
{
    open_scope();
    cr_assert_eq(weft_test_run(weft_scope_start(scope, server, .after = -EIO)), 0);
    cr_assert_eq(close_scope(), WEFT_EGROUP);
    weft_test_loop_end();
}

Test(scope_start, child_that_ends_and_was_never_ready_is_a_failure)
{
    open_scope();
    cr_assert_eq(weft_test_run(weft_scope_start(scope, server, .ends = true)), WEFT_ECLOSED);
    cr_assert_eq(close_scope(), 0);
    weft_test_loop_end();
}

Test(scope_start, ready_twice_is_refused)
{
    open_scope();
    cr_assert_eq(weft_test_run(weft_scope_start(scope, server, .again = true)), 0);
    cr_assert_eq(ready_status, -EALREADY);
    cr_assert_eq(close_scope(), 0);
    weft_test_loop_end();
}

Test(scope_start, ready_in_a_task_that_was_not_started_so_is_refused)
{
    open_scope();
    cr_assert_eq(weft_scope_ready(strdup("nobody"), free), -EINVAL);
    weft_scope_spawn(scope, server, .with_text = true);
    cr_assert_eq(close_scope(), 0);
    cr_assert_eq(ready_status, -EINVAL);
    weft_test_loop_end();
}

Test(scope_start, cancelled_cancels_the_child_and_completes_when_it_has_ended)
{
    open_scope();
    weft_future *start = weft_scope_start(scope, server);
    weft_test_ticks(1);
    cr_assert(weft_cancel_because(start, "too slow"));
    cr_assert_eq(weft_test_run(weft_ref(start)), -ECANCELED);
    cr_assert_eq(weft_scope_count(scope), 0);
    cr_assert_eq(weft_now(), 0);
    weft_unref(start);
    cr_assert_eq(close_scope(), 0);
    weft_test_loop_end();
}

Test(scope_start, cancelled_gives_the_value_of_a_child_that_is_ready_nonetheless)
{
    open_scope();
    weft_future *start = weft_scope_start(scope, server, .swallows = true);
    weft_test_ticks(1);
    cr_assert(weft_cancel(start));
    cr_assert_eq(weft_test_run(start), 0);
    cr_assert_eq(close_scope(), 0);
    weft_test_loop_end();
}

Test(scope_start, is_cancelled_with_its_scope)
{
    open_scope();
    weft_future *start = weft_scope_start(scope, server);
    weft_test_ticks(1);
    weft_scope_cancel(scope);
    cr_assert_eq(weft_test_run(start), -ECANCELED);
    cr_assert_eq(weft_test_run(weft_scope_start(scope, server)), -ECANCELED, "refused");
    cr_assert_eq(close_scope(), 0);
    weft_test_loop_end();
}

Test(scope_start, has_a_limit_of_time_like_any_future)
{
    open_scope();
    cr_assert_eq(weft_test_run(weft_wait_for(weft_scope_start(scope, server), WEFT_MS(5))),
                 -ETIMEDOUT);
    cr_assert_eq(close_scope(), 0);
    weft_test_loop_end();
}

static int start_one(void)
{
    open_scope();
    int status = weft_test_run(weft_scope_start(scope, server, .with_text = true));
    int closed = weft_test_run(weft_scope_close(scope, 0));
    if (closed == WEFT_EGROUP)
        closed = weft_errors_status(weft_scope_errors(scope), 0);
    weft_scope_free(scope);
    test_trace[0] = 0;
    if (status == 0)
        status = ready_status;
    return status < 0 ? status : closed;
}

Test(scope_start, survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(start_one);
    weft_test_loop_end();
}
