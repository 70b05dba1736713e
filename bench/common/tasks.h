/* SPDX-License-Identifier: MIT */
/*
 * Arguments and figures of many tasks that sleep at the same time: memory for each, and how much
 * longer than the sleep it all took.
 *
 *     WORKLOAD PEER TASKS SLEEP_MS
 */
#ifndef BENCH_COMMON_TASKS_H
#define BENCH_COMMON_TASKS_H

#include "bench.h"

static struct {
    const char *workload, *peer;
    long count, sleep_ms;
    long done, kb;
    struct usage start;
} tasks;

static inline void tasks_args(int argc, char **argv)
{
    need_args(argc, argv, 4, "TASKS SLEEP_MS");
    tasks.workload = argv[1];
    tasks.peer = argv[2];
    tasks.count = atol(argv[3]);
    tasks.sleep_ms = atol(argv[4]);
    tasks.kb = proc_status_kb("VmHWM");
    tasks.start = usage_now();
}

static inline void tasks_emit(const char *metric, double value, const char *unit)
{
    emit(tasks.workload, tasks.peer, metric, value, unit);
}

static inline void tasks_report(void)
{
    struct usage now = usage_now();
    long kb = proc_status_kb("VmHWM");
    double wall_ms = (double)(now.wall - tasks.start.wall) / 1e6;
    tasks_emit("peak_rss", (double)kb / 1024, "MiB");
    tasks_emit("bytes_per_task", (double)(kb - tasks.kb) * 1024 / (double)tasks.count, "B");
    tasks_emit("overhead", wall_ms - (double)tasks.sleep_ms, "ms");
    tasks_emit("cpu", (double)(now.cpu - tasks.start.cpu) / 1e6, "ms");
}

/* True when the last task has slept. */
static inline int tasks_one_done(void)
{
    if (++tasks.done < tasks.count)
        return 0;
    tasks_report();
    return 1;
}

#endif
