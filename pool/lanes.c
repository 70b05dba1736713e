/* SPDX-License-Identifier: MIT */
/*
 * The lanes of a pool: made, found, changed, given up.
 *
 *     OPEN --the last reference goes--> closed, with jobs --the last one ends--> dead --> freed
 *                                   \------------without---------------------------------/
 *
 * An open lane that a user made holds a reference to its pool, and is in pool->lanes until it is dead.
 * The built-in ones are part of the pool; a reference to one of them is one to the pool. "dns" and
 * "files" bring a thread each, reserved for them, beyond the pool's max_threads: so they never wait for
 * other work, however small the pool, and take nothing from it. Nor do they take all of the rest.
 *
 * A lane that dies when its last job ends dies on a worker, or in a cancel, with the lock held; it is
 * put aside, and whoever makes or gives up the next one frees it, or the pool's end does. Its
 * reference to the pool was given up when it was closed: a worker must not hold the last one.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/inspect/watchdog.h"
#include "core/memory.h"
#include "pool/client.h"
#include "pool/express.h"
#include "pool/lane.h"
#include "pool/pool.h"
#include "pool/schedule.h"
#include "pool/wake.h"

enum { MOST_WEIGHT = 10000, DEFAULT_QUEUED = 65536 };
#define FIRST_ESTIMATE WEFT_US(100)

/* ---- Options ---- */

int weft__lane_complete_options(const struct weft_lane_options *options,
                                struct weft_lane_options *ret)
{
    if (!options || (options->size != 0 && options->size != sizeof(*options)))
        return -EINVAL;
    *ret = *options;
    if (!ret->max_queued)
        ret->max_queued = DEFAULT_QUEUED;
    if (!ret->weight)
        ret->weight = WEFT__USUAL_WEIGHT;
    bool valid = ret->on_full >= WEFT_FULL_REJECT && ret->on_full <= WEFT_FULL_DROP_OLDEST &&
                 ret->weight <= MOST_WEIGHT && ret->max_wait >= 0 && ret->slow_job >= 0 &&
                 (!ret->max_running || ret->reserved <= ret->max_running);
    return valid ? 0 : -EINVAL;
}

static bool is_name(const char *name)
{
    size_t length = name ? strnlen(name, sizeof(((weft_lane *)0)->name)) : 0;
    return length > 0 && length < sizeof(((weft_lane *)0)->name);
}

/* `lane` is NULL for a new one. */
static bool may_reserve_locked(const weft_pool *pool, const weft_lane *lane, unsigned threads)
    WEFT_REQUIRES(pool->mu)
{
    size_t sum = threads;
    for (const weft_lane *other = pool->lanes; other; other = other->next)
        sum += other != lane ? other->reserved : 0;
    return threads == 0 || sum < pool->max_threads + WEFT__LANES_THREADS;
}

static void set_options(weft_lane *lane, const struct weft_lane_options *options)
{
    lane->max_running = options->max_running ? options->max_running : UINT_MAX;
    weft__count_set(&lane->max_queued, options->max_queued);
    lane->on_full = options->on_full;
    lane->weight = options->weight;
    lane->stride = ((weft_ns)WEFT__USUAL_WEIGHT << WEFT__STRIDE_BITS) / (weft_ns)options->weight;
    lane->reserved = options->reserved;
    lane->limited = options->max_running || options->reserved;
    lane->max_wait = options->max_wait;
    lane->slow_job = options->slow_job;
    if (options->slow_job)
        weft__watchdog_looks_at_jobs();
}

/* ---- The list ---- */

static void insert_locked(weft_lane *lane)
{
    weft_pool *pool = lane->pool;
    weft_lane **at = &pool->lanes;
    while (*at)
        at = &(*at)->next;
    lane->at = at;
    lane->serial = ++pool->last_lane;
    weft__mutex_lock(&pool->lanes_mu);
    *at = lane;
    weft__mutex_unlock(&pool->lanes_mu);
    weft__schedule_account_locked(lane);
}

/* Once it is out, statistics do not know it any more. */
static void take_out_locked(weft_lane *lane)
{
    weft_pool *pool = lane->pool;
    weft__mutex_lock(&pool->lanes_mu);
    *lane->at = lane->next;
    weft__mutex_unlock(&pool->lanes_mu);
    if (lane->next)
        lane->next->at = lane->at;
}

static weft_lane *find_locked(const weft_pool *pool, const char *name) WEFT_REQUIRES(pool->mu)
{
    weft_lane *lane = pool->lanes;
    while (lane && (lane->closed || strcmp(lane->name, name) != 0))
        lane = lane->next;
    return lane;
}

static bool has_jobs(const weft_lane *lane)
{
    return weft__lane_queued(lane) > 0 || lane->no_room.count > 0 || lane->running > 0 ||
           lane->expected > 0;
}

void weft__lane_bury_locked(weft_lane *lane)
{
    if (!lane->closed || has_jobs(lane))
        return;
    take_out_locked(lane);
    weft__tally_forget_locked(lane->pool, lane);
    lane->next = lane->pool->dead_lanes;
    lane->pool->dead_lanes = lane;
}

static void free_list(weft_lane *list)
{
    weft_lane *next;
    for (; list; list = next) {
        next = list->next;
        weft__free(list);
    }
}

static weft_lane *take_dead_locked(weft_pool *pool) WEFT_REQUIRES(pool->mu)
{
    weft_lane *dead = pool->dead_lanes;
    pool->dead_lanes = NULL;
    return dead;
}

/* ---- All together ---- */

size_t weft__lanes_queued(weft_pool *pool)
{
    size_t count = 0;
    weft__mutex_lock(&pool->lanes_mu);
    for (const weft_lane *lane = pool->lanes; lane; lane = lane->next)
        count += weft__count_get(&lane->counts.queued);
    weft__mutex_unlock(&pool->lanes_mu);
    return count + weft__express_queued(pool, NULL);
}

size_t weft__lanes_running(weft_pool *pool)
{
    size_t count = 0;
    weft__mutex_lock(&pool->lanes_mu);
    for (const weft_lane *lane = pool->lanes; lane; lane = lane->next)
        count += weft__count_get(&lane->counts.running);
    weft__mutex_unlock(&pool->lanes_mu);
    return count;
}

size_t weft__lanes_waiting(weft_pool *pool)
{
    size_t count = 0;
    weft__mutex_lock(&pool->mu);
    for (const weft_lane *lane = pool->lanes; lane; lane = lane->next)
        count += weft__lane_queued(lane) + lane->no_room.count;
    weft__mutex_unlock(&pool->mu);
    return count;
}

/* ---- Built-in lanes ---- */

static void init_built_in(weft_pool *pool, weft_lane *lane,
                          struct weft_lane_options options) WEFT_NO_THREAD_SAFETY_ANALYSIS
{
    weft__lane_complete_options(&options, &options);
    weft__lane_init(lane, pool, &options);
    lane->built_in = true;
    insert_locked(lane);
}

void weft__lanes_init(weft_pool *pool, size_t max_queued)
{
    unsigned half = (pool->max_threads - 1) / 2; /* so that together they leave one to the others */
    pool->last_active = &pool->active;
    pthread_mutex_init(&pool->lanes_mu.mutex, NULL);
    init_built_in(pool, &pool->default_lane,
                  (struct weft_lane_options){.name = "default", .max_queued = max_queued});
    init_built_in(
        pool, &pool->dns_lane,
        (struct weft_lane_options){.name = "dns", .reserved = 1, .max_running = 1 + half});
    init_built_in(
        pool, &pool->files_lane,
        (struct weft_lane_options){.name = "files", .reserved = 1, .max_running = 1 + half});
}

void weft__lanes_destroy(weft_pool *pool)
{
    free_list(pool->dead_lanes);
    pthread_mutex_destroy(&pool->lanes_mu.mutex);
}

/* ---- Making and finding ---- */

void weft__lane_init(weft_lane *lane, weft_pool *pool, const struct weft_lane_options *options)
{
    lane->pool = pool;
    lane->refs = 1;
    lane->estimate = FIRST_ESTIMATE;
    snprintf(lane->name, sizeof(lane->name), "%s", options->name);
    set_options(lane, options);
}

static weft_lane *fail(int error)
{
    errno = error;
    return NULL;
}

/* 0 or an error number. */
static int add(weft_lane *lane)
{
    weft_pool *pool = lane->pool;
    weft__mutex_lock(&pool->mu);
    int error = find_locked(pool, lane->name)                     ? EEXIST
                : !may_reserve_locked(pool, NULL, lane->reserved) ? EINVAL
                                                                  : 0;
    if (!error) {
        insert_locked(lane);
        pool->refs++;
    }
    weft_lane *dead = take_dead_locked(pool);
    weft__mutex_unlock(&pool->mu);
    free_list(dead);
    return error;
}

weft_lane *weft_lane_new(weft_pool *pool, const struct weft_lane_options *options)
{
    struct weft_lane_options complete;
    if (!pool || weft__lane_complete_options(options, &complete) < 0 || !is_name(complete.name))
        return fail(EINVAL);
    if (weft__pool_is_inherited(pool))
        return fail(-WEFT_EFORK);
    weft_lane *lane = weft__calloc(1, sizeof(*lane));
    if (!lane)
        return fail(ENOMEM);
    weft__lane_init(lane, pool, &complete);
    int error = add(lane);
    if (error) {
        weft__free(lane);
        return fail(error);
    }
    return lane;
}

weft_lane *weft_pool_lane(weft_pool *pool, const char *name)
{
    if (!pool || !name || weft__pool_is_inherited(pool))
        return NULL;
    weft__mutex_lock(&pool->mu);
    weft_lane *lane = find_locked(pool, name);
    weft__mutex_unlock(&pool->mu);
    return lane;
}

weft_lane *weft_loop_lane(weft_loop *loop, const char *name)
{
    if (!loop || !name)
        return fail(EINVAL);
    if (WEFT__ELSEWHERE(loop->id))
        return fail(-weft__elsewhere());
    struct weft__client *client = weft__client_find(loop);
    if (weft__client_is_closed(loop, client) && !(client && client->pool))
        return fail(ESHUTDOWN);
    weft_pool *pool = weft__client_pool(loop, &client);
    if (!pool)
        return fail(ENOMEM);
    weft_lane *lane = weft_pool_lane(pool, name);
    return lane ? lane : fail(ENOENT);
}

/* ---- References ---- */

weft_lane *weft_lane_ref(weft_lane *lane)
{
    weft_pool *pool = lane->pool;
    if (lane->built_in) {
        weft_pool_ref(pool);
        return lane;
    }
    if (weft__pool_is_inherited(pool)) {
        lane->refs++;
        return lane;
    }
    weft__mutex_lock(&pool->mu);
    lane->refs++;
    weft__mutex_unlock(&pool->mu);
    return lane;
}

static void close_locked(weft_lane *lane)
{
    weft__express_empty_locked(lane->pool);
    lane->closed = true;
    lane->reserved = 0;
    weft__schedule_account_locked(lane);
    weft__lane_bury_locked(lane);
}

static void unref(weft_lane *lane)
{
    weft_pool *pool = lane->pool;
    weft__mutex_lock(&pool->mu);
    bool last = --lane->refs == 0;
    if (last)
        close_locked(lane);
    weft_lane *dead = take_dead_locked(pool);
    struct weft__call call = weft__call_worker_locked(pool);
    weft__mutex_unlock(&pool->mu);
    weft__rouse(call);
    free_list(dead);
    if (last)
        weft_pool_unref(pool);
}

/* In a forked child. The pool's lists are of no use there, and are not kept. */
static void unref_inherited(weft_lane *lane)
{
    weft_pool *pool = lane->pool;
    if (--lane->refs > 0)
        return;
    weft__free(lane);
    weft_pool_unref(pool);
}

void weft_lane_unref(weft_lane *lane)
{
    if (!lane)
        return;
    if (lane->built_in)
        weft_pool_unref(lane->pool);
    else if (weft__pool_is_inherited(lane->pool))
        unref_inherited(lane);
    else
        unref(lane);
}

/* ---- Changing and looking ---- */

static int configure_locked(const weft_pool *pool, weft_lane *lane,
                            const struct weft_lane_options *options) WEFT_REQUIRES(pool->mu)
{
    if (lane->closed || !may_reserve_locked(pool, lane, options->reserved))
        return -EINVAL;
    weft__express_empty_locked(lane->pool);
    set_options(lane, options);
    weft__lane_admit_locked(lane);
    weft__schedule_account_locked(lane);
    return 0;
}

int weft_lane_configure(weft_lane *lane, const struct weft_lane_options *options)
{
    struct weft_lane_options complete;
    if (!lane || weft__lane_complete_options(options, &complete) < 0 ||
        (complete.name && strcmp(complete.name, lane->name) != 0))
        return -EINVAL;
    weft_pool *pool = lane->pool;
    if (weft__pool_is_inherited(pool))
        return WEFT_EFORK;
    weft__mutex_lock(&pool->mu);
    int status = configure_locked(pool, lane, &complete);
    struct weft__call call = weft__call_worker_locked(pool);
    weft__mutex_unlock(&pool->mu);
    weft__rouse(call);
    return status;
}

void weft_lane_get_options(weft_lane *lane, struct weft_lane_options *ret)
{
    *ret = (struct weft_lane_options){0};
    if (weft__pool_is_inherited(lane->pool))
        return;
    weft__mutex_lock(&lane->pool->mu);
    *ret = (struct weft_lane_options){
        .size = sizeof(*ret),
        .name = lane->name,
        .max_running = lane->max_running == UINT_MAX ? 0 : lane->max_running,
        .max_queued = weft__count_get(&lane->max_queued),
        .on_full = lane->on_full,
        .weight = lane->weight,
        .reserved = lane->reserved,
        .max_wait = lane->max_wait,
        .slow_job = lane->slow_job,
    };
    weft__mutex_unlock(&lane->pool->mu);
}
