/* SPDX-License-Identifier: MIT */
/* The stack of another thread of this process. See core/inspect/stack.c. */
#ifndef WEFT_CORE_INSPECT_STACK_H
#define WEFT_CORE_INSPECT_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { WEFT__STACK_FRAMES = 64 };

/** Innermost first. Each address lies within an instruction of its function: for a caller, of the call
 * and not behind it. So they can be given to weft__symbols_resolve() and to addr2line as they are. */
struct weft__stack {
    size_t count;
    bool
        is_guess; /* frames may be missing or wrong: some were found by a scan and not by unwinding */
    uintptr_t pc[WEFT__STACK_FRAMES];
};

/**
 * What the thread is at. One that is parked in the kernel is read from outside and not disturbed. One
 * that runs is asked by a signal, and answers within milliseconds of getting a CPU.
 *
 * 0, or -ESRCH: there is no such thread; -EACCES: it runs and blocks the signal; -EBUSY: the program uses all
 * signals that would serve; -ETIMEDOUT: it runs and does not answer, as it gets no CPU or is busy
 * within the kernel; -ENOTSUP: this kernel or this CPU is not supported; -ENOMEM; or what reading /proc
 * failed with. Of a stack that cannot be unwound at least the innermost frame is told.
 *
 * Thread: any; one at a time is served.
 */
int weft__stack_of(pid_t tid, struct weft__stack *ret);

#endif
