/* SPDX-License-Identifier: MIT */
/* Tutorial, step 5: a limit of time. */
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
    WEFT_AWAIT(weft_sleep(self->delay));
    printf("hello, %s\n", self->name);

    WEFT_FINALLY;
    printf("cleaning up after %s\n", self->name);
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
    weft_future *bob;
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_wait_for(weft_spawn(greet, .name = "Ada"), WEFT_S(60)));

    self->bob = weft_spawn(greet, .name = "Bob", .delay = WEFT_S(3600));
    WEFT_CATCH(self->status, weft_wait_for(self->bob, WEFT_MS(50)));
    if (self->status == -ETIMEDOUT)
        printf("Bob took too long\n");
    WEFT_END;
}

int main(void)
{
    return weft_run(main_task);
}
