/* SPDX-License-Identifier: MIT */
/*
 * Shuffle: the order in which independent items of one tick are run, drawn from a seed.
 *
 * The ready queue is one list, seen as sixteen groups in a row. A new item goes to the end of a group
 * that is drawn; a chain (the continuations of one future) goes there as a whole. Items that must
 * keep their order with each other have the same group for as long as the queue fills, that is, for a
 * tick; and the last group is for what must come after all that is there already. So each pair of
 * independent items is seen in both orders, with the one or the other seed, while nothing is
 * allocated and a tick stays a tick.
 *
 * What stays in order, and why, is in docs/design/testing.md. The generator is splitmix64.
 */
#include "core/shuffle.h"

#include "core/memory.h"

static uint64_t draw(struct weft__shuffle *shuffle)
{
    uint64_t z = shuffle->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* The last group is nobody's by chance. */
static unsigned draw_group(struct weft__shuffle *shuffle)
{
    return (unsigned)(draw(shuffle) % (WEFT__GROUPS - 1));
}

struct weft__shuffle *weft__shuffle_new(uint64_t seed)
{
    struct weft__shuffle *shuffle = weft__calloc(1, sizeof(*shuffle));
    if (shuffle)
        shuffle->seed = shuffle->state = seed;
    return shuffle;
}

void weft__shuffle_forget(struct weft__shuffle *shuffle, weft__ready *ready)
{
    for (unsigned i = 0; i < WEFT__GROUPS; i++)
        shuffle->tails[i] = ready->tail;
}

/* The queue is empty: another tick begins to fill. */
static void begin(struct weft__shuffle *shuffle, weft__ready *ready)
{
    weft__shuffle_forget(shuffle, ready);
    for (unsigned i = 0; i < WEFT__ORDERS; i++)
        shuffle->groups[i] = draw_group(shuffle);
    shuffle->groups[WEFT__LAST] = WEFT__GROUPS - 1;
}

void weft__shuffle_in(struct weft__shuffle *shuffle, weft__ready *ready, weft__item *first,
                      weft__item *last, enum weft__order order)
{
    if (!ready->head)
        begin(shuffle, ready);
    unsigned group = order == WEFT__FREE ? draw_group(shuffle) : shuffle->groups[order];
    weft__item **link = shuffle->tails[group];
    last->next = *link;
    *link = first;
    for (unsigned i = group; i < WEFT__GROUPS && shuffle->tails[i] == link; i++)
        shuffle->tails[i] = &last->next;
    if (ready->tail == link)
        ready->tail = &last->next;
}
