/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct patient {
    WEFT_FRAME;
    int i, status;
};

static WEFT_ASYNC(patient)
{
    WEFT_BEGIN;
    for (self->i = 0; self->i < 2; self->i++) {
        WEFT_CATCH(self->status, weft_sleep(WEFT_S(10)));
        if (self->status == 0)
            say("slept");
        else
            say("cancelled, %u asked", weft_cancelling(weft_current_task()));
    }
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_future *task;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->task = weft_spawn(patient);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    say("%s", truth(weft_cancel(self->task)));
    say("%s", truth(weft_cancel(self->task)));
    WEFT_AWAIT(weft_ref(self->task));
    say("%s, %u asked", outcome(self->task), weft_cancelling(self->task));
    weft_unref(self->task);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
