/* SPDX-License-Identifier: MIT */
/*
 * Driver of the offload workloads (round trip, throughput, fan-out): one loop thread and some
 * workers.
 *
 *     WORKLOAD PEER THREADS INFLIGHT JOBS SLEEP_US
 *
 * Two phases run the same code, a warm-up and the measured one. In a phase INFLIGHT jobs are kept
 * outstanding until JOBS have completed; every submit and every completion is made on the loop
 * thread. The peer supplies peer_submit() and peer_stop(), runs offload_job() on a worker, and
 * calls offload_complete() on the loop thread. What jobs read is not on a line of the cache on which the
 * loop counts them: else each peer pays for that line as well, once a job.
 */
#ifndef BENCH_COMMON_OFFLOAD_H
#define BENCH_COMMON_OFFLOAD_H

#include "bench.h"

static struct {
    const char *workload, *peer;
    int threads;
    long inflight, jobs, sleep_us;
    char apart[128];
    long total, submitted, done; /* of this phase */
    int measuring;
    struct usage start;
    char apart_too[128];
} offload;

static void peer_submit(long slot);
static void peer_stop(void);

static inline void offload_args(int argc, char **argv)
{
    need_args(argc, argv, 6, "THREADS INFLIGHT JOBS SLEEP_US");
    offload.workload = argv[1];
    offload.peer = argv[2];
    offload.threads = atoi(argv[3]);
    offload.inflight = atol(argv[4]);
    offload.jobs = atol(argv[5]);
    offload.sleep_us = atol(argv[6]);
}

static inline void offload_job(void)
{
    block_us(offload.sleep_us);
}

/* How many jobs warm up: threads must be there and caches filled. */
static inline long offload_warm_up(void)
{
    long tenth = offload.jobs / 10;
    return offload.sleep_us ? offload.jobs : tenth ? tenth : 1;
}

static inline void offload_report(void)
{
    emit_ops(offload.workload, offload.peer, (double)offload.jobs, offload.start, usage_now());
}

static inline void offload_phase(long total)
{
    long first = offload.inflight < total ? offload.inflight : total;
    offload.total = total;
    offload.done = 0;
    offload.submitted = first;
    for (long slot = 0; slot < first; slot++)
        peer_submit(slot);
}

static inline void offload_start(void)
{
    offload_phase(offload_warm_up());
}

static inline void offload_phase_done(void)
{
    if (offload.measuring) {
        offload_report();
        peer_stop();
        return;
    }
    offload.measuring = 1;
    offload.start = usage_now();
    offload_phase(offload.jobs);
}

static inline void offload_complete(long slot)
{
    if (++offload.done == offload.total) {
        offload_phase_done();
    } else if (offload.submitted < offload.total) {
        offload.submitted++;
        peer_submit(slot);
    }
}

#endif
