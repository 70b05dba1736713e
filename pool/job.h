/* SPDX-License-Identifier: MIT */
/*
 * A job: one blocking call, from the loop to a worker and back. See pool/job.c.
 */
#ifndef WEFT_POOL_JOB_H
#define WEFT_POOL_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <weft/job.h>

#include "core/context.h"
#include "core/future.h"
#include "core/mailbox.h"
#include "pool/continue.h"
#include "pool/lane.h"
#include "pool/progress.h"
#include "pool/sticky.h"

struct weft__client;
struct weft__control;
struct weft__own;

/**
 * One block of memory: the future, the job, a copy of its arguments, its control and what its key needs,
 * if it has them. [mu] is the pool's lock. What its end touches stands together, at the beginning; then
 * what is only written as a rule, and what only unusual jobs need. Those marked (set) are not cleared in
 * a new job: they are written before they are read.
 */
struct weft__job {
    weft_future future;              /* [loop] */
    struct weft__client *client;     /* [loop] NULL once the job is not under way any more */
    struct weft__job *older, *newer; /* [loop] in the client's list (set) */
    weft__item item;                 /* [worker], then [loop] */
    weft_result result;              /* [worker], then [loop] (set) */
    bool left;                       /* [loop] it has been completed, and has not come home yet */
    bool ran;                        /* [worker], then [loop]: its function was called. Of a plain
                                        one not set before it has come home */
    bool forced;                     /* [const] it is not dropped when the loop shuts down */
    bool elsewhere;                  /* [const] it runs on another thread (set) */
    struct weft__own *own;           /* [const] whose memory it is in; NULL: its own */
    struct weft__control *control;   /* [const] behind the arguments; NULL: nothing stops it */
    void (*release)(void *args); /* [loop], [worker] while it runs; NULL: none, or it was called */
    weft_context *context;       /* [const] owned by the job's memory */
    struct weft__progress progress;
    struct weft__chain chain;
    weft_pool *pool;                /* [const] */
    weft_lane *lane;                /* [const]; NULL: left behind by a fork. Gone once the job has
                                      ended */
    weft_result (*run)(void *args); /* [const] the first one of a chain */
    void *params;                   /* [const], then [worker] its arguments: `args`, or of a later
                                      function */
    weft__mailbox *mailbox;      /* [const] of its loop; a reference once it is let go: see job.c */
    struct weft__home *home;     /* [const] of its loop in the pool; NULL: none */
    const char *name, *place;    /* [const] */
    uint64_t key;                /* [const] 0: none */
    struct weft__sticky *sticky; /* [const] behind the control; NULL: it has no key */
    enum weft__stage stage;      /* [mu] where it stands in the lane */
    /* Apart from what the loop writes when a job comes home: who looks at it meanwhile reads these, and
     * the compiler may read bytes that stand together at once. */
    bool ended;                    /* [mu] its loop is gone, and the worker has done with it */
    bool let_go;                   /* [mu] its loop is gone, and has done with it */
    bool deserted;                 /* [mu] its thread is counted in pool->abandoned */
    struct weft__job *prev, *next; /* [mu] in the lane (set) */
    uint64_t seq;                  /* [mu] its number in the lane (set) */
    weft_ns queued_at;             /* [mu] weft__pool_now() when it was submitted (set) */
    weft_ns started_at;            /* [mu] when it was taken (set) */
    weft_ns charged; /* [mu], [worker] to its lane when it was taken; INT64_MIN: it was
                                      free (set) */
    _Alignas(max_align_t) unsigned char args[]; /* [const], then [worker] */
};

/** What somebody asks for. */
struct weft__request {
    const struct weft_job_options *options; /* not NULL; see weft__job_options() */
    weft_result (*run)(void *args);
    const void *args; /* `size` bytes, copied */
    size_t size;
    const char *name;      /* static, or as long as the job lasts, as `place` */
    struct weft__own *own; /* where the job is made; NULL: in memory of its own */
    const char *place;
};

/** All zero: those of a job for which nobody said anything. */
extern const struct weft_job_options weft__usual_options;

/** Nothing was said, so that there is nothing to look at. */
static inline bool weft__is_usual(const struct weft_job_options *options)
{
    return options == &weft__usual_options;
}

/** The caller's options, or the default ones for NULL; NULL: they are of another version. */
static inline const struct weft_job_options *
weft__job_options(const struct weft_job_options *options)
{
    if (!options)
        return &weft__usual_options;
    return options->size == 0 || options->size == sizeof(*options) ? options : NULL;
}

/** Start a job; what weft_offload() returns. Thread: loop. */
weft_future *weft__submit(const struct weft__request *request);

/** The job of a future; NULL: it is none. Thread: loop. */
struct weft__job *weft__job_of(weft_future *future);

/** The job that runs on this thread; NULL: none. */
extern _Thread_local struct weft__job *weft__current_job __attribute__((tls_model("initial-exec")));

/** A job of the client's, with two references to its future; NULL: out of memory. Thread: loop. */
struct weft__job *weft__job_new(struct weft__client *client, weft_lane *lane,
                                const struct weft__request *request);

/** Free a job that was never queued. Thread: loop. */
void weft__job_discard(struct weft__job *job);

/** Run the function of a job that was taken out of its lane. Thread: worker; no lock held. */
void weft__job_run(struct weft__job *job);

/**
 * The same of a plain one, without a look at its memory if possible: then true, and its result is
 * this, without a destructor and a message.
 */
bool weft__job_run_plain(struct weft__job *job, weft_result (*run)(void *params), void *params,
                         int32_t *ret_status, weft_value *ret_value);

/** The function that runs here has named another one. [worker] */
extern _Thread_local bool weft__job_named __attribute__((tls_model("initial-exec")));

/** A job that was run has no loop any more to be sent to. It may be freed when this returns. Thread: any;
 * no lock held. */
void weft__job_end_alone(struct weft__job *job);

/** Send home a job that was run; it may be freed by now when this returns. Thread: worker; no lock
 * held. */
void weft__job_send(struct weft__job *job);

/** Send a job home with this result, unrun. Thread: any; no lock held. */
void weft__job_finish(struct weft__job *job, weft_result result);

/** What the item of a job that comes home runs. Thread: loop. */
void weft__job_complete(weft__item *item);

/** In a forked child: the job has no pool any more; it stays under way. Thread: loop. */
void weft__job_cut_off(struct weft__job *job);

/** In a forked child, after that: the job fails, unless it was home before the fork. Thread: loop. */
void weft__job_lose(struct weft__job *job);

/** Ask a job to stop. True: the request is delivered, at once or later. Thread: loop. */
bool weft__job_cancel(struct weft__job *job);

/** Cancel a job, a PENDING future, if it has not begun. False: it goes on. Thread: loop. */
bool weft__job_drop(weft_future *future);

/** Ask a job to stop although it has committed: its loop ends. Thread: loop. */
void weft__job_give_up(struct weft__job *job);
/** The time of a job is over: it fails with `why` if it is queued, else it is asked to stop. Thread:
 * loop. */
void weft__job_expire(struct weft__job *job, int why);

/**
 * The loop ends, its mailbox is closed: leave the job to its worker. False: that has done with it,
 * and the caller frees it with weft__job_free(). Call with the pool's lock held. Thread: loop.
 */
bool weft__job_let_go_locked(struct weft__job *job);
void weft__job_free(struct weft__job *job);

/** Of a result that nobody takes. Thread: any; no lock held. */
void weft__result_destroy(weft_result *result);

#endif
