/* SPDX-License-Identifier: MIT */
/*
 * The objects behind tasks and calls: how one is made, what it is to others, and how it goes.
 *
 * A coroutine that is called is called again, mostly. So a call that has ended with a plain value is kept for
 * the next one of the same coroutine when its value was taken, as it is: in the same block, with all that
 * calls of one coroutine have in common. At most WEFT__SPARE_CALLS are, and only what came from a slab. Not
 * while an allocation is to fail, lest a test miss one, nor by the error handler, whose futures are marked.
 *
 * Failure modes: no memory for an object (NULL).
 */
#include <string.h>

#include "core/annotations.h"
#include "core/cold.h"
#include "core/context.h"
#include "core/inspect/walk.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/task.h"

static const struct weft__future_ops task_ops, call_ops;
static const weft_future like_new = {.flags = WEFT__IN_SLAB};

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

/* ---- Calls that are made again and again ---- */

/* Where a call of this coroutine is kept. */
static inline weft__coro **spare_of(weft_loop *loop, const weft_coroutine *code)
{
    return &loop->spare_calls[(uintptr_t)code / sizeof(*code) % WEFT__SPARE_CALLS];
}

weft__coro *weft__new_call(weft_loop *loop, const weft_coroutine *code, const void *frame,
                           const char *place)
{
    weft__coro *call = new_coro(loop, &call_ops, 1, code, frame, place);
    if (!call)
        return NULL;
    call->size = (uint32_t)code->frame_size;
    call->as.task = weft__identity(loop->current);
    call->waiter.item.run = weft__resume;
    call->frame.weft_flags = WEFT__CALL | WEFT__FLEETING;
    return call;
}

/* One that is spare is a new one but for what is written here and when it is kept: one of the error handler
 * is marked, so none is taken then; nor while anybody looks, so that who takes one need not ask. The size is
 * compared since another coroutine may have come to the same address, of a library that was loaded later. */
weft__coro *weft__call_again(weft_loop *loop, const weft_coroutine *code, const void *frame,
                             const char *place)
{
    weft__coro **spare = spare_of(loop, code), *call = *spare;
    size_t size = code->frame_size;
    if (!call || call->code != code || call->size != (uint32_t)size || loop->watched ||
        weft__memory_is_watched())
        return NULL;
    *spare = NULL;
    call->future.first.waiters = NULL;
    call->spawned_at = place;
    call->as.task = weft__identity(loop->current);
    copy_arguments(weft__frame_of(call), frame, size);
    call->frame.weft_flags = WEFT__CALL | WEFT__FLEETING;
    return call;
}

/* In the place of the one before. It still has one reference, and its waiter is as in a new one: who waited
 * otherwise than for an await has a block, and a cold part. */
void weft__keep_call(weft_future *spent)
{
    weft__coro *call = WEFT__CONTAINER(spent, weft__coro, future);
    weft__coro **spare = spare_of(weft__loop, call->code), *before = *spare;
    spent->word = like_new.word;
    *spare = call;
    if (__builtin_expect(before != NULL, 0))
        weft__future_free(&before->future);
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

WEFT__OPS(task_ops) = {.name = "task",
                       .cancel = weft__coro_cancel,
                       .dispose = dispose,
                       .describe = describe,
                       .context = context_of,
                       .explain = weft__explain_coro};
WEFT__OPS(call_ops) = {.name = "call",
                       .cancel = weft__coro_cancel,
                       .dispose = dispose,
                       .describe = describe,
                       .context = context_of,
                       .explain = weft__explain_coro};
const struct weft__future_ops *const weft__task_ops = &task_ops;
