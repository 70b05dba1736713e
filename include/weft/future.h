/* SPDX-License-Identifier: MIT */
/**
 * Futures: the result of an operation that may still be under way.
 *
 * Every operation is a future that completes once, on its loop's thread, and never calls back
 * inside the call that started it. A call that starts one returns it, never NULL; one that could
 * not start is a future that has failed.
 *
 * Consuming: what takes a future in order to wait for it (an await, weft_then(), weft_gather(),
 * weft_wait_for(), weft_shield(), weft_loop_run_until()) takes over the caller's reference;
 * weft_ref() first to keep one. Dropping a reference, by weft_unref(), never stops the operation;
 * weft_cancel() asks it to stop. To ignore what such a call returns is a leak, and a warning.
 *
 * A value may carry a destructor; then one taker gets it (an AWAIT_INTO, weft_future_take(), a
 * gather), and if nobody does, the destructor runs when the last reference goes.
 *
 * A failure that nobody looks at is reported to the loop's error handler: when the last reference
 * goes, or when the loop is freed, whichever is first.
 */
#ifndef WEFT_FUTURE_H
#define WEFT_FUTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <weft/error.h>
#include <weft/macros.h>
#include <weft/value.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_future weft_future;

/** What weft_then() calls; `future` is done and borrowed for the call. */
typedef void weft_then_fn(weft_future *future, void *arg);

/**
 * A future that completes when somebody calls weft_future_resolve() or weft_future_fail()
 * (loop.create_future).
 *
 * Cancelling it completes it with -ECANCELED at once; whoever would have resolved it learns so from
 * weft_is_done() or from the -EALREADY of weft_future_resolve(). One that nobody has completed when
 * the loop shuts down is cancelled at its end.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. The side that resolves it needs a reference too:
 *            weft_ref().
 * Errors:    by the future, which has failed already: -ENOMEM, WEFT_ENOLOOP, -ESHUTDOWN (loop shut
 *            down).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_future_new(void);

/**
 * Complete a future with a value. Who waits for it runs at the next tick.
 *
 * Thread:    loop.
 * Ownership: takes over the value, also on failure: then `destructor` (may be NULL) has been
 *            called.
 * Errors:    -EALREADY when it is done; -EINVAL when it was not made by weft_future_new().
 * Since:     0.1
 */
WEFT_PUBLIC int weft_future_resolve(weft_future *future, weft_value value,
                                    weft_destructor *destructor);

/**
 * Complete a future with the failure `status`, a negative error, and a message as of printf()
 * (NULL: none).
 *
 * Thread:    loop.
 * Ownership: the message is copied; out of memory, it is dropped and the status kept.
 * Errors:    -EALREADY when it is done; -EINVAL when `status` is not negative or it was not made by
 *            weft_future_new().
 * Since:     0.1
 */
WEFT_PUBLIC int weft_future_fail(weft_future *future, int status, const char *format, ...)
    WEFT_PRINTF(3, 4);

/**
 * A future that has failed already: for functions of your own that return futures and cannot start.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL.
 * Errors:    by the future: `status` (-EINVAL when that is not negative), or -ENOMEM, WEFT_ENOLOOP.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_future_failed(int status, const char *format, ...)
    WEFT_PRINTF(2, 3);

/**
 * One more reference.
 *
 * Thread:    loop.
 * Ownership: returns `future`, for chaining; each reference is given up by weft_unref() or by a
 *            call that consumes it.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC weft_future *weft_ref(weft_future *future);

/**
 * Give up a reference; the operation goes on unobserved. NULL is nothing.
 *
 * Thread:    loop.
 * Ownership: consumes the reference. With the last one an untaken value is destroyed and an
 *            unobserved failure reported.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_unref(weft_future *future);

/** True once it has completed, whichever way. Thread: loop. Since: 0.1 */
WEFT_PUBLIC bool weft_is_done(const weft_future *future);

/** True if it completed with -ECANCELED. Thread: loop. Since: 0.1 */
WEFT_PUBLIC bool weft_is_cancelled(const weft_future *future);

/**
 * How it ended: 0, or the error. Looking counts as observing a failure.
 *
 * Thread:    loop.
 * Ownership: nothing changes hands.
 * Errors:    -EINPROGRESS while it is under way.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_future_status(weft_future *future);

/**
 * Its value, borrowed; zero while it is under way, when it failed, and when the value was taken.
 *
 * Thread:    loop.
 * Ownership: the future keeps the value.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC weft_value weft_future_value(const weft_future *future);

/**
 * Take the value: its destructor is now the caller's to call.
 *
 * Thread:    loop.
 * Ownership: a value with a destructor can be taken once; one without (a number, a borrowed
 *            pointer) any number of times.
 * Errors:    its failure; -EINPROGRESS while under way; -EALREADY when the value was taken. `ret`
 *            is then untouched.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_future_take(weft_future *future, weft_value *ret);

/**
 * The message of its failure, or the reason of the cancel that was asked for; NULL if there is
 * none.
 *
 * Thread:    loop.
 * Ownership: borrowed, until the last reference goes.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC const char *weft_message(const weft_future *future);

/**
 * Call `fn(future, arg)` when it is done: at the next tick if it is done already
 * (add_done_callback).
 *
 * Several calls on one future are made in the order in which they were asked for.
 *
 * Thread:    loop.
 * Ownership: consumes the reference, unless it fails. `arg` is borrowed until the call.
 * Errors:    -ENOMEM, -EINVAL (`fn` or the future is NULL), WEFT_ENOLOOP, -ESHUTDOWN (loop shut down).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK int weft_then(weft_future *future, weft_then_fn *fn, void *arg);

/**
 * Ask it to stop. It completes once all the same: with -ECANCELED, or with its result if that came
 * first.
 *
 * A task gets -ECANCELED from the await in which it is; a task that has not started never starts.
 *
 * Thread:    loop.
 * Ownership: nothing changes hands.
 * Errors:    false when it is done already, else true.
 * Since:     0.1
 */
WEFT_PUBLIC bool weft_cancel(weft_future *future);

/**
 * weft_cancel() with a reason, which becomes the message of the -ECANCELED and is shown in dumps.
 * Who asked and from where is noted as well: see weft_task_cancel_info().
 *
 * Thread:    loop.
 * Ownership: the reason is copied; out of memory, it is dropped and the request kept.
 * Errors:    false when it is done already, else true.
 * Since:     0.1
 */
WEFT_PUBLIC bool weft_cancel_because(weft_future *future, const char *reason);

#ifndef WEFT_BUILDING /* within the library the functions are called, which note no place */
#define weft_cancel(future) weft__cancel((future), NULL, WEFT__HERE)
#define weft_cancel_because(future, reason) weft__cancel((future), (reason), WEFT__HERE)
#endif

/* What the macros expand to; not for direct use. */
WEFT_PUBLIC bool weft__cancel(weft_future *future, const char *reason, const char *place);

/**
 * Take back one request to cancel a task; at zero, one that was not delivered yet is dropped
 * (Task.uncancel).
 *
 * Thread:    loop.
 * Ownership: nothing changes hands.
 * Errors:    returns how many requests are left; 0 for what is not a task.
 * Since:     0.1
 */
WEFT_PUBLIC unsigned weft_uncancel(weft_future *task);

/**
 * How many requests to cancel a task stand (Task.cancelling); 0 for what is not a task.
 * Thread: loop. Since: 0.1
 */
WEFT_PUBLIC unsigned weft_cancelling(const weft_future *task);

#ifdef __cplusplus
}
#endif

#endif
