/* SPDX-License-Identifier: MIT */
/* Histograms by themselves: what a percentile tells, and what it may be wrong by. */
#include "core/histogram.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

TestSuite(histogram, .timeout = 60);

static struct weft__histogram histogram;
static weft_ns told[WEFT__PERCENTILES];

static uint64_t read_it(void)
{
    return weft__histogram_read(&histogram, told);
}

static void record_times(weft_ns duration, int times)
{
    for (int i = 0; i < times; i++)
        weft__histogram_record(&histogram, duration);
}

/* ---- What is told ---- */

Test(histogram, that_counted_nothing_tells_zeros)
{
    for (int i = 0; i < WEFT__PERCENTILES; i++)
        told[i] = 7;
    cr_assert_eq(read_it(), 0);
    for (int i = 0; i < WEFT__PERCENTILES; i++)
        cr_assert_eq(told[i], 0);
}

Test(histogram, one_duration_is_told_exactly)
{
    weft__histogram_record(&histogram, WEFT_MS(1234));
    cr_assert_eq(read_it(), 1);
    for (int i = 0; i < WEFT__PERCENTILES; i++)
        cr_assert_eq(told[i], WEFT_MS(1234));
}

Test(histogram, a_percentile_is_the_smallest_that_so_many_do_not_exceed)
{
    for (weft_ns i = 1; i <= 10; i++)
        weft__histogram_record(&histogram, i);
    cr_assert_eq(read_it(), 10);
    cr_assert_eq(told[WEFT__P50], 5);
    cr_assert_eq(told[WEFT__P90], 9);
    cr_assert_eq(told[WEFT__P99], 10);
}

Test(histogram, the_99th_of_a_hundred_leaves_one_above)
{
    record_times(3, 99);
    record_times(20, 1);
    read_it();
    cr_assert_eq(told[WEFT__P99], 3);
    record_times(20, 1);
    read_it();
    cr_assert_eq(told[WEFT__P99], 20);
}

/* ---- How exact it is ---- */

Test(histogram, durations_below_32_ns_are_exact)
{
    for (weft_ns ns = 0; ns < 32; ns++) {
        histogram = (struct weft__histogram){0};
        record_times(ns, 100);
        record_times(WEFT_S(1), 1);
        read_it();
        cr_assert_eq(told[WEFT__P99], ns);
    }
}

/* Buckets follow each other without a gap: the end of each is less than its width from its first
 * duration, and the next one begins behind it. */
Test(histogram, no_bucket_is_wider_than_a_16th_of_its_first_duration)
{
    weft_ns first = 0;
    for (unsigned bucket = 0; bucket < WEFT__LAST_BUCKET; bucket++) {
        histogram = (struct weft__histogram){0};
        record_times(first, 99);
        record_times(WEFT_FOREVER, 1);
        read_it();
        cr_assert_eq(weft__bucket_of(first), bucket);
        cr_assert_eq(weft__bucket_of(told[WEFT__P50]), bucket);
        cr_assert_leq((told[WEFT__P50] - first + 1) * 16, first > 16 ? first : 16);
        first = told[WEFT__P50] + 1;
    }
    cr_assert_eq(first, (weft_ns)1 << WEFT__RANGE_BITS);
    cr_assert_eq(weft__bucket_of(first), WEFT__LAST_BUCKET);
}

static int compare(const void *a, const void *b)
{
    weft_ns x = *(const weft_ns *)a, y = *(const weft_ns *)b;
    return (x > y) - (x < y);
}

static uint64_t random_state;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    return random_state ^= random_state << 17;
}

/* Anything up to hours, short ones as often as long ones. */
static weft_ns random_duration(void)
{
    uint64_t ns = next_random() >> 20;
    return (weft_ns)(ns >> next_random() % 44);
}

static weft_ns exact(const weft_ns *sorted, size_t count, size_t percent)
{
    return sorted[(count * percent + 99) / 100 - 1];
}

Test(histogram, a_percentile_is_never_too_small_and_less_than_a_16th_too_large)
{
    static const size_t percents[] = {50, 90, 99};
    static weft_ns durations[5000];
    random_state = 88172645463325252;
    for (size_t round = 0; round < 300; round++) {
        size_t count = 1 + next_random() % 5000;
        histogram = (struct weft__histogram){0};
        for (size_t i = 0; i < count; i++)
            weft__histogram_record(&histogram, durations[i] = random_duration());
        qsort(durations, count, sizeof(*durations), compare);
        cr_assert_eq(read_it(), count);
        for (int i = WEFT__P50; i < WEFT__MAX; i++) {
            weft_ns wanted = exact(durations, count, percents[i]);
            cr_assert_geq(told[i], wanted);
            cr_assert_leq((told[i] - wanted) * 16, wanted);
        }
        cr_assert_eq(told[WEFT__MAX], durations[count - 1]);
    }
}

/* ---- Extremes ---- */

Test(histogram, a_negative_duration_is_none)
{
    weft__histogram_record(&histogram, -1);
    weft__histogram_record(&histogram, INT64_MIN);
    cr_assert_eq(read_it(), 2);
    cr_assert_eq(told[WEFT__P99], 0);
    cr_assert_eq(told[WEFT__MAX], 0);
}

Test(histogram, what_takes_longer_than_its_range_is_told_as_the_maximum)
{
    record_times((weft_ns)1 << WEFT__RANGE_BITS, 50);
    record_times(WEFT_FOREVER, 1);
    cr_assert_eq(read_it(), 51);
    cr_assert_eq(told[WEFT__P50], WEFT_FOREVER);
    cr_assert_eq(told[WEFT__MAX], WEFT_FOREVER);
}

Test(histogram, counts_of_more_than_64_bits_times_a_hundred_do_not_overflow)
{
    enum { RARE = 20, COMMON = 10 };
    histogram.counts[COMMON] = UINT64_MAX / 100 * 98;
    histogram.counts[RARE] = UINT64_MAX / 100 * 2;
    histogram.max = RARE;
    cr_assert_eq(read_it(), UINT64_MAX / 100 * 100);
    cr_assert_eq(told[WEFT__P50], COMMON);
    cr_assert_eq(told[WEFT__P90], COMMON);
    cr_assert_eq(told[WEFT__P99], RARE);
}

Test(histogram, a_pair_for_each_lane_is_small)
{
    cr_assert_leq(2 * sizeof(struct weft__histogram), 11 * 1024);
}

/* ---- Threads ---- */

enum { WRITERS = 4, EACH = 50000 };

static void *record_many(void *arg)
{
    weft_ns *first = arg;
    for (weft_ns i = 0; i < EACH; i++)
        weft__histogram_record(&histogram, *first + i * WRITERS);
    return NULL;
}

static void assert_in_order(void)
{
    cr_assert_leq(told[WEFT__P50], told[WEFT__P90]);
    cr_assert_leq(told[WEFT__P90], told[WEFT__P99]);
    cr_assert_leq(told[WEFT__P99], told[WEFT__MAX]);
}

Test(histogram, loses_nothing_that_several_threads_record_while_it_is_read)
{
    pthread_t threads[WRITERS];
    weft_ns first[WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        first[i] = 1 + i;
        cr_assert_eq(pthread_create(&threads[i], NULL, record_many, &first[i]), 0);
    }
    uint64_t count = 0;
    while (count < WRITERS * EACH) {
        uint64_t now = read_it();
        cr_assert_geq(now, count);
        assert_in_order();
        count = now;
    }
    for (int i = 0; i < WRITERS; i++)
        cr_assert_eq(pthread_join(threads[i], NULL), 0);
    cr_assert_eq(read_it(), WRITERS * EACH);
    cr_assert_eq(told[WEFT__MAX], WRITERS * EACH);
}

static void *record_growing(void *arg)
{
    (void)arg;
    for (weft_ns i = 1; i <= WRITERS * EACH; i++)
        weft__histogram_record(&histogram, i);
    return NULL;
}

/* The n-th duration is n: who has counted n of them must see a maximum of n at least. */
Test(histogram, the_maximum_is_no_less_than_what_was_counted_before_it)
{
    pthread_t thread;
    cr_assert_eq(pthread_create(&thread, NULL, record_growing, NULL), 0);
    uint64_t count = 0;
    while (count < WRITERS * EACH) {
        count = read_it();
        cr_assert_geq((uint64_t)told[WEFT__MAX], count);
        assert_in_order();
    }
    cr_assert_eq(pthread_join(thread, NULL), 0);
}

static uint64_t count_in(const struct weft__histogram *one)
{
    weft_ns percentiles[WEFT__PERCENTILES];
    return weft__histogram_read(one, percentiles);
}

Test(histogram, what_is_moved_is_counted_there_and_no_more_here)
{
    static const weft_ns durations[] = {-5, 0, 31, 32, 1000, WEFT_S(1), WEFT_S(30000)};
    enum { COUNT = sizeof(durations) / sizeof(*durations) };
    static struct weft__histogram from, to;
    for (int first = 0; first < COUNT; first++) {
        uint64_t before = count_in(&to);
        for (int i = 0; i <= first; i++)
            weft__histogram_note(&from, durations[first - i]);
        weft__histogram_move(&from, &to);
        cr_assert_eq(count_in(&from), 0);
        cr_assert_eq(count_in(&to), before + (uint64_t)first + 1);
        cr_assert_eq(atomic_load(&to.max), durations[first] > 0 ? durations[first] : 0);
    }
    weft__histogram_note(&from, WEFT_S(1));
    weft__histogram_move(&from, NULL);
    cr_assert_eq(count_in(&from), 0);
    cr_assert_eq(atomic_load(&from.max), 0);
}

/* ---- Sums ---- */

Test(histogram, that_is_written_by_one_counts_many_at_once)
{
    weft__histogram_note_many(&histogram, WEFT_US(7), 1000);
    weft__histogram_note(&histogram, WEFT_US(9));
    cr_assert_eq(read_it(), 1001);
    cr_assert_eq(told[WEFT__MAX], WEFT_US(9));
}

static struct weft__sum sum_of_it(void)
{
    struct weft__sum sum = {.max = 0};
    weft__histogram_add(&histogram, &sum);
    return sum;
}

Test(histogram, a_sum_tells_how_many_took_at_most_so_long)
{
    record_times(WEFT_US(3), 5);
    record_times(WEFT_MS(3), 7);
    record_times(WEFT_S(100000), 1);
    struct weft__sum sum = sum_of_it();
    cr_assert_eq(weft__sum_count(&sum), 13);
    cr_assert_eq(weft__sum_within(&sum, WEFT_US(2)), 0);
    cr_assert_eq(weft__sum_within(&sum, WEFT_US(4)), 5);
    cr_assert_eq(weft__sum_within(&sum, WEFT_MS(4)), 12);
    cr_assert_eq(weft__sum_within(&sum, WEFT_FOREVER), 13);
}

Test(histogram, the_total_of_a_sum_is_right_to_within_a_32nd)
{
    weft_ns total = 0;
    for (weft_ns each = 1; each < WEFT_S(1000); each = each * 5 / 4 + 1, total += each)
        weft__histogram_record(&histogram, each * 5 / 4 + 1);
    struct weft__sum sum = sum_of_it();
    weft_ns told_total = weft__sum_total(&sum);
    cr_assert_leq(llabs(told_total - total), total / 32);
}

Test(histogram, sums_add_up)
{
    record_times(WEFT_US(3), 5);
    struct weft__sum sum = sum_of_it(), twice = sum_of_it();
    weft__sum_add(&twice, &sum);
    cr_assert_eq(weft__sum_count(&twice), 10);
    cr_assert_eq(weft__sum_total(&twice), 2 * weft__sum_total(&sum));
    cr_assert_eq(twice.max, WEFT_US(3));
}
