/* SPDX-License-Identifier: MIT */
/*
 * The metrics of the process, by the names that Prometheus' own libraries use. Each is cheap: the number
 * of descriptors is asked of the kernel, which knows it since Linux 6.2, and not counted.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/inspect/metrics.h"

static const struct weft__family cpu = {"process_cpu_seconds", WEFT__COUNTER, "seconds",
                                        "Time on a CPU, of user and system together."};
static const struct weft__family open_fds = {"process_open_fds", WEFT__GAUGE, NULL,
                                             "Open descriptors."};
static const struct weft__family max_fds = {"process_max_fds", WEFT__GAUGE, NULL,
                                            "How many descriptors may be open."};
static const struct weft__family virtual_memory = {"process_virtual_memory_bytes", WEFT__GAUGE,
                                                   "bytes", "Size of the address space."};
static const struct weft__family resident_memory = {"process_resident_memory_bytes", WEFT__GAUGE,
                                                    "bytes", "Memory that is in RAM."};
static const struct weft__family threads = {"process_threads", WEFT__GAUGE, NULL, "Threads."};
static const struct weft__family start = {"process_start_time_seconds", WEFT__GAUGE, "seconds",
                                          "When it was started, since 1970."};

static void measure_cpu(struct weft__metrics *to)
{
    struct timespec used;
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) == 0)
        weft__metrics_time(to, &cpu, NULL, WEFT_S(used.tv_sec) + used.tv_nsec);
}

static void measure_fds(struct weft__metrics *to)
{
    struct stat about;
    struct rlimit limit;
    if (stat("/proc/self/fd", &about) == 0 && about.st_size > 0)
        weft__metrics_number(to, &open_fds, NULL, (uint64_t)about.st_size);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        weft__metrics_number(to, &max_fds, NULL, limit.rlim_cur);
}

/* When the machine was started, since 1970. What was found first is kept: the two clocks drift, and a start that
 * moves looks like a restart. */
static weft_ns boot_time(void)
{
    static _Atomic weft_ns kept; /* [atomic] 0: none yet; a number, so relaxed */
    struct timespec now, up;
    weft_ns boot = atomic_load_explicit(&kept, memory_order_relaxed);
    if (boot)
        return boot;
    clock_gettime(CLOCK_REALTIME, &now);
    clock_gettime(CLOCK_BOOTTIME, &up);
    weft_ns found = WEFT_S(now.tv_sec - up.tv_sec) + now.tv_nsec - up.tv_nsec;
    bool is_first = atomic_compare_exchange_strong_explicit(
        &kept, &boot, found, memory_order_relaxed, memory_order_relaxed);
    return is_first ? found : boot;
}

/* "PID (NAME) S …": after the name, which may have anything in it, the 18th is num_threads, the 20th
 * starttime, the 21st vsize, the 22nd rss. */
static void measure_stat(const char *text, struct weft__metrics *to)
{
    enum { NUM_THREADS = 18 };
    const char *fields = strrchr(text, ')');
    for (int field = 0; fields && field < NUM_THREADS; field++)
        fields = strchr(fields + 1, ' ');
    if (!fields)
        return;
    char *at = NULL;
    uint64_t count = strtoull(fields, &at, 10);
    (void)strtoull(at, &at, 10); /* which is always 0 */
    uint64_t ticks = strtoull(at, &at, 10), size = strtoull(at, &at, 10);
    uint64_t pages = strtoull(at, &at, 10);
    weft__metrics_number(to, &threads, NULL, count);
    weft__metrics_number(to, &virtual_memory, NULL, size);
    weft__metrics_number(to, &resident_memory, NULL, pages * (uint64_t)sysconf(_SC_PAGESIZE));
    weft_ns began = (weft_ns)ticks * (WEFT_S(1) / sysconf(_SC_CLK_TCK));
    weft__metrics_time(to, &start, NULL, boot_time() + began);
}

void weft__process_measure(struct weft__metrics *to)
{
    char text[1024];
    measure_cpu(to);
    measure_fds(to);
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t len = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[len > 0 ? len : 0] = '\0';
    measure_stat(text, to);
}
