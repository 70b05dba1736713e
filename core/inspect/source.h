/* SPDX-License-Identifier: MIT */
/*
 * Sources: what can be looked at from outside, a loop or a pool. See core/inspect/source.c.
 */
#ifndef WEFT_CORE_INSPECT_SOURCE_H
#define WEFT_CORE_INSPECT_SOURCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <weft/time.h>

struct weft__metrics;
struct weft__text;

/** A thread that is at something: a worker and its job. */
struct weft__busy {
    pid_t tid;
    uint64_t serial;      /* of the job: no other one of the thread has it */
    const void *what;     /* the job's future; only to be compared */
    uint32_t loop_id;     /* whose job it is */
    char name[64];        /* of its function */
    char started_at[128]; /* "file:line", or "" */
    char lane[32];
    weft_ns runs_for;
    weft_ns slow_after; /* when it is worth a report; 0: never */
    bool is_abandoned;  /* nobody waits for it any more */
    const char *told;   /* what became of a cancel, in words; static; NULL: nobody asked for one */
};

struct weft__source;

/** Each may be NULL. All are called on any thread, by one at a time for a source, with no lock held. */
struct weft__source_ops {
    const char *kind; /* "loop", "pool" */
    /* Write the members of an object of JSON: what it is doing. */
    void (*describe)(struct weft__source *source, struct weft__text *to);
    /* Write its metrics. */
    void (*measure)(struct weft__source *source, struct weft__metrics *to);
    /* Show what its threads are at. */
    void (*each_busy)(struct weft__source *source,
                      void (*fn)(void *arg, const struct weft__busy *busy), void *arg);
};

/** All fields are [mu], of the list, but where it says otherwise. */
struct weft__source {
    const struct weft__source_ops *ops; /* [const] */
    uint64_t serial;                    /* [const] once it is listed: from 1, in their order */
    struct weft__source *next, **at;    /* `at` NULL: not listed */
    unsigned pins;                      /* who looks at it now */
    const char *name;                   /* [const] set by its owner; NULL: it has no namesakes */
    unsigned number;                    /* [const] once it is listed: the first from 1 that no
                                           namesake has which is listed, too */
    unsigned generation;                /* [const] of the process in which it is listed */
};

/** List it. Thread: any. */
void weft__source_add(struct weft__source *source, const struct weft__source_ops *ops);

/** Take it out, and wait until nobody looks at it; nothing if it is not listed. No lock is held that an
 * operation takes. Thread: any but one that looks at it. */
void weft__source_remove(struct weft__source *source);

/**
 * Call `fn` for each that is listed, oldest first. It stays while `fn` runs, which must not make the
 * thread wait for ever that removes it. Thread: any.
 */
void weft__sources_each(void (*fn)(void *arg, struct weft__source *source), void *arg);

#endif
