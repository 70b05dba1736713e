/* SPDX-License-Identifier: MIT */
/*
 * A lane: where jobs of one kind wait. First in, first out; bounded; a job leaves from the middle
 * in O(1) when it is cancelled. Its limits are its own, its threads are the pool's.
 *
 * Every function here is called with the pool's lock held.
 */
#ifndef WEFT_POOL_LANE_H
#define WEFT_POOL_LANE_H

#include <stddef.h>
#include <weft/pool.h>

struct weft__job;

/** [mu] is the pool's. */
struct weft_lane {
    weft_pool *pool;                /* [const] */
    size_t limit;                   /* [const] how many may wait */
    struct weft__job *first, *last; /* [mu] */
    size_t queued;                  /* [mu] */
};

/** Append a job. 0, or -EAGAIN: the lane is full. */
int weft__lane_push_locked(weft_lane *lane, struct weft__job *job);

/** Take the oldest job out; NULL: there is none. */
struct weft__job *weft__lane_pop_locked(weft_lane *lane);

/** Take a job out that waits; false: it does not wait any more. */
bool weft__lane_remove_locked(weft_lane *lane, struct weft__job *job);

#endif
