/* SPDX-License-Identifier: MIT */
/**
 * Jobs: blocking calls on the worker threads of a pool, awaited like any other operation.
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
 * A worker knows its job only: its arguments, and what they point to.
 */
#ifndef WEFT_JOB_H
#define WEFT_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/future.h>
#include <weft/macros.h>
#include <weft/task.h>
#include <weft/time.h>
#include <weft/value.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A queue of a pool, with limits of its own. */
typedef struct weft_lane weft_lane;

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

/* ---- Starting a job ---- */

/** What becomes of a job for which its lane has no room. */
enum weft_submit {
    WEFT_SUBMIT_AS_LANE, /* what the lane's `on_full` says */
    WEFT_SUBMIT_TRY,     /* it fails at once, with -EAGAIN */
    WEFT_SUBMIT_WAIT,    /* it waits for room, first come, first served; no thread waits with it */
    WEFT_SUBMIT_FORCED /* it is queued above the bound; also while the loop shuts down, until it is
                            closed, and then neither dropped: for cleaning up */
};

/** What becomes of a cancel while the job runs. One that is queued never runs, whatever is said here. */
enum weft_on_cancel {
    WEFT_CANCEL_WAIT,        /* nothing: it is waited for, and who awaits it keeps the request */
    WEFT_CANCEL_COOPERATIVE, /* it is told: see weft_job_cancelled(). If it returns -ECANCELED, the
                               request is answered; whatever else it returns is delivered, and who
                               awaits it keeps the request */
    WEFT_CANCEL_INTERRUPT, /* as WEFT_CANCEL_COOPERATIVE, and the system call in which it is fails with
                              EINTR, by a signal that is sent again until the job has noticed: its
                              function has returned, or was told by weft_job_cancelled(), _poll() or
                              _commit(). A job that returns -EINTR then ends with -ECANCELED, too */
    WEFT_CANCEL_ABANDON /* it is left to itself: who awaits it goes on at once, with -ECANCELED. It keeps
                           its thread and its place in the lane until it returns; then its value is
                           destroyed there. It is told as well. What it uses must last as long as it
                           does: see `release` */
};

/**
 * How a job is run. Zero is the default of every field.
 *
 * `release` is called once, with the job's copy of the arguments (or with the `arg` of a function that
 * exists already), however the job ends: on the worker when the function has returned, else on the
 * loop, also when the job could not be started. It frees what was made for the job alone, so that
 * nothing the function uses goes before it has returned: not even when the loop gave the job up.
 *
 * A job must be done by the earliest of its `deadline` and those of the timeout and clean-up blocks
 * around the call that starts it (weft_timeout_enter(); within a clean-up those around it do not count).
 * When that has come, or `max_wait` has passed, and it is queued still, it fails with -ETIMEDOUT and
 * never runs. When it runs, or has run for `max_run`, it is treated as if it were cancelled; the
 * -ECANCELED with which it ends is -ETIMEDOUT then. In virtual time, which stands still while a job is
 * on its way on another thread, no limit is ever reached.
 */
struct weft_job_options {
    size_t size;             /* sizeof(struct weft_job_options), or 0 for "this version" */
    weft_lane *lane;         /* of the loop's pool, where it waits; NULL: the default one */
    enum weft_submit submit; /* what if the lane is full */
    uint64_t
        key; /* of a lane's jobs with the same key one runs at a time, in their order; 0: none */
    void (*release)(void *args); /* the destructor of what the arguments own; see above */
    enum weft_on_cancel on_cancel;
    size_t progress;  /* how many values weft_job_progress() may be ahead; 0: 16 */
    weft_ns deadline; /* of the loop's clock, when it must be done; 0: those around the call */
    weft_ns max_wait; /* how long it may be queued; 0: as its lane has it */
    weft_ns max_run;  /* how long the function may run; 0: no limit but the deadline */
};

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
#define weft_to_thread(...) weft_offload(NULL, __VA_ARGS__)

/**
 * weft_to_thread() in `lane` of the loop's pool (NULL: the default lane).
 *
 * Thread:    loop. The function runs on a worker; continuations run on the loop.
 * Ownership: as weft_to_thread().
 * Errors:    as weft_to_thread(); -EINVAL when the lane is another pool's.
 * Since:     0.1
 */
#define weft_to_thread_in(lane_, ...) \
    weft_offload((&(struct weft_job_options){.lane = (lane_)}), __VA_ARGS__)

/**
 * Run `name(.arg = …)` on a worker as `options`, a `const struct weft_job_options *`, says; NULL: as
 * weft_to_thread().
 *
 * Thread:    loop. The function runs on a worker; continuations run on the loop.
 * Ownership: as weft_to_thread(). The options are copied.
 * Errors:    as weft_to_thread(); -EINVAL for options that make no sense.
 * Since:     0.1
 */
#define weft_offload(options, ...)                                                     \
    WEFT__PICK_33RD(__VA_ARGS__, WEFT__31_TIMES(WEFT__OFFLOAD), WEFT__OFFLOAD_BARE, ~) \
    ((options), __VA_ARGS__)

/**
 * weft_to_thread_in() of a function that exists already: run `fn(arg)`, a `weft_result (*)(void *)`.
 *
 * Thread:    loop. `fn` runs on a worker; continuations run on the loop.
 * Ownership: returns one reference, never NULL. `arg` is borrowed until completion.
 * Errors:    as weft_to_thread_in(); -EINVAL when `fn` is NULL.
 * Since:     0.1
 */
#define weft_to_thread_fn(lane_, fn, arg) \
    weft__offload_fn(&(struct weft_job_options){.lane = (lane_)}, (fn), (arg), #fn, WEFT__HERE)

/**
 * weft_offload() of a function that exists already: run `fn(arg)`, a `weft_result (*)(void *)`.
 *
 * Thread:    loop. `fn` runs on a worker; continuations run on the loop.
 * Ownership: returns one reference, never NULL. `arg` is borrowed until completion.
 * Errors:    as weft_offload(); -EINVAL when `fn` is NULL.
 * Since:     0.1
 */
#define weft_offload_fn(options, fn, arg) weft__offload_fn((options), (fn), (arg), #fn, WEFT__HERE)

/** What became of a job: whether its function has done anything. */
enum weft_job_outcome {
    WEFT_JOB_PENDING,     /* it is under way */
    WEFT_JOB_NOT_STARTED, /* its function was not called, and will not be */
    WEFT_JOB_FINISHED,    /* its function has returned */
    WEFT_JOB_UNKNOWN /* its function was called, and may run still: it was abandoned, given up by a
                             loop that ended, or left behind by a fork */
};

/**
 * What became of a job, given what started it returned: after a failure it tells whether the job did
 * anything. Of a future that is not a job's: WEFT_JOB_NOT_STARTED if it failed, as that of a job that
 * could not be started; else WEFT_JOB_UNKNOWN.
 *
 * Thread:    loop.
 * Ownership: borrows `job`.
 * Errors:    none; WEFT_JOB_PENDING on another thread.
 * Since:     0.1
 */
WEFT_PUBLIC enum weft_job_outcome weft_job_outcome(const weft_future *job);

/* ---- In a job ---- */

/*
 * What follows is for the function of a job, on its worker, and for what that calls. On any other
 * thread there is no job: WEFT_ENOJOB. In a child that was forked off by the function it is not this
 * job that runs: WEFT_EFORK.
 */

/**
 * True once the job is to stop: somebody cancelled it, and its `on_cancel` says that it is told. Then
 * clean up and return weft_err(-ECANCELED), or finish after all and return the value.
 *
 * Costs no more than a read of memory. False for ever after a weft_job_commit() that succeeded.
 *
 * Thread:    worker.
 * Ownership: none.
 * Errors:    false where no job runs.
 * Since:     0.1
 */
WEFT_PUBLIC bool weft_job_cancelled(void);

/**
 * The point of no return: from now on nothing stops the job, nor is it told. Whoever cancels it later
 * waits for it, as for one with WEFT_CANCEL_WAIT.
 *
 * Thread:    worker.
 * Ownership: none.
 * Errors:    0, also when it was called before. -ECANCELED: a cancel came first; do not go on.
 *            WEFT_ENOJOB, WEFT_EFORK.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK int weft_job_commit(void);

/**
 * A descriptor that gets readable when weft_job_cancelled() gets true, to be polled along with others.
 * Do not read from it.
 *
 * Thread:    worker.
 * Ownership: borrowed until the function returns; the same one at each call.
 * Errors:    -EMFILE, -ENFILE and others of eventfd(); -EINVAL: the job's `on_cancel` is
 *            WEFT_CANCEL_WAIT, it is never told; WEFT_ENOJOB, WEFT_EFORK.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_job_cancel_fd(void);

/**
 * Wait until `fd` (-1: none) is ready for one of `events`, as poll() has them, or the job is told to
 * stop. Signals do not end it. `deadline` is of the real monotonic clock (weft_now() on a worker);
 * WEFT_FOREVER: none; one that has passed: look, do not wait.
 *
 * Thread:    worker.
 * Ownership: none.
 * Errors:    more than 0: what `fd` is ready for, as in poll()'s `revents`. -ECANCELED: the job is to
 *            stop, ready or not. -ETIMEDOUT. As weft_job_cancel_fd(), but for -EINVAL: a job that is
 *            never told waits all the same. Those of poll().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK int weft_job_poll(int fd, short events, weft_ns deadline);

/**
 * When the job must be done: the earliest of its limits, by the real monotonic clock, which is that of
 * weft_now() on a worker. WEFT_FOREVER: it has none.
 *
 * Thread:    worker.
 * Ownership: none.
 * Errors:    0 where no job runs.
 * Since:     0.1
 */
WEFT_PUBLIC weft_ns weft_job_deadline(void);

/** How long it is until weft_job_deadline(), 0 if that has passed; WEFT_FOREVER: the job has none. 0
 * where no job runs. Thread: worker. Since: 0.1 */
WEFT_PUBLIC weft_ns weft_job_remaining(void);

/**
 * Let `fn(arg)` be called when the job is told to stop, once: for a library that has a call of its own
 * to interrupt what it does. NULL: no more. There is one at a time; a new one replaces the old.
 *
 * It is called on the canceller's thread, which is the loop's, and must not block, nor call weft. If
 * the job was told before, it is called here, at once. When a call that removes or replaces it has
 * returned, it is not called any more and is not being called. It is removed, too, behind the job's
 * function, before what its arguments own is released: so a function whose own variables `fn` uses has
 * to remove it before it returns.
 *
 * Thread:    worker.
 * Ownership: `arg` is borrowed until it is removed, or the job's arguments are released.
 * Errors:    WEFT_ENOJOB, WEFT_EFORK.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_job_on_cancel(void (*fn)(void *arg), void *arg);

/* ---- Values from a running job ---- */

/**
 * Send a value to who awaits it with weft_job_next(), while the job goes on.
 *
 * The values arrive in order, each once, and all before the stream ends. When as many as the option
 * `progress` says wait to be read, this call blocks until one is taken; meanwhile a spare thread of the
 * pool may run. So a job that reports progress is to be read, or cancelled: nobody reading, it waits
 * until the loop shuts down.
 *
 * Thread:    worker.
 * Ownership: consumes the value, also when it fails; `destructor` (NULL: none) runs if nobody takes it,
 *            on the loop's thread or here.
 * Errors:    -ECANCELED: the job was cancelled, whatever its `on_cancel` says; WEFT_ECLOSED: the loop
 *            shuts down. Then nothing can be sent any more. -ENOMEM; WEFT_ENOJOB: this thread runs no
 *            job; WEFT_EFORK. -EDEADLK: it is full, and the pool has no threads (of a test).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK int weft_job_progress(weft_value value, weft_destructor *destructor);

/**
 * Await the next value that a job sends by weft_job_progress():
 *
 *     WEFT_CATCH_INTO(status, self->percent, weft_job_next(self->job));   until it is WEFT_ECLOSED
 *
 * Each value goes to one of those who wait, first come first served. One that was not looked at, since
 * who waited was cancelled, is the next one again. Cancelling it does not cancel the job.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. The job's is borrowed: this can be called again, also
 *            when the job is done. The value is owned by who takes it.
 * Errors:    by the future: WEFT_ECLOSED after the last value, when the job has ended or could not be
 *            started; -ECANCELED; -ENOMEM; -EINVAL: it is no job.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_job_next(weft_future *job);

/* ---- Jobs in the caller's memory ---- */

/**
 * Room for a job, for who wants to submit one without any allocation: part of a request's struct, say.
 * Its contents are weft's.
 *
 *     struct request { struct weft_job job; … };
 *
 *     weft_job_init(&request->job, handle, request, free_request);
 *     future = weft_job_submit(&request->job, NULL);
 *
 * It is in use from weft_job_submit() until the job's function has returned (or will never be called)
 * and the last reference to the future is gone. Then it is idle, `on_free` is called, and it may be
 * freed, or submitted again.
 */
struct weft_job {
    union {
        max_align_t weft_align;
        unsigned char weft_bytes[1024];
    } weft_opaque;
};

/**
 * Prepare `job`, a `struct weft_job *`, to run `fn(arg)`, a `weft_result (*)(void *)`, as often as it is
 * submitted. `on_free(arg)`, a `void (*)(void *)`, is called each time that the memory is the caller's
 * again; NULL: see weft_job_is_idle().
 *
 * Thread:    any; the job is not in use.
 * Ownership: the memory stays the caller's, and must last as said above. `arg` is borrowed.
 * Errors:    none.
 * Since:     0.1
 */
#define weft_job_init(job, fn, arg, on_free) weft__job_init((job), (fn), (arg), (on_free), #fn)

/**
 * weft_offload() of a job in the caller's memory, as `options`, a `const struct weft_job_options *`,
 * says; NULL: the default ones. Nothing is allocated, once the loop has its pool and has run a job with
 * the same options.
 *
 * `on_free` is called on the loop's thread; on the worker's, when the loop was gone before the function
 * returned. It may submit the job again, or free it. It is not called for a job that could not be started:
 * then the future is done already when this returns, and the job is idle.
 *
 * Thread:    loop. The function runs on a worker.
 * Ownership: returns one reference, never NULL, into the caller's memory.
 * Errors:    as weft_offload(); -EBUSY: it is in use; -EINVAL: it was not initialized, or would be
 *            abandoned (WEFT_CANCEL_ABANDON) without an `on_free` to tell when it has ended. In these
 *            cases the option `release` is not called.
 * Since:     0.1
 */
#define weft_job_submit(job, options) weft__job_submit((job), (options), WEFT__HERE)

/** True while the memory of a job is its caller's. Thread: any. Since: 0.1 */
WEFT_PUBLIC bool weft_job_is_idle(const struct weft_job *job);

/* ---- Chains ---- */

/** How a job goes on. Zero is the default of every field. */
struct weft_continue_options {
    size_t size;     /* sizeof(struct weft_continue_options), or 0 for "this version" */
    weft_lane *lane; /* of the same pool, where it waits; NULL: the lane it is in */
    void (*release)(
        void *args); /* the destructor of what the arguments own; see weft_job_options */
};

/**
 * Name the function that the job goes on with, as what the function returns:
 *
 *     return weft_continue(write_it, .text = text);
 *
 * It runs on a worker without a trip through the loop, when its turn comes: the job waits at the end of
 * its lane, be that full. It stays the same job: the future completes with what the last function
 * returns; context, cancel, limits of time and the stream of values are the same. The arguments of the
 * function that returns are released before the next one begins.
 *
 * A cancel that comes while the job waits in between drops it, as one that has not started; one that
 * came while the function ran keeps it from going on, whatever its `on_cancel` says: -ECANCELED. Not so
 * after a weft_job_commit() that succeeded.
 *
 * Thread:    worker.
 * Ownership: the arguments (up to 31) are copied; what they point to is borrowed. To be returned by the
 *            function that called it; what it returns instead is the job's result as ever.
 * Errors:    by the result: -ENOMEM, WEFT_ENOJOB, WEFT_EFORK.
 * Since:     0.1
 */
#define weft_continue(...) weft_continue_with(NULL, __VA_ARGS__)

/**
 * weft_continue() in `lane` (NULL: the one it is in), however full that is.
 *
 * Thread:    worker.
 * Ownership: as weft_continue(). The lane is borrowed for the call.
 * Errors:    as weft_continue(); -EINVAL when the lane is another pool's. -ESHUTDOWN, by the job's
 *            future: it is closed.
 * Since:     0.1
 */
#define weft_continue_in(lane_, ...) \
    weft_continue_with((&(struct weft_continue_options){.lane = (lane_)}), __VA_ARGS__)

/**
 * weft_continue() as `options`, a `const struct weft_continue_options *`, says; NULL: as that.
 *
 * Thread:    worker.
 * Ownership: as weft_continue(). `release` is called in any case, now if the job cannot go on.
 * Errors:    as weft_continue_in(); -EINVAL for options of another version.
 * Since:     0.1
 */
#define weft_continue_with(options, ...)                                                 \
    WEFT__PICK_33RD(__VA_ARGS__, WEFT__31_TIMES(WEFT__CONTINUE), WEFT__CONTINUE_BARE, ~) \
    ((options), __VA_ARGS__)

/* ---- What the macros expand to; nothing below is for direct use. ---- */

WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft__offload(const struct weft_job_options *options,
                                                       const weft_blocking *blocking,
                                                       const void *args, const char *place);
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft__offload_fn(const struct weft_job_options *options,
                                                          weft_result (*fn)(void *), void *arg,
                                                          const char *name, const char *place);

/* Without arguments the struct is {0}: standard C has no empty braces. */
#define WEFT__OFFLOAD_BARE(options, name) \
    weft__offload((options), weft__blocking_##name(), &(struct name){0}, WEFT__HERE)
#define WEFT__OFFLOAD(options, name, ...) \
    weft__offload((options), weft__blocking_##name(), &(struct name){__VA_ARGS__}, WEFT__HERE)

WEFT_PUBLIC void weft__job_init(struct weft_job *job, weft_result (*fn)(void *arg), void *arg,
                                void (*on_free)(void *arg), const char *name);
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *
weft__job_submit(struct weft_job *job, const struct weft_job_options *options, const char *place);
WEFT_PUBLIC weft_result weft__continue(const struct weft_continue_options *options,
                                       const weft_blocking *blocking, const void *args);

#define WEFT__CONTINUE_BARE(options, name) \
    weft__continue((options), weft__blocking_##name(), &(struct name){0})
#define WEFT__CONTINUE(options, name, ...) \
    weft__continue((options), weft__blocking_##name(), &(struct name){__VA_ARGS__})

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
