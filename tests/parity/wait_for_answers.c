/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct fails {
    WEFT_FRAME;
};

static WEFT_ASYNC(fails)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_S(10)));
    WEFT_FINALLY;
    WEFT_FAIL(-EIO, "clean-up is broken");
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    const char *text;
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->text,
                    weft_wait_for(weft_spawn(stubborn, .name = "a", .seconds = 10), WEFT_S(1)));
    say("%s", self->text);
    WEFT_CATCH(self->status, weft_wait_for(weft_spawn(fails), WEFT_S(1)));
    if (self->status == -EIO)
        say("caught: %s", WEFT_CAUGHT_MESSAGE);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
