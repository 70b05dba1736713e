/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct deep {
    WEFT_FRAME;
    int level;
};

static WEFT_ASYNC(deep)
{
    WEFT_BEGIN;
    say("level %d begins", self->level);
    if (self->level < 3)
        WEFT_AWAIT(weft_spawn(deep, .level = self->level + 1));
    say("level %d ends", self->level);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_future *task;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->task = weft_spawn(steps, .name = "tick", .count = 8);
    WEFT_AWAIT(weft_spawn(deep, .level = 1));
    say("main goes on");
    WEFT_AWAIT(self->task);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
