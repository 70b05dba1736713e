/* SPDX-License-Identifier: MIT */
/*
 * Limits of time of jobs.
 *
 *     start_by    its deadline, or the end of the time that it may wait: over while it is queued, it
 *                 leaves its lane and fails, unrun
 *     run_by      its deadline, or the end of the time that it may run: over while it runs, it is asked
 *                 to stop as if cancelled; the -ECANCELED with which it ends is -ETIMEDOUT then
 *
 * The deadline is the earliest of its options' and of those of the blocks (timeouts, clean-ups) around
 * the call that started it, at that time. The loop keeps the limits, by one timer at a time: it does
 * not hear when the function is called, so the timer looks, and is set again if it was too early.
 * In addition the worker does not call a function that is too late, should the loop be busy.
 *
 * Clocks. A limit is of the loop's clock; what the job can read is the same in real time, translated
 * when it is started. Virtual time stands still while a job is queued or runs on another thread, so
 * none of its limits passes there; only those of a pool by hand do, and its worker asks no clock.
 *
 * Failure modes: no memory for the first timer: the job is not started. For the next one: it is asked
 * to stop at once, and ends with -ENOMEM, rather than run without its limit.
 */
#include <errno.h>

#include "core/block.h"
#include "core/loop.h"
#include "pool/cancel.h"
#include "pool/job.h"
#include "pool/pool.h"
#include "pool/schedule.h"

/* How often a limit of the run is looked for while the job is queued. */
#define LOOK WEFT_MS(1)

static weft_ns earlier(weft_ns a, weft_ns b)
{
    return a < b ? a : b;
}

static weft_ns later(weft_ns a, weft_ns b)
{
    return a > b ? a : b;
}

static weft_ns after(weft_ns time, weft_ns duration)
{
    return duration < WEFT_FOREVER - time ? time + duration : WEFT_FOREVER;
}

/* 0 stands for "none" among options. */
static weft_ns or_forever(weft_ns limit)
{
    return limit > 0 ? limit : WEFT_FOREVER;
}

/* ---- On the loop ---- */

static weft_ns deadline_here(const weft_loop *loop)
{
    const weft_future *task = loop->current ? weft_current_task() : NULL;
    return task ? weft__task_deadline(task) : WEFT_FOREVER;
}

struct weft__limits *weft__limits_find(const struct weft_job_options *options, weft_lane *lane,
                                       struct weft__limits *room)
{
    const weft_loop *loop = weft__loop;
    weft_ns around = deadline_here(loop);
    weft_ns lane_wait = weft__lane_max_wait(lane);
    if (around == WEFT_FOREVER && !options->deadline && !options->max_wait && !options->max_run &&
        !lane_wait)
        return NULL;
    weft_ns deadline = earlier(or_forever(options->deadline), around);
    weft_ns max_wait = earlier(or_forever(options->max_wait), or_forever(lane_wait));
    weft_ns max_run = or_forever(options->max_run);
    if (earlier(deadline, earlier(max_wait, max_run)) == WEFT_FOREVER)
        return NULL;
    weft_ns now = weft__loop_now(loop), real_now = weft__pool_now();
    weft_ns start_by = earlier(deadline, after(now, max_wait));
    *room = (struct weft__limits){
        .start_by = start_by,
        .deadline = deadline,
        .max_run = max_run,
        .real_deadline = deadline == WEFT_FOREVER ? deadline : after(real_now, deadline - now),
        .real_start_by = loop->clock == WEFT_CLOCK_VIRTUAL ? WEFT_FOREVER : start_by,
    };
    return room;
}

/* When the function that was called must have returned. */
static weft_ns run_by(const struct weft__limits *limits, weft_ns began)
{
    if (weft__loop->clock == WEFT_CLOCK_VIRTUAL)
        return limits->deadline;
    return earlier(limits->deadline, after(began, limits->max_run));
}

/* What is to be looked at next. When its run will be over is not known before it has begun, so until
 * then that is looked for now and then. */
static weft_ns next_look(const struct weft__control *control, weft_ns now)
{
    weft_ns began = atomic_load_explicit(&control->began, memory_order_relaxed);
    const struct weft__limits *limits = &control->limits;
    return began ? run_by(limits, began)
                 : earlier(limits->start_by, after(now, later(limits->max_run, LOOK)));
}

static void look(void *arg);

static int arm(struct weft__job *job, weft_ns when)
{
    struct weft__limits *limits = &job->control->limits;
    if (when == WEFT_FOREVER)
        return 0;
    limits->timer = weft_call_at(when, look, job);
    if (weft_is_done(limits->timer)) {
        int status = weft_future_status(limits->timer);
        weft_unref(limits->timer);
        limits->timer = NULL;
        return status;
    }
    return 0;
}

static void disarm(struct weft__limits *limits)
{
    weft_future *timer = limits->timer;
    limits->timer = NULL;
    if (!timer)
        return;
    weft_cancel(timer);
    weft_unref(timer);
}

static void look(void *arg)
{
    struct weft__job *job = arg;
    struct weft__control *control = job->control;
    weft_ns now = weft_now(), next = next_look(control, now);
    disarm(&control->limits);
    if (next <= now)
        weft__job_expire(job, -ETIMEDOUT);
    else if (arm(job, next) < 0)
        weft__job_expire(job, -ENOMEM);
}

int weft__limits_arm(struct weft__job *job)
{
    if (!job->control)
        return 0;
    weft_ns now = weft_now();
    return job->control->limits.start_by <= now ? -ETIMEDOUT
                                                : arm(job, next_look(job->control, now));
}

void weft__limits_disarm(struct weft__job *job)
{
    if (job->control)
        disarm(&job->control->limits);
}

/* ---- On the worker ---- */

bool weft__limits_begin(struct weft__control *control)
{
    if (atomic_load_explicit(&control->began, memory_order_relaxed))
        return true;
    weft_ns now = weft__pool_now();
    atomic_store_explicit(&control->began, now, memory_order_relaxed);
    return now < control->limits.real_start_by;
}

weft_ns weft_job_deadline(void)
{
    struct weft__control *control;
    if (weft__control_here(&control) < 0)
        return 0;
    if (!control)
        return WEFT_FOREVER;
    weft_ns began = atomic_load_explicit(&control->began, memory_order_relaxed);
    return earlier(control->limits.real_deadline, after(began, control->limits.max_run));
}

weft_ns weft_job_remaining(void)
{
    weft_ns deadline = weft_job_deadline(), now = weft__pool_now();
    if (deadline == WEFT_FOREVER)
        return deadline;
    return deadline > now ? deadline - now : 0;
}
