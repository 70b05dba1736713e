/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct main_task {
    WEFT_FRAME;
    weft_future *a, *b;
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->a = weft_spawn(work, .name = "a", .seconds = 1);
    self->b = weft_spawn(work, .name = "b", .seconds = 10);
    WEFT_CATCH(self->status,
               weft_wait_for(weft_gather(weft_ref(self->a), weft_ref(self->b)), WEFT_S(3)));
    if (self->status == -ETIMEDOUT)
        say("timed out");
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
