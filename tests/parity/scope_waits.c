/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct main_task {
    WEFT_FRAME;
    weft_scope *group;
    weft_future *a, *b;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->group = weft_scope_open(NULL);
    self->a = weft_scope_spawn(self->group, work, .name = "a", .seconds = 3);
    self->b = weft_scope_spawn(self->group, work, .name = "b", .seconds = 1);
    WEFT_AWAIT(weft_sleep(WEFT_S(2)));
    say("the body has ended");
    WEFT_AWAIT(weft_scope_close(self->group, 0));
    say("a %s, b %s", outcome(self->a), outcome(self->b));
    WEFT_FINALLY;
    WEFT_SCOPE_CLOSE(self->group);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
