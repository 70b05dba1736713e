/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/loop.h"
#include "tests/support/sqlite.h"

TestSuite(sqlite_pool, .init = test_sqlite_begin, .timeout = 60);

static weft_sqlite_pool *open_pool(unsigned readers)
{
    weft_sqlite_pool *pool = test_pointer(weft_sqlite_pool_open(
        test_path("db"), &(struct weft_sqlite_pool_options){.readers = readers}));
    cr_assert_not_null(pool, "%s %s", weft_error_name(test_status), test_message);
    weft_sqlite *db = test_pointer(weft_sqlite_pool_write(pool));
    cr_assert_eq(test_number(weft_sqlite_exec(db, "CREATE TABLE t(id INTEGER PRIMARY KEY)")), 0);
    weft_sqlite_free(db);
    return pool;
}

static void insert(weft_sqlite *db)
{
    cr_assert_eq(test_number(weft_sqlite_exec(db, "INSERT INTO t DEFAULT VALUES")), 1, "%s",
                 test_message);
}

Test(sqlite_pool, readers_and_the_writer_do_not_wait_for_each_other)
{
    weft_sqlite_pool *pool = open_pool(2);
    weft_sqlite *writer = test_pointer(weft_sqlite_pool_write(pool));
    weft_sqlite *tx = test_pointer(weft_sqlite_begin(writer, WEFT_SQLITE_IMMEDIATE));
    insert(tx);
    weft_sqlite *a = test_pointer(weft_sqlite_pool_read(pool));
    weft_sqlite *b = test_pointer(weft_sqlite_pool_read(pool));
    cr_assert_eq(test_ask(a, "SELECT count(*) FROM t"), 0);
    weft_sqlite *snapshot = test_pointer(weft_sqlite_begin(b, WEFT_SQLITE_DEFERRED));
    cr_assert_eq(test_ask(snapshot, "SELECT count(*) FROM t"), 0);
    cr_assert_eq(test_number(weft_sqlite_commit(tx)), 0);
    cr_assert_eq(test_ask(a, "SELECT count(*) FROM t"), 1);
    cr_assert_eq(test_ask(snapshot, "SELECT count(*) FROM t"), 0);
    weft_sqlite_free(snapshot);
    weft_sqlite_free(tx);
    weft_sqlite_free(a);
    weft_sqlite_free(b);
    weft_sqlite_free(writer);
    weft_sqlite_pool_free(pool);
    test_sqlite_end();
}

Test(sqlite_pool, a_reader_cannot_write)
{
    weft_sqlite_pool *pool = open_pool(1);
    weft_sqlite *db = test_pointer(weft_sqlite_pool_read(pool));
    cr_assert_eq(test_number(weft_sqlite_exec(db, "INSERT INTO t DEFAULT VALUES")), -EROFS);
    weft_sqlite_free(db);
    weft_sqlite_pool_free(pool);
    test_sqlite_end();
}

Test(sqlite_pool, who_waits_longest_is_served_first)
{
    weft_sqlite_pool *pool = open_pool(1);
    weft_sqlite *db = test_pointer(weft_sqlite_pool_read(pool));
    weft_future *first = weft_sqlite_pool_read(pool), *second = weft_sqlite_pool_read(pool);
    weft_future *third = weft_sqlite_pool_read(pool);
    cr_assert_not(weft_is_done(first));
    cr_assert(weft_cancel(second));
    weft_sqlite_free(db);
    cr_assert(weft_is_done(first));
    cr_assert_not(weft_is_done(third));
    weft_unref(first); /* nobody takes it: it goes on to the next */
    cr_assert(weft_is_done(third));
    cr_assert_eq(test_number(second), -ECANCELED);
    weft_sqlite_free(test_pointer(third));
    weft_sqlite_pool_free(pool);
    test_sqlite_end();
}

Test(sqlite_pool, many_who_gave_up_waiting_take_no_memory)
{
    weft_sqlite_pool *pool = open_pool(1);
    weft_sqlite *db = test_pointer(weft_sqlite_pool_write(pool));
    weft_future *waits = weft_sqlite_pool_write(pool);
    for (int i = 0; i < 1000; i++) {
        weft_future *future = weft_sqlite_pool_write(pool);
        weft_cancel(future);
        weft_unref(future);
    }
    weft_sqlite_free(db);
    weft_sqlite_free(test_pointer(waits));
    weft_sqlite_pool_free(pool);
    test_sqlite_end();
}

Test(sqlite_pool, what_was_left_open_is_rolled_back_when_it_is_given_back)
{
    weft_sqlite_pool *pool = open_pool(1);
    weft_sqlite *db = test_pointer(weft_sqlite_pool_write(pool));
    weft_sqlite *tx = test_pointer(weft_sqlite_begin(db, WEFT_SQLITE_IMMEDIATE));
    insert(tx);
    weft_future *next = weft_sqlite_pool_write(pool);
    weft_sqlite_free(db);
    db = test_pointer(next);
    cr_assert_eq(test_ask(db, "SELECT count(*) FROM t"), 0);
    insert(db);
    cr_assert_eq(test_number(weft_sqlite_commit(tx)), WEFT_ECLOSED);
    weft_sqlite_free(tx);
    cr_assert_eq(test_ask(db, "SELECT count(*) FROM t"), 1);
    weft_sqlite_free(db);
    weft_sqlite_pool_free(pool);
    test_sqlite_end();
}

Test(sqlite_pool, a_pool_that_is_freed_refuses_who_waits_and_who_has)
{
    weft_sqlite_pool *pool = open_pool(1);
    weft_sqlite *db = test_pointer(weft_sqlite_pool_read(pool));
    weft_future *waits = weft_sqlite_pool_read(pool);
    weft_future *runs = weft_sqlite_exec(db, "SELECT 1");
    weft_sqlite_pool_free(pool);
    cr_assert_eq(test_number(waits), WEFT_ECLOSED);
    cr_assert_eq(test_number(runs), 0);
    cr_assert_eq(test_number(weft_sqlite_exec(db, "SELECT 1")), WEFT_ECLOSED);
    cr_assert_eq(test_number(weft_sqlite_close(db)), WEFT_ECLOSED);
    weft_sqlite_free(db);
    cr_assert_eq(test_number(weft_sqlite_pool_read(NULL)), -EINVAL);
    cr_assert_eq(test_number(weft_sqlite_pool_write(NULL)), -EINVAL);
    test_sqlite_end();
}

Test(sqlite_pool, one_that_cannot_be_opened_leaves_nothing)
{
    cr_assert_null(test_pointer(weft_sqlite_pool_open(test_path("none/db"), NULL)));
    cr_assert_eq(test_status, -ENOENT, "%s", test_message);
    cr_assert_null(test_pointer(weft_sqlite_pool_open(":memory:", NULL)));
    cr_assert_eq(test_status, -EINVAL);
    struct weft_sqlite_pool_options options = {.connection.flags = WEFT_SQLITE_READ_ONLY};
    cr_assert_eq(test_number(weft_sqlite_pool_open(test_path("db"), &options)), -EINVAL);
    weft_future *open = weft_sqlite_pool_open(test_path("db"), NULL);
    weft_cancel(open);
    weft_sqlite_pool_free(test_pointer(open));
    weft_unref(weft_sqlite_pool_open(test_path("db"), NULL));
    test_sqlite_end();
}

Test(sqlite_pool, one_that_is_closed_leaves_no_log)
{
    weft_sqlite_pool *pool = open_pool(3);
    weft_sqlite *db = test_pointer(weft_sqlite_pool_write(pool));
    insert(db);
    cr_assert_eq(access(test_path("db-wal"), F_OK), 0);
    weft_future *close = weft_sqlite_pool_close(pool);
    weft_cancel(close);
    cr_assert_eq(test_number(weft_sqlite_pool_read(pool)), WEFT_ECLOSED);
    cr_assert_eq(test_number(weft_sqlite_pool_close(pool)), WEFT_ECLOSED);
    cr_assert_eq(test_number(close), 0);
    cr_assert_neq(access(test_path("db-wal"), F_OK), 0);
    weft_sqlite_free(db);
    weft_sqlite_pool_free(pool);
    cr_assert_eq(test_number(weft_sqlite_pool_close(NULL)), -EINVAL);
    test_sqlite_end();
}

struct writes_twice {
    WEFT_FRAME;
    weft_sqlite_pool *pool;
    weft_sqlite *db;
    int status;
};

static WEFT_ASYNC(writes_twice)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->db, weft_sqlite_pool_write(self->pool));
    WEFT_CATCH(self->status, weft_sqlite_pool_write(self->pool));
    WEFT_RETURN(self->status);

    WEFT_FINALLY;
    weft_sqlite_free(self->db);
    WEFT_END;
}

Test(sqlite_pool, a_task_does_not_wait_for_the_writer_that_it_has)
{
    weft_sqlite_pool *pool = open_pool(1);
    cr_assert_eq(test_number(weft_spawn(writes_twice, .pool = pool)), -EDEADLK);
    weft_sqlite_pool_free(pool);
    test_sqlite_end();
}

/* ---- Many at once ---- */

struct adds {
    WEFT_FRAME;
    weft_sqlite_pool *pool;
    weft_sqlite *db, *tx;
    int i;
};

static WEFT_ASYNC(adds)
{
    WEFT_BEGIN;
    for (self->i = 0; self->i < 10; self->i++) {
        WEFT_AWAIT_INTO(self->db, weft_sqlite_pool_write(self->pool));
        WEFT_AWAIT_INTO(self->tx, weft_sqlite_begin(self->db, WEFT_SQLITE_IMMEDIATE));
        WEFT_AWAIT(weft_sqlite_exec(self->tx, "INSERT INTO t DEFAULT VALUES"));
        WEFT_AWAIT(weft_sqlite_exec(self->tx, "INSERT INTO t DEFAULT VALUES"));
        WEFT_AWAIT(weft_sqlite_commit(self->tx));
        weft_sqlite_free(self->tx);
        weft_sqlite_free(self->db);
        self->tx = self->db = NULL;
    }

    WEFT_FINALLY;
    weft_sqlite_free(self->tx);
    weft_sqlite_free(self->db);
    WEFT_END;
}

struct counts {
    WEFT_FRAME;
    weft_sqlite_pool *pool;
    weft_sqlite *db;
    weft_sqlite_rows *rows;
    int64_t least;
    int i;
};

static WEFT_ASYNC(counts)
{
    WEFT_BEGIN;
    for (self->i = 0; self->i < 20; self->i++) {
        WEFT_AWAIT_INTO(self->db, weft_sqlite_pool_read(self->pool));
        WEFT_AWAIT_INTO(self->rows, weft_sqlite_fetch_all(self->db, "SELECT count(*) FROM t"));
        if (weft_sqlite_get_int(self->rows, 0, 0) < self->least ||
            weft_sqlite_get_int(self->rows, 0, 0) % 2)
            WEFT_FAIL(-EIO, "half a transaction, or one that was lost");
        self->least = weft_sqlite_get_int(self->rows, 0, 0);
        weft_sqlite_rows_free(self->rows);
        weft_sqlite_free(self->db);
        self->rows = NULL;
        self->db = NULL;
    }

    WEFT_FINALLY;
    weft_sqlite_rows_free(self->rows);
    weft_sqlite_free(self->db);
    WEFT_END;
}

Test(sqlite_pool, readers_see_whole_transactions_while_writers_write)
{
    weft_sqlite_pool *pool = open_pool(3);
    weft_future *all =
        weft_gather(weft_spawn(adds, .pool = pool), weft_spawn(counts, .pool = pool),
                    weft_spawn(adds, .pool = pool), weft_spawn(counts, .pool = pool),
                    weft_spawn(adds, .pool = pool), weft_spawn(counts, .pool = pool),
                    weft_spawn(counts, .pool = pool), weft_spawn(counts, .pool = pool));
    cr_assert_eq(weft_test_run(weft_ref(all)), 0, "%s", weft_message(all));
    weft_unref(all);
    weft_sqlite *db = test_pointer(weft_sqlite_pool_read(pool));
    cr_assert_eq(test_ask(db, "SELECT count(*) FROM t"), 60);
    weft_sqlite_free(db);
    weft_sqlite_pool_free(pool);
    test_sqlite_end();
}
