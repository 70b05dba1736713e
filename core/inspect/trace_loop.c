/* SPDX-License-Identifier: MIT */
/*
 * Tracing, on a loop's thread: what is recorded of steps, of callbacks and of what is queued.
 *
 * Whether to look at all is in loop->watched, which steps test anyway. What is queued goes the way of loops
 * that schedule specially (core/loop.h), so that the others have no test for it. Both are set here, on the loop's
 * own thread.
 *
 * How much there is to do is recorded when a tick begins, if it has changed: the first item that is run in a tick
 * tells that it is another one.
 */
#include <errno.h>

#include "core/call.h"
#include "core/callback.h"
#include "core/inspect/inspect.h"
#include "core/inspect/peek.h"
#include "core/inspect/trace.h"
#include "core/loop.h"
#include "core/post.h"
#include "core/step.h"
#include "core/task.h"

enum { MOST_READY = 1000 }; /* no more are counted */

/* ---- Whether to ---- */

void weft__trace_sync(weft_loop *loop)
{
    bool on = weft__trace_is_on();
    if (on)
        loop->watched |= WEFT__WATCHED_FOR_TRACE;
    else
        loop->watched &= ~(unsigned)WEFT__WATCHED_FOR_TRACE;
    loop->pause = true; /* the next tick may be run in another way: run_ready() */
    loop->schedules_specially = loop->polls_around || on;
}

static void on_told(void *loop)
{
    weft__trace_sync(loop);
}

/* One that is shut down takes no posts, and runs no steps any more. */
static void tell(void *arg, struct weft__source *source)
{
    bool *told = arg;
    weft_loop *loop = weft__inspect_loop(source);
    if (!loop)
        return;
    if (loop == weft__here())
        weft__trace_sync(loop);
    else if (weft_post(loop, on_told, loop) == -ENOMEM)
        *told = false;
}

bool weft__trace_tell_loops(void)
{
    bool told = true;
    weft__sources_each(tell, &told);
    return told;
}

/* ---- Steps ---- */

uint32_t weft__trace_task(void)
{
    const weft_loop *loop = weft__here();
    return loop && loop->current ? weft__identity(loop->current)->id : 0;
}

static uint32_t line_of(const weft__coro *coro)
{
    int32_t state = coro->frame.weft_state;
    return state >= 0 ? (uint32_t)state : WEFT__TRACE_FINALLY;
}

void weft__trace_step(const weft__coro *coro)
{
    const weft__coro *task = weft__identity(coro);
    weft__trace_record(WEFT__TRACE_STEP, line_of(coro), task->id, (uintptr_t)coro, coro->code);
    if (coro->frame.weft_state == 0)
        weft__trace_record(WEFT__TRACE_BORN, 0, task == coro ? coro->parent : task->id,
                           (uintptr_t)coro, coro->spawned_at);
}

static const char *name_of(const weft_future *future)
{
    const weft__coro *coro = future ? weft__coro_of(future) : NULL;
    return coro ? coro->code->name : future ? future->ops->name : NULL;
}

void weft__trace_step_end(const weft__coro *coro, weft_step step)
{
    enum weft__trace_how how = step.weft_code >= WEFT__DONE      ? WEFT__TRACE_ENDS
                               : step.weft_code == WEFT__SUSPEND ? WEFT__TRACE_AWAITS
                                                                 : WEFT__TRACE_YIELDS;
    const char *name = how == WEFT__TRACE_AWAITS ? name_of(coro->waiter.future) : NULL;
    weft__trace_record(WEFT__TRACE_STEP_END, line_of(coro), how, (uintptr_t)coro, name);
}

void weft__trace_ready(const weft__item *first, const weft__item *last)
{
    for (const weft__item *item = first;; item = item->next) {
        const weft__coro *coro = weft__coro_of_item(item);
        if (coro)
            weft__trace_record(WEFT__TRACE_READY, 0, weft__identity(coro)->id, (uintptr_t)coro,
                               NULL);
        if (item == last)
            return;
    }
}

/* ---- Items ---- */

/* As a tick begins: its first item was just taken out. */
static void count(weft_loop *loop)
{
    uint64_t ready = 1;
    for (const weft__item *item = loop->batch; item && ready < MOST_READY; item = item->next)
        ready++;
    uint64_t counts = (uint64_t)loop->task_count << 32 | ready;
    if (counts == loop->traced.counts && loop->jobs == loop->traced.jobs)
        return;
    loop->traced.counts = counts;
    loop->traced.jobs = loop->jobs;
    weft__trace_record(WEFT__TRACE_COUNTS, 0, loop->id, counts, weft__address(loop->jobs));
}

/* 0: it is a completion, or other work of weft's own. */
static uintptr_t users_function(const weft__item *item)
{
    uintptr_t function = weft__call_function(item);
    if (!function)
        function = weft__callback_function(item);
    if (!function)
        function = weft__then_function(item);
    return function ? function : weft__post_function(item);
}

bool weft__trace_item(weft_loop *loop, const weft__item *item)
{
    if (!weft__trace_is_on()) {
        weft__trace_sync(loop);
        return false;
    }
    if (loop->traced.tick != loop->ticks + 1) {
        loop->traced.tick = loop->ticks + 1;
        count(loop);
    }
    if (weft__coro_of_item(item))
        return false;
    uintptr_t users = users_function(item);
    weft__trace_record(WEFT__TRACE_ITEM, users != 0, 0, users ? users : (uintptr_t)item->run, NULL);
    return true;
}
