/* SPDX-License-Identifier: MIT */
/*
 * Debug mode: slow steps, and what is left when the loop is closed. (Calls on a wrong thread are looked
 * for always, in core/thread.c.)
 *
 * A step is the time from one await to the next, during which nothing else runs on the loop. Steps
 * nest: a coroutine that is called runs its first step within its caller's. Each is charged with its
 * own time only, so that a slow step is reported once, by the name of the innermost: what a step has
 * within it is added up in `inner`. What is slow without being a step of a coroutine, a function of
 * weft_then() or weft_call_soon(), say, is reported as a callback.
 *
 * Time is the real one, whatever the loop's clock: virtual time stands still during a step.
 */
#include "core/debug.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/allow.h"
#include "core/future.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/step.h"
#include "core/task.h"

#define DEFAULT_SLOW_STEP WEFT_MS(100)

static bool environment_says_so(void)
{
    const char *text = getenv("WEFT_DEBUG");
    return text && *text && strcmp(text, "0") != 0;
}

bool weft__debug_init(weft_loop *loop, const struct weft_loop_options *options)
{
    if (!(options && options->debug) && !environment_says_so())
        return true;
    loop->debug = weft__calloc(1, sizeof(*loop->debug));
    if (!loop->debug)
        return false;
    bool has_limit = options && options->slow_step > 0;
    loop->debug->slow_step = has_limit ? options->slow_step : DEFAULT_SLOW_STEP;
    loop->watched |= WEFT__WATCHED_FOR_SLOW;
    return true;
}

/* ---- Slow steps ---- */

static weft_ns real_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return WEFT_S(now.tv_sec) + now.tv_nsec;
}

struct weft__debug_clock weft__debug_begin(struct weft__debug *debug, int line)
{
    struct weft__debug_clock clock = {real_now(), debug->inner, line, weft__allowed};
    debug->inner = 0;
    return clock;
}

/* Its own time; what is around it is charged with none of it. */
static weft_ns stop(struct weft__debug *debug, const struct weft__debug_clock *clock)
{
    weft_ns took = real_now() - clock->began;
    weft_ns own = took - debug->inner;
    debug->inner = clock->outer_inner + took;
    return own;
}

static double in_ms(weft_ns time)
{
    return (double)time / (double)WEFT_MS(1);
}

void weft__debug_step_ended(weft_loop *loop, const struct weft__debug_clock *clock,
                            const weft__coro *coro)
{
    char message[512];
    weft_ns own = stop(loop->debug, clock);
    if (weft__allowed != clock->allowed)
        weft__allow_left_open(loop, clock->allowed, coro);
    if (own <= loop->debug->slow_step)
        return;
    const char *file = coro->code->file;
    if (clock->line > 0)
        snprintf(message, sizeof(message), "%.1f ms, from the await at %s:%d on", in_ms(own), file,
                 clock->line);
    else
        snprintf(message, sizeof(message), "%.1f ms, from %s in %s on", in_ms(own),
                 clock->line ? "WEFT_FINALLY" : "its beginning", file);
    struct weft_error_report report = {
        .what = "a slow step: nothing else ran on the loop meanwhile",
        .status = -ETIME,
        .message = message,
        .task = weft_task_name(&coro->future),
        .spawned_at = coro->spawned_at,
        .task_id = weft_task_id(&coro->future),
    };
    weft__report(loop, &report);
}

void weft__debug_item_ended(weft_loop *loop, const struct weft__debug_clock *clock)
{
    char message[64];
    weft_ns own = stop(loop->debug, clock);
    if (own <= loop->debug->slow_step)
        return;
    snprintf(message, sizeof(message), "%.1f ms", in_ms(own));
    struct weft_error_report report = {
        .what = "a slow callback: nothing else ran on the loop meanwhile",
        .status = -ETIME,
        .message = message,
    };
    weft__report(loop, &report);
}

/* ---- What is left at the end ---- */

static void tell_who_waits(const weft_future *future, char *text, size_t size)
{
    const weft__waiter *first = future->first.waiters;
    if (!first) {
        snprintf(text, size, "nobody waits for it");
    } else if (first->item.run != weft__resume) {
        snprintf(text, size, "a callback or an operation waits for it");
    } else {
        const weft__coro *coro = WEFT__CONTAINER(&first->item, weft__coro, waiter.item);
        snprintf(text, size, "%s waits for it at %s:%d", weft_task_name(&coro->future),
                 coro->code->file, weft_task_await_line(&coro->future));
    }
}

void weft__debug_report_left(weft_loop *loop, weft_future *future)
{
    char message[512];
    tell_who_waits(future, message, sizeof(message));
    struct weft_error_report report = {
        .what = "not completed when the loop was closed",
        .status = -ECANCELED,
        .message = message,
        .task = weft_task_name(future),
    };
    weft__report(loop, &report);
}
