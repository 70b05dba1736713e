/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct waits {
    WEFT_FRAME;
    weft_future *inner;
};

static WEFT_ASYNC(waits)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_shield(self->inner));
    WEFT_FINALLY;
    say("the waiting task cleans up");
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_future *inner, *task;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->inner = weft_spawn(work, .name = "inner", .seconds = 5);
    self->task = weft_spawn(waits, .inner = weft_ref(self->inner));
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    weft_cancel(self->task);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    say("the waiting task: %s", outcome(self->task));
    say("inner: %s", outcome(self->inner));
    WEFT_AWAIT(weft_ref(self->inner));
    say("inner: %s", outcome(self->inner));
    weft_unref(self->inner);
    weft_unref(self->task);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
