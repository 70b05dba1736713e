/* SPDX-License-Identifier: MIT */
/* Children that take their first step inside the call that starts them. */
#include <weft/scope.h>

#include <criterion/criterion.h>
#include <errno.h>
#include <weft/weft.h>

#include "tests/support/loop.h"
#include "tests/support/scope.h"
#include "tests/support/trace.h"

TestSuite(scope_eager, .init = weft_test_loop_begin, .timeout = 20);

enum deed { NOTHING, CANCELS, CLOSES, FREES, SPAWNS, FAILS };

struct doer {
    WEFT_FRAME;
    weft_scope *scope;
    enum deed deed;
    bool stays;
    int status;
};

static WEFT_ASYNC(doer)
{
    WEFT_BEGIN;
    weft_test_mark("d");
    if (self->deed == CANCELS)
        weft_scope_cancel(self->scope);
    if (self->deed == CLOSES)
        weft_unref(weft_scope_close(self->scope, 0));
    if (self->deed == FREES)
        weft_scope_free(self->scope);
    if (self->deed == SPAWNS)
        weft_scope_spawn_eager(self->scope, doer, .scope = self->scope, .deed = CANCELS,
                               .stays = true);
    if (self->deed == FAILS)
        WEFT_FAIL(-EIO);
    if (!self->stays)
        WEFT_RETURN(1);
    WEFT_CATCH(self->status, weft_sleep(WEFT_MS(100)));
    weft_test_mark(self->status == 0 ? "D" : "!");
    if (self->status < 0)
        WEFT_FAIL(self->status);
    WEFT_END;
}

static int close_scope(weft_scope *scope)
{
    int status = weft_test_run(weft_scope_close(scope, 0));
    weft_scope_free(scope);
    return status;
}

Test(scope_eager, child_runs_its_first_step_inside_the_call)
{
    weft_scope *scope = weft_scope_open(NULL);
    weft_scope_spawn_eager(scope, doer, .stays = true);
    cr_assert_str_eq(test_trace, "d");
    cr_assert_eq(weft_scope_count(scope), 1);
    cr_assert_eq(close_scope(scope), 0);
    cr_assert_str_eq(test_trace, "dD");
    weft_test_loop_end();
}

Test(scope_eager, child_that_cancels_its_scope_before_it_is_registered_is_cancelled_too)
{
    weft_scope *scope = weft_scope_open(NULL);
    weft_scope_spawn(scope, test_child, .what = {.name = "x", .ms = 100});
    weft_test_ticks(1);
    weft_future *child =
        weft_scope_spawn_eager(scope, doer, .scope = scope, .deed = CANCELS, .stays = true);
    weft_ref(child);
    cr_assert_eq(close_scope(scope), 0);
    cr_assert(weft_is_cancelled(child));
    cr_assert_str_eq(test_trace, "xd!!");
    cr_assert_eq(weft_now(), 0);
    weft_unref(child);
    weft_test_loop_end();
}

Test(scope_eager, grandchild_that_cancels_the_scope_ends_both)
{
    weft_scope *scope = weft_scope_open(NULL);
    weft_scope_spawn_eager(scope, doer, .scope = scope, .deed = SPAWNS, .stays = true);
    cr_assert_eq(close_scope(scope), 0);
    cr_assert_str_eq(test_trace, "dd!!");
    weft_test_loop_end();
}

Test(scope_eager, child_that_closes_its_scope_before_it_is_registered_is_waited_for)
{
    weft_scope *scope = weft_scope_open(NULL);
    weft_scope_spawn_eager(scope, doer, .scope = scope, .deed = CLOSES, .stays = true);
    cr_assert_eq(close_scope(scope), 0);
    cr_assert_str_eq(test_trace, "dD");
    cr_assert_eq(weft_now(), WEFT_MS(100));
    weft_test_loop_end();
}

Test(scope_eager, child_may_free_its_scope_before_it_is_registered)
{
    weft_scope *scope = weft_scope_open(NULL);
    weft_future *child =
        weft_ref(weft_scope_spawn_eager(scope, doer, .scope = scope, .deed = FREES, .stays = true));
    cr_assert_eq(weft_test_run(child), -ECANCELED);
    cr_assert_eq(test_reports.count, 1);
    weft_test_loop_end();
}

Test(scope_eager, child_that_fails_at_once_aborts_nothing_inside_the_call)
{
    weft_scope *scope = weft_scope_open(NULL);
    weft_future *other = weft_scope_spawn(scope, test_child, .what = {.name = "x", .ms = 100});
    weft_future *child = weft_scope_spawn_eager(scope, doer, .deed = FAILS);
    cr_assert(weft_is_done(child));
    cr_assert_eq(weft_cancelling(other), 0);
    weft_test_ticks(1);
    cr_assert_eq(weft_cancelling(other), 1);
    cr_assert_eq(close_scope(scope), WEFT_EGROUP);
    weft_test_loop_end();
}

struct spawner {
    WEFT_FRAME;
    weft_scope *scope;
    int status;
};

static WEFT_ASYNC(spawner)
{
    WEFT_BEGIN;
    self->scope = weft_scope_open(NULL);
    weft_scope_spawn_eager(self->scope, doer, .deed = FAILS);
    cr_assert_eq(weft_cancelling(weft_current_task()), 0);
    weft_test_mark("b");
    WEFT_CATCH(self->status, weft_sleep(WEFT_MS(1)));
    cr_assert_eq(self->status, -ECANCELED);

    WEFT_FINALLY;
    WEFT_SCOPE_CLOSE(self->scope);
    WEFT_END;
}

Test(scope_eager, child_that_fails_at_once_cancels_the_body_at_its_next_await)
{
    cr_assert_eq(weft_test_run(weft_spawn(spawner)), WEFT_EGROUP);
    cr_assert_str_eq(test_trace, "db");
    weft_test_loop_end();
}

Test(scope_eager, child_is_refused_like_any_other)
{
    weft_scope *scope = weft_scope_open(NULL);
    weft_scope_cancel(scope);
    cr_assert_eq(weft_future_status(weft_scope_spawn_eager(scope, doer)), -ECANCELED);
    cr_assert_eq(weft_future_status(weft_scope_spawn_eager(NULL, doer)), -ENOMEM);
    cr_assert_eq(close_scope(scope), 0);
    cr_assert_str_eq(test_trace, "");
    weft_test_loop_end();
}
