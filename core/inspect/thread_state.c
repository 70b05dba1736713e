/* SPDX-License-Identifier: MIT */
/*
 * What a thread is doing, read from /proc/self/task/TID. The thread itself is not disturbed: no signal,
 * no lock.
 *
 * `syscall` tells of a thread that is parked in the kernel: the number, the arguments, where its stack
 * ends and where it is. Of one that runs, or would if it got a CPU, it says "running". `schedstat` counts
 * what it ran and what it waited for a CPU. The three files are read one after the other; whoever needs
 * them of one moment reads twice and compares `slices`.
 *
 * A kernel may lack `schedstat` (then `ran` is from `stat`, to a clock tick) and `syscall` (then
 * it is not known where a thread waits).
 */
#include "core/inspect/thread_state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROOM = 512, LINE = 64 };

/* Or -errno; a thread that has gone is -ESRCH. */
static int open_file(pid_t tid, const char *name)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/task/%d/%s", (int)tid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 ? fd : errno == ENOENT ? -ESRCH : -errno;
}

/* A file of the thread as a text. The length or as above. */
static int read_file(pid_t tid, const char *name, char *to, size_t size)
{
    int fd = open_file(tid, name);
    if (fd < 0)
        return fd;
    ssize_t len = read(fd, to, size - 1);
    int error = errno;
    close(fd);
    if (len < 0)
        return error == ENOENT ? -ESRCH : -error;
    to[len] = '\0';
    return (int)len;
}

/* "TID (name) S …": the name may hold anything, so its end is the last bracket. Ten numbers on are the clock
 * ticks in the program and in the kernel. */
static int read_stat(pid_t tid, struct weft__thread_state *ret)
{
    char text[ROOM];
    int len = read_file(tid, "stat", text, sizeof(text));
    if (len < 0)
        return len;
    char *at = strrchr(text, ')');
    if (!at || at[1] != ' ' || !at[2])
        return -EPROTO;
    ret->state = at[2];
    at += 3;
    for (int i = 0; i < 10; i++)
        (void)strtoll(at, &at, 10);
    long long user = strtoll(at, &at, 10), system = strtoll(at, &at, 10);
    ret->ran = (user + system) * WEFT_S(1) / sysconf(_SC_CLK_TCK);
    return 0;
}

static void read_schedstat(pid_t tid, struct weft__thread_state *ret)
{
    char text[ROOM];
    ret->waited = -1;
    if (read_file(tid, "schedstat", text, sizeof(text)) <= 0)
        return;
    char *at = text;
    ret->ran = (weft_ns)strtoull(at, &at, 10);
    ret->waited = (weft_ns)strtoull(at, &at, 10);
    ret->slices = strtoull(at, &at, 10);
}

/* "running", "NR ARG×6 SP PC", or "-1 SP PC" */
static void read_syscall(pid_t tid, struct weft__thread_state *ret)
{
    char text[ROOM], *at = text, *end;
    ret->syscall_nr = WEFT__SYSCALL_UNKNOWN;
    if (read_file(tid, "syscall", text, sizeof(text)) <= 0)
        return;
    ret->syscall_nr = WEFT__NO_SYSCALL;
    long nr = strtol(at, &end, 10);
    if (end == at)
        return;
    at = end;
    for (int i = 0; nr >= 0 && i < 6; i++)
        ret->args[i] = strtoull(at, &at, 16);
    ret->sp = strtoull(at, &at, 16);
    ret->pc = strtoull(at, &at, 16);
    ret->syscall_nr = nr >= 0 ? (int)nr : WEFT__NO_SYSCALL;
}

int weft__thread_state_read(pid_t tid, struct weft__thread_state *ret)
{
    *ret = (struct weft__thread_state){.syscall_nr = WEFT__SYSCALL_UNKNOWN};
    int status = read_stat(tid, ret);
    if (status < 0)
        return status;
    read_schedstat(tid, ret);
    if (tid == gettid()) /* it is in a call of its own to read this */
        ret->syscall_nr = WEFT__NO_SYSCALL;
    else
        read_syscall(tid, ret);
    return 0;
}

bool weft__thread_is_parked(const struct weft__thread_state *state)
{
    return state->sp != 0; /* said last, and never of one that runs */
}

/* In pieces: a process may be in thousands of groups, which are told first. */
int weft__thread_blocked_signals(pid_t tid, uint64_t *ret)
{
    char text[ROOM + 1];
    size_t kept = 0;
    int fd = open_file(tid, "status"), status = -EPROTO;
    if (fd < 0)
        return fd;
    for (ssize_t got = 1; status < 0 && got > 0;) {
        got = read(fd, text + kept, ROOM - kept);
        if (got < 0)
            status = -errno;
        size_t len = kept + (got > 0 ? (size_t)got : 0);
        text[len] = '\0';
        const char *at = strstr(text, "\nSigBlk:");
        if (at && strchr(at + 1, '\n')) {
            *ret = strtoull(at + sizeof("\nSigBlk:") - 1, NULL, 16);
            status = 0;
        }
        kept = len < LINE ? len : LINE; /* the line may be cut in two */
        memmove(text, text + len - kept, kept);
    }
    close(fd);
    return status;
}

void weft__thread_name(pid_t tid, char *to, size_t size)
{
    int len = read_file(tid, "comm", to, size);
    if (len < 0)
        len = 0;
    to[len > 0 && to[len - 1] == '\n' ? len - 1 : len] = '\0';
}
