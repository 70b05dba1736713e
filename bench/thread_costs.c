/* SPDX-License-Identifier: MIT */
/*
 * What it costs to hand work to a thread: an empty job and back, one after the other, and many at a
 * time; on weft, and on libuv where it was found. Rounds by turns, so that both see the same machine;
 * wall time, and CPU time of all threads together.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <weft/weft.h>

#ifdef BENCH_LIBUV
#include <uv.h>
#endif

enum { ROUNDS = 7, TRIPS = 20000, AT_A_TIME = 1000, THREADS = 4 };

struct cost {
    double wall_us, cpu_us;
};

static double us_of(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static struct cost now(void)
{
    return (struct cost){us_of(CLOCK_MONOTONIC), us_of(CLOCK_PROCESS_CPUTIME_ID)};
}

static struct cost each_since(struct cost start)
{
    struct cost end = now();
    return (struct cost){(end.wall_us - start.wall_us) / TRIPS,
                         (end.cpu_us - start.cpu_us) / TRIPS};
}

static void must(int status, const char *what)
{
    if (status >= 0)
        return;
    fprintf(stderr, "thread_costs: %s: %s\n", what, weft_strerror(status));
    exit(1);
}

/* ---- weft ---- */

struct nothing {
    char unused;
};

static WEFT_BLOCKING(nothing)
{
    return weft_ok(0);
}

struct one_by_one {
    WEFT_FRAME;
    int left;
};

static WEFT_ASYNC(one_by_one)
{
    WEFT_BEGIN;
    while (self->left--)
        WEFT_AWAIT(weft_to_thread(nothing));
    WEFT_END;
}

static weft_future *batch(void)
{
    weft_future *jobs[AT_A_TIME];
    for (int i = 0; i < AT_A_TIME; i++)
        jobs[i] = weft_to_thread(nothing);
    return weft_gather_array(AT_A_TIME, jobs, WEFT_GATHER_FIRST_ERROR);
}

struct in_batches {
    WEFT_FRAME;
    int left;
};

static WEFT_ASYNC(in_batches)
{
    WEFT_BEGIN;
    while (self->left--)
        WEFT_AWAIT(batch());
    WEFT_END;
}

static weft_loop *begin(void)
{
    static const struct weft_pool_options options = {.max_threads = THREADS};
    weft_loop *loop = weft_loop_new(NULL);
    weft_pool *pool = weft_pool_new(&options);
    must(loop && pool ? weft_loop_set_pool(loop, pool) : -errno, "a loop with a pool");
    weft_pool_unref(pool);
    return loop;
}

static struct cost weft_one_by_one(void)
{
    weft_loop *loop = begin();
    must(weft_loop_run_until(loop, weft_to_thread(nothing)), "the first job");
    struct cost start = now();
    must(weft_loop_run_until(loop, weft_spawn(one_by_one, .left = TRIPS)), "a round");
    struct cost cost = each_since(start);
    weft_loop_free(loop);
    return cost;
}

static struct cost weft_in_batches(void)
{
    weft_loop *loop = begin();
    must(weft_loop_run_until(loop, weft_spawn(in_batches, .left = 1)), "the first batch");
    struct cost start = now();
    must(weft_loop_run_until(loop, weft_spawn(in_batches, .left = TRIPS / AT_A_TIME)), "a round");
    struct cost cost = each_since(start);
    weft_loop_free(loop);
    return cost;
}

/* ---- libuv ---- */

#ifdef BENCH_LIBUV
static uv_work_t works[AT_A_TIME];
static int to_start, to_end, at_a_time;

static void uv_nothing(uv_work_t *work)
{
    (void)work;
}

static void queue(uv_work_t *work);

/* The next one, or the next batch once all of this one are back. */
static void uv_after(uv_work_t *work, int status)
{
    (void)work;
    must(status, "a job of libuv's");
    if (--to_end % at_a_time == 0)
        for (int i = 0; i < at_a_time && to_start > 0; i++)
            queue(&works[i]);
}

static void queue(uv_work_t *work)
{
    to_start--;
    must(uv_queue_work(uv_default_loop(), work, uv_nothing, uv_after), "submitting to libuv");
}

static void uv_trips(int trips, int at_once)
{
    to_start = to_end = trips;
    at_a_time = at_once;
    for (int i = 0; i < at_once; i++)
        queue(&works[i]);
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}

static struct cost uv_cost(int at_once)
{
    uv_trips(at_once, at_once);
    struct cost start = now();
    uv_trips(TRIPS, at_once);
    return each_since(start);
}

static struct cost uv_one_by_one(void)
{
    return uv_cost(1);
}

static struct cost uv_in_batches(void)
{
    return uv_cost(AT_A_TIME);
}
#endif

/* ---- Telling ---- */

static int compare(const void *a, const void *b)
{
    double x = ((const struct cost *)a)->wall_us, y = ((const struct cost *)b)->wall_us;
    return (x > y) - (x < y);
}

static void print(const char *what, struct cost *rounds)
{
    qsort(rounds, ROUNDS, sizeof(*rounds), compare);
    printf("%-46s%8.2f us (%.2f to %.2f)%8.2f us of CPU\n", what, rounds[ROUNDS / 2].wall_us,
           rounds[0].wall_us, rounds[ROUNDS - 1].wall_us, rounds[ROUNDS / 2].cpu_us);
}

static const struct measurement {
    const char *what;
    struct cost (*measure)(void);
} measurements[] = {
    {"to_thread of nothing, and await it", weft_one_by_one},
#ifdef BENCH_LIBUV
    {"  libuv: uv_queue_work and its after_work", uv_one_by_one},
#endif
    {"to_thread of nothing, 1000 at a time, each", weft_in_batches},
#ifdef BENCH_LIBUV
    {"  libuv: uv_queue_work, 1000 at a time, each", uv_in_batches},
#endif
};

int main(void)
{
    enum { COUNT = sizeof(measurements) / sizeof(*measurements) };
    struct cost costs[COUNT][ROUNDS];
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < COUNT; i++)
            costs[i][round] = measurements[i].measure();
    for (int i = 0; i < COUNT; i++)
        print(measurements[i].what, costs[i]);
#ifndef BENCH_LIBUV
    puts("(libuv was not found when this was built: its figures are left out)");
#endif
    return 0;
}
