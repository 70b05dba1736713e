/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct returns {
    WEFT_FRAME;
};

static WEFT_ASYNC(returns)
{
    WEFT_BEGIN;
    say("asks for its own end, and returns");
    weft_cancel(weft_current_task());
    WEFT_RETURN("something of value");
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_future *task;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->task = weft_spawn(returns);
    WEFT_AWAIT(weft_wait(WEFT_ALL, -1, weft_ref(self->task)));
    say("%s, %u asked", outcome(self->task), weft_cancelling(self->task));
    weft_unref(self->task);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
