/* SPDX-License-Identifier: MIT */
/* A ring of records. See core/inspect/trace_ring.h. */
#include "core/inspect/trace_ring.h"

#include <string.h>

#include "core/memory.h"

struct weft__trace_ring *weft__trace_ring_new(uint64_t size)
{
    struct weft__trace_ring *ring;
    if (size > (SIZE_MAX - sizeof(*ring)) / sizeof(ring->words[0]))
        return NULL;
    ring = weft__malloc(sizeof(*ring) + size * sizeof(ring->words[0]));
    if (!ring)
        return NULL;
    atomic_init(&ring->head, 0);
    ring->size = size;
    return ring;
}

static struct weft__trace_record read_record(const struct weft__trace_ring *ring, uint64_t index)
{
    const _Atomic uint64_t *words = ring->words[index & (ring->size - 1)];
    return (struct weft__trace_record){
        .time = atomic_load_explicit(&words[0], memory_order_acquire),
        .what = atomic_load_explicit(&words[1], memory_order_acquire),
        .id = atomic_load_explicit(&words[2], memory_order_acquire),
        .name = atomic_load_explicit(&words[3], memory_order_acquire),
    };
}

size_t weft__trace_ring_copy(const struct weft__trace_ring *ring, struct weft__trace_record *to,
                             uint64_t *ret_lost)
{
    uint64_t end = atomic_load_explicit(&ring->head, memory_order_acquire); /* h1 */
    uint64_t first = end > ring->size ? end - ring->size : 0;
    for (uint64_t i = first; i < end; i++)
        to[i - first] = read_record(ring, i);
    uint64_t now = atomic_load_explicit(&ring->head, memory_order_acquire); /* h2 */
    uint64_t kept = now >= ring->size ? now - ring->size + 1 : 0; /* the first with i + size > h2 */
    if (kept < first)
        kept = first;
    if (kept > end)
        kept = end;
    memmove(to, to + (kept - first), (size_t)(end - kept) * sizeof(*to));
    *ret_lost = kept;
    return (size_t)(end - kept);
}
