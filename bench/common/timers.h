/* SPDX-License-Identifier: MIT */
/*
 * Driver of the timers: N with random times (1 s to 1 h) are inserted, then all are cancelled, in
 * another order. Then N that are due within a second are inserted, and the loop is held up until
 * all of them are due: what it takes to let them expire, in their order, is the third figure.
 *
 *     WORKLOAD PEER N
 */
#ifndef BENCH_COMMON_TIMERS_H
#define BENCH_COMMON_TIMERS_H

#include "bench.h"

static struct {
    const char *workload, *peer;
    long count, fired;
    uint32_t *ms;    /* of each timer */
    uint32_t *order; /* in which they are cancelled */
    uint32_t *soon;  /* of each timer that expires: 1 to 1000 ms */
    uint64_t start, inserted;
} timers;

static inline void timers_shuffle(uint64_t *random)
{
    for (long i = timers.count - 1; i > 0; i--) {
        uint64_t other = rng_next(random) % (uint64_t)(i + 1);
        uint32_t moved = timers.order[i];
        timers.order[i] = timers.order[other];
        timers.order[other] = moved;
    }
}

static inline void timers_args(int argc, char **argv)
{
    need_args(argc, argv, 3, "N");
    timers.workload = argv[1];
    timers.peer = argv[2];
    timers.count = atol(argv[3]);
    timers.ms = (uint32_t *)allocate((size_t)timers.count, sizeof(*timers.ms));
    timers.order = (uint32_t *)allocate((size_t)timers.count, sizeof(*timers.order));
    timers.soon = (uint32_t *)allocate((size_t)timers.count, sizeof(*timers.soon));
    uint64_t random = 88172645463325252U;
    for (long i = 0; i < timers.count; i++) {
        timers.ms[i] = 1000 + (uint32_t)(rng_next(&random) % 3599000);
        timers.soon[i] = 1 + timers.ms[i] % 1000;
        timers.order[i] = (uint32_t)i;
    }
    timers_shuffle(&random);
}

static inline void timers_emit(const char *metric, uint64_t from, uint64_t to)
{
    emit(timers.workload, timers.peer, metric, (double)(to - from) / (double)timers.count, "ns");
}

static inline void timers_begin(void)
{
    timers.start = now_ns();
}

static inline void timers_inserted(void)
{
    timers.inserted = now_ns();
}

static inline void timers_cancelled(void)
{
    uint64_t now = now_ns();
    timers_emit("insert", timers.start, timers.inserted);
    timers_emit("cancel", timers.inserted, now);
    timers_emit("pair", timers.start, now);
}

/* Those that expire soon were inserted: hold up the loop until they are due. */
static inline void timers_wait(void)
{
    block_us(1100000);
    timers.start = now_ns();
}

/* True when the last one has expired. */
static inline int timers_one_fired(void)
{
    if (++timers.fired < timers.count)
        return 0;
    timers_emit("expire", timers.start, now_ns());
    return 1;
}

#endif
