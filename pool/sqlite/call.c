/* SPDX-License-Identifier: MIT */
/*
 * Calls: one request to a connection each, from the loop to a job of its lane.
 *
 * A call owns copies of all that it was given, and references to what it uses, so that it needs
 * nothing of the loop's: the job releases it, wherever it ends, also when it could not be started.
 *
 * In the job every call goes the same way: what nobody has any more is dropped and rolled back, cancel
 * is heard, the kind's own function runs, cancel is not heard any more.
 */
#include "pool/sqlite/call.h"

#include <errno.h>
#include <string.h>
#include <weft/lane.h>

#include "core/companion.h"

static bool has_bytes(const struct weft_sqlite_value *value)
{
    return value->type == WEFT_SQLITE_TEXT || value->type == WEFT_SQLITE_BLOB;
}

static size_t size_of_value(const struct weft_sqlite_value *value)
{
    return (has_bytes(value) ? value->len : 0) + (value->name ? strlen(value->name) + 1 : 0);
}

static void *put(char **at, const void *data, size_t size)
{
    char *to = *at;
    if (size > 0)
        memcpy(to, data, size);
    *at += size;
    return to;
}

struct weft__sqlite_call *weft__sqlite_call_new(const struct weft__sqlite_call_ops *ops,
                                                const char *sql,
                                                const struct weft_sqlite_value *values,
                                                size_t count)
{
    size_t size = sizeof(struct weft__sqlite_call) + count * sizeof(*values);
    for (size_t i = 0; i < count; i++)
        size += size_of_value(&values[i]);
    struct weft__sqlite_call *call = weft__companion_malloc(size + (sql ? strlen(sql) + 1 : 0));
    if (!call)
        return NULL;
    *call = (struct weft__sqlite_call){.ops = ops, .count = count};
    char *at = (char *)&call->values[count];
    for (size_t i = 0; i < count; i++) {
        struct weft_sqlite_value *value = &call->values[i];
        *value = values[i];
        if (has_bytes(value))
            value->as.ptr = put(&at, value->as.ptr, value->len);
        if (value->name)
            value->name = put(&at, value->name, strlen(value->name) + 1);
    }
    if (sql)
        call->sql = put(&at, sql, strlen(sql) + 1);
    return call;
}

void weft__sqlite_call_free(struct weft__sqlite_call *call)
{
    if (!call)
        return;
    if (call->object)
        weft__sqlite_object_unref(call->object);
    weft__sqlite_db_unref(call->db);
    weft__companion_free(call);
}

static void note_changes(struct weft__sqlite_db *db)
{
    if (!db->handle)
        return;
    atomic_store_explicit(&db->rowid, sqlite3_last_insert_rowid(db->handle), memory_order_relaxed);
    atomic_store_explicit(&db->changes, sqlite3_changes64(db->handle), memory_order_relaxed);
}

static weft_result run_loudly(struct weft__sqlite_call *call)
{
    weft__sqlite_db_listen(call->db, call->object);
    weft_result result = call->ops->run(call);
    weft__sqlite_db_listen_end(call->db);
    return result;
}

static weft_result run_quietly(struct weft__sqlite_call *call)
{
    call->db->deaf = true;
    weft_result result = call->ops->run(call);
    call->db->deaf = false;
    return result;
}

static weft_result run(void *args)
{
    struct weft__sqlite_call *call = *(struct weft__sqlite_call **)args;
    enum weft__sqlite_call_kind kind = call->ops->kind;
    weft_result result = {0};
    if (kind == WEFT__SQLITE_PLAIN || kind == WEFT__SQLITE_TIDYING)
        result = weft__sqlite_db_enter(call->db, call->depth);
    if (kind == WEFT__SQLITE_TIDYING && result.status == WEFT_ECLOSED) {
        weft__companion_free(result.message); /* there was nothing left to do */
        return (weft_result){0};
    }
    if (result.status < 0)
        return result;
    if (kind == WEFT__SQLITE_PLAIN || kind == WEFT__SQLITE_OPENING)
        result = run_loudly(call);
    else
        result = run_quietly(call);
    note_changes(call->db);
    return result;
}

static void release(void *args)
{
    weft__sqlite_call_free(*(struct weft__sqlite_call **)args);
}

weft_future *weft__sqlite_call_submit(struct weft__sqlite_call *call)
{
    bool tidies = call->ops->kind >= WEFT__SQLITE_TIDYING;
    struct weft_job_options options = {
        .lane = call->lane,
        .on_cancel = tidies ? WEFT_CANCEL_WAIT : WEFT_CANCEL_COOPERATIVE,
        .submit = tidies ? WEFT_SUBMIT_FORCED : WEFT_SUBMIT_AS_LANE,
        .release = release,
    };
    const weft_blocking blocking = {
        .name = call->ops->name, .file = __FILE__, .size = sizeof(call), .run = run};
    return weft__offload(&options, &blocking, &call, NULL);
}
