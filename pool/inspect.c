/* SPDX-License-Identifier: MIT */
/* A pool, as it is seen from outside: its numbers, its lanes, and what its threads are at. Its metrics
 * are in pool/metrics.c. */
#include "core/inspect/json.h"
#include "core/inspect/load.h"
#include "pool/lane.h"
#include "pool/pool.h"
#include "pool/worker.h"

static weft_pool *pool_of(struct weft__source *source)
{
    return WEFT__CONTAINER(source, weft_pool, source);
}

static void describe_lane(struct weft__text *to, const struct weft__lane_reading *lane)
{
    const struct weft_lane_stats *stats = &lane->stats;
    weft__json_open(to, NULL, '{');
    weft__json_string(to, "name", stats->name);
    weft__json_uint(to, "running", stats->running);
    weft__json_uint(to, "queued", stats->queued);
    weft__json_uint(to, "waiting", stats->waiting);
    weft__json_uint(to, "abandoned_running", stats->abandoned_running);
    weft__json_uint(to, "submitted", stats->submitted);
    weft__json_uint(to, "completed", stats->completed);
    weft__json_uint(to, "rejected", stats->rejected);
    weft__json_uint(to, "dropped", stats->dropped);
    weft__json_uint(to, "expired", stats->expired);
    weft__load_write_times(to, "queue_wait", &lane->times[WEFT__QUEUE_WAIT]);
    weft__load_write_times(to, "run_time", &lane->times[WEFT__RUN_TIME]);
    weft__json_close(to, '}');
}

static void describe(struct weft__source *source, struct weft__text *to)
{
    weft_pool *pool = pool_of(source);
    struct weft_pool_stats stats;
    struct weft__lane_reading lane;
    weft_pool_get_stats(pool, &stats);
    weft__json_string(to, "name", pool->thread_name);
    weft__json_uint(to, "threads", stats.threads);
    weft__json_uint(to, "max_threads", pool->max_threads);
    weft__json_uint(to, "idle", stats.idle);
    weft__json_uint(to, "running", stats.running);
    weft__json_uint(to, "queued", stats.queued);
    weft__json_uint(to, "blocked", stats.blocked);
    weft__json_uint(to, "spares", stats.spares);
    weft__json_open(to, "lanes", '[');
    uint64_t serial = 0;
    while (!weft__pool_is_inherited(pool) && (serial = weft__lane_next(pool, serial, &lane)))
        describe_lane(to, &lane);
    weft__json_close(to, ']');
}

static void each_busy(struct weft__source *source,
                      void (*fn)(void *arg, const struct weft__busy *busy), void *arg)
{
    weft__running_each(pool_of(source), fn, arg);
}

void weft__pool_show(weft_pool *pool)
{
    static const struct weft__source_ops ops = {.kind = "pool",
                                                .describe = describe,
                                                .measure = weft__pool_measure,
                                                .each_busy = each_busy};
    pool->source.name = pool->thread_name;
    weft__source_add(&pool->source, &ops);
}
