/* SPDX-License-Identifier: MIT */
/*
 * Scheduler: which job starts next.
 *
 * Which may. A lane's oldest job may start if fewer than `max_running` of its jobs run, and if there is
 * a thread for it: one of those reserved for the lane that it does not use, or one of the common
 * ones. These are as many as may run at once (capacity()) less those that run and less those that
 * are reserved and not used, of all lanes. Each lane keeps count of how many of its jobs could start
 * in the one way (`own`) and in the other (`common`), the pool of the sums. So the number of eligible
 * jobs, upon which all waking depends, is a few additions for whoever changes anything
 * (weft__schedule_account_locked()), and exact.
 *
 * Which does. Each lane has a virtual time: what its jobs have taken, divided by its weight. The lane
 * that is furthest behind is next. Time counts, not starts: by starts a lane of jobs that last for
 * seconds would get nearly all of the threads from one with jobs of a millisecond. When a job starts,
 * its lane is charged with what its jobs took lately; when it ends, with the difference. So threads
 * that take jobs at the same moment do not all go to the same lane, and in the end each second counts
 * as a second. A lane that had nothing to start does not save up: it begins at the virtual time of the
 * lane that was served last.
 *
 * Ageing. A weight of 1 beside one of 10,000 could wait for long. A lane whose oldest job has waited
 * for AGE, and that was passed over PASSED times while it had something to start, goes first, the one
 * that waited longest before others, and is not charged. So every lane gets a job started each second,
 * once a thread is free, or each hundredth job if those are rarer; but no more than that: when all lanes
 * are late, which is when weights matter, they still share by weight. (The time alone would not do: where
 * jobs last for longer than AGE every lane is late at every turn.)
 *
 * The lanes with something to start are a list. With one of them there is nothing to decide.
 */
#include "pool/schedule.h"

#include "pool/job.h"
#include "pool/lane.h"

#define AGE WEFT_S(1)
/* What a run counts for at least, so that no job is free. */
#define SHORTEST WEFT_US(1)

/* No real charge: those are of jobs of some seconds. */
#define FREE INT64_MIN

/* What a worker has to tell its lane of what it has spent. */
#define SETTLED WEFT_US(20)

/* What is charged by the stride at most: the product fits in 63 bits. */
#define LONG WEFT_S(500)

enum { PASSED = 100, SMOOTHING = 8 };

/* ---- Which may ---- */

static bool is_behind(uint64_t vtime, uint64_t other)
{
    return (int64_t)(vtime - other) < 0;
}

static void activate_locked(weft_lane *lane)
{
    weft_pool *pool = lane->pool;
    lane->active = true;
    lane->next_active = NULL;
    lane->at_active = pool->last_active;
    *pool->last_active = lane;
    pool->last_active = &lane->next_active;
    lane->passed_from = pool->starts;
    if (is_behind(lane->vtime, pool->vtime))
        lane->vtime = pool->vtime;
}

static void deactivate_locked(weft_lane *lane)
{
    lane->active = false;
    *lane->at_active = lane->next_active;
    if (lane->next_active)
        lane->next_active->at_active = lane->at_active;
    else
        lane->pool->last_active = lane->at_active;
}

/* Stored only if it is another: somebody may be reading it. */
static void show(weft__count *count, uint64_t value)
{
    if (weft__count_get(count) != value)
        weft__count_set(count, value);
}

void weft__schedule_account_locked(weft_lane *lane)
{
    weft_pool *pool = lane->pool;
    if (weft__lane_ready(lane) > 0)
        weft__express_close_locked(pool);
    size_t can = weft__least(weft__lane_ready(lane), weft__less(lane->max_running, lane->running));
    size_t unused = weft__less(lane->reserved, lane->running);
    size_t own = weft__least(can, unused), common = can - own;
    show(&lane->counts.queued, weft__lane_queued(lane));
    show(&lane->counts.waiting, lane->no_room.count);
    if (common != lane->common) {
        pool->common += common - lane->common;
        lane->common = common;
    }
    if (own != lane->own || unused != lane->unused) {
        pool->own += own - lane->own;
        pool->unused += unused - lane->unused;
        lane->own = own;
        lane->unused = unused;
    }
    if (can > 0 && !lane->active)
        activate_locked(lane);
    else if (can == 0 && lane->active)
        deactivate_locked(lane);
}

/* ---- Which does ---- */

/* Since when the lane's oldest job waits, and the lane has not been served. */
static weft_ns waiting_since(const weft_lane *lane)
{
    weft_ns queued_at = weft__lane_oldest_locked(lane)->queued_at;
    return queued_at > lane->served_at ? queued_at : lane->served_at;
}

/* Something is eligible. */
static weft_lane *choose_locked(const weft_pool *pool, weft_ns now, bool *ret_aged)
    WEFT_REQUIRES(pool->mu)
{
    weft_lane *best = NULL, *oldest = NULL;
    bool common = weft__schedule_common_locked(pool) > 0;
    *ret_aged = false;
    if (!pool->active->next_active)
        return pool->active;
    for (weft_lane *lane = pool->active; lane; lane = lane->next_active) {
        if (!common && !lane->own)
            continue;
        if (!best || is_behind(lane->vtime, best->vtime))
            best = lane;
        if (now - waiting_since(lane) >= AGE && pool->starts - lane->passed_from >= PASSED &&
            (!oldest || waiting_since(lane) < waiting_since(oldest)))
            oldest = lane;
    }
    *ret_aged = oldest && oldest != best;
    return oldest ? oldest : best;
}

weft_ns weft__schedule_oldest_locked(const weft_pool *pool)
{
    weft_ns oldest = pool->active ? WEFT_FOREVER : weft__express_oldest_locked(pool);
    bool common = weft__schedule_common_locked(pool) > 0;
    for (const weft_lane *lane = pool->active; lane; lane = lane->next_active)
        if ((common || lane->own) && weft__lane_oldest_locked(lane)->queued_at < oldest)
            oldest = weft__lane_oldest_locked(lane)->queued_at;
    return oldest;
}

/* Less than nothing, too. Without a division, unless it is so long that that does not matter. */
static void charge(weft_lane *lane, weft_ns duration)
{
    if (duration < LONG && duration > -LONG)
        lane->vtime += (uint64_t)(duration * lane->stride / (1 << WEFT__STRIDE_BITS));
    else
        lane->vtime += (uint64_t)(duration / (weft_ns)lane->weight * WEFT__USUAL_WEIGHT);
}

static weft_lane *express_lane(const weft_pool *pool)
{
    return atomic_load_explicit(&pool->express.lane, memory_order_relaxed);
}

void weft__schedule_settle(struct weft__span *span)
{
    if (span->unsettled > 0)
        weft__count_add(&span->lane->spent, (uint64_t)span->unsettled);
    span->unsettled = 0;
}

/* What jobs have taken while the pool was open for their lane; `charged` counts for the next one, too. */
static void spend(struct weft__span *span, weft_ns ran)
{
    if (span->charged == FREE)
        span->charged = 0;
    else
        span->unsettled += ran;
    if (span->unsettled >= SETTLED)
        weft__schedule_settle(span);
}

static void charge_spent(weft_lane *lane)
{
    if (weft__count_get(&lane->spent) > 0)
        charge(lane, (weft_ns)atomic_exchange_explicit(&lane->spent, 0, memory_order_relaxed));
}

/* It was alone: others begin where it is now. */
void weft__schedule_close_locked(weft_lane *lane)
{
    charge_spent(lane);
    if (is_behind(lane->pool->vtime, lane->vtime))
        lane->pool->vtime = lane->vtime;
}

/* Of a worker that was on its way when the pool was closed. */
static void charge_late(weft_pool *pool, weft_lane *lane)
{
    if (express_lane(pool) != lane)
        charge_spent(lane);
}

/* What limits see. */
static void add_account(weft_pool *pool, weft_lane *lane, int by) WEFT_REQUIRES(pool->mu)
{
    lane->running += (size_t)by;
    weft__count_set(&pool->running, weft__count_get(&pool->running) + (uint64_t)by);
}

/* Once it is taken: one that is not got would be seen after the job's end; or it has ended. */
static void add_running(weft_pool *pool, weft_lane *lane, int by) WEFT_REQUIRES(pool->mu)
{
    add_account(pool, lane, by);
    weft__count_add(&lane->counts.running, (uint64_t)by);
}

static struct weft__job *pop_ring_locked(weft_pool *pool, weft_ns *ret_queued_at)
{
    struct weft__claim claim;
    if (!weft__express_take_locked(pool, &claim))
        return NULL;
    *ret_queued_at = claim.queued_at;
    return claim.job;
}

/* The oldest, in its lists or in rings. NULL: it was in a ring. */
static struct weft__job *pop_locked(weft_lane *lane,
                                    weft_ns *ret_queued_at) WEFT_NO_THREAD_SAFETY_ANALYSIS
{
    if (!lane->pool->active)
        return pop_ring_locked(lane->pool, ret_queued_at);
    struct weft__job *job = weft__lane_pop_locked(lane);
    *ret_queued_at = job->queued_at;
    return job;
}

struct weft__job *weft__schedule_take_locked(weft_pool *pool, weft_ns now)
{
    bool aged = false;
    weft_ns queued_at;
    if (weft__schedule_eligible_locked(pool) == 0)
        return NULL;
    weft_lane *lane = pool->active ? choose_locked(pool, now, &aged) : express_lane(pool);
    struct weft__job *job = pop_locked(lane, &queued_at);
    if (!job) /* busy threads were faster */
        return NULL;
    add_running(pool, lane, 1);
    if (!aged && is_behind(pool->vtime, lane->vtime))
        pool->vtime = lane->vtime;
    job->started_at = now;
    job->charged = aged ? FREE : lane->estimate;
    if (!aged)
        charge(lane, job->charged);
    lane->served_at = now;
    lane->passed_from = ++pool->starts;
    weft__histogram_record(&lane->counts.times[WEFT__QUEUE_WAIT], now - queued_at);
    weft__schedule_account_locked(lane);
    return job;
}

void weft__schedule_ended_locked(weft_pool *pool, struct weft__job *job, weft_ns now)
{
    weft_lane *lane = job->lane;
    weft_ns ran = now - job->started_at;
    weft__histogram_record(&lane->counts.times[WEFT__RUN_TIME], ran);
    if (ran < SHORTEST)
        ran = SHORTEST;
    if (job->charged != FREE)
        charge(lane, ran - job->charged);
    charge_late(pool, lane);
    lane->estimate += (ran - lane->estimate) / SMOOTHING;
    if (job->stage == WEFT__NOT_QUEUED) /* else it goes on in this lane, and keeps its key */
        weft__lane_end_locked(lane, job);
    add_running(pool, lane, -1);
    if (!lane->limited && !lane->closed && !job->key) /* then no other may start for that */
        return;
    weft__schedule_account_locked(lane);
    weft__lane_bury_locked(lane);
}

void weft__schedule_rest(struct weft__span *span)
{
    weft_ns ran = weft__pool_now() - span->started_at;
    weft__histogram_note(&span->tally->times[WEFT__RUN_TIME], ran);
    spend(span, ran);
    weft__count_take(&span->lane->counts.running, 1);
}

bool weft__schedule_resume(weft_pool *pool, struct weft__span *span, struct weft__claim *ret)
{
    if (!weft__express_claim(pool, span->lane, ret))
        return false;
    weft__count_add(&span->lane->counts.running, 1);
    span->started_at = weft__pool_now();
    weft__histogram_note(&span->tally->times[WEFT__QUEUE_WAIT], span->started_at - ret->queued_at);
    return true;
}

void weft__schedule_leave_locked(weft_pool *pool, const struct weft__span *span)
{
    if (span->charged != FREE)
        charge(span->lane, -span->charged);
    charge_late(pool, span->lane);
    add_account(pool, span->lane, -1);
    weft__schedule_account_locked(span->lane);
    weft__lane_bury_locked(span->lane);
}

/* The account stays: the lane is charged for the one when the pool is closed. */
bool weft__schedule_go_on(weft_pool *pool, struct weft__span *span, struct weft__claim *ret)
{
    if (!weft__express_claim(pool, span->lane, ret))
        return false;
    weft_ns now = weft__pool_now(), ran = now - span->started_at;
    weft__histogram_note(&span->tally->times[WEFT__RUN_TIME], ran);
    weft__histogram_note(&span->tally->times[WEFT__QUEUE_WAIT], now - ret->queued_at);
    span->started_at = now;
    spend(span, ran);
    return true;
}

struct weft__job *weft__schedule_give_up_locked(weft_pool *pool, weft_ns now)
{
    bool aged;
    weft__express_close_locked(pool);
    if (weft__schedule_eligible_locked(pool) == 0)
        return NULL;
    weft_lane *lane = choose_locked(pool, now, &aged);
    struct weft__job *job = weft__lane_pop_locked(lane);
    weft__lane_end_locked(lane, job);
    weft__count_up(&lane->counts.unstarted);
    weft__schedule_account_locked(lane);
    weft__lane_bury_locked(lane);
    return job;
}
