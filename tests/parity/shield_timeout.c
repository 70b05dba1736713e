/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct main_task {
    WEFT_FRAME;
    weft_future *task;
    const char *text;
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->task = weft_spawn(work, .name = "a", .seconds = 3);
    WEFT_CATCH(self->status, weft_wait_for(weft_shield(weft_ref(self->task)), WEFT_S(1)));
    if (self->status == -ETIMEDOUT)
        say("timed out: %s", outcome(self->task));
    WEFT_AWAIT_INTO(self->text, self->task);
    say("%s", self->text);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
