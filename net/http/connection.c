/* SPDX-License-Identifier: MIT */
/*
 * The HTTP server: one coroutine for each connection, which reads a head, calls the handler, and goes
 * on with the next request when the answer is written.
 *
 *     IDLE --first byte--> IN_HEAD --whole head--> HANDLING --answered--> IDLE …
 *      |                      |                       |
 *      | end, idle_timeout,   | malformed, too large, | the answer said "Connection: close"
 *      | stop                 | head_timeout          v
 *      v                      '-- refused ------> LEAVING --all sent, the client closed--> closed
 *    closed
 *
 * Two objects: the connection, which is what an idle one holds, and the request that it is at, with its
 * parser, head and answer. Requests go around between the connections of a server.
 *
 * Happy path of a GET: one recv(), the parser copies the head, a route is found, the handler runs as a
 * call within this coroutine, weft_http_respond() makes one sendmsg(), the handler ends in its first
 * step. What that allocates is the handler's frame and the wait for the next request.
 *
 * The next head is not looked at before this answer is written. A client that pipelines and does not
 * read is held by the drain that follows each answer.
 *
 * Leaving. After the last answer everything is sent first, however slow the client is (write_timeout
 * watches over progress). Then the writing direction is closed, and what the client still sends is
 * dropped until it closes too, for at most linger_timeout: closing with unread bytes would make the
 * kernel send a reset, which may destroy the answer on its way (RFC 9112, 9.6). A client that asked
 * for the end and sent nothing more is not waited for.
 *
 * Failure modes. The handler fails before its answer: 500, or what fits the body's failure. In the
 * middle of it: the connection is reset, so that a body whose length is told by the end does not look
 * whole. The client goes away: the handler is told (watch.c, or by what it writes), and what
 * follows is silent. The task is cancelled (abort, end of the loop): so is the handler; then a reset.
 */
#include <errno.h>
#include <string.h>

#include "core/memory.h"
#include "net/http/coding/coding.h"
#include "net/http/server.h"

/* How it goes on. */
enum next {
    KEEP,  /* read the next head */
    WAIT,  /* for more of it */
    SERVE, /* it is there */
    LEAVE, /* send what is written, linger, close */
    RESET  /* close at once */
};

enum { FAIR_SHARE = 32 /* requests that had not to wait, before others get their turn */ };

/* ---- The object ---- */

static weft__http_connection *new_connection(weft_http_server *server, weft_stream *stream)
{
    weft__http_connection *connection = weft__calloc(1, sizeof(*connection));
    if (!connection)
        return NULL;
    connection->refs = 1;
    connection->server = server;
    connection->stream = stream;
    connection->read_deadline = connection->write_deadline = WEFT_FOREVER;
    weft_callback_init(&connection->timer, weft__http_on_time, connection);
    weft__link_add(&server->connections, &connection->link);
    server->open++;
    server->refs++;
    return connection;
}

void weft__http_connection_unref(weft__http_connection *connection)
{
    if (--connection->refs == 0)
        weft__free(connection);
}

static void drop(weft_future **future)
{
    weft_unref(*future);
    *future = NULL;
}

/* Nothing of the request is needed any more. */
static void end_request(weft__http_connection *connection)
{
    weft__http_exchange *request = connection->request;
    if (!request)
        return;
    drop(&request->handler);
    drop(&request->reader);
    drop(&request->draining);
    weft__http_events_end(request);
    if (request->coder)
        weft__http_coder_end(request);
    request->encoding.codec = NULL;
    weft_context_unref(request->context);
    connection->request = NULL;
    weft__http_request_free(request);
}

void weft__http_connection_end(weft__http_connection *connection)
{
    if (!connection)
        return;
    weft__http_unwatch(connection);
    weft_callback_cancel(&connection->timer);
    drop(&connection->waiting);
    end_request(connection);
    connection->stream = NULL;
    weft__link_remove(&connection->link);
    connection->server->open--;
    weft__http_server_unref(connection->server);
    weft__http_connection_unref(connection);
}

/* ---- The head ---- */

/* Counted from the last poll, which spares a look at the clock for each request. */
static weft_ns after(const weft__http_connection *connection, weft_ns duration)
{
    const weft_loop *loop = connection->server->loop;
    weft_ns now = loop->clock == WEFT_CLOCK_MONOTONIC ? loop->polled_at : loop->virtual_now;
    return duration < WEFT_FOREVER - now ? now + duration : WEFT_FOREVER;
}

/* Bytes of a request are there: from now on it is one. */
static bool begin_request(weft__http_connection *connection)
{
    connection->request = weft__http_request_new(connection);
    if (!connection->request)
        return false;
    connection->phase = WEFT__HTTP_IN_HEAD;
    if (connection->served)
        connection->head_deadline = 0;
    return true;
}

/* All that there will be of the answer is written. */
static void tell(const weft__http_exchange *request)
{
    if (request->server->on_access)
        weft__http_tell_access(request);
}

static enum next refuse(weft__http_exchange *request, int status, const char *reason)
{
    request->close = true;
    request->body = WEFT__HTTP_BODY_NONE;
    weft__http_refuse(request, status, reason);
    tell(request);
    return LEAVE;
}

/* Feed the parser with what has arrived. WAIT, SERVE, LEAVE (refused) or RESET. */
static enum next read_head(weft__http_connection *connection)
{
    size_t have, used;
    const char *data = weft__stream_peek(connection->stream, &have);
    if (!have)
        return WAIT;
    if (connection->phase == WEFT__HTTP_IDLE && !begin_request(connection))
        return RESET;
    struct weft__http_parser *parser = &connection->request->parser;
    enum weft__http_event event = weft__http_parser_feed(parser, data, have, &used);
    weft__stream_consume(connection->stream, used);
    if (event == WEFT__HTTP_NEED_MORE)
        return WAIT;
    if (event == WEFT__HTTP_ERROR)
        return refuse(connection->request, parser->error_status, parser->error_reason);
    return SERVE;
}

/* When the head must be there: an absolute time, that of the first one being set by accept(). */
static weft_future *wait_for_head(weft__http_connection *connection)
{
    const struct weft_http_server_options *options = &connection->server->options;
    weft_ns deadline;
    if (connection->phase == WEFT__HTTP_IDLE && connection->served) {
        deadline = after(connection, options->idle_timeout);
    } else {
        if (!connection->head_deadline)
            connection->head_deadline = after(connection, options->head_timeout);
        deadline = connection->head_deadline;
    }
    if (connection->phase == WEFT__HTTP_IDLE && connection->server->idle_until < deadline)
        deadline = connection->server->idle_until;
    return weft__http_wait(connection, 0, deadline);
}

/* The wait ended with a failure. */
static enum next head_failed(weft__http_connection *connection, int status)
{
    if (weft_cancelling(weft_current_task()))
        return RESET;
    if (connection->phase == WEFT__HTTP_IDLE)
        return LEAVE;
    if (status == -ETIMEDOUT)
        return refuse(connection->request, 408, "the head took too long");
    if (status == WEFT_EOF)
        return refuse(connection->request, 400, "the request was cut off");
    return RESET;
}

/* ---- The handler ---- */

static void report(const weft__http_exchange *request, const char *what, int status,
                   const char *message)
{
    weft__report(request->server->loop, &(struct weft_error_report){
                                            .what = what,
                                            .status = status,
                                            .message = message,
                                            .task = request->coroutine->name,
                                            .spawned_at = request->place,
                                        });
}

/* Did the handler fail because of its client? Then that is no news to anybody. */
static bool blames_client(const weft__http_exchange *request, int status)
{
    int write_error = weft__stream_write_error(request->stream);
    return (request->gone && status == -ECANCELED) ||
           (request->body_error == status && status != -ENOMEM) ||
           (write_error && status == write_error) || weft_cancelling(weft_current_task());
}

static void give_up_answer(weft__http_exchange *request)
{
    request->answer = WEFT__HTTP_BROKEN;
}

/* What the handler said of its own answer is not for the server's. */
static void answer_500(weft__http_exchange *request)
{
    weft__http_answer_again(request);
    weft_unref(weft__http_respond_status(request, 500, NULL));
}

static void answer_body_failure(weft__http_exchange *request)
{
    weft__http_answer_again(request);
    weft__http_refuse(request, request->body_status, NULL);
}

static void answer_failure(weft__http_exchange *request, int status)
{
    if (request->gone || weft_cancelling(weft_current_task()) ||
        (status == request->body_error && !request->body_status))
        give_up_answer(request);
    else if (status == request->body_error)
        answer_body_failure(request);
    else
        answer_500(request);
}

static void end_by_itself(weft__http_exchange *request)
{
    weft_future *sent = weft__http_end(request);
    int status = weft_is_done(sent) ? weft__observe(sent) : 0;
    weft_unref(sent);
    if (request->answer == WEFT__HTTP_BROKEN && !blames_client(request, status))
        report(request, "HTTP handler left its answer incomplete", status, NULL);
}

static void answer_nothing(weft__http_exchange *request)
{
    if (request->gone) {
        give_up_answer(request);
        return;
    }
    report(request, "HTTP handler ended without an answer", -ENOMSG, NULL);
    answer_500(request);
}

/* The handler has ended: see to it that there is an answer, or that it shows that there is none. */
static void conclude(weft__http_exchange *request, int status, const char *message)
{
    bool begun =
        request->answer != WEFT__HTTP_NO_ANSWER && request->answer != WEFT__HTTP_NOT_STARTED;
    bool unfinished =
        request->answer == WEFT__HTTP_STARTED || request->answer == WEFT__HTTP_STREAMING;
    request->spent = !weft__http_slot_next(request->server->slots, request->slot);
    request->server->active--;
    request->watched = false;
    weft__http_unwatch(request->connection);
    if (status < 0 && !blames_client(request, status))
        report(request, "HTTP handler failed", status, message);
    if (request->answer == WEFT__HTTP_UPGRADED)
        request->answer =
            status < 0 && status != request->body_error ? WEFT__HTTP_BROKEN : WEFT__HTTP_ANSWERED;
    if (status < 0 && !begun)
        answer_failure(request, status);
    else if (status < 0 && unfinished)
        give_up_answer(request);
    else if (unfinished)
        end_by_itself(request);
    else if (!begun)
        answer_nothing(request);
}

/* The whole head is there. The handler if it is not done: then conclude() is to follow. */
static weft_future *start_handler(weft__http_connection *connection)
{
    weft__http_exchange *request = connection->request;
    connection->phase = WEFT__HTTP_HANDLING;
    connection->served++;
    request->context = weft_context_current();
    request->gone = request->watched = false;
    weft__http_body_begin(request);
    weft_future *handler = weft__http_dispatch(request);
    if (!handler)
        return NULL;
    if (weft_is_done(handler)) {
        conclude(request, weft__observe(handler), weft_message(handler));
        weft_unref(handler);
        return NULL;
    }
    request->handler = weft_ref(handler);
    weft__http_watch(connection);
    return handler;
}

/* ---- What comes after ---- */

/* The connection will be reset: nothing more is worth waiting for. */
static bool is_lost(const weft__http_exchange *request)
{
    return request->answer != WEFT__HTTP_ANSWERED || weft_cancelling(weft_current_task());
}

/* A drain that the handler began and did not wait for. */
static weft_future *wait_for_drain(weft__http_exchange *request)
{
    if (is_lost(request))
        weft_cancel(request->draining);
    return weft_ref(request->draining);
}

/* Does a rest of the body stand between this request and the next one? Then -EAGAIN or a failure. */
static int skip_body(weft__http_exchange *request)
{
    if (request->body == WEFT__HTTP_BODY_NONE || is_lost(request) || request->close)
        return 0;
    return weft__http_body_discard(request);
}

/* A handler runs in the connection's task. What it has set of its context is not for the next one. */
static void forget_context(weft__http_exchange *request)
{
    weft_context *context = request->context;
    request->context = NULL;
    weft__context_return_to(context);
}

static enum next after_request(weft__http_connection *connection, int status)
{
    weft__http_exchange *request = connection->request;
    enum next next = KEEP;
    if (is_lost(request) || weft__stream_write_error(request->stream))
        next = RESET;
    else if (request->close || status < 0)
        next = LEAVE;
    connection->write_deadline = WEFT_FOREVER;
    tell(request);
    forget_context(request);
    if (next != KEEP)
        return next;
    end_request(connection);
    connection->phase = WEFT__HTTP_IDLE;
    return KEEP;
}

/* ---- Leaving ---- */

/* May the client still be sending, so that closing now could destroy the answer? */
static bool must_linger(const weft__http_connection *connection)
{
    size_t have;
    const weft__http_exchange *request = connection->request;
    weft__stream_peek(connection->stream, &have);
    if (weft__stream_input_ended(connection->stream) || !request)
        return false;
    bool asked = !request->parser.error_status && !request->parser.request.keep_alive;
    return have || !asked || request->body != WEFT__HTTP_BODY_NONE;
}

static weft_future *begin_leaving(weft__http_connection *connection)
{
    weft_future *sent = weft__stream_flush(connection->stream);
    if (!weft_is_done(sent))
        weft__http_limit_write(connection);
    return sent;
}

/* 0: the client has closed, or what has come is dropped and more is to be waited for: -EAGAIN. */
static int linger(weft__http_connection *connection)
{
    size_t have;
    weft__stream_peek(connection->stream, &have);
    weft__stream_consume(connection->stream, have);
    return weft__stream_input_ended(connection->stream) ? 0 : -EAGAIN;
}

/* After the last answer: send it all, then wait for the client to close. The value says how it ended.
 */
struct http_leave {
    WEFT_FRAME;
    weft__http_connection *connection;
    weft_ns until;
    int status;
};

static WEFT_ASYNC(http_leave)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, begin_leaving(self->connection));
    self->connection->write_deadline = WEFT_FOREVER;
    if (self->status < 0)
        WEFT_RETURN((int)RESET);
    if (!must_linger(self->connection))
        WEFT_RETURN((int)LEAVE);
    weft_write_eof(self->connection->stream);
    self->until = after(self->connection, self->connection->server->options.linger_timeout);
    while (linger(self->connection) == -EAGAIN) {
        WEFT_CATCH(self->status, weft__http_wait(self->connection, 0, self->until));
        self->status = weft__http_waited(self->connection, self->status);
        if (self->status < 0)
            break;
    }
    WEFT_RETURN((int)LEAVE);
    WEFT_END;
}

struct http_connection {
    WEFT_FRAME;
    weft_stream *stream; /* argument; the listener's, while this runs */
    weft_http_server *server;
    weft__http_connection *connection;
    weft_future *handler;
    int status;
    int next; /* enum next */
};

static WEFT_ASYNC(http_connection)
{
    WEFT_BEGIN;
    self->connection = new_connection(self->server, self->stream);
    if (!self->connection)
        WEFT_FAIL(-ENOMEM);
    self->next = KEEP;
    while (self->next == KEEP) {
        while ((self->next = (int)read_head(self->connection)) == WAIT) {
            WEFT_CATCH(self->status, wait_for_head(self->connection));
            self->status = weft__http_waited(self->connection, self->status);
            if (self->status < 0) {
                self->next = (int)head_failed(self->connection, self->status);
                break;
            }
        }
        if (self->next != SERVE)
            break;
        self->handler = start_handler(self->connection);
        if (self->handler) {
            WEFT_CATCH(self->status, self->handler);
            conclude(self->connection->request, self->status, WEFT_CAUGHT_MESSAGE);
        }
        if (self->connection->request->reader) {
            weft_cancel(self->connection->request->reader);
            WEFT_CATCH(self->status, weft_ref(self->connection->request->reader));
        }
        if (self->connection->request->draining)
            WEFT_CATCH(self->status, wait_for_drain(self->connection->request));
        while ((self->status = skip_body(self->connection->request)) == -EAGAIN) {
            WEFT_CATCH(self->status, weft__http_body_wait(self->connection->request));
            self->status = weft__http_body_waited(self->connection->request, self->status);
            if (self->status < 0)
                break;
        }
        self->next = (int)after_request(self->connection, self->status);
        if (self->next == KEEP && self->connection->served % FAIR_SHARE == 0)
            WEFT_YIELD;
    }
    if (self->connection->phase != WEFT__HTTP_IDLE)
        self->connection->phase = WEFT__HTTP_LEAVING;
    if (self->next == LEAVE)
        WEFT_CATCH_INTO(self->status, self->next,
                        weft_call(http_leave, .connection = self->connection));
    WEFT_FINALLY;
    weft__http_connection_end(self->connection);
    if (self->next == RESET)
        weft_stream_abort(self->stream);
    WEFT_END;
}

weft_listener *weft__http_listen(weft_http_server *server, const char *address,
                                 const struct weft_listen_options *options)
{
    return weft_listen_with(options, address, http_connection, .server = server);
}
