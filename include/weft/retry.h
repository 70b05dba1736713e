/* SPDX-License-Identifier: MIT */
/**
 * Retry: an operation that is started again when it failed, after a delay that grows.
 */
#ifndef WEFT_RETRY_H
#define WEFT_RETRY_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <weft/future.h>
#include <weft/macros.h>
#include <weft/map.h>
#include <weft/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/** `attempts`: until it succeeds. */
#define WEFT_RETRY_FOREVER UINT_MAX

/** `first_delay` or `jitter`: none, where 0 would be the default. */
#define WEFT_RETRY_NONE (-1)

/** How to retry. What is 0 is as the comment says. */
struct weft_retry_options {
    size_t size;         /* sizeof(struct weft_retry_options), or 0 for "this version" */
    unsigned attempts;   /* how many in all; 0: 3 */
    weft_ns first_delay; /* between the first and the second attempt; 0: 100 ms */
    weft_ns max_delay;   /* no delay is longer; 0: 30 s */
    double multiplier;   /* each delay is so many times the one before; 0: 2 */
    double jitter; /* up to this part of each delay is left out, by chance; 0: 0.5, 1 at most */
    /* Is this failure worth another attempt? `attempt` counts from 0, `arg` is that of `make`. NULL:
     * every one is, but -ECANCELED. */
    bool (*should_retry)(int status, size_t attempt, void *arg);
};

/**
 * Have an operation made, and made again while it fails, up to a number of attempts:
 * `weft_retry(&(struct weft_retry_options){.attempts = 5}, make, arg)`.
 *
 * The delays grow exponentially; the jitter keeps many clients of one server from coming back at the
 * same moment. On virtual time the chances are the same in each run. When no attempt is left, or the
 * failure is not worth one, it fails as the last attempt did.
 *
 * Cancelled during a delay it ends at once. Cancelled during an attempt it cancels that, makes no
 * other, and ends as the attempt does.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. The options are copied (NULL: the defaults). `arg` is
 *            borrowed until it is done. A value with a destructor moves from the attempt's future to
 *            the returned one.
 * Errors:    by the future: those of the last attempt, -ECANCELED, -ENOMEM, WEFT_ENOLOOP, -ESHUTDOWN
 *            (loop shut down), -EINVAL (`make` is NULL, or an option is out of range).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_retry(const struct weft_retry_options *options,
                                                    weft_make_fn *make, void *arg);

#ifdef __cplusplus
}
#endif

#endif
