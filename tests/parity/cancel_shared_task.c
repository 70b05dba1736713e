/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct waiter {
    WEFT_FRAME;
    const char *name;
    weft_future *task;
};

static WEFT_ASYNC(waiter)
{
    WEFT_BEGIN;
    WEFT_AWAIT(self->task);
    WEFT_FINALLY;
    say("%s cleans up", self->name);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_future *inner, *a, *b;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->inner = weft_spawn(work, .name = "inner", .seconds = 3600);
    self->a = weft_spawn(waiter, .name = "a", .task = weft_ref(self->inner));
    self->b = weft_spawn(waiter, .name = "b", .task = weft_ref(self->inner));
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    weft_cancel(self->a);
    say("asked: a %u, b %u, inner %u", weft_cancelling(self->a), weft_cancelling(self->b),
        weft_cancelling(self->inner));
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    say("%s, %s, %s", outcome(self->a), outcome(self->b), outcome(self->inner));
    WEFT_FINALLY;
    weft_unref(self->a);
    weft_unref(self->b);
    weft_unref(self->inner);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
