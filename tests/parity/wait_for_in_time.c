/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct main_task {
    WEFT_FRAME;
    const char *text;
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->text,
                    weft_wait_for(weft_spawn(work, .name = "a", .seconds = 1), WEFT_S(3)));
    say("%s", self->text);
    WEFT_CATCH(self->status,
               weft_wait_for(weft_spawn(work, .name = "b", .seconds = 1, .error = "b is broken"),
                             WEFT_S(3)));
    if (self->status == -EIO)
        say("caught: %s", WEFT_CAUGHT_MESSAGE);
    WEFT_CATCH(self->status,
               weft_wait_for(weft_spawn(work, .name = "c", .seconds = 1), WEFT_MS(500)));
    if (self->status == -ETIMEDOUT)
        say("too late");
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
