/* SPDX-License-Identifier: MIT */
/*
 * Submit: starting a job.
 *
 * Happy path: weft_to_thread() finds the client (made at the first call, with a private pool if
 * none was set), allocates the job, queues it in a lane and tells a worker, if one is needed.
 *
 * Failure modes: no memory for client, pool or job (the permanent future), lane full (-EAGAIN),
 * loop closing (-ESHUTDOWN).
 */
#include <errno.h>
#include <stdint.h>

#include "core/inspect/probe.h"
#include "pool/cancel.h"
#include "pool/client.h"
#include "pool/lane.h"
#include "pool/own.h"
#include "pool/pool.h"
#include "pool/schedule.h"
#include "pool/trace.h"
#include "pool/wake.h"

const struct weft_job_options weft__usual_options;

static void run_inline(weft__item *item);

static void run_inline_soon(struct weft__client *client)
{
    if (client->pool->by_hand != WEFT__INLINE || client->inline_is_queued)
        return;
    client->inline_is_queued = true;
    client->run_inline.run = run_inline;
    weft__schedule(client->loop, &client->run_inline);
}

/* Jobs of an inline pool: as many as wait now. */
static void run_inline(weft__item *item)
{
    struct weft__client *client = WEFT__CONTAINER(item, struct weft__client, run_inline);
    client->inline_is_queued = false;
    if (!client->pool || client->pool->by_hand != WEFT__INLINE) /* it was replaced */
        return;
    weft__pool_step(client->pool, weft__lanes_waiting(client->pool));
    if (weft__lanes_waiting(client->pool) > 0) /* some go on with another function */
        run_inline_soon(client);
}

static inline void find_place(struct weft__client *client)
{
    if (client->asked_for_place || client->pool->by_hand)
        return;
    client->asked_for_place = true;
    client->place = weft__express_join(client->pool, client->loop->mailbox);
    client->home = weft__express_home(client->place);
}

/* By the ring, if the pool is open for the lane, or can be. */
static bool submit_by_ring(struct weft__job *job)
{
    struct weft__client *client = job->client;
    weft_pool *pool = job->pool;
    bool keep = client->count > 0 && weft__loop_flushes(client->loop); /* else all wait for it */
    if (job->key || !client->place)
        return false;
    if (weft__express_submit(client->place, job, keep))
        return true;
    weft__mutex_lock(&pool->mu);
    bool opened = weft__express_open_locked(client->place, job->lane);
    weft__mutex_unlock(&pool->mu);
    return opened && weft__express_submit(client->place, job, keep);
}

static weft_future *submit_job(struct weft__job *job, enum weft_submit submit)
{
    weft_pool *pool = job->pool;
    struct weft__job *dropped;
    WEFT__PROBE3(job_submit, job, job->name, (const char *)job->lane->name);
    if (weft__trace_is_on())
        weft__job_trace_submit(job);
    if (submit_by_ring(job)) {
        weft__client_add(job);
        return &job->future;
    }
    job->queued_at = weft__pool_now();
    weft__mutex_lock(&pool->mu);
    if (job->client->place)
        weft__express_catch_up_locked(job->client->place);
    int refused = weft__lane_push_locked(job->lane, job, submit, &dropped);
    struct weft__call call = weft__call_worker_locked(pool);
    if (refused == 0 && !call.worker)
        weft__count_up(&pool->wakeups_saved);
    weft__mutex_unlock(&pool->mu);
    if (refused == 0) {
        weft__client_add(job);
        run_inline_soon(job->client);
    }
    weft__rouse(call);
    if (dropped)
        weft__job_finish(dropped, weft_err(WEFT_EDROPPED));
    if (refused == 0)
        return &job->future;
    if (weft__trace_is_on())
        weft__job_trace_home(job, refused);
    weft__job_discard(job);
    return weft_future_failed(refused,
                              refused == -EAGAIN ? "the lane is full" : "the lane is closed");
}

/* There is no job to own what the arguments do. */
static weft_future *refuse(const struct weft__request *request, weft_future *error)
{
    if (request->options->release)
        request->options->release((void *)request->args);
    if (request->own)
        weft__own_give_back(request->own, false);
    return error;
}

static bool make_sense(const struct weft_job_options *options)
{
    return (unsigned)options->submit <= WEFT_SUBMIT_FORCED &&
           (unsigned)options->on_cancel <= WEFT_CANCEL_ABANDON && options->deadline >= 0 &&
           options->max_wait >= 0 && options->max_run >= 0;
}

/* What was said of it can be done: NULL; else the failure. */
static weft_future *check(struct weft__client *client, const struct weft__request *request)
{
    const struct weft_job_options *options = request->options;
    if (options->lane && options->lane->pool != client->pool)
        return weft_future_failed(-EINVAL, "%s: the lane belongs to another pool", request->name);
    if (!make_sense(options))
        return weft_future_failed(-EINVAL, "%s: options that make no sense", request->name);
    bool interrupts = options->on_cancel == WEFT_CANCEL_INTERRUPT;
    int status = interrupts ? weft__interrupt_acquire(client->pool) : 0;
    return status < 0 ? weft_future_failed(status, "%s: no signal", request->name) : NULL;
}

static weft_future *submit_to(struct weft__client *client, const struct weft__request *request)
{
    const struct weft_job_options *options = request->options;
    weft_lane *lane = options->lane ? options->lane : &client->pool->default_lane;
    weft_future *error = weft__is_usual(options) ? NULL : check(client, request);
    if (error)
        return refuse(request, error);
    find_place(client);
    struct weft__job *job = weft__job_new(client, lane, request);
    if (!job)
        return refuse(request, weft__future_enomem(client->loop));
    int status = job->control ? weft__limits_arm(job) : 0;
    if (status == 0)
        return submit_job(job, options->submit);
    weft__job_discard(job);
    return status == -ENOMEM ? weft__future_enomem(client->loop)
                             : weft_future_failed(status, "it is too late to start it");
}

weft_future *weft__submit(const struct weft__request *request)
{
    weft_loop *loop = weft__here();
    if (!loop)
        return refuse(request, weft__future_enoloop());
    struct weft__client *client = weft__client_find(loop);
    bool forced = request->options->submit == WEFT_SUBMIT_FORCED;
    if (forced ? loop->phase == WEFT__CLOSED : weft__client_is_closed(loop, client))
        return refuse(request,
                      weft_future_failed(-ESHUTDOWN, "%s: the loop is shut down", request->name));
    if ((client && client->pool) || weft__client_pool(loop, &client))
        return submit_to(client, request);
    return refuse(request, weft__future_enomem(loop));
}

weft_future *weft__offload(const struct weft_job_options *options, const weft_blocking *blocking,
                           const void *args, const char *place)
{
    struct weft__request request = {.options = weft__job_options(options),
                                    .run = blocking->run,
                                    .args = args,
                                    .size = blocking->size,
                                    .name = blocking->name,
                                    .place = place};
    if (!request.options)
        return weft_future_failed(-EINVAL, "%s: options of another version", blocking->name);
    return weft__submit(&request);
}

/* The arguments of a job that calls a function of another shape. */
struct fn_call {
    weft_result (*fn)(void *);
    void *arg;
    void (*release)(void *arg);
};

static void release_arg(void *args)
{
    struct fn_call *call = args;
    call->release(call->arg);
}

static weft_result run_fn(void *args)
{
    struct fn_call *call = args;
    return call->fn(call->arg);
}

weft_future *weft__offload_fn(const struct weft_job_options *options, weft_result (*fn)(void *),
                              void *arg, const char *name, const char *place)
{
    struct fn_call call = {fn, arg, NULL};
    struct weft__request request = {.options = weft__job_options(options),
                                    .run = run_fn,
                                    .args = &call,
                                    .size = sizeof(call),
                                    .name = name,
                                    .place = place};
    if (!request.options)
        return weft_future_failed(-EINVAL, "%s: options of another version", name);
    struct weft_job_options with_release;
    if (options && options->release) {
        with_release = *options;
        with_release.release = release_arg;
        call.release = options->release;
        request.options = &with_release;
    }
    if (!fn)
        return refuse(&request, weft_future_failed(-EINVAL, "no function to run"));
    return weft__submit(&request);
}
