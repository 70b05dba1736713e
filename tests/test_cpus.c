/* SPDX-License-Identifier: MIT */
/* How many CPUs there are, by files as the kernel writes them. */
#include <criterion/criterion.h>

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cpus.h"

static char root[] = "/tmp/weft-cpus-XXXXXX";

static void make_root(void)
{
    cr_assert_not_null(mkdtemp(root));
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

static void remove_root(void)
{
    cr_assert_eq(nftw(root, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

TestSuite(cpus, .init = make_root, .fini = remove_root, .timeout = 20);

/* Write a file below the root, and the folders it is in. */
static void put_file(const char *name, const char *text)
{
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", root, name);
    for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        cr_assert(mkdir(path, 0700) == 0 || errno == EEXIST);
        *slash = '/';
    }
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
}

Test(cpus, are_those_of_the_affinity_mask_without_a_quota)
{
    cr_assert_eq(weft__cpus_under(root, 6), 6);
}

Test(cpus, are_at_least_one)
{
    cr_assert_geq(weft__cpus(), 1);
}

Test(cpus, are_limited_by_the_quota_of_the_cgroup)
{
    put_file("proc/self/cgroup", "0::/\n");
    put_file("sys/fs/cgroup/cpu.max", "200000 100000\n");
    cr_assert_eq(weft__cpus_under(root, 6), 2);
    cr_assert_eq(weft__cpus_under(root, 1), 1);
}

Test(cpus, round_a_part_of_one_up)
{
    put_file("proc/self/cgroup", "0::/\n");
    put_file("sys/fs/cgroup/cpu.max", "50000 100000\n");
    cr_assert_eq(weft__cpus_under(root, 6), 1);
    put_file("sys/fs/cgroup/cpu.max", "150000 100000\n");
    cr_assert_eq(weft__cpus_under(root, 6), 2);
}

Test(cpus, round_a_part_of_one_down_for_those_who_keep_it_busy)
{
    put_file("proc/self/cgroup", "0::/\n");
    cr_assert_eq(weft__whole_cpus_under(root, 6), 6);
    put_file("sys/fs/cgroup/cpu.max", "199999 100000\n");
    cr_assert_eq(weft__whole_cpus_under(root, 6), 1);
    cr_assert_eq(weft__whole_cpus_under(root, 1), 1);
    put_file("sys/fs/cgroup/cpu.max", "200000 100000\n");
    cr_assert_eq(weft__whole_cpus_under(root, 6), 2);
    put_file("sys/fs/cgroup/cpu.max", "1 100000\n");
    cr_assert_eq(weft__whole_cpus_under(root, 6), 0);
    cr_assert_eq(weft__cpus_under(root, 6), 1);
}

Test(cpus, are_not_limited_by_a_quota_of_max)
{
    put_file("proc/self/cgroup", "0::/\n");
    put_file("sys/fs/cgroup/cpu.max", "max 100000\n");
    cr_assert_eq(weft__cpus_under(root, 6), 6);
}

Test(cpus, are_limited_by_the_groups_above_as_well)
{
    put_file("proc/self/cgroup", "0::/a/b\n");
    put_file("sys/fs/cgroup/a/b/cpu.max", "400000 100000\n");
    cr_assert_eq(weft__cpus_under(root, 6), 4);
    put_file("sys/fs/cgroup/a/cpu.max", "300000 100000\n");
    cr_assert_eq(weft__cpus_under(root, 6), 3);
    put_file("sys/fs/cgroup/cpu.max", "200000 100000\n");
    cr_assert_eq(weft__cpus_under(root, 6), 2);
}

Test(cpus, are_limited_by_the_quota_of_version_1)
{
    put_file("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "250000\n");
    put_file("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    cr_assert_eq(weft__cpus_under(root, 6), 3);
    put_file("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    cr_assert_eq(weft__cpus_under(root, 6), 6);
}

Test(cpus, are_not_limited_by_what_cannot_be_understood)
{
    put_file("proc/self/cgroup", "0::/\n");
    put_file("sys/fs/cgroup/cpu.max", "many of them\n");
    cr_assert_eq(weft__cpus_under(root, 6), 6);
    put_file("sys/fs/cgroup/cpu.max", "100000 0\n");
    cr_assert_eq(weft__cpus_under(root, 6), 6);
    put_file("sys/fs/cgroup/cpu.max", "");
    cr_assert_eq(weft__cpus_under(root, 6), 6);
}

Test(cpus, are_limited_by_the_groups_above_in_version_1)
{
    put_file("proc/self/cgroup", "5:memory:/m\n4:cpuset:/s\n3:cpuacct,cpu:/a/b\n");
    put_file("sys/fs/cgroup/cpu/a/b/cpu.cfs_quota_us", "400000\n");
    put_file("sys/fs/cgroup/cpu/a/b/cpu.cfs_period_us", "100000\n");
    cr_assert_eq(weft__cpus_under(root, 6), 4);
    put_file("sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "150000\n");
    put_file("sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "50000\n");
    cr_assert_eq(weft__cpus_under(root, 6), 3);
    put_file("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    put_file("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    cr_assert_eq(weft__cpus_under(root, 6), 3);
    put_file("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "100000\n");
    cr_assert_eq(weft__cpus_under(root, 6), 1);
}

Test(cpus, are_limited_by_both_versions_side_by_side)
{
    put_file("proc/self/cgroup", "2:cpu,cpuacct:/a\n1:name=systemd:/x\n0::/b\n");
    put_file("sys/fs/cgroup/b/cpu.max", "500000 100000\n");
    cr_assert_eq(weft__cpus_under(root, 6), 5);
    put_file("sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "200000\n");
    cr_assert_eq(weft__cpus_under(root, 6), 5); /* half a limit is none */
    put_file("sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
    cr_assert_eq(weft__cpus_under(root, 6), 2);
}

/* A container without a namespace of its own sees the host's path. */
Test(cpus, are_limited_by_the_top_when_the_groups_path_is_not_there)
{
    put_file("proc/self/cgroup", "0::/docker/0123\nnonsense\n7:cpu\n");
    put_file("sys/fs/cgroup/cpu.max", "300000 100000\n");
    cr_assert_eq(weft__cpus_under(root, 6), 3);
}

Test(cpus, are_not_limited_by_a_path_that_is_too_long)
{
    static char line[5000];
    memset(line, 'x', sizeof(line) - 1);
    memcpy(line, "0::/", 4);
    put_file("proc/self/cgroup", line);
    cr_assert_eq(weft__cpus_under(root, 6), 6);
}
