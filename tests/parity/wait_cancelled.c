/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct waits {
    WEFT_FRAME;
    weft_future *a, *b;
};

static WEFT_ASYNC(waits)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_wait(WEFT_ALL, WEFT_S(10), self->a, self->b));
    WEFT_FINALLY;
    say("the wait is over");
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_future *a, *b, *waiter;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->a = weft_spawn(work, .name = "a", .seconds = 3);
    self->b = weft_spawn(work, .name = "b", .seconds = 4);
    self->waiter = weft_spawn(waits, .a = weft_ref(self->a), .b = weft_ref(self->b));
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    weft_cancel(self->waiter);
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    say("%s, a %s, b %s", outcome(self->waiter), outcome(self->a), outcome(self->b));
    WEFT_AWAIT(weft_gather(self->a, self->b));
    weft_unref(self->waiter);
    WEFT_END;
}

int main(void)
{
    return virtual_run(main_task);
}
