/* SPDX-License-Identifier: MIT */
/*
 * Where a thread may block: WEFT_ALLOW_BLOCKING, and weft's own short waits.
 *
 * A scope is a struct on the stack of who allows it, linked from the innermost outwards. It costs a few stores
 * and a counter, so that it may stand in production code, where nobody looks for what blocks.
 *
 * It must not be left open at the end of a step: others would run in it, and its struct may be gone, with a
 * coroutine's frame or by a longjmp(). So the loop looks at the end of each tick, in debug mode of each step, whether
 * it is as it was, and ends what is not; what is left open is only compared, and never looked at.
 *
 * weft's own waits (a lock that another thread holds for some instructions) are told apart from these:
 * they are no decision of the user's, and not counted.
 */
#include "core/allow.h"

#include <errno.h>
#include <stdatomic.h>

#include "core/loop.h"
#include "core/mutex.h"
#include "core/task.h"

_Thread_local unsigned weft__own_waits __attribute__((tls_model("initial-exec")));

_Thread_local struct weft_blocking_scope *weft__allowed __attribute__((tls_model("initial-exec")));
static atomic_uint_fast64_t scopes; /* only the number counts: relaxed */

void weft_allow_blocking_begin(struct weft_blocking_scope *scope, const char *why)
{
    scope->why = why ? why : "no reason was given";
    scope->outer = weft__allowed;
    weft__allowed = scope;
    atomic_fetch_add_explicit(&scopes, 1, memory_order_relaxed);
}

void weft_allow_blocking_end(struct weft_blocking_scope *scope)
{
    struct weft_blocking_scope *at = weft__allowed;
    while (at && at != scope)
        at = at->outer;
    if (!at)
        return;
    weft__allowed = scope->outer;
    scope->why = NULL;
}

const char *weft_blocking_allowed(void)
{
    return weft__allowed ? weft__allowed->why : NULL;
}

uint64_t weft_blocking_scopes(void)
{
    return atomic_load_explicit(&scopes, memory_order_relaxed);
}

WEFT_APART void weft__allow_left_open(weft_loop *loop, struct weft_blocking_scope *outer,
                                      const weft__coro *coro)
{
    struct weft_error_report report = {
        .what = "weft_allow_blocking_end() was not called in the step that began it",
        .status = -EPROTO,
    };
    weft__allowed = outer;
    if (coro) {
        report.task = weft_task_name(&coro->future);
        report.spawned_at = coro->spawned_at;
        report.task_id = weft_task_id(&coro->future);
    }
    weft__report(loop, &report);
}

WEFT_APART int weft__lock_slowly(pthread_mutex_t *mutex)
{
    weft__own_waits++;
    int error = pthread_mutex_lock(mutex);
    weft__own_waits--;
    return error;
}
