/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct inner {
    WEFT_FRAME;
    weft_future *future;
    const char *value;
};

static WEFT_ASYNC(inner)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->value, self->future);
    say("inner has %s", self->value);
    WEFT_RETURN(self->value);
    WEFT_END;
}

struct outer {
    WEFT_FRAME;
    weft_future *task;
};

static WEFT_ASYNC(outer)
{
    WEFT_BEGIN;
    WEFT_AWAIT(self->task);
    say("outer has what inner returned");
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    WEFT_FINALLY;
    say("outer is cancelled");
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_future *future, *task, *waiter;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->future = weft_future_new();
    self->task = weft_spawn(inner, .future = weft_ref(self->future));
    self->waiter = weft_spawn(outer, .task = weft_ref(self->task));
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    say("resolved, then cancelled");
    weft_future_resolve(self->future, weft_value_ptr("a value"), NULL);
    weft_cancel(self->waiter);
    WEFT_AWAIT(weft_wait(WEFT_ALL, -1, weft_ref(self->waiter)));
    say("inner %s, outer %s", outcome(self->task), outcome(self->waiter));
    weft_unref(self->future);
    weft_unref(self->task);
    weft_unref(self->waiter);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
