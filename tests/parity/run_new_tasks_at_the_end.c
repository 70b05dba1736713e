/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct first {
    WEFT_FRAME;
};

static WEFT_ASYNC(first)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_S(3600)));
    WEFT_FINALLY;
    say("the first cleans up, and starts another");
    weft_unref(weft_spawn(work, .name = "the second", .seconds = 3600));
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    say("the first has ended");
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    weft_unref(weft_spawn(first));
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
