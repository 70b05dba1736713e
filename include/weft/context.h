/* SPDX-License-Identifier: MIT */
/**
 * Context: values that follow the work from task to task, to callbacks and to workers (contextvars).
 *
 * A key is typed, and names a value of the context:
 *
 *     static WEFT_CONTEXT_KEY(request_id, const char *, NULL);
 *
 *     weft_context_set(request_id, "r-17");             // in a task, a callback, a job …
 *     const char *id = weft_context_get(request_id);    // … there, and in all that it starts
 *
 * What starts something takes a snapshot: weft_spawn(), weft_call_soon(), weft_call_later(),
 * weft_call_at(), weft_then(), weft_post() and weft_to_thread(). A task, a callback and a job thus
 * have a context of their own: to set a key is seen by what they start afterwards, and by nobody
 * else. A weft_call() runs in its task's. What runs on the loop outside of these (between two runs,
 * or in a callback of libevent's) is in the loop's context.
 *
 * A snapshot never changes; to take one is to count a reference. Error reports carry the context of
 * what failed.
 */
#ifndef WEFT_CONTEXT_H
#define WEFT_CONTEXT_H

#include <stdbool.h>
#include <weft/macros.h>
#include <weft/task.h>
#include <weft/time.h>
#include <weft/value.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A snapshot. NULL is one, too: the empty context. */
typedef struct weft_context weft_context;

/** What is known of a key when it is compiled. */
typedef struct weft_context_key {
    const char *name;
    weft_destructor *destructor;
} weft_context_key;

/**
 * Define the key `name` of a value of `type`, at most 8 bytes; `static` before it keeps it to this
 * file. A value that is a pointer may have a destructor (else NULL): it runs on the thread on which
 * the last context that holds the value is dropped, a worker's perhaps.
 */
#define WEFT_CONTEXT_KEY(name, type, destructor) \
    WEFT_CONTEXT_KEY_DECLARE(name, type);        \
    WEFT_CONTEXT_KEY_DEFINE(name, type, destructor)

/** A key of several files: this in the header that they share, and WEFT_CONTEXT_KEY_DEFINE() in one
 * of them. */
#define WEFT_CONTEXT_KEY_DECLARE(name, type)                                               \
    const weft_context_key *weft__context_key_##name(void);                                \
    WEFT_ATTRIBUTE((__unused__)) static inline int weft__context_set_##name(type value)    \
    {                                                                                      \
        WEFT__STATIC_ASSERT(sizeof(type) <= sizeof(weft_value),                            \
                            "the value of key " #name " is too large: make it a pointer"); \
        weft_value stored = weft_value_i64(0);                                             \
        __builtin_memcpy(&stored, &value, sizeof(value));                                  \
        return weft__context_set(weft__context_key_##name(), stored);                      \
    }                                                                                      \
    WEFT_ATTRIBUTE((__unused__))                                                           \
    static inline type weft__context_get_##name(const weft_context *context)               \
    {                                                                                      \
        weft_value stored = weft__context_get(context, weft__context_key_##name());        \
        type value;                                                                        \
        __builtin_memcpy(&value, &stored, sizeof(value));                                  \
        return value;                                                                      \
    }                                                                                      \
    const weft_context_key *weft__context_key_##name(void)

/** See WEFT_CONTEXT_KEY_DECLARE(). */
#define WEFT_CONTEXT_KEY_DEFINE(name, type, destructor)            \
    const weft_context_key *weft__context_key_##name(void)         \
    {                                                              \
        static const weft_context_key key = {#name, (destructor)}; \
        return &key;                                               \
    }                                                              \
    const weft_context_key *weft__context_key_##name(void)

/**
 * Set a key in the current context: `weft_context_set(request_id, strdup(id))` (ContextVar.set).
 *
 * Contexts that were taken before keep the value that they have.
 *
 * Thread:    any with a loop, or inside a job or weft_context_run().
 * Ownership: takes over the value, also on failure: then its destructor has been called.
 * Errors:    0; -ENOMEM; WEFT_ENOLOOP (there is no context on this thread).
 * Since:     0.1
 */
#define weft_context_set(name, value) weft__context_set_##name(value)

/**
 * The value of a key in the current context, of the key's type (ContextVar.get).
 *
 * Thread:    any.
 * Ownership: borrowed, until the context that holds it is dropped: the task's, say, sets another.
 * Errors:    zero when the key is not set.
 * Since:     0.1
 */
#define weft_context_get(name) weft__context_get_##name(weft__context_borrow())

/**
 * The value of a key in `context`, a const weft_context *; see weft_context_get().
 *
 * Thread:    any.
 * Ownership: borrowed, as long as `context` is held.
 * Errors:    zero when the key is not set.
 * Since:     0.1
 */
#define weft_context_get_from(context, name) weft__context_get_##name(context)

/**
 * True if a key is set in the current context: tells a zero from none.
 * Thread: any. Since: 0.1
 */
#define weft_context_is_set(name) \
    weft__context_is_set(weft__context_borrow(), weft__context_key_##name())

/**
 * Take a key out of the current context, if it is there.
 *
 * Thread:    any.
 * Ownership: the value lasts until the last context that holds it is dropped.
 * Errors:    0; -ENOMEM: it is still set.
 * Since:     0.1
 */
#define weft_context_unset(name) weft__context_unset(weft__context_key_##name())

/**
 * The current context as it is now (copy_context); NULL if it is empty.
 *
 * Thread:    any.
 * Ownership: returns a reference, given up by weft_context_unref().
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_context *weft_context_current(void);

/** One more reference; returns `context`. Thread: any. Since: 0.1 */
WEFT_PUBLIC weft_context *weft_context_ref(weft_context *context);

/**
 * Give up a reference; NULL is nothing. Destructors of values that nobody else holds run now.
 * Thread: any. Since: 0.1
 */
WEFT_PUBLIC void weft_context_unref(weft_context *context);

/**
 * Call `fn(arg)` with `context` as the current one (Context.run). What it sets is gone afterwards.
 *
 * Thread:    any, also one that weft does not know.
 * Ownership: the context is borrowed.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_context_run(weft_context *context, weft_call_fn *fn, void *arg);

/**
 * weft_spawn() of a task whose context is `context`, not a snapshot of the current one:
 * `weft_spawn_in(context, fetch, .url = "…")` (create_task with context=).
 *
 * Thread:    loop.
 * Ownership: as weft_spawn(); the task takes a reference of its own to the context.
 * Errors:    as weft_spawn().
 * Since:     0.1
 */
#define weft_spawn_in(context, ...) WEFT__SPAWN_IN((context), __VA_ARGS__, .weft_frame = {0, 0})

/* ---- What the macros expand to; nothing below is for direct use. ---- */

WEFT_PUBLIC int weft__context_set(const weft_context_key *key, weft_value value);
WEFT_PUBLIC int weft__context_unset(const weft_context_key *key);
WEFT_PUBLIC weft_value weft__context_get(const weft_context *context, const weft_context_key *key);
WEFT_PUBLIC bool weft__context_is_set(const weft_context *context, const weft_context_key *key);
WEFT_PUBLIC const weft_context *weft__context_borrow(void);
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft__spawn_in(weft_context *context,
                                                        const weft_coroutine *coroutine,
                                                        const void *frame, const char *place);

#define WEFT__SPAWN_IN(context, name, ...) \
    weft__spawn_in(context, weft__coroutine_##name(), &(struct name){__VA_ARGS__}, WEFT__HERE)

#ifdef __cplusplus
}
#endif

#endif
