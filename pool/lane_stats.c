/* SPDX-License-Identifier: MIT */
/*
 * What lanes are doing, for whoever asks.
 */
#include <stdio.h>

#include "pool/lane.h"
#include "pool/pool.h"

static void read_locked(const weft_lane *lane, struct weft_lane_stats *ret)
{
    const struct weft__lane_counts *counts = &lane->counts;
    *ret = (struct weft_lane_stats){
        .queued = lane->line.count,
        .running = lane->running,
        .waiting = lane->no_room.count,
        .abandoned_running = lane->abandoned_running,
        .submitted = weft__count_get(&counts->submitted),
        .completed = weft__count_get(&counts->completed),
        .rejected = weft__count_get(&counts->rejected),
        .dropped = weft__count_get(&counts->dropped),
        .expired = weft__count_get(&counts->expired),
        .cancelled_queued = weft__count_get(&counts->cancelled_queued),
        .cancelled_cooperative = weft__count_get(&counts->cancelled_cooperative),
        .cancelled_interrupted = weft__count_get(&counts->cancelled_interrupted),
        .abandoned = weft__count_get(&counts->abandoned),
    };
    snprintf(ret->name, sizeof(ret->name), "%s", lane->name);
}

void weft_lane_get_stats(weft_lane *lane, struct weft_lane_stats *ret)
{
    *ret = (struct weft_lane_stats){0};
    snprintf(ret->name, sizeof(ret->name), "%s", lane->name);
    if (weft__pool_is_inherited(lane->pool))
        return;
    weft__mutex_lock(&lane->pool->mu);
    read_locked(lane, ret);
    weft__mutex_unlock(&lane->pool->mu);
}

/* The first lane after the one with this serial number; 0: there is none. */
static uint64_t read_next(weft_pool *pool, uint64_t after, struct weft_lane_stats *ret)
{
    weft__mutex_lock(&pool->mu);
    const weft_lane *lane = pool->lanes;
    while (lane && lane->serial <= after)
        lane = lane->next;
    uint64_t serial = lane ? lane->serial : 0;
    if (lane)
        read_locked(lane, ret);
    weft__mutex_unlock(&pool->mu);
    return serial;
}

void weft_pool_each_lane(weft_pool *pool,
                         void (*fn)(void *arg, const struct weft_lane_stats *stats), void *arg)
{
    struct weft_lane_stats stats;
    if (!pool || !fn || weft__pool_is_inherited(pool))
        return;
    for (uint64_t serial = 0; (serial = read_next(pool, serial, &stats));)
        fn(arg, &stats);
}
