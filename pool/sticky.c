/* SPDX-License-Identifier: MIT */
/*
 * Sticky keys: of the jobs of a lane that have the same key, one at a time runs, and they run in the
 * order in which they came. So a key is a serial executor that costs nothing while nobody uses it:
 * one for each customer, say, or for each file.
 *
 *     pushed --its key is free--> HOLDING, in line -------------------taken--> HOLDING, runs
 *        \                           ^ RELEASED --------------------------------^    |
 *         \--another holds it--> BEHIND --that one has ended, or was dropped--^      | it ends
 *                                                                                  gone
 *
 * Who holds a key is in the lane's tree of keys, and the others with that key stand behind it, linked to
 * each other. They count as queued but cannot be taken: so the line of the lane has only jobs that may
 * run, and to take one is as quick as ever. When a job gives its key back, the next one behind it takes
 * over its place in the tree and its followers.
 *
 * Order. A lane starts its oldest job whose key is free. A job that gets its key late is older than much
 * of what stands in line, and the line cannot be searched for its place; it goes into a heap by age
 * instead, and whoever takes a job compares the heap's oldest with the line's.
 *
 * Nothing is allocated: tree, heap and lists are made of links in the jobs. The tree is a digital search
 * tree over mixed keys: no two keys have the same bits, so it is at most 64 deep, and as deep as the
 * logarithm of their number as a rule, whatever keys a user takes. The heap is a skew heap.
 */
#include "pool/sticky.h"

#include <assert.h>
#include <stddef.h>

#include "pool/job.h"
#include "pool/lane.h"

/* ---- The tree of keys ---- */

/* One to one, so that different keys stay different; each bit depends on all of the key's. */
static uint64_t mix(uint64_t key)
{
    key = (key ^ (key >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    key = (key ^ (key >> 27)) * UINT64_C(0x94d049bb133111eb);
    return key ^ (key >> 31);
}

/* Where the holder of a key is, or would be put. */
static struct weft__job **find(struct weft__job **root, uint64_t key)
{
    struct weft__job **at = root;
    for (uint64_t bits = mix(key); *at && (*at)->key != key; bits >>= 1)
        at = &(*at)->sticky->child[bits & 1];
    return at;
}

static void put(struct weft__job **at, struct weft__job *job)
{
    *at = job;
    job->sticky->at = at;
    for (int side = 0; side < 2; side++)
        if (job->sticky->child[side])
            job->sticky->child[side]->sticky->at = &job->sticky->child[side];
}

/* Give `by` the place of `job`, and what is below it. */
static void replace(struct weft__job *job, struct weft__job *by)
{
    by->sticky->child[0] = job->sticky->child[0];
    by->sticky->child[1] = job->sticky->child[1];
    put(job->sticky->at, by);
}

/* Any job without children below `job`, or itself: it fits wherever one above it stands. */
static struct weft__job *leaf_below(struct weft__job *job)
{
    while (job->sticky->child[0] || job->sticky->child[1])
        job = job->sticky->child[job->sticky->child[0] ? 0 : 1];
    return job;
}

static void take_out_of_tree(struct weft__job *job)
{
    struct weft__job *leaf = leaf_below(job);
    *leaf->sticky->at = NULL;
    if (leaf != job)
        replace(job, leaf);
}

/* ---- Those behind ---- */

static void append(struct weft__job *holder, struct weft__job *job)
{
    job->sticky->next = NULL;
    job->sticky->prev = holder->sticky->last;
    if (holder->sticky->last)
        holder->sticky->last->sticky->next = job;
    else
        holder->sticky->first = job;
    holder->sticky->last = job;
}

static void take_out(struct weft__job *holder, struct weft__job *job)
{
    if (job->sticky->prev)
        job->sticky->prev->sticky->next = job->sticky->next;
    else
        holder->sticky->first = job->sticky->next;
    if (job->sticky->next)
        job->sticky->next->sticky->prev = job->sticky->prev;
    else
        holder->sticky->last = job->sticky->prev;
}

bool weft__sticky_hold_locked(weft_lane *lane, struct weft__job *job)
{
    struct weft__job **at = find(&lane->keys, job->key);
    *job->sticky = (struct weft__sticky){0};
    if (*at)
        append(*at, job);
    else
        put(at, job);
    return job->sticky->at;
}

void weft__sticky_step_aside_locked(weft_lane *lane, struct weft__job *job)
{
    struct weft__job *holder = *find(&lane->keys, job->key);
    assert(holder);
    take_out(holder, job);
}

struct weft__job *weft__sticky_leave_locked(struct weft__job *job)
{
    struct weft__job *next = job->sticky->first;
    if (!next) {
        take_out_of_tree(job);
        return NULL;
    }
    take_out(job, next);
    next->sticky->first = job->sticky->first;
    next->sticky->last = job->sticky->last;
    replace(job, next);
    return next;
}

/* ---- The heap of those released ---- */

/* Put two heaps in order at `at`. On the way down each node's children change sides, which keeps the
 * heap from getting deep. */
static void merge(struct weft__job **at, struct weft__job *one, struct weft__job *other)
{
    while (one && other) {
        struct weft__job *older = one->seq < other->seq ? one : other;
        other = older == one ? other : one;
        *at = older;
        older->sticky->released_at = at;
        one = older->sticky->right;
        older->sticky->right = older->sticky->left;
        if (older->sticky->right)
            older->sticky->right->sticky->released_at = &older->sticky->right;
        at = &older->sticky->left;
    }
    *at = one ? one : other;
    if (*at)
        (*at)->sticky->released_at = at;
}

void weft__sticky_release_locked(weft_lane *lane, struct weft__job *job)
{
    job->sticky->left = job->sticky->right = NULL;
    merge(&lane->released, lane->released, job);
}

void weft__sticky_take_locked(struct weft__job *job)
{
    merge(job->sticky->released_at, job->sticky->left, job->sticky->right);
}
