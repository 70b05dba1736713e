/* SPDX-License-Identifier: MIT */
/**
 * Locks: one task at a time (asyncio.Lock).
 *
 *     WEFT_AWAIT(weft_lock_acquire(self->lock));
 *     …what nobody else may come between, with awaits in it…
 *     WEFT_FINALLY;
 *     weft_lock_release(self->lock);      -EPERM, without harm, if it was never acquired
 *
 * A lock is for tasks of one loop; threads are kept apart by a mutex. It is handed over in the order
 * in which it was asked for.
 */
#ifndef WEFT_LOCK_H
#define WEFT_LOCK_H

#include <stdbool.h>
#include <weft/future.h>
#include <weft/macros.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_lock weft_lock;

/**
 * A new lock, which nobody holds.
 *
 * Thread:    loop.
 * Ownership: the caller's, until weft_lock_free(), at the latest before weft_loop_free().
 * Errors:    NULL and errno: ENOMEM, EINVAL (this thread has no loop), ESHUTDOWN (loop shut down).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_lock *weft_lock_new(void);

/**
 * Free a lock, whoever holds it; those who wait for it fail with WEFT_ECLOSED. NULL is nothing.
 *
 * Thread:    loop.
 * Ownership: consumes the lock.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_lock_free(weft_lock *lock);

/**
 * Take the lock for the running task, or (in a callback, say) for the code outside of tasks; waits
 * until it is free.
 *
 * The future is done at once if it is free. The lock is held when somebody has seen that the future
 * succeeded: an await, weft_future_status(), a weft_then() or one of these on a combinator around it.
 * If nobody looks (the future was dropped, the gather around it was cancelled) it passes on by
 * itself. One that was called and then cancelled passes it on as well.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL.
 * Errors:    by the future: -EDEADLK (this task has it, or was granted it), WEFT_ECLOSED (freed
 *            meanwhile), -ECANCELED, -ENOMEM, -EINVAL (NULL), WEFT_ENOLOOP, WEFT_ETHREAD (another
 *            thread's lock), -ESHUTDOWN (loop shut down).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_lock_acquire(weft_lock *lock);

/**
 * Let go of the lock. The first of those who wait has it now, and runs at the next tick.
 *
 * Thread:    loop; in the task that took it (outside of tasks, if it was taken there).
 * Ownership: nothing changes hands.
 * Errors:    -EPERM when the caller does not hold it; -EINVAL (NULL), WEFT_ENOLOOP, WEFT_ETHREAD,
 *            -ESHUTDOWN.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_lock_release(weft_lock *lock);

/**
 * True while somebody holds it. Between a release and the step of the one to whom it was handed over
 * it is false, though nobody else can take it.
 * Thread: loop. Since: 0.1
 */
WEFT_PUBLIC bool weft_lock_is_locked(const weft_lock *lock);

#ifdef __cplusplus
}
#endif

#endif
