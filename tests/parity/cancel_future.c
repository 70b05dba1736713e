/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct waiter {
    WEFT_FRAME;
    const char *name;
    weft_future *future;
    int status;
};

static WEFT_ASYNC(waiter)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_ref(self->future));
    if (self->status == -ECANCELED)
        say("%s is cancelled, %u asked for it", self->name, weft_cancelling(weft_current_task()));
    WEFT_FAIL(self->status);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_future *future, *a, *b;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->future = weft_future_new();
    self->a = weft_spawn(waiter, .name = "a", .future = self->future);
    self->b = weft_spawn(waiter, .name = "b", .future = self->future);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    weft_cancel(self->b);
    say("%s", outcome(self->future));
    WEFT_AWAIT(weft_gather_with(WEFT_GATHER_ALL, weft_ref(self->a), weft_ref(self->b)));
    say("%s, %s", outcome(self->a), outcome(self->b));
    if (weft_future_resolve(self->future, weft_value_ptr("too late"), NULL) == -EALREADY)
        say("there is no more to resolve");
    WEFT_FINALLY;
    weft_unref(self->a);
    weft_unref(self->b);
    weft_unref(self->future);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
