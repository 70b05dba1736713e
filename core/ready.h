/* SPDX-License-Identifier: MIT */
/*
 * The ready queue: intrusive, first in first out. Whoever is queued lends the node, so that
 * scheduling allocates nothing.
 *
 * As a rule a queued item is not taken out again; its owner keeps itself alive until it was run.
 */
#ifndef WEFT_CORE_READY_H
#define WEFT_CORE_READY_H

#include <stdbool.h>
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

/** The link that leads to the item, or the one at the chain's end. */
static inline weft__item **weft__find_link(weft__item **link, const weft__item *item)
{
    while (*link && *link != item)
        link = &(*link)->next;
    return link;
}

/** Take an item out again; a search, for the rare cases in which its owner must go. False: it is not
 * there. */
static inline bool weft__ready_remove(weft__ready *ready, const weft__item *item)
{
    weft__item **link = weft__find_link(&ready->head, item);
    if (!*link)
        return false;
    *link = item->next;
    if (ready->tail == &item->next)
        ready->tail = link;
    return true;
}

/** Take the whole queue as a chain. */
static inline weft__item *weft__ready_take(weft__ready *ready)
{
    weft__item *head = ready->head;
    weft__ready_init(ready);
    return head;
}

/** Move all that is in `from` behind what is in `ready`. */
static inline void weft__ready_move(weft__ready *ready, weft__ready *from)
{
    if (!from->head)
        return;
    *ready->tail = from->head;
    ready->tail = from->tail;
    weft__ready_init(from);
}

#define WEFT__CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
