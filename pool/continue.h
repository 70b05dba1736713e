/* SPDX-License-Identifier: MIT */
/* Chains: a job that goes on with another function. See pool/continue.c. */
#ifndef WEFT_POOL_CONTINUE_H
#define WEFT_POOL_CONTINUE_H

#include <stdbool.h>
#include <weft/time.h>
#include <weft/value.h>

#include "core/annotations.h"
#include "pool/pool.h"

struct weft__job;
struct weft__step;

/** In a job. */
struct weft__chain {
    struct weft__step
        *step; /* [worker], then whose the job is: the function it is at; NULL: the first */
    struct weft__step *named; /* [worker] what its function named, newest first */
    bool goes_on;             /* [worker] its function has named the next one */
    bool stops;               /* [mu] it is not to go on: somebody cancelled it while it ran */
    bool committed;           /* [mu] no cancel drops it, nor keeps it from going on */
};

/** Call the function that the job is at, which is not its first one. Thread: worker. */
weft_result weft__chain_call(struct weft__job *job);

/** Did the function, which has just returned, name the next one? Only a result with a destructor
 * does. Thread: worker. */
bool weft__chain_goes_on(const struct weft__job *job);

/** The function has returned, and its arguments are released: the job is at the next one if `goes_on`;
 * what else was named is dropped. Thread: worker; no lock held. */
void weft__chain_step(struct weft__job *job, bool goes_on);

/**
 * Note the end of a job's function: weft__schedule_ended_locked(). If the job goes on, it is queued
 * again, and perhaps gone when the lock is left: true. False: it is to be sent home.
 */
bool weft__chain_ended_locked(weft_pool *pool, struct weft__job *job, weft_ns now)
    WEFT_REQUIRES(pool->mu);

/** A cancel that finds the job running, or past its point of no return. */
void weft__chain_stop_locked(struct weft__job *job);

/** From now on no cancel drops the job between two functions. Thread: worker; no lock held. */
void weft__chain_commit(struct weft__job *job);

/** The job's memory goes. Thread: any. */
void weft__chain_fini(struct weft__job *job);

#endif
