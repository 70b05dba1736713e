/* SPDX-License-Identifier: MIT */
/*
 * libuv: uv_timer_start() and uv_timer_stop() on handles that are there.
 */
#include <uv.h>

#include "../common/timers.h"

static void fire(uv_timer_t *timer)
{
    (void)timer;
    timers_one_fired();
}

int main(int argc, char **argv)
{
    timers_args(argc, argv);
    uv_loop_t *loop = uv_default_loop();
    uv_timer_t *handles = allocate((size_t)timers.count, sizeof(*handles));
    for (long i = 0; i < timers.count; i++)
        uv_timer_init(loop, &handles[i]);
    timers_begin();
    for (long i = 0; i < timers.count; i++)
        uv_timer_start(&handles[i], fire, timers.ms[i], 0);
    timers_inserted();
    for (long i = 0; i < timers.count; i++)
        uv_timer_stop(&handles[timers.order[i]]);
    timers_cancelled();
    uv_update_time(loop);
    for (long i = 0; i < timers.count; i++)
        uv_timer_start(&handles[i], fire, timers.soon[i], 0);
    timers_wait();
    return uv_run(loop, UV_RUN_DEFAULT);
}
