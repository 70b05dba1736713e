/* SPDX-License-Identifier: MIT */
#include "virtual.h"

int main(void)
{
    weft_loop *loop = virtual_loop_new();
    weft_future *first = weft_spawn(work, .name = "first", .seconds = 1);
    weft_loop_run_until(loop, weft_ref(first));
    say("back from %s", (const char *)weft_future_value(first).ptr);
    weft_future *second = weft_spawn(work, .name = "second", .seconds = 2);
    weft_loop_run_until(loop, weft_ref(second));
    say("back from %s", (const char *)weft_future_value(second).ptr);
    weft_unref(first);
    weft_unref(second);
    weft_loop_free(loop);
    return 0;
}
