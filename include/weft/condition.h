/* SPDX-License-Identifier: MIT */
/**
 * Conditions: wait until something under a lock has changed (asyncio.Condition).
 *
 *     WEFT_AWAIT(weft_lock_acquire(self->lock));
 *     WEFT_AWAIT(weft_condition_wait_for(self->condition, is_full, self->basket));
 *     …it is full, and nobody comes in between…
 *     WEFT_FINALLY;
 *     weft_lock_release(self->lock);
 */
#ifndef WEFT_CONDITION_H
#define WEFT_CONDITION_H

#include <stdbool.h>
#include <stddef.h>
#include <weft/future.h>
#include <weft/lock.h>
#include <weft/macros.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_condition weft_condition;

/** What weft_condition_wait_for() waits for; called with the lock held, on the loop's thread. */
typedef bool weft_condition_fn(void *arg);

/**
 * A new condition on a lock. Several may share one.
 *
 * Thread:    loop.
 * Ownership: the caller's, until weft_condition_free(), at the latest before weft_loop_free(). The
 *            lock is borrowed, but may be freed first.
 * Errors:    NULL and errno: ENOMEM, EINVAL (`lock` is NULL; this thread has no loop), ESHUTDOWN (loop
 *            shut down).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_condition *weft_condition_new(weft_lock *lock);

/**
 * Free a condition; those who wait take the lock again and fail with WEFT_ECLOSED. NULL is nothing.
 *
 * Thread:    loop.
 * Ownership: consumes the condition.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_condition_free(weft_condition *condition);

/**
 * Let go of the lock, wait to be notified, and take the lock again.
 *
 * The lock is let go within the call. However the wait ends, the task has it again: also when it was
 * cancelled, which therefore may take as long as others hold the lock. (Not so if the wait could not
 * begin: then it was never let go; nor when the lock was freed or the loop has ended.) A wait that was
 * notified and then cancelled passes the notification on.
 *
 * Thread:    loop; in the task that holds the lock.
 * Ownership: returns one reference, never NULL.
 * Errors:    by the future: -EPERM (the caller does not hold the lock), WEFT_ECLOSED (freed
 *            meanwhile), -ECANCELED, -ENOMEM, -EINVAL (NULL), WEFT_ENOLOOP, WEFT_ETHREAD, -ESHUTDOWN.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_condition_wait(weft_condition *condition);

/**
 * Wait until `is_true(arg)`: looks at once, and each time that it is notified, with the lock held.
 *
 * Thread:    loop; in the task that holds the lock.
 * Ownership: as weft_condition_wait(). `arg` is borrowed until the future is done.
 * Errors:    as weft_condition_wait(); -EINVAL when `is_true` is NULL.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *
weft_condition_wait_for(weft_condition *condition, weft_condition_fn *is_true, void *arg);

/**
 * Wake the first `count` of those who wait. They go on one after the other, when they have the lock.
 *
 * Thread:    loop; in the task that holds the lock.
 * Ownership: nothing changes hands.
 * Errors:    -EPERM (the caller does not hold the lock), -EINVAL (NULL), WEFT_ENOLOOP, WEFT_ETHREAD,
 *            -ESHUTDOWN.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_condition_notify(weft_condition *condition, size_t count);

/** weft_condition_notify() for all of them. Errors: as that. Thread: loop. Since: 0.1 */
WEFT_PUBLIC int weft_condition_notify_all(weft_condition *condition);

#ifdef __cplusplus
}
#endif

#endif
