/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct main_task {
    WEFT_FRAME;
    weft_future *first, *second, *both;
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->first = weft_gather(weft_spawn(work, .name = "a", .seconds = 1),
                              weft_spawn(work, .name = "b", .seconds = 10));
    self->second = weft_gather(weft_spawn(work, .name = "c", .seconds = 11));
    self->both = weft_gather(weft_ref(self->first), weft_ref(self->second));
    WEFT_AWAIT(weft_sleep(WEFT_S(2)));
    weft_cancel(self->both);
    WEFT_CATCH(self->status, weft_ref(self->both));
    if (self->status == -ECANCELED)
        say("first %s, second %s, both %s", outcome(self->first), outcome(self->second),
            outcome(self->both));
    WEFT_FINALLY;
    weft_unref(self->first);
    weft_unref(self->second);
    weft_unref(self->both);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
