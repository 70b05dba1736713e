/* SPDX-License-Identifier: MIT */
/*
 * Server-sent events (HTML, 9.2): each is put together in one piece of memory and written by one call, so that
 * it is sent whole or not at all.
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

#include "core/memory.h"
#include "net/http/handle.h"

int weft_http_events_start(weft_http_request *request)
{
    if (!WEFT__HTTP_REQUEST(request))
        return weft__http_gone();
    int status = weft_http_add_header(request, "Cache-Control", "no-cache");
    int started = weft_http_start(request, 200, "text/event-stream", WEFT_HTTP_UNKNOWN_LENGTH);
    return started < 0 ? started : status;
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
