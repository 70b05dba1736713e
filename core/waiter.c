/* SPDX-License-Identifier: MIT */
/*
 * Who waits for a future.
 *
 * A waiter is linked into the future's list while that is pending; weft__complete() moves the whole
 * list to the ready queue. The list is closed at its front: the first one's `prev` is the last one.
 * Whoever comes when the future is done is queued at once.
 *
 * weft_then() is a waiter that calls a function, in the context in which it was made.
 */
#include <assert.h>
#include <errno.h>

#include "core/cold.h"
#include "core/context.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/thread.h"

void weft__wait(weft__waiter *waiter, weft_future *future)
{
    waiter->future = future;
    if (!weft__is_waiting(waiter)) {
        weft__schedule_as(weft__loop, &waiter->item,
                          weft__is_pending(future) ? WEFT__SOON : WEFT__LAST);
        return;
    }
    weft__waiter *first = future->first.waiters;
    waiter->item.next = NULL;
    if (first) {
        waiter->prev = first->prev;
        waiter->prev->item.next = &waiter->item;
        first->prev = waiter;
    } else {
        future->first.waiters = waiter->prev = waiter;
    }
}

void weft__detach(weft__waiter *waiter)
{
    assert(weft__is_waiting(waiter));
    weft_future *future = waiter->future;
    weft__waiter *first = future->first.waiters;
    weft__waiter *next =
        waiter->item.next ? WEFT__CONTAINER(waiter->item.next, weft__waiter, item) : NULL;
    if (next)
        next->prev = waiter->prev;
    else
        first->prev = waiter->prev;
    if (waiter == first)
        future->first.waiters = next;
    else
        waiter->prev->item.next = waiter->item.next;
}

void weft__unwait(weft__waiter *waiter)
{
    weft__detach(waiter);
    weft_unref(waiter->future);
    waiter->future = NULL;
}

struct then {
    weft__waiter waiter;
    weft_then_fn *fn;
    void *arg;
    weft_context *context; /* owned */
};

static void run_then(weft__item *item)
{
    struct then then = *WEFT__CONTAINER(item, struct then, waiter.item);
    weft__free(item);
    weft__look(then.waiter.future);
    weft_context **outer = weft__context_enter(&then.context);
    then.fn(then.waiter.future, then.arg);
    weft__context_leave(outer);
    weft_context_unref(then.context);
    weft_unref(then.waiter.future);
}

uintptr_t weft__then_function(const weft__item *item)
{
    if (item->run != run_then)
        return 0;
    return (uintptr_t)WEFT__CONTAINER((weft__item *)item, struct then, waiter.item)->fn;
}

int weft_then(weft_future *future, weft_then_fn *fn, void *arg)
{
    if (!fn || !future)
        return -EINVAL;
    if (WEFT__ELSEWHERE(future->loop_id))
        return weft__elsewhere();
    if (!weft__here())
        return weft__enoloop();
    if (weft__loop->phase == WEFT__CLOSED)
        return -ESHUTDOWN;
    struct then *then = weft__malloc(sizeof(*then));
    if (!then)
        return -ENOMEM;
    *then = (struct then){
        .waiter.item.run = run_then, .fn = fn, .arg = arg, .context = weft_context_current()};
    weft__wait(&then->waiter, future);
    return 0;
}
