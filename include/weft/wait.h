/* SPDX-License-Identifier: MIT */
/**
 * Waiting for some of several futures, or for each in the order in which they complete. Neither
 * cancels anything, nor counts as having looked at how a future ended.
 */
#ifndef WEFT_WAIT_H
#define WEFT_WAIT_H

#include <stddef.h>
#include <weft/combine.h>
#include <weft/future.h>
#include <weft/macros.h>
#include <weft/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What a wait waits for. */
enum weft_wait_mode {
    WEFT_ALL,             /* until all are done (asyncio.ALL_COMPLETED) */
    WEFT_FIRST_COMPLETED, /* until one is done, whichever way */
    WEFT_FIRST_FAILED     /* until one has failed, which a cancelled one has not, or all are done */
};

/** The value of a wait: which futures are done, and which are not. */
typedef struct weft_waited weft_waited;

/**
 * Wait for several futures: `weft_wait(WEFT_FIRST_COMPLETED, WEFT_S(5), a, b)`; the value is a
 * weft_waited (asyncio.wait).
 *
 * When the time is over the wait succeeds with what is done by then: that is no error. A timeout
 * below zero (or WEFT_FOREVER) is no limit. Neither the timeout nor a cancel of the wait cancels the
 * futures.
 *
 * Thread:    loop.
 * Ownership: consumes the references, which are then the weft_waited's; weft_ref() first to keep one.
 *            Returns one, never NULL; its value has a destructor: take it and call
 *            weft_waited_free().
 * Errors:    by the future: -ECANCELED, -ENOMEM, WEFT_ENOLOOP, -ESHUTDOWN (loop shut down), -EINVAL
 *            (no futures, NULL, unknown mode).
 * Since:     0.1
 */
#define weft_wait(mode, timeout, ...) \
    weft_wait_array(WEFT__COUNT(__VA_ARGS__), WEFT__ARRAY(__VA_ARGS__), (mode), (timeout))

/**
 * weft_wait() for an array.
 *
 * Thread:    loop.
 * Ownership: as weft_wait(), also on failure; the array itself stays the caller's.
 * Errors:    as weft_wait().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_wait_array(size_t count, weft_future *const *futures,
                                                         enum weft_wait_mode mode, weft_ns timeout);

/**
 * How many are done. What is done and what is not is settled when one of these four is called first.
 * Thread: loop. Since: 0.1
 */
WEFT_PUBLIC size_t weft_waited_done_count(weft_waited *waited);

/**
 * The i-th of those that are done, borrowed, in the order of the arguments; NULL: there is none.
 * Thread: loop. Since: 0.1
 */
WEFT_PUBLIC weft_future *weft_waited_done(weft_waited *waited, size_t index);

/** How many are not done. Thread: loop. Since: 0.1 */
WEFT_PUBLIC size_t weft_waited_pending_count(weft_waited *waited);

/**
 * The i-th of those that are not done, borrowed, in the order of the arguments; NULL: there is none.
 * Thread: loop. Since: 0.1
 */
WEFT_PUBLIC weft_future *weft_waited_pending(weft_waited *waited, size_t index);

/**
 * Drop the references to the futures, which go on. NULL is nothing.
 *
 * Thread:    loop.
 * Ownership: consumes `waited`.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_waited_free(weft_waited *waited);

/** Futures on their way, to be had in the order in which they complete. */
typedef struct weft_completions weft_completions;

/**
 * Go through futures as they complete: `weft_as_completed(WEFT_S(5), a, b)`.
 *
 *     self->completions = weft_as_completed(WEFT_FOREVER, a, b, c);
 *     for (;;) {
 *         WEFT_CATCH_INTO(self->status, self->done, weft_next_completed(self->completions));
 *         if (self->status < 0)
 *             break;
 *         WEFT_AWAIT_INTO(self->page, self->done);
 *         …
 *     }
 *     weft_completions_free(self->completions);
 *
 * The timeout, counted from this call, is for all of them; below zero (or WEFT_FOREVER) it is no
 * limit. What is not done by then goes on.
 *
 * Thread:    loop.
 * Ownership: consumes the references. The object is the caller's to free.
 * Errors:    NULL and errno: ENOMEM; EINVAL for a NULL future, or without a loop; ESHUTDOWN (loop
 *            shut down). The calls below accept NULL.
 * Since:     0.1
 */
#define weft_as_completed(timeout, ...) \
    weft_as_completed_array(WEFT__COUNT(__VA_ARGS__), WEFT__ARRAY(__VA_ARGS__), (timeout))

/**
 * weft_as_completed() for an array.
 *
 * Thread:    loop.
 * Ownership: as weft_as_completed(), also on failure; the array itself stays the caller's.
 * Errors:    as weft_as_completed().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_completions *
weft_as_completed_array(size_t count, weft_future *const *futures, weft_ns timeout);

/**
 * The next one that is done; the value is the original future itself, which may have failed.
 *
 * Several may wait for the next one; they are served in order.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. The value is a reference too: once taken, it is the
 *            caller's to consume or to drop.
 * Errors:    by the future: WEFT_EOF after the last one, -ETIMEDOUT when the time is over,
 *            WEFT_ECLOSED when the object is freed, -ECANCELED (nothing is lost: the one that comes
 *            goes to the next call), -ENOMEM (also for NULL), WEFT_ENOLOOP.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_next_completed(weft_completions *completions);

/**
 * Drop the references that were not had; these futures go on. NULL is nothing.
 *
 * Thread:    loop.
 * Ownership: consumes `completions`; who waits for the next one fails with WEFT_ECLOSED.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_completions_free(weft_completions *completions);

#ifdef __cplusplus
}
#endif

#endif
