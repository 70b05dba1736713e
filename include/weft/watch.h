/* SPDX-License-Identifier: MIT */
/**
 * Watch: one value that changes, and tasks that wait for its next change. The latest wins: who is slow
 * sees only the last of several.
 *
 *     for (;;) {
 *         WEFT_AWAIT_INTO(self->seen, weft_watch_changed(self->config, self->seen));
 *         apply(weft_watch_get(self->config).ptr);
 *     }
 */
#ifndef WEFT_WATCH_H
#define WEFT_WATCH_H

#include <stdint.h>
#include <weft/future.h>
#include <weft/macros.h>
#include <weft/value.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_watch weft_watch;

/**
 * A new watch, of version 0 and without a value.
 *
 * Thread:    loop.
 * Ownership: the caller's, until weft_watch_free(), at the latest before weft_loop_free().
 * Errors:    NULL and errno: ENOMEM, EINVAL (this thread has no loop), ESHUTDOWN (loop shut down).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_watch *weft_watch_new(void);

/**
 * Free a watch and its value; those who wait fail with WEFT_ECLOSED. NULL is nothing.
 *
 * Thread:    loop.
 * Ownership: consumes the watch.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_watch_free(weft_watch *watch);

/**
 * Replace the value; the version goes up by one. All who wait run at the next tick, in the order in
 * which they came.
 *
 * Thread:    loop.
 * Ownership: takes over the value, unless it fails. The one before is destroyed within the call.
 * Errors:    -EINVAL (NULL), WEFT_ENOLOOP, WEFT_ETHREAD, -ESHUTDOWN (loop shut down).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK int weft_watch_set(weft_watch *watch, weft_value value,
                                               weft_destructor *destructor);

/**
 * The value, borrowed until the next weft_watch_set(); zero while there is none.
 * Thread: loop. Since: 0.1
 */
WEFT_PUBLIC weft_value weft_watch_get(const weft_watch *watch);

/** How often it was set. Thread: loop. Since: 0.1 */
WEFT_PUBLIC uint64_t weft_watch_version(const weft_watch *watch);

/**
 * Wait until the version is another than `seen`; done at once if it is. The value is the version.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL.
 * Errors:    by the future: WEFT_ECLOSED (freed meanwhile), -ECANCELED, -ENOMEM, -EINVAL (NULL),
 *            WEFT_ENOLOOP, WEFT_ETHREAD (another thread's watch), -ESHUTDOWN (loop shut down).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_watch_changed(weft_watch *watch, uint64_t seen);

#ifdef __cplusplus
}
#endif

#endif
