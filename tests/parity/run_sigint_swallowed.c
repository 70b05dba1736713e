/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <weft/weft.h>

struct main_task {
    WEFT_FRAME;
    int status;
};

static WEFT_ASYNC(main_task)
{
    WEFT_BEGIN;
    raise(SIGINT);
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(3600)));
    if (self->status == -ECANCELED)
        puts("caught");
    WEFT_YIELD;
    WEFT_RETURN(5);
    WEFT_END;
}

int main(void)
{
    printf("%d\n", weft_run(main_task));
    return 0;
}
