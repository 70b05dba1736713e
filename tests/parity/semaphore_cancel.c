/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct taker {
    WEFT_FRAME;
    const char *name;
    weft_semaphore *semaphore;
};

static WEFT_ASYNC(taker)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_semaphore_acquire(self->semaphore));
    say("%s has it", self->name);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_semaphore *semaphore;
    weft_future *a, *b, *c;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->semaphore = weft_semaphore_new(0, 0);
    self->a = weft_spawn(taker, .name = "a", .semaphore = self->semaphore);
    self->b = weft_spawn(taker, .name = "b", .semaphore = self->semaphore);
    self->c = weft_spawn(taker, .name = "c", .semaphore = self->semaphore);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    weft_cancel(self->a);
    weft_semaphore_release(self->semaphore);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    say("a %s, b %s, c %s", outcome(self->a), outcome(self->b), outcome(self->c));
    weft_semaphore_release(self->semaphore);
    WEFT_AWAIT(self->c);
    say("locked: %s", truth(weft_semaphore_value(self->semaphore) == 0));
    weft_unref(self->a);
    weft_unref(self->b);
    weft_semaphore_free(self->semaphore);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
