/* SPDX-License-Identifier: MIT */
/* Sleeping: weft_sleep(), and the sleep that a coroutine takes over. See core/sleep.c. */
#ifndef WEFT_CORE_SLEEP_H
#define WEFT_CORE_SLEEP_H

#include <stdbool.h>

#include "core/loop.h"
#include "core/task.h"

/** What a coroutine waits for whose sleep was taken over; see core/sleep.c. */
void weft__sleeps_init(weft_loop *loop);

extern const struct weft__future_ops weft__sleep_ops;

/** weft__sleep_take_over() of a sleep. */
bool weft__sleep_move(weft__coro *coro, weft_future *future);

/**
 * Wait for `future` as weft__wait() would, by the coroutine's own waiter as the timer. True: it was a
 * sleep that nobody else holds, and is gone. False: nothing was done.
 */
static inline bool weft__sleep_take_over(weft__coro *coro, weft_future *future)
{
    return future->ops == &weft__sleep_ops && weft__sleep_move(coro, future);
}

/** Does the coroutine sleep by its own waiter? */
static inline bool weft__is_asleep(const weft__coro *coro)
{
    return coro->waiter.future == &weft__loop->asleep;
}

/** Give the sleep a future of its own again, which is what the coroutine then waits for. NULL: out of
 * memory, or its time is over. */
weft_future *weft__sleep_give_back(weft__coro *coro);

/** The coroutine is asleep: cancel that, as weft__request_cancel() does. */
void weft__sleep_cancel(weft__coro *coro, const char *reason);

/** The coroutine is asleep: it waits for nothing any more, and its item is queued. */
void weft__sleep_abandon(weft__coro *coro);

#endif
