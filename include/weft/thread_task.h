/* SPDX-License-Identifier: MIT */
/**
 * Tasks that a thread starts on a loop which is not its own, and may wait for
 * (asyncio.run_coroutine_threadsafe).
 *
 *     weft_thread_task *task = weft_spawn_from_thread(loop, fetch, .url = "…");
 *     status = weft_thread_task_wait(task, WEFT_S(10), &page, NULL);
 *     if (status == -ETIMEDOUT)
 *         status = weft_thread_task_cancel_and_wait(task, WEFT_FOREVER);
 *     weft_thread_task_unref(task);
 *
 * A thread task is done when its task has ended, clean-up included, and not before: a cancel only
 * asks. Each wait ends: when the loop is shut down first, the task is cancelled or given up, and a
 * task that had not begun fails with -ESHUTDOWN. But a loop that nobody runs runs no task: then only
 * the limit of time ends the wait.
 *
 * In a forked child every call fails with WEFT_EFORK, and the task seems not to be done.
 */
#ifndef WEFT_THREAD_TASK_H
#define WEFT_THREAD_TASK_H

#include <stdbool.h>
#include <weft/loop.h>
#include <weft/macros.h>
#include <weft/task.h>
#include <weft/time.h>
#include <weft/value.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_thread_task weft_thread_task;

/**
 * Start a task on `loop`: `weft_spawn_from_thread(loop, fetch, .url = "…")`. Its context is a
 * snapshot of the caller's.
 *
 * The tasks of one thread are started in the order in which it asked for them. The task goes on if
 * the handle is dropped; a failure that nobody looked at reaches the loop's error handler.
 *
 * Thread:    any, the loop's own too (it cannot wait). The loop must not have been freed.
 * Ownership: returns one reference. The arguments are copied; what they point to is borrowed until the
 *            task is done.
 * Errors:    NULL and errno: ENOMEM, EINVAL (no loop), ESHUTDOWN (the loop was shut down), -WEFT_EFORK.
 *            What is found missing on the loop's thread is what the task fails with: -ENOMEM,
 *            -ESHUTDOWN.
 * Since:     0.1
 */
#define weft_spawn_from_thread(loop, ...) \
    WEFT__SPAWN_FROM_THREAD((loop), __VA_ARGS__, .weft_frame = {0, 0})

/**
 * Block this thread until the task has ended.
 *
 * The value goes to one taker: it is moved to `*ret`, with its destructor if `ret_destructor` is not
 * NULL. One without a destructor can be had again and again. `ret` may be NULL: the value stays.
 *
 * A job that waits keeps its worker, but lets a spare thread of its pool run meanwhile. If it is told to
 * stop (see weft_job_cancelled()), the wait ends with -ECANCELED, or does not begin; the task goes on.
 * weft_thread_task_cancel_and_wait() then waits all the same.
 *
 * Thread:    any but the loop's, unless the task is done; of several threads that wait, each is told.
 * Ownership: `*ret` is the caller's. Untouched on failure, as `*ret_destructor`.
 * Errors:    the task's own; -ETIMEDOUT: `timeout` has passed (0: at once; below 0 or WEFT_FOREVER:
 *            never), and the task goes on; -EALREADY: another call took the value; -EDEADLK: this is
 *            the loop's own thread; -ECANCELED: or this job is to stop, and the task is not done;
 *            -EINVAL, WEFT_EFORK.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK int weft_thread_task_wait(weft_thread_task *task, weft_ns timeout,
                                                      weft_value *ret,
                                                      weft_destructor **ret_destructor);

/**
 * Ask the task to stop, as weft_cancel() does. It has stopped when it is done.
 *
 * Thread:    any.
 * Ownership: nothing changes.
 * Errors:    0: it was asked; -EALREADY: it is done; -ESHUTDOWN: the loop was shut down; -EINVAL,
 *            WEFT_EFORK.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_thread_task_cancel(weft_thread_task *task);

/**
 * Ask the task to stop, and wait until it has. One that is done is not asked.
 *
 * Thread:    any but the loop's, unless the task is done.
 * Ownership: the value, if the task had one after all, stays to be taken.
 * Errors:    the task's own: -ECANCELED most often, 0 when it succeeded nevertheless; otherwise as
 *            weft_thread_task_wait().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK int weft_thread_task_cancel_and_wait(weft_thread_task *task,
                                                                 weft_ns timeout);

/** True once the task has ended. Thread: any. Since: 0.1 */
WEFT_PUBLIC bool weft_thread_task_is_done(weft_thread_task *task);

/**
 * The message of the task's failure, once it is done; NULL: it has none.
 *
 * Thread:    any.
 * Ownership: borrowed, as long as the handle.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC const char *weft_thread_task_message(weft_thread_task *task);

/** One more reference; returns `task`. Thread: any. Since: 0.1 */
WEFT_PUBLIC weft_thread_task *weft_thread_task_ref(weft_thread_task *task);

/**
 * Give up a reference. NULL is nothing.
 *
 * The task goes on without it. The handle outlives its loop, if need be.
 *
 * Thread:    any.
 * Ownership: consumes the reference. With the last one the destructor of a value that nobody took
 *            runs: here if the task has ended, else on the loop's thread.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_thread_task_unref(weft_thread_task *task);

/* ---- What the macros expand to; nothing below is for direct use. ---- */

WEFT_PUBLIC WEFT_MUST_CHECK weft_thread_task *
weft__spawn_from_thread(weft_loop *loop, const weft_coroutine *coroutine, const void *frame,
                        const char *place);

#define WEFT__SPAWN_FROM_THREAD(loop, name, ...)                                           \
    weft__spawn_from_thread((loop), weft__coroutine_##name(), &(struct name){__VA_ARGS__}, \
                            WEFT__HERE)

#ifdef __cplusplus
}
#endif

#endif
