/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct reads {
    WEFT_FRAME;
    int status;
};

static WEFT_ASYNC(reads)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(10)));
    if (self->status == -ECANCELED) {
        say("cancelled: %s", WEFT_CAUGHT_MESSAGE);
        WEFT_FAIL(self->status);
    }
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_future *task;
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->task = weft_spawn(reads);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    weft_cancel_because(self->task, "the client went away");
    WEFT_CATCH(self->status, self->task);
    if (self->status == -ECANCELED)
        say("the task was cancelled: %s", WEFT_CAUGHT_MESSAGE);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
