/* SPDX-License-Identifier: MIT */
/* libuv: its threads have one queue for all. */
#include <uv.h>

#include "starvation.h"

struct quick {
    uv_work_t work;
    uint64_t began_ns;
};

static struct quick quick[MOST];
static uv_work_t slow[SLOW_JOBS];
static uv_timer_t timer;
static size_t started;
static int ticks;

static void must(int status, const char *what)
{
    if (status >= 0)
        return;
    fprintf(stderr, "starvation: %s: %s\n", what, uv_strerror(status));
    exit(1);
}

static void run_slow(uv_work_t *work)
{
    (void)work;
    block_us(SLOW_US);
}

static void after_slow(uv_work_t *work, int status)
{
    (void)work;
    must(status, "a slow job");
}

static void run_quick(uv_work_t *work)
{
    (void)work;
    block_us(QUICK_US);
}

static void after_quick(uv_work_t *work, int status)
{
    must(status, "a quick job");
    note_quick(((struct quick *)work->data)->began_ns);
}

static void tick(uv_timer_t *handle)
{
    if (++ticks == TICKS)
        uv_timer_stop(handle);
    for (int left = next_burst(); left > 0; left--) {
        struct quick *job = &quick[started++];
        job->work.data = job;
        job->began_ns = now_ns();
        must(uv_queue_work(handle->loop, &job->work, run_quick, after_quick), "submitting");
    }
}

static void peer_run(int with_flood)
{
    uv_loop_t *loop = uv_default_loop();
    char threads[16];
    snprintf(threads, sizeof(threads), "%d", THREADS);
    must(uv_os_setenv("UV_THREADPOOL_SIZE", threads), "the number of threads");
    for (int i = 0; with_flood && i < SLOW_JOBS; i++)
        must(uv_queue_work(loop, &slow[i], run_slow, after_slow), "submitting");
    must(uv_timer_init(loop, &timer), "a timer");
    must(uv_timer_start(&timer, tick, TICK_MS, TICK_MS), "a timer");
    must(uv_run(loop, UV_RUN_DEFAULT), "the loop");
}
