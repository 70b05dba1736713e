/* SPDX-License-Identifier: MIT */
/*
 * weft: a task for each sleep.
 */
#include <weft/weft.h>

#include "../common/tasks.h"

static weft_loop *loop;

struct sleeper {
    WEFT_FRAME;
};

static WEFT_ASYNC(sleeper)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_MS(tasks.sleep_ms)));
    if (tasks_one_done())
        weft_loop_stop(loop);
    WEFT_END;
}

int main(int argc, char **argv)
{
    tasks_args(argc, argv);
    loop = weft_loop_new(NULL);
    if (!loop)
        die("weft_loop_new");
    for (long i = 0; i < tasks.count; i++)
        weft_unref(weft_spawn(sleeper));
    int status = weft_loop_run(loop);
    weft_loop_free(loop);
    return status < 0;
}
