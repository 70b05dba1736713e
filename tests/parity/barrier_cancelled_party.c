/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct party {
    WEFT_FRAME;
    const char *name;
    weft_barrier *barrier;
    int number;
};

static WEFT_ASYNC(party)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->number, weft_barrier_wait(self->barrier));
    say("%s goes on as number %d", self->name, self->number);
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
    self->b = weft_spawn(party, .name = "b", .barrier = self->barrier);
    weft_cancel(self->a);
    say("a is cancelled, and b comes");
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    say("a %s", outcome(self->a));
    say("b %s", outcome(self->b));
    WEFT_FINALLY;
    weft_unref(self->a);
    weft_unref(self->b);
    weft_barrier_free(self->barrier);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
