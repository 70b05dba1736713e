/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct main_task {
    WEFT_FRAME;
    weft_future *future, *task;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->future = weft_future_new();
    self->task = weft_spawn(steps, .name = "tick", .count = 3);
    say_when_done(self->future, "callback 1");
    say_when_done(self->future, "callback 2");
    say_soon("asked for before the result");
    weft_future_resolve(self->future, weft_value_ptr(NULL), NULL);
    say("there is a result, nobody was called");
    say_soon("asked for after the result");
    say_when_done(self->future, "callback 3, of a future that is done");
    say("main waits");
    WEFT_AWAIT(self->task);
    WEFT_FINALLY;
    weft_unref(self->future);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
