/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct main_task {
    WEFT_FRAME;
    weft_future *a, *b, *done;
    weft_completions *completions;
    const char *text;
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->a = weft_spawn(work, .name = "a", .seconds = 1);
    self->b = weft_spawn(work, .name = "b", .seconds = 5);
    self->completions = weft_as_completed(WEFT_S(3), self->a, weft_ref(self->b));
    while (self->status == 0) {
        WEFT_CATCH_INTO(self->status, self->done, weft_next_completed(self->completions));
        if (self->status < 0)
            break;
        WEFT_AWAIT_INTO(self->text, self->done);
        say("main has %s", self->text);
    }
    if (self->status == -ETIMEDOUT)
        say("timed out: b %s", outcome(self->b));
    WEFT_AWAIT_INTO(self->text, self->b);
    say("%s", self->text);
    WEFT_FINALLY;
    weft_completions_free(self->completions);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
