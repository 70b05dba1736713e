/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct cancel_me {
    WEFT_FRAME;
};

static WEFT_ASYNC(cancel_me)
{
    WEFT_BEGIN;
    say("cancel_me: before the sleep");
    WEFT_AWAIT(weft_sleep(WEFT_S(3600)));
    WEFT_FINALLY;
    say("cancel_me: after the sleep");
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
    self->task = weft_spawn(cancel_me);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    weft_cancel(self->task);
    WEFT_CATCH(self->status, self->task);
    if (self->status == -ECANCELED)
        say("main: cancel_me is cancelled now");
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
