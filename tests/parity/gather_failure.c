/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct main_task {
    WEFT_FRAME;
    weft_future *a, *b, *c;
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    say_reports();
    self->a = weft_spawn(work, .name = "a", .seconds = 3);
    self->b = weft_spawn(work, .name = "b", .seconds = 1, .error = "b is broken");
    self->c = weft_spawn(work, .name = "c", .seconds = 2, .error = "c is broken, too");
    WEFT_CATCH(self->status, weft_gather(weft_ref(self->a), weft_ref(self->b), weft_ref(self->c)));
    if (self->status == -EIO)
        say("caught: %s", WEFT_CAUGHT_MESSAGE);
    say("a %s, b %s, c %s", outcome(self->a), outcome(self->b), outcome(self->c));
    WEFT_AWAIT(weft_sleep(WEFT_S(5)));
    say("the end");
    WEFT_FINALLY;
    weft_unref(self->a);
    weft_unref(self->b);
    weft_unref(self->c);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
