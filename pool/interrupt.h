/* SPDX-License-Identifier: MIT */
/* Interrupting the system call in which a job is. See pool/interrupt.c. */
#ifndef WEFT_POOL_INTERRUPT_H
#define WEFT_POOL_INTERRUPT_H

#include <signal.h>
#include <stdbool.h>
#include <time.h>
#include <weft/pool.h>

/** Of a job that may be interrupted. */
struct weft__interrupt {
    int signum;       /* [const] 0: not that mode */
    bool is_ready;    /* [mu] of the control: `timer` exists, and sends to the thread of this job */
    bool was_armed;   /* [mu] */
    bool was_blocked; /* [worker] the signal, before the function was called */
    timer_t timer;    /* [const] while `is_ready` */
    volatile sig_atomic_t quiet; /* [worker] and its handler: send no more */
    weft_ns delay;               /* [worker] in its handler: between the last two signals */
};

/** True for a signal that may be used. */
bool weft__interrupt_is_possible(int signum);

/** The pool is about to have a job that may be interrupted. 0 or an error. Thread: any; no lock held. */
int weft__interrupt_acquire(weft_pool *pool);

/** The pool ends. Nothing if it had no such job. Thread: any. */
void weft__interrupt_release(weft_pool *pool);

/** The function is about to be called: from now on the thread may be interrupted. 0 or an error. Thread:
 * worker. */
int weft__interrupt_begin(struct weft__interrupt *interrupt);

/** It has returned: `is_ready` was set to false under the lock. No signal comes any more, nor is left
 * for the next job. Thread: worker. */
void weft__interrupt_end(struct weft__interrupt *interrupt);

/** Send the signal now, and again until weft__interrupt_hush(). Call with the control's lock held and
 * `is_ready`. Thread: any. */
void weft__interrupt_send(struct weft__interrupt *interrupt);

/** The job has noticed. Thread: worker. */
void weft__interrupt_hush(struct weft__interrupt *interrupt);

#endif
