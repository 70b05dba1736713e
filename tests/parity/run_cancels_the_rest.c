/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct main_task {
    WEFT_FRAME;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    weft_unref(weft_spawn(tidy, .name = "left alone", .seconds = 3600, .cleanup = 5));
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
