/* SPDX-License-Identifier: MIT */
/*
 * A limit of time for one future.
 *
 *     WAITING --inner done--> done as the inner
 *     WAITING --deadline--> EXPIRED: inner asked to stop --inner cancelled--> done, -ETIMEDOUT
 *                                                       --inner ends otherwise--> done as the inner
 *
 * A cancel is passed on to the inner; whoever asked from outside wins over the deadline, which still
 * asks again if the inner swallowed the cancel.
 */
#include <errno.h>
#include <weft/combine.h>

#include "core/inspect/eye.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/text.h"
#include "core/timer.h"

struct wait_for {
    struct weft__timed timed; /* first; the operation keeps one reference until the inner is done */
    weft__waiter waiter;      /* for the inner */
    bool expired;
};

/* An armed timer holds a reference, for its item may be queued in the tick in which the inner is
 * done. */
static void disarm(struct wait_for *wait)
{
    if (!weft__timer_is_armed(&wait->timed.timer))
        return;
    weft__timer_stop(weft__loop, &wait->timed.timer);
    weft_unref(&wait->timed.future);
}

/* The inner is done, and its end waits to be noted. Only the deadline's own cancel is nothing to lose. */
static bool cancel_late(struct wait_for *wait)
{
    return wait->expired && weft_is_cancelled(wait->waiter.future);
}

static bool cancel(weft_future *future)
{
    struct wait_for *wait = WEFT__CONTAINER(future, struct wait_for, timed.future);
    weft_future *inner = wait->waiter.future;
    bool asked = weft__is_pending(inner) ? weft__request_cancel(inner, weft_message(future))
                                         : cancel_late(wait);
    if (asked)
        future->flags |= WEFT__CANCEL_ASKED;
    return asked;
}

static void dispose(weft_future *future)
{
    struct wait_for *wait = WEFT__CONTAINER(future, struct wait_for, timed.future);
    weft_unref(wait->waiter.future);
}

static void explain(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret)
{
    struct wait_for wait;
    if (!weft__eye_see(eye, &wait, at, sizeof(wait)))
        return;
    ret->needs = WEFT__NEEDS_ALL;
    ret->stage = wait.expired ? "timed out, its inner was asked to stop" : NULL;
    ret->deadline = weft__eye_deadline(eye, &wait.timed.timer);
    weft__eye_child(eye, wait.waiter.future);
}

WEFT__OPS(wait_for_ops) = {
    .name = "wait_for", .cancel = cancel, .dispose = dispose, .explain = explain};

static void complete_late(weft_future *future, const weft_future *inner)
{
    weft__complete_failed(future, -ETIMEDOUT, weft__format("%s: timed out", weft_task_name(inner)));
}

static void inner_done(weft__item *item)
{
    struct wait_for *wait = WEFT__CONTAINER(item, struct wait_for, waiter.item);
    weft_future *future = &wait->timed.future;
    weft_future *inner = wait->waiter.future;
    disarm(wait);
    bool asked = future->flags & WEFT__CANCEL_ASKED;
    if (weft_is_cancelled(inner) && asked)
        weft__complete_failed(future, -ECANCELED, NULL);
    else if (weft_is_cancelled(inner) && wait->expired)
        complete_late(future, inner);
    else
        weft__complete_as(future, inner);
    weft_unref(future);
}

static void expire(struct wait_for *wait)
{
    wait->expired = true;
    weft_cancel_because(wait->waiter.future, "timed out");
}

static void on_deadline(weft__item *item)
{
    struct wait_for *wait = WEFT__CONTAINER(item, struct wait_for, timed.timer.item);
    if (weft__is_pending(&wait->timed.future))
        expire(wait);
    weft_unref(&wait->timed.future);
}

weft_future *weft_wait_for(weft_future *inner, weft_ns timeout)
{
    weft_loop *loop = weft__here();
    bool limited = timeout >= 0 && timeout != WEFT_FOREVER;
    if (inner && WEFT__ELSEWHERE(inner->loop_id))
        return weft__future_elsewhere();
    if (!loop)
        return weft__refuse(inner, weft__future_enoloop());
    if (!inner || weft__is_foreign(inner))
        return weft__refuse(inner, weft_future_failed(-EINVAL, "wait_for: bad argument"));
    if (weft_is_done(inner) || !limited)
        return inner; /* waiting for it is all there is to do, and costs no tick that way */
    if (loop->phase == WEFT__CLOSED)
        return weft__refuse(inner, weft_future_failed(-ESHUTDOWN, NULL));
    struct wait_for *wait = weft__future_alloc(loop, &wait_for_ops, sizeof(*wait), 2);
    if (!wait)
        return weft__refuse(inner, weft__future_enomem(loop));
    wait->timed.timer.item.run = on_deadline;
    wait->waiter.item.run = inner_done;
    if (timeout > 0) {
        if (weft__timer_start(loop, &wait->timed.timer, weft__deadline_after(timeout)) < 0) {
            weft__future_free(&wait->timed.future);
            return weft__refuse(inner, weft__future_enomem(loop));
        }
        weft_ref(&wait->timed.future);
    }
    weft__wait(&wait->waiter, inner);
    if (timeout == 0)
        expire(wait);
    return &wait->timed.future;
}
