/* SPDX-License-Identifier: MIT */
/* Callbacks in the caller's memory, on the loop's thread. */
#include <criterion/criterion.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <weft/testing.h>
#include <weft/weft.h>

#include "tests/support/child.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(callback, .init = weft_test_loop_begin, .timeout = 60);

static struct weft_callback marking(const char *text)
{
    struct weft_callback callback;
    weft_callback_init(&callback, weft_test_mark_call, (void *)text);
    return callback;
}

static void run_for(weft_ns duration)
{
    cr_assert_eq(weft_test_run(weft_sleep(duration)), 0);
}

static void call_soon(const char *text)
{
    weft_unref(weft_call_soon(weft_test_mark_call, (void *)text));
}

/* ---- Order ---- */

Test(callback, soon_is_the_next_tick)
{
    struct weft_callback a = marking("a");
    cr_assert_eq(weft_callback_soon(&a), 0);
    cr_assert_str_eq(test_trace, "");
    cr_assert(weft_callback_is_pending(&a));
    weft_test_ticks(1);
    cr_assert_str_eq(test_trace, "a");
    cr_assert_not(weft_callback_is_pending(&a));
    weft_test_loop_end();
}

struct marks {
    WEFT_FRAME;
    const char *text;
};

static WEFT_ASYNC(marks)
{
    WEFT_BEGIN;
    weft_test_mark(self->text);
    WEFT_END;
}

Test(callback, soon_keeps_its_place_among_calls_and_tasks)
{
    struct weft_callback b = marking("b"), d = marking("d");
    call_soon("a");
    cr_assert_eq(weft_callback_soon(&b), 0);
    weft_future *task = weft_spawn(marks, .text = "c");
    cr_assert_eq(weft_callback_soon(&d), 0);
    call_soon("e");
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_str_eq(test_trace, "abcde");
    weft_test_loop_end();
}

Test(callback, times_share_one_order_with_calls)
{
    struct weft_callback b = marking("b"), c = marking("c"), e = marking("e"), past = marking("_");
    cr_assert_eq(weft_callback_at(&e, WEFT_MS(20)), 0);
    weft_unref(weft_call_at(WEFT_MS(10), weft_test_mark_call, (void *)"a"));
    cr_assert_eq(weft_callback_at(&b, WEFT_MS(10)), 0);
    cr_assert_eq(weft_callback_later(&c, WEFT_MS(10)), 0);
    weft_unref(weft_call_later(WEFT_MS(10), weft_test_mark_call, (void *)"d"));
    cr_assert_eq(weft_callback_at(&past, INT64_MIN), 0);
    run_for(WEFT_MS(30));
    cr_assert_str_eq(test_trace, "_abcde");
    weft_test_loop_end();
}

Test(callback, posts_share_one_order_with_those_that_allocate)
{
    struct weft_callback b = marking("b"), d = marking("d");
    cr_assert_eq(weft_post(test_loop, weft_test_mark_call, (void *)"a"), 0);
    cr_assert_eq(weft_callback_post(test_loop, &b), 0);
    cr_assert_eq(weft_post(test_loop, weft_test_mark_call, (void *)"c"), 0);
    cr_assert_eq(weft_callback_post(test_loop, &d), 0);
    cr_assert(weft_callback_is_pending(&b));
    weft_test_ticks(1);
    cr_assert_str_eq(test_trace, "abcd");
    cr_assert_not(weft_callback_is_pending(&b));
    weft_test_loop_end();
}

static struct weft_callback probes[500];
static weft_ns deadlines[500], last_deadline;
static size_t fired;

static void fire(void *arg)
{
    const weft_ns *deadline = arg;
    cr_assert_eq(weft_now(), *deadline);
    cr_assert_geq(*deadline, last_deadline);
    last_deadline = *deadline;
    fired++;
}

Test(callback, many_are_in_order_whichever_are_cancelled)
{
    size_t cancelled = 0;
    srand(1);
    for (size_t i = 0; i < 500; i++) {
        deadlines[i] = WEFT_MS(1 + rand() % 100);
        weft_callback_init(&probes[i], fire, &deadlines[i]);
        cr_assert_eq(weft_callback_at(&probes[i], deadlines[i]), 0);
    }
    for (size_t i = 0; i < 500; i++)
        if (rand() % 3 == 0)
            cancelled += weft_callback_cancel(&probes[i]);
    run_for(WEFT_MS(200));
    cr_assert_eq(fired + cancelled, 500);
    cr_assert_gt(cancelled, 100);
    weft_test_loop_end();
}

/* ---- Within the function ---- */

struct again {
    struct weft_callback callback;
    int left;
    weft_ns delay; /* -1: soon */
};

static void again(void *arg)
{
    struct again *own = arg;
    cr_assert_not(weft_callback_is_pending(&own->callback));
    if (--own->left == 0)
        weft_loop_stop(test_loop);
    else if (own->delay < 0)
        cr_assert_eq(weft_callback_soon(&own->callback), 0);
    else
        cr_assert_eq(weft_callback_later(&own->callback, own->delay), 0);
}

Test(callback, schedules_itself_again_for_the_tick_after)
{
    struct again own = {.left = 100, .delay = -1};
    struct weft_loop_stats before, after;
    weft_loop_get_stats(test_loop, &before);
    weft_callback_init(&own.callback, again, &own);
    cr_assert_eq(weft_callback_soon(&own.callback), 0);
    cr_assert_eq(weft_loop_run(test_loop), 0);
    weft_loop_get_stats(test_loop, &after);
    cr_assert_eq(own.left, 0);
    cr_assert_geq(after.ticks - before.ticks, 100);
    weft_test_loop_end();
}

Test(callback, repeats_by_its_own_delay)
{
    struct again own = {.left = 10, .delay = WEFT_MS(5)};
    weft_callback_init(&own.callback, again, &own);
    cr_assert_eq(weft_callback_later(&own.callback, own.delay), 0);
    cr_assert_eq(weft_loop_run(test_loop), 0);
    cr_assert_eq(weft_now(), WEFT_MS(50));
    weft_test_loop_end();
}

static void free_it(void *callback)
{
    weft_test_mark("f");
    free(callback);
}

Test(callback, may_be_freed_within_its_function)
{
    struct weft_callback *ways[3];
    for (int i = 0; i < 3; i++) {
        ways[i] = malloc(sizeof(*ways[i]));
        weft_callback_init(ways[i], free_it, ways[i]);
    }
    cr_assert_eq(weft_callback_soon(ways[0]), 0);
    cr_assert_eq(weft_callback_later(ways[1], 1), 0);
    cr_assert_eq(weft_callback_post(test_loop, ways[2]), 0);
    run_for(2);
    cr_assert_str_eq(test_trace, "fff");
    weft_test_loop_end();
}

static WEFT_CONTEXT_KEY(depth, int, NULL);

static void look_at_context(void *ret)
{
    *(int *)ret = weft_context_get(depth);
}

/* ---- Taking back ---- */

enum way { SOON, LATER, POST };

static struct weft_callback *scheduled(enum way way, const char *text)
{
    struct weft_callback *callback = malloc(sizeof(*callback));
    *callback = marking(text);
    if (way == SOON)
        cr_assert_eq(weft_callback_soon(callback), 0);
    else if (way == LATER)
        cr_assert_eq(weft_callback_later(callback, WEFT_MS(1)), 0);
    else
        cr_assert_eq(weft_callback_post(test_loop, callback), 0);
    return callback;
}

static void cancel_and_free(struct weft_callback *callback)
{
    cr_assert(weft_callback_cancel(callback));
    cr_assert_not(weft_callback_is_pending(callback));
    cr_assert_not(weft_callback_cancel(callback));
    memset(callback, 0xee, sizeof(*callback));
    free(callback);
}

Test(callback, cancelled_is_never_called_and_its_memory_is_free)
{
    for (enum way way = SOON; way <= POST; way++) {
        for (int which = 0; which < 3; which++) {
            struct weft_callback *all[3];
            for (int i = 0; i < 3; i++)
                all[i] = scheduled(way, "x");
            cancel_and_free(all[which]);
            struct weft_callback *next = scheduled(way, "y");
            run_for(WEFT_MS(2));
            cr_assert_str_eq(test_trace, "xxy");
            test_trace[0] = '\0';
            all[which] = next;
            for (int i = 0; i < 3; i++)
                free(all[i]);
        }
    }
    weft_test_loop_end();
}

static struct weft_callback *victims[2];

static void cancel_victims(void *arg)
{
    (void)arg;
    weft_test_mark("c");
    cancel_and_free(victims[0]);
    cancel_and_free(victims[1]);
}

static void with_victims(enum way way)
{
    struct weft_callback canceller;
    weft_callback_init(&canceller, cancel_victims, NULL);
    if (way == SOON)
        cr_assert_eq(weft_callback_soon(&canceller), 0);
    else if (way == LATER)
        cr_assert_eq(weft_callback_later(&canceller, WEFT_MS(1)), 0);
    else
        cr_assert_eq(weft_callback_post(test_loop, &canceller), 0);
    victims[0] = scheduled(way, "x");
    struct weft_callback *between = scheduled(way, "b");
    victims[1] = scheduled(way, "x");
    struct weft_callback *last = scheduled(way, "l");
    run_for(WEFT_MS(2));
    free(between);
    free(last);
}

Test(callback, cancelled_in_the_tick_in_which_it_is_due_is_not_called)
{
    for (enum way way = SOON; way <= POST; way++)
        with_victims(way);
    cr_assert_str_eq(test_trace, "cblcblcbl");
    weft_test_loop_end();
}

static void cancel_self(void *callback)
{
    weft_test_mark("x");
    cr_assert_not(weft_callback_cancel(callback));
}

Test(callback, cannot_be_taken_back_once_it_is_called)
{
    struct weft_callback callback;
    weft_callback_init(&callback, cancel_self, &callback);
    cr_assert_not(weft_callback_cancel(&callback));
    cr_assert_eq(weft_callback_soon(&callback), 0);
    weft_test_ticks(2);
    cr_assert_str_eq(test_trace, "x");
    weft_test_loop_end();
}

Test(callback, cancelled_may_be_scheduled_in_any_way_again)
{
    struct weft_callback callback = marking("x");
    for (int from = SOON; from <= POST; from++) {
        for (int to = SOON; to <= POST; to++) {
            for (int way = from, i = 0; i < 2; way = to, i++) {
                cr_assert_eq(way == SOON    ? weft_callback_soon(&callback)
                             : way == LATER ? weft_callback_later(&callback, WEFT_MS(1))
                                            : weft_callback_post(test_loop, &callback),
                             0);
                if (i == 0)
                    cr_assert(weft_callback_cancel(&callback));
            }
            run_for(WEFT_MS(2));
        }
    }
    cr_assert_str_eq(test_trace, "xxxxxxxxx");
    weft_test_loop_end();
}

/* ---- Misuse ---- */

Test(callback, is_pending_once_at_a_time)
{
    struct weft_callback callback = marking("x");
    cr_assert_eq(weft_callback_later(&callback, 1), 0);
    cr_assert_eq(weft_callback_soon(&callback), -EBUSY);
    cr_assert_eq(weft_callback_later(&callback, 1), -EBUSY);
    cr_assert_eq(weft_callback_at(&callback, 1), -EBUSY);
    cr_assert_eq(weft_callback_post(test_loop, &callback), -EBUSY);
    run_for(2);
    cr_assert_eq(weft_callback_post(test_loop, &callback), 0);
    cr_assert_eq(weft_callback_soon(&callback), -EBUSY);
    cr_assert_eq(weft_callback_post(test_loop, &callback), -EBUSY);
    run_for(2);
    cr_assert_str_eq(test_trace, "xx");
    weft_test_loop_end();
}

Test(callback, refuses_what_it_cannot_call)
{
    struct weft_callback none, callback = marking("x");
    weft_callback_init(&none, NULL, NULL);
    cr_assert_eq(weft_callback_soon(&none), -EINVAL);
    cr_assert_eq(weft_callback_later(&none, 1), -EINVAL);
    cr_assert_eq(weft_callback_at(&none, 1), -EINVAL);
    cr_assert_eq(weft_callback_post(test_loop, &none), -EINVAL);
    cr_assert_eq(weft_callback_post(NULL, &callback), -EINVAL);
    cr_assert_not(weft_callback_is_pending(&none));
    cr_assert_not(weft_callback_is_pending(&callback));
    weft_test_loop_end();
}

Test(callback, without_a_loop_is_an_error)
{
    struct weft_callback callback = marking("x");
    weft_test_loop_end();
    cr_assert_eq(weft_callback_soon(&callback), WEFT_ENOLOOP);
    cr_assert_eq(weft_callback_later(&callback, 1), WEFT_ENOLOOP);
    cr_assert_eq(weft_callback_at(&callback, 1), WEFT_ENOLOOP);
    cr_assert_not(weft_callback_cancel(&callback));
}

static int schedule_some(void)
{
    struct weft_callback soon = marking(""), later = marking(""), at = marking("");
    int status = weft_callback_soon(&soon);
    if (status == 0)
        status = weft_callback_later(&later, 1);
    if (status == 0)
        status = weft_callback_at(&at, 1);
    int slept = weft_test_run(weft_sleep(1));
    weft_callback_cancel(&soon);
    weft_callback_cancel(&later);
    return status < 0 ? status : slept;
}

Test(callback, survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(schedule_some);
    weft_test_loop_end();
}

static void stop(void *loop)
{
    weft_loop_stop(loop);
}

Test(callback, allocates_nothing)
{
    struct weft_callback soon = marking("s"), later = marking("l"), post;
    weft_callback_init(&post, stop, test_loop);
    run_for(1); /* the timers have their first memory */
    size_t before = weft_test_heap_live();
    weft_test_heap_fail_at(1);
    cr_assert_eq(weft_callback_soon(&soon), 0);
    cr_assert_eq(weft_callback_later(&later, 0), 0);
    cr_assert_eq(weft_callback_post(test_loop, &post), 0);
    cr_assert_eq(weft_loop_run(test_loop), 0);
    cr_assert_not(weft_test_heap_failed());
    weft_test_heap_fail_at(0);
    cr_assert_str_eq(test_trace, "sl");
    cr_assert_eq(weft_test_heap_live(), before);
    weft_test_loop_end();
}

/* ---- What is around it ---- */

Test(callback, has_the_context_of_the_loop)
{
    int seen = 0;
    struct weft_callback callback;
    weft_callback_init(&callback, look_at_context, &seen);
    cr_assert_eq(weft_callback_soon(&callback), 0);
    cr_assert_eq(weft_context_set(depth, 7), 0);
    weft_test_ticks(1);
    cr_assert_eq(seen, 7);
    weft_test_loop_end();
}

static void in_child(void *arg)
{
    struct weft_callback *callbacks = arg;
    struct weft_callback other = marking("x");
    CHILD_EXPECT(weft_callback_soon(&other) == WEFT_EFORK);
    CHILD_EXPECT(weft_callback_later(&other, 1) == WEFT_EFORK);
    CHILD_EXPECT(weft_callback_post(test_loop, &other) == WEFT_EFORK);
    CHILD_EXPECT(!weft_callback_is_pending(&other));
    CHILD_EXPECT(!weft_callback_cancel(&callbacks[3]));
    CHILD_EXPECT(weft_callback_is_pending(&callbacks[3]));
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    CHILD_EXPECT(weft_callback_cancel(&callbacks[3]));
    CHILD_EXPECT(weft_loop_run_until(test_loop, weft_sleep(2)) == 0);
    CHILD_EXPECT(strcmp(test_trace, "spl") == 0);
}

Test(callback, goes_on_in_a_forked_child)
{
    struct weft_callback callbacks[4] = {marking("s"), marking("l"), marking("p"), marking("c")};
    cr_assert_eq(weft_callback_soon(&callbacks[0]), 0);
    cr_assert_eq(weft_callback_later(&callbacks[1], 1), 0);
    cr_assert_eq(weft_callback_post(test_loop, &callbacks[2]), 0);
    cr_assert_eq(weft_callback_later(&callbacks[3], 1), 0);
    weft_test_in_child(in_child, callbacks);
    cr_assert(weft_callback_cancel(&callbacks[3]));
    run_for(2);
    cr_assert_str_eq(test_trace, "spl");
    weft_test_loop_end();
}

Test(callback, cancels_and_calls_on_a_loop_with_a_seed)
{
    weft_test_loop_end();
    for (uint64_t seed = 1; seed < 50; seed++) {
        struct weft_callback callbacks[8];
        test_trace[0] = '\0';
        test_loop = weft_testing_loop_new(seed);
        for (int i = 0; i < 8; i++) {
            static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
            callbacks[i] = marking(names[i]);
            cr_assert_eq(weft_callback_soon(&callbacks[i]), 0);
            weft_unref(weft_spawn(marks, .text = "."));
        }
        cr_assert(weft_callback_cancel(&callbacks[seed % 8]));
        weft_test_ticks(3);
        char called[16] = "", expected[16] = "abcdefgh";
        for (const char *mark = test_trace; *mark; mark++)
            if (*mark != '.')
                strncat(called, mark, 1);
        memmove(&expected[seed % 8], &expected[seed % 8 + 1], 8 - seed % 8);
        cr_assert_str_eq(called, expected, "seed %u", (unsigned)seed);
        cr_assert_eq(strlen(test_trace), 15);
        weft_loop_free(test_loop);
    }
    test_loop = NULL;
}

static void end_dispatch(void *base)
{
    weft_test_mark("e");
    event_base_loopbreak(base);
}

Test(callback, is_called_on_a_hosts_base)
{
    weft_test_loop_end();
    struct event_base *base = event_base_new();
    test_loop = weft_loop_attach(base);
    struct weft_callback soon = marking("s"), later, post = marking("p"), never = marking("x");
    weft_callback_init(&later, end_dispatch, base);
    cr_assert_eq(weft_callback_soon(&soon), 0);
    cr_assert_eq(weft_callback_soon(&never), 0);
    cr_assert_eq(weft_callback_post(test_loop, &post), 0);
    cr_assert_eq(weft_callback_later(&later, WEFT_MS(1)), 0);
    cr_assert(weft_callback_cancel(&never));
    event_base_dispatch(base);
    cr_assert_str_eq(test_trace, "spe");
    weft_loop_free(test_loop);
    test_loop = NULL;
    event_base_free(base);
}

/* ---- Taken back by the one right before it ---- */

static struct weft_callback right_behind;

static void take_next_back(void *arg)
{
    cr_assert(weft_callback_cancel(&right_behind));
    *(bool *)arg = true;
}

static void must_not_run(void *arg)
{
    (void)arg;
    cr_assert_fail("it was taken back");
}

Test(callback, that_is_next_is_taken_back_by_the_one_that_runs)
{
    bool taken = false;
    struct weft_callback first;
    weft_callback_init(&first, take_next_back, &taken);
    weft_callback_init(&right_behind, must_not_run, NULL);
    cr_assert_eq(weft_callback_soon(&first), 0);
    cr_assert_eq(weft_callback_soon(&right_behind), 0);
    cr_assert_eq(weft_test_run(weft_sleep(0)), 0);
    cr_assert(taken);
    weft_test_loop_end();
}
