/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct waiter {
    WEFT_FRAME;
    weft_future *future;
    const char *text;
    int status;
};

static WEFT_ASYNC(waiter)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->text, weft_wait_for(self->future, WEFT_S(10)));
    say("task has %s", self->text);
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
    if (self->status == 0)
        say("slept: the cancel is lost");
    else
        say("cancelled in the next await");
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_future *future, *task;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->future = weft_future_new();
    self->task = weft_spawn(waiter, .future = weft_ref(self->future));
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    say("resolved, then cancelled");
    weft_future_resolve(self->future, weft_value_ptr("the result"), NULL);
    weft_cancel(self->task);
    WEFT_AWAIT(self->task);
    weft_unref(self->future);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
