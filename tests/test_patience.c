/* SPDX-License-Identifier: MIT */
/* When something has taken too long, and whose fault it was: with looks that are made up. */
#include "core/inspect/patience.h"

#include <criterion/criterion.h>

#define LIMIT WEFT_MS(100)
#define PERIOD WEFT_MS(25)

static struct weft__patience patience;
static struct weft__sight sight;

/* A thread that has run for a minute. */
static void begin(void)
{
    sight = (struct weft__sight){
        .now = WEFT_S(1000), .period = PERIOD, .ran = WEFT_S(60), .waited = WEFT_S(2), .slices = 5};
    weft__patience_begin(&patience, LIMIT, 0, &sight);
}

/* Some looks later, at which nothing but the time has changed. */
static int reports_in(int looks)
{
    int reports = 0;
    for (int i = 0; i < looks; i++) {
        sight.now += PERIOD;
        reports += weft__patience_is_over(&patience, &sight);
    }
    return reports;
}

TestSuite(patience, .init = begin, .timeout = 10);

Test(patience, what_waits_is_reported_at_the_limit_and_each_time_it_has_doubled)
{
    cr_assert_eq(reports_in(3), 0);
    cr_assert_eq(reports_in(1), 1);
    cr_assert_eq(reports_in(3), 0);
    cr_assert_eq(reports_in(1), 1);
    cr_assert_eq(reports_in(7), 0);
    cr_assert_eq(reports_in(1), 1);
    struct weft__spell spell = weft__patience_spell(&patience);
    cr_assert_eq(spell.lasts, 16 * PERIOD);
    cr_assert_eq(spell.waiting, 16 * PERIOD);
    cr_assert_eq(spell.on_cpu + spell.runnable, 0);
}

Test(patience, what_computes_is_reported_with_the_time_on_a_cpu)
{
    int reports = 0;
    for (int i = 0; i < 4; i++) {
        sight.now += PERIOD;
        sight.ran += PERIOD - WEFT_MS(1);
        sight.wants_to_run = true;
        reports += weft__patience_is_over(&patience, &sight);
    }
    struct weft__spell spell = weft__patience_spell(&patience);
    cr_assert_eq(reports, 1);
    cr_assert_eq(spell.on_cpu, 4 * (PERIOD - WEFT_MS(1)));
    cr_assert_eq(spell.waiting, WEFT_MS(4));
}

Test(patience, waiting_for_a_cpu_is_no_fault_once_the_kernel_has_added_it_up)
{
    int reports = 0;
    for (int i = 0; i < 40; i++) {
        sight.now += PERIOD;
        sight.waited += PERIOD - WEFT_MS(1);
        sight.ran += WEFT_MS(1);
        sight.slices++;
        sight.wants_to_run = true;
        reports += weft__patience_is_over(&patience, &sight);
    }
    cr_assert_eq(reports, 0);
    cr_assert(weft__patience_is_excused(&patience));
    cr_assert_eq(weft__patience_spell(&patience).runnable, 40 * (PERIOD - WEFT_MS(1)));
}

Test(patience, waiting_for_a_cpu_is_no_fault_either_while_the_kernel_has_not)
{
    sight.wants_to_run = true;
    cr_assert_not(weft__patience_is_over(&patience, &sight));
    cr_assert_eq(reports_in(40), 0);
    cr_assert(weft__patience_is_excused(&patience));
    cr_assert_eq(weft__patience_spell(&patience).runnable, 40 * PERIOD);
    sight.now += PERIOD; /* and then it has: it is not counted twice */
    sight.waited += 41 * PERIOD - WEFT_MS(1);
    sight.slices++;
    cr_assert_not(weft__patience_is_over(&patience, &sight));
    cr_assert_eq(weft__patience_spell(&patience).runnable, 41 * PERIOD - WEFT_MS(1));
    sight.wants_to_run = false; /* what it asks for itself is charged from then on */
    cr_assert_eq(reports_in(4), 1);
}

/* The kernel adds up what a thread ran once in some milliseconds. */
Test(patience, a_thread_that_runs_is_not_taken_for_one_that_waits)
{
    int reports = 0;
    sight.wants_to_run = true;
    for (int i = 1; i <= 8; i++) {
        sight.now += PERIOD;
        sight.ran += i % 2 ? 0 : 2 * PERIOD;
        reports += weft__patience_is_over(&patience, &sight);
    }
    cr_assert_eq(reports, 2);
    cr_assert_eq(weft__patience_spell(&patience).runnable, 0);
    cr_assert_eq(weft__patience_spell(&patience).on_cpu, 8 * PERIOD);
}

Test(patience, without_numbers_of_the_kernel_all_time_is_charged)
{
    sight.waited = -1;
    sight.wants_to_run = true;
    weft__patience_begin(&patience, LIMIT, 0, &sight);
    cr_assert_eq(reports_in(4), 1);
    cr_assert_eq(weft__patience_spell(&patience).waiting, 4 * PERIOD);
}

Test(patience, a_look_that_comes_late_is_not_charged_and_not_told)
{
    cr_assert_eq(reports_in(3), 0);
    sight.now += WEFT_S(5) + PERIOD; /* the process was stopped */
    sight.late = WEFT_S(5);
    cr_assert_not(weft__patience_is_over(&patience, &sight));
    sight.late = 0;
    cr_assert_eq(weft__patience_spell(&patience).lasts, 4 * PERIOD);
    cr_assert(weft__patience_is_excused(&patience));
    cr_assert_eq(reports_in(1), 1);
    cr_assert_eq(weft__patience_spell(&patience).lasts, 5 * PERIOD);
}

Test(patience, looks_that_are_always_late_report_what_hangs)
{
    int reports = 0;
    sight.late = 2 * PERIOD;
    for (int i = 0; i < 5; i++) {
        sight.now += 3 * PERIOD;
        reports += weft__patience_is_over(&patience, &sight);
    }
    cr_assert_eq(reports, 1);
}

Test(patience, who_was_busy_elsewhere_charges_two_periods_and_tells_all_of_the_time)
{
    sight.now += WEFT_S(1);
    cr_assert_not(weft__patience_is_over(&patience, &sight));
    cr_assert_eq(weft__patience_spell(&patience).lasts, WEFT_S(1));
    cr_assert_eq(reports_in(1), 0);
    cr_assert_eq(reports_in(1), 1);
}

Test(patience, what_was_told_as_long_is_not_told_again_until_that_has_doubled)
{
    for (int i = 0; i < 2; i++) {
        sight.now += 8 * PERIOD;
        cr_assert_eq(weft__patience_is_over(&patience, &sight), i == 1);
    }
    cr_assert_eq(weft__patience_spell(&patience).lasts, 16 * PERIOD);
    cr_assert_eq(reports_in(15), 0);
    cr_assert_eq(reports_in(1), 1);
}

Test(patience, what_has_run_already_is_charged_with_no_more_than_two_periods)
{
    weft__patience_begin(&patience, LIMIT, WEFT_S(60), &sight);
    cr_assert_eq(reports_in(1), 0);
    cr_assert_eq(reports_in(1), 1);
    cr_assert_eq(weft__patience_spell(&patience).lasts, WEFT_S(60) + 2 * PERIOD);
    cr_assert_eq(weft__patience_spell(&patience).waiting, 2 * PERIOD);
}

Test(patience, what_ends_before_the_limit_needs_no_excuse)
{
    cr_assert_eq(reports_in(3), 0);
    cr_assert_not(weft__patience_is_excused(&patience));
}

static int taken(struct weft__allowance *allowance, weft_ns now, int tries)
{
    int count = 0;
    for (int i = 0; i < tries; i++)
        count += weft__allowance_take(allowance, now);
    return count;
}

Test(patience, eight_reports_are_allowed_at_once_and_then_one_in_five_seconds)
{
    struct weft__allowance allowance = {0};
    cr_assert_eq(taken(&allowance, WEFT_S(1000), 20), 8);
    cr_assert_eq(taken(&allowance, WEFT_S(1004), 20), 0);
    cr_assert_eq(taken(&allowance, WEFT_S(1005), 20), 1);
    cr_assert_eq(taken(&allowance, WEFT_S(1016), 20), 2);
    cr_assert_eq(taken(&allowance, WEFT_S(5000), 20), 8);
    struct weft__allowance early = {0};
    cr_assert_eq(taken(&early, WEFT_S(1), 20), 8, "just after the machine was started");
}
