/* SPDX-License-Identifier: MIT */
/*
 * What weft tells libweftguard, the library that looks for calls which block. Shared by both; see
 * core/inspect/guard.c and docs/design/guard.md.
 */
#ifndef WEFT_CORE_INSPECT_GUARD_H
#define WEFT_CORE_INSPECT_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Changes with the struct below; who finds another one does not connect. */
enum { WEFT__GUARD_VERSION = 1 };

/** What this thread is at. */
enum weft__guard_at {
    WEFT__GUARD_OUTSIDE,  /* no loop runs anything of a user's here */
    WEFT__GUARD_IN_STEP,  /* a step of a task, or a callback */
    WEFT__GUARD_IN_POLL,  /* in a poll: it sleeps in libevent, or runs an event of a user's */
    WEFT__GUARD_OWN_WAIT, /* weft waits for a lock of its own */
};

/** Whose step it is. Texts are borrowed while it lasts. */
struct weft__guard_step {
    const char *task;       /* NULL: a callback's */
    const char *spawned_at; /* "file:line", or NULL */
    const char *file;       /* of the coroutine */
    int line; /* of the await from which it goes on; 0: its beginning; below: WEFT_FINALLY */
    uint64_t id;
};

struct weft__guard_symbol {
    char function[128]; /* "" where it is not known, as `place` */
    char place[224];    /* "file:line", or "module+0x1234" */
    char module[64];    /* of the program, or the library */
    bool is_wefts;      /* weft's own code */
};

/** All are called on the thread in question, which is in a call of libc; they call none that blocks. */
struct weft__guard_table {
    unsigned version;
    /* In a poll, which one: a number that no other poll of this thread has; else it is untouched. */
    enum weft__guard_at (*at)(uint64_t *ret_poll);
    const char *(*allowed)(void); /* weft_blocking_allowed() */
    void (*step)(struct weft__guard_step *ret);
    /* The functions at a return address, the innermost first, more than one where some are inlined;
     * how many were written. May take milliseconds. */
    size_t (*symbolize)(uintptr_t address, struct weft__guard_symbol *ret, size_t most);
};

/** What libweftguard defines, and weft looks for: the table is used from now on, and is never gone. */
typedef void weft__guard_connect_fn(const struct weft__guard_table *table);

/** Look for it, once in a process. Thread: any. */
void weft__guard_find(void);

#endif
