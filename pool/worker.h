/* SPDX-License-Identifier: MIT */
/* Being a worker. See pool/worker.c. */
#ifndef WEFT_POOL_WORKER_H
#define WEFT_POOL_WORKER_H

#include "core/blocking.h"
#include "pool/pool.h"

/** The worker whose thread this is; NULL: it is none. */
extern _Thread_local struct weft__worker *weft__worker_here
    __attribute__((tls_model("initial-exec")));

/** A thread's function; its argument is a `struct weft__worker`. */
void *weft__work(void *worker);

/** What a worker's thread does when it waits for others; see pool/blocking.c. */
extern const struct weft__blocking_ops weft__worker_blocking;

/** The function of its job has returned: whatever that began is over. */
void weft__worker_unblock_locked(weft_pool *pool, struct weft__worker *self)
    WEFT_REQUIRES(pool->mu);

/** The job that it has noted has ended, and it goes on with this one; without the lock. See
 * pool/running.c. Thread: worker. */
void weft__running_goes_on(struct weft__worker *self, struct weft__job *next, weft_ns now);

/** Show the jobs that run on the pool's threads. Thread: any; no lock held. */
void weft__running_each(weft_pool *pool, void (*fn)(void *arg, const struct weft__busy *busy),
                        void *arg);

/** Nobody looks at a job any more that the worker has forgotten before: it may go. Thread: worker; no
 * lock held. */
void weft__running_wait(weft_pool *pool);

/** The same of all that has come home. Thread: loop. */
void weft__running_is_over(struct weft__home *home);

#endif
