/* SPDX-License-Identifier: MIT */
/* The pool from the inside. See pool/pool.c and pool/worker.c. */
#ifndef WEFT_POOL_POOL_H
#define WEFT_POOL_POOL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <weft/pool.h>

#include "core/mutex.h"
#include "pool/lane.h"

/** A place for a thread. It outlives the thread, so that it can be signalled without the lock. */
struct weft__worker {
    weft_pool *pool;           /* [const] */
    pthread_cond_t roused;     /* to be waited on with the pool's lock */
    struct weft__worker *next; /* [mu] in the list of idle or of free ones */
    bool called;               /* [mu] off the idle list, to look for a job */
};

/** Pools without threads, for tests. */
enum weft__by_hand {
    WEFT__THREADS, /* an ordinary pool */
    WEFT__INLINE,  /* jobs run on the loop's thread, at the next tick */
    WEFT__STEPPED  /* jobs run when somebody calls weft__pool_step() */
};

/** Lock order: `mu` is the only lock, and nothing else is called while it is held. */
struct weft_pool {
    struct weft__mutex mu;
    pthread_cond_t left;        /* a thread left; waited on by the last unref */
    enum weft__by_hand by_hand; /* [const] */
    unsigned generation;        /* [const] in which process it may be used */
    unsigned refs;              /* [mu] the owners' and the loops' */
    unsigned threads;           /* [mu] that exist or are being started */
    unsigned idle_count;        /* [mu] of these, on the idle list */
    unsigned waking;     /* [mu] of these, called or being started and not there yet: 0 or 1 */
    unsigned abandoned;  /* [mu] of these, running a job that its loop has let go */
    unsigned running;    /* [mu] jobs taken out of their lane by a thread */
    bool stopping;       /* [mu] no references are left; idle threads leave */
    bool deserted;       /* [mu] the last thread frees the pool */
    bool has_last_left;  /* [mu] last_left is to be joined */
    pthread_t last_left; /* [mu] the thread that left last */
    struct weft__worker *idle; /* [mu] newest first */
    struct weft__worker *free; /* [mu] without a thread */
    weft_lane lane;            /* the default one */
    unsigned min_threads;      /* [const] */
    unsigned max_threads;      /* [const] */
    weft_ns keepalive;         /* [const] */
    size_t stack_size;         /* [const] */
    char thread_name[10];      /* [const] */
    unsigned made;             /* [const] workers whose `roused` is initialized */
    struct weft__worker workers[];
};

/** A pool without threads; NULL and errno. Thread: any. */
weft_pool *weft__pool_by_hand(enum weft__by_hand how);

/** Run the `count` jobs that wait longest, or as many as there are, on this thread; returns how many
 * that was. Thread: any; no lock held. */
size_t weft__pool_step(weft_pool *pool, size_t count);

/** True in a forked child: its threads are not there, and its lock may be held for ever. */
bool weft__pool_is_inherited(const weft_pool *pool);

/** No thread and no reference is left. */
void weft__pool_destroy(weft_pool *pool);

#endif
