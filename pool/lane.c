/* SPDX-License-Identifier: MIT */
/*
 * Lane: a queue of jobs with a bound.
 *
 *     push --room--> IN_LINE, BEHIND, RELEASED (pool/sticky.c) --pop--> NOT_QUEUED (it runs)
 *       |               ^  \--removed (cancelled, dropped)--> NOT_QUEUED
 *       |               | room
 *       +--no room--> NO_ROOM --removed--> NOT_QUEUED
 *
 * (Or IN_RING, from where it gets here only if it is recalled: pool/express.c.)
 *
 * Who sets a job's stage to NOT_QUEUED owns its start: a worker that runs it, a cancel, or the newer job
 * that drops it.
 *
 * Those who wait for room are jobs like others, in a line of their own behind the first. So no thread
 * waits, they come in the order in which they asked, and one that is cancelled leaves as a queued one
 * does. The line is full as long as anybody waits behind it: each place that becomes free is given
 * away at once, before the lock is left. So a newcomer that finds room overtakes nobody.
 *
 * All of this is O(1) for each job without a key, and needs no memory: the links are the jobs'.
 */
#include "pool/lane.h"

#include <assert.h>
#include <errno.h>

#include "pool/express.h"
#include "pool/job.h"
#include "pool/schedule.h"

static void append(struct weft__line *line, struct weft__job *job, enum weft__stage stage)
{
    job->stage = stage;
    job->next = NULL;
    job->prev = line->last;
    if (line->last)
        line->last->next = job;
    else
        line->first = job;
    line->last = job;
    line->count++;
}

static void take_out(struct weft__line *line, struct weft__job *job)
{
    job->stage = WEFT__NOT_QUEUED;
    if (job->prev)
        job->prev->next = job->next;
    else
        line->first = job->next;
    if (job->next)
        job->next->prev = job->prev;
    else
        line->last = job->prev;
    line->count--;
}

/* Into the queue proper. */
static void enter(weft_lane *lane, struct weft__job *job)
{
    job->seq = ++lane->last_seq;
    if (!job->key || weft__sticky_hold_locked(lane, job))
        append(&lane->line, job, WEFT__IN_LINE);
    else
        append(&lane->behind, job, WEFT__BEHIND);
}

void weft__lane_admit_locked(weft_lane *lane)
{
    while (lane->no_room.first && weft__lane_queued(lane) < weft__count_get(&lane->max_queued)) {
        struct weft__job *job = lane->no_room.first;
        take_out(&lane->no_room, job);
        enter(lane, job);
    }
}

void weft__lane_end_locked(weft_lane *lane, struct weft__job *job)
{
    struct weft__job *next = job->key ? weft__sticky_leave_locked(job) : NULL;
    if (!next)
        return;
    take_out(&lane->behind, next);
    next->stage = WEFT__RELEASED;
    lane->released_count++;
    weft__sticky_release_locked(lane, next);
}

static void take_released(weft_lane *lane, struct weft__job *job)
{
    job->stage = WEFT__NOT_QUEUED;
    lane->released_count--;
    weft__sticky_take_locked(job);
}

/* Out of wherever it stands, for good. */
static void leave(weft_lane *lane, struct weft__job *job)
{
    switch (job->stage) {
    case WEFT__NO_ROOM:
        take_out(&lane->no_room, job);
        return;
    case WEFT__BEHIND:
        weft__sticky_step_aside_locked(lane, job);
        take_out(&lane->behind, job);
        return;
    case WEFT__RELEASED:
        take_released(lane, job);
        break;
    case WEFT__IN_LINE:
        take_out(&lane->line, job);
        break;
    case WEFT__NOT_QUEUED:
    case WEFT__IN_RING:
        assert(false);
    }
    weft__lane_end_locked(lane, job);
}

static struct weft__job *older(struct weft__job *one, struct weft__job *other)
{
    return !other || (one && one->seq < other->seq) ? one : other;
}

struct weft__job *weft__lane_oldest_locked(const weft_lane *lane)
{
    return older(lane->line.first, lane->released);
}

/* Not one that has run a function, which would be half done, nor one that was forced in. */
static bool may_drop(const struct weft__job *job)
{
    return job && !job->ran && !job->forced;
}

static struct weft__job *first_to_drop(const struct weft__line *line)
{
    struct weft__job *job = line->first;
    while (job && !may_drop(job))
        job = job->next;
    return job;
}

/* NULL: there is none that may go. (The heap has no order but its root; it is of few jobs.) */
static struct weft__job *drop_oldest(weft_lane *lane)
{
    struct weft__job *oldest = older(first_to_drop(&lane->line), first_to_drop(&lane->behind));
    if (may_drop(lane->released))
        oldest = older(lane->released, oldest);
    if (!oldest)
        return NULL;
    leave(lane, oldest);
    weft__count_up(&lane->counts.dropped);
    return oldest;
}

/* There is no room. */
static int push_beyond(weft_lane *lane, struct weft__job *job, enum weft_submit submit,
                       struct weft__job **ret_dropped)
{
    bool as_lane = submit == WEFT_SUBMIT_AS_LANE;
    bool drops = as_lane && lane->on_full == WEFT_FULL_DROP_OLDEST;
    if (drops)
        *ret_dropped = drop_oldest(lane);
    if (submit == WEFT_SUBMIT_TRY || (as_lane && lane->on_full == WEFT_FULL_REJECT) ||
        (drops && !*ret_dropped)) {
        weft__count_up(&lane->counts.rejected);
        return -EAGAIN;
    }
    if (submit == WEFT_SUBMIT_FORCED || (drops && !lane->no_room.first)) {
        enter(lane, job);
        return 0;
    }
    append(&lane->no_room, job, WEFT__NO_ROOM);
    weft__lane_admit_locked(lane); /* where another was dropped */
    return 0;
}

int weft__lane_push_locked(weft_lane *lane, struct weft__job *job, enum weft_submit submit,
                           struct weft__job **ret_dropped)
{
    int status = 0;
    *ret_dropped = NULL;
    weft__express_close_locked(lane->pool);
    if (lane->closed)
        return -ESHUTDOWN;
    if (weft__lane_queued(lane) < weft__count_get(&lane->max_queued))
        enter(lane, job);
    else
        status = push_beyond(lane, job, submit, ret_dropped);
    if (status == 0)
        weft__count_add(&lane->counts.submitted, 1);
    weft__schedule_account_locked(lane);
    return status;
}

void weft__lane_stay_locked(weft_lane *lane, struct weft__job *job)
{
    weft__express_close_locked(lane->pool);
    job->seq = ++lane->last_seq;
    append(&lane->line, job, WEFT__IN_LINE);
    weft__count_add(&lane->counts.submitted, 1);
    weft__schedule_account_locked(lane);
}

void weft__lane_move_locked(weft_lane *lane, struct weft__job *job)
{
    weft__express_close_locked(lane->pool);
    enter(lane, job);
    weft__count_add(&lane->counts.submitted, 1);
    weft__schedule_account_locked(lane);
}

void weft__lane_recall_locked(weft_lane *lane, struct weft__job *job)
{
    enter(lane, job);
}

bool weft__lane_cancel_locked(weft_lane *lane, struct weft__job *job, int status)
{
    if (job->stage == WEFT__IN_RING) /* until it is recalled, or else was claimed */
        weft__express_empty_locked(job->pool);
    if (job->stage == WEFT__NOT_QUEUED || job->stage == WEFT__IN_RING)
        return false;
    leave(lane, job);
    weft__count_up(status == -ECANCELED ? &lane->counts.cancelled_queued : &lane->counts.expired);
    weft__lane_admit_locked(lane);
    weft__schedule_account_locked(lane);
    weft__lane_bury_locked(lane);
    return true;
}

struct weft__job *weft__lane_pop_locked(weft_lane *lane)
{
    struct weft__job *job = weft__lane_oldest_locked(lane);
    if (job->stage == WEFT__RELEASED)
        take_released(lane, job);
    else
        take_out(&lane->line, job);
    weft__lane_admit_locked(lane);
    return job;
}
