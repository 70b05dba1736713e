/* SPDX-License-Identifier: MIT */
/*
 * Retry: one operation, made again after it failed.
 *
 *     QUEUED --tick--> TRYING --success, or a last failure--> done as the attempt
 *     TRYING --failure--> WAITING --deadline--> TRYING
 *     QUEUED, WAITING --cancel--> done, -ECANCELED
 *     TRYING --cancel--> the attempt was asked to stop, and is the last one
 *
 * QUEUED and WAITING differ only in where the timer's item is: in the ready queue, or armed. It
 * cannot be taken out of the queue, so it finds the future done then, and drops the reference.
 *
 * Failure modes: no memory to arm the timer (fails with -ENOMEM); `make` returns NULL or another
 * loop's future (that attempt fails).
 */
#include <weft/retry.h>

#include <errno.h>

#include "core/cancel.h"
#include "core/inspect/eye.h"
#include "core/loop.h"
#include "core/maker.h"
#include "core/memory.h"
#include "core/random.h"
#include "core/timer.h"

struct retry {
    struct weft__timed timed; /* first; the operation keeps one reference to the end */
    weft__waiter waiter;      /* for the attempt under way; its future is NULL between attempts */
    struct weft__maker maker;
    struct weft_retry_options options; /* [const] */
    size_t attempt;                    /* the one under way or next, from 0 */
    double delay;                      /* the next one, without jitter, in nanoseconds */
    bool trying;                       /* an attempt is made, under way, or looked at */
};

static struct retry *retry_of(const weft_future *future)
{
    return WEFT__CONTAINER(future, struct retry, timed.future);
}

/* ---- Trying ---- */

static bool is_worth_another(struct retry *retry, int status)
{
    const struct weft_retry_options *options = &retry->options;
    bool is_last = retry->timed.future.flags & WEFT__CANCEL_ASKED ||
                   weft__loop->phase == WEFT__CLOSED; /* no timer would be due any more */
    if (status >= 0 || is_last)
        return false;
    if (options->attempts != WEFT_RETRY_FOREVER && retry->attempt + 1 >= options->attempts)
        return false;
    if (!options->should_retry)
        return status != -ECANCELED;
    weft_context **outer = weft__context_enter(&retry->maker.context);
    bool worth = options->should_retry(status, retry->attempt, retry->maker.arg);
    weft__context_leave(outer);
    return worth && !(retry->timed.future.flags & WEFT__CANCEL_ASKED);
}

/* The delay before the next attempt; makes the one after that longer. */
static weft_ns next_delay(struct retry *retry)
{
    const struct weft_retry_options *options = &retry->options;
    double longer = retry->delay * options->multiplier;
    double delay = retry->delay * (1 - options->jitter * weft__random_fraction(weft__loop));
    retry->delay = longer < (double)options->max_delay ? longer : (double)options->max_delay;
    return delay < (double)WEFT_FOREVER ? (weft_ns)delay : WEFT_FOREVER;
}

static void wait_for_next(struct retry *retry)
{
    retry->attempt++;
    retry->trying = false;
    weft_ns deadline = weft__deadline_after(next_delay(retry));
    if (weft__timer_start(weft__loop, &retry->timed.timer, deadline) == 0)
        return;
    weft__complete_failed(&retry->timed.future, -ENOMEM, NULL);
    weft_unref(&retry->timed.future);
}

static void attempt_done(weft__item *item)
{
    struct retry *retry = WEFT__CONTAINER(item, struct retry, waiter.item);
    weft_future *attempt = retry->waiter.future;
    retry->waiter.future = NULL;
    if (is_worth_another(retry, weft__observe(attempt))) {
        wait_for_next(retry);
    } else {
        weft__complete_as(&retry->timed.future, attempt);
        weft_unref(&retry->timed.future);
    }
    weft_unref(attempt);
}

static void try(weft__item *item)
{
    struct retry *retry = WEFT__CONTAINER(item, struct retry, timed.timer.item);
    if (!weft__is_pending(&retry->timed.future)) {
        weft_unref(&retry->timed.future);
        return;
    }
    retry->trying = true;
    weft_future *attempt = weft__make(&retry->maker, retry->attempt, "weft_retry");
    bool asked = retry->timed.future.flags & WEFT__CANCEL_ASKED; /* by the function itself */
    if (asked && weft__is_pending(attempt))
        weft__pass_cancel(attempt, &retry->timed.future);
    weft__wait(&retry->waiter, attempt);
}

/* ---- The operation ---- */

static bool cancel_attempt(struct retry *retry)
{
    weft_future *attempt = retry->waiter.future;
    retry->timed.future.flags |= WEFT__CANCEL_ASKED;
    if (!attempt)
        return true; /* in a user's function, which goes on with a look at the flag */
    return weft__is_pending(attempt) &&
           weft__request_cancel(attempt, weft_message(&retry->timed.future));
}

static bool cancel(weft_future *future)
{
    struct retry *retry = retry_of(future);
    if (retry->trying)
        return cancel_attempt(retry);
    bool queued = !weft__timer_is_armed(&retry->timed.timer);
    weft__timer_stop(weft__loop, &retry->timed.timer);
    weft__complete_failed(future, -ECANCELED, NULL);
    if (!queued)
        weft_unref(future);
    return true;
}

static void dispose(weft_future *future)
{
    weft_context_unref(retry_of(future)->maker.context);
}

static void explain(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret)
{
    struct retry retry;
    if (!weft__eye_see(eye, &retry, at, sizeof(retry)))
        return;
    ret->needs = retry.trying ? WEFT__NEEDS_ALL : WEFT__NEEDS_WORLD;
    ret->stage = retry.trying ? "trying" : "waits for its next attempt";
    ret->deadline = weft__eye_deadline(eye, &retry.timed.timer);
    weft__waiting_number(ret, "attempt", retry.attempt + 1);
    weft__eye_child(eye, retry.waiter.future);
}

WEFT__OPS(retry_ops) = {.name = "retry", .cancel = cancel, .dispose = dispose, .explain = explain};

/* ---- Starting ---- */

static bool are_valid(const struct weft_retry_options *options)
{
    return (options->size == 0 || options->size == sizeof(*options)) && options->max_delay >= 0 &&
           (options->multiplier == 0 || options->multiplier >= 1) && options->jitter <= 1;
}

static struct weft_retry_options with_defaults(struct weft_retry_options options)
{
    if (options.attempts == 0)
        options.attempts = 3;
    if (options.first_delay == 0)
        options.first_delay = WEFT_MS(100);
    if (options.first_delay < 0)
        options.first_delay = 0;
    if (options.max_delay == 0)
        options.max_delay = WEFT_S(30);
    if (options.first_delay > options.max_delay)
        options.first_delay = options.max_delay;
    if (options.multiplier == 0)
        options.multiplier = 2;
    if (options.jitter == 0)
        options.jitter = 0.5;
    if (options.jitter < 0)
        options.jitter = 0;
    return options;
}

weft_future *weft_retry(const struct weft_retry_options *options, weft_make_fn *make, void *arg)
{
    static const struct weft_retry_options defaults;
    weft_loop *loop = weft__here();
    if (!loop)
        return weft__future_enoloop();
    if (!options)
        options = &defaults;
    if (!make || !are_valid(options))
        return weft_future_failed(-EINVAL, "weft_retry: no function, or bad options");
    if (loop->phase == WEFT__CLOSED)
        return weft_future_failed(-ESHUTDOWN, NULL);
    struct retry *retry = weft__future_alloc(loop, &retry_ops, sizeof(*retry), 2);
    if (!retry)
        return weft__future_enomem(loop);
    retry->timed.timer.item.run = try;
    retry->waiter.item.run = attempt_done;
    retry->maker = weft__maker(make, arg);
    retry->options = with_defaults(*options);
    retry->delay = (double)retry->options.first_delay;
    weft__schedule(loop, &retry->timed.timer.item);
    return &retry->timed.future;
}
