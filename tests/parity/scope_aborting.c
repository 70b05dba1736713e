/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct starts_another {
    WEFT_FRAME;
    weft_scope *group;
};

static WEFT_ASYNC(starts_another)
{
    WEFT_BEGIN;
    say("a begins");
    WEFT_AWAIT(weft_sleep(WEFT_S(10)));
    WEFT_FINALLY;
    say("a cleans up");
    weft_future *late = weft_scope_spawn(self->group, work, .name = "late", .seconds = 1);
    if (weft_future_status(late) == -EINPROGRESS)
        say("started all the same");
    else
        say("refused");
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_scope *group;
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->group = weft_scope_open(NULL);
    weft_scope_spawn(self->group, starts_another, .group = self->group);
    weft_scope_spawn(self->group, work, .name = "b", .seconds = 1, .error = "b is broken");
    WEFT_CATCH(self->status, weft_scope_close(self->group, 0));
    if (self->status == WEFT_EGROUP)
        say("%zu failed", weft_errors_count(WEFT_CAUGHT_ERRORS));
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
