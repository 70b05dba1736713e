/* SPDX-License-Identifier: MIT */
/*
 * A step that somebody looks at: debug mode, which reports those that are slow.
 *
 * Nobody does as a rule. So a step costs the one test of loop->watched, whoever there may be, and what
 * they need of it is called from here.
 */
#include "core/step.h"

#include "core/debug.h"
#include "core/loop.h"
#include "core/task.h"

weft_step weft__step_watched(weft_loop *loop, weft__coro *coro)
{
    struct weft__debug_clock clock =
        weft__debug_begin(loop->debug, weft__frame_of(coro)->weft_state);
    weft_step step;
    do
        step = coro->code->resume(weft__frame_of(coro));
    while (step.weft_code == WEFT__AGAIN);
    weft__debug_step_ended(loop, &clock, coro);
    return step;
}

void weft__item_watched(weft_loop *loop, weft__item *item)
{
    struct weft__debug_clock clock = weft__debug_begin(loop->debug, 0);
    item->run(item);
    weft__debug_item_ended(loop, &clock);
}
