/* SPDX-License-Identifier: MIT */
/* Reports of what is blocked: made, written and kept. See core/inspect/blocked.c. */
#ifndef WEFT_CORE_INSPECT_BLOCKED_H
#define WEFT_CORE_INSPECT_BLOCKED_H

#include <stdbool.h>
#include <sys/types.h>
#include <weft/watchdog.h>

#include "core/inspect/json.h"
#include "core/inspect/patience.h"

enum {
    WEFT__BLOCKED_FRAMES = 96, /* with those that were inlined */
    WEFT__BLOCKED_TEXTS = 24 * 1024
};

struct weft__stack;
struct weft__thread_state;

/** A report, and the memory for what it points to. */
struct weft__blocked {
    struct weft_blocked_report report;
    char task[64], function[64], spawned_at[192], awaited_at[208], lane[32], syscall[256];
    struct weft_blocked_frame frames[WEFT__BLOCKED_FRAMES];
    char texts[WEFT__BLOCKED_TEXTS]; /* of the frames, one behind the other */
    size_t used;                     /* of that */
};

/** A new one, all empty but for its number and kind; NULL: out of memory. */
struct weft__blocked *weft__blocked_new(enum weft_blocked_kind kind);

/** NULL is nothing. */
void weft__blocked_free(struct weft__blocked *blocked);

/** Fill in the system call in which the thread is now, and its stack, as addresses: they are named by the next
 * function, which may take long. */
void weft__blocked_see(struct weft__blocked *blocked, pid_t tid,
                       struct weft__thread_state *ret_state, struct weft__stack *ret);
void weft__blocked_name(struct weft__blocked *blocked, const struct weft__stack *stack);

/** How long it has lasted, so that it can be told. */
void weft__blocked_finish(struct weft__blocked *blocked, enum weft_blocked_stage stage,
                          const struct weft__spell *spell);

/** Append a report. */
void weft__blocked_text(struct weft__text *to, const struct weft_blocked_report *report);
void weft__blocked_json(struct weft__text *to, const struct weft_blocked_report *report);

/** Print it to stderr. */
void weft__blocked_print(const struct weft_blocked_report *report, enum weft_blocked_format format);

/** Keep it, in the place of an earlier one on the same block. The last 32 are kept. Thread: any. */
void weft__blocked_keep(const struct weft_blocked_report *report);

/** Those that are kept, an array of JSON, newest first. Thread: any. */
void weft__blocked_write(struct weft__text *to);

/** Keep none of them any more. Thread: any. */
void weft__blocked_forget(void);

#endif
