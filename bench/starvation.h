/* SPDX-License-Identifier: MIT */
/*
 * What the programs of ./dev bench starvation have in common: the load, and what is told of it.
 *
 *     PROGRAM [flood]    prints the p50 and the p99 of the quick jobs, in microseconds
 *
 * Two seconds long, every four milliseconds, none to four quick jobs come, of one millisecond each;
 * half of what one thread can do. With a flood, slow jobs of two seconds came before them: twice as
 * many as there are threads.
 */
#ifndef WEFT_BENCH_STARVATION_H
#define WEFT_BENCH_STARVATION_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    THREADS = 8,
    SLOW_JOBS = 16,
    SLOW_MS = 2000,
    QUICK_MS = 1,
    TICK_MS = 4,
    TICKS = 500,
    MOST_A_TICK = 4,
    MOST = TICKS * MOST_A_TICK
};

static int64_t took_ns[MOST];
static size_t took_count;

static inline int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static inline void block_ms(int ms)
{
    struct timespec left = {ms / 1000, ms % 1000 * 1000000L};
    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        ;
}

/* How many quick jobs come at the next tick: the same numbers in every run. */
static inline int next_burst(void)
{
    static uint32_t state = 2463534242;
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return (int)(state % (MOST_A_TICK + 1));
}

static inline void note_quick(int64_t began_ns)
{
    took_ns[took_count++] = now_ns() - began_ns;
}

static inline int compare_ns(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static inline void tell(void)
{
    qsort(took_ns, took_count, sizeof(took_ns[0]), compare_ns);
    printf("%.0f %.0f\n", (double)took_ns[took_count / 2] / 1e3,
           (double)took_ns[took_count * 99 / 100] / 1e3);
}

static inline int wants_flood(int argc, char **argv)
{
    return argc > 1 && strcmp(argv[1], "flood") == 0;
}

#endif
