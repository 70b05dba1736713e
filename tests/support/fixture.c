/* SPDX-License-Identifier: MIT */
/*
 * Fixture: what is left when a test ends, read from /proc/self.
 *
 * pthread_join returns when the kernel clears the thread's id, a moment before the thread leaves
 * /proc/self/task. So a surplus of threads is looked at again, yielding in between, before it
 * counts; and the census waits until its own thread has left.
 *
 * ThreadSanitizer starts a thread of its own with the first pthread_create. The census creates and
 * joins one before it counts, so that this one is always among those that were there before.
 */
#include "tests/support/fixture.h"

#include <criterion/criterion.h>

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

static int count_entries(const char *path)
{
    DIR *dir = opendir(path);
    cr_assert_not_null(dir, "cannot open %s", path);
    int count = 0;
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

int weft_test_fd_count(void)
{
    return count_entries("/proc/self/fd") - 1;
}

int weft_test_thread_count(void)
{
    return count_entries("/proc/self/task");
}

static void *say_who(void *tid)
{
    *(pid_t *)tid = gettid();
    return NULL;
}

static void create_first_thread(void)
{
    pthread_t thread;
    pid_t tid = 0;
    char path[64];
    cr_assert_eq(pthread_create(&thread, NULL, say_who, &tid), 0);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    snprintf(path, sizeof(path), "/proc/self/task/%d", (int)tid);
    while (access(path, F_OK) == 0)
        sched_yield();
}

struct weft_test_census weft_test_take_census(void)
{
    create_first_thread();
    return (struct weft_test_census){
        .fds = weft_test_fd_count(),
        .threads = weft_test_thread_count(),
    };
}

void weft_test_assert_nothing_left(struct weft_test_census before)
{
    cr_assert_eq(weft_test_fd_count(), before.fds, "%d file descriptors before, %d after",
                 before.fds, weft_test_fd_count());
    for (int tries = 0; tries < 100000 && weft_test_thread_count() > before.threads; tries++)
        sched_yield();
    cr_assert_eq(weft_test_thread_count(), before.threads, "%d threads before, %d after",
                 before.threads, weft_test_thread_count());
}
