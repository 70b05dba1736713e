/* SPDX-License-Identifier: MIT */
/* Prepared statements of a connection. All of it is for jobs. See pool/sqlite/statement.c. */
#ifndef WEFT_POOL_SQLITE_STATEMENT_H
#define WEFT_POOL_SQLITE_STATEMENT_H

#include "pool/sqlite/connection.h"

/** All fields are [job]. */
struct weft__sqlite_statement {
    struct weft__sqlite_db *db;
    struct weft__sqlite_statement *older, *newer; /* in db->statements, the newest first */
    sqlite3_stmt *stmt;                           /* NULL: the connection is closed */
    uint64_t used;                                /* when, of db->uses */
    bool in_use;
    bool kept;      /* in the cache */
    bool ours;      /* it may begin and end transactions */
    bool done_with; /* freed by its user while a cursor uses it */
    size_t len;     /* of its text */
    char sql[];
};

/** The statement with this text: one from the cache that is not in use, or a new one. It is in use
 * until it is given back. */
weft_result weft__sqlite_statement_take(struct weft__sqlite_db *db, const char *sql,
                                        struct weft__sqlite_statement **ret);

/** One that is not in the cache, and not in use; weft__sqlite_statement_free() when done with it. */
weft_result weft__sqlite_statement_new(struct weft__sqlite_db *db, const char *sql,
                                       struct weft__sqlite_statement **ret);

/** Reset it; the cache keeps it, or it is freed, unless a user has it. */
void weft__sqlite_statement_give_back(struct weft__sqlite_statement *statement);

void weft__sqlite_statement_free(struct weft__sqlite_statement *statement);

/** Bind these values, and no others. */
weft_result weft__sqlite_statement_bind(struct weft__sqlite_statement *statement,
                                        const struct weft_sqlite_value *values, size_t count);

/** Run it to its end, whatever rows it gives. */
weft_result weft__sqlite_statement_run(struct weft__sqlite_statement *statement);

/** Run all statements of a text, one after the other. */
weft_result weft__sqlite_statements_run(struct weft__sqlite_db *db, const char *sql);

/** Finalize all, since the connection closes; those that somebody has stay, as shells. */
void weft__sqlite_statements_finalize(struct weft__sqlite_db *db);

/** Free what is left of them. */
void weft__sqlite_statements_free(struct weft__sqlite_db *db);

#endif
