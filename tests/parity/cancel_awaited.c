/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct waiter {
    WEFT_FRAME;
    weft_future *task;
    int status;
};

static WEFT_ASYNC(waiter)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, self->task);
    if (self->status == -ECANCELED)
        say("the awaited was cancelled, %u asked me", weft_cancelling(weft_current_task()));
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    WEFT_RETURN("undisturbed");
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_future *inner, *outer;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->inner = weft_spawn(work, .name = "inner", .seconds = 10);
    self->outer = weft_spawn(waiter, .task = weft_ref(self->inner));
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    weft_cancel(self->inner);
    WEFT_AWAIT(weft_ref(self->outer));
    say("%s; inner: %s", outcome(self->outer), outcome(self->inner));
    weft_unref(self->inner);
    weft_unref(self->outer);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
