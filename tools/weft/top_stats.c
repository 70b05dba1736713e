/* SPDX-License-Identifier: MIT */
/*
 * What goes on in a process, from two answers to `stats`: the process counts from its beginning, and whoever
 * looks subtracts. So it need not know who looks, nor how often.
 *
 * A histogram that has buckets gives the times between the two answers; one without gives those since the
 * beginning.
 */
#include "tools/weft/top_stats.h"

#include <stdlib.h>
#include <string.h>

#include "tools/weft/text.h"

/* ---- Reading an answer ---- */

static int64_t number(const json_t *object, const char *key)
{
    const json_t *found = json_object_get(object, key);
    return json_is_integer(found) ? number_value(found) : -1;
}

static const char *text(const json_t *object, const char *key)
{
    const char *found = json_string_value(json_object_get(object, key));
    return found ? found : "";
}

static int64_t or_zero(int64_t value)
{
    return value > 0 ? value : 0;
}

/* The element of a list with the same value of `key`; NULL: there is none. */
static const json_t *same_in(const json_t *list, const json_t *as, const char *key)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *at = json_array_get(list, i);
        if (json_equal(json_object_get(at, key), json_object_get(as, key)))
            return at;
    }
    return NULL;
}

/* How much more it is now; -1: not known. */
static int64_t grown(const json_t *before, const json_t *now, const char *key)
{
    int64_t then = number(before, key), value = number(now, key);
    return then >= 0 && value >= then ? value - then : -1;
}

static double rate(int64_t count, int64_t took)
{
    return count >= 0 && took > 0 ? (double)count * 1e9 / (double)took : -1;
}

/* ---- Times ---- */

static int64_t bucket_part(const json_t *buckets, size_t i, size_t part)
{
    return number_value(json_array_get(json_array_get(buckets, i), part));
}

/* Counts between the two, of the bucket `i` of `now`. */
static int64_t bucket_grown(const json_t *before, const json_t *now, size_t i)
{
    int64_t limit = bucket_part(now, i, 0), count = bucket_part(now, i, 1);
    for (size_t k = 0; k < json_array_size(before); k++)
        if (bucket_part(before, k, 0) == limit)
            return count - bucket_part(before, k, 1);
    return count;
}

/* The upper limit of the bucket in which the part `of` of all lies. */
static int64_t time_at(const json_t *before, const json_t *now, int64_t total, double of)
{
    int64_t seen = 0, limit = 0;
    for (size_t i = 0; i < json_array_size(now); i++) {
        int64_t count = bucket_grown(before, now, i);
        if (count > 0)
            limit = bucket_part(now, i, 0);
        seen = number_sum(seen, count > 0 ? count : 0);
        if ((double)seen >= of * (double)total && seen > 0)
            break;
    }
    return limit;
}

static struct top_times times_of(const json_t *before, const json_t *now)
{
    const json_t *then = json_object_get(before, "buckets"),
                 *here = json_object_get(now, "buckets");
    int64_t count = grown(before, now, "count");
    if (number(now, "count") == 0 || (here && count == 0))
        return (struct top_times){-1, -1, -1};
    if (!here || !then || count < 0)
        return (struct top_times){number(now, "p50_ns"), number(now, "p99_ns"),
                                  number(now, "max_ns")};
    int64_t max = number(now, "max_ns"), worst = time_at(then, here, count, 1);
    return (struct top_times){time_at(then, here, count, 0.5), time_at(then, here, count, 0.99),
                              max >= 0 && max < worst ? max : worst};
}

/* ---- Loops ---- */

/* By its own clock; where it has none, by the samples. */
static double used_of(const json_t *before, const json_t *now, int64_t took)
{
    int64_t busy = grown(before, now, "busy_ns");
    if (busy < 0 || took <= 0) {
        const json_t *then = json_object_get(before, "samples");
        const json_t *here = json_object_get(now, "samples");
        busy = grown(then, here, "busy");
        took = grown(then, here, "taken");
    }
    if (busy < 0 || took <= 0)
        return -1;
    return busy > took ? 1 : (double)busy / (double)took;
}

static struct top_loop read_loop(const json_t *before, const json_t *now)
{
    int64_t took = grown(before, now, "at_ns");
    return (struct top_loop){
        .id = number(now, "id"),
        .tid = number(now, "tid"),
        .tasks = number(now, "tasks"),
        .jobs = number(now, "jobs"),
        .used = used_of(before, now, took),
        .steps = rate(grown(before, now, "callbacks"), took),
        .turn = or_zero(number(now, "turn_ns")),
        .lag = times_of(json_object_get(before, "lag"), json_object_get(now, "lag")),
    };
}

/* ---- Lanes ---- */

static struct top_lane read_lane(const json_t *before, const json_t *now, const char *pool,
                                 int64_t took)
{
    return (struct top_lane){
        .pool = pool,
        .name = text(now, "name"),
        .running = number(now, "running"),
        .queued = number_sum(or_zero(number(now, "queued")), or_zero(number(now, "waiting"))),
        .refused = number_sum(
            number_sum(or_zero(number(now, "rejected")), or_zero(number(now, "dropped"))),
            or_zero(number(now, "expired"))),
        .done = rate(grown(before, now, "completed"), took),
        .wait = times_of(json_object_get(before, "queue_wait"), json_object_get(now, "queue_wait")),
        .run = times_of(json_object_get(before, "run_time"), json_object_get(now, "run_time")),
    };
}

/* ---- Tasks ---- */

static const json_t *same_kind(const json_t *kinds, const json_t *as)
{
    for (size_t i = 0; i < json_array_size(kinds); i++) {
        const json_t *at = json_array_get(kinds, i);
        if (strcmp(text(at, "name"), text(as, "name")) == 0 &&
            strcmp(text(at, "in"), text(as, "in")) == 0)
            return at;
    }
    return NULL;
}

/* Without one before, since the first sample. A kind that gave its place to another begins anew. */
static int64_t since(const json_t *before, const json_t *now, const char *key)
{
    int64_t more = grown(before, now, key);
    return more >= 0 ? more : or_zero(number(now, key));
}

static struct top_task read_kind(const json_t *before, const json_t *now, int64_t loop,
                                 int64_t taken)
{
    return (struct top_task){
        .loop = loop,
        .id = number(now, "id"),
        .name = text(now, "name"),
        .in = text(now, "in"),
        .share = taken > 0 ? (double)since(before, now, "samples") / (double)taken : 0,
        .tasks = or_zero(number(now, "tasks")),
    };
}

static struct top_task read_old(const json_t *now, int64_t loop)
{
    return (struct top_task){
        .loop = loop,
        .id = number(now, "id"),
        .name = text(now, "name"),
        .in = "",
        .age = number(now, "age_ns"),
        .awaits_at = json_string_value(json_object_get(now, "awaits_at")),
        .spawned_at = text(now, "spawned_at"),
    };
}

/* ---- All of it ---- */

/* How many elements the lists `inner` of a list have together. */
static size_t count_in(const json_t *list, const char *outer, const char *inner)
{
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *at = json_array_get(list, i);
        const json_t *within = outer ? json_object_get(at, outer) : at;
        count += json_array_size(json_object_get(within, inner));
    }
    return count;
}

static void read_tasks(struct top_stats *stats, const json_t *before, const json_t *now)
{
    size_t i;
    json_t *at;
    const json_t *then = json_object_get(before, "samples"),
                 *here = json_object_get(now, "samples");
    int64_t loop = number(now, "id"), taken = since(then, here, "taken");
    json_array_foreach(json_object_get(here, "kinds"), i, at)
    {
        const json_t *same = same_kind(json_object_get(then, "kinds"), at);
        struct top_task kind = read_kind(same, at, loop, taken);
        if (kind.share > 0)
            stats->busiest[stats->busiest_count++] = kind;
    }
    stats->oldest_is_exact &= !json_is_false(json_object_get(now, "oldest_is_exact"));
    json_array_foreach(json_object_get(now, "oldest"), i, at) stats->oldest[stats->oldest_count++] =
        read_old(at, loop);
}

static void read_loops(struct top_stats *stats, const json_t *before)
{
    size_t i;
    json_t *at;
    json_array_foreach(json_object_get(stats->answer, "loops"), i, at)
    {
        const json_t *then = same_in(json_object_get(before, "loops"), at, "id");
        stats->loops[stats->loop_count++] = read_loop(then, at);
        read_tasks(stats, then, at);
    }
}

static void read_pools(struct top_stats *stats, const json_t *before, int64_t took)
{
    size_t i, k;
    json_t *pool, *lane;
    json_array_foreach(json_object_get(stats->answer, "pools"), i, pool)
    {
        const json_t *then = json_array_get(json_object_get(before, "pools"), i);
        stats->pool_count++;
        stats->threads = number_sum(stats->threads, or_zero(number(pool, "threads")));
        stats->max_threads = number_sum(stats->max_threads, or_zero(number(pool, "max_threads")));
        json_array_foreach(json_object_get(pool, "lanes"), k, lane)
        {
            const json_t *same = same_in(json_object_get(then, "lanes"), lane, "name");
            stats->lanes[stats->lane_count++] = read_lane(same, lane, text(pool, "name"), took);
        }
    }
}

static void *room_for(size_t count, size_t size)
{
    return calloc(count + 1, size);
}

struct top_stats *top_stats_new(json_t *answer, const json_t *before)
{
    struct top_stats *stats = calloc(1, sizeof(*stats));
    if (!stats) {
        json_decref(answer);
        return NULL;
    }
    const json_t *loops = json_object_get(answer, "loops");
    stats->answer = answer;
    stats->oldest_is_exact = true;
    stats->program = text(answer, "program");
    stats->rss = number(json_object_get(answer, "process"), "rss_bytes");
    stats->cpu = rate(
        grown(json_object_get(before, "process"), json_object_get(answer, "process"), "cpu_ns"),
        grown(before, answer, "at_ns"));
    stats->cpu = stats->cpu < 0 ? -1 : stats->cpu / 1e9;
    stats->loops = room_for(json_array_size(loops), sizeof(*stats->loops));
    stats->lanes =
        room_for(count_in(json_object_get(answer, "pools"), NULL, "lanes"), sizeof(*stats->lanes));
    stats->busiest = room_for(count_in(loops, "samples", "kinds"), sizeof(*stats->busiest));
    stats->oldest = room_for(count_in(loops, NULL, "oldest"), sizeof(*stats->oldest));
    if (!stats->loops || !stats->lanes || !stats->busiest || !stats->oldest) {
        top_stats_free(stats);
        return NULL;
    }
    int64_t took = grown(before, answer, "at_ns");
    read_loops(stats, before);
    read_pools(stats, before, took);
    return stats;
}

void top_stats_free(struct top_stats *stats)
{
    if (!stats)
        return;
    json_decref(stats->answer);
    free(stats->loops);
    free(stats->lanes);
    free(stats->busiest);
    free(stats->oldest);
    free(stats);
}

/* ---- Order ---- */

static int descending(double a, double b)
{
    return (a < b) - (a > b);
}

static int loops_by_id(const void *a, const void *b)
{
    const struct top_loop *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

static int by_id_if_same(int order, const void *a, const void *b)
{
    return order ? order : loops_by_id(a, b);
}

static int loops_by_use(const void *a, const void *b)
{
    const struct top_loop *x = a, *y = b;
    return by_id_if_same(descending(x->used, y->used), a, b);
}

static int loops_by_lag(const void *a, const void *b)
{
    const struct top_loop *x = a, *y = b;
    return by_id_if_same(descending((double)x->lag.p99, (double)y->lag.p99), a, b);
}

static int loops_by_tasks(const void *a, const void *b)
{
    const struct top_loop *x = a, *y = b;
    return by_id_if_same(descending((double)x->tasks, (double)y->tasks), a, b);
}

void top_sort_loops(struct top_stats *stats, enum top_loop_order order)
{
    static int (*const orders[LOOP_ORDERS])(const void *, const void *) = {
        loops_by_id, loops_by_use, loops_by_lag, loops_by_tasks};
    qsort(stats->loops, stats->loop_count, sizeof(*stats->loops), orders[order]);
}

static int lanes_by_name(const void *a, const void *b)
{
    return strcmp(((const struct top_lane *)a)->name, ((const struct top_lane *)b)->name);
}

static int by_name_if_same(int order, const void *a, const void *b)
{
    return order ? order : lanes_by_name(a, b);
}

static int lanes_by_queue(const void *a, const void *b)
{
    const struct top_lane *x = a, *y = b;
    return by_name_if_same(descending((double)x->queued, (double)y->queued), a, b);
}

static int lanes_by_done(const void *a, const void *b)
{
    const struct top_lane *x = a, *y = b;
    return by_name_if_same(descending(x->done, y->done), a, b);
}

static int lanes_by_wait(const void *a, const void *b)
{
    const struct top_lane *x = a, *y = b;
    return by_name_if_same(descending((double)x->wait.p99, (double)y->wait.p99), a, b);
}

static int lanes_by_run(const void *a, const void *b)
{
    const struct top_lane *x = a, *y = b;
    return by_name_if_same(descending((double)x->run.p99, (double)y->run.p99), a, b);
}

void top_sort_lanes(struct top_stats *stats, enum top_lane_order order)
{
    static int (*const orders[LANE_ORDERS])(const void *, const void *) = {
        lanes_by_name, lanes_by_queue, lanes_by_done, lanes_by_wait, lanes_by_run};
    qsort(stats->lanes, stats->lane_count, sizeof(*stats->lanes), orders[order]);
}

/* What is the same in all else: older first, so that rows stay where they are. */
static int by_id(const struct top_task *x, const struct top_task *y)
{
    return x->loop != y->loop ? (x->loop > y->loop) - (x->loop < y->loop)
                              : (x->id > y->id) - (x->id < y->id);
}

static int tasks_by_share(const void *a, const void *b)
{
    const struct top_task *x = a, *y = b;
    int order = descending(x->share, y->share);
    return order ? order : by_id(x, y);
}

static int tasks_by_name(const void *a, const void *b)
{
    const struct top_task *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : by_id(x, y);
}

static int tasks_by_number(const void *a, const void *b)
{
    const struct top_task *x = a, *y = b;
    int order = descending((double)x->tasks, (double)y->tasks);
    return order ? order : by_id(x, y);
}

static int tasks_by_age(const void *a, const void *b)
{
    return by_id(a, b);
}

static int tasks_by_place(const void *a, const void *b)
{
    const struct top_task *x = a, *y = b;
    int order = strcmp(x->awaits_at ? x->awaits_at : "", y->awaits_at ? y->awaits_at : "");
    return order ? order : by_id(x, y);
}

void top_sort_busiest(struct top_stats *stats, enum top_task_order order)
{
    static int (*const orders[TASK_ORDERS])(const void *, const void *) = {
        tasks_by_share, tasks_by_name, tasks_by_number};
    qsort(stats->busiest, stats->busiest_count, sizeof(*stats->busiest), orders[order]);
}

void top_sort_oldest(struct top_stats *stats, enum top_age_order order)
{
    static int (*const orders[AGE_ORDERS])(const void *, const void *) = {
        tasks_by_age, tasks_by_name, tasks_by_place};
    qsort(stats->oldest, stats->oldest_count, sizeof(*stats->oldest), orders[order]);
}

/* ---- For programs ---- */

/* Not known: null. */
static json_t *number_or_null(double value)
{
    return value < 0 ? json_null() : json_real(value);
}

static json_t *times_json(const struct top_times *times)
{
    return times->p50 < 0 ? json_null()
                          : json_pack("{s:I,s:I,s:I}", "p50_ns", (json_int_t)times->p50, "p99_ns",
                                      (json_int_t)times->p99, "max_ns", (json_int_t)times->max);
}

static json_t *loop_json(const void *element)
{
    const struct top_loop *loop = element;
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:o,s:o,s:o}", "id", (json_int_t)loop->id, "tid",
                     (json_int_t)loop->tid, "turn_ns", (json_int_t)loop->turn, "tasks",
                     (json_int_t)loop->tasks, "jobs", (json_int_t)loop->jobs, "utilisation",
                     number_or_null(loop->used), "steps_per_second", number_or_null(loop->steps),
                     "lag", times_json(&loop->lag));
}

static json_t *lane_json(const void *element)
{
    const struct top_lane *lane = element;
    return json_pack("{s:s,s:s,s:I,s:I,s:I,s:o,s:o,s:o}", "pool", lane->pool, "name", lane->name,
                     "running", (json_int_t)lane->running, "queued", (json_int_t)lane->queued,
                     "refused", (json_int_t)lane->refused, "done_per_second",
                     number_or_null(lane->done), "queue_wait", times_json(&lane->wait), "run_time",
                     times_json(&lane->run));
}

static json_t *busy_json(const void *element)
{
    const struct top_task *task = element;
    return json_pack("{s:I,s:I,s:s,s:s,s:f,s:I}", "loop", (json_int_t)task->loop, "id",
                     (json_int_t)task->id, "name", task->name, "in", task->in, "share", task->share,
                     "tasks", (json_int_t)task->tasks);
}

static json_t *old_json(const void *element)
{
    const struct top_task *task = element;
    return json_pack("{s:I,s:I,s:s,s:s,s:s?,s:I}", "loop", (json_int_t)task->loop, "id",
                     (json_int_t)task->id, "name", task->name, "spawned_at", task->spawned_at,
                     "awaits_at", task->awaits_at, "age_at_least_ns", (json_int_t)task->age);
}

static json_t *list_of(const void *list, size_t count, size_t size,
                       json_t *(*element)(const void *element))
{
    json_t *made = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(made, element((const char *)list + i * size));
    return made;
}

json_t *top_stats_json(const struct top_stats *stats, int64_t pid)
{
    return json_pack(
        "{s:I,s:s,s:I,s:I,s:o,s:o,s:o,s:b,s:o}", "pid", (json_int_t)pid, "program", stats->program,
        "threads", (json_int_t)stats->threads, "max_threads", (json_int_t)stats->max_threads,
        "loops", list_of(stats->loops, stats->loop_count, sizeof(*stats->loops), loop_json),
        "lanes", list_of(stats->lanes, stats->lane_count, sizeof(*stats->lanes), lane_json),
        "busiest",
        list_of(stats->busiest, stats->busiest_count, sizeof(*stats->busiest), busy_json),
        "oldest_is_exact", stats->oldest_is_exact, "oldest",
        list_of(stats->oldest, stats->oldest_count, sizeof(*stats->oldest), old_json));
}
