/* SPDX-License-Identifier: MIT */
/*
 * Timeout blocks.
 *
 *     ENTERED --deadline--> EXPIRED: the coroutine was asked to stop
 *     ENTERED, EXPIRED --exit--> freed
 *
 * All of the work is in core/block.c; what is here is the rule of the exit: -ECANCELED becomes
 * -ETIMEDOUT when the block asked and nobody else did.
 */
#include <weft/timeout.h>

#include <errno.h>

#include "core/block.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/timer.h"

struct weft_timeout {
    weft__block block; /* first */
    bool expired;
};

static uint32_t loop_of(const weft_timeout *timeout)
{
    return timeout->block.coro->future.loop_id;
}

static weft_timeout *timeout_of(weft__block *block)
{
    return WEFT__CONTAINER(block, weft_timeout, block);
}

static void expire(weft__block *block)
{
    timeout_of(block)->expired = true;
    weft__block_ask(block, "timed out");
}

static void free_timeout(weft__block *block)
{
    weft__free(timeout_of(block));
}

static const struct weft__block_ops timeout_ops = {
    .open = "ended, and left a timeout block open",
    .expire = expire,
    .free = free_timeout,
};

static weft_timeout *fail(int error)
{
    errno = error;
    return NULL;
}

weft_timeout *weft_timeout_enter_at(weft_ns deadline)
{
    weft__coro *coro = weft__block_place();
    if (!coro)
        return fail(EINVAL);
    weft_timeout *timeout = weft__calloc(1, sizeof(*timeout));
    int status = timeout ? weft__block_enter(&timeout->block, coro, &timeout_ops) : -ENOMEM;
    if (status < 0) {
        weft__free(timeout);
        return fail(-status);
    }
    status = weft__block_set_deadline(&timeout->block, deadline);
    if (status < 0) {
        weft__block_leave(&timeout->block);
        weft__free(timeout);
        return fail(-status);
    }
    return timeout;
}

weft_timeout *weft_timeout_enter(weft_ns after)
{
    return weft_timeout_enter_at(weft__block_place() ? weft__deadline_after(after) : 0);
}

/* The exit of a block that never was. */
static int without_block(int status)
{
    if (status < 0)
        return status;
    return weft__block_place() ? -ENOMEM : -EINVAL;
}

int weft_timeout_exit(weft_timeout *timeout, int status)
{
    if (!timeout)
        return without_block(status);
    if (WEFT__ELSEWHERE(loop_of(timeout)))
        return weft__elsewhere();
    const weft__coro *here = weft__block_place();
    bool belongs = here && weft__identity(here) == weft__identity(timeout->block.coro);
    bool expired = timeout->expired;
    bool alone = weft__block_leave(&timeout->block);
    weft__free(timeout);
    if (!belongs)
        return status < 0 ? status : -EINVAL;
    return status == -ECANCELED && expired && alone ? -ETIMEDOUT : status;
}

int weft_timeout_reschedule(weft_timeout *timeout, weft_ns deadline)
{
    if (!timeout)
        return -EINVAL;
    if (WEFT__ELSEWHERE(loop_of(timeout)))
        return weft__elsewhere();
    if (timeout->expired)
        return -EALREADY;
    return weft__block_set_deadline(&timeout->block, deadline);
}

weft_ns weft_timeout_when(const weft_timeout *timeout)
{
    if (!timeout || WEFT__ELSEWHERE(loop_of(timeout)))
        return WEFT_FOREVER;
    return timeout->block.deadline;
}

bool weft_timeout_expired(const weft_timeout *timeout)
{
    return timeout && !WEFT__ELSEWHERE(loop_of(timeout)) && timeout->expired;
}
