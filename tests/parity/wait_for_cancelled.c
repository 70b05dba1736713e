/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct waits {
    WEFT_FRAME;
    weft_future *task;
    int status;
};

static WEFT_ASYNC(waits)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_wait_for(self->task, WEFT_S(20)));
    if (self->status == -ECANCELED) {
        say("the wait is cancelled");
        WEFT_FAIL(self->status);
    }
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_future *task, *waiter;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->task = weft_spawn(tidy, .name = "a", .seconds = 10, .cleanup = 5);
    self->waiter = weft_spawn(waits, .task = weft_ref(self->task));
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    weft_cancel(self->waiter);
    WEFT_AWAIT(weft_wait(WEFT_ALL, -1, weft_ref(self->waiter)));
    say("%s, and a %s", outcome(self->waiter), outcome(self->task));
    weft_unref(self->task);
    weft_unref(self->waiter);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
