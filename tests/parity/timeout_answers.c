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
    weft_timeout *limit;
    const char *text;
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->limit = weft_timeout_enter(WEFT_S(1));
    WEFT_CATCH_INTO(self->status, self->text, weft_call(stubborn, .name = "a", .seconds = 10));
    say("%s", self->text);
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(5)));
    say("goes on, expired: %s", truth(weft_timeout_expired(self->limit)));
    self->status = weft_timeout_exit(self->limit, self->status);
    self->limit = weft_timeout_enter(WEFT_S(1));
    WEFT_CATCH(self->status, weft_call(fails));
    self->status = weft_timeout_exit(self->limit, self->status);
    if (self->status == -EIO)
        say("caught: %s", WEFT_CAUGHT_MESSAGE);
    say("%u asked me", weft_cancelling(weft_current_task()));
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
