/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct careless {
    WEFT_FRAME;
};

static WEFT_ASYNC(careless)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_S(10)));
    WEFT_FINALLY;
    say("cleans up");
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    WEFT_FAIL(-EIO, "cannot write the last page");
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
    self->task = weft_spawn(careless);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    weft_cancel(self->task);
    WEFT_CATCH(self->status, weft_ref(self->task));
    if (self->status == -EIO)
        say("caught: %s", WEFT_CAUGHT_MESSAGE);
    say("%s", outcome(self->task));
    weft_unref(self->task);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
