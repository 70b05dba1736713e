/* SPDX-License-Identifier: MIT */
/*
 * What one of many costs: `growth WORKLOAD PEER task|timer|job`, with COUNT in the environment, how many
 * there are at the same time: that is done once, and then again until there were a million.
 *
 * task:  starts, waits for an event, is woken by it, and ends
 * timer: is inserted with a random delay, and cancelled in random order
 * job:   waits in a lane, runs on the one thread of the pool, and comes back
 */
#include <stdbool.h>
#include <weft/event.h>
#include <weft/pool.h>
#include <weft/weft.h>

#include "../common/bench.h"

enum { ALTOGETHER = 1000000 };

static size_t count;
static weft_loop *loop;

static void must(int status, const char *what)
{
    if (status >= 0)
        return;
    fprintf(stderr, "growth: %s: %s\n", what, weft_strerror(status));
    exit(1);
}

/* ---- Tasks ---- */

struct wait {
    WEFT_FRAME;
    weft_event *event;
};

static WEFT_ASYNC(wait)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_event_wait(self->event));
    WEFT_END;
}

/* Called when all tasks wait: they were started before. */
static void set(void *event)
{
    must(weft_event_set(event), "the event");
}

static void run_tasks(weft_future **futures)
{
    weft_event *event = weft_event_new();
    for (size_t i = 0; i < count; i++)
        futures[i] = weft_spawn(wait, .event = event);
    weft_unref(weft_call_soon(set, event));
    weft_future *all = weft_gather_array(count, futures, WEFT_GATHER_FIRST_ERROR);
    must(weft_loop_run_until(loop, all), "the tasks");
    weft_event_free(event);
}

/* ---- Timers ---- */

static void never(void *arg)
{
    (void)arg;
    abort();
}

static uint64_t random_number(void)
{
    static uint64_t state = UINT64_C(88172645463325252); /* xorshift64 */
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

static void run_timers(struct weft_callback *timers, const size_t *order)
{
    for (size_t i = 0; i < count; i++)
        must(weft_callback_later(&timers[i], WEFT_MS(60000 + random_number() % 3600000)),
             "a timer");
    for (size_t i = 0; i < count; i++)
        if (!weft_callback_cancel(&timers[order[i]]))
            abort();
}

static size_t *random_order(void)
{
    size_t *order = allocate(count, sizeof(*order));
    for (size_t i = 0; i < count; i++) {
        size_t place = random_number() % (i + 1);
        order[i] = order[place];
        order[place] = i;
    }
    return order;
}

/* ---- Jobs ---- */

static size_t jobs_left;

static weft_result work(void *arg)
{
    (void)arg;
    return weft_ok(0);
}

static void on_free(void *arg)
{
    (void)arg;
    if (--jobs_left == 0)
        weft_loop_stop(loop);
}

static void submit_all(void *arg)
{
    struct weft_job *jobs = arg;
    for (size_t i = 0; i < count; i++)
        weft_unref(weft_job_submit(&jobs[i], NULL));
}

static void run_jobs(struct weft_job *jobs)
{
    jobs_left = count;
    weft_unref(weft_call_soon(submit_all, jobs));
    must(weft_loop_run(loop), "the jobs");
}

/* ---- All ---- */

static void prepare_pool(void)
{
    weft_pool *pool = weft_pool_new(
        &(struct weft_pool_options){.min_threads = 1, .max_threads = 1, .max_queued = count + 1});
    must(pool ? weft_loop_set_pool(loop, pool) : -errno, "the pool");
    weft_pool_unref(pool);
}

static struct {
    weft_future **futures;
    struct weft_callback *timers;
    size_t *order; /* in which they are cancelled */
    struct weft_job *jobs;
} memory;

static void prepare_memory(void)
{
    memory.futures = allocate(count, sizeof(*memory.futures));
    memory.timers = allocate(count, sizeof(*memory.timers));
    memory.jobs = allocate(count, sizeof(*memory.jobs));
    memory.order = random_order();
    for (size_t i = 0; i < count; i++) {
        weft_callback_init(&memory.timers[i], never, NULL);
        weft_job_init(&memory.jobs[i], work, NULL, on_free);
    }
}

static void free_memory(void)
{
    free(memory.futures);
    free(memory.timers);
    free(memory.jobs);
    free(memory.order);
}

static void run(const char *kind, long times)
{
    while (times-- > 0) {
        if (strcmp(kind, "task") == 0)
            run_tasks(memory.futures);
        else if (strcmp(kind, "timer") == 0)
            run_timers(memory.timers, memory.order);
        else
            run_jobs(memory.jobs);
    }
}

int main(int argc, char **argv)
{
    const char *wanted = getenv("COUNT");
    need_args(argc, argv, 3, "task|timer|job");
    count = wanted ? (size_t)atol(wanted) : 1000;
    if (count < 1 || count > ALTOGETHER)
        return 2;
    long times = (long)(ALTOGETHER / count);
    loop = weft_loop_new(NULL);
    if (!loop)
        die("weft_loop_new");
    prepare_pool();
    prepare_memory();
    run(argv[3], 1);
    struct usage before = usage_now();
    run(argv[3], times);
    emit_ops(argv[1], argv[2], (double)times * (double)count, before, usage_now());
    weft_loop_free(loop);
    free_memory();
    return 0;
}
