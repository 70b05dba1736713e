/* SPDX-License-Identifier: MIT */
#include "virtual.h"

static void hello_world(void *loop)
{
    say("Hello World");
    weft_loop_stop(loop);
}

int main(void)
{
    weft_loop *loop = virtual_loop_new();
    weft_unref(weft_call_soon(hello_world, loop));
    say("nothing is called before the loop runs");
    weft_loop_run(loop);
    weft_loop_free(loop);
    return 0;
}
