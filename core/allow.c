/* SPDX-License-Identifier: MIT */
/*
 * Where a thread may block: WEFT_ALLOW_BLOCKING, and weft's own short waits.
 *
 * A scope is a struct on the stack of who allows it, linked from the innermost outwards. It costs a few stores
 * and a counter, so that it may stand in production code, where nobody looks for what blocks.
 *
 * weft's own waits (a lock that another thread holds for some instructions) are told apart from these:
 * they are no decision of the user's, and not counted.
 */
#include <stdatomic.h>
#include <weft/blocking.h>

#include "core/mutex.h"

_Thread_local unsigned weft__own_waits __attribute__((tls_model("initial-exec")));

static _Thread_local struct weft_blocking_scope *innermost
    __attribute__((tls_model("initial-exec")));
static atomic_uint_fast64_t scopes; /* only the number counts: relaxed */

void weft_allow_blocking_begin(struct weft_blocking_scope *scope, const char *why)
{
    scope->why = why ? why : "no reason was given";
    scope->outer = innermost;
    innermost = scope;
    atomic_fetch_add_explicit(&scopes, 1, memory_order_relaxed);
}

void weft_allow_blocking_end(struct weft_blocking_scope *scope)
{
    struct weft_blocking_scope *at = innermost;
    while (at && at != scope)
        at = at->outer;
    if (!at)
        return;
    innermost = scope->outer;
    scope->why = NULL;
}

const char *weft_blocking_allowed(void)
{
    return innermost ? innermost->why : NULL;
}

uint64_t weft_blocking_scopes(void)
{
    return atomic_load_explicit(&scopes, memory_order_relaxed);
}

WEFT_APART int weft__lock_slowly(pthread_mutex_t *mutex)
{
    weft__own_waits++;
    int error = pthread_mutex_lock(mutex);
    weft__own_waits--;
    return error;
}
