/* SPDX-License-Identifier: MIT */
/*
 * Files by streams.
 *
 *     DRAINING   what was written before is sent first, by the stream as ever
 *     SENDING    a job calls sendfile(2) on the socket, which does not block, until that is full
 *     FULL       the loop waits for room                                           -> SENDING
 *     READING    a job reads a piece: where the kernel cannot send by itself; the stream writes it
 *                                                                                 -> DRAINING
 *
 *     DRAINING -> SENDING <-> FULL;  SENDING --EINVAL--> READING;  DRAINING <-> READING;  all -> done
 *
 * While it is under way the stream refuses writes (WEFT__STREAM_SENDING), as the job writes to the same
 * socket. So a cancel during SENDING waits for the job, which looks after each mebibyte: how much was
 * sent must be known, and nothing may be written in between.
 *
 * The job has descriptors of its own (handles), which it may use until it returns, whatever becomes of the
 * stream: one that is freed leaves the job behind. Its result is one number, the bytes sent and why it
 * stopped, so that no lack of memory loses the count.
 *
 * References: the operation has one from the stream while it is pending, and one while a job is out.
 */
#include "net/stream/sendfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <weft/job.h>
#include <weft/sendfile.h>

#include "core/bytes.h"
#include "core/inspect/eye.h"
#include "core/loop.h"
#include "core/pipe.h"
#include "core/sys.h"
#include "net/net.h"
#include "pool/file/call.h"
#include "pool/file/handle.h"

enum {
    PIECE = 256 * 1024, /* read and written at a time */
    CHUNK = 1 << 20,    /* sent at a time, between two looks whether to go on */
    TURN = 16 << 20,    /* sent by a job, before others get its worker */
    ENDED = 4096        /* no errno: the file has */
};

/* All [loop]. */
struct sending {
    struct weft__stream_op op;          /* first */
    weft__waiter waiter;                /* on the job */
    struct weft__handle *file, *socket; /* references; socket NULL: by reading */
    int64_t offset;
    size_t left; /* bytes to send; SIZE_MAX: to the end of the file */
    size_t sent;
};

static struct sending *sending_of(weft_future *future)
{
    return WEFT__CONTAINER(future, struct sending, op.future);
}

/* ---- On a worker ---- */

struct send_chunks {
    struct weft__handle *file, *socket; /* references */
    int64_t offset;
    size_t len;
};

static void release_send(void *arg)
{
    struct send_chunks *job = arg;
    weft__handle_unref(job->file);
    weft__handle_unref(job->socket);
}

static weft_result told(size_t sent, int why)
{
    return weft_ok((int64_t)why << 32 | (int64_t)sent);
}

static WEFT_BLOCKING(send_chunks)
{
    off_t at = (off_t)self->offset;
    size_t sent = 0;
    while (sent < self->len) {
        size_t size = self->len - sent < CHUNK ? self->len - sent : CHUNK;
        if (weft_job_cancelled())
            return told(sent, ECANCELED);
        ssize_t took = weft__pipe_sendfile(self->socket->fd, self->file->fd, &at, size);
        if (took == 0)
            return told(sent, ENDED);
        if (took < 0 && errno != EINTR)
            return told(sent, errno);
        sent += took > 0 ? (size_t)took : 0;
    }
    return told(sent, 0);
}

struct read_piece {
    struct weft__handle *file; /* a reference */
    int64_t offset;
    size_t len;
};

static void release_read(void *arg)
{
    struct read_piece *job = arg;
    weft__handle_unref(job->file);
}

static WEFT_BLOCKING(read_piece)
{
    weft_bytes *bytes = weft__bytes_new(self->len);
    if (!bytes)
        return weft_err(-ENOMEM);
    struct iovec all = {bytes->data, self->len};
    struct weft__io io = {.fd = self->file->fd, .offset = self->offset};
    int error = weft__io_run(&io, &all, 1);
    bytes->len = io.done;
    if (!error)
        return weft_ok(bytes, weft__bytes_destroy);
    weft_bytes_free(bytes);
    return weft_err(-error);
}

/* ---- The end ---- */

static void dispose(weft_future *future)
{
    struct sending *sending = sending_of(future);
    weft__handle_unref(sending->file);
    weft__handle_unref(sending->socket);
}

/* What was sent counts. The last thing that is done with the stream. */
static void finish(struct sending *sending, int status)
{
    sending->op.stream->flags &= ~(uint32_t)WEFT__STREAM_SENDING;
    if (sending->sent && sending->op.future.flags & WEFT__CANCEL_ASKED)
        sending->op.future.flags |= WEFT__UNDELIVERED;
    weft__stream_op_complete(&sending->op, sending->sent ? 0 : status,
                             weft_value_i64((int64_t)sending->sent), NULL);
}

/* The job that is under way, if any, is left behind. */
static void leave_job(struct sending *sending)
{
    weft_future *job = sending->waiter.future;
    if (!job)
        return;
    weft_ref(job);
    if (weft__is_waiting(&sending->waiter)) {
        weft__unwait(&sending->waiter);
        sending->waiter.future = NULL;
        weft_unref(&sending->op.future); /* on_job() would have */
    }
    weft__observe(job);
    weft_cancel(job);
    weft_unref(job);
}

struct weft__stream_op *weft__sending_take(weft_stream *stream)
{
    struct weft__stream_op *op = stream->sender;
    if (!op)
        return NULL;
    leave_job(sending_of(&op->future));
    stream->flags &= ~(uint32_t)WEFT__STREAM_SENDING;
    stream->sender = NULL;
    return op;
}

void weft__sending_break(weft_stream *stream, int status)
{
    struct sending *sending = sending_of(&stream->sender->future);
    leave_job(sending);
    finish(sending, status);
}

/* ---- Going on ---- */

static void wait_for(struct sending *sending, weft_future *job)
{
    weft_ref(&sending->op.future);
    weft__wait(&sending->waiter, job);
}

static void start_sending(struct sending *sending)
{
    struct weft_job_options options = weft__file_options_in_pieces();
    struct send_chunks job = {weft__handle_ref(sending->file), weft__handle_ref(sending->socket),
                              sending->offset, sending->left < TURN ? sending->left : TURN};
    options.release = release_send;
    wait_for(sending, weft__offload(&options, weft__blocking_send_chunks(), &job, WEFT__HERE));
}

static void start_reading(struct sending *sending)
{
    struct weft_job_options options = weft__file_options_in_pieces();
    struct read_piece job = {weft__handle_ref(sending->file), sending->offset,
                             sending->left < PIECE ? sending->left : PIECE};
    options.release = release_read;
    wait_for(sending, weft__offload(&options, weft__blocking_read_piece(), &job, WEFT__HERE));
}

static void count(struct sending *sending, size_t len)
{
    sending->sent += len;
    sending->offset += (int64_t)len;
    if (sending->left != SIZE_MAX)
        sending->left -= len;
}

/* What waits in the stream's buffer is sent first: the kernel knows nothing of it. A piece may be written
 * while a little of the one before waits. */
static void go_on(struct sending *sending)
{
    weft_stream *stream = sending->op.stream;
    size_t waits = weft__buffer_len(&stream->out);
    if (!sending->left)
        finish(sending, 0);
    else if (sending->socket && waits)
        return;
    else if (sending->socket)
        start_sending(sending);
    else if (waits <= stream->write_low)
        start_reading(sending);
}

void weft__sending_go_on(weft_stream *stream, int status)
{
    struct sending *sending = sending_of(&stream->sender->future);
    if (status < 0)
        weft__sending_break(stream, status);
    else if (!sending->waiter.future)
        go_on(sending);
}

/* The connection has failed, not the file: so will whatever is written later. */
static bool is_of_socket(int error)
{
    switch (error) {
    case EPIPE:
    case ECONNRESET:
    case ETIMEDOUT:
    case EHOSTUNREACH: /* as well as this: what a router has said while nobody answered */
    case ENETUNREACH:
        return true;
    default:
        return false;
    }
}

/* A job has sent some, and stopped for the reason `why`. */
static void note_sent(struct sending *sending, int64_t told_value)
{
    weft_stream *stream = sending->op.stream;
    size_t sent = (size_t)(told_value & UINT32_MAX);
    int why = (int)(told_value >> 32);
    count(sending, sent);
    stream->written += sent;
    if ((!why || why == EAGAIN) && sending->op.future.flags & WEFT__CANCEL_ASKED)
        why = ECANCELED;
    if (!why) {
        go_on(sending);
    } else if (why == EAGAIN) {
        int status = weft__stream_wait_writable(stream);
        if (status < 0)
            finish(sending, status);
    } else if ((why == EINVAL || why == ENOSYS) && !sending->sent) {
        weft__handle_unref(sending->socket); /* not of this file: by reading */
        sending->socket = NULL;
        go_on(sending);
    } else if (is_of_socket(why)) {
        weft__stream_break(stream, -why);
    } else {
        finish(sending, why == ENDED ? 0 : -why);
    }
}

static void note_read(struct sending *sending, weft_bytes *bytes)
{
    weft_stream *stream = sending->op.stream;
    struct iovec piece = {bytes->data, bytes->len};
    stream->flags &= ~(uint32_t)WEFT__STREAM_SENDING;
    int status = bytes->len ? weft__stream_writev(stream, &piece, 1) : 0;
    stream->flags |= WEFT__STREAM_SENDING;
    if (status == 0)
        count(sending, bytes->len);
    bool over = status < 0 || !bytes->len;
    weft_bytes_free(bytes);
    if (over)
        finish(sending, status);
    else if (sending->op.future.flags & WEFT__CANCEL_ASKED)
        finish(sending, -ECANCELED);
    else
        go_on(sending);
}

static void note_job(struct sending *sending, weft_future *job)
{
    weft_value value;
    int status = weft_future_take(job, &value);
    if (status < 0)
        finish(sending, status);
    else if (sending->socket)
        note_sent(sending, value.i64);
    else
        note_read(sending, value.ptr);
}

static void on_job(weft__item *item)
{
    struct sending *sending = WEFT__CONTAINER(item, struct sending, waiter.item);
    weft_future *job = sending->waiter.future;
    sending->waiter.future = NULL;
    if (weft__is_pending(&sending->op.future))
        note_job(sending, job);
    weft_unref(job);
    weft_unref(&sending->op.future);
}

/* ---- Starting ---- */

/* Without a job, at once; a job is told, and the end comes with its result. */
static bool cancel(weft_future *future)
{
    struct sending *sending = sending_of(future);
    if (sending->waiter.future) {
        future->flags |= WEFT__CANCEL_ASKED;
        weft_cancel(sending->waiter.future);
        return true;
    }
    bool delivered = !sending->sent;
    finish(sending, -ECANCELED);
    return delivered;
}

/* By a job, or as the kernel takes more. */
static void explain(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret)
{
    struct sending sending;
    if (!weft__eye_see(eye, &sending, at, sizeof(sending)))
        return;
    weft__explain_stream(eye, sending.op.stream, ret, "to write a file");
    weft__waiting_number(ret, "sent", sending.sent);
    weft__eye_child(eye, sending.waiter.future);
}

WEFT__OPS(ops) = {.name = "sendfile", .cancel = cancel, .dispose = dispose, .explain = explain};

/* A handle of a copy; NULL and errno. */
static struct weft__handle *copy(int fd)
{
    int duplicate = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    struct weft__handle *handle = duplicate < 0 ? NULL : weft__handle_new(duplicate, true, "");
    if (duplicate >= 0 && !handle) {
        close(duplicate);
        errno = ENOMEM;
    }
    return handle;
}

static int refuse(weft_stream *stream, int64_t offset)
{
    weft__stream_uncork(stream); /* a failure stays */
    int status = weft__stream_write_error(stream);
    if (status < 0)
        return status;
    if (stream->sender || stream->drainer)
        return -EBUSY;
    return offset < 0 ? -EINVAL : 0;
}

static weft_future *start(weft_stream *stream, struct weft__handle *file, int64_t offset,
                          size_t len)
{
    uint32_t odd = WEFT__STREAM_PIPE | WEFT__STREAM_FILTERED | WEFT__STREAM_BY_HAND;
    struct sending *sending = weft__stream_op_new(stream, &stream->sender, &ops, sizeof(*sending));
    if (!sending) {
        weft__handle_unref(file);
        return weft__future_enomem(stream->net->loop);
    }
    weft_future *future = &sending->op.future;
    stream->flags |= WEFT__STREAM_SENDING;
    sending->waiter.item.run = on_job;
    sending->file = file;
    sending->socket = stream->flags & odd ? NULL : copy(stream->fd); /* none: by reading */
    sending->offset = offset;
    sending->left = len ? len : SIZE_MAX;
    go_on(sending);
    return future;
}

weft_future *weft_sendfile(weft_stream *stream, int fd, int64_t offset, size_t len)
{
    if (WEFT__ELSEWHERE(stream->net->loop->id))
        return weft__future_elsewhere();
    int status = refuse(stream, offset);
    if (status == -EBUSY)
        return weft_future_failed(-EBUSY, "another write or drain of this stream is under way");
    if (status < 0)
        return weft__net_refused(status);
    struct weft__handle *file = copy(fd);
    return file ? start(stream, file, offset, len) : weft__net_refused(-errno);
}
