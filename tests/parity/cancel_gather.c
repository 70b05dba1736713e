/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct gathers {
    WEFT_FRAME;
};

static WEFT_ASYNC(gathers)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_gather(weft_spawn(work, .name = "a", .seconds = 10),
                           weft_spawn(work, .name = "b", .seconds = 1),
                           weft_spawn(work, .name = "c", .seconds = 20)));
    WEFT_FINALLY;
    say("the task cleans up");
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_future *task;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->task = weft_spawn(gathers);
    WEFT_AWAIT(weft_sleep(WEFT_S(2)));
    weft_cancel(self->task);
    WEFT_AWAIT(weft_call(steps, .name = "tick", .count = 5));
    say("%s", outcome(self->task));
    weft_unref(self->task);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
