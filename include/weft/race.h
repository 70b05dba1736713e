/* SPDX-License-Identifier: MIT */
/**
 * Races: several futures of which one is wanted. The others are cancelled, and have ended before the
 * race completes.
 */
#ifndef WEFT_RACE_H
#define WEFT_RACE_H

#include <stddef.h>
#include <sys/types.h>
#include <weft/combine.h>
#include <weft/future.h>
#include <weft/macros.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The first to complete wins, with a value or a failure: `weft_race(a, b)`.
 *
 * The losers are cancelled and awaited; what they end with counts as observed, their values are
 * destroyed. A race that is cancelled cancels all; should one of them end otherwise than cancelled
 * all the same, that one wins. A race that has its winner cannot be cancelled any more: the request
 * goes to the losers once more, and the one who awaits the race keeps it.
 *
 * Thread:    loop.
 * Ownership: consumes the references; returns one, never NULL. A value with a destructor moves from
 *            the winner to the race.
 * Errors:    by the future: the winner's own, -ECANCELED, -ENOMEM, WEFT_ENOLOOP, -EINVAL (no futures,
 *            or NULL).
 * Since:     0.1
 */
#define weft_race(...) weft_race_array(WEFT__COUNT(__VA_ARGS__), WEFT__ARRAY(__VA_ARGS__))

/**
 * weft_race() of an array.
 *
 * Thread:    loop.
 * Ownership: as weft_race(), also on failure; the array itself stays the caller's.
 * Errors:    as weft_race().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_race_array(size_t count, weft_future *const *futures);

/**
 * The first to succeed wins; failures do not count, unless all fail: `weft_first_success(a, b)`.
 *
 * When all have failed it fails too: with the failure itself if there was one only, with -ECANCELED
 * if all were cancelled, else with WEFT_EGROUP, whose message names them all and behind which
 * weft_future_errors() finds each. Otherwise as weft_race().
 *
 * Thread:    loop.
 * Ownership: as weft_race().
 * Errors:    as above; -ECANCELED, -ENOMEM, WEFT_ENOLOOP, -EINVAL (no futures, or NULL).
 * Since:     0.1
 */
#define weft_first_success(...) \
    weft_first_success_array(WEFT__COUNT(__VA_ARGS__), WEFT__ARRAY(__VA_ARGS__))

/**
 * weft_first_success() of an array.
 *
 * Thread:    loop.
 * Ownership: as weft_race(), also on failure; the array itself stays the caller's.
 * Errors:    as weft_first_success().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_first_success_array(size_t count,
                                                                  weft_future *const *futures);

/**
 * The place of the winner among the arguments, counting from 0.
 *
 * Thread:    loop.
 * Ownership: nothing changes hands. To ask after an await keep a reference: weft_ref().
 * Errors:    -EINPROGRESS while the race is under way; -ENOENT when nobody won; -EINVAL for what is
 *            no race.
 * Since:     0.1
 */
WEFT_PUBLIC ssize_t weft_race_winner(const weft_future *race);

#ifdef __cplusplus
}
#endif

#endif
