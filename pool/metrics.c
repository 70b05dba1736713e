/* SPDX-License-Identifier: MIT */
/* The metrics of a pool and its lanes. Read as statistics are: without a lock that a job takes. */
#include <stdio.h>

#include "core/inspect/metrics.h"
#include "pool/lane.h"
#include "pool/pool.h"

/* ---- The pool ---- */

static const struct weft__family threads = {"weft_pool_threads", WEFT__GAUGE, NULL,
                                            "Threads that exist."};
static const struct weft__family max_threads = {
    "weft_pool_max_threads", WEFT__GAUGE, NULL,
    "How many there may be, but for those that lanes have reserved beyond."};
static const struct weft__family idle = {"weft_pool_idle_threads", WEFT__GAUGE, NULL,
                                         "Threads that wait for a job."};
static const struct weft__family spares = {"weft_pool_spare_threads", WEFT__GAUGE, NULL,
                                           "Threads beyond the limit, for jobs that are blocked."};
static const struct weft__family blocked = {"weft_pool_blocked_jobs", WEFT__GAUGE, NULL,
                                            "Jobs that wait for others, as they have said."};
static const struct weft__family started = {"weft_pool_threads_started", WEFT__COUNTER, NULL,
                                            "Threads that were started."};
static const struct weft__family ended = {"weft_pool_threads_ended", WEFT__COUNTER, NULL,
                                          "Threads that have ended."};
static const struct weft__family wakeups = {
    "weft_pool_wakeups", WEFT__COUNTER, NULL,
    "Jobs for which a thread was woken, and jobs that needed no wake."};

static void measure_pool(weft_pool *pool, const struct weft__labels *of, struct weft__metrics *to)
{
    struct weft_pool_stats stats;
    struct weft__labels sent = *of, saved = *of;
    weft_pool_get_stats(pool, &stats);
    weft__labels_add(&sent, "outcome", "sent");
    weft__labels_add(&saved, "outcome", "saved");
    weft__metrics_number(to, &threads, of, stats.threads);
    weft__metrics_number(to, &max_threads, of, pool->max_threads);
    weft__metrics_number(to, &idle, of, stats.idle);
    weft__metrics_number(to, &spares, of, stats.spares);
    weft__metrics_number(to, &blocked, of, stats.blocked);
    weft__metrics_number(to, &started, of, stats.started);
    weft__metrics_number(to, &ended, of, stats.ended);
    weft__metrics_number(to, &wakeups, &sent, stats.wakeups_sent);
    weft__metrics_number(to, &wakeups, &saved, stats.wakeups_saved);
}

/* ---- Its lanes ---- */

static const struct weft__family queue_wait = {
    "weft_lane_queue_wait_seconds", WEFT__HISTOGRAM, "seconds",
    "How long jobs waited, from when they were submitted until they were started."};
static const struct weft__family run_time = {"weft_lane_run_seconds", WEFT__HISTOGRAM, "seconds",
                                             "How long jobs ran."};
static const struct weft__family queued = {"weft_lane_queued", WEFT__GAUGE, NULL,
                                           "Jobs that wait for a thread."};
static const struct weft__family max_queued = {"weft_lane_max_queued", WEFT__GAUGE, NULL,
                                               "How many may wait."};
static const struct weft__family running = {"weft_lane_running", WEFT__GAUGE, NULL,
                                            "Jobs that run."};
static const struct weft__family waiting = {"weft_lane_waiting", WEFT__GAUGE, NULL,
                                            "Jobs that wait for room in the lane."};
static const struct weft__family abandoned = {"weft_lane_abandoned", WEFT__GAUGE, NULL,
                                              "Jobs that run though nobody waits for them."};
static const struct weft__family submitted = {"weft_lane_submitted", WEFT__COUNTER, NULL,
                                              "Jobs that were accepted."};
static const struct weft__family jobs = {
    "weft_lane_jobs", WEFT__COUNTER, NULL,
    "What became of jobs: they ran to their end, or why they never began."};
static const struct weft__family cancelled = {
    "weft_lane_cancelled_running", WEFT__COUNTER, NULL,
    "Running jobs that ended because of a cancel, or were let go, and how."};

struct part {
    const char *label;
    uint64_t count;
};

static void measure_parts(const struct weft__family *family, const struct weft__labels *of,
                          const char *name, const struct part *parts, size_t count,
                          struct weft__metrics *to)
{
    for (size_t i = 0; i < count; i++) {
        struct weft__labels labels = *of;
        weft__labels_add(&labels, name, parts[i].label);
        weft__metrics_number(to, family, &labels, parts[i].count);
    }
}

static void measure_ends(const struct weft_lane_stats *stats, const struct weft__labels *of,
                         struct weft__metrics *to)
{
    const struct part ends[] = {
        {"completed", stats->completed}, {"rejected", stats->rejected},
        {"dropped", stats->dropped},     {"expired", stats->expired},
        {"unstarted", stats->unstarted}, {"cancelled", stats->cancelled_queued},
    };
    const struct part cancels[] = {
        {"cooperative", stats->cancelled_cooperative},
        {"interrupt", stats->cancelled_interrupted},
        {"abandon", stats->abandoned},
    };
    measure_parts(&jobs, of, "outcome", ends, sizeof(ends) / sizeof(*ends), to);
    measure_parts(&cancelled, of, "how", cancels, sizeof(cancels) / sizeof(*cancels), to);
}

static void measure_lane(const struct weft__lane_reading *lane, const struct weft__labels *of_pool,
                         struct weft__metrics *to)
{
    struct weft__labels of = *of_pool;
    weft__labels_add(&of, "lane", lane->stats.name);
    weft__metrics_number(to, &queued, &of, lane->stats.queued);
    weft__metrics_number(to, &running, &of, lane->stats.running);
    weft__metrics_number(to, &waiting, &of, lane->stats.waiting);
    weft__metrics_number(to, &abandoned, &of, lane->stats.abandoned_running);
    if (lane->is_replaced)
        return; /* what both have counted would fall when this one is gone */
    weft__metrics_number(to, &max_queued, &of, lane->max_queued);
    weft__metrics_times(to, &queue_wait, &of, &lane->times[WEFT__QUEUE_WAIT]);
    weft__metrics_times(to, &run_time, &of, &lane->times[WEFT__RUN_TIME]);
    weft__metrics_number(to, &submitted, &of, lane->stats.submitted);
    measure_ends(&lane->stats, &of, to);
}

/* Of pools of one name each has its own: sums would fall when one of them ends, and a full lane would
 * not be seen beside empty ones. */
static void label(const weft_pool *pool, struct weft__labels *of)
{
    char name[sizeof(pool->thread_name) + 16];
    int len = snprintf(name, sizeof(name), "%s", pool->thread_name);
    if (pool->source.number > 1)
        snprintf(name + len, sizeof(name) - (size_t)len, "-%u", pool->source.number);
    weft__labels_add(of, "pool", name);
}

void weft__pool_measure(struct weft__source *source, struct weft__metrics *to)
{
    weft_pool *pool = WEFT__CONTAINER(source, weft_pool, source);
    struct weft__labels of = {.len = 0};
    struct weft__lane_reading lane;
    label(pool, &of);
    measure_pool(pool, &of, to);
    for (uint64_t serial = 0; (serial = weft__lane_next(pool, serial, &lane));)
        measure_lane(&lane, &of, to);
}
