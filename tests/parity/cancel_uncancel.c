/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct task {
    WEFT_FRAME;
    int status;
};

static WEFT_ASYNC(task)
{
    WEFT_BEGIN;
    weft_cancel(weft_current_task());
    say("%u asked", weft_cancelling(weft_current_task()));
    say("%u left", weft_uncancel(weft_current_task()));
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
    if (self->status == 0)
        say("task slept, %u asked", weft_cancelling(weft_current_task()));
    else
        say("task is cancelled, %u asked", weft_cancelling(weft_current_task()));
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_spawn(task));
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
