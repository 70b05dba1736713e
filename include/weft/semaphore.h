/* SPDX-License-Identifier: MIT */
/**
 * Semaphores: at most so many at a time (asyncio.Semaphore, BoundedSemaphore).
 */
#ifndef WEFT_SEMAPHORE_H
#define WEFT_SEMAPHORE_H

#include <stddef.h>
#include <weft/future.h>
#include <weft/macros.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_semaphore weft_semaphore;

/**
 * A new semaphore with `value` units to take. With a `bound` (0: none) it never holds more than that:
 * who releases more than was taken is told so.
 *
 * Thread:    loop.
 * Ownership: the caller's, until weft_semaphore_free(), at the latest before weft_loop_free().
 * Errors:    NULL and errno: ENOMEM, EINVAL (`value` is above `bound`; this thread has no loop),
 *            ESHUTDOWN (loop shut down).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_semaphore *weft_semaphore_new(size_t value, size_t bound);

/**
 * Free a semaphore; those who wait for it fail with WEFT_ECLOSED. NULL is nothing.
 *
 * Thread:    loop.
 * Ownership: consumes the semaphore.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_semaphore_free(weft_semaphore *semaphore);

/**
 * Take one unit; waits while there is none, first come first served.
 *
 * It is taken when somebody has seen that the future succeeded, as with weft_lock_acquire(): if
 * nobody looks, it passes on by itself, and must not be released.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL.
 * Errors:    by the future: WEFT_ECLOSED (freed meanwhile), -ECANCELED, -ENOMEM, -EINVAL (NULL),
 *            WEFT_ENOLOOP, WEFT_ETHREAD (another thread's semaphore), -ESHUTDOWN (loop shut down).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_semaphore_acquire(weft_semaphore *semaphore);

/**
 * Give one unit back, or add one: the first of those who wait has it now, and runs at the next tick.
 * Anybody may, not only who took one.
 *
 * Thread:    loop.
 * Ownership: nothing changes hands.
 * Errors:    -EOVERFLOW beyond the bound; -EINVAL (NULL), WEFT_ENOLOOP, WEFT_ETHREAD, -ESHUTDOWN.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_semaphore_release(weft_semaphore *semaphore);

/** How many units there are to take. Thread: loop. Since: 0.1 */
WEFT_PUBLIC size_t weft_semaphore_value(const weft_semaphore *semaphore);

#ifdef __cplusplus
}
#endif

#endif
