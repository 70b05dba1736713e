/* SPDX-License-Identifier: MIT */
/*
 * Queries: rows in batches.
 *
 * In the connection a query is a scan, a statement that stands between two of its rows:
 *
 *     ROW TO COME --step--> ROW THERE --copied--> ROW TO COME
 *          |                    | the batch is full: it is the first of the next one
 *          | no more            +--> stays
 *          +--> ENDED           | failed, or cancelled, or the connection closed
 *          +--> FAILED (once with SQLite's text, then with the status)
 *
 * SQLite goes on only when a batch is asked for, so what is in memory is one batch, whatever the table
 * holds. The first one is read by the job that begins the query: for few rows that is the only job.
 *
 * A cancel stops a scan in the middle of a row's search, and SQLite cannot take it up again. Rows that
 * were copied by then are delivered, and the failure is the next fetch's.
 *
 * The cursor is the loop's side. It and the fetches that are under way have a reference to the scan
 * each; with the last one a later job resets the statement.
 */
#include <errno.h>

#include "pool/sqlite/exec.h"
#include "pool/sqlite/rows.h"

/** All fields are [job], but for what says otherwise. */
struct scan {
    struct weft__sqlite_object object;
    struct weft__sqlite_statement *statement; /* in use; NULL: given back */
    bool row_is_there;
    weft_result failure;     /* what the next fetch fails with, with its message */
    weft_sqlite_rows *first; /* by the job that began it, then [loop]: NULL: none, or taken */
    bool first_is_all;       /* the same: it had ended then */
};

static const weft_result no_rows = {0};

/* ---- In a job ---- */

/* The statement is not under way any more. */
static void end_scan(struct scan *scan)
{
    if (!scan->statement)
        return;
    scan->object.db->scanning -= scan->object.scans;
    scan->object.scans = false;
    weft__sqlite_statement_give_back(scan->statement);
    scan->statement = NULL;
}

static void drop_scan(struct weft__sqlite_object *object)
{
    struct scan *scan = (struct scan *)object;
    end_scan(scan);
    weft_sqlite_rows_free(scan->first);
    weft__companion_free(scan->failure.message);
    weft__companion_free(scan);
}

/* True if there is a row; else it has ended, or `failure` says why not. */
static bool step(struct scan *scan)
{
    if (scan->row_is_there || !scan->statement)
        return scan->row_is_there;
    int code = sqlite3_step(scan->statement->stmt);
    scan->row_is_there = code == SQLITE_ROW;
    if (code == SQLITE_ROW && !scan->object.scans) {
        scan->object.scans = true;
        scan->object.db->scanning++;
    }
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        scan->failure = weft__sqlite_failure(scan->object.db, code);
    if (code != SQLITE_ROW)
        end_scan(scan);
    return scan->row_is_there;
}

/* The failure that there is: with its text the first time. */
static weft_result fail(struct scan *scan)
{
    weft_result result = scan->failure;
    scan->failure.message = NULL;
    return result;
}

/* The next batch, NULL at the end. */
static weft_result read_batch(struct scan *scan)
{
    const struct weft_sqlite_options *options = &scan->object.db->options;
    weft_sqlite_rows *rows = NULL;
    int added = 1;
    while (added == 1 && weft_sqlite_row_count(rows) < options->batch_rows && step(scan)) {
        if (!rows && !(rows = weft__sqlite_rows_new(scan->statement->stmt)))
            return weft_err(-ENOMEM);
        size_t limit = weft_sqlite_row_count(rows) ? options->batch_bytes : SIZE_MAX;
        added = weft__sqlite_rows_add(&rows, scan->statement->stmt, limit);
        if (added == 1)
            scan->row_is_there = false;
    }
    if (weft_sqlite_row_count(rows) == 0) {
        weft_sqlite_rows_free(rows);
        return added < 0 ? weft_err(added) : scan->failure.status < 0 ? fail(scan) : no_rows;
    }
    weft__sqlite_rows_finish(rows);
    return weft__result(weft_value_ptr(rows), weft__sqlite_rows_destroy);
}

/* The same in a job. An interrupt that came too late for this batch stands until nothing of the
 * connection is under way, and would hit whatever runs next: so it ends the scan here. */
static weft_result read_interruptibly(struct scan *scan)
{
    weft_result result = read_batch(scan);
    if (!weft__sqlite_db_was_interrupted(scan->object.db) || !scan->statement)
        return result;
    scan->row_is_there = false;
    scan->failure = weft_err(-ECANCELED);
    end_scan(scan);
    return result;
}

static weft_result begin_scan(struct weft__sqlite_call *call, struct scan *scan)
{
    weft_result result = weft__sqlite_call_take(call, &scan->statement);
    if (result.status < 0)
        return result;
    result = read_interruptibly(scan);
    if (result.status < 0)
        return result;
    scan->first = result.value.ptr;
    scan->first_is_all = !scan->statement && scan->failure.status == 0;
    return weft__result(weft_value_ptr(scan), weft__sqlite_object_destroy);
}

static weft_result run_query(struct weft__sqlite_call *call)
{
    struct scan *scan = weft__companion_malloc(sizeof(*scan));
    if (!scan)
        return weft_err(-ENOMEM);
    *scan = (struct scan){0};
    weft__sqlite_object_init(&scan->object, call->db, drop_scan);
    weft_result result = begin_scan(call, scan);
    if (result.status < 0) {
        end_scan(scan);
        weft__sqlite_object_unref(&scan->object);
    }
    return result;
}

static weft_result run_fetch(struct weft__sqlite_call *call)
{
    return read_interruptibly((struct scan *)call->object);
}

/* `code` is what the first step said. */
static weft_result add_all(struct weft__sqlite_statement *statement, int code,
                           weft_sqlite_rows **rows)
{
    struct weft__sqlite_db *db = statement->db;
    int added = 1;
    while (added == 1 && code == SQLITE_ROW) {
        added = weft__sqlite_rows_add(rows, statement->stmt, db->options.all_bytes);
        if (added == 1)
            code = sqlite3_step(statement->stmt);
    }
    if (added < 0)
        return weft_err(added);
    if (added == 0)
        return weft_errf(WEFT_ELIMIT, "the rows take more than %zu bytes", db->options.all_bytes);
    return code == SQLITE_DONE ? no_rows : weft__sqlite_failure(db, code);
}

/* Ends with the statement reset, so that nothing of it is under way. */
static weft_result read_all(void *arg)
{
    struct weft__sqlite_statement *statement = arg;
    int code = sqlite3_step(statement->stmt); /* prepares it anew if the tables have changed */
    weft_sqlite_rows *rows = weft__sqlite_rows_new(statement->stmt);
    weft_result result = rows ? add_all(statement, code, &rows) : weft_err(-ENOMEM);
    sqlite3_reset(statement->stmt);
    if (result.status < 0) {
        weft_sqlite_rows_free(rows);
        return result;
    }
    weft__sqlite_rows_finish(rows);
    return weft__result(weft_value_ptr(rows), weft__sqlite_rows_destroy);
}

/* One that changes something (RETURNING) is not run to its end if there is no room for its rows; what
 * it has changed would stay. */
static weft_result run_fetch_all(struct weft__sqlite_call *call)
{
    struct weft__sqlite_statement *statement = NULL;
    weft_result result = weft__sqlite_call_take(call, &statement);
    if (!statement)
        return result;
    if (sqlite3_stmt_readonly(statement->stmt))
        result = read_all(statement);
    else
        result = weft__sqlite_as_one(call->db, read_all, statement);
    weft__sqlite_statement_give_back(statement);
    return result;
}

static const struct weft__sqlite_call_ops query_ops = {
    .name = "weft_sqlite_query", .run = run_query, .destructor = weft__sqlite_object_destroy};
static const struct weft__sqlite_call_ops fetch_ops = {
    .name = "weft_sqlite_fetch", .run = run_fetch, .destructor = weft__sqlite_rows_destroy};
static const struct weft__sqlite_call_ops fetch_all_ops = {
    .name = "weft_sqlite_fetch_all", .run = run_fetch_all, .destructor = weft__sqlite_rows_destroy};

/* ---- On the loop ---- */

/** All fields are [loop]. */
struct weft_sqlite_cursor {
    uint32_t loop_id;    /* [const] */
    unsigned generation; /* [const] */
    weft_sqlite *db;     /* [const] a reference */
    struct scan *scan;   /* [const] a reference */
    bool has_ended;      /* it was all */
};

static void *make_cursor(weft_sqlite *db, struct weft__sqlite_object *object)
{
    weft_sqlite_cursor *cursor = weft__companion_malloc(sizeof(*cursor));
    if (!cursor)
        return NULL;
    *cursor = (weft_sqlite_cursor){.loop_id = db->loop_id,
                                   .generation = db->generation,
                                   .db = weft__sqlite_handle_ref(db),
                                   .scan = (struct scan *)object};
    cursor->has_ended = cursor->scan->first_is_all;
    return cursor;
}

static void destroy_cursor(void *cursor)
{
    weft_sqlite_cursor_free(cursor);
}

static const struct weft__sqlite_maker maker = {make_cursor, destroy_cursor};

weft_future *weft_sqlite_query_array(weft_sqlite *db, const char *sql,
                                     const struct weft_sqlite_value *values, size_t count)
{
    int status = weft__sqlite_check_turn(db, "weft_sqlite_query");
    if (status == 0 && (!sql || (count && !values)))
        status = -EINVAL;
    if (status < 0)
        return weft__sqlite_refuse(status);
    return weft__sqlite_ask_made(db, weft__sqlite_call_new(&query_ops, sql, values, count), &maker);
}

weft_future *weft__sqlite_query(weft_sqlite *db, const char *sql,
                                const struct weft_sqlite_value *values)
{
    return weft_sqlite_query_array(db, sql, values, weft__sqlite_count(values));
}

weft_future *weft__sqlite_query_prepared(weft_sqlite *db, weft_sqlite_statement *statement,
                                         const struct weft_sqlite_value *values)
{
    int status = weft__sqlite_check_statement(db, statement, "weft_sqlite_query_prepared");
    if (status < 0)
        return weft__sqlite_refuse(status);
    struct weft__sqlite_call *call =
        weft__sqlite_call_new(&query_ops, NULL, values, weft__sqlite_count(values));
    weft__sqlite_use_statement(call, statement);
    return weft__sqlite_ask_made(db, call, &maker);
}

weft_future *weft__sqlite_fetch_all(weft_sqlite *db, const char *sql,
                                    const struct weft_sqlite_value *values)
{
    int status = weft__sqlite_check_turn(db, "weft_sqlite_fetch_all");
    if (status == 0 && !sql)
        status = -EINVAL;
    if (status < 0)
        return weft__sqlite_refuse(status);
    size_t count = weft__sqlite_count(values);
    return weft__sqlite_ask(db, weft__sqlite_call_new(&fetch_all_ops, sql, values, count));
}

/* A future that has this value already; the rows stay where they are if there is no memory. */
static weft_future *at_once(weft_sqlite_cursor *cursor)
{
    weft_sqlite_rows *rows = cursor->scan->first;
    weft_future *future = weft_future_new();
    if (weft_is_done(future))
        return future;
    cursor->scan->first = NULL;
    (void)weft_future_resolve(future, weft_value_ptr(rows), weft__sqlite_rows_destroy);
    return future;
}

weft_future *weft_sqlite_fetch(weft_sqlite_cursor *cursor)
{
    if (!cursor)
        return weft__sqlite_refuse(-EINVAL);
    int status = weft__sqlite_check_object(cursor->loop_id, cursor->generation, __func__);
    if (status == 0)
        status = weft__sqlite_check(cursor->db, __func__);
    if (status < 0)
        return weft__sqlite_refuse(status);
    if (cursor->scan->first || cursor->has_ended)
        return at_once(cursor);
    status = weft__sqlite_check_turn(cursor->db, __func__);
    if (status < 0)
        return weft__sqlite_refuse(status);
    struct weft__sqlite_call *call = weft__sqlite_call_new(&fetch_ops, NULL, NULL, 0);
    if (call) {
        weft__sqlite_object_ref(&cursor->scan->object);
        call->object = &cursor->scan->object;
    }
    return weft__sqlite_ask(cursor->db, call);
}

void weft_sqlite_cursor_free(weft_sqlite_cursor *cursor)
{
    if (!cursor || weft__companion_is_elsewhere(cursor->loop_id, __func__))
        return;
    bool tidies = !cursor->has_ended && cursor->generation == weft__companion_generation();
    weft__sqlite_object_unref(&cursor->scan->object);
    if (tidies)
        weft__sqlite_tidy(cursor->db);
    weft__sqlite_handle_unref(cursor->db);
    weft__companion_free(cursor);
}
