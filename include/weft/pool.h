/* SPDX-License-Identifier: MIT */
/**
 * The pool: blocking calls on worker threads, awaited like any other operation.
 *
 *     struct hash_password { const char *password; };
 *
 *     static WEFT_BLOCKING(hash_password)      // runs on a worker; self is its own copy
 *     {
 *         char *hash = slow_hash(self->password);
 *         return hash ? weft_ok(hash, free) : weft_err(-errno);
 *     }
 *
 *     WEFT_AWAIT_INTO(self->hash, weft_to_thread(hash_password, .password = self->password));
 *
 * A worker knows its job only: its arguments, and what they point to. A loop without a pool makes a
 * private one at its first job; weft_loop_set_pool() lets several loops share one. Threads are
 * started when there is work for them, up to `max_threads`, and leave when they had none for
 * `keepalive`. Jobs wait in a lane: a queue with a bound, first in first out.
 *
 * In workers all signals but those of faults (SIGSEGV and its like) are blocked, so that the host's
 * handlers run on the host's threads.
 */
#ifndef WEFT_POOL_H
#define WEFT_POOL_H

#include <stddef.h>
#include <weft/future.h>
#include <weft/loop.h>
#include <weft/macros.h>
#include <weft/task.h>
#include <weft/time.h>
#include <weft/value.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_pool weft_pool;

/** A queue of a pool, with limits of its own. Belongs to its pool. */
typedef struct weft_lane weft_lane;

/** Zero is the default of every field. */
struct weft_pool_options {
    size_t size;             /* sizeof(struct weft_pool_options), or 0 for "this version" */
    unsigned min_threads;    /* as many stay once they were started; 0: none need to */
    unsigned max_threads;    /* at most 65,535; 0: four more than the CPUs this process may use (its
                             affinity mask and its cgroup's quota), but no more than 32 */
    weft_ns keepalive;       /* an idle thread above min_threads leaves after it; 0: 10 s */
    const char *thread_name; /* of each thread, with its number; 9 bytes count; NULL: "weft" */
    size_t stack_size;       /* of each thread, in bytes; 0: 1 MiB */
    size_t max_queued;       /* how many jobs may wait in the default lane; 0: 65,536 */
};

/**
 * A new pool. No thread is started before the first job.
 *
 * Thread:    any.
 * Ownership: one reference, given up by weft_pool_unref(). `options` may be NULL and is copied.
 * Errors:    NULL and errno: EINVAL, ENOMEM.
 * Since:     0.1
 */
WEFT_PUBLIC weft_pool *weft_pool_new(const struct weft_pool_options *options);

/** One more reference; returns `pool`. Thread: any. Since: 0.1 */
WEFT_PUBLIC weft_pool *weft_pool_ref(weft_pool *pool);

/**
 * Give up a reference. NULL is nothing.
 *
 * With the last one the pool ends: the call waits until its idle threads have left. A thread that
 * is stuck in a job which a loop gave up (see weft_loop_free()) is not waited for; it ends by
 * itself when the job returns.
 *
 * Thread:    any.
 * Ownership: consumes the reference. A loop that uses the pool holds one until it is freed.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_pool_unref(weft_pool *pool);

/**
 * Let a loop use `pool` from now on; NULL: a private one again, made when it is needed.
 *
 * Thread:    loop.
 * Ownership: the loop takes a reference of its own, and gives up that to the pool it used before.
 * Errors:    -EBUSY (jobs of this loop are under way), -ESHUTDOWN, -ENOMEM, -EINVAL.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK int weft_loop_set_pool(weft_loop *loop, weft_pool *pool);

/** The pool that a loop uses, borrowed; NULL before its first job. Thread: loop. Since: 0.1 */
WEFT_PUBLIC weft_pool *weft_loop_pool(weft_loop *loop);

/** The lane in which jobs wait unless told otherwise, borrowed. Thread: any. Since: 0.1 */
WEFT_PUBLIC weft_lane *weft_pool_default_lane(weft_pool *pool);

/** What a pool is doing, of all its loops together. */
struct weft_pool_stats {
    size_t threads; /* that exist */
    size_t idle;    /* of these, waiting for a job */
    size_t queued;  /* jobs that wait for a thread */
    size_t running; /* jobs that run */
};

/**
 * Count what is going on, at one moment.
 *
 * Thread:    any.
 * Ownership: `ret` is filled.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_pool_get_stats(weft_pool *pool, struct weft_pool_stats *ret);

/* ---- Blocking functions ---- */

/** What is known of a blocking function when it is compiled. */
typedef struct weft_blocking {
    const char *name;
    const char *file;
    size_t size; /* of its arguments */
    weft_result (*run)(void *self);
} weft_blocking;

/** Declare the blocking function `name`, defined elsewhere with a WEFT_BLOCKING(name) that is not
 * static. */
#define WEFT_BLOCKING_DECLARE(name) const weft_blocking *weft__blocking_##name(void)

/**
 * Define the blocking function `name` over its arguments, `struct name`; `static` before it keeps
 * it to this file. The body follows: it sees them as `self` and returns weft_ok(), weft_err() or
 * weft_errf().
 */
#define WEFT_BLOCKING(name)                                                          \
    const weft_blocking *weft__blocking_##name(void);                                \
    static weft_result weft__blocking_body_##name(struct name *self);                \
    static weft_result weft__blocking_run_##name(void *self)                         \
    {                                                                                \
        return weft__blocking_body_##name((struct name *)self);                      \
    }                                                                                \
    const weft_blocking *weft__blocking_##name(void)                                 \
    {                                                                                \
        static const weft_blocking blocking = {#name, __FILE__, sizeof(struct name), \
                                               weft__blocking_run_##name};           \
        return &blocking;                                                            \
    }                                                                                \
    static weft_result weft__blocking_body_##name(struct name *self WEFT_ATTRIBUTE((__unused__)))

/**
 * Run `name(.arg = …)` on a worker, in the default lane; the future completes with what it returns.
 *
 * Cancelling drops a job that has not started: it never runs, and completes with -ECANCELED at
 * once. One that runs is waited for, and completes with its result; who awaits it keeps the
 * request.
 *
 * Thread:    loop. The function runs on a worker; continuations run on the loop.
 * Ownership: returns one reference, never NULL. Arguments (up to 31) are copied; what they point to
 *            is borrowed until completion.
 * Errors:    by the future: -EAGAIN (lane full; or no thread could be started and there is none),
 *            -ESHUTDOWN (the loop is closing), -ECANCELED, -ENOMEM, WEFT_ENOLOOP, WEFT_ESTUCK (the
 *            loop gave it up), or the function's own.
 * Since:     0.1
 */
#define weft_to_thread(...)                                                                \
    WEFT__PICK_33RD(__VA_ARGS__, WEFT__31_TIMES(WEFT__TO_THREAD), WEFT__TO_THREAD_BARE, ~) \
    (__VA_ARGS__)

/**
 * weft_to_thread() of a function that exists already: run `fn(arg)`, a `weft_result (*)(void *)`,
 * in `lane` of the loop's pool (NULL: the default lane).
 *
 * Thread:    loop. `fn` runs on a worker; continuations run on the loop.
 * Ownership: returns one reference, never NULL. `arg` is borrowed until completion.
 * Errors:    as weft_to_thread(); -EINVAL when `fn` is NULL or the lane is another pool's.
 * Since:     0.1
 */
#define weft_to_thread_fn(lane, fn, arg) weft__to_thread_fn((lane), (fn), (arg), #fn, WEFT__HERE)

/* ---- What the macros expand to; nothing below is for direct use. ---- */

WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft__to_thread(const weft_blocking *blocking,
                                                         const void *args, const char *place);
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft__to_thread_fn(weft_lane *lane,
                                                            weft_result (*fn)(void *), void *arg,
                                                            const char *name, const char *place);

/* Without arguments the struct is {0}: standard C has no empty braces. */
#define WEFT__TO_THREAD_BARE(name) \
    weft__to_thread(weft__blocking_##name(), &(struct name){0}, WEFT__HERE)
#define WEFT__TO_THREAD(name, ...) \
    weft__to_thread(weft__blocking_##name(), &(struct name){__VA_ARGS__}, WEFT__HERE)

#define WEFT__5_TIMES(x) x, x, x, x, x
#define WEFT__31_TIMES(x)                                                                     \
    WEFT__5_TIMES(x), WEFT__5_TIMES(x), WEFT__5_TIMES(x), WEFT__5_TIMES(x), WEFT__5_TIMES(x), \
        WEFT__5_TIMES(x), x
#define WEFT__PICK_33RD(...) WEFT__PICK_33RD_(__VA_ARGS__)
#define WEFT__PICK_33RD_(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, \
                         a17, a18, a19, a20, a21, a22, a23, a24, a25, a26, a27, a28, a29, a30,  \
                         a31, a32, which, ...)                                                  \
    which

#ifdef __cplusplus
}
#endif

#endif
