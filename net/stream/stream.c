/* SPDX-License-Identifier: MIT */
/*
 * Streams: life and end. net/stream/read.c and net/stream/write.c have the two directions.
 *
 *     OPEN --weft_close(), something to send--> CLOSING --all sent, failure, cancel--> freed
 *     OPEN --weft_close(), nothing to send; weft_stream_free()----------------------> freed
 *     OPEN, CLOSING --the loop ends--> DEAD --weft_stream_free(), the loop is freed--> freed
 *
 * One persistent EV_READ event stays added from the beginning to the end of the input, but while
 * the buffer is full. EV_WRITE is a second event, made and added only after the kernel said EAGAIN. So a
 * request and its response cost one recv() and one sendmsg(), and no epoll_ctl(). The callbacks
 * move bytes and complete futures; what waits for those runs in the tick that follows.
 *
 * Each direction has at most one operation under way, a future in a slot of the stream (`reader`,
 * `drainer`, `closer`) with a reference of the stream's. A cancel completes it at once and leaves
 * the stream as if it had not been there; that is all it takes to lose no byte, since a read moves
 * bytes only in the step that completes it.
 *
 * Completing an operation that nobody holds may report a failure, that is, call user code, which
 * may free the stream. Therefore it is the last thing that is done with a stream, in every
 * function.
 *
 * Failure modes. An error of recv() is kept behind the bytes that came before it (read_end); one of
 * sendmsg() fails all later writes (write_error). Out of memory while reading fails the read under
 * way and stops reading until the next read begins: nothing is lost. Out of memory while buffering
 * what is to be sent fails the write; if a part of it is sent already, the connection has failed.
 */
#include "net/stream/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>
#include <weft/task.h>

#include "core/annotations.h"
#include "core/inspect/eye.h"
#include "core/loop.h"
#include "core/memory.h"
#include "core/sys.h"
#include "net/net.h"
#include "net/stream/fds.h"
#include "net/stream/filter.h"
#include "net/stream/sendfile.h"

#define KIB ((size_t)1024)
#define DEFAULT_READ_HIGH (64 * KIB)
#define DEFAULT_WRITE_HIGH (64 * KIB)
#define DEFAULT_WRITE_LIMIT (1024 * KIB)

/* ---- Limits ---- */

static struct weft_stream_limits with_defaults(const struct weft_stream_limits *limits)
{
    struct weft_stream_limits full = limits ? *limits : (struct weft_stream_limits){0};
    if (!full.read_high)
        full.read_high = DEFAULT_READ_HIGH;
    if (!full.write_high)
        full.write_high = full.write_low > DEFAULT_WRITE_HIGH ? full.write_low : DEFAULT_WRITE_HIGH;
    if (!full.write_low)
        full.write_low = full.write_high / 4;
    if (!full.write_limit)
        full.write_limit =
            full.write_high > DEFAULT_WRITE_LIMIT ? full.write_high : DEFAULT_WRITE_LIMIT;
    return full;
}

int weft__stream_check_limits(const struct weft_stream_limits *limits)
{
    struct weft_stream_limits full = with_defaults(limits);
    if (full.size && full.size != sizeof(full))
        return -EINVAL;
    if (full.write_low > full.write_high || full.write_high > full.write_limit)
        return -EINVAL;
    return 0;
}

static void set_limits(weft_stream *stream, const struct weft_stream_limits *limits)
{
    struct weft_stream_limits full = with_defaults(limits);
    stream->read_high = full.read_high;
    stream->write_high = full.write_high;
    stream->write_low = full.write_low;
    stream->write_limit = full.write_limit;
}

int weft_stream_set_limits(weft_stream *stream, const struct weft_stream_limits *limits)
{
    if (WEFT__ELSEWHERE(stream->net->loop->id))
        return weft__elsewhere();
    int status = weft__stream_check_limits(limits);
    if (status < 0)
        return status;
    set_limits(stream, limits);
    weft__stream_update_reading(stream);
    return 0;
}

/* ---- Making ---- */

static weft_stream *make(struct weft__net *net, int fd, uint32_t flags,
                         const struct weft__address *peer)
{
    size_t peer_size = offsetof(struct weft__address, u) + (peer ? peer->len : 0);
    weft_stream *stream = weft__calloc(1, offsetof(weft_stream, peer) + peer_size);
    if (!stream)
        return NULL;
    if (peer)
        memcpy(&stream->peer, peer, peer_size);
    struct event_base *base = net->loop->base;
    stream->net = net;
    stream->fd = fd;
    stream->flags = flags;
    stream->read_size = WEFT__BUFFER_BASE;
    stream->opened = weft__loop_now(net->loop);
    event_assign(&stream->read_event, base, fd, EV_READ | EV_PERSIST, weft__stream_on_readable,
                 stream);
    return stream;
}

/* Begin to read, and list it. It is freed if that fails. */
static int begin(weft_stream *stream)
{
    weft__stream_update_reading(stream);
    int status = stream->read_end == WEFT_EOF ? 0 : stream->read_end;
    if (status < 0)
        weft__free(stream);
    else
        weft__link_add(&stream->net->streams, &stream->link);
    return status;
}

int weft__stream_open(struct weft__net *net, int fd, const struct weft_stream_limits *limits,
                      const struct weft__address *peer, weft_stream **ret)
{
    weft_stream *stream = make(net, fd, 0, peer);
    if (!stream)
        return -ENOMEM;
    set_limits(stream, limits);
    int status = begin(stream);
    if (status == 0)
        *ret = stream;
    return status;
}

/* What is only written has nothing to read: its end has come; what is only read was ended for
 * writing. */
int weft__stream_open_one_way(struct weft__net *net, int fd, uint32_t kind, bool writes,
                              weft_stream **ret)
{
    weft_stream *stream = make(net, fd, kind | (writes ? 0 : WEFT__STREAM_EOF_ASKED), NULL);
    if (!stream)
        return -ENOMEM;
    set_limits(stream, NULL);
    if (writes)
        stream->read_end = WEFT_EOF;
    int status = begin(stream);
    if (status == 0)
        *ret = stream;
    return status;
}

/* 0 if it is a connected stream socket, now non-blocking and close-on-exec. */
static int adopt(int fd, struct weft__address *ret_peer)
{
    struct sockaddr_storage peer;
    socklen_t len = sizeof(peer);
    int type = 0;
    socklen_t type_len = sizeof(type);
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) < 0)
        return errno == EBADF ? -EBADF : -EINVAL;
    if (type != SOCK_STREAM || getpeername(fd, (struct sockaddr *)&peer, &len) < 0)
        return -EINVAL;
    if (weft__address_set(ret_peer, (struct sockaddr *)&peer, len) < 0)
        return -EINVAL;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return -errno;
    if (ret_peer->u.any.sa_family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return 0;
}

weft_stream *weft_stream_new(int socket)
{
    int status = 0;
    weft_stream *stream = NULL;
    struct weft__address peer;
    struct weft__net *net = weft__net_get(weft__here(), &status);
    if (net)
        status = adopt(socket, &peer);
    if (net && status == 0)
        status = weft__stream_open(net, socket, NULL, &peer, &stream);
    if (status < 0)
        errno = -status;
    return stream;
}

int weft_stream_pair(weft_stream *ret[2])
{
    int status = 0;
    int fds[2];
    weft_stream *streams[2] = {NULL, NULL};
    struct weft__address nobody = {0};
    struct weft__net *net = weft__net_get(weft__here(), &status);
    if (!net)
        return status;
    if (weft__sys.socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0)
        return -errno;
    weft__address_set(&nobody, &(struct sockaddr){.sa_family = AF_UNIX}, sizeof(sa_family_t));
    for (int i = 0; i < 2 && status == 0; i++)
        status = weft__stream_open(net, fds[i], NULL, &nobody, &streams[i]);
    if (status == 0) {
        memcpy(ret, streams, sizeof(streams));
        return 0;
    }
    weft_stream_free(streams[0]); /* the second is not there */
    if (!streams[0])
        close(fds[0]);
    close(fds[1]);
    return status;
}

/* ---- What is known of it ---- */

void weft_stream_get_stats(const weft_stream *stream, struct weft_stream_stats *ret)
{
    *ret = (struct weft_stream_stats){0};
    if (WEFT__ELSEWHERE(stream->net->loop->id))
        return;
    *ret = (struct weft_stream_stats){
        .received = stream->received,
        .written = stream->written,
        .to_read = weft__buffer_len(&stream->in),
        .to_send = weft__buffer_len(&stream->out),
        .opened = stream->opened,
    };
}

static const char *text_of(char **text, const struct weft__address *address)
{
    char buffer[WEFT__ADDRESS_TEXT];
    if (!*text)
        *text = weft__strdup(weft__address_format(address, buffer));
    return *text ? *text : "?";
}

const char *weft_stream_peer(weft_stream *stream)
{
    if (WEFT__ELSEWHERE(stream->net->loop->id))
        return "?";
    return text_of(&stream->peer_text, &stream->peer);
}

const char *weft_stream_local(weft_stream *stream)
{
    if (WEFT__ELSEWHERE(stream->net->loop->id))
        return "?";
    struct weft__address local = {0};
    struct sockaddr_storage from;
    socklen_t len = sizeof(from);
    if (stream->local_text)
        return stream->local_text;
    if (getsockname(stream->fd, (struct sockaddr *)&from, &len) < 0)
        return "?";
    weft__address_set(&local, (struct sockaddr *)&from, len);
    return text_of(&stream->local_text, &local);
}

/* ---- Operations ---- */

void *weft__stream_op_new(weft_stream *stream, struct weft__stream_op **slot,
                          const struct weft__future_ops *ops, size_t size)
{
    struct weft__stream_op *op = weft__future_alloc(stream->net->loop, ops, size, 2);
    if (!op)
        return NULL;
    op->stream = stream;
    op->slot = slot;
    *slot = op;
    return op;
}

WEFT_APART static void fail(struct weft__stream_op *op, int status)
{
    char *why = op->stream ? weft__filter_why(op->stream, status) : NULL;
    weft__complete_failed(&op->future, status, why);
}

void weft__stream_op_complete(struct weft__stream_op *op, int status, weft_value value,
                              weft_destructor *destructor)
{
    *op->slot = NULL;
    if (status < 0)
        fail(op, status);
    else
        weft__complete(&op->future, value, destructor);
    weft_unref(&op->future);
}

/* ---- The end ---- */

void weft__stream_close_fd(weft_stream *stream)
{
    event_del(&stream->read_event);
    if (stream->write_event)
        event_del(stream->write_event);
    close(stream->fd);
    stream->fd = -1;
}

/* What is under way when a stream ends, still to be told. */
struct left {
    struct weft__stream_op *ops[4];
    struct weft__stream_filter *filter;
};

/* Stop the events and close. */
static struct left shut(weft_stream *stream)
{
    struct left left = {{stream->reader, stream->drainer, stream->closer}, NULL};
    left.ops[3] = weft__sending_take(stream);
    left.filter = weft__filter_take(stream);
    stream->reader = stream->drainer = stream->closer = NULL;
    weft__fds_free(stream);
    if (stream->fd < 0)
        return left;
    weft__stream_close_fd(stream);
    weft__buffer_fini(&stream->in, &stream->net->buffers);
    weft__buffer_fini(&stream->out, &stream->net->buffers);
    return left;
}

/* The stream may be gone by now: each op is told a place of its own to clear. */
static void fail_all(struct left *left, int status)
{
    for (size_t i = 0; i < 4; i++) {
        if (left->ops[i]) {
            left->ops[i]->slot = &left->ops[i];
            left->ops[i]->stream = NULL;
        }
    }
    for (size_t i = 0; i < 4; i++) {
        if (left->ops[i])
            weft__stream_op_complete(left->ops[i], status, weft_value_i64(0), NULL);
    }
    if (left->filter)
        left->filter->ops->end(left->filter, status);
}

static void dispose(weft_stream *stream, int status)
{
    struct left left = shut(stream);
    weft__link_remove(&stream->link);
    weft__free(stream->write_event);
    weft_bytes_free(stream->line);
    weft__free(stream->peer_text);
    weft__free(stream->local_text);
    weft__free(stream);
    fail_all(&left, status);
}

void weft__stream_release(weft_stream *stream)
{
    dispose(stream, -ECANCELED);
}

void weft__stream_destroy(weft_stream *stream, int status)
{
    if (stream->connection)
        weft__connection_lost(stream->connection);
    dispose(stream, status);
}

void weft__stream_end(weft_stream *stream)
{
    struct left left = shut(stream);
    stream->flags |= WEFT__STREAM_DEAD;
    stream->read_end = stream->write_error = -ESHUTDOWN;
    fail_all(&left, -ECANCELED);
}

void weft__stream_fail(weft_stream *stream, int status)
{
    struct left left = {{stream->reader, stream->drainer, weft__sending_take(stream)}, NULL};
    stream->reader = stream->drainer = NULL;
    weft__stream_break(stream, status);
    stream->read_end = stream->read_end ? stream->read_end : status;
    weft__stream_update_reading(stream);
    if (stream->flags & WEFT__STREAM_CLOSING)
        weft__stream_finish_closing(stream);
    fail_all(&left, status);
}

void weft_stream_free(weft_stream *stream)
{
    if (stream && WEFT__ELSEWHERE(stream->net->loop->id))
        return;
    if (stream)
        weft__stream_destroy(stream, WEFT_ECLOSED);
}

void weft_stream_abort(weft_stream *stream)
{
    struct linger at_once = {.l_onoff = 1};
    if (stream && WEFT__ELSEWHERE(stream->net->loop->id))
        return;
    if (stream && stream->fd >= 0)
        setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    if (stream)
        weft__stream_destroy(stream, WEFT_ECLOSED);
}

static bool cancel_close(weft_future *future)
{
    struct weft__stream_op *op = (struct weft__stream_op *)(void *)future;
    weft__stream_destroy(op->stream, -ECANCELED);
    return true;
}

/* The memory of a stream ends in the midst of its last member. */
void weft__explain_stream(struct weft__eye *eye, const weft_stream *at, struct weft__waiting *ret,
                          const char *direction)
{
    weft_stream copy;
    ret->needs = WEFT__NEEDS_WORLD;
    if (!weft__eye_see(eye, &copy, at, offsetof(weft_stream, peer)))
        return;
    ret->resource = at;
    weft__explain_fd(eye, ret, copy.fd, direction);
    size_t left = copy.out.end - copy.out.start;
    weft__waiting_number(ret, "received", copy.received);
    weft__waiting_number(ret, "written", copy.written);
    if (left > 0)
        weft__waiting_number(ret, "unsent", left);
}

static void explain(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret)
{
    struct weft__stream_op op;
    if (weft__eye_see(eye, &op, at, sizeof(op)))
        weft__explain_stream(eye, op.stream, ret, "to write what is left");
}

WEFT__OPS(close_ops) = {.name = "close", .cancel = cancel_close, .explain = explain};

void weft__stream_finish_closing(weft_stream *stream)
{
    struct weft__stream_op *closer = stream->closer;
    int status = stream->write_error;
    stream->closer = NULL;
    weft__stream_destroy(stream, WEFT_ECLOSED);
    if (closer) {
        closer->slot = &closer;
        closer->stream = NULL;
        weft__stream_op_complete(closer, status, weft_value_i64(0), NULL);
    }
}

/* Nothing is read any more, and nobody but close() waits for anything. */
static void stop_using(weft_stream *stream)
{
    struct weft__stream_op *reader = stream->reader;
    struct weft__stream_op *drainer = stream->drainer;
    stream->flags |= WEFT__STREAM_CLOSING;
    stream->read_end = stream->read_end ? stream->read_end : WEFT_ECLOSED;
    weft__stream_update_reading(stream);
    weft__buffer_fini(&stream->in, &stream->net->buffers);
    if (reader)
        weft__stream_op_complete(reader, WEFT_ECLOSED, weft_value_i64(0), NULL);
    if (drainer)
        weft__stream_op_complete(drainer, WEFT_ECLOSED, weft_value_i64(0), NULL);
}

static weft_future *close_now(weft_stream *stream, int status)
{
    struct weft__net *net = stream->net;
    weft__stream_destroy(stream, WEFT_ECLOSED);
    return status < 0 ? weft__net_refused(status) : weft_ref(&net->done);
}

static weft_future *nothing_to_close(void)
{
    int status = 0;
    struct weft__net *net = weft__net_get(weft__here(), &status);
    return net ? weft_ref(&net->done) : weft__net_refused(status);
}

static void fail_sender(weft_stream *stream)
{
    struct left left = {{weft__sending_take(stream)}, NULL};
    fail_all(&left, WEFT_ECLOSED);
}

weft_future *weft_close(weft_stream *stream)
{
    if (stream && WEFT__ELSEWHERE(stream->net->loop->id))
        return weft__future_elsewhere();
    if (!stream)
        return nothing_to_close();
    if (stream->flags & WEFT__STREAM_DEAD)
        return close_now(stream, 0);
    fail_sender(stream);
    weft__stream_uncork(stream); /* a failure stays in write_error */
    bool filtered = stream->flags & WEFT__STREAM_FILTERED;
    if (filtered)
        weft_write_eof(stream); /* the same */
    if (stream->write_error || (!filtered && !weft__buffer_len(&stream->out)))
        return close_now(stream, stream->write_error);
    struct weft__stream_op *op =
        weft__stream_op_new(stream, &stream->closer, &close_ops, sizeof(*op));
    if (!op)
        return close_now(stream, -ENOMEM);
    stop_using(stream);
    if (!weft__buffer_len(&stream->out) && !weft__filter_lingers(stream))
        weft__stream_finish_closing(stream);
    return &op->future;
}
