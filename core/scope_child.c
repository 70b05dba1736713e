/* SPDX-License-Identifier: MIT */
/*
 * The children of a scope.
 *
 *     LIVE --its future is done--> noted --> KEPT until the scope is freed, or dropped at once
 *
 * Each has a record that waits for its future. What can fail is done before a child is started: the
 * record, and room for its failure. A child that cannot have them is itself a failure, so that the
 * scope does not close as if it had not been there.
 *
 * A task of weft_scope_start() is a child from the beginning, but until it says that it is ready its
 * end is told to who waits for that, and to nobody else.
 */
#include <errno.h>

#include "core/inspect/eye.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/scope.h"

enum { MOST_SEEN = 100000 }; /* children, from outside: the list may be a ring there */

struct start;

/* All fields are [loop]. */
struct weft__child {
    weft__waiter waiter; /* for its future; later only the reference */
    weft_scope *scope;
    struct weft__child *prev, *next; /* in the list of those that live, or of those that are kept */
    struct start *start;             /* who waits for it to be ready, a reference; NULL: nobody */
    bool starts;                     /* it is of weft_scope_start() */
};

/* weft_scope_start(): completes when the child says that it is ready, or has ended. */
struct start {
    weft_future future; /* first; the child keeps one reference until then */
    struct weft__child *child;
};

static void link_child(weft_scope *scope, struct weft__child *child)
{
    child->prev = scope->last;
    child->next = NULL;
    if (scope->last)
        scope->last->next = child;
    else
        scope->first = child;
    scope->last = child;
    scope->live++;
    scope->total++;
}

static void unlink_child(weft_scope *scope, struct weft__child *child)
{
    if (child->prev)
        child->prev->next = child->next;
    else
        scope->first = child->next;
    if (child->next)
        child->next->prev = child->prev;
    else
        scope->last = child->prev;
    scope->live--;
}

static void free_child(struct weft__child *child)
{
    weft_unref(child->waiter.future);
    weft__free(child);
}

/* The child has ended and was never ready: that is for who waits for it. */
static void fail_start(struct weft__child *child)
{
    struct start *start = child->start;
    weft_future *future = child->waiter.future;
    child->start = NULL;
    start->child = NULL;
    if (weft__observe(future) < 0)
        weft__complete_as(&start->future, future);
    else
        weft__complete_failed(&start->future, WEFT_ECLOSED, NULL);
    weft_unref(&start->future);
}

static void note_end(weft_scope *scope, struct weft__child *child)
{
    weft_future *future = child->waiter.future;
    if (child->start) {
        fail_start(child);
        return;
    }
    int status = weft__observe(future);
    if (status >= 0 || status == -ECANCELED)
        return;
    weft__errors_add(scope->errors, future);
    weft__scope_abort(scope, "another child of the scope failed");
}

static void child_done(weft__item *item)
{
    struct weft__child *child = WEFT__CONTAINER(item, struct weft__child, waiter.item);
    weft_scope *scope = child->scope;
    unlink_child(scope, child);
    note_end(scope, child);
    if (scope->forgets) {
        free_child(child);
    } else {
        child->next = scope->kept;
        scope->kept = child;
    }
    weft__scope_child_ended(scope);
}

void weft__scope_cancel_children(weft_scope *scope, const char *reason)
{
    for (struct weft__child *child = scope->first; child; child = child->next)
        if (child->waiter.future) /* else it is being started right now, see adopt() */
            weft_cancel_because(child->waiter.future, reason);
}

void weft__scope_explain_children(struct weft__eye *eye, const struct weft__child *first,
                                  size_t live)
{
    struct weft__child child;
    if (live > MOST_SEEN)
        live = MOST_SEEN;
    for (size_t i = 0; first && i < live && weft__eye_see(eye, &child, first, sizeof(child)); i++) {
        weft__eye_child(eye, child.waiter.future);
        first = child.next;
    }
}

void weft__scope_free_children(weft_scope *scope)
{
    while (scope->kept) {
        struct weft__child *child = scope->kept;
        scope->kept = child->next;
        free_child(child);
    }
}

/*
 * Memory for one more child, and for its failure; NULL: there is none. It counts from here on: a task
 * that is started eagerly runs before there is a future to wait for, and may close its scope.
 */
static struct weft__child *new_child(weft_scope *scope)
{
    size_t failures = weft_errors_count(scope->errors) + scope->live + 1 + WEFT__SCOPE_OWN_FAILURES;
    if (weft__errors_reserve(scope->errors, failures) < 0)
        return NULL;
    struct weft__child *child = weft__calloc(1, sizeof(*child));
    if (!child)
        return NULL;
    child->waiter.item.run = child_done;
    child->scope = scope;
    link_child(scope, child);
    return child;
}

static weft_future *adopt(weft_scope *scope, struct weft__child *child, weft_future *future)
{
    weft__wait(&child->waiter, future);
    if (scope->aborted) /* it was while the child was started, or before it was added */
        weft_cancel_because(future, "the scope is being aborted");
    return future;
}

/* A permanent future as a borrowed one. */
static weft_future *lend(weft_future *permanent)
{
    weft__observe(permanent);
    weft_unref(permanent);
    return permanent;
}

static weft_future *no_memory(void)
{
    weft_loop *loop = weft__here();
    return lend(loop ? weft__future_enomem(loop) : weft__future_enoloop());
}

/* Nothing came of it. */
static void forget_child(weft_scope *scope, struct weft__child *child)
{
    unlink_child(scope, child);
    scope->total--;
    weft__free(child);
}

/* There is no memory for a child: it failed before it began. */
static weft_future *lose_child(weft_scope *scope, int status, const char *name, const char *place)
{
    scope->total++;
    if (!scope->lost_child)
        weft__errors_add_failure(
            scope->errors, (struct weft__failure){.status = status, .name = name, .place = place});
    scope->lost_child = true;
    weft__scope_abort(scope, "a child of the scope could not be started");
    return no_memory();
}

/* What to give in place of a child that is not taken, borrowed; NULL: it is taken. */
static weft_future *refuse(weft_scope *scope)
{
    if (!scope)
        return no_memory();
    if (scope->state != WEFT__SCOPE_CLOSED && !scope->aborted)
        return NULL;
    bool closed = scope->state == WEFT__SCOPE_CLOSED;
    weft_future **refused = &scope->refused[closed];
    if (!*refused)
        *refused =
            weft_future_failed(closed ? WEFT_ECLOSED : -ECANCELED,
                               closed ? "the scope is closed" : "the scope is being aborted");
    weft__observe(*refused);
    return *refused;
}

static bool is_owner(const weft_scope *scope, const weft_future *future)
{
    const weft__coro *coro = scope->block.coro;
    return coro && (future == &coro->future || future == &weft__identity(coro)->future);
}

static int add_error(const weft_scope *scope, const weft_future *future)
{
    if (!future)
        return -EINVAL;
    if (weft__is_foreign(future))
        return -EXDEV;
    return is_owner(scope, future) || future == &scope->future ? -EDEADLK : 0;
}

weft_future *weft_scope_add(weft_scope *scope, weft_future *future)
{
    if (weft__scope_is_elsewhere(scope, __func__))
        return lend(weft__future_elsewhere());
    weft_future *refused = scope && scope->state != WEFT__SCOPE_CLOSED ? NULL : refuse(scope);
    if (refused) {
        if (future && !weft__is_foreign(future))
            weft_cancel_because(future, "the scope is closed");
        weft_unref(future);
        return refused;
    }
    int error = add_error(scope, future);
    if (error < 0) {
        weft_unref(future);
        future = weft_future_failed(error, "a scope cannot wait for this");
    }
    struct weft__child *child = new_child(scope);
    if (child)
        return adopt(scope, child, future);
    refused = lose_child(scope, -ENOMEM, weft_task_name(future), weft_task_spawned_at(future));
    weft_cancel_because(future, "no memory to wait for it");
    weft_unref(future);
    return refused;
}

typedef weft_future *spawn_fn(const weft_coroutine *coroutine, const void *frame,
                              const char *place);

static weft_future *spawn(weft_scope *scope, spawn_fn *fn, const weft_coroutine *coroutine,
                          const void *frame, const char *place)
{
    weft_future *refused = refuse(scope);
    if (refused)
        return refused;
    struct weft__child *child = new_child(scope);
    if (!child)
        return lose_child(scope, -ENOMEM, coroutine->name, place);
    weft_future *future = fn(coroutine, frame, place);
    if (future->status != -ENOMEM || weft__coro_of(future))
        return adopt(scope, child, future);
    lend(future); /* there was no memory for the task: it has no name, the coroutine has */
    forget_child(scope, child);
    return lose_child(scope, -ENOMEM, coroutine->name, place);
}

weft_future *weft__scope_spawn(weft_scope *scope, const weft_coroutine *coroutine,
                               const void *frame, const char *place)
{
    if (weft__scope_is_elsewhere(scope, "weft_scope_spawn"))
        return lend(weft__future_elsewhere());
    return spawn(scope, weft__spawn, coroutine, frame, place);
}

weft_future *weft__scope_spawn_eager(weft_scope *scope, const weft_coroutine *coroutine,
                                     const void *frame, const char *place)
{
    if (weft__scope_is_elsewhere(scope, "weft_scope_spawn_eager"))
        return lend(weft__future_elsewhere());
    return spawn(scope, weft__spawn_eager, coroutine, frame, place);
}

/* ---- Children that say when they are ready ---- */

static bool cancel_start(weft_future *future)
{
    struct start *start = WEFT__CONTAINER(future, struct start, future);
    weft_future *task = start->child->waiter.future;
    return weft__is_pending(task) && weft__request_cancel(task, weft_message(future));
}

/* The child has to say that it is ready, or to end. */
static void explain(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret)
{
    struct start start;
    struct weft__child child;
    if (!weft__eye_see(eye, &start, at, sizeof(start)) ||
        !weft__eye_see(eye, &child, start.child, sizeof(child)))
        return;
    ret->kind = "scope start";
    ret->needs = WEFT__NEEDS_ALL;
    weft__eye_child(eye, child.waiter.future);
}

WEFT__OPS(start_ops) = {.name = "start", .cancel = cancel_start, .explain = explain};

weft_future *weft__scope_start(weft_scope *scope, const weft_coroutine *coroutine,
                               const void *frame, const char *place)
{
    if (weft__scope_is_elsewhere(scope, "weft_scope_start"))
        return weft__future_elsewhere();
    weft_future *refused = refuse(scope);
    if (refused)
        return weft_ref(refused);
    struct start *start = weft__future_alloc(weft__loop, &start_ops, sizeof(*start), 2);
    struct weft__child *child = start ? new_child(scope) : NULL;
    if (!child) {
        weft__future_free(start ? &start->future : NULL);
        return weft__future_enomem(weft__loop);
    }
    child->start = start;
    child->starts = true;
    start->child = child;
    adopt(scope, child, weft__spawn(coroutine, frame, place));
    return &start->future;
}

/* The record of a task that weft_scope_start() started; NULL: it is none. */
static struct weft__child *started(const weft_future *task)
{
    weft__item *item = task ? (weft__item *)(void *)task->first.waiters : NULL;
    for (; item; item = item->next) {
        struct weft__child *child = WEFT__CONTAINER(item, struct weft__child, waiter.item);
        if (item->run == child_done && child->starts)
            return child;
    }
    return NULL;
}

int weft__scope_ready(weft_value value, weft_destructor *destructor)
{
    struct weft__child *child = started(weft_current_task());
    if (!child || !child->start) {
        if (destructor)
            destructor(value.ptr);
        return child ? -EALREADY : -EINVAL;
    }
    struct start *start = child->start;
    child->start = NULL;
    start->child = NULL;
    weft__complete(&start->future, value, destructor);
    weft_unref(&start->future);
    return 0;
}
