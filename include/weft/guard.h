/* SPDX-License-Identifier: MIT */
/**
 * libweftguard: names every call that blocks a loop.
 *
 * Link it into your tests (CMake: weft::guard; pkg-config: weft_guard), or put it into LD_PRELOAD. Then each
 * call of the C library that makes a loop's thread wait, made within a step of a task or in a callback, is
 * reported: the call and what it was called with, how long it took, where, in which task, and what
 * to use instead.
 *
 *     weft guard: usleep(10000 us) blocked the loop for 10.1 ms at server.c:42 in reply, task "serve" …
 *
 * A call that would have been able to block and did not (a descriptor that was ready, a lock that nobody
 * held) is not reported, nor is one in WEFT_ALLOW_BLOCKING. The environment says what a report does:
 *
 *     WEFT_GUARD=report|fail|abort|off    a line for each place (the default); and a process that would end
 *                                         with 0 ends with WEFT_GUARD_EXIT_STATUS; and abort() at the first
 *                                         one; nothing is looked for
 *     WEFT_GUARD_ALLOW=CALLER,CALLER …    who may block: see weft_guard_allow()
 *     WEFT_GUARD_LOG=PATH                 lines go to the file PATH.PID, and not to stderr
 *     WEFT_GUARD_SLOW=MICROSECONDS        calls on files are reported from here on; 1000 if it is not set
 *     WEFT_GUARD_REMOTE=MAGIC,MAGIC …     file systems that are looked at like NFS: f_type of statfs(), in hex
 *
 * What follows is for tests that ask for more, and only where the library is linked.
 */
#ifndef WEFT_GUARD_H
#define WEFT_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/macros.h>
#include <weft/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/** With WEFT_GUARD=fail, of a process with reports that would have ended with 0. */
enum { WEFT_GUARD_EXIT_STATUS = 88 };

/** A call that blocked. Texts are never NULL; "" is "not known", or "there is none". */
struct weft_guard_report {
    const char *call;     /* "read" */
    const char *argument; /* "fd 7: pipe:[4711]" */
    const char
        *place; /* "server.c:42"; without debugging information "server+0x1a2b", for addr2line */
    const char *function;   /* that this is in */
    const char *task;       /* its name; "" in a callback */
    const char *spawned_at; /* "file:line" */
    const char *awaited_at; /* "file:line" of the await from which the step went on */
    const char *instead;    /* what to use: "weft_read()" */
    uint64_t task_id;
    weft_ns took;
};

/* ---- In a test: this must block nothing, this must be caught ---- */

/** What a watch is about. */
enum weft_guard_range {
    WEFT_GUARD_STEPS, /* steps of tasks and callbacks of this thread's loop, as ever */
    WEFT_GUARD_EVERYTHING /* all that this thread does, with or without a loop; but not that a loop sleeps */
};

typedef struct weft_guard_watch weft_guard_watch;

/**
 * From now on what blocks this thread is kept here: it is not printed, and no failure.
 *
 * Watches nest; the innermost one keeps it.
 *
 * Thread:    any.
 * Ownership: weft_guard_watch_end() frees it.
 * Errors:    NULL: out of memory.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_guard_watch *weft_guard_watch_begin(enum weft_guard_range range);

/** How many calls blocked so far. Thread: that which began it. Since: 0.1 */
WEFT_PUBLIC size_t weft_guard_watch_count(const weft_guard_watch *watch);

/** How many of these were calls of `call` ("read"). Thread: that which began it. Since: 0.1 */
WEFT_PUBLIC size_t weft_guard_watch_count_of(const weft_guard_watch *watch, const char *call);

/**
 * The first calls that blocked, from index 0 on. Of more than 64, of those for which there was no memory, and of
 * those in a signal handler only the number is kept.
 *
 * Thread:    that which began it.
 * Ownership: texts are the watch's.
 * Errors:    false: there is none, and `ret` is untouched.
 * Since:     0.1
 */
WEFT_PUBLIC bool weft_guard_watch_get(const weft_guard_watch *watch, size_t index,
                                      struct weft_guard_report *ret);

/** End it; NULL is nothing. Those within it go on. Thread: that which began it. Since: 0.1 */
WEFT_PUBLIC void weft_guard_watch_end(weft_guard_watch *watch);

/**
 * The block that follows must block nothing; if it did, what and where is printed, and the process
 * aborts.
 *
 *     WEFT_GUARD_MUST_NOT_BLOCK(WEFT_GUARD_EVERYTHING) {
 *         parse(&request);
 *     }
 *
 * Thread:    any. Not around an await.
 * Since:     0.1
 */
#define WEFT_GUARD_MUST_NOT_BLOCK(range) \
    WEFT__GUARD_CHECK(range, NULL, WEFT__GUARD_JOINED(weft__guard_check_, __LINE__))

/** The block that follows must be caught at a call of `call` at least; else the process aborts, and says so.
 * Thread: any. Not around an await. Since: 0.1 */
#define WEFT_GUARD_MUST_CATCH(range, call) \
    WEFT__GUARD_CHECK(range, call, WEFT__GUARD_JOINED(weft__guard_check_, __LINE__))

/**
 * Call `fn(arg, call)` before each call that is going to block this thread: a test can then bring about what
 * the call waits for. NULL: no more.
 *
 * Thread:    any; for this thread only, where `fn` is called.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_guard_before(void (*fn)(void *arg, const char *call), void *arg);

/* ---- For the process ---- */

/**
 * Allow who is called so to block: a pattern of fnmatch() for a function, a file ("config.c"), a line of
 * one ("config.c:12") or a library ("libkrb5.so*"). Anybody who is on the stack between the step and the call
 * counts. Names of static functions, files and lines need debugging information.
 *
 * Thread:    any.
 * Ownership: copied.
 * Errors:    0; -EINVAL: it is empty or longer than 127 bytes; -ENOSPC: there are 64 already.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK int weft_guard_allow(const char *caller);

/** Calls that were reported, those that a watch kept not counted. Thread: any. Since: 0.1 */
WEFT_PUBLIC uint64_t weft_guard_reported(void);

/** Calls that blocked and were allowed to: by WEFT_ALLOW_BLOCKING, or by their caller. Thread: any. Since: 0.1 */
WEFT_PUBLIC uint64_t weft_guard_allowed(void);

/* ---- What the macros expand to; nothing below is for direct use. ---- */

struct weft__guard_check {
    weft_guard_watch *watch;
    const char *call, *place;
    bool begun;
};

WEFT_PUBLIC bool weft__guard_check_begin(struct weft__guard_check *check,
                                         enum weft_guard_range range, const char *call,
                                         const char *place);
WEFT_PUBLIC void weft__guard_check_end(struct weft__guard_check *check);

#define WEFT__GUARD_JOINED_(a, b) a##b
#define WEFT__GUARD_JOINED(a, b) WEFT__GUARD_JOINED_(a, b)
#define WEFT__GUARD_CHECK(range, name, check)                                   \
    for (struct weft__guard_check check WEFT_ATTRIBUTE(                         \
             (__cleanup__(weft__guard_check_end))) = {NULL, NULL, NULL, false}; \
         weft__guard_check_begin(&check, (range), (name), WEFT__HERE);          \
         weft__guard_check_end(&check))

#ifdef __cplusplus
}
#endif

#endif
