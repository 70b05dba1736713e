/* SPDX-License-Identifier: MIT */
/* Waiting for several futures: what the combinators have in common. */
#ifndef WEFT_CORE_MANY_H
#define WEFT_CORE_MANY_H

#include <stddef.h>

#include "core/future.h"

/** One of the futures that an operation waits for. */
struct weft__child {
    weft__waiter waiter;
    void *owner; /* [const] the operation */
};

static inline struct weft__child *weft__child_of(weft__item *item)
{
    return WEFT__CONTAINER(item, struct weft__child, waiter.item);
}

/** Room for `count` children of `size` bytes behind `head` bytes; 0: more than there is. */
size_t weft__room_for(size_t head, size_t count, size_t size);

/** NULL if they can be waited for here, else why not, a failed future. `function` is who was called. */
weft_future *weft__cannot_wait(size_t count, weft_future *const *futures, const char *function);

/** Drop the references, and return `error`. */
weft_future *weft__refuse_all(size_t count, weft_future *const *futures, weft_future *error);

/** Wait for all, taking over the references. `run` is called for each in the tick after its end. */
void weft__wait_all(struct weft__child *children, size_t count, weft_future *const *futures,
                    void *owner, void (*run)(weft__item *item));

/** Ask those that are not done to stop; true if there was one. */
bool weft__cancel_all(struct weft__child *children, size_t count, const char *reason);

/** Drop the references. */
void weft__drop_all(struct weft__child *children, size_t count);

#endif
