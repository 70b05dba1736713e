/* SPDX-License-Identifier: MIT */
/* The current context of a thread, and how what runs gets its own. See core/context.c. */
#ifndef WEFT_CORE_CONTEXT_H
#define WEFT_CORE_CONTEXT_H

#include <weft/context.h>

/**
 * [this thread] Where the current context is kept, on the stack of who runs a callback or a job. NULL:
 * in the task that runs, else in the loop, if the thread has one.
 */
extern _Thread_local weft_context **weft__context_at __attribute__((tls_model("initial-exec")));

/** The current context, borrowed; NULL: it is empty. */
weft_context *weft__context(void);

/** From now on the current context is this one, whose reference is taken over. */
void weft__context_return_to(weft_context *context);

/** From now on *slot is the current context. Returns what weft__context_leave() is to restore. */
static inline weft_context **weft__context_enter(weft_context **slot)
{
    weft_context **outer = weft__context_at;
    weft__context_at = slot;
    return outer;
}

static inline void weft__context_leave(weft_context **outer)
{
    weft__context_at = outer;
}

#endif
