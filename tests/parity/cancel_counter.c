/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct counts {
    WEFT_FRAME;
    int status;
};

static WEFT_ASYNC(counts)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(10)));
    if (self->status == -ECANCELED)
        say("%u asked", weft_cancelling(weft_current_task()));
    say("%u left", weft_uncancel(weft_current_task()));
    say("%u left", weft_uncancel(weft_current_task()));
    say("%u left, never below 0", weft_uncancel(weft_current_task()));
    WEFT_AWAIT(weft_sleep(WEFT_S(10)));
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
    self->task = weft_spawn(counts);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    weft_cancel(self->task);
    weft_cancel(self->task);
    WEFT_AWAIT_INTO(self->text, weft_ref(self->task));
    say("%s", self->text);
    say("%s, %u asked", outcome(self->task), weft_cancelling(self->task));
    weft_unref(self->task);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
