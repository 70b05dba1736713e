/* SPDX-License-Identifier: MIT */
/* How coroutines end: the outcome on its way through WEFT_FINALLY, and what a finished call keeps. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(outcome, .init = weft_test_loop_begin, .timeout = 20);

static size_t destroyed;

static void destroy(void *ptr)
{
    destroyed++;
    free(ptr);
}

enum how { BARE, VALUE, MESSAGE };

/* Ends as told, and waits `waits` times on the way. */
struct ending {
    WEFT_FRAME;
    enum how how;
    int waits;
    int i;
    int cleanup; /* what WEFT_FINALLY fails with */
};

static WEFT_ASYNC(ending)
{
    WEFT_BEGIN;
    if (self->how == VALUE)
        WEFT_RETURN(strdup("value"), destroy);
    if (self->how == MESSAGE)
        WEFT_FAIL(-EIO, "disk %d", 3);

    WEFT_FINALLY;
    for (self->i = 0; self->i < self->waits; self->i++) {
        WEFT_AWAIT(weft_sleep(WEFT_S(1)));
        WEFT_YIELD;
    }
    if (self->cleanup)
        WEFT_FAIL(self->cleanup);
    WEFT_END;
}

Test(outcome, value_waits_for_the_cleanup)
{
    weft_value value;
    weft_future *task = weft_spawn(ending, .how = VALUE, .waits = 2);
    cr_assert_eq(weft_test_run(weft_ref(task)), 0);
    cr_assert_eq(weft_future_take(task, &value), 0);
    cr_assert_str_eq(value.ptr, "value");
    free(value.ptr);
    weft_unref(task);
    cr_assert_eq(destroyed, 0);
    weft_test_loop_end();
}

Test(outcome, message_waits_for_the_cleanup)
{
    weft_future *task = weft_spawn(ending, .how = MESSAGE, .waits = 2);
    cr_assert_eq(weft_test_run(weft_ref(task)), -EIO);
    cr_assert_str_eq(weft_message(task), "disk 3");
    weft_unref(task);
    weft_test_loop_end();
}

Test(outcome, that_waited_is_replaced_by_a_failure_in_the_cleanup)
{
    for (enum how how = BARE; how <= MESSAGE; how++) {
        weft_future *task = weft_spawn(ending, .how = how, .waits = 1, .cleanup = -EPIPE);
        cr_assert_eq(weft_test_run(weft_ref(task)), -EPIPE);
        cr_assert_null(weft_message(task));
        weft_unref(task);
    }
    cr_assert_eq(destroyed, 1);
    weft_test_loop_end();
}

Test(outcome, that_waits_is_destroyed_when_the_task_is_given_up)
{
    static const struct weft_shutdown_options soon = {.tasks_timeout = WEFT_MS(1)};
    weft_future *with_value = weft_spawn(ending, .how = VALUE, .waits = 1000);
    weft_future *with_message = weft_spawn(ending, .how = MESSAGE, .waits = 1000);
    weft_test_ticks(2);
    cr_assert_eq(weft_loop_shutdown(test_loop, &soon, NULL), 0); /* the cancel ends the cleanup */
    cr_assert_eq(destroyed, 1);
    weft_unref(with_value);
    weft_unref(with_message);
    weft_test_loop_end();
}

/* Goes on cleaning up, whatever comes. */
struct stubborn {
    WEFT_FRAME;
    int status;
    int i;
};

static WEFT_ASYNC(stubborn)
{
    WEFT_BEGIN;
    WEFT_RETURN(strdup("value"), destroy);

    WEFT_FINALLY;
    for (self->i = 0; self->i < 1000; self->i++)
        WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
    WEFT_END;
}

Test(outcome, that_waits_is_destroyed_when_the_task_is_stuck_in_its_cleanup)
{
    static const struct weft_shutdown_options soon = {.tasks_timeout = WEFT_S(5)};
    weft_future *task = weft_spawn(stubborn);
    weft_test_ticks(2);
    cr_assert_eq(weft_loop_shutdown(test_loop, &soon, NULL), WEFT_ESTUCK);
    cr_assert_eq(weft_future_status(task), WEFT_ESTUCK);
    cr_assert_eq(destroyed, 1);
    weft_unref(task);
    weft_test_loop_end();
}

/* The heap of timers has its memory. */
static void warm_up(void)
{
    cr_assert_eq(weft_test_run(weft_sleep(1)), 0);
}

Test(outcome, without_memory_to_wait_becomes_ENOMEM_and_the_value_is_destroyed)
{
    warm_up();
    weft_future *task = weft_spawn(ending, .how = VALUE, .waits = 2);
    weft_test_heap_fail_at(2); /* the first one is the sleep's */
    cr_assert_eq(weft_test_run(weft_ref(task)), -ENOMEM);
    cr_assert(weft_test_heap_failed());
    cr_assert_eq(destroyed, 1);
    weft_unref(task);
    weft_test_loop_end();
}

Test(outcome, without_memory_to_wait_loses_the_message_and_not_the_status)
{
    warm_up();
    weft_future *task = weft_spawn(ending, .how = MESSAGE, .waits = 2);
    weft_test_heap_fail_at(3); /* after the message's and the sleep's */
    cr_assert_eq(weft_test_run(weft_ref(task)), -EIO);
    cr_assert(weft_test_heap_failed());
    cr_assert_null(weft_message(task));
    weft_unref(task);
    weft_test_loop_end();
}

Test(outcome, that_is_bare_needs_no_memory_to_wait)
{
    warm_up();
    weft_future *task = weft_spawn(ending, .how = BARE, .waits = 1);
    size_t before = weft_test_heap_live();
    weft_test_ticks(1);
    cr_assert_leq(weft_test_heap_live(), before); /* nor does its sleep */
    cr_assert_eq(weft_test_run(task), 0);
    weft_test_loop_end();
}

/* ---- Frames ---- */

struct aligned {
    WEFT_FRAME;
    max_align_t field;
    char more[40];
};

static WEFT_ASYNC(aligned)
{
    WEFT_BEGIN;
    cr_assert_eq((uintptr_t)&self->field % _Alignof(max_align_t), 0);
    WEFT_YIELD;
    cr_assert_eq(self->more[39], 'x');
    WEFT_END;
}

Test(outcome, of_a_frame_is_not_at_the_cost_of_its_alignment)
{
    cr_assert_eq(weft_test_run(weft_spawn(aligned, .more = {[39] = 'x'})), 0);
    weft_test_loop_end();
}

/* ---- A finished call ---- */

static weft_future *kept;

struct fails {
    WEFT_FRAME;
};

static WEFT_ASYNC(fails)
{
    WEFT_BEGIN;
    WEFT_FAIL(-EIO);
    WEFT_END;
}

struct calls {
    WEFT_FRAME;
};

static WEFT_ASYNC(calls)
{
    WEFT_BEGIN;
    kept = weft_call(fails);
    WEFT_END;
}

Test(outcome, of_a_call_is_reported_though_its_task_is_gone)
{
    cr_assert_eq(weft_test_run(weft_spawn(calls)), 0);
    weft_unref(kept);
    cr_assert_eq(test_reports.count, 1);
    cr_assert_str_eq(test_reports.task, "fails");
    weft_test_loop_end();
}
