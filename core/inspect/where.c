/* SPDX-License-Identifier: MIT */
/*
 * What runs on a loop, seen from another thread: by looks at the fields that the loop writes anyway.
 *
 * The number of callbacks that it has run is look_at - left. Between two items it changes, within one it
 * does not; so while two looks find the same number within a tick, the loop is in the same callback. In a poll that is
 * the number of polls: the loop sleeps, or a callback of libevent's runs.
 *
 * Nothing is synchronized: a look may be torn. A number that is torn is no other look's, so it can only make something
 * look like a change. Pointers are followed by weft__peek(), a few steps, and who reads names and places that
 * way looks again behind it: if the loop is at the same thing still, what was read is right.
 */
#include "core/inspect/where.h"

#include <stddef.h>
#include <stdio.h>

#include "core/cold.h"
#include "core/inspect/peek.h"
#include "core/loop.h"
#include "core/task.h"

bool weft__at_look(struct weft__at *at, const weft_loop *loop)
{
    weft_loop seen;
    if (!weft__peek(&seen, loop, offsetof(weft_loop, outcome)))
        return false;
    *at = (struct weft__at){
        .is_in_tick = seen.in_tick,
        .is_polling = seen.polling,
        .is_reporting = seen.reporting,
        .callbacks = weft__loop_callbacks(&seen),
        .ticks = seen.ticks,
        .polls = seen.polls,
        .current = seen.current,
    };
    return true;
}

bool weft__at_is_same(const struct weft__at *at, const struct weft__at *before)
{
    return (at->is_in_tick || at->is_polling) && at->is_in_tick == before->is_in_tick &&
           at->is_polling == before->is_polling && at->callbacks == before->callbacks &&
           at->ticks == before->ticks && at->polls == before->polls;
}

/* As far as the parts go that all coroutines have. */
static bool read_coroutine(weft__coro *to, const weft__coro *from)
{
    return weft__peek(to, from, sizeof(*to));
}

static void read_function(struct weft__who *who, const weft__coro *coro)
{
    weft_coroutine code;
    char file[192];
    int line = coro->frame.weft_state;
    if (!weft__peek(&code, coro->code, sizeof(code)))
        return;
    weft__peek_text(who->function, sizeof(who->function), code.name);
    weft__peek_text(file, sizeof(file), code.file);
    if (line > 0)
        snprintf(who->awaited_at, sizeof(who->awaited_at), "%s:%d", file, line);
    else if (line == WEFT__STATE_FINALLY)
        snprintf(who->awaited_at, sizeof(who->awaited_at), "WEFT_FINALLY in %s", file);
}

/* As it was set, or as its coroutine is called. */
static void read_task(struct weft__who *who, const weft__coro *task)
{
    weft_coroutine code;
    struct weft__cold cold;
    who->task_id = task->id;
    who->parent_id = task->parent;
    weft__peek_text(who->spawned_at, sizeof(who->spawned_at), task->spawned_at);
    if ((task->future.flags & WEFT__HAS_COLD) &&
        weft__peek(&cold, task->future.second.cold, sizeof(cold)))
        weft__peek_text(who->task, sizeof(who->task), cold.name);
    if (!who->task[0] && weft__peek(&code, task->code, sizeof(code)))
        weft__peek_text(who->task, sizeof(who->task), code.name);
}

static const char *kind_of(const struct weft__at *at)
{
    if (at->is_reporting)
        return "error handler";
    if (at->is_polling)
        return "event callback";
    return at->current ? "step" : "callback";
}

void weft__who_read(struct weft__who *who, const struct weft__at *at)
{
    weft__coro coro, task;
    *who = (struct weft__who){.what = kind_of(at)};
    if (at->is_polling || !read_coroutine(&coro, at->current))
        return;
    read_function(who, &coro);
    if (!weft__is_call(&coro))
        read_task(who, &coro);
    else if (read_coroutine(&task, coro.as.task))
        read_task(who, &task);
}
