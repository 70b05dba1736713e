/* SPDX-License-Identifier: MIT */
#include "virtual.h"

static void never(void *arg)
{
    (void)arg;
    say("never called");
}

static void take_back(void *arg)
{
    weft_future **handle = arg;
    say(weft_now() == 0 ? "the first takes the second back" : "taken back in time");
    weft_cancel(*handle);
}

struct main_task {
    WEFT_FRAME;
    weft_future *late, *soon, *second, *third;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->late = weft_call_later(WEFT_S(1), never, NULL);
    weft_cancel(self->late);
    self->soon = weft_call_soon(never, NULL);
    weft_cancel(self->soon);
    weft_unref(weft_call_soon(take_back, &self->second));
    self->second = weft_call_soon(never, NULL);
    say_soon("third");
    WEFT_AWAIT(weft_call(steps, .name = "tick", .count = 3));
    self->third = weft_call_later(WEFT_S(2), never, NULL);
    weft_unref(weft_call_later(WEFT_S(1), take_back, &self->third));
    WEFT_AWAIT(weft_sleep(WEFT_S(3)));
    weft_cancel(self->third);
    say("twice is once");
    WEFT_FINALLY;
    weft_unref(self->late);
    weft_unref(self->soon);
    weft_unref(self->second);
    weft_unref(self->third);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
