/* SPDX-License-Identifier: MIT */
/* Timers, armed, disarmed and let pass at random, beside a list that is searched. */
#include <criterion/criterion.h>
#include <stdbool.h>
#include <weft/testing.h>
#include <weft/weft.h>

#include "core/loop.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(wheel, .init = weft_test_loop_begin, .timeout = 60);

enum { COUNT = 200 };

struct probe {
    struct weft_callback callback;
    bool armed;
    weft_ns deadline, armed_at;
    uint64_t order;
};

static struct probe probes[COUNT];
static uint64_t orders, fired, state;

static uint64_t draw(void)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * 2685821657736338717u;
}

/* Of any size, small ones as often as large ones. */
static weft_ns draw_duration(unsigned bits)
{
    return (weft_ns)(draw() >> (63 - draw() % bits)) >> 1;
}

static bool is_before(const struct probe *a, const struct probe *b)
{
    return a->deadline < b->deadline || (a->deadline == b->deadline && a->order < b->order);
}

static void fire(void *arg)
{
    struct probe *probe = arg;
    weft_ns due = probe->deadline > probe->armed_at ? probe->deadline : probe->armed_at;
    cr_assert(probe->armed);
    cr_assert_eq(weft_now(), due);
    for (int i = 0; i < COUNT; i++)
        cr_assert(!probes[i].armed || !is_before(&probes[i], probe));
    probe->armed = false;
    fired++;
}

static weft_ns draw_deadline(void)
{
    weft_ns now = weft_now();
    switch (draw() % 8) {
    case 0:
        return now - draw_duration(62);
    case 1:
        return probes[draw() % COUNT].deadline;
    case 2:
        return WEFT_FOREVER - (weft_ns)(draw() % 2);
    case 3:
        return now;
    default:
        return now + draw_duration(40);
    }
}

static void arm(struct probe *probe)
{
    probe->deadline = draw_deadline();
    probe->armed_at = weft_now();
    probe->order = orders++;
    probe->armed = true;
    weft_callback_init(&probe->callback, fire, probe);
    cr_assert_eq(weft_callback_at(&probe->callback, probe->deadline), 0);
}

static void disarm(struct probe *probe)
{
    cr_assert(weft_callback_cancel(&probe->callback));
    probe->armed = false;
}

static void let_pass(void)
{
    cr_assert_eq(weft_testing_advance(test_loop, draw_duration(36)), 0);
    for (int i = 0; i < COUNT; i++)
        cr_assert(!probes[i].armed || probes[i].deadline > weft_now());
}

static void walk(uint64_t seed)
{
    state = seed;
    for (int step = 0; step < 4000; step++) {
        struct probe *probe = &probes[draw() % COUNT];
        if (draw() % 16 == 0)
            let_pass();
        else if (!probe->armed)
            arm(probe);
        else if (draw() % 2)
            disarm(probe);
    }
    size_t armed = 0;
    for (int i = 0; i < COUNT; i++)
        armed += probes[i].armed;
    cr_assert_eq(test_loop->timers.count, armed);
    for (int i = 0; i < COUNT; i++)
        if (probes[i].armed)
            disarm(&probes[i]);
    cr_assert_eq(test_loop->timers.count, 0);
    cr_assert_eq(weft__timers_next(&test_loop->timers), WEFT_FOREVER);
}

Test(wheel, fires_each_at_its_time_in_order_whatever_came_before)
{
    for (uint64_t seed = 1; seed <= 20; seed++)
        walk(seed);
    cr_assert_gt(fired, 1000);
    weft_test_loop_end();
}

/* Who is due first must be found without a look at all of them. */
Test(wheel, says_when_the_first_is_due_or_a_crowd_is_to_be_sorted)
{
    weft_ns wanted = WEFT_MS(100);
    for (int i = 0; i < COUNT; i++) {
        probes[i].deadline = wanted + i;
        weft_callback_init(&probes[i].callback, fire, &probes[i]);
        cr_assert_eq(weft_callback_at(&probes[i].callback, probes[i].deadline), 0);
        probes[i].armed = true;
    }
    cr_assert_eq(weft__timers_next(&test_loop->timers), wanted);
    for (int i = 0; i < COUNT - 1; i++) {
        disarm(&probes[i]);
        cr_assert_leq(weft__timers_next(&test_loop->timers), wanted + i + 1);
    }
    weft_test_ticks(1);
    cr_assert_eq(weft__timers_next(&test_loop->timers), wanted + COUNT - 1);
    disarm(&probes[COUNT - 1]);
    cr_assert_eq(weft__timers_next(&test_loop->timers), WEFT_FOREVER);
    weft_test_loop_end();
}

static void nothing(void *arg)
{
    (void)arg;
}

Test(wheel, entries_are_used_again)
{
    struct weft_callback callback;
    weft_callback_init(&callback, nothing, NULL);
    cr_assert_eq(weft_callback_at(&callback, 1), 0);
    cr_assert(weft_callback_cancel(&callback));
    size_t capacity = test_loop->timers.capacity; /* of the first one */
    for (int i = 0; i < 100000; i++) {
        cr_assert_eq(weft_callback_at(&callback, i), 0);
        cr_assert(weft_callback_cancel(&callback));
    }
    cr_assert_leq(test_loop->timers.capacity, capacity);
    cr_assert_leq(test_loop->timers.lists, 1 + WEFT__TIMER_GAPS);
    weft_test_loop_end();
}

Test(wheel, is_empty_when_a_crowd_has_been_disarmed)
{
    for (int i = 0; i < COUNT; i++) {
        weft_callback_init(&probes[i].callback, nothing, NULL);
        cr_assert_eq(weft_callback_at(&probes[i].callback, WEFT_MS(100) + i), 0);
    }
    for (int i = 0; i < COUNT; i++) {
        cr_assert(weft_callback_cancel(&probes[i].callback));
        cr_assert_leq(weft__timers_next(&test_loop->timers), WEFT_FOREVER);
    }
    cr_assert_eq(weft__timers_next(&test_loop->timers), WEFT_FOREVER);
    weft_test_loop_end();
}
