/* SPDX-License-Identifier: MIT */
/*
 * Client: the loop's side of a pool, a part of the loop (core/loop.h). It keeps the list of the
 * loop's jobs, so that a loop's end touches its own jobs and no other's, and holds a reference to
 * the pool.
 *
 * A job enters the list when it is started (pool/submit.c), and leaves it when it comes home through
 * the loop's mailbox. One that is abandoned goes over to a second list, which nothing waits for.
 *
 * Shutdown: settle() drops what is queued and refuses what is new, but for what is forced; the loop waits for the list to
 * get empty; what is in it when the time is over is listed by name and place. When the loop is
 * freed its mailbox is closed, so no job comes home any more: give_up() completes what is left with
 * WEFT_ESTUCK, and once all that waited for it has run, free() leaves it to the workers.
 */
#include "pool/client.h"

#include <errno.h>

#include "core/memory.h"
#include "pool/cancel.h"
#include "pool/pool.h"
#include "pool/wake.h"

/* ---- The list ---- */

void weft__client_leave(struct weft__job *job)
{
    struct weft__client *client = job->client;
    weft__progress_end(job);
    weft__client_remove(job);
    job->client = client;
    job->newer = NULL;
    job->older = client->left;
    if (job->older)
        job->older->newer = job;
    client->left = job;
}

void weft__client_forget(struct weft__job *job)
{
    if (job->newer)
        job->newer->older = job->older;
    else
        job->client->left = job->older;
    if (job->older)
        job->older->newer = job->newer;
    job->client = NULL;
}

/* ---- As a part of the loop ---- */

static struct weft__client *client_of_part(struct weft__part *part)
{
    return WEFT__CONTAINER(part, struct weft__client, part);
}

/* What a job releases may cancel others, and drop the last references to them. So the next one is held
 * meanwhile; if it has gone by then, all begins anew: to ask twice is as good as once. */
static struct weft__job *hold_next(struct weft__job *job)
{
    if (job->newer)
        weft_ref(&job->newer->future);
    return job->newer;
}

static struct weft__job *go_on_with(struct weft__client *client, struct weft__job *held)
{
    if (!held)
        return NULL;
    bool is_there = held->client && !held->left;
    weft_unref(&held->future);
    return is_there ? held : client->oldest;
}

static void drop_queued(struct weft__client *client, bool forced)
{
    struct weft__job *next;
    for (struct weft__job *job = client->oldest; job; job = go_on_with(client, next)) {
        next = hold_next(job);
        if (forced)
            weft__job_give_up(job);
        else if (!job->forced)
            weft__job_cancel(job);
    }
}

static void settle(struct weft__part *part)
{
    struct weft__client *client = client_of_part(part);
    client->settled = true;
    for (struct weft__job *job = client->oldest; job; job = job->newer)
        weft__progress_stop(job, WEFT_ECLOSED);
    drop_queued(client, false);
}

static size_t pending(struct weft__part *part)
{
    return client_of_part(part)->count;
}

static void list(struct weft__part *part, void (*add)(void *to, const struct weft_stuck *stuck),
                 void *to)
{
    for (struct weft__job *job = client_of_part(part)->oldest; job; job = job->newer) {
        struct weft_stuck stuck = {.kind = "job",
                                   .name = job->name,
                                   .spawned_at = job->place,
                                   .state = weft__control_describe(job->control)};
        add(to, &stuck);
    }
}

/* Leave a list of jobs, linked by `older`, to their workers; those whose worker has done with them are
 * added to the list `ended`, linked in the same way. */
static struct weft__job *let_go_locked(struct weft__job *job, struct weft__job *ended)
{
    struct weft__job *next;
    for (; job; job = next) {
        next = job->older;
        if (weft__job_let_go_locked(job))
            continue;
        job->older = ended;
        ended = job;
    }
    return ended;
}

static struct weft__job *let_go(struct weft__client *client)
{
    weft__mutex_lock(&client->pool->mu);
    struct weft__job *ended = let_go_locked(client->newest, NULL);
    ended = let_go_locked(client->left, ended);
    struct weft__call call = weft__call_worker_locked(client->pool);
    weft__mutex_unlock(&client->pool->mu);
    weft__rouse(call);
    return ended;
}

static void give_up(struct weft__part *part)
{
    drop_queued(client_of_part(part), true);
    for (struct weft__job *job = client_of_part(part)->oldest; job; job = job->newer) {
        weft__progress_end(job);
        weft__limits_disarm(job);
        weft__complete_failed(&job->future, WEFT_ESTUCK, NULL);
    }
}

/* A failure of an abandoned job that nobody looked at is told now: once it is let go, its memory is the
 * worker's, and it must not stand in the loop's list. */
static void report_left(const struct weft__client *client)
{
    for (struct weft__job *job = client->left; job; job = job->older) {
        bool is_seen = job->future.flags & WEFT__OBSERVED || job->future.status == -ECANCELED;
        if (is_seen)
            continue;
        weft__observe(&job->future);
        weft__report_future(&job->future, "failed, and nobody looked before the loop ended");
    }
}

/* What comes home now is too late, and is not sent home: its worker has done with it. */
static void leave_place(struct weft__client *client)
{
    weft__ready late;
    weft__ready_init(&late);
    client->asked_for_place = false;
    if (!client->place)
        return;
    weft__home_leave(client->home, &late);
    weft__item *next;
    for (weft__item *item = late.head; item; item = next) {
        next = item->next;
        weft__job_end_alone(WEFT__CONTAINER(item, struct weft__job, item));
    }
    weft__express_leave(client->place);
    client->place = NULL;
    client->home = NULL;
}

static void free_client(struct weft__part *part)
{
    struct weft__client *client = client_of_part(part);
    report_left(client);
    leave_place(client);
    for (const struct weft__job *job = client->oldest; job; job = job->newer)
        client->loop->jobs -= job->elsewhere;
    if (client->pool) {
        struct weft__job *next;
        for (struct weft__job *job = let_go(client); job; job = next) {
            next = job->older;
            weft__job_free(job);
        }
    }
    weft_pool_unref(client->pool);
    weft__free(client);
}

/* All at once, and before anything is released: what one of them releases may ask others to stop, or start
 * new ones, and must not meet the pool, whose lock may be held for ever. */
static void cut_off(struct weft__client *client)
{
    for (struct weft__job *job = client->oldest; job; job = job->newer)
        weft__job_cut_off(job);
    for (struct weft__job *job = client->left; job; job = job->older)
        weft__job_cut_off(job);
    if (client->place) /* which stays behind */
        weft__home_forget(client->home);
    client->place = NULL;
    client->home = NULL;
    client->asked_for_place = false;
    client->pool = NULL;
}

/* The pool of the child is another one, made when it is needed. Jobs of that one may be started meanwhile:
 * they stand behind the last one that is lost, or before the first one that was left. */
static void after_fork(struct weft__part *part)
{
    struct weft__client *client = client_of_part(part);
    struct weft__job *next, *left = client->left;
    const struct weft__job *last = client->newest;
    weft_pool *pool = client->pool;
    cut_off(client);
    for (struct weft__job *job = client->oldest; job; job = next) {
        next = job == last ? NULL : job->newer;
        weft__job_lose(job);
    }
    for (struct weft__job *job = left; job; job = next) {
        next = job->older;
        weft__job_lose(job);
    }
    weft_pool_unref(pool);
}

static bool has_mail(struct weft__part *part)
{
    struct weft__home *home = client_of_part(part)->home;
    return home && weft__home_has_mail(home);
}

static void collect(struct weft__part *part, weft__ready *into)
{
    struct weft__home *home = client_of_part(part)->home;
    if (!home)
        return;
    if (weft__mailbox_is_closed(client_of_part(part)->loop->mailbox)) /* and so is the home */
        weft__home_leave(home, into);
    else
        weft__home_collect(home, into);
}

static void flush(struct weft__part *part)
{
    weft__express_flush(client_of_part(part)->place);
}

static const struct weft__part_ops part_ops = {
    .name = "pool",
    .comes_in_any_order = weft__job_complete,
    .has_mail = has_mail,
    .collect = collect,
    .flush = flush,
    .after_fork = after_fork,
    .settle = settle,
    .pending = pending,
    .list = list,
    .give_up = give_up,
    .free = free_client,
};

struct weft__client *weft__client_find(weft_loop *loop)
{
    struct weft__part *part = weft__loop_part(loop, &part_ops);
    return part ? client_of_part(part) : NULL;
}

struct weft__client *weft__client_new(weft_loop *loop)
{
    struct weft__client *client = weft__malloc(sizeof(*client));
    if (!client)
        return NULL;
    *client = (struct weft__client){.part.ops = &part_ops, .loop = loop};
    weft__loop_add_part(loop, &client->part);
    return client;
}

weft_pool *weft__client_pool(weft_loop *loop, struct weft__client **ret)
{
    struct weft__client *client = weft__client_find(loop);
    if (!client && !(client = weft__client_new(loop)))
        return NULL;
    if (!client->pool)
        client->pool = weft_pool_new(NULL);
    *ret = client;
    return client->pool;
}

bool weft__client_is_closed(const weft_loop *loop, const struct weft__client *client)
{
    return loop->phase == WEFT__CLOSED || (client && client->settled);
}

int weft_loop_set_pool(weft_loop *loop, weft_pool *pool)
{
    if (!loop)
        return -EINVAL;
    if (WEFT__ELSEWHERE(loop->id))
        return weft__elsewhere();
    struct weft__client *client = weft__client_find(loop);
    if (weft__client_is_closed(loop, client))
        return -ESHUTDOWN;
    if (!client && !(client = weft__client_new(loop)))
        return -ENOMEM;
    if (client->count > 0 || client->left)
        return -EBUSY;
    if (pool && weft__pool_is_inherited(pool))
        return WEFT_EFORK;
    leave_place(client);
    weft_pool *old = client->pool;
    client->pool = pool ? weft_pool_ref(pool) : NULL;
    weft_pool_unref(old);
    return 0;
}

weft_pool *weft_loop_pool(weft_loop *loop)
{
    if (WEFT__ELSEWHERE(loop->id))
        return NULL;
    struct weft__client *client = weft__client_find(loop);
    return client ? client->pool : NULL;
}
