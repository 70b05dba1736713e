/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct eternity {
    WEFT_FRAME;
};

static WEFT_ASYNC(eternity)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_S(3600)));
    say("yay!");
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_wait_for(weft_spawn(eternity), WEFT_S(1)));
    if (self->status == -ETIMEDOUT)
        say("timeout!");
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
