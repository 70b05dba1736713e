/* SPDX-License-Identifier: MIT */
/*
 * The watchdog: one thread for all loops of the process that want it. It sleeps for a quarter of the shortest
 * limit, a quarter of a second at most, and looks at everything that is listed (core/inspect/source.c).
 *
 *     OFF --the first loop--> ON --the last one goes--> ENDING --joined--> OFF
 *
 * Who comes while it ends waits, and starts a new one. While it looks at a loop or a pool that is pinned and
 * no lock is held: what it does then may take long (a file of debugging information is read, a handler of the
 * user's runs), and the end of that loop or pool waits for it.
 *
 * A handler may be replaced while it is called: `calls` counts these calls, and who replaces it, or closes the loop,
 * waits for 0. So its argument may go then.
 *
 * Fork: there is no watchdog in the child. A loop that goes on there starts one anew.
 *
 * Lock order: `mu` is taken last, and nothing is called while it is held but pthread_create().
 */
#include "core/inspect/watchdog.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cond.h"
#include "core/debug.h"
#include "core/inspect/inspect.h"
#include "core/inspect/lookout.h"
#include "core/inspect/peek.h"
#include "core/inspect/symbol.h"
#include "core/inspect/trace.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/sys.h"

#define DEFAULT_LIMIT WEFT_MS(100)
#define MOST_MS (24LL * 60 * 60 * 1000)
#define SHORTEST_PERIOD WEFT_MS(1)
#define LONGEST_PERIOD WEFT_MS(250)
enum { LOOKS_PER_LIMIT = 4, STACK_SIZE = 1 << 20 };

static struct weft__mutex mu = {PTHREAD_MUTEX_INITIALIZER};
static pthread_cond_t woken, called, ended; /* [mu] made by begin() */
static enum { OFF, ON, ENDING } state WEFT_GUARDED_BY(mu);
static pthread_t thread WEFT_GUARDED_BY(mu);
static struct weft__lookout *lookouts WEFT_GUARDED_BY(mu); /* newest first */
static struct weft_watchdog_stats stats WEFT_GUARDED_BY(mu);
static struct weft__allowance allowance WEFT_GUARDED_BY(mu);
static uint64_t left_out WEFT_GUARDED_BY(mu);               /* since the last report */
static enum weft_blocked_format format WEFT_GUARDED_BY(mu); /* of what is nobody's */
static atomic_bool looks_at_jobs; /* [atomic] relaxed: it is seen some time */

/* ---- The thread ---- */

static weft_ns period_locked(void) WEFT_REQUIRES(mu)
{
    weft_ns shortest = LONGEST_PERIOD * LOOKS_PER_LIMIT;
    for (const struct weft__lookout *at = lookouts; at; at = at->next)
        if (at->limit < shortest)
            shortest = at->limit;
    weft_ns period = shortest / LOOKS_PER_LIMIT;
    return period < SHORTEST_PERIOD ? SHORTEST_PERIOD : period;
}

static void look_at(void *arg, struct weft__source *source)
{
    const struct weft__round *round = arg;
    weft_loop *loop = weft__inspect_loop(source);
    if (loop && loop->lookout)
        weft__lookout_loop(loop, round);
    else if (source->ops->each_busy && atomic_load_explicit(&looks_at_jobs, memory_order_relaxed))
        weft__lookout_jobs(source, round);
}

/* Sleep for a period, which begins anew when it changes. False: it ends. */
static bool sleep_locked(struct weft__round *ret) WEFT_REQUIRES(mu)
{
    weft_ns planned;
    int status;
    do {
        ret->period = period_locked();
        planned = weft__real_after(ret->period);
        status = weft__cond_wait_until(&woken, &mu, planned);
    } while (status != ETIMEDOUT && state == ON);
    ret->began = weft__real_after(0);
    ret->late = ret->began - planned;
    stats.rounds++;
    return state == ON;
}

static void *watch(void *arg)
{
    struct weft__round round;
    (void)arg;
    pthread_setname_np(pthread_self(), "weft-watchdog");
    weft__mutex_lock(&mu);
    while (state == ON && sleep_locked(&round)) {
        weft__mutex_unlock(&mu);
        weft__sources_each(look_at, &round);
        weft__lookout_jobs_end();
        weft__mutex_lock(&mu);
    }
    weft__mutex_unlock(&mu);
    weft__lookout_forget_jobs();
    return NULL;
}

/* 0 or an error number. */
static int start_locked(void) WEFT_REQUIRES(mu)
{
    pthread_attr_t attributes;
    sigset_t old;
    int error = pthread_attr_init(&attributes);
    if (error)
        return error;
    error = pthread_attr_setstacksize(&attributes, STACK_SIZE);
    if (!error) {
        state = ON;
        (void)weft__symbols_prepare();
        weft__thread_begin_own(); /* from the moment on at which it can be seen */
        weft__block_signals(&old);
        error = weft__sys.pthread_create(&thread, &attributes, watch, NULL);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
    }
    if (error && state == ON) {
        weft__thread_end_own();
        state = OFF;
    }
    pthread_attr_destroy(&attributes);
    return error;
}

static void forget_locked(void) WEFT_REQUIRES(mu)
{
    memset(&stats, 0, sizeof(stats));
    memset(&allowance, 0, sizeof(allowance));
    left_out = 0;
}

static void end_locked(void) WEFT_REQUIRES(mu)
{
    pthread_t ending = thread;
    state = ENDING;
    pthread_cond_signal(&woken);
    weft__mutex_unlock(&mu);
    pthread_join(ending, NULL);
    weft__thread_end_own();
    weft__blocked_forget();
    weft__mutex_lock(&mu);
    forget_locked();
    state = OFF;
    pthread_cond_broadcast(&ended);
}

/* ---- Fork ---- */

static void before_fork(void) WEFT_NO_THREAD_SAFETY_ANALYSIS
{
    weft__mutex_lock(&mu);
}

static void in_parent(void) WEFT_NO_THREAD_SAFETY_ANALYSIS
{
    weft__mutex_unlock(&mu);
}

static bool make_conditions(void)
{
    return weft__cond_init(&woken) == 0 && weft__cond_init(&called) == 0 &&
           weft__cond_init(&ended) == 0;
}

static void in_child(void) WEFT_NO_THREAD_SAFETY_ANALYSIS
{
    state = OFF;
    lookouts = NULL;
    (void)make_conditions(); /* glibc's needs no memory */
    forget_locked();
    weft__lookout_abandon_jobs();
    weft__mutex_unlock(&mu);
}

static bool is_ready;

static void get_ready(void)
{
    is_ready = make_conditions() && pthread_atfork(before_fork, in_parent, in_child) == 0;
}

/* ---- Switching it on ---- */

static void complain_once(const char *text, const char *about)
{
    static atomic_bool has_complained;
    if (!atomic_exchange_explicit(&has_complained, true, memory_order_relaxed))
        fprintf(stderr, "weft: %s: %s\n", text, about);
}

/* WEFT_WATCHDOG; negative: it is not set. */
static weft_ns limit_of_environment(void)
{
    const char *text = getenv("WEFT_WATCHDOG");
    char *end;
    if (!text || !*text)
        return -1;
    errno = 0;
    long long ms = strtoll(text, &end, 10);
    if (*end || errno || ms < 0 || ms > MOST_MS) {
        complain_once("WEFT_WATCHDOG is no number of milliseconds from 0 to a day, 100 are taken",
                      text);
        return DEFAULT_LIMIT;
    }
    return WEFT_MS(ms);
}

static enum weft_blocked_format format_of_environment(void)
{
    const char *text = getenv("WEFT_WATCHDOG_FORMAT");
    if (text && strcmp(text, "json") == 0)
        return WEFT_BLOCKED_JSON;
    if (text && *text && strcmp(text, "text") != 0)
        complain_once("WEFT_WATCHDOG_FORMAT is neither text nor json, text is taken", text);
    return WEFT_BLOCKED_TEXT;
}

/* 0: it is not wanted. */
static weft_ns limit_of(const weft_loop *loop, const struct weft_loop_options *options)
{
    if (options && options->watchdog)
        return options->watchdog > 0 ? options->watchdog : 0;
    weft_ns limit = limit_of_environment();
    if (limit >= 0)
        return limit;
    return loop->debug ? loop->debug->slow_step : 0;
}

static int join(struct weft__lookout *lookout)
{
    weft__mutex_lock(&mu);
    while (state == ENDING)
        pthread_cond_wait(&ended, &mu.mutex);
    int error = state == OFF ? start_locked() : 0;
    if (!error) {
        lookout->next = lookouts;
        lookout->at = &lookouts;
        if (lookouts)
            lookouts->at = &lookout->next;
        lookouts = lookout;
        format = lookout->format; /* of the environment: the thread does not look into it itself */
        pthread_cond_signal(&woken);
    }
    weft__mutex_unlock(&mu);
    return -error;
}

static int watch_loop(weft_loop *loop, weft_ns limit)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    char byte;
    pthread_once(&once, get_ready);
    if (!is_ready)
        return -ENOMEM;
    if (!weft__peek(&byte, &is_ready, 1))
        return -EPERM;
    struct weft__lookout *lookout = weft__calloc(1, sizeof(*lookout));
    if (!lookout)
        return -ENOMEM;
    lookout->generation = weft__generation;
    lookout->loop_id = loop->id;
    lookout->limit = limit;
    lookout->format = format_of_environment();
    lookout->is_end_told = loop->debug && loop->debug->slow_step <= limit;
    lookout->has_epoll = strcmp(event_base_get_method(loop->base), "epoll") == 0;
    lookout->epoll_fd = -1;
    int status = join(lookout);
    if (status == 0)
        loop->lookout = lookout;
    else
        weft__free(lookout);
    return status;
}

int weft__watchdog_open(weft_loop *loop, const struct weft_loop_options *options)
{
    weft_ns limit = limit_of(loop, options);
    int status = limit ? watch_loop(loop, limit) : 0;
    if (status == 0 || status == -ENOMEM || (options && options->watchdog > 0))
        return status;
    complain_once("there is no watchdog", weft_strerror(status));
    return 0;
}

static void leave_locked(struct weft__lookout *lookout) WEFT_REQUIRES(mu)
{
    while (lookout->calls > 0)
        pthread_cond_wait(&called, &mu.mutex);
    *lookout->at = lookout->next;
    if (lookout->next)
        lookout->next->at = lookout->at;
    if (!lookouts)
        end_locked();
}

void weft__watchdog_close(weft_loop *loop)
{
    struct weft__lookout *lookout = loop->lookout;
    if (!lookout)
        return;
    loop->lookout = NULL;
    if (lookout->generation == weft__generation) {
        weft__mutex_lock(&mu);
        leave_locked(lookout);
        weft__mutex_unlock(&mu);
    }
    weft__blocked_free(lookout->told);
    weft__free(lookout);
}

int weft__watchdog_after_fork(weft_loop *loop)
{
    struct weft__lookout *old = loop->lookout;
    if (!old)
        return 0;
    loop->lookout = NULL;
    int status = watch_loop(loop, old->limit);
    if (status < 0 || !loop->lookout) {
        loop->lookout = old;
        return status;
    }
    loop->lookout->format = old->format;
    loop->lookout->fn = old->fn;
    loop->lookout->arg = old->arg;
    weft__blocked_free(old->told);
    weft__free(old);
    return 0;
}

void weft__watchdog_looks_at_jobs(void)
{
    atomic_store_explicit(&looks_at_jobs, true, memory_order_relaxed);
}

/* ---- Telling ---- */

struct weft__sight weft__sight_of(pid_t tid, const struct weft__sight *last,
                                  const struct weft__round *round, weft_ns late,
                                  struct weft__thread_state *ret_state)
{
    struct weft__sight sight = {.waited = -1};
    if (weft__thread_state_read(tid, ret_state) == 0) {
        sight.ran = ret_state->ran;
        sight.waited = ret_state->waited;
        sight.slices = ret_state->slices;
        sight.wants_to_run = ret_state->state == 'R';
    } else {
        *ret_state = (struct weft__thread_state){.state = 'S', .syscall_nr = WEFT__SYSCALL_UNKNOWN};
        sight = last ? *last : sight;
        sight.wants_to_run = false;
    }
    sight.now = weft__real_after(0);
    sight.period = round->period;
    sight.late = late;
    return sight;
}

bool weft__watchdog_may_report(weft_ns now, bool *is_left_out)
{
    weft__mutex_lock(&mu);
    bool may = weft__allowance_take(&allowance, now);
    if (!may && !*is_left_out) {
        stats.left_out++;
        left_out++;
        *is_left_out = true;
    }
    weft__mutex_unlock(&mu);
    return may;
}

void weft__watchdog_excuses(void)
{
    weft__mutex_lock(&mu);
    stats.excused++;
    weft__mutex_unlock(&mu);
}

static struct weft__lookout *find_locked(uint32_t loop_id) WEFT_REQUIRES(mu)
{
    struct weft__lookout *at = lookouts;
    while (at && at->loop_id != loop_id)
        at = at->next;
    return at;
}

/* Debug mode tells that it is over. */
static bool is_told_already(const struct weft__lookout *to,
                            const struct weft_blocked_report *report)
{
    return to && to->is_end_told && !to->fn && report->stage == WEFT_BLOCKED_OVER &&
           report->kind == WEFT_BLOCKED_LOOP;
}

/* By function: of these there are not too many, as there may be of tasks' names. */
static void trace(const struct weft_blocked_report *report)
{
    if (report->stage != WEFT_BLOCKED_OVER)
        weft__trace_blocked(report->tid, report->lasts,
                            report->function ? report->function : report->what);
}

/* Whoever hears of this loop; what is nobody's is printed. */
void weft__watchdog_tell(uint32_t loop_id, struct weft__blocked *blocked)
{
    struct weft_blocked_report *report = &blocked->report;
    trace(report);
    weft__mutex_lock(&mu);
    struct weft__lookout *to = find_locked(loop_id);
    enum weft_blocked_format as = to ? to->format : format;
    bool is_silent = is_told_already(to, report);
    report->left_out = is_silent ? 0 : left_out;
    left_out -= report->left_out;
    stats.blocks += report->stage == WEFT_BLOCKED_FOUND;
    if (to)
        to->calls++;
    weft__mutex_unlock(&mu);
    if (to && to->fn)
        to->fn(report, to->arg);
    else if (!is_silent)
        weft__blocked_print(report, as);
    weft__blocked_keep(report);
    if (!to)
        return;
    weft__mutex_lock(&mu);
    to->calls--;
    pthread_cond_broadcast(&called);
    weft__mutex_unlock(&mu);
}

/* ---- For users ---- */

void weft_loop_set_block_handler(weft_loop *loop, weft_blocked_fn *fn, void *arg)
{
    if (WEFT__ELSEWHERE(loop->id) || !loop->lookout)
        return;
    weft__mutex_lock(&mu);
    while (loop->lookout->calls > 0)
        pthread_cond_wait(&called, &mu.mutex);
    loop->lookout->fn = fn;
    loop->lookout->arg = arg;
    weft__mutex_unlock(&mu);
}

void weft_watchdog_get_stats(struct weft_watchdog_stats *ret)
{
    weft__mutex_lock(&mu);
    *ret = stats;
    weft__mutex_unlock(&mu);
}
