/* SPDX-License-Identifier: MIT */
/* What a thread of this process is doing, as the kernel says it. See core/inspect/thread_state.c. */
#ifndef WEFT_CORE_INSPECT_THREAD_STATE_H
#define WEFT_CORE_INSPECT_THREAD_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <weft/time.h>

enum {
    WEFT__NO_SYSCALL = -1, /* it runs, or wants to; with `pc` set: it waits for a page of memory */
    WEFT__SYSCALL_UNKNOWN = -2, /* the kernel does not tell */
};

struct weft__thread_state {
    char state; /* of /proc: R runs or wants to, S sleeps, D sleeps and hears no signal, T stopped,
                         Z ended; 0: gone */
    int syscall_nr;   /* or one of the above */
    uint64_t args[6]; /* of the system call */
    uint64_t sp, pc;  /* 0: not known, since it runs */
    weft_ns ran;      /* on a CPU, since it was started */
    weft_ns waited;   /* for a CPU, though it had work; -1: the kernel does not tell */
    uint64_t slices; /* how often it was given a CPU; unchanged between two looks: it did not run */
};

/** Read it. 0; -ESRCH: there is no such thread (any more); or what opening or reading a file of /proc
 * failed with, as -EMFILE. Thread: any. */
int weft__thread_state_read(pid_t tid, struct weft__thread_state *ret);

/** True if it is parked in the kernel: its stack stays as it is. */
bool weft__thread_is_parked(const struct weft__thread_state *state);

/** Which signals the thread blocks: bit n - 1 is signal n. 0 or as weft__thread_state_read(). */
int weft__thread_blocked_signals(pid_t tid, uint64_t *ret);

/** The name of a thread ("weft-0"), "" if it is gone. Thread: any. */
void weft__thread_name(pid_t tid, char *to, size_t size);

/* ---- System calls: core/inspect/syscall.c ---- */

/** "futex"; NULL: a number that is not known here. */
const char *weft__syscall_name(int nr);

/**
 * The system call with those of its arguments that tell something, in one line:
 *
 *     clock_nanosleep(CLOCK_MONOTONIC, 2.5 s)
 *     read(fd 7: TCP 127.0.0.1:5000 -> 127.0.0.1:80, 4096 bytes)
 *     futex(FUTEX_WAIT, 0x7f31c0a8: mutex held by thread 4711 "worker-2")
 *
 * "" for a thread that is in none. Descriptors and memory are looked at now: exact as long as the thread
 * is parked. Thread: any.
 */
void weft__syscall_describe(const struct weft__thread_state *state, char *to, size_t size);

/** "fd 7: TCP 127.0.0.1:5000 -> 127.0.0.1:80", as it is now. Thread: any. */
void weft__fd_describe(int fd, char *to, size_t size);

#endif
