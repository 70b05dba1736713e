/* SPDX-License-Identifier: MIT */
/*
 * CPUs: the affinity mask, or the cgroup's quota if that is less. A container with half a CPU on a
 * host with 64 gets one.
 *
 * Version 2: /proc/self/cgroup names the group ("0::/a/b"), and each of its ancestors may have a
 * limit, "quota period" or "max period" in cpu.max. Version 1: cpu.cfs_quota_us and
 * cpu.cfs_period_us of the cpu controller as it is mounted in a container. What cannot be read is
 * no limit.
 */
#include "pool/cpus.h"

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 4096 };

static bool read_line(const char *path, char *line)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool found = fgets(line, TEXT_MAX, file) != NULL;
    fclose(file);
    if (found)
        line[strcspn(line, "\n")] = '\0';
    return found;
}

/* 0: no limit. */
static unsigned cpus_of(long long quota, long long period)
{
    if (quota <= 0 || period <= 0)
        return 0;
    long long cpus = (quota - 1) / period + 1;
    return cpus < INT_MAX ? (unsigned)cpus : 0;
}

static unsigned lesser(unsigned cpus, unsigned limit)
{
    return limit && limit < cpus ? limit : cpus;
}

static unsigned limit_in(const char *folder)
{
    char path[TEXT_MAX + 64], line[TEXT_MAX];
    snprintf(path, sizeof(path), "%s/cpu.max", folder);
    if (!read_line(path, line))
        return 0;
    char *end;
    long long quota = strtoll(line, &end, 10); /* 0 for "max" */
    return cpus_of(quota, strtoll(end, NULL, 10));
}

/* The least limit of /sys/fs/cgroup/GROUP and the groups above it. */
static unsigned limit_v2(const char *root, const char *group, unsigned cpus)
{
    char folder[TEXT_MAX];
    int top = snprintf(folder, sizeof(folder), "%s/sys/fs/cgroup", root);
    int length = snprintf(folder, sizeof(folder), "%s/sys/fs/cgroup%s", root, group);
    if (top < 0 || length >= (int)sizeof(folder))
        return cpus;
    char *slash = folder + length;
    do {
        *slash = '\0';
        cpus = lesser(cpus, limit_in(folder));
        slash = strrchr(folder, '/');
    } while (slash && slash >= folder + top);
    return cpus;
}

static unsigned limit_v1(const char *root, unsigned cpus)
{
    char path[TEXT_MAX], quota[TEXT_MAX], period[TEXT_MAX];
    snprintf(path, sizeof(path), "%s/sys/fs/cgroup/cpu/cpu.cfs_quota_us", root);
    if (!read_line(path, quota))
        return cpus;
    snprintf(path, sizeof(path), "%s/sys/fs/cgroup/cpu/cpu.cfs_period_us", root);
    if (!read_line(path, period))
        return cpus;
    return lesser(cpus, cpus_of(strtoll(quota, NULL, 10), strtoll(period, NULL, 10)));
}

unsigned weft__cpus_under(const char *root, unsigned affinity)
{
    char path[TEXT_MAX], line[TEXT_MAX];
    snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
    unsigned cpus = limit_v1(root, affinity);
    if (read_line(path, line) && strncmp(line, "0::", 3) == 0)
        cpus = limit_v2(root, line + 3, cpus);
    return cpus;
}

unsigned weft__cpus(void)
{
    cpu_set_t mask;
    int count = sched_getaffinity(0, sizeof(mask), &mask) == 0 ? CPU_COUNT(&mask) : 1;
    return weft__cpus_under("", count > 0 ? (unsigned)count : 1);
}
