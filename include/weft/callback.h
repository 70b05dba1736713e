/* SPDX-License-Identifier: MIT */
/**
 * Callbacks in the caller's memory: the calls of <weft/time.h> and weft_post() for the hottest paths,
 * with nothing allocated.
 */
#ifndef WEFT_CALLBACK_H
#define WEFT_CALLBACK_H

#include <stdbool.h>
#include <stdint.h>
#include <weft/loop.h>
#include <weft/macros.h>
#include <weft/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A function that a loop is to call, with its argument and its place among what the loop has to do:
 * part of a connection's struct, say. Its contents are weft's.
 *
 *     struct connection { struct weft_callback idle; … };
 *
 *     weft_callback_init(&connection->idle, close_idle, connection);
 *     status = weft_callback_later(&connection->idle, WEFT_S(30));
 *     …
 *     weft_callback_cancel(&connection->idle);
 *     free(connection);
 *
 *     idle --weft_callback_soon(), _later(), _at(), _post()--> pending --its time has come--> idle: called
 *                                                              pending --weft_callback_cancel()--> idle
 *
 * It is pending once at a time. When `fn` is called it is idle already, so that `fn` may schedule it
 * again, or free it. While it is idle its memory is the caller's: no more is needed to be done with it.
 *
 * Compared with weft_call_soon() and its like there is no future to wait for it, and `fn` has the
 * context of the loop, not of who scheduled it.
 *
 * What is pending when the loop ends is not called any more: weft_loop_shutdown() and
 * weft_loop_free() leave it idle. (So who must be told of the end should not wait for a callback.)
 */
struct weft_callback {
    union {
        void *weft_align_pointer;
        int64_t weft_align_time;
        unsigned char weft_bytes[48];
    } weft_opaque;
};

/**
 * Prepare a callback to call `fn(arg)`, as often as it is scheduled.
 *
 * Thread:    any; the callback is not pending.
 * Ownership: the memory stays the caller's, and must last while the callback is pending. `arg` is
 *            borrowed.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_callback_init(struct weft_callback *callback, weft_call_fn *fn, void *arg);

/**
 * Call it at the next tick (loop.call_soon), in the order of what is ready.
 *
 * Thread:    loop. A callback that other threads post at the same time is scheduled by
 *            weft_callback_post() only, also here.
 * Ownership: nothing changes hands.
 * Errors:    -EBUSY (it is pending already), -EINVAL (it has no function), -ESHUTDOWN (loop shut
 *            down), WEFT_ENOLOOP.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK int weft_callback_soon(struct weft_callback *callback);

/**
 * Call it after `delay` (loop.call_later).
 *
 * Thread:    loop, as weft_callback_soon().
 * Ownership: nothing changes hands.
 * Errors:    as weft_callback_soon(); -ENOMEM.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK int weft_callback_later(struct weft_callback *callback, weft_ns delay);

/**
 * Call it at the time `when` (loop.call_at). What is due at the same time is called in the order in
 * which it was asked for, be it by this function or by weft_call_at(). This one needs no look at the
 * clock.
 *
 * Thread:    loop, as weft_callback_soon().
 * Ownership: nothing changes hands.
 * Errors:    as weft_callback_soon(); -ENOMEM.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK int weft_callback_at(struct weft_callback *callback, weft_ns when);

/**
 * Call it on the loop's thread, from any thread (loop.call_soon_threadsafe). Posts of one thread keep
 * their order, those of weft_post() included.
 *
 * Several threads may post the same callback: -EBUSY says that a call is to come already, for which
 * all that the thread did before is seen. So it serves as a doorbell, too.
 *
 * The loop must not be freed while the call is made.
 *
 * Thread:    any.
 * Ownership: nothing changes hands. Before the memory goes, the caller sees to it that no thread is in
 *            this call any more.
 * Errors:    -EBUSY (it is pending already), -EINVAL, -ESHUTDOWN (the loop is closing), WEFT_EFORK.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK int weft_callback_post(weft_loop *loop, struct weft_callback *callback);

/**
 * Take it back. True: it was pending, will not be called, and its memory is the caller's. False: it
 * was idle, or another thread is just posting it.
 *
 * One that waits for its time is taken back at once; one that is ready, by a search through what is
 * ready.
 *
 * Thread:    loop, the one on which it is pending.
 * Ownership: nothing changes hands.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC bool weft_callback_cancel(struct weft_callback *callback);

/**
 * True from the moment that it was scheduled until it is called, taken back, or its loop has ended.
 *
 * Thread:    any; for threads other than the loop's it is a look at a moment that may be over.
 * Ownership: nothing changes hands.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC bool weft_callback_is_pending(const struct weft_callback *callback);

#ifdef __cplusplus
}
#endif

#endif
