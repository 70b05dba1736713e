/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct waiter {
    WEFT_FRAME;
    const char *name;
    weft_future *future;
    const char *text;
};

static WEFT_ASYNC(waiter)
{
    WEFT_BEGIN;
    say("%s waits", self->name);
    WEFT_AWAIT_INTO(self->text, weft_ref(self->future));
    say("%s has %s", self->name, self->text);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_future *future, *a, *b, *c;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->future = weft_future_new();
    self->a = weft_spawn(waiter, .name = "a", .future = self->future);
    self->b = weft_spawn(waiter, .name = "b", .future = self->future);
    WEFT_YIELD;
    say_when_done(self->future, "the callback is called");
    self->c = weft_spawn(waiter, .name = "c", .future = self->future);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    weft_future_resolve(self->future, weft_value_ptr("it"), NULL);
    say("main has the result first");
    WEFT_AWAIT(self->c);
    say("c is done, and so are a and b: %s, %s", truth(weft_is_done(self->a)),
        truth(weft_is_done(self->b)));
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
