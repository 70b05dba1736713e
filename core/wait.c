/* SPDX-License-Identifier: MIT */
/*
 * Wait: until some of several futures are done, or the time is over.
 *
 *     WAITING --enough are done, or the deadline--> done, with the futures as its value
 *     WAITING --cancel--> done, -ECANCELED
 *
 * The futures' references are the value's from the beginning; each waiter has one more while it
 * waits. Once the wait is done, waiters that still wait are taken back. Those that are queued already
 * cannot be: the operation keeps its reference until they have run.
 *
 * A cancel that comes when enough are done does not lose them: the result is on its way.
 */
#include <weft/wait.h>

#include <errno.h>

#include "core/inspect/eye.h"
#include "core/loop.h"
#include "core/many.h"
#include "core/memory.h"
#include "core/timer.h"

struct weft_waited {
    uint32_t loop_id; /* [const] */
    size_t count;     /* [const] */
    bool settled;
    size_t done;          /* once settled */
    weft_future **sorted; /* [const] room for them behind the futures: the done ones, the others */
    weft_future *futures[]; /* references, in the order of the arguments */
};

struct wait {
    struct weft__timed timed; /* first; an armed timer has a reference */
    enum weft_wait_mode mode; /* [const] */
    size_t undone;            /* children that were not seen to be done */
    size_t coming;            /* children that wait or are queued: together they have a reference */
    weft_waited *waited;      /* NULL once it was handed over */
    struct weft__child children[];
};

/* ---- What it gives ---- */

static weft_waited *new_waited(size_t count, weft_future *const *futures)
{
    size_t size = weft__room_for(sizeof(weft_waited), count, 2 * sizeof(weft_future *));
    weft_waited *waited = size ? weft__calloc(1, size) : NULL;
    if (!waited)
        return NULL;
    waited->loop_id = weft__loop_id;
    waited->count = count;
    waited->sorted = waited->futures + count;
    for (size_t i = 0; i < count; i++)
        waited->futures[i] = futures[i];
    return waited;
}

static void free_waited(void *arg)
{
    weft_waited *waited = arg;
    for (size_t i = 0; i < waited->count; i++)
        weft_unref(waited->futures[i]);
    weft__free(waited);
}

void weft_waited_free(weft_waited *waited)
{
    if (waited && !WEFT__ELSEWHERE(waited->loop_id))
        free_waited(waited);
}

static void settle(weft_waited *waited)
{
    size_t at = 0;
    if (waited->settled)
        return;
    waited->settled = true;
    for (size_t i = 0; i < waited->count; i++)
        if (!weft__is_pending(waited->futures[i]))
            waited->sorted[at++] = waited->futures[i];
    waited->done = at;
    for (size_t i = 0; at < waited->count; i++)
        if (weft__is_pending(waited->futures[i]))
            waited->sorted[at++] = waited->futures[i];
}

size_t weft_waited_done_count(weft_waited *waited)
{
    if (WEFT__ELSEWHERE(waited->loop_id))
        return 0;
    settle(waited);
    return waited->done;
}

weft_future *weft_waited_done(weft_waited *waited, size_t index)
{
    if (WEFT__ELSEWHERE(waited->loop_id))
        return NULL;
    settle(waited);
    return index < waited->done ? waited->sorted[index] : NULL;
}

size_t weft_waited_pending_count(weft_waited *waited)
{
    if (WEFT__ELSEWHERE(waited->loop_id))
        return 0;
    settle(waited);
    return waited->count - waited->done;
}

weft_future *weft_waited_pending(weft_waited *waited, size_t index)
{
    if (WEFT__ELSEWHERE(waited->loop_id))
        return NULL;
    settle(waited);
    return index < waited->count - waited->done ? waited->sorted[waited->done + index] : NULL;
}

/* ---- Ending ---- */

static void disarm(struct wait *wait)
{
    if (!weft__timer_is_armed(&wait->timed.timer))
        return;
    weft__timer_stop(weft__loop, &wait->timed.timer);
    weft_unref(&wait->timed.future);
}

static void come(struct wait *wait)
{
    if (--wait->coming == 0)
        weft_unref(&wait->timed.future);
}

static void stop_waiting(struct wait *wait)
{
    size_t taken_back = 0;
    for (size_t i = 0; i < wait->waited->count; i++) {
        if (!weft__is_waiting(&wait->children[i].waiter))
            continue;
        weft__unwait(&wait->children[i].waiter);
        taken_back++;
    }
    disarm(wait);
    wait->coming -= taken_back;
}

static void finish(struct wait *wait)
{
    stop_waiting(wait);
    weft_waited *waited = wait->waited;
    wait->waited = NULL;
    weft__complete(&wait->timed.future, weft_value_ptr(waited), free_waited);
}

static bool is_failure(const weft_future *future)
{
    return !weft__is_pending(future) && future->status < 0 && future->status != -ECANCELED;
}

/* Is it over when this one is done? */
static bool is_enough(const struct wait *wait, const weft_future *done)
{
    return wait->mode == WEFT_FIRST_COMPLETED ||
           (wait->mode == WEFT_FIRST_FAILED && is_failure(done));
}

static void child_done(weft__item *item)
{
    struct weft__child *child = weft__child_of(item);
    struct wait *wait = child->owner;
    weft_future *future = child->waiter.future;
    child->waiter.future = NULL;
    if (weft__is_pending(&wait->timed.future) && (--wait->undone == 0 || is_enough(wait, future)))
        finish(wait);
    weft_unref(future);
    come(wait);
}

static void on_deadline(weft__item *item)
{
    struct wait *wait = WEFT__CONTAINER(item, struct wait, timed.timer.item);
    if (weft__is_pending(&wait->timed.future)) {
        wait->coming++;
        finish(wait);
        come(wait);
    }
    weft_unref(&wait->timed.future);
}

static bool has_enough(const struct wait *wait)
{
    bool all = true;
    for (size_t i = 0; i < wait->waited->count; i++) {
        const weft_future *future = wait->waited->futures[i];
        if (!weft__is_pending(future) && is_enough(wait, future))
            return true;
        all = all && !weft__is_pending(future);
    }
    return all;
}

static bool cancel(weft_future *future)
{
    struct wait *wait = WEFT__CONTAINER(future, struct wait, timed.future);
    if (has_enough(wait))
        return false;
    wait->coming++;
    stop_waiting(wait);
    weft__complete_failed(future, -ECANCELED, NULL);
    come(wait);
    return true;
}

static void dispose(weft_future *future)
{
    weft_waited *waited = WEFT__CONTAINER(future, struct wait, timed.future)->waited;
    if (waited)
        free_waited(waited);
}

/* ---- Starting ---- */

static void explain(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret)
{
    struct wait wait;
    if (!weft__eye_see(eye, &wait, at, sizeof(wait)))
        return;
    ret->deadline = weft__eye_deadline(eye, &wait.timed.timer);
    weft__waiting_number(ret, "left", wait.undone);
    bool is_any = wait.mode == WEFT_FIRST_COMPLETED;
    weft_waited waited;
    if (!weft__eye_see(eye, &waited, wait.waited, sizeof(waited)))
        return;
    weft__waiting_number(ret, "count", waited.count);
    bool any_done = weft__eye_children(eye, (const char *)at + offsetof(struct wait, children),
                                       waited.count, sizeof(struct weft__child));
    ret->needs = !is_any ? WEFT__NEEDS_ALL : any_done ? WEFT__NEEDS_NOTHING : WEFT__NEEDS_ANY;
}

WEFT__OPS(wait_ops) = {.name = "wait", .cancel = cancel, .dispose = dispose, .explain = explain};

/* 0 or -ENOMEM. */
static int arm(struct wait *wait, weft_ns timeout)
{
    if (timeout < 0 || timeout == WEFT_FOREVER)
        return 0;
    int status = weft__timer_start(weft__loop, &wait->timed.timer, weft__deadline_after(timeout));
    if (status == 0)
        weft_ref(&wait->timed.future);
    return status;
}

/* Without memory the futures stay the caller's. */
static struct wait *new_wait(weft_loop *loop, size_t count, weft_future *const *futures,
                             weft_ns timeout)
{
    size_t size = weft__room_for(sizeof(struct wait), count, sizeof(struct weft__child));
    struct wait *wait = size ? weft__future_alloc(loop, &wait_ops, size, 2) : NULL;
    if (!wait)
        return NULL;
    wait->timed.timer.item.run = on_deadline;
    wait->waited = new_waited(count, futures);
    if (wait->waited && arm(wait, timeout) == 0)
        return wait;
    weft__free(wait->waited);
    weft__future_free(&wait->timed.future);
    return NULL;
}

weft_future *weft_wait_array(size_t count, weft_future *const *futures, enum weft_wait_mode mode,
                             weft_ns timeout)
{
    weft_loop *loop = weft__here();
    weft_future *bad = weft__cannot_wait(count, futures, "weft_wait");
    if (!bad && (count == 0 || (unsigned)mode > WEFT_FIRST_FAILED))
        bad = weft_future_failed(-EINVAL, "weft_wait: no futures, or an unknown mode");
    if (!bad && loop->phase == WEFT__CLOSED)
        bad = weft_future_failed(-ESHUTDOWN, NULL);
    if (bad)
        return weft__refuse_all(count, futures, bad);
    struct wait *wait = new_wait(loop, count, futures, timeout);
    if (!wait)
        return weft__refuse_all(count, futures, weft__future_enomem(loop));
    wait->mode = mode;
    wait->undone = wait->coming = count;
    for (size_t i = 0; i < count; i++)
        weft_ref(futures[i]);
    weft__wait_all(wait->children, count, futures, wait, child_done);
    return &wait->timed.future;
}
