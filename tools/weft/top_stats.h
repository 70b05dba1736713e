/* SPDX-License-Identifier: MIT */
/* The numbers that `weft top` shows, from two answers to `stats`. See tools/weft/top_stats.c. */
#ifndef WEFT_TOOLS_TOP_STATS_H
#define WEFT_TOOLS_TOP_STATS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Nanoseconds; -1: not known. */
struct top_times {
    int64_t p50, p99, max;
};

/** Text is the answer's; what is not known is -1. */
struct top_loop {
    int64_t id, tid, tasks, jobs;
    double used;  /* 0 to 1: the part of the time in which it was not idle */
    double steps; /* a second */
    int64_t turn; /* how long the turn lasts that is on; 0: none is */
    struct top_times lag;
};

struct top_lane {
    const char *pool, *name;
    int64_t running, queued;
    int64_t refused; /* since the beginning: rejected, dropped, expired */
    double done;     /* a second */
    struct top_times wait, run;
};

/** One task, or for `share` a kind of them. */
struct top_task {
    int64_t loop, id; /* of a kind: the last one */
    const char *name, *in;
    double share;          /* of the thread's time, 0 to 1 */
    int64_t tasks;         /* so many of the kind were seen */
    int64_t age;           /* at least; 0: not known */
    const char *awaits_at; /* "file:line"; NULL: nowhere */
    const char *spawned_at;
};

struct top_stats {
    json_t *answer; /* owned: the one that was last */
    const char *program;
    int64_t rss; /* bytes */
    double cpu;  /* CPUs in use */
    int64_t threads, max_threads;
    struct top_loop *loops;
    struct top_lane *lanes;
    struct top_task *busiest, *oldest;
    size_t loop_count, lane_count, busiest_count, oldest_count, pool_count;
    bool oldest_is_exact; /* else there may be older ones */
};

enum top_loop_order { BY_LOOP, BY_USE, BY_LAG, BY_TASKS, LOOP_ORDERS };
enum top_lane_order { BY_LANE_NAME, BY_QUEUE, BY_DONE, BY_WAIT, BY_RUN, LANE_ORDERS };
enum top_task_order { BY_SHARE, BY_TASK_NAME, BY_NUMBER, TASK_ORDERS };
enum top_age_order { BY_AGE, BY_AGED_NAME, BY_PLACE, AGE_ORDERS };

/** From an answer and the one before it, which may be NULL: then there are no rates. Takes over a
 * reference of `answer`. NULL: out of memory. */
struct top_stats *top_stats_new(json_t *answer, const json_t *before);
void top_stats_free(struct top_stats *stats);

void top_sort_loops(struct top_stats *stats, enum top_loop_order order);
void top_sort_lanes(struct top_stats *stats, enum top_lane_order order);
void top_sort_busiest(struct top_stats *stats, enum top_task_order order);
void top_sort_oldest(struct top_stats *stats, enum top_age_order order);

/** The same as JSON: for programs. A new reference, or NULL. */
json_t *top_stats_json(const struct top_stats *stats, int64_t pid);

#endif
