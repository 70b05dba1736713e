/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct say_after {
    WEFT_FRAME;
    weft_ns delay;
    const char *what;
};

static WEFT_ASYNC(say_after)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(self->delay));
    say("%s", self->what);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_future *task1, *task2;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->task1 = weft_spawn(say_after, .delay = WEFT_S(1), .what = "hello");
    self->task2 = weft_spawn(say_after, .delay = WEFT_S(2), .what = "world");
    say("started");
    WEFT_AWAIT(self->task1);
    WEFT_AWAIT(self->task2);
    say("finished");
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
