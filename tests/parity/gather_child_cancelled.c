/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct main_task {
    WEFT_FRAME;
    weft_future *a, *b, *gather;
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->a = weft_spawn(work, .name = "a", .seconds = 3);
    self->b = weft_spawn(work, .name = "b", .seconds = 4);
    self->gather = weft_gather(weft_ref(self->a), weft_ref(self->b));
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    weft_cancel(self->a);
    WEFT_CATCH(self->status, self->gather);
    if (self->status == -ECANCELED)
        say("the gather is cancelled, %u asked me", weft_cancelling(weft_current_task()));
    say("a %s, b %s", outcome(self->a), outcome(self->b));
    WEFT_AWAIT(weft_ref(self->b));
    say("a %s, b %s", outcome(self->a), outcome(self->b));
    WEFT_FINALLY;
    weft_unref(self->a);
    weft_unref(self->b);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
