/* SPDX-License-Identifier: MIT */
/* Who is called when there is a job to run. See pool/wake.c. */
#ifndef WEFT_POOL_WAKE_H
#define WEFT_POOL_WAKE_H

#include <stdbool.h>

#include "pool/pool.h"

/** Whom to rouse, decided under the lock and done without it. */
struct weft__call {
    struct weft__worker *worker; /* NULL: nobody */
    bool start;                  /* it has no thread yet */
};

/** A job may run now, or perhaps: who has to be roused? The caller gives up the lock, then calls
 * weft__rouse(). */
struct weft__call weft__call_worker_locked(weft_pool *pool) WEFT_REQUIRES(pool->mu);

/** The same by a thread that has just arrived: though some others are on their way. */
struct weft__call weft__call_further_locked(weft_pool *pool) WEFT_REQUIRES(pool->mu);

/** The same as weft__call_worker_locked() among the threads there are: none is started. */
struct weft__call weft__call_present_locked(weft_pool *pool) WEFT_REQUIRES(pool->mu);

/** Wake or start who was called. If no thread exists and none can be started, the queued jobs fail.
 * No lock is held. */
void weft__rouse(struct weft__call call);

/** True while a thread that looks for a job should leave it to the busy ones, unless the job has
 * waited for too long. */
bool weft__must_watch_locked(const weft_pool *pool) WEFT_REQUIRES(pool->mu);

/** What a call depends on has changed, or the pool was opened for a lane: see pool/express.c. */
void weft__note_callable_locked(weft_pool *pool) WEFT_REQUIRES(pool->mu);

static inline struct weft__worker *weft__worker_pop(struct weft__worker **list)
{
    struct weft__worker *worker = *list;
    *list = worker->next;
    return worker;
}

static inline void weft__worker_push(struct weft__worker **list, struct weft__worker *worker)
{
    worker->next = *list;
    *list = worker;
}

#endif
