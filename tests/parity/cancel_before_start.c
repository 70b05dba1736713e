/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct never {
    WEFT_FRAME;
};

static WEFT_ASYNC(never)
{
    WEFT_BEGIN;
    say("never begins");
    WEFT_FINALLY;
    say("never ends");
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
    self->task = weft_spawn(never);
    say("%s", truth(weft_cancel(self->task)));
    say("%s", outcome(self->task));
    WEFT_CATCH(self->status, weft_ref(self->task));
    if (self->status == -ECANCELED)
        say("%s", outcome(self->task));
    weft_unref(self->task);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
