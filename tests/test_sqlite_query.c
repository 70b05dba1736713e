/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/loop.h"
#include "tests/support/sqlite.h"

TestSuite(sqlite_query, .init = test_sqlite_begin, .timeout = 60);

/* Numbers from 1 to ?, each with a text of ? bytes. */
#define NUMBERS                                                                    \
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < ?1)" \
    " SELECT x AS number, CAST(zeroblob(?2) AS TEXT) FROM c"

static weft_sqlite_cursor *query(weft_sqlite *db, int64_t count, int64_t size)
{
    weft_sqlite_cursor *cursor =
        test_pointer(weft_sqlite_query(db, NUMBERS, weft_sqlite_int(count), weft_sqlite_int(size)));
    cr_assert_not_null(cursor, "%s", test_message);
    return cursor;
}

static weft_sqlite_rows *fetch(weft_sqlite_cursor *cursor)
{
    weft_sqlite_rows *rows = test_pointer(weft_sqlite_fetch(cursor));
    cr_assert_eq(test_status, 0, "%s", test_message);
    return rows;
}

/* ---- Values ---- */

Test(sqlite_query, values_come_back_as_they_were_bound)
{
    static const char bytes[] = {0, 1, '\0', 'x'};
    weft_sqlite *db = test_open(NULL);
    weft_sqlite_rows *rows = test_pointer(weft_sqlite_fetch_all(
        db, "SELECT ?, ?, ?, ?, ?, ?, ?", weft_sqlite_int(INT64_MIN), weft_sqlite_real(0.1),
        weft_sqlite_text("grüße"), weft_sqlite_blob(bytes, sizeof(bytes)), weft_sqlite_null(),
        weft_sqlite_text_of("a\0b", 3), weft_sqlite_blob("", 0)));
    cr_assert_not_null(rows, "%s", test_message);
    cr_assert_eq(weft_sqlite_row_count(rows), 1);
    cr_assert_eq(weft_sqlite_column_count(rows), 7);
    cr_assert_eq(weft_sqlite_get_int(rows, 0, 0), INT64_MIN);
    cr_assert_eq(weft_sqlite_get_real(rows, 0, 1), 0.1);
    cr_assert_str_eq(weft_sqlite_get_text(rows, 0, 2), "grüße");
    const struct weft_sqlite_value *blob = weft_sqlite_get(rows, 0, 3);
    cr_assert_eq(blob->type, WEFT_SQLITE_BLOB);
    cr_assert_eq(blob->len, sizeof(bytes));
    cr_assert_eq(memcmp(blob->as.ptr, bytes, sizeof(bytes)), 0);
    cr_assert_eq(weft_sqlite_get(rows, 0, 4)->type, WEFT_SQLITE_NULL);
    cr_assert_eq(weft_sqlite_get(rows, 0, 5)->len, 3);
    cr_assert_eq(memcmp(weft_sqlite_get_text(rows, 0, 5), "a\0b", 4), 0);
    cr_assert_eq(weft_sqlite_get(rows, 0, 6)->type, WEFT_SQLITE_BLOB);
    cr_assert_eq(weft_sqlite_get(rows, 0, 6)->len, 0);
    weft_sqlite_rows_free(rows);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_query, no_text_and_no_blob_are_null)
{
    weft_sqlite *db = test_open(NULL);
    weft_sqlite_rows *rows = test_pointer(weft_sqlite_fetch_all(
        db, "SELECT ?, ?", weft_sqlite_text(NULL), weft_sqlite_blob(NULL, 4)));
    cr_assert_eq(weft_sqlite_get(rows, 0, 0)->type, WEFT_SQLITE_NULL);
    cr_assert_eq(weft_sqlite_get(rows, 0, 1)->type, WEFT_SQLITE_NULL);
    weft_sqlite_rows_free(rows);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_query, values_and_text_are_copied_by_the_call)
{
    weft_sqlite *db = test_open(NULL);
    char sql[] = "SELECT ?1 || ?2", text[] = "mine";
    struct weft_sqlite_value values[] = {weft_sqlite_text(text), weft_sqlite_text("!")};
    weft_future *future = weft_sqlite_query_array(db, sql, values, 2);
    memset(sql, 'x', sizeof(sql) - 1);
    memset(text, 'x', sizeof(text) - 1);
    weft_sqlite_cursor *cursor = test_pointer(future);
    weft_sqlite_rows *rows = fetch(cursor);
    cr_assert_str_eq(weft_sqlite_get_text(rows, 0, 0), "mine!");
    weft_sqlite_rows_free(rows);
    weft_sqlite_cursor_free(cursor);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_query, a_wrong_row_or_column_is_nothing)
{
    weft_sqlite *db = test_open(NULL);
    weft_sqlite_rows *rows =
        test_pointer(weft_sqlite_fetch_all(db, "SELECT 7 AS seven, 'x' AS x, 2.5 AS half"));
    cr_assert_null(weft_sqlite_get(rows, 1, 0));
    cr_assert_null(weft_sqlite_get(rows, 0, 3));
    cr_assert_null(weft_sqlite_get(NULL, 0, 0));
    cr_assert_eq(weft_sqlite_get_int(rows, 0, 1), 0);
    cr_assert_eq(weft_sqlite_get_int(rows, 5, 5), 0);
    cr_assert_eq(weft_sqlite_get_real(rows, 0, 0), 7.0);
    cr_assert_eq(weft_sqlite_get_real(rows, 0, 2), 2.5);
    cr_assert_null(weft_sqlite_get_text(rows, 0, 0));
    cr_assert_str_eq(weft_sqlite_column_name(rows, 0), "seven");
    cr_assert_null(weft_sqlite_column_name(rows, 3));
    cr_assert_null(weft_sqlite_column_name(NULL, 0));
    cr_assert_eq(weft_sqlite_find_column(rows, "x"), 1);
    cr_assert_eq(weft_sqlite_find_column(rows, "y"), -ENOENT);
    cr_assert_eq(weft_sqlite_find_column(rows, NULL), -ENOENT);
    cr_assert_eq(weft_sqlite_row_count(NULL) + weft_sqlite_column_count(NULL), 0);
    weft_sqlite_rows_free(rows);
    weft_sqlite_free(db);
    test_sqlite_end();
}

/* ---- Batches ---- */

Test(sqlite_query, rows_come_in_batches_and_then_comes_the_end)
{
    weft_sqlite *db = test_open(&(struct weft_sqlite_options){.batch_rows = 10});
    weft_sqlite_cursor *cursor = query(db, 25, 3);
    static const size_t sizes[] = {10, 10, 5};
    int64_t expected = 1;
    for (size_t i = 0; i < 3; i++) {
        weft_sqlite_rows *rows = fetch(cursor);
        cr_assert_eq(weft_sqlite_row_count(rows), sizes[i]);
        for (size_t row = 0; row < sizes[i]; row++)
            cr_assert_eq(weft_sqlite_get_int(rows, row, 0), expected++);
        weft_sqlite_rows_free(rows);
    }
    cr_assert_null(fetch(cursor));
    cr_assert_null(fetch(cursor));
    weft_sqlite_cursor_free(cursor);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_query, fetches_that_are_asked_for_at_once_come_in_order)
{
    weft_sqlite *db = test_open(&(struct weft_sqlite_options){.batch_rows = 2});
    weft_sqlite_cursor *cursor = query(db, 6, 1);
    weft_future *fetches[4];
    for (int i = 0; i < 4; i++)
        fetches[i] = weft_sqlite_fetch(cursor);
    weft_sqlite_cursor_free(cursor); /* they run all the same */
    for (int i = 0; i < 4; i++) {
        weft_sqlite_rows *rows = test_pointer(fetches[i]);
        cr_assert_eq(weft_sqlite_get_int(rows, 0, 0), i < 3 ? 1 + 2 * i : 0);
        cr_assert_eq(rows == NULL, i == 3);
        weft_sqlite_rows_free(rows);
    }
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_query, a_batch_takes_no_more_memory_than_it_may)
{
    enum { LIMIT = 20000, ROWS = 200, TEXT = 1000 };
    weft_sqlite *db = test_open(&(struct weft_sqlite_options){.batch_bytes = LIMIT});
    weft_sqlite_cursor *cursor = query(db, ROWS, TEXT);
    size_t count = 0, row_size = 2 * sizeof(struct weft_sqlite_value) + TEXT + 1;
    weft_sqlite_rows *rows;
    while ((rows = fetch(cursor))) {
        cr_assert_leq(weft_sqlite_row_count(rows) * row_size, LIMIT);
        cr_assert(weft_sqlite_row_count(rows) * row_size > LIMIT / 2 || count > ROWS - 20);
        count += weft_sqlite_row_count(rows);
        weft_sqlite_rows_free(rows);
    }
    cr_assert_eq(count, ROWS);
    weft_sqlite_cursor_free(cursor);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_query, a_row_that_is_larger_than_a_batch_comes_alone)
{
    weft_sqlite *db = test_open(&(struct weft_sqlite_options){.batch_bytes = 1000});
    weft_sqlite_cursor *cursor = query(db, 3, 50000);
    for (int i = 1; i <= 3; i++) {
        weft_sqlite_rows *rows = fetch(cursor);
        cr_assert_eq(weft_sqlite_row_count(rows), 1);
        cr_assert_eq(weft_sqlite_get_int(rows, 0, 0), i);
        cr_assert_eq(weft_sqlite_get(rows, 0, 1)->len, 50000);
        weft_sqlite_rows_free(rows);
    }
    cr_assert_null(fetch(cursor));
    weft_sqlite_cursor_free(cursor);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_query, all_at_once_has_a_limit)
{
    weft_sqlite *db = test_open(&(struct weft_sqlite_options){.all_bytes = 10000});
    weft_sqlite_rows *rows =
        test_pointer(weft_sqlite_fetch_all(db, NUMBERS, weft_sqlite_int(8), weft_sqlite_int(1000)));
    cr_assert_eq(weft_sqlite_row_count(rows), 8);
    cr_assert_eq(weft_sqlite_get_int(rows, 7, 0), 8);
    weft_sqlite_rows_free(rows);
    cr_assert_eq(
        test_number(weft_sqlite_fetch_all(db, NUMBERS, weft_sqlite_int(11), weft_sqlite_int(1000))),
        WEFT_ELIMIT);
    cr_assert_str_eq(test_message, "the rows take more than 10000 bytes");
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_query, a_change_whose_rows_are_too_many_has_not_happened)
{
    static const char change[] =
        "INSERT INTO t(v) SELECT zeroblob(1000) FROM (WITH RECURSIVE c(x) AS"
        " (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < ?) SELECT x FROM c) RETURNING v";
    weft_sqlite *db = test_open_table(&(struct weft_sqlite_options){.all_bytes = 10000});
    cr_assert_eq(test_number(weft_sqlite_fetch_all(db, change, weft_sqlite_int(100))), WEFT_ELIMIT);
    cr_assert_eq(test_ask(db, "SELECT count(*) FROM t"), 0);
    weft_sqlite *tx = test_pointer(weft_sqlite_begin(db, WEFT_SQLITE_IMMEDIATE));
    weft_sqlite_rows *rows = test_pointer(weft_sqlite_fetch_all(tx, change, weft_sqlite_int(3)));
    cr_assert_eq(weft_sqlite_row_count(rows), 3);
    weft_sqlite_rows_free(rows);
    cr_assert_eq(test_number(weft_sqlite_fetch_all(tx, change, weft_sqlite_int(100))), WEFT_ELIMIT);
    cr_assert_eq(test_number(weft_sqlite_commit(tx)), 0);
    weft_sqlite_free(tx);
    cr_assert_eq(test_ask(db, "SELECT count(*) FROM t"), 3);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_query, a_query_without_rows_knows_its_columns)
{
    weft_sqlite *db = test_open_table(NULL);
    weft_sqlite_rows *rows = test_pointer(weft_sqlite_fetch_all(db, "SELECT id, v FROM t"));
    cr_assert_eq(weft_sqlite_row_count(rows), 0);
    cr_assert_eq(weft_sqlite_find_column(rows, "v"), 1);
    weft_sqlite_rows_free(rows);
    weft_sqlite_cursor *cursor = test_pointer(weft_sqlite_query(db, "SELECT id, v FROM t"));
    cr_assert_null(fetch(cursor));
    weft_sqlite_cursor_free(cursor);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_query, a_query_that_fails_later_gives_the_rows_before)
{
    weft_sqlite *db = test_open(NULL);
    weft_sqlite_cursor *cursor = test_pointer(weft_sqlite_query(
        db, "SELECT abs(x) FROM (SELECT 1 AS x UNION ALL SELECT -9223372036854775807 - 1)"));
    weft_sqlite_rows *rows = fetch(cursor);
    cr_assert_eq(weft_sqlite_row_count(rows), 1);
    weft_sqlite_rows_free(rows);
    cr_assert_eq(test_number(weft_sqlite_fetch(cursor)), WEFT_ESQLITE);
    cr_assert_str_eq(test_message, "integer overflow (SQLite 1)");
    cr_assert_eq(test_number(weft_sqlite_fetch(cursor)), WEFT_ESQLITE);
    weft_sqlite_cursor_free(cursor);
    cr_assert_eq(test_number(weft_sqlite_query(db, "SELECT abs(-9223372036854775807 - 1)")),
                 WEFT_ESQLITE);
    cr_assert_eq(test_number(weft_sqlite_query(db, "nonsense")), WEFT_ESQLITE);
    cr_assert_eq(test_number(weft_sqlite_query(db, NULL)), -EINVAL);
    cr_assert_eq(test_number(weft_sqlite_fetch_all(db, NULL)), -EINVAL);
    cr_assert_eq(test_number(weft_sqlite_fetch(NULL)), -EINVAL);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_query, others_use_the_connection_while_a_cursor_is_open)
{
    weft_sqlite *db = test_open_table(&(struct weft_sqlite_options){.batch_rows = 1});
    cr_assert_eq(test_number(weft_sqlite_exec(db, "INSERT INTO t VALUES (1, 1), (2, 2)")), 2);
    weft_sqlite_cursor *a = test_pointer(weft_sqlite_query(db, "SELECT id FROM t"));
    weft_sqlite_cursor *b = test_pointer(weft_sqlite_query(db, "SELECT id FROM t"));
    for (int i = 1; i <= 2; i++) {
        weft_sqlite_rows *of_a = fetch(a), *of_b = fetch(b);
        cr_assert_eq(weft_sqlite_get_int(of_a, 0, 0), i);
        cr_assert_eq(weft_sqlite_get_int(of_b, 0, 0), i);
        cr_assert_eq(test_ask(db, "SELECT count(*) FROM t"), 2);
        weft_sqlite_rows_free(of_a);
        weft_sqlite_rows_free(of_b);
    }
    weft_sqlite_cursor_free(a);
    weft_sqlite_cursor_free(b);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_query, a_cursor_that_is_freed_lets_go_of_the_database)
{
    weft_sqlite *db = test_open_table(&(struct weft_sqlite_options){.batch_rows = 1});
    weft_sqlite *other = test_open(&(struct weft_sqlite_options){.busy_timeout = -1});
    cr_assert_eq(test_number(weft_sqlite_exec(db, "INSERT INTO t VALUES (1, 1), (2, 2)")), 2);
    weft_sqlite_cursor *cursor = test_pointer(weft_sqlite_query(db, "SELECT id FROM t"));
    cr_assert_eq(test_number(weft_sqlite_exec(other, "DELETE FROM t")), -EBUSY);
    weft_sqlite_cursor_free(cursor);
    cr_assert_eq(test_ask(db, "SELECT 1"), 1); /* behind it */
    cr_assert_eq(test_number(weft_sqlite_exec(other, "DELETE FROM t")), 2);
    weft_sqlite_free(db);
    weft_sqlite_free(other);
    test_sqlite_end();
}

Test(sqlite_query, a_change_that_a_cursor_goes_through_keeps_other_changes_out)
{
    static const char change[] = "INSERT INTO t(v) VALUES (1), (2), (3) RETURNING id";
    weft_sqlite *db = test_open_table(&(struct weft_sqlite_options){.batch_rows = 1});
    weft_sqlite *other = test_open(NULL);
    weft_sqlite_cursor *cursor = test_pointer(weft_sqlite_query(db, change));
    cr_assert_eq(test_number(weft_sqlite_exec(db, "DELETE FROM t")), -EBUSY);
    cr_assert_eq(test_number(weft_sqlite_script(db, "DELETE FROM t")), -EBUSY);
    cr_assert_null(test_pointer(weft_sqlite_begin(db, WEFT_SQLITE_DEFERRED)));
    cr_assert_eq(test_status, -EBUSY);
    cr_assert_eq(test_ask(db, "SELECT count(*) FROM t"), 3);
    weft_sqlite_rows_free(fetch(cursor));
    weft_sqlite_cursor_free(cursor);
    cr_assert_eq(test_number(weft_sqlite_exec(db, "INSERT INTO t(v) VALUES (4)")), 1);
    cr_assert_eq(test_ask(other, "SELECT count(*) FROM t"), 4);
    weft_sqlite_free(db);
    weft_sqlite_free(other);
    test_sqlite_end();
}

Test(sqlite_query, a_cursor_outlives_its_connection)
{
    weft_sqlite *db = test_open(&(struct weft_sqlite_options){.batch_rows = 1});
    weft_sqlite_cursor *cursor = query(db, 3, 1);
    weft_sqlite_rows_free(fetch(cursor));
    weft_sqlite_free(db);
    cr_assert_eq(test_number(weft_sqlite_fetch(cursor)), WEFT_ECLOSED);
    weft_sqlite_cursor_free(cursor);
    test_sqlite_end();
}

Test(sqlite_query, a_query_that_nobody_takes_is_freed)
{
    weft_sqlite *db = test_open(&(struct weft_sqlite_options){.batch_rows = 1});
    weft_unref(weft_sqlite_query(db, NUMBERS, weft_sqlite_int(9), weft_sqlite_int(9)));
    weft_unref(weft_sqlite_prepare(db, "SELECT 1"));
    cr_assert_eq(test_ask(db, "SELECT 1"), 1);
    weft_sqlite_free(db);
    test_sqlite_end();
    cr_assert_eq(test_reports.count, 0);
}

/* ---- Prepared statements ---- */

Test(sqlite_query, a_prepared_statement_runs_with_other_values_each_time)
{
    weft_sqlite *db = test_open_table(NULL);
    weft_sqlite_statement *insert =
        test_pointer(weft_sqlite_prepare(db, "INSERT INTO t VALUES (?, ?)"));
    for (int i = 1; i <= 5; i++)
        cr_assert_eq(test_number(weft_sqlite_exec_prepared(db, insert, weft_sqlite_int(i),
                                                           weft_sqlite_text("v"))),
                     1);
    cr_assert_eq(
        test_number(weft_sqlite_exec_prepared(db, insert, weft_sqlite_int(1), weft_sqlite_null())),
        -EEXIST);
    cr_assert_eq(test_number(weft_sqlite_exec_prepared(db, insert)), -EINVAL);
    weft_future *last =
        weft_sqlite_exec_prepared(db, insert, weft_sqlite_int(6), weft_sqlite_null());
    weft_sqlite_statement_free(insert); /* it runs all the same */
    cr_assert_eq(test_number(last), 1);
    cr_assert_eq(test_ask(db, "SELECT count(*) FROM t"), 6);
    cr_assert_eq(test_number(weft_sqlite_prepare(db, "nonsense")), WEFT_ESQLITE);
    cr_assert_eq(test_number(weft_sqlite_prepare(db, NULL)), -EINVAL);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_query, a_statement_is_in_use_while_a_cursor_goes_through_its_rows)
{
    weft_sqlite *db = test_open(&(struct weft_sqlite_options){.batch_rows = 1});
    weft_sqlite_statement *statement = test_pointer(weft_sqlite_prepare(db, NUMBERS));
    struct weft_sqlite_value three = weft_sqlite_int(3);
    weft_sqlite_cursor *cursor =
        test_pointer(weft_sqlite_query_prepared(db, statement, three, three));
    cr_assert_eq(test_number(weft_sqlite_exec_prepared(db, statement, three, three)), -EBUSY);
    cr_assert_eq(test_number(weft_sqlite_query_prepared(db, statement, three, three)), -EBUSY);
    weft_sqlite_cursor_free(cursor);
    cursor = test_pointer(weft_sqlite_query_prepared(db, statement, three, three));
    cr_assert_not_null(cursor, "%s", test_message);
    weft_sqlite_statement_free(statement); /* the cursor goes on */
    for (int i = 1; i <= 3; i++) {
        weft_sqlite_rows *rows = fetch(cursor);
        cr_assert_eq(weft_sqlite_get_int(rows, 0, 0), i);
        weft_sqlite_rows_free(rows);
    }
    weft_sqlite_cursor_free(cursor);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_query, a_statement_of_another_connection_is_refused)
{
    weft_sqlite *a = test_open_table(NULL), *b = test_open(NULL);
    weft_sqlite_statement *statement = test_pointer(weft_sqlite_prepare(a, "SELECT 1"));
    cr_assert_eq(test_number(weft_sqlite_exec_prepared(b, statement)), -EXDEV);
    cr_assert_eq(test_number(weft_sqlite_query_prepared(b, statement)), -EXDEV);
    cr_assert_eq(test_number(weft_sqlite_exec_prepared(a, NULL)), -EINVAL);
    weft_sqlite *tx = test_pointer(weft_sqlite_begin(a, WEFT_SQLITE_DEFERRED));
    cr_assert_eq(test_number(weft_sqlite_exec_prepared(tx, statement)), 0);
    weft_sqlite_free(tx);
    weft_sqlite_statement_free(statement);
    weft_sqlite_free(a);
    weft_sqlite_free(b);
    test_sqlite_end();
}

Test(sqlite_query, a_statement_survives_a_change_of_the_schema)
{
    weft_sqlite *db = test_open_table(NULL);
    weft_sqlite_statement *statement =
        test_pointer(weft_sqlite_prepare(db, "INSERT INTO t(v) VALUES (1)"));
    cr_assert_eq(test_number(weft_sqlite_exec(db, "ALTER TABLE t ADD COLUMN w")), 0);
    cr_assert_eq(test_number(weft_sqlite_exec_prepared(db, statement)), 1);
    cr_assert_eq(test_number(weft_sqlite_exec(db, "DROP TABLE t")), 0);
    cr_assert_eq(test_number(weft_sqlite_exec_prepared(db, statement)), WEFT_ESQLITE);
    weft_sqlite_statement_free(statement);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_query, columns_that_came_later_are_there_though_the_statement_was_kept)
{
    weft_sqlite *db = test_open_table(NULL);
    weft_sqlite_rows_free(test_pointer(weft_sqlite_fetch_all(db, "SELECT * FROM t")));
    test_number(weft_sqlite_script(db, "INSERT INTO t VALUES (1, 2);"
                                       "ALTER TABLE t ADD COLUMN w DEFAULT 7"));
    weft_sqlite_rows *rows = test_pointer(weft_sqlite_fetch_all(db, "SELECT * FROM t"));
    cr_assert_eq(weft_sqlite_column_count(rows), 3);
    cr_assert_str_eq(weft_sqlite_column_name(rows, 2), "w");
    cr_assert_eq(weft_sqlite_get_int(rows, 0, 2), 7);
    weft_sqlite_rows_free(rows);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_query, more_statements_than_are_kept_work_as_well)
{
    char sql[64];
    weft_sqlite *db = test_open(&(struct weft_sqlite_options){.statements = 2});
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 6; i++) {
            snprintf(sql, sizeof(sql), "SELECT %d", i);
            cr_assert_eq(test_ask(db, sql), i);
        }
    weft_sqlite_free(db);
    test_sqlite_end();
}
