/* SPDX-License-Identifier: MIT */
/*
 * A lane: where jobs of one kind wait, and how many of them may run. pool/lane.c is its queue,
 * pool/lanes.c the lanes of a pool, pool/schedule.c decides which lane's turn it is.
 */
#ifndef WEFT_POOL_LANE_H
#define WEFT_POOL_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/lane.h>
#include <weft/pool.h>

#include "core/annotations.h"
#include "pool/count.h"
#include "pool/tally.h"

struct weft__job;

enum { WEFT__PLACES = 8 }; /* loops that may have a ring in a pool at once; see pool/express.c */

/** Jobs, oldest first, linked by `prev` and `next`. */
struct weft__line {
    struct weft__job *first, *last;
    size_t count;
};

/** Where a job stands. [mu] */
enum weft__stage {
    WEFT__NOT_QUEUED, /* not yet, or not any more: it was taken, cancelled or dropped */
    WEFT__IN_LINE,    /* it may run when its turn comes */
    WEFT__BEHIND,     /* another has its key, and is not done */
    WEFT__RELEASED,   /* it got its key late, and may run when its turn comes */
    WEFT__NO_ROOM,    /* it waits for room in the lane */
    WEFT__IN_RING     /* it went by a ring (pool/express.c), and may have been claimed since */
};

/** What happens in a lane, for statistics: written with the lock held but for what is changed by single
 * steps, read without. What is completed is the count of the run times. */
struct weft__lane_counts {
    weft__count queued, waiting; /* now, in its lists; kept by weft__schedule_account_locked() */
    weft__count running;         /* now; by single steps, as the next one */
    weft__count submitted;       /* since it was made, as the rest */
    weft__count rejected, dropped, expired;
    weft__count cancelled_queued, cancelled_cooperative, cancelled_interrupted, abandoned;
    weft__count unstarted;
    weft__count abandoned_running;             /* of `running`, those that nobody waits for now */
    struct weft__histogram times[WEFT__TIMES]; /* but for what stands in tallies */
    char apart[64];                            /* from what workers write */
    weft__count by_ring[WEFT__PLACES]; /* of what was submitted, but not among that: by which ring;
                                          each written by one loop */
    char apart_too[64];
};

/**
 * [mu] is the pool's. What is touched for each job stands together: these lines of the cache go back
 * and forth between the loop's CPU and the workers'.
 */
struct weft_lane {
    weft_pool *pool;       /* [const] a reference while `refs` > 0, unless it is built in */
    weft_lane *next, **at; /* [mu] in pool->lanes, later in pool->dead_lanes */
    uint64_t serial;       /* [const] grows along pool->lanes */
    unsigned refs;         /* [mu] the users' */
    bool built_in;         /* [const] part of the pool's memory */
    char name[32];         /* [const] */
    _Atomic uint32_t
        traced_as; /* [atomic] the number of its name in traces; relaxed. 0: none yet */

    bool closed;               /* [mu] takes no new jobs; freed once it has none */
    bool active;               /* [mu] in pool->active */
    bool limited;              /* [mu] max_running or reserved is set */
    enum weft_on_full on_full; /* [mu] */
    unsigned max_running;      /* [mu] UINT_MAX: no limit */
    unsigned weight, reserved; /* [mu] */
    weft__count max_queued;    /* [mu] */
    _Atomic weft_ns max_wait;  /* [atomic] written under the lock; relaxed. 0: none */
    weft_ns slow_job;          /* [mu] what runs for longer is reported; 0: nothing is */

    struct weft__line line;            /* [mu] */
    struct weft__line behind;          /* [mu] */
    struct weft__line no_room;         /* [mu] empty unless the lane is full */
    struct weft__job *released, *keys; /* [mu] roots; see pool/sticky.c */
    size_t released_count;             /* [mu] */
    uint64_t last_seq;                 /* [mu] number of the job that was queued last */
    size_t running;                    /* [mu] jobs taken, whose functions have not returned */
    size_t expected;                   /* [mu] jobs of other lanes that may go on here */

    /* Of the scheduler, see pool/schedule.c; all [mu]. */
    size_t own, common; /* jobs that could start on threads reserved for it; on any others */
    size_t unused;      /* of `reserved` */
    uint64_t vtime;
    weft_ns stride;       /* what a nanosecond counts, in 2^-WEFT__STRIDE_BITS: by the weight */
    weft_ns estimate;     /* of how long its next job will run */
    weft_ns served_at;    /* when its last job was taken */
    uint64_t passed_from; /* pool->starts when that was, or when it had something to start again */
    weft_lane *next_active, **at_active;

    weft__count
        spent; /* what jobs have taken by rings, and is not in `vtime` yet; by single steps */
    struct weft__lane_counts counts;
};

/** How long its jobs may be queued; 0: no limit. Thread: any. */
static inline weft_ns weft__lane_max_wait(const weft_lane *lane)
{
    return atomic_load_explicit(&lane->max_wait, memory_order_relaxed);
}

/** A lane of the usual weight is charged with what its jobs take. */
enum { WEFT__USUAL_WEIGHT = 100, WEFT__STRIDE_BITS = 16 };

/** How many threads the built-in lanes add to those of a pool. */
enum { WEFT__LANES_THREADS = 2 };

/** A lane, as somebody sees it who holds no lock. */
struct weft__lane_reading {
    struct weft_lane_stats stats;
    size_t max_queued;
    bool is_replaced; /* nobody holds it any more, and there is another one of its name */
    struct weft__sum times[WEFT__TIMES]; /* of which `stats` has the percentiles */
};

/** Read the first lane of a pool behind the one with this serial number, from 0, and return its own;
 * 0: there is none. Thread: any; not in a forked child. */
uint64_t weft__lane_next(weft_pool *pool, uint64_t after, struct weft__lane_reading *ret);

/** Fill in a lane that is zeroed but for its memory, with options that were checked. */
void weft__lane_init(weft_lane *lane, weft_pool *pool, const struct weft_lane_options *options);

/** The options with their defaults filled in. 0 or -EINVAL. */
int weft__lane_complete_options(const struct weft_lane_options *options,
                                struct weft_lane_options *ret);

/* ---- With the pool's lock held ---- */

/**
 * Queue a job. 0, -EAGAIN or -ESHUTDOWN; *ret_dropped: the job that
 * had to go for it, which the caller sends home, or NULL.
 */
int weft__lane_push_locked(weft_lane *lane, struct weft__job *job, enum weft_submit submit,
                           struct weft__job **ret_dropped);

/**
 * Queue a job whose function has returned, and that goes on with another one: at the end, however many
 * are queued. In its own lane it keeps its key meanwhile: call this before weft__schedule_ended_locked().
 * In another one it takes its turn for the key there: call it after that.
 */
void weft__lane_stay_locked(weft_lane *lane, struct weft__job *job);
void weft__lane_move_locked(weft_lane *lane, struct weft__job *job);

/** Queue a job that was accepted before, and comes out of a ring. Does not tell the scheduler. */
void weft__lane_recall_locked(weft_lane *lane, struct weft__job *job);

/** The oldest of those that may run when their turn comes; NULL: there is none. */
struct weft__job *weft__lane_oldest_locked(const weft_lane *lane);

/** Take that one out. Does not tell the scheduler. */
struct weft__job *weft__lane_pop_locked(weft_lane *lane);

/** A job that was taken out has ended: the next one may have its key. */
void weft__lane_end_locked(weft_lane *lane, struct weft__job *job);

/** How many could run, as far as the lane's own queue is concerned; and how many are queued. */
static inline size_t weft__lane_ready(const weft_lane *lane)
{
    return lane->line.count + lane->released_count;
}

static inline size_t weft__lane_queued(const weft_lane *lane)
{
    return weft__lane_ready(lane) + lane->behind.count;
}

/**
 * Take a job out that waits, and fails with `status`; false: it does not wait any more, and its lane, which may be gone, is not
 * touched. Then another may have found room: the caller calls weft__call_worker_locked().
 */
bool weft__lane_cancel_locked(weft_lane *lane, struct weft__job *job, int status);

/** Let in those who wait for room, as far as there is any. */
void weft__lane_admit_locked(weft_lane *lane);

/** A closed lane without jobs is no more. */
void weft__lane_bury_locked(weft_lane *lane);

/* ---- All lanes of a pool ---- */

/** The first, of a new pool: the built-in ones. */
void weft__lanes_init(weft_pool *pool, size_t max_queued);

/** How many jobs wait for a thread; and run. Take no lock that jobs take. Thread: any. */
size_t weft__lanes_queued(weft_pool *pool);
size_t weft__lanes_running(weft_pool *pool);

/** The same, and those that wait for room. Thread: any. */
size_t weft__lanes_waiting(weft_pool *pool);

/** Free what is left of a pool's lanes. Thread: any; nobody else knows the pool. */
void weft__lanes_destroy(weft_pool *pool);

#endif
