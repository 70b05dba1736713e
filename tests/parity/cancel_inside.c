/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct suicidal {
    WEFT_FRAME;
};

static WEFT_ASYNC(suicidal)
{
    WEFT_BEGIN;
    weft_cancel(weft_current_task());
    say("runs on");
    WEFT_AWAIT(weft_sleep(WEFT_S(10)));
    say("slept");
    WEFT_FINALLY;
    say("cleans up");
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_future *task;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->task = weft_spawn(suicidal);
    WEFT_AWAIT(weft_wait(WEFT_ALL, -1, weft_ref(self->task)));
    say("%s", outcome(self->task));
    weft_unref(self->task);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
