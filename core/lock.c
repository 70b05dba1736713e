/* SPDX-License-Identifier: MIT */
/*
 * Lock: at most one holder, handed over in the order in which it was asked for.
 *
 *     FREE --acquire--> GRANTED --looked at--> HELD --release--> GRANTED to the first in line, or FREE
 *                       GRANTED --dropped, or cancelled--> GRANTED to the next, or FREE
 *
 * A release hands over: from then on the lock belongs to the first in line, though asyncio's order is
 * kept, in which that one finds out at the next tick. At most one grant is outstanding, so that one
 * which is given back cannot be confused with another.
 *
 * The owner is the task that asked, which need not be the one that awaits.
 */
#include "core/lock.h"

#include <errno.h>

#include "core/inspect/eye.h"
#include "core/loop.h"

bool weft__lock_is_mine(const weft_lock *lock)
{
    return lock->state == WEFT__LOCK_HELD && lock->owner == weft__sync_owner();
}

void weft__lock_hand_over(weft_lock *lock)
{
    weft__turn *next = lock->sync.line.first;
    lock->state = next ? WEFT__LOCK_GRANTED : WEFT__LOCK_FREE;
    if (!next)
        return;
    lock->owner = next->owner;
    weft__turn_call(next);
}

static void give_back(struct weft__sync *sync)
{
    weft__lock_hand_over(WEFT__CONTAINER(sync, weft_lock, sync));
}

static void hold(struct weft__sync *sync)
{
    WEFT__CONTAINER(sync, weft_lock, sync)->state = WEFT__LOCK_HELD;
}

static const struct weft__sync_ops lock_ops = {
    .name = "lock", .give_back = give_back, .accept = hold};
void weft__explain_lock(const weft_lock *copy, struct weft__waiting *ret)
{
    ret->owner = copy->owner;
    ret->needs = copy->owner ? WEFT__NEEDS_ALL : WEFT__NEEDS_SOMEBODY;
    ret->stage = copy->state == WEFT__LOCK_HELD ? NULL : "being handed over";
}

static void explain(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret)
{
    weft__turn turn;
    weft_lock lock;
    if (weft__explain_turn(eye, at, ret, &turn) &&
        weft__eye_see(eye, &lock, turn.sync, sizeof(lock)))
        weft__explain_lock(&lock, ret);
}

WEFT__OPS(acquire_ops) = {
    .name = "lock", .cancel = weft__turn_cancel, .dispose = weft__turn_dispose, .explain = explain};
WEFT__OPS(acquired_ops) = {.name = "lock"};

weft_lock *weft_lock_new(void)
{
    return weft__sync_new(&lock_ops, sizeof(weft_lock));
}

void weft_lock_free(weft_lock *lock)
{
    WEFT__SYNC_FREE(lock);
}

static weft_future *acquire_free(weft_lock *lock, uint64_t owner)
{
    weft_future *future = weft__granted(&lock->sync, &acquired_ops);
    if (!future)
        return weft__future_enomem(weft__loop);
    lock->state = WEFT__LOCK_GRANTED;
    lock->owner = owner;
    return future;
}

weft_future *weft_lock_acquire(weft_lock *lock)
{
    int status = WEFT__SYNC_CHECK(lock);
    uint64_t owner = weft__sync_owner();
    if (status == 0 && lock->state != WEFT__LOCK_FREE && owner && lock->owner == owner)
        status = -EDEADLK;
    if (status < 0)
        return WEFT__SYNC_REFUSE(status);
    if (lock->state == WEFT__LOCK_FREE)
        return acquire_free(lock, owner);
    weft__turn *turn =
        weft__turn_new(&lock->sync, &acquire_ops, weft__turn_run_grant, sizeof(*turn));
    if (!turn)
        return weft__future_enomem(weft__loop);
    turn->owner = owner;
    return &turn->future;
}

int weft_lock_release(weft_lock *lock)
{
    int status = WEFT__SYNC_CHECK(lock);
    if (status < 0)
        return status;
    if (!weft__lock_is_mine(lock))
        return -EPERM;
    weft__lock_hand_over(lock);
    return 0;
}

bool weft_lock_is_locked(const weft_lock *lock)
{
    if (WEFT__ELSEWHERE(lock->sync.loop_id))
        return false;
    return lock->state == WEFT__LOCK_HELD;
}
