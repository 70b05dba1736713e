/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct level {
    WEFT_FRAME;
    int number;
};

static WEFT_ASYNC(level)
{
    WEFT_BEGIN;
    say("level %d begins", self->number);
    if (self->number < 3)
        WEFT_AWAIT(weft_call(level, .number = self->number + 1));
    else
        WEFT_AWAIT(weft_sleep(WEFT_S(3600)));
    WEFT_FINALLY;
    say("level %d cleans up", self->number);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_future *task;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->task = weft_spawn(level, .number = 1);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    weft_cancel(self->task);
    WEFT_AWAIT(weft_call(steps, .name = "tick", .count = 3));
    say("%s", outcome(self->task));
    weft_unref(self->task);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
