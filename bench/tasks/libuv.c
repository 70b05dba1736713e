/* SPDX-License-Identifier: MIT */
/*
 * libuv has no tasks: a timer for each, with memory of its own.
 */
#include <uv.h>

#include "../common/tasks.h"

static void on_close(uv_handle_t *handle)
{
    free(handle);
}

static void on_timer(uv_timer_t *timer)
{
    tasks_one_done();
    uv_close((uv_handle_t *)timer, on_close);
}

int main(int argc, char **argv)
{
    tasks_args(argc, argv);
    uv_loop_t *loop = uv_default_loop();
    for (long i = 0; i < tasks.count; i++) {
        uv_timer_t *timer = malloc(sizeof(*timer));
        if (!timer)
            die("malloc");
        uv_timer_init(loop, timer);
        if (i % 1024 == 0)
            uv_update_time(loop);
        uv_timer_start(timer, on_timer, (uint64_t)tasks.sleep_ms, 0);
    }
    return uv_run(loop, UV_RUN_DEFAULT);
}
