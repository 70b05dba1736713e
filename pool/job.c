/* SPDX-License-Identifier: MIT */
/*
 * Jobs: one blocking call each, from the loop to a worker and back.
 *
 *     QUEUED --a worker takes it--> RUNNING --it returns; the mailbox--> complete, on the loop
 *        |                             |
 *        | cancelled                   | the loop is gone when it returns: the mailbox refuses it
 *        v                             v
 *     complete, -ECANCELED          its value is destroyed on the worker
 *
 * A cancel of one that runs is passed on to its control, if it has one (pool/cancel.c): only the job
 * itself can end it then.
 *
 * Between being taken and being put in the mailbox a job is the worker's: of the whole loop it
 * knows this job only. The pool's lock decides who takes it out of its lane, a worker or a cancel;
 * the mailbox hands it back with all that was written to it.
 *
 * One that is abandoned is complete at once, and comes home all the same, for its memory only; if
 * the loop has gone by then, it is as one that was given up.
 *
 * A loop that ends while the job runs completes the future with WEFT_ESTUCK and lets go
 * (pool/client.c). Then two sides hold the memory, the loop's (whoever waits on the future) and the
 * worker's; whichever is done last frees it, which `let_go` and `ended` decide under the lock.
 *
 * The mailbox is there as long as the job is out, though a job has no reference to it as a rule: the
 * loop has one, and when it ends it gives one to each job that it lets go, under the lock.
 *
 * Memory: the caller's (pool/own.c), or a block of a slab of the loop, as its futures have, or of the
 * allocator's; which of them it is, the future's operations tell.
 *
 * References to the future: one for the caller, one for the job itself until it completes.
 */
#include "pool/job.h"

#include <errno.h>
#include <string.h>

#include "core/cold.h"
#include "core/inspect/eye.h"
#include "core/inspect/probe.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/slab.h"
#include "pool/cancel.h"
#include "pool/client.h"
#include "pool/each.h"
#include "pool/express.h"
#include "pool/lane.h"
#include "pool/own.h"
#include "pool/pool.h"
#include "pool/schedule.h"
#include "pool/trace.h"
#include "pool/wake.h"

_Thread_local struct weft__job *weft__current_job __attribute__((tls_model("initial-exec")));
_Thread_local bool weft__job_named __attribute__((tls_model("initial-exec")));

static inline void fini(struct weft__job *job);

/* The last reference is gone, and all that its result holds. */
static inline void go(struct weft__job *job)
{
    fini(job);
    if (job->future.ops->give_back)
        job->future.ops->give_back(&job->future);
    else
        weft__future_free(&job->future);
}

/* What the arguments own is not needed any more. */
static void release(struct weft__job *job)
{
    void (*fn)(void *) = job->release;
    job->release = NULL;
    if (fn)
        fn(job->params);
}

/* No worker has the job, nor will. */
static inline void come_home(struct weft__job *job)
{
    if (job->control)
        weft__limits_disarm(job);
    if (weft__progress_is_used(&job->progress))
        weft__progress_end(job);
    weft__client_remove(job);
    if (job->release)
        release(job);
}

/* A cancel that it did not heed goes back to who awaits it. If it was asked for want of time, and by
 * nobody else, that is what it failed for. */
static void answer_requests(struct weft__job *job)
{
    bool cancelled = job->result.status == -ECANCELED;
    if (job->future.flags & WEFT__CANCEL_ASKED && !cancelled)
        job->future.flags |= WEFT__UNDELIVERED;
    else if (!(job->future.flags & WEFT__CANCEL_ASKED) && cancelled && job->control &&
             job->control->limits.why < 0)
        job->result.status = job->control->limits.why;
}

/* Nobody else knows it, and it has nothing to tell: no destructor is called, no failure reported. */
static bool is_for_nobody(const struct weft__job *job)
{
    return job->future.refs == 1 && !(job->future.flags & WEFT__HAS_COLD) &&
           job->result.status >= 0 && !job->result.destructor && !job->result.message;
}

static void complete(struct weft__job *job)
{
    answer_requests(job);
    if (job->result.status < 0 || job->result.message)
        weft__complete_result(&job->future, job->result);
    else
        weft__complete(&job->future, job->result.value, job->result.destructor);
    weft__unref(&job->future);
}

void weft__job_complete(weft__item *item)
{
    struct weft__job *job = WEFT__CONTAINER(item, struct weft__job, item);
    WEFT__PROBE2(job_done, job, job->result.status);
    if (__builtin_expect(job->left, 0)) {
        weft__client_forget(job);
        weft__unref(&job->future);
        return;
    }
    if (weft__trace_is_on())
        weft__job_trace_home(job, job->result.status);
    come_home(job);
    if (is_for_nobody(job))
        go(job);
    else
        complete(job);
}

/* One that has come home completes as ever, but its lane is no more, nor who may hold its stream. */
void weft__job_cut_off(struct weft__job *job)
{
    weft__progress_after_fork(job);
    job->lane = NULL;
    job->pool = NULL;
}

void weft__job_lose(struct weft__job *job)
{
    const weft_loop *loop = job->client->loop;
    if (weft__is_scheduled(loop, &job->item))
        return;
    release(job);
    if (job->left) {
        weft__client_forget(job);
    } else {
        weft__limits_disarm(job);
        weft__progress_end(job);
        weft__client_remove(job);
        job->left = true;
        weft__complete_failed(&job->future, WEFT_EFORK,
                              weft__strdup("lost: its thread is not in the forked child"));
    }
    weft_unref(&job->future);
}

static bool drop_queued(struct weft__job *job, int status)
{
    weft_pool *pool = job->pool;
    weft__mutex_lock(&pool->mu);
    bool dropped = !job->chain.committed && weft__lane_cancel_locked(job->lane, job, status);
    if (!dropped)
        weft__chain_stop_locked(job);
    struct weft__call call = weft__call_worker_locked(pool);
    weft__mutex_unlock(&pool->mu);
    weft__rouse(call);
    if (!dropped)
        return false;
    if (weft__trace_is_on())
        weft__job_trace_home(job, status);
    come_home(job);
    weft__complete_failed(&job->future, status, NULL);
    weft_unref(&job->future);
    return true;
}

/* It runs on alone, and comes home for its memory only. */
static void leave(struct weft__job *job, int status)
{
    if (weft__trace_is_on())
        weft__job_trace_home(job, status);
    weft__limits_disarm(job);
    weft__client_leave(job);
    job->left = true;
    weft__complete_failed(&job->future, status, NULL);
}

static enum weft__answer ask(struct weft__job *job)
{
    enum weft__answer answer = job->control ? weft__control_ask(job) : WEFT__GOES_ON;
    weft__progress_stop(job, -ECANCELED); /* it may wait for room that nobody makes any more */
    return answer;
}

bool weft__job_cancel(struct weft__job *job)
{
    if (!job->pool)
        return false;
    if (!weft__is_round(job) && drop_queued(job, -ECANCELED))
        return true;
    enum weft__answer answer = weft__is_round(job) ? weft__each_cancel(job) : ask(job);
    if (answer == WEFT__LEFT)
        leave(job, -ECANCELED);
    else if (answer == WEFT__TOLD)
        job->future.flags |= WEFT__CANCEL_ASKED;
    return answer != WEFT__GOES_ON;
}

bool weft__job_drop(weft_future *future)
{
    struct weft__job *job = weft__job_of(future);
    return job && job->pool && !weft__is_round(job) && drop_queued(job, -ECANCELED);
}

void weft__job_expire(struct weft__job *job, int why)
{
    if (!job->pool || drop_queued(job, why))
        return;
    if (ask(job) == WEFT__LEFT)
        leave(job, why);
    else
        job->control->limits.why = why;
}

void weft__job_give_up(struct weft__job *job)
{
    if (!job->pool)
        return;
    weft__mutex_lock(&job->pool->mu);
    job->chain.committed = false;
    weft__mutex_unlock(&job->pool->mu);
    weft__job_cancel(job);
}

static bool cancel(weft_future *future)
{
    return weft__job_cancel(WEFT__CONTAINER(future, struct weft__job, future));
}

static void describe(const weft_future *future, const char **ret_name, const char **ret_place)
{
    const struct weft__job *job = WEFT__CONTAINER(future, struct weft__job, future);
    *ret_name = job->name;
    *ret_place = job->place;
}

static weft_context *context_of(const weft_future *future)
{
    return WEFT__CONTAINER(future, struct weft__job, future)->context;
}

static inline void fini(struct weft__job *job)
{
    if (job->control)
        weft__control_fini(job);
    if (weft__progress_is_used(&job->progress))
        weft__progress_release(job);
    if (job->chain.step)
        weft__chain_fini(job);
    if (job->context)
        weft_context_unref(job->context);
}

static void dispose(weft_future *future)
{
    fini(WEFT__CONTAINER(future, struct weft__job, future));
}

/* The worker may be writing to it. Which thread has it is found out by who looks (weft__busy). */
static void explain(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret)
{
    static const char *const stages[] = {
        [WEFT__NOT_QUEUED] = "on its way",    [WEFT__IN_LINE] = "queued",
        [WEFT__BEHIND] = "waits for its key", [WEFT__RELEASED] = "queued",
        [WEFT__NO_ROOM] = "waits for room",   [WEFT__IN_RING] = "queued"};
    struct weft__job job;
    struct lane_name {
        char text[sizeof(job.lane->name)];
    } lane;
    if (!weft__eye_see_shared(eye, &job, at, sizeof(job)) || job.stage > WEFT__IN_RING)
        return;
    ret->needs = WEFT__NEEDS_WORLD;
    ret->name = weft__eye_text(eye, job.name);
    ret->place = weft__eye_text(eye, job.place);
    ret->job = at;
    ret->stage = stages[job.stage];
    if (!job.lane || !weft__eye_see_shared(eye, &lane, job.lane->name, sizeof(lane)))
        return;
    lane.text[sizeof(lane.text) - 1] = '\0';
    ret->resource = job.lane;
    ret->detail = weft__eye_say(eye, "lane %s", lane.text);
}

WEFT__OPS(ops) = {.name = "job",
                  .cancel = cancel,
                  .dispose = dispose,
                  .describe = describe,
                  .context = context_of,
                  .explain = explain};

static void give_back(weft_future *future)
{
    weft__own_give_back(WEFT__CONTAINER(future, struct weft__job, future)->own, true);
}

/* Of a job in its caller's memory. */
WEFT__OPS(own_ops) = {.name = "job",
                      .cancel = cancel,
                      .dispose = dispose,
                      .give_back = give_back,
                      .describe = describe,
                      .context = context_of,
                      .explain = explain};

/* A block of a slab is 8 bytes off what a job is aligned to. */
enum { SLAB_SHIFT = 8 };

static void free_block(weft_future *future)
{
    weft__slab_free((char *)WEFT__CONTAINER(future, struct weft__job, future) - SLAB_SHIFT);
}

/* Of a job in a slab of its loop. */
WEFT__OPS(slab_ops) = {.name = "job",
                       .cancel = cancel,
                       .dispose = dispose,
                       .give_back = free_block,
                       .describe = describe,
                       .context = context_of,
                       .explain = explain};

static bool is_job(const weft_future *future)
{
    return future->ops == &slab_ops || future->ops == &ops || future->ops == &own_ops;
}

struct weft__job *weft__job_of(weft_future *future)
{
    return is_job(future) ? WEFT__CONTAINER(future, struct weft__job, future) : NULL;
}

/* In a slab of the loop: a job that has no control, since the loop waits for that. Should it be let go
 * all the same, the loop keeps its slabs until the mailbox goes (core/shutdown.c), so the worker need
 * not free it, which it must not. One with a control may be abandoned, and outlive them. */
static struct weft__job *room(weft_loop *loop, struct weft__own *own, bool controlled, size_t size,
                              const struct weft__future_ops **ret)
{
    *ret = own ? &own_ops : &ops;
    if (own)
        return weft__own_room(own, size);
    char *block = controlled ? NULL : weft__slab_alloc(&loop->slabs, SLAB_SHIFT + size);
    if (!block)
        return weft__malloc(size);
    *ret = &slab_ops;
    return (void *)(block + SLAB_SHIFT);
}

/* All but what is written before it is read: see pool/job.h. */
static inline void init(struct weft__job *job, struct weft__client *client, weft_lane *lane,
                        const struct weft__request *request, const struct weft__future_ops *its_ops)
{
    weft__future_init(&job->future, client->loop, its_ops, 2);
    job->client = client;
    job->name = request->name;
    job->place = request->place;
    job->context = weft_context_current();
    job->own = request->own;
    job->forced = request->options->submit == WEFT_SUBMIT_FORCED;
    job->left = job->ran = job->ended = job->let_go = job->deserted = false;
    job->pool = client->pool;
    job->lane = lane;
    job->key = request->options->key;
    job->sticky = NULL;
    job->stage = WEFT__NOT_QUEUED;
    job->chain = (struct weft__chain){.step = NULL};
    job->run = request->run;
    job->params = request->own ? weft__own_arg(request->own) : job->args;
    job->release = request->options->release;
    job->control = NULL;
    job->mailbox = client->loop->mailbox;
    atomic_init(&job->progress.stream, NULL);
    atomic_init(&job->progress.refusal, 0);
    job->progress.bound = request->options->progress;
    job->home = client->home;
    job->item.run = weft__job_complete;
}

/* With `more` bytes behind its arguments. */
static inline struct weft__job *new_job(struct weft__client *client, weft_lane *lane,
                                        const struct weft__request *request, bool controlled,
                                        size_t more)
{
    const struct weft__future_ops *its_ops;
    struct weft__job *job = NULL;
    if (request->size <= SIZE_MAX / 2)
        job = room(client->loop, request->own, controlled, sizeof(*job) + request->size + more,
                   &its_ops);
    if (!job)
        return NULL;
    init(job, client, lane, request, its_ops);
    if (request->size > 0)
        memcpy(job->args, request->args, request->size);
    return job;
}

static struct weft__job *new_unusual(struct weft__client *client, weft_lane *lane,
                                     const struct weft__request *request,
                                     const struct weft__limits *limits)
{
    const struct weft_job_options *options = request->options;
    bool controlled = limits || options->on_cancel != WEFT_CANCEL_WAIT;
    size_t padding = -request->size % _Alignof(max_align_t);
    size_t control = controlled ? sizeof(struct weft__control) : 0;
    size_t sticky = options->key ? sizeof(struct weft__sticky) : 0;
    struct weft__job *job = new_job(client, lane, request, controlled, padding + control + sticky);
    if (!job)
        return NULL;
    unsigned char *behind = job->args + request->size + padding;
    if (sticky)
        job->sticky = (void *)(behind + control);
    if (!controlled)
        return job;
    job->control = (void *)behind;
    weft__control_init(job->control, options, limits, client->pool->interrupt_signal);
    return job;
}

struct weft__job *weft__job_new(struct weft__client *client, weft_lane *lane,
                                const struct weft__request *request)
{
    const struct weft_job_options *options = request->options;
    struct weft__limits room_for_limits, *limits = NULL;
    if (!weft__is_usual(options) || weft__loop->current || weft__lane_max_wait(lane))
        limits = weft__limits_find(options, lane, &room_for_limits);
    if (limits || options->on_cancel != WEFT_CANCEL_WAIT || options->key)
        return new_unusual(client, lane, request, limits);
    return new_job(client, lane, request, false, 0);
}

void weft__job_discard(struct weft__job *job)
{
    weft__limits_disarm(job);
    release(job);
    fini(job);
    if (job->own)
        weft__own_give_back(job->own, false);
    else if (job->future.ops == &slab_ops)
        free_block(&job->future);
    else
        weft__free(job);
}

void weft__job_free(struct weft__job *job)
{
    release(job); /* of one that was let go between two functions */
    weft__cold_free(&job->future);
    fini(job);
    if (job->own)
        weft__own_give_back(job->own, true);
    else if (job->future.ops != &slab_ops) /* that one goes with the slabs: see room() */
        weft__free(job);
}

bool weft__job_let_go_locked(struct weft__job *job)
{
    if (job->ended)
        return false;
    if (weft__lane_cancel_locked(job->lane, job, -ECANCELED))
        return false; /* it had named its next function meanwhile */
    job->let_go = true;
    weft__mailbox_ref(job->mailbox);
    if (!job->deserted)
        job->pool->abandoned += weft__is_round(job) ? weft__each_threads_locked(job) : 1;
    job->deserted = true;
    return true;
}

void weft__result_destroy(weft_result *result)
{
    if (result->status >= 0 && result->destructor)
        result->destructor(result->value.ptr);
    weft__free(result->message);
}

void weft__job_end_alone(struct weft__job *job)
{
    weft_pool *pool = job->pool;
    weft__mailbox *mailbox = job->mailbox;
    release(job);
    weft__result_destroy(&job->result);
    weft__mutex_lock(&pool->mu);
    bool let_go = job->let_go;
    job->ended = true;
    if (job->deserted)
        pool->abandoned--;
    weft__mutex_unlock(&pool->mu);
    if (!let_go)
        return;
    weft__job_free(job);
    weft__mailbox_unref(mailbox);
}

void weft__job_send(struct weft__job *job)
{
    weft__mailbox *mailbox =
        weft__mailbox_ref(job->mailbox); /* the loop may end once it has the job */
    if (!weft__mailbox_put(mailbox, &job->item))
        weft__job_end_alone(job);
    weft__mailbox_unref(mailbox);
}

void weft__job_finish(struct weft__job *job, weft_result result)
{
    job->result = result;
    weft__job_send(job);
}

/* True: it named the next one, and the job goes on with that. */
static bool run_function(struct weft__job *job, enum weft__control_state *ret_ended)
{
    *ret_ended = WEFT__ENDED;
    if (job->control && !weft__control_begin(job))
        return false;
    job->ran = true;
    job->result = job->chain.step ? weft__chain_call(job) : job->run(job->params);
    bool goes_on = job->result.destructor && weft__chain_goes_on(job);
    if (!job->control || (goes_on && weft__control_pause(job)))
        return goes_on;
    *ret_ended = weft__control_end(job);
    return false;
}

/* `ended` is the state in which it did. The value of one that was abandoned is not for anybody. */
static void settle_result(struct weft__job *job, enum weft__control_state ended)
{
    if (ended == WEFT__ASKED && job->result.status == -ECANCELED)
        weft__control_count(job);
    if (ended != WEFT__ABANDONED)
        return;
    weft__result_destroy(&job->result);
    job->result = weft_err(-ECANCELED);
    weft__control_come_back(job);
}

void weft__job_run(struct weft__job *job)
{
    weft_context *context = weft_context_ref(job->context); /* the function may set its own */
    weft_context **outer = weft__context_enter(&context);
    struct weft__job *outer_job = weft__current_job;
    weft__current_job = job;
    enum weft__control_state ended;
    bool goes_on = run_function(job, &ended);
    release(job);
    if (job->result.destructor || job->chain.named) /* else it named nothing */
        weft__chain_step(job, goes_on);
    settle_result(job, ended);
    weft__current_job = outer_job;
    weft__context_leave(outer);
    weft_context_unref(context);
}

/* Field by field: a copy of what the function has just stored would wait for its stores. */
bool weft__job_run_plain(struct weft__job *job, weft_result (*run)(void *params), void *params,
                         int32_t *ret_status, weft_value *ret_value)
{
    weft_context *context = NULL; /* the function may set one */
    weft_context **outer = weft__context_enter(&context);
    weft__job_named = false;
    weft__current_job = job;
    weft_result result = run(params);
    bool plain = !result.destructor && !result.message && !weft__job_named;
    *ret_status = result.status;
    *ret_value = result.value;
    if (!plain) {
        job->ran = true;
        job->result = result;
        weft__chain_step(job, result.destructor && weft__chain_goes_on(job));
    }
    weft__current_job = NULL;
    weft__context_leave(outer);
    weft_context_unref(context);
    return plain;
}

enum weft_job_outcome weft_job_outcome(const weft_future *future)
{
    if (WEFT__ELSEWHERE(future->loop_id) || weft__is_pending(future))
        return WEFT_JOB_PENDING;
    if (!is_job(future))
        return future->status < 0 ? WEFT_JOB_NOT_STARTED : WEFT_JOB_UNKNOWN;
    const struct weft__job *job = WEFT__CONTAINER(future, struct weft__job, future);
    if (job->left || job->client) /* it was abandoned, lost or given up */
        return WEFT_JOB_UNKNOWN;
    return job->ran ? WEFT_JOB_FINISHED : WEFT_JOB_NOT_STARTED;
}
