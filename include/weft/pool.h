/* SPDX-License-Identifier: MIT */
/**
 * The pool: the worker threads that run jobs (<weft/job.h>).
 *
 * A loop without a pool makes a private one at its first job; weft_loop_set_pool() lets several loops
 * share one. Threads are started when there is work for them, up to `max_threads`: as many as CPUs at
 * once, more when a job has waited for some time. They leave when they had none for `keepalive`. Jobs wait in lanes (<weft/lane.h>): queues with a bound, first in
 * first out.
 *
 * In workers all signals but those of faults (SIGSEGV and its like) are blocked (and SIGURG, if the
 * program has no handler for it: a worker that spins is asked by it for its stack), so that the host's
 * handlers run on the host's threads.
 */
#ifndef WEFT_POOL_H
#define WEFT_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/future.h>
#include <weft/job.h>
#include <weft/loop.h>
#include <weft/macros.h>
#include <weft/time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_pool weft_pool;

/** Zero is the default of every field. */
struct weft_pool_options {
    size_t size;          /* sizeof(struct weft_pool_options), or 0 for "this version" */
    unsigned min_threads; /* as many stay once they were started; 0: none need to */
    unsigned max_threads; /* at most 65,535, and one more each for the lanes "dns" and "files"; 0:
                             four more than the CPUs this process may use (its affinity mask and its
                             cgroup's quota), but no more than 32 */
    weft_ns keepalive;    /* an idle thread above min_threads leaves after it; 0: 10 s */
    const char *thread_name; /* of each thread, with its number; 9 bytes count; NULL: "weft" */
    size_t stack_size;       /* of each thread, in bytes; 0: 1 MiB */
    size_t max_queued;       /* how many jobs may wait in the default lane; 0: 65,536 */
    unsigned max_spares; /* threads beyond max_threads while as many jobs wait for others; at most
                             65,535; 0: as many as max_threads; or WEFT_NO_SPARES */
    int (*thread_start)(void *arg,
                        void **ret_state); /* runs on each new thread, first; if it fails,
                             with a negative error, the thread could not be started. NULL: nothing */
    void (*thread_stop)(void *state); /* runs on each thread that leaves, last; NULL: nothing */
    void *thread_arg;                 /* of thread_start */
    int interrupt_signal; /* of WEFT_CANCEL_INTERRUPT; 0: SIGURG. While a pool that has had such a job
                             lasts it has a handler, which passes on what others send, but has no
                             SA_RESTART. None of those of faults, nor one that weft_signal() hears */
    weft_ns
        spin; /* how long a thread whose job has ended looks for the next one before it gets idle;
                             0: about two wakes of a thread, as measured on this machine, at most 50
                             us; negative: not at all */
};

/** A value of max_spares: a job that waits for others keeps its place. */
#define WEFT_NO_SPARES (~0U)

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

/** A lane of a pool by its name ("default", "dns", "files", or one that a user made), borrowed; NULL:
 * there is none, or the pool is a parent's. Thread: any. Since: 0.1 */
WEFT_PUBLIC weft_lane *weft_pool_lane(weft_pool *pool, const char *name);

/**
 * A lane of the pool that a loop uses, by its name. The pool is made if there is none.
 *
 * Thread:    loop.
 * Ownership: borrowed: it lives as long as the loop uses that pool, or the lane's owner holds it.
 * Errors:    NULL and errno: ENOENT, ENOMEM, EINVAL, ESHUTDOWN (there is no pool, and none is made any
 *            more), or the number of WEFT_ETHREAD or WEFT_EFORK.
 * Since:     0.1
 */
WEFT_PUBLIC weft_lane *weft_loop_lane(weft_loop *loop, const char *name);

/** What a pool is doing, of all its loops together. */
struct weft_pool_stats {
    size_t threads;          /* that exist */
    size_t idle;             /* of these, waiting for a job */
    size_t queued;           /* jobs that wait for a thread */
    size_t running;          /* jobs that run */
    size_t blocked;          /* of these, waiting for others: see weft_job_blocking_begin() */
    size_t spares;           /* threads beyond max_threads, for the blocked ones */
    uint64_t started, ended; /* threads, since the beginning */
    uint64_t wakeups_sent;   /* how often an idle thread was woken */
    uint64_t wakeups_saved;  /* how many jobs came without waking or starting a thread */
    uint64_t spins,
        spins_paid; /* how often a thread looked for the next job before it got idle, and
                                   in how many of these there came one; see weft_loop_stats */
};

/**
 * Count what is going on. Takes no lock: each number is right for itself, and while things go on they
 * need not fit together.
 *
 * Thread:    any.
 * Ownership: `ret` is filled.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_pool_get_stats(weft_pool *pool, struct weft_pool_stats *ret);

/** A job that runs, as it was at one moment. */
struct weft_running_job {
    char name[64];        /* of its function */
    char started_at[128]; /* "file:line" of the call that started it, or "" */
    char lane[32];
    weft_ns runs_for;  /* since it was taken by its thread */
    bool is_abandoned; /* nobody waits for it any more */
    const char *state; /* what became of a cancel, in words: "told to stop" */
};

/**
 * Call `fn` for each job that runs on a thread of the pool, of all its loops: which calls hold the
 * threads, and which of them were abandoned. No lock is held: it may do what it likes.
 *
 * Thread:    any.
 * Ownership: `job` is lent for the call; what its `state` points to is static.
 * Errors:    none; nothing runs in a NULL pool, nor in a forked child.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_pool_each_running(weft_pool *pool,
                                        void (*fn)(void *arg, const struct weft_running_job *job),
                                        void *arg);

/**
 * What thread_start stored for the thread on which this job runs; NULL on all other threads.
 *
 * Thread:    any.
 * Ownership: the user's; thread_stop gets it in the end.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void *weft_thread_state(void);

/**
 * Run `fn(arg)`, a `weft_result (*)(void *)`, once on each thread that the loop's pool has now: to refresh
 * what thread_start stored, say. Idle threads run it at once, busy ones when their job has returned.
 * The value is the number of threads that ran it, an int64_t. All run it, also if one fails.
 *
 * Cancelling keeps back those that have not begun; it completes when no thread runs it.
 *
 * Thread:    loop. `fn` runs on several workers at once, as no job: weft_thread_state() works there.
 * Ownership: returns one reference, never NULL. `arg` is borrowed until completion.
 * Errors:    by the future: the first failure of `fn`; -EINVAL (no `fn`; not the loop's pool),
 *            -ESHUTDOWN, -ECANCELED, -ENOMEM, WEFT_ENOLOOP, WEFT_EFORK.
 * Since:     0.1
 */
#define weft_pool_run_on_each(pool, fn, arg) \
    weft__pool_run_on_each((pool), (fn), (arg), #fn, WEFT__HERE)

WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft__pool_run_on_each(weft_pool *pool,
                                                                weft_result (*fn)(void *),
                                                                void *arg, const char *name,
                                                                const char *place);

/**
 * From here to weft_job_blocking_end() this job waits for others of this process: for its loop, for
 * another job. It does not count against max_threads meanwhile, so that what it waits for gets a thread
 * even when all of them wait like this; up to max_spares threads are started for it. May be nested.
 * What is begun ends with the job at the latest. weft_queue_get_blocking() and its like do this by
 * themselves.
 *
 * Thread:    a job's; elsewhere it does nothing. Hold no lock that a job may need: a thread is
 *            started here.
 * Ownership: none.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_job_blocking_begin(void);

/** The wait is over; the job goes on at once. Thread: the one of the begin. Since: 0.1 */
WEFT_PUBLIC void weft_job_blocking_end(void);

#ifdef __cplusplus
}
#endif

#endif
