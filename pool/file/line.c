/* SPDX-License-Identifier: MIT */
/*
 * The line: which operations of a file run at once, and which wait for which.
 *
 *     ANYWHERE      (pread, pwrite, stat)           waits for barriers before it
 *     AT_POSITION   (read, write, seek)             … and for the one that uses the position
 *     BARRIER       (fsync, truncate, close)        waits for all before it; all behind it wait
 *
 *     WAITS --its turn--> RUNS (a job) --the job is done--> DONE
 *        \__ cancel --> DONE, -ECANCELED    \__ cancel: the job is dropped if no worker has it yet
 *
 * So writes that were started one after another, without an await in between, are done in that
 * order; an fsync covers every write before it; and a close comes last.
 *
 * Invariant of the line: before its first barrier there are only operations AT_POSITION, as what is
 * ANYWHERE has started there. So an end of one starts the first in the line, if anything; only the end
 * of a barrier walks, as far as the next one. Each operation is walked over once for each barrier
 * that ended just before it: the work is linear.
 *
 * References: an operation holds one to its file; its job holds one to the handle.
 */
#include <errno.h>
#include <string.h>

#include "core/inspect/eye.h"
#include "pool/file/call.h"
#include "pool/file/file.h"

/* ---- The list ---- */

static void append(struct weft__file_op *op)
{
    weft_file *file = op->file;
    op->waits = true;
    op->prev = file->last;
    if (file->last)
        file->last->next = op;
    else
        file->first = op;
    file->last = op;
}

static void take_out(struct weft__file_op *op)
{
    weft_file *file = op->file;
    op->waits = false;
    if (op->prev)
        op->prev->next = op->next;
    else
        file->first = op->next;
    if (op->next)
        op->next->prev = op->prev;
    else
        file->last = op->prev;
    op->prev = op->next = NULL;
}

static bool is_barrier(const struct weft__file_op *op)
{
    return op->kind->order == WEFT__FILE_BARRIER;
}

/* ---- Running ---- */

static void release_call(void *args)
{
    struct weft__file_call *call = args;
    weft__handle_unref(call->handle);
}

static void run(struct weft__file_op *op)
{
    weft_file *file = op->file;
    struct weft_job_options options = weft__file_options();
    struct weft__request request = {.options = &options,
                                    .run = op->kind->run,
                                    .args = op->call,
                                    .size = sizeof(*op->call) +
                                            op->call->count * sizeof(op->call->pieces[0]),
                                    .name = op->kind->name};
    options.release = release_call;
    if (!file->handle->is_regular)
        options.on_cancel = WEFT_CANCEL_COOPERATIVE;
    if (!file->handle->is_regular && op->kind->order == WEFT__FILE_AT_POSITION)
        options.lane = NULL; /* a pipe: "files" has few places, and this may keep one */
    if (op->kind->is_cleanup)
        options.submit = WEFT_SUBMIT_FORCED;
    file->running++;
    file->barrier_runs = is_barrier(op);
    if (op->kind->order == WEFT__FILE_AT_POSITION)
        file->position_is_used = true;
    op->call->handle = weft__handle_ref(file->handle);
    weft__step_wait(&op->step, weft__submit(&request));
}

static bool may_run(const struct weft__file_op *op)
{
    const weft_file *file = op->file;
    if (is_barrier(op))
        return !file->running;
    return op->kind->order == WEFT__FILE_ANYWHERE || !file->position_is_used;
}

static void take_and_run(struct weft__file_op *op)
{
    take_out(op);
    run(op);
}

/* A barrier is over, or left the line: those behind it need not wait for it. */
static void pass_barrier(weft_file *file)
{
    struct weft__file_op *next;
    for (struct weft__file_op *op = file->first; op && !is_barrier(op); op = next) {
        next = op->next;
        if (may_run(op))
            take_and_run(op);
    }
}

/* Something is over: start what waited for it. */
static void advance(weft_file *file, bool barrier_is_gone)
{
    if (file->barrier_runs)
        return;
    if (barrier_is_gone)
        pass_barrier(file);
    if (file->first && may_run(file->first))
        take_and_run(file->first);
}

/* The operation is over; its future is complete. */
static void leave(struct weft__file_op *op)
{
    weft_file *file = op->file;
    file->running--;
    file->barriers -= is_barrier(op);
    file->barrier_runs = false;
    if (op->kind->order == WEFT__FILE_AT_POSITION)
        file->position_is_used = false;
    advance(file, is_barrier(op));
    op->file = NULL;
    weft_file_unref(file);
}

static void finish(struct weft__step *step, weft_future *inner)
{
    struct weft__file_op *op = WEFT__CONTAINER(step, struct weft__file_op, step);
    weft__step_end_as(step, inner);
    leave(op);
}

/* ---- Cancelling ---- */

static void leave_line(struct weft__file_op *op)
{
    weft_file *file = op->file;
    take_out(op);
    file->barriers -= is_barrier(op);
    weft__complete_failed(&op->step.future, -ECANCELED, NULL);
    advance(file, is_barrier(op));
    op->file = NULL;
    weft_unref(&op->step.future);
    weft_file_unref(file);
}

static bool cancel(weft_future *future)
{
    struct weft__file_op *op = WEFT__CONTAINER(future, struct weft__file_op, step.future);
    if (!op->waits)
        return weft__step_cancel(future);
    leave_line(op);
    return true;
}

/* A file is closed once that was asked for, come what may. */
static bool refuse_cancel(weft_future *future)
{
    (void)future;
    return false;
}

static void describe(const weft_future *future, const char **ret_name, const char **ret_place)
{
    *ret_name = WEFT__CONTAINER(future, struct weft__file_op, step.future)->kind->name;
    *ret_place = NULL;
}

static void explain(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret)
{
    struct weft__file_op op;
    struct weft__file_kind kind;
    if (!weft__eye_see(eye, &op, at, sizeof(op)))
        return;
    if (weft__eye_see(eye, &kind, op.kind, sizeof(kind)))
        ret->name = weft__eye_text(eye, kind.name);
    ret->resource = op.file;
    ret->stage = op.waits ? "waits for others of its file" : NULL;
    if (op.waits)
        ret->needs = WEFT__NEEDS_WORLD;
    else
        weft__explain_step(eye, at, ret);
}

WEFT__OPS(ops) = {.name = "file", .cancel = cancel, .describe = describe, .explain = explain};
WEFT__OPS(close_ops) = {
    .name = "file", .cancel = refuse_cancel, .describe = describe, .explain = explain};

/* ---- Starting ---- */

static bool may_start(const struct weft__file_op *op)
{
    const weft_file *file = op->file;
    return is_barrier(op) ? !file->running && !file->first : !file->barriers && may_run(op);
}

static weft_future *start(struct weft__file_op *op)
{
    weft_file *file = op->file;
    bool at_once = may_start(op);
    file->refs++;
    file->barriers += is_barrier(op);
    if (at_once)
        run(op);
    else
        append(op);
    return &op->step.future;
}

static struct weft__file_op *new_op(weft_file *file, const struct weft__future_ops *future_ops,
                                    const struct weft__file_kind *kind, weft__step_fn *fn,
                                    const struct weft__file_call *call)
{
    struct weft__file_op *op;
    size_t size = sizeof(*op) + sizeof(*call) + call->count * sizeof(call->pieces[0]);
    op = weft__step_new(weft__loop, future_ops, fn, size);
    if (!op)
        return NULL;
    op->file = file;
    op->kind = kind;
    op->call = (struct weft__file_call *)(op + 1);
    *op->call = *call;
    op->call->what = kind->what;
    return op;
}

weft_future *weft__file_start(weft_file *file, const char *function,
                              const struct weft__file_kind *kind,
                              const struct weft__file_call *call, const struct iovec *pieces)
{
    weft_future *refused = weft__file_refuse(file, function, kind->what);
    if (refused)
        return refused;
    struct weft__file_op *op = new_op(file, &ops, kind, finish, call);
    if (!op)
        return weft__future_enomem(weft__loop);
    if (call->count)
        memcpy(op->call->pieces, pieces, call->count * sizeof(*pieces));
    return start(op);
}

/* ---- Closing ---- */

/*
 * When the job never ran the descriptor is open, and is closed here. When it was given up its
 * worker may be using the handle, and will close it.
 */
static void finish_close(struct weft__step *step, weft_future *inner)
{
    struct weft__file_op *op = WEFT__CONTAINER(step, struct weft__file_op, step);
    weft_file *file = op->file;
    int status = weft__observe(inner);
    if (status < 0 && status != WEFT_ESTUCK && status != WEFT_EFORK && file->handle->fd >= 0)
        status = weft__handle_close(file->handle);
    weft__handle_unref(file->handle);
    file->handle = NULL;
    if (status < 0)
        weft__step_end_as(step, inner);
    else
        weft__step_succeed(step, weft_value_i64(0), NULL);
    leave(op);
}

weft_future *weft__file_start_close(weft_file *file, const struct weft__file_kind *kind)
{
    struct weft__file_op *op =
        new_op(file, &close_ops, kind, finish_close, &(struct weft__file_call){0});
    if (!op)
        return weft__future_enomem(weft__loop);
    file->closing = true;
    return start(op);
}
