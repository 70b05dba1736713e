/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct main_task {
    WEFT_FRAME;
    weft_future *ticker;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->ticker = weft_spawn(steps, .name = "tick", .count = 7);
    WEFT_AWAIT(weft_gather(weft_spawn(steps, .name = "a", .count = 1),
                           weft_spawn(steps, .name = "b", .count = 3),
                           weft_spawn(steps, .name = "c", .count = 2)));
    say("gathered");
    WEFT_AWAIT(self->ticker);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
