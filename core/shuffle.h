/* SPDX-License-Identifier: MIT */
/*
 * Shuffling of what is ready, by a seed: for tests that want to see whether a program depends on an
 * order that nobody promised. See core/shuffle.c.
 */
#ifndef WEFT_CORE_SHUFFLE_H
#define WEFT_CORE_SHUFFLE_H

#include <stdint.h>

#include "core/ready.h"

/** What an item must keep its order with, within a tick. */
enum weft__order {
    WEFT__FREE,   /* with nothing: a step of a task, the continuations of one future */
    WEFT__SOON,   /* with weft_call_soon(), weft_sleep(0) and who waits for these */
    WEFT__TIMERS, /* with the timers that are due */
    WEFT__MAIL,   /* with what other threads posted */
    WEFT__LAST,   /* with all that is ready already: waiters of a future that is done */
    WEFT__ORDERS
};

enum { WEFT__GROUPS = 16 };

/** All fields are [loop]. */
struct weft__shuffle {
    uint64_t seed; /* [const] */
    uint64_t state;
    weft__item **tails[WEFT__GROUPS]; /* where the next one of each group is linked */
    unsigned groups[WEFT__ORDERS];    /* of this tick */
};

/** A shuffle; NULL: out of memory. */
struct weft__shuffle *weft__shuffle_new(uint64_t seed);

/** Queue the chain first … last somewhere among what is ready. */
void weft__shuffle_in(struct weft__shuffle *shuffle, weft__ready *ready, weft__item *first,
                      weft__item *last, enum weft__order order);

/** Items were taken out of the middle of `ready`: what follows goes to its end. */
void weft__shuffle_forget(struct weft__shuffle *shuffle, weft__ready *ready);

#endif
