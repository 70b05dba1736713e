/* SPDX-License-Identifier: MIT */
/*
 * Progress: a bounded stream of values from a running job to the tasks that await them.
 *
 * A stream is made when it is first needed, by the job that has a value or by the task that wants one;
 * most jobs never have any. It holds values, oldest first. The job puts, and waits for room when it is
 * full; tasks stand in a line, on the loop's side, and are served from an item in the mailbox, `wake`,
 * which is there at most once (`posted`).
 *
 *     OPEN --stop: a cancel, the shutdown--> STOPPED (nothing is put any more) --end--> OVER
 *       \____________ end: the job has come home, or was given up _______________/
 *
 * No wakeup is lost. `posted` is set under `mu` together with the change that the loop is to see, and
 * cleared under `mu` by the item's run before it looks; so while there is something to see, a run is
 * still to come. The job waits with `mu`, and whoever makes room or stops it signals under `mu`. That a
 * job which makes its stream just now does not miss a stop: it publishes the stream and then reads
 * `refusal`, the loop writes `refusal` and then reads the stream, all sequentially consistent, so at
 * least one of them sees the other.
 *
 * While a job waits for room it is the loop's turn: in virtual time, which stands still for jobs that
 * run, such a job is not counted (`is_excused`). When room is made it is counted again before it can
 * go on.
 *
 * References: the job's, until its memory goes; one of each weft_job_next(), also when it is done, since
 * a value that nobody looked at goes back to where it was; one while posted.
 *
 * Lock order: `mu` is taken last; under it only the allocator and pthread_cond_signal() are called.
 *
 * Failure modes: no memory (for the stream, a value's place, or a future): the call fails. Nobody reads:
 * the job waits until it is cancelled or the loop shuts down. The loop is gone: the mailbox refuses.
 */
#include "pool/progress.h"

#include <errno.h>

#include "core/blocking.h"
#include "core/cond.h"
#include "core/inspect/eye.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/store.h"
#include "pool/client.h"
#include "pool/job.h"

enum { DEFAULT_BOUND = 16 };

struct next;

struct weft__stream {
    struct weft__mutex mu;
    pthread_cond_t room;       /* for the job, which waits with `mu` */
    weft__mailbox *mailbox;    /* [const] a reference */
    size_t bound;              /* [const] */
    unsigned refs;             /* [mu] see above */
    struct weft__store values; /* [mu] */
    int refusal;               /* [mu] 0, or why nothing is put any more */
    bool is_over;              /* [mu] nothing comes any more */
    bool is_blocked;           /* [mu] the job waits for room */
    bool posted;               /* [mu] `wake` is in the mailbox, or about to be put into it */
    weft__item wake;           /* owned by the mailbox while posted */
    struct weft__job *job;     /* [loop] NULL: not known to the loop yet, or over */
    bool is_excused;           /* [loop] the job is not counted in loop->jobs */
    bool is_serving;           /* [loop] serve() is on the C stack */
    struct next *first, *last; /* [loop] who waits for a value */
};

/** A weft_job_next(). All [loop]. */
struct next {
    weft_future future;          /* first; one reference of the line's while in it */
    struct weft__stream *stream; /* [const] a reference */
    struct next *prev, *next;
};

/* ---- References ---- */

static void ref_stream(struct weft__stream *stream)
{
    weft__mutex_lock(&stream->mu);
    stream->refs++;
    weft__mutex_unlock(&stream->mu);
}

static void destroy(struct weft__stream *stream)
{
    weft__store_fini(&stream->values);
    pthread_cond_destroy(&stream->room);
    pthread_mutex_destroy(&stream->mu.mutex);
    weft__mailbox_unref(stream->mailbox);
    weft__free(stream);
}

static void unref_stream(struct weft__stream *stream)
{
    weft__mutex_lock(&stream->mu);
    bool is_last = --stream->refs == 0;
    weft__mutex_unlock(&stream->mu);
    if (is_last)
        destroy(stream);
}

/* ---- The loop's side ---- */

/* In virtual time: does the loop wait for the job, or the job for the loop? */
static void excuse(struct weft__stream *stream, bool is_excused)
{
    struct weft__job *job = stream->job;
    if (!job || !job->elsewhere || is_excused == stream->is_excused)
        return;
    stream->is_excused = is_excused;
    if (is_excused)
        weft__loop->jobs--;
    else
        weft__loop->jobs++;
}

static void remove_next(struct next *next)
{
    struct weft__stream *stream = next->stream;
    if (next->prev)
        next->prev->next = next->next;
    else
        stream->first = next->next;
    if (next->next)
        next->next->prev = next->prev;
    else
        stream->last = next->prev;
}

static void add_next(struct next *next)
{
    struct weft__stream *stream = next->stream;
    next->prev = stream->last;
    if (stream->last)
        stream->last->next = next;
    else
        stream->first = next;
    stream->last = next;
}

/* 0: a value was taken; WEFT_ECLOSED; or -EINPROGRESS: there is none yet. */
static int take(struct weft__stream *stream, struct weft__stored *ret)
{
    weft__mutex_lock(&stream->mu);
    bool has_value = stream->values.count > 0;
    int status = has_value ? 0 : stream->is_over ? WEFT_ECLOSED : -EINPROGRESS;
    if (has_value)
        *ret = weft__store_take(&stream->values);
    bool has_room = stream->values.count < stream->bound;
    if (has_room)
        excuse(stream, false);
    if (has_room && stream->is_blocked)
        pthread_cond_signal(&stream->room);
    weft__mutex_unlock(&stream->mu);
    return status;
}

static void complete(struct next *next, int status, const struct weft__stored *value)
{
    if (status < 0)
        weft__complete_failed(&next->future, status, NULL);
    else
        weft__complete(&next->future, value->value, value->destructor);
}

/* A value that nobody wants comes back while this goes on: the flag keeps the C stack flat. */
static void serve(struct weft__stream *stream)
{
    struct weft__stored value;
    int status = 0;
    if (stream->is_serving)
        return;
    stream->is_serving = true;
    ref_stream(stream);
    while (stream->first && status != -EINPROGRESS) {
        struct next *next = stream->first;
        status = take(stream, &value);
        if (status == -EINPROGRESS)
            break;
        remove_next(next);
        complete(next, status, &value);
        weft_unref(&next->future);
    }
    stream->is_serving = false;
    unref_stream(stream);
}

static void run_wake(weft__item *item)
{
    struct weft__stream *stream = WEFT__CONTAINER(item, struct weft__stream, wake);
    weft__mutex_lock(&stream->mu);
    stream->posted = false;
    bool waits = stream->is_blocked && !stream->refusal && stream->values.count >= stream->bound;
    if (waits)
        excuse(stream, true);
    weft__mutex_unlock(&stream->mu);
    serve(stream);
    unref_stream(stream);
}

static bool cancel(weft_future *future)
{
    struct next *next = WEFT__CONTAINER(future, struct next, future);
    remove_next(next);
    weft__complete_failed(future, -ECANCELED, NULL);
    weft_unref(future);
    return true;
}

/* Back to the front. Without memory, which it had before, it is lost. */
static void give_back(weft_future *future)
{
    struct weft__stream *stream = WEFT__CONTAINER(future, struct next, future)->stream;
    struct weft__stored value = {.destructor = NULL};
    (void)weft__take(future, &value.value, &value.destructor);
    weft__mutex_lock(&stream->mu);
    int status = weft__store_put_back(&stream->values, value);
    weft__mutex_unlock(&stream->mu);
    if (status < 0)
        weft__stored_destroy(&value);
    else
        serve(stream);
}

static void dispose(weft_future *future)
{
    unref_stream(WEFT__CONTAINER(future, struct next, future)->stream);
}

/* The job puts values, until it ends. */
static void explain(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret)
{
    struct next next;
    struct weft__stream stream;
    if (!weft__eye_see(eye, &next, at, sizeof(next)) ||
        !weft__eye_see_shared(eye, &stream, next.stream, sizeof(stream)))
        return;
    ret->needs = WEFT__NEEDS_WORLD;
    ret->resource = next.stream;
    ret->stage = stream.job ? "a value of a job" : "what a job has left";
    if (stream.job)
        weft__eye_child(eye, &stream.job->future);
}

WEFT__OPS(next_ops) = {.name = "job next",
                       .cancel = cancel,
                       .dispose = dispose,
                       .unclaimed = give_back,
                       .explain = explain};

/* ---- Making one ---- */

static struct weft__stream *new_stream(struct weft__job *job)
{
    struct weft__stream *stream = weft__calloc(1, sizeof(*stream));
    if (!stream || weft__cond_init(&stream->room) != 0) {
        weft__free(stream);
        return NULL;
    }
    pthread_mutex_init(&stream->mu.mutex, NULL);
    stream->mailbox = weft__mailbox_ref(job->mailbox);
    stream->bound = job->progress.bound ? job->progress.bound : DEFAULT_BOUND;
    stream->job = job;
    stream->refs = 1;
    stream->wake.run = run_wake;
    return stream;
}

static void stop_stream(struct weft__stream *stream, int status)
{
    weft__mutex_lock(&stream->mu);
    if (!stream->refusal)
        stream->refusal = status;
    pthread_cond_signal(&stream->room);
    weft__mutex_unlock(&stream->mu);
}

/* The job's stream; NULL: out of memory. Loop and worker may both make one: the first counts. */
static struct weft__stream *find_or_make(struct weft__job *job)
{
    struct weft__stream *there = atomic_load(&job->progress.stream);
    if (there)
        return there;
    struct weft__stream *made = new_stream(job);
    if (!made)
        return NULL;
    if (!atomic_compare_exchange_strong(&job->progress.stream, &there, made)) {
        destroy(made);
        return there;
    }
    int refusal = atomic_load(&job->progress.refusal);
    if (refusal)
        stop_stream(made, refusal);
    return made;
}

/* ---- The job's side ---- */

/* True: the caller posts when it has given up the lock. */
static bool want_wake(struct weft__stream *stream) WEFT_REQUIRES(stream->mu)
{
    if (stream->posted)
        return false;
    stream->posted = true;
    stream->refs++;
    return true;
}

static void post(struct weft__stream *stream)
{
    if (weft__mailbox_put(stream->mailbox, &stream->wake))
        return;
    weft__mutex_lock(&stream->mu);
    stream->posted = false;
    if (!stream->refusal)
        stream->refusal = WEFT_ECLOSED;
    weft__mutex_unlock(&stream->mu);
    unref_stream(stream);
}

static bool is_full(const struct weft__stream *stream) WEFT_REQUIRES(stream->mu)
{
    return stream->values.count >= stream->bound && !stream->refusal;
}

/* 0, or -EDEADLK: this is the loop's own thread, which alone makes room. */
static int wait_for_room(struct weft__stream *stream)
{
    weft__mutex_lock(&stream->mu);
    bool waits = is_full(stream);
    bool is_lent = waits && weft__lent_loop_id;
    bool tell = waits && !is_lent && want_wake(stream);
    stream->is_blocked = waits && !is_lent;
    weft__mutex_unlock(&stream->mu);
    if (tell)
        post(stream);
    if (!waits || is_lent)
        return waits ? -EDEADLK : 0;
    weft__blocking_begin();
    weft__mutex_lock(&stream->mu);
    while (is_full(stream))
        pthread_cond_wait(&stream->room, &stream->mu.mutex);
    stream->is_blocked = false;
    weft__mutex_unlock(&stream->mu);
    weft__blocking_end();
    return 0;
}

static int put(struct weft__stream *stream, struct weft__stored value)
{
    int status = wait_for_room(stream);
    if (status < 0)
        return status;
    weft__mutex_lock(&stream->mu);
    status = stream->refusal ? stream->refusal : weft__store_put(&stream->values, value);
    bool tell = status == 0 && want_wake(stream);
    weft__mutex_unlock(&stream->mu);
    if (tell)
        post(stream);
    return status;
}

static int put_of_job(struct weft__job *job, struct weft__stored value)
{
    if (!job)
        return WEFT_ENOJOB;
    if (weft__mailbox_is_inherited(job->mailbox))
        return WEFT_EFORK;
    struct weft__stream *stream = find_or_make(job);
    return stream ? put(stream, value) : -ENOMEM;
}

int weft_job_progress(weft_value value, weft_destructor *destructor)
{
    struct weft__stored stored = {.value = value, .destructor = destructor};
    int status = put_of_job(weft__current_job, stored);
    if (status < 0)
        weft__stored_destroy(&stored);
    return status;
}

/* ---- What happens to the job ---- */

void weft__progress_stop(struct weft__job *job, int status)
{
    int none = 0;
    atomic_compare_exchange_strong(&job->progress.refusal, &none, status);
    struct weft__stream *stream = atomic_load(&job->progress.stream);
    if (!stream)
        return;
    excuse(stream, false);
    stop_stream(stream, status);
}

void weft__progress_end(struct weft__job *job)
{
    weft__progress_stop(job, WEFT_ECLOSED);
    struct weft__stream *stream = atomic_load(&job->progress.stream);
    if (!stream)
        return;
    stream->job = NULL;
    weft__mutex_lock(&stream->mu);
    stream->is_over = true;
    weft__mutex_unlock(&stream->mu);
    serve(stream);
}

/* A lock that is held is held by nobody; what it guarded may be half done, and is left alone. */
void weft__progress_after_fork(struct weft__job *job) WEFT_NO_THREAD_SAFETY_ANALYSIS
{
    struct weft__stream *stream = atomic_load(&job->progress.stream);
    if (!stream)
        return;
    if (pthread_mutex_trylock(&stream->mu.mutex) == 0) {
        pthread_mutex_unlock(&stream->mu.mutex);
    } else {
        pthread_mutex_init(&stream->mu.mutex, NULL);
        stream->values = (struct weft__store){.order = WEFT_QUEUE_FIFO};
    }
    weft__cond_init(&stream->room);
    stream->is_blocked = false;
}

void weft__progress_release(struct weft__job *job)
{
    struct weft__stream *stream = atomic_load(&job->progress.stream);
    if (stream)
        unref_stream(stream);
}

/* ---- The next value ---- */

static weft_future *next_of(weft_loop *loop, struct weft__stream *stream)
{
    struct weft__stored value = {.destructor = NULL};
    struct next *next = weft__future_alloc(loop, &next_ops, sizeof(*next), 1);
    if (!next)
        return weft__future_enomem(loop);
    ref_stream(stream);
    next->stream = stream;
    int status = stream->first ? -EINPROGRESS : take(stream, &value);
    if (status == -EINPROGRESS)
        add_next((struct next *)(void *)weft_ref(&next->future));
    else
        complete(next, status, &value);
    return &next->future;
}

weft_future *weft_job_next(weft_future *future)
{
    if (!future)
        return weft_future_failed(-EINVAL, "weft_job_next: no job");
    if (WEFT__ELSEWHERE(future->loop_id))
        return weft__future_elsewhere();
    weft_loop *loop = weft__here();
    if (!loop)
        return weft__future_enoloop();
    struct weft__job *job = weft__job_of(future);
    bool is_done = !weft__is_pending(future);
    if (!job && !is_done)
        return weft_future_failed(-EINVAL, "weft_job_next: not a job");
    struct weft__stream *stream = job ? atomic_load(&job->progress.stream) : NULL;
    if (!stream && is_done)
        return weft_future_failed(WEFT_ECLOSED, NULL);
    if (is_done && job) /* a job that was given up may have made one since */
        weft__progress_end(job);
    if (!stream && !(stream = find_or_make(job)))
        return weft__future_enomem(loop);
    return next_of(loop, stream);
}
