/* SPDX-License-Identifier: MIT */
#include "virtual.h"

struct careless {
    WEFT_FRAME;
};

static WEFT_ASYNC(careless)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_S(3600)));
    WEFT_FINALLY;
    WEFT_FAIL(-EIO, "cannot write the last page");
    WEFT_END;
}

struct main_task {
    WEFT_FRAME;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    say_reports();
    weft_unref(weft_spawn(careless));
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
