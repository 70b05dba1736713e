/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "pool/sqlite/handle.h"
#include "tests/support/fixture.h"
#include "tests/support/loop.h"
#include "tests/support/pool.h"
#include "tests/support/sqlite.h"

TestSuite(sqlite_cancel, .init = test_sqlite_begin_real, .timeout = 60);

static weft_sqlite *open_with_functions(const struct weft_sqlite_options *options)
{
    weft_sqlite *db = test_open_table(options);
    test_add_functions(db);
    return db;
}

/* Where a job and the loop's thread wait for each other. */
static pthread_barrier_t stopped;

static int64_t count(weft_sqlite *db)
{
    return test_ask(db, "SELECT count(*) FROM t");
}

/* ---- Queued, running, done ---- */

Test(sqlite_cancel, what_is_queued_never_runs)
{
    weft_sqlite *db = open_with_functions(NULL);
    weft_future *first = weft_sqlite_exec(db, "SELECT meet()");
    weft_future *insert = weft_sqlite_exec(db, "INSERT INTO t VALUES (1, 1)");
    weft_future *query = weft_sqlite_query(db, "SELECT 1");
    test_wait_met();
    cr_assert(weft_cancel(insert));
    cr_assert(weft_cancel(query));
    cr_assert_eq(test_number(insert), -ECANCELED);
    cr_assert_eq(test_number(query), -ECANCELED);
    test_let_go();
    cr_assert_eq(test_number(first), 0);
    cr_assert_eq(count(db), 0);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_cancel, a_long_query_is_interrupted)
{
    weft_sqlite *db = open_with_functions(NULL);
    weft_future *endless = weft_sqlite_exec(db, TEST_ENDLESS);
    test_wait_met();
    cr_assert(weft_cancel_because(endless, "nobody waits"));
    cr_assert_eq(test_number(endless), -ECANCELED);
    cr_assert_str_eq(test_message, "nobody waits");
    cr_assert_eq(count(db), 0); /* the connection is as good as before */
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_cancel, what_was_interrupted_does_not_keep_the_close_from_writing_the_log_back)
{
    weft_sqlite *db = open_with_functions(&(struct weft_sqlite_options){.flags = WEFT_SQLITE_WAL});
    weft_future *endless = weft_sqlite_exec(db, TEST_ENDLESS);
    test_wait_met();
    cr_assert(weft_cancel(endless));
    cr_assert_eq(test_number(endless), -ECANCELED);
    cr_assert_eq(test_number(weft_sqlite_close(db)), 0);
    cr_assert_neq(access(test_path("db-wal"), F_OK), 0);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_cancel, every_kind_of_query_is_interrupted)
{
    weft_sqlite *db = open_with_functions(NULL);
    weft_sqlite_statement *statement = test_pointer(weft_sqlite_prepare(db, TEST_ENDLESS));
    weft_future *futures[] = {
        weft_sqlite_insert(db, TEST_ENDLESS), weft_sqlite_script(db, TEST_ENDLESS),
        weft_sqlite_query(db, TEST_ENDLESS), weft_sqlite_fetch_all(db, TEST_ENDLESS),
        weft_sqlite_exec_prepared(db, statement)};
    for (size_t i = 0; i < sizeof(futures) / sizeof(*futures); i++) {
        test_wait_met();
        cr_assert(weft_cancel(futures[i]));
        cr_assert_eq(test_number(futures[i]), -ECANCELED, "%zu", i);
    }
    weft_sqlite_statement_free(statement);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_cancel, sqlite3_interrupt_alone_is_enough_once_the_statement_runs)
{
    weft_sqlite *db = open_with_functions(NULL);
    sqlite3_progress_handler(db->db->handle, 0, NULL, NULL);
    weft_future *endless = weft_sqlite_exec(db, TEST_ENDLESS);
    test_wait_met();
    cr_assert(weft_cancel(endless));
    cr_assert_eq(test_number(endless), -ECANCELED);
    weft_sqlite_free(db);
    test_sqlite_end();
}

/* While a statement is prepared, none has begun: sqlite3_interrupt() is lost on it. */
static int stop_while_preparing(void *arg, int action, const char *a, const char *b, const char *c,
                                const char *d)
{
    (void)arg;
    (void)a;
    (void)b;
    (void)c;
    (void)d;
    if (action == SQLITE_FUNCTION) {
        pthread_barrier_wait(&stopped); /* the loop cancels */
        pthread_barrier_wait(&stopped);
    }
    return SQLITE_OK;
}

Test(sqlite_cancel, one_that_comes_before_the_statement_begins_is_not_lost)
{
    weft_sqlite *db = open_with_functions(NULL);
    pthread_barrier_init(&stopped, NULL, 2);
    sqlite3_set_authorizer(db->db->handle, stop_while_preparing, NULL);
    weft_future *endless = weft_sqlite_exec(
        db, "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c");
    pthread_barrier_wait(&stopped);
    cr_assert(weft_cancel(endless));
    pthread_barrier_wait(&stopped);
    cr_assert_eq(test_number(endless), -ECANCELED);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_cancel, what_was_changed_is_undone)
{
    weft_sqlite *db = open_with_functions(NULL);
    weft_future *insert =
        weft_sqlite_exec(db, "INSERT INTO t(v) SELECT * FROM (WITH RECURSIVE c(x) AS"
                             " (SELECT tell() UNION ALL SELECT x + 1 FROM c) SELECT x FROM c)");
    test_wait_met();
    cr_assert(weft_cancel(insert));
    cr_assert_eq(test_number(insert), -ECANCELED);
    weft_future *script = weft_sqlite_script(db, "INSERT INTO t VALUES (1, 1); " TEST_ENDLESS);
    test_wait_met();
    cr_assert(weft_cancel(script));
    cr_assert_eq(test_number(script), -ECANCELED);
    cr_assert_eq(count(db), 0);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_cancel, what_is_done_stays_done)
{
    weft_sqlite *db = open_with_functions(NULL);
    weft_future *insert = weft_sqlite_exec(db, "INSERT INTO t VALUES (1, 1)");
    cr_assert_eq(weft_test_run(weft_ref(insert)), 0);
    cr_assert_not(weft_cancel(insert));
    cr_assert_eq(test_number(insert), 1);
    cr_assert_eq(count(db), 1);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_cancel, a_timeout_interrupts_too)
{
    weft_sqlite *db = open_with_functions(NULL);
    weft_future *endless = weft_wait_for(weft_sqlite_exec(db, TEST_ENDLESS), WEFT_MS(1));
    cr_assert_eq(test_number(endless), -ETIMEDOUT);
    cr_assert_eq(count(db), 0);
    weft_sqlite_free(db);
    test_sqlite_end();
}

/* ---- Cursors ---- */

#define FIRST_THEN_ENDLESS "SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT * FROM (" TEST_ENDLESS ")"

Test(sqlite_cancel, rows_that_were_read_are_delivered_and_the_next_fetch_fails)
{
    weft_sqlite *db = open_with_functions(&(struct weft_sqlite_options){.batch_rows = 1});
    weft_sqlite_cursor *cursor = test_pointer(weft_sqlite_query(db, FIRST_THEN_ENDLESS));
    db->db->options.batch_rows = 10; /* no job runs */
    weft_sqlite_rows_free(test_pointer(weft_sqlite_fetch(cursor)));
    weft_future *fetch = weft_sqlite_fetch(cursor);
    test_wait_met();
    cr_assert(weft_cancel(fetch));
    weft_sqlite_rows *rows = test_pointer(fetch);
    cr_assert_eq(weft_sqlite_row_count(rows), 1);
    cr_assert_eq(weft_sqlite_get_int(rows, 0, 0), 2);
    weft_sqlite_rows_free(rows);
    cr_assert_eq(test_number(weft_sqlite_fetch(cursor)), -ECANCELED);
    cr_assert_eq(test_number(weft_sqlite_fetch(cursor)), -ECANCELED);
    weft_sqlite_cursor_free(cursor);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_cancel, interrupting_one_query_leaves_the_cursors_alone)
{
    weft_sqlite *db = open_with_functions(&(struct weft_sqlite_options){.batch_rows = 1});
    weft_sqlite_cursor *cursor =
        test_pointer(weft_sqlite_query(db, "SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3"));
    weft_sqlite_rows_free(test_pointer(weft_sqlite_fetch(cursor)));
    weft_future *endless = weft_sqlite_exec(db, TEST_ENDLESS);
    test_wait_met();
    cr_assert(weft_cancel(endless));
    cr_assert_eq(test_number(endless), -ECANCELED);
    for (int i = 2; i <= 3; i++) {
        weft_sqlite_rows *rows = test_pointer(weft_sqlite_fetch(cursor));
        cr_assert_not_null(rows, "%s", test_message);
        cr_assert_eq(weft_sqlite_get_int(rows, 0, 0), i);
        weft_sqlite_rows_free(rows);
    }
    weft_sqlite_cursor_free(cursor);
    weft_sqlite_free(db);
    test_sqlite_end();
}

/* ---- Waiting for a lock ---- */

#define THREE_MEETINGS "SELECT meet() FROM (SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3)"

/* What comes of a query or a fetch that is cancelled when SQLite looks for it no more. */
static void *cancel_late(weft_future *future)
{
    test_wait_met();
    cr_assert(weft_cancel(future));
    test_let_go();
    void *value = test_pointer(future);
    cr_assert_not_null(value, "%s", test_message);
    return value;
}

/* meet() is the last thing that is done for a row. */
static void interrupt_too_late(weft_sqlite *db, bool first)
{
    weft_future *query = weft_sqlite_query(db, THREE_MEETINGS);
    if (!first)
        test_let_go();
    weft_sqlite_cursor *cursor = first ? cancel_late(query) : test_pointer(query);
    if (!first)
        test_wait_met();
    weft_sqlite_rows_free(test_pointer(weft_sqlite_fetch(cursor)));
    if (!first)
        weft_sqlite_rows_free(cancel_late(weft_sqlite_fetch(cursor)));
    cr_assert_eq(test_number(weft_sqlite_exec(db, "INSERT INTO t(v) VALUES (1)")), 1, "%s",
                 test_message);
    for (int again = 0; again < 2; again++)
        cr_assert_eq(test_number(weft_sqlite_fetch(cursor)), -ECANCELED);
    weft_sqlite_cursor_free(cursor);
}

Test(sqlite_cancel, an_interrupt_that_comes_too_late_for_a_batch_hits_nothing_else)
{
    weft_sqlite *db = open_with_functions(&(struct weft_sqlite_options){.batch_rows = 1});
    interrupt_too_late(db, true);
    interrupt_too_late(db, false);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_cancel, a_wait_for_a_lock_is_ended)
{
    weft_sqlite *a = test_open_table(NULL);
    weft_sqlite *b = test_open(&(struct weft_sqlite_options){.busy_timeout = WEFT_S(3600)});
    weft_sqlite *tx = test_pointer(weft_sqlite_begin(a, WEFT_SQLITE_IMMEDIATE));
    test_tell_when_busy(b);
    weft_future *waits[] = {weft_sqlite_exec(b, "INSERT INTO t VALUES (1, 1)"),
                            weft_sqlite_begin(b, WEFT_SQLITE_IMMEDIATE),
                            weft_sqlite_exec(b, "INSERT INTO t VALUES (2, 2)")};
    for (int i = 0; i < 2; i++) {
        test_wait_met();
        cr_assert(weft_cancel(waits[i]));
        cr_assert_eq(test_number(waits[i]), -ECANCELED);
    }
    test_wait_met();
    weft_sqlite_free(tx);
    cr_assert_eq(test_number(waits[2]), 1); /* it got it */
    cr_assert_eq(count(b), 1);
    weft_sqlite_free(a);
    weft_sqlite_free(b);
    test_sqlite_end();
}

/* Or the one who has the lock would not get the thread that he needs to let go of it. */
Test(sqlite_cancel, a_wait_for_a_lock_without_limit_waits)
{
    weft_sqlite *db = test_open_table(NULL);
    weft_sqlite *other = test_open(&(struct weft_sqlite_options){.busy_timeout = WEFT_FOREVER});
    weft_sqlite *tx = test_pointer(weft_sqlite_begin(db, WEFT_SQLITE_IMMEDIATE));
    test_tell_when_busy(other);
    weft_future *insert = weft_sqlite_exec(other, "INSERT INTO t(v) VALUES (1)");
    test_wait_met();
    cr_assert_eq(test_number(weft_sqlite_commit(tx)), 0);
    weft_sqlite_free(tx);
    cr_assert_eq(test_number(insert), 1, "%s", test_message);
    weft_sqlite_free(db);
    weft_sqlite_free(other);
    test_sqlite_end();
}

Test(sqlite_cancel, a_wait_for_a_lock_leaves_its_thread_to_others)
{
    use_pool(&(struct weft_pool_options){.max_threads = 1});
    weft_sqlite *a = test_open_table(NULL);
    weft_sqlite *b = test_open(&(struct weft_sqlite_options){.busy_timeout = WEFT_S(3600)});
    weft_sqlite *tx = test_pointer(weft_sqlite_begin(a, WEFT_SQLITE_IMMEDIATE));
    test_tell_when_busy(b);
    weft_future *waits = weft_sqlite_exec(b, "INSERT INTO t VALUES (1, 1)");
    test_wait_met();
    cr_assert_eq(test_number(weft_sqlite_commit(tx)), 0);
    cr_assert_eq(test_number(waits), 1);
    weft_sqlite_free(tx);
    weft_sqlite_free(a);
    weft_sqlite_free(b);
    test_sqlite_end();
}

Test(sqlite_cancel, a_commit_that_waits_for_readers_can_be_cancelled)
{
    weft_sqlite *a = test_open_table(&(struct weft_sqlite_options){.busy_timeout = WEFT_S(3600)});
    weft_sqlite *b = test_open(&(struct weft_sqlite_options){.batch_rows = 1});
    cr_assert_eq(test_number(weft_sqlite_exec(a, "INSERT INTO t VALUES (1, 1), (2, 2)")), 2);
    weft_sqlite_cursor *cursor = test_pointer(weft_sqlite_query(b, "SELECT id FROM t"));
    weft_sqlite *tx = test_pointer(weft_sqlite_begin(a, WEFT_SQLITE_IMMEDIATE));
    cr_assert_eq(test_number(weft_sqlite_exec(tx, "INSERT INTO t VALUES (3, 3)")), 1);
    test_tell_when_busy(a);
    weft_future *commit = weft_sqlite_commit(tx);
    test_wait_met();
    cr_assert(weft_cancel(commit));
    cr_assert_eq(test_number(commit), -ECANCELED);
    weft_sqlite_cursor_free(cursor);
    cr_assert_eq(test_number(weft_sqlite_commit(tx)), 0); /* tried again */
    weft_sqlite_free(tx);
    cr_assert_eq(count(b), 3);
    weft_sqlite_free(a);
    weft_sqlite_free(b);
    test_sqlite_end();
}

/* ---- The point of no return ---- */

static weft_future *to_cancel;

/* Behind the library's hook; the loop's thread waits for the job, so that it may be cancelled here. */
static int (*inner_hook)(void *);

static int stop_before_commit(void *db)
{
    pthread_barrier_wait(&stopped); /* the loop cancels */
    pthread_barrier_wait(&stopped);
    return inner_hook(db);
}

static int stop_after_commit(void *db)
{
    int answer = inner_hook(db);
    pthread_barrier_wait(&stopped);
    pthread_barrier_wait(&stopped);
    return answer;
}

static void hook(weft_sqlite *db, int (*fn)(void *))
{
    pthread_barrier_init(&stopped, NULL, 2);
    sqlite3_commit_hook(db->db->handle, fn, db->db);
}

static void cancel_at_hook(void)
{
    pthread_barrier_wait(&stopped);
    cr_assert(weft_cancel(to_cancel));
    pthread_barrier_wait(&stopped);
}

Test(sqlite_cancel, before_sqlite_commits_it_becomes_a_rollback)
{
    weft_sqlite *db = open_with_functions(NULL);
    inner_hook = weft__sqlite_db_commits;
    hook(db, stop_before_commit);
    to_cancel = weft_sqlite_exec(db, "INSERT INTO t VALUES (1, 1)");
    cancel_at_hook();
    cr_assert_eq(test_number(to_cancel), -ECANCELED);
    weft_sqlite *tx = test_pointer(weft_sqlite_begin(db, WEFT_SQLITE_IMMEDIATE));
    cr_assert_eq(test_number(weft_sqlite_exec(tx, "INSERT INTO t VALUES (1, 1)")), 1);
    to_cancel = weft_sqlite_commit(tx);
    cancel_at_hook();
    cr_assert_eq(test_number(to_cancel), -ECANCELED);
    cr_assert_eq(test_number(weft_sqlite_commit(tx)), WEFT_ECLOSED);
    weft_sqlite_free(tx);
    to_cancel = weft_sqlite_script(db, "INSERT INTO t VALUES (1, 1)");
    cancel_at_hook();
    cr_assert_eq(test_number(to_cancel), -ECANCELED);
    cr_assert_eq(count(db), 0);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_cancel, once_sqlite_commits_no_cancel_is_heard)
{
    weft_sqlite *db = open_with_functions(NULL);
    inner_hook = weft__sqlite_db_commits;
    hook(db, stop_after_commit);
    to_cancel = weft_sqlite_exec(db, "INSERT INTO t VALUES (1, 1)");
    cancel_at_hook();
    cr_assert_eq(test_number(to_cancel), 1, "%s", test_message);
    weft_sqlite *tx = test_pointer(weft_sqlite_begin(db, WEFT_SQLITE_IMMEDIATE));
    cr_assert_eq(test_number(weft_sqlite_exec(tx, "INSERT INTO t VALUES (2, 2)")), 1);
    to_cancel = weft_sqlite_commit(tx);
    cancel_at_hook();
    cr_assert_eq(test_number(to_cancel), 0, "%s", test_message);
    weft_sqlite_free(tx);
    cr_assert_eq(count(db), 2);
    weft_sqlite_free(db);
    test_sqlite_end();
}

/* ---- Transactions ---- */

struct adds_for_ever {
    WEFT_FRAME;
    weft_sqlite *db, *tx;
};

static WEFT_ASYNC(adds_for_ever)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->tx, weft_sqlite_begin(self->db, WEFT_SQLITE_IMMEDIATE));
    WEFT_AWAIT(weft_sqlite_exec(self->tx, "INSERT INTO t VALUES (1, 1)"));
    WEFT_AWAIT(weft_sqlite_exec(self->tx, TEST_ENDLESS));
    WEFT_AWAIT(weft_sqlite_commit(self->tx));

    WEFT_FINALLY;
    weft_sqlite_free(self->tx);
    WEFT_END;
}

static void wait_met_while_the_loop_runs(void)
{
    while (!test_try_met())
        cr_assert_eq(weft_test_run(weft_sleep(0)), 0);
}

Test(sqlite_cancel, the_transaction_of_a_cancelled_task_is_rolled_back)
{
    weft_sqlite *db = open_with_functions(NULL);
    weft_future *task = weft_spawn(adds_for_ever, .db = db);
    weft_future *waits = weft_spawn(adds_for_ever, .db = db);
    wait_met_while_the_loop_runs();
    cr_assert(weft_cancel(waits));
    cr_assert(weft_cancel(task));
    cr_assert_eq(test_number(task), -ECANCELED);
    cr_assert_eq(test_number(waits), -ECANCELED);
    cr_assert_eq(count(db), 0);
    weft_sqlite_free(db);
    test_sqlite_end();
}

Test(sqlite_cancel, a_rollback_and_a_close_are_not_cancelled)
{
    weft_sqlite *db = open_with_functions(NULL);
    weft_sqlite *tx = test_pointer(weft_sqlite_begin(db, WEFT_SQLITE_IMMEDIATE));
    weft_future *meets = weft_sqlite_exec(tx, "SELECT meet()");
    weft_future *rollback = weft_sqlite_rollback(tx);
    weft_future *close = weft_sqlite_close(db);
    test_wait_met();
    weft_cancel(rollback);
    weft_cancel(close);
    test_let_go();
    cr_assert_eq(test_number(meets), 0);
    cr_assert_eq(test_number(rollback), 0);
    cr_assert_eq(test_number(close), 0);
    weft_sqlite_free(tx);
    weft_sqlite_free(db);
    test_sqlite_end();
}

/* ---- The end of the loop ---- */

Test(sqlite_cancel, a_loop_that_shuts_down_in_the_middle_leaves_nothing)
{
    weft_sqlite *db = open_with_functions(NULL);
    weft_unref(weft_spawn(adds_for_ever, .db = db));
    wait_met_while_the_loop_runs();
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    weft_future *late = weft_sqlite_exec(db, "SELECT 1");
    cr_assert_eq(weft_future_status(late), -ESHUTDOWN);
    weft_unref(late);
    weft_sqlite_free(db); /* there are no workers any more: closed here */
    test_sqlite_end();
}

struct closes_in_the_end {
    WEFT_FRAME;
    weft_sqlite *db, *tx;
};

static WEFT_ASYNC(closes_in_the_end)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->tx, weft_sqlite_begin(self->db, WEFT_SQLITE_IMMEDIATE));
    WEFT_AWAIT(weft_sqlite_exec(self->tx, "INSERT INTO t VALUES (1, 1)"));
    WEFT_AWAIT(weft_sqlite_exec(self->tx, "SELECT tell()"));
    WEFT_AWAIT(weft_sleep(WEFT_FOREVER));

    WEFT_FINALLY;
    WEFT_AWAIT(weft_sqlite_rollback(self->tx));
    WEFT_AWAIT(weft_sqlite_close(self->db));
    weft_sqlite_free(self->tx);
    weft_sqlite_free(self->db);
    WEFT_END;
}

Test(sqlite_cancel, while_the_loop_shuts_down_one_can_roll_back_and_close)
{
    weft_sqlite *db = open_with_functions(NULL);
    weft_future *task = weft_spawn(closes_in_the_end, .db = db);
    wait_met_while_the_loop_runs();
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(weft_future_status(task), -ECANCELED);
    weft_unref(task);
    test_sqlite_end();
}

Test(sqlite_cancel, a_job_that_is_stuck_closes_the_connection_when_it_returns)
{
    struct weft_shutdown_options soon = {.jobs_timeout = WEFT_MS(1)};
    int threads = weft_test_thread_count();
    weft_sqlite *db = open_with_functions(NULL);
    weft_future *meets = weft_sqlite_exec(db, "SELECT meet()");
    test_wait_met();
    cr_assert_eq(weft_loop_shutdown(test_loop, &soon, NULL), WEFT_ESTUCK);
    weft_sqlite_free(db);
    weft_loop_set_error_handler(test_loop, NULL, NULL);
    weft_unref(meets);
    weft_loop_free(test_loop);
    test_loop = NULL;
    test_let_go();
    while (weft_test_thread_count() > threads)
        sched_yield();
    test_sqlite_end(); /* and no descriptor is left */
}

/* ---- Two loops ---- */

struct adds_on_its_loop {
    WEFT_FRAME;
    const char *path;
    weft_sqlite *db, *tx;
    int i;
};

static WEFT_ASYNC(adds_on_its_loop)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->db, weft_sqlite_open(self->path, &(struct weft_sqlite_options){
                                                               .busy_timeout = WEFT_S(50)}));
    for (; self->i < 20; self->i++) {
        WEFT_AWAIT_INTO(self->tx, weft_sqlite_begin(self->db, WEFT_SQLITE_IMMEDIATE));
        WEFT_AWAIT(weft_sqlite_exec(self->tx, "INSERT INTO t(v) VALUES (1)"));
        WEFT_AWAIT(weft_sqlite_commit(self->tx));
        weft_sqlite_free(self->tx);
        self->tx = NULL;
    }

    WEFT_FINALLY;
    weft_sqlite_free(self->tx);
    weft_sqlite_free(self->db);
    WEFT_END;
}

static void *run_loop(void *path)
{
    return weft_run(adds_on_its_loop, .path = path) == 0 ? path : NULL;
}

Test(sqlite_cancel, two_loops_share_a_database)
{
    pthread_t threads[2];
    void *ended[2];
    const char *path = test_path("db");
    weft_sqlite *db = test_open_table(&(struct weft_sqlite_options){.flags = WEFT_SQLITE_WAL});
    for (int i = 0; i < 2; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, run_loop, (char *)path), 0);
    for (int i = 0; i < 2; i++)
        cr_assert_eq(pthread_join(threads[i], &ended[i]), 0);
    cr_assert(ended[0] && ended[1]);
    cr_assert_eq(count(db), 40);
    weft_sqlite_free(db);
    test_sqlite_end();
}
