/* SPDX-License-Identifier: MIT */
/* Locks from the inside, for conditions. See core/lock.c. All [loop]. */
#ifndef WEFT_CORE_LOCK_H
#define WEFT_CORE_LOCK_H

#include <weft/lock.h>

#include "core/sync.h"

enum weft__lock_state {
    WEFT__LOCK_FREE,
    WEFT__LOCK_GRANTED, /* its next holder was called, or has not looked yet */
    WEFT__LOCK_HELD
};

struct weft_lock {
    struct weft__sync sync; /* first; the line is of those who want it */
    enum weft__lock_state state;
    uint64_t owner; /* unless FREE; 0: code outside of tasks */
};

/** True if the running task holds it. */
bool weft__lock_is_mine(const weft_lock *lock);

/** What waits for the lock of which this is a copy: see core/inspect/eye.h. */
void weft__explain_lock(const weft_lock *copy, struct weft__waiting *ret);

/** Its holder lets go: the first in line is called, or it is free. */
void weft__lock_hand_over(weft_lock *lock);

#endif
