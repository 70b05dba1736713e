/* SPDX-License-Identifier: MIT */
/*
 * Map: a gather of operations that are made as others complete.
 *
 *     RUNNING --all made, all ended--> done, with the results
 *     RUNNING --a failure or a cancel--> STOPPING: none are made, those under way were asked to stop
 *     STOPPING --the last one ends--> done, with the failure or -ECANCELED
 *
 * There are as many slots as operations may be under way; one that ends makes room for the next. The
 * first ones are made by an item in the ready queue, so that the user's function is never called
 * inside of weft_map(). It may do what it likes, cancel the map too.
 *
 * All memory is allocated at the start. Failure modes: `make` returns NULL or another loop's future
 * (that operation fails).
 */
#include <errno.h>

#include "core/cancel.h"
#include "core/inspect/eye.h"
#include "core/loop.h"
#include "core/maker.h"
#include "core/many.h"
#include "core/results.h"

struct slot {
    weft__waiter waiter; /* for the operation in it; its future is NULL when it is free */
    struct map *map;     /* [const] */
    size_t index;        /* of the operation */
};

struct map {
    weft_future future; /* first; the operation keeps one reference to the end */
    weft__item begin;
    struct weft__maker maker;
    enum weft_gather_flags flags; /* [const] */
    size_t count;                 /* [const] how many in all */
    size_t next;                  /* to be made */
    size_t running;
    weft_results *results; /* NULL once they were handed over */
    weft_future *failure;  /* the one that ends it, a reference; NULL: none */
    size_t slot_count;     /* [const] */
    struct slot slots[];
};

weft_future *weft__make(struct weft__maker *maker, size_t index, const char *function)
{
    weft_context **outer = weft__context_enter(&maker->context);
    weft_future *future = maker->make(index, maker->arg);
    weft__context_leave(outer);
    if (!future)
        return weft_future_failed(-EINVAL, "%s: no future was made", function);
    if (weft__is_foreign(future))
        return weft_future_failed(-EINVAL, "%s: a future of another loop was made", function);
    return future;
}

static bool is_stopping(const struct map *map)
{
    return map->failure || map->future.flags & WEFT__CANCEL_ASKED;
}

static bool cancel_running(struct map *map, const char *reason)
{
    bool asked = false;
    for (size_t i = 0; i < map->slot_count; i++)
        if (map->slots[i].waiter.future)
            asked |= weft_cancel_because(map->slots[i].waiter.future, reason);
    return asked;
}

/* It was stopped while this one was made. */
static void stop_late(const struct map *map, weft_future *future)
{
    if (map->failure)
        weft_cancel_because(future, "another one failed");
    else if (weft__is_pending(future))
        weft__pass_cancel(future, &map->future);
}

static void make_next(struct slot *slot)
{
    struct map *map = slot->map;
    slot->index = map->next++;
    map->running++;
    weft_future *future = weft__make(&map->maker, slot->index, "weft_map");
    if (is_stopping(map))
        stop_late(map, future);
    weft__wait(&slot->waiter, future);
}

/* Nothing is under way any more, and nothing will be. */
static void finish(struct map *map)
{
    weft_results *results = map->results;
    if (map->failure) {
        weft__complete_as(&map->future, map->failure);
    } else if (map->future.flags & WEFT__CANCEL_ASKED) {
        weft__complete_failed(&map->future, -ECANCELED, NULL);
    } else {
        map->results = NULL;
        weft__complete_results(&map->future, results);
    }
    weft_unref(&map->future);
}

static bool makes_more(const struct map *map)
{
    return map->next < map->count && !is_stopping(map);
}

static void slot_done(weft__item *item)
{
    struct slot *slot = WEFT__CONTAINER(item, struct slot, waiter.item);
    struct map *map = slot->map;
    weft_future *future = slot->waiter.future;
    int status = weft__results_note(map->results, slot->index, future);
    slot->waiter.future = NULL;
    map->running--;
    if (status < 0 && map->flags != WEFT_GATHER_ALL && !is_stopping(map)) {
        map->failure = weft_ref(future);
        cancel_running(map, "another one failed");
    }
    weft_unref(future);
    if (makes_more(map))
        make_next(slot);
    else if (map->running == 0)
        finish(map);
}

static void begin(weft__item *item)
{
    struct map *map = WEFT__CONTAINER(item, struct map, begin);
    for (size_t i = 0; i < map->slot_count && makes_more(map); i++)
        make_next(&map->slots[i]);
    if (map->running == 0)
        finish(map);
}

/* ---- The operation ---- */

static bool cancel(weft_future *future)
{
    struct map *map = WEFT__CONTAINER(future, struct map, future);
    bool more = makes_more(map);
    bool asked = cancel_running(map, weft_message(future));
    if (map->failure || (!more && !asked))
        return false; /* how it ends is known, and on its way */
    future->flags |= WEFT__CANCEL_ASKED;
    return true;
}

static void dispose(weft_future *future)
{
    struct map *map = WEFT__CONTAINER(future, struct map, future);
    weft_unref(map->failure);
    weft_results_free(map->results);
    weft_context_unref(map->maker.context);
}

static void explain(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret)
{
    struct map map;
    if (!weft__eye_see(eye, &map, at, sizeof(map)))
        return;
    ret->needs = WEFT__NEEDS_ALL;
    weft__waiting_number(ret, "count", map.count);
    weft__waiting_number(ret, "made", map.next);
    weft__waiting_number(ret, "running", map.running);
    weft__eye_children(eye, (const char *)at + offsetof(struct map, slots), map.slot_count,
                       sizeof(struct slot));
}

WEFT__OPS(map_ops) = {.name = "map", .cancel = cancel, .dispose = dispose, .explain = explain};

static struct map *new_map(weft_loop *loop, size_t count, size_t slots)
{
    size_t size = weft__room_for(sizeof(struct map), slots, sizeof(struct slot));
    struct map *map = size ? weft__future_alloc(loop, &map_ops, size, 2) : NULL;
    if (!map)
        return NULL;
    map->results = weft__results_new(count);
    if (!map->results) {
        weft__future_free(&map->future);
        return NULL;
    }
    map->count = count;
    map->slot_count = slots;
    for (size_t i = 0; i < slots; i++) {
        map->slots[i].map = map;
        map->slots[i].waiter.item.run = slot_done;
    }
    return map;
}

weft_future *weft_map_with(enum weft_gather_flags flags, size_t count, size_t limit,
                           weft_make_fn *make, void *arg)
{
    weft_loop *loop = weft__here();
    if (!loop)
        return weft__future_enoloop();
    if (!make || limit == 0 || (flags != WEFT_GATHER_FIRST_ERROR && flags != WEFT_GATHER_ALL))
        return weft_future_failed(-EINVAL, "weft_map: no function, no room, or unknown flags");
    if (loop->phase == WEFT__CLOSED)
        return weft_future_failed(-ESHUTDOWN, NULL);
    struct map *map = new_map(loop, count, count < limit ? count : limit);
    if (!map)
        return weft__future_enomem(loop);
    map->flags = flags;
    map->maker = weft__maker(make, arg);
    map->begin.run = begin;
    if (count > 0)
        weft__schedule(loop, &map->begin);
    else
        finish(map);
    return &map->future;
}
