/* SPDX-License-Identifier: MIT */
#include <signal.h>
#include <stdio.h>
#include <weft/weft.h>

struct main_task {
    WEFT_FRAME;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    raise(SIGINT);
    puts("SIGINT was sent");
    WEFT_AWAIT(weft_sleep(WEFT_S(3600)));
    puts("not reached");
    WEFT_FINALLY;
    puts("main cleans up");
    WEFT_YIELD;
    puts("main has cleaned up");
    WEFT_END;
}

int main(void)
{
    int status = weft_run(main_task);
    puts(status == 130 ? "interrupted" : "ended");
    return status != 130;
}
