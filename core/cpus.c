/* SPDX-License-Identifier: MIT */
/*
 * CPUs: the affinity mask, or the cgroup's quota if that is less. A container with half a CPU on a
 * host with 64 gets one.
 *
 * /proc/self/cgroup names the group, one line a hierarchy: "0::/a/b" in version 2, "4:cpu,cpuacct:/a/b"
 * in version 1, where both may be in use. The group and each of its ancestors may have a limit: "quota
 * period" or "max period" in cpu.max, or cpu.cfs_quota_us (-1: none) and cpu.cfs_period_us. A
 * container may see the path of its host, but its own group at the top: what cannot be read is no
 * limit, and the top is always looked at.
 *
 * Quotas are counted in thousandths of a CPU: threads are started for each part of one (rounded up),
 * but whoever keeps a CPU busy with waiting needs whole ones (rounded down).
 */
#include "core/cpus.h"

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_MAX = 4096, WHOLE = 1000 /* thousandths */, MOST = INT_MAX / WHOLE };

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

/* In thousandths of a CPU, at least one; 0: no limit. */
static unsigned share_of(long long quota, long long period)
{
    if (quota <= 0 || period <= 0 || quota / period >= MOST)
        return 0;
    double share = 1000.0 * (double)quota / (double)period;
    return share > 1 ? (unsigned)share : 1;
}

static unsigned lesser(unsigned share, unsigned limit)
{
    return limit && limit < share ? limit : share;
}

static unsigned limit_in_v2(const char *folder)
{
    char path[TEXT_MAX + 64], line[TEXT_MAX];
    snprintf(path, sizeof(path), "%s/cpu.max", folder);
    if (!read_line(path, line))
        return 0;
    char *end;
    long long quota = strtoll(line, &end, 10); /* 0 for "max" */
    return share_of(quota, strtoll(end, NULL, 10));
}

static unsigned limit_in_v1(const char *folder)
{
    char path[TEXT_MAX + 64], quota[TEXT_MAX], period[TEXT_MAX];
    snprintf(path, sizeof(path), "%s/cpu.cfs_quota_us", folder);
    if (!read_line(path, quota))
        return 0;
    snprintf(path, sizeof(path), "%s/cpu.cfs_period_us", folder);
    if (!read_line(path, period))
        return 0;
    return share_of(strtoll(quota, NULL, 10), strtoll(period, NULL, 10));
}

/* The least limit of ROOT/sys/fs/cgroup/MOUNT/GROUP and the groups above it. */
static unsigned least_limit(const char *root, const char *mount, const char *group,
                            unsigned (*limit_in)(const char *folder), unsigned share)
{
    char folder[TEXT_MAX];
    int top = snprintf(folder, sizeof(folder), "%s/sys/fs/cgroup%s", root, mount);
    int length = snprintf(folder, sizeof(folder), "%s/sys/fs/cgroup%s%s", root, mount, group);
    if (top < 0 || length >= (int)sizeof(folder))
        return share;
    char *slash = folder + length;
    do {
        *slash = '\0';
        share = lesser(share, limit_in(folder));
        slash = strrchr(folder, '/');
    } while (slash && slash >= folder + top);
    return share;
}

/* True: "cpu" is among the names, which are separated by commas. */
static bool has_cpu(const char *names, size_t length)
{
    const char *end = names + length;
    while (names < end) {
        size_t len = strcspn(names, ",:");
        if (len == 3 && memcmp(names, "cpu", 3) == 0)
            return true;
        names += len + 1;
    }
    return false;
}

/* "ID:CONTROLLERS:GROUP" */
static unsigned limit_of_line(const char *root, char *line, unsigned share)
{
    line[strcspn(line, "\n")] = '\0';
    const char *names = strchr(line, ':');
    const char *group = names ? strchr(names + 1, ':') : NULL;
    if (!group)
        return share;
    names++;
    if (names == group)
        return least_limit(root, "", group + 1, limit_in_v2, share);
    if (has_cpu(names, (size_t)(group - names)))
        return least_limit(root, "/cpu", group + 1, limit_in_v1, share);
    return share;
}

/* What this process may use, in thousandths of a CPU. */
static unsigned share_under(const char *root, unsigned affinity)
{
    char path[TEXT_MAX], line[TEXT_MAX];
    unsigned share = affinity < MOST ? affinity * WHOLE : INT_MAX;
    share = least_limit(root, "/cpu", "", limit_in_v1, share);
    snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    if (!file)
        return share;
    while (fgets(line, sizeof(line), file))
        share = limit_of_line(root, line, share);
    fclose(file);
    return share;
}

unsigned weft__cpus_under(const char *root, unsigned affinity)
{
    return (share_under(root, affinity) + WHOLE - 1) / WHOLE;
}

unsigned weft__whole_cpus_under(const char *root, unsigned affinity)
{
    return share_under(root, affinity) / WHOLE;
}

unsigned weft__cpus_of_thread(void)
{
    cpu_set_t mask;
    int count = sched_getaffinity(0, sizeof(mask), &mask) == 0 ? CPU_COUNT(&mask) : 1;
    return count > 0 ? (unsigned)count : 1;
}

unsigned weft__cpus(void)
{
    return weft__cpus_under("", weft__cpus_of_thread());
}

unsigned weft__whole_cpus(void)
{
    return weft__whole_cpus_under("", weft__cpus_of_thread());
}
