/* SPDX-License-Identifier: MIT */
/*
 * Writing: to the kernel at once as far as it takes it, the rest by way of the stream's buffer.
 *
 *     nothing waits --write--> sendmsg() --took all--> nothing waits
 *                                        --took less--> the rest waits, write_event armed
 *     something waits --write--> waits as well
 *     write_event --> sendmsg() of what waits --all sent--> disarm; then shut down or close, if
 *                                                           that was asked for
 *
 * Backpressure: beyond write_high the stream is PAUSED and weft_drain() waits until write_low is
 * reached. Who does not drain is refused when more than write_limit bytes wait; so that no more is
 * held than write_limit and the largest single write, which the caller held as well.
 *
 * A drain that need not wait is done at once. A task that writes to a peer as fast as itself would
 * then never let go of the loop; so after every FAIR_SHARE bytes a drain takes a turn's pause, unless
 * the task has waited for input meanwhile.
 *
 * The first failure is kept in write_error, and what waits is dropped.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <weft/time.h>

#include "core/annotations.h"
#include "core/inspect/eye.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/pipe.h"
#include "core/sys.h"
#include "net/net.h"
#include "net/stream/fds.h"
#include "net/stream/filter.h"
#include "net/stream/sendfile.h"
#include "net/stream/stream.h"

enum {
    FAIR_SHARE = 256 * 1024,
    MAX_PIECES = 64 /* handed to one sendmsg() */
};

static void disarm(weft_stream *stream)
{
    if (stream->flags & WEFT__STREAM_WRITE_ARMED)
        event_del(stream->write_event);
    stream->flags &= ~(uint32_t)WEFT__STREAM_WRITE_ARMED;
}

/* Keep the failure, drop what waits. Returns `status`. */
static int break_off(weft_stream *stream, int status)
{
    stream->write_error = status;
    disarm(stream);
    weft__fds_drop(stream);
    weft__buffer_fini(&stream->out, &stream->net->buffers);
    return status;
}

static struct event *make_event(weft_stream *stream)
{
    struct event *event = weft__malloc(sizeof(*event));
    if (event)
        event_assign(event, stream->net->loop->base, stream->fd, EV_WRITE | EV_PERSIST,
                     weft__stream_on_writable, stream);
    return event;
}

static int arm(weft_stream *stream)
{
    if (stream->flags & WEFT__STREAM_WRITE_ARMED)
        return 0;
    if (!stream->write_event)
        stream->write_event = make_event(stream);
    if (!stream->write_event)
        return break_off(stream, -ENOMEM);
    bool by_hand = stream->flags & WEFT__STREAM_BY_HAND;
    if (!by_hand && weft__sys.event_add(stream->write_event, NULL) < 0)
        return break_off(stream, errno == ENOMEM ? -ENOMEM : -EIO);
    stream->flags |= WEFT__STREAM_WRITE_ARMED;
    if (by_hand)
        weft__stream_make_writable(stream);
    return 0;
}

void weft__stream_make_writable(weft_stream *stream)
{
    if (stream->flags & WEFT__STREAM_WRITE_ARMED)
        event_active(stream->write_event, EV_WRITE, 0);
}

/* What a failed system call comes to: it took nothing, or the failure, kept. */
WEFT_APART static ssize_t untaken(weft_stream *stream)
{
    if (errno == EAGAIN || errno == EINTR)
        return 0;
    return break_off(stream, -errno);
}

/* To what is no socket: a pipe, or a filter that is the descriptor. */
WEFT_APART static ssize_t send_elsewhere(weft_stream *stream, const struct iovec *pieces,
                                         size_t count)
{
    struct weft__stream_filter *filter = stream->filter;
    if (!filter)
        return weft__pipe_writev(stream->fd, pieces, (int)count);
    ssize_t done = filter->ops->transmit(filter, pieces->iov_base, pieces->iov_len);
    errno = done < 0 ? (int)-done : 0;
    return done < 0 ? -1 : done;
}

/* How much the kernel took, which may be nothing, or the failure, kept. */
static ssize_t send_pieces(weft_stream *stream, const struct iovec *pieces, size_t count)
{
    size_t few = count < MAX_PIECES ? count : MAX_PIECES;
    struct msghdr message = {.msg_iov = (struct iovec *)pieces, .msg_iovlen = few};
    ssize_t sent = stream->flags & WEFT__STREAM_PIPE
                       ? send_elsewhere(stream, pieces, few)
                       : weft__sys.sendmsg(stream->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    return sent < 0 ? untaken(stream) : sent;
}

static ssize_t send_with_fds(weft_stream *stream)
{
    ssize_t sent = weft__fds_send(stream);
    return sent < 0 ? untaken(stream) : sent;
}

/* All is sent: what weft_write_eof() asked for. */
static int shut_down(weft_stream *stream)
{
    if (stream->flags & WEFT__STREAM_PIPE) {
        weft__stream_close_fd(stream);
        return 0;
    }
    if (shutdown(stream->fd, SHUT_WR) < 0)
        return break_off(stream, -errno);
    return 0;
}

/* Send from the buffer, once. 0, or the failure, kept. */
static int send_waiting(weft_stream *stream)
{
    struct iovec all = {weft__buffer_data(&stream->out), weft__buffer_len(&stream->out)};
    ssize_t sent = stream->departures ? send_with_fds(stream) : send_pieces(stream, &all, 1);
    if (sent < 0)
        return (int)sent;
    weft__buffer_consume(&stream->out, &stream->net->buffers, (size_t)sent);
    size_t left = weft__buffer_len(&stream->out);
    if (left <= stream->write_low)
        stream->flags &= ~(uint32_t)WEFT__STREAM_PAUSED;
    if (left)
        return arm(stream);
    disarm(stream);
    return stream->flags & WEFT__STREAM_EOF_ASKED ? shut_down(stream) : 0;
}

/* The same, and tell a drain under way what it came to. Who calls this is done with the stream. */
static int flush(weft_stream *stream)
{
    int status = send_waiting(stream);
    struct weft__stream_op *drainer = stream->drainer;
    if (drainer && (status < 0 || !(stream->flags & WEFT__STREAM_PAUSED))) {
        stream->since_pause = 0;
        weft__stream_op_complete(drainer, status, weft_value_i64(0), NULL);
    }
    return status;
}

/* There is room: for what waits, or else for more of the file. */
static void go_on_sending(weft_stream *stream)
{
    int status = 0;
    if (weft__buffer_len(&stream->out))
        status = send_waiting(stream);
    else
        disarm(stream);
    weft__sending_go_on(stream, status);
}

int weft__stream_wait_writable(weft_stream *stream)
{
    return arm(stream);
}

void weft__stream_on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    weft_stream *stream = arg;
    stream->net->loop->io++;
    if (stream->flags & WEFT__STREAM_SENDING)
        go_on_sending(stream);
    else if (!(stream->flags & WEFT__STREAM_CLOSING))
        flush(stream);
    else if (send_waiting(stream) < 0 ||
             (!weft__buffer_len(&stream->out) && !weft__filter_lingers(stream)))
        weft__stream_finish_closing(stream);
}

/* While a drain is under way write_event is armed, or the stream is corked: there is nobody to be
 * told. */
void weft__stream_push(weft_stream *stream)
{
    bool waits = stream->flags & (WEFT__STREAM_WRITE_ARMED | WEFT__STREAM_CORKED);
    if (weft__buffer_len(&stream->out) && !waits)
        send_waiting(stream);
}

/* ---- Writes ---- */

static size_t total_len(const struct iovec *pieces, size_t count)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += pieces[i].iov_len;
    return total;
}

/* Append what comes after the first `skip` bytes. */
static int keep_rest(weft_stream *stream, const struct iovec *pieces, size_t count, size_t skip)
{
    weft__buffer_cache *cache = &stream->net->buffers;
    size_t rest = total_len(pieces, count) - skip;
    int status = weft__buffer_reserve(&stream->out, cache, rest);
    if (status < 0)
        return skip ? break_off(stream, status) : status;
    for (size_t i = 0; i < count; i++) {
        size_t skipped = skip < pieces[i].iov_len ? skip : pieces[i].iov_len;
        const char *data = pieces[i].iov_base;
        skip -= skipped;
        if (pieces[i].iov_len > skipped)
            weft__buffer_append(&stream->out, cache, data + skipped, pieces[i].iov_len - skipped);
    }
    return 0;
}

static int refuse_write(const weft_stream *stream)
{
    if (stream->write_error)
        return stream->write_error;
    if (stream->flags & (WEFT__STREAM_EOF_ASKED | WEFT__STREAM_CLOSING | WEFT__STREAM_SENDING))
        return stream->flags & WEFT__STREAM_SENDING ? -EBUSY : -EPIPE;
    return weft__buffer_len(&stream->out) > stream->write_limit ? -ENOBUFS : 0;
}

/* By way of a filter. What that made of it goes through the buffer, and is sent at once all the same. */
WEFT_APART static int write_filtered(weft_stream *stream, const struct iovec *pieces, size_t count)
{
    int status = stream->filter->ops->encode(stream->filter, pieces, count);
    if (status == -EBUSY)
        return status;
    if (status < 0) {
        weft__stream_break(stream, status);
        return status;
    }
    size_t total = total_len(pieces, count);
    stream->since_pause += total;
    stream->written += total;
    weft__stream_push(stream);
    if (weft__buffer_len(&stream->out) <= stream->write_high)
        return stream->write_error;
    stream->flags |= WEFT__STREAM_PAUSED;
    return stream->flags & WEFT__STREAM_WRITE_ARMED ? 0 : flush(stream);
}

/* Something waits: see to it that it goes. */
WEFT_APART static int follow(weft_stream *stream)
{
    bool much = weft__buffer_len(&stream->out) > stream->write_high;
    if (much)
        stream->flags |= WEFT__STREAM_PAUSED;
    if (stream->flags & WEFT__STREAM_WRITE_ARMED)
        return 0;
    if (!(stream->flags & WEFT__STREAM_CORKED))
        return arm(stream);
    return much ? flush(stream) : 0;
}

int weft__stream_writev(weft_stream *stream, const struct iovec *pieces, size_t count)
{
    int status = refuse_write(stream);
    size_t total = total_len(pieces, count);
    if (status < 0 || !total)
        return status;
    ssize_t sent = 0;
    if (stream->flags & WEFT__STREAM_FILTERED)
        return write_filtered(stream, pieces, count);
    if (!(stream->flags & (WEFT__STREAM_CORKED | WEFT__STREAM_BY_HAND)) &&
        !weft__buffer_len(&stream->out))
        sent = send_pieces(stream, pieces, count);
    if (sent < 0)
        return (int)sent;
    if ((size_t)sent < total) {
        status = keep_rest(stream, pieces, count, (size_t)sent);
        if (status < 0)
            return status;
    }
    stream->since_pause += total;
    stream->written += total;
    return weft__buffer_len(&stream->out) ? follow(stream) : 0;
}

int weft_write(weft_stream *stream, const void *data, size_t len)
{
    if (WEFT__ELSEWHERE(stream->net->loop->id))
        return weft__elsewhere();
    struct iovec piece = {(void *)data, len};
    return weft__stream_writev(stream, &piece, 1);
}

int weft_writev(weft_stream *stream, const struct iovec *pieces, size_t count)
{
    if (WEFT__ELSEWHERE(stream->net->loop->id))
        return weft__elsewhere();
    return weft__stream_writev(stream, pieces, count);
}

void weft__stream_cork(weft_stream *stream)
{
    stream->flags |= WEFT__STREAM_CORKED;
}

int weft__stream_uncork(weft_stream *stream)
{
    bool corked = stream->flags & WEFT__STREAM_CORKED;
    stream->flags &= ~(uint32_t)WEFT__STREAM_CORKED;
    if (stream->write_error || !corked)
        return stream->write_error;
    bool waits = stream->flags & WEFT__STREAM_WRITE_ARMED;
    return weft__buffer_len(&stream->out) && !waits ? flush(stream) : 0;
}

int weft__stream_write_error(const weft_stream *stream)
{
    if (!stream->write_error && stream->flags & WEFT__STREAM_EOF_ASKED)
        return -EPIPE;
    return stream->write_error;
}

size_t weft_write_pending(const weft_stream *stream)
{
    if (WEFT__ELSEWHERE(stream->net->loop->id))
        return 0;
    return weft__buffer_len(&stream->out);
}

/* The filter's last bytes, and then the end. */
static int end_filtered(weft_stream *stream)
{
    int status = stream->filter->ops->shut_down(stream->filter);
    if (status == -EBUSY)
        return status;
    if (status < 0) {
        weft__stream_break(stream, status);
        return status;
    }
    stream->flags |= WEFT__STREAM_EOF_ASKED;
    if (!weft__buffer_len(&stream->out))
        return shut_down(stream);
    weft__stream_push(stream);
    return stream->write_error;
}

int weft_write_eof(weft_stream *stream)
{
    if (WEFT__ELSEWHERE(stream->net->loop->id))
        return weft__elsewhere();
    weft__stream_uncork(stream); /* a failure stays in write_error */
    if (stream->write_error || stream->flags & WEFT__STREAM_EOF_ASKED)
        return stream->write_error;
    if (stream->flags & WEFT__STREAM_SENDING)
        return -EBUSY;
    if (stream->flags & WEFT__STREAM_FILTERED)
        return end_filtered(stream);
    stream->flags |= WEFT__STREAM_EOF_ASKED;
    return weft__buffer_len(&stream->out) ? 0 : shut_down(stream);
}

/* ---- Draining ---- */

static bool cancel_drain(weft_future *future)
{
    weft__stream_op_complete((struct weft__stream_op *)(void *)future, -ECANCELED,
                             weft_value_i64(0), NULL);
    return true;
}

static void explain(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret)
{
    struct weft__stream_op op;
    if (weft__eye_see(eye, &op, at, sizeof(op)))
        weft__explain_stream(eye, op.stream, ret, "to write");
}

WEFT__OPS(drain_ops) = {.name = "drain", .cancel = cancel_drain, .explain = explain};

weft_future *weft_drain(weft_stream *stream)
{
    if (WEFT__ELSEWHERE(stream->net->loop->id))
        return weft__future_elsewhere();
    if (stream->write_error)
        return weft__net_refused(stream->write_error);
    if (!(stream->flags & (WEFT__STREAM_PAUSED | WEFT__STREAM_SENDING))) {
        if (stream->since_pause < FAIR_SHARE)
            return weft_ref(&stream->net->done);
        stream->since_pause = 0;
        return weft_sleep(0);
    }
    if (stream->drainer || stream->sender)
        return weft_future_failed(-EBUSY, "another drain of this stream is under way");
    struct weft__stream_op *op =
        weft__stream_op_new(stream, &stream->drainer, &drain_ops, sizeof(*op));
    return op ? &op->future : weft__future_enomem(stream->net->loop);
}

weft_future *weft__stream_flush(weft_stream *stream)
{
    stream->write_low = 0;
    if (weft__buffer_len(&stream->out))
        stream->flags |= WEFT__STREAM_PAUSED;
    return weft_drain(stream);
}

void weft__stream_break(weft_stream *stream, int status)
{
    struct weft__stream_op *drainer = stream->drainer;
    if (!stream->write_error)
        break_off(stream, status);
    if (stream->sender)
        weft__sending_break(stream, status);
    else if (drainer)
        weft__stream_op_complete(drainer, status, weft_value_i64(0), NULL);
}
