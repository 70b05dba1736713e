/* SPDX-License-Identifier: MIT */
/*
 * Callbacks in the caller's memory: a timer, of which the item is also what is queued or posted, a
 * function, and one word that says where it is.
 *
 *     IDLE --soon--> SOON --its item runs--> IDLE: called
 *     IDLE --later, at--> TIMED --due--> TIMED, queued --its item runs--> IDLE: called
 *     IDLE --post--> POSTED, being put --> POSTED, in the mailbox --> POSTED, queued --> IDLE: called
 *     any of them --cancel, the loop's end--> IDLE
 *
 * `where` holds that state and the number of the loop, so that both change at once. Only a post
 * competes with other threads: IDLE to POSTED is a compare-and-swap, and whoever wins owns the item. All
 * else is the loop's, with plain loads and stores: the loop's own calls and other threads' posts of one
 * callback at the same time are excluded by contract, which keeps locked instructions out of them.
 *
 * A post that finds POSTED promises that the call to come sees what its thread did before. So it is a
 * read-modify-write (of nothing), and who makes the callback idle again exchanges: the one that comes
 * second in the order of `where` sees the other. Either the post has come first, and the call acquires
 * what it released; or it finds IDLE, and posts.
 *
 * Cancelled means that the memory is the caller's, hence an item that is queued must be taken out of a
 * list that is linked one way: a search. One that is posted may be on its way still: then its thread has
 * not returned from the post, and the cancel came before that.
 */
#include "core/callback.h"

#include <errno.h>
#include <stdatomic.h>
#include <weft/callback.h>

#include "core/annotations.h"

enum state { IDLE, SOON, TIMED, POSTED };

enum { STATE_BITS = 2 };

struct callback {
    weft__timer timer;
    _Atomic(uint64_t) where; /* [atomic] 0: IDLE; else the loop's number and the state; see above */
    weft_call_fn *fn;        /* [const] */
    void *arg;               /* [const] */
};

_Static_assert(sizeof(struct callback) <= sizeof(struct weft_callback), "there is room");
_Static_assert(_Alignof(struct callback) <= _Alignof(struct weft_callback), "it is aligned");

static struct callback *inside(struct weft_callback *callback)
{
    return (struct callback *)(void *)callback;
}

static struct callback *of_item(weft__item *item)
{
    return WEFT__CONTAINER(item, struct callback, timer.item);
}

static uint64_t at(uint32_t loop_id, enum state state)
{
    return (uint64_t)loop_id << STATE_BITS | state;
}

static enum state state_of(uint64_t where)
{
    return (enum state)(where & ((1u << STATE_BITS) - 1));
}

static uint64_t look(const struct callback *own)
{
    return atomic_load_explicit(&own->where, memory_order_relaxed);
}

static void set(struct callback *own, uint64_t where)
{
    atomic_store_explicit(&own->where, where, memory_order_relaxed);
}

/* From here on it may be posted again, by any thread. */
static void make_idle(struct callback *own)
{
    if (state_of(look(own)) == POSTED)
        atomic_exchange(&own->where, 0);
    else
        atomic_store_explicit(&own->where, 0, memory_order_release);
}

static void call(weft__item *item)
{
    struct callback *own = of_item(item);
    weft_call_fn *fn = own->fn;
    void *arg = own->arg;
    make_idle(own);
    fn(arg);
}

uintptr_t weft__callback_function(const weft__item *item)
{
    return item->run == call ? (uintptr_t)of_item((weft__item *)item)->fn : 0;
}

void weft_callback_init(struct weft_callback *callback, weft_call_fn *fn, void *arg)
{
    struct callback *own = inside(callback);
    own->timer = (weft__timer){.item.run = call};
    own->fn = fn;
    own->arg = arg;
    atomic_init(&own->where, 0);
}

/* ---- Scheduling ---- */

/* 0: it may be scheduled on `loop`, this thread's. */
static int refusal(const weft_loop *loop, const struct callback *own)
{
    if (!loop)
        return weft__enoloop();
    if (!own->fn)
        return -EINVAL;
    if (look(own))
        return -EBUSY;
    return loop->phase == WEFT__CLOSED ? -ESHUTDOWN : 0;
}

int weft_callback_soon(struct weft_callback *callback)
{
    struct callback *own = inside(callback);
    weft_loop *loop = weft__here();
    int status = refusal(loop, own);
    if (status < 0)
        return status;
    set(own, at(loop->id, SOON));
    weft__schedule_as(loop, &own->timer.item, WEFT__SOON);
    return 0;
}

int weft_callback_at(struct weft_callback *callback, weft_ns when)
{
    struct callback *own = inside(callback);
    weft_loop *loop = weft__here();
    int status = refusal(loop, own);
    if (status == 0)
        status = weft__timer_start(loop, &own->timer, when);
    if (status == 0)
        set(own, at(loop->id, TIMED));
    return status;
}

int weft_callback_later(struct weft_callback *callback, weft_ns delay)
{
    return weft_callback_at(callback, weft__deadline_after(delay));
}

/* False: it is pending. */
static bool claim(struct callback *own, uint64_t where)
{
    uint64_t found = 0;
    while (!atomic_compare_exchange_strong(&own->where, &found, where)) {
        found = atomic_fetch_or(&own->where, 0);
        if (found)
            return false;
    }
    return true;
}

WEFT_WHOLE int weft_callback_post(weft_loop *loop, struct weft_callback *callback)
{
    struct callback *own = inside(callback);
    if (!loop || !own->fn)
        return -EINVAL;
    if (!claim(own, at(loop->id_of_posts, POSTED)))
        return -EBUSY;
    if (weft__mailbox_put(loop->mailbox, &own->timer.item))
        return 0;
    atomic_store_explicit(&own->where, 0, memory_order_release);
    return weft__mailbox_is_inherited(loop->mailbox) ? WEFT_EFORK : -ESHUTDOWN;
}

/* ---- Taking back ---- */

/* What was posted comes to what is ready a little earlier than it would have. */
static bool take_out_posted(weft_loop *loop, const weft__item *item)
{
    if (weft__unschedule(loop, item))
        return true;
    weft__loop_take_mail(loop);
    return weft__unschedule(loop, item);
}

static bool disarm(weft_loop *loop, weft__timer *timer)
{
    if (!weft__timer_is_armed(timer))
        return false;
    weft__timer_stop(loop, timer);
    return true;
}

static bool take_back(weft_loop *loop, struct callback *own, enum state state)
{
    switch (state) {
    case TIMED:
        return disarm(loop, &own->timer) || weft__unschedule(loop, &own->timer.item);
    case POSTED:
        return take_out_posted(loop, &own->timer.item);
    default:
        return weft__unschedule(loop, &own->timer.item);
    }
}

bool weft_callback_cancel(struct weft_callback *callback)
{
    struct callback *own = inside(callback);
    uint64_t where = look(own);
    if (!where || WEFT__ELSEWHERE((uint32_t)(where >> STATE_BITS)))
        return false;
    if (!take_back(weft__loop, own, state_of(where)))
        return false;
    make_idle(own);
    return true;
}

bool weft_callback_is_pending(const struct weft_callback *callback)
{
    return look((const struct callback *)(const void *)callback);
}

/* ---- The loop's end ---- */

void weft__callbacks_end(weft_loop *loop)
{
    weft__item **link = &loop->ready.head;
    while (*link) {
        weft__item *item = *link;
        if (item->run != call) {
            link = &item->next;
            continue;
        }
        *link = item->next;
        make_idle(of_item(item));
    }
    loop->ready.tail = link;
    if (loop->shuffle)
        weft__shuffle_forget(loop->shuffle, &loop->ready);
}

bool weft__callback_end_timer(weft_loop *loop, weft__timer *timer)
{
    if (timer->item.run != call)
        return false;
    weft__timer_stop(loop, timer);
    make_idle(of_item(&timer->item));
    return true;
}
