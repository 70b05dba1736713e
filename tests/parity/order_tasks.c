/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct main_task {
    WEFT_FRAME;
    weft_future *a, *b, *c;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->a = weft_spawn(steps, .name = "a", .count = 3);
    self->b = weft_spawn(steps, .name = "b", .count = 2);
    self->c = weft_spawn(steps, .name = "c", .count = 1);
    say("nothing has run yet");
    WEFT_AWAIT(self->c);
    say("c is done");
    WEFT_AWAIT(self->a);
    say("a is done");
    WEFT_AWAIT(self->b);
    say("b was done before");
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
