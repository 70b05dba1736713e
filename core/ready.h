/* SPDX-License-Identifier: MIT */
/*
 * The ready queue: intrusive, first in first out. Whoever is queued lends the node, so that
 * scheduling allocates nothing.
 *
 * As a rule a queued item is not taken out again; its owner keeps itself alive until it was run.
 */
#ifndef WEFT_CORE_READY_H
#define WEFT_CORE_READY_H

#include <stddef.h>

typedef struct weft__item weft__item;
struct weft__item {
    weft__item *next;
    void (*run)(weft__item *item); /* called on the loop's thread; may free the item */
};

typedef struct weft__ready {
    weft__item *head;
    weft__item **tail; /* where the next one is linked */
} weft__ready;

static inline void weft__ready_init(weft__ready *ready)
{
    ready->head = NULL;
    ready->tail = &ready->head;
}

static inline void weft__ready_push(weft__ready *ready, weft__item *item)
{
    item->next = NULL;
    *ready->tail = item;
    ready->tail = &item->next;
}

/** Append the chain first … last, linked by `next`. */
static inline void weft__ready_append(weft__ready *ready, weft__item *first, weft__item *last)
{
    last->next = NULL;
    *ready->tail = first;
    ready->tail = &last->next;
}

/** Take an item out again, if it is there; a search, for the rare cases in which its owner must go. */
static inline void weft__ready_remove(weft__ready *ready, weft__item *item)
{
    for (weft__item **link = &ready->head; *link; link = &(*link)->next) {
        if (*link != item)
            continue;
        *link = item->next;
        if (ready->tail == &item->next)
            ready->tail = link;
        return;
    }
}

/** Take the whole queue as a chain. */
static inline weft__item *weft__ready_take(weft__ready *ready)
{
    weft__item *head = ready->head;
    weft__ready_init(ready);
    return head;
}

#define WEFT__CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
