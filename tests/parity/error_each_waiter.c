/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct waiter {
    WEFT_FRAME;
    const char *name;
    weft_future *task;
    int status;
};

static WEFT_ASYNC(waiter)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, self->task);
    if (self->status == -EIO)
        say("%s: %s", self->name, WEFT_CAUGHT_MESSAGE);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_future *task, *first, *second;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->task = weft_spawn(work, .name = "task", .seconds = 1, .error = "it is broken");
    self->first = weft_spawn(waiter, .name = "first", .task = weft_ref(self->task));
    self->second = weft_spawn(waiter, .name = "second", .task = weft_ref(self->task));
    WEFT_AWAIT(weft_gather(self->first, self->second));
    WEFT_AWAIT(weft_call(waiter, .name = "third", .task = self->task));
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
