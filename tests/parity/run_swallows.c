/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct obstinate {
    WEFT_FRAME;
};

static WEFT_ASYNC(obstinate)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_call(stubborn, .name = "the first sleep", .seconds = 10));
    WEFT_AWAIT(weft_call(stubborn, .name = "the second sleep", .seconds = 5));
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    weft_unref(weft_spawn(obstinate));
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    say("main ends");
    WEFT_END;
}

int main(void)
{
    int status = virtual_run(main_task);
    puts("the end");
    return status;
}
