/* SPDX-License-Identifier: MIT */
/* Loops with a seed. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <weft/weft.h>

#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(shuffle, .timeout = 60);

enum { SEEDS = 200 };

static void begin(uint64_t seed)
{
    struct weft_loop_options options = {.clock = WEFT_CLOCK_VIRTUAL, .seed = seed};
    weft_test_loop_begin();
    weft_loop_free(test_loop);
    test_loop = weft_loop_new(&options);
    cr_assert_not_null(test_loop);
    test_trace[0] = 0;
}

struct marks {
    WEFT_FRAME;
    const char *text;
    weft_ns after;
};

static WEFT_ASYNC(marks)
{
    WEFT_BEGIN;
    if (self->after)
        WEFT_AWAIT(weft_sleep(self->after));
    weft_test_mark(self->text);
    WEFT_END;
}

static void two_tasks(void)
{
    weft_unref(weft_spawn(marks, .text = "a"));
    weft_unref(weft_spawn(marks, .text = "b"));
    weft_test_ticks(3);
}

static void two_sleepers(void)
{
    weft_unref(weft_spawn(marks, .text = "a", .after = WEFT_S(1)));
    weft_unref(weft_spawn(marks, .text = "b", .after = WEFT_S(1)));
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_S(2))), 0);
}

static weft_result nothing(void *arg)
{
    (void)arg;
    return weft_ok(0);
}

static void mark_done(weft_future *future, void *text)
{
    (void)future;
    weft_test_mark(text);
}

/* Both are home before the loop looks: a pool of one thread has run the second one when a third
 * begins. */
static void two_jobs(void)
{
    weft_pool *pool = weft_pool_new(&(struct weft_pool_options){.max_threads = 1});
    struct weft_pool_stats stats;
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    cr_assert_eq(weft_then(weft_to_thread_fn(NULL, nothing, NULL), mark_done, (void *)"a"), 0);
    cr_assert_eq(weft_then(weft_to_thread_fn(NULL, nothing, NULL), mark_done, (void *)"b"), 0);
    do
        weft_pool_get_stats(pool, &stats);
    while (stats.queued || stats.running);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_S(2))), 0);
    weft_pool_unref(pool);
}

/* What a scene leaves in the trace with each of many seeds; 1: "ab", 2: "ba", 3: both occur. */
static int orders_of(void (*scene)(void))
{
    int seen = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        begin(seed);
        scene();
        bool in_order = strcmp(test_trace, "ab") == 0;
        cr_assert(in_order || strcmp(test_trace, "ba") == 0, "seed %d: %s", (int)seed, test_trace);
        seen |= in_order ? 1 : 2;
        weft_test_loop_end();
    }
    return seen;
}

/* ---- Shuffled ---- */

Test(shuffle, tasks_that_are_ready_run_in_either_order)
{
    cr_assert_eq(orders_of(two_tasks), 3);
}

Test(shuffle, tasks_that_slept_equally_long_go_on_in_either_order)
{
    cr_assert_eq(orders_of(two_sleepers), 3);
}

Test(shuffle, jobs_complete_in_either_order)
{
    cr_assert_eq(orders_of(two_jobs), 3);
}

/* ---- Kept ---- */

static void two_continuations(void)
{
    weft_future *future = weft_future_new();
    cr_assert_eq(weft_then(weft_ref(future), mark_done, (void *)"a"), 0);
    cr_assert_eq(weft_future_resolve(future, weft_value_i64(1), NULL), 0);
    cr_assert_eq(weft_then(future, mark_done, (void *)"b"), 0);
    weft_test_ticks(3);
}

static void two_calls(void)
{
    weft_unref(weft_call_soon(weft_test_mark_call, (void *)"a"));
    weft_unref(weft_call_soon(weft_test_mark_call, (void *)"b"));
    weft_test_ticks(3);
}

static void two_timers(void)
{
    weft_unref(weft_call_later(WEFT_S(1), weft_test_mark_call, (void *)"a"));
    weft_unref(weft_call_later(WEFT_S(1), weft_test_mark_call, (void *)"b"));
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_S(2))), 0);
}

static void two_posts(void)
{
    cr_assert_eq(weft_post(test_loop, weft_test_mark_call, (void *)"a"), 0);
    cr_assert_eq(weft_post(test_loop, weft_test_mark_call, (void *)"b"), 0);
    weft_test_ticks(3);
}

static void two_ticks(void)
{
    weft_unref(weft_spawn(marks, .text = "a"));
    weft_test_ticks(1);
    weft_unref(weft_spawn(marks, .text = "b"));
    weft_test_ticks(2);
}

static void a_sleep_of_nothing(void)
{
    cr_assert_eq(weft_then(weft_sleep(0), mark_done, (void *)"a"), 0);
    cr_assert_eq(weft_then(weft_sleep(0), mark_done, (void *)"b"), 0);
    weft_test_ticks(3);
}

Test(shuffle, continuations_of_one_future_keep_their_order)
{
    cr_assert_eq(orders_of(two_continuations), 1);
}

Test(shuffle, calls_soon_keep_their_order)
{
    cr_assert_eq(orders_of(two_calls), 1);
    cr_assert_eq(orders_of(a_sleep_of_nothing), 1);
}

Test(shuffle, timers_keep_their_order)
{
    cr_assert_eq(orders_of(two_timers), 1);
}

Test(shuffle, posts_of_one_thread_keep_their_order)
{
    cr_assert_eq(orders_of(two_posts), 1);
}

Test(shuffle, a_tick_stays_a_tick)
{
    cr_assert_eq(orders_of(two_ticks), 1);
}

/* ---- The seed ---- */

static void many_tasks(char *ret)
{
    static char names[60][2];
    for (int i = 0; i < 60; i++) {
        names[i][0] = (char)('0' + i);
        weft_unref(weft_spawn(marks, .text = names[i], .after = i % 3));
    }
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_S(1))), 0);
    memcpy(ret, test_trace, sizeof(test_trace));
}

Test(shuffle, the_same_seed_gives_the_same_order_and_another_another)
{
    char first[sizeof(test_trace)], again[sizeof(test_trace)], other[sizeof(test_trace)];
    begin(42);
    many_tasks(first);
    weft_test_loop_end();
    begin(42);
    many_tasks(again);
    weft_test_loop_end();
    begin(43);
    many_tasks(other);
    cr_assert_eq(strlen(first), 60);
    cr_assert_str_eq(first, again);
    cr_assert_str_neq(first, other);
    weft_test_loop_end();
}

static void note_seed(weft_loop *loop, const struct weft_error_report *report, void *arg)
{
    (void)loop;
    *(uint64_t *)arg = report->seed;
}

Test(shuffle, reports_tell_the_seed)
{
    uint64_t seed = 0;
    begin(4711);
    weft_loop_set_error_handler(test_loop, note_seed, &seed);
    weft_unref(weft_future_failed(-5, NULL));
    cr_assert_eq(seed, 4711);
    weft_test_loop_end();
}

static void stop(void *loop)
{
    weft_loop_stop(loop);
}

Test(shuffle, a_run_that_is_stopped_leaves_the_queue_sound)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        begin(seed);
        weft_future *main = weft_spawn(marks, .text = "m", .after = WEFT_S(1));
        weft_unref(weft_spawn(marks, .text = "a"));
        weft_unref(weft_call_soon(stop, test_loop));
        weft_unref(weft_spawn(marks, .text = "b"));
        cr_assert_lt(weft_loop_run_until(test_loop, weft_future_failed(-1, NULL)), 0);
        cr_assert_eq(weft_test_run(main), 0);
        cr_assert_eq(strlen(test_trace), 3);
        weft_test_loop_end();
    }
}

Test(shuffle, a_seed_needs_memory)
{
    struct weft_loop_options options = {.seed = 1};
    weft_test_loop_begin();
    weft_loop_free(test_loop);
    for (size_t n = 1;; n++) {
        weft_test_heap_fail_at(n);
        test_loop = weft_loop_new(&options);
        weft_test_heap_fail_at(0);
        if (test_loop)
            break;
    }
    weft_test_loop_end();
}
