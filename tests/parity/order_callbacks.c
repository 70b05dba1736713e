/* SPDX-License-Identifier: MIT */
#include "virtual.h"

static void added(void *arg)
{
    (void)arg;
    say_soon("added by what was added");
}

static void nested(void *arg)
{
    say("callback 2");
    say_soon("added by callback 2");
    weft_unref(weft_call_soon(added, arg));
}

struct main_task {
    WEFT_FRAME;
    weft_future *task;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    say_soon("callback 1");
    self->task = weft_spawn(steps, .name = "task", .count = 5);
    weft_unref(weft_call_soon(nested, NULL));
    say_soon("callback 3");
    say("main waits");
    WEFT_AWAIT(self->task);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
