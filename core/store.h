/* SPDX-License-Identifier: MIT */
/*
 * What a queue holds: a growing ring, read from the front, the back, or as a heap.
 *
 * Not thread-safe. It never shrinks, so what fitted once fits again.
 */
#ifndef WEFT_CORE_STORE_H
#define WEFT_CORE_STORE_H

#include <stddef.h>
#include <stdint.h>
#include <weft/queue.h>

struct weft__stored {
    weft_value value;
    weft_destructor *destructor; /* NULL: none */
    int64_t priority;            /* of a WEFT_QUEUE_PRIORITY */
    int64_t order;               /* among equal priorities */
};

struct weft__store {
    enum weft_queue_order order;
    struct weft__stored *items;
    size_t first, count, capacity; /* the first is at 0 in a heap */
    int64_t back, front;           /* orders that were given last */
};

/** Put at its place. 0 or -ENOMEM. */
int weft__store_put(struct weft__store *store, struct weft__stored item);

/** Put back what was taken: it is the next to be taken, in a heap the next of its priority. 0 or
 * -ENOMEM. */
int weft__store_put_back(struct weft__store *store, struct weft__stored item);

/** Take the next one; there must be one. */
struct weft__stored weft__store_take(struct weft__store *store);

/** Call the destructors of all that is left, and free the memory. */
void weft__store_fini(struct weft__store *store);

/** Call its destructor, if it has one. */
void weft__stored_destroy(const struct weft__stored *item);

#endif
