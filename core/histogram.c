/* SPDX-License-Identifier: MIT */
/*
 * Histogram: durations of a nanosecond to hours, counted in buckets whose width grows with the
 * duration: below 32 ns each has its own, and from there on every power of two has 16 of the same
 * width. A bucket is never wider than 1/16 of the shortest duration in it.
 *
 * A percentile is the longest duration that its bucket stands for, but never more than the longest
 * that came. So what is told is at least the true one (the smallest duration that at least p percent
 * do not exceed), and less than 1/16, 6.25 %, above it. The maximum is exact. What takes longer than
 * 2^44 ns, 4.9 hours, shares one bucket: a percentile that falls there is the maximum.
 *
 * Order: who records writes `max` first and then its bucket (release); who reads takes the buckets
 * (acquire) and then `max`. So the maximum that a reader sees is no less than any duration it has
 * counted, and cutting a percentile off there never makes it too small. He reads into a sum first,
 * of one histogram or of several (pool/tally.c), and tells from that. (`max` is released and acquired as
 * well: there he must find out that it was moved, though it may be all that he has read of the move.)
 *
 * 658 words, 5.2 KB. Counts of 32 bits would do with half of that, and run over within two hours at a
 * million jobs a second.
 */
#include "core/histogram.h"

void weft__histogram_record(struct weft__histogram *histogram, weft_ns duration)
{
    weft_ns max = atomic_load_explicit(&histogram->max, memory_order_relaxed);
    while (duration > max &&
           !atomic_compare_exchange_weak_explicit(&histogram->max, &max, duration,
                                                  memory_order_relaxed, memory_order_relaxed))
        ;
    atomic_fetch_add_explicit(&histogram->counts[weft__bucket_of(duration)], 1,
                              memory_order_release);
}

weft_ns weft__bucket_end(unsigned bucket)
{
    enum { PER_POWER = 1 << WEFT__SUB_BITS };
    if (bucket == WEFT__LAST_BUCKET)
        return WEFT_FOREVER;
    unsigned shift = bucket < PER_POWER ? 0 : (bucket >> WEFT__SUB_BITS) - 1;
    uint64_t first = bucket - ((uint64_t)shift << WEFT__SUB_BITS);
    return (weft_ns)(((first + 1) << shift) - 1);
}

/* The smallest rank, counted from 1, such that `percent` of `count` have no higher one. */
static uint64_t rank_of(uint64_t count, unsigned percent)
{
    unsigned above = 100 - percent;
    return count - (count / 100 * above + count % 100 * above / 100);
}

void weft__histogram_add(const struct weft__histogram *histogram, struct weft__sum *sum)
{
    for (unsigned i = 0; i < WEFT__BUCKETS; i++)
        sum->counts[i] += atomic_load_explicit(&histogram->counts[i], memory_order_acquire);
    weft_ns max = atomic_load_explicit(&histogram->max, memory_order_acquire);
    if (max > sum->max)
        sum->max = max;
}

void weft__histogram_move(struct weft__histogram *from, struct weft__histogram *to)
{
    weft_ns max = atomic_load_explicit(&from->max, memory_order_relaxed);
    unsigned last = weft__bucket_of(max); /* nothing was longer */
    if (to && max > atomic_load_explicit(&to->max, memory_order_relaxed))
        atomic_store_explicit(&to->max, max, memory_order_release);
    atomic_store_explicit(&from->max, 0, memory_order_release);
    for (unsigned i = 0; i <= last; i++) {
        uint64_t count = atomic_load_explicit(&from->counts[i], memory_order_relaxed);
        if (count == 0)
            continue;
        if (to)
            atomic_fetch_add_explicit(&to->counts[i], count, memory_order_release);
        atomic_store_explicit(&from->counts[i], 0, memory_order_release);
    }
}

uint64_t weft__sum_count(const struct weft__sum *sum)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < WEFT__BUCKETS; i++)
        count += sum->counts[i];
    return count;
}

uint64_t weft__sum_within(const struct weft__sum *sum, weft_ns most)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < WEFT__BUCKETS && weft__bucket_end(i) <= most; i++)
        count += sum->counts[i];
    return count;
}

/* Each bucket by its middle. */
weft_ns weft__sum_total(const struct weft__sum *sum)
{
    weft_ns total = 0, began = 0;
    for (unsigned i = 0; i < WEFT__LAST_BUCKET; began = weft__bucket_end(i) + 1, i++)
        total += (weft_ns)sum->counts[i] * (began + (weft__bucket_end(i) - began) / 2);
    return total + (weft_ns)sum->counts[WEFT__LAST_BUCKET] * began;
}

void weft__sum_add(struct weft__sum *sum, const struct weft__sum *from)
{
    for (unsigned i = 0; i < WEFT__BUCKETS; i++)
        sum->counts[i] += from->counts[i];
    if (from->max > sum->max)
        sum->max = from->max;
}

uint64_t weft__sum_tell(const struct weft__sum *sum, weft_ns ret_percentiles[WEFT__PERCENTILES])
{
    static const unsigned percents[] = {50, 90, 99};
    uint64_t count = weft__sum_count(sum), passed = 0;
    for (unsigned i = 0, next = 0; i < WEFT__BUCKETS && next < WEFT__MAX; i++) {
        passed += sum->counts[i];
        while (next < WEFT__MAX && passed >= rank_of(count, percents[next]))
            ret_percentiles[next++] = weft__bucket_end(i);
    }
    weft_ns max = count ? sum->max : 0;
    ret_percentiles[WEFT__MAX] = max;
    for (unsigned i = 0; i < WEFT__MAX; i++)
        if (ret_percentiles[i] > max)
            ret_percentiles[i] = max;
    return count;
}

uint64_t weft__histogram_read(const struct weft__histogram *histogram,
                              weft_ns ret_percentiles[WEFT__PERCENTILES])
{
    struct weft__sum sum = {.max = 0};
    weft__histogram_add(histogram, &sum);
    return weft__sum_tell(&sum, ret_percentiles);
}
