/* SPDX-License-Identifier: MIT */
/*
 * A step that somebody looks at: debug mode, which reports those that are slow, a trace, or bpftrace by probes.
 *
 * Nobody does as a rule. So there is one word to test, loop->watched, whoever there may be, and what
 * they need of a step is called from here. The loop tests it before it runs items and has those that go on
 * with a task, weft__resume(), test nothing; other steps test it each. Who looks may change within a step: it
 * ends for those for whom it began.
 *
 * Probes in each step would cost some twenty instructions, for what they keep the compiler from. So those of
 * steps have semaphores: a loop looks when it polls whether anybody has attached.
 */
#ifdef WEFT_HAVE_SDT
#define _SDT_HAS_SEMAPHORES 1
#endif
#include "core/step.h"

#include "core/debug.h"
#include "core/inspect/probe.h"
#include "core/inspect/trace.h"
#include "core/loop.h"
#include "core/task.h"

/* In the section in which they are looked for; their names are by convention. */
__attribute__((section(".probes"), used)) unsigned short weft_step_begin_semaphore;
__attribute__((section(".probes"), used)) unsigned short weft_step_end_semaphore;

weft_step weft__step_watched(weft_loop *loop, weft__coro *coro)
{
    unsigned watched = loop->watched;
    struct weft__debug_clock clock = {0};
    WEFT__PROBE3(step_begin, coro, coro->code->name, coro->frame.weft_state);
    if (watched & WEFT__WATCHED_FOR_TRACE)
        weft__trace_step(coro);
    if (watched & WEFT__WATCHED_FOR_SLOW)
        clock = weft__debug_begin(loop->debug, weft__frame_of(coro)->weft_state);
    weft_step step;
    do
        step = coro->code->resume(weft__frame_of(coro));
    while (step.weft_code == WEFT__AGAIN);
    if (watched & WEFT__WATCHED_FOR_SLOW)
        weft__debug_step_ended(loop, &clock, coro);
    if (watched & WEFT__WATCHED_FOR_TRACE)
        weft__trace_step_end(coro, step);
    WEFT__PROBE2(step_end, coro, step.weft_code);
    return step;
}

void weft__item_watched(weft_loop *loop, weft__item *item)
{
    unsigned watched = loop->watched;
    struct weft__debug_clock clock = {0};
    bool traced = watched & WEFT__WATCHED_FOR_TRACE && weft__trace_item(loop, item);
    if (watched & WEFT__WATCHED_FOR_SLOW)
        clock = weft__debug_begin(loop->debug, 0);
    weft__run_asking(item);
    if (watched & WEFT__WATCHED_FOR_SLOW)
        weft__debug_item_ended(loop, &clock);
    if (traced)
        weft__trace_record(WEFT__TRACE_ITEM_END, 0, 0, 0, NULL);
}
