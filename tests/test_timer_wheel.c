/* SPDX-License-Identifier: MIT */
/* The wheel of timers by itself: against a plain list, and what it touches. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#include "core/loop.h"
#include "core/timer.h"
#include "tests/support/loop.h"

TestSuite(timer_wheel, .init = weft_test_loop_begin, .timeout = 120);

enum { TIMERS = 300, FEW = 20, SEEDS = 12, STEPS = 4000 };

struct probe {
    weft__timer timer;
    weft_ns deadline;
    uint64_t order; /* in which they were armed */
    bool armed;
};

static struct probe probes[TIMERS];
static uint64_t random_state, armed_so_far;

static uint64_t any_number(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static weft_ns after(weft_ns now, uint64_t time)
{
    return time > (uint64_t)INT64_MAX - (uint64_t)now ? INT64_MAX : now + (weft_ns)time;
}

static void is_not_run(weft__item *item)
{
    (void)item;
}

static void arm(struct probe *probe, weft_ns deadline)
{
    probe->timer.item.run = is_not_run;
    probe->deadline = deadline;
    probe->order = armed_so_far++;
    probe->armed = true;
    cr_assert_eq(weft__timer_start(test_loop, &probe->timer, deadline), 0);
}

static void disarm(struct probe *probe)
{
    weft__timer_stop(test_loop, &probe->timer);
    probe->armed = false;
}

/* ---- Against a plain list ---- */

/* One where a slot of the wheel begins, or just beside it. */
static weft_ns edge_of_a_slot(weft_ns now)
{
    weft_ns mask = ((weft_ns)1 << any_number() % 10 * 6) - 1;
    return after(now | mask, any_number() % 3) - 1;
}

static weft_ns any_deadline(weft_ns now)
{
    switch (any_number() % 12) {
    case 0:
        return INT64_MIN;
    case 1:
        return WEFT_FOREVER;
    case 2:
        return WEFT_FOREVER - (weft_ns)(any_number() % 3);
    case 3:
        return (weft_ns)any_number();
    case 4:
        return now;
    case 5:
        return edge_of_a_slot(now);
    case 6:
        return now - (weft_ns)(any_number() % 5000);
    case 7:
        return 42;
    default:
        return after(now, any_number() >> (8 + any_number() % 56));
    }
}

static int by_deadline(const void *a, const void *b)
{
    const struct probe *one = *(struct probe *const *)a, *other = *(struct probe *const *)b;
    if (one->deadline != other->deadline)
        return one->deadline < other->deadline ? -1 : 1;
    return one->order < other->order ? -1 : 1;
}

static size_t list_due(struct probe **ret_due, weft_ns now)
{
    size_t count = 0;
    for (size_t i = 0; i < TIMERS; i++)
        if (probes[i].armed && probes[i].deadline != WEFT_FOREVER && probes[i].deadline <= now)
            ret_due[count++] = &probes[i];
    qsort(ret_due, count, sizeof(*ret_due), by_deadline);
    return count;
}

/* These come, in this order, and nothing else. */
static void must_come(struct probe **due, size_t count, weft_ns now)
{
    weft__timers_collect(test_loop, now);
    const weft__item *item = weft__ready_take(&test_loop->ready);
    for (size_t i = 0; i < count; i++, item = item->next) {
        cr_assert_eq(item, &due[i]->timer.item, "the one that comes as number %zu", i);
        due[i]->armed = false;
    }
    cr_assert_null(item);
}

static void check_what_is_left(weft_ns now)
{
    weft_ns first = WEFT_FOREVER, next = weft__timers_next(&test_loop->timers);
    size_t armed = 0;
    for (size_t i = 0; i < TIMERS; i++) {
        cr_assert_eq(weft__timer_is_armed(&probes[i].timer), probes[i].armed);
        armed += probes[i].armed;
        if (probes[i].armed && probes[i].deadline < first)
            first = probes[i].deadline;
    }
    cr_assert_eq(test_loop->timers.count, armed);
    cr_assert_leq(next, first);
    cr_assert_gt(next, now, "the loop would not sleep");
    cr_assert_eq(next == WEFT_FOREVER, first == WEFT_FOREVER);
}

static void collect(weft_ns now)
{
    struct probe *due[TIMERS];
    size_t count = list_due(due, now);
    must_come(due, count, now);
    check_what_is_left(now);
}

/* To the next deadline, or by any time. */
static weft_ns go_on(weft_ns now)
{
    weft_ns next = weft__timers_next(&test_loop->timers);
    if (any_number() % 2 == 0 && next != WEFT_FOREVER && next > now)
        return next;
    return after(now, any_number() >> (10 + any_number() % 54));
}

static weft_ns step(struct probe *probe, weft_ns now)
{
    uint64_t what = any_number() % 8;
    if (what == 0 && now < WEFT_FOREVER / 2) {
        now = go_on(now);
        collect(now);
    } else if (what == 1 && probe->armed) {
        disarm(probe);
    } else if (what > 1 && !probe->armed) {
        arm(probe, any_deadline(now));
    }
    return now;
}

static void compare(uint64_t seed)
{
    weft_ns now = seed % 2 ? WEFT_S(3600) : (weft_ns)(any_number() >> 2);
    for (size_t i = 0; i < STEPS; i++) /* few at times, so that slots are empty */
        now = step(&probes[any_number() % (i % 1000 < 500 ? FEW : TIMERS)], now);
    for (size_t i = 0; i < TIMERS; i++)
        if (probes[i].armed)
            disarm(&probes[i]);
    cr_assert_eq(test_loop->timers.count, 0);
}

Test(timer_wheel, fires_what_a_plain_list_fires)
{
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        random_state = seed * UINT64_C(0x9E3779B97F4A7C15);
        weft__timers_fini(&test_loop->timers); /* whose base is the least moment then */
        compare(seed);
    }
    weft_test_loop_end();
}

/* ---- Crowds ---- */

enum { CROWD = 3000 };

static struct probe crowd[CROWD];

static size_t list_crowd(struct probe **ret_due, weft_ns now)
{
    size_t count = 0;
    for (size_t i = 0; i < CROWD; i++)
        if (crowd[i].armed && crowd[i].deadline <= now)
            ret_due[count++] = &crowd[i];
    qsort(ret_due, count, sizeof(*ret_due), by_deadline);
    return count;
}

static void collect_crowd(weft_ns now)
{
    static struct probe *due[CROWD];
    size_t count = list_crowd(due, now);
    must_come(due, count, now);
}

/* In one slot of the wheel or in many, with equal deadlines, and gaps. */
static void arm_crowd(weft_ns from, weft_ns span)
{
    for (size_t i = 0; i < CROWD; i++)
        arm(&crowd[i],
            i % 7 ? from + (weft_ns)(any_number() % (uint64_t)span) : crowd[i / 2].deadline);
    for (size_t i = 0; i < CROWD; i += 5)
        disarm(&crowd[i]);
}

Test(timer_wheel, a_crowd_of_more_than_are_sorted_at_once_comes_in_order)
{
    const weft_ns slot = (weft_ns)1 << 36;
    const weft_ns spans[] = {100, 4000, WEFT_MS(1), slot / 2, slot - 1};
    weft_ns from = slot;
    random_state = 1;
    for (size_t i = 0; i < sizeof(spans) / sizeof(*spans); i++, from += 2 * slot) {
        crowd[0].deadline = from;
        arm_crowd(from, spans[i]);
        collect_crowd(from + spans[i] / 3);
        collect_crowd(from + slot);
        cr_assert_eq(test_loop->timers.count, 0);
        arm_crowd(from, spans[i]); /* they have passed */
        collect_crowd(from + slot);
        cr_assert_eq(test_loop->timers.count, 0);
    }
    weft_test_loop_end();
}

/* ---- What is touched ---- */

/* Of the blocks in use `before` was copied from: how many are different now. */
static size_t count_changed(const struct weft__timer_block *before, size_t count)
{
    const struct weft__timer_block *now = test_loop->timers.blocks;
    size_t changed = 0;
    for (size_t i = 0; i < count; i++)
        changed += memcmp(&before[i], &now[i], sizeof(*now)) != 0;
    return changed;
}

/* One timer more is its own block, the one before it, and the head of the list. */
static void check_arming_touches_three(weft_ns deadline)
{
    size_t count = test_loop->timers.capacity;
    struct weft__timer_block *before = malloc(count * sizeof(*before));
    memcpy(before, test_loop->timers.blocks, count * sizeof(*before));
    arm(&probes[TIMERS - 1], deadline);
    cr_assert_eq(test_loop->timers.capacity, count);
    cr_assert_leq(count_changed(before, count), 3);
    free(before);
    disarm(&probes[TIMERS - 1]);
}

Test(timer_wheel, arming_touches_no_other_timer_however_long_the_deadline_has_passed)
{
    weft_ns now = WEFT_S(1000);
    collect(now);
    arm(&probes[0], now);
    for (size_t i = 1; i < TIMERS - 1; i++)
        arm(&probes[i], now + (weft_ns)i * WEFT_MS(10));
    collect(now); /* which moves the base */
    const weft_ns passed[] = {now - 1, now - WEFT_MS(1), now - WEFT_S(100), 0, -1, INT64_MIN};
    for (size_t i = 0; i < sizeof(passed) / sizeof(*passed); i++)
        check_arming_touches_three(passed[i]);
    for (size_t i = 1; i < TIMERS - 1; i++)
        disarm(&probes[i]);
    weft_test_loop_end();
}

Test(timer_wheel, what_has_passed_comes_by_deadline_whatever_the_order_of_arming)
{
    weft_ns now = WEFT_S(1000);
    random_state = 1;
    arm(&probes[0], now - 1);
    arm(&probes[1], now);
    collect(now); /* which moves the base */
    for (size_t i = 0; i < TIMERS; i++)
        arm(&probes[i], now - (weft_ns)(any_number() % (i % 2 ? 100 : WEFT_S(100))));
    collect(now);
    cr_assert_eq(test_loop->timers.count, 0);
    weft_test_loop_end();
}
