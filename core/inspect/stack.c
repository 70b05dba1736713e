/* SPDX-License-Identifier: MIT */
/* Where a thread is parked in the kernel. */
#include "core/inspect/stack.h"

#include <errno.h>

#include "core/inspect/thread_state.h"

int weft__stack_of(pid_t tid, struct weft__stack *ret)
{
    struct weft__thread_state state;
    *ret = (struct weft__stack){.is_guess = true};
    int status = weft__thread_state_read(tid, &state);
    if (status < 0)
        return status;
    if (!weft__thread_is_parked(&state))
        return -ENOTSUP;
    ret->pc[0] = (uintptr_t)state.pc;
    ret->count = 1;
    return 0;
}
