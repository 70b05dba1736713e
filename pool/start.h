/* SPDX-License-Identifier: MIT */
/* How a worker comes and how it goes. See pool/start.c. */
#ifndef WEFT_POOL_START_H
#define WEFT_POOL_START_H

#include "pool/pool.h"

/** Start the thread of a worker that was called. If that fails and there is no other, the queued
 * jobs fail. No lock is held. */
void weft__start_thread(struct weft__worker *worker);

/** It runs now. False: thread_start failed, and it ends. Thread: worker; no lock held. */
bool weft__worker_begin(struct weft__worker *self);

/** It leaves; its place may be taken by another thread. Thread: worker. */
void weft__worker_leave_locked(weft_pool *pool, struct weft__worker *self) WEFT_RELEASE(pool->mu);

/** The last reference is gone: wait until every thread has left but those in abandoned jobs; the
 * last one frees the pool. */
void weft__end_workers(weft_pool *pool) WEFT_EXCLUDES(pool->mu);

#endif
