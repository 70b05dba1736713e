/* SPDX-License-Identifier: MIT */
/* A loop as the user of a pool. See pool/client.c. */
#ifndef WEFT_POOL_CLIENT_H
#define WEFT_POOL_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <weft/pool.h>

#include "core/loop.h"
#include "pool/job.h"
#include "pool/pool.h"

/** All fields are [loop]. */
struct weft__client {
    struct weft__part part;
    weft_loop *loop;                   /* [const] */
    weft_pool *pool;                   /* a reference; NULL: none yet */
    struct weft__place *place;         /* its ring in that pool; NULL: none */
    struct weft__home *home;           /* of that; NULL: none */
    bool asked_for_place;              /* and there is none */
    struct weft__job *oldest, *newest; /* jobs that are queued or run */
    struct weft__job *left; /* jobs that were abandoned and have not come home; the newest */
    size_t count;           /* of these */
    weft__item run_inline;  /* queued while jobs wait in an inline pool */
    bool inline_is_queued;
    bool settled; /* takes no new ones */
};

/** The loop's client; NULL: it has none yet. */
struct weft__client *weft__client_find(weft_loop *loop);

/** Make it; NULL: out of memory. */
struct weft__client *weft__client_new(weft_loop *loop);

/** The loop's pool, made if there is none, and its client; NULL: out of memory. */
weft_pool *weft__client_pool(weft_loop *loop, struct weft__client **ret);

/** True when nothing can be started any more. The client may be NULL. */
bool weft__client_is_closed(const weft_loop *loop, const struct weft__client *client);

/** The job is under way now. */
static inline void weft__client_add(struct weft__job *job)
{
    struct weft__client *client = job->client;
    struct weft__job *older = client->newest;
    job->older = older;
    job->newer = NULL;
    *(older ? &older->newer : &client->oldest) = job;
    client->newest = job;
    client->count++;
    job->elsewhere = !client->pool->by_hand;
    client->loop->jobs += job->elsewhere;
}

/** The job is not under way any more. */
static inline void weft__client_remove(struct weft__job *job)
{
    struct weft__client *client = job->client;
    struct weft__job *older = job->older, *newer = job->newer;
    *(older ? &older->newer : &client->oldest) = newer;
    *(newer ? &newer->older : &client->newest) = older;
    job->client = NULL;
    client->count--;
    client->loop->jobs -= job->elsewhere;
}

/** The job is not under way any more, but will come home later. */
void weft__client_leave(struct weft__job *job);

/** One that was left has come home. */
void weft__client_forget(struct weft__job *job);

#endif
