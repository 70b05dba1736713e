/* SPDX-License-Identifier: MIT */
/*
 * Trouble on purpose: what goes wrong in servers, each at the press of a button, so that one sees which tool
 * shows it. /block (waits.c) is the fourth of them.
 */
#define _GNU_SOURCE /* the C library beyond C11 */
#include <stdlib.h>
#include <time.h>

#include "site.h"

enum { FLOOD_JOBS = 200, MAX_LEAKED = 32 };

struct trouble {
    weft_lane *flooded; /* owned */
    weft_lock *east, *west;
    weft_future *leaked[MAX_LEAKED]; /* so that it can end */
    size_t leaked_count;
    weft_future *stuck[2]; /* tasks that have a lock each; NULL: none */
};

/* ---- Flooding a lane ---- */

struct slow_query {
    long ms;
};

static WEFT_BLOCKING(slow_query)
{
    nanosleep(&(struct timespec){0, self->ms * 1000000}, NULL);
    return weft_ok(0);
}

static weft_future *start_query(size_t index, void *lane)
{
    (void)index;
    return weft_to_thread_in(lane, slow_query, .ms = 50);
}

struct flood {
    WEFT_FRAME;
    weft_http_request *request;
    struct site *site;
    weft_results *results;
    int refused;
};

/* More than a lane takes: two run, 64 queue, and the others are refused at once. */
static WEFT_ASYNC(flood)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->results, weft_map_with(WEFT_GATHER_ALL, FLOOD_JOBS, FLOOD_JOBS,
                                                 start_query, self->site->trouble->flooded));
    for (size_t i = 0; i < FLOOD_JOBS; i++)
        self->refused += weft_results_status(self->results, i) < 0;
    WEFT_AWAIT(weft_http_respondf(self->request, 200, "text/plain", "%d of %d jobs were refused\n",
                                  self->refused, FLOOD_JOBS));
    WEFT_FINALLY;
    weft_results_free(self->results);
    WEFT_END;
}

/* ---- Leaking a task ---- */

struct forgotten_session {
    WEFT_FRAME;
};

static WEFT_ASYNC(forgotten_session)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_future_new()); /* which nobody ever completes */
    WEFT_END;
}

/* Its number; 0: there are enough. */
static uint64_t leak_one(struct trouble *trouble)
{
    if (trouble->leaked_count == MAX_LEAKED)
        return 0;
    weft_future *task = weft_spawn(forgotten_session);
    trouble->leaked[trouble->leaked_count++] = task;
    return weft_task_id(task);
}

struct leak {
    WEFT_FRAME;
    weft_http_request *request;
    struct site *site;
    uint64_t task;
};

static WEFT_ASYNC(leak)
{
    WEFT_BEGIN;
    self->task = leak_one(self->site->trouble);
    if (self->task)
        WEFT_AWAIT(weft_http_respondf(self->request, 200, "text/plain",
                                      "task #%llu waits for what nobody completes\n",
                                      (unsigned long long)self->task));
    else
        WEFT_AWAIT(weft_http_respondf(self->request, 429, "text/plain", "enough are leaked\n"));
    WEFT_END;
}

/* ---- Deadlock ---- */

struct transfer {
    WEFT_FRAME;
    weft_lock *first, *second;
    bool has_first, has_second;
};

/* Each takes its own side first: two of them, from both sides, never end. */
static WEFT_ASYNC(transfer)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_lock_acquire(self->first));
    self->has_first = true;
    WEFT_YIELD;
    WEFT_AWAIT(weft_lock_acquire(self->second));
    self->has_second = true;
    WEFT_FINALLY;
    if (self->has_second)
        weft_lock_release(self->second);
    if (self->has_first)
        weft_lock_release(self->first);
    WEFT_END;
}

static weft_future *start_transfer(weft_lock *first, weft_lock *second, const char *name)
{
    weft_future *task = weft_spawn(transfer, .first = first, .second = second);
    (void)weft_task_set_name(task, name);
    return task;
}

static void lock_both(struct trouble *trouble)
{
    if (trouble->stuck[0])
        return;
    trouble->stuck[0] = start_transfer(trouble->east, trouble->west, "transfer west");
    trouble->stuck[1] = start_transfer(trouble->west, trouble->east, "transfer east");
}

struct deadlock {
    WEFT_FRAME;
    weft_http_request *request;
    struct site *site;
};

static WEFT_ASYNC(deadlock)
{
    WEFT_BEGIN;
    lock_both(self->site->trouble);
    WEFT_AWAIT(weft_http_respondf(self->request, 200, "text/plain",
                                  "tasks #%llu and #%llu wait for each other\n",
                                  (unsigned long long)weft_task_id(self->site->trouble->stuck[0]),
                                  (unsigned long long)weft_task_id(self->site->trouble->stuck[1])));
    WEFT_END;
}

/* ---- The way out ---- */

/* Cancel all of them; done when they have ended, with their locks released. */
weft_future *trouble_end(struct trouble *trouble)
{
    weft_future *tasks[MAX_LEAKED + 2];
    size_t count = 0;
    for (; trouble->leaked_count > 0; count++)
        tasks[count] = trouble->leaked[--trouble->leaked_count];
    for (size_t i = 0; i < 2 && trouble->stuck[i]; i++, count++)
        tasks[count] = trouble->stuck[i];
    trouble->stuck[0] = trouble->stuck[1] = NULL;
    for (size_t i = 0; i < count; i++)
        weft_cancel_because(tasks[i], "the trouble is over");
    return weft_gather_array(count, tasks, WEFT_GATHER_ALL);
}

struct heal {
    WEFT_FRAME;
    weft_http_request *request;
    struct site *site;
};

static WEFT_ASYNC(heal)
{
    WEFT_BEGIN;
    WEFT_AWAIT(trouble_end(self->site->trouble));
    WEFT_AWAIT(weft_http_respondf(self->request, 200, "text/plain", "all of it is cancelled\n"));
    WEFT_END;
}

/* ---- What it needs ---- */

struct trouble *trouble_new(weft_pool *pool)
{
    struct trouble *trouble = calloc(1, sizeof(*trouble));
    if (!trouble)
        return NULL;
    trouble->flooded = weft_lane_new(
        pool, &(struct weft_lane_options){.name = "flooded", .max_running = 2, .max_queued = 64});
    trouble->east = weft_lock_new();
    trouble->west = weft_lock_new();
    if (trouble->flooded && trouble->east && trouble->west)
        return trouble;
    trouble_free(trouble);
    return NULL;
}

void trouble_free(struct trouble *trouble)
{
    if (!trouble)
        return;
    weft_lane_unref(trouble->flooded);
    weft_lock_free(trouble->east);
    weft_lock_free(trouble->west);
    free(trouble);
}

void add_trouble_routes(struct site *site)
{
    weft_http_route(site->server, "POST /trouble/flood", flood, .site = site);
    weft_http_route(site->server, "POST /trouble/leak", leak, .site = site);
    weft_http_route(site->server, "POST /trouble/deadlock", deadlock, .site = site);
    weft_http_route(site->server, "DELETE /trouble", heal, .site = site);
}
