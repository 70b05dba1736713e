/* SPDX-License-Identifier: MIT */
/*
 * Clean-up blocks.
 *
 *     ENTERED --the time is over--> EXPIRED: the coroutine was asked to stop
 *     ENTERED, EXPIRED --exit--> freed
 *
 * While one is open, its coroutine is SHIELDED: a request that comes to it ends there (core/
 * task_cancel.c), is counted, and is KEPT. At the exit a request that is still wanted is made again,
 * for the next await. Requests of blocks within the shield, and its own when the time is over, pass.
 *
 * An -ECANCELED that ends the block answers its own request only, so what was kept is made again then
 * as well.
 *
 * Nested in one coroutine the innermost that is left last lifts the shield. A clean-up in a call
 * shields the task as far as it waits for the call.
 */
#include <weft/cleanup.h>

#include <errno.h>

#include "core/block.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/timer.h"

struct weft_cleanup {
    weft__block block; /* first */
    bool nested;       /* the coroutine was shielded already */
    bool had_request;  /* one that was not delivered when it was entered */
    bool expired;
};

static weft_cleanup *cleanup_of(weft__block *block)
{
    return WEFT__CONTAINER(block, weft_cleanup, block);
}

static void expire(weft__block *block)
{
    cleanup_of(block)->expired = true;
    weft__block_ask(block, "the clean-up took too long");
}

/* A request was kept, and was not taken back by who asked. */
static bool is_wanted(const weft_cleanup *cleanup)
{
    const weft__coro *coro = cleanup->block.coro, *task = weft__identity(coro);
    if (!weft__coro_has(coro, WEFT__KEPT))
        return false;
    if (cleanup->had_request)
        return weft__requests(coro) > 0 || weft__requests(task) > 0;
    if (weft__requests(coro) <= cleanup->block.requests)
        return false;
    return task == coro || !weft__is_where_its_task_is(coro) || weft__requests(task) > 0;
}

static void lift(weft_cleanup *cleanup)
{
    weft__coro *coro = cleanup->block.coro;
    if (cleanup->nested)
        return;
    bool wanted = is_wanted(cleanup);
    weft__coro_clear(coro, WEFT__SHIELDED);
    weft__coro_clear(coro, WEFT__KEPT);
    if (wanted)
        weft__block_ask_again(&cleanup->block);
}

static bool leave(weft_cleanup *cleanup)
{
    bool expired = cleanup->expired;
    weft__block_leave(&cleanup->block);
    lift(cleanup);
    weft__free(cleanup);
    return expired;
}

/* The coroutine ended, and the block was left for it. */
static void free_cleanup(weft__block *block)
{
    lift(cleanup_of(block));
    weft__free(cleanup_of(block));
}

static const struct weft__block_ops cleanup_ops = {
    .open = "ended, and left a clean-up block open",
    .shields = true,
    .expire = expire,
    .free = free_cleanup,
};

static weft_cleanup *fail(weft_cleanup *cleanup, int error)
{
    weft__free(cleanup);
    errno = error;
    return NULL;
}

/* A request that waits for the next await waits for the exit now. */
static void raise_shield(weft_cleanup *cleanup, weft__coro *coro)
{
    cleanup->nested = weft__coro_has(coro, WEFT__SHIELDED);
    bool asked = !cleanup->nested && weft__answer_requests(coro);
    weft__coro_set(coro, WEFT__SHIELDED);
    if (!asked)
        return;
    cleanup->had_request = true;
    weft__coro_set(coro, WEFT__KEPT);
}

weft_cleanup *weft_cleanup_enter(weft_ns limit)
{
    weft__coro *coro = weft__here() ? weft__block_place() : NULL;
    if (!coro)
        return fail(NULL, EINVAL);
    weft_cleanup *cleanup = weft__calloc(1, sizeof(*cleanup));
    if (!cleanup || weft__block_enter(&cleanup->block, coro, &cleanup_ops) < 0)
        return fail(cleanup, ENOMEM);
    int status = weft__block_set_deadline(&cleanup->block, weft__deadline_after(limit));
    if (status < 0) {
        weft__block_leave(&cleanup->block);
        return fail(cleanup, -status);
    }
    raise_shield(cleanup, coro);
    return cleanup;
}

/* The exit of a block that never was. */
static int without_block(int status)
{
    if (status < 0)
        return status;
    return weft__here() && weft__block_place() ? -ENOMEM : -EINVAL;
}

int weft_cleanup_exit(weft_cleanup *cleanup, int status)
{
    if (!cleanup)
        return without_block(status);
    if (WEFT__ELSEWHERE(cleanup->block.coro->future.loop_id))
        return weft__elsewhere();
    const weft__coro *here = weft__block_place();
    if (!here || weft__identity(here) != weft__identity(cleanup->block.coro))
        return status < 0 ? status : -EINVAL;
    return leave(cleanup) && status == -ECANCELED ? -ETIMEDOUT : status;
}
