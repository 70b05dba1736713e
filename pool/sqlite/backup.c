/* SPDX-License-Identifier: MIT */
/*
 * Backup: a copy of a database in use, some pages a job, so that others have their turn in between.
 *
 * The copy is one transaction on the file that it goes to: until its last step that is as it was. When
 * it fails or is cancelled one more job ends that transaction, and removes the file if the backup had
 * made it; the caller hears of it afterwards. Should there be no memory for that job, the object is
 * dropped as any other.
 *
 *     started --step--> started | DONE (the file is complete, and closed)
 *     started --finish, or dropped--> ended, and nothing was changed
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <weft/time.h>

#include "pool/sqlite/handle.h"

enum { PAGES = 256 };

struct backup {
    struct weft__sqlite_object object;
    sqlite3 *to;            /* [job] NULL: ended */
    sqlite3_backup *backup; /* [job] */
    bool created;           /* [job] the file was not there */
    int pages;              /* [const] at a time */
    int64_t all, left;      /* by a job, then [loop] */
    char path[];            /* [const] */
};

/* ---- In a job ---- */

static int end_backup(struct backup *backup, bool complete)
{
    if (!backup->to)
        return SQLITE_OK;
    int code = backup->backup ? sqlite3_backup_finish(backup->backup) : SQLITE_OK;
    sqlite3_close_v2(backup->to);
    backup->to = NULL;
    backup->backup = NULL;
    if (!complete && backup->created)
        (void)unlink(backup->path);
    return code;
}

static void drop_backup(struct weft__sqlite_object *object)
{
    (void)end_backup((struct backup *)object, false);
    weft__companion_free(object);
}

static weft_result open_file(struct backup *backup)
{
    struct weft__sqlite_db *db = backup->object.db;
    backup->created = access(backup->path, F_OK) < 0;
    int code = sqlite3_open_v2(backup->path, &backup->to,
                               SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
                                   SQLITE_OPEN_EXRESCODE,
                               NULL);
    if (!backup->to)
        return weft_err(-ENOMEM);
    if (code != SQLITE_OK)
        return weft__sqlite_failure_of(db, backup->to, code);
    sqlite3_busy_handler(backup->to, weft__sqlite_db_wait, db);
    backup->backup = sqlite3_backup_init(backup->to, "main", db->handle, "main");
    if (!backup->backup)
        return weft__sqlite_failure_of(db, backup->to, sqlite3_extended_errcode(backup->to));
    return weft__result(weft_value_ptr(backup), weft__sqlite_object_destroy);
}

static weft_result run_start(struct weft__sqlite_call *call)
{
    size_t size = strlen(call->sql) + 1;
    struct backup *backup = weft__companion_malloc(sizeof(*backup) + size);
    if (!backup)
        return weft_err(-ENOMEM);
    *backup = (struct backup){.pages = (int)call->values[0].as.i64};
    memcpy(backup->path, call->sql, size);
    weft__sqlite_object_init(&backup->object, call->db, drop_backup);
    weft_result result = open_file(backup);
    if (result.status == 0)
        return result;
    (void)end_backup(backup, false);
    weft__sqlite_object_unref(&backup->object);
    return result;
}

/* The value is 1 at the end. */
static weft_result run_step(struct weft__sqlite_call *call)
{
    struct backup *backup = (struct backup *)call->object;
    int code = sqlite3_backup_step(backup->backup, backup->pages);
    backup->all = sqlite3_backup_pagecount(backup->backup);
    backup->left = sqlite3_backup_remaining(backup->backup);
    if (code == SQLITE_OK)
        return weft__result(weft_value_i64(0), NULL);
    if (code != SQLITE_DONE)
        return weft__sqlite_failure_of(call->db, backup->to, code);
    code = end_backup(backup, true);
    if (code != SQLITE_OK)
        return weft_errf(-EIO, "%s (SQLite %d)", sqlite3_errstr(code), code);
    return weft__result(weft_value_i64(1), NULL);
}

static weft_result run_finish(struct weft__sqlite_call *call)
{
    (void)end_backup((struct backup *)call->object, false);
    return weft__result(weft_value_i64(0), NULL);
}

static const struct weft__sqlite_call_ops start_ops = {
    .name = "weft_sqlite_backup", .run = run_start, .destructor = weft__sqlite_object_destroy};
static const struct weft__sqlite_call_ops step_ops = {.name = "weft_sqlite_backup",
                                                      .run = run_step};
static const struct weft__sqlite_call_ops finish_ops = {
    .name = "weft_sqlite_backup", .run = run_finish, .kind = WEFT__SQLITE_TIDYING};

/* ---- On the loop ---- */

static struct weft__sqlite_call *call_of(struct backup *backup,
                                         const struct weft__sqlite_call_ops *ops)
{
    struct weft__sqlite_call *call = weft__sqlite_call_new(ops, NULL, NULL, 0);
    if (!call)
        return NULL;
    weft__sqlite_object_ref(&backup->object);
    call->object = &backup->object;
    return call;
}

static weft_future *step(weft_sqlite *db, struct backup *backup)
{
    int status = weft__sqlite_check(db, "weft_sqlite_backup");
    if (status < 0)
        return weft__sqlite_refuse(status);
    return weft__sqlite_ask(db, call_of(backup, &step_ops));
}

static weft_future *finish(struct weft__sqlite_guard *guard, weft_sqlite *db, struct backup *backup)
{
    struct weft__sqlite_call *call = call_of(backup, &finish_ops);
    if (!call)
        return weft_future_failed(-ENOMEM, NULL);
    weft__sqlite_bind_call(call, weft__sqlite_deepest(db));
    return weft__sqlite_guarded_submit(guard, call);
}

struct sqlite_backup {
    WEFT_FRAME;
    bool *begun;
    weft_sqlite *db;
    struct weft__sqlite_call *call;
    struct weft_sqlite_backup_options options;
    struct weft__sqlite_turn turn;
    struct backup *backup;
    struct weft__sqlite_guard guard;
    int is_done, status;
};

static WEFT_ASYNC(sqlite_backup)
{
    WEFT_BEGIN;
    *self->begun = true;
    weft__sqlite_turn_begin(&self->turn, self->db, self->call, NULL);
    if (self->turn.called)
        WEFT_AWAIT(weft_ref(self->turn.called));
    WEFT_AWAIT_INTO(self->backup, weft__sqlite_turn_job(&self->turn));
    while (!self->is_done) {
        WEFT_AWAIT_INTO(self->is_done, step(self->db, self->backup));
        if (self->options.progress)
            self->options.progress(self->options.arg, self->backup->all - self->backup->left,
                                   self->backup->all);
        if (!self->is_done) /* a cancel that found a step running is heard here at the latest */
            WEFT_AWAIT(weft_sleep(self->options.between));
    }
    WEFT_RETURN(self->backup->all);

    WEFT_FINALLY;
    if (self->backup && !self->is_done && weft__sqlite_connection(self->db)->db) {
        WEFT_CATCH(self->status, finish(&self->guard, self->db, self->backup));
        weft__sqlite_guard_end(&self->guard, self->status);
    }
    if (self->backup)
        weft__sqlite_object_unref(&self->backup->object);
    weft__sqlite_turn_end(&self->turn);
    WEFT_END;
}

static bool complete(const struct weft_sqlite_backup_options *options,
                     struct weft_sqlite_backup_options *ret)
{
    *ret = options ? *options : (struct weft_sqlite_backup_options){0};
    if (ret->pages == 0)
        ret->pages = PAGES;
    return (ret->size == 0 || ret->size == sizeof(*ret)) && ret->pages <= INT32_MAX;
}

/* Within a transaction SQLite would copy what is not committed. */
weft_future *weft_sqlite_backup(weft_sqlite *db, const char *path,
                                const struct weft_sqlite_backup_options *options)
{
    struct weft_sqlite_backup_options copy;
    bool begun = false;
    int status = weft__sqlite_check_turn(db, __func__);
    if (status == 0 && (!path || db->depth > 0 || !complete(options, &copy)))
        status = -EINVAL;
    if (status != 0)
        return weft__sqlite_refuse(status);
    struct weft_sqlite_value pages = weft_sqlite_int(copy.pages);
    struct weft__sqlite_call *call = weft__sqlite_call_new(&start_ops, path, &pages, 1);
    if (!call)
        return weft_future_failed(-ENOMEM, NULL);
    weft__sqlite_bind_call(call, db);
    weft_future *task =
        weft_spawn_eager(sqlite_backup, .begun = &begun, .db = db, .call = call, .options = copy);
    return weft__sqlite_started(task, begun, call);
}
