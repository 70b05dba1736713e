/* SPDX-License-Identifier: MIT */
#include "virtual.h"

static void display_date(void *loop)
{
    say("tick");
    if (weft_now() + WEFT_S(1) < WEFT_S(5))
        weft_unref(weft_call_later(WEFT_S(1), display_date, loop));
    else
        weft_loop_stop(loop);
}

int main(void)
{
    weft_loop *loop = virtual_loop_new();
    weft_unref(weft_call_soon(display_date, loop));
    weft_loop_run(loop);
    say("stopped");
    weft_loop_free(loop);
    return 0;
}
