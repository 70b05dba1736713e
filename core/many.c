/* SPDX-License-Identifier: MIT */
/* Waiting for several futures. Each step is linear in their number. */
#include "core/many.h"

#include <errno.h>

#include "core/loop.h"

size_t weft__room_for(size_t head, size_t count, size_t size)
{
    return count > (SIZE_MAX - head) / size ? 0 : head + count * size;
}

weft_future *weft__cannot_wait(size_t count, weft_future *const *futures, const char *function)
{
    for (size_t i = 0; i < count; i++) {
        if (!futures[i])
            return weft_future_failed(-EINVAL, "%s of NULL", function);
        if (weft__is_elsewhere(futures[i]->loop_id, function))
            return weft__future_elsewhere();
        if (weft__is_foreign(futures[i]))
            return weft_future_failed(-EINVAL, "%s of what has outlived its loop", function);
    }
    return weft__here() ? NULL : weft__future_enoloop();
}

weft_future *weft__refuse_all(size_t count, weft_future *const *futures, weft_future *error)
{
    for (size_t i = 0; i < count; i++)
        weft__drop(futures[i]);
    return error;
}

void weft__wait_all(struct weft__child *children, size_t count, weft_future *const *futures,
                    void *owner, void (*run)(weft__item *item))
{
    for (size_t i = 0; i < count; i++) {
        children[i].owner = owner;
        children[i].waiter.item.run = run;
        weft__wait(&children[i].waiter, futures[i]);
    }
}

bool weft__cancel_all(struct weft__child *children, size_t count, const char *reason)
{
    bool asked = false;
    for (size_t i = 0; i < count; i++)
        asked |= weft_cancel_because(children[i].waiter.future, reason);
    return asked;
}

void weft__drop_all(struct weft__child *children, size_t count)
{
    for (size_t i = 0; i < count; i++)
        weft_unref(children[i].waiter.future);
}
