/* SPDX-License-Identifier: MIT */
/*
 * The load of the workload `starvation`: do slow jobs starve quick ones? `NAME WORKLOAD PEER`.
 *
 * Two seconds long, every four milliseconds, none to four quick jobs come, of one millisecond each:
 * half of what one thread can do. That is measured twice, by a process each: alone, and beside a flood
 * of slow jobs of two seconds, twice as many as there are threads, which came before them.
 *
 * Prints the p99 of how long a quick job took, from being submitted to being known as done, and how
 * many times as long that was beside the flood. A peer supplies peer_run(), which runs the load once.
 */
#ifndef BENCH_STARVATION_H
#define BENCH_STARVATION_H

#include <sys/mman.h>
#include <sys/wait.h>

#include "../common/bench.h"

enum {
    THREADS = 8,
    SLOW_JOBS = 16,
    SLOW_US = 2000000,
    QUICK_US = 1000,
    TICK_MS = 4,
    TICKS = 500,
    MOST_A_TICK = 4,
    MOST = TICKS * MOST_A_TICK
};

static uint64_t took_ns[MOST];
static size_t took_count;

static void peer_run(int with_flood);

/* How many quick jobs come at the next tick: the same numbers in every run. */
static inline int next_burst(void)
{
    static uint32_t state = 2463534242;
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return (int)(state % (MOST_A_TICK + 1));
}

static inline void note_quick(uint64_t began_ns)
{
    took_ns[took_count++] = now_ns() - began_ns;
}

static int compare_ns(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static double p99_us(void)
{
    qsort(took_ns, took_count, sizeof(took_ns[0]), compare_ns);
    return took_count ? (double)took_ns[took_count * 99 / 100] / 1e3 : 0;
}

/* One load in a process of its own; its p99 in microseconds. */
static double run_apart(int with_flood)
{
    double *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status;
    if (shared == MAP_FAILED)
        die("mmap");
    pid_t child = fork();
    if (child < 0)
        die("fork");
    if (child == 0) {
        peer_run(with_flood);
        *shared = p99_us();
        _exit(0); /* jobs that sleep still are not waited for */
    }
    if (waitpid(child, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        exit(1);
    double p99 = *shared;
    munmap(shared, sizeof(*shared));
    return p99;
}

int main(int argc, char **argv)
{
    need_args(argc, argv, 2, "");
    double alone = run_apart(0), beside = run_apart(1);
    emit(argv[1], argv[2], "alone_p99", alone, "us");
    emit(argv[1], argv[2], "beside_p99", beside, "us");
    emit(argv[1], argv[2], "times_as_long", alone > 0 ? beside / alone : 0, "1");
    return 0;
}

#endif
