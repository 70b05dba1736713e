/* SPDX-License-Identifier: MIT */
/*
 * Objects that tasks wait for: their life, and the turns of those who wait.
 *
 * Life. The user's reference is given up by …_free(). Each turn and each grant that nobody looked at
 * holds one more, so that a late item or a late destructor finds the object, closed. The loop lists
 * its objects and closes at its end those that are left: then nobody waits any more, and all that
 * can be done with one is to free it.
 *
 * Closing completes futures, and dropping the last reference to a failed one may call the error
 * handler: user code, which finds the object closed already.
 *
 * Failure modes: no memory for a turn (nothing has changed, the future says so); freed while waited
 * for (WEFT_ECLOSED); a turn that is cancelled when it was called (it passes on).
 */
#include "core/sync.h"

#include <errno.h>
#include <weft/task.h>

#include "core/inspect/eye.h"
#include "core/loop.h"
#include "core/memory.h"

/* ---- The object ---- */

static void list_sync(weft_loop *loop, struct weft__sync *sync)
{
    sync->next = loop->syncs;
    sync->at = &loop->syncs;
    if (sync->next)
        sync->next->at = &sync->next;
    loop->syncs = sync;
}

static void unlist_sync(struct weft__sync *sync)
{
    *sync->at = sync->next;
    if (sync->next)
        sync->next->at = sync->at;
}

void *weft__sync_new(const struct weft__sync_ops *ops, size_t size)
{
    weft_loop *loop = weft__here();
    if (!loop || loop->phase == WEFT__CLOSED) {
        errno = loop ? ESHUTDOWN : EINVAL;
        return NULL;
    }
    struct weft__sync *sync = weft__calloc(1, size);
    if (!sync) {
        errno = ENOMEM;
        return NULL;
    }
    sync->ops = ops;
    sync->loop_id = loop->id;
    sync->generation = weft__generation;
    sync->refs = 1;
    list_sync(loop, sync);
    return sync;
}

void weft__sync_unref(struct weft__sync *sync)
{
    if (--sync->refs > 0)
        return;
    if (sync->ops->free)
        sync->ops->free(sync);
    else
        weft__free(sync);
}

void weft__sync_close(struct weft__sync *sync, int status)
{
    if (sync->closed)
        return;
    sync->closed = status;
    sync->refs++;
    unlist_sync(sync);
    if (sync->ops->end)
        sync->ops->end(sync, status);
    else
        weft__line_fail(&sync->line, status);
    weft__sync_unref(sync);
}

void weft__sync_free(void *object, const char *function)
{
    struct weft__sync *sync = object;
    if (!sync || weft__is_elsewhere(sync->loop_id, function))
        return;
    weft__sync_close(sync, WEFT_ECLOSED);
    weft__sync_unref(sync);
}

void weft__syncs_after_fork(weft_loop *loop)
{
    for (struct weft__sync *sync = loop->syncs; sync; sync = sync->next)
        sync->generation = weft__generation;
}

void weft__syncs_end(weft_loop *loop)
{
    while (loop->syncs)
        weft__sync_close(loop->syncs, -ECANCELED);
}

int weft__sync_check(const void *object, const char *function)
{
    const struct weft__sync *sync = object;
    if (!sync)
        return -EINVAL;
    if (weft__is_elsewhere(sync->loop_id, function))
        return weft__elsewhere();
    if (!weft__here())
        return weft__enoloop();
    return sync->closed ? -ESHUTDOWN : 0;
}

weft_future *weft__sync_refuse(int status, const char *function)
{
    if (!weft__here())
        return status == WEFT_ETHREAD ? weft__future_elsewhere() : weft__future_enoloop();
    return weft_future_failed(status, "%s: %s", function, weft_strerror(status));
}

uint64_t weft__sync_owner(void)
{
    const weft_future *task = weft_current_task();
    return task ? weft_task_id(task) : 0;
}

/* ---- Lines ---- */

void weft__line_add(weft__line *line, weft__turn *turn)
{
    turn->line = line;
    turn->next = NULL;
    turn->prev = line->last;
    if (line->last)
        line->last->next = turn;
    else
        line->first = turn;
    line->last = turn;
}

void weft__line_remove(weft__turn *turn)
{
    if (turn->prev)
        turn->prev->next = turn->next;
    else
        turn->line->first = turn->next;
    if (turn->next)
        turn->next->prev = turn->prev;
    else
        turn->line->last = turn->prev;
    turn->line = NULL;
}

void weft__line_fail(weft__line *line, int status)
{
    while (line->first)
        weft__turn_fail(line->first, status);
}

/* ---- Turns ---- */

weft__turn *weft__turn_alloc(struct weft__sync *sync, const struct weft__future_ops *ops,
                             void (*run)(weft__item *item), size_t size)
{
    weft__turn *turn = weft__future_alloc(weft__loop, ops, size, 2);
    if (!turn)
        return NULL;
    turn->item.run = run;
    turn->sync = sync;
    sync->refs++;
    return turn;
}

weft__turn *weft__turn_new(struct weft__sync *sync, const struct weft__future_ops *ops,
                           void (*run)(weft__item *item), size_t size)
{
    weft__turn *turn = weft__turn_alloc(sync, ops, run, size);
    if (turn)
        weft__line_add(&sync->line, turn);
    return turn;
}

void weft__turn_call(weft__turn *turn)
{
    if (turn->line)
        weft__line_remove(turn);
    weft__schedule(weft__loop, &turn->item);
}

void weft__turn_end(weft__turn *turn)
{
    weft_unref(&turn->future);
}

void weft__turn_complete(weft__turn *turn, weft_value value)
{
    weft__line_remove(turn);
    weft__complete(&turn->future, value, NULL);
    weft__turn_end(turn);
}

void weft__turn_fail(weft__turn *turn, int status)
{
    weft__line_remove(turn);
    weft__complete_failed(&turn->future, status, NULL);
    weft__turn_end(turn);
}

void weft__turn_succeed(weft__turn *turn, weft_value value, weft_destructor *destructor)
{
    weft__continue_at_once(&turn->future);
    weft__complete(&turn->future, value, destructor);
    weft__turn_end(turn);
}

void weft__turn_give_up(weft__turn *turn, int status)
{
    weft__continue_at_once(&turn->future);
    weft__complete_failed(&turn->future, status, NULL);
    weft__turn_end(turn);
}

bool weft__turn_cancel(weft_future *future)
{
    weft__turn *turn = WEFT__CONTAINER(future, weft__turn, future);
    if (turn->line)
        weft__turn_fail(turn, -ECANCELED);
    else
        turn->is_cancelled = true;
    return true;
}

void weft__turn_dispose(weft_future *future)
{
    weft__sync_unref(WEFT__CONTAINER(future, weft__turn, future)->sync);
}

/* ---- Seen from outside ---- */

bool weft__explain_turn(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret,
                        weft__turn *copy)
{
    if (!weft__eye_see(eye, copy, at, sizeof(*copy)))
        return false;
    ret->resource = copy->sync;
    if (copy->line)
        return true;
    ret->needs = WEFT__NEEDS_NOTHING; /* it was called */
    return false;
}

void weft__explain_wait(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret)
{
    weft__turn turn;
    weft__explain_turn(eye, at, ret, &turn);
}

/* ---- Granting ---- */

void weft__give_back(void *granter)
{
    struct weft__sync *sync = granter;
    if (!sync->closed)
        sync->ops->give_back(sync);
    weft__sync_unref(sync);
}

void weft__accept(struct weft__sync *sync)
{
    if (sync->ops->accept && !sync->closed)
        sync->ops->accept(sync);
    weft__sync_unref(sync);
}

weft_future *weft__succeeded(const struct weft__future_ops *ops, weft_value value)
{
    weft_future *future = weft__future_alloc(weft__loop, ops, sizeof(*future), 1);
    if (future)
        weft__complete(future, value, NULL);
    return future;
}

weft_future *weft__granted(struct weft__sync *sync, const struct weft__future_ops *ops)
{
    weft_future *future = weft__future_alloc(weft__loop, ops, sizeof(*future), 1);
    if (!future)
        return NULL;
    sync->refs++;
    weft__complete(future, weft_value_ptr(sync), weft__give_back);
    return future;
}

void weft__turn_run_grant(weft__item *item)
{
    weft__turn *turn = WEFT__CONTAINER(item, weft__turn, item);
    struct weft__sync *sync = turn->sync;
    if (sync->closed) {
        weft__turn_give_up(turn, turn->is_cancelled ? -ECANCELED : sync->closed);
    } else if (turn->is_cancelled) {
        sync->ops->give_back(sync);
        weft__turn_give_up(turn, -ECANCELED);
    } else {
        sync->refs++;
        weft__turn_succeed(turn, weft_value_ptr(sync), weft__give_back);
    }
}
