/* SPDX-License-Identifier: MIT */
/* Tutorial, step 2: two tasks that run side by side. */
#include <stdio.h>
#include <weft/weft.h>

struct greet {
    WEFT_FRAME;
    const char *name;
    weft_ns delay;
};

static WEFT_ASYNC(greet)
{
    WEFT_BEGIN;
    printf("hello …\n");
    WEFT_AWAIT(weft_sleep(self->delay));
    printf("… %s\n", self->name);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_future *ada;
    weft_future *bob;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    self->ada = weft_spawn(greet, .name = "Ada", .delay = WEFT_MS(200));
    self->bob = weft_spawn(greet, .name = "Bob", .delay = WEFT_MS(100));
    printf("two tasks, none has run\n");
    WEFT_AWAIT(weft_gather(self->ada, self->bob));
    printf("both are done\n");
    WEFT_END;
}

int main(void)
{
    return weft_run(main_task);
}
