/* SPDX-License-Identifier: MIT */
/*
 * Cancelling tasks.
 *
 * A request goes to what the task awaits: down the chain of coroutines to the operation at its end,
 * which completes with -ECANCELED, and each coroutine gets that from its await. If there is nothing
 * to pass it to (not started, queued, running, or the operation cannot be stopped), it stays as
 * MUST_CANCEL on the task and is delivered at the next await that suspends. So a result that was
 * ready is never lost.
 *
 * Nor is a request. One that went on to another task and was kept there, since that had what it
 * awaited already, may find no further await in it: that task ends with its value, and whoever waited
 * for it, asked as well, has not heard of it either. So a future that is done says whether a request
 * was left over (UNDELIVERED; what completes as another future takes that over), and a task that was
 * asked and passed it on (ASKED_ON) then has it back.
 */
#include "core/block.h"
#include "core/cancel.h"
#include "core/loop.h"
#include "core/sleep.h"
#include "core/task.h"
#include "core/thread.h"

weft_future *weft__pending_await(const weft__coro *coro)
{
    weft_future *awaited = coro->waiter.future;
    return awaited && weft__is_pending(awaited) ? awaited : NULL;
}

/* The call whose first step `coro` runs right now; NULL: none. */
static weft__coro *starting_call(const weft__coro *coro)
{
    const struct weft__first_step *step = weft__loop->first_steps;
    while (step && step->caller != coro)
        step = step->outer;
    return step && weft__is_call(step->started) ? step->started : NULL;
}

/* The coroutine that `coro` waits for, or is just starting; NULL: none. */
static weft__coro *next_coro(const weft__coro *coro)
{
    const weft_future *awaited = weft__pending_await(coro);
    return awaited ? weft__coro_of(awaited) : starting_call(coro);
}

/* The same if it is a call of the same task. */
static weft__coro *next_call(const weft__coro *coro)
{
    weft__coro *call = next_coro(coro);
    return call && weft__identity(call) == weft__identity(coro) ? call : NULL;
}

weft__coro *weft__calls_next(struct weft__calls *calls)
{
    calls->at = next_call(calls->at);
    if (calls->odd)
        calls->behind = next_call(calls->behind);
    calls->odd = !calls->odd;
    return calls->at == calls->behind ? NULL : calls->at;
}

bool weft__is_where_its_task_is(const weft__coro *call)
{
    struct weft__calls calls = weft__calls_of(weft__identity(call));
    const weft__coro *at = calls.at;
    while (at && at != call && !weft__is_running(at))
        at = weft__calls_next(&calls);
    return at;
}

/* Who waits for a call, or is just starting it; NULL: nobody, or it is none. */
static weft__coro *caller_of(const weft__coro *call)
{
    weft__coro *caller = weft__caller(call);
    const struct weft__first_step *step = caller ? NULL : weft__loop->first_steps;
    while (step && step->started != call)
        step = step->outer;
    return step ? step->caller : caller;
}

/* One that is kept by a call stays with it, and is for the calls within it too. No ring but one that
 * `coro` is in can be met on the way up: each coroutine waits for one other. */
weft__coro *weft__request_for_call(weft__coro *coro)
{
    weft__coro *task = weft__identity(coro), *at = coro;
    bool is_kept_by_calls = weft__coro_has(task, WEFT__CALL_ASKED);
    do {
        if (weft__coro_has(at, WEFT__MUST_CANCEL))
            return at;
        if (weft__coro_has(at, WEFT__SHIELDED))
            return NULL;
        at = is_kept_by_calls ? caller_of(at) : NULL;
    } while (at && at != coro);
    return weft__coro_has(task, WEFT__MUST_CANCEL) && weft__is_where_its_task_is(coro) ? task
                                                                                       : NULL;
}

bool weft__answer_requests(weft__coro *coro)
{
    weft__coro *asked, *last = NULL;
    while ((asked = weft__cancel_requested(coro))) {
        weft__request_delivered(asked);
        last = asked;
    }
    return last;
}

/* The next coroutine on the way of a request; NULL: the way ends, or leads back to where the request
 * has been. */
static weft__coro *next_in_cancel(const weft__coro *coro)
{
    weft__coro *next = weft__coro_has(coro, WEFT__SHIELDED) ? NULL : next_coro(coro);
    return next && !weft__coro_has(next, WEFT__IN_CANCEL) ? next : NULL;
}

/* The request has passed from `first` to `last`. */
static void leave_cancel(weft__coro *first, weft__coro *last)
{
    for (weft__coro *coro = first; coro != last; coro = next_coro(coro))
        weft__coro_clear(coro, WEFT__IN_CANCEL);
    weft__coro_clear(last, WEFT__IN_CANCEL);
}

static bool has_yielded(const weft__coro *coro)
{
    return !coro->waiter.future &&
           (coro->waiter.item.run == weft__resume || coro->waiter.item.run == weft__resume_nap);
}

bool weft__stays_kept(weft__coro *coro)
{
    struct weft__calls calls = weft__calls_of(coro);
    const weft__coro *last = coro;
    for (const weft__coro *at = coro; at; at = weft__calls_next(&calls))
        last = at;
    return last != coro && (weft__coro_has(last, WEFT__ASKED_ON) || has_yielded(last));
}

void weft__pass_kept_cancel(weft__coro *coro, weft__coro *asked, weft_future *awaited)
{
    weft__coro_set(coro, WEFT__ASKED_ON);
    weft__coro_set(asked, WEFT__ASKED_ON);
    weft__loop->cancel_depth++;
    if (weft__pass_cancel(awaited, &asked->future))
        weft__answer_requests(coro);
    weft__loop->cancel_depth--;
}

void weft__cancel_comes_back(weft__coro *coro)
{
    weft__coro *task = weft__identity(coro);
    weft__coro *asked = weft__coro_has(task, WEFT__ASKED_ON) ? task : coro;
    bool went_on = weft__coro_has(coro, WEFT__ASKED_ON);
    const weft_future *awaited = coro->waiter.future;
    weft__coro_clear(coro, WEFT__ASKED_ON);
    if (!went_on || !awaited || !(awaited->flags & WEFT__UNDELIVERED))
        return;
    weft__coro_clear(asked, WEFT__ASKED_ON);
    if (asked->future.requests == 0)
        return;
    weft__keep_request(asked);
    weft__coro_set(asked, WEFT__FOR_OTHERS);
}

/*
 * Follow the awaits down to the operation at the end and ask it to stop. `asked` is who keeps the
 * request if it cannot be delivered: the outermost coroutine of the task in which the chain ends.
 * Tasks that await each other, be it by way of a gather, are a chain without an end; `in_cancel`
 * marks where the request has been, and the last one keeps it. A coroutine that is shielded keeps
 * what comes to it.
 */
bool weft__coro_cancel(weft_future *future)
{
    weft__coro *first = weft__coro_of(future);
    weft__coro *asked = first, *last = first;
    const char *reason = weft_message(future);
    weft_future *awaited = NULL;
    bool kept = false;
    if (weft__coro_has(first, WEFT__IN_CANCEL))
        return true;
    bool from_others = weft__loop->cancel_depth++ > 0;
    for (weft__coro *coro = first; coro; coro = next_in_cancel(coro)) {
        weft__count_request(coro);
        weft__note_origin(&coro->future);
        if (!weft__is_call(coro))
            asked = coro;
        if (coro != first)
            weft__set_reason(&coro->future, reason);
        weft__coro_set(coro, WEFT__IN_CANCEL);
        last = coro;
        kept = weft__coro_has(coro, WEFT__SHIELDED);
        awaited = kept ? NULL : weft__pending_await(coro);
        if (awaited)
            weft__coro_set(coro, WEFT__ASKED_ON);
    }
    if (kept)
        weft__blocks_keep(last);
    else if (awaited && weft__is_asleep(last))
        weft__sleep_cancel(last, reason);
    else if (!awaited || weft__coro_of(awaited) || !weft__request_cancel(awaited, reason))
        weft__keep_request(asked);
    if ((from_others || weft__identity(asked) != weft__identity(first)) && weft__has_request(asked))
        weft__coro_set(asked, WEFT__FOR_OTHERS);
    weft__loop->cancel_depth--;
    leave_cancel(first, last);
    return true;
}

void weft__uncount_request(weft__coro *coro)
{
    if (coro->future.requests && --coro->future.requests == 0)
        weft__drop_request(coro);
}

unsigned weft_uncancel(weft_future *future)
{
    if (WEFT__ELSEWHERE(future->loop_id))
        return 0;
    weft__coro *task = weft__coro_of(future);
    if (!task || weft__is_call(task))
        return 0;
    struct weft__calls calls = weft__calls_of(task);
    for (weft__coro *at = task; at; at = weft__calls_next(&calls)) /* the way that it came */
        weft__uncount_request(at);
    return future->requests;
}

unsigned weft_cancelling(const weft_future *future)
{
    if (WEFT__ELSEWHERE(future->loop_id))
        return 0;
    const weft__coro *task = weft__coro_of(future);
    return task && !weft__is_call(task) ? future->requests : 0;
}
