/* SPDX-License-Identifier: MIT */
#include "virtual.h"

static void cancel(void *task)
{
    weft_cancel(task);
}

struct main_task {
    WEFT_FRAME;
    weft_future *task;
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->task = weft_spawn(work, .name = "a", .seconds = 10);
    weft_unref(weft_call_later(WEFT_S(1), cancel, self->task));
    WEFT_CATCH(self->status, weft_wait_for(self->task, WEFT_S(5)));
    if (self->status == -ECANCELED)
        say("a was cancelled, %u asked me", weft_cancelling(weft_current_task()));
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
