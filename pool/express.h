/* SPDX-License-Identifier: MIT */
/* The pool's fast way: jobs by rings, past the lock. See pool/express.c. */
#ifndef WEFT_POOL_EXPRESS_H
#define WEFT_POOL_EXPRESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/pool.h>
#include <weft/time.h>

#include "core/annotations.h"
#include "pool/home.h"
#include "pool/lane.h"

struct weft__place;

/** A job that was claimed. One that is plain can be run without a look at its memory. */
struct weft__claim {
    struct weft__job *job;
    weft_result (*run)(void *params); /* NULL: it is not plain */
    void *params;
    weft_ns queued_at;
    weft_lane *lane;
    struct weft__home *home; /* where it goes then, if that is this loop's still */
    weft__mailbox *mailbox;
};

enum { WEFT__RING = 4096 }; /* jobs in a ring */

/** In a pool. What is looked at for each job stands apart from what is written for each. */
struct weft__express {
    char apart[64];
    _Atomic(weft_lane *)
        lane;             /* [atomic] whose jobs may go by ring, written under mu; NULL: none's */
    atomic_bool callable; /* [atomic] a job that comes now may need a call; written under mu */
    atomic_uint count;    /* [atomic] of `places`, written under mu: they never go */
    struct weft__place *places[WEFT__PLACES]; /* [const] those that are counted */
    char apart_too[64];
    atomic_uint searching; /* [atomic] workers that look for a job in rings by themselves */
    char apart_again[64];
};

/* ---- The loop's side ---- */

/** A ring for the loop of this mailbox, and a way home; NULL: all are taken, or out of memory. Thread:
 * loop; no lock held. */
struct weft__place *weft__express_join(weft_pool *pool, weft__mailbox *mailbox);
struct weft__home *weft__express_home(struct weft__place *place);

/** The loop goes, or its pool: nothing of its is in the ring any more. Thread: loop; no lock held. */
void weft__express_leave(struct weft__place *place);

/**
 * Queue a job by the ring; false: it has to go by its lane's line. `keep`: it may be kept back until
 * weft__express_flush(), which the caller promises. Thread: loop; no lock held.
 */
bool weft__express_submit(struct weft__place *place, struct weft__job *job, bool keep);

/** Let workers see what was kept back. Thread: loop; no lock held. */
void weft__express_flush(struct weft__place *place);

/* ---- With the pool's lock held ---- */

/** Let the jobs of a lane go by rings, if nothing speaks against it: then true. Thread: the loop that has
 * `place`. */
bool weft__express_open_locked(struct weft__place *place, weft_lane *lane);

/** From now on all jobs go by their lane's lines; those in rings are put there. */
void weft__express_close_locked(weft_pool *pool);

/** The same, also of what came late into a ring, when that was closed: for who needs each single job. */
void weft__express_empty_locked(weft_pool *pool);

/** What came late into the ring of this loop, which is about to queue a newer one. Thread: loop. */
void weft__express_catch_up_locked(struct weft__place *place);

/** Whether a job that comes now may need a call. The caller looks at the rings after that. */
void weft__express_note_locked(weft_pool *pool, bool callable);

/** How many jobs are in rings, and since when the one waits that waits longest (WEFT_FOREVER: there is
 * none any more). */
size_t weft__express_ready_locked(const weft_pool *pool);
weft_ns weft__express_oldest_locked(const weft_pool *pool);

/** The oldest job in the rings, kept back or not; false: others were faster. */
bool weft__express_take_locked(weft_pool *pool, struct weft__claim *ret);

/* ---- Without ---- */

/** The same of jobs of this lane that are not kept back, and only while the rings are open. Thread: a
 * worker that runs a job of the lane. */
bool weft__express_claim(weft_pool *pool, const weft_lane *lane, struct weft__claim *ret);

/** Somebody looks at jobs that run, or has done with that: see pool/running.c. */
void weft__express_look_locked(weft_pool *pool, bool looks);

/** Is there one, perhaps; may there be? Thread: the same. */
bool weft__express_has(const weft_pool *pool, const weft_lane *lane);
bool weft__express_is_open(const weft_pool *pool, const weft_lane *lane);

/** A worker begins to search, and has ended: then it looks once more, with the lock. Thread: worker. */
void weft__express_search_begin(weft_pool *pool);
void weft__express_search_end(weft_pool *pool);

/** It has found a job: if there are more, and nobody else searches, somebody is called. Thread: worker;
 * no lock held. */
void weft__express_hand_on(weft_pool *pool, const weft_lane *lane);

/** For statistics: how many jobs of a lane (NULL: of any) are in rings, and for how many jobs that went
 * by them nobody was called. Thread: any. */
size_t weft__express_queued(const weft_pool *pool, const weft_lane *lane);
uint64_t weft__express_saved(const weft_pool *pool);

/** Nobody knows the pool any more. */
void weft__express_destroy(weft_pool *pool);

#endif
