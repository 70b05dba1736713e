/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(shield, .init = weft_test_loop_begin, .timeout = 20);

struct inner {
    WEFT_FRAME;
    int fail;
};

static WEFT_ASYNC(inner)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    weft_test_mark("i");
    if (self->fail)
        WEFT_FAIL(self->fail, "%s", "inner");
    WEFT_RETURN(4);
    WEFT_END;
}

struct outer {
    WEFT_FRAME;
    weft_future *on; /* consumed */
    int value;
};

static WEFT_ASYNC(outer)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->value, weft_shield(self->on));
    WEFT_RETURN(self->value);
    WEFT_END;
}

Test(shield, ends_as_what_it_stands_for)
{
    weft_future *good = weft_shield(weft_spawn(inner));
    weft_future *bad = weft_shield(weft_spawn(inner, .fail = -EIO));
    cr_assert_eq(weft_test_run(weft_ref(good)), 0);
    cr_assert_eq(weft_future_value(good).i64, 4);
    cr_assert_eq(weft_test_run(weft_ref(bad)), -EIO);
    cr_assert_str_eq(weft_message(bad), "inner");
    weft_unref(good);
    weft_unref(bad);
    cr_assert_eq(test_reports.count, 0);
    weft_test_loop_end();
}

Test(shield, of_what_is_done_is_done)
{
    weft_future *future = weft_future_new();
    cr_assert_eq(weft_future_resolve(future, weft_value_i64(3), NULL), 0);
    weft_future *shield = weft_shield(future);
    cr_assert(weft_is_done(shield));
    cr_assert_eq(weft_future_value(shield).i64, 3);
    weft_unref(shield);
    weft_test_loop_end();
}

Test(shield, cancelled_leaves_the_inner_running)
{
    weft_future *task = weft_spawn(inner);
    weft_future *shield = weft_shield(weft_ref(task));
    weft_test_ticks(1);
    cr_assert(weft_cancel_because(shield, "no time"));
    cr_assert_eq(weft_test_run(weft_ref(shield)), -ECANCELED);
    cr_assert_str_eq(weft_message(shield), "no time");
    cr_assert_not(weft_is_done(task));
    cr_assert_eq(weft_cancelling(task), 0);
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_str_eq(test_trace, "i");
    weft_unref(shield);
    weft_test_loop_end();
}

Test(shield, keeps_the_cancel_of_a_task_from_the_inner)
{
    weft_future *task = weft_spawn(inner);
    weft_future *waiting = weft_spawn(outer, .on = weft_ref(task));
    weft_test_ticks(1);
    cr_assert(weft_cancel(waiting));
    cr_assert_eq(weft_test_run(waiting), -ECANCELED);
    cr_assert_eq(weft_test_run(weft_ref(task)), 0);
    cr_assert_eq(weft_future_value(task).i64, 4);
    weft_unref(task);
    weft_test_loop_end();
}

Test(shield, shows_the_cancellation_of_the_inner)
{
    weft_future *task = weft_spawn(inner);
    weft_future *shield = weft_shield(weft_ref(task));
    weft_test_ticks(1);
    cr_assert(weft_cancel_because(task, "inside"));
    cr_assert_eq(weft_test_run(weft_ref(shield)), -ECANCELED);
    cr_assert(weft_is_cancelled(shield));
    cr_assert_str_eq(weft_message(shield), "inside");
    weft_unref(task);
    weft_unref(shield);
    weft_test_loop_end();
}

Test(shield, cancelled_when_the_inner_is_done_gives_its_result)
{
    weft_future *future = weft_future_new();
    weft_future *waiting = weft_spawn(outer, .on = weft_ref(future));
    weft_test_ticks(1);
    cr_assert_eq(weft_future_resolve(future, weft_value_i64(9), NULL), 0);
    weft_unref(future);
    cr_assert(weft_cancel(waiting));
    cr_assert_eq(weft_test_run(weft_ref(waiting)), 0);
    cr_assert_eq(weft_future_value(waiting).i64, 9);
    cr_assert_eq(weft_cancelling(waiting), 1);
    weft_unref(waiting);
    weft_test_loop_end();
}

Test(shield, cancelled_reports_the_later_failure_of_an_inner_that_nobody_observes)
{
    weft_future *shield = weft_shield(weft_spawn(inner, .fail = -EIO));
    weft_test_ticks(1);
    cr_assert(weft_cancel(shield));
    weft_unref(shield);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_S(2))), 0);
    cr_assert_eq(test_reports.count, 1);
    cr_assert_eq(test_reports.status, -EIO);
    cr_assert_str_eq(test_reports.task, "inner");
    weft_test_loop_end();
}

Test(shield, cancelled_reports_nothing_when_somebody_observes_the_inner)
{
    weft_future *task = weft_spawn(inner, .fail = -EIO);
    weft_future *shield = weft_shield(weft_ref(task));
    weft_test_ticks(1);
    cr_assert(weft_cancel(shield));
    weft_unref(shield);
    cr_assert_eq(weft_test_run(task), -EIO);
    cr_assert_eq(test_reports.count, 0);
    weft_test_loop_end();
}

Test(shield, dropped_leaves_the_value_to_its_destructor)
{
    weft_future *future = weft_future_new();
    weft_unref(weft_shield(weft_ref(future)));
    cr_assert_eq(weft_future_resolve(future, weft_value_ptr(malloc(1)), free), 0);
    weft_unref(future);
    weft_test_ticks(2);
    weft_test_loop_end();
}

Test(shield, refuses_null)
{
    cr_assert_eq(weft_test_run(weft_shield(NULL)), -EINVAL);
    weft_test_loop_end();
}

static int shield_a_task(void)
{
    return weft_test_run(weft_shield(weft_spawn(inner)));
}

Test(shield, survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(shield_a_task);
    weft_test_loop_end();
}
