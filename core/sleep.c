/* SPDX-License-Identifier: MIT */
/*
 * Sleeping.
 *
 * weft_sleep() is a future with a timer. Most of them are awaited on the spot by a coroutine, and a
 * million sleeping tasks would be a million such futures. So the await of a sleep that nobody else
 * holds takes it over: the timer moves into the coroutine's waiter, which it needs no other way
 * meanwhile, and the future's memory is free again. What happens, and when, stays the same:
 *
 *     ASLEEP --deadline, tick N--> DUE: queued --runs--> SLEPT: queued --tick N+1--> goes on
 *     ASLEEP --cancel--> the future is made again, and cancelled
 *     DUE ----cancel--> INTERRUPTED: goes on in tick N+1, by an item that is queued at once
 *
 * In the coroutine's waiter, `future` tells: loop->asleep in the first two states, loop->slept in
 * SLEPT. The latter two and loop->interrupted are PERMANENT and stand for any such sleep. Of an
 * INTERRUPTED one the waiter is still queued as the timer that it was, and skipped when it runs.
 *
 * Failure modes: no memory for a cancelled sleep's future. Then loop->interrupted stands in, the
 * reason is lost, and one that is DUE goes on at the place that its timer has in the queue.
 */
#include "core/sleep.h"

#include <errno.h>
#include <weft/time.h>

#include "core/call.h"

/* ---- The future ---- */

const struct weft__future_ops weft__sleep_ops = {
    .name = "sleep", .cancel = weft__timed_cancel, .explain = weft__explain_timed};
WEFT__KNOW_OPS(weft__sleep_ops);

static void complete(weft__item *item)
{
    struct weft__timed *timed = WEFT__CONTAINER(item, struct weft__timed, timer.item);
    if (weft__is_pending(&timed->future))
        weft__complete(&timed->future, weft_value_i64(0), NULL);
    weft_unref(&timed->future);
}

/* With two references: the operation's and another one. */
static struct weft__timed *new_sleep(weft_loop *loop)
{
    struct weft__timed *timed = weft__future_alloc(loop, &weft__sleep_ops, sizeof(*timed), 2);
    if (timed)
        timed->timer.item.run = complete;
    return timed;
}

weft_future *weft_sleep(weft_ns duration)
{
    weft_loop *loop = weft__here();
    if (!loop)
        return weft__future_enoloop();
    struct weft__timed *timed = new_sleep(loop);
    if (!timed)
        return weft__future_enomem(loop);
    if (duration <= 0)
        timed->future.flags |= WEFT__NEXT_TICK;
    return weft__timed_start(timed, duration <= 0 ? INT64_MIN : weft__deadline_after(duration));
}

/* ---- What stands for a sleep that was taken over ---- */

static bool refuse_cancel(weft_future *future)
{
    (void)future;
    return false;
}

WEFT__OPS(standing_ops) = {.name = "sleep", .cancel = refuse_cancel};

void weft__sleeps_init(weft_loop *loop)
{
    weft__future_init(&loop->asleep, loop, &standing_ops, 1);
    weft__future_init(&loop->slept, loop, &standing_ops, 1);
    weft__future_init(&loop->interrupted, loop, &standing_ops, 1);
    loop->asleep.flags = WEFT__PERMANENT;
    loop->slept.flags = WEFT__PERMANENT | WEFT__COMPLETED | WEFT__OBSERVED;
    loop->interrupted.flags = WEFT__PERMANENT | WEFT__COMPLETED | WEFT__OBSERVED;
    loop->interrupted.status = -ECANCELED;
}

static void wait_for(weft__coro *coro, weft_future *standing)
{
    weft_unref(coro->waiter.future);
    coro->waiter.future = standing;
}

/* ---- Taking over ---- */

static void due(weft__item *item)
{
    weft__coro *coro = WEFT__CONTAINER(item, weft__coro, waiter.item);
    if (weft__is_asleep(coro))
        wait_for(coro, weft_ref(&weft__loop->slept));
    item->run = weft__resume;
    weft__schedule(weft__loop, item);
}

bool weft__sleep_move(weft__coro *coro, weft_future *future)
{
    const bool alone = future->refs == 2 && !future->first.waiters;
    if (!alone || future->flags & (WEFT__NEXT_TICK | WEFT__HAS_COLD))
        return false;
    struct weft__timed *timed = WEFT__CONTAINER(future, struct weft__timed, future);
    if (!weft__timer_is_armed(&timed->timer)) /* it is due, and queued */
        return false;
    weft__timer_move(weft__loop, &timed->timer, &coro->waiter.timer);
    coro->waiter.item.run = due;
    coro->waiter.future = weft_ref(&weft__loop->asleep);
    weft__future_free(future);
    return true;
}

weft_future *weft__sleep_give_back(weft__coro *coro)
{
    bool armed = weft__timer_is_armed(&coro->waiter.timer);
    struct weft__timed *timed = armed ? new_sleep(weft__loop) : NULL;
    if (!timed)
        return NULL;
    weft__timer_move(weft__loop, &coro->waiter.timer, &timed->timer);
    weft_unref(coro->waiter.future);
    coro->waiter.item.run = weft__resume;
    weft__wait(&coro->waiter, &timed->future);
    return &timed->future;
}

/* ---- Cancelling ---- */

/* What a coroutine waits for that was cancelled when it was due, and its place in the queue. */
struct interrupted {
    weft_future future; /* first; one reference is the item's */
    weft__item item;
    weft__coro *coro; /* goes on by it, and not before */
};

static void go_on(weft__item *item)
{
    struct interrupted *sleep = WEFT__CONTAINER(item, struct interrupted, item);
    weft__item *next = &sleep->coro->waiter.item;
    weft_unref(&sleep->future);
    weft__run_asking(next);
}

static void skip(weft__item *item)
{
    item->run = weft__resume;
}

static bool interrupt(weft_future *future)
{
    struct interrupted *sleep = WEFT__CONTAINER(future, struct interrupted, future);
    sleep->coro->waiter.item.run = skip;
    weft__complete_failed(future, -ECANCELED, NULL);
    weft__schedule(weft__loop, &sleep->item);
    return true;
}

WEFT__OPS(interrupted_ops) = {.name = "sleep", .cancel = interrupt};

static weft_future *make_interrupted(weft__coro *coro)
{
    struct interrupted *sleep = weft__future_alloc(weft__loop, &interrupted_ops, sizeof(*sleep), 2);
    if (!sleep)
        return NULL;
    sleep->item.run = go_on;
    sleep->coro = coro;
    wait_for(coro, &sleep->future);
    return &sleep->future;
}

/* If it is armed; else it is queued already. */
static void queue_now(weft__coro *coro)
{
    if (!weft__timer_is_armed(&coro->waiter.timer))
        return;
    weft__timer_stop(weft__loop, &coro->waiter.timer);
    coro->waiter.item.run = weft__resume;
    weft__schedule(weft__loop, &coro->waiter.item);
}

void weft__sleep_cancel(weft__coro *coro, const char *reason)
{
    weft_future *future = weft__timer_is_armed(&coro->waiter.timer) ? weft__sleep_give_back(coro)
                                                                    : make_interrupted(coro);
    if (future) {
        weft__request_cancel(future, reason);
        return;
    }
    wait_for(coro, weft_ref(&weft__loop->interrupted));
    queue_now(coro);
}

void weft__sleep_abandon(weft__coro *coro)
{
    wait_for(coro, NULL);
    queue_now(coro);
}
