/* SPDX-License-Identifier: MIT */
/*
 * Filters: where a stream meets the one that it has, and what the filter may ask of its stream.
 *
 * Bytes that are inside of a filter make no descriptor readable. So after each read that gave some,
 * and when the stream begins to read again, the filter is asked whether it has more, and then the
 * read event is made active by hand: what is left is read in a turn of its own, like what comes from
 * the kernel. A filter that says so and then gives nothing is not asked again until it gives
 * something; it cannot keep the loop busy.
 *
 * What a filter sends while it receives (the steps of a handshake) goes to the kernel right behind
 * that, without a completion: weft__stream_push().
 *
 * A close of a filtered stream sends the filter's goodbye, ends the writing direction, and then waits
 * for the peer's end, dropping what comes, as long as the filter has the patience. A descriptor that is
 * closed with something unread in it resets the connection, and the peer may lose what is on its way.
 *
 * References: the stream owns its filter. It is taken off before the stream's memory goes, and ended
 * after that, since that may call user code.
 */
#include "net/stream/filter.h"

#include <errno.h>
#include <string.h>

#include "core/memory.h"
#include "core/sys.h"
#include "net/net.h"
#include "net/stream/companion.h"
#include "net/stream/stream.h"

/* ---- Reading ---- */

static bool has_more(const struct weft__stream_filter *filter)
{
    return weft__buffer_len(&filter->early) || filter->ops->has_more(filter);
}

static void make_readable(weft_stream *stream)
{
    if (stream->flags & WEFT__STREAM_READ_ARMED)
        event_active(&stream->read_event, EV_READ, 0);
}

void weft__filter_announce(weft_stream *stream)
{
    if (has_more(stream->filter))
        make_readable(stream);
}

ssize_t weft__filter_read(weft_stream *stream, void *buffer, size_t size)
{
    struct weft__stream_filter *filter = stream->filter;
    ssize_t got = filter->ops->receive(filter, buffer, size);
    if (got == 0)
        stream->read_end = WEFT_EOF;
    else if (got < 0 && got != -EAGAIN)
        stream->read_end = (int)got;
    if (got > 0) {
        stream->received += (size_t)got;
        weft__filter_announce(stream);
    }
    weft__stream_push(stream);
    return got > 0 ? got : 0;
}

int weft__filter_starve(weft_stream *stream)
{
    weft__filter_read(stream, NULL, 0);
    return stream->filter->ops->has_more(stream->filter) ? -ENOMEM : 0;
}

static size_t take_early(struct weft__stream_filter *filter, void *buffer, size_t size)
{
    size_t early = weft__buffer_len(&filter->early);
    size_t len = early < size ? early : size;
    memcpy(buffer, weft__buffer_data(&filter->early), len);
    weft__buffer_consume(&filter->early, &filter->stream->net->buffers, len);
    return len;
}

ssize_t weft__companion_filter_receive(struct weft__stream_filter *filter, void *buffer,
                                       size_t size)
{
    if (weft__buffer_len(&filter->early))
        return (ssize_t)take_early(filter, buffer, size);
    ssize_t got = weft__sys.recv(filter->stream->fd, buffer, size, 0);
    if (got >= 0)
        return got;
    return errno == EINTR ? -EAGAIN : -errno;
}

/* ---- What a filter may ask for ---- */

uint32_t weft__companion_stream_loop_id(const weft_stream *stream)
{
    return stream->net->loop->id;
}

int weft__companion_stream_fd(const weft_stream *stream)
{
    return stream->fd;
}

/* 0, or why it can have no filter. */
static int refuse_filter(const weft_stream *stream)
{
    if (stream->flags & WEFT__STREAM_DEAD)
        return -ESHUTDOWN;
    if (stream->flags & WEFT__STREAM_PIPE)
        return -EINVAL;
    if (stream->reader || stream->sender || stream->filter || stream->fds || stream->departures)
        return -EBUSY;
    int status = weft__stream_write_error(stream);
    return status < 0 ? status : stream->read_end;
}

static void lose_patience(void *stream)
{
    weft__stream_finish_closing(stream);
}

void weft__filter_attach(weft_stream *stream, struct weft__stream_filter *filter)
{
    weft_callback_init(&filter->patience, lose_patience, stream);
    filter->stream = stream;
    filter->early = stream->in;
    stream->in = (weft__buffer){0};
    stream->filter = filter;
    weft__filter_announce(stream);
    weft__stream_update_reading(stream);
}

void weft__filter_go_on(struct weft__stream_filter *filter, bool writes)
{
    if (writes)
        weft__stream_make_writable(filter->stream);
    else
        make_readable(filter->stream);
}

int weft__companion_filter_set(weft_stream *stream, struct weft__stream_filter *filter)
{
    int status = refuse_filter(stream);
    if (status < 0)
        return status;
    stream->flags |= WEFT__STREAM_FILTERED;
    weft__filter_attach(stream, filter);
    return 0;
}

struct weft__stream_filter *weft__companion_filter_of(const weft_stream *stream,
                                                      const struct weft__stream_filter_ops *ops)
{
    return stream->filter && stream->filter->ops == ops ? stream->filter : NULL;
}

int weft__companion_filter_send(struct weft__stream_filter *filter, const void *data, size_t len)
{
    weft_stream *stream = filter->stream;
    if (weft__stream_write_error(stream) < 0)
        return 0;
    return weft__buffer_append(&stream->out, &stream->net->buffers, data, len);
}

int weft__companion_filter_push(struct weft__stream_filter *filter)
{
    weft__stream_push(filter->stream);
    return filter->stream->write_error;
}

void weft__companion_filter_wake(struct weft__stream_filter *filter)
{
    make_readable(filter->stream);
}

void weft__companion_filter_fail(struct weft__stream_filter *filter, int status)
{
    weft__stream_fail(filter->stream, status);
}

char *weft__filter_why(const weft_stream *stream, int status)
{
    const struct weft__stream_filter *filter = stream->filter;
    return filter && filter->why && filter->failure == status ? weft__strdup(filter->why) : NULL;
}

/* ---- The end ---- */

bool weft__filter_lingers(weft_stream *stream)
{
    struct weft__stream_filter *filter = stream->filter;
    if (!filter || stream->read_end != WEFT_ECLOSED || filter->close_timeout <= 0)
        return false;
    if (weft_callback_later(&filter->patience, filter->close_timeout) < 0)
        return false;
    stream->read_end = 0;
    weft__stream_update_reading(stream);
    return !stream->read_end;
}

void weft__filter_drop(weft_stream *stream, bool ended)
{
    weft__buffer_fini(&stream->in, &stream->net->buffers);
    if (ended)
        weft__stream_finish_closing(stream);
}

struct weft__stream_filter *weft__filter_take(weft_stream *stream)
{
    struct weft__stream_filter *filter = stream->filter;
    if (!filter)
        return NULL;
    weft_callback_cancel(&filter->patience);
    weft__buffer_fini(&filter->early, &stream->net->buffers);
    filter->stream = NULL;
    stream->filter = NULL;
    stream->flags &= ~(uint32_t)WEFT__STREAM_FILTERED;
    return filter;
}
