/* SPDX-License-Identifier: MIT */
/*
 * Client: the loop's side of a pool, a part of the loop (core/loop.h). It keeps the list of the
 * loop's jobs, so that a loop's end touches its own jobs and no other's, and holds a reference to
 * the pool.
 *
 * Happy path: weft_to_thread() finds the client (made at the first call, with a private pool if
 * none was set), allocates the job, queues it in a lane and tells a worker, if one is needed. The
 * job comes home through the loop's mailbox and leaves the list.
 *
 * Shutdown: settle() drops what is queued and refuses what is new; the loop waits for the list to
 * get empty; what is in it when the time is over is listed by name and place. When the loop is
 * freed its mailbox is closed, so no job comes home any more: give_up() completes what is left with
 * WEFT_ESTUCK, and once all that waited for it has run, free() leaves it to the workers.
 *
 * Failure modes: no memory for client, pool or job (the permanent future), lane full (-EAGAIN),
 * loop closing (-ESHUTDOWN).
 */
#include "pool/client.h"

#include <errno.h>

#include "core/memory.h"
#include "pool/lane.h"
#include "pool/pool.h"
#include "pool/worker.h"

/* ---- The list ---- */

static void insert(struct weft__client *client, struct weft__job *job)
{
    job->older = client->newest;
    if (client->newest)
        client->newest->newer = job;
    else
        client->oldest = job;
    client->newest = job;
    client->count++;
    job->elsewhere = !client->pool->by_hand;
    client->elsewhere += job->elsewhere;
    client->loop->jobs += job->elsewhere;
}

void weft__client_remove(struct weft__job *job)
{
    struct weft__client *client = job->client;
    if (job->older)
        job->older->newer = job->newer;
    else
        client->oldest = job->newer;
    if (job->newer)
        job->newer->older = job->older;
    else
        client->newest = job->older;
    job->client = NULL;
    client->count--;
    client->elsewhere -= job->elsewhere;
    client->loop->jobs -= job->elsewhere;
}

/* ---- As a part of the loop ---- */

static struct weft__client *client_of_part(struct weft__part *part)
{
    return WEFT__CONTAINER(part, struct weft__client, part);
}

static void settle(struct weft__part *part)
{
    struct weft__client *client = client_of_part(part);
    client->settled = true;
    struct weft__job *next;
    for (struct weft__job *job = client->oldest; job; job = next) {
        next = job->newer;
        weft__job_cancel(job);
    }
}

static size_t pending(struct weft__part *part)
{
    return client_of_part(part)->count;
}

static void list(struct weft__part *part, void (*add)(void *to, const struct weft_stuck *stuck),
                 void *to)
{
    for (struct weft__job *job = client_of_part(part)->oldest; job; job = job->newer) {
        struct weft_stuck stuck = {.kind = "job", .name = job->name, .spawned_at = job->place};
        add(to, &stuck);
    }
}

/* Leave every job to its worker; returns those whose worker has done with them, linked by `newer`.
 */
static struct weft__job *let_go(struct weft__client *client)
{
    struct weft__job *ended = NULL, *next;
    weft__mutex_lock(&client->pool->mu);
    for (struct weft__job *job = client->oldest; job; job = next) {
        next = job->newer;
        if (weft__job_let_go_locked(job))
            continue;
        job->newer = ended;
        ended = job;
    }
    weft__mutex_unlock(&client->pool->mu);
    return ended;
}

static void give_up(struct weft__part *part)
{
    settle(part);
    for (struct weft__job *job = client_of_part(part)->oldest; job; job = job->newer)
        weft__complete_failed(&job->future, WEFT_ESTUCK, NULL);
}

static void free_client(struct weft__part *part)
{
    struct weft__client *client = client_of_part(part);
    if (client->pool) {
        struct weft__job *next;
        for (struct weft__job *job = let_go(client); job; job = next) {
            next = job->newer;
            weft__job_free(job);
        }
    }
    client->loop->jobs -= client->elsewhere;
    weft_pool_unref(client->pool);
    weft__free(client);
}

/* The pool of the child is another one, made when it is needed. */
static void after_fork(struct weft__part *part)
{
    struct weft__client *client = client_of_part(part);
    struct weft__job *next;
    for (struct weft__job *job = client->oldest; job; job = next) {
        next = job->newer;
        weft__job_lose(job);
    }
    weft_pool_unref(client->pool);
    client->pool = NULL;
}

static const struct weft__part_ops part_ops = {
    .name = "pool",
    .comes_in_any_order = weft__job_complete,
    .after_fork = after_fork,
    .settle = settle,
    .pending = pending,
    .list = list,
    .give_up = give_up,
    .free = free_client,
};

static struct weft__client *find_client(weft_loop *loop)
{
    struct weft__part *part = weft__loop_part(loop, &part_ops);
    return part ? client_of_part(part) : NULL;
}

static struct weft__client *make_client(weft_loop *loop)
{
    struct weft__client *client = weft__malloc(sizeof(*client));
    if (!client)
        return NULL;
    *client = (struct weft__client){.part.ops = &part_ops, .loop = loop};
    weft__loop_add_part(loop, &client->part);
    return client;
}

static bool is_closed(const weft_loop *loop, const struct weft__client *client)
{
    return loop->phase == WEFT__CLOSED || (client && client->settled);
}

int weft_loop_set_pool(weft_loop *loop, weft_pool *pool)
{
    if (!loop)
        return -EINVAL;
    if (WEFT__ELSEWHERE(loop->id))
        return weft__elsewhere();
    struct weft__client *client = find_client(loop);
    if (is_closed(loop, client))
        return -ESHUTDOWN;
    if (!client && !(client = make_client(loop)))
        return -ENOMEM;
    if (client->count > 0)
        return -EBUSY;
    if (pool && weft__pool_is_inherited(pool))
        return WEFT_EFORK;
    weft_pool *old = client->pool;
    client->pool = pool ? weft_pool_ref(pool) : NULL;
    weft_pool_unref(old);
    return 0;
}

weft_pool *weft_loop_pool(weft_loop *loop)
{
    if (WEFT__ELSEWHERE(loop->id))
        return NULL;
    struct weft__client *client = find_client(loop);
    return client ? client->pool : NULL;
}

/* ---- Submitting ---- */

/* Jobs of an inline pool: as many as wait now. */
static void run_inline(weft__item *item)
{
    struct weft__client *client = WEFT__CONTAINER(item, struct weft__client, run_inline);
    struct weft_pool_stats stats;
    client->inline_is_queued = false;
    if (!client->pool || client->pool->by_hand != WEFT__INLINE) /* it was replaced */
        return;
    weft_pool_get_stats(client->pool, &stats);
    weft__pool_step(client->pool, stats.queued);
}

static void run_inline_soon(struct weft__client *client)
{
    if (client->pool->by_hand != WEFT__INLINE || client->inline_is_queued)
        return;
    client->inline_is_queued = true;
    client->run_inline.run = run_inline;
    weft__schedule(client->loop, &client->run_inline);
}

struct request {
    weft_lane *lane; /* NULL: the default one */
    weft_result (*run)(void *args);
    const void *args;
    size_t size;
    const char *name, *place;
};

static weft_future *submit_job(struct weft__job *job)
{
    weft_pool *pool = job->lane->pool;
    weft__mutex_lock(&pool->mu);
    int refused = weft__lane_push_locked(job->lane, job);
    struct weft__call call = weft__call_worker_locked(pool);
    weft__mutex_unlock(&pool->mu);
    if (refused == 0) {
        insert(job->client, job);
        run_inline_soon(job->client);
    }
    weft__rouse(call);
    if (refused == 0)
        return &job->future;
    weft__job_discard(job);
    return weft_future_failed(refused, "the lane is full");
}

static weft_future *submit_to(struct weft__client *client, const struct request *request)
{
    weft_lane *lane = request->lane ? request->lane : &client->pool->lane;
    if (lane->pool != client->pool)
        return weft_future_failed(-EINVAL, "%s: the lane belongs to another pool", request->name);
    struct weft__job *job = weft__job_new(client, lane, request->run, request->args, request->size);
    if (!job)
        return weft__future_enomem(client->loop);
    job->name = request->name;
    job->place = request->place;
    return submit_job(job);
}

static weft_future *submit(const struct request *request)
{
    weft_loop *loop = weft__here();
    if (!loop)
        return weft__future_enoloop();
    struct weft__client *client = find_client(loop);
    if (is_closed(loop, client))
        return weft_future_failed(-ESHUTDOWN, "%s: the loop is shut down", request->name);
    if (!client && !(client = make_client(loop)))
        return weft__future_enomem(loop);
    if (!client->pool && !(client->pool = weft_pool_new(NULL)))
        return weft__future_enomem(loop);
    return submit_to(client, request);
}

weft_future *weft__to_thread(const weft_blocking *blocking, const void *args, const char *place)
{
    struct request request = {.run = blocking->run,
                              .args = args,
                              .size = blocking->size,
                              .name = blocking->name,
                              .place = place};
    return submit(&request);
}

/* The arguments of a job that calls a function of another shape. */
struct fn_call {
    weft_result (*fn)(void *);
    void *arg;
};

static weft_result run_fn(void *args)
{
    struct fn_call *call = args;
    return call->fn(call->arg);
}

weft_future *weft__to_thread_fn(weft_lane *lane, weft_result (*fn)(void *), void *arg,
                                const char *name, const char *place)
{
    if (!fn)
        return weft_future_failed(-EINVAL, "no function to run");
    struct fn_call call = {fn, arg};
    struct request request = {.lane = lane,
                              .run = run_fn,
                              .args = &call,
                              .size = sizeof(call),
                              .name = name,
                              .place = place};
    return submit(&request);
}
