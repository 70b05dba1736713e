/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct main_task {
    WEFT_FRAME;
    weft_scope *group;
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->group = weft_scope_open(NULL);
    weft_scope_spawn(self->group, work, .name = "a", .seconds = 1, .error = "a is broken");
    WEFT_CATCH(self->status, weft_scope_close(self->group, 0));
    if (self->status == WEFT_EGROUP)
        say("%zu failed", weft_errors_count(WEFT_CAUGHT_ERRORS));
    say("%u asked me", weft_cancelling(weft_current_task()));
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
