/* SPDX-License-Identifier: MIT */
/*
 * The objects behind tasks and calls: how one is made, what it is to others, and how it goes.
 *
 * A call that has ended is kept for the next one of the same coroutine, as it is: in the same block, with
 * all that calls of one coroutine have in common. At most WEFT__SPARE_CALLS are, and only what came from
 * a slab and ended with a plain value, so that there is nothing in it to be looked after. Not while an
 * allocation is to fail, lest a test miss one.
 *
 * Failure modes: no memory for an object (NULL).
 */
#include <string.h>

#include "core/annotations.h"
#include "core/cold.h"
#include "core/context.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/task.h"

static const struct weft__future_ops task_ops, call_ops;

weft__coro *weft__coro_of(const weft_future *future)
{
    bool is_coroutine = future->ops == &task_ops || future->ops == &call_ops;
    return is_coroutine ? WEFT__CONTAINER(future, weft__coro, future) : NULL;
}

/* ---- Making ---- */

WEFT_APART static void copy_bytes(char *to, const char *from, size_t size)
{
    memcpy(to, from, size);
}

/* Word by word, as they have just been written: a load of several would have to wait until the stores have
 * left the CPU. The frame's head is not an argument. */
static inline void copy_arguments(struct weft_frame *head, const void *frame, size_t size)
{
    char *to = (char *)head;
    const char *from = frame;
    size_t at = sizeof(*head);
    *head = (struct weft_frame){0, 0};
    for (; at + 8 <= size; at += 8)
        memcpy(to + at, from + at, 8);
    if (at < size)
        copy_bytes(to + at, from + at, size - at);
}

/* With the references and flags with which it begins. What of it is not written has no meaning before it
 * is: `waiter` but for what is awaited, the lists' links. */
static inline weft__coro *new_coro(weft_loop *loop, const struct weft__future_ops *ops,
                                   uint32_t refs, const weft_coroutine *code, const void *frame,
                                   const char *place)
{
    uint32_t flags;
    weft__coro *coro =
        weft__future_room(loop, offsetof(weft__coro, frame) + code->frame_size, &flags);
    if (!coro)
        return NULL;
    weft__future_begin(&coro->future, loop, ops, refs, flags);
    coro->spawned_at = place;
    coro->id = coro->parent = 0;
    coro->code = code;
    coro->waiter.future = NULL;
    copy_arguments(weft__frame_of(coro), frame, code->frame_size);
    return coro;
}

/* From 1; after 4 billion tasks again. */
static uint32_t next_task_id(weft_loop *loop)
{
    if (++loop->last_id == 0)
        loop->last_id = 1;
    return loop->last_id;
}

weft__coro *weft__new_task(weft_loop *loop, const weft_coroutine *code, const void *frame,
                           const char *place, weft_context *context)
{
    weft__coro *task = new_coro(loop, &task_ops, 2, code, frame, place);
    if (!task)
        return NULL;
    task->as.context = weft_context_ref(context);
    task->id = next_task_id(loop);
    task->parent = loop->current ? weft__identity(loop->current)->id : 0;
    return task;
}

/* Where a call of this coroutine is kept when its future is gone: most are followed by another one. */
static inline weft__coro **spare_of(weft_loop *loop, const weft_coroutine *code)
{
    return &loop->spare_calls[(uintptr_t)code / sizeof(*code) % WEFT__SPARE_CALLS];
}

/* One that is spare is a new one but for what is written here. Its value is its frame's size, since another
 * coroutine may have come to the same address, of a library that was loaded later. */
weft__coro *weft__new_call(weft_loop *loop, const weft_coroutine *code, const void *frame,
                           const char *place)
{
    weft__coro **spare = spare_of(loop, code), *call = *spare;
    if (call && call->code == code && call->future.first.value.i64 == (int64_t)code->frame_size &&
        !loop->reporting && !weft__memory_is_watched()) {
        *spare = NULL;
        call->future.first.waiters = NULL;
        call->spawned_at = place;
        copy_arguments(weft__frame_of(call), frame, code->frame_size);
    } else if (!(call = new_coro(loop, &call_ops, 1, code, frame, place))) {
        return NULL;
    }
    call->frame.weft_flags = WEFT__CALL | WEFT__FLEETING;
    call->as.task = weft__identity(loop->current);
    return call;
}

/* In the place of the one before. It still has one reference, and no waiter, as a new one has. */
static bool keep_call(weft_future *future)
{
    weft__coro *call = WEFT__CONTAINER(future, weft__coro, future);
    weft__coro **spare = spare_of(weft__loop, call->code), *before = *spare;
    if (future->flags != (WEFT__COMPLETED | WEFT__IN_SLAB) || future->requests || call->as.context)
        return false;
    future->flags = WEFT__IN_SLAB;
    future->first.value = weft_value_i64((int64_t)call->code->frame_size);
    *spare = call;
    if (before)
        weft__future_free(&before->future);
    return true;
}

void weft__free_spare_calls(weft_loop *loop)
{
    for (size_t i = 0; i < WEFT__SPARE_CALLS; i++) {
        weft__coro *call = loop->spare_calls[i];
        loop->spare_calls[i] = NULL;
        if (call)
            weft__future_free(&call->future);
    }
}

/* ---- What a coroutine is to others ---- */

static void describe(const weft_future *future, const char **ret_name, const char **ret_place)
{
    const weft__coro *coro = weft__coro_of(future);
    const struct weft__cold *cold = weft__cold(future);
    *ret_name = cold && cold->name ? cold->name : coro->code->name;
    *ret_place = coro->spawned_at;
}

static weft_context *context_of(const weft_future *future)
{
    return weft__identity(weft__coro_of(future))->as.context;
}

static void dispose(weft_future *future)
{
    weft_context *context = WEFT__CONTAINER(future, weft__coro, future)->as.context;
    if (context)
        weft_context_unref(context);
}

static const struct weft__future_ops task_ops = {.name = "task",
                                                 .cancel = weft__coro_cancel,
                                                 .dispose = dispose,
                                                 .describe = describe,
                                                 .context = context_of};
static const struct weft__future_ops call_ops = {.name = "call",
                                                 .cancel = weft__coro_cancel,
                                                 .dispose = dispose,
                                                 .keep = keep_call,
                                                 .describe = describe,
                                                 .context = context_of};
