/* SPDX-License-Identifier: MIT */
#include "virtual.h"

static void release(void *semaphore)
{
    weft_semaphore_release(semaphore);
}

struct main_task {
    WEFT_FRAME;
    weft_semaphore *bounded, *other;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->bounded = weft_semaphore_new(1, 1);
    WEFT_AWAIT(weft_semaphore_acquire(self->bounded));
    weft_semaphore_release(self->bounded);
    if (weft_semaphore_release(self->bounded) == -EOVERFLOW)
        say("released too often");
    self->other = weft_semaphore_new(0, 0);
    say("locked: %s", truth(weft_semaphore_value(self->other) == 0));
    weft_unref(weft_call_later(WEFT_S(1), release, self->other));
    WEFT_AWAIT(weft_semaphore_acquire(self->other));
    say("somebody else has released it");
    weft_semaphore_release(self->other);
    weft_semaphore_release(self->other);
    WEFT_AWAIT(weft_semaphore_acquire(self->other));
    WEFT_AWAIT(weft_semaphore_acquire(self->other));
    say("locked: %s", truth(weft_semaphore_value(self->other) == 0));
    weft_semaphore_free(self->bounded);
    weft_semaphore_free(self->other);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
