/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct main_task {
    WEFT_FRAME;
    weft_future *task;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->task = weft_spawn(work, .name = "task");
    WEFT_AWAIT(weft_ref(self->task));
    say("%s", truth(weft_cancel(self->task)));
    say("%s, %u asked", outcome(self->task), weft_cancelling(self->task));
    weft_unref(self->task);
    self->task = weft_spawn(work, .name = "another");
    weft_cancel(self->task);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    say("%s", truth(weft_cancel(self->task)));
    say("%s, %u asked", outcome(self->task), weft_cancelling(self->task));
    weft_unref(self->task);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
