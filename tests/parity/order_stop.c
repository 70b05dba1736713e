/* SPDX-License-Identifier: MIT */
#include "virtual.h"

static void stop(void *loop)
{
    say("stop");
    weft_loop_stop(loop);
    say_soon("added after the stop");
}

int main(void)
{
    weft_loop *loop = virtual_loop_new();
    weft_unref(weft_call_soon(stop, loop));
    say_soon("in the same tick");
    say_later(1, "later");
    weft_loop_run(loop);
    say("stopped");
    weft_unref(weft_call_later(WEFT_S(2), stop, loop));
    weft_loop_run(loop);
    say("stopped again");
    weft_loop_stop(loop);
    weft_loop_run(loop);
    say("a stop before the run allows one tick");
    weft_loop_free(loop);
    return 0;
}
