/* SPDX-License-Identifier: MIT */
/* A thread that runs, asked by a signal. See core/inspect/registers.c. */
#ifndef WEFT_CORE_INSPECT_REGISTERS_H
#define WEFT_CORE_INSPECT_REGISTERS_H

#include <sys/types.h>

#include "core/inspect/frame.h"

/**
 * Its registers, and its stack, of which as much is copied as there is and `to` has room for. One thread at a
 * time may ask. 0; -EAGAIN: it waits by now; or an error of weft__stack_of().
 */
int weft__registers_of(pid_t tid, void *to, size_t size, struct weft__regs *ret_regs,
                       struct weft__memory *ret_memory);

/** The program has no handler for this signal: SIGURG, if it has not. Thread: any. */
bool weft__registers_may_use(int signum);

#endif
