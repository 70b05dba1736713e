/* SPDX-License-Identifier: MIT */
/*
 * Gather: wait for several futures.
 *
 * One block holds the gather and a waiter for each child; the results are allocated with it, so
 * that nothing can fail later. Each child's end is noted in the tick after it; the last one
 * completes the gather, in the default mode the first failure does. The gather's own reference
 * lasts until every child has ended: results that come after a failure are taken and destroyed, and
 * count as observed.
 *
 * Cancelling asks every child that is not done, and the gather completes when all have ended. When
 * none is left to ask, the results are there, and are not lost.
 *
 * All of it is linear in the number of children, whichever way they end.
 */
#include <errno.h>
#include <weft/combine.h>

#include "core/inspect/eye.h"
#include "core/loop.h"
#include "core/many.h"
#include "core/results.h"

struct gather {
    weft_future future; /* first */
    enum weft_gather_flags flags;
    size_t count, left;
    weft_results *results; /* NULL once they were handed over */
    struct weft__child children[];
};

static void complete(struct gather *gather)
{
    weft_results *results = gather->results;
    if (gather->future.flags & WEFT__CANCEL_ASKED) {
        weft__complete_failed(&gather->future, -ECANCELED, NULL);
        return;
    }
    gather->results = NULL;
    weft__complete_results(&gather->future, results);
}

static void child_done(weft__item *item)
{
    struct weft__child *child = weft__child_of(item);
    struct gather *gather = child->owner;
    size_t index = (size_t)(child - gather->children);
    bool keeps_going = gather->flags & WEFT_GATHER_ALL || gather->future.flags & WEFT__CANCEL_ASKED;
    int status = weft__results_note(gather->results, index, child->waiter.future);
    gather->left--;
    if (status < 0 && !keeps_going && weft__is_pending(&gather->future))
        weft__fail_as(&gather->future, status, child->waiter.future);
    if (gather->left > 0)
        return;
    if (weft__is_pending(&gather->future))
        complete(gather);
    weft_unref(&gather->future);
}

/* ---- The operation ---- */

static bool cancel(weft_future *future)
{
    struct gather *gather = WEFT__CONTAINER(future, struct gather, future);
    if (weft__cancel_all(gather->children, gather->count, weft_message(future)))
        future->flags |= WEFT__CANCEL_ASKED;
    return future->flags & WEFT__CANCEL_ASKED; /* else all are done: the result is on its way */
}

static void dispose(weft_future *future)
{
    struct gather *gather = WEFT__CONTAINER(future, struct gather, future);
    weft__drop_all(gather->children, gather->count);
    weft_results_free(gather->results);
}

static void explain(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret)
{
    struct gather gather;
    if (!weft__eye_see(eye, &gather, at, sizeof(gather)))
        return;
    ret->needs = WEFT__NEEDS_ALL;
    weft__waiting_number(ret, "count", gather.count);
    weft__waiting_number(ret, "left", gather.left);
    weft__eye_children(eye, (const char *)at + offsetof(struct gather, children), gather.count,
                       sizeof(struct weft__child));
}

WEFT__OPS(gather_ops) = {
    .name = "gather", .cancel = cancel, .dispose = dispose, .explain = explain};

static struct gather *new_gather(weft_loop *loop, size_t count)
{
    size_t size = weft__room_for(sizeof(struct gather), count, sizeof(struct weft__child));
    struct gather *gather = size ? weft__future_alloc(loop, &gather_ops, size, 2) : NULL;
    if (!gather)
        return NULL;
    gather->results = weft__results_new(count);
    if (!gather->results) {
        weft__future_free(&gather->future);
        return NULL;
    }
    gather->count = gather->left = count;
    return gather;
}

weft_future *weft_gather_array(size_t count, weft_future *const *futures,
                               enum weft_gather_flags flags)
{
    weft_loop *loop = weft__here();
    weft_future *bad = weft__cannot_wait(count, futures, "weft_gather");
    if (bad)
        return weft__refuse_all(count, futures, bad);
    if (flags != WEFT_GATHER_FIRST_ERROR && flags != WEFT_GATHER_ALL)
        return weft__refuse_all(count, futures,
                                weft_future_failed(-EINVAL, "weft_gather: unknown flags"));
    struct gather *gather = new_gather(loop, count);
    if (!gather)
        return weft__refuse_all(count, futures, weft__future_enomem(loop));
    gather->flags = flags;
    weft__wait_all(gather->children, count, futures, gather, child_done);
    if (count == 0) {
        complete(gather);
        weft_unref(&gather->future);
    }
    return &gather->future;
}
