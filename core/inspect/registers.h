/* SPDX-License-Identifier: MIT */
/* A thread that runs, asked by a signal. See core/inspect/registers.c. */
#ifndef WEFT_CORE_INSPECT_REGISTERS_H
#define WEFT_CORE_INSPECT_REGISTERS_H

#include <sys/types.h>

#include "core/inspect/frame.h"

/**
 * Its registers, and a copy of its stack: as much as there is and `to` has room for. One thread at a time
 * may ask. 0; -EAGAIN: it waits by now; or an error of weft__stack_of().
 */
int weft__registers_of(pid_t tid, struct weft__regs *ret_regs, void *to, size_t size,
                       size_t *ret_size);

/** The program has no handler for this signal: SIGURG, if it has not. Thread: any. */
bool weft__registers_may_use(int signum);

#endif
