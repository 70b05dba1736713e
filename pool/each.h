/* SPDX-License-Identifier: MIT */
/* Once on every worker. See pool/each.c. */
#ifndef WEFT_POOL_EACH_H
#define WEFT_POOL_EACH_H

#include "pool/cancel.h"
#include "pool/job.h"
#include "pool/pool.h"

/** A round is due on this worker. */
static inline bool weft__each_is_due_locked(const weft_pool *pool, const struct weft__worker *self)
    WEFT_REQUIRES(pool->mu)
{
    return self->round != pool->last_round;
}

/** Do what the oldest round that is due asks for. Thread: worker; no lock held. */
void weft__each_serve(weft_pool *pool, struct weft__worker *self);

/** True: `job` is a round. */
static inline bool weft__is_round(const struct weft__job *job)
{
    return !job->run;
}

/** On how many threads a round that goes on is stuck. Call with the pool's lock held. */
unsigned weft__each_threads_locked(const struct weft__job *round);

/** Workers that have not begun a round will not. TOLD, unless there are none. Thread: loop. */
enum weft__answer weft__each_cancel(struct weft__job *round);

#endif
