/* SPDX-License-Identifier: MIT */
/* What a loop counts about itself, by clocks that the test reads out, and by the real one. */
#include "core/inspect/load.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <weft/weft.h>

#include "core/inspect/json.h"
#include "core/loop.h"
#include "tests/support/gate.h"
#include "tests/support/loop.h"

TestSuite(load, .init = weft_test_loop_begin_real, .timeout = 60);

static struct weft__load_sum sum;

static void read_load(void)
{
    weft__load_read(test_loop, &sum);
}

/* ---- A clock of the test's own ---- */

enum { BEGIN = 1000 };

static weft_ns clock_now;

static void begin(void)
{
    clock_now = BEGIN;
    weft__load_begin(test_loop, clock_now);
}

/* So many items took so long, and the clock was looked at. */
static void look(uint64_t items, weft_ns took)
{
    clock_now += took;
    test_loop->look_at += items;
    weft__load_look(test_loop, clock_now);
}

static void rest(void)
{
    weft__load_end(test_loop, true);
    read_load();
}

Test(load, a_batch_of_quick_steps_is_counted_by_its_mean)
{
    begin();
    look(64, 6400);
    rest();
    cr_assert_eq(weft__sum_count(&sum.steps), 64);
    cr_assert_eq(weft__sum_within(&sum.steps, 104), 64);
    cr_assert_eq(weft__sum_within(&sum.steps, 95), 0);
    cr_assert_eq(sum.steps.max, 100);
    weft_test_loop_end();
}

Test(load, a_slow_step_among_quick_ones_is_counted_by_itself)
{
    begin();
    look(8, 800);
    look(64, WEFT_MS(50) + 6300);
    rest();
    cr_assert_eq(weft__sum_count(&sum.steps), 72);
    cr_assert_eq(weft__sum_within(&sum.steps, 104), 71);
    cr_assert_eq(sum.steps.max, WEFT_MS(50));
    weft_test_loop_end();
}

Test(load, a_step_that_is_alone_is_counted_exactly)
{
    begin();
    look(1, WEFT_S(3) + 7);
    rest();
    cr_assert_eq(weft__sum_count(&sum.steps), 1);
    cr_assert_eq(sum.steps.max, WEFT_S(3) + 7);
    weft_test_loop_end();
}

Test(load, steps_that_are_all_slow_are_counted_by_their_mean)
{
    begin();
    look(1, WEFT_US(900));
    look(4, WEFT_US(3600));
    rest();
    cr_assert_eq(weft__sum_count(&sum.steps), 5);
    cr_assert_eq(sum.steps.max, WEFT_US(900));
    weft_test_loop_end();
}

static void glance(uint64_t items, weft_ns took)
{
    clock_now += took;
    test_loop->look_at += items;
    weft__load_glance(test_loop, clock_now);
}

Test(load, a_batch_that_is_shorter_than_a_microsecond_goes_on)
{
    begin();
    glance(1, 900);
    glance(7, 60);
    read_load();
    cr_assert_eq(weft__sum_count(&sum.steps), 0);
    glance(56, 560);
    rest();
    cr_assert_eq(weft__sum_count(&sum.steps), 64);
    cr_assert_eq(sum.steps.max, (900 + 60 + 560) / 64);
    weft_test_loop_end();
}

Test(load, a_slow_step_behind_a_short_batch_is_not_lost_in_it)
{
    begin();
    glance(32, 320);
    glance(1, WEFT_MS(3));
    rest();
    cr_assert_eq(weft__sum_count(&sum.steps), 33);
    cr_assert_geq(sum.steps.max, WEFT_MS(3));
    weft_test_loop_end();
}

Test(load, a_poll_that_is_passed_ends_a_turn_and_begins_one)
{
    begin();
    test_loop->look_at += 256;
    clock_now += 1024;
    weft__load_pass(test_loop, clock_now);
    look(1, 300);
    rest();
    cr_assert_eq(weft__sum_count(&sum.steps), 257);
    cr_assert_eq(weft__sum_within(&sum.steps, 4), 256);
    cr_assert_eq(weft__sum_count(&sum.lag), 2);
    cr_assert_eq(sum.lag.max, 1024);
    cr_assert_eq(sum.busy, 1324);
    weft_test_loop_end();
}

Test(load, a_turn_is_counted_with_its_length)
{
    begin();
    look(1, 300);
    look(1, 400);
    rest();
    cr_assert_eq(weft__sum_count(&sum.lag), 1);
    cr_assert_eq(sum.lag.max, 700);
    cr_assert_eq(sum.busy, 700);
    weft_test_loop_end();
}

Test(load, a_turn_in_which_nothing_was_run_is_none)
{
    begin();
    look(0, 300);
    rest();
    cr_assert_eq(weft__sum_count(&sum.lag), 0);
    cr_assert_eq(weft__sum_count(&sum.steps), 0);
    weft_test_loop_end();
}

Test(load, a_poll_that_does_not_sleep_begins_a_turn_within_the_same_work)
{
    begin();
    look(1, 300);
    weft__load_end(test_loop, false);
    clock_now += 50; /* the poll */
    weft__load_begin(test_loop, clock_now);
    look(1, 200);
    rest();
    cr_assert_eq(weft__sum_count(&sum.lag), 2);
    cr_assert_eq(sum.lag.max, 300);
    cr_assert_eq(sum.busy, 550);
    weft_test_loop_end();
}

Test(load, polls_in_vain_are_no_work)
{
    begin();
    look(1, 300);
    weft__load_end(test_loop, false);
    clock_now += 50;
    weft__load_begin(test_loop, clock_now);
    weft__load_end(test_loop, false); /* nothing came */
    clock_now += 5000;
    weft__load_begin(test_loop, clock_now);
    rest();
    cr_assert_eq(sum.busy, 350);
    cr_assert_eq(weft__sum_count(&sum.lag), 1);
    weft_test_loop_end();
}

Test(load, to_look_for_mail_is_no_work)
{
    begin();
    weft__load_spun(&test_loop->load, BEGIN, BEGIN + 20);
    weft__load_spun(&test_loop->load, BEGIN + 50, BEGIN + 2000);
    look(1, 2100);
    rest();
    cr_assert_eq(sum.busy, 2100 - 20 - 1950);
    cr_assert_eq(sum.steps.max, 2100 - 20 - 1950);
    weft_test_loop_end();
}

Test(load, a_spin_before_the_last_poll_counts_from_there_on_only)
{
    begin();
    weft__load_spun(&test_loop->load, BEGIN - 500, BEGIN + 20);
    look(1, 100);
    rest();
    cr_assert_eq(sum.busy, 80);
    weft_test_loop_end();
}

Test(load, what_is_told_of_busy_never_falls)
{
    begin();
    look(1, 300);
    read_load(); /* the turn lasts since the machine was started, nearly */
    weft_ns told = sum.busy;
    rest();
    cr_assert_gt(told, 300);
    cr_assert_eq(sum.busy, told);
    weft_test_loop_end();
}

/* ---- The loop itself ---- */

static weft_ns real_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return WEFT_S(now.tv_sec) + now.tv_nsec;
}

struct work {
    WEFT_FRAME;
    weft_ns duration;
};

/* Hold the loop up. */
static WEFT_ASYNC(work)
{
    WEFT_BEGIN;
    WEFT_YIELD;
    weft_ns until = real_now() + self->duration;
    while (real_now() < until)
        ;
    WEFT_END;
}

Test(load, a_step_that_holds_the_loop_up_is_lag_and_a_long_step)
{
    cr_assert_eq(weft_test_run(weft_spawn(work, .duration = WEFT_MS(3))), 0);
    read_load();
    cr_assert_geq(sum.lag.max, WEFT_MS(3));
    cr_assert_geq(sum.steps.max, WEFT_MS(2) + WEFT_US(900)); /* less what is usual for the others */
    cr_assert_geq(sum.busy, WEFT_MS(3));
    weft_test_loop_end();
}

Test(load, a_loop_that_sleeps_or_is_not_run_is_not_busy)
{
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(1))), 0);
    read_load();
    weft_ns busy = sum.busy;
    cr_assert_eq(sum.turn, 0);
    weft_ns until = real_now() + WEFT_MS(2);
    while (real_now() < until)
        ;
    read_load();
    cr_assert_eq(sum.busy, busy);
    weft_test_loop_end();
}

Test(load, counts_every_callback_and_every_step)
{
    struct weft_loop_stats stats;
    for (int i = 0; i < 1000; i++)
        weft_unref(weft_spawn(work));
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(1))), 0);
    weft_loop_get_stats(test_loop, &stats);
    read_load();
    cr_assert_eq(sum.callbacks, stats.callbacks);
    cr_assert_eq(weft__sum_count(&sum.steps), stats.callbacks);
    cr_assert_eq(sum.ticks, stats.ticks);
    weft_test_loop_end();
}

Test(load, reports_are_counted)
{
    weft_unref(weft_future_failed(-EIO, "nobody looks"));
    cr_assert_eq(weft_test_run(weft_sleep(1)), 0);
    read_load();
    cr_assert_eq(sum.reports, test_reports.count);
    cr_assert_eq(sum.reports, 1);
    weft_test_loop_end();
}

/* ---- From another thread ---- */

struct stuck {
    WEFT_FRAME;
    struct gate *gate;
};

static WEFT_ASYNC(stuck)
{
    WEFT_BEGIN;
    gate_pass(self->gate);
    WEFT_END;
}

struct outside {
    struct gate gate;
    weft_loop *loop;
    weft_ns busy[2], turn;
    uint64_t tasks;
};

static void *look_at_it(void *arg)
{
    struct outside *outside = arg;
    struct weft__load_sum seen;
    gate_wait_entered(&outside->gate);
    weft__load_read(outside->loop, &seen);
    outside->busy[0] = seen.busy;
    outside->tasks = seen.tasks;
    do
        weft__load_read(outside->loop, &seen);
    while (seen.turn < WEFT_MS(1));
    outside->turn = seen.turn;
    outside->busy[1] = seen.busy;
    gate_open(&outside->gate);
    return NULL;
}

Test(load, that_of_a_loop_that_is_stuck_is_seen_from_outside)
{
    struct outside outside = {.loop = test_loop};
    pthread_t thread;
    gate_init(&outside.gate);
    cr_assert_eq(pthread_create(&thread, NULL, look_at_it, &outside), 0);
    cr_assert_eq(weft_test_run(weft_spawn(stuck, .gate = &outside.gate)), 0);
    pthread_join(thread, NULL);
    cr_assert_eq(outside.tasks, 1);
    cr_assert_geq(outside.turn, WEFT_MS(1));
    cr_assert_gt(outside.busy[1], outside.busy[0]);
    read_load();
    cr_assert_geq(sum.busy, outside.busy[1]);
    weft_test_loop_end();
}

Test(load, each_bucket_that_has_something_is_told)
{
    struct weft__text text = {0};
    begin();
    look(64, 6400);
    rest();
    weft__json_open(&text, NULL, '{');
    weft__load_write(test_loop, &text);
    weft__json_close(&text, '}');
    cr_assert(strstr(text.data, "\"lag\":{\"count\":1,"));
    cr_assert(strstr(text.data, "\"max_ns\":6400,\"buckets\":[[6655,1]]}"), "%s", text.data);
    cr_assert(strstr(text.data, "\"max_ns\":100,\"buckets\":[[103,64]]}"), "%s", text.data);
    weft__text_fini(&text);
    weft_test_loop_end();
}

Test(load, is_told_in_json)
{
    struct weft__text text = {0};
    cr_assert_eq(weft_test_run(weft_spawn(work)), 0);
    weft__json_open(&text, NULL, '{');
    weft__load_write(test_loop, &text);
    weft__json_close(&text, '}');
    cr_assert_eq(text.status, 0);
    static const char *const members[] = {"at_ns",     "busy_ns", "turn_ns", "cpu_ns",
                                          "queued_ns", "polls",   "lag",     "steps"};
    for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
        cr_assert(strstr(text.data, members[i]), "no %s in %s", members[i], text.data);
    weft__text_fini(&text);
    weft_test_loop_end();
}
