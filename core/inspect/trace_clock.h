/* SPDX-License-Identifier: MIT */
/*
 * The clock of traces. To ask the kernel's takes longer than all the rest of a record; it is made of the CPU's
 * counter (TSC), so that is read instead, where the kernel itself trusts it: it never stops, and is the same on
 * each CPU. What was read is made nanoseconds when a trace is copied, by two moments at which both clocks were
 * read, at the trace's beginning and then: nothing has to be measured beforehand. Elsewhere it is
 * clock_gettime().
 *
 * The counter may be read before what stands in front of it has been done. Who records what another thread has
 * caused waits for its loads, so that no effect is seen before its cause.
 */
#ifndef WEFT_CORE_INSPECT_TRACE_CLOCK_H
#define WEFT_CORE_INSPECT_TRACE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <weft/time.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

/** Is it the CPU's counter? [const] after weft__trace_clock_begin() */
extern bool weft__trace_by_counter;

static inline weft_ns weft__trace_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return WEFT_S(now.tv_sec) + now.tv_nsec;
}

/** `behind`: behind all loads so far. */
static inline uint64_t weft__trace_ticks(bool behind)
{
#if defined(__x86_64__)
    if (weft__trace_by_counter) {
        if (behind)
            _mm_lfence();
        return __rdtsc();
    }
#endif
    (void)behind;
    return (uint64_t)weft__trace_now();
}

/** The same moment on both. */
struct weft__trace_clocks {
    uint64_t ticks;
    weft_ns time;
};

/** See which clock it is, and read both. */
struct weft__trace_clocks weft__trace_clock_begin(void);
struct weft__trace_clocks weft__trace_clock_read(void);

/** The time of these ticks, by two moments. */
static inline uint64_t weft__trace_time(uint64_t ticks, const struct weft__trace_clocks *from,
                                        const struct weft__trace_clocks *to)
{
    if (!weft__trace_by_counter || to->ticks == from->ticks)
        return ticks;
    double pace = (double)(to->time - from->time) / (double)(to->ticks - from->ticks);
    return (uint64_t)(from->time + (weft_ns)((double)(int64_t)(ticks - from->ticks) * pace));
}

#endif
