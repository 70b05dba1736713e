/* SPDX-License-Identifier: MIT */
/*
 * Tasks: running coroutines.
 *
 *     NEW --first step--> RUNNING --await--> WAITING --the awaited is done--> QUEUED
 *     QUEUED --tick--> RUNNING … --> DONE
 *
 * A task is queued to start; at each step the body runs until it awaits something that is not done,
 * or ends. `waiter` tells the states apart: in a future's list (WAITING), in the ready queue (NEW,
 * QUEUED, or a yield), or in neither (RUNNING).
 *
 * A call (weft_call) is a coroutine that runs as its caller's task. When the caller awaits it and
 * it ends, the caller goes on in the same step, as in Python, where a chain of awaits is one task:
 * step() is a trampoline over the callers, so that the depth of the C stack does not grow.
 *
 * How it ends is in core/outcome.c, how it is cancelled in core/task_cancel.c.
 *
 * References: a coroutine holds one to itself until it is done, a call one to its task, and
 * `waiter.future` one to what is awaited; a failed future stays there until the next await, for its
 * message.
 */
#include "core/task.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "core/block.h"
#include "core/cancel.h"
#include "core/cold.h"
#include "core/context.h"
#include "core/debug.h"
#include "core/group.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/sleep.h"

/* Calls nested deeper than this start at the next tick, lest the C stack overflow. */
enum { MAX_DEPTH = 200 };

static const struct weft__future_ops task_ops, call_ops;

weft__coro *weft__coro_of(const weft_future *future)
{
    bool is_coroutine = future->ops == &task_ops || future->ops == &call_ops;
    return is_coroutine ? WEFT__CONTAINER(future, weft__coro, future) : NULL;
}

/* ---- Awaiting ---- */

static void drop_awaited(weft__coro *coro)
{
    weft_future *future = coro->waiter.future;
    coro->waiter.future = NULL;
    if (future)
        weft__unref(future);
}

static weft_future *awaitable(const weft__coro *coro, weft_future *future)
{
    weft_future *refused = NULL;
    if (!future)
        return weft_future_failed(-EINVAL, "await of NULL");
    if (weft__is_foreign(future))
        refused = weft_future_failed(-EXDEV,
                                     "await of another loop's future, or of one that was consumed");
    else if (future == &coro->future || future == &weft__identity(coro)->future)
        refused = weft_future_failed(-EDEADLK, "a task cannot await itself");
    if (!refused)
        return future;
    weft__drop(future);
    return refused;
}

bool weft__await(struct weft_frame *frame, weft_future *future, int line)
{
    weft__coro *coro = weft__coro_of_frame(frame);
    drop_awaited(coro);
    weft__coro_clear(coro, WEFT__ASKED_ON);
    frame->weft_state = line;
    future = awaitable(coro, future);
    if (!weft__is_pending(future)) {
        coro->waiter.future = future;
        return false;
    }
    weft__coro *asked = weft__cancel_requested(coro);
    if (!asked && weft__sleep_take_over(coro, future))
        return true;
    if (asked && future->flags & WEFT__NEXT_TICK) { /* as a yield: it may be taken back till then */
        weft_unref(future);
        coro->waiter.item.run = weft__resume_nap;
        weft__schedule(weft__loop, &coro->waiter.item);
        return true;
    }
    weft__wait(&coro->waiter, future);
    if (asked && !weft__stays_kept(coro))
        weft__pass_kept_cancel(coro, asked, future);
    return true;
}

/* What a yield failed with has its place in the coroutine as if it had been awaited. Without memory it
 * is a plain -ECANCELED. */
static weft_future *cancelled_as(const weft_future *asked)
{
    const char *reason = weft_message(asked);
    weft_future *future = weft_future_failed(-ECANCELED, reason ? "%s" : NULL, reason);
    if (weft_is_cancelled(future)) {
        weft__pass_origin(future, asked);
        return future;
    }
    weft__look(future);
    weft_unref(future);
    return NULL;
}

/* A yield is over. True: by a request to cancel, which is answered now. */
static bool yield_is_cancelled(weft__coro *coro)
{
    const weft__coro *asked = weft__cancel_requested(coro);
    if (!asked)
        return false;
    coro->waiter.future = cancelled_as(&asked->future);
    weft__answer_requests(coro);
    return true;
}

int weft__await_end(struct weft_frame *frame, weft_value *ret)
{
    weft__coro *coro = weft__coro_of_frame(frame);
    weft_future *future = coro->waiter.future;
    if (!future)
        return -ECANCELED; /* and no memory for a future that says so */
    int status = weft__look(future);
    if (status >= 0 && ret) {
        weft_destructor *destructor;
        status = weft__take(future, ret, &destructor);
    }
    if (status >= 0) {
        coro->waiter.future = NULL;
        weft__unref(future);
    }
    return status;
}

/* What weft__await_end() returned last: the awaited future is kept while it has something to say.
 */
static int caught_status(const weft__coro *coro)
{
    const weft_future *future = coro->waiter.future;
    if (!future)
        return -ECANCELED;
    return future->status < 0 ? future->status : -EALREADY;
}

weft_step weft__fail_as_awaited(struct weft_frame *frame)
{
    weft__coro *coro = weft__coro_of_frame(frame);
    weft__set_failure(coro, &weft__loop->outcome, caught_status(coro),
                      weft__strdup(weft__caught_message(frame)));
    if (coro->waiter.future)
        weft__errors_pass(&coro->future, coro->waiter.future);
    if (weft__loop->outcome.status == -ECANCELED && coro->waiter.future)
        weft__pass_origin(&coro->future, coro->waiter.future);
    return weft__leave(coro);
}

const char *weft__caught_message(struct weft_frame *frame)
{
    const weft_future *future = weft__coro_of_frame(frame)->waiter.future;
    return future ? weft_message(future) : NULL;
}

const weft_errors *weft__caught_errors(struct weft_frame *frame)
{
    return weft_future_errors(weft__coro_of_frame(frame)->waiter.future);
}

/* ---- Running ---- */

weft__coro *weft__caller(const weft__coro *call)
{
    weft__waiter *first = weft__is_call(call) ? call->future.first.waiters : NULL;
    if (!first || first->item.run != weft__resume)
        return NULL;
    weft__coro *caller = WEFT__CONTAINER(first, weft__coro, waiter);
    return weft__identity(caller) == weft__identity(call) ? caller : NULL;
}

/* The same, taken out of the line. */
static weft__coro *take_caller(weft__coro *call)
{
    weft__coro *caller = weft__caller(call);
    if (caller)
        weft__detach(&caller->waiter);
    return caller;
}

static weft__coro **list_of(weft__coro *coro)
{
    weft_loop *loop = weft__loop;
    return weft__is_call(coro) ? &loop->calls : &loop->tasks;
}

static void link_coro(weft__coro *coro)
{
    weft__coro **list = list_of(coro);
    coro->next = *list;
    if (coro->next)
        coro->next->prev = coro;
    *list = coro;
    weft__loop->task_count += !weft__is_call(coro);
}

static void unlink_coro(weft__coro *coro)
{
    weft__loop->task_count -= !weft__is_call(coro);
    if (coro->prev)
        coro->prev->next = coro->next;
    else
        *list_of(coro) = coro->next;
    if (coro->next)
        coro->next->prev = coro->prev;
}

static void held(weft__item *item);

/* True if the coroutine must wait before it ends: for the children of a scope that it left open. */
static bool is_held(weft__coro *coro, struct weft__outcome *outcome)
{
    bool given_up = weft__loop->phase == WEFT__CLOSED;
    weft_future *future = given_up ? NULL : weft__blocks_hold(coro, outcome);
    if (!future)
        return false;
    drop_awaited(coro);
    weft__coro_set(coro, WEFT__IN_FINALLY);
    weft__keep_outcome(coro, outcome);
    coro->waiter.item.run = held;
    weft__wait(&coro->waiter, future);
    return true;
}

/* The coroutine has ended: its outcome becomes the future's. Returns who goes on in this step. */
static weft__coro *finish(weft_loop *loop, weft__coro *coro)
{
    weft__coro *task = weft__is_call(coro) ? coro->as.task : NULL;
    struct weft__outcome outcome = loop->outcome;
    loop->outcome = (struct weft__outcome){0};
    if (weft__blocks(coro)) {
        if (is_held(coro, &outcome))
            return NULL;
        weft__blocks_end(coro, outcome.status == WEFT_ESTUCK);
    }
    weft__coro *caller = take_caller(coro);
    if (weft__has_request(coro) && weft__coro_has(coro, WEFT__FOR_OTHERS))
        coro->future.flags |= WEFT__UNDELIVERED;
    weft__frame_of(coro)->weft_state = WEFT__STATE_DONE;
    drop_awaited(coro);
    unlink_coro(coro);
    if (task) { /* its future may outlive the task */
        coro->as.context = weft_context_ref(task->as.context);
        weft__coro_clear(coro, WEFT__CALL);
    }
    if (outcome.status < 0)
        weft__complete_failed(&coro->future, outcome.status, outcome.value.ptr);
    else
        weft__complete(&coro->future, outcome.value, outcome.destructor);
    weft__unref(&coro->future);
    if (caller && weft__coro_has(caller, WEFT__ASKED_ON))
        weft__cancel_comes_back(caller);
    if (task)
        weft__unref(&task->future);
    return caller;
}

bool weft__is_running(const weft__coro *coro)
{
    const struct weft__first_step *step = weft__loop->first_steps;
    if (coro == weft__loop->current)
        return true;
    while (step && step->caller != coro)
        step = step->outer;
    return step;
}

static inline weft_step enter(weft_loop *loop, weft__coro *coro)
{
    loop->current = coro;
    if (__builtin_expect(loop->debug != NULL, 0))
        return weft__debug_step(loop, coro);
    return coro->code->resume(weft__frame_of(coro));
}

/* The step was not the last one. */
static inline void suspended(weft_loop *loop, weft__coro *coro, weft_step step)
{
    if (step.weft_code != WEFT__YIELDS)
        return;
    if (__builtin_expect(coro->waiter.future != NULL, 0))
        drop_awaited(coro);
    weft__schedule(loop, &coro->waiter.item);
}

/* All that a step may lead to; those who go on with it run within that of `outer`. */
static void go_on(weft_loop *loop, weft__coro *coro, weft_step step, weft__coro *outer)
{
    for (;;) {
        while (step.weft_code == WEFT__AGAIN)
            step = enter(loop, coro);
        loop->current = outer;
        if (step.weft_code != WEFT__DONE)
            break;
        if (!(coro = finish(loop, coro)))
            return;
        loop->outcome = weft__kept_outcome(coro);
        step = enter(loop, coro);
    }
    if (weft__coro_has(coro, WEFT__IN_FINALLY))
        weft__keep_outcome(coro, &loop->outcome);
    suspended(loop, coro, step);
}

static void go(weft_loop *loop, weft__coro *coro, weft__coro *outer)
{
    if (!coro)
        return;
    loop->outcome = weft__kept_outcome(coro);
    go_on(loop, coro, enter(loop, coro), outer);
}

static void held(weft__item *item)
{
    weft__coro *coro = WEFT__CONTAINER(item, weft__coro, waiter.item);
    weft_loop *loop = weft__loop;
    loop->outcome = weft__kept_outcome(coro);
    weft__settle_coro(coro, &loop->outcome);
    go(loop, finish(loop, coro), NULL);
}

/* What few coroutines have: who resumes must look for requests to cancel, or for an outcome. */
enum { RARE = WEFT__CALL | WEFT__MUST_CANCEL | WEFT__IN_FINALLY | WEFT__ASKED_ON };

static void resume_a_rare_one(weft_loop *loop, weft__coro *coro)
{
    const weft_future *awaited = coro->waiter.future;
    if (weft__coro_has(coro, WEFT__ASKED_ON))
        weft__cancel_comes_back(coro);
    if (awaited && weft_is_cancelled(awaited))
        weft__answer_requests(coro);
    if (awaited || !yield_is_cancelled(coro)) {
        go(loop, coro, NULL);
        return;
    }
    loop->outcome = weft__kept_outcome(coro);
    loop->current = coro;
    go_on(loop, coro, weft__fail_as_awaited(weft__frame_of(coro)), NULL);
}

void weft__resume(weft__item *item)
{
    weft__coro *coro = WEFT__CONTAINER(item, weft__coro, waiter.item);
    weft_loop *loop = weft__loop;
    if (__builtin_expect(coro->frame.weft_flags & RARE, 0)) {
        resume_a_rare_one(loop, coro);
        return;
    }
    weft_step step = enter(loop, coro);
    if (step.weft_code >= WEFT__AGAIN || weft__coro_has(coro, WEFT__IN_FINALLY)) {
        go_on(loop, coro, step, NULL);
        return;
    }
    loop->current = NULL;
    suspended(loop, coro, step);
}

void weft__resume_nap(weft__item *item)
{
    weft__coro *coro = WEFT__CONTAINER(item, weft__coro, waiter.item);
    item->run = weft__resume;
    if (yield_is_cancelled(coro)) {
        go(weft__loop, coro, NULL);
    } else {
        coro->waiter.future = weft_ref(&weft__loop->slept);
        weft__resume(item);
    }
}

static void start_within(weft_loop *loop, weft__coro *coro, weft__coro *outer)
{
    coro->waiter.item.run = weft__resume;
    if (weft__coro_has(coro, WEFT__MUST_CANCEL)) {
        loop->outcome.status = -ECANCELED;
        coro = finish(loop, coro);
    }
    go(loop, coro, outer);
}

static void start(weft__item *item)
{
    start_within(weft__loop, WEFT__CONTAINER(item, weft__coro, waiter.item), NULL);
}

/* ---- Starting ---- */

static weft__coro *new_coro(weft_loop *loop, const struct weft__future_ops *ops,
                            const weft_coroutine *code, const void *frame, const char *place)
{
    uint32_t flags;
    weft__coro *coro =
        weft__future_room(loop, offsetof(weft__coro, frame) + code->frame_size, &flags);
    if (!coro)
        return NULL;
    *coro = (weft__coro){.future = weft__future_begin(loop, ops, 2, flags),
                         .spawned_at = place,
                         .code = code,
                         .waiter.item.run = start};
    if (code->frame_size > sizeof(struct weft_frame))
        memcpy(weft__frame_of(coro) + 1, (const struct weft_frame *)frame + 1,
               code->frame_size - sizeof(struct weft_frame));
    return coro;
}

/* From 1; after 4 billion tasks again. */
static uint32_t next_task_id(weft_loop *loop)
{
    if (++loop->last_id == 0)
        loop->last_id = 1;
    return loop->last_id;
}

static weft__coro *new_task(weft_loop *loop, const weft_coroutine *code, const void *frame,
                            const char *place, weft_context *context)
{
    weft__coro *task = new_coro(loop, &task_ops, code, frame, place);
    if (!task)
        return NULL;
    task->as.context = weft_context_ref(context);
    task->id = next_task_id(loop);
    task->parent = loop->current ? weft__identity(loop->current)->id : 0;
    link_coro(task);
    return task;
}

static weft__coro *new_call(weft_loop *loop, const weft_coroutine *code, const void *frame,
                            const char *place)
{
    weft__coro *call = new_coro(loop, &call_ops, code, frame, place);
    if (!call)
        return NULL;
    weft__coro_set(call, WEFT__CALL);
    call->as.task = weft__identity(loop->current);
    call->as.task->future.refs++;
    link_coro(call);
    return call;
}

/* NULL: a coroutine can be started here. */
static weft_future *refuse(weft_loop *loop)
{
    if (!loop)
        return weft__future_enoloop();
    if (loop->phase == WEFT__CLOSED)
        return weft_future_failed(-ESHUTDOWN, "the loop is shut down");
    return NULL;
}

weft_future *weft__spawn_in(weft_context *context, const weft_coroutine *coroutine,
                            const void *frame, const char *place)
{
    weft_loop *loop = weft__here();
    weft_future *refused = refuse(loop);
    if (refused)
        return refused;
    weft__coro *task = new_task(loop, coroutine, frame, place, context);
    if (!task)
        return weft__future_enomem(loop);
    weft__schedule(loop, &task->waiter.item);
    return &task->future;
}

weft_future *weft__spawn(const weft_coroutine *coroutine, const void *frame, const char *place)
{
    return weft__spawn_in(weft__context(), coroutine, frame, place);
}

/* The first step at once; NULL: there was no memory for it. What runs already is as it was when this
 * returns. */
static weft_future *start_at_once(weft_loop *loop, weft__coro *coro)
{
    if (!coro)
        return weft__future_enomem(loop);
    weft_future *future = &coro->future;
    if (loop->depth == MAX_DEPTH) {
        weft__schedule(loop, &coro->waiter.item);
        return future;
    }
    struct weft__first_step first = {coro, loop->current, loop->first_steps, loop->outcome,
                                     weft__context_enter(NULL)};
    loop->outcome = (struct weft__outcome){0};
    loop->first_steps = &first;
    loop->depth++;
    start_within(loop, coro, first.caller);
    loop->depth--;
    loop->first_steps = first.outer;
    loop->outcome = first.outcome;
    weft__context_leave(first.context);
    return future;
}

weft_future *weft__call(const weft_coroutine *coroutine, const void *frame, const char *place)
{
    weft_loop *loop = weft__here();
    weft_future *refused = refuse(loop);
    if (refused)
        return refused;
    if (!loop->current)
        return weft__spawn_eager(coroutine, frame, place);
    return start_at_once(loop, new_call(loop, coroutine, frame, place));
}

weft_future *weft__spawn_eager(const weft_coroutine *coroutine, const void *frame,
                               const char *place)
{
    weft_loop *loop = weft__here();
    weft_future *refused = refuse(loop);
    if (refused)
        return refused;
    return start_at_once(loop, new_task(loop, coroutine, frame, place, weft__context()));
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
                                                 .describe = describe,
                                                 .context = context_of};

/* ---- Giving up ---- */

static void give_up(weft__item *item)
{
    weft__coro *coro = WEFT__CONTAINER(item, weft__coro, waiter.item);
    weft_future *awaited = weft__pending_await(coro);
    if (awaited) /* a gather of what nobody completes, say, would wait for it for ever */
        weft_cancel_because(awaited, "the loop shuts down");
    weft_loop *loop = weft__loop;
    loop->outcome = weft__kept_outcome(coro);
    weft__set_failure(coro, &loop->outcome, WEFT_ESTUCK, NULL);
    finish(loop, coro);
}

static void abandon(weft__coro *coro)
{
    for (; coro; coro = coro->next) {
        if (weft__is_asleep(coro)) {
            weft__sleep_abandon(coro);
        } else if (weft__is_waiting(&coro->waiter)) {
            weft__detach(&coro->waiter);
            weft__schedule(weft__loop, &coro->waiter.item);
        }
        coro->waiter.item.run =
            give_up; /* it is queued, be it to start, to go on or by the above */
    }
}

void weft__abandon_coroutines(weft_loop *loop)
{
    abandon(loop->tasks);
    abandon(loop->calls);
}
