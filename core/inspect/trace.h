/* SPDX-License-Identifier: MIT */
/*
 * Tracing, from the inside: what happens on which thread, and when. See core/inspect/trace.c; what users see
 * is in <weft/trace.h>, how a trace is written in core/inspect/trace_json.c.
 *
 * Who has something to record asks first whether anybody listens, which is one load:
 *
 *     if (weft__trace_is_on())
 *         weft__trace_record(WEFT__TRACE_WAKE, 0, 0, id, "loop");
 */
#ifndef WEFT_CORE_INSPECT_TRACE_H
#define WEFT_CORE_INSPECT_TRACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <weft/loop.h>
#include <weft/task.h>
#include <weft/time.h>

#include "core/inspect/hooks.h"
#include "core/inspect/trace_ring.h"
#include "core/ready.h"

struct weft__coro;
struct weft__text;

/**
 * What is recorded, with what a record's `small`, `number`, `id` and `name` are. Names are static. What
 * begins has its end on the same thread; these nest.
 */
enum weft__trace_kind {
    WEFT__TRACE_STEP,      /* line from which, task's id, coroutine, its weft_coroutine */
    WEFT__TRACE_STEP_END,  /* line of the await, weft__trace_how, coroutine, what is awaited */
    WEFT__TRACE_BORN,      /* behind the first STEP: -, parent's id, coroutine, "file:line" */
    WEFT__TRACE_READY,     /* a coroutine was queued: -, task's id, coroutine, - */
    WEFT__TRACE_ITEM,      /* a callback on the loop: 1 if it is the user's, -, function, - */
    WEFT__TRACE_ITEM_END,  /* -, -, -, - */
    WEFT__TRACE_POLL,      /* -, -, -, - */
    WEFT__TRACE_POLL_END,  /* -, events, -, - */
    WEFT__TRACE_COUNTS,    /* -, loop's id, tasks << 32 | ready, jobs */
    WEFT__TRACE_SUBMIT,    /* lane, task's id, job, its name */
    WEFT__TRACE_JOB,       /* lane, -, job, its name */
    WEFT__TRACE_JOB_END,   /* -, status, job, its name */
    WEFT__TRACE_HOME,      /* the loop has heard: -, status, job, its name */
    WEFT__TRACE_WAKE,      /* a thread is woken: -, -, whom, what that is */
    WEFT__TRACE_WOKEN,     /* -, -, whom, what that is */
    WEFT__TRACE_BLOCKED,   /* a loop or a job is: its name, ms, thread, - */
    WEFT__TRACE_MARK,      /* the user's: -, -, value, name */
    WEFT__TRACE_COUNTER,   /* -, -, value, name */
    WEFT__TRACE_SLICE,     /* -, -, -, name */
    WEFT__TRACE_SLICE_END, /* -, -, -, name */
    WEFT__TRACE_KINDS
};

/** How a step ends. */
enum weft__trace_how { WEFT__TRACE_ENDS, WEFT__TRACE_YIELDS, WEFT__TRACE_AWAITS };

enum { WEFT__TRACE_MOST_SMALL = (1 << 24) - 1, WEFT__TRACE_FINALLY = WEFT__TRACE_MOST_SMALL };

static inline uint64_t weft__trace_what(enum weft__trace_kind kind, uint32_t small, uint32_t number)
{
    if (small > WEFT__TRACE_MOST_SMALL)
        small = WEFT__TRACE_MOST_SMALL;
    return (uint64_t)number << 32 | (uint64_t)small << 8 | (unsigned)kind;
}

/** [atomic] the number of the trace that goes on, 0: none. Relaxed: who finds a new number takes the lock. */
extern _Atomic unsigned weft__trace_session;

static inline bool weft__trace_is_on(void)
{
    return WEFT__HOOKED(atomic_load_explicit(&weft__trace_session, memory_order_relaxed) != 0);
}

/** Record; nothing is if no trace goes on. Thread: any. */
void weft__trace_record(enum weft__trace_kind kind, uint32_t small, uint32_t number, uint64_t id,
                        const void *name);

/** The same, if this thread has recorded something already: takes no lock. errno stays, for signal
 * handlers. */
void weft__trace_record_here(enum weft__trace_kind kind, uint32_t small, uint32_t number,
                             uint64_t id, const void *name);

/** A number for a name that may go: the same one for the same text. 0: there are too many. Thread: any. */
uint32_t weft__trace_intern(const char *name);

/* ---- Beginning and ending; Thread: any ---- */

/** Begin a trace of all threads; what an earlier one has is dropped. 0, -EALREADY or -ENOMEM. */
int weft__trace_start(void);

/** With so many records for each thread, a power of two. */
int weft__trace_start_with(uint64_t records);

/** End it; what was recorded is kept. 0 or -EALREADY. */
int weft__trace_stop(void);

/** End it, and drop what was recorded. */
void weft__trace_discard(void);

/** Write what was recorded so far, as JSON in Chrome's trace-event format. 0, or -ENOMEM or -EMSGSIZE, as
 * `to` has it. -ENODATA: there was no trace. */
int weft__trace_write(struct weft__text *to);

/* ---- What a trace is written from ---- */

/** A thread that was traced. */
struct weft__trace_thread {
    pid_t tid;
    char name[16];
    struct weft__trace_record *records; /* oldest first */
    size_t count;
    uint64_t lost; /* that were overwritten */
};

/** A copy of it all. */
struct weft__trace_copy {
    struct weft__trace_thread *threads;
    size_t count;
    uint64_t unheard; /* threads of which nothing is kept */
    weft_ns now;
};

/** Free it by weft__trace_copy_fini(). 0, -ENOMEM or -ENODATA. */
int weft__trace_copy(struct weft__trace_copy *ret);
void weft__trace_copy_fini(struct weft__trace_copy *copy);

/** The text of a number; never freed. "?" for 0. */
const char *weft__trace_interned(uint32_t number);

/* ---- A loop's side: core/inspect/trace_loop.c; Thread: loop ---- */

/** See whether a trace goes on. */
void weft__trace_sync(weft_loop *loop);

/** Tell all loops. False: there is no memory to tell one. Thread: any. */
bool weft__trace_tell_loops(void);

/** A step of a coroutine, while loop->watched says so. */
void weft__trace_step(const struct weft__coro *coro);
void weft__trace_step_end(const struct weft__coro *coro, weft_step step);

/** The same of an item; true: its end is to be recorded. */
bool weft__trace_item(weft_loop *loop, const weft__item *item);

/** A chain of items is queued. */
void weft__trace_ready(const weft__item *first, const weft__item *last);

/** The task that runs on this thread; 0: none. */
uint32_t weft__trace_task(void);

/* ---- A program that is to be traced as a whole; Thread: loop ---- */

/** As the environment says: to which file, for weft__trace_end_program(); NULL: none goes on, and stderr
 * was told if one should. */
char *weft__trace_begin_program(void);

/** Write it, and tell this loop if that fails; no loop: tell stderr. No path: nothing. */
void weft__trace_end_program(char *path, weft_loop *loop);

/** A loop or a job on this thread has been blocking for so long; by whom. Thread: any. */
void weft__trace_blocked(pid_t tid, weft_ns duration, const char *name);

/* ---- Threads and forks ---- */

/** This thread's loop ends: what it has recorded stays, and belongs to nobody. */
void weft__trace_leave(void);

/** The handlers of a fork. */
void weft__trace_before_fork(void);
void weft__trace_in_parent(void);
void weft__trace_in_child(void);

#endif
