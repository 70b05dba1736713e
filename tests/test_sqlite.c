/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/loop.h"
#include "tests/support/sqlite.h"

TestSuite(sqlite, .init = test_sqlite_begin, .timeout = 60);

/* ---- Opening and closing ---- */

Test(sqlite, a_file_is_made_written_closed_and_read_again)
{
    weft_sqlite *db = test_open_table(NULL);
    cr_assert_eq(test_number(weft_sqlite_exec(db, "INSERT INTO t(v) VALUES ('a'), ('b')")), 2);
    cr_assert_eq(test_number(weft_sqlite_close(db)), 0);
    weft_sqlite_free(db);
    db = test_open(&(struct weft_sqlite_options){.flags = WEFT_SQLITE_READ_ONLY});
    cr_assert_eq(test_ask(db, "SELECT count(*) FROM t"), 2);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite, a_handle_that_is_freed_closes_after_what_was_asked_for)
{
    weft_sqlite *db = test_open_table(NULL);
    weft_future *insert = weft_sqlite_exec(db, "INSERT INTO t(v) VALUES (1)");
    weft_sqlite_free(db);
    cr_assert_eq(test_number(insert), 1);
    db = test_open(NULL);
    cr_assert_eq(test_ask(db, "SELECT count(*) FROM t"), 1);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite, an_open_that_nobody_takes_is_closed)
{
    weft_unref(weft_sqlite_open(test_path("db"), NULL));
    test_sqlite_end();
    cr_assert_eq(test_reports.count, 0);
}

Test(sqlite, a_database_in_memory_is_its_connections_own)
{
    weft_sqlite *a = test_pointer(weft_sqlite_open(":memory:", NULL));
    weft_sqlite *b = test_pointer(weft_sqlite_open(":memory:", NULL));
    cr_assert_eq(test_number(weft_sqlite_exec(a, "CREATE TABLE t(x)")), 0);
    cr_assert_eq(test_number(weft_sqlite_exec(b, "SELECT * FROM t")), WEFT_ESQLITE);
    weft_sqlite_free(a);
    weft_sqlite_free(b);
    test_sqlite_end();
}

Test(sqlite, flags_say_what_an_open_may_do)
{
    struct weft_sqlite_options options = {.flags = WEFT_SQLITE_NO_CREATE};
    cr_assert_null(test_pointer(weft_sqlite_open(test_path("none"), &options)));
    cr_assert_eq(test_status, -ENOENT, "%s", test_message);
    cr_assert_neq(access(test_path("none"), F_OK), 0);

    weft_sqlite_free(test_open_table(NULL));
    weft_sqlite *db = test_open(&(struct weft_sqlite_options){.flags = WEFT_SQLITE_READ_ONLY});
    cr_assert_eq(test_number(weft_sqlite_exec(db, "INSERT INTO t(v) VALUES (1)")), -EROFS);
    cr_assert_not_null(strstr(test_message, "readonly"), "%s", test_message);
    weft_sqlite_free(db);

    cr_assert_eq(symlink(test_path("db"), test_path("link")), 0);
    options.flags = WEFT_SQLITE_NO_FOLLOW;
    cr_assert_null(test_pointer(weft_sqlite_open(test_path("link"), &options)));
    cr_assert_lt(test_status, 0);

    options.flags = WEFT_SQLITE_URI;
    db = test_pointer(weft_sqlite_open("file::memory:?cache=private", &options));
    cr_assert_not_null(db);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite, what_is_no_database_cannot_be_opened)
{
    char noise[4096];
    memset(noise, 'x', sizeof(noise));
    int fd = open(test_path("db"), O_CREAT | O_WRONLY, 0600);
    cr_assert_eq(write(fd, noise, sizeof(noise)), sizeof(noise));
    close(fd);
    cr_assert_null(test_pointer(weft_sqlite_open(test_path("db"), NULL)));
    cr_assert_eq(test_status, WEFT_ESQLITE);
    cr_assert_str_eq(test_message, "file is not a database (SQLite 26)");
    cr_assert_null(test_pointer(weft_sqlite_open("/", NULL)));
    cr_assert_lt(test_status, 0);
    test_sqlite_end();
}

Test(sqlite, setup_runs_before_anything_else)
{
    weft_sqlite *db = test_open(&(struct weft_sqlite_options){
        .setup = "PRAGMA foreign_keys = ON; CREATE TABLE p(id INTEGER PRIMARY KEY);"
                 "CREATE TABLE c(p REFERENCES p);"});
    cr_assert_eq(test_ask(db, "PRAGMA foreign_keys"), 1);
    cr_assert_eq(test_number(weft_sqlite_exec(db, "INSERT INTO c VALUES (7)")), WEFT_ESQLITE);
    cr_assert_str_eq(test_message, "FOREIGN KEY constraint failed (SQLite 787)");
    weft_sqlite_free(db);
    cr_assert_null(test_pointer(weft_sqlite_open(
        test_path("db"), &(struct weft_sqlite_options){.setup = "SELECT 1; nonsense"})));
    cr_assert_eq(test_status, WEFT_ESQLITE);
    test_sqlite_end();
}

Test(sqlite, wal_and_full_are_what_they_say)
{
    weft_sqlite *db = test_open(&(struct weft_sqlite_options){.flags = WEFT_SQLITE_WAL});
    cr_assert_eq(test_ask(db, "PRAGMA synchronous"), 1);
    cr_assert_eq(test_ask(db, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"), 1);
    weft_sqlite_free(db);
    db = test_open(&(struct weft_sqlite_options){.flags = WEFT_SQLITE_WAL | WEFT_SQLITE_FULL});
    cr_assert_eq(test_ask(db, "PRAGMA synchronous"), 2);
    weft_sqlite_free(db);
    cr_assert_null(test_pointer(
        weft_sqlite_open(":memory:", &(struct weft_sqlite_options){.flags = WEFT_SQLITE_WAL})));
    cr_assert_eq(test_status, -EINVAL);
    test_sqlite_end();
}

Test(sqlite, a_connection_is_a_lane_of_one_by_its_name)
{
    weft_sqlite *db = test_open(NULL);
    weft_lane *lane = weft_loop_lane(test_loop, "sqlite:db#1");
    cr_assert_not_null(lane);
    struct weft_lane_options options;
    weft_lane_get_options(lane, &options);
    cr_assert_eq(options.max_running, 1);
    weft_sqlite_free(db);
    test_sqlite_end();
}

/* Names are labels of metrics: so many as there are connections at once, not as there ever were. */
Test(sqlite, a_name_is_used_again_when_its_connection_is_closed)
{
    weft_sqlite *first = test_open(NULL), *second = test_open(NULL);
    cr_assert_not_null(weft_loop_lane(test_loop, "sqlite:db#2"));
    weft_sqlite_free(first);
    first = test_open(NULL);
    cr_assert_not_null(weft_loop_lane(test_loop, "sqlite:db#1"));
    cr_assert_null(weft_loop_lane(test_loop, "sqlite:db#3"));
    weft_sqlite_free(first);
    weft_sqlite_free(second);
    test_sqlite_end();
}

Test(sqlite, what_is_closed_says_so)
{
    weft_sqlite *db = test_open_table(NULL);
    weft_sqlite_statement *statement = test_pointer(weft_sqlite_prepare(db, "SELECT 1"));
    weft_sqlite_cursor *cursor = test_pointer(weft_sqlite_query(
        db, "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c"));
    weft_sqlite_rows_free(test_pointer(weft_sqlite_fetch(cursor)));
    weft_future *first = weft_sqlite_close(db);
    cr_assert_eq(test_number(weft_sqlite_close(db)), WEFT_ECLOSED);
    cr_assert_eq(test_number(first), 0);
    cr_assert_eq(test_number(weft_sqlite_exec(db, "SELECT 1")), WEFT_ECLOSED);
    cr_assert_eq(test_number(weft_sqlite_exec_prepared(db, statement)), WEFT_ECLOSED);
    cr_assert_eq(test_number(weft_sqlite_begin(db, WEFT_SQLITE_DEFERRED)), WEFT_ECLOSED);
    cr_assert_eq(test_number(weft_sqlite_backup(db, test_path("copy"), NULL)), WEFT_ECLOSED);
    cr_assert_null(test_pointer(weft_sqlite_fetch(cursor)));
    cr_assert_eq(test_status, WEFT_ECLOSED);
    cr_assert_eq(weft_sqlite_changes(db), 0);
    weft_sqlite_free(db);
    weft_sqlite_cursor_free(cursor);
    weft_sqlite_statement_free(statement);
    test_sqlite_end();
}

Test(sqlite, nothing_is_freed_twice_by_freeing_nothing)
{
    weft_sqlite_free(NULL);
    weft_sqlite_cursor_free(NULL);
    weft_sqlite_statement_free(NULL);
    weft_sqlite_rows_free(NULL);
    weft_sqlite_pool_free(NULL);
    test_sqlite_end();
}

/* ---- Running statements ---- */

Test(sqlite, exec_counts_the_rows_that_it_changed)
{
    weft_sqlite *db = test_open_table(NULL);
    cr_assert_eq(test_number(weft_sqlite_exec(db, "INSERT INTO t(v) VALUES (1), (2), (3)")), 3);
    cr_assert_eq(test_number(weft_sqlite_exec(db, "CREATE TABLE u(x)")), 0);
    cr_assert_eq(test_number(weft_sqlite_exec(db, "SELECT * FROM t")), 0);
    cr_assert_eq(
        test_number(weft_sqlite_exec(db, "UPDATE t SET v = 9 WHERE v > ?", weft_sqlite_int(1))), 2);
    cr_assert_eq(weft_sqlite_changes(db), 2);
    cr_assert_eq(test_number(weft_sqlite_exec(db, "DELETE FROM t")), 3);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite, insert_gives_the_row_that_it_made)
{
    weft_sqlite *db = test_open_table(NULL);
    cr_assert_eq(test_number(weft_sqlite_insert(db, "INSERT INTO t VALUES (41, 'x')")), 41);
    cr_assert_eq(test_number(weft_sqlite_insert(db, "INSERT INTO t(v) VALUES ('y')")), 42);
    cr_assert_eq(weft_sqlite_last_insert_rowid(db), 42);
    cr_assert_eq(test_number(weft_sqlite_insert(db, "INSERT OR IGNORE INTO t VALUES (41, 0)")), 0);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite, calls_of_a_connection_run_in_the_order_in_which_they_were_made)
{
    enum { COUNT = 200 };
    weft_future *inserts[COUNT];
    weft_sqlite *db = test_open_table(NULL);
    for (int i = 0; i < COUNT; i++)
        inserts[i] = weft_sqlite_insert(db, "INSERT INTO t(v) VALUES (?)", weft_sqlite_int(i));
    for (int i = 0; i < COUNT; i++)
        cr_assert_eq(test_number(inserts[i]), i + 1);
    cr_assert_eq(test_ask(db, "SELECT count(*) FROM t WHERE v = id - 1"), COUNT);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite, a_script_happens_whole_or_not_at_all)
{
    weft_sqlite *db = test_open_table(NULL);
    cr_assert_eq(
        test_number(weft_sqlite_script(
            db, "INSERT INTO t VALUES (1, 'a'); -- a remark\n INSERT INTO t VALUES (2, 'b');;")),
        0);
    cr_assert_eq(test_number(weft_sqlite_script(
                     db, "INSERT INTO t VALUES (3, 'c'); INSERT INTO t VALUES (1, 'd');")),
                 -EEXIST);
    cr_assert_eq(test_number(weft_sqlite_script(db, "INSERT INTO t VALUES (3, 'c'); nonsense")),
                 WEFT_ESQLITE);
    cr_assert_eq(test_number(weft_sqlite_script(db, "INSERT INTO t VALUES (?, ?)")), -EINVAL);
    cr_assert_eq(test_number(weft_sqlite_script(db, "INSERT INTO t VALUES (3, 0); COMMIT")),
                 -EINVAL);
    cr_assert_eq(test_number(weft_sqlite_script(db, "")), 0);
    cr_assert_eq(test_ask(db, "SELECT count(*) FROM t"), 2);
    weft_sqlite_free(db);
    test_sqlite_end();
}

/* ---- Misuse ---- */

Test(sqlite, values_must_fit_the_parameters)
{
    weft_sqlite *db = test_open_table(NULL);
    const char *two = "INSERT INTO t VALUES (?, ?)", *named = "INSERT INTO t VALUES (:id, $v)";
    struct weft_sqlite_value one = weft_sqlite_int(1), odd = {.type = (enum weft_sqlite_type)50};
    cr_assert_eq(test_number(weft_sqlite_exec(db, two)), -EINVAL);
    cr_assert_str_eq(test_message, "0 values are given for 2 parameters");
    cr_assert_eq(test_number(weft_sqlite_exec(db, two, one, one, one)), -EINVAL);
    cr_assert_eq(test_number(weft_sqlite_exec(db, named, weft_sqlite_named(":id", one),
                                              weft_sqlite_named(":v", one))),
                 -EINVAL);
    cr_assert_str_eq(test_message, "there is no parameter :v");
    cr_assert_eq(test_number(weft_sqlite_exec(db, named, weft_sqlite_named(":id", one),
                                              weft_sqlite_named(":id", one))),
                 -EINVAL);
    cr_assert_eq(test_number(weft_sqlite_exec(db, named, weft_sqlite_named("$v", one), one)),
                 -EINVAL);
    cr_assert_eq(test_number(weft_sqlite_exec(db, two, one, odd)), -EINVAL);
    cr_assert_eq(test_number(weft_sqlite_exec(db, named, weft_sqlite_named("$v", one),
                                              weft_sqlite_named(":id", weft_sqlite_int(9)))),
                 1);
    cr_assert_eq(test_ask(db, "SELECT id FROM t"), 9);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite, one_statement_is_not_none_and_not_two)
{
    weft_sqlite *db = test_open_table(NULL);
    cr_assert_eq(test_number(weft_sqlite_exec(db, "")), -EINVAL);
    cr_assert_eq(test_number(weft_sqlite_exec(db, " -- nothing")), -EINVAL);
    cr_assert_eq(test_number(weft_sqlite_exec(db, "SELECT 1; SELECT 2")), -EINVAL);
    cr_assert_eq(test_number(weft_sqlite_exec(db, "SELECT 1; nonsense")), -EINVAL);
    cr_assert_eq(test_number(weft_sqlite_exec(db, "SELECT 1; ; -- and that is all")), 0);
    cr_assert_eq(test_number(weft_sqlite_exec(db, NULL)), -EINVAL);
    cr_assert_eq(test_number(weft_sqlite_exec(NULL, "SELECT 1")), -EINVAL);
    cr_assert_eq(test_number(weft_sqlite_exec_array(db, "SELECT 1", NULL, 1)), -EINVAL);
    cr_assert_eq(test_number(weft_sqlite_open(NULL, NULL)), -EINVAL);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite, options_of_another_version_are_refused)
{
    struct weft_sqlite_options odd = {.size = 3}, flags = {.flags = 1u << 20};
    struct weft_sqlite_pool_options pool = {.size = 3}, many = {.readers = 100000};
    cr_assert_eq(test_number(weft_sqlite_open(test_path("db"), &odd)), -EINVAL);
    cr_assert_eq(test_number(weft_sqlite_open(test_path("db"), &flags)), -EINVAL);
    cr_assert_eq(test_number(weft_sqlite_pool_open(test_path("db"), &pool)), -EINVAL);
    cr_assert_eq(test_number(weft_sqlite_pool_open(test_path("db"), &many)), -EINVAL);
    cr_assert_eq(test_number(weft_sqlite_pool_open(NULL, NULL)), -EINVAL);
    test_sqlite_end();
}

Test(sqlite, transactions_by_hand_are_refused)
{
    static const char *const by_hand[] = {"BEGIN", "SAVEPOINT a", "COMMIT", "ROLLBACK"};
    weft_sqlite *db = test_open_table(NULL);
    weft_sqlite_free(test_pointer(weft_sqlite_begin(db, WEFT_SQLITE_DEFERRED)));
    for (size_t i = 0; i < sizeof(by_hand) / sizeof(*by_hand); i++) {
        cr_assert_eq(test_number(weft_sqlite_exec(db, by_hand[i])), -EINVAL, "%s", by_hand[i]);
        cr_assert_not_null(strstr(test_message, "weft_sqlite_begin"));
    }
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite, a_database_is_vacuumed_by_exec)
{
    weft_sqlite *db = test_open_table(NULL);
    cr_assert_eq(test_number(weft_sqlite_exec(db, "VACUUM")), 0, "%s", test_message);
    cr_assert_eq(
        test_number(weft_sqlite_exec(db, "VACUUM INTO ?", weft_sqlite_text(test_path("c")))), 0,
        "%s", test_message);
    cr_assert_eq(test_number(weft_sqlite_exec(db, "COMMIT")), -EINVAL);
    weft_sqlite_free(db);
    test_sqlite_end();
}

/* ---- Errors ---- */

Test(sqlite, errors_carry_the_text_and_the_code_of_sqlite)
{
    weft_sqlite *db = test_open_table(NULL);
    cr_assert_eq(test_number(weft_sqlite_exec(db, "INSERT INTO t VALUES (1, 1)")), 1);
    cr_assert_eq(test_number(weft_sqlite_exec(db, "INSERT INTO t VALUES (1, 1)")), -EEXIST);
    cr_assert_str_eq(test_message, "UNIQUE constraint failed: t.id (SQLite 1555)");
    cr_assert_eq(weft_sqlite_code(test_message), 1555);
    cr_assert_eq(test_number(weft_sqlite_exec(db, "SELEC 1")), WEFT_ESQLITE);
    cr_assert_str_eq(test_message, "near \"SELEC\": syntax error (SQLite 1)");
    cr_assert_eq(weft_sqlite_code(test_message), 1);
    cr_assert_eq(weft_sqlite_code("no code"), 0);
    cr_assert_eq(weft_sqlite_code(NULL), 0);
    cr_assert_eq(weft_sqlite_code("(SQLite 5) within (SQLite 7)"), 7);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite, a_full_database_is_enospc_and_a_long_value_is_e2big)
{
    weft_sqlite *db = test_open_table(
        &(struct weft_sqlite_options){.setup = "PRAGMA max_page_count = 8", .value_bytes = 100000});
    cr_assert_eq(test_number(weft_sqlite_exec(db, "INSERT INTO t(v) VALUES (zeroblob(90000))")),
                 -ENOSPC);
    cr_assert_str_eq(test_message, "database or disk is full (SQLite 13)");
    cr_assert_eq(test_number(weft_sqlite_exec(db, "INSERT INTO t(v) VALUES (zeroblob(200000))")),
                 -E2BIG);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite, what_another_connection_has_locked_is_ebusy_when_the_time_is_over)
{
    weft_sqlite *a = test_open_table(NULL);
    weft_sqlite *b = test_open(&(struct weft_sqlite_options){.busy_timeout = -1});
    weft_sqlite *c = test_open(&(struct weft_sqlite_options){.busy_timeout = WEFT_MS(3)});
    weft_sqlite *tx = test_pointer(weft_sqlite_begin(a, WEFT_SQLITE_IMMEDIATE));
    cr_assert_eq(test_number(weft_sqlite_exec(b, "INSERT INTO t(v) VALUES (1)")), -EBUSY);
    cr_assert_eq(test_number(weft_sqlite_exec(c, "INSERT INTO t(v) VALUES (1)")), -EBUSY);
    cr_assert_str_eq(test_message, "database is locked (SQLite 5)");
    weft_sqlite_free(tx);
    weft_sqlite_free(a);
    weft_sqlite_free(b);
    weft_sqlite_free(c);
    test_sqlite_end();
}
