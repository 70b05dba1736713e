/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct worker {
    WEFT_FRAME;
    const char *name;
    weft_ns duration;
};

static WEFT_ASYNC(worker)
{
    WEFT_BEGIN;
    say("%s: before", self->name);
    WEFT_AWAIT(weft_sleep(self->duration));
    say("%s: after", self->name);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_gather(weft_spawn(worker, .name = "first", .duration = WEFT_S(2)),
                           weft_spawn(worker, .name = "second", .duration = WEFT_S(1))));
    say("all done");
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
