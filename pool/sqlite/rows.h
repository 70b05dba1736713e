/* SPDX-License-Identifier: MIT */
/* Rows, while they are read. See pool/sqlite/rows.c. */
#ifndef WEFT_POOL_SQLITE_ROWS_H
#define WEFT_POOL_SQLITE_ROWS_H

#include <sqlite3.h>
#include <weft/sqlite.h>

/** No rows yet, of the columns of this statement; NULL: out of memory. */
weft_sqlite_rows *weft__sqlite_rows_new(sqlite3_stmt *stmt);

/**
 * Add the row at which the statement stands, unless all would take more than `limit` bytes then: 1; 0:
 * it would; or -ENOMEM: nothing was added. May move `*rows`.
 */
int weft__sqlite_rows_add(weft_sqlite_rows **rows, sqlite3_stmt *stmt, size_t limit);

/** All are there: now they can be read. */
void weft__sqlite_rows_finish(weft_sqlite_rows *rows);

/** weft_sqlite_rows_free() as a destructor. */
void weft__sqlite_rows_destroy(void *rows);

#endif
