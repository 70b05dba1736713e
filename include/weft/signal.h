/* SPDX-License-Identifier: MIT */
/**
 * Signals as something to await (asyncio's add_signal_handler).
 *
 *     struct reload { WEFT_FRAME; weft_signal *hangups; int64_t count; };
 *
 *     static WEFT_ASYNC(reload)
 *     {
 *         WEFT_BEGIN;
 *         self->hangups = weft_signal_open(SIGHUP);
 *         for (;;) {
 *             WEFT_AWAIT_INTO(self->count, weft_signal_next(self->hangups));
 *             reload_configuration();
 *         }
 *         WEFT_FINALLY;
 *         weft_signal_close(self->hangups);
 *         WEFT_END;
 *     }
 *
 * A signal is for the whole process, so all listeners of all loops hear each one. While there is
 * any, weft's handler stands in the place of what was there before, which comes back with the last
 * listener's end (unless somebody else has replaced weft's). The handler is installed with
 * SA_RESTART and only puts a note into mailboxes; everything else happens in the loops.
 *
 * In a forked child those listen who opened there, and those of a loop that goes on
 * (weft_after_fork_child()). To all others it is as if weft were not there.
 */
#ifndef WEFT_SIGNAL_H
#define WEFT_SIGNAL_H

#include <weft/future.h>
#include <weft/macros.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_signal weft_signal;

/**
 * Listen to a signal. Each one from now on is counted until weft_signal_next() tells of it.
 *
 * Within weft_run(), a listener for SIGINT takes over: SIGINT does not cancel the main task as long
 * as somebody listens to it.
 *
 * Thread:    loop. The signal must not be blocked in every thread; weft's workers block all.
 * Ownership: the caller's, until weft_signal_close(), at the latest before weft_loop_free().
 * Errors:    NULL and errno: EINVAL (no such signal; SIGKILL and SIGSTOP, which nobody can handle;
 *            SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP and SIGSYS, which the failing instruction
 *            raises; or this thread has no loop), ENOMEM, ESHUTDOWN (the loop is closing).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_signal *weft_signal_open(int signum);

/**
 * Wait for the signal; the value is how often it came since the last time, at least 1.
 *
 * None is lost between two calls: what comes in between is told by the next one, at once. (The
 * kernel itself counts a signal once while it is pending; those from SIGRTMIN on it queues.) What
 * was told to a future that nobody goes on with (it was dropped, or has lost a race) is told again.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL.
 * Errors:    by the future: -EBUSY (somebody waits on this listener already; open another), -EINVAL
 *            (NULL), WEFT_ECLOSED (the listener was closed meanwhile), -ECANCELED, -ENOMEM,
 *            -ESHUTDOWN (the loop is closing).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_signal_next(weft_signal *signal);

/**
 * Listen no more. Who waits fails with WEFT_ECLOSED. NULL is nothing.
 *
 * Thread:    loop.
 * Ownership: consumes the listener.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_signal_close(weft_signal *signal);

#ifdef __cplusplus
}
#endif

#endif
