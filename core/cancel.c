/* SPDX-License-Identifier: MIT */
/*
 * Asking for a cancel: the way in, and who asked.
 *
 * weft_cancel() asks what it is given; that may ask others in turn: a gather its children, a task
 * what it awaits. While it is under way loop->origin says who asked first and from where, so that
 * each future on the way can note it, and nobody has to hand it on. A request that had to wait
 * for a task's next await is made there with what the task noted. Whoever waits for a future that
 * was cancelled takes the note over with the -ECANCELED, whoever that was asked by.
 *
 * Requests that weft makes itself (a limit of time, a shutdown) have a reason, and no place.
 *
 * Failure modes: no memory for the note or the reason; they are lost, the request is not.
 */
#include "core/cancel.h"

#include <stdio.h>
#include <string.h>

#include "core/cold.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/task.h"

/* ---- The note ---- */

static void set_origin(weft_future *future, const struct weft__origin *origin)
{
    struct weft__cold *cold = origin ? weft__cold_make(future) : weft__cold(future);
    if (!cold)
        return;
    char *copy = origin && origin->copy ? weft__strdup(origin->copy) : NULL;
    weft__free(cold->origin.copy);
    cold->origin = origin ? *origin : (struct weft__origin){0};
    if (cold->origin.copy)
        cold->origin.by = copy;
    cold->origin.copy = copy;
}

static bool is_known(const struct weft__origin *origin)
{
    return origin && (origin->by_id || origin->at);
}

void weft__note_origin(weft_future *future)
{
    const struct weft__origin *origin = weft__loop->origin;
    set_origin(future, is_known(origin) ? origin : NULL);
}

void weft__pass_origin(weft_future *to, const weft_future *from)
{
    const struct weft__cold *cold = weft__cold(from);
    if (cold && is_known(&cold->origin))
        set_origin(to, &cold->origin);
}

/* ---- Asking ---- */

/* Tasks that wait for each other are a ring: a request that comes round to where it has been must not
 * free the text which those who pass it on are reading. It is the same text, or none, if it was lost
 * to a lack of memory on the way. */
static bool comes_round(const char *before, const char *reason)
{
    const weft_loop *loop = weft__loop;
    return before && (reason ? strcmp(before, reason) == 0 : loop->origin && loop->has_reason);
}

void weft__set_reason(weft_future *future, const char *reason)
{
    if (comes_round(weft_message(future), reason))
        return;
    weft__cold_set_message(future, weft__strdup(reason));
}

/* Coroutines note it themselves, on the whole way that the request takes. What weft drops of its own, a
 * timer say, without a place or a reason, is not worth a note. */
static void note_at_operation(weft_future *future, const char *reason)
{
    const struct weft__origin *origin = weft__loop->origin;
    if (weft__coro_of(future))
        return;
    set_origin(future, is_known(origin) && (origin->at || reason) ? origin : NULL);
}

bool weft__request_cancel(weft_future *future, const char *reason)
{
    weft__set_reason(future, reason);
    note_at_operation(future, reason);
    return future->ops->cancel(future);
}

static bool request_from(weft_future *future, const char *reason, const struct weft__origin *origin)
{
    weft_loop *loop = weft__loop;
    const struct weft__origin *outer = loop->origin;
    if (!outer) {
        loop->origin = origin;
        loop->has_reason = reason != NULL;
    }
    bool delivered = weft__request_cancel(future, reason);
    loop->origin = outer;
    return delivered;
}

static const struct weft__origin unknown;

bool weft__pass_cancel(weft_future *future, const weft_future *asked)
{
    const struct weft__cold *cold = weft__cold(asked);
    return request_from(future, weft_message(asked), cold ? &cold->origin : &unknown);
}

/* The task that runs now, if one does. */
static struct weft__origin origin_here(const char *place)
{
    struct weft__origin origin = {.at = place};
    const weft_future *task = weft_current_task();
    if (!task)
        return origin;
    const struct weft__cold *cold = weft__cold(task);
    origin.by_id = weft_task_id(task);
    origin.by = weft_task_name(task);
    origin.copy = cold ? cold->name : NULL;
    return origin;
}

bool weft__cancel(weft_future *future, const char *reason, const char *place)
{
    if (weft__is_elsewhere(future->loop_id, reason ? "weft_cancel_because" : "weft_cancel"))
        return false;
    if (!weft__is_pending(future))
        return false;
    struct weft__origin origin = origin_here(place);
    request_from(future, reason, &origin);
    return true;
}

bool weft_cancel_because(weft_future *future, const char *reason)
{
    return weft__cancel(future, reason, NULL);
}

bool weft_cancel(weft_future *future)
{
    return weft__cancel(future, NULL, NULL);
}

/* ---- Looking ---- */

static bool was_asked(const weft_future *future)
{
    return future->requests > 0 || weft_is_cancelled(future);
}

/* A message is the reason of a request until there is an outcome, and of a -ECANCELED after that. */
static const char *reason_of(const weft_future *future)
{
    return weft__is_pending(future) || weft_is_cancelled(future) ? weft_message(future) : NULL;
}

bool weft_task_cancel_info(const weft_future *future, struct weft_cancel_info *ret)
{
    if (WEFT__ELSEWHERE(future->loop_id))
        return false;
    if (!was_asked(future))
        return false;
    const struct weft__cold *cold = weft__cold(future);
    struct weft__origin origin = cold ? cold->origin : (struct weft__origin){0};
    *ret = (struct weft_cancel_info){
        .reason = reason_of(future), .by = origin.by, .at = origin.at, .by_id = origin.by_id};
    return true;
}

const char *weft__cancel_text(const weft_future *future, char *buffer, size_t size)
{
    struct weft_cancel_info info;
    if (!weft_task_cancel_info(future, &info) || (!info.by && !info.at))
        return weft_message(future);
    snprintf(buffer, size, "%s%sasked%s%s%s%s%s", info.reason ? info.reason : "",
             info.reason ? " (" : "", info.by ? " by " : "", info.by ? info.by : "",
             info.at ? " at " : "", info.at ? info.at : "", info.reason ? ")" : "");
    return buffer;
}
