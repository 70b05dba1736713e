/* SPDX-License-Identifier: MIT */
/*
 * A pool of connections to one file: one that writes, several that read.
 *
 * With WAL readers see the database as it was when they began, and hinder nobody. SQLite has one
 * writer at a time anyway: here those who want to write wait in a line of the loop, in order and
 * cancellable, and not in the busy handler of as many threads.
 *
 * What is lent is a handle that has the connection alone (pool/sqlite/handle.c). Freed, it tells the
 * pool, which lends the connection to the one who has waited longest.
 *
 * Who was cancelled while he waited stays in the line until it is his turn, or the line has doubled.
 */
#include <errno.h>
#include <string.h>

#include "pool/sqlite/handle.h"

enum { READERS = 4, MOST_READERS = 1000, FIRST_SWEEP = 16 };

struct waiter {
    struct waiter *next;
    weft_future *future; /* a reference */
    weft_sqlite *lent;   /* what it is given, when there is a connection */
};

struct line {
    struct waiter *first, *last;
    size_t count, sweep_at;
};

/** All fields are [loop]. */
struct weft_sqlite_pool {
    uint32_t loop_id;    /* [const] */
    unsigned generation; /* [const] */
    unsigned refs;       /* the user's, and that of a close under way */
    bool is_open;
    struct line to_read, to_write;
    char *path;
    struct weft_sqlite_options options;
    size_t readers;
    weft_sqlite *writer;
    weft_sqlite *reader[]; /* NULL: not open yet */
};

/* ---- Lending ---- */

static void lend(weft_sqlite *lent, weft_sqlite *db)
{
    lent->parent = weft__sqlite_handle_ref(db);
    lent->db = weft__sqlite_db_ref(db->db);
    db->holder = lent;
}

static struct waiter *take_first(struct line *line)
{
    struct waiter *first = line->first;
    if (!first)
        return NULL;
    line->first = first->next;
    if (!line->first)
        line->last = NULL;
    line->count--;
    return first;
}

static void append(struct line *line, struct waiter *waiter)
{
    waiter->next = NULL;
    if (line->last)
        line->last->next = waiter;
    else
        line->first = waiter;
    line->last = waiter;
    line->count++;
}

static void free_waiter(struct waiter *waiter)
{
    weft__sqlite_handle_unref(waiter->lent);
    weft_unref(waiter->future);
    weft__companion_free(waiter);
}

/* Let go of those who were cancelled. */
static void sweep(struct line *line)
{
    for (size_t i = line->count; i > 0; i--) {
        struct waiter *waiter = take_first(line);
        if (weft_is_done(waiter->future))
            free_waiter(waiter);
        else
            append(line, waiter);
    }
    line->sweep_at = 2 * line->count + FIRST_SWEEP;
}

static void given_back(weft_sqlite *db)
{
    struct weft_sqlite_pool *pool = db->owner;
    struct line *line = db == pool->writer ? &pool->to_write : &pool->to_read;
    struct waiter *waiter;
    while (!db->holder && (waiter = take_first(line))) {
        if (!weft_is_done(waiter->future)) {
            lend(waiter->lent, db);
            (void)weft_future_resolve(waiter->future, weft_value_ptr(waiter->lent),
                                      weft__sqlite_handle_destroy);
            waiter->lent = NULL;
        }
        free_waiter(waiter);
    }
}

static weft_future *lend_now(weft_sqlite *lent, weft_sqlite *db)
{
    weft_future *future = weft_future_new();
    if (weft_is_done(future)) {
        weft__sqlite_handle_unref(lent);
        return future;
    }
    lend(lent, db);
    (void)weft_future_resolve(future, weft_value_ptr(lent), weft__sqlite_handle_destroy);
    return future;
}

static weft_future *lend_later(weft_sqlite *lent, struct line *line)
{
    struct waiter *waiter = weft__companion_malloc(sizeof(*waiter));
    weft_future *future = waiter ? weft_future_new() : weft_future_failed(-ENOMEM, NULL);
    if (!waiter || weft_is_done(future)) {
        weft__sqlite_handle_unref(lent);
        weft__companion_free(waiter);
        return future;
    }
    *waiter = (struct waiter){.future = weft_ref(future), .lent = lent};
    if (line->count >= line->sweep_at)
        sweep(line);
    append(line, waiter);
    return future;
}

static int check(const weft_sqlite_pool *pool, const char *function)
{
    if (!pool)
        return -EINVAL;
    int status = weft__sqlite_check_object(pool->loop_id, pool->generation, function);
    return status == 0 && !pool->is_open ? WEFT_ECLOSED : status;
}

/* `db`: a connection that is free; NULL: none is. */
static weft_future *ask(weft_sqlite *db, struct line *line)
{
    weft_sqlite *lent = weft__sqlite_handle_new(WEFT__SQLITE_LENT, NULL);
    if (!lent)
        return weft_future_failed(-ENOMEM, NULL);
    lent->task = weft__sqlite_task();
    return db ? lend_now(lent, db) : lend_later(lent, line);
}

weft_future *weft_sqlite_pool_read(weft_sqlite_pool *pool)
{
    int status = check(pool, __func__);
    if (status < 0)
        return weft__sqlite_refuse(status);
    weft_sqlite *db = NULL;
    for (size_t i = 0; i < pool->readers && !db; i++)
        db = pool->reader[i]->holder ? NULL : pool->reader[i];
    return ask(db, &pool->to_read);
}

weft_future *weft_sqlite_pool_write(weft_sqlite_pool *pool)
{
    int status = check(pool, __func__);
    if (status == 0)
        status = weft__sqlite_check_turn(pool->writer, __func__);
    if (status < 0)
        return weft__sqlite_refuse(status);
    return ask(pool->writer->holder ? NULL : pool->writer, &pool->to_write);
}

/* ---- The pool itself ---- */

static void empty(struct line *line)
{
    struct waiter *waiter;
    while ((waiter = take_first(line))) {
        (void)weft_future_fail(waiter->future, WEFT_ECLOSED, "the pool was freed");
        free_waiter(waiter);
    }
}

static void shut_connection(weft_sqlite *db)
{
    if (!db)
        return;
    db->given_back = NULL;
    weft__sqlite_shut(db);
}

static void shut(weft_sqlite_pool *pool)
{
    pool->is_open = false;
    for (size_t i = 0; i < pool->readers; i++)
        shut_connection(pool->reader[i]);
    shut_connection(pool->writer);
    empty(&pool->to_read);
    empty(&pool->to_write);
}

/* Connections that are not closed are closed now. */
static void unref(weft_sqlite_pool *pool)
{
    if (--pool->refs > 0)
        return;
    for (size_t i = 0; i < pool->readers; i++)
        weft_sqlite_free(pool->reader[i]);
    weft_sqlite_free(pool->writer);
    weft__companion_free((char *)pool->options.setup);
    weft__companion_free(pool->path);
    weft__companion_free(pool);
}

struct sqlite_pool_close {
    WEFT_FRAME;
    bool *begun;
    weft_sqlite_pool *pool; /* a reference */
    size_t i;
    int status, failed;
};

/* The writer is last: then the last one to close can write the log back and remove it. */
static WEFT_ASYNC(sqlite_pool_close)
{
    WEFT_BEGIN;
    *self->begun = true;
    self->pool->refs++;
    shut(self->pool);
    for (; self->i < self->pool->readers; self->i++) {
        WEFT_CATCH(self->status, weft__sqlite_start_close(self->pool->reader[self->i]));
        self->failed = self->failed ? self->failed : self->status;
    }
    WEFT_CATCH(self->status, weft__sqlite_start_close(self->pool->writer));
    self->failed = self->failed ? self->failed : self->status;
    if (self->failed < 0)
        WEFT_FAIL(self->failed);

    WEFT_FINALLY;
    unref(self->pool);
    WEFT_END;
}

static weft_future *start_close(weft_sqlite_pool *pool)
{
    bool begun = false;
    weft_future *task = weft_spawn_eager(sqlite_pool_close, .begun = &begun, .pool = pool);
    return weft__sqlite_started(task, begun, NULL);
}

weft_future *weft_sqlite_pool_close(weft_sqlite_pool *pool)
{
    int status = check(pool, __func__);
    return status < 0 ? weft__sqlite_refuse(status) : start_close(pool);
}

/* Without memory each connection closes when it can. */
void weft_sqlite_pool_free(weft_sqlite_pool *pool)
{
    if (!pool || weft__companion_is_elsewhere(pool->loop_id, __func__))
        return;
    if (pool->is_open && pool->generation == weft__companion_generation()) {
        weft_future *close = start_close(pool);
        weft_future_status(close);
        weft_unref(close);
    }
    if (pool->is_open)
        shut(pool);
    unref(pool);
}

static void destroy_pool(void *pool)
{
    weft_sqlite_pool_free(pool);
}

struct sqlite_pool_open {
    WEFT_FRAME;
    bool *begun;
    weft_sqlite_pool *pool; /* owned until it is returned */
    size_t i;
};

static weft_sqlite *own(weft_sqlite *db, weft_sqlite_pool *pool)
{
    db->given_back = given_back;
    db->owner = pool;
    return db;
}

/* The writer is first: it makes the file, and has it in WAL mode. */
static WEFT_ASYNC(sqlite_pool_open)
{
    WEFT_BEGIN;
    *self->begun = true;
    WEFT_AWAIT_INTO(self->pool->writer,
                    weft__sqlite_open_as(self->pool->path, &self->pool->options, WEFT_SQLITE_WAL));
    own(self->pool->writer, self->pool);
    for (; self->i < self->pool->readers; self->i++) {
        WEFT_AWAIT_INTO(
            self->pool->reader[self->i],
            weft__sqlite_open_as(self->pool->path, &self->pool->options, WEFT__SQLITE_QUERY_ONLY));
        own(self->pool->reader[self->i], self->pool);
    }
    self->pool->is_open = true;
    WEFT_RETURN(self->pool, destroy_pool);

    WEFT_FINALLY;
    if (WEFT_OUTCOME < 0)
        unref(self->pool);
    WEFT_END;
}

static char *copy(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copied = weft__companion_malloc(size);
    return copied ? memcpy(copied, text, size) : NULL;
}

static weft_sqlite_pool *new_pool(const char *path, const struct weft_sqlite_pool_options *options)
{
    size_t readers = options->readers ? options->readers : READERS;
    size_t size = sizeof(weft_sqlite_pool) + readers * sizeof(weft_sqlite *);
    weft_sqlite_pool *pool = weft__companion_malloc(size);
    if (!pool)
        return NULL;
    memset(pool, 0, size);
    pool->loop_id = weft__companion_loop_id();
    pool->generation = weft__companion_generation();
    pool->refs = 1;
    pool->options = options->connection;
    pool->readers = readers;
    pool->path = copy(path);
    pool->options.setup = copy(options->connection.setup ? options->connection.setup : "");
    if (pool->path && pool->options.setup)
        return pool;
    unref(pool);
    return NULL;
}

static bool is_sound(const struct weft_sqlite_pool_options *options)
{
    return (options->size == 0 || options->size == sizeof(*options)) &&
           options->readers <= MOST_READERS && !(options->connection.flags & WEFT_SQLITE_READ_ONLY);
}

weft_future *weft_sqlite_pool_open(const char *path, const struct weft_sqlite_pool_options *options)
{
    static const struct weft_sqlite_pool_options defaults = {0};
    bool begun = false;
    weft_future *idle = weft__sqlite_idle();
    if (idle)
        return idle;
    options = options ? options : &defaults;
    if (!path || !is_sound(options))
        return weft_future_failed(-EINVAL, "no path, or options that make no sense");
    weft_sqlite_pool *pool = new_pool(path, options);
    if (!pool)
        return weft_future_failed(-ENOMEM, NULL);
    weft_future *task = weft_spawn_eager(sqlite_pool_open, .begun = &begun, .pool = pool);
    if (!begun)
        unref(pool);
    return weft__sqlite_started(task, begun, NULL);
}
