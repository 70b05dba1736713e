/* SPDX-License-Identifier: MIT */
/**
 * Queues between tasks, and between tasks and threads (asyncio.Queue, LifoQueue, PriorityQueue).
 *
 * A queue belongs to a loop, whose tasks put and get with futures; any other thread may put and get
 * by the calls that block it. It has a bound: who puts into a full one waits, whichever side it is on.
 * Among those who wait it is first come, first served, tasks and threads alike.
 *
 * A value may carry a destructor, which runs if nobody gets the value.
 *
 * A cancel does not reach a thread that is blocked in a queue; weft_queue_shutdown() does. So shut the
 * queue down, wait for those who use it, and then drop it.
 *
 * In a forked child in which the loop does not go on (see weft_after_fork_child()), every call fails
 * with WEFT_EFORK, and the queue seems empty.
 */
#ifndef WEFT_QUEUE_H
#define WEFT_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/future.h>
#include <weft/macros.h>
#include <weft/time.h>
#include <weft/value.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_queue weft_queue;

enum weft_queue_order {
    WEFT_QUEUE_FIFO,    /* the oldest first */
    WEFT_QUEUE_LIFO,    /* the newest first */
    WEFT_QUEUE_PRIORITY /* the smallest priority first; of equal ones the oldest */
};

/** The priority of a value. Called by the thread that puts, before anything is locked. */
typedef int64_t weft_priority_fn(weft_value value);

/** As a bound: none. */
#define WEFT_UNBOUNDED SIZE_MAX

/** Zero is the default of every field. */
struct weft_queue_options {
    size_t size;  /* sizeof(struct weft_queue_options), or 0 for "this version" */
    size_t bound; /* how many values it holds; 0: 1024; WEFT_UNBOUNDED */
    enum weft_queue_order order;
    weft_priority_fn *priority; /* for WEFT_QUEUE_PRIORITY; NULL: the value is an integer, and it */
};

/**
 * A new queue of this thread's loop. `options` may be NULL.
 *
 * Thread:    loop.
 * Ownership: returns one reference. A queue may outlive its loop: then all that is left is closed.
 * Errors:    NULL and errno: ENOMEM, EINVAL (options; this thread has no loop), ESHUTDOWN (loop shut
 *            down).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_queue *weft_queue_new(const struct weft_queue_options *options);

/** One more reference, for another thread, say. Returns `queue`. Thread: any. Since: 0.1 */
WEFT_PUBLIC weft_queue *weft_queue_ref(weft_queue *queue);

/**
 * Give up a reference. With the last one the queue is closed: tasks that still wait for it fail with
 * WEFT_ECLOSED, values that are left are destroyed. NULL is nothing.
 *
 * Thread:    any; not while another thread is in a call on this very reference.
 * Ownership: consumes the reference.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_queue_unref(weft_queue *queue);

/* ---- Tasks ---- */

/**
 * Put a value into the queue; waits while it is full.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. Takes over the value in any case: `destructor` (may be
 *            NULL) is called when it was not put.
 * Errors:    by the future: WEFT_ECLOSED (shut down), -ECANCELED, -ENOMEM, -EINVAL (NULL),
 *            WEFT_ENOLOOP, WEFT_ETHREAD (another thread's queue), -ESHUTDOWN (loop shut down).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_queue_put(weft_queue *queue, weft_value value,
                                                        weft_destructor *destructor);

/**
 * Get the next value; waits while there is none. It is the future's value, with its destructor.
 *
 * A value that was got by a future which is dropped before anybody looks goes back to the front of
 * the queue.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL.
 * Errors:    by the future: WEFT_ECLOSED (shut down, and empty), else as weft_queue_put().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_queue_get(weft_queue *queue);

/**
 * Wait until weft_queue_task_done() was called for every value that was ever put.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL.
 * Errors:    by the future: as weft_queue_put(); WEFT_ECLOSED only when the last reference goes.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_queue_join(weft_queue *queue);

/* ---- Any thread, without waiting ---- */

/**
 * Put a value if there is room.
 *
 * Thread:    any.
 * Ownership: takes over the value, unless it fails.
 * Errors:    -EAGAIN (full), WEFT_ECLOSED (shut down), -ENOMEM, -EINVAL (NULL).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK int weft_queue_put_nowait(weft_queue *queue, weft_value value,
                                                      weft_destructor *destructor);

/**
 * Get a value if there is one.
 *
 * Thread:    any.
 * Ownership: the value is the caller's; `ret_destructor` (may be NULL) gets its destructor. Both are
 *            untouched on failure.
 * Errors:    -EAGAIN (none, or only such as others were called for), WEFT_ECLOSED (shut down, and
 *            empty), -EINVAL (NULL).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK int weft_queue_get_nowait(weft_queue *queue, weft_value *ret,
                                                      weft_destructor **ret_destructor);

/**
 * What was got is dealt with: one call for each value, from whoever got it.
 *
 * Thread:    any.
 * Ownership: nothing changes hands.
 * Errors:    -EINVAL when it was called more often than values were put; (NULL).
 * Since:     0.1
 */
WEFT_PUBLIC int weft_queue_task_done(weft_queue *queue);

enum weft_queue_shutdown {
    WEFT_QUEUE_DRAIN,    /* what is in it can still be got */
    WEFT_QUEUE_IMMEDIATE /* what is in it is destroyed, and counts as dealt with */
};

/**
 * No more puts: those who wait to put, and those who wait to get from an empty queue, fail with
 * WEFT_ECLOSED, and so does who comes later.
 *
 * Thread:    any.
 * Ownership: nothing changes hands.
 * Errors:    -EINVAL (NULL, no such mode).
 * Since:     0.1
 */
WEFT_PUBLIC int weft_queue_shutdown(weft_queue *queue, enum weft_queue_shutdown mode);

/** How many values it holds. Thread: any. Since: 0.1 */
WEFT_PUBLIC size_t weft_queue_size(weft_queue *queue);

/** True if it holds none. Thread: any. Since: 0.1 */
WEFT_PUBLIC bool weft_queue_is_empty(weft_queue *queue);

/** True if it holds as many as its bound. Thread: any. Since: 0.1 */
WEFT_PUBLIC bool weft_queue_is_full(weft_queue *queue);

/* ---- Threads ---- */

/**
 * Put a value; blocks the thread while the queue is full, for at most `timeout` of real time (below 0
 * or WEFT_FOREVER: no limit).
 *
 * Thread:    any but the queue's loop's.
 * Ownership: takes over the value, unless it fails.
 * Errors:    -ETIMEDOUT, -EDEADLK (on the loop's thread), WEFT_ECLOSED (shut down, or the loop has
 *            ended), -ENOMEM, -EINVAL (NULL).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK int weft_queue_put_blocking(weft_queue *queue, weft_value value,
                                                        weft_destructor *destructor,
                                                        weft_ns timeout);

/**
 * Get a value; blocks the thread while there is none, for at most `timeout` of real time (below 0 or
 * WEFT_FOREVER: no limit).
 *
 * Thread:    any but the queue's loop's.
 * Ownership: as weft_queue_get_nowait().
 * Errors:    -ETIMEDOUT, -EDEADLK (on the loop's thread), WEFT_ECLOSED (shut down, and empty; or the
 *            loop has ended), -ENOMEM, -EINVAL (NULL).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK int weft_queue_get_blocking(weft_queue *queue, weft_ns timeout,
                                                        weft_value *ret,
                                                        weft_destructor **ret_destructor);

#ifdef __cplusplus
}
#endif

#endif
