/* SPDX-License-Identifier: MIT */
/*
 * Calls at a later tick or time; and what they have in common with sleeping (core/sleep.c).
 *
 * Each is a future with a timer. A call is made from the ready queue: at once for call_soon,
 * when the timer is due for the others.
 *
 *     WAITING --due or queued--> run: call fn, complete
 *     WAITING --cancel---------> complete with -ECANCELED
 *
 * The operation keeps a reference until then. A cancel takes an armed timer out of the heap; an
 * item that is in the ready queue already cannot be taken out, so it finds the future done when it
 * runs, and only drops the reference.
 */
#include "core/call.h"

#include <errno.h>
#include <weft/time.h>

#include "core/context.h"
#include "core/inspect/eye.h"

struct call {
    struct weft__timed timed; /* first */
    weft_call_fn *fn;
    void *arg;
    weft_context *context; /* owned */
};

bool weft__timed_cancel(weft_future *future)
{
    struct weft__timed *timed = WEFT__CONTAINER(future, struct weft__timed, future);
    bool queued = !weft__timer_is_armed(&timed->timer);
    weft__timer_stop(weft__loop, &timed->timer);
    weft__complete_failed(future, -ECANCELED, NULL);
    if (!queued)
        weft_unref(future);
    return true;
}

static void dispose_call(weft_future *future)
{
    weft_context_unref(WEFT__CONTAINER(future, struct call, timed.future)->context);
}

void weft__explain_timed(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret)
{
    struct weft__timed timed;
    if (!weft__eye_see(eye, &timed, at, sizeof(timed)))
        return;
    ret->deadline = weft__eye_deadline(eye, &timed.timer);
    ret->needs = weft__timer_is_armed(&timed.timer) ? WEFT__NEEDS_WORLD : WEFT__NEEDS_NOTHING;
}

WEFT__OPS(call_ops) = {.name = "call",
                       .cancel = weft__timed_cancel,
                       .dispose = dispose_call,
                       .explain = weft__explain_timed};

static void call(weft__item *item)
{
    struct call *call = WEFT__CONTAINER(item, struct call, timed.timer.item);
    if (weft__is_pending(&call->timed.future)) {
        weft__complete(&call->timed.future, weft_value_i64(0), NULL);
        weft_context **outer = weft__context_enter(&call->context);
        call->fn(call->arg);
        weft__context_leave(outer);
    }
    weft_unref(&call->timed.future);
}

uintptr_t weft__call_function(const weft__item *item)
{
    if (item->run != call)
        return 0;
    return (uintptr_t)WEFT__CONTAINER((weft__item *)item, struct call, timed.timer.item)->fn;
}

weft_future *weft__timed_start(struct weft__timed *timed, weft_ns deadline)
{
    weft_loop *loop = weft__here();
    int status = loop->phase == WEFT__CLOSED ? -ESHUTDOWN : 0;
    if (status == 0 && deadline == INT64_MIN)
        weft__schedule_as(loop, &timed->timer.item, WEFT__SOON);
    else if (status == 0)
        status = weft__timer_start(loop, &timed->timer, deadline);
    if (status < 0) {
        weft__clear_flag(&timed->future, WEFT__NEXT_TICK);
        weft__complete_failed(&timed->future, status, NULL);
        weft_unref(&timed->future);
    }
    return &timed->future;
}

static weft_future *call_at(weft_ns when, weft_call_fn *fn, void *arg)
{
    weft_loop *loop = weft__here();
    if (!loop)
        return weft__future_enoloop();
    if (!fn)
        return weft_future_failed(-EINVAL, "no function to call");
    struct call *made = weft__future_alloc(loop, &call_ops, sizeof(*made), 2);
    if (!made)
        return weft__future_enomem(loop);
    made->timed.timer.item.run = call;
    made->fn = fn;
    made->arg = arg;
    made->context = weft_context_current();
    return weft__timed_start(&made->timed, when);
}

weft_future *weft_call_soon(weft_call_fn *fn, void *arg)
{
    return call_at(INT64_MIN, fn, arg);
}

weft_future *weft_call_later(weft_ns delay, weft_call_fn *fn, void *arg)
{
    return call_at(weft__deadline_after(delay), fn, arg);
}

weft_future *weft_call_at(weft_ns when, weft_call_fn *fn, void *arg)
{
    return call_at(when == INT64_MIN ? when + 1 : when, fn, arg);
}
