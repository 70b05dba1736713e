/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct runner {
    WEFT_FRAME;
    const char *name;
    weft_barrier *barrier;
    int seconds;
    int round, number;
};

static WEFT_ASYNC(runner)
{
    WEFT_BEGIN;
    for (self->round = 1; self->round <= 2; self->round++) {
        WEFT_AWAIT(weft_sleep(WEFT_S(self->seconds)));
        say("%s has come, %zu wait", self->name, weft_barrier_waiting(self->barrier));
        WEFT_AWAIT_INTO(self->number, weft_barrier_wait(self->barrier));
        say("%s goes on as number %d in round %d", self->name, self->number, self->round);
    }
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_barrier *barrier;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->barrier = weft_barrier_new(3);
    say("%zu parties", weft_barrier_parties(self->barrier));
    WEFT_AWAIT(
        weft_gather(weft_spawn(runner, .name = "a", .barrier = self->barrier, .seconds = 3),
                    weft_spawn(runner, .name = "b", .barrier = self->barrier, .seconds = 1),
                    weft_spawn(runner, .name = "c", .barrier = self->barrier, .seconds = 2)));
    weft_barrier_free(self->barrier);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
