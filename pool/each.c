/* SPDX-License-Identifier: MIT */
/*
 * Each: a function that runs once on every worker there is.
 *
 * A round is a job that is in no lane: it hangs in the pool's list until the last of the workers that
 * were present when it was submitted has run the function. Rounds are numbered, and a worker knows the
 * last one that it has served; whoever holds the lock and is about to take a job, or to get idle, looks
 * whether a round is due (worker.c). So an idle worker only has to be signalled: it looks before it
 * waits. A worker that comes later begins with the newest number. One that is busy serves when its job
 * has returned; one that leaves has nothing due, as it would not have got idle.
 *
 * The last worker sends the round home as any job. Cancelled, it goes home as soon as no worker runs
 * the function, and those that have not begun do not: a loop that ends waits for nobody who has not
 * begun.
 */
#include "pool/each.h"

#include <errno.h>

#include "core/loop.h"
#include "pool/client.h"
#include "pool/trace.h"
#include "pool/wake.h"

/* The arguments of a round. */
struct each {
    weft_result (*fn)(void *arg); /* [const] */
    void *arg;                    /* [const] */
    uint64_t number;              /* [mu] */
    size_t left;                  /* [mu] workers that have not done it */
    size_t running;               /* [mu] of these, that do it now */
    size_t done;                  /* [mu] workers that have */
    weft_result failure;          /* [mu] the first; status 0: none */
};

static struct each *each_of(struct weft__job *round)
{
    return (struct each *)(void *)round->args;
}

static void append(weft_pool *pool, struct weft__job *round) WEFT_REQUIRES(pool->mu)
{
    struct weft__job **end = &pool->rounds;
    while (*end)
        end = &(*end)->next;
    round->next = NULL;
    *end = round;
}

static void take_out(weft_pool *pool, struct weft__job *round) WEFT_REQUIRES(pool->mu)
{
    struct weft__job **at = &pool->rounds;
    while (*at != round)
        at = &(*at)->next;
    *at = round->next;
}

/* True: nobody has anything to do with it any more, and it is to be sent home. */
static bool end_if_done(weft_pool *pool, struct weft__job *round) WEFT_REQUIRES(pool->mu)
{
    struct each *each = each_of(round);
    if (each->left > 0)
        return false;
    take_out(pool, round);
    round->result = each->failure.status < 0 ? each->failure : weft_ok((int64_t)each->done);
    return true;
}

/* The oldest round that this worker has not served; NULL: none that goes on. */
static struct weft__job *find_due(weft_pool *pool, struct weft__worker *self)
    WEFT_REQUIRES(pool->mu)
{
    struct weft__job *round = pool->rounds;
    while (round && (each_of(round)->number <= self->round ||
                     each_of(round)->left == each_of(round)->running))
        round = round->next;
    self->round = round ? each_of(round)->number : pool->last_round;
    return round;
}

static weft_result call(struct weft__worker *self, struct weft__job *round)
{
    const struct each *each = each_of(round);
    weft_context *context = weft_context_ref(round->context);
    weft_context **outer = weft__context_enter(&context);
    self->in_round = true;
    if (weft__trace_is_on())
        weft__round_trace_run(round);
    weft_result result = each->fn(each->arg);
    if (weft__trace_is_on())
        weft__job_trace_end(round, result.status);
    self->in_round = false;
    weft__context_leave(outer);
    weft_context_unref(context);
    return result;
}

/* Keep the first failure, and nothing else. */
static void note_result(struct each *each, weft_result *result)
{
    if (result->status >= 0 || each->failure.status < 0)
        return;
    each->failure = *result;
    *result = weft_ok(0);
}

void weft__each_serve(weft_pool *pool, struct weft__worker *self)
{
    weft__mutex_lock(&pool->mu);
    struct weft__job *round = find_due(pool, self);
    if (round)
        each_of(round)->running++;
    weft__mutex_unlock(&pool->mu);
    if (!round)
        return;
    weft_result result = call(self, round);
    weft__mutex_lock(&pool->mu);
    struct each *each = each_of(round);
    each->running--;
    each->left--;
    each->done++;
    note_result(each, &result);
    bool done = end_if_done(pool, round);
    if (!done && round->deserted) /* who is last is counted as the thread of any job is */
        pool->abandoned--;
    weft__mutex_unlock(&pool->mu);
    weft__result_destroy(&result);
    if (done)
        weft__job_send(round);
}

unsigned weft__each_threads_locked(const struct weft__job *round)
{
    const struct each *each = (const struct each *)(const void *)round->args;
    return each->running > 1 ? (unsigned)each->running : 1;
}

enum weft__answer weft__each_cancel(struct weft__job *round)
{
    weft_pool *pool = round->pool;
    struct each *each = each_of(round);
    bool done = false;
    weft__mutex_lock(&pool->mu);
    bool cancelled = each->left > each->running;
    if (cancelled) {
        if (each->failure.status == 0)
            each->failure = weft_err(-ECANCELED);
        each->left = each->running;
        done = end_if_done(pool, round);
    }
    weft__mutex_unlock(&pool->mu);
    if (done)
        weft__job_send(round);
    return cancelled ? WEFT__TOLD : WEFT__GOES_ON;
}

/* True: there is nobody to run it. */
static bool submit_locked(weft_pool *pool, struct weft__job *round) WEFT_REQUIRES(pool->mu)
{
    struct each *each = each_of(round);
    weft__express_close_locked(pool); /* so that all come by and look */
    each->left = pool->present;
    append(pool, round);
    if (end_if_done(pool, round))
        return true;
    each->number = ++pool->last_round;
    for (struct weft__worker *idle = pool->idle; idle; idle = idle->next)
        pthread_cond_signal(&idle->roused);
    return false;
}

static weft_future *submit(struct weft__client *client, const struct weft__request *request)
{
    weft_pool *pool = client->pool;
    struct weft__job *round = weft__job_new(client, &pool->default_lane, request);
    if (!round)
        return weft__future_enomem(client->loop);
    weft_future *future = &round->future;
    if (weft__trace_is_on())
        weft__round_trace_submit(round);
    weft__mutex_lock(&pool->mu);
    bool done = submit_locked(pool, round);
    weft__mutex_unlock(&pool->mu);
    weft__client_add(round);
    if (done)
        weft__job_send(round);
    return future;
}

weft_future *weft__pool_run_on_each(weft_pool *pool, weft_result (*fn)(void *), void *arg,
                                    const char *name, const char *place)
{
    weft_loop *loop = weft__here();
    if (!loop)
        return weft__future_enoloop();
    if (!pool || !fn)
        return weft_future_failed(-EINVAL, "no pool, or no function to run");
    if (weft__pool_is_inherited(pool))
        return weft_future_failed(WEFT_EFORK, "%s: its threads are not in the forked child", name);
    struct weft__client *client = weft__client_find(loop);
    if (weft__client_is_closed(loop, client))
        return weft_future_failed(-ESHUTDOWN, "%s: the loop is shut down", name);
    if (!client || client->pool != pool)
        return weft_future_failed(-EINVAL, "%s: the loop uses another pool", name);
    struct each each = {.fn = fn, .arg = arg};
    struct weft__request request = {.options = weft__job_options(NULL),
                                    .args = &each,
                                    .size = sizeof(each),
                                    .name = name,
                                    .place = place};
    return submit(client, &request);
}
