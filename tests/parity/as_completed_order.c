/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct main_task {
    WEFT_FRAME;
    weft_completions *completions;
    weft_future *a, *b, *c, *done;
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->a = weft_spawn(work, .name = "a", .seconds = 3);
    self->b = weft_spawn(work, .name = "b", .seconds = 1);
    self->c = weft_spawn(work, .name = "c", .seconds = 2, .error = "c is broken");
    self->completions = weft_as_completed(WEFT_FOREVER, self->a, self->b, self->c);
    for (;;) {
        WEFT_CATCH_INTO(self->status, self->done, weft_next_completed(self->completions));
        if (self->status == WEFT_EOF)
            break;
        if (weft_future_status(self->done) == 0)
            say("main has %s", (const char *)weft_future_value(self->done).ptr);
        else
            say("main has a failure: %s", weft_message(self->done));
        weft_unref(self->done);
    }
    say("no more");
    WEFT_FINALLY;
    weft_completions_free(self->completions);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
