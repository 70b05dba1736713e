/* SPDX-License-Identifier: MIT */
/**
 * Events: a flag that tasks can wait for (asyncio.Event).
 */
#ifndef WEFT_EVENT_H
#define WEFT_EVENT_H

#include <stdbool.h>
#include <weft/future.h>
#include <weft/macros.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_event weft_event;

/**
 * A new event, which is not set.
 *
 * Thread:    loop.
 * Ownership: the caller's, until weft_event_free(), at the latest before weft_loop_free().
 * Errors:    NULL and errno: ENOMEM, EINVAL (this thread has no loop), ESHUTDOWN (loop shut down).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_event *weft_event_new(void);

/**
 * Free an event; those who wait for it fail with WEFT_ECLOSED. NULL is nothing.
 *
 * Thread:    loop.
 * Ownership: consumes the event.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_event_free(weft_event *event);

/**
 * Set it: all who wait run at the next tick, in the order in which they came, even if it is cleared
 * before that.
 *
 * Thread:    loop.
 * Ownership: nothing changes hands.
 * Errors:    -EINVAL (NULL), WEFT_ENOLOOP, WEFT_ETHREAD, -ESHUTDOWN (loop shut down).
 * Since:     0.1
 */
WEFT_PUBLIC int weft_event_set(weft_event *event);

/** Clear it: from now on weft_event_wait() waits. Errors: as weft_event_set(). Thread: loop. Since: 0.1
 */
WEFT_PUBLIC int weft_event_clear(weft_event *event);

/** True while it is set. Thread: loop. Since: 0.1 */
WEFT_PUBLIC bool weft_event_is_set(const weft_event *event);

/**
 * Wait until it is set; done at once if it is.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL.
 * Errors:    by the future: WEFT_ECLOSED (freed meanwhile), -ECANCELED, -ENOMEM, -EINVAL (NULL),
 *            WEFT_ENOLOOP, WEFT_ETHREAD (another thread's event), -ESHUTDOWN (loop shut down).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_event_wait(weft_event *event);

#ifdef __cplusplus
}
#endif

#endif
