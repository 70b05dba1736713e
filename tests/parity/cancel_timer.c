/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct main_task {
    WEFT_FRAME;
    weft_future *task, *ticker;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->task = weft_spawn(work, .name = "sleeper", .seconds = 3600);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    self->ticker = weft_spawn(steps, .name = "tick", .count = 5);
    WEFT_YIELD;
    say("%s", truth(weft_cancel(self->task)));
    say("%s", outcome(self->task));
    WEFT_AWAIT(weft_wait(WEFT_ALL, -1, weft_ref(self->task)));
    say("%s", outcome(self->task));
    WEFT_AWAIT(self->ticker);
    weft_unref(self->task);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
