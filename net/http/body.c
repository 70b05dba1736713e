/* SPDX-License-Identifier: MIT */
/*
 * The body of a request: read when the handler asks for it, and not before.
 *
 *     UNTOUCHED --the first read--> BEGUN --all of it--> NONE
 *                                         --malformed, too long, too slow, cut off--> FAILED
 *
 * Bytes go from the stream's buffer through the parser into the reader's memory; nothing is kept in
 * between, so that a client that sends faster than the handler reads has to wait.
 *
 * "100 Continue" is sent when a read has to wait for the first byte, if the client waits for it and the
 * head of the answer is not sent yet.
 *
 * Patience: all waits for one body may take body_timeout together, and a second more for each
 * body_rate bytes that have come. What the handler does in between does not count.
 */
#include <errno.h>
#include <string.h>

#include "core/bytes.h"
#include "net/http/server.h"
#include "net/net.h"

enum { FIRST_ROOM = 4096 };

void weft__http_body_begin(weft__http_exchange *request)
{
    const struct weft__http_request *parsed = &request->parser.request;
    bool has_body = parsed->chunked || parsed->content_length;
    request->body = has_body ? WEFT__HTTP_BODY_UNTOUCHED : WEFT__HTTP_BODY_NONE;
    request->body_error = request->body_status = 0;
    request->continued = !parsed->expect_continue;
    request->body_asked = false;
    request->patience = request->server->options.body_timeout;
    request->credit = 0;
}

uint64_t weft__http_body_left(const weft__http_exchange *request)
{
    const struct weft__http_request *parsed = &request->parser.request;
    if (request->body == WEFT__HTTP_BODY_NONE)
        return 0;
    if (parsed->chunked)
        return UINT64_MAX;
    return request->body == WEFT__HTTP_BODY_UNTOUCHED ? parsed->content_length
                                                      : request->parser.body_left;
}

/* ---- Pieces ---- */

static int fail(weft__http_exchange *request, int error, int status)
{
    request->body = WEFT__HTTP_BODY_FAILED;
    request->body_error = error;
    request->body_status = status;
    return error;
}

int weft__http_blame_body(weft__http_exchange *request, int error, int status)
{
    request->body_error = error;
    request->body_status = status;
    return error;
}

/* Time for what has come: whole seconds, so that nothing is lost by rounding. */
static void buy_patience(weft__http_exchange *request, size_t len)
{
    size_t rate = request->server->options.body_rate;
    request->credit += len;
    weft_ns seconds = (weft_ns)(request->credit / rate);
    request->credit %= rate;
    weft_ns most = WEFT_FOREVER - request->patience;
    request->patience += seconds < most / WEFT_S(1) ? WEFT_S(seconds) : 0;
}

/*
 * The next piece of the body, at most `most` bytes, in the stream's buffer: -EINPROGRESS: there is
 * one, and `ret_used` is to be consumed after it was looked at. 0: the body is over. -EAGAIN: wait.
 */
static int next_piece(weft__http_exchange *request, size_t most, struct weft__http_slice *ret,
                      size_t *ret_used)
{
    struct weft__http_parser *parser = &request->parser;
    while (request->body == WEFT__HTTP_BODY_BEGUN) {
        size_t have;
        const char *data = weft__stream_peek(request->stream, &have);
        have = have < most ? have : most;
        switch (weft__http_parser_feed(parser, data, have, ret_used)) {
        case WEFT__HTTP_BODY:
            *ret = parser->body;
            buy_patience(request, parser->body.len);
            return -EINPROGRESS;
        case WEFT__HTTP_DONE:
            weft__stream_consume(request->stream, *ret_used);
            request->body = WEFT__HTTP_BODY_NONE;
            break;
        case WEFT__HTTP_ERROR:
            return fail(request, parser->error_status == 413 ? WEFT_ELIMIT : WEFT_EPROTO,
                        parser->error_status);
        case WEFT__HTTP_NEED_MORE:
        default:
            weft__stream_consume(request->stream, *ret_used);
            if (!*ret_used)
                return -EAGAIN;
        }
    }
    return request->body == WEFT__HTTP_BODY_FAILED ? request->body_error : 0;
}

/* ---- Waiting ---- */

static int send_continue(weft__http_exchange *request)
{
    static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (request->continued || request->answer >= WEFT__HTTP_STREAMING)
        return 0;
    request->continued = true;
    return weft_write(request->stream, line, sizeof(line) - 1);
}

weft_future *weft__http_body_wait(weft__http_exchange *request)
{
    weft_ns now = weft_now();
    request->wait_began = now;
    weft__http_unwatch(request->connection);
    int status = send_continue(request);
    if (status < 0)
        return weft__net_refused(status);
    bool limited = request->patience < WEFT_FOREVER - now;
    return weft__http_wait(request->connection, 0,
                           limited ? now + request->patience : WEFT_FOREVER);
}

int weft__http_body_waited(weft__http_exchange *request, int status)
{
    status = weft__http_waited(request->connection, status);
    request->patience -= weft_now() - request->wait_began;
    if (request->patience < 0)
        request->patience = 0;
    if (status == 0 || status == -ECANCELED || status == -ENOMEM)
        return status;
    if (status == -ETIMEDOUT)
        return fail(request, status, 408);
    return fail(request, status, status == WEFT_EOF ? 400 : 0);
}

int weft__http_body_discard(weft__http_exchange *request)
{
    struct weft__http_slice piece;
    size_t used;
    int status;
    if (request->body == WEFT__HTTP_BODY_UNTOUCHED)
        request->body = WEFT__HTTP_BODY_BEGUN;
    while ((status = next_piece(request, SIZE_MAX, &piece, &used)) == -EINPROGRESS)
        weft__stream_consume(request->stream, used);
    return status;
}

/* ---- Reads ---- */

static weft_future *keep_reader(weft__http_exchange *request, weft_future *read)
{
    weft_unref(request->reader);
    request->reader = NULL;
    if (!weft_is_done(read))
        request->reader = weft_ref(read);
    return read;
}

/* The read is over; the handler may wait for something else now. */
static void end_read(weft__http_exchange *request)
{
    if (request->watched && request->connection->phase == WEFT__HTTP_HANDLING)
        weft__http_watch(request->connection);
}

static weft_future *refuse_read(const weft__http_exchange *request)
{
    if (request->reader && !weft_is_done(request->reader))
        return weft_future_failed(-EBUSY, "another read of this body is under way");
    return NULL;
}

struct http_read {
    WEFT_FRAME;
    weft__http_exchange *request;
    char *buffer;
    size_t size, len;
    int status;
};

/* Fill the buffer with what is there. As next_piece(), but 0 also says that it is full. */
static int fill(struct http_read *self)
{
    struct weft__http_slice piece;
    size_t used;
    int status = 0;
    while (self->len < self->size && (status = next_piece(self->request, self->size - self->len,
                                                          &piece, &used)) == -EINPROGRESS) {
        memcpy(self->buffer + self->len, piece.data, piece.len);
        self->len += piece.len;
        weft__stream_consume(self->request->stream, used);
    }
    return status;
}

static WEFT_ASYNC(http_read)
{
    WEFT_BEGIN;
    if (self->request->body == WEFT__HTTP_BODY_UNTOUCHED) {
        self->request->body = WEFT__HTTP_BODY_BEGUN;
        weft__http_parser_set_body_limit(&self->request->parser, WEFT__HTTP_UNLIMITED);
    }
    while ((self->status = fill(self)) == -EAGAIN && !self->len) {
        WEFT_CATCH(self->status, weft__http_body_wait(self->request));
        self->status = weft__http_body_waited(self->request, self->status);
        end_read(self->request);
        if (self->status < 0)
            WEFT_FAIL(self->status);
    }
    if (self->status < 0 && !self->len)
        WEFT_FAIL(self->status);
    WEFT_RETURN(self->len);
    WEFT_END;
}

weft_future *weft_http_read(weft_http_request *handle, void *buffer, size_t size)
{
    weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    if (!request)
        return weft__http_gone_future();
    weft_future *refused = refuse_read(request);
    if (refused)
        return refused;
    if (!size)
        return weft_future_failed(-EINVAL, "a read of no bytes");
    request->body_asked = true;
    return keep_reader(request,
                       weft_call(http_read, .request = request, .buffer = buffer, .size = size));
}

struct http_read_body {
    WEFT_FRAME;
    weft__http_exchange *request;
    weft_bytes *bytes; /* owned */
    size_t room, used;
    struct weft__http_slice piece;
    int status;
};

static int append(struct http_read_body *self)
{
    size_t len = self->bytes->len;
    size_t need = len + self->piece.len;
    if (need > self->room) {
        size_t room = self->room * 2 > need ? self->room * 2 : need;
        weft_bytes *bytes = weft__bytes_resize(self->bytes, room);
        if (!bytes)
            return fail(self->request, -ENOMEM, 503); /* the parser is past what is not consumed */
        self->bytes = bytes;
        self->room = room;
    }
    memcpy(self->bytes->data + len, self->piece.data, self->piece.len);
    self->bytes->len = need;
    self->bytes->data[need] = 0;
    weft__stream_consume(self->request->stream, self->used);
    return 0;
}

static size_t first_room(const weft__http_exchange *request)
{
    uint64_t left = weft__http_body_left(request);
    return left < FIRST_ROOM ? (size_t)left : FIRST_ROOM;
}

static WEFT_ASYNC(http_read_body)
{
    WEFT_BEGIN;
    self->room = first_room(self->request);
    self->bytes = weft__bytes_resize(NULL, self->room);
    if (!self->bytes)
        WEFT_FAIL(-ENOMEM);
    if (self->request->body == WEFT__HTTP_BODY_UNTOUCHED)
        self->request->body = WEFT__HTTP_BODY_BEGUN;
    while ((self->status = next_piece(self->request, SIZE_MAX, &self->piece, &self->used)) != 0) {
        if (self->status == -EINPROGRESS) {
            self->status = append(self);
        } else if (self->status == -EAGAIN) {
            WEFT_CATCH(self->status, weft__http_body_wait(self->request));
            self->status = weft__http_body_waited(self->request, self->status);
        }
        if (self->status < 0)
            WEFT_FAIL(self->status);
    }
    WEFT_RETURN(self->bytes, weft__bytes_destroy);
    WEFT_FINALLY;
    end_read(self->request);
    if (self->status < 0)
        weft_bytes_free(self->bytes);
    WEFT_END;
}

weft_future *weft_http_read_body(weft_http_request *handle)
{
    weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    if (!request)
        return weft__http_gone_future();
    weft_future *refused = refuse_read(request);
    if (refused)
        return refused;
    if (request->body_asked && request->body != WEFT__HTTP_BODY_FAILED)
        return weft_future_failed(-EALREADY, "a part of the body was read before");
    request->body_asked = true;
    return keep_reader(request, weft_call(http_read_body, .request = request));
}
