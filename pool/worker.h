/* SPDX-License-Identifier: MIT */
/* Threads of a pool: who is woken, who is started, who leaves. See pool/worker.c. */
#ifndef WEFT_POOL_WORKER_H
#define WEFT_POOL_WORKER_H

#include <pthread.h>

#include "pool/pool.h"

/** Whom to rouse, decided under the lock and done without it. */
struct weft__call {
    struct weft__worker *worker; /* NULL: nobody */
    bool start;                  /* it has no thread yet */
};

/** Something is queued, or may be: who has to be roused? The caller gives up the lock, then calls
 * weft__rouse(). */
struct weft__call weft__call_worker_locked(weft_pool *pool) WEFT_REQUIRES(pool->mu);

/** Wake or start who was called. If no thread exists and none can be started, the queued jobs fail.
 * No lock is held. */
void weft__rouse(struct weft__call call);

/** The last reference is gone: wait until every thread has left but those in abandoned jobs; the
 * last one frees the pool. */
void weft__end_workers(weft_pool *pool) WEFT_EXCLUDES(pool->mu);

#endif
