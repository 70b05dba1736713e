/* SPDX-License-Identifier: MIT */
/**
 * Lanes: what a kind of blocking work may take of a pool. How many of its jobs run at once, how many
 * may wait, what becomes of one that finds no room, and its share of the threads when others want
 * them, too.
 *
 *     weft_lane *reports = weft_lane_new(pool, &(struct weft_lane_options){
 *         .name = "reports", .max_running = 2, .max_queued = 100, .on_full = WEFT_FULL_WAIT});
 *     …
 *     WEFT_AWAIT(weft_to_thread_in(reports, print_report, .month = 5));
 *
 * Jobs of a lane start in the order in which they came. With `max_running` 1 each also ends before the
 * next one starts, on whichever thread: what needs no lock then is what only such jobs touch. Their
 * futures complete in any order, since two threads may bring two results home at once: who needs an
 * order awaits one job before he starts the next.
 *
 * Lanes that have jobs share the threads by `weight`: in the long run, twice the weight is twice the
 * time that threads spend on its jobs, as far as there are any and `max_running` allows. A lane whose
 * next job has waited for a second, while a hundred others were started before it, is served next
 * whatever the weights say. A job that runs is never interrupted: where short jobs must not wait for long
 * ones, give the long ones a `max_running`, or the short ones `reserved` threads.
 *
 * Every pool has the lanes "default" (what is not told otherwise), "dns" (looking up names) and
 * "files". The last two have a reserved thread each, beyond the pool's `max_threads`, and run on half of
 * the others at most: so neither they nor other work can starve the rest.
 */
#ifndef WEFT_LANE_H
#define WEFT_LANE_H

#include <stddef.h>
#include <stdint.h>
#include <weft/macros.h>
#include <weft/pool.h>
#include <weft/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What becomes of a job for which a lane has no room. */
enum weft_on_full {
    WEFT_FULL_REJECT,     /* it fails at once, with -EAGAIN */
    WEFT_FULL_WAIT,       /* it waits for room, first come, first served */
    WEFT_FULL_DROP_OLDEST /* the one that has been queued for longest fails, with WEFT_EDROPPED:
                             never one that goes on by weft_continue(), or that was forced in; if
                             there are only such, the new one fails, with -EAGAIN */
};

/** Zero is the default of every field. */
struct weft_lane_options {
    size_t size;               /* sizeof(struct weft_lane_options), or 0 for "this version" */
    const char *name;          /* of 1 to 31 bytes, copied */
    unsigned max_running;      /* how many of its jobs run at once; 0: no limit but the threads */
    size_t max_queued;         /* how many may wait for a thread; 0: 65,536 */
    enum weft_on_full on_full; /* and when that is exceeded */
    unsigned weight;           /* its share, 1 to 10,000; 0: 100 */
    unsigned reserved;         /* of the pool's threads, how many only its jobs may use; some must
                                  be left for everybody, and max_running is not below it */
    weft_ns max_wait; /* a job that is not started by then fails, -ETIMEDOUT; 0: no limit */
    weft_ns slow_job; /* one that runs for longer is reported while it runs, if there is a watchdog
                         (<weft/watchdog.h>); 0: none is */
};

/**
 * A new lane of a pool.
 *
 * Thread:    any.
 * Ownership: one reference, given up by weft_lane_unref(); the lane holds one to the pool. `options` is
 *            copied.
 * Errors:    NULL and errno: EINVAL, EEXIST (the pool has a lane of that name), ENOMEM, or the number
 *            of WEFT_EFORK, 4109 (the pool is a parent's).
 * Since:     0.1
 */
WEFT_PUBLIC weft_lane *weft_lane_new(weft_pool *pool, const struct weft_lane_options *options);

/** One more reference; returns `lane`. One to a lane that is built in is one to its pool. Thread: any.
 * Since: 0.1 */
WEFT_PUBLIC weft_lane *weft_lane_ref(weft_lane *lane);

/**
 * Give up a reference. NULL is nothing.
 *
 * With the last one the lane takes no new jobs (-ESHUTDOWN), and its name and its reserved threads are
 * free; what is queued still runs.
 *
 * Thread:    any, but no job of this pool's if it may be the last reference to the pool.
 * Ownership: consumes the reference.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_lane_unref(weft_lane *lane);

/**
 * Change a lane while it is used: `options` holds for all that is started or submitted from now on. A
 * raised limit takes effect at once. What runs goes on and what is queued stays, above a lowered
 * limit too.
 *
 * Thread:    any.
 * Ownership: `options` is copied; its name is NULL or the lane's own.
 * Errors:    -EINVAL (then nothing is changed), WEFT_EFORK.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK int weft_lane_configure(weft_lane *lane,
                                                    const struct weft_lane_options *options);

/** What a lane is set to, all defaults filled in but that of max_running; the name lives as long as
 * the lane. All zero in a forked child. Thread: any. Since: 0.1 */
WEFT_PUBLIC void weft_lane_get_options(weft_lane *lane, struct weft_lane_options *ret);

/**
 * How long something took, of `count` jobs: half of them at most `p50`, and so on. A percentile is
 * never too small, and less than a 16th too large (or, above 4.9 hours, the maximum); `max` is exact.
 */
struct weft_latency {
    uint64_t count;
    weft_ns p50, p90, p99, max;
};

/** What a lane is doing, and has done since it was made. */
struct weft_lane_stats {
    char name[32];
    size_t queued;             /* jobs that wait for a thread */
    size_t running;            /* that run */
    size_t waiting;            /* that wait for room in the lane */
    size_t abandoned_running;  /* that run, and nobody waits for them any more */
    uint64_t submitted;        /* jobs that were accepted */
    uint64_t completed;        /* whose function has returned */
    uint64_t rejected;         /* that were not accepted: the lane was full */
    uint64_t dropped;          /* that made room for newer ones */
    uint64_t expired;          /* whose time was over before they were started */
    uint64_t unstarted;        /* that failed because no thread could be started for them */
    uint64_t cancelled_queued; /* that were cancelled before they were started */
    uint64_t cancelled_cooperative, cancelled_interrupted; /* that ended because of a cancel */
    uint64_t abandoned;             /* that nobody waited for any more when they ran */
    struct weft_latency queue_wait; /* from submission to the start */
    struct weft_latency run_time;
};

/**
 * What a lane is doing.
 *
 * Thread:    any.
 * Ownership: `ret` is filled; all zero but the name in a forked child.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_lane_get_stats(weft_lane *lane, struct weft_lane_stats *ret);

/**
 * Call `fn` for each lane of a pool, oldest first; also for those that nobody holds any more but whose
 * jobs are not done. No lock is held: it may do what it likes.
 *
 * Thread:    any.
 * Ownership: the statistics are `fn`'s for the call.
 * Errors:    none; in a forked child there is no lane.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_pool_each_lane(weft_pool *pool,
                                     void (*fn)(void *arg, const struct weft_lane_stats *stats),
                                     void *arg);

#ifdef __cplusplus
}
#endif

#endif
