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
    weft_scope_spawn(self->group, tidy, .name = "a", .seconds = 10, .cleanup = 5);
    say("the body has ended");
    WEFT_AWAIT(weft_scope_close(self->group, 0));
    WEFT_FINALLY;
    say("the scope is closed");
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
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    weft_cancel(self->task);
    WEFT_AWAIT(weft_wait(WEFT_ALL, -1, weft_ref(self->task)));
    say("%s, %u asked", outcome(self->task), weft_cancelling(self->task));
    weft_unref(self->task);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
