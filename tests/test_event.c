/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <weft/weft.h>

#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

static weft_event *event;

static void begin(void)
{
    weft_test_loop_begin();
    event = weft_event_new();
    cr_assert_not_null(event);
}

static void end(void)
{
    weft_event_free(event);
    weft_test_loop_end();
}

TestSuite(event, .init = begin, .timeout = 20);

struct waits {
    WEFT_FRAME;
    const char *name;
    int status;
};

static WEFT_ASYNC(waits)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_event_wait(event));
    weft_test_mark(self->status == 0 ? self->name : "!");
    if (self->status < 0)
        WEFT_FAIL(self->status);
    WEFT_END;
}

Test(event, lets_all_who_wait_go_on_in_order)
{
    weft_future *all = weft_gather(weft_spawn(waits, .name = "a"), weft_spawn(waits, .name = "b"),
                                   weft_spawn(waits, .name = "c"));
    weft_test_ticks(3);
    cr_assert_str_eq(test_trace, "");
    cr_assert_eq(weft_event_set(event), 0);
    cr_assert_str_eq(test_trace, "");
    weft_test_ticks(1);
    cr_assert_str_eq(test_trace, "abc");
    cr_assert_eq(weft_test_run(all), 0);
    end();
}

Test(event, that_is_set_is_not_waited_for)
{
    cr_assert_not(weft_event_is_set(event));
    cr_assert_eq(weft_event_set(event), 0);
    cr_assert_eq(weft_event_set(event), 0);
    cr_assert(weft_event_is_set(event));
    weft_future *wait = weft_event_wait(event);
    cr_assert(weft_is_done(wait));
    cr_assert_eq(weft_test_run(wait), 0);
    end();
}

Test(event, that_is_cleared_is_waited_for_again)
{
    cr_assert_eq(weft_event_set(event), 0);
    cr_assert_eq(weft_event_clear(event), 0);
    cr_assert_not(weft_event_is_set(event));
    weft_future *wait = weft_event_wait(event);
    weft_test_ticks(2);
    cr_assert_not(weft_is_done(wait));
    cr_assert_eq(weft_event_set(event), 0);
    cr_assert_eq(weft_test_run(wait), 0);
    end();
}

Test(event, set_and_cleared_at_once_wakes_those_who_waited)
{
    weft_future *task = weft_spawn(waits, .name = "a");
    weft_test_ticks(1);
    cr_assert_eq(weft_event_set(event), 0);
    cr_assert_eq(weft_event_clear(event), 0);
    weft_future *late = weft_event_wait(event);
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_not(weft_is_done(late));
    weft_unref(late);
    end();
}

static void cancel_waiter(int which)
{
    const char *names[] = {"a", "b", "c"};
    weft_future *tasks[3];
    for (int i = 0; i < 3; i++)
        tasks[i] = weft_spawn(waits, .name = names[i]);
    weft_test_ticks(1);
    cr_assert(weft_cancel(tasks[which]));
    weft_test_ticks(1);
    cr_assert_eq(weft_event_set(event), 0);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(weft_test_run(tasks[i]), i == which ? -ECANCELED : 0);
    end();
}

Test(event, first_waiter_that_is_cancelled_leaves_the_line)
{
    cancel_waiter(0);
    cr_assert_str_eq(test_trace, "!bc");
}

Test(event, waiter_in_the_middle_that_is_cancelled_leaves_the_line)
{
    cancel_waiter(1);
    cr_assert_str_eq(test_trace, "!ac");
}

Test(event, last_waiter_that_is_cancelled_leaves_the_line)
{
    cancel_waiter(2);
    cr_assert_str_eq(test_trace, "!ab");
}

Test(event, that_was_set_is_not_lost_to_a_cancel_before_the_next_step)
{
    weft_future *task = weft_spawn(waits, .name = "a");
    weft_test_ticks(1);
    cr_assert_eq(weft_event_set(event), 0);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_str_eq(test_trace, "a");
    end();
}

Test(event, wait_for_that_times_out_leaves_the_line)
{
    cr_assert_eq(weft_test_run(weft_wait_for(weft_event_wait(event), WEFT_MS(10))), -ETIMEDOUT);
    cr_assert_eq(weft_event_set(event), 0);
    end();
}

Test(event, that_is_freed_fails_those_who_wait)
{
    weft_future *first = weft_event_wait(event), *second = weft_event_wait(event);
    weft_event_free(event);
    cr_assert_eq(weft_test_run(first), WEFT_ECLOSED);
    cr_assert_eq(weft_test_run(second), WEFT_ECLOSED);
    weft_test_loop_end();
}

static void free_event(weft_loop *loop, const struct weft_error_report *report, void *arg)
{
    (void)loop;
    (void)report;
    (void)arg;
    weft_test_mark("r");
    cr_assert_eq(weft_event_set(event), -ESHUTDOWN);
}

Test(event, that_is_freed_tells_of_waits_that_nobody_looks_at)
{
    weft_unref(weft_event_wait(event));
    weft_unref(weft_event_wait(event));
    weft_loop_set_error_handler(test_loop, free_event, NULL);
    weft_event_free(event);
    cr_assert_str_eq(test_trace, "rr");
    weft_test_loop_end();
}

Test(event, waiters_are_cancelled_when_the_loop_ends)
{
    weft_future *task = weft_spawn(waits, .name = "a");
    weft_future *alone = weft_event_wait(event);
    weft_test_ticks(1);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert(weft_is_cancelled(task));
    cr_assert(weft_is_cancelled(alone));
    weft_unref(task);
    weft_unref(alone);
    cr_assert_eq(weft_event_set(event), -ESHUTDOWN);
    cr_assert_eq(weft_event_clear(event), -ESHUTDOWN);
    end();
}

Test(event, refuses_null)
{
    cr_assert_eq(weft_test_run(weft_event_wait(NULL)), -EINVAL);
    cr_assert_eq(weft_event_set(NULL), -EINVAL);
    cr_assert_eq(weft_event_clear(NULL), -EINVAL);
    weft_event_free(NULL);
    end();
}

static int set_and_wait(void)
{
    weft_event *own = weft_event_new();
    if (!own)
        return -errno;
    weft_future *waits_first = weft_event_wait(own);
    cr_assert_eq(weft_event_set(own), 0);
    int status = weft_test_run(waits_first);
    if (status == 0)
        status = weft_test_run(weft_event_wait(own));
    weft_event_free(own);
    return status;
}

Test(event, survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(set_and_wait);
    end();
}
