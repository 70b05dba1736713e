/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_SQLITE_H
#define WEFT_TESTS_SQLITE_H

#include <weft/sqlite.h>
#include <weft/weft.h>

/*
 * Databases under test: in a folder of the test's own. Each test ends by test_sqlite_end(), which
 * frees the loop and fails the test if anything is left.
 */
void test_sqlite_begin(void);
void test_sqlite_begin_real(void); /* on the real clock */
void test_sqlite_end(void);

/* A path in the test's folder; good until the next call but three. */
const char *test_path(const char *name);

/* Wait for a future (consumed): its number, or its negative status. What it says last is kept. */
int64_t test_number(weft_future *future);

/* The same for a pointer, which is taken; NULL: it failed. */
void *test_pointer(weft_future *future);

/* The message of the last failure that these two saw, "" if there was none, and its status. */
extern char test_message[512];
extern int test_status;

/* Open the file "db" of the folder; fails the test unless it can be. */
weft_sqlite *test_open(const struct weft_sqlite_options *options);

/* The same, with a table `t(id INTEGER PRIMARY KEY, v)` made. */
weft_sqlite *test_open_table(const struct weft_sqlite_options *options);

/* The integer that a query gives. */
int64_t test_ask(weft_sqlite *db, const char *sql);

/*
 * SQL functions of a connection by which its job meets the test, and no time passes in vain:
 * meet() says that it runs, and waits to be let go; tell() only says it. Both are 1.
 */
void test_add_functions(weft_sqlite *db);
void test_wait_met(void);
bool test_try_met(void); /* does not wait */
void test_let_go(void);

/* The busy handler of the connection says that it waits, as tell() does. */
void test_tell_when_busy(weft_sqlite *db);

/* A query without end, that says when it has begun. */
#define TEST_ENDLESS \
    "WITH RECURSIVE c(x) AS (SELECT tell() UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"

#endif
