/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <weft/weft.h>

struct main_task {
    WEFT_FRAME;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    puts("Hello ...");
    WEFT_AWAIT(weft_sleep(WEFT_MS(10)));
    puts("... World!");
    WEFT_END;
}

int main(void)
{
    return weft_run(main_task);
}
