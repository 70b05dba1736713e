/* SPDX-License-Identifier: MIT */
/*
 * Awaiting: what WEFT_AWAIT and its like call.
 *
 *     weft__await_value() --success--> has its value
 *     weft__await_value() --failure, or not plain--> weft__await_end() at once
 *     weft__await_value() --not done--> the coroutine suspends … --done--> weft__await_end()
 *
 * What is awaited is kept in `waiter.future` until the end, whether or not the coroutine suspends. Mostly it
 * has succeeded by then, and nobody else holds it: its value is taken and it is freed, and all else is
 * apart from that. One that failed stays until the next await, for its message.
 *
 * Failure modes: what cannot be awaited (NULL, another loop's, the task itself) is replaced by a future
 * that says so.
 */
#include <errno.h>

#include "core/annotations.h"
#include "core/cancel.h"
#include "core/cold.h"
#include "core/group.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/sleep.h"
#include "core/task.h"

static weft_future *awaitable(const weft__coro *coro, weft_future *future)
{
    weft_future *refused = NULL;
    if (!future)
        return weft_future_failed(-EINVAL, "await of NULL");
    if (weft__is_foreign(future))
        refused = weft_future_failed(-EXDEV,
                                     "await of another loop's future, or of one that was consumed");
    else if (weft__is_pending(future) &&
             (future == &coro->future || future == &weft__identity(coro)->future))
        refused = weft_future_failed(-EDEADLK, "a task cannot await itself");
    if (!refused)
        return future;
    weft__drop(future);
    return refused;
}

/* Where there is more to it than to take what is done. */
WEFT_APART static bool await(weft__coro *coro, weft_future *future, int line)
{
    weft__drop_awaited(coro);
    weft__frame_of(coro)->weft_state = line;
    weft__coro_clear(coro, WEFT__ASKED_ON);
    future = awaitable(coro, future);
    if (!weft__is_pending(future)) {
        coro->waiter.future = future;
        return false;
    }
    weft__coro *asked = weft__cancel_requested(coro);
    if (!asked && weft__sleep_take_over(coro, future))
        return true;
    if (asked && future->flags & WEFT__NEXT_TICK) { /* as a yield: it may be taken back till then */
        weft_unref(future);
        coro->waiter.item.run = weft__resume_nap;
        weft__schedule(weft__loop, &coro->waiter.item);
        return true;
    }
    weft__wait(&coro->waiter, future);
    if (asked && !weft__stays_kept(coro))
        weft__pass_kept_cancel(coro, asked, future);
    return true;
}

bool weft__await(struct weft_frame *frame, weft_future *future, int line)
{
    return await(weft__coro_of_frame(frame), future, line);
}

/* What a yield failed with has its place in the coroutine as if it had been awaited. Without memory it
 * is a plain -ECANCELED. */
static weft_future *cancelled_as(const weft_future *asked)
{
    const char *reason = weft_message(asked);
    weft_future *future = weft_future_failed(-ECANCELED, reason ? "%s" : NULL, reason);
    if (weft_is_cancelled(future)) {
        weft__pass_origin(future, asked);
        return future;
    }
    weft__look(future);
    weft_unref(future);
    return NULL;
}

bool weft__yield_is_cancelled(weft__coro *coro)
{
    const weft__coro *asked = weft__cancel_requested(coro);
    if (!asked)
        return false;
    coro->waiter.future = cancelled_as(&asked->future);
    weft__answer_requests(coro);
    return true;
}

/* Where there is more to it than to take a value. */
WEFT_APART static int await_end(weft__coro *coro, weft_future *future, weft_value *ret)
{
    if (!future)
        return -ECANCELED; /* and no memory for a future that says so */
    weft_destructor *destructor;
    int status = weft__look(future);
    if (status < 0 || (ret && (status = weft__take(future, ret, &destructor)) < 0))
        return status;
    coro->waiter.future = NULL;
    weft__unref(future);
    return status;
}

/* Of what weft__is_plain(). */
static inline void take(weft_future *future, weft_value *ret)
{
    if (ret)
        *ret = future->first.value;
    if (future->refs == 1) {
        if (weft__is_spent_call(future))
            weft__keep_call(future);
        else
            weft__drop_plain(future);
    } else {
        future->flags |= WEFT__OBSERVED;
        future->refs--;
    }
}

int weft__await_end(struct weft_frame *frame, weft_value *ret)
{
    weft__coro *coro = weft__coro_of_frame(frame);
    weft_future *future = coro->waiter.future;
    if (!future || !weft__is_plain(future))
        return await_end(coro, future, ret);
    coro->waiter.future = NULL;
    take(future, ret);
    return 0;
}

/* Of any kind, but of this loop. */
WEFT_APART static int await_other(weft__coro *coro, weft_future *future, int line, weft_value *ret)
{
    if (!weft__is_plain(future))
        return await(coro, future, line) ? WEFT__NOT_YET : WEFT__LOOK;
    weft__frame_of(coro)->weft_state = line;
    weft__coro_clear(coro, WEFT__ASKED_ON);
    take(future, ret);
    return 0;
}

/* Mostly it is a call that has just ended. */
int weft__await_value(struct weft_frame *frame, weft_future *future, int line, weft_value *ret)
{
    weft__coro *coro = weft__coro_of_frame(frame);
    if (coro->waiter.future || !future || weft__is_foreign(future))
        return await(coro, future, line) ? WEFT__NOT_YET : WEFT__LOOK;
    if (!weft__is_spent_call(future) || future->refs > 1)
        return await_other(coro, future, line, ret);
    frame->weft_state = line;
    weft__coro_clear(coro, WEFT__ASKED_ON);
    if (ret)
        *ret = future->first.value;
    weft__keep_call(future);
    return 0;
}

/* What weft__await_end() returned last: the awaited future is kept while it has something to say.
 */
static int caught_status(const weft__coro *coro)
{
    const weft_future *future = coro->waiter.future;
    if (!future)
        return -ECANCELED;
    return future->status < 0 ? future->status : -EALREADY;
}

weft_step weft__fail_as_awaited(struct weft_frame *frame)
{
    weft__coro *coro = weft__coro_of_frame(frame);
    weft__set_failure(coro, &weft__loop->outcome, caught_status(coro),
                      weft__strdup(weft__caught_message(frame)));
    if (coro->waiter.future)
        weft__errors_pass(&coro->future, coro->waiter.future);
    if (weft__loop->outcome.status == -ECANCELED && coro->waiter.future)
        weft__pass_origin(&coro->future, coro->waiter.future);
    return weft__leave(coro);
}

const char *weft__caught_message(struct weft_frame *frame)
{
    const weft_future *future = weft__coro_of_frame(frame)->waiter.future;
    return future ? weft_message(future) : NULL;
}

const weft_errors *weft__caught_errors(struct weft_frame *frame)
{
    return weft_future_errors(weft__coro_of_frame(frame)->waiter.future);
}
