/* SPDX-License-Identifier: MIT */
/*
 * A program with something of all that a trace shows: tasks that call, sleep, yield and are cancelled, jobs in
 * two lanes of which one is cut short, several loops, events of its own.
 *
 *     busy TRACE [BUFFER]      write it to this file; bytes for each thread
 *     busy TRACE BUFFER live   the trace is written while all goes on
 *     busy TRACE BUFFER held   nothing else but a step that holds the loop up until the watchdog has told
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/combine.h>
#include <weft/job.h>
#include <weft/lane.h>
#include <weft/pool.h>
#include <weft/race.h>
#include <weft/run_loops.h>
#include <weft/trace.h>
#include <weft/weft.h>

enum { ROUNDS = 40, LOOPS = 2 };

static weft_pool *pool;
static weft_lane *narrow;
static const char *path;
static bool is_live, is_held;

struct crunch {
    int turns;
};

static WEFT_BLOCKING(crunch)
{
    volatile long sum = 0;
    weft_trace_begin("sum");
    for (int i = 0; i < self->turns; i++)
        sum += i;
    weft_trace_end();
    return weft_ok((int64_t)sum);
}

struct inner {
    WEFT_FRAME;
};

static WEFT_ASYNC(inner)
{
    WEFT_BEGIN;
    WEFT_YIELD;
    WEFT_AWAIT(weft_sleep(WEFT_US(200)));
    WEFT_END;
}

struct round_of {
    WEFT_FRAME;
    int number;
};

static WEFT_ASYNC(round_of)
{
    WEFT_BEGIN;
    weft_trace_mark("round", self->number);
    WEFT_AWAIT(weft_call(inner));
    WEFT_AWAIT(weft_gather(weft_to_thread(crunch, .turns = 20000),
                           weft_to_thread_in(narrow, crunch, .turns = 1000)));
    weft_trace_counter("rounds done", self->number);
    WEFT_FINALLY;
    WEFT_AWAIT(weft_sleep(WEFT_US(50)));
    WEFT_END;
}

/* A job that waits in the queue is cancelled by the other one's end. */
struct hurry {
    WEFT_FRAME;
};

static WEFT_ASYNC(hurry)
{
    WEFT_BEGIN;
    WEFT_AWAIT(
        weft_race(weft_sleep(WEFT_US(100)), weft_to_thread_in(narrow, crunch, .turns = 100000)));
    WEFT_END;
}

struct hold_up {
    WEFT_FRAME;
    struct weft_watchdog_stats stats;
};

static WEFT_ASYNC(hold_up)
{
    WEFT_BEGIN;
    do
        weft_watchdog_get_stats(&self->stats);
    while (self->stats.blocks == 0);
    WEFT_END;
}

static int hold(void)
{
    struct weft_loop_options options = {.watchdog = WEFT_MS(20)};
    weft_loop *loop = weft_loop_new(&options);
    int status = loop ? weft_loop_run_until(loop, weft_spawn(hold_up)) : -1;
    weft_loop_free(loop);
    return status;
}

struct main_task {
    WEFT_FRAME;
    int i;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    if (weft_loop_set_pool(weft_loop_current(), pool) < 0)
        WEFT_FAIL(-EINVAL);
    for (self->i = 0; self->i < ROUNDS; self->i++) {
        WEFT_AWAIT(weft_gather(weft_spawn(round_of, .number = self->i), weft_spawn(hurry),
                               weft_spawn(inner)));
        if (is_live && self->i == ROUNDS / 2 && weft_run_loops_index() == 0 &&
            weft_trace_write(path) < 0)
            WEFT_FAIL(-EIO);
    }
    WEFT_END;
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    path = argv[1];
    struct weft_trace_options options = {.buffer_size = argc > 2 ? strtoul(argv[2], NULL, 10) : 0};
    is_live = argc > 3 && strcmp(argv[3], "live") == 0;
    is_held = argc > 3 && strcmp(argv[3], "held") == 0;
    pool = weft_pool_new(&(struct weft_pool_options){.max_threads = 3});
    narrow = weft_lane_new(pool, &(struct weft_lane_options){.name = "narrow", .max_running = 1});
    if (weft_trace_start(&options) < 0)
        return 3;
    int status = is_held
                     ? hold()
                     : weft_run_loops(&(struct weft_run_loops_options){.loops = LOOPS}, main_task);
    weft_lane_unref(narrow);
    weft_pool_unref(pool);
    weft_trace_stop();
    if (!is_live && weft_trace_write(path) < 0)
        return 4;
    weft_trace_discard();
    return status;
}
