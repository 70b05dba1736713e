/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct main_task {
    WEFT_FRAME;
    weft_future *ticker;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->ticker = weft_spawn(steps, .name = "tick", .count = 12);
    WEFT_AWAIT(weft_shield(weft_spawn(steps, .name = "shielded", .count = 1)));
    say("after the shield");
    WEFT_AWAIT(weft_wait_for(weft_spawn(steps, .name = "limited", .count = 1), WEFT_S(10)));
    say("after the limit");
    WEFT_AWAIT(weft_wait_for(weft_spawn(steps, .name = "not limited", .count = 1), -1));
    say("after the wait without limit");
    WEFT_AWAIT(self->ticker);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
