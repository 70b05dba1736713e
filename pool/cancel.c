/* SPDX-License-Identifier: MIT */
/*
 * Stopping jobs that run.
 *
 * A queued job is stopped by whoever takes it out of its lane (pool/job.c). This is about jobs that
 * a worker has taken: what becomes of a cancel then was said when the job was started.
 *
 *     from        by                                         to
 *     WAITS       worker, about to call the function          RUNS
 *     WAITS       canceller: it was taken just now            ASKED
 *     RUNS        canceller                                   ASKED
 *     RUNS        canceller: the mode is "abandon"            ABANDONED
 *     RUNS        the function: weft_job_commit()             COMMITTED
 *     RUNS        worker: the job goes on with another one    WAITS
 *     any         worker: the function has returned           ENDED
 *     WAITS       worker, too late to call the function       ENDED
 *
 * Every change is made under the control's own lock, so each race is decided once: a commit that
 * finds ASKED is refused, an ask that finds COMMITTED or ENDED is; an ask that comes before the
 * call prevents it.
 *
 * Who asks tells the job in each way that it can hear: weft_job_cancelled() looks at the state, the
 * descriptor gets readable, a signal comes (pool/interrupt.c), the function set by weft_job_on_cancel() is called, with no lock held;
 * whoever removes that function, or ends, waits until the call is over.
 *
 * An abandoned job is complete for the loop at once, but for its memory: see pool/job.c. On its thread
 * it goes on, and holds its place in the lane; nobody waits for that thread when the pool ends.
 *
 * "Cancelled means that it did not happen": a job that returns a value although it was asked to stop
 * completes with the value, and who awaits it keeps the request (pool/job.c).
 *
 * Failure modes: no descriptor (the job is told so, and may go on with weft_job_cancelled()). After
 * a fork that was made by a job, the child's calls fail: the job runs in the parent.
 */
#include "pool/cancel.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "core/sys.h"
#include "core/thread.h"
#include "pool/job.h"
#include "pool/pool.h"
#include "pool/schedule.h"

/* ---- The state ---- */

static enum weft__control_state state_of(struct weft__control *control)
{
    return (enum weft__control_state)atomic_load_explicit(&control->state, memory_order_acquire);
}

static void move(struct weft__control *control, enum weft__control_state to)
    WEFT_REQUIRES(control->mu)
{
    enum weft__control_state from = state_of(control);
    (void)from;
    assert(from != WEFT__ENDED);
    assert(to != WEFT__RUNS || from == WEFT__WAITS);
    assert(to != WEFT__ASKED || from == WEFT__WAITS || from == WEFT__RUNS);
    assert((to != WEFT__COMMITTED && to != WEFT__ABANDONED) || from == WEFT__RUNS);
    atomic_store_explicit(&control->state, (int)to, memory_order_release);
}

static bool is_told(struct weft__control *control)
{
    enum weft__control_state state = state_of(control);
    return state == WEFT__ASKED || state == WEFT__ABANDONED;
}

void weft__control_init(struct weft__control *control, const struct weft_job_options *options,
                        const struct weft__limits *limits, int interrupt_signal)
{
    static const struct weft__limits none = {.start_by = WEFT_FOREVER,
                                             .deadline = WEFT_FOREVER,
                                             .real_start_by = WEFT_FOREVER,
                                             .real_deadline = WEFT_FOREVER,
                                             .max_run = WEFT_FOREVER};
    *control = (struct weft__control){
        .mode = options->on_cancel, .fd = -1, .limits = limits ? *limits : none};
    if (control->mode == WEFT_CANCEL_INTERRUPT)
        control->interrupt.signum = interrupt_signal;
    atomic_init(&control->state, WEFT__WAITS);
    atomic_init(&control->began, 0);
    pthread_mutex_init(&control->mu.mutex, NULL);
    pthread_cond_init(&control->told_it, NULL);
}

static void close_fd(struct weft__control *control)
{
    int fd = control->fd;
    control->fd = -1; /* first: in a child forked in between it is lost, not closed twice */
    if (fd >= 0)
        close(fd);
}

void weft__control_fini(struct weft__job *job)
{
    struct weft__control *control = job->control;
    close_fd(control);
    if (!job->pool)
        return; /* in a forked child: a thread that is not there may hold the lock */
    pthread_cond_destroy(&control->told_it);
    pthread_mutex_destroy(&control->mu.mutex);
}

/* ---- Telling ---- */

static void wait_told(struct weft__control *control) WEFT_REQUIRES(control->mu)
{
    while (control->telling)
        pthread_cond_wait(&control->told_it, &control->mu.mutex);
}

static void make_readable(struct weft__control *control) WEFT_REQUIRES(control->mu)
{
    static const uint64_t one = 1;
    ssize_t written = control->fd < 0 ? 0 : weft__sys.write(control->fd, &one, sizeof(one));
    assert(written >= 0); /* a counter of 0 takes a 1 */
    (void)written;
}

/* The functions that are to be called, if any: once at most. */
static void tell(struct weft__control *control) WEFT_RELEASE(control->mu)
{
    void (*fn)(void *) = control->tell, (*wake)(void *) = control->wake;
    control->tell = control->wake = NULL;
    control->telling = fn || wake;
    make_readable(control);
    weft__mutex_unlock(&control->mu);
    if (!fn && !wake)
        return;
    if (fn)
        fn(control->arg);
    if (wake)
        wake(control->wake_arg);
    weft__mutex_lock(&control->mu);
    control->telling = false;
    pthread_cond_broadcast(&control->told_it);
    weft__mutex_unlock(&control->mu);
}

/* An ask before the call prevents that, whatever the mode. */
static bool may_ask(const struct weft__control *control, enum weft__control_state state)
{
    return state == WEFT__WAITS || (state == WEFT__RUNS && control->mode != WEFT_CANCEL_WAIT);
}

static enum weft__answer tell_to_stop(struct weft__control *control)
{
    weft__mutex_lock(&control->mu);
    enum weft__control_state state = state_of(control);
    if (may_ask(control, state)) {
        move(control, WEFT__ASKED);
        if (control->interrupt.is_ready)
            weft__interrupt_send(&control->interrupt);
        tell(control);
        return WEFT__TOLD;
    }
    weft__mutex_unlock(&control->mu);
    return state == WEFT__ASKED ? WEFT__TOLD : WEFT__GOES_ON;
}

/* Under the pool's lock, so that the thread is not waited for from the moment on that the job is left,
 * until it has ended. */
static bool leave(struct weft__job *job)
{
    struct weft__control *control = job->control;
    weft__mutex_lock(&job->pool->mu);
    weft__mutex_lock(&control->mu);
    bool runs = state_of(control) == WEFT__RUNS;
    if (runs) {
        move(control, WEFT__ABANDONED);
        job->deserted = true;
        job->pool->abandoned++;
        weft__count_up(&job->lane->counts.abandoned_running);
        weft__count_up(&job->lane->counts.abandoned);
    }
    weft__mutex_unlock(&job->pool->mu);
    if (runs)
        tell(control);
    else
        weft__mutex_unlock(&control->mu);
    return runs;
}

enum weft__answer weft__control_ask(struct weft__job *job)
{
    if (job->control->mode == WEFT_CANCEL_ABANDON && leave(job))
        return WEFT__LEFT;
    return tell_to_stop(job->control);
}

const char *weft__control_describe(struct weft__control *control)
{
    if (!control || control->mode == WEFT_CANCEL_WAIT)
        return "waited for";
    switch (state_of(control)) {
    case WEFT__ASKED:
        return control->interrupt.signum ? "told to stop, and interrupted" : "told to stop";
    case WEFT__COMMITTED:
        return "past the point of no return";
    default:
        return "not told to stop";
    }
}

/* ---- Around the function ---- */

/* 0, or why the function is not to be called. */
static int prepare(struct weft__control *control)
{
    if (!weft__limits_begin(control))
        return -ETIMEDOUT;
    return control->interrupt.signum ? weft__interrupt_begin(&control->interrupt) : 0;
}

static weft_result refusal(int status)
{
    return status == -EBUSY ? weft_errf(status, "the signal that interrupts has another handler")
                            : weft_err(status);
}

bool weft__control_begin(struct weft__job *job)
{
    struct weft__control *control = job->control;
    bool interrupts = control->interrupt.signum;
    int prepared = prepare(control), status = prepared;
    weft__mutex_lock(&control->mu);
    if (is_told(control))
        status = -ECANCELED;
    if (status < 0)
        move(control, WEFT__ENDED);
    else if (state_of(control) != WEFT__COMMITTED) /* by an earlier function of the chain */
        move(control, WEFT__RUNS);
    control->interrupt.is_ready = interrupts && status == 0;
    weft__mutex_unlock(&control->mu);
    if (interrupts && prepared == 0 && status < 0)
        weft__interrupt_end(&control->interrupt);
    if (status < 0)
        job->result = refusal(status);
    return status == 0;
}

/* The function has returned: nothing that it heard by is left. What its state was. */
static enum weft__control_state fall_silent(struct weft__control *control)
    WEFT_REQUIRES(control->mu)
{
    wait_told(control);
    control->tell = NULL;
    control->interrupt.is_ready = false;
    close_fd(control);
    return state_of(control);
}

enum weft__control_state weft__control_end(struct weft__job *job)
{
    struct weft__control *control = job->control;
    weft__mutex_lock(&control->mu);
    bool interrupts = control->interrupt.is_ready;
    enum weft__control_state state = fall_silent(control);
    move(control, WEFT__ENDED);
    weft__mutex_unlock(&control->mu);
    if (interrupts)
        weft__interrupt_end(&control->interrupt);
    if (interrupts && state == WEFT__ASKED && job->result.status == -EINTR)
        job->result.status = -ECANCELED;
    return state;
}

bool weft__control_pause(struct weft__job *job)
{
    struct weft__control *control = job->control;
    weft__mutex_lock(&control->mu);
    bool asked = is_told(control), interrupts = control->interrupt.is_ready && !asked;
    if (!asked && fall_silent(control) == WEFT__RUNS)
        move(control, WEFT__WAITS);
    weft__mutex_unlock(&control->mu);
    if (interrupts)
        weft__interrupt_end(&control->interrupt);
    return !asked;
}

void weft__control_count(struct weft__job *job)
{
    weft__mutex_lock(&job->pool->mu);
    weft__count_up(job->control->interrupt.signum ? &job->lane->counts.cancelled_interrupted
                                                  : &job->lane->counts.cancelled_cooperative);
    weft__mutex_unlock(&job->pool->mu);
}

void weft__control_come_back(struct weft__job *job)
{
    weft__mutex_lock(&job->pool->mu);
    job->deserted = false;
    job->pool->abandoned--;
    weft__count_down(&job->lane->counts.abandoned_running);
    weft__mutex_unlock(&job->pool->mu);
}

/* ---- For the function ---- */

int weft__control_here(struct weft__control **ret)
{
    const struct weft__job *job = weft__current_job;
    *ret = NULL;
    if (!job)
        return WEFT_ENOJOB;
    if (weft__pool_is_inherited(job->pool))
        return WEFT_EFORK;
    *ret = job->control;
    return 0;
}

/* The same; NULL also if the job is never told anything. */
static int find(struct weft__control **ret)
{
    int status = weft__control_here(ret);
    if (*ret && (*ret)->mode == WEFT_CANCEL_WAIT)
        *ret = NULL;
    return status;
}

/* The job knows it now. */
static void note(struct weft__control *control)
{
    if (control->interrupt.signum)
        weft__interrupt_hush(&control->interrupt);
}

bool weft_job_cancelled(void)
{
    struct weft__control *control;
    if (find(&control) < 0 || !control || !is_told(control))
        return false;
    note(control);
    return true;
}

void weft__control_watch(void (*fn)(void *arg), void *arg)
{
    struct weft__control *control;
    if (find(&control) < 0 || !control)
        return;
    weft__mutex_lock(&control->mu);
    wait_told(control);
    bool now = is_told(control);
    control->wake = now ? NULL : fn;
    control->wake_arg = arg;
    weft__mutex_unlock(&control->mu);
    if (now && fn)
        fn(arg);
}

int weft_job_commit(void)
{
    struct weft__control
        *control; /* one with limits may never be told, and has its state all the same */
    int status = weft__control_here(&control);
    if (control) {
        weft__mutex_lock(&control->mu);
        if (is_told(control))
            status = -ECANCELED;
        else if (state_of(control) == WEFT__RUNS)
            move(control, WEFT__COMMITTED);
        weft__mutex_unlock(&control->mu);
        if (status < 0)
            note(control);
    }
    if (status == 0)
        weft__chain_commit(weft__current_job);
    return status;
}

int weft_job_on_cancel(void (*fn)(void *arg), void *arg)
{
    struct weft__control *control;
    int status = find(&control);
    if (!control)
        return status;
    weft__mutex_lock(&control->mu);
    wait_told(control);
    bool now = is_told(control);
    control->tell = now ? NULL : fn;
    control->arg = arg;
    weft__mutex_unlock(&control->mu);
    if (now && fn)
        fn(arg);
    return 0;
}

static int open_fd(struct weft__control *control) WEFT_REQUIRES(control->mu)
{
    if (control->fd < 0)
        control->fd = weft__sys.eventfd(is_told(control), EFD_CLOEXEC | EFD_NONBLOCK);
    return control->fd < 0 ? -errno : control->fd;
}

int weft_job_cancel_fd(void)
{
    struct weft__control *control;
    int status = find(&control);
    if (!control)
        return status < 0 ? status : -EINVAL;
    weft__mutex_lock(&control->mu);
    int fd = open_fd(control);
    weft__mutex_unlock(&control->mu);
    return fd;
}

/* As poll(); signals do not end it. The number of ready ones or -errno. */
static int poll_until(struct pollfd fds[2], weft_ns deadline)
{
    int count;
    do {
        weft_ns now = weft__pool_now(), left = deadline > now ? deadline - now : 0;
        struct timespec timeout = {.tv_sec = left / WEFT_S(1), .tv_nsec = left % WEFT_S(1)};
        count = ppoll(fds, 2, deadline == WEFT_FOREVER ? NULL : &timeout, NULL);
    } while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : count;
}

int weft_job_poll(int fd, short events, weft_ns deadline)
{
    struct weft__control *control;
    int status = find(&control);
    if (status < 0)
        return status;
    struct pollfd fds[2] = {{.fd = fd, .events = events}, {.fd = -1, .events = POLLIN}};
    if (control && (fds[1].fd = weft_job_cancel_fd()) < 0)
        return fds[1].fd;
    int count = poll_until(fds, deadline);
    if (count < 0)
        return count;
    if (weft_job_cancelled())
        return -ECANCELED;
    return count == 0 ? -ETIMEDOUT : fds[0].revents;
}
