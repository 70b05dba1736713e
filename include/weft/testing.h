/* SPDX-License-Identifier: MIT */
/**
 * For tests of programs that use weft: time that stands still, an order that is drawn from a seed, jobs
 * that run when they are told to, failures on demand.
 *
 *     weft_loop *loop = weft_testing_loop_new(0);
 *     weft_future *answer = weft_spawn(ask_with_a_limit, .limit = WEFT_S(30));
 *     weft_testing_run_until_blocked(loop);           // it waits: nothing else is there to do
 *     weft_testing_advance(loop, WEFT_S(30));         // takes no time
 *     assert(weft_future_status(answer) == -ETIMEDOUT);
 *
 * This header works with any framework for tests, or none. Nothing of it is for production.
 */
#ifndef WEFT_TESTING_H
#define WEFT_TESTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/loop.h>
#include <weft/macros.h>
#include <weft/pool.h>
#include <weft/stream.h>
#include <weft/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Time and order ---- */

/**
 * A loop for a test: its clock is virtual (WEFT_CLOCK_VIRTUAL), and what is ready at once runs in an
 * order that is drawn from `seed`.
 *
 * The clock begins at 0 and stands still while anything is ready, or a job runs on another thread; in
 * weft_loop_run() and its like it then jumps to the next deadline.
 *
 * Tasks that are ready in the same tick, and jobs that come home at once, run in an order that the
 * seed draws; the same seed draws the same one. What is promised stays: the continuations of a
 * future, calls by weft_call_soon(), timers, and the posts of a thread keep their order. Every report
 * to the error handler tells the seed.
 *
 * Seed 0 is what the environment variable WEFT_SEED says, a decimal number, else no shuffling: so a
 * failure is seen again by `WEFT_SEED=… ./the_test`.
 *
 * Thread:    the one that will run it.
 * Ownership: as weft_loop_new().
 * Errors:    as weft_loop_new().
 * Since:     0.1
 */
WEFT_PUBLIC weft_loop *weft_testing_loop_new(uint64_t seed);

/** The seed of a loop, to be printed when a test fails; 0: none. Thread: loop. Since: 0.1 */
WEFT_PUBLIC uint64_t weft_testing_seed(const weft_loop *loop);

/**
 * Run until every task waits for time to pass, for a job that nobody steps, or for something from
 * outside. The time stays as it is; jobs on other threads are waited for.
 *
 * Thread:    loop; not from a task.
 * Ownership: nothing changes hands.
 * Errors:    -EINVAL (the clock is not virtual); -EDEADLK as weft_loop_run(); -EIO.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_testing_run_until_blocked(weft_loop *loop);

/**
 * Let `duration` pass: every timer that is due in it fires at its time, and what follows from it runs
 * before the next one.
 *
 * Thread:    loop; not from a task.
 * Ownership: nothing changes hands.
 * Errors:    -EINVAL (the clock is not virtual, or `duration` is negative); -EDEADLK; -EIO.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_testing_advance(weft_loop *loop, weft_ns duration);

/* ---- Jobs ---- */

enum weft_testing_pool {
    WEFT_TESTING_INLINE, /* a job runs on the loop's thread, at the next tick */
    WEFT_TESTING_STEPPED /* jobs wait for weft_testing_pool_step() */
};

/**
 * A pool without threads, for weft_loop_set_pool(). While a job of it runs, the thread has no loop, so
 * that what a worker cannot do fails here too. A job that waits to be stepped does not hold up virtual
 * time.
 *
 * Thread:    any.
 * Ownership: as weft_pool_new().
 * Errors:    NULL and errno: EINVAL, ENOMEM.
 * Since:     0.1
 */
WEFT_PUBLIC weft_pool *weft_testing_pool_new(enum weft_testing_pool how);

/**
 * Run the next `count` jobs now, on this thread: in the order in which they came, or as lanes share, of
 * which each job takes as much as any other. They complete on the loop at its next
 * tick. weft_pool_get_stats() tells how many wait.
 *
 * Thread:    any.
 * Ownership: nothing changes hands.
 * Errors:    returns how many were run: fewer if fewer wait, 0 for a pool with threads.
 * Since:     0.1
 */
WEFT_PUBLIC size_t weft_testing_pool_step(weft_pool *pool, size_t count);

/* ---- Failures ---- */

/**
 * Let the n-th allocation of weft from now on, counting from 1, fail, once; 0: none. To see that
 * nothing breaks, raise `n` until weft_testing_allocation_failed() stays false.
 *
 * Thread:    any; it counts the allocations of all threads.
 * Ownership: nothing changes hands.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_testing_fail_allocation(size_t n);

/** True once the allocation that was to fail was asked for. Thread: any. Since: 0.1 */
WEFT_PUBLIC bool weft_testing_allocation_failed(void);

/**
 * Let the n-th call of a system function from now on, counting from 1, fail with `error`, once; n = 0:
 * none.
 *
 * The names are those of the functions: accept4, bind, connect, eventfd, getaddrinfo and getnameinfo
 * (with an EAI_ code), listen, pipe2, pthread_create, read, recv, recvmmsg, sendmmsg, sendmsg, socket,
 * socketpair, timerfd_create, write, and libevent's event_add; for files close, copy_file_range, fdatasync, fstat, fsync,
 * ftruncate, open, openat, preadv, pwritev, readv, renameat, unlinkat, writev. Only calls that weft
 * makes itself count.
 *
 * Thread:    any; it counts the calls of all threads.
 * Ownership: nothing changes hands.
 * Errors:    -ENOENT when there is no such name.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_testing_fail_call(const char *name, unsigned n, int error);

/** True once the call of that name which was to fail was made. Thread: any. Since: 0.1 */
WEFT_PUBLIC bool weft_testing_call_failed(const char *name);

/* ---- Streams ---- */

/**
 * Two streams that are each other's peers, without a network: what is written to one is read from the
 * other.
 *
 * Beneath is a socketpair(): what one has written, the other sees at the next tick, in virtual time
 * as well, and the same each time. The kernel takes some 200 KiB before a write has to wait.
 *
 * Thread:    loop.
 * Ownership: the streams are the caller's, to be closed or freed each. Both are NULL on failure.
 * Errors:    -ENOMEM, -EMFILE, -ENFILE, -ESHUTDOWN (loop shut down), WEFT_ENOLOOP.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK int weft_testing_stream_pair(weft_stream **ret_a, weft_stream **ret_b);

#ifdef __cplusplus
}
#endif

#endif
