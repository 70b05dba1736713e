/* SPDX-License-Identifier: MIT */
/*
 * Timers: a 4-ary heap of (deadline, order of creation, timer).
 *
 * The key stands beside the pointer, so that sifting touches no timer but to tell it its new slot;
 * four children share a cache line and a half. The order of creation makes equal deadlines fire as
 * they were armed. A stopped timer leaves the heap at once: nothing stale piles up.
 */
#include "core/timer.h"

#include <assert.h>
#include <errno.h>

#include "core/callback.h"
#include "core/loop.h"
#include "core/memory.h"

enum { ARITY = 4, FIRST_CAPACITY = 16 };

static bool before(const struct weft__timer_entry *a, const struct weft__timer_entry *b)
{
    return a->deadline < b->deadline || (a->deadline == b->deadline && a->order < b->order);
}

static void put(struct weft__timers *timers, size_t slot, struct weft__timer_entry entry)
{
    timers->heap[slot] = entry;
    entry.timer->slot = slot + 1;
}

static void sift_up(struct weft__timers *timers, size_t slot, struct weft__timer_entry entry)
{
    while (slot > 0) {
        size_t parent = (slot - 1) / ARITY;
        if (!before(&entry, &timers->heap[parent]))
            break;
        put(timers, slot, timers->heap[parent]);
        slot = parent;
    }
    put(timers, slot, entry);
}

static size_t first_child(const struct weft__timers *timers, size_t slot)
{
    size_t begin = slot * ARITY + 1;
    size_t end = begin + ARITY < timers->count ? begin + ARITY : timers->count;
    size_t best = begin;
    for (size_t child = begin + 1; child < end; child++)
        if (before(&timers->heap[child], &timers->heap[best]))
            best = child;
    return best;
}

static void sift_down(struct weft__timers *timers, size_t slot, struct weft__timer_entry entry)
{
    while (slot * ARITY + 1 < timers->count) {
        size_t child = first_child(timers, slot);
        if (!before(&timers->heap[child], &entry))
            break;
        put(timers, slot, timers->heap[child]);
        slot = child;
    }
    put(timers, slot, entry);
}

static void remove_at(struct weft__timers *timers, size_t slot)
{
    timers->heap[slot].timer->slot = 0;
    struct weft__timer_entry last = timers->heap[--timers->count];
    if (slot == timers->count)
        return;
    if (slot > 0 && before(&last, &timers->heap[(slot - 1) / ARITY]))
        sift_up(timers, slot, last);
    else
        sift_down(timers, slot, last);
}

static int grow(struct weft__timers *timers)
{
    size_t capacity = timers->capacity ? timers->capacity * 2 : FIRST_CAPACITY;
    struct weft__timer_entry *heap = weft__realloc(timers->heap, capacity * sizeof(*timers->heap));
    if (!heap)
        return -ENOMEM;
    timers->heap = heap;
    timers->capacity = capacity;
    return 0;
}

void weft__timers_fini(struct weft__timers *timers)
{
    weft__free(timers->heap);
    *timers = (struct weft__timers){0};
}

int weft__timer_start(weft_loop *loop, weft__timer *timer, weft_ns deadline)
{
    struct weft__timers *timers = &loop->timers;
    assert(!weft__timer_is_armed(timer));
    if (timers->count == timers->capacity && grow(timers) < 0)
        return -ENOMEM;
    struct weft__timer_entry entry = {deadline, timers->order++, timer};
    sift_up(timers, timers->count++, entry);
    weft__loop_rearm(loop);
    return 0;
}

void weft__timer_stop(weft_loop *loop, weft__timer *timer)
{
    if (weft__timer_is_armed(timer))
        remove_at(&loop->timers, timer->slot - 1);
}

void weft__timer_move(weft_loop *loop, weft__timer *from, weft__timer *to)
{
    assert(weft__timer_is_armed(from) && from->slot <= loop->timers.count);
    to->slot = from->slot;
    from->slot = 0;
    loop->timers.heap[to->slot - 1].timer = to;
}

weft_ns weft__deadline_after(weft_ns duration)
{
    weft_ns now = weft_now();
    return duration > WEFT_FOREVER - now ? WEFT_FOREVER : now + duration;
}

weft_ns weft__timers_next(const struct weft__timers *timers)
{
    return timers->count ? timers->heap[0].deadline : WEFT_FOREVER;
}

void weft__timers_cancel_all(weft_loop *loop)
{
    struct weft__timers *timers = &loop->timers;
    while (timers->count) {
        weft__timer *timer = timers->heap[timers->count - 1].timer;
        if (weft__callback_end_timer(loop, timer))
            continue;
        struct weft__timed *timed = WEFT__CONTAINER(timer, struct weft__timed, timer);
        weft_future *future = weft_ref(&timed->future); /* nobody else may hold it */
        weft_cancel(future);
        if (weft__timer_is_armed(
                timer)) { /* what it waits for cannot be stopped: its time is over */
            weft__timer_stop(loop, timer);
            weft__schedule(loop, &timer->item);
        }
        weft_unref(future);
    }
}

void weft__timers_collect(weft_loop *loop, weft_ns now)
{
    struct weft__timers *timers = &loop->timers;
    while (timers->count && timers->heap[0].deadline <= now) {
        weft__timer *timer = timers->heap[0].timer;
        remove_at(timers, 0);
        weft__schedule_as(loop, &timer->item, WEFT__TIMERS);
    }
}
