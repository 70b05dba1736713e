/* SPDX-License-Identifier: MIT */
/* weft pool: the pools, their lanes, and what their threads are at. */
#include <inttypes.h>
#include <stdio.h>

#include "tools/weft/commands.h"
#include "tools/weft/text.h"
#include "tools/weft/wait.h"

static void add_duration(struct table *table, const json_t *times, const char *key)
{
    char text[32];
    text_duration(text, sizeof(text), number_of(times, key));
    table_add(table, number_of(times, "count") ? text : "-");
}

static void add_lane(struct table *table, const json_t *lane)
{
    const json_t *wait = json_object_get(lane, "queue_wait"),
                 *run = json_object_get(lane, "run_time");
    int64_t refused =
        number_sum(number_sum(number_of(lane, "rejected"), number_of(lane, "dropped")),
                   number_of(lane, "expired"));
    table_add(table, text_of(lane, "name"));
    table_addf(table, "%" PRId64, number_of(lane, "running"));
    table_addf(table, "%" PRId64, number_of(lane, "queued"));
    table_addf(table, "%" PRId64, number_of(lane, "waiting"));
    table_addf(table, "%" PRId64, number_of(lane, "completed"));
    table_addf(table, "%" PRId64, refused);
    add_duration(table, wait, "p50_ns");
    add_duration(table, wait, "p99_ns");
    add_duration(table, run, "p50_ns");
    add_duration(table, run, "p99_ns");
    add_duration(table, run, "max_ns");
}

static void add_job(struct table *table, const json_t *job)
{
    char time[32], thread[TEXT_ROOM];
    const char *told = text_of(job, "told");
    text_duration(time, sizeof(time), number_of(job, "runs_for_ns"));
    describe_thread(json_object_get(job, "thread"), thread, sizeof(thread));
    table_addf(table, "%" PRId64, number_of(job, "tid"));
    table_add(table, text_of(job, "name"));
    table_add(table, text_of(job, "lane"));
    table_add(table, time);
    table_add(table, text_place(json_string_value(json_object_get(job, "started_at"))));
    table_addf(table, "%s%s%s%s", thread, is_true(job, "is_abandoned") ? "; abandoned" : "",
               *told ? "; " : "", told);
}

static void show_one(const json_t *pool)
{
    static const char *const lane_heads[] = {"LANE",     ">RUNNING", ">QUEUED",   ">WAITING",
                                             ">DONE",    ">REFUSED", ">WAIT P50", ">P99",
                                             ">RUN P50", ">P99",     ">MAX",      NULL};
    static const char *const job_heads[] = {">THREAD",    "JOB",   "LANE", ">RUNS FOR",
                                            "STARTED AT", "DOING", NULL};
    struct table lanes = {.heads = lane_heads}, jobs = {.heads = job_heads};
    size_t i, k;
    json_t *lane, *job;
    char name[TEXT_ROOM];
    snprintf(name, sizeof(name), "pool %s", text_of(pool, "name"));
    text_line(name, PLAIN,
              ": %" PRId64 " of at most %" PRId64 " threads: %" PRId64 " idle, %" PRId64
              " running, %" PRId64 " blocked; %" PRId64 " queued",
              number_of(pool, "threads"), number_of(pool, "max_threads"), number_of(pool, "idle"),
              number_of(pool, "running"), number_of(pool, "blocked"), number_of(pool, "queued"));
    json_array_foreach(json_object_get(pool, "lanes"), i, lane) add_lane(&lanes, lane);
    json_array_foreach(json_object_get(pool, "busy"), k, job) add_job(&jobs, job);
    if (i)
        table_print(&lanes, 2);
    if (k)
        table_print(&jobs, 2);
}

void show_pool(const json_t *answer)
{
    size_t i;
    json_t *pool;
    json_array_foreach(json_object_get(answer, "pools"), i, pool) show_one(pool);
    if (i == 0)
        puts("no pools");
}
