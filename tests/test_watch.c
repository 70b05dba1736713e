/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

static weft_watch *watch;
static int destroyed;

static void begin(void)
{
    weft_test_loop_begin();
    watch = weft_watch_new();
    cr_assert_not_null(watch);
}

static void end(void)
{
    weft_watch_free(watch);
    weft_test_loop_end();
}

TestSuite(watch, .init = begin, .timeout = 20);

static void destroy(void *ptr)
{
    free(ptr);
    destroyed++;
}

static void set(int number)
{
    cr_assert_eq(weft_watch_set(watch, weft_value_i64(number), NULL), 0);
}

struct watcher {
    WEFT_FRAME;
    const char *name;
    uint64_t seen;
    int status;
};

static WEFT_ASYNC(watcher)
{
    WEFT_BEGIN;
    for (;;) {
        WEFT_CATCH_INTO(self->status, self->seen, weft_watch_changed(watch, self->seen));
        if (self->status < 0)
            WEFT_FAIL(self->status);
        weft_test_mark(self->name);
        weft_test_mark((const char[]){(char)('0' + weft_watch_get(watch).i64), '\0'});
    }
    WEFT_END;
}

static void stop(weft_future *task)
{
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(task), -ECANCELED);
}

Test(watch, tells_all_who_wait_of_a_change_in_order)
{
    weft_future *first = weft_spawn(watcher, .name = "a");
    weft_future *second = weft_spawn(watcher, .name = "b");
    weft_test_ticks(2);
    cr_assert_str_eq(test_trace, "");
    set(1);
    weft_test_ticks(1);
    cr_assert_str_eq(test_trace, "a1b1");
    set(2);
    weft_test_ticks(1);
    cr_assert_str_eq(test_trace, "a1b1a2b2");
    stop(first);
    stop(second);
    end();
}

Test(watch, shows_only_the_latest_of_several)
{
    weft_future *task = weft_spawn(watcher, .name = "a");
    weft_test_ticks(1);
    set(1);
    set(2);
    set(3);
    weft_test_ticks(3);
    cr_assert_str_eq(test_trace, "a3");
    cr_assert_eq(weft_watch_version(watch), 3);
    stop(task);
    end();
}

Test(watch, that_has_changed_is_not_waited_for)
{
    cr_assert_eq(weft_watch_get(watch).i64, 0);
    set(4);
    weft_future *changed = weft_watch_changed(watch, 0);
    cr_assert(weft_is_done(changed));
    cr_assert_eq(weft_future_value(changed).i64, 1);
    weft_unref(changed);
    changed = weft_watch_changed(watch, 1);
    cr_assert_not(weft_is_done(changed));
    weft_unref(changed);
    end();
}

Test(watch, destroys_the_value_before_and_the_last)
{
    cr_assert_eq(weft_watch_set(watch, weft_value_ptr(calloc(1, 1)), destroy), 0);
    cr_assert_eq(destroyed, 0);
    cr_assert_eq(weft_watch_set(watch, weft_value_ptr(calloc(1, 1)), destroy), 0);
    cr_assert_eq(destroyed, 1);
    weft_watch_free(watch);
    cr_assert_eq(destroyed, 2);
    weft_test_loop_end();
}

Test(watch, wait_that_is_cancelled_or_times_out_leaves_the_line)
{
    weft_future *first = weft_watch_changed(watch, 0), *second = weft_watch_changed(watch, 0);
    weft_future *third = weft_wait_for(weft_watch_changed(watch, 0), WEFT_MS(1));
    cr_assert(weft_cancel(first));
    cr_assert_eq(weft_test_run(third), -ETIMEDOUT);
    set(1);
    cr_assert(weft_cancel(second)); /* it was woken */
    cr_assert_eq(weft_test_run(first), -ECANCELED);
    cr_assert_eq(weft_test_run(second), -ECANCELED);
    end();
}

Test(watch, that_is_freed_fails_those_who_wait)
{
    weft_future *called = weft_watch_changed(watch, 0);
    set(1);
    weft_future *waits = weft_watch_changed(watch, 1);
    weft_watch_free(watch);
    cr_assert_eq(weft_test_run(waits), WEFT_ECLOSED);
    cr_assert_eq(weft_test_run(called), WEFT_ECLOSED);
    weft_test_loop_end();
}

Test(watch, waiters_are_cancelled_when_the_loop_ends)
{
    weft_future *waits = weft_watch_changed(watch, 0);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert(weft_is_cancelled(waits));
    weft_unref(waits);
    cr_assert_eq(weft_watch_set(watch, weft_value_i64(1), NULL), -ESHUTDOWN);
    end();
}

Test(watch, refuses_null)
{
    cr_assert_eq(weft_test_run(weft_watch_changed(NULL, 0)), -EINVAL);
    cr_assert_eq(weft_watch_set(NULL, weft_value_i64(1), NULL), -EINVAL);
    weft_watch_free(NULL);
    end();
}

static int see_two(void)
{
    weft_watch *own = weft_watch_new();
    if (!own)
        return -errno;
    weft_future *waits = weft_watch_changed(own, 0);
    cr_assert_eq(weft_watch_set(own, weft_value_i64(1), NULL), 0);
    int status = weft_test_run(waits);
    if (status == 0)
        status = weft_test_run(weft_watch_changed(own, 0));
    weft_watch_free(own);
    return status;
}

Test(watch, survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(see_two);
    end();
}
