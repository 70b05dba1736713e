/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/loop.h"
#include "tests/support/sqlite.h"

TestSuite(sqlite_transaction, .init = test_sqlite_begin, .timeout = 60);

static weft_sqlite *begin(weft_sqlite *db)
{
    weft_sqlite *tx = test_pointer(weft_sqlite_begin(db, WEFT_SQLITE_IMMEDIATE));
    cr_assert_not_null(tx, "%s %s", weft_error_name(test_status), test_message);
    return tx;
}

static void insert(weft_sqlite *db, int64_t id)
{
    cr_assert_eq(
        test_number(weft_sqlite_exec(db, "INSERT INTO t(id) VALUES (?)", weft_sqlite_int(id))), 1,
        "%s", test_message);
}

static int64_t count(weft_sqlite *db)
{
    return test_ask(db, "SELECT count(*) FROM t");
}

/* ---- One ---- */

Test(sqlite_transaction, what_is_committed_stays)
{
    weft_sqlite *db = test_open_table(NULL), *tx = begin(db);
    insert(tx, 1);
    cr_assert_eq(test_number(weft_sqlite_commit(tx)), 0);
    cr_assert_eq(test_number(weft_sqlite_exec(tx, "SELECT 1")), WEFT_ECLOSED);
    cr_assert_eq(test_number(weft_sqlite_commit(tx)), WEFT_ECLOSED);
    weft_sqlite_free(tx);
    cr_assert_eq(count(db), 1);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_transaction, what_is_rolled_back_or_freed_is_gone)
{
    weft_sqlite *db = test_open_table(NULL), *tx = begin(db);
    insert(tx, 1);
    cr_assert_eq(test_number(weft_sqlite_rollback(tx)), 0);
    cr_assert_eq(test_number(weft_sqlite_rollback(tx)), WEFT_ECLOSED);
    weft_sqlite_free(tx);
    cr_assert_eq(count(db), 0);
    tx = begin(db);
    insert(tx, 2);
    weft_sqlite_free(tx);
    cr_assert_eq(count(db), 0);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_transaction, one_that_nobody_takes_is_rolled_back)
{
    weft_sqlite *db = test_open_table(NULL);
    weft_unref(weft_sqlite_begin(db, WEFT_SQLITE_EXCLUSIVE));
    insert(db, 1);
    cr_assert_eq(count(db), 1);
    weft_sqlite_free(db);
    test_sqlite_end();
    cr_assert_eq(test_reports.count, 0);
}

Test(sqlite_transaction, each_kind_locks_when_it_says)
{
    weft_sqlite *a = test_open_table(NULL);
    weft_sqlite *b = test_open(&(struct weft_sqlite_options){.busy_timeout = -1});
    weft_sqlite *tx = test_pointer(weft_sqlite_begin(a, WEFT_SQLITE_DEFERRED));
    insert(b, 1);
    weft_sqlite_free(tx);
    tx = begin(a);
    cr_assert_eq(count(b), 1);
    cr_assert_eq(test_number(weft_sqlite_exec(b, "DELETE FROM t")), -EBUSY);
    weft_sqlite_free(tx);
    tx = test_pointer(weft_sqlite_begin(a, WEFT_SQLITE_EXCLUSIVE));
    cr_assert_eq(test_number(weft_sqlite_fetch_all(b, "SELECT * FROM t")), -EBUSY);
    weft_sqlite_free(tx);
    cr_assert_eq(test_number(weft_sqlite_begin(a, (enum weft_sqlite_begin)9)), -EINVAL);
    weft_sqlite_free(a);
    weft_sqlite_free(b);
    test_sqlite_end();
}

Test(sqlite_transaction, one_that_cannot_begin_holds_up_nobody)
{
    weft_sqlite *a = test_open_table(NULL), *tx = begin(a);
    weft_sqlite *b = test_open(&(struct weft_sqlite_options){.busy_timeout = -1});
    weft_future *refused = weft_sqlite_begin(b, WEFT_SQLITE_IMMEDIATE);
    weft_future *behind = weft_sqlite_exec(b, "SELECT 1");
    cr_assert_eq(test_number(refused), -EBUSY);
    cr_assert_eq(test_number(behind), 0);
    weft_sqlite_free(tx);
    weft_sqlite_free(a);
    weft_sqlite_free(b);
    test_sqlite_end();
}

Test(sqlite_transaction, misuse_is_refused)
{
    weft_sqlite *db = test_open_table(NULL), *tx = begin(db);
    cr_assert_eq(test_number(weft_sqlite_commit(db)), -EINVAL);
    cr_assert_eq(test_number(weft_sqlite_rollback(db)), -EINVAL);
    cr_assert_eq(test_number(weft_sqlite_commit(NULL)), -EINVAL);
    cr_assert_eq(test_number(weft_sqlite_begin(NULL, WEFT_SQLITE_DEFERRED)), -EINVAL);
    cr_assert_eq(test_number(weft_sqlite_close(tx)), -EINVAL);
    cr_assert_eq(test_number(weft_sqlite_backup(tx, test_path("copy"), NULL)), -EINVAL);
    weft_sqlite_free(tx);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_transaction, a_connection_that_closes_rolls_back)
{
    weft_sqlite *db = test_open_table(NULL), *tx = begin(db);
    insert(tx, 1);
    weft_future *waits = weft_sqlite_exec(db, "SELECT 1");
    weft_sqlite_free(db);
    cr_assert_eq(test_number(waits), WEFT_ECLOSED);
    cr_assert_eq(test_number(weft_sqlite_exec(tx, "SELECT 1")), WEFT_ECLOSED);
    weft_sqlite_free(tx);
    db = test_open(NULL);
    cr_assert_eq(count(db), 0);
    weft_sqlite_free(db);
    test_sqlite_end();
}

/* ---- Turns ---- */

static weft_future *note(weft_sqlite *db, const char *name)
{
    return weft_sqlite_exec(db, "INSERT INTO t(v) VALUES (?)", weft_sqlite_text(name));
}

/* What was noted, in the order in which it ran: results may come to the loop in another one. */
static const char *noted(weft_sqlite *db)
{
    static char text[64];
    weft_sqlite_rows *rows = test_pointer(weft_sqlite_fetch_all(
        db, "SELECT coalesce(group_concat(v, ''), '') FROM (SELECT v FROM t ORDER BY id)"));
    cr_assert_not_null(rows, "%s", test_message);
    snprintf(text, sizeof(text), "%s", weft_sqlite_get_text(rows, 0, 0));
    weft_sqlite_rows_free(rows);
    return text;
}

struct note_within {
    WEFT_FRAME;
    const char *name;
    weft_sqlite *db, *tx;
};

static WEFT_ASYNC(note_within)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->tx, weft_sqlite_begin(self->db, WEFT_SQLITE_IMMEDIATE));
    WEFT_AWAIT(note(self->tx, self->name));
    WEFT_AWAIT(note(self->tx, "."));
    WEFT_AWAIT(weft_sqlite_commit(self->tx));

    WEFT_FINALLY;
    weft_sqlite_free(self->tx);
    WEFT_END;
}

Test(sqlite_transaction, others_wait_and_come_in_in_order)
{
    weft_sqlite *db = test_open_table(NULL), *tx = begin(db);
    weft_future *all = weft_gather(
        note(db, "a"), weft_spawn_eager(note_within, .name = "B", .db = db), note(db, "c"),
        note(db, "d"), weft_spawn_eager(note_within, .name = "E", .db = db), note(db, "f"));
    cr_assert_str_eq(noted(tx), "");
    cr_assert_eq(test_number(note(tx, "-")), 1);
    cr_assert_str_eq(noted(tx), "-");
    cr_assert_eq(test_number(weft_sqlite_commit(tx)), 0);
    weft_sqlite_free(tx);
    weft_sqlite_rows_free(NULL);
    cr_assert_eq(weft_test_run(all), 0);
    cr_assert_str_eq(noted(db), "-aB.cdE.f");
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_transaction, what_gives_rows_waits_too)
{
    weft_sqlite *db = test_open_table(&(struct weft_sqlite_options){.batch_rows = 1});
    insert(db, 1);
    insert(db, 2);
    weft_sqlite_cursor *cursor = test_pointer(weft_sqlite_query(db, "SELECT id FROM t"));
    weft_sqlite *tx = begin(db);
    weft_sqlite_rows_free(test_pointer(weft_sqlite_fetch(cursor))); /* it was read before */
    weft_future *fetch = weft_sqlite_fetch(cursor);
    weft_future *all = weft_sqlite_fetch_all(db, "SELECT id FROM t");
    insert(tx, 3);
    cr_assert_not(weft_is_done(fetch));
    cr_assert_not(weft_is_done(all));
    weft_sqlite_free(tx);
    weft_sqlite_rows *rows = test_pointer(fetch);
    cr_assert_eq(weft_sqlite_get_int(rows, 0, 0), 2);
    weft_sqlite_rows_free(rows);
    rows = test_pointer(all);
    cr_assert_eq(weft_sqlite_row_count(rows), 2);
    weft_sqlite_rows_free(rows);
    weft_sqlite_cursor_free(cursor);
    weft_sqlite_free(db);
    test_sqlite_end();
}

struct goes_down {
    WEFT_FRAME;
    weft_sqlite *db;
    int level;
    int64_t found;
};

/* Each starts the next one within its first step; that has a limit. */
static WEFT_ASYNC(goes_down)
{
    WEFT_BEGIN;
    if (self->level == 0) {
        WEFT_CATCH(self->found, weft_sqlite_begin(self->db, WEFT_SQLITE_DEFERRED));
        WEFT_RETURN(self->found);
    }
    WEFT_AWAIT_INTO(self->found,
                    weft_spawn_eager(goes_down, .db = self->db, .level = self->level - 1));
    WEFT_RETURN(self->found);
    WEFT_END;
}

Test(sqlite_transaction, within_too_many_tasks_it_is_refused_and_holds_up_nobody)
{
    weft_sqlite *db = test_open_table(NULL);
    cr_assert_eq(test_number(weft_spawn_eager(goes_down, .db = db, .level = 199)), WEFT_ELIMIT);
    weft_sqlite_free(begin(db));
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_transaction, what_waits_can_be_cancelled)
{
    weft_sqlite *db = test_open_table(NULL), *tx = begin(db);
    weft_future *exec = weft_sqlite_exec(db, "INSERT INTO t(id) VALUES (1)");
    weft_future *second = weft_sqlite_begin(db, WEFT_SQLITE_IMMEDIATE);
    weft_future *query = weft_sqlite_query(db, "SELECT 1");
    weft_future *last = weft_sqlite_exec(db, "INSERT INTO t(id) VALUES (2)");
    cr_assert(weft_cancel(second));
    cr_assert(weft_cancel(exec));
    cr_assert(weft_cancel(query));
    cr_assert_eq(test_number(exec), -ECANCELED);
    cr_assert_eq(test_number(second), -ECANCELED);
    cr_assert_eq(test_number(query), -ECANCELED);
    weft_sqlite_free(tx);
    cr_assert_eq(test_number(last), 1);
    cr_assert_eq(count(db), 1);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_transaction, one_that_was_cancelled_just_before_its_turn_is_passed_over)
{
    weft_sqlite *db = test_open_table(NULL), *tx = begin(db);
    weft_future *second = weft_sqlite_begin(db, WEFT_SQLITE_IMMEDIATE);
    weft_future *exec = weft_sqlite_exec(db, "INSERT INTO t(id) VALUES (1)");
    weft_future *last = weft_sqlite_exec(db, "INSERT INTO t(id) VALUES (2)");
    cr_assert(weft_cancel(second));
    cr_assert(weft_cancel(exec));
    weft_sqlite_free(tx); /* before the two have run */
    cr_assert_eq(test_number(second), -ECANCELED);
    cr_assert_eq(test_number(exec), -ECANCELED);
    cr_assert_eq(test_number(last), 1);
    cr_assert_eq(count(db), 1);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_transaction, a_cancel_at_the_moment_of_its_turn_lets_the_next_one_in)
{
    weft_sqlite *db = test_open_table(NULL), *tx = begin(db);
    weft_future *second = weft_sqlite_begin(db, WEFT_SQLITE_IMMEDIATE);
    weft_future *last = weft_sqlite_exec(db, "INSERT INTO t(id) VALUES (2)");
    weft_sqlite_free(tx); /* it is the second's turn */
    cr_assert(weft_cancel(second));
    weft_sqlite *got = test_pointer(second);
    cr_assert(test_status == -ECANCELED || got);
    weft_sqlite_free(got);
    cr_assert_eq(test_number(last), 1);
    weft_sqlite_free(db);
    test_sqlite_end();
}

struct waits_for_itself {
    WEFT_FRAME;
    weft_sqlite *db, *tx;
    int status;
};

static WEFT_ASYNC(waits_for_itself)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->tx, weft_sqlite_begin(self->db, WEFT_SQLITE_DEFERRED));
    WEFT_CATCH(self->status, weft_sqlite_exec(self->db, "SELECT 1"));
    if (self->status != -EDEADLK)
        WEFT_FAIL(-EIO);
    WEFT_CATCH(self->status, weft_sqlite_begin(self->db, WEFT_SQLITE_DEFERRED));
    if (self->status != -EDEADLK)
        WEFT_FAIL(-EIO);
    WEFT_AWAIT(weft_gather(weft_sqlite_commit(self->tx), weft_sqlite_exec(self->db, "SELECT 1")));

    WEFT_FINALLY;
    weft_sqlite_free(self->tx);
    WEFT_END;
}

Test(sqlite_transaction, a_task_does_not_wait_for_its_own_transaction)
{
    weft_sqlite *db = test_open_table(NULL);
    cr_assert_eq(test_number(weft_spawn(waits_for_itself, .db = db)), 0, "%s", test_message);
    weft_sqlite_free(db);
    test_sqlite_end();
}

/* ---- Failures ---- */

struct add_two {
    WEFT_FRAME;
    weft_sqlite *db, *tx;
    const char *second;
};

static WEFT_ASYNC(add_two)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->tx, weft_sqlite_begin(self->db, WEFT_SQLITE_IMMEDIATE));
    WEFT_AWAIT(weft_sqlite_exec(self->tx, "INSERT INTO t(id) VALUES (1)"));
    WEFT_AWAIT(weft_sqlite_exec(self->tx, self->second));
    WEFT_AWAIT(weft_sqlite_commit(self->tx));

    WEFT_FINALLY;
    weft_sqlite_free(self->tx);
    WEFT_END;
}

Test(sqlite_transaction, a_failure_within_rolls_back)
{
    weft_sqlite *db = test_open_table(NULL);
    cr_assert_eq(
        test_number(weft_spawn(add_two, .db = db, .second = "INSERT INTO t(id) VALUES (1)")),
        -EEXIST);
    cr_assert_eq(count(db), 0);
    cr_assert_eq(
        test_number(weft_spawn(add_two, .db = db, .second = "INSERT INTO t(id) VALUES (2)")), 0);
    cr_assert_eq(count(db), 2);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_transaction, a_statement_that_fails_undoes_only_itself)
{
    weft_sqlite *db = test_open_table(NULL), *tx = begin(db);
    insert(tx, 1);
    cr_assert_eq(test_number(weft_sqlite_exec(tx, "INSERT INTO t(id) VALUES (2), (1)")), -EEXIST);
    insert(tx, 3);
    cr_assert_eq(test_number(weft_sqlite_commit(tx)), 0);
    weft_sqlite_free(tx);
    cr_assert_eq(test_ask(db, "SELECT sum(id) FROM t"), 4);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_transaction, after_sqlite_rolled_back_by_itself_nothing_of_it_runs)
{
    weft_sqlite *db = test_open_table(NULL), *tx = begin(db);
    insert(tx, 1);
    cr_assert_eq(test_number(weft_sqlite_exec(tx, "INSERT OR ROLLBACK INTO t(id) VALUES (1)")),
                 -EEXIST);
    cr_assert_eq(test_number(weft_sqlite_exec(tx, "INSERT INTO t(id) VALUES (2)")), WEFT_ECLOSED);
    cr_assert_str_eq(test_message, "SQLite has rolled the transaction back");
    cr_assert_eq(test_number(weft_sqlite_commit(tx)), WEFT_ECLOSED);
    weft_sqlite_free(tx);
    cr_assert_eq(count(db), 0);
    tx = begin(db);
    cr_assert_eq(test_number(weft_sqlite_exec(tx, "ROLLBACK")), -EINVAL);
    cr_assert_eq(test_number(weft_sqlite_rollback(tx)), 0);
    weft_sqlite_free(tx);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_transaction, a_commit_that_fails_leaves_it_open_to_be_tried_again)
{
    weft_sqlite *db = test_open(&(struct weft_sqlite_options){
        .setup = "PRAGMA foreign_keys = ON; CREATE TABLE t(id INTEGER PRIMARY KEY);"
                 "CREATE TABLE c(p REFERENCES t DEFERRABLE INITIALLY DEFERRED);"});
    weft_sqlite *tx = begin(db);
    cr_assert_eq(test_number(weft_sqlite_exec(tx, "INSERT INTO c VALUES (1)")), 1);
    weft_future *waits = weft_sqlite_exec(db, "SELECT 1");
    cr_assert_eq(test_number(weft_sqlite_commit(tx)), WEFT_ESQLITE);
    cr_assert_not(weft_is_done(waits));
    insert(tx, 1);
    cr_assert_eq(test_number(weft_sqlite_commit(tx)), 0);
    weft_sqlite_free(tx);
    cr_assert_eq(test_number(waits), 0);
    cr_assert_eq(test_ask(db, "SELECT count(*) FROM c"), 1);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_transaction, a_cursor_ends_with_a_rollback_of_what_it_reads)
{
    weft_sqlite *db = test_open_table(&(struct weft_sqlite_options){.batch_rows = 1});
    weft_sqlite *tx = begin(db);
    insert(tx, 1);
    insert(tx, 2);
    weft_sqlite_cursor *cursor = test_pointer(weft_sqlite_query(tx, "SELECT id FROM t"));
    weft_sqlite_rows_free(test_pointer(weft_sqlite_fetch(cursor)));
    weft_sqlite_free(tx);
    cr_assert_eq(test_number(weft_sqlite_fetch(cursor)), WEFT_ECLOSED);
    cr_assert_eq(count(db), 0);
    weft_sqlite_cursor_free(cursor);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_transaction, a_cursor_that_is_freed_leaves_the_transaction_open)
{
    weft_sqlite *db = test_open_table(&(struct weft_sqlite_options){.batch_rows = 1});
    insert(db, 1);
    insert(db, 2);
    weft_sqlite_cursor *cursor = test_pointer(weft_sqlite_query(db, "SELECT id FROM t"));
    weft_sqlite *tx = begin(db), *inner = begin(tx);
    insert(inner, 3);
    weft_sqlite_cursor_free(cursor);
    cr_assert_eq(test_number(weft_sqlite_commit(inner)), 0);
    cr_assert_eq(test_number(weft_sqlite_commit(tx)), 0);
    weft_sqlite_free(inner);
    weft_sqlite_free(tx);
    cr_assert_eq(count(db), 3);
    weft_sqlite_free(db);
    test_sqlite_end();
}

/* ---- One within another ---- */

Test(sqlite_transaction, one_within_another_is_rolled_back_alone)
{
    weft_sqlite *db = test_open_table(NULL), *tx = begin(db);
    insert(tx, 1);
    weft_sqlite *inner = begin(tx);
    insert(inner, 2);
    weft_sqlite *innermost = begin(inner);
    insert(innermost, 3);
    weft_future *waits = weft_sqlite_exec(tx, "INSERT INTO t(id) VALUES (4)");
    weft_sqlite_free(innermost);
    cr_assert_eq(count(inner), 2);
    cr_assert_eq(test_number(weft_sqlite_commit(tx)), -EBUSY);
    cr_assert_eq(test_number(weft_sqlite_rollback(inner)), 0);
    cr_assert_eq(test_number(waits), 1);
    weft_sqlite_free(inner);
    inner = begin(tx);
    insert(inner, 5);
    cr_assert_eq(test_number(weft_sqlite_commit(inner)), 0);
    weft_sqlite_free(inner);
    cr_assert_eq(test_number(weft_sqlite_commit(tx)), 0);
    weft_sqlite_free(tx);
    cr_assert_eq(test_ask(db, "SELECT sum(id) FROM t"), 10);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_transaction, the_outer_one_takes_the_inner_ones_with_it)
{
    weft_sqlite *db = test_open_table(NULL), *tx = begin(db), *inner = begin(tx);
    insert(inner, 1);
    weft_future *waits = weft_sqlite_exec(tx, "SELECT 1");
    weft_sqlite_free(tx);
    cr_assert_eq(test_number(waits), WEFT_ECLOSED);
    cr_assert_eq(test_number(weft_sqlite_commit(inner)), WEFT_ECLOSED);
    weft_sqlite_free(inner);
    cr_assert_eq(count(db), 0);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_transaction, a_script_within_one_is_undone_alone)
{
    weft_sqlite *db = test_open_table(NULL), *tx = begin(db);
    insert(tx, 1);
    cr_assert_eq(test_number(weft_sqlite_script(
                     tx, "INSERT INTO t(id) VALUES (2); INSERT INTO t(id) VALUES (1);")),
                 -EEXIST);
    insert(tx, 3);
    cr_assert_eq(test_number(weft_sqlite_commit(tx)), 0);
    weft_sqlite_free(tx);
    cr_assert_eq(test_ask(db, "SELECT sum(id) FROM t"), 4);
    weft_sqlite_free(db);
    test_sqlite_end();
}
