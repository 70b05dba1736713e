/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_PARKED_H
#define WEFT_TESTS_PARKED_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "core/inspect/thread_state.h"

/* A thread that is to be looked at, while it waits in the kernel. */
struct parked {
    pthread_t thread;
    _Atomic(pid_t) tid;
    void (*fn)(void *arg);
    void *arg;
};

void parked_start(struct parked *parked, void (*fn)(void *arg), void *arg);

/* Wait until it is parked in the system call of that name; fails the test after ten seconds. Only the kernel
 * can say so: it is asked again and again. */
struct weft__thread_state parked_in(struct parked *parked, const char *syscall);

/* What weft__syscall_describe() says of it once it is. */
void parked_describe(struct parked *parked, const char *syscall, char *to, size_t size);

/* Wait until it ends. */
void parked_join(struct parked *parked);

#endif
