/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct main_task {
    WEFT_FRAME;
    int inner, outer, status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    for (self->inner = 1, self->outer = 2; self->inner <= 2; self->inner++, self->outer--) {
        WEFT_CATCH(self->status,
                   weft_wait_for(weft_wait_for(weft_spawn(work, .name = "a", .seconds = 10),
                                               WEFT_S(self->inner)),
                                 WEFT_S(self->outer)));
        if (self->status == -ETIMEDOUT)
            say("inner %d, outer %d: timed out", self->inner, self->outer);
    }
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
