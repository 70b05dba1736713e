/* SPDX-License-Identifier: MIT */
#include "virtual.h"

static void cancel(void *task)
{
    weft_cancel(task);
}

struct main_task {
    WEFT_FRAME;
    weft_future *c;
    const char *text;
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->text, weft_shield(weft_spawn(work, .name = "a", .seconds = 1)));
    say("%s", self->text);
    WEFT_CATCH(self->status,
               weft_shield(weft_spawn(work, .name = "b", .seconds = 1, .error = "b is broken")));
    if (self->status == -EIO)
        say("caught: %s", WEFT_CAUGHT_MESSAGE);
    self->c = weft_spawn(work, .name = "c", .seconds = 10);
    weft_unref(weft_call_later(WEFT_S(1), cancel, self->c));
    WEFT_CATCH(self->status, weft_shield(self->c));
    if (self->status == -ECANCELED)
        say("c was cancelled, %u asked me", weft_cancelling(weft_current_task()));
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
