/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct main_task {
    WEFT_FRAME;
    weft_future *done, *runs, *new;
    const char *text;
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->done = weft_spawn(work, .name = "done", .seconds = 1);
    self->runs = weft_spawn(tidy, .name = "runs", .seconds = 10, .cleanup = 2);
    WEFT_AWAIT(weft_ref(self->done));
    WEFT_AWAIT_INTO(self->text, weft_wait_for(self->done, 0));
    say("%s", self->text);
    WEFT_CATCH(self->status, weft_wait_for(weft_ref(self->runs), 0));
    if (self->status == -ETIMEDOUT)
        say("timed out: %s", outcome(self->runs));
    self->new = weft_spawn(work, .name = "new");
    WEFT_CATCH(self->status, weft_wait_for(weft_ref(self->new), 0));
    if (self->status == -ETIMEDOUT)
        say("timed out: %s", outcome(self->new));
    WEFT_FINALLY;
    weft_unref(self->runs);
    weft_unref(self->new);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
