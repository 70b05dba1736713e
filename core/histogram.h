/* SPDX-License-Identifier: MIT */
/*
 * A log-linear histogram of durations: how often each came, to within 1/16 of its length. See
 * core/histogram.c.
 */
#ifndef WEFT_CORE_HISTOGRAM_H
#define WEFT_CORE_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>
#include <weft/time.h>

enum {
    WEFT__SUB_BITS = 4,   /* each power of two has 2^4 buckets */
    WEFT__RANGE_BITS = 44 /* up to 2^44 ns, 4.9 hours, durations are told apart */
};
enum {
    WEFT__LAST_BUCKET = ((WEFT__RANGE_BITS - WEFT__SUB_BITS + 1) << WEFT__SUB_BITS),
    WEFT__BUCKETS = WEFT__LAST_BUCKET + 1 /* the last one for all that took longer */
};

/** All zero: empty. */
struct weft__histogram {
    _Atomic uint64_t counts[WEFT__BUCKETS]; /* [atomic] release, pairs with the reader's acquire */
    _Atomic weft_ns max;                    /* [atomic] the same */
};

/** What several have counted. */
struct weft__sum {
    uint64_t counts[WEFT__BUCKETS];
    weft_ns max;
};

/** What the percentiles of weft__histogram_read() are, in their order. */
enum { WEFT__P50, WEFT__P90, WEFT__P99, WEFT__MAX, WEFT__PERCENTILES };

/** In which bucket a duration is counted. A negative one is 0. */
static inline unsigned weft__bucket_of(weft_ns duration)
{
    enum { SMALLEST = 1 << WEFT__SUB_BITS };
    uint64_t ns = duration > 0 ? (uint64_t)duration : 0;
    if (ns >> WEFT__RANGE_BITS)
        return WEFT__LAST_BUCKET;
    unsigned shift = 63 - WEFT__SUB_BITS - (unsigned)__builtin_clzll(ns | SMALLEST);
    return (shift << WEFT__SUB_BITS) + (unsigned)(ns >> shift);
}

/** The longest duration that is counted in it; WEFT_FOREVER: there is no limit. */
weft_ns weft__bucket_end(unsigned bucket);

/** Count a duration. Thread: any. */
void weft__histogram_record(struct weft__histogram *histogram, weft_ns duration);

/** The same, so many times, by the only thread that writes to it: without a locked addition. */
static inline void weft__histogram_note_many(struct weft__histogram *histogram, weft_ns duration,
                                             uint64_t times)
{
    _Atomic uint64_t *count = &histogram->counts[weft__bucket_of(duration)];
    if (duration > atomic_load_explicit(&histogram->max, memory_order_relaxed))
        atomic_store_explicit(&histogram->max, duration, memory_order_release);
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + times,
                          memory_order_release);
}

static inline void weft__histogram_note(struct weft__histogram *histogram, weft_ns duration)
{
    weft__histogram_note_many(histogram, duration, 1);
}

/** What `from` has counted is counted in `to` (NULL: nowhere), and it is empty. Nobody else writes to
 * either. */
void weft__histogram_move(struct weft__histogram *from, struct weft__histogram *to);

/** Add what was counted. Thread: any. */
void weft__histogram_add(const struct weft__histogram *histogram, struct weft__sum *sum);

/** How many were counted. */
uint64_t weft__sum_count(const struct weft__sum *sum);

/** How many took at most `most`. Of those that took less, up to a 16th, some may be missing. */
uint64_t weft__sum_within(const struct weft__sum *sum, weft_ns most);

/** How long all of them took together, give or take a 32nd; what took longer than 4.9 hours counts as
 * that. */
weft_ns weft__sum_total(const struct weft__sum *sum);

/** What `from` has counted is added. */
void weft__sum_add(struct weft__sum *sum, const struct weft__sum *from);

/** As weft__histogram_read(). */
uint64_t weft__sum_tell(const struct weft__sum *sum, weft_ns ret_percentiles[WEFT__PERCENTILES]);

/** How many were counted, and their percentiles; all 0 if none was. Thread: any. */
uint64_t weft__histogram_read(const struct weft__histogram *histogram,
                              weft_ns ret_percentiles[WEFT__PERCENTILES]);

#endif
