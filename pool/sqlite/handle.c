/* SPDX-License-Identifier: MIT */
/*
 * Handles: what the loop knows of a connection, and whose turn it is.
 *
 * A handle is a connection, a transaction on one (or within another one), or a connection that a pool
 * has lent. Each is the child of the one that it was begun on, and has that alone while it lasts: it is
 * the parent's `holder`. What is asked of the parent meanwhile waits in the parent's line.
 *
 *     nobody holds it:  the line is empty; a call goes straight to the lane, which is first in, first out
 *     somebody does:    it waits in the line; when the holder ends, the line goes to the lane, up to and
 *                       with the first that is to hold it
 *
 * A call goes from the line to the lane at the moment in which the holder ends, not when the task that
 * waits is run again: so nothing that is asked for in between overtakes it.
 *
 * A transaction whose handle is freed is over at once for the loop. In the connection the next job
 * rolls it back before it does anything else (pool/sqlite/connection.c); tidy() starts one that does
 * only that. A commit may fail and leave the transaction open; so there the parent is held until it is
 * known.
 *
 *     open --shut()--> shut          what is asked fails with WEFT_ECLOSED; also of its children
 *
 * References: the user's; one of each child, cursor, statement, pool and operation.
 */
#include "pool/sqlite/handle.h"

#include <errno.h>
#include <weft/lane.h>

/* ---- Memory ---- */

weft_sqlite *weft__sqlite_handle_new(enum weft__sqlite_kind kind, weft_sqlite *parent)
{
    weft_sqlite *db = weft__companion_malloc(sizeof(*db));
    if (!db)
        return NULL;
    *db = (weft_sqlite){.kind = kind,
                        .loop_id = weft__companion_loop_id(),
                        .generation = weft__companion_generation(),
                        .refs = 1,
                        .is_open = true};
    if (!parent)
        return db;
    db->parent = weft__sqlite_handle_ref(parent);
    db->db = weft__sqlite_db_ref(parent->db);
    db->depth = parent->depth + (kind == WEFT__SQLITE_TRANSACTION);
    return db;
}

weft_sqlite *weft__sqlite_handle_ref(weft_sqlite *db)
{
    db->refs++;
    return db;
}

void weft__sqlite_handle_unref(weft_sqlite *db)
{
    while (db && --db->refs == 0) {
        weft_sqlite *parent = db->parent;
        weft__sqlite_db_unref(db->db);
        weft_lane_unref(db->lane);
        weft__companion_free(db);
        db = parent;
    }
}

weft_sqlite *weft__sqlite_connection(weft_sqlite *db)
{
    while (db->parent)
        db = db->parent;
    return db;
}

/* ---- Whether it can be used ---- */

weft_future *weft__sqlite_refuse(int status)
{
    if (status == WEFT_EFORK && weft__companion_loop_id()) /* it goes on with the loop */
        return weft_future_failed(status, "the connection is the parent process's");
    if (status == WEFT_ETHREAD || status == WEFT_EFORK)
        return weft__companion_future_elsewhere();
    if (status == WEFT_ECLOSED)
        return weft_future_failed(status, "the connection or the transaction is closed");
    if (status == -EDEADLK)
        return weft_future_failed(status, "this task has a transaction open: ask its handle");
    return weft_future_failed(status, NULL);
}

weft_future *weft__sqlite_idle(void)
{
    return weft__companion_loop_id() ? NULL : weft_future_new();
}

int weft__sqlite_check_object(uint32_t loop_id, unsigned generation, const char *function)
{
    if (weft__companion_is_elsewhere(loop_id, function))
        return weft__companion_elsewhere();
    return generation == weft__companion_generation() ? 0 : WEFT_EFORK;
}

static bool is_open(const weft_sqlite *db)
{
    while (db && db->is_open)
        db = db->parent;
    return !db;
}

int weft__sqlite_check(const weft_sqlite *db, const char *function)
{
    if (!db)
        return -EINVAL;
    int status = weft__sqlite_check_object(db->loop_id, db->generation, function);
    if (status == 0 && !is_open(db))
        status = WEFT_ECLOSED;
    return status;
}

uint64_t weft__sqlite_task(void)
{
    weft_future *task = weft_current_task();
    return task ? weft_task_id(task) : 0;
}

/* A task that waits for the end of its own transaction waits for ever. */
int weft__sqlite_check_turn(const weft_sqlite *db, const char *function)
{
    int status = weft__sqlite_check(db, function);
    if (status < 0)
        return status;
    uint64_t task = weft__sqlite_task();
    for (const weft_sqlite *holder = db->holder; holder && task; holder = holder->holder)
        if (holder->task == task && !holder->ends)
            return -EDEADLK;
    return 0;
}

/* ---- Turns ---- */

void weft__sqlite_bind_call(struct weft__sqlite_call *call, weft_sqlite *db)
{
    call->db = weft__sqlite_db_ref(db->db);
    call->lane = weft__sqlite_connection(db)->lane;
    call->depth = db->depth;
}

static void come_in(struct weft__sqlite_turn *turn)
{
    turn->job = weft__sqlite_call_submit(turn->call);
    turn->call = NULL;
    if (turn->holder)
        turn->db->holder = turn->holder;
}

static void stand_in_line(struct weft__sqlite_turn *turn)
{
    weft_sqlite *db = turn->db;
    turn->waits = true;
    turn->next = NULL;
    if (db->last)
        db->last->next = turn;
    else
        db->first = turn;
    db->last = turn;
}

static void leave_line(struct weft__sqlite_turn *turn)
{
    weft_sqlite *db = turn->db;
    struct weft__sqlite_turn *before = NULL, *each = db->first;
    for (; each != turn; each = each->next)
        before = each;
    if (before)
        before->next = turn->next;
    else
        db->first = turn->next;
    if (db->last == turn)
        db->last = before;
    turn->waits = false;
}

void weft__sqlite_turn_begin(struct weft__sqlite_turn *turn, weft_sqlite *db,
                             struct weft__sqlite_call *call, weft_sqlite *holder)
{
    *turn = (struct weft__sqlite_turn){
        .db = weft__sqlite_handle_ref(db), .call = call, .holder = holder};
    if (!db->holder) {
        come_in(turn);
        return;
    }
    turn->called = weft_future_new();
    stand_in_line(turn);
}

weft_future *weft__sqlite_turn_job(struct weft__sqlite_turn *turn)
{
    weft_future *job = turn->job;
    turn->job = NULL;
    return job;
}

void weft__sqlite_turn_end(struct weft__sqlite_turn *turn)
{
    if (!turn->db)
        return;
    if (turn->waits)
        leave_line(turn);
    weft__sqlite_call_free(turn->call);
    weft_unref(turn->job);
    weft_unref(turn->called);
    weft__sqlite_handle_unref(turn->db);
    turn->db = NULL;
}

static weft_result do_nothing(struct weft__sqlite_call *call)
{
    (void)call;
    return weft__result(weft_value_i64(0), NULL);
}

static const struct weft__sqlite_call_ops tidy_ops = {
    .name = "weft_sqlite_free", .run = do_nothing, .kind = WEFT__SQLITE_TIDYING};

/* Nothing that is open is to be rolled back. */
weft_sqlite *weft__sqlite_deepest(weft_sqlite *db)
{
    db = weft__sqlite_connection(db);
    while (db->holder)
        db = db->holder;
    return db;
}

/* A failure is of no meaning: then a later job tidies up. */
void weft__sqlite_tidy(weft_sqlite *db)
{
    db = weft__sqlite_connection(db);
    if (!db->db)
        return;
    struct weft__sqlite_call *call = weft__sqlite_call_new(&tidy_ops, NULL, NULL, 0);
    if (!call)
        return;
    weft__sqlite_bind_call(call, weft__sqlite_deepest(db));
    weft_future *job = weft__sqlite_call_submit(call);
    weft_future_status(job);
    weft_unref(job);
}

/* Without memory for it, it can be interrupted. */
weft_future *weft__sqlite_guarded_submit(struct weft__sqlite_guard *guard,
                                         struct weft__sqlite_call *call)
{
    if (call->ops->kind >= WEFT__SQLITE_TIDYING)
        guard->cleanup = weft_cleanup_enter(WEFT_FOREVER);
    return weft__sqlite_call_submit(call);
}

void weft__sqlite_guard_end(struct weft__sqlite_guard *guard, int status)
{
    if (guard->cleanup)
        status = weft_cleanup_exit(guard->cleanup, status);
    guard->cleanup = NULL;
    (void)status;
}

/* One that was cancelled while it waited is passed over: it is about to leave. */
static void move_up(weft_sqlite *db)
{
    struct weft__sqlite_turn *turn;
    while (!db->holder && (turn = db->first)) {
        leave_line(turn);
        if (weft_is_done(turn->called))
            continue;
        come_in(turn);
        (void)weft_future_resolve(turn->called, weft_value_i64(0), NULL);
    }
    if (!db->holder && db->given_back)
        db->given_back(db);
}

void weft__sqlite_let_in(weft_sqlite *holder, bool tidies)
{
    weft_sqlite *db = holder->parent;
    if (db->holder != holder)
        return;
    db->holder = NULL;
    if (tidies)
        weft__sqlite_tidy(db);
    move_up(db);
}

void weft__sqlite_shut(weft_sqlite *db)
{
    struct weft__sqlite_turn *turn;
    db->is_open = false;
    while ((turn = db->first)) {
        leave_line(turn);
        (void)weft_future_fail(turn->called, WEFT_ECLOSED, "closed");
    }
    if (db->holder)
        weft__sqlite_shut(db->holder);
}

/* ---- Asking ---- */

weft_future *weft__sqlite_started(weft_future *task, bool begun, struct weft__sqlite_call *call)
{
    if (begun)
        return task;
    weft__sqlite_call_free(call);
    if (weft_task_get_state(task) != WEFT_TASK_NEW)
        return task;
    weft_cancel(task);
    weft_unref(task);
    return weft_future_failed(WEFT_ELIMIT, "within too many tasks that started each other");
}

struct sqlite_wait {
    WEFT_FRAME;
    bool *begun;
    weft_sqlite *db;
    struct weft__sqlite_call *call;
    struct weft__sqlite_turn turn;
    weft_destructor *destructor;
    void *ptr;
    int64_t number;
};

static WEFT_ASYNC(sqlite_wait)
{
    WEFT_BEGIN;
    *self->begun = true;
    self->destructor = self->call->ops->destructor;
    weft__sqlite_turn_begin(&self->turn, self->db, self->call, NULL);
    if (self->turn.called)
        WEFT_AWAIT(weft_ref(self->turn.called));
    if (self->destructor) {
        WEFT_AWAIT_INTO(self->ptr, weft__sqlite_turn_job(&self->turn));
        WEFT_RETURN(self->ptr, self->destructor);
    }
    WEFT_AWAIT_INTO(self->number, weft__sqlite_turn_job(&self->turn));
    WEFT_RETURN(self->number);

    WEFT_FINALLY;
    weft__sqlite_turn_end(&self->turn);
    WEFT_END;
}

weft_future *weft__sqlite_ask(weft_sqlite *db, struct weft__sqlite_call *call)
{
    bool begun = false;
    if (!call)
        return weft_future_failed(-ENOMEM, NULL);
    weft__sqlite_bind_call(call, db);
    if (!db->holder)
        return weft__sqlite_call_submit(call);
    weft_future *task = weft_spawn_eager(sqlite_wait, .begun = &begun, .db = db, .call = call);
    return weft__sqlite_started(task, begun, call);
}

struct sqlite_make {
    WEFT_FRAME;
    bool *begun;
    weft_sqlite *db;
    struct weft__sqlite_call *call;
    const struct weft__sqlite_maker *maker;
    struct weft__sqlite_turn turn;
    struct weft__sqlite_object *object;
    void *made;
};

static WEFT_ASYNC(sqlite_make)
{
    WEFT_BEGIN;
    *self->begun = true;
    weft__sqlite_turn_begin(&self->turn, self->db, self->call, NULL);
    if (self->turn.called)
        WEFT_AWAIT(weft_ref(self->turn.called));
    WEFT_AWAIT_INTO(self->object, weft__sqlite_turn_job(&self->turn));
    self->made = self->maker->make(self->db, self->object);
    if (!self->made)
        WEFT_FAIL(-ENOMEM);
    self->object = NULL;
    WEFT_RETURN(self->made, self->maker->destructor);

    WEFT_FINALLY;
    if (self->object)
        weft__sqlite_object_unref(self->object);
    weft__sqlite_turn_end(&self->turn);
    WEFT_END;
}

weft_future *weft__sqlite_ask_made(weft_sqlite *db, struct weft__sqlite_call *call,
                                   const struct weft__sqlite_maker *maker)
{
    bool begun = false;
    if (!call)
        return weft_future_failed(-ENOMEM, NULL);
    weft__sqlite_bind_call(call, db);
    weft_future *task =
        weft_spawn_eager(sqlite_make, .begun = &begun, .db = db, .call = call, .maker = maker);
    return weft__sqlite_started(task, begun, call);
}

/* ---- The end ---- */

static weft_result close_db(struct weft__sqlite_call *call)
{
    return weft__sqlite_db_close(call->db);
}

static const struct weft__sqlite_call_ops close_ops = {
    .name = "weft_sqlite_close", .run = close_db, .kind = WEFT__SQLITE_CLOSING};

/* The connection is the call's now. */
static void leave(weft_sqlite *db)
{
    weft__sqlite_shut(db);
    weft__sqlite_db_unref(db->db);
    db->db = NULL;
}

struct sqlite_close {
    WEFT_FRAME;
    bool *begun;
    weft_sqlite *db;
    struct weft__sqlite_call *call;
    struct weft__sqlite_guard guard;
};

static WEFT_ASYNC(sqlite_close)
{
    WEFT_BEGIN;
    *self->begun = true;
    leave(self->db);
    WEFT_AWAIT(weft__sqlite_guarded_submit(&self->guard, self->call));

    WEFT_FINALLY;
    weft__sqlite_guard_end(&self->guard, WEFT_OUTCOME);
    WEFT_END;
}

weft_future *weft__sqlite_start_close(weft_sqlite *db)
{
    bool begun = false;
    struct weft__sqlite_call *call = weft__sqlite_call_new(&close_ops, NULL, NULL, 0);
    if (!call)
        return weft_future_failed(-ENOMEM, NULL);
    weft__sqlite_bind_call(call, db);
    weft_future *task = weft_spawn_eager(sqlite_close, .begun = &begun, .db = db, .call = call);
    return weft__sqlite_started(task, begun, call);
}

weft_future *weft_sqlite_close(weft_sqlite *db)
{
    int status = weft__sqlite_check(db, __func__);
    if (status == 0 && db->kind != WEFT__SQLITE_CONNECTION)
        status = -EINVAL;
    return status < 0 ? weft__sqlite_refuse(status) : weft__sqlite_start_close(db);
}

/* Without memory the call that is last closes. */
static void close_unseen(weft_sqlite *db)
{
    struct weft__sqlite_call *call = weft__sqlite_call_new(&close_ops, NULL, NULL, 0);
    if (call) {
        weft__sqlite_bind_call(call, db);
        weft_future *job = weft__sqlite_call_submit(call);
        weft_future_status(job);
        weft_unref(job);
    }
    leave(db);
}

static void end(weft_sqlite *db)
{
    if (!db->parent && db->db)
        close_unseen(db);
    weft__sqlite_shut(db);
    if (db->parent)
        weft__sqlite_let_in(db, true);
}

void weft_sqlite_free(weft_sqlite *db)
{
    if (!db || weft__companion_is_elsewhere(db->loop_id, __func__))
        return;
    if (db->generation == weft__companion_generation())
        end(db);
    weft__sqlite_handle_unref(db);
}

void weft__sqlite_handle_destroy(void *db)
{
    weft_sqlite_free(db);
}

int64_t weft_sqlite_last_insert_rowid(const weft_sqlite *db)
{
    if (weft__sqlite_check(db, __func__) < 0)
        return 0;
    return atomic_load_explicit(&db->db->rowid, memory_order_relaxed);
}

int64_t weft_sqlite_changes(const weft_sqlite *db)
{
    if (weft__sqlite_check(db, __func__) < 0)
        return 0;
    return atomic_load_explicit(&db->db->changes, memory_order_relaxed);
}
