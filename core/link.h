/* SPDX-License-Identifier: MIT */
/*
 * A doubly linked list without a head of its own. The link is the first member of what is in it.
 */
#ifndef WEFT_CORE_LINK_H
#define WEFT_CORE_LINK_H

typedef struct weft__link weft__link;
struct weft__link {
    weft__link *next;
    weft__link **from; /* what points here */
};

static inline void weft__link_add(weft__link **list, weft__link *link)
{
    link->next = *list;
    link->from = list;
    if (*list)
        (*list)->from = &link->next;
    *list = link;
}

static inline void weft__link_remove(weft__link *link)
{
    *link->from = link->next;
    if (link->next)
        link->next->from = link->from;
}

#endif
