/* SPDX-License-Identifier: MIT */
/*
 * Chains: a job whose function names the next one, to run on a worker without a trip through the loop.
 *
 *     RUNNING --named another, and returned that--> QUEUED, at the tail of a lane --> RUNNING …
 *        |                                             |
 *        | returned anything else                      | cancelled
 *        v                                             v
 *     sent home                                     complete, -ECANCELED
 *
 * It stays the same job: one future, one place in its client's list, one cancel, context and deadline.
 * What changes is the function, its arguments and what releases them, and perhaps the lane. So all that
 * is known of queued and of running jobs holds for it, and nobody recurses: the worker that ran the
 * function queues the job and looks what is next, like for any other.
 *
 * Between two functions, under the pool's lock, the job's end is noted and it is queued again: it is
 * in the lane before anybody can see its place there free, so a lane does not end in between. It is let
 * in however full the lane is, since it was accepted once, and keeps its key (pool/sticky.c) until it has
 * ended or moves to another lane.
 *
 * A cancel that comes while a function runs keeps the job from going on (`stops`), one that comes while
 * it is queued drops it, as a job that has not started; unless it has committed. A loop that ends lets
 * go of a job that runs: then it does not go on either.
 *
 * The lane in which a job goes on may be given up before it gets there: by what releases the arguments
 * of the function that named it, say. So from then on the lane expects it, and lasts.
 *
 * What weft_continue() returns is a result with a destructor that nobody else can have, and a step of
 * this job's as its value. The steps are the job's from the beginning, so a function that names one and
 * then returns something else leaks nothing.
 *
 * Failure modes: no memory for the arguments (-ENOMEM, on the worker), a lane of another pool (-EINVAL),
 * no job (WEFT_ENOJOB): the result says so, and the job fails with it. A lane that was closed meanwhile:
 * the job fails with -ESHUTDOWN.
 */
#include "pool/continue.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/memory.h"
#include "pool/job.h"
#include "pool/lane.h"
#include "pool/schedule.h"

struct weft__step {
    struct weft__step *next;        /* in job->chain.named */
    weft_result (*run)(void *args); /* [const] */
    void (*release)(void *args);    /* [const] */
    weft_lane *lane;                /* [const] it expects the job; NULL: the lane it is in */
    _Alignas(max_align_t) unsigned char args[];
};

/* Marks a result. The step is the job's. */
static void next_step(void *step)
{
    (void)step;
}

/* ---- Naming the next ---- */

static int refusal(const struct weft_continue_options *options)
{
    const struct weft__job *job = weft__current_job;
    if (!job)
        return WEFT_ENOJOB;
    if (weft__pool_is_inherited(job->pool))
        return WEFT_EFORK;
    if (options->size != 0 && options->size != sizeof(*options))
        return -EINVAL;
    return options->lane && options->lane->pool != job->pool ? -EINVAL : 0;
}

static struct weft__step *new_step(const struct weft_continue_options *options,
                                   const weft_blocking *blocking, const void *args)
{
    struct weft__step *step = NULL;
    if (blocking->size <= SIZE_MAX - sizeof(*step))
        step = weft__malloc(sizeof(*step) + blocking->size);
    if (!step)
        return NULL;
    *step = (struct weft__step){.run = blocking->run, .release = options->release};
    memcpy(step->args, args, blocking->size);
    return step;
}

static void expect(struct weft__step *step, const struct weft__job *job, weft_lane *lane)
{
    if (!lane || lane == job->lane)
        return;
    step->lane = lane;
    weft__mutex_lock(&job->pool->mu);
    lane->expected++;
    weft__mutex_unlock(&job->pool->mu);
}

/* The job has come, or will not. */
static void expect_no_more_locked(const struct weft__step *step)
{
    if (!step->lane)
        return;
    step->lane->expected--;
    weft__lane_bury_locked(step->lane);
}

weft_result weft__continue(const struct weft_continue_options *options,
                           const weft_blocking *blocking, const void *args)
{
    static const struct weft_continue_options defaults;
    struct weft__job *job = weft__current_job;
    if (!options)
        options = &defaults;
    int status = refusal(options);
    struct weft__step *step = status == 0 ? new_step(options, blocking, args) : NULL;
    if (!step) {
        if (options->release)
            options->release((void *)args);
        return weft_err(status < 0 ? status : -ENOMEM);
    }
    expect(step, job, options->lane);
    weft__job_named = true;
    step->next = job->chain.named;
    job->chain.named = step;
    return (weft_result){.value.ptr = step, .destructor = next_step};
}

/* ---- When the function has returned ---- */

static struct weft__step **find(struct weft__job *job)
{
    struct weft__step **at = &job->chain.named;
    while (*at && *at != job->result.value.ptr)
        at = &(*at)->next;
    return at;
}

weft_result weft__chain_call(struct weft__job *job)
{
    return job->chain.step->run(job->params);
}

static bool is_marked(const weft_result *result)
{
    return result->status >= 0 && result->destructor == next_step;
}

bool weft__chain_goes_on(const struct weft__job *job)
{
    return is_marked(&job->result);
}

static void drop(const struct weft__job *job, struct weft__step *step)
{
    if (step->release)
        step->release(step->args);
    weft__mutex_lock(&job->pool->mu);
    expect_no_more_locked(step);
    weft__mutex_unlock(&job->pool->mu);
    weft__free(step);
}

static void go_to(struct weft__job *job, struct weft__step *step)
{
    weft__free(job->chain.step);
    job->chain.step = step;
    job->chain.goes_on = true;
    job->release = step->release;
    job->params = step->args;
    job->result = (weft_result){.status = 0};
}

void weft__chain_step(struct weft__job *job, bool goes_on)
{
    if (is_marked(&job->result)) {
        struct weft__step **at = find(job), *step = *at;
        if (goes_on && step) {
            *at = step->next;
            go_to(job, step);
        } else {
            job->result =
                weft_err(goes_on ? -EINVAL : -ECANCELED); /* not a step of this function */
        }
    }
    while (job->chain.named) {
        struct weft__step *step = job->chain.named;
        job->chain.named = step->next;
        drop(job, step);
    }
}

/* Where the job waits next; NULL: it may not go on, and has its result. */
static weft_lane *next_lane_locked(struct weft__job *job)
{
    weft_lane *lane = job->chain.step->lane ? job->chain.step->lane : job->lane;
    bool is_closed = lane != job->lane && lane->closed;
    if (!job->let_go && !job->chain.stops && !is_closed)
        return lane;
    job->result = weft_err(is_closed ? -ESHUTDOWN : -ECANCELED);
    return NULL;
}

bool weft__chain_ended_locked(weft_pool *pool, struct weft__job *job, weft_ns now)
{
    bool goes_on = job->chain.goes_on;
    weft_lane *lane = goes_on ? next_lane_locked(job) : NULL;
    job->chain.goes_on = false;
    if (lane && lane == job->lane) {
        weft__lane_stay_locked(lane, job);
        weft__schedule_ended_locked(pool, job, now);
    } else {
        weft__schedule_ended_locked(pool, job, now);
        job->lane = lane ? lane : job->lane;
        if (lane)
            weft__lane_move_locked(lane, job);
    }
    if (goes_on)
        expect_no_more_locked(job->chain.step);
    if (lane)
        job->queued_at = now;
    return lane;
}

/* ---- Cancel and commit ---- */

void weft__chain_stop_locked(struct weft__job *job)
{
    job->chain.stops = !job->chain.committed;
}

void weft__chain_commit(struct weft__job *job)
{
    weft__mutex_lock(&job->pool->mu);
    job->chain.committed = true;
    job->chain.stops = false;
    weft__mutex_unlock(&job->pool->mu);
}

void weft__chain_fini(struct weft__job *job)
{
    if (job->chain.step)
        weft__free(job->chain.step);
}
