/* SPDX-License-Identifier: MIT */
/* What a worker counts by itself. See pool/tally.c. */
#ifndef WEFT_POOL_TALLY_H
#define WEFT_POOL_TALLY_H

#include <stdatomic.h>
#include <stdint.h>
#include <weft/pool.h>
#include <weft/time.h>

#include "core/histogram.h"

/** What is counted of each job of a lane. */
enum weft__times { WEFT__QUEUE_WAIT, WEFT__RUN_TIME, WEFT__TIMES };

/** Of one worker; zero: nothing is counted. */
struct weft__tally {
    char apart[64];
    _Atomic(weft_lane *) lane; /* [atomic] of which lane; written with the lock. NULL: of none */
    struct weft__histogram times[WEFT__TIMES]; /* [worker], and with the lock between its jobs */
    char apart_too[64];
};

/** What the worker counts from now on is of this lane, of which it has a job. */
void weft__tally_bind_locked(weft_pool *pool, struct weft__tally *tally, weft_lane *lane);

/** The lane is no more. */
void weft__tally_forget_locked(weft_pool *pool, const weft_lane *lane);

/** Add up all that was counted of a lane. Takes no lock that jobs take. Thread: any. */
void weft__tally_sum(const weft_lane *lane, enum weft__times which, struct weft__sum *ret);

/** As weft__histogram_read(), of that. Thread: any. */
uint64_t weft__tally_read(const weft_lane *lane, enum weft__times which,
                          weft_ns ret_percentiles[WEFT__PERCENTILES]);

#endif
