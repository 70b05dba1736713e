/* SPDX-License-Identifier: MIT */
/*
 * Lane: a doubly linked queue of jobs. `queued` on the job says whether it is in it; who sets that
 * to false owns the job's start, be it a worker that runs it or a cancel that drops it.
 */
#include "pool/lane.h"

#include <errno.h>

#include "pool/job.h"

int weft__lane_push_locked(weft_lane *lane, struct weft__job *job)
{
    if (lane->queued >= lane->limit)
        return -EAGAIN;
    job->queued = true;
    job->next = NULL;
    job->prev = lane->last;
    if (lane->last)
        lane->last->next = job;
    else
        lane->first = job;
    lane->last = job;
    lane->queued++;
    return 0;
}

bool weft__lane_remove_locked(weft_lane *lane, struct weft__job *job)
{
    if (!job->queued)
        return false;
    job->queued = false;
    if (job->prev)
        job->prev->next = job->next;
    else
        lane->first = job->next;
    if (job->next)
        job->next->prev = job->prev;
    else
        lane->last = job->prev;
    lane->queued--;
    return true;
}

struct weft__job *weft__lane_pop_locked(weft_lane *lane)
{
    struct weft__job *job = lane->first;
    if (job)
        weft__lane_remove_locked(lane, job);
    return job;
}
