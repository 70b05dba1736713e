/* SPDX-License-Identifier: MIT */
/*
 * Threads and loops: which loop is this thread's, and what happens when a function is called on
 * another one.
 *
 * The check itself is a comparison (core/thread.h). Only once it has failed is anything looked up:
 * the loop that the object belongs to is found by its number in the list of all loops, and told by
 * way of its mailbox, so that the report reaches that loop's error handler on its own thread. If
 * there is no memory, this thread's loop is told; without one, stderr. What has outlived its loop is
 * no thread's any more: that is no misuse.
 *
 * At most MOST_REPORTS wait in a mailbox: a thread that polls weft_is_done() for ever must not fill
 * the memory of a loop that is busy.
 *
 * Fork: the handlers keep the list's lock in order. In the child the list is empty, as all other
 * threads are gone, and the number of this thread's loop is 0 until weft_after_fork_child().
 *
 * Lock order: `lock` is taken last; nothing is called while it is held but weft__mailbox_put(),
 * which has none.
 */
#include "core/thread.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "core/inspect/registers.h"
#include "core/inspect/trace.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/mutex.h"
#include "core/spin.h"

enum { MOST_REPORTS = 16, THREAD_NAME = 16 };

_Thread_local weft_loop *weft__loop __attribute__((tls_model("initial-exec")));
_Thread_local uint32_t weft__loop_id __attribute__((tls_model("initial-exec")));
_Thread_local uint32_t weft__lent_loop_id __attribute__((tls_model("initial-exec")));
unsigned weft__generation;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct weft__entry *loops; /* under `lock` */
static atomic_uint last_id;       /* only the number counts: relaxed */
static unsigned inherited;        /* [const] but in a new child: loops up to this number are older
                                     than the process */
static atomic_int waiting;        /* reports in mailboxes; a limit, so relaxed will do */
static atomic_size_t own_threads; /* a count: relaxed */
static _Thread_local int wrong;   /* what weft__elsewhere() returns */

/* ---- Threads of weft's own ---- */

void weft__thread_begin_own(void)
{
    atomic_fetch_add_explicit(&own_threads, 1, memory_order_relaxed);
}

void weft__thread_end_own(void)
{
    atomic_fetch_sub_explicit(&own_threads, 1, memory_order_relaxed);
}

size_t weft__own_threads(void)
{
    return atomic_load_explicit(&own_threads, memory_order_relaxed);
}

/* ---- Fork ---- */

static void before_fork(void)
{
    weft__trace_before_fork();
    weft__lock(&lock);
}

static void in_parent(void)
{
    pthread_mutex_unlock(&lock);
    weft__trace_in_parent();
}

static void in_child(void)
{
    weft__generation++;
    weft__loop_id = 0;
    if (weft__loop)
        weft__loop->attend = true;
    loops = NULL;
    inherited = atomic_load_explicit(&last_id, memory_order_relaxed);
    atomic_store_explicit(&waiting, 0, memory_order_relaxed);
    atomic_store_explicit(&own_threads, 0, memory_order_relaxed);
    weft__spin_after_fork();
    pthread_mutex_unlock(&lock);
    weft__trace_in_child();
}

/* Out of memory: then a child is not told apart from its parent. */
static void watch_forks(void)
{
    (void)pthread_atfork(before_fork, in_parent, in_child);
}

/* ---- Signals ---- */

void weft__block_signals(sigset_t *ret_old)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    sigset_t all;
    sigfillset(&all);
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        sigdelset(&all, faults[i]);
    if (weft__registers_may_use(SIGURG))
        sigdelset(&all, SIGURG);
    pthread_sigmask(SIG_SETMASK, &all, ret_old);
}

/* ---- The list ---- */

uint32_t weft__new_loop_id(void)
{
    uint32_t id = atomic_fetch_add_explicit(&last_id, 1, memory_order_relaxed) + 1;
    return id % 64 ? id : weft__new_loop_id();
}

void weft__thread_enter(weft_loop *loop)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    weft__lock(&lock);
    loop->entry.next = loops;
    loop->entry.at = &loops;
    if (loops)
        loops->at = &loop->entry.next;
    loops = &loop->entry;
    pthread_mutex_unlock(&lock);
    if (weft__loop != loop)
        loop->forked = weft__loop;
    weft__loop = loop;
    weft__loop_id = loop->id;
}

void weft__thread_leave(weft_loop *loop)
{
    weft__loop = loop->forked;
    weft__loop_id = 0;
    weft__lock(&lock);
    *loop->entry.at = loop->entry.next;
    if (loop->entry.next)
        loop->entry.next->at = loop->entry.at;
    pthread_mutex_unlock(&lock);
}

static weft_loop *find_locked(uint32_t id)
{
    for (struct weft__entry *entry = loops; entry; entry = entry->next) {
        weft_loop *loop = WEFT__CONTAINER(entry, weft_loop, entry);
        if (loop->id == id)
            return loop;
    }
    return NULL;
}

uint32_t weft__loop_id_like(uint32_t id, uint32_t mask)
{
    weft__lock(&lock);
    struct weft__entry *entry = loops;
    while (entry && (WEFT__CONTAINER(entry, weft_loop, entry)->id & mask) != id)
        entry = entry->next;
    uint32_t found = entry ? WEFT__CONTAINER(entry, weft_loop, entry)->id : id;
    pthread_mutex_unlock(&lock);
    return found;
}

/* ---- Reporting ---- */

struct report {
    weft__item item;
    const char *function; /* static */
    char thread[THREAD_NAME];
    int status;
};

static void tell(weft_loop *loop, const struct report *report)
{
    char message[THREAD_NAME + 32];
    snprintf(message, sizeof(message), "by the thread \"%s\"", report->thread);
    struct weft_error_report told = {
        .what = report->status == WEFT_EFORK ? "called in a forked child"
                                             : "called on a thread other than its loop's",
        .status = report->status,
        .message = message,
        .task = report->function,
    };
    weft__report(loop, &told);
}

static void run_report(weft__item *item)
{
    struct report report = *WEFT__CONTAINER(item, struct report, item);
    weft__free(item);
    atomic_fetch_sub_explicit(&waiting, 1, memory_order_relaxed);
    tell(weft__loop, &report);
}

/* False: it cannot be told. */
static bool send_locked(weft_loop *loop, const struct report *report)
{
    if (atomic_load_explicit(&waiting, memory_order_relaxed) >= MOST_REPORTS)
        return true;
    struct report *sent = weft__malloc(sizeof(*sent));
    if (!sent)
        return false;
    *sent = *report;
    sent->item.run = run_report;
    atomic_fetch_add_explicit(&waiting, 1, memory_order_relaxed);
    if (weft__mailbox_put(loop->mailbox, &sent->item))
        return true;
    atomic_fetch_sub_explicit(&waiting, 1, memory_order_relaxed);
    weft__free(sent);
    return false;
}

bool weft__report_elsewhere(uint32_t loop_id, const char *function)
{
    struct report report = {.function = function, .status = WEFT_ETHREAD};
    pthread_getname_np(pthread_self(), report.thread, sizeof(report.thread));
    weft__lock(&lock);
    weft_loop *loop = find_locked(loop_id);
    if (!loop && loop_id <= inherited)
        report.status = WEFT_EFORK;
    bool orphan = !loop && loop_id > inherited;
    bool told = loop && send_locked(loop, &report);
    pthread_mutex_unlock(&lock);
    wrong = report.status;
    if (!told && !orphan)
        tell(weft__loop, &report);
    return !orphan;
}

int weft__elsewhere(void)
{
    return wrong;
}

int weft__enoloop(void)
{
    return weft__loop && !weft__loop_id ? WEFT_EFORK : WEFT_ENOLOOP;
}
