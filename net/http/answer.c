/* SPDX-License-Identifier: MIT */
/*
 * The answer: its head, how its body is framed, and that no more than that is sent.
 *
 *     NO_ANSWER --respond--> ANSWERED
 *     NO_ANSWER --start--> STARTED --write, drain--> STREAMING --end--> ANSWERED
 *     NO_ANSWER --start fails--> NOT_STARTED    STREAMING --end, but less than promised--> BROKEN
 *     NO_ANSWER --upgrade.c--> UPGRADED --the handler's end--> ANSWERED
 *
 * The head is put together when something is sent, on the stack, and goes out with the first piece of
 * the body by one system call. Only then is it decided whether the connection goes on: not if the
 * client or the handler said so, if the server stops, after max_requests, if the length is told by the
 * end of the connection, or if so much of the request's body is unread that it is not worth reading.
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#include "core/memory.h"
#include "core/text.h"
#include "net/http/coding/coding.h"
#include "net/http/parser/date.h"
#include "net/http/server.h"
#include "net/net.h"

enum {
    SHORT = 64,            /* longer texts are not copied */
    SMALL_HEAD = 512,      /* enough for all the short ones of a head, and of a chunk */
    MAX_PIECES = 24,       /* of a head and what follows it; there are at most 9 long texts */
    MAX_UNREAD = 64 * 1024 /* a rest of the request's body worth reading to keep the connection */
};

/* ---- A head under construction: short texts are copied together, long ones are pieces ---- */

struct head {
    char small[SMALL_HEAD];
    size_t len;   /* of what is used of `small` */
    size_t begin; /* where the current piece of it begins */
    struct iovec pieces[MAX_PIECES];
    size_t count;
};

static void end_piece(struct head *head)
{
    if (head->len > head->begin)
        head->pieces[head->count++] =
            (struct iovec){head->small + head->begin, head->len - head->begin};
    head->begin = head->len;
}

static void add(struct head *head, const char *text, size_t len)
{
    if (!len)
        return;
    if (len <= SHORT) {
        assert(len <= sizeof(head->small) - head->len);
        memcpy(head->small + head->len, text, len);
        head->len += len;
        return;
    }
    end_piece(head);
    head->pieces[head->count++] = (struct iovec){(void *)text, len};
}

static void add_text(struct head *head, const char *text)
{
    add(head, text, strlen(text));
}

/* The same, of a literal. */
#define ADD(head, literal) add(head, literal, sizeof(literal) - 1)

static void add_number(struct head *head, uint64_t number)
{
    char digits[20];
    size_t at = sizeof(digits);
    do
        digits[--at] = (char)('0' + number % 10);
    while (number /= 10);
    add(head, digits + at, sizeof(digits) - at);
}

/* ---- What a head says ---- */

#define OK_LINE "HTTP/1.1 200 OK\r\n"

enum {
    OK_LEN = sizeof(OK_LINE) - 1,
    DATE_LEN = sizeof("Date: Fri, 20 Nov 2026 11:40:15 GMT\r\n") - 1
};

/* The line of a success and that of the date, which is behind it in memory. */
static const char *ok_and_date(weft_http_server *server)
{
    char date[WEFT__HTTP_DATE];
    time_t now = time(NULL);
    if (now == server->date_second)
        return server->ok_and_date;
    weft__http_format_date(now, date);
    snprintf(server->ok_and_date, sizeof(server->ok_and_date), OK_LINE "Date: %s\r\n", date);
    server->date_second = now;
    return server->ok_and_date;
}

static bool is_bodiless(const weft__http_exchange *request, int status)
{
    return request->parser.request.method_id == WEFT__HTTP_METHOD_HEAD || status == 204 ||
           status == 304;
}

static bool too_much_is_unread(const weft__http_exchange *request)
{
    if (request->body == WEFT__HTTP_BODY_NONE)
        return false;
    if (request->body == WEFT__HTTP_BODY_FAILED)
        return true;
    return !request->continued || weft__http_body_left(request) > MAX_UNREAD;
}

static bool must_close(const weft__http_exchange *request)
{
    const weft_http_server *server = request->server;
    size_t most = server->options.max_requests;
    return request->close || !request->parser.request.keep_alive || server->stopping ||
           (most && request->connection->served >= most) || too_much_is_unread(request);
}

static void add_connection(struct head *head, weft__http_exchange *request)
{
    request->close = must_close(request);
    if (request->close)
        ADD(head, "Connection: close\r\n");
    else if (request->parser.request.minor_version == 0)
        ADD(head, "Connection: keep-alive\r\n");
}

static void add_framing(struct head *head, weft__http_exchange *request)
{
    if (request->status == 204 || request->status == 304)
        return;
    if (request->length >= 0) {
        ADD(head, "Content-Length: ");
        add_number(head, (uint64_t)request->length);
        ADD(head, "\r\n");
    } else if (request->chunked) {
        ADD(head, "Transfer-Encoding: chunked\r\n");
    }
}

static void add_status(struct head *head, int status)
{
    ADD(head, "HTTP/1.1 ");
    add_number(head, (uint64_t)status);
    ADD(head, " ");
    add_text(head, weft__http_status_text(status));
    ADD(head, "\r\n");
}

static void add_head(struct head *head, weft__http_exchange *request, const char *content_type)
{
    weft_http_server *server = request->server;
    const char *first = ok_and_date(server);
    if (request->status == 200 && !request->has_date) {
        add(head, first, OK_LEN + DATE_LEN);
    } else {
        add_status(head, request->status);
        add(head, first + OK_LEN, request->has_date ? 0 : DATE_LEN);
    }
    if (server->server_line && !request->has_server)
        add_text(head, server->server_line);
    if (content_type) {
        ADD(head, "Content-Type: ");
        add_text(head, content_type);
        ADD(head, "\r\n");
    }
    add_framing(head, request);
    add_connection(head, request);
    add(head, request->headers.text, request->headers.len);
    ADD(head, "\r\n");
}

/* ---- Sending ---- */

static void begin_head(struct head *head)
{
    head->len = head->begin = head->count = 0;
}

static int send_all(weft__http_exchange *request, struct head *head)
{
    end_piece(head);
    int status = weft__stream_writev(request->stream, head->pieces, head->count);
    for (size_t i = 0; status == 0 && i < head->count; i++)
        request->written += (int64_t)head->pieces[i].iov_len;
    return status;
}

/* The head of an answer that was started, in front of what is sent next. */
static void add_started_head(struct head *head, weft__http_exchange *request)
{
    begin_head(head);
    if (request->answer != WEFT__HTTP_STARTED)
        return;
    add_head(head, request, NULL);
    request->answer = WEFT__HTTP_STREAMING;
}

/* The end of a connection is no news to who drops the future: nobody need hear of it. */
weft_future *weft__http_failed(const weft__http_exchange *request, int status)
{
    weft_future *future = weft__net_refused(status);
    if (status == weft__stream_write_error(request->stream))
        weft__observe(future);
    return future;
}

weft_future *weft__http_drain(weft__http_exchange *request)
{
    int status = weft__stream_write_error(request->stream);
    if (status < 0)
        return weft__http_failed(request, status);
    weft_future *future = weft_drain(request->stream);
    if (weft_is_done(future)) {
        if (future->status == -EBUSY)
            weft__observe(future); /* an end that is dropped: another one waits already */
        return future;
    }
    if (!request->draining || weft_is_done(request->draining)) {
        weft_unref(request->draining);
        request->draining = weft_ref(future);
    }
    if (weft_write_pending(request->stream))
        weft__http_limit_write(request->connection);
    return future;
}

static weft_future *drain(weft__http_exchange *request)
{
    return request->coder ? weft__http_coded_drain(request) : weft__http_drain(request);
}

int weft__http_send_head(weft__http_exchange *request)
{
    struct head head;
    if (request->answer != WEFT__HTTP_STARTED)
        return 0;
    add_started_head(&head, request);
    int status = send_all(request, &head);
    if (status < 0)
        request->answer = WEFT__HTTP_STARTED;
    return status;
}

weft_future *weft_http_drain(weft_http_request *handle)
{
    weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    if (!request)
        return weft__http_gone_future();
    if (request->answer == WEFT__HTTP_NO_ANSWER || request->answer == WEFT__HTTP_NOT_STARTED ||
        request->answer == WEFT__HTTP_BROKEN)
        return weft__http_failed(request, -EINVAL);
    int status = weft__http_send_head(request);
    return status < 0 ? weft__http_failed(request, status) : drain(request);
}

/* ---- In one piece ---- */

static int check_answer(const weft__http_exchange *request, int status, const char *content_type)
{
    if (request->answer != WEFT__HTTP_NO_ANSWER)
        return -EALREADY;
    if (status < 200 || status > 599 ||
        (content_type && weft__http_has_control(content_type, strlen(content_type))))
        return -EINVAL;
    return 0;
}

static weft_future *respond(weft__http_exchange *request, int status, const char *content_type,
                            const void *data, size_t len)
{
    int refused = check_answer(request, status, content_type);
    if (refused < 0)
        return weft__http_failed(request, refused);
    struct head head;
    request->answer = WEFT__HTTP_ANSWERED;
    request->status = status;
    request->length = (int64_t)len;
    request->bodiless = is_bodiless(request, status);
    if (request->encoding.codec) {
        weft_future *coded = weft__http_code_whole(request, content_type, data, len);
        if (coded)
            return coded;
    }
    begin_head(&head);
    add_head(&head, request, content_type);
    if (!request->bodiless)
        add(&head, data, len);
    int sent = send_all(request, &head);
    if (sent == 0)
        return weft__http_drain(request);
    request->answer = WEFT__HTTP_BROKEN;
    return weft__http_failed(request, sent);
}

weft_future *weft_http_respond(weft_http_request *handle, int status, const char *content_type,
                               const void *data, size_t len)
{
    weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    return request ? respond(request, status, content_type, data, len) : weft__http_gone_future();
}

weft_future *weft_http_respondf(weft_http_request *handle, int status, const char *content_type,
                                const char *format, ...)
{
    weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    if (!request)
        return weft__http_gone_future();
    char small[1024];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(small, sizeof(small), format, args);
    va_end(args);
    if (len < 0)
        return weft__http_failed(request, -EINVAL);
    if ((size_t)len < sizeof(small))
        return respond(request, status, content_type, small, (size_t)len);
    va_start(args, format);
    char *text = weft__vformat(format, args);
    va_end(args);
    if (!text)
        return weft__http_failed(request, -ENOMEM);
    weft_future *future = respond(request, status, content_type, text, (size_t)len);
    weft__free(text);
    return future;
}

weft_future *weft__http_respond_status(weft__http_exchange *request, int status, const char *reason)
{
    char text[256];
    if (status == 204)
        return respond(request, status, NULL, NULL, 0);
    int len = snprintf(text, sizeof(text), "%d %s%s%s\n", status, weft__http_status_text(status),
                       reason ? ": " : "", reason ? reason : "");
    return respond(request, status, "text/plain", text, (size_t)len);
}

weft_future *weft_http_respond_status(weft_http_request *handle, int status)
{
    weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    return request ? weft__http_respond_status(request, status, NULL) : weft__http_gone_future();
}

/* ---- In pieces ---- */

/* How a client sees where the body ends. */
void weft__http_frame(weft__http_exchange *request, int64_t length)
{
    bool by_end = length < 0 && request->parser.request.minor_version == 0;
    request->length = length;
    request->chunked = length < 0 && !by_end;
    if (by_end && !request->bodiless)
        request->close = true;
}

static int start(weft__http_exchange *request, int status, const char *content_type, int64_t length)
{
    if (length < WEFT_HTTP_UNKNOWN_LENGTH)
        return -EINVAL;
    int failure =
        content_type ? weft__http_add_line(&request->headers, "Content-Type", content_type) : 0;
    if (failure < 0)
        return failure;
    request->status = status;
    request->bodiless = is_bodiless(request, status);
    weft__http_frame(request, length);
    if (request->encoding.codec)
        weft__http_code_stream(request, content_type);
    return 0;
}

int weft_http_start(weft_http_request *handle, int status, const char *content_type, int64_t length)
{
    weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    if (!request)
        return weft__http_gone();
    int failure = check_answer(request, status, content_type);
    if (failure == -EALREADY)
        return failure;
    if (failure == 0)
        failure = start(request, status, content_type, length);
    request->answer = failure < 0 ? WEFT__HTTP_NOT_STARTED : WEFT__HTTP_STARTED;
    return failure;
}

static void add_piece(struct head *head, const weft__http_exchange *request, char size[24],
                      const void *data, size_t len)
{
    if (request->bodiless)
        return;
    if (request->chunked)
        add(head, size, (size_t)snprintf(size, 24, "%zx\r\n", len));
    add(head, data, len);
    if (request->chunked)
        ADD(head, "\r\n");
}

int weft_http_write(weft_http_request *handle, const void *data, size_t len)
{
    weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    if (!request)
        return weft__http_gone();
    if (request->answer != WEFT__HTTP_STARTED && request->answer != WEFT__HTTP_STREAMING)
        return -EINVAL;
    if (request->coder)
        return weft__http_coded_write(request, data, len);
    if (request->length >= 0 && len > (uint64_t)request->length)
        return WEFT_ELIMIT;
    if (!len)
        return 0;
    struct head head;
    enum weft__http_answer_state before = request->answer;
    char size[24];
    add_started_head(&head, request);
    add_piece(&head, request, size, data, len);
    int status = send_all(request, &head);
    if (status < 0)
        request->answer = before;
    else if (request->length >= 0)
        request->length -= (int64_t)len;
    return status;
}

/* What ends an answer is a few bytes, and no reason to break off, however much waits. */
static int send_end(weft__http_exchange *request, struct head *head)
{
    size_t limit = request->stream->write_limit;
    request->stream->write_limit = SIZE_MAX;
    int status = send_all(request, head);
    request->stream->write_limit = limit;
    return status;
}

static void end_chunks(struct head *head, const weft__http_exchange *request)
{
    ADD(head, "0\r\n");
    add(head, request->trailers.text, request->trailers.len);
    ADD(head, "\r\n");
}

int weft__http_send_piece(weft__http_exchange *request, const void *data, size_t len, bool last)
{
    struct head head;
    char size[24];
    add_started_head(&head, request);
    if (len)
        add_piece(&head, request, size, data, len);
    if (last && request->chunked && !request->bodiless)
        end_chunks(&head, request);
    return send_end(request, &head);
}

static int end(weft__http_exchange *request)
{
    if (request->coder)
        return weft__http_coded_end(request);
    if (request->length > 0 && !request->bodiless)
        return WEFT_EPROTO;
    return weft__http_send_piece(request, NULL, 0, true);
}

weft_future *weft__http_end(weft__http_exchange *request)
{
    if (request->answer == WEFT__HTTP_ANSWERED)
        return drain(request);
    if (request->answer != WEFT__HTTP_STARTED && request->answer != WEFT__HTTP_STREAMING)
        return weft__http_failed(request, -EINVAL);
    int status = end(request);
    request->answer = status < 0 ? WEFT__HTTP_BROKEN : WEFT__HTTP_ANSWERED;
    return status < 0 ? weft__http_failed(request, status) : drain(request);
}

weft_future *weft_http_end(weft_http_request *handle)
{
    weft__http_exchange *request = WEFT__HTTP_REQUEST(handle);
    return request ? weft__http_end(request) : weft__http_gone_future();
}

/* ---- The server's side ---- */

int weft__http_switch(weft__http_exchange *request, const char *protocol)
{
    struct head head;
    begin_head(&head);
    request->status = 101;
    add_status(&head, 101);
    add(&head, ok_and_date(request->server) + OK_LEN, request->has_date ? 0 : DATE_LEN);
    ADD(&head, "Connection: Upgrade\r\nUpgrade: ");
    add_text(&head, protocol);
    ADD(&head, "\r\n");
    add(&head, request->headers.text, request->headers.len);
    ADD(&head, "\r\n");
    return send_all(request, &head);
}

void weft__http_answer_again(weft__http_exchange *request)
{
    request->answer = WEFT__HTTP_NO_ANSWER;
    request->status = 0;
    request->close = request->bodiless = request->chunked = false;
    request->has_date = request->kept.has_date;
    request->has_server = request->kept.has_server;
    request->length = 0;
    request->headers.len = request->kept.len;
    request->trailers.len = 0;
}

void weft__http_answer_begin(weft__http_exchange *request)
{
    request->kept = (struct weft__http_mark){0, false, false};
    weft__http_answer_again(request);
    weft__http_forget_lines(&request->headers);
    weft__http_forget_lines(&request->trailers);
}

void weft__http_let_go(weft_future *future)
{
    if (weft_is_done(future))
        weft__observe(future);
    weft_unref(future);
}

void weft__http_refuse(weft__http_exchange *request, int status, const char *reason)
{
    request->server->refused++;
    weft__http_let_go(weft__http_respond_status(request, status, reason));
}
