/* SPDX-License-Identifier: MIT */
/* What running a statement for its changes and for its rows have in common. See pool/sqlite/exec.c and
 * pool/sqlite/cursor.c. */
#ifndef WEFT_POOL_SQLITE_EXEC_H
#define WEFT_POOL_SQLITE_EXEC_H

#include "pool/sqlite/handle.h"
#include "pool/sqlite/statement.h"

/** What a user has prepared. */
struct weft__sqlite_prepared {
    struct weft__sqlite_object object;
    struct weft__sqlite_statement *statement; /* [job] owned */
};

/** In a job: the statement of a call, in use, with its values bound. */
weft_result weft__sqlite_call_take(struct weft__sqlite_call *call,
                                   struct weft__sqlite_statement **ret);

/** In a job: what `fn(arg)` does happens whole or, if it or the commit fails, not at all. */
weft_result weft__sqlite_as_one(struct weft__sqlite_db *db, weft_result (*fn)(void *arg),
                                void *arg);

/** How many values stand before the end mark. */
size_t weft__sqlite_count(const struct weft_sqlite_value *values);

/** 0, or why the statement cannot be run by this handle. */
int weft__sqlite_check_statement(const weft_sqlite *db, const weft_sqlite_statement *statement,
                                 const char *function);

/** The call is to run this statement. NULL stays NULL. */
void weft__sqlite_use_statement(struct weft__sqlite_call *call, weft_sqlite_statement *statement);

#endif
