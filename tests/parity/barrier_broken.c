/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct party {
    WEFT_FRAME;
    const char *name;
    weft_barrier *barrier;
    int status;
};

static WEFT_ASYNC(party)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_barrier_wait(self->barrier));
    if (self->status == 0)
        say("%s goes on", self->name);
    else if (self->status == WEFT_EBROKEN)
        say("%s is sent away, broken: %s", self->name,
            truth(weft_barrier_is_broken(self->barrier)));
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_barrier *barrier;
    weft_future *a, *c;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->barrier = weft_barrier_new(2);
    self->a = weft_spawn(party, .name = "a", .barrier = self->barrier);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    weft_barrier_abort(self->barrier);
    WEFT_AWAIT(self->a);
    WEFT_AWAIT(weft_call(party, .name = "b", .barrier = self->barrier));
    weft_barrier_reset(self->barrier);
    say("broken: %s", truth(weft_barrier_is_broken(self->barrier)));
    self->c = weft_spawn(party, .name = "c", .barrier = self->barrier);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    weft_barrier_reset(self->barrier);
    WEFT_AWAIT(self->c);
    WEFT_AWAIT(weft_gather(weft_spawn(party, .name = "d", .barrier = self->barrier),
                           weft_spawn(party, .name = "e", .barrier = self->barrier)));
    weft_barrier_free(self->barrier);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
