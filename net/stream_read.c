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

#include "core/bytes.h"
#include "core/loop.h"
#include "core/sys.h"
#include "net/filter.h"
#include "net/net.h"
#include "net/stream.h"

#define DEFAULT_LINE_LIMIT ((size_t)64 * 1024)

enum {
    DIRECT_READ = 4096, /* a read of at least so much may bypass the buffer */
    MIN_ROOM = 2048     /* with less room than that, move or grow first */
};

enum read_kind { READ_SOME, READ_EXACTLY, READ_LINE, READ_UNTIL, READ_WAIT, READ_FILL };

/* All [loop]. */
struct read_op {
    struct weft__stream_op op; /* first */
    weft__item item;           /* queued: there is something to read */
    bool queued;               /* then it has a reference to the future */
    enum read_kind kind;
    void *buffer; /* SOME, EXACTLY: borrowed */
    size_t size;  /* SOME, EXACTLY: of the buffer; LINE, UNTIL: the limit; WAIT, FILL: how many are
                     known */
    size_t scanned; /* LINE, UNTIL: no separator begins before this */
    size_t separator_len;
    char separator[];
};

/* How a read ends, if it does. */
struct outcome {
    int status; /* -EINPROGRESS: not yet */
    weft_value value;
    weft_destructor *destructor;
};

/* ---- Trying ---- */

static struct outcome failed(int status)
{
    return (struct outcome){.status = status};
}

static struct outcome counted(size_t count)
{
    return (struct outcome){.value = weft_value_i64((int64_t)count)};
}

/* What a read comes to that needs more than there is. */
static struct outcome need_more(const weft_stream *stream)
{
    return failed(stream->read_end ? stream->read_end : -EINPROGRESS);
}

static struct outcome take_into(weft_stream *stream, void *buffer, size_t len)
{
    memcpy(buffer, weft__buffer_data(&stream->in), len);
    weft__buffer_consume(&stream->in, &stream->net->buffers, len);
    return counted(len);
}

static struct outcome take_bytes(weft_stream *stream, size_t len)
{
    weft_bytes *bytes = weft__bytes_new(len);
    if (!bytes)
        return failed(-ENOMEM);
    if (len)
        take_into(stream, bytes->data, len);
    return (struct outcome){.value = weft_value_ptr(bytes), .destructor = weft__bytes_destroy};
}

static struct outcome try_some(weft_stream *stream, const struct read_op *read)
{
    size_t have = weft__buffer_len(&stream->in);
    if (have)
        return take_into(stream, read->buffer, have < read->size ? have : read->size);
    return stream->read_end == WEFT_EOF ? counted(0) : need_more(stream);
}

static struct outcome try_exactly(weft_stream *stream, const struct read_op *read)
{
    if (weft__buffer_len(&stream->in) < read->size)
        return need_more(stream);
    return read->size ? take_into(stream, read->buffer, read->size) : counted(0);
}

/* Where the separator ends, if it is within the limit and there; else 0. */
static size_t find_end(weft_stream *stream, struct read_op *read)
{
    size_t have = weft__buffer_len(&stream->in);
    size_t within = have < read->size ? have : read->size;
    const char *data = weft__buffer_data(&stream->in);
    if (within < read->separator_len || within <= read->scanned)
        return 0;
    const char *found =
        memmem(data + read->scanned, within - read->scanned, read->separator, read->separator_len);
    read->scanned = within - read->separator_len + 1;
    return found ? (size_t)(found - data) + read->separator_len : 0;
}

static struct outcome try_until(weft_stream *stream, struct read_op *read)
{
    size_t end = find_end(stream, read);
    if (end)
        return take_bytes(stream, end);
    size_t have = weft__buffer_len(&stream->in);
    bool last_line = read->kind == READ_LINE && stream->read_end == WEFT_EOF;
    if (last_line && have <= read->size)
        return take_bytes(stream, have);
    if (have >= read->size)
        return failed(WEFT_ELIMIT);
    return need_more(stream);
}

static struct outcome try_wait(const weft_stream *stream, const struct read_op *read)
{
    size_t have = weft__buffer_len(&stream->in);
    bool last = read->kind == READ_FILL && stream->read_end == WEFT_EOF;
    return have > read->size || last ? counted(have) : need_more(stream);
}

static struct outcome try_read(weft_stream *stream, struct read_op *read)
{
    switch (read->kind) {
    case READ_SOME:
        return try_some(stream, read);
    case READ_EXACTLY:
        return try_exactly(stream, read);
    case READ_LINE:
    case READ_UNTIL:
        return try_until(stream, read);
    case READ_WAIT:
    case READ_FILL:
    default:
        return try_wait(stream, read);
    }
}

/* ---- The socket ---- */

static struct read_op *reader_of(const weft_stream *stream)
{
    return (struct read_op *)(void *)stream->reader;
}

/* How much the buffer may hold now. */
static size_t wanted(const weft_stream *stream)
{
    const struct read_op *read = reader_of(stream);
    size_t need = read && read->kind != READ_SOME ? read->size : 0;
    if (read && read->kind >= READ_WAIT && need < SIZE_MAX)
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
    if (weft__sys.event_add(&stream->read_event, NULL) < 0) {
        stream->read_end = errno == ENOMEM ? -ENOMEM : -EIO;
        return;
    }
    stream->flags |= WEFT__STREAM_READ_ARMED;
    if (stream->flags & WEFT__STREAM_FILTERED)
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
    if (!(stream->flags & (WEFT__STREAM_PIPE | WEFT__STREAM_FILTERED)))
        got = weft__sys.recv(stream->fd, buffer, size, 0);
    else if (stream->flags & WEFT__STREAM_PIPE)
        got = weft__sys.read(stream->fd, buffer, size);
    else
        return weft__filter_read(stream, buffer, size);
    if (got > 0)
        return got;
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
    const struct read_op *read = reader_of(stream);
    return read && read->kind == READ_SOME && read->size >= DIRECT_READ &&
           !weft__buffer_len(&stream->in);
}

static struct outcome receive_directly(weft_stream *stream)
{
    struct read_op *read = reader_of(stream);
    ssize_t got = receive(stream, read->buffer, read->size);
    return got ? counted((size_t)got) : try_read(stream, read);
}

static struct outcome receive_buffered(weft_stream *stream)
{
    int status = fill(stream);
    if (status < 0) {
        disarm(stream);
        return failed(status);
    }
    return try_read(stream, reader_of(stream));
}

/* Read for who waits for it. If that is not -EINPROGRESS, the operation is out of its slot. */
static struct outcome receive_for(struct read_op *read)
{
    weft_stream *stream = read->op.stream;
    struct outcome outcome =
        reads_directly(stream) ? receive_directly(stream) : receive_buffered(stream);
    if (outcome.status != -EINPROGRESS)
        stream->reader = NULL;
    if (stream->read_end)
        disarm(stream);
    return outcome;
}

static void complete_read(struct read_op *read, struct outcome outcome)
{
    weft__stream_op_complete(&read->op, outcome.status, outcome.value, outcome.destructor);
}

/* The reader's turn; if there is enough for it, who waits goes on at once. */
static void take_turn(weft__item *item)
{
    struct read_op *read = WEFT__CONTAINER(item, struct read_op, item);
    weft_future *future = &read->op.future;
    read->queued = false;
    struct outcome outcome = failed(-EINPROGRESS);
    if (weft__is_pending(future))
        outcome = receive_for(read);
    if (outcome.status != -EINPROGRESS) {
        weft__continue_at_once(future);
        complete_read(read, outcome);
    }
    weft_unref(future);
}

static void read_ahead(weft_stream *stream)
{
    if (is_full(stream))
        return;
    bool ended = fill(stream) < 0 || stream->read_end;
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
    struct read_op *read = reader_of(stream);
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
    struct read_op *read = WEFT__CONTAINER(future, struct read_op, op.future);
    struct outcome outcome = read->queued ? receive_for(read) : failed(-EINPROGRESS);
    if (outcome.status != -EINPROGRESS) {
        complete_read(read, outcome);
        return false;
    }
    complete_read(read, failed(-ECANCELED));
    return true;
}

static const struct weft__future_ops read_ops = {.name = "read", .cancel = cancel_read};

/* What is to be read until. */
struct separator {
    const void *data;
    size_t len;
};

static const struct separator none = {0};

static weft_future *begin(weft_stream *stream, enum read_kind kind, void *buffer, size_t size,
                          const struct separator *separator)
{
    if (stream->reader)
        return weft_future_failed(-EBUSY, "another read of this stream is under way");
    struct read_op *read =
        weft__stream_op_new(stream, &stream->reader, &read_ops, sizeof(*read) + separator->len);
    if (!read)
        return weft__future_enomem(stream->net->loop);
    weft_future *future = &read->op.future;
    read->item.run = take_turn;
    read->kind = kind;
    read->buffer = buffer;
    read->size = size;
    read->separator_len = separator->len;
    if (separator->len)
        memcpy(read->separator, separator->data, separator->len);

    struct outcome outcome = try_read(stream, read);
    if (outcome.status == -EINPROGRESS)
        stream->since_pause = 0; /* whoever waits lets others run */
    else
        stream->reader = NULL;
    weft__stream_update_reading(stream);
    if (outcome.status == -EINPROGRESS && stream->read_end)
        outcome = failed(stream->read_end); /* it could not be armed */
    if (outcome.status != -EINPROGRESS)
        complete_read(read, outcome);
    return future;
}

weft_future *weft_read(weft_stream *stream, void *buffer, size_t size)
{
    if (WEFT__ELSEWHERE(stream->net->loop->id))
        return weft__future_elsewhere();
    if (!size)
        return weft_future_failed(-EINVAL, "a read of no bytes");
    return begin(stream, READ_SOME, buffer, size, &none);
}

weft_future *weft_read_exactly(weft_stream *stream, void *buffer, size_t size)
{
    if (WEFT__ELSEWHERE(stream->net->loop->id))
        return weft__future_elsewhere();
    return begin(stream, READ_EXACTLY, buffer, size, &none);
}

static weft_future *read_up_to(weft_stream *stream, enum read_kind kind, size_t limit,
                               struct separator separator)
{
    return begin(stream, kind, NULL, limit ? limit : DEFAULT_LINE_LIMIT, &separator);
}

weft_future *weft_read_line(weft_stream *stream, size_t limit)
{
    if (WEFT__ELSEWHERE(stream->net->loop->id))
        return weft__future_elsewhere();
    return read_up_to(stream, READ_LINE, limit, (struct separator){"\n", 1});
}

weft_future *weft_read_until(weft_stream *stream, const void *separator, size_t separator_len,
                             size_t limit)
{
    if (WEFT__ELSEWHERE(stream->net->loop->id))
        return weft__future_elsewhere();
    if (!separator_len)
        return weft_future_failed(-EINVAL, "an empty separator");
    return read_up_to(stream, READ_UNTIL, limit, (struct separator){separator, separator_len});
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
    return begin(stream, READ_FILL, NULL, have, &none);
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
    return begin(stream, READ_WAIT, NULL, have, &none);
}
