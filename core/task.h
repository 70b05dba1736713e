/* SPDX-License-Identifier: MIT */
/* Tasks from the inside. See core/task.c. */
#ifndef WEFT_CORE_TASK_H
#define WEFT_CORE_TASK_H

#include <stddef.h>
#include <weft/task.h>

#include "core/future.h"

/**
 * A running coroutine: a task, or a call within a task. One block of memory, the frame at its end.
 * All fields are [loop].
 */
typedef struct weft__coro {
    weft_future future;
    weft__waiter waiter;        /* the await it is in; its item starts and resumes the coroutine */
    const weft_coroutine *code; /* [const] */
    struct weft__coro
        *identity; /* [const] the task it runs as: itself, or for a call its task (a reference) */
    weft_context *context;  /* owned; of a task: the current one while it runs; of a call: NULL */
    const char *spawned_at; /* [const] "file:line", static */
    weft_value value;       /* the outcome: value, or when it failed, its message in value.ptr */
    weft_destructor *destructor; /* of the outcome's value */
    int32_t outcome;             /* the outcome: 0 or the error */
    bool must_cancel;            /* a request was made and not delivered yet */
    bool running;                /* a step of it is on the C stack */
    bool in_finally;             /* the outcome is set; what is left is the clean-up */
    bool in_cancel;              /* a request is passing through it */
    bool seen_by_shutdown;
    struct weft__coro *prev, *next; /* in loop->tasks or loop->calls */
    _Alignas(max_align_t) unsigned char frame[];
} weft__coro;

static inline struct weft_frame *weft__frame_of(weft__coro *coro)
{
    return (struct weft_frame *)(void *)coro->frame;
}

static inline weft__coro *weft__coro_of_frame(struct weft_frame *frame)
{
    return WEFT__CONTAINER(frame, weft__coro, frame);
}

static inline bool weft__is_call(const weft__coro *coro)
{
    return coro->identity != coro;
}

/** The coroutine behind a future, or NULL. */
weft__coro *weft__coro_of(const weft_future *future);

/* ---- Ending: core/outcome.c ---- */

/** Replace the outcome; takes over `message` (from weft__malloc(), may be NULL). */
void weft__set_failure(weft__coro *coro, int status, char *message);

/** The body has its outcome: go to its WEFT_FINALLY, or end if that was it. */
weft_step weft__leave(weft__coro *coro);

/* ---- Cancelling: core/task_cancel.c ---- */

/** The pending request to cancel, on the coroutine itself or on its task; NULL: none. */
weft__coro *weft__cancel_requested(weft__coro *coro);

/** What a coroutine awaits, unless that is done; NULL: nothing. */
weft_future *weft__pending_await(const weft__coro *coro);

/** ops->cancel of coroutines. */
bool weft__coro_cancel(weft_future *future);

/** How many came to the coroutine, or passed through it, and were not taken back. */
static inline uint32_t weft__requests(const weft__coro *coro)
{
    return coro->future.requests;
}

/** Count one without making it, and take one back; at zero one that was not delivered is dropped. */
static inline void weft__count_request(weft__coro *coro)
{
    if (coro->future.requests < WEFT__MAX_REQUESTS)
        coro->future.requests++;
}

void weft__uncount_request(weft__coro *coro);

/** Is one waiting for the coroutine's next await? Drop it. */
static inline bool weft__has_request(const weft__coro *coro)
{
    return coro->must_cancel;
}

static inline void weft__drop_request(weft__coro *coro)
{
    coro->must_cancel = false;
}

/**
 * Is `call` where its task is: does the task wait for it, or run its first step right now? One that
 * goes on beside its task (in a gather, say) has no part in the task's cancel.
 */
bool weft__is_where_its_task_is(const weft__coro *call);

/* ---- Giving up ---- */

/**
 * Give up all tasks and calls: each is queued to complete with WEFT_ESTUCK, and no body runs on.
 */
void weft__abandon_coroutines(weft_loop *loop);

#endif
