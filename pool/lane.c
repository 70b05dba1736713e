/* SPDX-License-Identifier: MIT */
/*
 * Lane: a queue of jobs with a bound.
 *
 *     push --room--> IN_LINE --pop--> NOT_QUEUED (it runs)
 *       |               ^  \--removed (cancelled, dropped)--> NOT_QUEUED
 *       |               | room
 *       +--no room--> NO_ROOM --removed--> NOT_QUEUED
 *
 * Who sets a job's stage to NOT_QUEUED owns its start: a worker that runs it, a cancel, or the newer job
 * that drops it.
 *
 * Those who wait for room are jobs like others, in a line of their own behind the first. So no thread
 * waits, they come in the order in which they asked, and one that is cancelled leaves as a queued one
 * does. The line is full as long as anybody waits behind it: each place that becomes free is given
 * away at once, before the lock is left. So a newcomer that finds room overtakes nobody.
 *
 * All of this is O(1) for each job, and needs no memory: the links are the jobs'.
 */
#include "pool/lane.h"

#include <errno.h>

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

void weft__lane_admit_locked(weft_lane *lane)
{
    while (lane->no_room.first && lane->line.count < lane->max_queued) {
        struct weft__job *job = lane->no_room.first;
        take_out(&lane->no_room, job);
        append(&lane->line, job, WEFT__IN_LINE);
    }
}

static struct weft__job *drop_oldest(weft_lane *lane)
{
    struct weft__job *oldest = lane->line.first;
    take_out(&lane->line, oldest);
    weft__count_up(&lane->counts.dropped);
    return oldest;
}

/* There is no room. */
static int push_beyond(weft_lane *lane, struct weft__job *job, enum weft_submit submit,
                       struct weft__job **ret_dropped)
{
    bool as_lane = submit == WEFT_SUBMIT_AS_LANE;
    if (submit == WEFT_SUBMIT_TRY || (as_lane && lane->on_full == WEFT_FULL_REJECT)) {
        weft__count_up(&lane->counts.rejected);
        return -EAGAIN;
    }
    if (submit == WEFT_SUBMIT_WAIT || (as_lane && lane->on_full == WEFT_FULL_WAIT)) {
        append(&lane->no_room, job, WEFT__NO_ROOM);
        return 0;
    }
    if (submit != WEFT_SUBMIT_FORCED)
        *ret_dropped = drop_oldest(lane);
    append(&lane->line, job, WEFT__IN_LINE);
    return 0;
}

int weft__lane_push_locked(weft_lane *lane, struct weft__job *job, enum weft_submit submit,
                           struct weft__job **ret_dropped)
{
    int status = 0;
    *ret_dropped = NULL;
    if (lane->closed)
        return -ESHUTDOWN;
    if (lane->line.count < lane->max_queued)
        append(&lane->line, job, WEFT__IN_LINE);
    else
        status = push_beyond(lane, job, submit, ret_dropped);
    if (status == 0)
        weft__count_up(&lane->counts.submitted);
    weft__schedule_account_locked(lane);
    return status;
}

bool weft__lane_cancel_locked(weft_lane *lane, struct weft__job *job)
{
    if (job->stage == WEFT__NOT_QUEUED)
        return false;
    take_out(job->stage == WEFT__NO_ROOM ? &lane->no_room : &lane->line, job);
    weft__count_up(&lane->counts.cancelled_queued);
    weft__lane_admit_locked(lane);
    weft__schedule_account_locked(lane);
    weft__lane_bury_locked(lane);
    return true;
}

struct weft__job *weft__lane_pop_locked(weft_lane *lane)
{
    struct weft__job *job = lane->line.first;
    if (job) {
        take_out(&lane->line, job);
        weft__lane_admit_locked(lane);
    }
    return job;
}
