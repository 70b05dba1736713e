/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct together {
    WEFT_FRAME;
    weft_scope *group;
};

static WEFT_ASYNC(together)
{
    WEFT_BEGIN;
    self->group = weft_scope_open(NULL);
    weft_scope_spawn(self->group, tidy, .name = "a", .seconds = 10, .cleanup = 2);
    say("the body has ended");
    WEFT_FINALLY;
    WEFT_SCOPE_CLOSE(self->group);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_timeout *limit;
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->limit = weft_timeout_enter(WEFT_S(3));
    WEFT_CATCH(self->status, weft_call(together));
    self->status = weft_timeout_exit(self->limit, self->status);
    if (self->status == -ETIMEDOUT)
        say("timed out, %u asked me", weft_cancelling(weft_current_task()));
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
