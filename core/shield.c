/* SPDX-License-Identifier: MIT */
/* Shield: a future that stands for another and keeps a cancel to itself. */
#include <errno.h>
#include <weft/combine.h>

#include "core/future.h"
#include "core/inspect/eye.h"
#include "core/loop.h"

struct shield {
    weft_future future; /* first; the operation keeps one reference until it is done */
    weft__waiter waiter;
};

static bool cancel(weft_future *future)
{
    struct shield *shield = WEFT__CONTAINER(future, struct shield, future);
    if (!weft__is_waiting(&shield->waiter))
        return false; /* the inner is done: its result comes in this tick */
    weft__unwait(&shield->waiter);
    weft__complete_failed(future, -ECANCELED, NULL);
    weft_unref(future);
    return true;
}

static void dispose(weft_future *future)
{
    struct shield *shield = WEFT__CONTAINER(future, struct shield, future);
    weft_unref(shield->waiter.future);
}

static void explain(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret)
{
    struct shield shield;
    if (!weft__eye_see(eye, &shield, at, sizeof(shield)))
        return;
    ret->needs = WEFT__NEEDS_ALL;
    weft__eye_child(eye, shield.waiter.future);
}

WEFT__OPS(shield_ops) = {
    .name = "shield", .cancel = cancel, .dispose = dispose, .explain = explain};

static void inner_done(weft__item *item)
{
    struct shield *shield = WEFT__CONTAINER(item, struct shield, waiter.item);
    weft__complete_as(&shield->future, shield->waiter.future);
    weft_unref(&shield->future);
}

weft_future *weft_shield(weft_future *inner)
{
    weft_loop *loop = weft__here();
    if (inner && WEFT__ELSEWHERE(inner->loop_id))
        return weft__future_elsewhere();
    if (!loop)
        return weft__refuse(inner, weft__future_enoloop());
    if (!inner || weft__is_foreign(inner))
        return weft__refuse(inner, weft_future_failed(-EINVAL, "shield: bad argument"));
    if (weft_is_done(inner))
        return inner;
    struct shield *shield = weft__future_alloc(loop, &shield_ops, sizeof(*shield), 2);
    if (!shield)
        return weft__refuse(inner, weft__future_enomem(loop));
    shield->waiter.item.run = inner_done;
    weft__wait(&shield->waiter, inner);
    return &shield->future;
}
