/* SPDX-License-Identifier: MIT */
/**
 * WebSockets (RFC 6455) on the HTTP server: messages both ways over one connection.
 *
 *     struct echo { WEFT_FRAME; weft_http_request *request; weft_websocket *socket;
 *                   struct weft_websocket_message *message; };
 *
 *     static WEFT_ASYNC(echo)
 *     {
 *         WEFT_BEGIN;
 *         WEFT_AWAIT_INTO(self->socket, weft_websocket_accept(self->request, NULL));
 *         for (;;) {
 *             WEFT_AWAIT_INTO(self->message, weft_websocket_receive(self->socket));
 *             if (!self->message)
 *                 break;
 *             weft_websocket_send(self->socket, self->message->kind, self->message->data,
 *                                 self->message->len);
 *             weft_websocket_message_free(self->message);
 *             self->message = NULL;
 *             WEFT_AWAIT(weft_websocket_drain(self->socket));
 *         }
 *         WEFT_FINALLY;
 *         weft_websocket_message_free(self->message);
 *         weft_websocket_free(self->socket);
 *         WEFT_END;
 *     }
 *
 * The handler goes on for as long as the connection does. What comes is read in the background: pings are
 * answered, and messages kept until they are received, up to `read_high` bytes; then reading stops and the
 * client has to wait. A connection on which nothing comes is asked for a sign of life, and given up without
 * one. A server that stops closes its WebSockets with 1001.
 *
 * A client that breaks the rules is told so by the close code that the RFC names, and what the
 * handler then fails with is reported to nobody: it is the client's doing.
 */
#ifndef WEFT_WEBSOCKET_H
#define WEFT_WEBSOCKET_H

#include <stddef.h>
#include <stdint.h>
#include <weft/future.h>
#include <weft/http_server.h>
#include <weft/macros.h>
#include <weft/time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_websocket weft_websocket;

/** What a message is. */
enum weft_websocket_kind {
    WEFT_WEBSOCKET_TEXT = 1, /* UTF-8, which is checked both ways */
    WEFT_WEBSOCKET_BINARY = 2
};

/** A message that was received. A NUL follows the last byte and is not counted. */
struct weft_websocket_message {
    enum weft_websocket_kind kind;
    size_t len;
    char *data; /* in the same block */
};

/** How a WebSocket is accepted. Zero is the default of every field. */
struct weft_websocket_options {
    size_t size;         /* sizeof(struct weft_websocket_options), or 0 for "this version" */
    const char *origins; /* pages that may connect: "https://a.example https://b.example"; who says
                                 no Origin is no page, and may. NULL: any */
    const char *
        subprotocols; /* that this server speaks, the dearest first: "chat.v2 chat.v1"; NULL: none */
    size_t max_message;    /* bytes of the longest message; 0: 1 MiB */
    size_t read_high;      /* read no more while so many bytes of messages wait; 0: 64 KiB */
    weft_ns ping_interval; /* ask when nothing came for so long; 0: 20 s; WEFT_FOREVER: never */
    weft_ns ping_timeout;  /* give up when nothing came for so long after that; 0: 20 s */
    weft_ns close_timeout; /* how long the client may take to answer a close; 0: 10 s */
};

/**
 * Make a WebSocket of a request; the value is a weft_websocket.
 *
 * A request that is none is answered: 400, 403 (the Origin), 405 or 426. A handler that then fails has
 * answered, and nobody is told. Of the subprotocols that the client offers, the first of the server's is
 * chosen; none is chosen if they have none in common.
 *
 * Headers that were added before are in the answer.
 *
 * Thread:    loop; from the handler or what it started.
 * Ownership: returns one reference, never NULL. The value has a destructor: take it, and call
 *            weft_websocket_free() before the handler ends. `options` may be NULL, and is copied.
 * Errors:    by the future: WEFT_EPROTO (no WebSocket was asked for), -EACCES (the Origin), -EINVAL (the
 *            options), -EALREADY (there is an answer), -ENOMEM, WEFT_ECLOSED (the handler has ended),
 *            and as weft_write().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *
weft_websocket_accept(weft_http_request *request, const struct weft_websocket_options *options);

/** The subprotocol that was chosen; NULL: none. Borrowed. Thread: loop. Since: 0.1 */
WEFT_PUBLIC const char *weft_websocket_subprotocol(const weft_websocket *socket);

/**
 * Receive the next message; the value is a weft_websocket_message, or NULL once the connection was
 * closed as it should: the client has said so, or has answered this side's close.
 *
 * What came before the end is received before it. A receive that was cancelled, or whose value nobody
 * took, has taken nothing.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. The value has a destructor: take it and call
 *            weft_websocket_message_free().
 * Errors:    by the future: WEFT_EPROTO (the client broke the protocol, or sent a text that is none),
 *            WEFT_ELIMIT (a message longer than `max_message`), WEFT_EOF (the connection ended
 *            without a close), -ETIMEDOUT (no sign of life, no answer to a close), -ECONNRESET and what
 *            else weft_read() has to say; -EBUSY (another receive is under way), WEFT_ECLOSED (freed, or
 *            the handler has ended), -ENOMEM, -ECANCELED.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_websocket_receive(weft_websocket *socket);

/** Free a message. NULL is nothing. Thread: any. Since: 0.1 */
WEFT_PUBLIC void weft_websocket_message_free(struct weft_websocket_message *message);

/**
 * Send a message: at once as far as the kernel takes it; the rest follows by itself. Await
 * weft_websocket_drain() after each, or after some.
 *
 * Thread:    loop.
 * Ownership: `data` is copied as far as it is not sent at once.
 * Errors:    -EINVAL (no kind, a text that is not UTF-8), -EBUSY (a message was begun and not ended),
 *            -EPIPE (after a close), WEFT_ECLOSED (the handler has ended), what receives fail with once
 *            the connection has failed, -ENOBUFS and what else weft_write() has to say.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_websocket_send(weft_websocket *socket, enum weft_websocket_kind kind,
                                    const void *data, size_t len);

/**
 * Begin a message that is sent in parts, whose length need not be known: a file, rows, what another
 * program prints.
 *
 *     weft_websocket_start(socket, WEFT_WEBSOCKET_TEXT);
 *     while (…) {
 *         weft_websocket_write(socket, part, len);
 *         WEFT_AWAIT(weft_websocket_drain(socket));
 *     }
 *     weft_websocket_end(socket);
 *
 * The client receives one message. Pings, their answers and a close may go between its parts, other
 * messages may not. A handler that ends before the message closes with 1011, or with 1001 if the server
 * stops.
 *
 * Thread:    loop.
 * Ownership: nothing changes hands.
 * Errors:    -EINVAL (no kind), -EBUSY (another one was begun and not ended), else as
 *            weft_websocket_send(). Those that follow fail if this did, so that it may be ignored here.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_websocket_start(weft_websocket *socket, enum weft_websocket_kind kind);

/**
 * Send a part of a message, at once. Await weft_websocket_drain() after each, or after some. A part
 * without bytes is nothing. A character of a text may lie in two parts.
 *
 * Thread:    loop.
 * Ownership: `data` is copied as far as it is not sent at once.
 * Errors:    -EINVAL (no weft_websocket_start(), a text that is not UTF-8: nothing of this part is sent),
 *            else as weft_websocket_send().
 * Since:     0.1
 */
WEFT_PUBLIC int weft_websocket_write(weft_websocket *socket, const void *data, size_t len);

/**
 * End a message that was sent in parts; none is a message, too.
 *
 * Thread:    loop.
 * Ownership: nothing changes hands.
 * Errors:    -EINVAL (no weft_websocket_start(), a text that ends within a character), else as
 *            weft_websocket_send().
 * Since:     0.1
 */
WEFT_PUBLIC int weft_websocket_end(weft_websocket *socket);

/**
 * How many bytes wait to be sent, as weft_write_pending(): for who would rather leave a message out, or
 * a client, than wait. 0 when the handler has ended. Thread: loop. Since: 0.1
 */
WEFT_PUBLIC size_t weft_websocket_pending(const weft_websocket *socket);

/**
 * Wait until the client has caught up, as weft_drain(). A client that takes nothing of what waits for the
 * server's `write_timeout` is given up, even if it sends.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL.
 * Errors:    by the future: -ETIMEDOUT (given up), else as weft_drain(); WEFT_ECLOSED (the handler has
 *            ended).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_websocket_drain(weft_websocket *socket);

/**
 * Send a ping and wait for its pong; the value is how long that took, a weft_ns as int64. Nobody has to:
 * pings of the client are answered, and `ping_interval` sees to it that the client is there. The pong comes
 * behind what the client has sent before: somebody has to receive that meanwhile, or it may never be read.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL.
 * Errors:    by the future: -EBUSY (another ping is under way), -ENOMEM, -ECANCELED, else as
 *            weft_websocket_send(); what receives fail with once the connection has failed.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_websocket_ping(weft_websocket *socket);

/**
 * Close: say so, and wait for the client's answer, at most `close_timeout`. Done with success however the
 * connection ends; weft_websocket_close_code() tells.
 *
 * Messages that came before can still be received; what comes from now on is dropped. The second call waits
 * as the first one does. Cancelling it ends the wait only.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL; it may be dropped. `reason` is UTF-8, at most 123 bytes,
 *            and is copied; NULL: none.
 * Errors:    by the future: -EINVAL (the reason, or a `code` that may not be sent: others than 1000 to
 *            1003, 1007 to 1014, 3000 to 4999; 0 is 1000), -EBUSY (another close is under way),
 *            -ENOMEM, -ECANCELED, WEFT_ECLOSED (freed, or the handler has ended).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_websocket_close(weft_websocket *socket, int code,
                                                              const char *reason);

/**
 * The code by which the client closed: 1005 if it said none, 1006 if it did not close; 0: it is open.
 * Thread: loop. Since: 0.1
 */
WEFT_PUBLIC int weft_websocket_close_code(const weft_websocket *socket);

/** The reason that the client gave for its close; "": none. Borrowed. Thread: loop. Since: 0.1 */
WEFT_PUBLIC const char *weft_websocket_close_reason(const weft_websocket *socket);

/**
 * Free a WebSocket. One that is open is closed, without a wait for the answer: with 1000, with 1001 if the
 * server stops, with 1011 within a message that is sent in parts. What is under way fails with WEFT_ECLOSED. NULL is nothing.
 *
 * Thread:    loop.
 * Ownership: consumes the socket.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_websocket_free(weft_websocket *socket);

#ifdef __cplusplus
}
#endif

#endif
