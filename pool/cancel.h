/* SPDX-License-Identifier: MIT */
/*
 * The control of a job: what is needed to stop it once it runs. Only jobs that can be stopped have
 * one. See pool/cancel.c.
 */
#ifndef WEFT_POOL_CANCEL_H
#define WEFT_POOL_CANCEL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <weft/job.h>

#include "core/mutex.h"

struct weft__job;

enum weft__control_state {
    WEFT__WAITS,     /* its function was not called yet */
    WEFT__RUNS,      /* its function was called */
    WEFT__ASKED,     /* it is to stop: not to begin, or to return soon */
    WEFT__COMMITTED, /* it is past the point of no return */
    WEFT__ENDED      /* its function has returned, or will not be called */
};

/** Behind the arguments in the job's memory. `mu` is taken last, and nothing is called under it. */
struct weft__control {
    struct weft__mutex mu;
    pthread_cond_t told_it;   /* `telling` is over */
    enum weft_on_cancel mode; /* [const] */
    atomic_int state; /* [atomic] enum weft__control_state; written under `mu`. The worker reads it
                         without: acquire, so that it sees what the canceller did before */
    bool telling;     /* [mu] the canceller is calling tell() */
    int fd;           /* [mu] readable once the job is told to stop; -1: it did not ask for it */
    void (*tell)(void *arg); /* [mu] to be called when the job is told; NULL: nothing */
    void *arg;               /* [mu] */
};

/** True if a job with these options needs a control. */
bool weft__control_is_needed(const struct weft_job_options *options);

/** The job is not known to anybody else yet. */
void weft__control_init(struct weft__control *control, const struct weft_job_options *options);

/** The job is freed. */
void weft__control_fini(struct weft__job *job);

/** The function is about to be called. False: it must not be; the job's result is set. Thread: worker.
 */
bool weft__control_begin(struct weft__job *job);

/** The function has returned; nobody tells the job anything from now on. Thread: worker. */
void weft__control_end(struct weft__job *job);

/** The function has returned, and named the next one. False: the job was told to stop, and is not to go
 * on. Thread: worker. */
bool weft__control_pause(struct weft__job *job);

/** Ask a job that is not queued any more to stop. False: nothing stops it. Thread: loop; no lock held.
 */
bool weft__control_ask(struct weft__job *job);

#endif
