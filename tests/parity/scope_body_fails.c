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
    weft_scope_spawn(self->group, tidy, .name = "a", .seconds = 10, .cleanup = 3);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    WEFT_FAIL(-EIO, "the body is broken");
    WEFT_FINALLY;
    WEFT_SCOPE_CLOSE(self->group);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_call(together));
    if (self->status == WEFT_EGROUP)
        for (size_t i = 0; i < weft_errors_count(WEFT_CAUGHT_ERRORS); i++)
            say("failed: %s", weft_errors_message(WEFT_CAUGHT_ERRORS, i));
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
