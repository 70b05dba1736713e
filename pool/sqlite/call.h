/* SPDX-License-Identifier: MIT */
/* Calls: what is asked of a connection, from the loop to a job. See pool/sqlite/call.c. */
#ifndef WEFT_POOL_SQLITE_CALL_H
#define WEFT_POOL_SQLITE_CALL_H

#include <stddef.h>
#include <weft/job.h>
#include <weft/sqlite.h>

#include "pool/sqlite/connection.h"

struct weft__sqlite_call;

enum weft__sqlite_call_kind {
    WEFT__SQLITE_PLAIN,
    WEFT__SQLITE_OPENING, /* the connection is not open yet */
    WEFT__SQLITE_TIDYING, /* cannot be cancelled, and is done also while the loop shuts down */
    WEFT__SQLITE_CLOSING  /* the same, and nothing is rolled back before */
};

/** A kind of call. */
struct weft__sqlite_call_ops {
    const char *name;                                   /* of the public function, for dumps */
    weft_result (*run)(struct weft__sqlite_call *call); /* in a job */
    weft_destructor *destructor;                        /* of the value; NULL: it is a number */
    enum weft__sqlite_call_kind kind;
};

/** One block of memory, with copies of the text and the values. [const] once it is submitted. */
struct weft__sqlite_call {
    const struct weft__sqlite_call_ops *ops;
    struct weft__sqlite_db *db;         /* a reference */
    struct weft__sqlite_object *object; /* a statement or a cursor, with a reference; NULL: none */
    weft_lane *lane;                    /* borrowed, until it is submitted */
    unsigned depth;                     /* in how many transactions it runs */
    const char *keyword;                /* what else the kind of call needs */
    const char *sql;
    size_t count;
    struct weft_sqlite_value values[];
};

/** `sql` may be NULL. NULL: out of memory. */
struct weft__sqlite_call *weft__sqlite_call_new(const struct weft__sqlite_call_ops *ops,
                                                const char *sql,
                                                const struct weft_sqlite_value *values,
                                                size_t count);

/** One that is not submitted. NULL is nothing. */
void weft__sqlite_call_free(struct weft__sqlite_call *call);

/** Queue it in its lane. Consumes the call. */
weft_future *weft__sqlite_call_submit(struct weft__sqlite_call *call);

#endif
