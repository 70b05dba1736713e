/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct main_task {
    WEFT_FRAME;
    weft_timeout *limit;
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->limit = weft_timeout_enter(0);
    WEFT_CATCH(self->status, weft_call(work, .name = "a", .seconds = 10));
    self->status = weft_timeout_exit(self->limit, self->status);
    if (self->status == -ETIMEDOUT)
        say("timed out");
    self->limit = weft_timeout_enter(-1);
    say("the body runs");
    self->status = weft_timeout_exit(self->limit, 0);
    if (self->status == -ETIMEDOUT)
        say("not reached: the body did not wait");
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    say("slept");
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
