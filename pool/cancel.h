/* SPDX-License-Identifier: MIT */
/*
 * The control of a job: what is needed to stop it once it runs, or when its time is over. Only jobs
 * that can be stopped, or have a limit of time, have one. See pool/cancel.c and pool/expire.c.
 */
#ifndef WEFT_POOL_CANCEL_H
#define WEFT_POOL_CANCEL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <weft/job.h>

#include "core/mutex.h"
#include "pool/interrupt.h"

struct weft__job;

enum weft__control_state {
    WEFT__WAITS,     /* its function was not called yet */
    WEFT__RUNS,      /* its function was called */
    WEFT__ASKED,     /* it is to stop: not to begin, or to return soon */
    WEFT__COMMITTED, /* it is past the point of no return */
    WEFT__ABANDONED, /* it runs, and nobody waits for it any more */
    WEFT__ENDED      /* its function has returned, or will not be called */
};

/** What became of an ask. */
enum weft__answer {
    WEFT__GOES_ON, /* nothing stops it */
    WEFT__TOLD,    /* it will end, sooner or later */
    WEFT__LEFT     /* it is as good as ended: nobody waits for it */
};

/** The limits of time of a job. [const] but for `why` and `timer`. */
struct weft__limits {
    weft_ns start_by, deadline;           /* by the loop's clock; WEFT_FOREVER: none */
    weft_ns real_start_by, real_deadline; /* the same by the real clock */
    weft_ns max_run;                      /* WEFT_FOREVER: none */
    weft_future *timer;                   /* [loop] a reference; NULL: none is armed */
    int why; /* [loop] -ETIMEDOUT: it was asked to stop since its time was over; or -ENOMEM; 0 */
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
    void (*wake)(void *arg); /* [mu] the same, of a call of weft's that waits */
    void *wake_arg;          /* [mu] */
    _Atomic weft_ns began;   /* [atomic] real time at which the function was called; 0: it was not.
                                A number of its own: relaxed */
    struct weft__limits limits;
    struct weft__interrupt interrupt;
};

/** The job is not known to anybody else yet. `limits` may be NULL: it has none. */
void weft__control_init(struct weft__control *control, const struct weft_job_options *options,
                        const struct weft__limits *limits, int interrupt_signal);

/** The job is freed. */
void weft__control_fini(struct weft__job *job);

/** The function is about to be called. False: it must not be; the job's result is set. Thread: worker.
 */
bool weft__control_begin(struct weft__job *job);

/** The function has returned; nobody tells the job anything from now on. What its state was. Thread:
 * worker. */
enum weft__control_state weft__control_end(struct weft__job *job);

/** The function has returned, and named the next one. False: the job was told to stop, and is to end.
 * Thread: worker. */
bool weft__control_pause(struct weft__job *job);

/** A job that was asked to stop did so. Thread: worker; no lock held. */
void weft__control_count(struct weft__job *job);

/** All is done of a job that nobody waits for: its thread counts again among those that the end of
 * the pool waits for. Thread: worker; no lock held. */
void weft__control_come_back(struct weft__job *job);

/** Ask a job that is not queued any more to stop. Thread: loop; no lock held. */
enum weft__answer weft__control_ask(struct weft__job *job);

/** See weft__blocking_watch(). Thread: worker. */
void weft__control_watch(void (*fn)(void *arg), void *arg);

/** How a job stands that is under way, in words; the control may be NULL. Thread: loop. */
const char *weft__control_describe(struct weft__control *control);

/** The control of the job that runs here; NULL: it has none. 0, WEFT_ENOJOB or WEFT_EFORK. */
int weft__control_here(struct weft__control **ret);

/* ---- Limits of time: pool/expire.c ---- */

/** The limits of a job that is started now, by its options, its lane and the task that starts it: in
 * *room, or NULL: it has none. Thread: loop. */
struct weft__limits *weft__limits_find(const struct weft_job_options *options, weft_lane *lane,
                                       struct weft__limits *room);

/** Keep the limits of a job that is about to be queued. 0, or an error. Thread: loop. */
int weft__limits_arm(struct weft__job *job);

/** The job has ended. Nothing if it has no limits. Thread: loop. */
void weft__limits_disarm(struct weft__job *job);

/** The function, or the first one of a chain, is about to be called. False: it is too late. Thread:
 * worker. */
bool weft__limits_begin(struct weft__control *control);

#endif
