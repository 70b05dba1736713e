/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct parent {
    WEFT_FRAME;
    weft_scope *group;
};

static WEFT_ASYNC(parent)
{
    WEFT_BEGIN;
    say("parent begins");
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    weft_scope_spawn(self->group, work, .name = "sibling", .seconds = 2);
    say("parent ends");
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_scope *group;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->group = weft_scope_open(NULL);
    weft_scope_spawn(self->group, parent, .group = self->group);
    say("the body has ended");
    WEFT_AWAIT(weft_scope_close(self->group, 0));
    say("the scope is closed");
    if (weft_future_status(weft_scope_spawn(self->group, work, .name = "too late")) == WEFT_ECLOSED)
        say("nothing can be started in it");
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
