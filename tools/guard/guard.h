/* SPDX-License-Identifier: MIT */
/* What the files of libweftguard share. See tools/guard/guard.c. */
#ifndef WEFT_TOOLS_GUARD_GUARD_H
#define WEFT_TOOLS_GUARD_GUARD_H

#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <weft/guard.h>

#include "core/inspect/guard.h"

/* ---- Standing in the place of a function of libc ---- */

/** On each such function. */
#define GUARD_WRAPS __attribute__((visibility("default")))

typedef void guard__fn(void);

/** What would have been called without us: the next definition of this name. */
guard__fn *guard__find(_Atomic(guard__fn *) *slot, const char *name);

/** First in a function that stands for `name`: defines `real`. */
#define GUARD_REAL(name)                   \
    static _Atomic(guard__fn *) next_slot; \
    __typeof__(name) *const real = (__typeof__(name) *)guard__find(&next_slot, #name)

/** The same where <stdio.h> and its like do not declare it: a name that the compiler puts in. */
#define GUARD_REAL_AS(name, type)          \
    static _Atomic(guard__fn *) next_slot; \
    type *const real = (type *)guard__find(&next_slot, name)

/* ---- Is this thread in a step? ---- */

extern atomic_bool guard__is_on; /* relaxed: what is called before it is seen is not looked at */

bool guard__watches_here(void);

/** What this thread does now is looked at. */
static inline bool guard__watches(void)
{
    return atomic_load_explicit(&guard__is_on, memory_order_relaxed) && guard__watches_here();
}

/** The wait by which libevent polls for the loop; `what` tells it from another one in the same poll. */
bool guard__is_dispatch(const void *what);

/* ---- A call that blocks ---- */

/** Begun and not ended: what the thread does meanwhile is not looked at. */
struct guard__call {
    const char *name, *instead;
    int64_t began;   /* CLOCK_MONOTONIC */
    int64_t delayed; /* how long it had waited for a CPU; -1: of no interest */
};

/** It is going to block. */
struct guard__call guard__begin(const char *name, const char *instead);

/** It may take long: whether it did is seen when it ends. */
struct guard__call guard__begin_slow(const char *name, const char *instead);

/** It blocked: report it, with the argument that matters. errno is kept. */
void guard__end(struct guard__call *call, const char *format, ...) WEFT_PRINTF(2, 3);

/** It did not. */
void guard__drop(struct guard__call *call);

/** It took longer than a call on a file may, not counted that there was no CPU for it. */
bool guard__was_slow(const struct guard__call *call);

/** This time has passed, by that clock, or is none. */
bool guard__is_over(clockid_t clock, const struct timespec *until);

/* ---- Descriptors ---- */

enum { GUARD_TEXT = 192 };

/** "fd 7: pipe:[4711]", or a socket's peer. */
const char *guard__fd_text(char text[GUARD_TEXT], int fd);

/** A call for these events will have to wait: the descriptor blocks, and is not ready. */
bool guard__fd_waits(int fd, short events);

enum guard__fd {
    GUARD_FD_NEVER, /* it does not block */
    GUARD_FD_WAITS, /* it will */
    GUARD_FD_SLOW   /* it may take long */
};

/** How a call for these events will be. */
enum guard__fd guard__fd_is(int fd, short events);

/** Begin, and end, a call on a descriptor that is so. */
struct guard__call guard__begin_fd(enum guard__fd how, const char *name, const char *instead);
void guard__end_fd(struct guard__call *call, enum guard__fd how, int fd);

/** End a call on a file: reported if it was slow, or the file system is on another machine. */
void guard__end_file(struct guard__call *call, int fd);
void guard__end_path(struct guard__call *call, int folder, const char *path);

/* ---- Settings ---- */

/** WEFT_GUARD=off. */
bool guard__is_switched_off(void);
bool guard__is_remote(long file_system);

/* ---- System calls that nobody stands in for ---- */

long guard__sys_poll(struct pollfd *fds, unsigned long count, int timeout);

/* ---- Where ---- */

enum { GUARD_FRAMES = 24, GUARD_CALLERS = 3 };

struct guard__frame {
    char function[128]; /* "": not known */
    char place[256];    /* "file:line", or "module+0x1234" */
    char module[64];
    bool is_wefts;
};

/** Who called, the innermost first. */
struct guard__stack {
    size_t count;
    uintptr_t address[GUARD_FRAMES];
    bool is_in_handler; /* of a signal: it may have come within malloc(), or anywhere */
};

/** Returns what was called: for a sanitizer that may have been another name than that which it calls. */
const char *guard__unwind(struct guard__stack *ret, const char *call);

/** Up to `most` functions at an address of the stack; at least one is written. */
size_t guard__look_up(const struct guard__stack *stack, size_t frame, struct guard__frame *ret,
                      size_t most);

/** The step ends here: what is outside of it is weft's. */
bool guard__is_boundary(const struct guard__frame *frame);

/* ---- Reports ---- */

struct guard__site {
    struct guard__frame at[GUARD_CALLERS]; /* the place, and who called that */
    size_t count;
};

/** One of the patterns is for somebody on this stack. */
bool guard__is_allowed_caller(const struct guard__stack *stack);

void guard__read_allow_list(const char *list);

/** Print it, unless this place was before. True: it is the process' first one. */
bool guard__tell(const struct weft_guard_report *report, const struct guard__site *site,
                 uintptr_t address);

/** Write a line where reports go. */
void guard__print(const char *format, ...) WEFT_PRINTF(1, 2);

/** The same to stderr: the program is used wrongly, or a test failed. */
void guard__complain(const char *format, ...) WEFT_PRINTF(1, 2);

/** At the end, and in a child that was forked off. */
void guard__tell_sum(void);
void guard__forget(void);

void guard__set_log(const char *path);

/** What weft has told; NULL: nothing yet. */
const struct weft__guard_table *guard__weft(void);

/* ---- Watches ---- */

struct weft_guard_watch *guard__innermost(void);

/** Is there one for everything? */
bool guard__watches_everything(void);

void guard__keep(struct weft_guard_watch *watch, const struct weft_guard_report *report,
                 bool is_in_handler);

#endif
