/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct busy {
    WEFT_FRAME;
    int i;
};

static WEFT_ASYNC(busy)
{
    WEFT_BEGIN;
    for (self->i = 1; self->i < 100; self->i++) {
        say("busy %d", self->i);
        WEFT_YIELD;
    }
    WEFT_FINALLY;
    say("busy cleans up");
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_future *task;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->task = weft_spawn(busy);
    WEFT_YIELD;
    WEFT_YIELD;
    weft_cancel(self->task);
    say("cancelled between two steps");
    WEFT_YIELD;
    say("%s", outcome(self->task));
    weft_unref(self->task);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
