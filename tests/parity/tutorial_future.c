/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct set_after {
    WEFT_FRAME;
    weft_future *future; /* a reference, to resolve it */
    weft_ns delay;
    const char *value;
};

static WEFT_ASYNC(set_after)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(self->delay));
    weft_future_resolve(self->future, weft_value_ptr(self->value), NULL);
    weft_unref(self->future);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_future *future;
    const char *value;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->future = weft_future_new();
    weft_unref(weft_spawn(set_after, .future = weft_ref(self->future), .delay = WEFT_S(1),
                          .value = "... world"));
    say("hello ...");
    WEFT_AWAIT_INTO(self->value, self->future);
    say("%s", self->value);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
