/* SPDX-License-Identifier: MIT */
/*
 * As completed: several futures, to be had in the order in which they complete.
 *
 * A child that is done joins the queue `done`; who asks for the next one gets the first of it, or
 * waits in line. So at most one of the two queues holds somebody.
 *
 * Each child's waiter has the reference that will be handed over. When the time is over, or the object
 * is freed, waiters that still wait are taken back; those that are queued already cannot be, and the
 * memory lasts until they have run.
 *
 * Failure modes: no memory for the object (NULL, which fails at the first call), or for the future of
 * a next one (nothing leaves the queue).
 */
#include <weft/wait.h>

#include <errno.h>

#include "core/inspect/eye.h"
#include "core/loop.h"
#include "core/many.h"
#include "core/memory.h"

/* Somebody who waits for the next one. */
struct next {
    weft_future future; /* first; the line has a reference */
    weft_completions *completions;
    struct next *before, *behind; /* in line */
};

/* All fields are [loop]. */
struct weft_completions {
    uint32_t loop_id; /* [const] */
    size_t count;     /* [const] */
    size_t had;       /* were handed over */
    size_t coming;    /* children that wait or are queued */
    size_t in_line;
    struct next *first, *last; /* the line */
    weft__ready done;          /* children, by waiter.item */
    weft_future *timer;        /* the call at the deadline, a reference; NULL: none */
    bool timed_out, freed;
    struct weft__child children[];
};

/* ---- The line ---- */

static void join(weft_completions *completions, struct next *next)
{
    next->completions = completions;
    next->before = completions->last;
    if (next->before)
        next->before->behind = next;
    else
        completions->first = next;
    completions->last = next;
    completions->in_line++;
}

/* Its reference is the caller's. */
static void leave(struct next *next)
{
    weft_completions *completions = next->completions;
    if (next->before)
        next->before->behind = next->behind;
    else
        completions->first = next->behind;
    if (next->behind)
        next->behind->before = next->before;
    else
        completions->last = next->before;
    completions->in_line--;
}

static bool cancel(weft_future *future)
{
    leave(WEFT__CONTAINER(future, struct next, future));
    weft__complete_failed(future, -ECANCELED, NULL);
    weft_unref(future);
    return true;
}

static void explain(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret)
{
    struct next next;
    weft_completions completions;
    if (!weft__eye_see(eye, &next, at, sizeof(next)) ||
        !weft__eye_see(eye, &completions, next.completions, sizeof(completions)))
        return;
    ret->kind = "as_completed";
    ret->resource = next.completions;
    weft__waiting_number(ret, "count", completions.count);
    weft__waiting_number(ret, "left", completions.coming);
    bool any_done = weft__eye_children(
        eye, (const char *)next.completions + offsetof(weft_completions, children),
        completions.count, sizeof(struct weft__child));
    ret->needs = any_done ? WEFT__NEEDS_NOTHING : WEFT__NEEDS_ANY;
    if (completions.timer)
        weft__eye_child(eye, completions.timer);
}

WEFT__OPS(next_ops) = {.name = "next_completed", .cancel = cancel, .explain = explain};

static void fail_all(weft_completions *completions, int status)
{
    struct next *next;
    while ((next = completions->first)) {
        leave(next);
        weft__complete_failed(&next->future, status, NULL);
        weft_unref(&next->future);
    }
}

/* ---- Handing over ---- */

static void drop(void *future)
{
    weft_unref(future);
}

/* There is one that is done. */
static void hand_over(weft_completions *completions, weft_future *to)
{
    struct weft__child *child = weft__child_of(completions->done.head);
    weft_future *future = child->waiter.future;
    child->waiter.future = NULL;
    weft__ready_remove(&completions->done, &child->waiter.item);
    completions->had++;
    weft__complete(to, weft_value_ptr(future), drop);
}

static void come(weft_completions *completions)
{
    if (--completions->coming == 0 && completions->freed)
        weft__free(completions);
}

static void child_done(weft__item *item)
{
    struct weft__child *child = weft__child_of(item);
    weft_completions *completions = child->owner;
    struct next *next = completions->first;
    if (completions->freed) {
        weft_unref(child->waiter.future);
    } else {
        weft__ready_push(&completions->done, item);
        if (next) {
            leave(next);
            hand_over(completions, &next->future);
            weft_unref(&next->future);
        }
    }
    come(completions);
}

weft_future *weft_next_completed(weft_completions *completions)
{
    weft_loop *loop = weft__here();
    if (completions && WEFT__ELSEWHERE(completions->loop_id))
        return weft__future_elsewhere();
    if (!loop)
        return weft__future_enoloop();
    if (!completions)
        return weft__future_enomem(loop);
    if (completions->had + completions->in_line == completions->count)
        return weft_future_failed(WEFT_EOF, NULL);
    if (!completions->done.head && completions->timed_out)
        return weft_future_failed(-ETIMEDOUT, NULL);
    struct next *next = weft__future_alloc(loop, &next_ops, sizeof(*next), 1);
    if (!next)
        return weft__future_enomem(loop);
    if (completions->done.head)
        hand_over(completions, &next->future);
    else
        join(completions, (struct next *)(void *)weft_ref(&next->future));
    return &next->future;
}

/* ---- Beginning and end ---- */

static void stop_waiting(weft_completions *completions)
{
    for (size_t i = 0; i < completions->count; i++) {
        if (!weft__is_waiting(&completions->children[i].waiter))
            continue;
        weft__unwait(&completions->children[i].waiter);
        completions->coming--;
    }
}

static void on_deadline(void *arg)
{
    weft_completions *completions = arg;
    completions->timed_out = true;
    stop_waiting(completions);
    fail_all(completions, -ETIMEDOUT);
}

/* 0 or -ENOMEM. */
static int arm(weft_completions *completions, weft_ns timeout)
{
    if (timeout < 0 || timeout == WEFT_FOREVER)
        return 0;
    completions->timer = weft_call_later(timeout, on_deadline, completions);
    return weft_is_done(completions->timer) ? weft_future_status(completions->timer) : 0;
}

static weft_completions *new_completions(size_t count, weft_ns timeout)
{
    size_t size = weft__room_for(sizeof(weft_completions), count, sizeof(struct weft__child));
    weft_completions *completions = size ? weft__calloc(1, size) : NULL;
    int status = completions ? arm(completions, timeout) : -ENOMEM;
    if (status == 0)
        return completions;
    if (completions)
        weft_unref(completions->timer);
    weft__free(completions);
    errno = -status;
    return NULL;
}

static weft_completions *refuse(size_t count, weft_future *const *futures, weft_future *bad)
{
    if (bad)
        errno = weft__observe(bad) == -ESHUTDOWN ? ESHUTDOWN : EINVAL;
    weft_unref(bad);
    weft__refuse_all(count, futures, NULL);
    return NULL;
}

weft_completions *weft_as_completed_array(size_t count, weft_future *const *futures,
                                          weft_ns timeout)
{
    weft_future *bad = weft__cannot_wait(count, futures, "weft_as_completed");
    if (!bad && weft__loop->phase == WEFT__CLOSED)
        bad = weft_future_failed(-ESHUTDOWN, NULL);
    weft_completions *completions = bad ? NULL : new_completions(count, timeout);
    if (!completions)
        return refuse(count, futures, bad);
    completions->loop_id = weft__loop_id;
    completions->count = completions->coming = count;
    weft__ready_init(&completions->done);
    weft__wait_all(completions->children, count, futures, completions, child_done);
    return completions;
}

/* Those that nobody had. */
static void drop_done(weft_completions *completions)
{
    weft__item *item = weft__ready_take(&completions->done);
    while (item) {
        weft__item *behind = item->next;
        weft__waiter *waiter = &weft__child_of(item)->waiter;
        weft_unref(waiter->future);
        waiter->future = NULL;
        item = behind;
    }
}

void weft_completions_free(weft_completions *completions)
{
    if (!completions || WEFT__ELSEWHERE(completions->loop_id))
        return;
    completions->freed = true;
    completions->coming++;
    fail_all(completions, WEFT_ECLOSED);
    if (completions->timer)
        weft_cancel(completions->timer);
    weft_unref(completions->timer);
    stop_waiting(completions);
    drop_done(completions);
    come(completions);
}
