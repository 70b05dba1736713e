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
 */
#include <errno.h>
#include <weft/combine.h>

#include "core/future.h"
#include "core/group.h"
#include "core/loop.h"
#include "core/memory.h"

struct entry {
    int status;
    weft_value value;
    weft_destructor *destructor;
    char *message; /* owned */
};

struct weft_results {
    size_t count;
    struct entry entries[];
};

struct child {
    weft__waiter waiter;
    struct gather *gather;
};

struct gather {
    weft_future future; /* first */
    enum weft_gather_flags flags;
    size_t count, left;
    weft_results *results; /* NULL once they were handed over */
    struct child children[];
};

/* ---- Results ---- */

static void destroy_entry(struct entry *entry)
{
    if (entry->destructor)
        entry->destructor(entry->value.ptr);
    weft__free(entry->message);
}

void weft_results_free(weft_results *results)
{
    if (!results)
        return;
    for (size_t i = 0; i < results->count; i++)
        destroy_entry(&results->entries[i]);
    weft__free(results);
}

static void free_results(void *results)
{
    weft_results_free(results);
}

size_t weft_results_count(const weft_results *results)
{
    return results->count;
}

int weft_results_status(const weft_results *results, size_t index)
{
    return index < results->count ? results->entries[index].status : -ERANGE;
}

weft_value weft_results_value(const weft_results *results, size_t index)
{
    return index < results->count ? results->entries[index].value : weft_value_i64(0);
}

const char *weft_results_message(const weft_results *results, size_t index)
{
    return index < results->count ? results->entries[index].message : NULL;
}

weft_value weft_results_take(weft_results *results, size_t index)
{
    weft_value value = weft_results_value(results, index);
    if (index < results->count && results->entries[index].destructor) {
        results->entries[index].value = weft_value_i64(0);
        results->entries[index].destructor = NULL;
    }
    return value;
}

/* ---- Children ---- */

/* The value went to an earlier place where the same future stands: borrow it from there. */
static int borrow(const struct gather *gather, size_t index, weft_future *future, weft_value *ret)
{
    for (size_t i = 0; i < gather->count; i++) {
        if (i != index && gather->children[i].waiter.future == future &&
            gather->results->entries[i].destructor) {
            *ret = gather->results->entries[i].value;
            return 0;
        }
    }
    return -EALREADY;
}

static void note(struct gather *gather, size_t index, weft_future *future)
{
    struct entry *entry = &gather->results->entries[index];
    entry->status = weft__observe(future);
    if (entry->status >= 0)
        entry->status = weft__take(future, &entry->value, &entry->destructor);
    if (entry->status == -EALREADY)
        entry->status = borrow(gather, index, future, &entry->value);
    if (entry->status < 0)
        entry->message = weft__strdup(weft_message(future));
}

static void complete(struct gather *gather)
{
    if (gather->future.flags & WEFT__CANCEL_ASKED) {
        weft__complete_failed(&gather->future, -ECANCELED, NULL);
        return;
    }
    weft_results *results = gather->results;
    gather->results = NULL;
    weft__complete(&gather->future, weft_value_ptr(results), free_results);
}

static void child_done(weft__item *item)
{
    struct child *child = WEFT__CONTAINER(item, struct child, waiter.item);
    struct gather *gather = child->gather;
    size_t index = (size_t)(child - gather->children);
    bool keeps_going = gather->flags & WEFT_GATHER_ALL || gather->future.flags & WEFT__CANCEL_ASKED;
    note(gather, index, child->waiter.future);
    gather->left--;
    const struct entry *entry = &gather->results->entries[index];
    if (entry->status < 0 && !keeps_going && weft__is_pending(&gather->future)) {
        weft__errors_pass(&gather->future, child->waiter.future);
        weft__complete_failed(&gather->future, entry->status, weft__strdup(entry->message));
    }
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
    for (size_t i = 0; i < gather->count; i++)
        if (weft_cancel_because(gather->children[i].waiter.future, weft_message(future)))
            future->flags |= WEFT__CANCEL_ASKED;
    return future->flags & WEFT__CANCEL_ASKED; /* else all are done: the result is on its way */
}

static void dispose(weft_future *future)
{
    struct gather *gather = WEFT__CONTAINER(future, struct gather, future);
    for (size_t i = 0; i < gather->count; i++)
        weft_unref(gather->children[i].waiter.future);
    weft_results_free(gather->results);
}

static const struct weft__future_ops gather_ops = {
    .name = "gather", .cancel = cancel, .dispose = dispose};

static struct gather *new_gather(weft_loop *loop, size_t count)
{
    size_t size = sizeof(struct gather) + count * sizeof(struct child);
    struct gather *gather = weft__future_alloc(loop, &gather_ops, size, 2);
    if (!gather)
        return NULL;
    gather->results = weft__calloc(1, sizeof(weft_results) + count * sizeof(struct entry));
    if (!gather->results) {
        weft__free(gather);
        return NULL;
    }
    gather->results->count = gather->count = gather->left = count;
    return gather;
}

static weft_future *refuse(size_t count, weft_future *const *futures, weft_future *error)
{
    for (size_t i = 0; i < count; i++)
        weft__drop(futures[i]);
    return error;
}

/* NULL: they can be waited for here. */
static weft_future *refused(size_t count, weft_future *const *futures)
{
    for (size_t i = 0; i < count; i++) {
        if (!futures[i])
            return weft_future_failed(-EINVAL, "gather of NULL");
        if (weft__is_elsewhere(futures[i]->loop_id, "weft_gather"))
            return weft__future_elsewhere();
        if (weft__is_foreign(futures[i]))
            return weft_future_failed(-EINVAL, "gather of what has outlived its loop");
    }
    return NULL;
}

weft_future *weft_gather_array(size_t count, weft_future *const *futures,
                               enum weft_gather_flags flags)
{
    weft_loop *loop = weft__here();
    weft_future *bad = refused(count, futures);
    if (bad)
        return refuse(count, futures, bad);
    if (!loop)
        return refuse(count, futures, weft__future_enoloop());
    if (flags != WEFT_GATHER_FIRST_ERROR && flags != WEFT_GATHER_ALL)
        return refuse(count, futures, weft_future_failed(-EINVAL, "gather: bad argument"));
    struct gather *gather = new_gather(loop, count);
    if (!gather)
        return refuse(count, futures, weft__future_enomem(loop));
    gather->flags = flags;
    for (size_t i = 0; i < count; i++) {
        gather->children[i].gather = gather;
        gather->children[i].waiter.item.run = child_done;
        weft__wait(&gather->children[i].waiter, futures[i]);
    }
    if (count == 0) {
        complete(gather);
        weft_unref(&gather->future);
    }
    return &gather->future;
}
