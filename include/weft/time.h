/* SPDX-License-Identifier: MIT */
/**
 * Time: nanoseconds on the monotonic clock, timers and sleeping.
 *
 * A duration and a point in time are both a `weft_ns`; a deadline is a point in time.
 */
#ifndef WEFT_TIME_H
#define WEFT_TIME_H

#include <stdint.h>
#include <weft/future.h>
#include <weft/macros.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Nanoseconds; monotonic, never the wall clock. */
typedef int64_t weft_ns;

#define WEFT_S(n) ((weft_ns)((n)*1000000000LL))
#define WEFT_MS(n) ((weft_ns)((n)*1000000LL))
#define WEFT_US(n) ((weft_ns)((n)*1000LL))

/** "No limit" wherever a duration or a deadline is asked for. */
#define WEFT_FOREVER INT64_MAX

/** What weft_call_soon(), weft_call_later() and weft_call_at() call. */
typedef void weft_call_fn(void *arg);

/**
 * The time now: of the current loop's clock (which may be virtual), else of CLOCK_MONOTONIC.
 *
 * Thread:    any.
 * Ownership: nothing changes hands.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC weft_ns weft_now(void);

/**
 * Complete after `duration` (asyncio.sleep). Zero or less is one tick, as WEFT_YIELD.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL.
 * Errors:    by the future: -ECANCELED, -ENOMEM, WEFT_ENOLOOP, -ESHUTDOWN (loop shut down).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_sleep(weft_ns duration);

/**
 * Call `fn(arg)` at the next tick (loop.call_soon).
 *
 * The future is the handle: it completes when the call has been made; weft_cancel() takes the call
 * back; weft_unref() lets it go its way.
 *
 * Thread:    loop; from another thread see weft_post().
 * Ownership: returns one reference, never NULL. `arg` is borrowed until the call or the
 *            cancellation.
 * Errors:    by the future: -ECANCELED, -ENOMEM, WEFT_ENOLOOP; -EINVAL when `fn` is NULL;
 *            -ESHUTDOWN (loop shut down).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_call_soon(weft_call_fn *fn, void *arg);

/**
 * Call `fn(arg)` after `delay` (loop.call_later). The future is the handle, as for
 * weft_call_soon().
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. `arg` is borrowed until the call or the
 *            cancellation.
 * Errors:    as weft_call_soon().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_call_later(weft_ns delay, weft_call_fn *fn,
                                                         void *arg);

/**
 * Call `fn(arg)` at the time `when` (loop.call_at). Calls due at the same time are made in the
 * order in which they were asked for. The future is the handle, as for weft_call_soon().
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. `arg` is borrowed until the call or the
 *            cancellation.
 * Errors:    as weft_call_soon().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_call_at(weft_ns when, weft_call_fn *fn, void *arg);

#ifdef __cplusplus
}
#endif

#endif
