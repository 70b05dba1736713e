/* SPDX-License-Identifier: MIT */
/*
 * Watch: a value with a version, and the line of those who wait for the next.
 *
 * One who waits is called by the first change, and told the version at its turn, so that it need not
 * look once more for those that came since.
 *
 * There is no object for a receiver: what one has seen is a number that it keeps itself. So nobody
 * has to be unsubscribed, and a change between a look and the wait is not missed.
 */
#include <weft/watch.h>

#include "core/inspect/eye.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/sync.h"

struct weft_watch {
    struct weft__sync sync; /* first */
    uint64_t version;
    weft_value value;
    weft_destructor *destructor;
};

static void destroy_value(struct weft__sync *sync)
{
    weft_watch *watch = WEFT__CONTAINER(sync, weft_watch, sync);
    if (watch->destructor)
        watch->destructor(watch->value.ptr);
    weft__free(watch);
}

static void run_changed(weft__item *item)
{
    weft__turn *turn = WEFT__CONTAINER(item, weft__turn, item);
    const weft_watch *watch = WEFT__CONTAINER(turn->sync, weft_watch, sync);
    if (turn->is_cancelled || watch->sync.closed)
        weft__turn_give_up(turn, turn->is_cancelled ? -ECANCELED : watch->sync.closed);
    else
        weft__turn_succeed(turn, weft_value_u64(watch->version), NULL);
}

static const struct weft__sync_ops watch_ops = {.name = "watch", .free = destroy_value};
WEFT__OPS(changed_ops) = {.name = "watch",
                          .cancel = weft__turn_cancel,
                          .dispose = weft__turn_dispose,
                          .explain = weft__explain_wait};
WEFT__OPS(done_ops) = {.name = "watch"};

weft_watch *weft_watch_new(void)
{
    return weft__sync_new(&watch_ops, sizeof(weft_watch));
}

void weft_watch_free(weft_watch *watch)
{
    WEFT__SYNC_FREE(watch);
}

int weft_watch_set(weft_watch *watch, weft_value value, weft_destructor *destructor)
{
    int status = WEFT__SYNC_CHECK(watch);
    if (status < 0)
        return status;
    weft_value before = watch->value;
    weft_destructor *destroy = watch->destructor;
    watch->value = value;
    watch->destructor = destructor;
    watch->version++;
    while (watch->sync.line.first)
        weft__turn_call(watch->sync.line.first);
    if (destroy)
        destroy(before.ptr);
    return 0;
}

weft_value weft_watch_get(const weft_watch *watch)
{
    if (WEFT__ELSEWHERE(watch->sync.loop_id))
        return weft_value_i64(0);
    return watch->value;
}

uint64_t weft_watch_version(const weft_watch *watch)
{
    if (WEFT__ELSEWHERE(watch->sync.loop_id))
        return 0;
    return watch->version;
}

weft_future *weft_watch_changed(weft_watch *watch, uint64_t seen)
{
    int status = WEFT__SYNC_CHECK(watch);
    if (status < 0)
        return WEFT__SYNC_REFUSE(status);
    weft_future *future = NULL;
    if (watch->version != seen) {
        future = weft__succeeded(&done_ops, weft_value_u64(watch->version));
    } else {
        weft__turn *turn = weft__turn_new(&watch->sync, &changed_ops, run_changed, sizeof(*turn));
        future = turn ? &turn->future : NULL;
    }
    return future ? future : weft__future_enomem(weft__loop);
}
