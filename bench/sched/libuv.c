/* SPDX-License-Identifier: MIT */
/*
 * libuv has no "call this soon". MODE_=idle (default): idle handles, a step in each turn of the
 * loop; MODE_=timer: timers of 0 ms, started again by each step (libuv does not poll for I/O
 * between them).
 */
#include <uv.h>

#include "../common/sched.h"

static long live, *left;
static uv_idle_t *idles;
static uv_timer_t *zero_timers;

static void end(uv_handle_t *handle)
{
    uv_close(handle, NULL);
    if (--live == 0)
        sched_end();
}

static void on_idle(uv_idle_t *handle)
{
    if (--left[handle - idles] == 0)
        end((uv_handle_t *)handle);
}

static void on_timer(uv_timer_t *handle)
{
    if (--left[handle - zero_timers] == 0)
        end((uv_handle_t *)handle);
    else
        uv_timer_start(handle, on_timer, 0, 0);
}

static void start(uv_loop_t *loop, long i, int timers)
{
    left[i] = sched.of_each;
    if (timers) {
        uv_timer_init(loop, &zero_timers[i]);
        uv_timer_start(&zero_timers[i], on_timer, 0, 0);
    } else {
        uv_idle_init(loop, &idles[i]);
        uv_idle_start(&idles[i], on_idle);
    }
}

int main(int argc, char **argv)
{
    sched_args(argc, argv, "chain STEPS | yield TASKS YIELDS");
    size_t count = (size_t)sched.tasks;
    live = sched.tasks;
    left = allocate(count, sizeof(*left));
    idles = allocate(count, sizeof(*idles));
    zero_timers = allocate(count, sizeof(*zero_timers));
    for (long i = 0; i < sched.tasks; i++)
        start(uv_default_loop(), i, is_set("MODE_", "timer"));
    sched_begin();
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
