/* SPDX-License-Identifier: MIT */
/*
 * libweftguard: who blocks a loop?
 *
 * The library defines the functions of libc that can block, and stands before it in the order in which
 * names are looked up. Each asks first what its thread is at; outside of a step it calls on, and that is
 * all. Within one it sees whether the call is going to wait: a lock is tried, a descriptor is polled, a
 * wait is made with a limit of 0. What would not wait is done by then, or is called on. What waits is
 * timed, and reported by who called it.
 *
 *     look: is it a step? -> will it wait? -> guard__begin() -> the real call -> guard__end()
 *
 * Between begin and end the thread is `inside`, and nothing it calls is looked at: libc's own calls, what
 * this library does, what a test does in weft_guard_before().
 *
 * Beside a sanitizer: its own functions come first, and find these as what they would call in libc. So
 * nothing here may confuse it: this library is built without it, and calls libc behind it.
 *
 * Signal handlers may interrupt all this. What they call within `inside` is not looked at; else they are a
 * part of the step. Theirs are told without names and lines, and so without malloc() (see where.c); all are
 * made under a lock that only `inside` takes.
 */
#include "tools/guard/guard.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum mode { REPORT, FAIL, ABORT, OFF };
enum { MOST_REMOTE = 16, DEFAULT_SLOW_US = 1000, MISUSE = 2 };

struct thread {
    unsigned inside;
    uint64_t since;       /* the poll in which that began; 0: in a step, or elsewhere */
    uint64_t poll;        /* the last one of which a wait was seen */
    const void *dispatch; /* the first wait in it: libevent's */
    void (*before)(void *arg, const char *call);
    void *before_arg;
};

atomic_bool guard__is_on;

static _Thread_local struct thread thread __attribute__((tls_model("initial-exec")));
static enum mode mode;                                 /* [const] after the library is loaded */
static int64_t slow_ns = DEFAULT_SLOW_US * 1000;       /* [const] the same */
static long remote[MOST_REMOTE];                       /* [const] the same */
static size_t remote_count;                            /* [const] the same */
static _Atomic(const struct weft__guard_table *) weft; /* released when it connects */
static pid_t process;                                  /* [const] but in a forked child */
static atomic_uint_fast64_t reported, allowed;         /* counters: relaxed */

/* ---- What would have been called ---- */

guard__fn *guard__find(_Atomic(guard__fn *) *slot, const char *name)
{
    guard__fn *found = atomic_load_explicit(slot, memory_order_relaxed); /* the same for all */
    if (found)
        return found;
    *(void **)(void *)&found = dlsym(RTLD_NEXT, name);
    if (!found) {
        guard__complain("weft guard: this C library has no %s()\n", name);
        abort();
    }
    atomic_store_explicit(slot, found, memory_order_relaxed);
    return found;
}

/* ---- weft ---- */

__attribute__((visibility("default"))) weft__guard_connect_fn weft__guard_connect;

void weft__guard_connect(const struct weft__guard_table *table)
{
    if (mode == OFF)
        return;
    if (table->version != WEFT__GUARD_VERSION) {
        guard__complain("weft guard: this libweftguard is for another version of weft\n");
        return;
    }
    atomic_store_explicit(&weft, table, memory_order_release);
    atomic_store_explicit(&guard__is_on, true, memory_order_relaxed);
}

const struct weft__guard_table *guard__weft(void)
{
    return atomic_load_explicit(&weft, memory_order_acquire);
}

static enum weft__guard_at at(uint64_t *ret_poll)
{
    const struct weft__guard_table *table = guard__weft();
    *ret_poll = 0;
    return table ? table->at(ret_poll) : WEFT__GUARD_OUTSIDE;
}

/* By a longjmp(), out of a handler that an alarm called, say: now there is another poll. No call that blocks
 * has one within it. */
static bool was_left(void)
{
    uint64_t poll;
    (void)at(&poll);
    return poll && poll != thread.since;
}

bool guard__watches_here(void)
{
    uint64_t poll;
    if (thread.inside && was_left())
        thread.inside = 0;
    if (thread.inside)
        return false;
    switch (at(&poll)) {
    case WEFT__GUARD_IN_STEP:
    case WEFT__GUARD_IN_POLL:
        return true;
    case WEFT__GUARD_OUTSIDE:
        return guard__watches_everything();
    case WEFT__GUARD_OWN_WAIT:
        break;
    }
    return false;
}

/* libevent waits once before it calls anybody back, and when nothing came, again. */
bool guard__is_dispatch(const void *what)
{
    uint64_t poll;
    (void)at(&poll);
    if (!poll)
        return false;
    if (thread.poll != poll) {
        thread.poll = poll;
        thread.dispatch = what;
    }
    return thread.dispatch == what;
}

/* ---- A call ---- */

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* How long this thread could have run and there was no CPU for it. By system calls: the functions are those
 * that are looked at. */
static int64_t delay(void)
{
    char text[96] = "";
    unsigned long long ran, waited = 0;
    long fd = syscall(SYS_openat, AT_FDCWD, "/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    long size = syscall(SYS_read, fd, text, sizeof(text) - 1);
    syscall(SYS_close, fd);
    return size > 0 && sscanf(text, "%llu %llu", &ran, &waited) == 2 ? (int64_t)waited : 0;
}

static void enter(void)
{
    if (thread.inside++ == 0)
        (void)at(&thread.since);
}

static void go_in(const char *name)
{
    enter();
    if (thread.before)
        thread.before(thread.before_arg, name);
}

struct guard__call guard__begin(const char *name, const char *instead)
{
    int error = errno;
    go_in(name);
    errno = error;
    return (struct guard__call){name, instead, now(), -1};
}

struct guard__call guard__begin_slow(const char *name, const char *instead)
{
    int error = errno;
    enter();
    struct guard__call call = {name, instead, 0, delay()};
    errno = error;
    call.began = now();
    return call;
}

void guard__drop(struct guard__call *call)
{
    (void)call;
    thread.inside -= thread.inside > 0;
}

bool guard__was_slow(const struct guard__call *call)
{
    int64_t took = now() - call->began;
    int error = errno;
    bool was_slow =
        took >= slow_ns && (slow_ns == 0 || took - (delay() - call->delayed) >= slow_ns);
    errno = error;
    return was_slow;
}

bool guard__is_over(clockid_t clock, const struct timespec *until)
{
    struct timespec time;
    if (until->tv_nsec < 0 || until->tv_nsec >= 1000000000 || clock_gettime(clock, &time) != 0)
        return true;
    return time.tv_sec > until->tv_sec ||
           (time.tv_sec == until->tv_sec && time.tv_nsec >= until->tv_nsec);
}

/* "server.c:40", of the await from which the step goes on. */
static void tell_await(const struct weft__guard_step *step, char *text, size_t size)
{
    text[0] = '\0';
    if (step->file && step->line > 0)
        snprintf(text, size, "%s:%d", step->file, step->line);
}

static void abort_if_first(bool is_first)
{
    if (mode != ABORT || !is_first)
        return;
    guard__print("weft guard: WEFT_GUARD=abort\n");
    abort();
}

static void report(const struct guard__call *call, const char *argument, int64_t took,
                   const struct guard__stack *stack)
{
    const struct weft__guard_table *table = guard__weft();
    struct weft__guard_step step = {0};
    struct guard__site site;
    char awaited_at[256];
    if (table)
        table->step(&step);
    tell_await(&step, awaited_at, sizeof(awaited_at));
    site.count = 0;
    for (size_t i = 0; i < stack->count && site.count < GUARD_CALLERS; i++)
        site.count += guard__look_up(stack, i, &site.at[site.count], GUARD_CALLERS - site.count);
    if (site.count == 0)
        site.at[0] = (struct guard__frame){.place = "?"};
    const struct weft_guard_report told = {
        .call = call->name,
        .argument = argument,
        .place = site.at[0].place,
        .function = site.at[0].function,
        .task = step.task ? step.task : "",
        .spawned_at = step.spawned_at ? step.spawned_at : "",
        .awaited_at = awaited_at,
        .instead = call->instead,
        .task_id = step.id,
        .took = took,
    };
    struct weft_guard_watch *watch = guard__innermost();
    if (watch) {
        guard__keep(watch, &told, stack->is_in_handler);
        return;
    }
    atomic_fetch_add_explicit(&reported, 1, memory_order_relaxed);
    abort_if_first(guard__tell(&told, &site, stack->count ? stack->address[0] : 0));
}

void guard__end(struct guard__call *call, const char *format, ...)
{
    int error = errno;
    int64_t took = now() - call->began;
    const struct weft__guard_table *table = guard__weft();
    char argument[256];
    struct guard__stack stack;
    va_list args;
    va_start(args, format);
    vsnprintf(argument, sizeof(argument), format, args);
    va_end(args);
    call->name = guard__unwind(&stack, call->name);
    if ((table && table->allowed()) || guard__is_allowed_caller(&stack))
        atomic_fetch_add_explicit(&allowed, 1, memory_order_relaxed);
    else
        report(call, argument, took, &stack);
    guard__drop(call);
    errno = error;
}

/* ---- For tests ---- */

#define PUBLIC __attribute__((visibility("default")))

PUBLIC void weft_guard_before(void (*fn)(void *arg, const char *call), void *arg)
{
    thread.before = fn;
    thread.before_arg = arg;
}

PUBLIC uint64_t weft_guard_reported(void)
{
    return atomic_load_explicit(&reported, memory_order_relaxed);
}

PUBLIC uint64_t weft_guard_allowed(void)
{
    return atomic_load_explicit(&allowed, memory_order_relaxed);
}

/* ---- Settings ---- */

bool guard__is_switched_off(void)
{
    return mode == OFF;
}

bool guard__is_remote(long file_system)
{
    for (size_t i = 0; i < remote_count; i++)
        if (remote[i] == file_system)
            return true;
    return false;
}

static void refuse(const char *name, const char *text, const char *wanted)
{
    guard__complain("weft guard: %s=%s: it must be %s\n", name, text, wanted);
    _exit(MISUSE);
}

static void read_mode(void)
{
    static const char *const names[] = {"report", "fail", "abort", "off"};
    const char *text = getenv("WEFT_GUARD");
    if (!text || !*text)
        return;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(text, names[i]) == 0) {
            mode = (enum mode)i;
            return;
        }
    }
    refuse("WEFT_GUARD", text, "report, fail, abort or off");
}

static void read_slow(void)
{
    const char *text = getenv("WEFT_GUARD_SLOW");
    char *end;
    if (!text || !*text)
        return;
    long long us = strtoll(text, &end, 10);
    if (*end || us < 0 || us > 1000000000)
        refuse("WEFT_GUARD_SLOW", text, "a number of microseconds, up to 1000000000");
    slow_ns = us * 1000;
}

static void read_remote(void)
{
    const char *text = getenv("WEFT_GUARD_REMOTE"), *at = text;
    while (at && *at) {
        char *end;
        long magic = (long)strtoul(at, &end, 16);
        if (end == at || (*end && *end != ',') || remote_count == MOST_REMOTE)
            refuse("WEFT_GUARD_REMOTE", text, "up to 16 numbers in hex, with commas between them");
        remote[remote_count++] = magic;
        at = *end ? end + 1 : end;
    }
}

/* ---- The end of the process ---- */

/* Not for a child of vfork(), which has our memory. */
static bool must_fail(int status)
{
    return mode == FAIL && status == 0 && weft_guard_reported() > 0 &&
           (pid_t)syscall(SYS_getpid) == process;
}

/* What is still to be done at the end is done by exit(), with the new status. */
static void at_exit(int status, void *arg)
{
    (void)arg;
    guard__tell_sum();
    if (!must_fail(status))
        return;
    guard__print("weft guard: WEFT_GUARD=fail: the exit status is %d, not 0\n",
                 WEFT_GUARD_EXIT_STATUS);
    exit(WEFT_GUARD_EXIT_STATUS);
}

GUARD_WRAPS void _exit(int status)
{
    syscall(SYS_exit_group, must_fail(status) ? WEFT_GUARD_EXIT_STATUS : status);
    __builtin_unreachable();
}

GUARD_WRAPS void _Exit(int status)
{
    _exit(status);
}

static void in_child(void)
{
    process = (pid_t)syscall(SYS_getpid);
    atomic_store_explicit(&reported, 0, memory_order_relaxed);
    atomic_store_explicit(&allowed, 0, memory_order_relaxed);
    guard__forget();
}

__attribute__((constructor)) static void load(void)
{
    guard__set_log(getenv("WEFT_GUARD_LOG"));
    read_mode();
    read_slow();
    read_remote();
    guard__read_allow_list(getenv("WEFT_GUARD_ALLOW"));
    if (mode == OFF)
        return;
    process = (pid_t)syscall(SYS_getpid);
    (void)pthread_atfork(NULL, NULL, in_child);
    (void)on_exit(at_exit, NULL);
}
