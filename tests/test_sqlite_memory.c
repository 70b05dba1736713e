/* SPDX-License-Identifier: MIT */
/* Each allocation of weft fails in turn, on the loop and in jobs. SQLite's own do not. */
#include <criterion/criterion.h>
#include <errno.h>
#include <weft/testing.h>

#include "tests/support/loop.h"
#include "tests/support/sqlite.h"
#include "tests/support/trace.h"

TestSuite(sqlite_memory, .init = test_sqlite_begin, .timeout = 60);

static weft_sqlite *db, *other;

static int open_and_close(void)
{
    const struct weft_sqlite_options options = {.flags = WEFT_SQLITE_WAL, .setup = "SELECT 1"};
    weft_sqlite *opened = test_pointer(weft_sqlite_open(test_path("db"), &options));
    if (!opened)
        return test_status;
    int status = (int)test_number(weft_sqlite_close(opened));
    weft_sqlite_free(opened);
    return status;
}

Test(sqlite_memory, an_open_or_a_close_without_memory_leaves_nothing)
{
    weft_test_every_lack_of_memory(open_and_close);
    test_sqlite_end();
}

static int change(void)
{
    struct weft_sqlite_value value = weft_sqlite_text("x");
    int64_t status = test_number(weft_sqlite_exec(db, "DELETE FROM t"));
    if (status >= 0)
        status = test_number(weft_sqlite_insert(db, "INSERT INTO t(v) VALUES (?)", value));
    if (status >= 0)
        status = test_number(weft_sqlite_exec_array(db, "UPDATE t SET v = ?", &value, 1));
    if (status >= 0)
        status = test_number(weft_sqlite_script(db, "DELETE FROM t; INSERT INTO t VALUES (1, 1)"));
    return status < 0 ? (int)status : 0;
}

Test(sqlite_memory, a_change_without_memory_fails_and_the_next_one_works)
{
    db = test_open_table(&(struct weft_sqlite_options){.statements = 1});
    weft_test_every_lack_of_memory(change);
    cr_assert_eq(change(), 0);
    weft_sqlite_free(db);
    test_sqlite_end();
}

/* It fails in any case; rolling back for lack of memory must not commit its first half. */
static void fail_half_way(void)
{
    int64_t failed = test_number(weft_sqlite_script(db, "INSERT INTO t(v) VALUES (1); SELEC"));
    cr_assert_lt(failed, 0);
    weft_testing_fail_allocation(0);
    cr_assert_eq(test_ask(other, "SELECT count(*) FROM t"), 0);
    cr_assert_eq(test_number(weft_sqlite_exec(db, "INSERT INTO t(v) VALUES (1)")), 1);
    cr_assert_eq(test_ask(other, "SELECT count(*) FROM t"), 1);
    cr_assert_eq(test_number(weft_sqlite_exec(db, "DELETE FROM t")), 1);
}

Test(sqlite_memory, a_script_that_fails_without_memory_has_not_happened)
{
    db = test_open_table(&(struct weft_sqlite_options){.statements = 1});
    other = test_open(NULL);
    for (size_t n = 1; n < 30; n++) {
        weft_testing_fail_allocation(n);
        fail_half_way();
    }
    weft_sqlite_free(db);
    weft_sqlite_free(other);
    test_sqlite_end();
}

static int run_prepared(void)
{
    weft_sqlite_statement *statement =
        test_pointer(weft_sqlite_prepare(db, "INSERT INTO t(v) VALUES (?)"));
    if (!statement)
        return test_status;
    int64_t status =
        test_number(weft_sqlite_exec_prepared(db, statement, weft_sqlite_text("value")));
    weft_sqlite_statement_free(statement);
    return status < 0 ? (int)status : 0;
}

Test(sqlite_memory, a_prepared_statement_without_memory_leaves_nothing)
{
    db = test_open_table(NULL);
    weft_test_every_lack_of_memory(run_prepared);
    weft_sqlite_free(db);
    test_sqlite_end();
}

/* A fetch that lacked memory can be made again, and no row is lost. */
static int go_through(weft_sqlite_cursor *cursor)
{
    int64_t expected = 1;
    bool ended = false;
    int status = 0;
    while (!ended) {
        weft_sqlite_rows *rows = test_pointer(weft_sqlite_fetch(cursor));
        cr_assert(test_status == 0 || test_status == -ENOMEM, "%s", test_message);
        ended = test_status == 0 && !rows;
        status = test_status < 0 ? test_status : status;
        for (size_t i = 0; i < weft_sqlite_row_count(rows); i++)
            cr_assert_eq(weft_sqlite_get_int(rows, i, 0), expected++);
        weft_sqlite_rows_free(rows);
    }
    cr_assert_eq(expected, 8);
    return status;
}

static int read_rows(void)
{
    static const char numbers[] =
        "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 7)"
        " SELECT x, CAST(zeroblob(4000) AS TEXT) FROM c";
    weft_sqlite_cursor *cursor = test_pointer(weft_sqlite_query_array(db, numbers, NULL, 0));
    if (!cursor)
        return test_status;
    int status = go_through(cursor);
    weft_sqlite_cursor_free(cursor);
    if (status == 0) {
        weft_sqlite_rows_free(test_pointer(weft_sqlite_fetch_all(db, numbers)));
        status = test_status;
    }
    return status;
}

Test(sqlite_memory, a_query_without_memory_loses_no_row)
{
    db = test_open(&(struct weft_sqlite_options){.batch_rows = 3});
    weft_test_every_lack_of_memory(read_rows);
    weft_sqlite_free(db);
    test_sqlite_end();
}

static int commit(void)
{
    weft_sqlite *tx = test_pointer(weft_sqlite_begin(db, WEFT_SQLITE_IMMEDIATE));
    if (!tx)
        return test_status;
    weft_future *waits = weft_sqlite_exec(db, "SELECT 1");
    int64_t status = test_number(weft_sqlite_exec(tx, "INSERT INTO t(v) VALUES (1)"));
    if (status >= 0)
        status = test_number(weft_sqlite_commit(tx));
    weft_sqlite_free(tx);
    int64_t waited = test_number(waits);
    return (int)(status < 0 ? status : waited);
}

static int roll_back(void)
{
    weft_sqlite *tx = test_pointer(weft_sqlite_begin(db, WEFT_SQLITE_IMMEDIATE));
    if (!tx)
        return test_status;
    int64_t status = test_number(weft_sqlite_exec(tx, "DELETE FROM t"));
    if (status >= 0)
        status = test_number(weft_sqlite_rollback(tx));
    weft_sqlite_free(tx);
    return status < 0 ? (int)status : 0;
}

Test(sqlite_memory, a_transaction_without_memory_is_rolled_back)
{
    db = test_open_table(NULL);
    weft_test_every_lack_of_memory(commit);
    int64_t rows = test_ask(db, "SELECT count(*) FROM t");
    cr_assert_gt(rows, 0);
    weft_test_every_lack_of_memory(roll_back);
    cr_assert_eq(test_ask(db, "SELECT count(*) FROM t"), rows);
    weft_sqlite_free(db);
    test_sqlite_end();
}

static int back_up(void)
{
    int64_t pages = test_number(weft_sqlite_backup(
        db, test_path("copy"), &(struct weft_sqlite_backup_options){.pages = 1}));
    return pages < 0 ? (int)pages : 0;
}

Test(sqlite_memory, a_backup_without_memory_leaves_nothing)
{
    db = test_open_table(NULL);
    weft_test_every_lack_of_memory(back_up);
    weft_sqlite_free(db);
    test_sqlite_end();
}

static int lend(void)
{
    weft_sqlite_pool *pool = test_pointer(
        weft_sqlite_pool_open(test_path("db"), &(struct weft_sqlite_pool_options){.readers = 1}));
    if (!pool)
        return test_status;
    weft_sqlite *reader = test_pointer(weft_sqlite_pool_read(pool));
    int status = test_status;
    weft_sqlite *writer = test_pointer(weft_sqlite_pool_write(pool));
    status = status < 0 ? status : test_status;
    weft_future *waits = weft_sqlite_pool_write(pool);
    weft_sqlite_free(reader);
    weft_sqlite_free(writer);
    weft_sqlite_free(test_pointer(waits));
    status = status < 0 ? status : test_status;
    int closed = (int)test_number(weft_sqlite_pool_close(pool));
    weft_sqlite_pool_free(pool);
    return status < 0 ? status : closed;
}

Test(sqlite_memory, a_pool_without_memory_leaves_nothing)
{
    weft_test_every_lack_of_memory(lend);
    test_sqlite_end();
}
