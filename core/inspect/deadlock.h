/* SPDX-License-Identifier: MIT */
/* Debug mode: tasks that wait for each other, or for nobody. See core/inspect/deadlock.c. */
#ifndef WEFT_CORE_INSPECT_DEADLOCK_H
#define WEFT_CORE_INSPECT_DEADLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/loop.h>
#include <weft/time.h>

enum { WEFT__DEADLOCKS_KEPT = 32 };

/** What a loop knows of its deadlocks. All fields are [loop]. */
struct weft__deadlocks {
    uint64_t looked_at; /* the loop's callbacks at the last look */
    weft_ns next_look;  /* in real time: not before */
    weft_ns idle_since; /* since when it sleeps with nothing to wake it; 0: it does not */
    weft_ns patience;   /* 0: the usual one; until other threads are thought to be no help */
    uint64_t reported[WEFT__DEADLOCKS_KEPT]; /* circles, by a hash; the oldest is replaced */
    size_t count;                            /* of them, ever */
    bool has_looked, was_idle_reported;
};

/**
 * Debug mode; nothing is ready. Report who waits in a circle, and once that nothing is left which could
 * wake anybody. Calls the error handler, which may make something ready. Returns when to be called again
 * though nothing has happened, in real time; WEFT_FOREVER: there is no need.
 */
weft_ns weft__deadlock_look(weft_loop *loop);

#endif
