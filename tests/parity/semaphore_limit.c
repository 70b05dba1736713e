/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct worker {
    WEFT_FRAME;
    const char *name;
    weft_semaphore *semaphore;
    int seconds;
};

static WEFT_ASYNC(worker)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_semaphore_acquire(self->semaphore));
    say("%s works", self->name);
    WEFT_AWAIT(weft_sleep(WEFT_S(self->seconds)));
    say("%s is done", self->name);
    weft_semaphore_release(self->semaphore);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_semaphore *semaphore;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->semaphore = weft_semaphore_new(2, 0);
    WEFT_AWAIT(
        weft_gather(weft_spawn(worker, .name = "a", .semaphore = self->semaphore, .seconds = 5),
                    weft_spawn(worker, .name = "b", .semaphore = self->semaphore, .seconds = 1),
                    weft_spawn(worker, .name = "c", .semaphore = self->semaphore, .seconds = 2),
                    weft_spawn(worker, .name = "d", .semaphore = self->semaphore, .seconds = 3)));
    say("locked: %s", truth(weft_semaphore_value(self->semaphore) == 0));
    weft_semaphore_free(self->semaphore);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
