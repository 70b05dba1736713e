/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <weft/weft.h>

#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(timer, .init = weft_test_loop_begin, .timeout = 20);
TestSuite(timer_real, .init = weft_test_loop_begin_real, .timeout = 20);

static weft_future *call_at(weft_ns when, const char *name)
{
    return weft_call_at(when, weft_test_mark_call, (void *)name);
}

static weft_future *call_soon(const char *name)
{
    return weft_call_soon(weft_test_mark_call, (void *)name);
}

static void run_for(weft_ns duration)
{
    cr_assert_eq(weft_test_run(weft_sleep(duration)), 0);
}

/* ---- Virtual time ---- */

Test(timer, virtual_time_starts_at_zero_and_jumps)
{
    cr_assert_eq(weft_now(), 0);
    run_for(WEFT_S(3600));
    cr_assert_eq(weft_now(), WEFT_S(3600));
    run_for(1);
    cr_assert_eq(weft_now(), WEFT_S(3600) + 1);
    weft_test_loop_end();
}

Test(timer, virtual_time_stands_still_while_there_is_something_to_run)
{
    weft_future *later = call_at(1, "later");
    weft_test_ticks(1000);
    cr_assert_eq(weft_now(), 0);
    cr_assert_str_eq(test_trace, "");
    weft_unref(later);
    weft_test_loop_end();
}

static void stop_loop(evutil_socket_t fd, short what, void *loop)
{
    (void)fd;
    (void)what;
    weft_loop_stop(loop);
}

Test(timer, virtual_time_does_not_jump_to_forever)
{
    struct timeval moment = {.tv_usec = 1000};
    weft_future *forever = weft_sleep(WEFT_FOREVER);
    weft_future *at = call_at(WEFT_FOREVER, "never");
    run_for(WEFT_S(1));
    cr_assert_eq(
        event_base_once(weft_loop_base(test_loop), -1, EV_TIMEOUT, stop_loop, test_loop, &moment),
        0);
    cr_assert_eq(weft_loop_run(test_loop), 0);
    cr_assert_not(weft_is_done(forever));
    cr_assert_not(weft_is_done(at));
    cr_assert_eq(weft_now(), WEFT_S(1));
    weft_unref(at);
    weft_unref(forever);
    weft_test_loop_end();
}

Test(timer, without_a_loop_the_time_is_the_monotonic_clocks)
{
    struct timespec now;
    weft_test_loop_end();
    clock_gettime(CLOCK_MONOTONIC, &now);
    weft_ns before = WEFT_S(now.tv_sec) + now.tv_nsec;
    cr_assert_geq(weft_now(), before);
    clock_gettime(CLOCK_MONOTONIC, &now);
    weft_ns between = weft_now();
    cr_assert_geq(between, WEFT_S(now.tv_sec) + now.tv_nsec);
}

/* ---- Order ---- */

Test(timer, calls_are_made_by_deadline_and_equal_ones_as_they_were_asked_for)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
    static const int deadline[] = {20, 10, 20, 10, 30, 20, 10, 30};
    for (int i = 0; i < 8; i++)
        weft_unref(call_at(WEFT_MS(deadline[i]), names[i]));
    run_for(WEFT_MS(100));
    cr_assert_str_eq(test_trace, "bdgacfeh");
    weft_test_loop_end();
}

Test(timer, sleeps_and_calls_share_one_order)
{
    weft_future *sleep = weft_sleep(WEFT_MS(10));
    weft_unref(call_at(WEFT_MS(10), "a"));
    weft_unref(weft_call_later(WEFT_MS(10), weft_test_mark_call, (void *)"b"));
    cr_assert_eq(weft_test_run(sleep), 0);
    cr_assert_str_eq(test_trace, "ab");
    weft_test_loop_end();
}

Test(timer, calls_due_in_the_past_are_made_at_once_by_their_deadline)
{
    run_for(WEFT_S(1));
    weft_unref(call_at(WEFT_MS(500), "c"));
    weft_unref(call_at(-WEFT_S(5), "b"));
    weft_unref(call_at(INT64_MIN, "a"));
    weft_unref(weft_call_later(-1, weft_test_mark_call, (void *)"d"));
    weft_unref(weft_call_later(INT64_MIN, weft_test_mark_call, (void *)"_"));
    weft_unref(call_soon("s"));
    weft_test_ticks(2);
    cr_assert_eq(weft_now(), WEFT_S(1));
    cr_assert_str_eq(test_trace, "sa_bcd");
    weft_test_loop_end();
}

/* What one of many timers was asked and did. */
struct probe {
    weft_future *future;
    weft_ns deadline;
    size_t order;
};

static struct probe probes[500];
static size_t fired, last_fired;

static void fire(void *arg)
{
    struct probe *probe = arg;
    const struct probe *last = &probes[last_fired];
    cr_assert_eq(weft_now(), probe->deadline);
    if (fired++)
        cr_assert(last->deadline < probe->deadline ||
                  (last->deadline == probe->deadline && last < probe));
    last_fired = (size_t)(probe - probes);
}

Test(timer, many_are_in_order_whichever_are_cancelled)
{
    size_t cancelled = 0;
    srand(1);
    for (size_t i = 0; i < 500; i++) {
        probes[i].deadline = WEFT_MS(1 + rand() % 100);
        probes[i].future = weft_call_at(probes[i].deadline, fire, &probes[i]);
    }
    for (size_t i = 0; i < 500; i++)
        if (rand() % 3 == 0)
            cancelled += weft_cancel(probes[i].future);
    run_for(WEFT_MS(200));
    cr_assert_eq(fired + cancelled, 500);
    cr_assert_gt(cancelled, 100);
    for (size_t i = 0; i < 500; i++)
        weft_unref(probes[i].future);
    weft_test_loop_end();
}

/* ---- Sleep ---- */

Test(timer, sleep_of_nothing_is_one_tick)
{
    weft_future *zero = weft_sleep(0);
    weft_future *negative = weft_sleep(-WEFT_S(1));
    weft_future *least = weft_sleep(INT64_MIN);
    cr_assert_not(weft_is_done(zero));
    weft_test_ticks(1);
    cr_assert(weft_is_done(zero));
    cr_assert(weft_is_done(negative));
    cr_assert(weft_is_done(least));
    cr_assert_eq(weft_now(), 0);
    weft_unref(zero);
    weft_unref(negative);
    weft_unref(least);
    weft_test_loop_end();
}

Test(timer, sleep_ends_at_its_deadline_whoever_waits)
{
    weft_future *sleep = weft_sleep(WEFT_MS(10));
    run_for(WEFT_MS(10) - 1);
    cr_assert_not(weft_is_done(sleep));
    run_for(1);
    cr_assert(weft_is_done(sleep));
    cr_assert_eq(weft_future_status(sleep), 0);
    weft_unref(sleep);
    weft_test_loop_end();
}

Test(timer, dropped_sleep_goes_its_way)
{
    weft_unref(weft_sleep(WEFT_MS(10)));
    weft_unref(weft_sleep(0));
    run_for(WEFT_MS(20));
    weft_unref(weft_sleep(WEFT_S(10)));
    weft_test_loop_end();
}

Test(timer, cancelled_sleep_is_done_at_once)
{
    weft_future *sleeps[2];
    for (int i = 0; i < 2; i++) {
        sleeps[i] = weft_sleep(i ? WEFT_MS(10) : 0);
        cr_assert(weft_cancel_because(sleeps[i], "early"));
        cr_assert(weft_is_cancelled(sleeps[i]));
        cr_assert_not(weft_cancel(sleeps[i]));
        cr_assert_eq(weft_test_run(weft_ref(sleeps[i])), -ECANCELED);
        cr_assert_str_eq(weft_message(sleeps[i]), "early");
        weft_unref(sleeps[i]);
    }
    cr_assert_eq(weft_now(), 0);
    weft_test_loop_end();
}

/* ---- Handles of calls ---- */

Test(timer, call_soon_is_made_in_the_next_tick_and_completes_its_handle)
{
    weft_future *handle = call_soon("x");
    cr_assert_str_eq(test_trace, "");
    cr_assert_not(weft_is_done(handle));
    cr_assert_eq(weft_test_run(weft_ref(handle)), 0);
    cr_assert_str_eq(test_trace, "x");
    cr_assert_not(weft_cancel(handle));
    weft_unref(handle);
    weft_test_loop_end();
}

Test(timer, call_taken_back_is_never_made)
{
    weft_future *handles[] = {call_soon("1"), weft_call_later(1, weft_test_mark_call, (void *)"2"),
                              call_at(1, "3")};
    for (int i = 0; i < 3; i++) {
        cr_assert(weft_cancel(handles[i]));
        cr_assert(weft_is_cancelled(handles[i]));
        weft_unref(handles[i]);
    }
    run_for(WEFT_S(1));
    cr_assert_str_eq(test_trace, "");
    weft_test_loop_end();
}

static void cancel_other(void *arg)
{
    weft_test_mark("x");
    cr_assert(weft_cancel(*(weft_future **)arg));
}

Test(timer, call_taken_back_in_the_tick_in_which_it_is_due_is_not_made)
{
    weft_future *second = NULL;
    weft_unref(weft_call_at(WEFT_MS(1), cancel_other, &second));
    second = call_at(WEFT_MS(1), "late");
    run_for(WEFT_MS(2));
    weft_unref(weft_call_soon(cancel_other, &second));
    weft_unref(second);
    second = call_soon("late");
    weft_test_ticks(2);
    weft_unref(second);
    cr_assert_str_eq(test_trace, "xx");
    weft_test_loop_end();
}

static void cancel_self(void *arg)
{
    weft_test_mark("x");
    cr_assert_not(weft_cancel(*(weft_future **)arg));
}

Test(timer, call_cannot_be_taken_back_once_it_is_made)
{
    weft_future *self = NULL;
    self = weft_call_later(1, cancel_self, &self);
    cr_assert_eq(weft_test_run(weft_ref(self)), 0);
    cr_assert_str_eq(test_trace, "x");
    weft_unref(self);
    weft_test_loop_end();
}

static void unref_handle(void *arg)
{
    weft_unref(*(weft_future **)arg);
}

Test(timer, call_may_drop_its_own_handle)
{
    weft_future *handle = weft_call_soon(unref_handle, &handle);
    weft_test_ticks(2);
    weft_test_loop_end();
}

Test(timer, calls_refuse_no_function)
{
    cr_assert_eq(weft_test_run(weft_call_soon(NULL, NULL)), -EINVAL);
    cr_assert_eq(weft_test_run(weft_call_later(1, NULL, NULL)), -EINVAL);
    cr_assert_eq(weft_test_run(weft_call_at(1, NULL, NULL)), -EINVAL);
    weft_test_loop_end();
}

Test(timer, without_a_loop_is_an_error)
{
    weft_test_loop_end();
    weft_future *futures[] = {weft_sleep(1), weft_sleep(0), call_soon("a"), call_at(1, "b"),
                              weft_call_later(1, weft_test_mark_call, NULL)};
    for (int i = 0; i < 5; i++) {
        cr_assert(weft_is_done(futures[i]));
        cr_assert_eq(weft_future_status(futures[i]), WEFT_ENOLOOP);
        weft_unref(futures[i]);
    }
}

/* ---- The real clock ---- */

Test(timer_real, sleep_never_ends_early)
{
    for (int i = 0; i < 20; i++) {
        weft_ns until = weft_now() + WEFT_US(300);
        cr_assert_eq(weft_test_run(weft_sleep(WEFT_US(300))), 0);
        cr_assert_geq(weft_now(), until);
    }
    weft_test_loop_end();
}

Test(timer_real, an_earlier_deadline_overtakes_a_later_one)
{
    weft_future *later = weft_sleep(WEFT_S(3600));
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(2))), 0);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_US(500))), 0);
    cr_assert_not(weft_is_done(later));
    weft_unref(later);
    weft_test_loop_end();
}

Test(timer_real, a_cancelled_deadline_does_not_keep_a_later_one)
{
    weft_future *early = weft_sleep(WEFT_MS(1));
    weft_future *late = weft_sleep(WEFT_MS(3));
    cr_assert(weft_cancel(early));
    cr_assert_eq(weft_test_run(late), 0);
    weft_unref(early);
    weft_test_loop_end();
}

/* ---- Memory ---- */

static int arm_some(void)
{
    weft_future *futures[40];
    int status = 0;
    for (int i = 0; i < 40; i++)
        futures[i] = weft_sleep(WEFT_MS(i));
    for (int i = 0; i < 40; i++) {
        int ended = weft_test_run(futures[i]);
        status = ended < 0 ? ended : status;
    }
    return status;
}

static int call_some(void)
{
    int soon = weft_test_run(call_soon(""));
    int later = weft_test_run(weft_call_later(1, weft_test_mark_call, (void *)""));
    return soon < 0 ? soon : later;
}

Test(timer, survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(arm_some);
    weft_test_every_lack_of_memory(call_some);
    weft_test_loop_end();
}
