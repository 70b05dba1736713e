/* SPDX-License-Identifier: MIT */
/*
 * weft: as the guide on lanes has it, the slow jobs are in a lane of
 * their own, whose `max_running` leaves some of the threads to everybody else.
 */
#include <weft/weft.h>

#include "starvation.h"

enum { SLOW_AT_ONCE = THREADS - 2 };

static void must(int status, const char *what)
{
    if (status >= 0)
        return;
    fprintf(stderr, "starvation: %s: %s\n", what, weft_strerror(status));
    exit(1);
}

struct slow {
    char unused;
};

static WEFT_BLOCKING(slow)
{
    block_us(SLOW_US);
    return weft_ok(0);
}

struct quick {
    char unused;
};

static WEFT_BLOCKING(quick)
{
    block_us(QUICK_US);
    return weft_ok(0);
}

struct one_quick {
    WEFT_FRAME;
    uint64_t began_ns;
};

static WEFT_ASYNC(one_quick)
{
    WEFT_BEGIN;
    self->began_ns = now_ns();
    WEFT_AWAIT(weft_to_thread(quick));
    note_quick(self->began_ns);
    WEFT_END;
}

struct load {
    WEFT_FRAME;
    weft_lane *slow; /* NULL: no flood */
    weft_future *jobs[SLOW_JOBS];
    weft_future *quick[MOST];
    size_t started;
    int ticks;
};

static void start_burst(struct load *self)
{
    for (int left = next_burst(); left > 0; left--)
        self->quick[self->started++] = weft_spawn_eager(one_quick);
}

static WEFT_ASYNC(load)
{
    WEFT_BEGIN;
    for (int i = 0; self->slow && i < SLOW_JOBS; i++)
        self->jobs[i] = weft_to_thread_in(self->slow, slow);
    for (self->ticks = 0; self->ticks < TICKS; self->ticks++) {
        WEFT_AWAIT(weft_sleep(WEFT_MS(TICK_MS)));
        start_burst(self);
    }
    WEFT_AWAIT(weft_gather_array(self->started, self->quick, WEFT_GATHER_FIRST_ERROR));
    for (int i = 0; self->slow && i < SLOW_JOBS; i++) {
        weft_cancel(self->jobs[i]); /* those that have not started need not */
        weft_unref(self->jobs[i]);
    }
    WEFT_END;
}

static void peer_run(int with_flood)
{
    static const struct weft_pool_options options = {.max_threads = THREADS};
    static const struct weft_lane_options slow_lane = {.name = "slow", .max_running = SLOW_AT_ONCE};
    weft_loop *loop = weft_loop_new(NULL);
    weft_pool *pool = weft_pool_new(&options);
    weft_lane *lane = pool ? weft_lane_new(pool, &slow_lane) : NULL;
    must(loop && lane ? weft_loop_set_pool(loop, pool) : -errno, "a loop, a pool and a lane");
    must(weft_loop_run_until(loop, weft_spawn(load, .slow = with_flood ? lane : NULL)), "the load");
    weft_lane_unref(lane);
    weft_pool_unref(pool);
    weft_loop_free(loop);
}
