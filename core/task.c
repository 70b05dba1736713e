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
 * go_on() is a trampoline over the callers, so that the depth of the C stack does not grow.
 *
 * How it awaits is in core/await.c, how it ends in core/outcome.c, how it is cancelled in
 * core/task_cancel.c.
 *
 * Most calls end in their first step, which runs on the stack of who starts them. So a call begins
 * FLEETING: in no list, without a reference but that which its caller gets, and of its fields only those
 * are written which a first step may ask for. Whoever cancels its task meanwhile finds it by
 * loop->first_steps. When it ends, its value goes from the body's return to its future, which nobody can
 * wait for yet, and nothing is to be undone. When it suspends, or a block holds it, it comes to stay().
 *
 * References: a coroutine holds one to itself until it is done, a call one to its task, and
 * `waiter.future` one to what is awaited; a failed future stays there until the next await, for its
 * message.
 */
#include "core/task.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "core/annotations.h"
#include "core/block.h"
#include "core/cancel.h"
#include "core/cold.h"
#include "core/context.h"
#include "core/group.h"
#include "core/inspect/probe.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/sleep.h"
#include "core/step.h"

/* Calls nested deeper than this start at the next tick, lest the C stack overflow. */
enum { MAX_DEPTH = 200 };

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
    coro->prev = NULL;
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

/* The coroutine outlives its first step: it is held by itself from now on, and holds its task. Those
 * around it come first, so that the list is in the order in which they began. */
WEFT_APART static void stay(const struct weft__first_step *step)
{
    weft__coro *coro = step->started;
    if (!weft__coro_has(coro, WEFT__FLEETING))
        return;
    if (step->outer)
        stay(step->outer);
    weft__coro_clear(coro, WEFT__FLEETING);
    coro->future.refs++;
    coro->as.task->future.refs++;
    link_coro(coro);
}

static void held(weft__item *item);

/* True if the coroutine must wait before it ends: for the children of a scope that it left open. */
static bool is_held(weft__coro *coro, struct weft__outcome *outcome)
{
    bool given_up = weft__loop->phase == WEFT__CLOSED;
    weft_future *future = given_up ? NULL : weft__blocks_hold(coro, outcome);
    if (!future)
        return false;
    weft__drop_awaited(coro);
    if (weft__coro_has(coro, WEFT__FLEETING))
        stay(weft__loop->first_steps);
    weft__coro_set(coro, WEFT__IN_FINALLY);
    weft__keep_outcome(coro, outcome);
    coro->waiter.item.run = held;
    weft__wait(&coro->waiter, future);
    return true;
}

/* Its future may outlive the task, and be reported if it failed. */
static void complete_call(weft__coro *call, const struct weft__outcome *outcome)
{
    bool failed = outcome->status < 0;
    call->as.context = failed ? weft_context_ref(call->as.task->as.context) : NULL;
    if (!failed && !outcome->destructor)
        call->future.flags |= WEFT__PLAIN_CALL;
}

/* Its outcome becomes the future's. Nothing of the user's is called. */
static void complete(weft__coro *coro, const struct weft__outcome *outcome)
{
    if (weft__coro_has(coro, WEFT__FOR_OTHERS) && weft__has_request(coro))
        coro->future.flags |= WEFT__UNDELIVERED;
    if (weft__is_call(coro))
        complete_call(coro, outcome);
    weft__coro_clear(coro, WEFT__CALL | WEFT__FLEETING);
    weft__frame_of(coro)->weft_state = WEFT__STATE_DONE;
    if (outcome->status < 0)
        weft__complete_failed(&coro->future, outcome->status, outcome->value.ptr);
    else
        weft__complete(&coro->future, outcome->value, outcome->destructor);
}

/* The coroutine has ended. Returns who goes on in this step. */
static weft__coro *finish(weft_loop *loop, weft__coro *coro)
{
    struct weft__outcome outcome = loop->outcome;
    loop->outcome = (struct weft__outcome){0};
    if (weft__blocks(coro)) {
        if (is_held(coro, &outcome))
            return NULL;
        weft__blocks_end(coro, outcome.status == WEFT_ESTUCK);
    }
    weft__drop_awaited(coro); /* a destructor that starts something lets it stay() */
    if (weft__coro_has(coro, WEFT__FLEETING)) {
        complete(coro, &outcome);
        return NULL;
    }
    weft__coro *task = weft__is_call(coro) ? coro->as.task : NULL;
    weft__coro *caller = take_caller(coro);
    unlink_coro(coro);
    complete(coro, &outcome);
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

static inline weft_step enter_unwatched(weft_loop *loop, weft__coro *coro)
{
    loop->current = coro;
    return coro->code->resume(weft__frame_of(coro));
}

static inline weft_step enter(weft_loop *loop, weft__coro *coro)
{
    if (!WEFT__HOOKED(loop->watched))
        return enter_unwatched(loop, coro);
    loop->current = coro;
    return weft__step_watched(loop, coro);
}

/* The step was not the last one. */
static inline void suspended(weft_loop *loop, weft__coro *coro, weft_step step)
{
    if (step.weft_code != WEFT__YIELDS)
        return;
    if (__builtin_expect(coro->waiter.future != NULL, 0))
        weft__drop_awaited(coro);
    weft__schedule(loop, &coro->waiter.item);
}

/* All that a step may lead to; those who go on with it run within that of `outer`. */
static void go_on(weft_loop *loop, weft__coro *coro, weft_step step, weft__coro *outer)
{
    for (;;) {
        while (step.weft_code == WEFT__AGAIN)
            step = enter(loop, coro);
        loop->current = outer;
        if (step.weft_code < WEFT__DONE)
            break;
        if (step.weft_code == WEFT__RETURNS)
            loop->outcome.value = step.weft_returned;
        if (!(coro = finish(loop, coro)))
            return;
        loop->outcome = weft__kept_outcome(coro);
        step = enter(loop, coro);
    }
    if (weft__coro_has(coro, WEFT__FLEETING))
        stay(loop->first_steps);
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
    if (awaited || !weft__yield_is_cancelled(coro)) {
        go(loop, coro, NULL);
        return;
    }
    loop->outcome = weft__kept_outcome(coro);
    loop->current = coro;
    go_on(loop, coro, weft__fail_as_awaited(weft__frame_of(coro)), NULL);
}

/* Compiled twice, as what runs items is: where nobody looks, no step asks. */
static inline __attribute__((always_inline)) void resume(weft__item *item, bool asks)
{
    weft__coro *coro = WEFT__CONTAINER(item, weft__coro, waiter.item);
    weft_loop *loop = weft__loop;
    if (__builtin_expect(coro->frame.weft_flags & RARE, 0)) {
        resume_a_rare_one(loop, coro);
        return;
    }
    weft_step step = asks ? enter(loop, coro) : enter_unwatched(loop, coro);
    if (step.weft_code >= WEFT__AGAIN || weft__coro_has(coro, WEFT__IN_FINALLY)) {
        go_on(loop, coro, step, NULL);
        return;
    }
    loop->current = NULL;
    suspended(loop, coro, step);
}

void weft__resume(weft__item *item)
{
    resume(item, false);
}

void weft__run_asking(weft__item *item)
{
    if (item->run == weft__resume)
        resume(item, true);
    else
        item->run(item);
}

void weft__resume_nap(weft__item *item)
{
    weft__coro *coro = WEFT__CONTAINER(item, weft__coro, waiter.item);
    item->run = weft__resume;
    if (weft__yield_is_cancelled(coro)) {
        go(weft__loop, coro, NULL);
    } else {
        coro->waiter.future = weft_ref(&weft__loop->slept);
        resume(item, true);
    }
}

static void start_a_rare_one(weft_loop *loop, weft__coro *coro)
{
    if (weft__coro_has(coro, WEFT__MUST_CANCEL)) {
        loop->outcome.status = -ECANCELED;
        coro = finish(loop, coro);
    }
    go(loop, coro, NULL);
}

static void start(weft__item *item)
{
    weft__coro *coro = WEFT__CONTAINER(item, weft__coro, waiter.item);
    item->run = weft__resume;
    if (__builtin_expect(coro->frame.weft_flags & RARE, 0))
        start_a_rare_one(weft__loop, coro);
    else
        resume(item, true);
}

weft__coro *weft__coro_of_item(const weft__item *item)
{
    bool is_coro = item->run == weft__resume || item->run == start || item->run == held ||
                   item->run == weft__resume_nap;
    return is_coro ? WEFT__CONTAINER((weft__item *)item, weft__coro, waiter.item) : NULL;
}

/* ---- Starting ---- */

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
    weft__coro *task = weft__new_task(loop, coroutine, frame, place, context);
    if (!task)
        return weft__future_enomem(loop);
    link_coro(task);
    task->waiter.item.run = start;
    WEFT__PROBE4(task_spawn, task, coroutine->name, place, task->id);
    weft__schedule(loop, &task->waiter.item);
    return &task->future;
}

weft_future *weft__spawn(const weft_coroutine *coroutine, const void *frame, const char *place)
{
    return weft__spawn_in(weft__context(), coroutine, frame, place);
}

/* So deep that it starts at the next tick. */
WEFT_APART static void start_later(weft_loop *loop, struct weft__first_step *first)
{
    stay(first);
    first->started->waiter.item.run = start;
    weft__schedule(loop, &first->started->waiter.item);
    loop->first_steps = first->outer;
}

/* Is there nothing to what a first step leads to but a value? Nor anything to be dropped, whose destructor
 * might start something. */
static inline bool ends_at_once(const weft__coro *coro, weft_step step)
{
    return step.weft_code >= WEFT__DONE &&
           coro->frame.weft_flags == (WEFT__CALL | WEFT__FLEETING) &&
           !(coro->future.flags & WEFT__HAS_COLD) && !coro->waiter.future;
}

/* All that it leads to then: nobody can wait for it yet, nor ask for its context, as it has not failed. */
static inline void end_at_once(weft__coro *call, weft_value value)
{
    static const weft_future ended = {.flags = WEFT__COMPLETED | WEFT__PLAIN_CALL};
    call->as.context = NULL;
    call->frame = (struct weft_frame){WEFT__STATE_DONE, 0};
    call->future.first.value = value;
    call->future.word |= ended.word;
}

static inline __attribute__((always_inline)) void first_step(weft_loop *loop, weft__coro *coro,
                                                             bool asks)
{
    struct weft__first_step first = {coro, loop->current, loop->first_steps};
    loop->first_steps = &first;
    if (loop->depth == MAX_DEPTH) {
        start_later(loop, &first);
        return;
    }
    loop->depth++;
    weft_step step = asks ? enter(loop, coro) : enter_unwatched(loop, coro);
    if (ends_at_once(coro, step))
        end_at_once(coro, step.weft_returned);
    else
        go_on(loop, coro, step, first.caller);
    loop->current = first.caller;
    loop->depth--;
    loop->first_steps = first.outer;
}

/* What runs already has an outcome or a context of its own, and has it still when this returns. */
WEFT_APART static void first_step_aside(weft_loop *loop, weft__coro *coro)
{
    struct weft__outcome outcome = loop->outcome;
    weft_context **context = weft__context_enter(NULL);
    loop->outcome = (struct weft__outcome){0};
    first_step(loop, coro, true);
    loop->outcome = outcome;
    weft__context_leave(context);
}

/* Who knows that nobody looks does not ask. */
static inline __attribute__((always_inline)) weft_future *start_at_once(weft_loop *loop,
                                                                        weft__coro *coro, bool asks)
{
    bool aside =
        weft__context_at || (loop->current && weft__coro_has(loop->current, WEFT__IN_FINALLY));
    if (__builtin_expect(aside, 0))
        first_step_aside(loop, coro);
    else
        first_step(loop, coro, asks);
    return &coro->future;
}

weft_future *weft__spawn_eager(const weft_coroutine *coroutine, const void *frame,
                               const char *place)
{
    weft_loop *loop = weft__here();
    weft_future *refused = refuse(loop);
    if (refused)
        return refused;
    if (loop->first_steps) /* a task is listed at once, and so are the calls in which it begins */
        stay(loop->first_steps);
    weft__coro *task = weft__new_task(loop, coroutine, frame, place, weft__context());
    if (!task)
        return weft__future_enomem(loop);
    link_coro(task);
    task->waiter.item.run = weft__resume;
    WEFT__PROBE4(task_spawn, task, coroutine->name, place, task->id);
    return start_at_once(loop, task, true);
}

/* While a coroutine runs, the loop is not closed. */
WEFT_APART static weft_future *call_anew(weft_loop *loop, const weft_coroutine *coroutine,
                                         const void *frame, const char *place)
{
    weft__coro *call = weft__new_call(loop, coroutine, frame, place);
    return call ? start_at_once(loop, call, true) : weft__future_enomem(loop);
}

weft_future *weft__call(const weft_coroutine *coroutine, const void *frame, const char *place)
{
    weft_loop *loop = weft__here();
    if (!loop || !loop->current)
        return weft__spawn_eager(coroutine, frame, place);
    weft__coro *call = weft__call_again(loop, coroutine, frame, place);
    if (!call)
        return call_anew(loop, coroutine, frame, place);
    return start_at_once(loop, call, false);
}

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
