/* SPDX-License-Identifier: MIT */
/* Tasks from the inside. See core/task.c. */
#ifndef WEFT_CORE_TASK_H
#define WEFT_CORE_TASK_H

#include <stddef.h>
#include <weft/task.h>

#include "core/future.h"
#include "core/outcome.h"

enum weft__coro_flags {
    WEFT__CALL = 1,        /* [const] a call within a task, else a task */
    WEFT__MUST_CANCEL = 2, /* a request was made and not delivered yet */
    WEFT__FLEETING =
        4, /* its first step was begun at once, and it has not suspended yet: it is a call
                           in no list, and the only reference is that which its caller gets */
    WEFT__IN_FINALLY =
        WEFT__FRAME_IN_FINALLY,  /* the outcome is set; what is left is the clean-up */
    WEFT__IN_CANCEL = 16,        /* a request is passing through it */
    WEFT__SEEN_BY_SHUTDOWN = 32, /* which has cancelled it */
    WEFT__SHIELDED = 64,         /* it is in a clean-up block: see core/cleanup.c */
    WEFT__KEPT = 128,            /* a request came meanwhile */
    WEFT__CALL_ASKED = 256,      /* a task: MUST_CANCEL was set on one of its calls */
    WEFT__ASKED_ON = 512,        /* a request to it went on to what it awaits */
    WEFT__FOR_OTHERS = 1024 /* MUST_CANCEL or KEPT is of a request that came from who awaits it */
};

/**
 * A running coroutine: a task, or a call within a task. One block of memory, the user's frame at its
 * end. It begins 8 bytes before a multiple of 16, so that the frame begins at one. All fields are
 * [loop].
 */
typedef struct weft__coro {
    weft_future future;     /* its status is the outcome's while that waits in WEFT_FINALLY */
    const char *spawned_at; /* [const] "file:line", static */
    struct weft__coro *prev, *next; /* in loop->tasks or loop->calls, but for a FLEETING one */
    uint32_t id;                    /* [const] of a task: from 1 */
    union {
        uint32_t parent; /* [const] of a task: the id of that which spawned it, 0: none */
        uint32_t size;   /* [const] of a call: of its frame */
    };
    union {
        weft_context *context;   /* of a task: owned; the current one while it runs */
        struct weft__coro *task; /* [const] of a call: the task it runs as, a reference; a FLEETING
                                    one borrows its caller's */
    } as;
    /* What a step touches is together: */
    const weft_coroutine *code; /* [const] */
    weft__waiter waiter;        /* the await it is in; its item starts and resumes the coroutine */
    struct weft_frame frame;    /* its head; weft_flags are weft__coro_flags */
} weft__coro;

static inline bool weft__coro_has(const weft__coro *coro, enum weft__coro_flags flag)
{
    return coro->frame.weft_flags & flag;
}

static inline void weft__coro_set(weft__coro *coro, enum weft__coro_flags flag)
{
    coro->frame.weft_flags |= flag;
}

static inline void weft__coro_clear(weft__coro *coro, enum weft__coro_flags flag)
{
    coro->frame.weft_flags &= ~(uint32_t)flag;
}

static inline struct weft_frame *weft__frame_of(weft__coro *coro)
{
    return (struct weft_frame *)(void *)((char *)coro + offsetof(weft__coro, frame));
}

static inline weft__coro *weft__coro_of_frame(struct weft_frame *frame)
{
    return WEFT__CONTAINER(frame, weft__coro, frame);
}

static inline bool weft__is_call(const weft__coro *coro)
{
    return weft__coro_has(coro, WEFT__CALL);
}

/** The task as which a coroutine runs: itself, or for a call its task. */
static inline weft__coro *weft__identity(const weft__coro *coro)
{
    return weft__is_call(coro) ? coro->as.task : (weft__coro *)coro;
}

/** The operations of tasks: what tells them from calls, and all else. */
extern const struct weft__future_ops *const weft__task_ops;

/** The coroutine behind a future, or NULL. */
weft__coro *weft__coro_of(const weft_future *future);

/* ---- Objects: core/coro.c ---- */

/** A task that is in no list yet; NULL: out of memory. Its frame is copied, `context` is referenced. */
weft__coro *weft__new_task(weft_loop *loop, const weft_coroutine *code, const void *frame,
                           const char *place, weft_context *context);

/** A FLEETING call of the coroutine that runs now; NULL: out of memory. */
weft__coro *weft__new_call(weft_loop *loop, const weft_coroutine *code, const void *frame,
                           const char *place);

/** The same in the memory of the last one, if that is spare; else NULL. */
weft__coro *weft__call_again(weft_loop *loop, const weft_coroutine *code, const void *frame,
                             const char *place);

/** The loop ends: calls that have ended are not kept for the next ones any more. */
void weft__free_spare_calls(weft_loop *loop);

/**
 * Is it a call that has ended with a plain value, from a slab, and is there nothing else to it that would
 * have to be looked after? One comparison of all flags, and of the requests to cancel.
 */
static inline bool weft__is_spent_call(const weft_future *future)
{
    const weft_future spent = {.flags = WEFT__COMPLETED | WEFT__IN_SLAB | WEFT__PLAIN_CALL};
    return future->word == spent.word;
}

/** Its last reference is gone, dropped by who took its value: keep it for the next call. */
void weft__keep_call(weft_future *spent);

/* ---- Awaiting: core/await.c ---- */

/** It has nothing more to say. */
static inline void weft__drop_awaited(weft__coro *coro)
{
    weft_future *future = coro->waiter.future;
    coro->waiter.future = NULL;
    if (future)
        weft__unref(future);
}

/** A yield is over. True: by a request to cancel, which is answered now. */
bool weft__yield_is_cancelled(weft__coro *coro);

/* ---- Ending: core/outcome.c ---- */

/** Replace the outcome; takes over `message` (from weft__malloc(), may be NULL). */
void weft__set_failure(weft__coro *coro, struct weft__outcome *outcome, int status, char *message);

/** The coroutine suspends in its WEFT_FINALLY: keep the outcome. Without memory for the value, it
 * fails with -ENOMEM. */
void weft__keep_outcome(weft__coro *coro, struct weft__outcome *outcome);

/** What weft__keep_outcome() kept. */
struct weft__outcome weft__find_outcome(const weft__coro *coro);

/** The coroutine goes on: its outcome so far. */
static inline struct weft__outcome weft__kept_outcome(const weft__coro *coro)
{
    return weft__coro_has(coro, WEFT__IN_FINALLY) ? weft__find_outcome(coro)
                                                  : (struct weft__outcome){0};
}

/**
 * A coroutine waited for what decides how it ends: its outcome is that of the awaited future, which
 * is done. In the body, a failure is for the caller to raise.
 */
void weft__settle_coro(weft__coro *coro, struct weft__outcome *outcome);

/** The body has its outcome: go to its WEFT_FINALLY, or end if that was it. */
weft_step weft__leave(weft__coro *coro);

/* ---- Cancelling: core/task_cancel.c ---- */

/**
 * Is `call` where its task is: does the task wait for it, or run its first step right now? One that
 * goes on beside its task (in a gather, say) has no part in the task's cancel.
 */
bool weft__is_where_its_task_is(const weft__coro *call);

/** weft__cancel_requested() of a call. */
weft__coro *weft__request_for_call(weft__coro *call);

/** Who keeps a request that is for this coroutine: itself, one that waits for it, or its task; NULL:
 * nobody. */
static inline weft__coro *weft__cancel_requested(weft__coro *coro)
{
    if (weft__is_call(coro))
        return weft__request_for_call(coro);
    return weft__coro_has(coro, WEFT__MUST_CANCEL) ? coro : NULL;
}

/** The coroutine gets an -ECANCELED, which answers all requests made before it: nobody keeps one any
 * more. True if somebody did. */
bool weft__answer_requests(weft__coro *coro);

/** The coroutine of the same task that waits for this call, first in line; NULL: none. */
weft__coro *weft__caller(const weft__coro *call);

/** What a coroutine awaits, unless that is done; NULL: nothing. */
weft_future *weft__pending_await(const weft__coro *coro);

/** Does the coroutine wait for a call of its task which, or the innermost within which, has passed the
 * kept request on in vain, or has yielded and will find it? Then it stays where it is kept. */
bool weft__stays_kept(weft__coro *coro);

/** Pass a request that `asked` kept on to what its coroutine `coro` awaits now. */
void weft__pass_kept_cancel(weft__coro *coro, weft__coro *asked, weft_future *awaited);

/** What the coroutine awaits is done: if a request went on to it and was not heard there, it is this
 * coroutine's again, for its next await. */
void weft__cancel_comes_back(weft__coro *coro);

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

/** Keep one for the coroutine's next await. */
static inline void weft__keep_request(weft__coro *coro)
{
    weft__coro_set(coro, WEFT__MUST_CANCEL);
    if (weft__is_call(coro))
        weft__coro_set(coro->as.task, WEFT__CALL_ASKED);
}

/** The one that was kept is no more. */
static inline void weft__request_delivered(weft__coro *coro)
{
    weft__coro_clear(coro, WEFT__MUST_CANCEL | WEFT__FOR_OTHERS);
}

/** Is one waiting for the coroutine's next await, or for the end of its clean-up? Drop it. */
static inline bool weft__has_request(const weft__coro *coro)
{
    return weft__coro_has(coro, WEFT__MUST_CANCEL) || weft__coro_has(coro, WEFT__KEPT);
}

static inline void weft__drop_request(weft__coro *coro)
{
    weft__request_delivered(coro);
    weft__coro_clear(coro, WEFT__KEPT);
}

/**
 * A first step is under way within another step, or callback. Of a call: its caller will wait for it,
 * and does not yet.
 */
struct weft__first_step {
    weft__coro *started, *caller;   /* `caller` NULL: a callback */
    struct weft__first_step *outer; /* around the caller's step */
};

/** Is a step of the coroutine on the C stack? */
bool weft__is_running(const weft__coro *coro);

/**
 * A walk from a task through the calls that it waits for, or is just starting, one in the other:
 *
 *     struct weft__calls calls = weft__calls_of(task);
 *     for (weft__coro *at = task; at; at = weft__calls_next(&calls)) …
 *
 * Calls that await each other are a ring; the walk ends when it has been round.
 */
struct weft__calls {
    weft__coro *at, *behind; /* `behind` goes half as fast: in a ring they meet */
    bool odd;
};

static inline struct weft__calls weft__calls_of(weft__coro *task)
{
    return (struct weft__calls){task, task, false};
}

weft__coro *weft__calls_next(struct weft__calls *calls);

/* ---- Going on ---- */

/** The coroutine that goes on, or begins, when the item is run; NULL: none does. */
weft__coro *weft__coro_of_item(const weft__item *item);

/** What a waiter's item runs: the await is over. Nobody looks at the loop's steps: else by the next one. */
void weft__resume(weft__item *item);

/** item->run(item), of whoever it is, where somebody may look. */
void weft__run_asking(weft__item *item);

/** What it runs for an await that became a yield, since there was a request to cancel. */
void weft__resume_nap(weft__item *item);

/* ---- A program's main coroutine: core/run.c ---- */

/** The exit status for what it ended with; a failure is reported, and so is a loop that was stopped
 * before. */
int weft__exit_status(weft_future *main, int status);

/** Open /dev/null where stdin, stdout or stderr is closed. */
void weft__fill_standard_descriptors(void);

/* ---- Giving up ---- */

/**
 * Give up all tasks and calls: each is queued to complete with WEFT_ESTUCK, and no body runs on.
 */
void weft__abandon_coroutines(weft_loop *loop);

#endif
