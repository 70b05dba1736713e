/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct goes_on {
    WEFT_FRAME;
};

static WEFT_ASYNC(goes_on)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_call(stubborn, .name = "the first sleep", .seconds = 10));
    WEFT_AWAIT(weft_call(stubborn, .name = "the second sleep", .seconds = 10));
    WEFT_RETURN("done");
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_future *task;
    const char *text;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->task = weft_spawn(goes_on);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    weft_cancel(self->task);
    WEFT_AWAIT_INTO(self->text, weft_ref(self->task));
    say("%s", self->text);
    say("%s, cancelled: %s, %u asked", outcome(self->task), truth(weft_is_cancelled(self->task)),
        weft_cancelling(self->task));
    weft_unref(self->task);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
