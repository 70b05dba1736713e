/* SPDX-License-Identifier: MIT */
/*
 * Streams over files, and whatever else epoll does not take: by a filter whose bytes are moved by jobs.
 *
 *     reading   receive() --no piece--> a job reads one --wake--> receive() gives it
 *     writing   transmit() --nothing under way--> a job writes a copy of what waits --wake-->
 *               transmit() says how much of it is done with
 *
 * One job at a time, of one piece. So a reader is never further ahead than a piece and the stream's own
 * buffer; and what waits to be written leaves the stream's buffer only when it is written: drain,
 * close, limits and failures mean what they mean for a socket. The price is a copy of each piece, which
 * a job must have, since the buffer moves.
 *
 * The stream has no events (WEFT__STREAM_BY_HAND): it goes on when the filter makes its event active.
 *
 * The job shares a handle of the descriptor, which it may use until it returns, whatever becomes of the
 * stream; a cancel is heard where it would wait for a terminal. What a cancelled job had read is lost:
 * only the end of the stream cancels one.
 *
 * Failure modes. A job that cannot be started, or fails, fails its direction for good, behind what was read
 * before; out of memory too, unlike for a socket: the file's position is not known any more.
 */
#include "net/stream/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <weft/job.h>

#include "core/memory.h"
#include "net/net.h"
#include "net/stream/filter.h"
#include "pool/file/call.h"
#include "pool/file/handle.h"

enum { PIECE = 64 * 1024 };

/* Belongs to the filter, or to the job that is under way. */
struct piece {
    size_t len;
    char data[PIECE];
};

/* All [loop]. */
struct by_jobs {
    struct weft__stream_filter filter; /* first */
    struct weft__handle *handle;       /* a reference */
    struct piece *piece;               /* NULL while a job has it */
    weft__waiter waiter;               /* on the job; its future is NULL: none is under way */
    bool writes, may_wait;             /* [const] */
    bool ended;                        /* end() was called while the waiter was queued */
    bool at_end;                       /* the file is */
    int status;                        /* of the last job: 0, or its failure */
    size_t start;                      /* reading: what of the piece was given */
    size_t done;                       /* writing: bytes written that transmit() did not tell yet */
};

/* ---- On a worker ---- */

struct move_bytes {
    struct weft__handle *handle; /* a reference */
    struct piece *piece;         /* owned, until it is the value */
    bool writes, may_wait;
};

static void release_job(void *arg)
{
    struct move_bytes *job = arg;
    weft__handle_unref(job->handle);
    weft__free(job->piece);
}

/* A failure after a part was done is met by the next piece again. */
static WEFT_BLOCKING(move_bytes)
{
    struct piece *piece = self->piece;
    struct iovec all = {piece->data, self->writes ? piece->len : (size_t)PIECE};
    struct weft__io io = {.fd = self->handle->fd,
                          .writes = self->writes,
                          .whole = self->writes,
                          .may_wait = self->may_wait,
                          .offset = -1};
    int error = weft__io_run(&io, &all, 1);
    if (error && !io.done)
        return weft_err(-error);
    piece->len = io.done;
    self->piece = NULL;
    return weft_ok(piece, weft__free);
}

/* ---- Jobs ---- */

static struct by_jobs *of(struct weft__stream_filter *filter)
{
    return WEFT__CONTAINER(filter, struct by_jobs, filter);
}

static void release(struct by_jobs *by)
{
    weft__handle_unref(by->handle);
    weft__free(by->piece);
    weft__free(by);
}

static void note_job(struct by_jobs *by, weft_future *job)
{
    weft_value value;
    by->status = weft_future_take(job, &value);
    if (by->status < 0)
        return;
    by->piece = value.ptr;
    if (by->writes)
        by->done = by->piece->len;
    else
        by->at_end = !by->piece->len;
}

static void on_job(weft__item *item)
{
    struct by_jobs *by = WEFT__CONTAINER(item, struct by_jobs, waiter.item);
    weft_future *job = by->waiter.future;
    by->waiter.future = NULL;
    note_job(by, job);
    weft_unref(job);
    if (by->ended)
        release(by);
    else
        weft__filter_go_on(&by->filter, by->writes);
}

/* Let a job have the piece. */
static void start(struct by_jobs *by)
{
    struct weft_job_options options = weft__file_options_in_pieces();
    if (by->may_wait)
        options.lane = NULL; /* "files" has few places, and this may keep one */
    options.submit = WEFT_SUBMIT_WAIT;
    options.release = release_job;
    struct move_bytes job = {weft__handle_ref(by->handle), by->piece, by->writes, by->may_wait};
    by->piece = NULL;
    by->start = 0;
    weft__wait(&by->waiter, weft__offload(&options, weft__blocking_move_bytes(), &job, WEFT__HERE));
}

/* A piece to fill; false: out of memory. */
static bool has_piece(struct by_jobs *by)
{
    if (!by->piece)
        by->piece = weft__malloc(sizeof(*by->piece));
    return by->piece;
}

/* ---- The filter ---- */

static size_t left(const struct by_jobs *by)
{
    return by->piece && !by->waiter.future ? by->piece->len - by->start : 0;
}

static ssize_t receive(struct weft__stream_filter *filter, void *buffer, size_t size)
{
    struct by_jobs *by = of(filter);
    size_t len = left(by) < size ? left(by) : size;
    if (len) {
        memcpy(buffer, by->piece->data + by->start, len);
        by->start += len;
        return (ssize_t)len;
    }
    if (by->status < 0 || by->at_end)
        return by->status;
    if (by->waiter.future)
        return -EAGAIN;
    if (!has_piece(by))
        return -ENOMEM;
    by->piece->len = 0;
    start(by);
    return -EAGAIN;
}

/* Whatever receive() would do, but wait. */
static bool has_more(const struct weft__stream_filter *filter)
{
    return !((const struct by_jobs *)(const void *)filter)->waiter.future;
}

static ssize_t transmit(struct weft__stream_filter *filter, const char *data, size_t len)
{
    struct by_jobs *by = of(filter);
    size_t done = by->done;
    if (by->waiter.future)
        return 0;
    if (by->status < 0)
        return by->status;
    by->done = 0;
    if (done == len)
        return (ssize_t)done;
    if (!has_piece(by))
        return -ENOMEM;
    by->piece->len = len - done < PIECE ? len - done : PIECE;
    memcpy(by->piece->data, data + done, by->piece->len);
    start(by);
    return (ssize_t)done;
}

/* A job that is under way is left behind; it owns what it uses. */
static void end(struct weft__stream_filter *filter, int status)
{
    (void)status;
    struct by_jobs *by = of(filter);
    weft_future *job = by->waiter.future;
    if (job && !weft__is_waiting(&by->waiter)) {
        by->ended = true; /* on_job() is queued */
        return;
    }
    if (job) {
        weft_ref(job);
        weft__unwait(&by->waiter);
        weft__observe(job);
        weft_cancel(job);
        weft_unref(job);
    }
    release(by);
}

static const struct weft__stream_filter_ops ops = {
    .name = "file",
    .receive = receive,
    .has_more = has_more,
    .end = end,
    .transmit = transmit,
};

/* ---- Opening ---- */

static struct by_jobs *make(int fd, bool writes)
{
    struct by_jobs *by = weft__calloc(1, sizeof(*by));
    int copy = by ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (!by)
        errno = ENOMEM;
    if (copy < 0) {
        weft__free(by);
        return NULL;
    }
    by->may_wait = weft__io_may_wait(fd);
    by->handle = weft__handle_new(copy, !by->may_wait, "");
    if (!by->handle) {
        close(copy);
        weft__free(by);
        errno = ENOMEM;
        return NULL;
    }
    by->filter.ops = &ops;
    by->waiter.item.run = on_job;
    by->writes = writes;
    return by;
}

int weft__stream_open_file(struct weft__net *net, int fd, bool writes, weft_stream **ret)
{
    struct by_jobs *by = make(fd, writes);
    if (!by)
        return -errno;
    int status =
        weft__stream_open_one_way(net, fd, WEFT__STREAM_PIPE | WEFT__STREAM_BY_HAND, writes, ret);
    if (status < 0) {
        release(by);
        return status;
    }
    weft__filter_attach(*ret, &by->filter);
    return 0;
}
