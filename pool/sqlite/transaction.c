/* SPDX-License-Identifier: MIT */
/*
 * Transactions: begin, commit, roll back.
 *
 *     BEGINNING --the job--> OPEN --commit--> shut
 *         |                   |  ^----+ the commit failed, and left it open
 *         | failed            +--rolled back, freed, lost to SQLite's own rollback--> shut
 *         +--> gone
 *
 * From the moment at which it is asked for, a transaction holds the handle that it is begun on
 * (pool/sqlite/handle.c). In the connection its depth says which one it is: 1 is SQLite's transaction,
 * those within it are savepoints, "weft_2" and so on.
 */
#include <errno.h>

#include "pool/sqlite/handle.h"

/* ---- In a job ---- */

static weft_result run_begin(struct weft__sqlite_call *call)
{
    return weft__sqlite_db_begin(call->db, call->keyword);
}

/* A commit that a cancel made a rollback has ended the transaction, too. */
static weft_result run_commit(struct weft__sqlite_call *call)
{
    return weft__sqlite_db_commit(call->db);
}

/* It is done already: the job was to run at the depth of the parent. */
static weft_result run_rollback(struct weft__sqlite_call *call)
{
    (void)call;
    return weft__result(weft_value_i64(0), NULL);
}

static const struct weft__sqlite_call_ops begin_ops = {.name = "weft_sqlite_begin",
                                                       .run = run_begin};
static const struct weft__sqlite_call_ops commit_ops = {.name = "weft_sqlite_commit",
                                                        .run = run_commit};
static const struct weft__sqlite_call_ops rollback_ops = {
    .name = "weft_sqlite_rollback", .run = run_rollback, .kind = WEFT__SQLITE_TIDYING};

/* ---- Beginning ---- */

struct sqlite_begin {
    WEFT_FRAME;
    bool *begun;
    weft_sqlite *tx; /* owned until it is returned */
    struct weft__sqlite_call *call;
    struct weft__sqlite_turn turn;
};

static WEFT_ASYNC(sqlite_begin)
{
    WEFT_BEGIN;
    *self->begun = true;
    weft__sqlite_turn_begin(&self->turn, self->tx->parent, self->call, self->tx);
    if (self->turn.called)
        WEFT_AWAIT(weft_ref(self->turn.called));
    WEFT_AWAIT(weft__sqlite_turn_job(&self->turn));
    WEFT_RETURN(self->tx, weft__sqlite_handle_destroy);

    WEFT_FINALLY;
    weft__sqlite_turn_end(&self->turn);
    if (WEFT_OUTCOME < 0) {
        weft__sqlite_let_in(self->tx, false);
        weft__sqlite_handle_unref(self->tx);
    }
    WEFT_END;
}

static const char *keyword(enum weft_sqlite_begin how)
{
    switch (how) {
    case WEFT_SQLITE_DEFERRED:
        return "BEGIN";
    case WEFT_SQLITE_IMMEDIATE:
        return "BEGIN IMMEDIATE";
    case WEFT_SQLITE_EXCLUSIVE:
        return "BEGIN EXCLUSIVE";
    }
    return NULL;
}

/* Consumes both. */
static weft_future *start_begin(weft_sqlite *tx, struct weft__sqlite_call *call)
{
    bool begun = false;
    tx->task = weft__sqlite_task();
    weft__sqlite_bind_call(call, tx->parent);
    weft_future *task = weft_spawn_eager(sqlite_begin, .begun = &begun, .tx = tx, .call = call);
    if (!begun)
        weft__sqlite_handle_unref(tx);
    return weft__sqlite_started(task, begun, call);
}

weft_future *weft_sqlite_begin(weft_sqlite *db, enum weft_sqlite_begin how)
{
    int status = weft__sqlite_check_turn(db, __func__);
    if (status == 0 && !keyword(how))
        status = -EINVAL;
    if (status < 0)
        return weft__sqlite_refuse(status);
    struct weft__sqlite_call *call = weft__sqlite_call_new(&begin_ops, NULL, NULL, 0);
    weft_sqlite *tx = call ? weft__sqlite_handle_new(WEFT__SQLITE_TRANSACTION, db) : NULL;
    if (!tx) {
        weft__sqlite_call_free(call);
        return weft_future_failed(-ENOMEM, NULL);
    }
    call->keyword = keyword(how);
    return start_begin(tx, call);
}

/* ---- Ending ---- */

struct sqlite_end {
    WEFT_FRAME;
    bool *begun;
    weft_sqlite *tx; /* a reference */
    struct weft__sqlite_call *call;
    struct weft__sqlite_guard guard;
};

static WEFT_ASYNC(sqlite_end)
{
    WEFT_BEGIN;
    *self->begun = true;
    weft__sqlite_handle_ref(self->tx);
    self->tx->ends = true;
    WEFT_AWAIT(weft__sqlite_guarded_submit(&self->guard, self->call));

    WEFT_FINALLY;
    weft__sqlite_guard_end(&self->guard, WEFT_OUTCOME);
    self->tx->ends = false;
    if (WEFT_OUTCOME == 0) {
        weft__sqlite_shut(self->tx);
        weft__sqlite_let_in(self->tx, false);
    }
    weft__sqlite_handle_unref(self->tx);
    WEFT_END;
}

static weft_future *start_end(weft_sqlite *tx, unsigned depth,
                              const struct weft__sqlite_call_ops *ops)
{
    bool begun = false;
    struct weft__sqlite_call *call = weft__sqlite_call_new(ops, NULL, NULL, 0);
    if (!call)
        return weft_future_failed(-ENOMEM, NULL);
    weft__sqlite_bind_call(call, tx);
    call->depth = depth;
    weft_future *task = weft_spawn_eager(sqlite_end, .begun = &begun, .tx = tx, .call = call);
    return weft__sqlite_started(task, begun, call);
}

static int check_transaction(weft_sqlite *tx, const char *function)
{
    int status = weft__sqlite_check(tx, function);
    if (status == 0 && tx->kind != WEFT__SQLITE_TRANSACTION)
        status = -EINVAL;
    return status;
}

weft_future *weft_sqlite_commit(weft_sqlite *tx)
{
    int status = check_transaction(tx, __func__);
    if (status == 0 && tx->holder)
        return weft_future_failed(-EBUSY, "a transaction within it is open");
    return status < 0 ? weft__sqlite_refuse(status) : start_end(tx, tx->depth, &commit_ops);
}

/* Nothing else is asked of it while it is rolled back. */
weft_future *weft_sqlite_rollback(weft_sqlite *tx)
{
    int status = check_transaction(tx, __func__);
    if (status < 0)
        return weft__sqlite_refuse(status);
    return start_end(tx, tx->depth - 1, &rollback_ops);
}
