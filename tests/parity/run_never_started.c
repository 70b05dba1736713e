/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct main_task {
    WEFT_FRAME;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    weft_unref(weft_spawn(work, .name = "never"));
    say("main ends");
    WEFT_END;
}

int main(void)
{
    int status = virtual_run(main_task);
    puts("the end");
    return status;
}
