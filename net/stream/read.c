/* SPDX-License-Identifier: MIT */
/*
 * Reading: from the socket into the stream's buffer, from the buffer to whoever reads.
 *
 * One recv() for each readiness event, into the room that the buffer has; the event fires again if
 * there is more. An empty buffer holds no memory, so an idle stream costs none; and a large
 * weft_read() that finds it empty gets its bytes from the kernel directly.
 *
 * Backpressure: with read_high bytes in the buffer nothing more is read. If there is more to read then,
 * the event is taken away, and comes back at half of that, or when a read needs more than there is: a line, a separator and weft_read_exactly() may fill the buffer
 * beyond read_high, as far as the limit that the caller gave.
 *
 * A read is tried when it begins and after each recv(). Trying either takes bytes and completes, in
 * one step, or changes nothing.
 *
 * While a read waits, the event only queues it. The recv() is made in its turn, and who waits for it
 * runs right behind: of a thousand connections that are ready each is read and answered while what
 * the kernel and the task keep of it is still in the cache. A cancel before that turn reads at once,
 * and delivers what has come. Without a read, the event fills the buffer.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "core/annotations.h"
#include "core/inspect/eye.h"
#include "core/loop.h"
#include "core/sys.h"
#include "net/net.h"
#include "net/stream/fds.h"
#include "net/stream/filter.h"
#include "net/stream/read.h"

enum {
    DIRECT_READ = 4096, /* a read of at least so much may bypass the buffer */
    MIN_ROOM = 2048     /* with less room than that, move or grow first */
};

/* ---- Trying ---- */

static struct weft__read_end counted(size_t count)
{
    return (struct weft__read_end){.value = weft_value_i64((int64_t)count)};
}

static struct weft__read_end take_into(weft_stream *stream, void *buffer, size_t len)
{
    memcpy(buffer, weft__buffer_data(&stream->in), len);
    weft__buffer_consume(&stream->in, &stream->net->buffers, len);
    return counted(len);
}

static struct weft__read_end try_some(weft_stream *stream, const struct weft__read *read)
{
    size_t have = weft__buffer_len(&stream->in);
    if (have)
        return take_into(stream, read->buffer, have < read->size ? have : read->size);
    return stream->read_end == WEFT_EOF ? counted(0) : weft__read_needs_more(stream);
}

static struct weft__read_end try_exactly(weft_stream *stream, const struct weft__read *read)
{
    if (weft__buffer_len(&stream->in) < read->size)
        return weft__read_needs_more(stream);
    return read->size ? take_into(stream, read->buffer, read->size) : counted(0);
}

static struct weft__read_end try_wait(const weft_stream *stream, const struct weft__read *read)
{
    size_t have = weft__buffer_len(&stream->in);
    bool last = read->kind == WEFT__READ_FILL && stream->read_end == WEFT_EOF;
    return have > read->size || last ? counted(have) : weft__read_needs_more(stream);
}

static struct weft__read_end try_read(weft_stream *stream, struct weft__read *read)
{
    switch (read->kind) {
    case WEFT__READ_SOME:
        return try_some(stream, read);
    case WEFT__READ_EXACTLY:
        return try_exactly(stream, read);
    case WEFT__READ_ALL:
        return weft__read_try_all(stream, read);
    case WEFT__READ_NEXT_LINE:
        return weft__read_try_next_line(stream, read);
    case WEFT__READ_LINE:
    case WEFT__READ_UNTIL:
    case WEFT__READ_UNTIL_ANY:
        return weft__read_try_until(stream, read);
    case WEFT__READ_FD:
        return weft__fds_try(stream);
    case WEFT__READ_WAIT:
    case WEFT__READ_FILL:
    default:
        return try_wait(stream, read);
    }
}

/* ---- The socket ---- */

static struct weft__read *reader_of(const weft_stream *stream)
{
    return (struct weft__read *)(void *)stream->reader;
}

/* How much the buffer may hold now. */
static size_t wanted(const weft_stream *stream)
{
    const struct weft__read *read = reader_of(stream);
    size_t need = read && read->kind != WEFT__READ_SOME ? read->size : 0;
    if (read && read->kind >= WEFT__READ_WAIT && need < SIZE_MAX)
        need++;
    return need > stream->read_high ? need : stream->read_high;
}

static void disarm(weft_stream *stream)
{
    if (stream->flags & WEFT__STREAM_READ_ARMED)
        event_del(&stream->read_event);
    stream->flags &= ~(uint32_t)WEFT__STREAM_READ_ARMED;
}

static void arm(weft_stream *stream)
{
    bool by_hand = stream->flags & WEFT__STREAM_BY_HAND;
    if (!by_hand && weft__sys.event_add(&stream->read_event, NULL) < 0) {
        stream->read_end = errno == ENOMEM ? -ENOMEM : -EIO;
        return;
    }
    stream->flags |= WEFT__STREAM_READ_ARMED;
    if (stream->filter)
        weft__filter_announce(stream);
}

void weft__stream_update_reading(weft_stream *stream)
{
    if (stream->read_end) {
        disarm(stream);
        return;
    }
    if (stream->flags & WEFT__STREAM_READ_ARMED)
        return;
    size_t have = weft__buffer_len(&stream->in);
    size_t most = wanted(stream);
    if (have < most && (stream->reader || have <= most / 2))
        arm(stream);
}

/* There is something to read and no room for it: take the event away, or it would not let us sleep. A
 * buffer that is only full for a moment is not worth that. */
static bool is_full(weft_stream *stream)
{
    if (weft__buffer_len(&stream->in) < wanted(stream))
        return false;
    disarm(stream);
    return true;
}

static ssize_t receive(weft_stream *stream, void *buffer, size_t size)
{
    ssize_t got;
    if (!(stream->flags & (WEFT__STREAM_PIPE | WEFT__STREAM_FILTERED | WEFT__STREAM_FDS)))
        got = weft__sys.recv(stream->fd, buffer, size, MSG_DONTWAIT);
    else if (stream->filter)
        return weft__filter_read(stream, buffer, size);
    else if (stream->flags & WEFT__STREAM_FDS)
        got = weft__fds_receive(stream, buffer, size);
    else
        got = weft__sys.read(stream->fd, buffer, size);
    if (got > 0) {
        stream->received += (size_t)got;
        return got;
    }
    if (got == 0)
        stream->read_end = WEFT_EOF;
    else if (errno != EAGAIN && errno != EINTR)
        stream->read_end = -errno;
    return 0;
}

/* The next read is as large as the traffic is: twice of one that was filled, half after two that were
 * nearly empty, since the last one of a large message often is. */
static void adapt(weft_stream *stream, size_t got, size_t size)
{
    bool little = got <= stream->read_size / 4;
    if (got == size && stream->read_size < WEFT__BUFFER_LARGEST)
        stream->read_size *= 2;
    else if (little && stream->read_little && stream->read_size > WEFT__BUFFER_BASE)
        stream->read_size /= 2;
    stream->read_little = little;
}

static int fill(weft_stream *stream)
{
    weft__buffer *in = &stream->in;
    size_t have = weft__buffer_len(in);
    size_t most = wanted(stream);
    size_t missing = most > have ? most - have : 0;
    size_t least = have ? MIN_ROOM : stream->read_size;
    int status = weft__buffer_reserve(in, &stream->net->buffers, missing < least ? missing : least);
    if (status < 0)
        return status;
    size_t room = weft__buffer_room(in);
    size_t size = room < missing ? room : missing;
    if (size) {
        size_t got = (size_t)receive(stream, in->memory + in->end, size);
        weft__buffer_added(in, got);
        adapt(stream, got, size);
    }
    weft__buffer_trim(in, &stream->net->buffers);
    return 0;
}

static bool reads_directly(const weft_stream *stream)
{
    const struct weft__read *read = reader_of(stream);
    return read && read->kind == WEFT__READ_SOME && read->size >= DIRECT_READ &&
           !weft__buffer_len(&stream->in);
}

static struct weft__read_end receive_directly(weft_stream *stream)
{
    struct weft__read *read = reader_of(stream);
    ssize_t got = receive(stream, read->buffer, read->size);
    return got ? counted((size_t)got) : try_read(stream, read);
}

static struct weft__read_end receive_buffered(weft_stream *stream)
{
    int status = fill(stream);
    if (status < 0) {
        disarm(stream);
        return weft__read_failed(status);
    }
    return try_read(stream, reader_of(stream));
}

/* Read for who waits for it. If that is not -EINPROGRESS, the operation is out of its slot. */
static struct weft__read_end receive_for(struct weft__read *read)
{
    weft_stream *stream = read->op.stream;
    struct weft__read_end outcome =
        reads_directly(stream) ? receive_directly(stream) : receive_buffered(stream);
    if (outcome.status != -EINPROGRESS)
        stream->reader = NULL;
    if (stream->read_end)
        disarm(stream);
    return outcome;
}

static void complete_read(struct weft__read *read, struct weft__read_end outcome)
{
    weft__stream_op_complete(&read->op, outcome.status, outcome.value, outcome.destructor);
}

/* The reader's turn; if there is enough for it, who waits goes on at once. */
static void take_turn(weft__item *item)
{
    struct weft__read *read = WEFT__CONTAINER(item, struct weft__read, item);
    weft_future *future = &read->op.future;
    read->queued = false;
    struct weft__read_end outcome = weft__read_failed(-EINPROGRESS);
    if (weft__is_pending(future))
        outcome = receive_for(read);
    if (outcome.status != -EINPROGRESS) {
        weft__continue_at_once(future);
        complete_read(read, outcome);
    }
    weft_unref(future);
}

WEFT_APART static void read_ahead(weft_stream *stream)
{
    if (is_full(stream))
        return;
    int status = fill(stream);
    if (status < 0 && stream->flags & WEFT__STREAM_FILTERED)
        status = weft__filter_starve(stream);
    bool ended = status < 0 || stream->read_end;
    if (ended)
        disarm(stream);
    if (stream->flags & WEFT__STREAM_CLOSING)
        weft__filter_drop(stream, ended);
}

void weft__stream_on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    weft_stream *stream = arg;
    struct weft__read *read = reader_of(stream);
    stream->net->loop->io++;
    if (!read) {
        read_ahead(stream);
    } else if (!read->queued) {
        read->queued = true;
        weft_ref(&read->op.future);
        weft__schedule(stream->net->loop, &read->item);
    }
}

/* ---- Reads ---- */

/* What had come when the cancel was asked for is delivered. */
static bool cancel_read(weft_future *future)
{
    struct weft__read *read = WEFT__CONTAINER(future, struct weft__read, op.future);
    struct weft__read_end outcome =
        read->queued ? receive_for(read) : weft__read_failed(-EINPROGRESS);
    if (outcome.status != -EINPROGRESS) {
        complete_read(read, outcome);
        return false;
    }
    complete_read(read, weft__read_failed(-ECANCELED));
    return true;
}

static void explain(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret)
{
    struct weft__read read;
    if (!weft__eye_see(eye, &read, at, sizeof(read)))
        return;
    weft__explain_stream(eye, read.op.stream, ret, "to read");
    if (read.queued)
        ret->needs = WEFT__NEEDS_NOTHING;
}

WEFT__OPS(read_ops) = {.name = "read", .cancel = cancel_read, .explain = explain};

/* A read that is under way, with its future; NULL: the future is the failure. */
struct weft__read *weft__read_new(weft_stream *stream, enum weft__read_kind kind, size_t size,
                                  size_t separator, weft_future **ret_future)
{
    if (stream->reader) {
        *ret_future = weft_future_failed(-EBUSY, "another read of this stream is under way");
        return NULL;
    }
    struct weft__read *read =
        weft__stream_op_new(stream, &stream->reader, &read_ops, sizeof(*read) + separator);
    *ret_future = read ? &read->op.future : weft__future_enomem(stream->net->loop);
    if (!read)
        return NULL;
    read->item.run = take_turn;
    read->kind = kind;
    read->size = size;
    return read;
}

weft_future *weft__read_start(weft_stream *stream, struct weft__read *read)
{
    weft_future *future = &read->op.future;
    struct weft__read_end outcome = try_read(stream, read);
    if (outcome.status == -EINPROGRESS)
        stream->since_pause = 0; /* whoever waits lets others run */
    else
        stream->reader = NULL;
    weft__stream_update_reading(stream);
    if (outcome.status == -EINPROGRESS && stream->read_end)
        outcome = weft__read_failed(stream->read_end); /* it could not be armed */
    if (outcome.status != -EINPROGRESS)
        complete_read(read, outcome);
    return future;
}

static weft_future *begin(weft_stream *stream, enum weft__read_kind kind, void *buffer, size_t size)
{
    weft_future *future;
    struct weft__read *read = weft__read_new(stream, kind, size, 0, &future);
    if (!read)
        return future;
    read->buffer = buffer;
    return weft__read_start(stream, read);
}

weft_future *weft_read(weft_stream *stream, void *buffer, size_t size)
{
    if (WEFT__ELSEWHERE(stream->net->loop->id))
        return weft__future_elsewhere();
    if (!size)
        return weft_future_failed(-EINVAL, "a read of no bytes");
    return begin(stream, WEFT__READ_SOME, buffer, size);
}

weft_future *weft_read_exactly(weft_stream *stream, void *buffer, size_t size)
{
    if (WEFT__ELSEWHERE(stream->net->loop->id))
        return weft__future_elsewhere();
    return begin(stream, WEFT__READ_EXACTLY, buffer, size);
}

bool weft_at_eof(const weft_stream *stream)
{
    if (WEFT__ELSEWHERE(stream->net->loop->id))
        return false;
    return stream->read_end == WEFT_EOF && !weft__buffer_len(&stream->in);
}

/* ---- Without copies ---- */

weft_future *weft_fill(weft_stream *stream, size_t have)
{
    if (WEFT__ELSEWHERE(stream->net->loop->id))
        return weft__future_elsewhere();
    return begin(stream, WEFT__READ_FILL, NULL, have);
}

const char *weft_peek(const weft_stream *stream, size_t *ret_len)
{
    *ret_len = 0;
    if (WEFT__ELSEWHERE(stream->net->loop->id))
        return NULL;
    return weft__stream_peek(stream, ret_len);
}

int weft_consume(weft_stream *stream, size_t len)
{
    if (WEFT__ELSEWHERE(stream->net->loop->id))
        return weft__elsewhere();
    if (stream->reader)
        return -EBUSY;
    if (len > weft__buffer_len(&stream->in))
        return -EINVAL;
    weft__stream_consume(stream, len);
    return 0;
}

const char *weft__stream_peek(const weft_stream *stream, size_t *ret_len)
{
    *ret_len = weft__buffer_len(&stream->in);
    return *ret_len ? weft__buffer_data(&stream->in) : NULL;
}

void weft__stream_consume(weft_stream *stream, size_t len)
{
    weft__buffer_consume(&stream->in, &stream->net->buffers, len);
    if (!(stream->flags & WEFT__STREAM_READ_ARMED))
        weft__stream_update_reading(stream);
}

weft_future *weft__stream_wait(weft_stream *stream, size_t have)
{
    return begin(stream, WEFT__READ_WAIT, NULL, have);
}
