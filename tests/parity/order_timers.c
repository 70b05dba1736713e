/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct main_task {
    WEFT_FRAME;
    weft_future *task;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    say_later(3, "after three");
    say_later(1, "after one");
    self->task = weft_spawn(work, .name = "the task that takes four", .seconds = 4);
    say_later(5, "after five: too late");
    say_later(2, "after two");
    WEFT_AWAIT(weft_sleep(WEFT_MS(1500)));
    say("main slept");
    say_later(1, "one after that");
    WEFT_AWAIT(self->task);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
