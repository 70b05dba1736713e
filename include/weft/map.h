/* SPDX-License-Identifier: MIT */
/**
 * Map: many operations, some at a time. A gather that starts its futures itself.
 */
#ifndef WEFT_MAP_H
#define WEFT_MAP_H

#include <stddef.h>
#include <weft/combine.h>
#include <weft/future.h>
#include <weft/macros.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Starts an operation: what weft_map() and weft_retry() call, with the number of the operation or of
 * the attempt, from 0. Returns a future, which is consumed; NULL counts as a failure with -EINVAL.
 *
 * Called on the loop's thread, outside of any task, in the context of who called weft_map().
 */
typedef weft_future *weft_make_fn(size_t index, void *arg);

/**
 * Have `count` operations made and wait for all, at most `limit` at a time; the value is a
 * weft_results, in order of the index.
 *
 *     static weft_future *fetch_one(size_t index, void *urls)
 *     {
 *         return weft_spawn(fetch, .url = ((const char **)urls)[index]);
 *     }
 *
 *     WEFT_AWAIT_INTO(self->pages, weft_map(self->count, 10, fetch_one, self->urls));
 *
 * The first ones are made at the next tick, each other one when one before it has completed. The
 * first failure (or a cancelled operation) ends it: no more are made, those under way are cancelled
 * and awaited, and then the map fails with that error. Cancelling the map does the same.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL; its value has a destructor: take it and call
 *            weft_results_free(). `arg` is borrowed until it is done.
 * Errors:    by the future: the first failure, -ECANCELED, -ENOMEM, WEFT_ENOLOOP, -ESHUTDOWN (loop
 *            shut down), -EINVAL (`make` is NULL, or `limit` is 0).
 * Since:     0.1
 */
#define weft_map(count, limit, make, arg) \
    weft_map_with(WEFT_GATHER_FIRST_ERROR, (count), (limit), (make), (arg))

/**
 * weft_map() with flags: with WEFT_GATHER_ALL all are made, and every status is kept.
 *
 * Thread:    loop.
 * Ownership: as weft_map().
 * Errors:    as weft_map(); -EINVAL for unknown flags.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_map_with(enum weft_gather_flags flags, size_t count,
                                                       size_t limit, weft_make_fn *make, void *arg);

#ifdef __cplusplus
}
#endif

#endif
