/* SPDX-License-Identifier: MIT */
/*
 * Arguments of the workloads that never leave the loop thread.
 *
 *     WORKLOAD PEER chain STEPS           each callback schedules the next
 *     WORKLOAD PEER yield TASKS YIELDS    each of TASKS tasks or callbacks lets others run YIELDS times
 *     WORKLOAD PEER call CALLS            a coroutine awaits another one, which returns at once; with
 *                                         MODE_=spawn it starts a task and awaits that
 */
#ifndef BENCH_COMMON_SCHED_H
#define BENCH_COMMON_SCHED_H

#include "bench.h"

static struct {
    const char *workload, *peer, *mode;
    long tasks, of_each, total;
    struct usage start;
} sched;

static inline int sched_is(const char *mode)
{
    return strcmp(sched.mode, mode) == 0;
}

/* The modes that the peer does not know end the program. */
static inline void sched_args(int argc, char **argv, const char *known)
{
    need_args(argc, argv, 4, known);
    sched.workload = argv[1];
    sched.peer = argv[2];
    sched.mode = argv[3];
    int yields = sched_is("yield");
    need_args(argc, argv, yields ? 5 : 4, known);
    if (!strstr(known, sched.mode))
        need_args(0, argv, 0, known);
    sched.tasks = yields ? atol(argv[4]) : 1;
    sched.of_each = atol(argv[yields ? 5 : 4]);
    sched.total = sched.tasks * sched.of_each;
}

static inline void sched_begin(void)
{
    sched.start = usage_now();
}

static inline void sched_end(void)
{
    emit_ops(sched.workload, sched.peer, (double)sched.total, sched.start, usage_now());
}

#endif
