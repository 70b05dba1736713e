/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct main_task {
    WEFT_FRAME;
    weft_future *shield;
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    say_reports();
    self->shield = weft_shield(weft_spawn(work, .name = "a", .seconds = 3, .error = "a is broken"));
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    weft_cancel(self->shield);
    WEFT_CATCH(self->status, self->shield);
    if (self->status == -ECANCELED)
        say("the shield is cancelled");
    WEFT_AWAIT(weft_sleep(WEFT_S(3)));
    say("the end");
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
