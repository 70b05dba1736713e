/* SPDX-License-Identifier: MIT */
/**
 * Combinators: waiting for several futures, with a limit of time, or without passing on a cancel.
 */
#ifndef WEFT_COMBINE_H
#define WEFT_COMBINE_H

#include <stddef.h>
#include <weft/future.h>
#include <weft/macros.h>
#include <weft/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The value of a gather: for each future, in the order of the arguments, how it ended. */
typedef struct weft_results weft_results;

enum weft_gather_flags {
    WEFT_GATHER_FIRST_ERROR = 0, /* the first failure is the gather's; the others go on */
    WEFT_GATHER_ALL = 1          /* wait for all, keep every status (return_exceptions=True) */
};

/**
 * Wait for several futures: `weft_gather(a, b, c)`; the value is a weft_results.
 *
 * The first failure completes the gather at once with that error and message; the others go on, and
 * their later failures count as observed. Cancelling the gather cancels every future that is not
 * done, and completes once all have ended. The same future may stand there twice (with a reference
 * each; a value with a destructor is then owned by the first place, borrowed by the others). No
 * futures at all give an empty result.
 *
 * Thread:    loop.
 * Ownership: consumes the references. Returns one, never NULL; its value has a destructor: take it
 *            and call weft_results_free().
 * Errors:    by the future: the first failure, -ECANCELED, -ENOMEM, WEFT_ENOLOOP.
 * Since:     0.1
 */
#define weft_gather(...) weft_gather_with(WEFT_GATHER_FIRST_ERROR, __VA_ARGS__)

/** weft_gather() with flags: `weft_gather_with(WEFT_GATHER_ALL, a, b)`. */
#define weft_gather_with(flags, ...) \
    weft_gather_array(WEFT__COUNT(__VA_ARGS__), WEFT__ARRAY(__VA_ARGS__), (flags))

/**
 * weft_gather() of an array.
 *
 * Thread:    loop.
 * Ownership: consumes the references, also on failure; the array itself stays the caller's.
 * Errors:    as weft_gather(); -EINVAL for unknown flags.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *
weft_gather_array(size_t count, weft_future *const *futures, enum weft_gather_flags flags);

/** How many there are. Thread: any. Since: 0.1 */
WEFT_PUBLIC size_t weft_results_count(const weft_results *results);

/** The status of the i-th: 0 or its error; -ERANGE when there is none. Thread: any. Since: 0.1 */
WEFT_PUBLIC int weft_results_status(const weft_results *results, size_t index);

/** The value of the i-th, borrowed; zero when it failed or was taken. Thread: any. Since: 0.1 */
WEFT_PUBLIC weft_value weft_results_value(const weft_results *results, size_t index);

/** The message of the i-th, borrowed; NULL when it has none. Thread: any. Since: 0.1 */
WEFT_PUBLIC const char *weft_results_message(const weft_results *results, size_t index);

/**
 * Take the value of the i-th: its destructor is now the caller's to call.
 *
 * Thread:    any.
 * Ownership: the value is the caller's; zero when it failed or was taken before.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC weft_value weft_results_take(weft_results *results, size_t index);

/**
 * Free the results and destroy the values that nobody took. NULL is nothing.
 *
 * Thread:    any.
 * Ownership: consumes `results`.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_results_free(weft_results *results);

/**
 * Wait for a future for at most `timeout`; then cancel it, wait until it has ended, and fail with
 * -ETIMEDOUT.
 *
 * If it answers the cancel with a value after all, that value is the result. Waiting for the
 * clean-up may take longer than the timeout. A timeout below zero (or WEFT_FOREVER) is no limit;
 * zero takes only what is done. Cancelling the wait cancels the future; if that goes on all the same,
 * it is asked once more when the time is over. Either way the wait lasts until the future has ended.
 *
 * Thread:    loop.
 * Ownership: consumes the reference; returns one, never NULL. A value with a destructor moves from
 *            the future to the returned one.
 * Errors:    by the future: -ETIMEDOUT (the message names what took too long), the future's own,
 *            -ECANCELED, -ENOMEM, WEFT_ENOLOOP, -ESHUTDOWN (loop shut down).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_wait_for(weft_future *future, weft_ns timeout);

/**
 * Wait for a future without passing on a cancel: cancelling the shield leaves what it stands for
 * running.
 *
 * When that is cancelled itself, the shield shows it. Its failure after the shield was cancelled is
 * reported if nobody observes it.
 *
 * Thread:    loop.
 * Ownership: as weft_wait_for().
 * Errors:    by the future: the future's own, -ECANCELED, -ENOMEM, WEFT_ENOLOOP.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_shield(weft_future *future);

/* ---- What the macros expand to; nothing below is for direct use. ---- */

/* The futures of a list of arguments, which may be empty, and how many they are. */
#define WEFT__ARRAY(...) ((weft_future *[]){NULL, __VA_ARGS__} + 1)
#define WEFT__COUNT(...) (sizeof((weft_future *[]){NULL, __VA_ARGS__}) / sizeof(weft_future *) - 1)

#ifdef __cplusplus
}
#endif

#endif
