/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct main_task {
    WEFT_FRAME;
    weft_timeout *limit;
    int status;
    bool expired;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->limit = weft_timeout_enter(WEFT_S(5));
    WEFT_CATCH(self->status, weft_call(work, .name = "in time", .seconds = 3));
    say("expired: %s", truth(weft_timeout_expired(self->limit)));
    self->status = weft_timeout_exit(self->limit, self->status);
    self->limit = weft_timeout_enter(WEFT_S(5));
    WEFT_CATCH(self->status, weft_call(work, .name = "too long", .seconds = 3600));
    self->expired = weft_timeout_expired(self->limit);
    self->status = weft_timeout_exit(self->limit, self->status);
    if (self->status == -ETIMEDOUT)
        say("expired: %s, %u asked me", truth(self->expired), weft_cancelling(weft_current_task()));
    WEFT_AWAIT(weft_sleep(WEFT_S(10)));
    say("the end");
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
