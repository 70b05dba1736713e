/* SPDX-License-Identifier: MIT */
/*
 * What every benchmark program in C and C++ shares: a clock, what the process has used so far, and
 * the lines that it prints, "workload peer metric value unit". bench.js, bench.py and bench.rs are
 * the same for the other languages.
 */
#ifndef BENCH_COMMON_BENCH_H
#define BENCH_COMMON_BENCH_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

struct usage {
    uint64_t wall, cpu; /* ns */
    uint64_t switches;  /* of context, of all threads */
};

static inline uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static inline uint64_t ns_of(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000000000U + (uint64_t)time.tv_usec * 1000U;
}

static inline struct usage usage_now(void)
{
    struct rusage used;
    struct usage now;
    getrusage(RUSAGE_SELF, &used);
    now.wall = now_ns();
    now.cpu = ns_of(used.ru_utime) + ns_of(used.ru_stime);
    now.switches = (uint64_t)used.ru_nvcsw + (uint64_t)used.ru_nivcsw;
    return now;
}

static inline void emit(const char *workload, const char *peer, const char *metric, double value,
                        const char *unit)
{
    printf("%s %s %s %.6g %s\n", workload, peer, metric, value, unit);
    fflush(stdout);
}

/* The usual lines about `count` operations between two moments. */
static inline void emit_ops(const char *workload, const char *peer, double count, struct usage from,
                            struct usage to)
{
    double wall = (double)(to.wall - from.wall);
    emit(workload, peer, "ns_per_op", wall / count, "ns");
    emit(workload, peer, "ops_per_s", count * 1e9 / wall, "1/s");
    emit(workload, peer, "cpu_ns_per_op", (double)(to.cpu - from.cpu) / count, "ns");
    emit(workload, peer, "ctxsw_per_op", (double)(to.switches - from.switches) / count, "1");
    emit(workload, peer, "wall", wall / 1e6, "ms");
}

static inline void die(const char *what)
{
    perror(what);
    exit(1);
}

/* The arguments, or the end: a program needs at least `least` of them. */
static inline void need_args(int argc, char **argv, int least, const char *usage)
{
    if (argc > least)
        return;
    fprintf(stderr, "usage: %s WORKLOAD PEER %s\n", argv[0], usage);
    exit(2);
}

static inline void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size);
    if (!memory)
        die("calloc");
    return memory;
}

/* True if the environment says NAME=value. */
static inline int is_set(const char *name, const char *value)
{
    const char *found = getenv(name);
    return found && strcmp(found, value) == 0;
}

static inline void block_us(long us)
{
    struct timespec time;
    if (us <= 0)
        return;
    time.tv_sec = us / 1000000;
    time.tv_nsec = us % 1000000 * 1000;
    nanosleep(&time, NULL);
}

static inline pthread_t start_thread(void *(*run)(void *), void *arg)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, arg) != 0)
        die("pthread_create");
    return thread;
}

static inline void pin_cpu(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

static inline void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
}

/* A line of /proc/self/status: "VmHWM" is the most memory that the process has had. */
static inline long proc_status_kb(const char *key)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    long value = -1;
    size_t length = strlen(key);
    while (file && fgets(line, sizeof(line), file))
        if (strncmp(line, key, length) == 0)
            value = atol(line + length + 1);
    if (file)
        fclose(file);
    return value;
}

/* xorshift64*: the same numbers in every C, C++ and Rust program. */
static inline uint64_t rng_next(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 2685821657736338717U;
}

#endif
