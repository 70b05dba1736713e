/* SPDX-License-Identifier: MIT */
/*
 * Scopes.
 *
 *     OPEN --close--> CLOSING --the last child ended--> CLOSED
 *
 * and at any time before CLOSED, once: abort. A child failed, the body failed, the wait was
 * cancelled, the time is over, or somebody said so: every child is cancelled, and in OPEN the body.
 *
 * The scope is a future, that of closing it, made with the scope so that closing allocates nothing.
 * In the coroutine that opened it, it is a block (core/block.h), which asks the body to stop and knows
 * whether somebody else asked as well.
 *
 * How it closes:
 *
 *     something failed                          WEFT_EGROUP; a request from elsewhere is made again
 *     the time was over                         -ETIMEDOUT
 *     the wait was cancelled                    -ECANCELED
 *     the body was, from elsewhere or by itself -ECANCELED
 *     else                                      0
 *
 * A request from elsewhere beats the time. "From elsewhere" is what came to the coroutine since the
 * scope was opened, beside the scope's own request, which is taken back when the body has ended.
 *
 * Cancelling the wait never ends it, so the request stays with the task that waits: an -ECANCELED of
 * the scope answers it, and after a WEFT_EGROUP it is delivered by the next await.
 *
 * References: one for the user, dropped by weft_scope_free() or with the coroutine; one until it is
 * CLOSED; one for each close. The children are in core/scope_child.c.
 *
 * A coroutine that ends with its scope open is held (weft__block_ops.hold) until the scope is CLOSED:
 * children may use its frame.
 */
#include "core/scope.h"

#include <assert.h>
#include <errno.h>

#include "core/inspect/eye.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/text.h"
#include "core/timer.h"

static weft_scope *scope_of(const weft_future *future)
{
    return WEFT__CONTAINER(future, weft_scope, future);
}

/* ---- Closing ---- */

/* Nobody but the scope has asked the body to stop since it was opened. */
static bool is_alone(const weft_scope *scope)
{
    return !scope->block.coro || weft__block_is_alone(&scope->block);
}

static int outcome_without_failure(const weft_scope *scope)
{
    bool own = (scope->asked_body || scope->cancelled || scope->timed_out) && is_alone(scope);
    bool foreign = scope->wait_cancelled || (scope->body.status == -ECANCELED && !own);
    if (foreign)
        return -ECANCELED;
    return scope->timed_out ? -ETIMEDOUT : 0;
}

static bool body_failed(const weft_scope *scope)
{
    return scope->body.status < 0 && scope->body.status != -ECANCELED;
}

static void fail(weft_scope *scope)
{
    if (weft__loop->phase == WEFT__CLOSED) /* the shutdown gave up its children, and said so */
        weft__complete_failed(&scope->future, WEFT_ESTUCK, NULL);
    else
        weft__complete_group(&scope->future, scope->errors, scope->total + body_failed(scope));
    if (!is_alone(scope))
        weft__block_ask_again(&scope->block);
}

static void finish(weft_scope *scope)
{
    assert(scope->state == WEFT__SCOPE_CLOSING && scope->live == 0);
    int status = outcome_without_failure(scope);
    scope->state = WEFT__SCOPE_CLOSED;
    weft__block_disarm(&scope->block);
    if (body_failed(scope))
        weft__errors_add_failure(scope->errors, scope->body);
    else
        weft__failure_fini(&scope->body);
    if (weft_errors_count(scope->errors))
        fail(scope);
    else if (status < 0)
        weft__complete_failed(&scope->future, status,
                              status == -ETIMEDOUT
                                  ? weft__format("%s: timed out", weft_task_name(&scope->future))
                                  : NULL);
    else
        weft__complete(&scope->future, weft_value_i64(0), NULL);
    weft_unref(&scope->future);
}

void weft__scope_abort(weft_scope *scope, const char *reason)
{
    if (scope->aborted)
        return;
    scope->aborted = true;
    weft__scope_cancel_children(scope, reason);
    if (scope->state != WEFT__SCOPE_OPEN || !scope->block.coro)
        return;
    scope->asked_body = true;
    weft__block_ask(&scope->block, reason);
}

static void abort_for_body(weft_scope *scope, int status)
{
    if (status == -ECANCELED)
        weft__scope_abort(scope, "the body of the scope was cancelled");
    else if (status < 0)
        weft__scope_abort(scope, "the body of the scope failed");
}

/* `outcome` is that of the coroutine, if that is where the status comes from. */
static void note_body(weft_scope *scope, int status, const struct weft__outcome *outcome)
{
    const weft__coro *coro = scope->block.coro;
    scope->body = (struct weft__failure){.status = status < 0 ? status : 0, .name = "body"};
    if (!coro)
        return;
    scope->body.name = coro->code->name;
    scope->body.place = coro->spawned_at;
    if (!outcome || outcome->status != status || status >= 0)
        return;
    weft_errors *errors = weft__errors_of(&coro->future);
    scope->body.message = weft__strdup(outcome->value.ptr);
    scope->body.nested = errors ? weft__errors_ref(errors) : NULL;
}

static void begin_to_close(weft_scope *scope, int status, const struct weft__outcome *outcome)
{
    scope->state = WEFT__SCOPE_CLOSING;
    note_body(scope, status, outcome);
    if (scope->block.coro)
        weft__block_settle(&scope->block);
    abort_for_body(scope, status);
    if (scope->live == 0)
        finish(scope);
}

void weft__scope_child_ended(weft_scope *scope)
{
    if (scope->live == 0 && scope->state == WEFT__SCOPE_CLOSING)
        finish(scope);
}

/* ---- The scope ---- */

static void abort_for_wait(weft__item *item)
{
    weft_scope *scope = WEFT__CONTAINER(item, weft_scope, abort_item);
    weft__scope_abort(scope, weft_message(&scope->future));
    weft_unref(&scope->future);
}

/* It is the waiting task that cancels the children, in its next step: one tick for each scope on the
 * way. What they do before that, they do. */
static bool cancel_wait(weft_future *future)
{
    weft_scope *scope = scope_of(future);
    if (!scope->aborted && !scope->wait_cancelled) {
        scope->abort_item.run = abort_for_wait;
        weft__schedule(weft__loop, &scope->abort_item);
        weft_ref(future);
    }
    scope->wait_cancelled = true;
    return false;
}

static void dispose(weft_future *future)
{
    weft_scope *scope = scope_of(future);
    weft__scope_free_children(scope);
    weft__errors_unref(scope->errors);
    weft_unref(scope->refused[0]);
    weft_unref(scope->refused[1]);
    weft__free(scope->name);
}

static void describe(const weft_future *future, const char **ret_name, const char **ret_place)
{
    const weft_scope *scope = scope_of(future);
    *ret_name = scope->name ? scope->name : "scope";
    *ret_place = scope->place;
}

static const char *const states[] = {[WEFT__SCOPE_OPEN] = "open",
                                     [WEFT__SCOPE_CLOSING] = "closing",
                                     [WEFT__SCOPE_CLOSED] = "closed"};

static void explain(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret)
{
    weft_scope scope;
    if (!weft__eye_see(eye, &scope, at, sizeof(scope)) || scope.state > WEFT__SCOPE_CLOSED)
        return;
    ret->needs = WEFT__NEEDS_ALL;
    ret->name = weft__eye_text(eye, scope.name);
    ret->place = weft__eye_text(eye, scope.place);
    ret->stage = states[scope.state];
    ret->detail = scope.timed_out ? "its time is over" : scope.aborted ? "aborted" : NULL;
    if (scope.block.timer)
        ret->deadline = scope.block.deadline;
    weft__waiting_number(ret, "left", scope.live);
    weft__waiting_number(ret, "count", scope.total);
    weft__scope_explain_children(eye, scope.first, scope.live);
}

WEFT__OPS(scope_ops) = {.name = "scope",
                        .cancel = cancel_wait,
                        .dispose = dispose,
                        .describe = describe,
                        .explain = explain};

static void report_misuse(const weft_scope *scope, const char *what)
{
    struct weft_error_report report = {
        .what = what,
        .status = -EINVAL,
        .task = scope->name ? scope->name : "scope",
        .spawned_at = scope->place,
    };
    weft__report(weft__loop, &report);
}

static void expire(weft__block *block)
{
    weft_scope *scope = WEFT__CONTAINER(block, weft_scope, block);
    if (scope->aborted)
        return;
    scope->timed_out = true;
    weft__scope_abort(scope, "the time of the scope is over");
}

/* The coroutine has ended: it waits for the children that it left. */
static weft_future *hold(weft__block *block, const struct weft__outcome *outcome)
{
    weft_scope *scope = WEFT__CONTAINER(block, weft_scope, block);
    if (scope->state == WEFT__SCOPE_CLOSED)
        return NULL;
    weft_future *future = weft_ref(&scope->future);
    if (scope->state == WEFT__SCOPE_OPEN)
        report_misuse(scope, "was left open, and is closed with the coroutine that opened it");
    if (scope->state == WEFT__SCOPE_OPEN) /* the error handler may have closed it */
        begin_to_close(scope, outcome->status, outcome);
    return future;
}

/* The user's reference goes. What still lives goes on to its end by itself. */
static void let_go(weft_scope *scope)
{
    scope->block.coro = NULL;
    if (scope->state == WEFT__SCOPE_OPEN)
        begin_to_close(scope, -ECANCELED, NULL);
    else
        weft__scope_abort(scope, "the scope was freed");
    weft_unref(&scope->future);
}

static void free_with_coroutine(weft__block *block)
{
    let_go(WEFT__CONTAINER(block, weft_scope, block));
}

const struct weft__block_ops weft__scope_block_ops = {
    .expire = expire, .hold = hold, .free = free_with_coroutine};

/* What weft__scope_open() set up, in any state of completeness. */
static weft_scope *undo_open(weft_scope *scope, int error)
{
    if (scope && scope->block.coro)
        weft__block_leave(&scope->block);
    if (scope) {
        weft__errors_unref(scope->errors);
        weft__free(scope->name);
        weft__future_free(&scope->future);
    }
    errno = error;
    return NULL;
}

weft_scope *weft__scope_open(const struct weft_scope_options *options, const char *place)
{
    static const struct weft_scope_options defaults;
    weft_loop *loop = weft__here();
    if (!options)
        options = &defaults;
    if (!loop || (options->size && options->size != sizeof(*options)))
        return undo_open(NULL, EINVAL);
    weft__coro *coro = weft__block_place();
    weft_scope *scope = weft__future_alloc(loop, &scope_ops, sizeof(*scope), 2);
    if (!scope)
        return undo_open(NULL, ENOMEM);
    scope->forgets = options->forgets;
    scope->place = place;
    scope->block.ops = &weft__scope_block_ops;
    scope->errors = weft__errors_new(WEFT__SCOPE_OWN_FAILURES);
    scope->name = weft__strdup(options->name);
    if (!scope->errors || (options->name && !scope->name) ||
        (coro && weft__block_enter(&scope->block, coro, &weft__scope_block_ops) < 0))
        return undo_open(scope, ENOMEM);
    if (options->timeout > 0 &&
        weft__block_set_deadline(&scope->block, weft__deadline_after(options->timeout)) < 0)
        return undo_open(scope, ENOMEM);
    return scope;
}

/* With what the coroutine of the scope is about to end, when it closes it itself. */
static const struct weft__outcome *outcome_here(const weft_scope *scope)
{
    weft_loop *loop = weft__loop;
    return loop->current && loop->current == scope->block.coro ? &loop->outcome : NULL;
}

/* The body went on while the scope closed (it waited with a limit, say), and has failed since. */
static void hear_of_failure(weft_scope *scope, int status, const struct weft__outcome *outcome)
{
    if (scope->body.status == 0)
        note_body(scope, status, outcome);
    abort_for_body(scope, status);
}

weft_future *weft_scope_close(weft_scope *scope, int status)
{
    if (weft__scope_is_elsewhere(scope, __func__))
        return weft__future_elsewhere();
    if (!weft__here())
        return weft__future_enoloop();
    if (!scope)
        return weft_future_failed(status < 0 ? status : -ENOMEM,
                                  "there is no memory for the scope");
    weft_future *future = weft_ref(&scope->future);
    if (scope->state == WEFT__SCOPE_OPEN)
        begin_to_close(scope, status, outcome_here(scope));
    else if (scope->state == WEFT__SCOPE_CLOSING && status < 0)
        hear_of_failure(scope, status, outcome_here(scope));
    return future;
}

void weft_scope_cancel(weft_scope *scope)
{
    if (!scope || weft__scope_is_elsewhere(scope, __func__) || scope->state == WEFT__SCOPE_CLOSED ||
        scope->aborted)
        return;
    scope->cancelled = true;
    weft__scope_abort(scope, "the scope was cancelled");
}

bool weft__scope_is_open(struct weft_frame *frame, const weft_scope *scope)
{
    if (scope)
        return scope->state != WEFT__SCOPE_CLOSED;
    return weft__outcome(frame) >= 0; /* there should have been one: closing NULL says so */
}

const weft_errors *weft_scope_errors(const weft_scope *scope)
{
    if (!scope || weft__scope_is_elsewhere(scope, __func__))
        return NULL;
    return weft_errors_count(scope->errors) ? scope->errors : NULL;
}

size_t weft_scope_count(const weft_scope *scope)
{
    return scope && !weft__scope_is_elsewhere(scope, __func__) ? scope->live : 0;
}

void weft_scope_free(weft_scope *scope)
{
    if (!scope || weft__scope_is_elsewhere(scope, __func__))
        return;
    if (scope->state != WEFT__SCOPE_CLOSED)
        report_misuse(scope, "was freed before it was closed");
    if (scope->block.coro)
        weft__block_leave(&scope->block);
    let_go(scope);
}
