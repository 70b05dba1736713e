/* SPDX-License-Identifier: MIT */
/*
 * The store of a queue: one array, in which the oldest is at `first` (FIFO), the newest at the end
 * (LIFO), or the smallest at 0 (a binary heap ordered by priority, then by age).
 */
#include "core/store.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "core/memory.h"

enum { FIRST_CAPACITY = 16 };

static struct weft__stored *at(const struct weft__store *store, size_t index)
{
    return &store->items[(store->first + index) % store->capacity];
}

static int grow(struct weft__store *store)
{
    size_t capacity = store->capacity ? store->capacity * 2 : FIRST_CAPACITY;
    struct weft__stored *items = weft__calloc(capacity, sizeof(*items));
    if (!items)
        return -ENOMEM;
    for (size_t i = 0; i < store->count; i++)
        items[i] = *at(store, i);
    weft__free(store->items);
    store->items = items;
    store->first = 0;
    store->capacity = capacity;
    return 0;
}

static bool is_before(const struct weft__stored *a, const struct weft__stored *b)
{
    return a->priority != b->priority ? a->priority < b->priority : a->order < b->order;
}

static void swap(struct weft__stored *a, struct weft__stored *b)
{
    struct weft__stored copy = *a;
    *a = *b;
    *b = copy;
}

static void sift_up(struct weft__store *store, size_t index)
{
    struct weft__stored *items = store->items;
    for (size_t parent; index > 0 && is_before(&items[index], &items[parent = (index - 1) / 2]);
         index = parent)
        swap(&items[index], &items[parent]);
}

static void sift_down(struct weft__store *store)
{
    struct weft__stored *items = store->items;
    size_t index = 0, child;
    while ((child = index * 2 + 1) < store->count) {
        if (child + 1 < store->count && is_before(&items[child + 1], &items[child]))
            child++;
        if (!is_before(&items[child], &items[index]))
            return;
        swap(&items[child], &items[index]);
        index = child;
    }
}

static int put(struct weft__store *store, struct weft__stored item)
{
    if (store->count == store->capacity && grow(store) < 0)
        return -ENOMEM;
    *at(store, store->count++) = item;
    if (store->order == WEFT_QUEUE_PRIORITY)
        sift_up(store, store->count - 1);
    return 0;
}

int weft__store_put(struct weft__store *store, struct weft__stored item)
{
    item.order = ++store->back;
    return put(store, item);
}

int weft__store_put_back(struct weft__store *store, struct weft__stored item)
{
    item.order = --store->front;
    if (store->order != WEFT_QUEUE_FIFO)
        return put(store, item);
    if (store->count == store->capacity && grow(store) < 0)
        return -ENOMEM;
    store->first = (store->first + store->capacity - 1) % store->capacity;
    store->count++;
    *at(store, 0) = item;
    return 0;
}

struct weft__stored weft__store_take(struct weft__store *store)
{
    struct weft__stored *last = at(store, store->count - 1);
    struct weft__stored item = store->order == WEFT_QUEUE_LIFO ? *last : *at(store, 0);
    store->count--;
    if (store->order == WEFT_QUEUE_FIFO)
        store->first = (store->first + 1) % store->capacity;
    if (store->order == WEFT_QUEUE_PRIORITY) {
        store->items[0] = *last;
        sift_down(store);
    }
    return item;
}

void weft__stored_destroy(const struct weft__stored *item)
{
    if (item->destructor)
        item->destructor(item->value.ptr);
}

void weft__store_fini(struct weft__store *store)
{
    while (store->count) {
        struct weft__stored item = weft__store_take(store);
        weft__stored_destroy(&item);
    }
    weft__free(store->items);
}
