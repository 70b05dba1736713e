/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct limited {
    WEFT_FRAME;
    weft_timeout *limit;
    int status;
};

static WEFT_ASYNC(limited)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_call(stubborn, .name = "a", .seconds = 10));
    self->limit = weft_timeout_enter(WEFT_S(2));
    WEFT_CATCH(self->status, weft_call(work, .name = "b", .seconds = 10));
    self->status = weft_timeout_exit(self->limit, self->status);
    if (self->status == -ETIMEDOUT)
        say("timed out");
    else if (self->status == -ECANCELED)
        say("cancelled");
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_future *task;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->task = weft_spawn(limited);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    weft_cancel(self->task);
    WEFT_AWAIT(self->task);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
