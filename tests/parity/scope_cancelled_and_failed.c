/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct careless {
    WEFT_FRAME;
};

static WEFT_ASYNC(careless)
{
    WEFT_BEGIN;
    say("a begins");
    WEFT_AWAIT(weft_sleep(WEFT_S(10)));
    WEFT_FINALLY;
    say("a cleans up");
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    WEFT_FAIL(-EIO, "clean-up is broken");
    WEFT_END;
}

struct together {
    WEFT_FRAME;
    weft_scope *group;
    int status;
};

static WEFT_ASYNC(together)
{
    WEFT_BEGIN;
    self->group = weft_scope_open(NULL);
    weft_scope_spawn(self->group, careless);
    WEFT_CATCH(self->status, weft_scope_close(self->group, 0));
    if (self->status == WEFT_EGROUP)
        say("caught: %s", weft_errors_message(WEFT_CAUGHT_ERRORS, 0));
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(5)));
    if (self->status == 0)
        say("slept: the cancel is lost");
    else
        say("cancelled in the next await");
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_future *task;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->task = weft_spawn(together);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    weft_cancel(self->task);
    WEFT_AWAIT(weft_wait(WEFT_ALL, -1, self->task));
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
