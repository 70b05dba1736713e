/* SPDX-License-Identifier: MIT */
/* The clock of traces. See core/inspect/trace_clock.h. */
#include "core/inspect/trace_clock.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

bool weft__trace_by_counter;

static bool is_invariant(void)
{
#if defined(__x86_64__)
    const unsigned power_management = 0x80000007, invariant = 1 << 8;
    unsigned a, b, c, d = 0;
    return __get_cpuid(power_management, &a, &b, &c, &d) && d & invariant;
#else
    return false;
#endif
}

/* The kernel has compared the counters of all CPUs, and goes on to watch them. */
static bool is_trusted(void)
{
    char name[16] = "";
    FILE *file = fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "re");
    bool is_read = file && fgets(name, sizeof(name), file);
    if (file)
        fclose(file);
    return is_read && strcmp(name, "tsc\n") == 0;
}

static void choose(void)
{
    weft__trace_by_counter = is_invariant() && is_trusted();
}

struct weft__trace_clocks weft__trace_clock_begin(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, choose);
    return weft__trace_clock_read();
}

/* The one between two readings of the other that are closest to each other. */
struct weft__trace_clocks weft__trace_clock_read(void)
{
    enum { TRIES = 5 };
    struct weft__trace_clocks best = {0};
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < TRIES; i++) {
        uint64_t before = weft__trace_ticks(true);
        weft_ns time = weft__trace_now();
        uint64_t after = weft__trace_ticks(true);
        if (after - before >= least)
            continue;
        least = after - before;
        best = (struct weft__trace_clocks){before + (after - before) / 2, time};
    }
    return best;
}
