/* SPDX-License-Identifier: MIT */
/*
 * Statements of a connection, prepared: those which the cache keeps by their text, those which a user
 * has prepared and those which are used once.
 *
 *     idle --take()--> in use --give_back()--> idle, or freed
 *
 * One that is in use (a cursor stands between two of its rows) is never taken a second time: the same
 * text is prepared anew then. The cache keeps the `options.statements` that were used last. To look
 * one up is to compare its length and text with each: there are few.
 *
 * A connection that closes finalizes all. Of those which somebody still has the shell stays, with no
 * statement of SQLite's in it, until it is dropped.
 */
#include "pool/sqlite/statement.h"

#include <errno.h>
#include <string.h>

#include "core/companion.h"

static const weft_result success = {0};

/* ---- The list ---- */

static void insert(struct weft__sqlite_statement *statement)
{
    struct weft__sqlite_db *db = statement->db;
    statement->older = db->statements;
    if (db->statements)
        db->statements->newer = statement;
    db->statements = statement;
}

void weft__sqlite_statement_free(struct weft__sqlite_statement *statement)
{
    struct weft__sqlite_db *db = statement->db;
    if (statement->newer)
        statement->newer->older = statement->older;
    else
        db->statements = statement->older;
    if (statement->older)
        statement->older->newer = statement->newer;
    db->kept -= statement->kept;
    sqlite3_finalize(statement->stmt);
    weft__companion_free(statement);
}

void weft__sqlite_statements_finalize(struct weft__sqlite_db *db)
{
    for (struct weft__sqlite_statement *each = db->statements; each; each = each->older) {
        sqlite3_finalize(each->stmt);
        each->stmt = NULL;
    }
}

void weft__sqlite_statements_free(struct weft__sqlite_db *db)
{
    while (db->statements)
        weft__sqlite_statement_free(db->statements);
}

/* ---- Preparing ---- */

static weft_result refuse(struct weft__sqlite_db *db, int code)
{
    if (!db->refused)
        return weft__sqlite_failure(db, code);
    db->refused = false;
    return weft_errf(-EINVAL,
                     "transactions are for weft_sqlite_begin(), _commit() and _rollback()");
}

static int prepare(struct weft__sqlite_db *db, const char *sql, unsigned flags, sqlite3_stmt **ret,
                   const char **tail)
{
    db->checks = !db->ours;
    int code = sqlite3_prepare_v3(db->handle, sql, -1, flags, ret, tail);
    db->checks = false;
    return code;
}

/* True if there is another statement behind the first one, be it a wrong one. */
static bool has_more(struct weft__sqlite_db *db, const char *tail)
{
    sqlite3_stmt *stmt = NULL;
    bool more = false;
    while (*tail && !more) {
        int code = prepare(db, tail, 0, &stmt, &tail);
        more = code != SQLITE_OK || stmt;
        sqlite3_finalize(stmt);
    }
    return more;
}

weft_result weft__sqlite_statement_new(struct weft__sqlite_db *db, const char *sql,
                                       struct weft__sqlite_statement **ret)
{
    size_t len = strlen(sql);
    const char *tail;
    struct weft__sqlite_statement *statement = weft__companion_malloc(sizeof(*statement) + len + 1);
    if (!statement)
        return weft_err(-ENOMEM);
    *statement = (struct weft__sqlite_statement){.db = db, .len = len, .ours = db->ours};
    memcpy(statement->sql, sql, len + 1);
    int code = prepare(db, sql, SQLITE_PREPARE_PERSISTENT, &statement->stmt, &tail);
    insert(statement);
    weft_result result = success;
    if (code != SQLITE_OK)
        result = refuse(db, code);
    else if (!statement->stmt)
        result = weft_errf(-EINVAL, "there is no statement");
    else if (has_more(db, tail))
        result = weft_errf(-EINVAL, "there is more than one statement");
    if (result.status < 0)
        weft__sqlite_statement_free(statement);
    else
        *ret = statement;
    return result;
}

static struct weft__sqlite_statement *find(struct weft__sqlite_db *db, const char *sql)
{
    size_t len = strlen(sql);
    for (struct weft__sqlite_statement *each = db->statements; each; each = each->older)
        if (each->kept && !each->in_use && each->ours == db->ours && each->len == len &&
            memcmp(each->sql, sql, len) == 0)
            return each;
    return NULL;
}

weft_result weft__sqlite_statement_take(struct weft__sqlite_db *db, const char *sql,
                                        struct weft__sqlite_statement **ret)
{
    weft_result result = success;
    struct weft__sqlite_statement *statement = find(db, sql);
    if (!statement)
        result = weft__sqlite_statement_new(db, sql, &statement);
    if (result.status < 0)
        return result;
    db->kept += !statement->kept;
    statement->kept = true;
    statement->in_use = true;
    *ret = statement;
    return result;
}

/* The one that was not used for the longest time; NULL: all are in use. */
static struct weft__sqlite_statement *stalest(struct weft__sqlite_db *db)
{
    struct weft__sqlite_statement *found = NULL;
    for (struct weft__sqlite_statement *each = db->statements; each; each = each->older)
        if (each->kept && !each->in_use && (!found || each->used < found->used))
            found = each;
    return found;
}

void weft__sqlite_statement_give_back(struct weft__sqlite_statement *statement)
{
    struct weft__sqlite_db *db = statement->db;
    struct weft__sqlite_statement *stale;
    sqlite3_reset(statement->stmt); /* what it failed with is known */
    if (statement->stmt)
        sqlite3_clear_bindings(statement->stmt);
    statement->in_use = false;
    statement->used = ++db->uses;
    if (statement->done_with)
        weft__sqlite_statement_free(statement);
    while (db->kept > db->options.statements && (stale = stalest(db)))
        weft__sqlite_statement_free(stale);
}

/* ---- Binding ---- */

static int bind(sqlite3_stmt *stmt, int at, const struct weft_sqlite_value *value)
{
    switch (value->type) {
    case WEFT_SQLITE_NULL:
        return sqlite3_bind_null(stmt, at);
    case WEFT_SQLITE_INT:
        return sqlite3_bind_int64(stmt, at, value->as.i64);
    case WEFT_SQLITE_REAL:
        return sqlite3_bind_double(stmt, at, value->as.f64);
    case WEFT_SQLITE_TEXT: /* the call, which has the bytes, may end before the query does */
        return sqlite3_bind_text64(stmt, at, value->as.ptr, value->len, SQLITE_TRANSIENT,
                                   SQLITE_UTF8);
    case WEFT_SQLITE_BLOB:
        return sqlite3_bind_blob64(stmt, at, value->as.ptr, value->len, SQLITE_TRANSIENT);
    }
    return SQLITE_MISMATCH;
}

static bool is_given_before(const struct weft_sqlite_value *values, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (values[j].name && strcmp(values[j].name, values[i].name) == 0)
            return true;
    return false;
}

/* Positional values are for the first parameters, in their order; the rest has names. */
static weft_result bind_one(struct weft__sqlite_statement *statement,
                            const struct weft_sqlite_value *values, size_t i)
{
    int at = (int)i + 1;
    if (values[i].name && is_given_before(values, i))
        return weft_errf(-EINVAL, "the parameter %s is given twice", values[i].name);
    if (values[i].name)
        at = sqlite3_bind_parameter_index(statement->stmt, values[i].name);
    else if (i > 0 && values[i - 1].name)
        return weft_errf(-EINVAL, "a value without a name stands behind one with a name");
    if (at == 0)
        return weft_errf(-EINVAL, "there is no parameter %s", values[i].name);
    int code = bind(statement->stmt, at, &values[i]);
    if (code == SQLITE_MISMATCH)
        return weft_errf(-EINVAL, "value %zu is of no type", i + 1);
    return code == SQLITE_OK ? success : weft__sqlite_failure(statement->db, code);
}

weft_result weft__sqlite_statement_bind(struct weft__sqlite_statement *statement,
                                        const struct weft_sqlite_value *values, size_t count)
{
    weft_result result = success;
    int parameters = sqlite3_bind_parameter_count(statement->stmt);
    if (count != (size_t)parameters)
        return weft_errf(-EINVAL, "%zu values are given for %d parameters", count, parameters);
    for (size_t i = 0; i < count && result.status == 0; i++)
        result = bind_one(statement, values, i);
    return result;
}

/* ---- Running ---- */

weft_result weft__sqlite_statement_run(struct weft__sqlite_statement *statement)
{
    int code;
    do
        code = sqlite3_step(statement->stmt);
    while (code == SQLITE_ROW);
    return code == SQLITE_DONE ? success : weft__sqlite_failure(statement->db, code);
}

static weft_result run_first(struct weft__sqlite_db *db, const char *sql, const char **tail)
{
    sqlite3_stmt *stmt = NULL;
    weft_result result = success;
    int code = prepare(db, sql, 0, &stmt, tail);
    if (code != SQLITE_OK)
        return refuse(db, code);
    if (sqlite3_bind_parameter_count(stmt) > 0)
        result = weft_errf(-EINVAL, "there are no values for parameters here");
    for (code = SQLITE_ROW; stmt && result.status == 0 && code == SQLITE_ROW;)
        code = sqlite3_step(stmt);
    if (result.status == 0 && stmt && code != SQLITE_DONE)
        result = weft__sqlite_failure(db, code);
    sqlite3_finalize(stmt);
    return result;
}

weft_result weft__sqlite_statements_run(struct weft__sqlite_db *db, const char *sql)
{
    weft_result result = success;
    while (*sql && result.status == 0)
        result = run_first(db, sql, &sql);
    return result;
}
