/* SPDX-License-Identifier: MIT */
/*
 * The database. One task writes: all parts that there are, as one transaction, when a roll-up's time is
 * over, or at once when somebody waits for it. Meanwhile others collect: so the more who wait, the more is
 * written at a time. A group that could not be written is kept, and tried again.
 *
 * Each group has a number, which is a part of its rows' key. A query says which group was the last that is
 * known to be on the disk, and adds what is in memory: the group that is being written, and what comes
 * after. So nothing is missed and nothing counted twice, however both run side by side.
 *
 * What is older than `keep` is deleted once a minute, and then series of which nothing is left.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>
#include <weft/sqlite.h>

#include "analytics.h"

enum {
    COLUMNS = 9,
    MOST_ROWS = 32, /* of one statement */
    READERS = 2
};

#define RETRY WEFT_S(1)
#define FORGET_EVERY 60 /* seconds */

static const char make_tables[] =
    "CREATE TABLE IF NOT EXISTS series (id INTEGER PRIMARY KEY, name TEXT NOT NULL, tag TEXT NOT "
    "NULL,"
    "  UNIQUE (name, tag));"
    "CREATE TABLE IF NOT EXISTS part ("
    "  series INTEGER NOT NULL, time INTEGER NOT NULL, grp INTEGER NOT NULL, span INTEGER NOT NULL,"
    "  count INTEGER NOT NULL, sum REAL NOT NULL, min REAL NOT NULL, max REAL NOT NULL,"
    "  digest BLOB NOT NULL, PRIMARY KEY (series, time, grp)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS written (grp INTEGER NOT NULL);" /* one row: the last group */
    "INSERT INTO written SELECT 0 WHERE NOT EXISTS (SELECT * FROM written)";

struct store {
    struct table *table;
    int fd; /* locked, so that there is one program a database */
    weft_sqlite_pool *pool;
    weft_sqlite *db;        /* the connection that writes */
    struct part *writing;   /* the group that is being written */
    int64_t group;          /* the last one that is on the disk */
    uint64_t taken, stored; /* events up to the group, and those on the disk */
    int64_t forgotten;      /* when that was done */
    weft_event *wanted, *changed;
    weft_future *task;
    bool asked, closing;
    struct store_stats stats;
    char error[200];
};

/* ---- A group ---- */

struct write_group {
    WEFT_FRAME;
    struct store *store;
    weft_sqlite *tx;
    const struct part *at, *next;
    char sql[160 + MOST_ROWS * 2 * (COLUMNS + 2)];
    struct weft_sqlite_value values[MOST_ROWS * COLUMNS];
    unsigned char digests[MOST_ROWS][MOST_DIGEST];
    size_t rows, all_rows;
};

static void add_row(struct write_group *self, const struct part *part)
{
    unsigned char *digest = self->digests[self->rows];
    size_t len = digest_store(&part->summary.digest, digest);
    struct weft_sqlite_value row[COLUMNS] = {
        weft_sqlite_int(part->series->id),
        weft_sqlite_int(part->time),
        weft_sqlite_int(self->store->group + 1),
        weft_sqlite_int(part->span),
        weft_sqlite_int((int64_t)part->summary.count),
        weft_sqlite_real(part->summary.sum),
        weft_sqlite_real(part->summary.min),
        weft_sqlite_real(part->summary.max),
        weft_sqlite_blob(digest, len),
    };
    memcpy(&self->values[self->rows * COLUMNS], row, sizeof(row));
    self->rows++;
}

/* A statement for the next rows. */
static void take_rows(struct write_group *self)
{
    size_t len = (size_t)snprintf(self->sql, sizeof(self->sql), "INSERT INTO part VALUES ");
    self->rows = 0;
    for (; self->at && self->rows < MOST_ROWS; self->at = self->at->next) {
        len += (size_t)snprintf(self->sql + len, sizeof(self->sql) - len, "%s(?,?,?,?,?,?,?,?,?)",
                                self->rows ? "," : "");
        add_row(self, self->at);
    }
    self->all_rows += self->rows;
}

static WEFT_ASYNC(write_group)
{
    struct store *store = self->store;
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->tx, weft_sqlite_begin(store->db, WEFT_SQLITE_IMMEDIATE));
    for (self->at = store->writing; self->at; self->at = self->at->next) {
        if (!self->at->series->stored)
            WEFT_AWAIT(weft_sqlite_exec(self->tx, "INSERT OR IGNORE INTO series VALUES (?, ?, ?)",
                                        weft_sqlite_int(self->at->series->id),
                                        weft_sqlite_text(self->at->series->name),
                                        weft_sqlite_text(self->at->series->tag)));
    }
    for (self->at = store->writing; self->at;) {
        take_rows(self);
        WEFT_AWAIT(weft_sqlite_exec_array(self->tx, self->sql, self->values, self->rows * COLUMNS));
    }
    WEFT_AWAIT(weft_sqlite_exec(self->tx, "UPDATE written SET grp = ?",
                                weft_sqlite_int(store->group + 1)));
    WEFT_AWAIT(weft_sqlite_commit(self->tx));
    WEFT_RETURN(self->all_rows);

    WEFT_FINALLY;
    weft_sqlite_free(self->tx);
    WEFT_END;
}

static void take_group(struct store *store)
{
    store->writing = table_take(store->table);
    store->taken = store->table->events;
    for (struct part *part = store->writing; part; part = part->next)
        store->stats.writing++;
    if (!store->writing)
        store->stored = store->taken;
}

/* The group is on the disk. */
static void drop_group(struct store *store, int64_t rows)
{
    for (struct part *part = store->writing; part; part = part->next)
        part->series->stored = true;
    parts_free(store->writing);
    store->writing = NULL;
    store->group++;
    store->stored = store->taken;
    store->stats.writing = 0;
    store->stats.groups++;
    store->stats.rows += (uint64_t)rows;
    store->error[0] = '\0';
}

static void note_failure(struct store *store, int status, const char *message)
{
    store->stats.failures++;
    snprintf(store->error, sizeof(store->error), "%s", message ? message : weft_strerror(status));
}

/* ---- What is too old ---- */

struct forget {
    WEFT_FRAME;
    struct store *store;
    int64_t limit, rows;
    struct series *series;
};

static struct series *find_dead(const struct table *table, int64_t limit)
{
    struct series *series = table->first;
    while (series && (series->parts || series->last >= limit))
        series = series->following;
    return series;
}

static WEFT_ASYNC(forget)
{
    struct store *store = self->store;
    WEFT_BEGIN;
    self->limit = clock_now() - store->table->keep;
    WEFT_AWAIT_INTO(self->rows,
                    weft_sqlite_exec(store->db,
                                     "DELETE FROM part WHERE series IN (SELECT id FROM series) "
                                     "AND time + span <= ?1 AND time < ?1",
                                     weft_sqlite_int(self->limit)));
    store->stats.expired += (uint64_t)self->rows;
    while ((self->series = find_dead(store->table, self->limit))) {
        WEFT_AWAIT(weft_sqlite_exec(store->db, "DELETE FROM series WHERE id = ?",
                                    weft_sqlite_int(self->series->id)));
        self->series->stored = false; /* it may have come to life meanwhile */
        if (!self->series->parts)
            table_remove(store->table, self->series);
    }
    store->forgotten = clock_now();
    WEFT_END;
}

/* ---- The task ---- */

struct keep_store {
    WEFT_FRAME;
    struct store *store;
    weft_ns begin;
    int64_t rows;
    int status;
};

/* Until the end of the roll-up. */
static weft_ns time_left(const struct store *store)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t roll_up = store->table->roll_up;
    return WEFT_S(roll_up - now.tv_sec % roll_up) - now.tv_nsec;
}

struct wait_for_work {
    WEFT_FRAME;
    struct store *store;
    weft_ns most;
    int status;
};

static WEFT_ASYNC(wait_for_work)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_wait_for(weft_event_wait(self->store->wanted), self->most));
    weft_event_clear(self->store->wanted);
    if (self->status < 0 && self->status != -ETIMEDOUT)
        WEFT_FAIL(self->status);
    WEFT_END;
}

static WEFT_ASYNC(keep_store)
{
    struct store *store = self->store;
    WEFT_BEGIN;
    while (!store->closing || store->table->parts || store->writing) {
        if (!store->asked && !store->closing)
            WEFT_AWAIT(weft_call(wait_for_work, .store = store, .most = time_left(store)));
        store->asked = false;
        if (!store->writing)
            take_group(store);
        if (store->writing) {
            self->begin = weft_now();
            WEFT_CATCH_INTO(self->status, self->rows, weft_call(write_group, .store = store));
            store->stats.last_ms = (double)(weft_now() - self->begin) / 1e6;
            if (self->status == -ECANCELED)
                WEFT_FAIL(self->status);
            if (self->status == 0)
                drop_group(store, self->rows);
            else
                note_failure(store, self->status, WEFT_CAUGHT_MESSAGE);
        }
        weft_event_set(store->changed);
        weft_event_clear(store->changed);
        if (store->writing && store->closing)
            WEFT_FAIL(self->status, "%zu roll-ups could not be written: %s", store->stats.writing,
                      store->error);
        if (store->writing)
            WEFT_AWAIT(weft_call(wait_for_work, .store = store, .most = RETRY));
        else if (clock_now() - store->forgotten >= FORGET_EVERY && !store->closing)
            WEFT_CATCH(self->status, weft_call(forget, .store = store)); /* else the next time */
    }
    WEFT_END;
}

/* ---- Waiting ---- */

struct wait_stored {
    WEFT_FRAME;
    struct store *store;
    uint64_t events, failures;
};

static WEFT_ASYNC(wait_stored)
{
    struct store *store = self->store;
    WEFT_BEGIN;
    self->failures = store->stats.failures;
    while (store->stored < self->events) {
        if (store->stats.failures != self->failures)
            WEFT_FAIL(-EIO, "%s", store->error);
        store->asked = true;
        weft_event_set(store->wanted);
        WEFT_AWAIT(weft_event_wait(store->changed));
    }
    WEFT_END;
}

weft_future *store_wait(struct store *store, uint64_t events)
{
    return weft_call(wait_stored, .store = store, .events = events);
}

/* ---- Queries ---- */

static bool add_point(struct points *points, int64_t time, int64_t span, int64_t roll_up,
                      const struct summary *summary)
{
    if (time < points->from || time >= points->from + points->step * (int64_t)points->count)
        return false;
    summary_merge(&points->list[(time - points->from) / points->step], summary);
    points->merged = points->merged || span > roll_up;
    return true;
}

static void add_parts(struct points *points, const struct part *parts, const struct series *series,
                      int64_t roll_up)
{
    for (; parts; parts = parts->next)
        if (parts->series == series)
            add_point(points, parts->time, parts->span, roll_up, &parts->summary);
}

static int add_stored(struct points *points, const weft_sqlite_rows *rows, int64_t roll_up)
{
    for (size_t i = 0; i < weft_sqlite_row_count(rows); i++) {
        const struct weft_sqlite_value *digest = weft_sqlite_get(rows, i, 6);
        struct summary summary = {
            .count = (uint64_t)weft_sqlite_get_int(rows, i, 2),
            .sum = weft_sqlite_get_real(rows, i, 3),
            .min = weft_sqlite_get_real(rows, i, 4),
            .max = weft_sqlite_get_real(rows, i, 5),
        };
        bool ok = digest && digest->type == WEFT_SQLITE_BLOB &&
                  digest_load(&summary.digest, digest->as.ptr, digest->len);
        if (ok)
            add_point(points, weft_sqlite_get_int(rows, i, 0), weft_sqlite_get_int(rows, i, 1),
                      roll_up, &summary);
        summary_fini(&summary);
        if (!ok)
            return -EBADMSG;
    }
    return 0;
}

struct query {
    WEFT_FRAME;
    struct store *store;
    int64_t series, group;
    struct points *points;
    weft_sqlite *db;
    weft_sqlite_cursor *cursor;
    weft_sqlite_rows *rows;
};

static WEFT_ASYNC(query)
{
    struct points *points = self->points;
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->db, weft_sqlite_pool_read(self->store->pool));
    WEFT_AWAIT_INTO(
        self->cursor,
        weft_sqlite_query(self->db,
                          "SELECT time, span, count, sum, min, max, digest FROM part "
                          "WHERE series = ? AND time >= ? AND time < ? AND grp <= ?",
                          weft_sqlite_int(self->series), weft_sqlite_int(points->from),
                          weft_sqlite_int(points->from + points->step * (int64_t)points->count),
                          weft_sqlite_int(self->group)));
    for (;;) {
        WEFT_AWAIT_INTO(self->rows, weft_sqlite_fetch(self->cursor));
        if (!self->rows)
            break;
        if (add_stored(points, self->rows, self->store->table->roll_up) < 0)
            WEFT_FAIL(-EBADMSG, "the database is damaged");
        weft_sqlite_rows_free(self->rows);
        self->rows = NULL;
    }

    WEFT_FINALLY;
    weft_sqlite_rows_free(self->rows);
    weft_sqlite_cursor_free(self->cursor);
    weft_sqlite_free(self->db);
    WEFT_END;
}

weft_future *store_query(struct store *store, const struct series *series, struct points *points)
{
    add_parts(points, store->writing, series, store->table->roll_up);
    add_parts(points, store->table->parts, series, store->table->roll_up);
    return weft_call(query, .store = store, .series = series->id, .group = store->group,
                     .points = points);
}

void store_get_stats(const struct store *store, struct store_stats *ret)
{
    *ret = store->stats;
    ret->stored = store->stored;
    ret->error = store->error;
}

/* ---- Begin and end ---- */

void store_free(struct store *store)
{
    if (!store)
        return;
    weft_unref(store->task);
    weft_sqlite_free(store->db);
    weft_sqlite_pool_free(store->pool);
    weft_event_free(store->wanted);
    weft_event_free(store->changed);
    parts_free(store->writing);
    if (store->fd >= 0)
        close(store->fd);
    free(store);
}

struct lock_file {
    const char *path;
};

static WEFT_BLOCKING(lock_file)
{
    int fd = open(self->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return weft_errf(-errno, "%s: %s", self->path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return weft_ok((int64_t)fd);
    int error = errno;
    close(fd);
    return weft_errf(-error, "%s: %s", self->path,
                     error == EWOULDBLOCK ? "another program uses it" : strerror(error));
}

struct open_store {
    WEFT_FRAME;
    struct table *table;
    const char *path;
    struct store *store;
    weft_sqlite_rows *rows;
};

/* Rows of (id, name, tag, time of the last part). */
static int add_series(struct table *table, const weft_sqlite_rows *rows)
{
    for (size_t i = 0; i < weft_sqlite_row_count(rows); i++) {
        if (!table_add_stored(table, weft_sqlite_get_int(rows, i, 0),
                              weft_sqlite_get_text(rows, i, 1), weft_sqlite_get_text(rows, i, 2),
                              weft_sqlite_get_int(rows, i, 3)))
            return -ENOMEM;
    }
    return 0;
}

static struct store *new_store(struct table *table)
{
    struct store *store = calloc(1, sizeof(*store));
    if (!store)
        return NULL;
    store->table = table;
    store->fd = -1;
    store->wanted = weft_event_new();
    store->changed = weft_event_new();
    if (store->wanted && store->changed)
        return store;
    store_free(store);
    return NULL;
}

static weft_future *open_pool(const char *path)
{
    struct weft_sqlite_pool_options options = {
        .readers = READERS,
        .connection = {.flags = WEFT_SQLITE_FULL, .busy_timeout = WEFT_S(1), .all_bytes = 1 << 30}};
    return weft_sqlite_pool_open(path, &options);
}

static WEFT_ASYNC(open_store)
{
    struct store *store = self->store;
    WEFT_BEGIN;
    self->store = new_store(self->table);
    if (!self->store)
        WEFT_FAIL(-ENOMEM);
    WEFT_AWAIT_INTO(self->store->fd, weft_to_thread(lock_file, .path = self->path));
    WEFT_AWAIT_INTO(self->store->pool, open_pool(self->path));
    WEFT_AWAIT_INTO(self->store->db, weft_sqlite_pool_write(self->store->pool));
    WEFT_AWAIT(weft_sqlite_script(self->store->db, make_tables));
    WEFT_AWAIT_INTO(self->rows, weft_sqlite_fetch_all(self->store->db, "SELECT grp FROM written"));
    self->store->group = weft_sqlite_get_int(self->rows, 0, 0);
    weft_sqlite_rows_free(self->rows);
    self->rows = NULL;
    WEFT_AWAIT(weft_call(forget, .store = self->store));
    WEFT_AWAIT(weft_sqlite_exec(self->store->db, "DELETE FROM series WHERE NOT EXISTS "
                                                 "(SELECT * FROM part WHERE series = id)"));
    WEFT_AWAIT_INTO(self->rows,
                    weft_sqlite_fetch_all(
                        self->store->db, "SELECT id, name, tag, (SELECT max(time + span) FROM part "
                                         "WHERE series = id) FROM series ORDER BY id"));
    if (add_series(self->table, self->rows) < 0)
        WEFT_FAIL(-ENOMEM);
    self->store->task = weft_spawn(keep_store, .store = self->store);
    store = self->store;
    self->store = NULL;
    WEFT_RETURN(store);

    WEFT_FINALLY;
    weft_sqlite_rows_free(self->rows);
    store_free(self->store);
    WEFT_END;
}

weft_future *store_open(struct table *table, const char *path)
{
    return weft_call(open_store, .table = table, .path = path);
}

weft_future *store_task(struct store *store)
{
    return store->task;
}

struct close_store {
    WEFT_FRAME;
    struct store *store;
};

static WEFT_ASYNC(close_store)
{
    WEFT_BEGIN;
    self->store->closing = true;
    weft_event_set(self->store->wanted);
    WEFT_AWAIT(weft_ref(self->store->task));
    WEFT_AWAIT(weft_sqlite_pool_close(self->store->pool));
    WEFT_END;
}

weft_future *store_close(struct store *store)
{
    return weft_call(close_store, .store = store);
}
