/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct careless {
    WEFT_FRAME;
};

static WEFT_ASYNC(careless)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_S(10)));
    WEFT_FINALLY;
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    WEFT_FAIL(-EIO, "clean-up is broken");
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
    weft_scope_spawn(self->group, careless);
    weft_scope_spawn(self->group, work, .name = "b", .seconds = 1, .error = "b is broken");
    WEFT_CATCH(self->status, weft_scope_close(self->group, 0));
    if (self->status == WEFT_EGROUP)
        for (size_t i = 0; i < weft_errors_count(WEFT_CAUGHT_ERRORS); i++)
            say("failed: %s", weft_errors_message(WEFT_CAUGHT_ERRORS, i));
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
