/* SPDX-License-Identifier: MIT */
/*
 * The table of signals: who hears which, for all loops of the process.
 *
 *     no entry --first hearer or fallback--> installed: weft's handler, `before` kept
 *     installed --last one gone, or the fallback's second signal--> no entry: `before` restored
 *
 * The handler may interrupt any thread anywhere, so it takes no lock and calls nothing but
 * weft__mailbox_put(), which is made for it, and sigaction(), raise() and getpid(), which POSIX
 * allows. It walks a singly linked list that is changed under `table_mutex` by other threads:
 *
 *   - a hearer is added by one store at the end, when all its fields are written;
 *   - it is taken out by one store to what points to it, and keeps its own link, so that a handler
 *     which stands on it walks on;
 *   - before its memory may go, quiesce() waits until `handlers`, the number of handlers that run,
 *     was 0 once. A handler counts itself before it reads the list. All these accesses are
 *     sequentially consistent, so they have one order: a handler which is not among those that were
 *     waited for has counted itself later, and then reads a list without the hearer.
 *
 * A thread that waits there, or holds the mutex, may itself be interrupted by the handler, which
 * waits for nobody and so returns.
 *
 * A hearer's item is in the mailbox at most once: the handler that turns `noted` to true puts it,
 * the loop turns it to false before it takes the count. What arrives after that puts it again; what
 * arrived before is in the count that is then taken. So nothing is lost, and nothing is allocated.
 *
 * A child of fork() has the handlers and the parent's wakeup pipe. There the handler does as if
 * weft were not there, until somebody uses the table: adopt(). Then the child has one thread, and
 * whoever held the mutex or was in a handler is not there. The parent's loops mean nothing in the
 * child unless it goes on with them: so whoever hears there is set aside, the handlers from before
 * come back, and weft__signal_after_fork() takes in again who belongs to a loop that goes on.
 */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "core/mutex.h"
#include "core/signal.h"
#include "core/thread.h"

enum { SIGNALS = 65 }; /* 1 … 64 */

/* `before` is [const] while it is installed; the rest is written under table_mutex. */
static struct entry {
    _Atomic(weft__hearer *) first;      /* [atomic] see above; oldest first */
    _Atomic(weft__fallback *) fallback; /* [atomic] taken by exchange: by a handler or by its end */
    atomic_bool falls_back;             /* [atomic] somebody is the fallback, taken or not */
    bool installed;                     /* [table_mutex] */
    struct sigaction before;
    /* Of the process that forked this one, by loops that have not gone on here. */
    _Atomic(weft__hearer *) inherited;  /* [table_mutex] oldest first */
    weft__fallback *inherited_fallback; /* [table_mutex] */
} table[SIGNALS];

static pthread_mutex_t table_mutex = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint handlers; /* [atomic] how many run; see above */
static atomic_int owner;     /* [atomic] the process that the handlers are for */
static unsigned generation;  /* [const] but in a new child: its weft__generation */

/* ---- In the handler ---- */

static void note(weft__hearer *hearer)
{
    atomic_fetch_add(&hearer->arrived, 1);
    if (!atomic_exchange(&hearer->noted, true) &&
        !weft__mailbox_put(hearer->mailbox, &hearer->item))
        atomic_store(&hearer->noted, false); /* the loop is gone */
}

static bool note_all(struct entry *entry)
{
    weft__hearer *hearer = atomic_load(&entry->first);
    bool any = hearer;
    for (; hearer; hearer = atomic_load(&hearer->next))
        note(hearer);
    return any;
}

static void as_before(const struct entry *entry, int signum)
{
    sigaction(signum, &entry->before, NULL);
    raise(signum);
}

static void fall_back(struct entry *entry, int signum)
{
    weft__fallback *fallback = atomic_exchange(&entry->fallback, NULL);
    if (!fallback || !weft__mailbox_put(fallback->mailbox, &fallback->item))
        as_before(entry, signum);
}

/* With neither, the last hearer has just gone: the signal came while it was still there. */
static void handle(int signum)
{
    int saved = errno;
    struct entry *entry = &table[signum];
    atomic_fetch_add(&handlers, 1);
    if (getpid() != atomic_load(&owner))
        as_before(entry, signum);
    else if (!note_all(entry) && atomic_load(&entry->falls_back))
        fall_back(entry, signum);
    atomic_fetch_sub(&handlers, 1);
    errno = saved;
}

/* ---- Installing; under table_mutex ---- */

static bool is_ours(const struct sigaction *action)
{
    return !(action->sa_flags & SA_SIGINFO) && action->sa_handler == handle;
}

static int install(struct entry *entry, int signum)
{
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART | SA_ONSTACK};
    if (entry->installed)
        return 0;
    sigemptyset(&action.sa_mask);
    if (sigaction(signum, NULL, &entry->before) < 0)
        return -errno;
    atomic_store(&owner, getpid());
    if (sigaction(signum, &action, NULL) < 0)
        return -errno;
    entry->installed = true;
    return 0;
}

static void quiesce(void)
{
    while (atomic_load(&handlers) > 0)
        sched_yield();
}

/* Restored first: what comes while the list is already empty would meet nobody. */
static void uninstall(struct entry *entry, int signum)
{
    struct sigaction now;
    if (sigaction(signum, NULL, &now) == 0 && is_ours(&now))
        sigaction(signum, &entry->before, NULL);
    entry->installed = false;
}

/* What points to a hearer; NULL: the end of the list. */
static _Atomic(weft__hearer *) *link_to(_Atomic(weft__hearer *) *link, const weft__hearer *hearer)
{
    while (atomic_load(link) != hearer)
        link = &atomic_load(link)->next;
    return link;
}

static void set_aside(struct entry *entry, int signum)
{
    if (!entry->installed)
        return;
    uninstall(entry, signum);
    atomic_store(link_to(&entry->inherited, NULL), atomic_load(&entry->first));
    atomic_store(&entry->first, NULL);
    atomic_store(&entry->falls_back, false);
    entry->inherited_fallback = atomic_exchange(&entry->fallback, NULL);
}

static void adopt(void)
{
    if (generation == weft__generation)
        return;
    generation = weft__generation;
    pthread_mutex_init(&table_mutex, NULL);
    atomic_store(&handlers, 0);
    for (int signum = 1; signum < SIGNALS; signum++)
        set_aside(&table[signum], signum);
    atomic_store(&owner, getpid());
}

static void lock(void)
{
    adopt();
    weft__lock(&table_mutex);
}

static bool is_used_by_others(struct entry *entry, const weft__hearer *hearer)
{
    const weft__hearer *first = atomic_load(&entry->first);
    return first != hearer || (hearer && atomic_load(&hearer->next));
}

/* ---- Hearers ---- */

static void run(weft__item *item)
{
    weft__hearer *hearer = WEFT__CONTAINER(item, weft__hearer, item);
    if (hearer->ended) {
        hearer->heard(hearer, 0);
        return;
    }
    atomic_store(&hearer->noted, false);
    uint64_t count = atomic_exchange(&hearer->arrived, 0);
    if (count)
        hearer->heard(hearer, count);
}

static bool can_be_heard(int signum)
{
    if (signum <= 0 || signum >= SIGNALS)
        return false;
    return signum != SIGKILL && signum != SIGSTOP && signum != SIGSEGV && signum != SIGBUS &&
           signum != SIGFPE && signum != SIGILL && signum != SIGTRAP && signum != SIGSYS;
}

static int add(struct entry *entry, weft__hearer *hearer)
{
    atomic_store(&hearer->next, NULL);
    _Atomic(weft__hearer *) *link = link_to(&entry->first, NULL);
    atomic_store(link, hearer);
    int status = install(entry, hearer->signum);
    if (status < 0)
        atomic_store(link, NULL); /* it was the first one, and no handler was there to see it */
    return status;
}

int weft__signal_hear(weft__hearer *hearer)
{
    if (!can_be_heard(hearer->signum))
        return -EINVAL;
    hearer->item.run = run;
    lock();
    int status = add(&table[hearer->signum], hearer);
    pthread_mutex_unlock(&table_mutex);
    return status;
}

bool weft__signal_ignore(weft__hearer *hearer)
{
    struct entry *entry = &table[hearer->signum];
    lock();
    if (!is_used_by_others(entry, hearer) && !atomic_load(&entry->falls_back))
        uninstall(entry, hearer->signum);
    atomic_store(link_to(&entry->first, hearer), atomic_load(&hearer->next));
    quiesce();
    pthread_mutex_unlock(&table_mutex);
    hearer->ended = true;
    return !atomic_load(&hearer->noted);
}

/* ---- The fallback ---- */

static bool is_default(const struct entry *entry, int signum)
{
    struct sigaction now;
    const struct sigaction *meaning = entry->installed ? &entry->before : &now;
    return sigaction(signum, NULL, &now) == 0 && !(meaning->sa_flags & SA_SIGINFO) &&
           meaning->sa_handler == SIG_DFL;
}

bool weft__signal_is_default(int signum)
{
    lock();
    bool result = is_default(&table[signum], signum);
    pthread_mutex_unlock(&table_mutex);
    return result;
}

static bool become_fallback(struct entry *entry, int signum, weft__fallback *fallback)
{
    if (atomic_load(&entry->falls_back) || !is_default(entry, signum))
        return false;
    atomic_store(&entry->fallback, fallback);
    atomic_store(&entry->falls_back, true);
    return install(entry, signum) == 0;
}

bool weft__signal_fall_back(int signum, weft__fallback *fallback)
{
    lock();
    bool done = become_fallback(&table[signum], signum, fallback);
    pthread_mutex_unlock(&table_mutex);
    return done;
}

void weft__signal_end_fallback(int signum, const weft__fallback *fallback)
{
    struct entry *entry = &table[signum];
    lock();
    if (entry->inherited_fallback == fallback) {
        entry->inherited_fallback = NULL;
    } else {
        if (!is_used_by_others(entry, NULL))
            uninstall(entry, signum);
        atomic_store(&entry->falls_back, false);
        atomic_store(&entry->fallback, NULL);
        quiesce();
    }
    pthread_mutex_unlock(&table_mutex);
}

/* ---- In a forked child ---- */

static void go_on(struct entry *entry, int signum, const weft__mailbox *mailbox)
{
    weft__fallback *fallback = entry->inherited_fallback;
    _Atomic(weft__hearer *) *link = &entry->inherited;
    for (weft__hearer *hearer; (hearer = atomic_load(link));) {
        if (hearer->mailbox != mailbox) {
            link = &hearer->next;
            continue;
        }
        atomic_store(link, atomic_load(&hearer->next));
        (void)add(entry, hearer); /* it was installed before */
    }
    if (!fallback || fallback->mailbox != mailbox)
        return;
    entry->inherited_fallback = NULL;
    (void)become_fallback(entry, signum, fallback);
}

void weft__signal_after_fork(const weft__mailbox *mailbox)
{
    lock();
    for (int signum = 1; signum < SIGNALS; signum++)
        go_on(&table[signum], signum, mailbox);
    pthread_mutex_unlock(&table_mutex);
}
