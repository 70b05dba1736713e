/* SPDX-License-Identifier: MIT */
/*
 * What looks at a loop's futures, and what an operation says of itself when it is looked at.
 *
 * The same walk serves the loop's own thread, and one that looks from outside while the loop runs, or is
 * stuck (core/inspect/peek.c). So an operation that explains itself gets its address only. It reads
 * through the eye, and copies before it believes: what it gets may be from different moments, or freed.
 * It follows no pointer but by the eye, and lists for a bounded number of steps.
 */
#ifndef WEFT_CORE_INSPECT_EYE_H
#define WEFT_CORE_INSPECT_EYE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <weft/future.h>
#include <weft/macros.h>
#include <weft/time.h>

struct weft__eye;
struct weft__timer;

/** What must happen before a wait is over. */
enum weft__needs {
    WEFT__NEEDS_SOMEBODY, /* somebody does something; it is not known who */
    WEFT__NEEDS_ALL,      /* all of its children are done, and its owner lets go */
    WEFT__NEEDS_ANY,      /* one of its children is done */
    WEFT__NEEDS_WORLD,    /* it comes by itself: time, a descriptor, a thread, a process */
    WEFT__NEEDS_NOTHING   /* it goes on, or is over */
};

enum { WEFT__WAITING_NUMBERS = 4 };

/** What an operation says of itself. Texts are static, or the eye's. */
struct weft__waiting {
    const char *kind;       /* "lock"; NULL: the name in its ops */
    enum weft__needs needs; /* SOMEBODY, unless it says otherwise */
    const char *name;       /* of this very one; NULL: none */
    const char *place;      /* where it was made, "file:line"; NULL: not known */
    const char *detail;     /* more in words; NULL: none */
    const void *resource;   /* what it waits at: the lock, the queue; NULL: there is none */
    uint64_t owner;         /* id of the task that has it; 0: none, or not known */
    weft_ns deadline;       /* of the loop's clock; WEFT_FOREVER: none */
    int fd;                 /* -1: none */
    pid_t pid;              /* of a process; 0: none */
    const void *job;        /* as in struct weft__busy; NULL: none */
    const char *stage;      /* where it is: "queued"; NULL: nothing to say */
    pid_t tid;         /* of the thread that has the job; 0: none. Filled in by who looks, as: */
    const char *doing; /* what that is doing: "futex(…)" */
    weft_ns runs_for;  /* since it has the job */
    struct {
        const char *key;
        uint64_t value;
    } numbers[WEFT__WAITING_NUMBERS]; /* to the first `key` that is NULL */
};

/** Copy; false: it cannot be read, and the copy is not to be looked at. */
bool weft__eye_see(struct weft__eye *eye, void *to, const void *from, size_t size);

/** The same of what other threads may be changing, with or without a lock. */
bool weft__eye_see_shared(struct weft__eye *eye, void *to, const void *from, size_t size);

/** A copy of a text of the program's, which lasts as long as the eye; NULL for NULL, or without memory. */
const char *weft__eye_text(struct weft__eye *eye, const char *from);

/** A text of our own; NULL: no memory. */
const char *weft__eye_say(struct weft__eye *eye, const char *format, ...) WEFT_PRINTF(2, 3);

/** What is just being explained waits for this one, unless that is done; NULL is nothing. True: it is done. */
bool weft__eye_child(struct weft__eye *eye, const weft_future *child);

/**
 * The same for a waiter at the beginning of each of `count` elements of `stride` bytes. True: one of
 * them is done.
 */
bool weft__eye_children(struct weft__eye *eye, const void *first, size_t count, size_t stride);

/** This one belongs to it, and it does not wait for it: a scope that is open. */
void weft__eye_belongs(struct weft__eye *eye, const weft_future *future);

/** The task with this id has some of what it waits at; 0 is nothing. What it needs does not depend on it: it may
 * be another one that lets go. As `owner` of struct weft__waiting, of which there is one. */
void weft__eye_owner(struct weft__eye *eye, uint64_t id);

/** Not all of its children could be seen. */
void weft__eye_missed(struct weft__eye *eye);

/** The deadline of a timer, by its copy; WEFT_FOREVER: it is not armed. */
weft_ns weft__eye_deadline(struct weft__eye *eye, const struct weft__timer *copy);

/** It waits for a descriptor: `direction` is "to read" or "to write", in words. */
void weft__explain_fd(struct weft__eye *eye, struct weft__waiting *ret, int fd,
                      const char *direction);

/** A number for `ret`; there is room for WEFT__WAITING_NUMBERS. */
void weft__waiting_number(struct weft__waiting *ret, const char *key, uint64_t value);

#endif
