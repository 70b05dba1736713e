/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct main_task {
    WEFT_FRAME;
    weft_future *task;
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->task = weft_spawn(tidy, .name = "a", .seconds = 10, .cleanup = 5);
    WEFT_CATCH(self->status, weft_wait_for(weft_ref(self->task), WEFT_S(1)));
    if (self->status == -ETIMEDOUT)
        say("timed out");
    say("%s, %u asked me", outcome(self->task), weft_cancelling(weft_current_task()));
    weft_unref(self->task);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
