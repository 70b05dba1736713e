/* SPDX-License-Identifier: MIT */
/*
 * A WebSocket: what is read in the background, who waits for it, and how it ends. read.c has what comes,
 * send.c what goes.
 *
 *     OPEN --weft_websocket_close(), the server stops--> CLOSING --theirs has come--> ENDED
 *     OPEN --theirs has come, answered--> ENDED
 *     any  --rules broken, end of the connection, no sign of life, no answer--> ENDED with a failure
 *     any  --weft_websocket_free()--> ENDED
 *
 * Reading: whenever bytes have come they are given to the parser at once, without a task. So pings are
 * answered and a close is seen while the handler does something else. Messages wait in a list. With
 * read_high bytes of them nothing more is read until half are received; the stream's own buffer fills, then
 * the kernel's, then the client waits. While it has to, it is not asked for signs of life.
 *
 * Memory for a message grows with the bytes that came, never with those that were announced.
 *
 * Pongs are not collected for a client that reads nothing: with write_high bytes waiting only the latest
 * ping is remembered, and answered when there is room (RFC 6455, 5.5.3).
 *
 * References: the owner's one, one of each operation, one of each wait that is under way. A free ends the
 * waits, whose last steps run later and find ENDED. The stream is the server's: it is touched only while the
 * handler runs, which its request's number tells.
 *
 * A failure is the client's doing: the request keeps it, so that a handler that fails with it is reported to
 * nobody, and the connection is closed in good order after a Close that says why.
 */
#include "net/http/websocket/websocket.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weft/error.h>

#include "core/inspect/eye.h"
#include "core/memory.h"
#include "core/thread.h"
#include "net/http/server.h"
#include "net/http/upgrade.h"
#include "net/net.h"

/* ---- Operations ---- */

void weft__websocket_unref(weft_websocket *socket)
{
    if (--socket->refs)
        return;
    weft__free(socket->subprotocol);
    weft__free(socket);
}

static void leave_slot(struct weft__websocket_op *op)
{
    *op->slot = NULL;
    weft_unref(&op->future);
}

static bool cancel_op(weft_future *future)
{
    struct weft__websocket_op *op = (struct weft__websocket_op *)(void *)future;
    weft__complete_failed(future, -ECANCELED, NULL);
    leave_slot(op);
    return true;
}

static void dispose_op(weft_future *future)
{
    weft__websocket_unref(((struct weft__websocket_op *)(void *)future)->socket);
}

static struct weft__websocket_entry *entry_of(struct weft_websocket_message *message)
{
    return WEFT__CONTAINER(message, struct weft__websocket_entry, message);
}

static void free_message(void *message)
{
    weft_websocket_message_free(message);
}

void weft__websocket_succeed(struct weft__websocket_op *op, weft_value value,
                             weft_destructor *destructor)
{
    if (!op)
        return;
    weft__complete(&op->future, value, destructor);
    leave_slot(op);
}

static void fail_op(struct weft__websocket_op *op, int status, const char *why)
{
    if (!op)
        return;
    weft__complete_failed(&op->future, status, weft__strdup(why));
    leave_slot(op);
}

/* Whoever waits for a message gets one, or the end. */
void weft__websocket_serve_receiver(weft_websocket *socket)
{
    struct weft__websocket_entry *entry = socket->first;
    if (!socket->receiver)
        return;
    if (entry) {
        socket->first = entry->next;
        if (!socket->first)
            socket->last = &socket->first;
        socket->queued -= weft__websocket_weight(entry);
        weft__websocket_succeed(socket->receiver, weft_value_ptr(&entry->message), free_message);
    } else if (socket->state == WEFT__WEBSOCKET_ENDED && socket->status < 0) {
        fail_op(socket->receiver, socket->status, socket->why);
    } else if (socket->state == WEFT__WEBSOCKET_ENDED) {
        weft__websocket_succeed(socket->receiver, weft_value_ptr(NULL), NULL);
    }
}

static void put_first(weft_websocket *socket, struct weft__websocket_entry *entry)
{
    entry->next = socket->first;
    if (!socket->first)
        socket->last = &entry->next;
    socket->first = entry;
    socket->queued += weft__websocket_weight(entry);
}

/* A message that nobody took is the next one again. */
static void give_back(weft_future *future)
{
    weft_websocket *socket = ((struct weft__websocket_op *)(void *)future)->socket;
    weft_value value;
    weft_destructor *destructor;
    if (socket->freed || !future->first.value.ptr || weft__take(future, &value, &destructor) < 0)
        return;
    put_first(socket, entry_of(value.ptr));
    weft__websocket_serve_receiver(socket);
}

static void explain(struct weft__eye *eye, const weft_future *at, struct weft__waiting *ret)
{
    struct weft__websocket_op op;
    weft_websocket socket;
    ret->needs = WEFT__NEEDS_WORLD;
    if (!weft__eye_see(eye, &op, at, sizeof(op)) ||
        !weft__eye_see(eye, &socket, op.socket, sizeof(socket)))
        return;
    ret->resource = op.socket;
    if (socket.stream && socket.state != WEFT__WEBSOCKET_ENDED)
        weft__explain_stream(eye, socket.stream, ret, "to read");
}

WEFT__OPS(receive_ops) = {.name = "WebSocket receive",
                          .cancel = cancel_op,
                          .dispose = dispose_op,
                          .unclaimed = give_back,
                          .explain = explain};
WEFT__OPS(ping_ops) = {
    .name = "WebSocket ping", .cancel = cancel_op, .dispose = dispose_op, .explain = explain};
WEFT__OPS(close_ops) = {
    .name = "WebSocket close", .cancel = cancel_op, .dispose = dispose_op, .explain = explain};

static weft_future *begin_op(weft_websocket *socket, struct weft__websocket_op **slot,
                             const struct weft__future_ops *ops)
{
    struct weft__websocket_op *op = weft__future_alloc(socket->loop, ops, sizeof(*op), 2);
    if (!op)
        return weft__future_enomem(socket->loop);
    op->socket = socket;
    op->slot = slot;
    socket->refs++;
    *slot = op;
    return &op->future;
}

/* ---- The end ---- */

static void stop_wait(weft__waiter *waiter)
{
    if (waiter->future && weft__is_pending(waiter->future))
        weft_cancel(waiter->future);
}

static void blame_client(const weft_websocket *socket, int status)
{
    weft__http_exchange *request = weft__http_alive(socket->request);
    if (request)
        weft__http_blame_body(request, status ? status : -EPIPE, 0);
}

/* Nothing is sent or read from now on. */
void weft__websocket_end(weft_websocket *socket, int status, const char *why)
{
    if (socket->state == WEFT__WEBSOCKET_ENDED)
        return;
    socket->state = WEFT__WEBSOCKET_ENDED;
    socket->status = status;
    socket->why = why;
    if (!socket->close_code)
        socket->close_code = 1006;
    weft__free(socket->partial);
    socket->partial = NULL;
    weft_callback_cancel(&socket->timer);
    stop_wait(&socket->reading);
    stop_wait(&socket->stopping);
    blame_client(socket, status);
    fail_op(socket->pinger, status ? status : -EPIPE, why);
    weft__websocket_succeed(socket->closer, weft_value_i64(0), NULL);
    weft__websocket_serve_receiver(socket);
}

/* The client is not there any more: what waits to be sent never will be. */
void weft__websocket_give_up(weft_websocket *socket, int status, const char *why)
{
    weft__stream_break(socket->stream, status);
    weft__websocket_end(socket, status, why);
}

/* ---- Closing ---- */

void weft__websocket_begin_close(weft_websocket *socket, int code, const char *reason)
{
    int status = weft__websocket_send_close(socket, code, reason);
    weft_callback_cancel(&socket->timer);
    if (status == 0)
        status = weft_callback_later(&socket->timer, socket->options.close_timeout);
    if (status < 0) {
        weft__websocket_give_up(socket, status, NULL);
        return;
    }
    socket->state = WEFT__WEBSOCKET_CLOSING;
    weft__websocket_read_on(socket); /* it is not full any more */
}

/* ---- The object ---- */

weft_websocket *weft__websocket_new(weft_loop *loop, weft_http_request *request,
                                    const struct weft_websocket_options *options, char *subprotocol)
{
    weft_websocket *socket = weft__calloc(1, sizeof(*socket));
    if (!socket)
        return NULL;
    socket->loop = loop;
    socket->request = request;
    socket->refs = 1;
    socket->state = WEFT__WEBSOCKET_ENDED; /* until it begins */
    socket->options = *options;
    socket->subprotocol = subprotocol;
    socket->parser.max_message = options->max_message;
    socket->parser.from_client = true;
    socket->last = &socket->first;
    socket->reading.item.run = weft__websocket_on_input;
    socket->stopping.item.run = weft__websocket_on_stopping;
    weft_callback_init(&socket->timer, weft__websocket_on_time, socket);
    return socket;
}

void weft__websocket_begin(weft_websocket *socket, weft_stream *stream)
{
    socket->state = WEFT__WEBSOCKET_OPEN;
    socket->stream = stream;
    socket->heard = weft_now();
    if (socket->options.ping_interval < WEFT_FOREVER)
        weft__websocket_look_again(socket, socket->options.ping_interval);
    if (socket->state == WEFT__WEBSOCKET_ENDED)
        return;
    socket->refs++;
    weft__wait(&socket->stopping, weft_http_request_stopping(socket->request));
    weft__websocket_read_on(socket);
}

bool weft__websocket_check(const weft_websocket *socket, const char *function, int *ret_status)
{
    if (weft__is_elsewhere(socket->loop->id, function))
        *ret_status = weft__elsewhere();
    else if (!weft__http_alive(socket->request))
        *ret_status = WEFT_ECLOSED;
    else
        return true;
    return false;
}

weft_future *weft__websocket_refused(int status)
{
    if (status == WEFT_ECLOSED)
        return weft_future_failed(status, "the handler of this WebSocket has ended");
    return weft__future_elsewhere();
}

weft_future *weft_websocket_receive(weft_websocket *socket)
{
    int status;
    if (!WEFT__WEBSOCKET_CHECK(socket, &status))
        return weft__websocket_refused(status);
    if (socket->receiver)
        return weft_future_failed(-EBUSY, "another receive is under way");
    weft_future *future = begin_op(socket, &socket->receiver, &receive_ops);
    weft__websocket_serve_receiver(socket);
    if (socket->state != WEFT__WEBSOCKET_ENDED && !socket->reading.future &&
        socket->queued <= socket->options.read_high / 2)
        weft__websocket_read_on(socket);
    return future;
}

weft_future *weft_websocket_ping(weft_websocket *socket)
{
    int status;
    if (!WEFT__WEBSOCKET_CHECK(socket, &status))
        return weft__websocket_refused(status);
    if (socket->pinger)
        return weft_future_failed(-EBUSY, "another ping is under way");
    if ((status = weft__websocket_sending_error(socket)) < 0)
        return weft_future_failed(status, "%s", socket->why ? socket->why : weft_strerror(status));
    socket->ping_number++;
    socket->pinged = weft_now();
    weft_future *future = begin_op(socket, &socket->pinger, &ping_ops);
    if (!socket->pinger)
        return future;
    status = weft__websocket_send_frame(socket, WEFT__WEBSOCKET_PING, &socket->ping_number,
                                        sizeof(socket->ping_number));
    if (status < 0)
        fail_op(socket->pinger, status, NULL);
    return future;
}

weft_future *weft_websocket_close(weft_websocket *socket, int code, const char *reason)
{
    int status;
    if (!WEFT__WEBSOCKET_CHECK(socket, &status))
        return weft__websocket_refused(status);
    size_t len = reason ? strlen(reason) : 0;
    code = code ? code : 1000;
    if (code < 0 || !weft__websocket_is_code((unsigned)code) || len > WEFT__WEBSOCKET_MOST_REASON ||
        !weft__utf8_is_valid(reason, len))
        return weft_future_failed(-EINVAL, "a close that may not be sent");
    if (socket->state == WEFT__WEBSOCKET_ENDED)
        return weft_ref(&socket->stream->net->done);
    if (socket->closer)
        return weft_future_failed(-EBUSY, "another close is under way");
    weft_future *future = begin_op(socket, &socket->closer, &close_ops);
    if (socket->state == WEFT__WEBSOCKET_OPEN)
        weft__websocket_begin_close(socket, code, reason);
    return future;
}

const char *weft_websocket_subprotocol(const weft_websocket *socket)
{
    return WEFT__ELSEWHERE(socket->loop->id) ? NULL : socket->subprotocol;
}

int weft_websocket_close_code(const weft_websocket *socket)
{
    return WEFT__ELSEWHERE(socket->loop->id) ? weft__elsewhere() : socket->close_code;
}

const char *weft_websocket_close_reason(const weft_websocket *socket)
{
    return WEFT__ELSEWHERE(socket->loop->id) ? "" : socket->close_reason;
}

void weft_websocket_message_free(struct weft_websocket_message *message)
{
    if (message)
        weft__free(entry_of(message));
}

static int unwaited_code(const weft_websocket *socket)
{
    if (weft_http_request_is_stopping(socket->request))
        return 1001;
    return socket->sending ? 1011 : 1000; /* 1011: it could not say all that it had begun */
}

static void close_unwaited(weft_websocket *socket)
{
    if (socket->state != WEFT__WEBSOCKET_OPEN || !weft__websocket_is_alive(socket))
        return;
    weft__websocket_pay_pong(socket);
    weft__websocket_send_close(socket, unwaited_code(socket), NULL);
}

void weft__websocket_drop(void *arg)
{
    weft_websocket *socket = arg;
    close_unwaited(socket);
    socket->freed = true;
    fail_op(socket->receiver, WEFT_ECLOSED, NULL);
    fail_op(socket->pinger, WEFT_ECLOSED, NULL);
    fail_op(socket->closer, WEFT_ECLOSED, NULL);
    if (socket->state != WEFT__WEBSOCKET_ENDED)
        weft__websocket_end(socket, WEFT_ECLOSED, NULL);
    while (socket->first) {
        struct weft__websocket_entry *next = socket->first->next;
        weft__free(socket->first);
        socket->first = next;
    }
    weft__free(socket->partial);
    socket->partial = NULL;
    weft__websocket_unref(socket);
}

void weft_websocket_free(weft_websocket *socket)
{
    if (socket && !WEFT__ELSEWHERE(socket->loop->id))
        weft__websocket_drop(socket);
}
