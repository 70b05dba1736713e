/* SPDX-License-Identifier: MIT */
#include "virtual.h"

static void due(void *when)
{
    say("due at %d", *(const int *)when);
}

struct main_task {
    WEFT_FRAME;
    weft_future *task;
};

static WEFT_ASYNC(main_task)
{
    static int seven = 7, eight = 8, nine = 9;
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_S(10)));
    self->task = weft_spawn(steps, .name = "tick", .count = 3);
    weft_unref(weft_call_at(WEFT_S(9), due, &nine));
    weft_unref(weft_call_at(WEFT_S(7), due, &seven));
    weft_unref(weft_call_at(WEFT_S(8), due, &eight));
    say_later(0, "due now");
    say_soon("soon");
    WEFT_AWAIT(self->task);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
