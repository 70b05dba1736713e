/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct waiter {
    WEFT_FRAME;
    const char *name;
    weft_event *event;
};

static WEFT_ASYNC(waiter)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_event_wait(self->event));
    say("%s goes on, set: %s", self->name, truth(weft_event_is_set(self->event)));
    WEFT_AWAIT(weft_event_wait(self->event));
    say("%s goes on again, set: %s", self->name, truth(weft_event_is_set(self->event)));
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_event *event;
    weft_future *a, *b;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->event = weft_event_new();
    self->a = weft_spawn(waiter, .name = "a", .event = self->event);
    self->b = weft_spawn(waiter, .name = "b", .event = self->event);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    weft_event_set(self->event);
    weft_event_clear(self->event);
    say("set and cleared");
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    weft_event_set(self->event);
    weft_event_set(self->event);
    say("set twice");
    WEFT_AWAIT(weft_gather(self->a, self->b));
    WEFT_AWAIT(weft_event_wait(self->event));
    say("no wait for what is set");
    weft_event_free(self->event);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
