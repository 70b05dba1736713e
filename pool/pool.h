/* SPDX-License-Identifier: MIT */
/* The pool from the inside. See pool/pool.c and pool/worker.c. */
#ifndef WEFT_POOL_POOL_H
#define WEFT_POOL_POOL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <weft/pool.h>

#include "core/inspect/source.h"
#include "core/mutex.h"
#include "core/spin.h"
#include "pool/count.h"
#include "pool/express.h"
#include "pool/lane.h"

/** A place for a thread. It outlives the thread, so that it can be signalled without the lock. */
struct weft__worker {
    weft_pool *pool;           /* [const] */
    _Atomic pid_t tid;         /* [atomic] of its thread; relaxed. 0: none */
    pthread_cond_t roused;     /* to be waited on with the pool's lock */
    struct weft__worker *next; /* [mu] in the list of idle or of free ones */
    bool called;               /* [mu] off the idle list, to look for a job */
    char apart[64];            /* what follows is written for each job */
    _Atomic(struct weft__job *)
        job; /* [atomic] that it has taken and not noted as ended, see running.c */
    _Atomic weft_ns started_at; /* [atomic] when that was taken; relaxed: ordered by `job` */
    _Atomic(struct weft__home *) posting; /* [atomic] where it sends something now, see home.c */
    struct weft__spin spin;               /* [worker] */
    weft__count spins, spins_paid;        /* [worker] */
    bool in_job;                          /* [worker] its function runs */
    bool in_round;                        /* [worker] that of a round runs (pool/each.c) */
    uint64_t round;                       /* [mu] the number of the last one that it served */
    unsigned blocking;                    /* [worker] how many waits for others it is in, nested */
    void *state;                          /* [worker] the user's, from thread_start */
};

/** Pools without threads, for tests. */
enum weft__by_hand {
    WEFT__THREADS, /* an ordinary pool */
    WEFT__INLINE,  /* jobs run on the loop's thread, at the next tick */
    WEFT__STEPPED  /* jobs run when somebody calls weft__pool_step() */
};

/** Lock order: `mu` is the last lock to be taken but for `lanes_mu`, and nothing else is called
 * while it is held. A weft__count is written with it and read by statistics without. */
struct weft_pool {
    struct weft__mutex mu;
    unsigned waking; /* [mu] threads that were called, or are being started: see wake.c */
    bool stopping;   /* [mu] no references are left; idle threads leave */
    enum weft__by_hand by_hand;   /* [const] */
    struct weft__worker *idle;    /* [mu] newest first */
    struct weft__worker *watcher; /* [mu] waits for the oldest job to have waited for too long */
    struct weft__worker *free;    /* [mu] without a thread */
    weft__count threads;          /* [mu] that exist or are being started */
    weft__count idle_count;       /* [mu] of these, on the idle list */
    weft__count running;          /* [mu] threads that have taken a job out of its lane, or look for
                                     the next one by themselves (pool/worker.c) */
    weft__count blocked;          /* [mu] of these, waiting for others */
    unsigned present;             /* [mu] of the threads, those that look for jobs or run one */
    struct weft__job *rounds;     /* [mu] that go on, oldest first */
    uint64_t last_round;          /* [mu] number of the newest */
    /* Lanes, see pool/lanes.c and pool/schedule.c. */
    weft_lane *active, **last_active; /* [mu] those with something to start in their lists */
    size_t own, common, unused;       /* [mu] sums of what the lanes have of that name */
    uint64_t vtime;                   /* [mu] of the lane that was served last */
    uint64_t starts;                  /* [mu] jobs that were taken */
    weft_lane *lanes;                 /* [mu, lanes_mu] all that are not dead, oldest first: changed
                                         with both, looked at with either */
    struct weft__mutex lanes_mu;      /* held by statistics while they look at a lane */
    weft_lane *dead_lanes;            /* [mu] to be freed */
    uint64_t last_lane;               /* [mu] serial number of the newest */
    weft_lane default_lane, dns_lane, files_lane;
    struct weft__express express; /* see pool/express.c */
    unsigned max_threads;         /* [const] */
    unsigned max_spares;          /* [const] threads beyond max_threads while jobs are blocked */
    unsigned quick_threads;       /* [const] so many jobs get a thread without having waited */
    weft_ns patience;             /* [const] how long a job waits before the pool grows for it */
    weft__count wakeups_sent;     /* [mu] */
    weft__count wakeups_saved;    /* [mu] jobs that were queued without one */
    weft__count started, ended;   /* [mu] threads */
    unsigned leaving;             /* [mu] threads that end, not among `threads` */
    unsigned abandoned;           /* [mu] of the threads, running a job that its loop has let go */
    unsigned refs;                /* [mu] the owners' and the loops' */
    bool deserted;                /* [mu] the last thread frees the pool */
    bool has_last_left;           /* [mu] last_left is to be joined */
    pthread_t last_left;          /* [mu] the thread that left last */
    pthread_cond_t left;          /* a thread left; waited on by the last unref */
    unsigned generation;          /* [const] in which process it may be used */
    int interrupt_signal;         /* [const] */
    bool may_interrupt;           /* under the lock of pool/interrupt.c: it uses that */
    unsigned min_threads;         /* [const] */
    weft_ns keepalive;            /* [const] */
    weft_ns spin;                 /* [const] as in the options */
    size_t stack_size;            /* [const] */
    int (*thread_start)(void *arg, void **ret_state); /* [const] NULL: nothing to do */
    void (*thread_stop)(void *state);                 /* [const] NULL: nothing to do */
    void *thread_arg;                                 /* [const] */
    char thread_name[10];                             /* [const] */
    unsigned places;                                  /* [const] workers */
    unsigned made;                                    /* [const] of these, with a `roused` */
    struct weft__tally *tallies;                      /* [const] of workers, behind them */
    struct weft__source source; /* for who looks at it from outside: see pool/inspect.c */
    weft__count moves; /* [atomic] odd while something moves from a tally; see pool/tally.c */
    struct weft__worker workers[];
};

/** Jobs that do not count against max_threads, since they wait for others. */
static inline unsigned weft__pool_excused(const weft_pool *pool) WEFT_REQUIRES(pool->mu)
{
    unsigned blocked = (unsigned)weft__count_get(&pool->blocked);
    return blocked < pool->max_spares ? blocked : pool->max_spares;
}

/** How many jobs may run at once now, but for those of reserved threads of built-in lanes. It falls when a wait ends: more may run then for a while. */
static inline unsigned weft__pool_slots(const weft_pool *pool) WEFT_REQUIRES(pool->mu)
{
    return pool->max_threads + weft__pool_excused(pool);
}

/** A pool without threads; NULL and errno. Thread: any. */
weft_pool *weft__pool_by_hand(enum weft__by_hand how);

/** Run the `count` jobs that wait longest, or as many as there are, on this thread; returns how many
 * that was. Thread: any; no lock held. */
size_t weft__pool_step(weft_pool *pool, size_t count);

/** True in a forked child: its threads are not there, and its lock may be held for ever. */
bool weft__pool_is_inherited(const weft_pool *pool);

/** It can be looked at from outside from now on. See pool/inspect.c. */
void weft__pool_show(weft_pool *pool);

/** The metrics of the pool that is this source. See pool/metrics.c. */
void weft__pool_measure(struct weft__source *source, struct weft__metrics *to);

/** No thread and no reference is left. */
void weft__pool_destroy(weft_pool *pool);

#endif
