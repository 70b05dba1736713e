/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct party {
    WEFT_FRAME;
    const char *name;
    weft_barrier *barrier;
};

static WEFT_ASYNC(party)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_barrier_wait(self->barrier));
    say("%s goes on", self->name);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_barrier *barrier;
    weft_future *a, *b;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->barrier = weft_barrier_new(2);
    self->a = weft_spawn(party, .name = "a", .barrier = self->barrier);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    weft_cancel(self->a);
    self->b = weft_spawn(party, .name = "b", .barrier = self->barrier);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    say("a %s, b %s, %zu waits, broken: %s", outcome(self->a), outcome(self->b),
        weft_barrier_waiting(self->barrier), truth(weft_barrier_is_broken(self->barrier)));
    WEFT_AWAIT(weft_call(party, .name = "c", .barrier = self->barrier));
    WEFT_AWAIT(self->b);
    weft_unref(self->a);
    weft_barrier_free(self->barrier);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
