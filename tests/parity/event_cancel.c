/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct waiter {
    WEFT_FRAME;
    const char *name;
    weft_event *event;
    int status;
};

static WEFT_ASYNC(waiter)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_event_wait(self->event));
    if (self->status == -ECANCELED) {
        say("%s is cancelled", self->name);
        WEFT_FAIL(self->status);
    }
    say("%s goes on", self->name);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_event *event;
    weft_future *a, *b;
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->event = weft_event_new();
    self->a = weft_spawn(waiter, .name = "a", .event = self->event);
    self->b = weft_spawn(waiter, .name = "b", .event = self->event);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    weft_cancel(self->a);
    WEFT_CATCH(self->status, weft_wait_for(weft_event_wait(self->event), WEFT_S(2)));
    if (self->status == -ETIMEDOUT)
        say("timed out");
    weft_event_set(self->event);
    WEFT_AWAIT(weft_ref(self->b));
    say("a %s, b %s", outcome(self->a), outcome(self->b));
    weft_unref(self->a);
    weft_unref(self->b);
    weft_event_free(self->event);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
