/* SPDX-License-Identifier: MIT */
/* Numbers that are written under a lock and read without: what statistics show. */
#ifndef WEFT_POOL_COUNT_H
#define WEFT_POOL_COUNT_H

#include <stdatomic.h>
#include <stdint.h>

/** [atomic] relaxed: each number is right for itself, no order among several is promised. */
typedef _Atomic uint64_t weft__count;

/** Thread: any. */
static inline uint64_t weft__count_get(const weft__count *count)
{
    return atomic_load_explicit(count, memory_order_relaxed);
}

/** The lock that guards it is held, here and below. */
static inline void weft__count_set(weft__count *count, uint64_t value)
{
    atomic_store_explicit(count, value, memory_order_relaxed);
}

/** One atomic step: of a number that no lock guards. Thread: any. */
static inline void weft__count_add(weft__count *count, uint64_t by)
{
    atomic_fetch_add_explicit(count, by, memory_order_relaxed);
}

static inline void weft__count_take(weft__count *count, uint64_t by)
{
    atomic_fetch_sub_explicit(count, by, memory_order_relaxed);
}

/** Not one atomic step. */
static inline void weft__count_up(weft__count *count)
{
    atomic_store_explicit(count, weft__count_get(count) + 1, memory_order_relaxed);
}

static inline void weft__count_down(weft__count *count)
{
    atomic_store_explicit(count, weft__count_get(count) - 1, memory_order_relaxed);
}

#endif
