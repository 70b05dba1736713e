/* SPDX-License-Identifier: MIT */
/*
 * Blocks: asking the coroutine around them to stop, and taking that back.
 *
 * The request goes to the coroutine in which the block was entered, and not to its task: of two
 * calls that run side by side in a gather, the one in whose block the time is over is stopped, and
 * the other one is not. Where the coroutine is a call that its task waits for, the request is counted
 * on the task as well, so that weft_cancelling() shows what Python shows.
 *
 * Each coroutine counts the requests that came to it or passed through it. A block whose own request
 * is taken back, and which finds more than there were at its entry, knows that somebody else wants
 * the coroutine to end.
 *
 * A request that could not be delivered (what was awaited was done already) waits on the coroutine
 * for the next await. Left before that, a block whose request it is takes it along.
 *
 * Failure modes: no memory for the timer (the block keeps the deadline it had); a block that nobody
 * leaves (it is left when its coroutine ends, and reported).
 */
#include "core/block.h"

#include <assert.h>
#include <errno.h>

#include "core/loop.h"

weft__coro *weft__block_place(void)
{
    const weft_loop *loop = weft__here();
    return loop ? loop->current : NULL;
}

int weft__block_enter(weft__block *block, weft__coro *coro, const struct weft__block_ops *ops)
{
    struct weft__cold *cold = weft__cold_make(&coro->future);
    if (!cold)
        return -ENOMEM;
    *block = (weft__block){
        .outer = cold->blocks,
        .ops = ops,
        .coro = coro,
        .deadline = WEFT_FOREVER,
        .requests = weft__requests(coro),
    };
    cold->blocks = block;
    return 0;
}

/* ---- The deadline ---- */

void weft__block_disarm(weft__block *block)
{
    weft_future *timer = block->timer;
    block->timer = NULL;
    if (!timer)
        return;
    weft_cancel(timer);
    weft_unref(timer);
}

static void on_deadline(void *arg)
{
    weft__block *block = arg;
    weft__block_disarm(block);
    block->ops->expire(block);
}

static weft_future *arm(weft__block *block, weft_ns deadline)
{
    if (deadline == WEFT_FOREVER)
        return NULL;
    if (deadline <= weft_now())
        return weft_call_soon(on_deadline, block);
    return weft_call_at(deadline, on_deadline, block);
}

int weft__block_set_deadline(weft__block *block, weft_ns deadline)
{
    weft_future *timer = arm(block, deadline);
    if (timer && weft_is_done(timer)) {
        int status = weft_future_status(timer);
        weft_unref(timer);
        return status;
    }
    weft__block_disarm(block);
    block->timer = timer;
    block->deadline = deadline;
    return 0;
}

/* ---- The request ---- */

/* No block around which its coroutine is shielded lies within this one: what it asks for passes. */
static bool is_within_shield(const weft__block *block)
{
    const weft__block *at = weft__blocks(block->coro);
    while (at != block && !at->ops->shields)
        at = at->outer;
    return at == block && weft__coro_has(block->coro, WEFT__SHIELDED);
}

static void request(weft__block *block, const char *reason)
{
    weft__coro *coro = block->coro;
    bool within = is_within_shield(block);
    if (within)
        weft__coro_clear(coro, WEFT__SHIELDED);
    weft__request_cancel(&coro->future, reason);
    if (within)
        weft__coro_set(coro, WEFT__SHIELDED);
}

void weft__block_ask(weft__block *block, const char *reason)
{
    weft__coro *coro = block->coro;
    assert(!block->asked);
    block->asked = true;
    block->alone = !weft__has_request(coro);
    block->asked_task = weft__identity(coro) != coro && weft__is_where_its_task_is(coro);
    if (block->asked_task)
        weft__count_request(weft__identity(coro));
    request(block, reason);
}

static void take_back(weft__block *block)
{
    weft__coro *coro = block->coro;
    block->asked = false;
    weft__uncount_request(coro);
    if (block->asked_task)
        weft__uncount_request(weft__identity(coro));
    if (block->alone && weft__requests(coro) <= block->requests)
        weft__request_delivered(coro);
}

static void unlink_block(weft__block *block)
{
    weft__block **link = &weft__cold(&block->coro->future)->blocks;
    while (*link != block)
        link = &(*link)->outer;
    *link = block->outer;
}

void weft__block_settle(weft__block *block)
{
    if (block->asked)
        take_back(block);
}

bool weft__block_is_alone(const weft__block *block)
{
    return weft__requests(block->coro) <= block->requests;
}

void weft__block_ask_again(weft__block *block)
{
    weft__coro *coro = block->coro;
    weft__coro *asked = weft__is_where_its_task_is(coro) ? weft__identity(coro) : coro;
    if (weft__requests(asked) == 0) /* it was taken back */
        return;
    weft__keep_request(asked);
    weft__coro_set(asked, WEFT__FOR_OTHERS); /* if it came from who waits, it goes back there */
}

bool weft__block_leave(weft__block *block)
{
    weft__block_disarm(block);
    weft__block_settle(block);
    unlink_block(block);
    return weft__block_is_alone(block);
}

static void report(const weft__coro *coro, const char *what)
{
    struct weft_error_report report = {
        .what = what,
        .status = -EINVAL,
        .task = weft_task_name(&coro->future),
        .spawned_at = weft_task_spawned_at(&coro->future),
    };
    weft__report(weft__loop, &report);
}

/* The blocks within the shield, the outermost if there are several, do not see it: it is no cancel of
 * what they do. */
void weft__blocks_keep(weft__coro *coro)
{
    const weft__block *shield = NULL;
    weft__coro_set(coro, WEFT__KEPT);
    for (const weft__block *block = weft__blocks(coro); block; block = block->outer)
        if (block->ops->shields)
            shield = block;
    for (weft__block *block = weft__blocks(coro); block != shield; block = block->outer)
        block->requests++;
}

weft_future *weft__blocks_hold(weft__coro *coro, const struct weft__outcome *outcome)
{
    for (weft__block *block = weft__blocks(coro); block; block = block->outer) {
        weft_future *future = block->ops->hold ? block->ops->hold(block, outcome) : NULL;
        if (future)
            return future;
    }
    return NULL;
}

void weft__blocks_end(weft__coro *coro, bool silent)
{
    weft__block *block;
    while ((block = weft__blocks(coro))) {
        const char *open = block->ops->open;
        weft__block_leave(block);
        block->ops->free(block);
        if (!silent && open)
            report(coro, open);
    }
}

/* ---- Looking ---- */

/* A deadline that has passed has done what it does; one outside of a shield does nothing within. */
static weft_ns earliest(const weft__coro *coro, weft_ns around)
{
    weft_ns deadline = WEFT_FOREVER;
    for (const weft__block *block = weft__blocks(coro); block; block = block->outer) {
        if (block->timer && block->deadline < deadline)
            deadline = block->deadline;
        if (block->ops->shields)
            return deadline;
    }
    return deadline < around ? deadline : around;
}

weft_ns weft__task_deadline(const weft_future *task)
{
    weft__coro *first = weft__coro_of(task), *running = weft__block_place();
    struct weft__calls calls = weft__calls_of(first);
    weft_ns deadline = WEFT_FOREVER;
    if (running && running == first && !weft__loop->first_steps && !weft__pending_await(first))
        return earliest(first, deadline); /* no call of its own is under way */
    for (const weft__coro *coro = first; coro; coro = weft__calls_next(&calls))
        deadline = earliest(coro, deadline);
    if (running && weft__identity(running) == first)
        deadline = earliest(running, deadline);
    return deadline;
}
