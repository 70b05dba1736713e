/* SPDX-License-Identifier: MIT */
/*
 * A ring of records: one thread writes and overwrites the oldest, any other may copy it meanwhile.
 *
 * The writer stores the four words of a record, and then `head`, the number of records so far; each store
 * is a release. A reader loads `head`, the words, and `head` again; each load is an acquire. Be record i of
 * `size` slots one that was copied, h1 and h2 the two values of `head`:
 *
 *   - It was there: i < h1, and the load of h1 acquires the store behind the words of i. So a load of a word
 *     sees that of i, or of a record that was written to this slot later.
 *   - If it sees a later one, of record j = i + n × size, it acquires that store, and with it what its writer
 *     did before: the store of j into `head`. So h2 >= j >= i + size. Who drops each i with i + size <= h2
 *     keeps none of which a word is another record's.
 *
 * Both orders are plain moves on x86; where they are not, a fence between the words and the second load of
 * `head` would be cheaper, but ThreadSanitizer does not see fences.
 */
#ifndef WEFT_CORE_INSPECT_TRACE_RING_H
#define WEFT_CORE_INSPECT_TRACE_RING_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/** Four words; what they mean is core/inspect/trace.h's to say. */
struct weft__trace_record {
    uint64_t time; /* of core/inspect/trace_clock.h; in a copy of CLOCK_MONOTONIC, in ns */
    uint64_t what; /* see weft__trace_what() */
    uint64_t id;
    uint64_t name;
};

struct weft__trace_ring {
    _Atomic uint64_t head; /* [atomic] see above; written by the writer only, as `words` */
    uint64_t size;         /* [const] a power of two */
    _Atomic uint64_t words[][4];
};

/** An empty one; NULL: out of memory. `size` is a power of two. It is freed by weft__free(). */
struct weft__trace_ring *weft__trace_ring_new(uint64_t size);

/** Thread: the writer. */
static inline void weft__trace_ring_put(struct weft__trace_ring *ring,
                                        struct weft__trace_record record)
{
    uint64_t at = atomic_load_explicit(&ring->head, memory_order_relaxed); /* our own */
    _Atomic uint64_t *words = ring->words[at & (ring->size - 1)];
    atomic_store_explicit(&words[0], record.time, memory_order_release);
    atomic_store_explicit(&words[1], record.what, memory_order_release);
    atomic_store_explicit(&words[2], record.id, memory_order_release);
    atomic_store_explicit(&words[3], record.name, memory_order_release);
    atomic_store_explicit(&ring->head, at + 1, memory_order_release);
}

/**
 * Copy what is in it, oldest first, to `to`, which has room for `size` records; returns how many. *ret_lost:
 * how many were written before these, and are no more. Thread: any.
 */
size_t weft__trace_ring_copy(const struct weft__trace_ring *ring, struct weft__trace_record *to,
                             uint64_t *ret_lost);

#endif
