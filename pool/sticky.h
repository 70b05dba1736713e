/* SPDX-License-Identifier: MIT */
/* Jobs with a key: one of a key at a time, in their order. See pool/sticky.c. */
#ifndef WEFT_POOL_STICKY_H
#define WEFT_POOL_STICKY_H

#include <stdbool.h>
#include <stdint.h>
#include <weft/job.h>

struct weft__job;

/** What a job with a key needs, besides its key; all [mu]. Set when the job enters a lane. */
struct weft__sticky {
    struct weft__job *child[2], **at;              /* HOLDING: in the tree of keys */
    struct weft__job *first, *last;                /* HOLDING: those behind it */
    struct weft__job *prev, *next;                 /* BEHIND */
    struct weft__job *left, *right, **released_at; /* RELEASED: in the heap */
};

/* With the pool's lock held, of jobs with a key: */

/** Its key is free, and it holds it from now on; false: another job does, and it stands behind that. */
bool weft__sticky_hold_locked(weft_lane *lane, struct weft__job *job);

/** It gives its key back, run or not: the next one behind it holds it, and is returned, or NULL. */
struct weft__job *weft__sticky_leave_locked(struct weft__job *job);

/** It does not stand behind another any more. */
void weft__sticky_step_aside_locked(weft_lane *lane, struct weft__job *job);

/** Into the heap of jobs that got their key only after they came; out of it. Its root is the oldest. */
void weft__sticky_release_locked(weft_lane *lane, struct weft__job *job);
void weft__sticky_take_locked(struct weft__job *job);

#endif
