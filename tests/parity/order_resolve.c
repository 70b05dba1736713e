/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct waiter {
    WEFT_FRAME;
    weft_future *future;
    const char *text;
};

static WEFT_ASYNC(waiter)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->text, self->future);
    say("waiter has %s", self->text);
    weft_unref(weft_spawn(steps, .name = "spawned by the waiter", .count = 1));
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_future *future, *task, *before, *after;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->future = weft_future_new();
    self->task = weft_spawn(waiter, .future = weft_ref(self->future));
    WEFT_YIELD;
    self->before = weft_spawn(steps, .name = "spawned before", .count = 2);
    weft_future_resolve(self->future, weft_value_ptr("a result"), NULL);
    self->after = weft_spawn(steps, .name = "spawned after", .count = 3);
    say("main runs on");
    WEFT_AWAIT(self->task);
    say("main goes on");
    WEFT_AWAIT(self->before);
    WEFT_AWAIT(self->after);
    WEFT_FINALLY;
    weft_unref(self->future);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
