/* SPDX-License-Identifier: MIT */
/*
 * Interrupting: a signal to the thread of a job, so that the system call in which it is fails with
 * EINTR.
 *
 * One signal is not enough: it may come just before the call, and the call begins all the same. So it
 * is sent again, after 1 ms, 2, 4 … 100 ms, until the job has noticed: its function has returned, or
 * has been told so by weft_job_cancelled() or its like.
 *
 * It is a timer of the kernel that sends, one for each job that runs in this mode, made before its
 * function is called and aimed at its thread (SIGEV_THREAD_ID). So a cancel needs no memory and cannot
 * fail; it goes on while the loop is busy, has virtual time, or is gone; and no signal is ever sent to
 * a thread that is not there. The canceller arms it under the control's lock, and only while
 * `is_ready`, which the worker takes back under that lock before it deletes the timer.
 *
 * The kernel repeats it each millisecond of itself; the handler doubles that. (It need not run for the
 * repetition: a sanitizer puts handlers off.)
 *
 * No signal is left for the next job. The signal is blocked in workers but around the function of such a
 * job. At the end it is blocked, then the timer deleted, then one that is pending by then is taken away
 * by sigtimedwait(). Were it somebody else's, it is sent again, to the process. (Since 6.13 the kernel
 * forgets the pending signal of a timer that is deleted; before, it does not.)
 *
 * The handler is installed, without SA_RESTART, when the first such job of a pool is started, and the
 * one that was there is kept: what is not ours is passed on to that. When the last pool that used the
 * signal ends the old handler comes back, unless somebody has replaced ours meanwhile: then it is
 * theirs to decide. While it is not ours that is installed such jobs are not run (-EBUSY), since nothing
 * could interrupt them.
 *
 * The default is SIGURG: what does nothing unless handled, so that one too many is harmless; which
 * debuggers pass on in silence; and which hardly a program handles, being for urgent data of sockets.
 * The price: while ours is installed, a SIGURG of somebody else interrupts calls on threads that do not
 * block it.
 *
 * A forked child has the handler, no timers, and perhaps the lock in the hands of a thread that is not
 * there: so the table is adopted by its first use there.
 */
#include "pool/interrupt.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "core/mutex.h"
#include "core/sys.h"
#include "core/thread.h"
#include "pool/pool.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum { SIGNALS = 65 }; /* 1 … 64 */
#define FIRST_DELAY WEFT_MS(1)
#define LONGEST_DELAY WEFT_MS(100)

/* `before` is [const] while it is installed; the rest is under `table_mutex`. */
static struct entry {
    struct sigaction before;
    unsigned pools; /* that use it */
    bool installed;
} table[SIGNALS];

static pthread_mutex_t table_mutex = PTHREAD_MUTEX_INITIALIZER;
static unsigned generation; /* [const] but in a new child: its weft__generation */

/* Of the job that runs here, if it may be interrupted; else NULL. */
static _Thread_local struct weft__interrupt *volatile here
    __attribute__((tls_model("initial-exec")));

/* ---- The handler ---- */

static bool is_ours(const siginfo_t *info)
{
    return info->si_code == SI_TIMER && here && info->si_value.sival_ptr == here;
}

static void set_timer(struct weft__interrupt *interrupt, weft_ns first, weft_ns then)
{
    struct itimerspec when = {
        .it_value = {.tv_sec = first / WEFT_S(1), .tv_nsec = first % WEFT_S(1)},
        .it_interval = {.tv_sec = then / WEFT_S(1), .tv_nsec = then % WEFT_S(1)},
    };
    int status = timer_settime(interrupt->timer, 0, &when, NULL);
    assert(status == 0); /* it exists */
    (void)status;
}

static void slow_down(struct weft__interrupt *interrupt)
{
    if (interrupt->quiet || interrupt->delay >= LONGEST_DELAY)
        return;
    weft_ns delay = interrupt->delay * 2;
    interrupt->delay = delay < LONGEST_DELAY ? delay : LONGEST_DELAY;
    set_timer(interrupt, interrupt->delay, interrupt->delay);
}

static bool is_ignored_by_default(int signum)
{
    return signum == SIGURG || signum == SIGCHLD || signum == SIGWINCH || signum == SIGCONT;
}

static void pass_on(int signum, siginfo_t *info, void *context)
{
    const struct sigaction *before = &table[signum].before;
    if (before->sa_flags & SA_SIGINFO)
        before->sa_sigaction(signum, info, context);
    else if (before->sa_handler == SIG_IGN)
        return;
    else if (before->sa_handler != SIG_DFL)
        before->sa_handler(signum);
    else if (!is_ignored_by_default(signum)) {
        sigaction(signum, before, NULL);
        raise(signum);
    }
}

static void handle(int signum, siginfo_t *info, void *context)
{
    int saved = errno;
    if (is_ours(info))
        slow_down(here);
    else
        pass_on(signum, info, context);
    errno = saved;
}

/* ---- Installing it; under table_mutex ---- */

static void adopt(void)
{
    static const pthread_mutex_t unlocked = PTHREAD_MUTEX_INITIALIZER;
    if (generation == weft__generation)
        return;
    generation = weft__generation;
    table_mutex = unlocked;
    for (int signum = 1; signum < SIGNALS; signum++)
        table[signum].pools = 0;
}

static bool is_handled_by_us(int signum)
{
    struct sigaction now;
    return sigaction(signum, NULL, &now) == 0 && now.sa_flags & SA_SIGINFO &&
           now.sa_sigaction == handle;
}

/* It is ours already if somebody replaced it and has put it back since. */
static int install(struct entry *entry, int signum)
{
    struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    if (entry->installed || is_handled_by_us(signum)) {
        entry->installed = true;
        return 0;
    }
    if (sigaction(signum, NULL, &entry->before) < 0)
        return -errno;
    action.sa_mask = entry->before.sa_mask;
    if (sigaction(signum, &action, NULL) < 0)
        return -errno;
    entry->installed = true;
    return 0;
}

bool weft__interrupt_is_possible(int signum)
{
    static const int impossible[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE,
                                     SIGILL,  SIGTRAP, SIGSYS,  SIGABRT};
    for (size_t i = 0; i < sizeof(impossible) / sizeof(impossible[0]); i++)
        if (signum == impossible[i])
            return false;
    return signum > 0 && signum < SIGNALS && (signum < 32 || signum >= SIGRTMIN);
}

int weft__interrupt_acquire(weft_pool *pool)
{
    struct entry *entry = &table[pool->interrupt_signal];
    adopt();
    weft__lock(&table_mutex);
    int status = pool->may_interrupt ? 0 : install(entry, pool->interrupt_signal);
    if (status == 0 && !pool->may_interrupt) {
        pool->may_interrupt = true;
        entry->pools++;
    }
    pthread_mutex_unlock(&table_mutex);
    return status;
}

void weft__interrupt_release(weft_pool *pool)
{
    struct entry *entry = &table[pool->interrupt_signal];
    adopt();
    weft__lock(&table_mutex);
    if (pool->may_interrupt && --entry->pools == 0) {
        entry->installed = false;
        if (is_handled_by_us(pool->interrupt_signal))
            sigaction(pool->interrupt_signal, &entry->before, NULL);
    }
    pthread_mutex_unlock(&table_mutex);
}

/* ---- Around the function ---- */

static sigset_t only(int signum)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signum);
    return set;
}

int weft__interrupt_begin(struct weft__interrupt *interrupt)
{
    sigset_t set = only(interrupt->signum), old;
    struct sigevent to_here = {.sigev_notify = SIGEV_THREAD_ID,
                               .sigev_signo = interrupt->signum,
                               .sigev_value.sival_ptr = interrupt};
    to_here.sigev_notify_thread_id = gettid();
    if (!is_handled_by_us(interrupt->signum))
        return -EBUSY;
    if (weft__sys.timer_create(CLOCK_MONOTONIC, &to_here, &interrupt->timer) < 0)
        return -errno;
    interrupt->quiet = false;
    interrupt->was_armed = false;
    interrupt->delay = FIRST_DELAY;
    here = interrupt;
    pthread_sigmask(SIG_UNBLOCK, &set, &old);
    interrupt->was_blocked = sigismember(&old, interrupt->signum);
    return 0;
}

/* The handler may have been put off to where it blocks: what is not ours goes back. */
static void take_away(const struct weft__interrupt *interrupt, const sigset_t *set)
{
    static const struct timespec at_once = {0, 0};
    siginfo_t info;
    int signum;
    do
        signum = sigtimedwait(set, &info, &at_once);
    while (signum > 0 && is_ours(&info));
    if (signum > 0)
        kill(getpid(), interrupt->signum);
}

void weft__interrupt_end(struct weft__interrupt *interrupt)
{
    sigset_t set = only(interrupt->signum);
    interrupt->quiet = true;
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    timer_delete(interrupt->timer);
    if (interrupt->was_armed)
        take_away(interrupt, &set);
    here = NULL;
    if (!interrupt->was_blocked)
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

void weft__interrupt_send(struct weft__interrupt *interrupt)
{
    interrupt->was_armed = true;
    set_timer(interrupt, 1, FIRST_DELAY);
}

void weft__interrupt_hush(struct weft__interrupt *interrupt)
{
    if (interrupt->quiet)
        return;
    interrupt->quiet = true; /* first: a handler in between must not arm it again */
    set_timer(interrupt, 0, 0);
}
