/* SPDX-License-Identifier: MIT */
/* Tutorial, step 1: a coroutine that sleeps without blocking the loop. */
#include <stdio.h>
#include <weft/weft.h>

struct greet {
    WEFT_FRAME;
    const char *name;
};

static WEFT_ASYNC(greet)
{
    WEFT_BEGIN;
    printf("hello …\n");
    WEFT_AWAIT(weft_sleep(WEFT_MS(100)));
    printf("… %s\n", self->name);
    WEFT_END;
}

int main(void)
{
    return weft_run(greet, .name = "world");
}
