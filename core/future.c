/* SPDX-License-Identifier: MIT */
/*
 * Futures: state, references, values and who waits.
 *
 * Happy path: an operation allocates its object (a weft_future first), keeps a reference and
 * returns one. Somebody waits: the waiter takes over the caller's reference and is linked into the
 * future. The operation ends: weft__complete() stores the value and moves all waiters to the ready
 * queue. At the next tick the waiter runs, reads the status, takes the value and drops the
 * reference. The last reference frees the object.
 *
 * Failure modes: nobody takes the value (its destructor runs at the last drop); nobody looks at a
 * failure (it is reported at the last drop); no memory for the object (a permanent future stands
 * in); a cancel after completion (refused) or before (the operation decides, see ops->cancel).
 *
 * Nothing here calls user code, but for destructors and the error handler, both from weft_unref()
 * as the very last thing.
 */
#include "core/future.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include <weft/task.h>

#include "core/annotations.h"
#include "core/cancel.h"
#include "core/cold.h"
#include "core/grant.h"
#include "core/group.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/text.h"

/* A future of weft_future_new(): listed in loop->plain while PENDING, so that none outlives it. */
struct weft__plain {
    weft_future future; /* first */
    struct weft__plain *next, **at;
};

static void unlist_plain(weft_future *future)
{
    struct weft__plain *plain = WEFT__CONTAINER(future, struct weft__plain, future);
    *plain->at = plain->next;
    if (plain->next)
        plain->next->at = plain->at;
}

/* Every reference was dropped before it was completed. */
static void dispose_plain(weft_future *future)
{
    if (weft__is_pending(future))
        unlist_plain(future);
}

static bool cancel_plain(weft_future *future)
{
    weft__complete_failed(future, -ECANCELED, NULL);
    return true;
}

WEFT__OPS(plain_ops) = {.name = "future", .cancel = cancel_plain, .dispose = dispose_plain};
WEFT__OPS(failed_ops) = {.name = "operation", .cancel = cancel_plain};

#define WITHOUT_A_LOOP                                                  \
    {                                                                   \
        .ops = &failed_ops, .flags = WEFT__COMPLETED | WEFT__PERMANENT, \
    }
static _Thread_local weft_future no_loop = WITHOUT_A_LOOP;
static _Thread_local weft_future forked = WITHOUT_A_LOOP;
static _Thread_local weft_future elsewhere = WITHOUT_A_LOOP;

void weft__future_init(weft_future *future, weft_loop *loop, const struct weft__future_ops *ops,
                       uint32_t refs)
{
    weft__future_begin(future, loop, ops, refs, 0);
}

WEFT_APART void *weft__future_shifted(size_t size, uint32_t *ret_flags)
{
    char *block = size > SIZE_MAX - WEFT__SHIFT ? NULL : weft__malloc(WEFT__SHIFT + size);
    *ret_flags = WEFT__SHIFTED;
    return block ? block + WEFT__SHIFT : NULL;
}

void *weft__future_alloc(weft_loop *loop, const struct weft__future_ops *ops, size_t size,
                         uint32_t refs)
{
    uint32_t flags;
    weft_future *future = weft__future_room(loop, size, &flags);
    if (!future)
        return NULL;
    weft__future_begin(future, loop, ops, refs, flags);
    memset(future + 1, 0, size - sizeof(*future));
    return future;
}

void weft__future_free(weft_future *future)
{
    if (future && future->flags & WEFT__IN_SLAB)
        weft__slab_free(future);
    else if (future && future->flags & WEFT__SHIFTED)
        weft__free((char *)future - WEFT__SHIFT);
    else
        weft__free(future);
}

weft_future *weft__future_permanent(weft_loop *loop, int status)
{
    weft_future *future = weft__future_alloc(loop, &failed_ops, sizeof(*future), 1);
    if (!future)
        return NULL;
    future->flags |= WEFT__PERMANENT | WEFT__OBSERVED;
    weft__complete_failed(future, status, NULL);
    return future;
}

weft_future *weft__future_enomem(weft_loop *loop)
{
    weft__clear_flag(loop->enomem, WEFT__OBSERVED);
    return weft_ref(loop->enomem);
}

/* Permanent futures need no memory, and one of each kind is enough for a thread. */
static weft_future *failed_here(int status)
{
    weft_future *future = status == WEFT_ENOLOOP ? &no_loop
                          : status == WEFT_EFORK ? &forked
                                                 : &elsewhere;
    future->status = status;
    weft__clear_flag(future, WEFT__OBSERVED);
    return weft_ref(future);
}

weft_future *weft__future_enoloop(void)
{
    return failed_here(weft__enoloop());
}

weft_future *weft__future_elsewhere(void)
{
    return failed_here(weft__elsewhere());
}

weft_future *weft_future_new(void)
{
    weft_loop *loop = weft__here();
    if (!loop)
        return weft__future_enoloop();
    if (loop->phase == WEFT__CLOSED)
        return weft_future_failed(-ESHUTDOWN, NULL);
    struct weft__plain *plain = weft__future_alloc(loop, &plain_ops, sizeof(*plain), 1);
    if (!plain)
        return weft__future_enomem(loop);
    plain->next = loop->plain;
    plain->at = &loop->plain;
    if (plain->next)
        plain->next->at = &plain->next;
    loop->plain = plain;
    return &plain->future;
}

/* What the handler takes out of the list ends the walk: it is a list for reading only. */
void weft__list_plain(weft_loop *loop, void (*fn)(weft_loop *loop, weft_future *future))
{
    struct weft__plain *plain = loop->plain;
    while (plain) {
        weft_future *future = weft_ref(&plain->future);
        fn(loop, future);
        plain = weft__is_pending(future) ? plain->next : NULL;
        weft_unref(future);
    }
}

void weft__cancel_plain(weft_loop *loop)
{
    while (loop->plain)
        weft_cancel_because(&loop->plain->future, "the loop ended");
}

weft_future *weft_future_failed(int status, const char *format, ...)
{
    weft_loop *loop = weft__here();
    if (!loop)
        return weft__future_enoloop();
    weft_future *future = weft__future_alloc(loop, &failed_ops, sizeof(*future), 1);
    if (!future)
        return weft__future_enomem(loop);
    va_list args;
    va_start(args, format);
    weft__complete_failed(future, status, weft__vformat(format, args));
    va_end(args);
    return future;
}

/* ---- References ---- */

weft_future *weft_ref(weft_future *future)
{
    if (WEFT__ELSEWHERE(future->loop_id))
        return future;
    future->refs++;
    return future;
}

static void list_unseen(weft_future *future)
{
    if (future->flags & WEFT__PERMANENT || !weft__failed_unseen(future))
        return;
    weft_future **list = &weft__loop->unseen;
    future->first.next = *list;
    weft__second(future)->at = list;
    if (*list)
        weft__second(*list)->at = &future->first.next;
    *list = future;
}

void weft__unlist_unseen(weft_future *future)
{
    weft_future *next = future->first.next;
    weft_future **at = weft__second(future)->at;
    *at = next;
    if (next)
        weft__second(next)->at = at;
}

void weft__report_unseen(weft_loop *loop)
{
    weft_future *future;
    while ((future = loop->unseen)) { /* what the handler adds is printed, and adds nothing */
        weft__observe(weft_ref(future));
        weft__report_future(future, "failed, and nobody looked before the loop ended");
        weft_unref(future);
    }
}

static inline void destroy(weft_future *future)
{
    const struct weft__future_ops *ops = future->ops;
    if (ops->unclaimed && !weft__is_pending(future) && future->status >= 0 &&
        !(future->flags & (WEFT__TAKEN | WEFT__OBSERVED)))
        ops->unclaimed(future);
    weft_destructor *destructor = weft__destructor(future);
    if (destructor)
        destructor(future->first.value.ptr);
    if (ops->dispose)
        ops->dispose(future);
    if (future->flags & WEFT__HAS_COLD)
        weft__cold_free(future);
    if (ops->give_back)
        ops->give_back(future);
    else
        weft__future_free(future);
}

void weft__drop_plain(weft_future *future)
{
    const struct weft__future_ops *ops = future->ops;
    assert(future->refs == 1 && !(future->flags & WEFT__PERMANENT));
    future->refs = 0;
    if (ops->dispose)
        ops->dispose(future);
    if (ops->give_back)
        ops->give_back(future);
    else
        weft__future_free(future);
}

void weft__drop_last(weft_future *future)
{
    if (future->status < 0 && weft__failed_unseen(future)) {
        weft__observe(future);
        weft__report_future(future, "failed, and nobody looked");
    }
    future->refs--;
    if (future->refs == 0 && !(future->flags & WEFT__PERMANENT))
        destroy(future);
}

void weft_unref(weft_future *future)
{
    if (!future || WEFT__ELSEWHERE(future->loop_id))
        return;
    assert(future->refs > 0);
    weft__unref(future);
}

/* ---- Completion ---- */

static inline void become_done(weft_future *future, int status, weft_value value,
                               weft_destructor *destructor)
{
    assert(weft__is_pending(future));
    if (future->ops == &plain_ops)
        unlist_plain(future);
    weft__waiter *first = future->first.waiters;
    future->flags |= WEFT__COMPLETED;
    future->status = status;
    future->first.value = value;
    weft__second(future)->destructor = destructor;
    if (first)
        weft__schedule_chain(weft__loop, &first->item, &first->prev->item, WEFT__FREE);
}

void weft__complete(weft_future *future, weft_value value, weft_destructor *destructor)
{
    become_done(future, 0, value, destructor);
    if (future->flags & WEFT__HAS_COLD)
        weft__cold_set_message(future, NULL);
}

void weft__complete_failed(weft_future *future, int status, char *message)
{
    become_done(future, status < 0 ? status : -EINVAL, weft_value_i64(0), NULL);
    if (message || status != -ECANCELED)
        weft__cold_set_message(future, message);
    list_unseen(future);
}

void weft__complete_result(weft_future *future, weft_result result)
{
    if (result.status < 0) {
        weft__complete_failed(future, result.status, result.message);
    } else {
        weft__complete(future, result.value, result.destructor);
        if (result.message)
            weft__free(result.message);
    }
}

void weft__fail_as(weft_future *future, int status, const weft_future *source)
{
    weft__errors_pass(future, source);
    if (status == -ECANCELED)
        weft__pass_origin(future, source);
    weft__complete_failed(future, status, weft__strdup(weft_message(source)));
}

void weft__complete_as(weft_future *future, weft_future *source)
{
    weft_value value;
    weft_destructor *destructor;
    future->flags |= source->flags & WEFT__UNDELIVERED;
    int status = weft__observe(source);
    if (status >= 0)
        status = weft__take(source, &value, &destructor);
    if (status < 0)
        weft__fail_as(future, status, source);
    else
        weft__complete(future, value, destructor);
}

void weft__continue_at_once(weft_future *future)
{
    weft__waiter *first = future->first.waiters;
    assert(weft__is_pending(future) && (weft__loop->in_tick || weft__loop->running));
    future->first.waiters = NULL;
    if (!first)
        return;
    weft__ready_append(&weft__loop->urgent, &first->item, &first->prev->item);
    weft__loop->attend = true;
}

static int resolvable(const weft_future *future)
{
    if (future->ops != &plain_ops)
        return -EINVAL;
    return weft__is_pending(future) ? 0 : -EALREADY;
}

int weft_future_resolve(weft_future *future, weft_value value, weft_destructor *destructor)
{
    int refused = WEFT__ELSEWHERE(future->loop_id) ? weft__elsewhere() : resolvable(future);
    if (refused < 0) {
        if (destructor)
            destructor(value.ptr);
        return refused;
    }
    weft__complete(future, value, destructor);
    return 0;
}

int weft_future_fail(weft_future *future, int status, const char *format, ...)
{
    if (WEFT__ELSEWHERE(future->loop_id))
        return weft__elsewhere();
    int refused = status < 0 ? resolvable(future) : -EINVAL;
    if (refused < 0)
        return refused;
    va_list args;
    va_start(args, format);
    weft__complete_failed(future, status, weft__vformat(format, args));
    va_end(args);
    return 0;
}

/* ---- Looking ---- */

bool weft_is_done(const weft_future *future)
{
    if (WEFT__ELSEWHERE(future->loop_id))
        return false;
    return !weft__is_pending(future);
}

bool weft_is_cancelled(const weft_future *future)
{
    if (WEFT__ELSEWHERE(future->loop_id))
        return false;
    return !weft__is_pending(future) && future->status == -ECANCELED;
}

int weft_future_status(weft_future *future)
{
    if (WEFT__ELSEWHERE(future->loop_id))
        return weft__elsewhere();
    return weft__is_pending(future) ? -EINPROGRESS : weft__look(future);
}

weft_value weft_future_value(const weft_future *future)
{
    if (WEFT__ELSEWHERE(future->loop_id))
        return weft_value_i64(0);
    return weft__has_value(future) ? future->first.value : weft_value_i64(0);
}

/* Again, by one who took it before: the value is still there to be borrowed. */
static int take_again(weft_future *future, uintptr_t taker, weft_value *ret,
                      weft_destructor **ret_destructor)
{
    if (!(future->flags & WEFT__TAKEN) || !taker || weft__second(future)->taker != taker)
        return -EALREADY;
    *ret = future->first.value;
    *ret_destructor = NULL;
    return 0;
}

int weft__take_for(weft_future *future, uintptr_t taker, weft_value *ret,
                   weft_destructor **ret_destructor)
{
    if (!weft__has_value(future))
        return take_again(future, taker, ret, ret_destructor);
    *ret = future->first.value;
    *ret_destructor = weft__destructor(future);
    if (*ret_destructor) {
        future->flags |= WEFT__TAKEN;
        weft__second(future)->taker = taker;
    }
    return 0;
}

int weft__take(weft_future *future, weft_value *ret, weft_destructor **ret_destructor)
{
    return weft__take_for(future, 0, ret, ret_destructor);
}

int weft_future_take(weft_future *future, weft_value *ret)
{
    if (WEFT__ELSEWHERE(future->loop_id))
        return weft__elsewhere();
    int status = weft_future_status(future);
    weft_destructor *destructor;
    return status < 0 ? status : weft__take(future, ret, &destructor);
}

void weft__accept_value(weft_future *future)
{
    weft_destructor *destructor = weft__destructor(future);
    if (destructor == weft__give_back) {
        struct weft__sync *sync = future->first.value.ptr;
        future->first.value = weft_value_i64(0);
        weft__second(future)->destructor = NULL;
        weft__accept(sync);
    } else if (destructor == weft__tell_again) {
        weft__second(future)->destructor = NULL;
    } else if (destructor == weft__free_results) {
        weft__accept_results(future->first.value.ptr);
    }
}

const char *weft_message(const weft_future *future)
{
    if (WEFT__ELSEWHERE(future->loop_id))
        return NULL;
    const struct weft__cold *cold = weft__cold(future);
    return cold ? cold->message : NULL;
}

/* ---- Dropping what cannot be waited for ---- */

void weft__drop(weft_future *future)
{
    if (future && !weft__is_foreign(future))
        weft_unref(future);
}

weft_future *weft__refuse(weft_future *future, weft_future *error)
{
    weft__drop(future);
    return error;
}
