/* SPDX-License-Identifier: MIT */
/*
 * Whose thread is this? Every public function that is for the loop's thread begins with one of
 *
 *     if (WEFT__ELSEWHERE(future->loop_id))        // an object of a loop: a comparison of two numbers
 *         return weft__elsewhere();                // an int: WEFT_ETHREAD or WEFT_EFORK
 *         return weft__future_elsewhere();         // a future that has failed so
 *         return false; return NULL; return;       // what cannot say it
 *
 *     weft_loop *loop = weft__here();              // this thread's loop, where no object is given
 *     if (!loop)
 *         return weft__future_enoloop();           // or weft__enoloop(), an int
 *
 * before it touches anything, and the misuse is reported by the name of the function. An object that
 * is not a future keeps the number of its loop: `uint32_t loop_id`.
 *
 * A process that was forked has the loop of the thread that forked it, but may not use it before
 * weft_after_fork_child(): until then this thread's number is 0, so that the same comparison fails.
 */
#ifndef WEFT_CORE_THREAD_H
#define WEFT_CORE_THREAD_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/loop.h>

#include "core/ready.h"

/**
 * This thread's loop, or NULL. For what runs on the loop already; what is called by users asks
 * weft__here().
 */
extern _Thread_local weft_loop *weft__loop __attribute__((tls_model("initial-exec")));

/** The number of the loop that may be used on this thread; 0: none. */
extern _Thread_local uint32_t weft__loop_id __attribute__((tls_model("initial-exec")));

/** While a pool without threads runs a job on the loop's thread, which then has no loop: that loop's
 * number; else 0. */
extern _Thread_local uint32_t weft__lent_loop_id __attribute__((tls_model("initial-exec")));

/** How often this process was forked off, its ancestors counted. Changes in a new child only, which
 * has one thread. */
extern unsigned weft__generation;

/** This thread's loop if it may be used, or NULL. */
static inline weft_loop *weft__here(void)
{
    return weft__loop_id ? weft__loop : NULL;
}

/** Why weft__here() is NULL: WEFT_ENOLOOP, or WEFT_EFORK. */
int weft__enoloop(void);

/** Report that `function` was called where the loop with this number is not; false: that is gone. */
bool weft__report_elsewhere(uint32_t loop_id, const char *function);

/** True, and reported, if an object of this loop must not be touched here. 0: of no loop. */
static inline bool weft__is_elsewhere(uint32_t loop_id, const char *function)
{
    return __builtin_expect(loop_id != weft__loop_id && loop_id, 0) &&
           weft__report_elsewhere(loop_id, function);
}

#define WEFT__ELSEWHERE(loop_id) weft__is_elsewhere((loop_id), __func__)

/** What was wrong the last time that WEFT__ELSEWHERE() was true on this thread. */
int weft__elsewhere(void);

/** The number of a loop that is `id` in the bits of `mask`; `id` itself: no loop's is. */
uint32_t weft__loop_id_like(uint32_t id, uint32_t mask);

/**
 * A number for a new loop; 0 is for futures of no loop. Its low bits are not 0 either, as few as
 * somebody keeps of them (net/http/handle.h). Thread: any.
 */
uint32_t weft__new_loop_id(void);

/** Block all signals on this thread but those by which the kernel reports a fault of its own, and that by
 * which it can be asked what it is at (core/inspect/registers.c): for threads that weft starts. */
void weft__block_signals(sigset_t *ret_old);

/** A thread that weft starts does nothing for the program by itself; until the end that follows.
 * Thread: any. */
void weft__thread_begin_own(void);
void weft__thread_end_own(void);

/** How many there are now. Thread: any. */
size_t weft__own_threads(void);

/** A loop's entry in the list of all loops, by which one thread finds another's. */
struct weft__entry {
    struct weft__entry *next, **at; /* under the list's lock */
};

/** Make `loop` this thread's; list it. */
void weft__thread_enter(weft_loop *loop);

/** It is this thread's no longer. */
void weft__thread_leave(weft_loop *loop);

#endif
