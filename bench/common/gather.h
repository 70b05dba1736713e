/* SPDX-License-Identifier: MIT */
/*
 * Arguments of the gather: in each round tasks are started, each lets the others run once and
 * returns its number, and all are awaited together. Their values must add up.
 *
 *     WORKLOAD PEER TASKS ROUNDS
 */
#ifndef BENCH_COMMON_GATHER_H
#define BENCH_COMMON_GATHER_H

#include "bench.h"

static struct {
    const char *workload, *peer;
    long tasks, rounds;
    struct usage start;
} gather;

static inline void gather_args(int argc, char **argv)
{
    need_args(argc, argv, 4, "TASKS ROUNDS");
    gather.workload = argv[1];
    gather.peer = argv[2];
    gather.tasks = atol(argv[3]);
    gather.rounds = atol(argv[4]);
    gather.start = usage_now();
}

static inline void gather_check(long sum)
{
    if (sum == gather.tasks * (gather.tasks - 1) / 2)
        return;
    fprintf(stderr, "gather: the values do not add up\n");
    exit(1);
}

static inline void gather_report(void)
{
    double count = (double)gather.tasks * (double)gather.rounds;
    emit_ops(gather.workload, gather.peer, count, gather.start, usage_now());
}

#endif
