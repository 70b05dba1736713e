/* SPDX-License-Identifier: MIT */
/*
 * Statements that are run for what they change: exec, insert, script; and preparing one.
 *
 * A script is one transaction, so that all of it happens or nothing, also when it is cancelled. Of a
 * single statement SQLite itself takes care, as long as it is run to its end.
 */
#include <errno.h>

#include "pool/sqlite/exec.h"
#include "pool/sqlite/statement.h"

/* ---- In a job ---- */

static weft_result number(int64_t value)
{
    return weft__result(weft_value_i64(value), NULL);
}

/* The statement of a call: that which a user has prepared, or by its text. In use until it is given
 * back, and its values bound. */
weft_result weft__sqlite_call_take(struct weft__sqlite_call *call,
                                   struct weft__sqlite_statement **ret)
{
    struct weft__sqlite_statement *statement = NULL;
    weft_result result = number(0);
    if (!call->object)
        result = weft__sqlite_statement_take(call->db, call->sql, &statement);
    else
        statement = ((struct weft__sqlite_prepared *)call->object)->statement;
    if (result.status < 0)
        return result;
    if (call->object && statement->in_use)
        return weft_errf(-EBUSY, "a cursor goes through the rows of the statement");
    statement->in_use = true;
    if (!sqlite3_stmt_readonly(statement->stmt))
        result = weft__sqlite_db_check_change(call->db);
    if (result.status == 0)
        result = weft__sqlite_statement_bind(statement, call->values, call->count);
    if (result.status < 0)
        weft__sqlite_statement_give_back(statement);
    else
        *ret = statement;
    return result;
}

static weft_result run_statement(struct weft__sqlite_call *call)
{
    struct weft__sqlite_statement *statement = NULL;
    weft_result result = weft__sqlite_call_take(call, &statement);
    if (!statement)
        return result;
    result = weft__sqlite_statement_run(statement);
    weft__sqlite_statement_give_back(statement);
    return result;
}

/* sqlite3_changes64() stays what it was when a statement changes no table. */
static weft_result run_exec(struct weft__sqlite_call *call)
{
    sqlite3 *handle = call->db->handle;
    int64_t before = sqlite3_total_changes64(handle);
    weft_result result = run_statement(call);
    if (result.status < 0)
        return result;
    return number(sqlite3_total_changes64(handle) == before ? 0 : sqlite3_changes64(handle));
}

static weft_result run_insert(struct weft__sqlite_call *call)
{
    sqlite3_set_last_insert_rowid(call->db->handle, 0);
    weft_result result = run_statement(call);
    return result.status < 0 ? result : number(sqlite3_last_insert_rowid(call->db->handle));
}

/* A transaction for the time of this job. If it cannot be rolled back now, the next job does. */
weft_result weft__sqlite_as_one(struct weft__sqlite_db *db, weft_result (*fn)(void *arg), void *arg)
{
    unsigned depth = db->depth;
    weft_result ended, result = weft__sqlite_db_begin(db, "BEGIN");
    if (result.status < 0)
        return result;
    result = fn(arg);
    if (result.status == 0) {
        ended = weft__sqlite_db_commit(db);
        if (ended.status == 0)
            return result;
        if (result.destructor)
            result.destructor(result.value.ptr);
        result = ended;
    }
    ended = weft__sqlite_db_roll_back_to(db, depth);
    weft__companion_free(ended.message);
    return result;
}

static weft_result run_statements(void *arg)
{
    struct weft__sqlite_call *call = arg;
    return weft__sqlite_statements_run(call->db, call->sql);
}

static weft_result run_script(struct weft__sqlite_call *call)
{
    return weft__sqlite_as_one(call->db, run_statements, call);
}

static void drop_prepared(struct weft__sqlite_object *object)
{
    struct weft__sqlite_statement *statement = ((struct weft__sqlite_prepared *)object)->statement;
    statement->done_with = true;
    if (!statement->in_use)
        weft__sqlite_statement_free(statement);
    weft__companion_free(object);
}

static weft_result run_prepare(struct weft__sqlite_call *call)
{
    struct weft__sqlite_prepared *prepared = weft__companion_malloc(sizeof(*prepared));
    if (!prepared)
        return weft_err(-ENOMEM);
    weft_result result = weft__sqlite_statement_new(call->db, call->sql, &prepared->statement);
    if (result.status < 0) {
        weft__companion_free(prepared);
        return result;
    }
    weft__sqlite_object_init(&prepared->object, call->db, drop_prepared);
    return weft__result(weft_value_ptr(prepared), weft__sqlite_object_destroy);
}

static const struct weft__sqlite_call_ops exec_ops = {.name = "weft_sqlite_exec", .run = run_exec};
static const struct weft__sqlite_call_ops insert_ops = {.name = "weft_sqlite_insert",
                                                        .run = run_insert};
static const struct weft__sqlite_call_ops script_ops = {.name = "weft_sqlite_script",
                                                        .run = run_script};
static const struct weft__sqlite_call_ops prepare_ops = {
    .name = "weft_sqlite_prepare", .run = run_prepare, .destructor = weft__sqlite_object_destroy};

/* ---- On the loop ---- */

size_t weft__sqlite_count(const struct weft_sqlite_value *values)
{
    size_t count = 0;
    while (values[count].type != WEFT__SQLITE_END_TYPE)
        count++;
    return count;
}

static weft_future *ask(weft_sqlite *db, const char *sql, const struct weft_sqlite_value *values,
                        size_t count, const struct weft__sqlite_call_ops *ops)
{
    int status = weft__sqlite_check_turn(db, ops->name);
    if (status == 0 && (!sql || (count && !values)))
        status = -EINVAL;
    if (status < 0)
        return weft__sqlite_refuse(status);
    return weft__sqlite_ask(db, weft__sqlite_call_new(ops, sql, values, count));
}

weft_future *weft__sqlite_exec(weft_sqlite *db, const char *sql,
                               const struct weft_sqlite_value *values)
{
    return ask(db, sql, values, weft__sqlite_count(values), &exec_ops);
}

weft_future *weft__sqlite_insert(weft_sqlite *db, const char *sql,
                                 const struct weft_sqlite_value *values)
{
    return ask(db, sql, values, weft__sqlite_count(values), &insert_ops);
}

weft_future *weft_sqlite_exec_array(weft_sqlite *db, const char *sql,
                                    const struct weft_sqlite_value *values, size_t count)
{
    return ask(db, sql, values, count, &exec_ops);
}

weft_future *weft_sqlite_script(weft_sqlite *db, const char *sql)
{
    return ask(db, sql, NULL, 0, &script_ops);
}

/* ---- Statements that are prepared ---- */

/** All fields are [loop]. */
struct weft_sqlite_statement {
    uint32_t loop_id;                   /* [const] */
    unsigned generation;                /* [const] */
    struct weft__sqlite_object *object; /* a reference */
};

static void *make_statement(weft_sqlite *db, struct weft__sqlite_object *object)
{
    weft_sqlite_statement *statement = weft__companion_malloc(sizeof(*statement));
    if (statement)
        *statement = (weft_sqlite_statement){db->loop_id, db->generation, object};
    return statement;
}

static void destroy_statement(void *statement)
{
    weft_sqlite_statement_free(statement);
}

weft_future *weft_sqlite_prepare(weft_sqlite *db, const char *sql)
{
    static const struct weft__sqlite_maker maker = {make_statement, destroy_statement};
    int status = weft__sqlite_check_turn(db, __func__);
    if (status == 0 && !sql)
        status = -EINVAL;
    if (status < 0)
        return weft__sqlite_refuse(status);
    return weft__sqlite_ask_made(db, weft__sqlite_call_new(&prepare_ops, sql, NULL, 0), &maker);
}

void weft_sqlite_statement_free(weft_sqlite_statement *statement)
{
    if (!statement || weft__companion_is_elsewhere(statement->loop_id, __func__))
        return;
    weft__sqlite_object_unref(statement->object);
    weft__companion_free(statement);
}

int weft__sqlite_check_statement(const weft_sqlite *db, const weft_sqlite_statement *statement,
                                 const char *function)
{
    int status = weft__sqlite_check_turn(db, function);
    if (status == 0 && !statement)
        status = -EINVAL;
    if (status == 0)
        status = weft__sqlite_check_object(statement->loop_id, statement->generation, function);
    if (status == 0 && statement->object->db != db->db)
        status = -EXDEV;
    return status;
}

void weft__sqlite_use_statement(struct weft__sqlite_call *call, weft_sqlite_statement *statement)
{
    if (!call)
        return;
    weft__sqlite_object_ref(statement->object);
    call->object = statement->object;
}

weft_future *weft__sqlite_exec_prepared(weft_sqlite *db, weft_sqlite_statement *statement,
                                        const struct weft_sqlite_value *values)
{
    int status = weft__sqlite_check_statement(db, statement, "weft_sqlite_exec_prepared");
    if (status < 0)
        return weft__sqlite_refuse(status);
    struct weft__sqlite_call *call =
        weft__sqlite_call_new(&exec_ops, NULL, values, weft__sqlite_count(values));
    weft__sqlite_use_statement(call, statement);
    return weft__sqlite_ask(db, call);
}
