/* SPDX-License-Identifier: MIT */
/*
 * A loop driven by a test: the time moves when the test says so.
 *
 * To advance is to settle (run until nothing is ready), move the clock to the next deadline that is
 * within reach, and so on: each timer fires at its own time, as if the time had passed.
 */
#include <errno.h>
#include <stdlib.h>
#include <weft/testing.h>

#include "core/loop.h"

static uint64_t seed_of_environment(void)
{
    const char *text = getenv("WEFT_SEED");
    return text ? strtoull(text, NULL, 10) : 0;
}

weft_loop *weft_testing_loop_new(uint64_t seed)
{
    return weft_loop_new(&(struct weft_loop_options){.clock = WEFT_CLOCK_VIRTUAL,
                                                     .seed = seed ? seed : seed_of_environment()});
}

uint64_t weft_testing_seed(const weft_loop *loop)
{
    if (WEFT__ELSEWHERE(loop->id))
        return 0;
    return loop->shuffle ? loop->shuffle->seed : 0;
}

static int may_be_driven(const weft_loop *loop)
{
    if (loop->clock != WEFT_CLOCK_VIRTUAL)
        return -EINVAL;
    return weft__loop_is_busy(loop) ? -EDEADLK : 0;
}

int weft_testing_run_until_blocked(weft_loop *loop)
{
    if (WEFT__ELSEWHERE(loop->id))
        return weft__elsewhere();
    int status = may_be_driven(loop);
    if (status < 0)
        return status;
    weft__loop_enter(loop);
    status = weft__loop_settle(loop);
    weft__loop_leave(loop);
    return status;
}

/* The next deadline is in the past when weft_loop_stop() has kept its timer from being run. */
static void move_clock(weft_loop *loop, weft_ns end)
{
    weft_ns next = weft__timers_next(&loop->timers);
    if (next > end)
        next = end;
    if (next > loop->virtual_now)
        loop->virtual_now = next;
}

int weft_testing_advance(weft_loop *loop, weft_ns duration)
{
    if (WEFT__ELSEWHERE(loop->id))
        return weft__elsewhere();
    int status = duration < 0 ? -EINVAL : may_be_driven(loop);
    if (status < 0)
        return status;
    weft_ns end = weft__deadline_after(duration);
    status = weft_testing_run_until_blocked(loop);
    while (status == 0 && loop->virtual_now < end) {
        move_clock(loop, end);
        status = weft_testing_run_until_blocked(loop);
    }
    return status;
}
