/* SPDX-License-Identifier: MIT */
#include "virtual.h"

int main(void)
{
    weft_loop *loop = virtual_loop_new();
    weft_future *other = weft_spawn(steps, .name = "other", .count = 6);
    weft_future *sleeper = weft_spawn(work, .name = "sleeper", .seconds = 1);
    weft_loop_run_until(loop, weft_spawn(steps, .name = "first", .count = 2));
    say("first is done");
    weft_loop_run_until(loop, weft_spawn(steps, .count = 0));
    say("one tick, and what it takes to stop");
    weft_loop_run_until(loop, sleeper);
    say("sleeper is done");
    weft_loop_run_until(loop, other);
    weft_loop_free(loop);
    return 0;
}
