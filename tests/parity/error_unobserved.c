/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct main_task {
    WEFT_FRAME;
    weft_future *held, *seen;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    say_reports();
    weft_unref(weft_spawn(work, .name = "a", .seconds = 1, .error = "a is broken"));
    self->held = weft_spawn(work, .name = "b", .seconds = 2, .error = "b is broken");
    self->seen = weft_spawn(work, .name = "c", .seconds = 3, .error = "c is broken");
    WEFT_AWAIT(weft_sleep(WEFT_S(4)));
    say("main lets b go");
    weft_unref(self->held);
    say("main looks at c: %s", outcome(self->seen));
    weft_unref(self->seen);
    say("main ends");
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
