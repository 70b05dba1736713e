/* SPDX-License-Identifier: MIT */
/*
 * Server-sent events (HTML, 9.2): each is put together in one piece of memory and written by one call, so that
 * it is sent whole or not at all.
 *
 * The heartbeat is a timer beside the handler, which goes for as long as the answer does:
 *
 *     nothing waits to be sent   -> a comment is written
 *     something waits            -> the client has yet to read that: a comment would say nothing more
 *     nothing that was sent has arrived since the beat before, for write_timeout -> the client is dead
 *
 * A write succeeds as long as the kernel has room, whoever is at the other end. So it is the kernel that is
 * asked what has arrived: a client whose plug was pulled is found after write_timeout and a beat or two, where
 * TCP itself gives up after a quarter of an hour. Its connection is broken and the handler cancelled, as by a
 * client that closes.
 *
 * What ends a line ends it in all three ways that clients know, or a text with a bare CR would forge fields
 * of its own. Ids and types that would need a second line are refused. A NUL cannot come in: these are texts
 * of C.
 */
#include <weft/http_events.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "core/memory.h"
#include "net/http/server.h"

/* ---- The heartbeat ---- */

/** All fields are [loop]. */
struct weft__http_heartbeat {
    struct weft_callback timer;
    weft_http_request *handle;    /* [const] */
    weft__http_exchange *request; /* [const] */
    weft_ns interval;             /* [const] */
    bool exact;                   /* [const] `sent` counts bytes, and nothing else */
    int64_t sent, written;        /* as they were after the last beat */
    weft_ns moved; /* the last beat at which it had grown, or nothing was on its way */
};

/* Is nothing arriving any more? */
static bool is_stuck(struct weft__http_heartbeat *beat)
{
    const weft__http_connection *connection = beat->request->connection;
    int64_t sent = weft__http_sent(connection);
    weft_ns now = weft_now();
    int64_t written = beat->request->written;
    if (sent > beat->sent || sent == written || (!beat->exact && written != beat->written))
        beat->moved = now;
    return now - beat->moved >= connection->server->options.write_timeout;
}

static void on_beat(void *arg)
{
    struct weft__http_heartbeat *beat = arg;
    weft__http_exchange *request = beat->request;
    if (request->answer != WEFT__HTTP_STARTED && request->answer != WEFT__HTTP_STREAMING)
        return;
    if (is_stuck(beat))
        weft__stream_break(request->stream, -ETIMEDOUT);
    else if (!weft_write_pending(request->stream))
        weft_http_event_comment(beat->handle, ""); /* if it fails for good, the stream knows */
    beat->sent = weft__http_sent(request->connection);
    beat->written = request->written;
    if (weft__stream_write_error(request->stream))
        weft__http_client_is_gone(request->connection);
    else if (weft_callback_later(&beat->timer, beat->interval) < 0)
        return; /* no memory, no heartbeat: better than to end a connection that is well */
}

/* A Unix socket says how much memory waits: what is added there hides what was read. */
static bool counts_bytes(const weft_stream *stream)
{
    int domain = AF_UNIX;
    socklen_t size = sizeof(domain);
    getsockopt(stream->fd, SOL_SOCKET, SO_DOMAIN, &domain, &size);
    return domain != AF_UNIX;
}

static int begin_heartbeat(weft__http_exchange *request, weft_http_request *handle,
                           weft_ns interval)
{
    struct weft__http_heartbeat *beat = weft__calloc(1, sizeof(*beat));
    if (!beat)
        return -ENOMEM;
    beat->handle = handle;
    beat->request = request;
    beat->interval = interval;
    beat->moved = weft_now();
    beat->exact = counts_bytes(request->stream);
    weft_callback_init(&beat->timer, on_beat, beat);
    int status = weft_callback_later(&beat->timer, interval);
    if (status < 0)
        weft__free(beat);
    else
        request->heartbeat = beat;
    return status;
}

void weft__http_events_end(weft__http_exchange *request)
{
    if (!request->heartbeat)
        return;
    weft_callback_cancel(&request->heartbeat->timer);
    weft__free(request->heartbeat);
    request->heartbeat = NULL;
}

/* ---- The answer ---- */

static int start(weft__http_exchange *request, weft_http_request *handle, weft_ns heartbeat)
{
    int added = weft_http_add_header(handle, "Cache-Control", "no-cache");
    int status = weft_http_start(handle, 200, "text/event-stream", WEFT_HTTP_UNKNOWN_LENGTH);
    if (status == 0 && heartbeat < WEFT_FOREVER)
        status = begin_heartbeat(request, handle, heartbeat);
    return status < 0 ? status : added;
}

/* Nothing of it was sent: the server's answer may take its place. */
static void take_back(weft__http_exchange *request)
{
    weft__http_events_end(request);
    if (request->answer == WEFT__HTTP_STARTED && !weft__stream_write_error(request->stream))
        request->answer = WEFT__HTTP_NOT_STARTED;
}

int weft_http_events_start_with(weft_http_request *handle,
                                const struct weft_http_events_options *options)
{
    static const struct weft_http_events_options defaults = {.size = 0};
    weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    if (!request)
        return weft__http_gone();
    options = options ? options : &defaults;
    if ((options->size && options->size != sizeof(*options)) || options->heartbeat < 0 ||
        options->retry < 0)
        return -EINVAL;
    bool is_first = request->answer == WEFT__HTTP_NO_ANSWER;
    int status = start(request, handle, options->heartbeat ? options->heartbeat : WEFT_S(15));
    if (status == 0 && options->retry)
        status = weft_http_event_send(handle, &(struct weft_http_event){.retry = options->retry});
    if (status < 0 && is_first)
        take_back(request);
    return status;
}

int weft_http_events_start(weft_http_request *handle)
{
    return WEFT__HTTP_REQUEST(handle) ? weft_http_events_start_with(handle, NULL)
                                      : weft__http_gone();
}

const char *weft_http_events_last_id(const weft_http_request *request)
{
    if (!WEFT__HTTP_REQUEST(request))
        return NULL;
    const char *id = weft_http_request_header(request, "Last-Event-ID");
    return id && *id ? id : NULL;
}

static bool is_line(const char *text)
{
    return !text || !text[strcspn(text, "\r\n")];
}

/* ---- One piece of memory: measured, then written ---- */

struct piece {
    char *to; /* NULL: only measure */
    size_t len;
};

static void add(struct piece *piece, const char *text, size_t len)
{
    if (piece->to && len)
        memcpy(piece->to + piece->len, text, len);
    piece->len += len;
}

static void add_field(struct piece *piece, const char *name, const char *value, size_t len)
{
    add(piece, name, strlen(name));
    add(piece, value, len);
    add(piece, "\n", 1);
}

static void add_data(struct piece *piece, const char *data)
{
    for (;;) {
        size_t len = strcspn(data, "\r\n");
        add_field(piece, "data: ", data, len);
        data += len;
        if (!*data)
            return;
        data += data[0] == '\r' && data[1] == '\n' ? 2 : 1;
    }
}

static void add_event(struct piece *piece, const struct weft_http_event *event)
{
    char retry[24];
    if (event->id)
        add_field(piece, "id: ", event->id, strlen(event->id));
    if (event->event)
        add_field(piece, "event: ", event->event, strlen(event->event));
    if (event->retry) {
        int len = snprintf(retry, sizeof(retry), "%lld", (long long)(event->retry / WEFT_MS(1)));
        add_field(piece, "retry: ", retry, (size_t)len);
    }
    if (event->data)
        add_data(piece, event->data);
    add(piece, "\n", 1);
}

int weft_http_event_send(weft_http_request *request, const struct weft_http_event *event)
{
    if (!WEFT__HTTP_REQUEST(request))
        return weft__http_gone();
    bool is_empty = !event->id && !event->event && !event->data && !event->retry;
    if (is_empty || event->retry < 0 || !is_line(event->id) || !is_line(event->event))
        return -EINVAL;
    struct piece piece = {.to = NULL};
    add_event(&piece, event);
    piece.to = weft__malloc(piece.len);
    if (!piece.to)
        return -ENOMEM;
    piece.len = 0;
    add_event(&piece, event);
    int status = weft_http_write(request, piece.to, piece.len);
    weft__free(piece.to);
    return status;
}

int weft_http_event_comment(weft_http_request *request, const char *text)
{
    if (!WEFT__HTTP_REQUEST(request))
        return weft__http_gone();
    if (!is_line(text))
        return -EINVAL;
    size_t len = text ? strlen(text) : 0;
    char *line = weft__malloc(len + 4);
    if (!line)
        return -ENOMEM;
    struct piece piece = {.to = line};
    add_field(&piece, ": ", text, len);
    add(&piece, "\n", 1);
    int status = weft_http_write(request, line, piece.len);
    weft__free(line);
    return status;
}
