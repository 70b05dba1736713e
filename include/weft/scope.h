/* SPDX-License-Identifier: MIT */
/**
 * Scopes: tasks that belong together and end before the block of code that started them
 * (asyncio.TaskGroup).
 *
 *     struct crawl { WEFT_FRAME; weft_scope *scope; };
 *
 *     static WEFT_ASYNC(crawl)
 *     {
 *         WEFT_BEGIN;
 *         self->scope = weft_scope_open(NULL);
 *         weft_scope_spawn(self->scope, fetch, .url = "http://localhost/a");
 *         weft_scope_spawn(self->scope, fetch, .url = "http://localhost/b");
 *
 *         WEFT_FINALLY;
 *         WEFT_SCOPE_CLOSE(self->scope);
 *         WEFT_END;
 *     }
 *
 * A scope closes when all of its children have ended, offloaded calls included, however often the
 * wait is cancelled. The first child that fails aborts it: the other children are cancelled, and the
 * body too, if it still runs. A child that is cancelled has not failed.
 *
 * A scope belongs to the coroutine that opened it, and is freed when that ends. One that is left open
 * until then is closed there, and reported: the coroutine ends after its children all the same.
 */
#ifndef WEFT_SCOPE_H
#define WEFT_SCOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <weft/future.h>
#include <weft/group.h>
#include <weft/macros.h>
#include <weft/task.h>
#include <weft/time.h>
#include <weft/value.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_scope weft_scope;

/** Zero is the default of every field. */
struct weft_scope_options {
    size_t size;      /* sizeof(struct weft_scope_options), or 0 for "this version" */
    const char *name; /* for reports and messages, copied; NULL: "scope" */
    weft_ns timeout;  /* then children and body are cancelled, and the scope fails with -ETIMEDOUT;
                        0: none */
    bool forgets; /* drop a child when it has ended, not with the scope: for scopes that see many
                        children come and go, as a server's connections */
};

/**
 * Open a scope with options, or NULL (async with TaskGroup()). In a coroutine, that is its body from
 * here on.
 *
 * Thread:    loop.
 * Ownership: the scope is freed when the coroutine ends, or before that by weft_scope_free(), which
 *            alone does it for one that was opened outside of coroutines. `options` may be NULL and
 *            is copied.
 * Errors:    NULL and errno: ENOMEM, EINVAL (options; no loop on this thread). Need not be looked at:
 *            in a scope that is NULL nothing is started, and closing it fails.
 * Since:     0.1
 */
#define weft_scope_open(...) weft__scope_open((__VA_ARGS__), WEFT__HERE)

/**
 * Start a task as a child: `weft_scope_spawn(scope, fetch, .url = "…")` (TaskGroup.create_task).
 * Also from a child, and while the scope closes.
 *
 * When it cannot be made for want of memory, that is a failed child.
 *
 * Thread:    loop.
 * Ownership: returns the task, borrowed until the scope is freed (with `forgets`: until it has
 *            ended); weft_ref() it to keep it.
 * Errors:    by the future, and then nothing was started: -ECANCELED (the scope is being aborted),
 *            WEFT_ECLOSED (it is closed), -ENOMEM (also when the scope is NULL).
 * Since:     0.1
 */
#define weft_scope_spawn(scope, ...) \
    WEFT__SCOPE_START(weft__scope_spawn, scope, __VA_ARGS__, .weft_frame = {0, 0})

/**
 * weft_scope_spawn() with a first step at once, as weft_spawn_eager(). A child that fails at once
 * aborts the scope at the next tick.
 *
 * Thread:    loop.
 * Ownership: as weft_scope_spawn().
 * Errors:    as weft_scope_spawn().
 * Since:     0.1
 */
#define weft_scope_spawn_eager(scope, ...) \
    WEFT__SCOPE_START(weft__scope_spawn_eager, scope, __VA_ARGS__, .weft_frame = {0, 0})

/**
 * Make a child of a future that is under way or done: of an offloaded call, say.
 *
 * A scope that is being aborted cancels it at once, and waits for it. One that is closed cancels it.
 *
 * Thread:    loop.
 * Ownership: consumes the reference. Returns the future, borrowed as by weft_scope_spawn().
 * Errors:    a future that cannot be awaited is a child that fails: -EINVAL (NULL), -EXDEV (of
 *            another loop), -EDEADLK (the task whose scope it is), -ENOMEM. By the returned future:
 *            WEFT_ECLOSED, -ENOMEM.
 * Since:     0.1
 */
WEFT_PUBLIC weft_future *weft_scope_add(weft_scope *scope, weft_future *future);

/** weft_to_thread() as a child: `weft_scope_to_thread(scope, hash_password, .password = "…")`. As
 * weft_scope_add(). */
#define weft_scope_to_thread(scope, ...) weft_scope_add((scope), weft_to_thread(__VA_ARGS__))

/**
 * Start a task as a child and wait until it says weft_scope_ready(): a server that listens, say.
 *
 * Before that the child is the caller's: its failure is the returned future's, and aborts nothing.
 * Cancelling the future cancels the child, and completes when that has ended.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL; its value is the one that the child gave.
 * Errors:    by the future: as weft_scope_spawn(); the child's own; WEFT_ECLOSED (it ended and was
 *            never ready).
 * Since:     0.1
 */
#define weft_scope_start(scope, ...) \
    WEFT__SCOPE_START(weft__scope_start, scope, __VA_ARGS__, .weft_frame = {0, 0})

/**
 * In a task that weft_scope_start() started: complete that future with a value, and optionally its
 * destructor: `weft_scope_ready(port)`.
 *
 * Thread:    loop.
 * Ownership: takes over the value, also on failure: then its destructor was called.
 * Errors:    0; -EALREADY (said before); -EINVAL (not such a task).
 * Since:     0.1
 */
#define weft_scope_ready(...) WEFT__SCOPE_READY(__VA_ARGS__, NULL, ~)

/**
 * Cancel the children, and the body if it still runs; closing it is a success then. Again, or when
 * the scope is closed or NULL: nothing.
 *
 * Thread:    loop.
 * Ownership: nothing changes hands.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_scope_cancel(weft_scope *scope);

/**
 * Close it: wait until every child has ended. `status` says how the body ended: 0 where it goes on
 * (then children may run to their end), an error where it failed (then they are cancelled).
 *
 * Cancelling the wait cancels the children, and it goes on until they have ended. If some of them
 * failed nonetheless, a task that was cancelled from elsewhere gets -ECANCELED from its next await.
 * Closing a scope again gives the same future; until that is done, an error is heard of all the same.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. The scope stays, with its errors, until it is freed.
 * Errors:    by the future: WEFT_EGROUP (something failed, be it the body alone; see
 *            weft_future_errors() or WEFT_CAUGHT_ERRORS), -ETIMEDOUT, -ECANCELED (the body or the
 *            wait was cancelled, and not by weft_scope_cancel()). When the scope is NULL: `status`,
 *            or when that is 0, -ENOMEM, WEFT_ENOLOOP.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_scope_close(weft_scope *scope, int status);

/**
 * In a coroutine, and best in its WEFT_FINALLY: close the scope with how the body ended, wait, and
 * let the coroutine end as the scope does. What follows in the WEFT_FINALLY runs in any case. A scope
 * that is closed already is left alone.
 *
 * In the body it is WEFT_AWAIT(weft_scope_close(scope, 0)).
 */
#define WEFT_SCOPE_CLOSE(scope)                               \
    do {                                                      \
        if (!weft__scope_is_open(&self->weft_frame, (scope))) \
            break;                                            \
        WEFT__WAIT(weft_scope_close((scope), WEFT_OUTCOME));  \
        if (weft__settle(&self->weft_frame))                  \
            return weft__fail_as_awaited(&self->weft_frame);  \
    } while (0)

/** The failures so far, also those of the children that the message of the WEFT_EGROUP does not
 * name; NULL: none, or the scope is NULL. Borrowed until the scope is freed. Thread: loop. Since: 0.1
 */
WEFT_PUBLIC const weft_errors *weft_scope_errors(const weft_scope *scope);

/** How many children have not ended. Thread: loop. Since: 0.1 */
WEFT_PUBLIC size_t weft_scope_count(const weft_scope *scope);

/**
 * Free a scope that is closed. NULL is nothing.
 *
 * One that is not is reported, and its children are cancelled; nobody waits for them.
 *
 * Thread:    loop.
 * Ownership: consumes the scope, and the children that were borrowed from it.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_scope_free(weft_scope *scope);

/* ---- What the macros expand to; nothing below is for direct use. ---- */

WEFT_PUBLIC weft_scope *weft__scope_open(const struct weft_scope_options *options,
                                         const char *place);
WEFT_PUBLIC weft_future *weft__scope_spawn(weft_scope *scope, const weft_coroutine *coroutine,
                                           const void *frame, const char *place);
WEFT_PUBLIC weft_future *weft__scope_spawn_eager(weft_scope *scope, const weft_coroutine *coroutine,
                                                 const void *frame, const char *place);
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft__scope_start(weft_scope *scope,
                                                           const weft_coroutine *coroutine,
                                                           const void *frame, const char *place);
WEFT_PUBLIC int weft__scope_ready(weft_value value, weft_destructor *destructor);
WEFT_PUBLIC bool weft__scope_is_open(struct weft_frame *frame, const weft_scope *scope);

#define WEFT__SCOPE_START(start, scope, name, ...) \
    start((scope), weft__coroutine_##name(), &(struct name){__VA_ARGS__}, WEFT__HERE)
#define WEFT__SCOPE_READY(value, destructor, ...) \
    weft__scope_ready(weft_value_of(value), (destructor))

#ifdef __cplusplus
}
#endif

#endif
