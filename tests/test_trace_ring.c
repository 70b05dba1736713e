/* SPDX-License-Identifier: MIT */
/* The ring that a thread's trace is written to. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>

#include "core/inspect/trace_ring.h"
#include "core/memory.h"

TestSuite(trace_ring, .timeout = 60);

/* Its words tell of each other. */
static struct weft__trace_record record(uint64_t n)
{
    return (struct weft__trace_record){n, n * 3, ~n, n ^ 0x5555555555555555u};
}

static bool is_whole(const struct weft__trace_record *seen)
{
    struct weft__trace_record wanted = record(seen->time);
    return seen->what == wanted.what && seen->id == wanted.id && seen->name == wanted.name;
}

Test(trace_ring, what_was_written_is_read_in_its_order)
{
    struct weft__trace_ring *ring = weft__trace_ring_new(8);
    struct weft__trace_record to[8];
    uint64_t lost;
    cr_assert_eq(weft__trace_ring_copy(ring, to, &lost), 0);
    for (uint64_t i = 0; i < 5; i++)
        weft__trace_ring_put(ring, record(i));
    cr_assert_eq(weft__trace_ring_copy(ring, to, &lost), 5);
    cr_assert_eq(lost, 0);
    for (uint64_t i = 0; i < 5; i++)
        cr_assert(is_whole(&to[i]) && to[i].time == i);
    weft__free(ring);
}

/* The oldest slot is left out: the writer may be at it. */
Test(trace_ring, the_newest_are_kept_and_the_others_counted)
{
    struct weft__trace_ring *ring = weft__trace_ring_new(8);
    struct weft__trace_record to[8];
    uint64_t lost;
    for (uint64_t i = 0; i < 100; i++)
        weft__trace_ring_put(ring, record(i));
    cr_assert_eq(weft__trace_ring_copy(ring, to, &lost), 7);
    cr_assert_eq(lost, 93);
    for (uint64_t i = 0; i < 7; i++)
        cr_assert(is_whole(&to[i]) && to[i].time == 93 + i);
    weft__free(ring);
}

Test(trace_ring, a_size_that_cannot_be_had_is_refused)
{
    cr_assert_null(weft__trace_ring_new(UINT64_MAX / 2 + 1));
}

struct race {
    struct weft__trace_ring *ring;
    atomic_bool over;
};

static void *write_on(void *arg)
{
    struct race *race = arg;
    for (uint64_t n = 0; !atomic_load_explicit(&race->over, memory_order_relaxed); n++)
        weft__trace_ring_put(race->ring, record(n));
    return NULL;
}

/* Read a ring of this size while it is written. */
static void read_beside_the_writer(uint64_t size)
{
    enum { ROUNDS = 200000 };
    struct race race = {.ring = weft__trace_ring_new(size)};
    struct weft__trace_record to[16];
    uint64_t lost, kept = 0, last = 0;
    pthread_t writer;
    cr_assert_eq(pthread_create(&writer, NULL, write_on, &race), 0);
    for (int round = 0; round < ROUNDS || kept < 1000; round++) {
        size_t count = weft__trace_ring_copy(race.ring, to, &lost);
        kept += count;
        for (size_t i = 0; i < count; i++)
            cr_assert(is_whole(&to[i]) && to[i].time == lost + i, "round %d, record %zu", round, i);
        cr_assert_geq(lost, last);
        last = lost;
    }
    atomic_store_explicit(&race.over, true, memory_order_relaxed);
    pthread_join(writer, NULL);
    cr_assert_gt(last, size);
    weft__free(race.ring);
}

/* So small that the writer comes round while it is read. Of two slots one is left out always: a copy that keeps
 * it has records of which a part is another's. */
Test(trace_ring, what_is_read_beside_the_writer_is_whole_and_without_gaps)
{
    read_beside_the_writer(2);
    read_beside_the_writer(16);
}
