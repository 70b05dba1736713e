/* SPDX-License-Identifier: MIT */
/*
 * A connection: SQLite's handle, and all that belongs to it. It is touched by jobs, one at a time:
 * they wait in a lane of one. So SQLite's own mutexes are off (SQLITE_OPEN_NOMUTEX); the pool's lock
 * orders one job after the other.
 *
 *     new --db_open()--> open --db_close()--> closed
 *
 * Each job begins with db_enter() and says in how many transactions it is to run, one within another.
 * More may be open: those whose handle was freed. They are rolled back then, so that a rollback needs
 * no job of its own, and cannot fail for lack of memory. Fewer are open if SQLite rolled back by
 * itself (no space left, say): then the job must not run, since each of its statements would commit
 * on its own.
 *
 * Objects, cursors and statements, are dropped in the same way: who gives up the last reference
 * pushes it to a list, which the next job empties.
 *
 * Cancel, in this file only. A job that is cancelled meets it in one of four places:
 *
 *   sqlite3_interrupt()  by the canceller's thread. It stops every statement of the connection that is
 *                        under way, so it is used only where that is this one alone; it is lost when
 *                        no statement has begun, and stands until the next one begins. Hence also:
 *   progress handler     every PROGRESS steps of SQLite's machine.
 *   busy handler         it sleeps in weft_job_poll(), which a cancel ends. (sqlite3_busy_timeout()
 *                        sleeps in the kernel, and nothing wakes it.) Meanwhile the pool may start
 *                        another thread: he who has the lock may need one.
 *   commit hook          weft_job_commit(): SQLite has all its locks, and has not begun to write the
 *                        commit. A cancel that came before makes it a rollback; one that comes later is
 *                        not heard.
 *
 * References: a call and an object have one each, and so has the handle on the loop. So what is left
 * when a loop is gone, with a job stuck, is closed when that returns. In a forked child nothing of
 * SQLite may be touched, not even to be closed: it is left as it is.
 */
#include "pool/sqlite/connection.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <weft/job.h>
#include <weft/pool.h>

#include "core/companion.h"
#include "pool/sqlite/statement.h"

enum {
    PROGRESS = 1000, /* steps of SQLite's machine: some 10 µs */
    MOST_NAME = 32
};

/* ---- References ---- */

static char *copy(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copied = weft__companion_malloc(size);
    return copied ? memcpy(copied, text, size) : NULL;
}

static void free_db(struct weft__sqlite_db *db)
{
    weft__companion_free((char *)db->options.setup);
    weft__companion_free(db->path);
    weft__companion_free(db);
}

struct weft__sqlite_db *weft__sqlite_db_new(const char *path,
                                            const struct weft_sqlite_options *options)
{
    struct weft__sqlite_db *db = weft__companion_malloc(sizeof(*db));
    if (!db)
        return NULL;
    *db = (struct weft__sqlite_db){.options = *options};
    atomic_init(&db->refs, 1);
    db->generation = weft__companion_generation();
    db->path = copy(path);
    db->options.setup = copy(options->setup ? options->setup : "");
    if (db->path && db->options.setup)
        return db;
    free_db(db);
    return NULL;
}

struct weft__sqlite_db *weft__sqlite_db_ref(struct weft__sqlite_db *db)
{
    atomic_fetch_add_explicit(&db->refs, 1, memory_order_relaxed);
    return db;
}

static void drop_objects(struct weft__sqlite_db *db)
{
    struct weft__sqlite_object *next;
    struct weft__sqlite_object *object =
        atomic_exchange_explicit(&db->dropped, NULL, memory_order_acquire);
    for (; object; object = next) {
        next = object->next;
        object->drop(object);
    }
}

void weft__sqlite_db_unref(struct weft__sqlite_db *db)
{
    if (!db || atomic_fetch_sub_explicit(&db->refs, 1, memory_order_acq_rel) > 1)
        return;
    if (db->generation == weft__companion_generation()) {
        drop_objects(db);
        weft_result result = weft__sqlite_db_close(db);
        weft__companion_free(result.message);
        weft__sqlite_statements_free(db);
    }
    free_db(db);
}

void weft__sqlite_object_init(struct weft__sqlite_object *object, struct weft__sqlite_db *db,
                              void (*drop)(struct weft__sqlite_object *))
{
    atomic_init(&object->refs, 1);
    object->scans = false;
    object->db = weft__sqlite_db_ref(db);
    object->drop = drop;
}

void weft__sqlite_object_ref(struct weft__sqlite_object *object)
{
    atomic_fetch_add_explicit(&object->refs, 1, memory_order_relaxed);
}

void weft__sqlite_object_unref(struct weft__sqlite_object *object)
{
    struct weft__sqlite_db *db = object->db;
    if (atomic_fetch_sub_explicit(&object->refs, 1, memory_order_acq_rel) > 1)
        return;
    object->next = atomic_load_explicit(&db->dropped, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&db->dropped, &object->next, object,
                                                  memory_order_release, memory_order_relaxed))
        ;
    weft__sqlite_db_unref(db);
}

void weft__sqlite_object_destroy(void *object)
{
    weft__sqlite_object_unref(object);
}

/* ---- What SQLite calls ---- */

static void interrupt(void *arg)
{
    struct weft__sqlite_db *db = arg;
    atomic_store_explicit(&db->interrupted, true, memory_order_relaxed);
    sqlite3_interrupt(db->handle);
}

static int on_progress(void *arg)
{
    struct weft__sqlite_db *db = arg;
    return !db->deaf && weft_job_cancelled();
}

static weft_ns real_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return WEFT_S(now.tv_sec) + now.tv_nsec;
}

/* As far as time goes: WEFT_FOREVER is one, too. */
static weft_ns add_time(weft_ns now, weft_ns duration)
{
    return duration > WEFT_FOREVER - now ? WEFT_FOREVER : now + duration;
}

/* Twice as long each time, from 1 ms to 32. */
int weft__sqlite_db_wait(void *arg, int times)
{
    struct weft__sqlite_db *db = arg;
    weft_ns now = real_now();
    weft_ns until = now + WEFT_MS(1 << (times < 5 ? times : 5));
    if (times == 0)
        db->busy_until = add_time(now, db->options.busy_timeout);
    if (now >= db->busy_until)
        return 0;
    until = until < db->busy_until ? until : db->busy_until;
    weft_job_blocking_begin(); /* who has the lock may need a thread to let go of it */
    int status = weft_job_poll(-1, 0, until);
    weft_job_blocking_end();
    return status == -ETIMEDOUT;
}

/* Not 0 makes it a rollback. */
int weft__sqlite_db_commits(void *arg)
{
    struct weft__sqlite_db *db = arg;
    return !db->deaf && weft_job_commit() == -ECANCELED;
}

/* Of the text of a user only: VACUUM begins transactions of its own while it runs. */
static int authorize(void *arg, int action, const char *a, const char *b, const char *c,
                     const char *d)
{
    struct weft__sqlite_db *db = arg;
    (void)a;
    (void)b;
    (void)c;
    (void)d;
    if (!db->checks || (action != SQLITE_TRANSACTION && action != SQLITE_SAVEPOINT))
        return SQLITE_OK;
    db->refused = true;
    return SQLITE_DENY;
}

/* ---- Statements of weft's own ---- */

weft_result weft__sqlite_db_run(struct weft__sqlite_db *db, const char *sql)
{
    struct weft__sqlite_statement *statement;
    db->ours = true;
    weft_result result = weft__sqlite_statement_take(db, sql, &statement);
    if (result.status == 0) {
        result = weft__sqlite_statement_run(statement);
        weft__sqlite_statement_give_back(statement);
    }
    db->ours = false;
    return result;
}

weft_result weft__sqlite_db_undo(struct weft__sqlite_db *db, const char *sql)
{
    bool deaf = db->deaf;
    db->deaf = true;
    weft_result result = weft__sqlite_db_run(db, sql);
    db->deaf = deaf;
    return result;
}

/* ---- Hearing of a cancel ---- */

void weft__sqlite_db_listen(struct weft__sqlite_db *db, const struct weft__sqlite_object *object)
{
    unsigned own = object && object->scans;
    if (db->handle && db->scanning == own)
        weft_job_on_cancel(interrupt, db);
}

bool weft__sqlite_db_was_interrupted(struct weft__sqlite_db *db)
{
    weft_job_on_cancel(NULL, NULL);
    return atomic_load_explicit(&db->interrupted, memory_order_relaxed);
}

/* SQLite forgets an interrupt only when the next statement begins; until then a close would not write
 * the log back. */
void weft__sqlite_db_listen_end(struct weft__sqlite_db *db)
{
    weft_job_on_cancel(NULL, NULL);
    if (!db->handle || !atomic_exchange_explicit(&db->interrupted, false, memory_order_relaxed))
        return;
    weft_result result = weft__sqlite_db_undo(db, "SELECT 1");
    weft__companion_free(result.message);
}

/* ---- Opening and closing ---- */

static int open_flags(unsigned flags)
{
    int result = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (flags & WEFT_SQLITE_READ_ONLY)
        result |= SQLITE_OPEN_READONLY;
    else
        result |= SQLITE_OPEN_READWRITE | (flags & WEFT_SQLITE_NO_CREATE ? 0 : SQLITE_OPEN_CREATE);
    if (flags & WEFT_SQLITE_URI)
        result |= SQLITE_OPEN_URI;
    if (flags & WEFT_SQLITE_NO_FOLLOW)
        result |= SQLITE_OPEN_NOFOLLOW;
    return result;
}

static void install(struct weft__sqlite_db *db)
{
    sqlite3_limit(db->handle, SQLITE_LIMIT_LENGTH, (int)db->options.value_bytes);
    sqlite3_progress_handler(db->handle, PROGRESS, on_progress, db);
    sqlite3_busy_handler(db->handle, weft__sqlite_db_wait, db);
    sqlite3_commit_hook(db->handle, weft__sqlite_db_commits, db);
    sqlite3_set_authorizer(db->handle, authorize, db);
}

static weft_result use_wal(struct weft__sqlite_db *db)
{
    struct weft__sqlite_statement *statement;
    weft_result result = weft__sqlite_statement_take(db, "PRAGMA journal_mode = WAL", &statement);
    if (result.status < 0)
        return result;
    int code = sqlite3_step(statement->stmt);
    const unsigned char *mode = code == SQLITE_ROW ? sqlite3_column_text(statement->stmt, 0) : NULL;
    if (code != SQLITE_ROW && code != SQLITE_DONE)
        result = weft__sqlite_failure(db, code);
    else if (!mode || strcmp((const char *)mode, "wal") != 0)
        result = weft_errf(-EINVAL, "%s: there is no WAL for this database", db->path);
    weft__sqlite_statement_give_back(statement);
    return result;
}

/* The first statement reads the file. */
static weft_result set_up(struct weft__sqlite_db *db)
{
    unsigned flags = db->options.flags;
    weft_result result = weft__sqlite_db_run(db, "PRAGMA schema_version");
    if (result.status == 0 && flags & WEFT_SQLITE_WAL)
        result = use_wal(db);
    if (result.status == 0 && flags & (WEFT_SQLITE_WAL | WEFT_SQLITE_FULL))
        result = weft__sqlite_db_run(db, flags & WEFT_SQLITE_FULL ? "PRAGMA synchronous = FULL"
                                                                  : "PRAGMA synchronous = NORMAL");
    if (result.status == 0 && flags & WEFT__SQLITE_QUERY_ONLY)
        result = weft__sqlite_db_run(db, "PRAGMA query_only = ON");
    if (result.status == 0)
        result = weft__sqlite_statements_run(db, db->options.setup);
    return result;
}

weft_result weft__sqlite_db_open(struct weft__sqlite_db *db)
{
    weft_result result = weft_err(-ENOMEM);
    if (!sqlite3_threadsafe())
        return weft_errf(-ENOTSUP, "this SQLite was built for programs without threads");
    int code = sqlite3_open_v2(db->path, &db->handle, open_flags(db->options.flags), NULL);
    if (!db->handle)
        return result;
    if (code == SQLITE_OK) {
        install(db);
        result = set_up(db);
    } else {
        result = weft__sqlite_failure(db, code);
    }
    if (result.status < 0) {
        weft_result closed = weft__sqlite_db_close(db);
        weft__companion_free(closed.message);
    }
    return result;
}

/* All statements are finalized, so that SQLite cannot refuse. */
weft_result weft__sqlite_db_close(struct weft__sqlite_db *db)
{
    if (!db->handle)
        return weft__result(weft_value_i64(0), NULL);
    db->deaf = true;
    weft__sqlite_statements_finalize(db);
    sqlite3_close_v2(db->handle); /* a backup under way may be finished later */
    db->handle = NULL;
    return weft__result(weft_value_i64(0), NULL);
}

/* ---- Transactions ---- */

weft_result weft__sqlite_db_check_change(struct weft__sqlite_db *db)
{
    if (db->depth == 0 && sqlite3_txn_state(db->handle, NULL) == SQLITE_TXN_WRITE)
        return weft_errf(-EBUSY, "a cursor goes through the rows of a change");
    return weft__result(weft_value_i64(0), NULL);
}

weft_result weft__sqlite_db_begin(struct weft__sqlite_db *db, const char *outermost)
{
    char sql[2 * MOST_NAME];
    weft_result result = weft__sqlite_db_check_change(db);
    if (result.status < 0)
        return result;
    snprintf(sql, sizeof(sql), "SAVEPOINT weft_%u", db->depth + 1);
    result = weft__sqlite_db_run(db, db->depth == 0 ? outermost : sql);
    db->depth += result.status == 0;
    return result;
}

weft_result weft__sqlite_db_commit(struct weft__sqlite_db *db)
{
    char sql[2 * MOST_NAME];
    snprintf(sql, sizeof(sql), "RELEASE weft_%u", db->depth);
    weft_result result = weft__sqlite_db_run(db, db->depth == 1 ? "COMMIT" : sql);
    db->depth -= result.status == 0;
    return result;
}

static weft_result undo_to(struct weft__sqlite_db *db, unsigned depth)
{
    char sql[2 * MOST_NAME];
    if (depth == 0)
        return weft__sqlite_db_undo(db, "ROLLBACK");
    snprintf(sql, sizeof(sql), "ROLLBACK TO weft_%u", depth + 1);
    weft_result result = weft__sqlite_db_undo(db, sql);
    if (result.status < 0)
        return result;
    snprintf(sql, sizeof(sql), "RELEASE weft_%u", depth + 1);
    return weft__sqlite_db_undo(db, sql);
}

weft_result weft__sqlite_db_roll_back_to(struct weft__sqlite_db *db, unsigned depth)
{
    weft_result result = weft__result(weft_value_i64(0), NULL);
    if (sqlite3_get_autocommit(db->handle))
        db->depth = 0;
    if (db->depth > depth)
        result = undo_to(db, depth);
    if (result.status == 0 && db->depth > depth)
        db->depth = depth;
    return result;
}

/* ---- A job begins ---- */

weft_result weft__sqlite_db_enter(struct weft__sqlite_db *db, unsigned depth)
{
    db->deaf = true; /* what this job hears is not meant for what others have left */
    drop_objects(db);
    db->deaf = false;
    db->refused = false;
    if (!db->handle)
        return weft_err(WEFT_ECLOSED);
    weft_result result = weft__sqlite_db_roll_back_to(db, depth);
    if (result.status == 0 && db->depth < depth)
        result = weft_errf(WEFT_ECLOSED, "SQLite has rolled the transaction back");
    return result;
}
