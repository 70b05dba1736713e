/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct main_task {
    WEFT_FRAME;
    weft_future *c, *gather;
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->c = weft_spawn(tidy, .name = "c", .seconds = 10, .cleanup = 5);
    self->gather =
        weft_gather(weft_spawn(tidy, .name = "a", .seconds = 1),
                    weft_spawn(tidy, .name = "b", .seconds = 10, .cleanup = 1), weft_ref(self->c));
    WEFT_AWAIT(weft_sleep(WEFT_S(2)));
    weft_cancel(self->gather);
    WEFT_CATCH(self->status, self->gather);
    if (self->status == -ECANCELED)
        say("the gather is cancelled; c %s", outcome(self->c));
    WEFT_AWAIT(weft_sleep(WEFT_S(12) - weft_now()));
    say("the end");
    WEFT_FINALLY;
    weft_unref(self->c);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
