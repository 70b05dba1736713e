/* SPDX-License-Identifier: MIT */
/*
 * What lanes are doing, for whoever asks: read without the pool's lock.
 *
 * Jobs keep the numbers, with the lock that they hold anyway, by plain relaxed loads and stores (see
 * pool/count.h); the scheduler those of what is queued and runs, and the two histograms, with the time
 * that it was told; workers have their own of these (pool/tally.c). Somebody who reads is never in the way of a job. He may see a job that has been
 * counted in one number and not yet in another.
 *
 * The list of lanes is the exception: it changes with both pool->mu and pool->lanes_mu held, so either
 * keeps a lane in it. Whoever reads holds the latter, for one lane at a time; only the making and the
 * death of a lane wait for that. In between, the caller may do anything: the next lane is the one with
 * the next serial number.
 */
#include <stdio.h>
#include <string.h>

#include "pool/express.h"
#include "pool/lane.h"
#include "pool/pool.h"

static struct weft_latency latency_of(const weft_lane *lane, enum weft__times which,
                                      struct weft__sum *sum)
{
    weft_ns percentiles[WEFT__PERCENTILES];
    weft__tally_sum(lane, which, sum);
    uint64_t count = weft__sum_tell(sum, percentiles);
    return (struct weft_latency){.count = count,
                                 .p50 = percentiles[WEFT__P50],
                                 .p90 = percentiles[WEFT__P90],
                                 .p99 = percentiles[WEFT__P99],
                                 .max = percentiles[WEFT__MAX]};
}

static uint64_t submitted(const struct weft__lane_counts *counts)
{
    uint64_t sum = weft__count_get(&counts->submitted);
    for (unsigned i = 0; i < WEFT__PLACES; i++)
        sum += weft__count_get(&counts->by_ring[i]);
    return sum;
}

/* `sums`, too, are of what was counted: all that the percentiles are told of. */
static void read_lane(const weft_lane *lane, struct weft_lane_stats *ret,
                      struct weft__sum sums[WEFT__TIMES])
{
    const struct weft__lane_counts *counts = &lane->counts;
    *ret = (struct weft_lane_stats){
        .queued = weft__count_get(&counts->queued) + weft__express_queued(lane->pool, lane),
        .running = weft__count_get(&counts->running),
        .waiting = weft__count_get(&counts->waiting),
        .abandoned_running = weft__count_get(&counts->abandoned_running),
        .submitted = submitted(counts),
        .rejected = weft__count_get(&counts->rejected),
        .dropped = weft__count_get(&counts->dropped),
        .expired = weft__count_get(&counts->expired),
        .unstarted = weft__count_get(&counts->unstarted),
        .cancelled_queued = weft__count_get(&counts->cancelled_queued),
        .cancelled_cooperative = weft__count_get(&counts->cancelled_cooperative),
        .cancelled_interrupted = weft__count_get(&counts->cancelled_interrupted),
        .abandoned = weft__count_get(&counts->abandoned),
        .queue_wait = latency_of(lane, WEFT__QUEUE_WAIT, &sums[WEFT__QUEUE_WAIT]),
        .run_time = latency_of(lane, WEFT__RUN_TIME, &sums[WEFT__RUN_TIME]),
    };
    ret->completed = ret->run_time.count;
    snprintf(ret->name, sizeof(ret->name), "%s", lane->name);
}

void weft_lane_get_stats(weft_lane *lane, struct weft_lane_stats *ret)
{
    struct weft__sum sums[WEFT__TIMES];
    if (!weft__pool_is_inherited(lane->pool)) {
        read_lane(lane, ret, sums);
        return;
    }
    *ret = (struct weft_lane_stats){0};
    snprintf(ret->name, sizeof(ret->name), "%s", lane->name);
}

/* Two lanes of a name can only be one that is closed, and a later one. */
static bool is_replaced(const weft_lane *lane)
{
    const weft_lane *later = lane->next;
    while (later && strcmp(later->name, lane->name) != 0)
        later = later->next;
    return later != NULL;
}

uint64_t weft__lane_next(weft_pool *pool, uint64_t after, struct weft__lane_reading *ret)
{
    weft__mutex_lock(&pool->lanes_mu);
    const weft_lane *lane = pool->lanes;
    while (lane && lane->serial <= after)
        lane = lane->next;
    uint64_t serial = lane ? lane->serial : 0;
    if (lane) {
        read_lane(lane, &ret->stats, ret->times);
        ret->max_queued = weft__count_get(&lane->max_queued);
        ret->is_replaced = is_replaced(lane);
    }
    weft__mutex_unlock(&pool->lanes_mu);
    return serial;
}

void weft_pool_each_lane(weft_pool *pool,
                         void (*fn)(void *arg, const struct weft_lane_stats *stats), void *arg)
{
    struct weft__lane_reading lane;
    if (!pool || !fn || weft__pool_is_inherited(pool))
        return;
    for (uint64_t serial = 0; (serial = weft__lane_next(pool, serial, &lane));)
        fn(arg, &lane.stats);
}
