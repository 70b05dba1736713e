/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct main_task {
    WEFT_FRAME;
    weft_future *ticker;
    weft_scope *group;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->ticker = weft_spawn(steps, .name = "tick", .count = 6);
    self->group = weft_scope_open(NULL);
    say("nothing to wait for");
    WEFT_AWAIT(weft_scope_close(self->group, 0));
    say("closed");
    self->group = weft_scope_open(NULL);
    weft_scope_spawn(self->group, steps, .name = "child", .count = 2);
    WEFT_AWAIT(weft_scope_close(self->group, 0));
    say("closed");
    WEFT_AWAIT(self->ticker);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
