/* SPDX-License-Identifier: MIT */
/*
 * Opening a connection: its lane, the object that its jobs see, and the handle.
 *
 * All memory is there before the job is: what was opened can always be handed over. The lane is of
 * one, so that what is asked of the connection runs one at a time and in order, on whichever thread is
 * free.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weft/lane.h>
#include <weft/loop.h>
#include <weft/pool.h>

#include "pool/sqlite/handle.h"

enum {
    LANE_NAME = 32,
    FILE_NAME = 12, /* bytes of the file's name in the lane's */
    STATEMENTS = 32,
    BATCH_ROWS = 256,
    BATCH_BYTES = 256 << 10,
    ALL_BYTES = 16 << 20,
    VALUE_BYTES = 1000000000,
    ALL_FLAGS = 63
};

/* With the first number that is free: names are labels of metrics, of which there should not be ever more. */
static weft_lane *new_lane(const char *path)
{
    char name[LANE_NAME];
    const char *file = strrchr(path, '/');
    weft_loop *loop = weft_loop_current();
    if (!weft_loop_lane(loop, "default")) /* then there is a pool */
        return NULL;
    for (unsigned number = 1;; number++) {
        snprintf(name, sizeof(name), "sqlite:%.*s#%u", FILE_NAME, file ? file + 1 : path, number);
        weft_lane *lane = weft_lane_new(
            weft_loop_pool(loop), &(struct weft_lane_options){.name = name, .max_running = 1});
        if (lane || errno != EEXIST)
            return lane;
    }
}

static size_t or_default(size_t value, size_t standard)
{
    return value ? value : standard;
}

/* 0, with no zeroes left in `ret`; or -EINVAL. */
static int complete(const struct weft_sqlite_options *options, struct weft_sqlite_options *ret)
{
    *ret = options ? *options : (struct weft_sqlite_options){0};
    if ((ret->size && ret->size != sizeof(*ret)) || ret->flags & ~(unsigned)ALL_FLAGS)
        return -EINVAL;
    ret->busy_timeout = ret->busy_timeout ? ret->busy_timeout : WEFT_S(5);
    ret->statements = or_default(ret->statements, STATEMENTS);
    ret->batch_rows = or_default(ret->batch_rows, BATCH_ROWS);
    ret->batch_bytes = or_default(ret->batch_bytes, BATCH_BYTES);
    ret->all_bytes = or_default(ret->all_bytes, ALL_BYTES);
    ret->value_bytes = or_default(ret->value_bytes, VALUE_BYTES);
    return ret->value_bytes <= VALUE_BYTES ? 0 : -EINVAL;
}

static weft_result open_db(struct weft__sqlite_call *call)
{
    return weft__sqlite_db_open(call->db);
}

static const struct weft__sqlite_call_ops open_ops = {
    .name = "weft_sqlite_open", .run = open_db, .kind = WEFT__SQLITE_OPENING};

struct sqlite_open {
    WEFT_FRAME;
    bool *begun;
    weft_sqlite *db;
    struct weft__sqlite_call *call;
};

static WEFT_ASYNC(sqlite_open)
{
    WEFT_BEGIN;
    *self->begun = true;
    WEFT_AWAIT(weft__sqlite_call_submit(self->call));
    WEFT_RETURN(self->db, weft__sqlite_handle_destroy);

    WEFT_FINALLY;
    if (WEFT_OUTCOME < 0)
        weft__sqlite_handle_unref(self->db);
    WEFT_END;
}

/* Consumes the handle. */
static weft_future *start_open(weft_sqlite *db)
{
    bool begun = false;
    struct weft__sqlite_call *call = weft__sqlite_call_new(&open_ops, NULL, NULL, 0);
    if (!call) {
        weft__sqlite_handle_unref(db);
        return weft_future_failed(-ENOMEM, NULL);
    }
    weft__sqlite_bind_call(call, db);
    weft_future *task = weft_spawn_eager(sqlite_open, .begun = &begun, .db = db, .call = call);
    if (!begun)
        weft__sqlite_handle_unref(db);
    return weft__sqlite_started(task, begun, call);
}

weft_future *weft__sqlite_open_as(const char *path, const struct weft_sqlite_options *options,
                                  unsigned flags)
{
    struct weft_sqlite_options complete_options;
    weft_future *idle = weft__sqlite_idle();
    if (idle)
        return idle;
    if (!path || complete(options, &complete_options) < 0)
        return weft_future_failed(-EINVAL, "no path, or options of another version");
    weft_sqlite *db = weft__sqlite_handle_new(WEFT__SQLITE_CONNECTION, NULL);
    if (!db)
        return weft_future_failed(-ENOMEM, NULL);
    complete_options.flags |= flags;
    db->db = weft__sqlite_db_new(path, &complete_options);
    db->lane = new_lane(path);
    if (db->db && db->lane)
        return start_open(db);
    int status = db->db ? -errno : -ENOMEM;
    weft__sqlite_handle_unref(db);
    return weft_future_failed(status, NULL);
}

weft_future *weft_sqlite_open(const char *path, const struct weft_sqlite_options *options)
{
    return weft__sqlite_open_as(path, options, 0);
}
