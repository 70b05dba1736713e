/* SPDX-License-Identifier: MIT */
/*
 * Condition: a line of those who wait for a change, in front of the line of a lock.
 *
 *     WAITING --notify, cancel, free--> CALLED --at its item: the lock is free--> has the lock
 *                                              \__ it is not --> in the lock's line --> CALLED …
 *     has the lock --the predicate is not true--> lets it go, WAITING again
 *                  --else--> DONE
 *
 * A turn is first in the condition's line, then in the lock's: turn->line tells where. A cancel never
 * completes it: it sets `ending`, the status with which the turn ends when it has the lock. One that
 * was notified and ends so gives the notification to the next.
 *
 * A wait ends with the lock in the hands of its task, looked at or not; a grant that is given back
 * would leave the task in doubt. Only if that task has ended in the meantime the lock passes on.
 */
#include <weft/condition.h>

#include <errno.h>
#include <stdint.h>
#include <weft/task.h>

#include "core/inspect/eye.h"
#include "core/lock.h"
#include "core/loop.h"
#include "core/memory.h"

struct weft_condition {
    struct weft__sync sync; /* first */
    weft_lock *lock;        /* [const] a reference */
};

/* All [loop]. */
struct wait {
    weft__turn turn;            /* first */
    weft_condition_fn *is_true; /* [const] NULL: any notification will do */
    void *arg;                  /* [const] */
    weft_future *task; /* [const] a reference to whose wait it is; NULL: outside of tasks */
    int ending;        /* 0, or how it ends */
    bool is_notified;
    void (*when_called)(weft__item *item); /* [const] run_called() */
};

static weft_condition *condition_of(const struct wait *wait)
{
    return WEFT__CONTAINER(wait->turn.sync, weft_condition, sync);
}

static struct wait *wait_of(weft__turn *turn)
{
    return WEFT__CONTAINER(turn, struct wait, turn);
}

static void notify(weft_condition *condition, size_t count)
{
    for (; count > 0 && condition->sync.line.first; count--) {
        struct wait *wait = wait_of(condition->sync.line.first);
        wait->is_notified = true;
        weft__turn_call(&wait->turn);
    }
}

static void give_up(struct wait *wait, int status)
{
    if (status == -ECANCELED && wait->is_notified && !wait->turn.sync->closed)
        notify(condition_of(wait), 1);
    weft__turn_give_up(&wait->turn, status);
}

/* ---- With the lock in hand ---- */

static void let_go(struct wait *wait)
{
    weft_lock *lock = condition_of(wait)->lock;
    if (lock->state == WEFT__LOCK_HELD && lock->owner == wait->turn.owner && !lock->sync.closed)
        weft__lock_hand_over(lock);
}

/* `is_true` may do anything: cancel this wait, free the condition or the lock. */
static bool look(struct wait *wait)
{
    bool is_true = !wait->is_true || wait->is_true(wait->arg);
    if (!is_true && wait->turn.sync->closed)
        wait->ending = wait->turn.sync->closed;
    return is_true;
}

static void has_lock(struct wait *wait)
{
    weft_lock *lock = condition_of(wait)->lock;
    lock->state = WEFT__LOCK_HELD;
    lock->owner = wait->turn.owner;
    bool is_over = wait->ending || look(wait) || wait->ending;
    if (!is_over || (wait->task && weft_is_done(wait->task)))
        let_go(wait);
    if (wait->ending) {
        give_up(wait, wait->ending);
    } else if (is_over) {
        weft__turn_succeed(&wait->turn, weft_value_i64(0), NULL);
    } else {
        wait->is_notified = false;
        weft__line_add(&wait->turn.sync->line, &wait->turn);
    }
}

/* ---- Turns ---- */

/* The lock was granted to it, or is gone. */
static void run_granted(weft__item *item)
{
    struct wait *wait = wait_of(WEFT__CONTAINER(item, weft__turn, item));
    int closed = condition_of(wait)->lock->sync.closed;
    wait->turn.item.run = wait->when_called;
    if (closed)
        give_up(wait, wait->ending ? wait->ending : closed);
    else
        has_lock(wait);
}

/* It was notified, or is to end. */
static void run_called(weft__item *item)
{
    struct wait *wait = wait_of(WEFT__CONTAINER(item, weft__turn, item));
    weft_lock *lock = condition_of(wait)->lock;
    if (lock->sync.closed || lock->state == WEFT__LOCK_FREE) {
        run_granted(item);
        return;
    }
    wait->turn.item.run = run_granted;
    weft__line_add(&lock->sync.line, &wait->turn);
}

static bool cancel(weft_future *future)
{
    struct wait *wait = WEFT__CONTAINER(future, struct wait, turn.future);
    if (!wait->ending)
        wait->ending = -ECANCELED;
    if (wait->turn.line == &wait->turn.sync->line)
        weft__turn_call(&wait->turn);
    return true;
}

static void dispose(weft_future *future)
{
    struct wait *wait = WEFT__CONTAINER(future, struct wait, turn.future);
    weft_unref(wait->task);
    weft__turn_dispose(future);
}

/* Notified, and in the line of its lock, or before that. */
static void explain(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret)
{
    weft__turn turn;
    weft_condition condition;
    weft_lock lock;
    if (!weft__explain_turn(eye, at, ret, &turn) ||
        !weft__eye_see(eye, &condition, turn.sync, sizeof(condition)) || !condition.lock ||
        turn.line != &condition.lock->sync.line ||
        !weft__eye_see(eye, &lock, condition.lock, sizeof(lock)))
        return;
    ret->detail = "notified, wants its lock again";
    ret->resource = condition.lock;
    weft__explain_lock(&lock, ret);
}

WEFT__OPS(wait_ops) = {
    .name = "condition", .cancel = cancel, .dispose = dispose, .explain = explain};
WEFT__OPS(done_ops) = {.name = "condition"};

/* ---- The object ---- */

/* At the end of the loop there is no lock to wait for. */
static void end(struct weft__sync *sync, int status)
{
    if (status != WEFT_ECLOSED)
        weft__line_fail(&sync->line, status);
    while (sync->line.first) {
        wait_of(sync->line.first)->ending = status;
        weft__turn_call(sync->line.first);
    }
}

static void free_condition(struct weft__sync *sync)
{
    weft_condition *condition = WEFT__CONTAINER(sync, weft_condition, sync);
    weft__sync_unref(&condition->lock->sync);
    weft__free(condition);
}

static const struct weft__sync_ops condition_ops = {
    .name = "condition", .end = end, .free = free_condition};

weft_condition *weft_condition_new(weft_lock *lock)
{
    if (!lock) {
        errno = EINVAL;
        return NULL;
    }
    weft_condition *condition = weft__sync_new(&condition_ops, sizeof(*condition));
    if (!condition)
        return NULL;
    condition->lock = lock;
    lock->sync.refs++;
    return condition;
}

void weft_condition_free(weft_condition *condition)
{
    WEFT__SYNC_FREE(condition);
}

/* 0: the running task holds the lock. */
static int check_lock(const weft_condition *condition)
{
    if (condition->lock->sync.closed)
        return condition->lock->sync.closed;
    return weft__lock_is_mine(condition->lock) ? 0 : -EPERM;
}

static weft_future *start(weft_condition *condition, weft_condition_fn *is_true, void *arg)
{
    weft__turn *turn = weft__turn_new(&condition->sync, &wait_ops, run_called, sizeof(struct wait));
    if (!turn)
        return weft__future_enomem(weft__loop);
    struct wait *wait = wait_of(turn);
    weft_future *task = weft_current_task();
    wait->is_true = is_true;
    wait->when_called = run_called;
    wait->arg = arg;
    wait->task = task ? weft_ref(task) : NULL;
    turn->owner = weft__sync_owner();
    weft__lock_hand_over(condition->lock);
    return &turn->future;
}

weft_future *weft_condition_wait(weft_condition *condition)
{
    int status = WEFT__SYNC_CHECK(condition);
    if (status == 0)
        status = check_lock(condition);
    return status < 0 ? WEFT__SYNC_REFUSE(status) : start(condition, NULL, NULL);
}

weft_future *weft_condition_wait_for(weft_condition *condition, weft_condition_fn *is_true,
                                     void *arg)
{
    int status = is_true ? WEFT__SYNC_CHECK(condition) : -EINVAL;
    if (status == 0)
        status = check_lock(condition);
    if (status < 0)
        return WEFT__SYNC_REFUSE(status);
    if (!is_true(arg))
        return start(condition, is_true, arg);
    weft_future *future = weft__succeeded(&done_ops, weft_value_i64(0));
    return future ? future : weft__future_enomem(weft__loop);
}

int weft_condition_notify(weft_condition *condition, size_t count)
{
    int status = WEFT__SYNC_CHECK(condition);
    if (status == 0)
        status = check_lock(condition);
    if (status == 0)
        notify(condition, count);
    return status;
}

int weft_condition_notify_all(weft_condition *condition)
{
    return weft_condition_notify(condition, SIZE_MAX);
}
