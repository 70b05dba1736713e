/* SPDX-License-Identifier: MIT */
/**
 * Barriers: tasks that wait for each other (asyncio.Barrier).
 */
#ifndef WEFT_BARRIER_H
#define WEFT_BARRIER_H

#include <stdbool.h>
#include <stddef.h>
#include <weft/future.h>
#include <weft/macros.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_barrier weft_barrier;

/**
 * A new barrier for `parties` tasks.
 *
 * Thread:    loop.
 * Ownership: the caller's, until weft_barrier_free(), at the latest before weft_loop_free().
 * Errors:    NULL and errno: ENOMEM, EINVAL (`parties` is 0; this thread has no loop), ESHUTDOWN (loop
 *            shut down).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_barrier *weft_barrier_new(size_t parties);

/**
 * Free a barrier; those who wait fail with WEFT_ECLOSED. NULL is nothing.
 *
 * Thread:    loop.
 * Ownership: consumes the barrier.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_barrier_free(weft_barrier *barrier);

/**
 * Wait until as many wait as there are parties; then all go on. The value is an integer, another one
 * for each of them from 0 to parties − 1, in the order in which they came.
 *
 * It can be used again at once: who comes while the others still have to go on waits for that first.
 * One that is cancelled leaves, and the others wait for another in its place.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL.
 * Errors:    by the future: WEFT_EBROKEN (aborted, or reset while it waited), WEFT_ECLOSED (freed
 *            meanwhile), -ECANCELED, -ENOMEM, -EINVAL (NULL), WEFT_ENOLOOP, WEFT_ETHREAD (another
 *            thread's barrier), -ESHUTDOWN (loop shut down).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_barrier_wait(weft_barrier *barrier);

/**
 * Make it as new: those who wait fail with WEFT_EBROKEN, and a broken one can be used again.
 *
 * Thread:    loop.
 * Ownership: nothing changes hands.
 * Errors:    -EINVAL (NULL), WEFT_ENOLOOP, WEFT_ETHREAD, -ESHUTDOWN.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_barrier_reset(weft_barrier *barrier);

/**
 * Break it: those who wait, and all who come until it is reset, fail with WEFT_EBROKEN.
 *
 * Thread:    loop.
 * Ownership: nothing changes hands.
 * Errors:    as weft_barrier_reset().
 * Since:     0.1
 */
WEFT_PUBLIC int weft_barrier_abort(weft_barrier *barrier);

/** How many must come. Thread: loop. Since: 0.1 */
WEFT_PUBLIC size_t weft_barrier_parties(const weft_barrier *barrier);

/** How many have come and wait for the others. Thread: loop. Since: 0.1 */
WEFT_PUBLIC size_t weft_barrier_waiting(const weft_barrier *barrier);

/** True from an abort to the reset. Thread: loop. Since: 0.1 */
WEFT_PUBLIC bool weft_barrier_is_broken(const weft_barrier *barrier);

#ifdef __cplusplus
}
#endif

#endif
