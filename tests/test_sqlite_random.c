/* SPDX-License-Identifier: MIT */
/*
 * Many tasks change one database and are cancelled whenever. What each says must be the truth: one
 * that succeeded has made its two rows, one that failed or was cancelled has made none.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/loop.h"
#include "tests/support/sqlite.h"

TestSuite(sqlite_random, .init = test_sqlite_begin_real, .timeout = 120);

enum { TASKS = 24, ROUNDS = 25 };

static unsigned seed, first_seed;

static unsigned draw(unsigned below)
{
    seed = seed * 1103515245u + 12345u;
    return (seed >> 16) % below;
}

struct change {
    WEFT_FRAME;
    weft_sqlite *db;
    weft_sqlite_pool *pool; /* NULL: only `db` */
    int64_t id;
    bool nests, looks;
    weft_sqlite *lent, *tx, *inner;
    weft_sqlite_cursor *cursor;
};

static WEFT_ASYNC(change)
{
    WEFT_BEGIN;
    if (self->pool) {
        WEFT_AWAIT_INTO(self->lent, weft_sqlite_pool_write(self->pool));
        self->db = self->lent;
    }
    WEFT_AWAIT_INTO(self->tx, weft_sqlite_begin(self->db, WEFT_SQLITE_IMMEDIATE));
    WEFT_AWAIT(weft_sqlite_exec(self->tx, "INSERT INTO one VALUES (?)", weft_sqlite_int(self->id)));
    if (self->looks)
        WEFT_AWAIT_INTO(self->cursor, weft_sqlite_query(self->tx, "SELECT id FROM one"));
    if (self->nests) {
        WEFT_AWAIT_INTO(self->inner, weft_sqlite_begin(self->tx, WEFT_SQLITE_DEFERRED));
        WEFT_AWAIT(
            weft_sqlite_exec(self->inner, "INSERT INTO two VALUES (?)", weft_sqlite_int(self->id)));
        WEFT_AWAIT(weft_sqlite_commit(self->inner));
    } else {
        WEFT_AWAIT(
            weft_sqlite_exec(self->tx, "INSERT INTO two VALUES (?)", weft_sqlite_int(self->id)));
    }
    WEFT_AWAIT(weft_sqlite_commit(self->tx));

    WEFT_FINALLY;
    weft_sqlite_cursor_free(self->cursor);
    weft_sqlite_free(self->inner);
    weft_sqlite_free(self->tx);
    weft_sqlite_free(self->lent);
    WEFT_END;
}

static weft_future *start(weft_sqlite *db, weft_sqlite_pool *pool, int64_t id)
{
    static const char both[] = "INSERT INTO both VALUES (?1)"; /* a trigger makes the two rows */
    if (!pool && draw(3) == 0)
        return weft_sqlite_exec(db, both, weft_sqlite_int(id));
    return weft_spawn(change, .db = db, .pool = pool, .id = id, .nests = draw(2), .looks = draw(2));
}

static void look(weft_sqlite *db, const bool *made, size_t count)
{
    for (size_t id = 0; id < count; id++) {
        weft_sqlite_rows *rows =
            test_pointer(weft_sqlite_fetch_all(db,
                                               "SELECT (SELECT count(*) FROM one WHERE id = ?1), "
                                               "(SELECT count(*) FROM two WHERE id = ?1)",
                                               weft_sqlite_int((int64_t)id)));
        cr_assert_eq(weft_sqlite_get_int(rows, 0, 0), made[id], "%zu in one, seed %u", id,
                     first_seed);
        cr_assert_eq(weft_sqlite_get_int(rows, 0, 1), made[id], "%zu in two, seed %u", id,
                     first_seed);
        weft_sqlite_rows_free(rows);
    }
}

/* A tick or some; the workers go on meanwhile. */
static void let_pass(void)
{
    for (unsigned i = draw(4); i > 0; i--)
        cr_assert_eq(weft_test_run(weft_sleep(0)), 0);
}

static size_t one_round(weft_sqlite *db, weft_sqlite_pool *pool, bool *made, size_t first)
{
    weft_future *tasks[TASKS];
    size_t cancelled = 0;
    for (size_t i = 0; i < TASKS; i++) {
        tasks[i] = start(db, pool, (int64_t)(first + i));
        let_pass();
        if (draw(2))
            weft_cancel(tasks[draw((unsigned)i + 1)]);
    }
    for (size_t i = 0; i < TASKS; i++) {
        int64_t status = test_number(tasks[i]);
        cr_assert(status >= 0 || status == -ECANCELED, "%s %s", weft_error_name((int)status),
                  test_message);
        made[first + i] = status >= 0;
        cancelled += status < 0;
    }
    return cancelled;
}

static const char schema[] =
    "CREATE TABLE one(id INTEGER PRIMARY KEY); CREATE TABLE two(id INTEGER PRIMARY KEY);"
    "CREATE VIEW both AS SELECT id FROM one; CREATE TRIGGER both_ INSTEAD OF INSERT ON both BEGIN"
    " INSERT INTO one VALUES (new.id); INSERT INTO two VALUES (new.id); END;";

static void run_rounds(weft_sqlite *db, weft_sqlite_pool *pool)
{
    static bool made[TASKS * ROUNDS];
    size_t cancelled = 0;
    for (size_t i = 0; i < ROUNDS; i++)
        cancelled += one_round(db, pool, made, i * TASKS);
    cr_assert_gt(cancelled, 0);
    cr_assert_lt(cancelled, TASKS * ROUNDS);
    if (pool)
        db = test_pointer(weft_sqlite_pool_read(pool));
    look(db, made, TASKS * ROUNDS);
    weft_sqlite_free(db);
}

Test(sqlite_random, each_task_says_the_truth_on_one_connection)
{
    seed = first_seed = (unsigned)getpid();
    weft_sqlite *db = test_open(&(struct weft_sqlite_options){.batch_rows = 2, .setup = schema});
    run_rounds(db, NULL);
    test_sqlite_end();
}

Test(sqlite_random, each_task_says_the_truth_in_a_pool)
{
    seed = first_seed = (unsigned)getpid();
    weft_sqlite_pool *pool = test_pointer(weft_sqlite_pool_open(test_path("db"), NULL));
    weft_sqlite *db = test_pointer(weft_sqlite_pool_write(pool));
    cr_assert_eq(test_number(weft_sqlite_script(db, schema)), 0, "%s", test_message);
    weft_sqlite_free(db);
    run_rounds(NULL, pool);
    weft_sqlite_pool_free(pool);
    test_sqlite_end();
}
