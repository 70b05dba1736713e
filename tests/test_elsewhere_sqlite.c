/* SPDX-License-Identifier: MIT */
/* Calls of weft_sqlite on another thread, and in a forked child. */
#include <criterion/criterion.h>
#include <errno.h>

#include "tests/support/child.h"
#include "tests/support/elsewhere.h"
#include "tests/support/loop.h"
#include "tests/support/sanitizer.h"
#include "tests/support/sqlite.h"

TestSuite(elsewhere_sqlite, .init = test_sqlite_begin, .timeout = 60);

struct stage {
    weft_sqlite *db, *tx;
    weft_sqlite_statement *statement;
    weft_sqlite_cursor *cursor;
    weft_sqlite_pool *pool;
};

#define CALLS(X)                                                                       \
    X(H, weft_sqlite_open, weft_sqlite_open(":memory:", NULL))                         \
    X(F, weft_sqlite_close, weft_sqlite_close(s->db))                                  \
    X(V, weft_sqlite_free, weft_sqlite_free(s->db))                                    \
    X(Z, weft_sqlite_last_insert_rowid, weft_sqlite_last_insert_rowid(s->db))          \
    X(Z, weft_sqlite_changes, weft_sqlite_changes(s->db))                              \
    X(F, weft_sqlite_exec, weft_sqlite_exec(s->db, "SELECT 1"))                        \
    X(F, weft_sqlite_insert, weft_sqlite_insert(s->db, "SELECT 1"))                    \
    X(F, weft_sqlite_exec_array, weft_sqlite_exec_array(s->db, "SELECT 1", NULL, 0))   \
    X(F, weft_sqlite_script, weft_sqlite_script(s->db, "SELECT 1"))                    \
    X(F, weft_sqlite_prepare, weft_sqlite_prepare(s->db, "SELECT 1"))                  \
    X(V, weft_sqlite_statement_free, weft_sqlite_statement_free(s->statement))         \
    X(F, weft_sqlite_exec_prepared, weft_sqlite_exec_prepared(s->db, s->statement))    \
    X(F, weft_sqlite_query, weft_sqlite_query(s->db, "SELECT 1"))                      \
    X(F, weft_sqlite_query_array, weft_sqlite_query_array(s->db, "SELECT 1", NULL, 0)) \
    X(F, weft_sqlite_query_prepared, weft_sqlite_query_prepared(s->db, s->statement))  \
    X(F, weft_sqlite_fetch, weft_sqlite_fetch(s->cursor))                              \
    X(V, weft_sqlite_cursor_free, weft_sqlite_cursor_free(s->cursor))                  \
    X(F, weft_sqlite_fetch_all, weft_sqlite_fetch_all(s->db, "SELECT 1"))              \
    X(F, weft_sqlite_begin, weft_sqlite_begin(s->db, WEFT_SQLITE_DEFERRED))            \
    X(F, weft_sqlite_commit, weft_sqlite_commit(s->tx))                                \
    X(F, weft_sqlite_rollback, weft_sqlite_rollback(s->tx))                            \
    X(F, weft_sqlite_backup, weft_sqlite_backup(s->db, "/nowhere", NULL))              \
    X(H, weft_sqlite_pool_open, weft_sqlite_pool_open("/nowhere", NULL))               \
    X(F, weft_sqlite_pool_read, weft_sqlite_pool_read(s->pool))                        \
    X(F, weft_sqlite_pool_write, weft_sqlite_pool_write(s->pool))                      \
    X(F, weft_sqlite_pool_close, weft_sqlite_pool_close(s->pool))                      \
    X(V, weft_sqlite_pool_free, weft_sqlite_pool_free(s->pool))

CALLS(WEFT_TEST_CALL)
static const struct weft_test_call calls[] = {CALLS(WEFT_TEST_ENTRY)};

static struct stage set_stage(void)
{
    struct stage s = {.db = test_open_table(&(struct weft_sqlite_options){.batch_rows = 1})};
    cr_assert_eq(test_number(weft_sqlite_insert(s.db, "INSERT INTO t VALUES (7, 7), (8, 8)")), 8);
    s.statement = test_pointer(weft_sqlite_prepare(s.db, "SELECT 1"));
    s.cursor = test_pointer(weft_sqlite_query(s.db, "SELECT id FROM t"));
    s.tx = test_pointer(weft_sqlite_begin(s.db, WEFT_SQLITE_DEFERRED));
    s.pool = test_pointer(weft_sqlite_pool_open(test_path("other"),
                                                &(struct weft_sqlite_pool_options){.readers = 1}));
    cr_assert(s.statement && s.cursor && s.tx && s.pool);
    return s;
}

static void clear_stage(struct stage s)
{
    weft_sqlite_pool_free(s.pool);
    weft_sqlite_free(s.tx);
    weft_sqlite_cursor_free(s.cursor);
    weft_sqlite_statement_free(s.statement);
    weft_sqlite_free(s.db);
}

Test(elsewhere_sqlite, calls_are_refused_named_and_change_nothing)
{
    struct stage s = set_stage();
    weft_test_elsewhere(calls, sizeof(calls) / sizeof(calls[0]), &s);
    cr_assert_eq(test_number(weft_sqlite_exec(s.tx, "INSERT INTO t VALUES (9, 9)")), 1);
    cr_assert_eq(test_number(weft_sqlite_commit(s.tx)), 0);
    weft_sqlite_rows *rows = test_pointer(weft_sqlite_fetch(s.cursor));
    cr_assert_eq(weft_sqlite_get_int(rows, 0, 0), 7);
    weft_sqlite_rows_free(rows);
    clear_stage(s);
    test_sqlite_end();
}

/* ---- A child that goes on with the loop ---- */

static void go_on(void *arg)
{
    struct stage *s = arg;
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    CHILD_EXPECT(test_number(weft_sqlite_exec(s->db, "DELETE FROM t")) == WEFT_EFORK);
    CHILD_EXPECT(test_number(weft_sqlite_commit(s->tx)) == WEFT_EFORK);
    CHILD_EXPECT(test_number(weft_sqlite_fetch(s->cursor)) == WEFT_EFORK);
    CHILD_EXPECT(test_number(weft_sqlite_pool_read(s->pool)) == WEFT_EFORK);
    CHILD_EXPECT(test_number(weft_sqlite_close(s->db)) == WEFT_EFORK);
    clear_stage(*s);
#ifndef WEFT_TEST_NO_THREADS_IN_CHILD
    weft_sqlite *db = test_pointer(weft_sqlite_open(test_path("db"), NULL));
    CHILD_EXPECT(db);
    CHILD_EXPECT(test_ask(db, "SELECT count(*) FROM t") == 2);
    weft_sqlite_free(db);
#endif
    weft_loop_free(test_loop);
}

Test(elsewhere_sqlite, a_forked_child_leaves_the_connections_of_its_parent_alone)
{
    struct stage s = set_stage();
    weft_test_in_child(go_on, &s);
    cr_assert_eq(test_number(weft_sqlite_commit(s.tx)), 0);
    cr_assert_eq(test_ask(s.db, "SELECT count(*) FROM t"), 2);
    clear_stage(s);
    test_sqlite_end();
}
