/* SPDX-License-Identifier: MIT */
/**
 * An HTTP/1.1 server: a coroutine for each request.
 *
 *     struct hello { WEFT_FRAME; weft_http_request *request; const char *greeting; };
 *
 *     static WEFT_ASYNC(hello)
 *     {
 *         WEFT_BEGIN;
 *         WEFT_AWAIT(weft_http_respondf(self->request, 200, "text/plain", "%s, %s\n",
 *                                       self->greeting, weft_http_request_path(self->request)));
 *         WEFT_END;
 *     }
 *
 *     weft_http_server *server = weft_http_serve("127.0.0.1:8080", hello, .greeting = "hello");
 *
 * or, with one handler for each path:
 *
 *     weft_http_server *server = weft_http_server_new(NULL);
 *     weft_http_route(server, "GET /time", tell_time);
 *     weft_http_route(server, "POST /hash", hash_password, .rounds = 5000);
 *     weft_http_route(server, "GET /users/{id}", show_user);
 *     weft_http_route(server, "GET /files/...", send_file, .root = "/srv");
 *     status = weft_http_server_listen(server, "127.0.0.1:8080");
 *
 * The handler answers in one piece, by weft_http_respond(), or in many, by weft_http_start(),
 * weft_http_write() and weft_http_end(). It need not care for HEAD, keep-alive, pipelining, chunks,
 * "100 Continue" or the Date: the server does. A handler that ends without an answer, or fails
 * before it began one, has answered 500; when it fails in the middle of an answer, the connection
 * is reset, so that the client sees that something is missing. Its failure is reported to the
 * loop's error handler by the handler's name; but not when the client was the reason.
 *
 * A request belongs to its handler until the handler has ended; then it is gone, and with it all
 * texts that it lent. What the handler has started must be over by then, or not use the request
 * any more: each call with it fails with WEFT_ECLOSED (a text is "", "?" or NULL) and is reported to
 * the loop's error handler by the call's name. It never meets another request of the loop.
 *
 * A handler runs in its connection's task: one at a time on each connection. What it sets of its
 * context (<weft/context.h>) is its request's, and gone with it.
 *
 * Malformed and oversized requests never reach a handler: they are answered with the status that
 * fits (400, 408, 413, 414, 417, 431, 501, 505), and the connection is closed. So is a path that
 * has a "." or ".." segment once it is decoded. What is too much or too slow is in
 * struct weft_http_server_options.
 *
 * The end of a server is `WEFT_AWAIT(weft_http_server_shutdown(server, WEFT_S(10)))`, then
 * weft_http_server_free().
 */
#ifndef WEFT_HTTP_SERVER_H
#define WEFT_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/future.h>
#include <weft/listen.h>
#include <weft/macros.h>
#include <weft/stream.h>
#include <weft/task.h>
#include <weft/time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_http_server weft_http_server;
typedef struct weft_http_router weft_http_router;
typedef struct weft_http_request weft_http_request;

/**
 * What becomes of a handler that awaits something when its client goes away before the answer has
 * ended: closes, resets, or ends its direction of the connection, which cannot be told from closing.
 * A handler that must not be interrupted in some place awaits it by weft_shield(); that goes on without
 * the handler, hence without its request. weft_cleanup_enter() keeps the handler, too.
 */
enum weft_http_disconnect {
    WEFT_HTTP_CANCEL_HANDLER = 0, /* it is cancelled, because "client went away" */
    WEFT_HTTP_KEEP_HANDLER = 1    /* it goes on; it learns of it when it writes or reads */
};

/** As an option that is a number: no limit. As one that is a duration, say WEFT_FOREVER. */
#define WEFT_HTTP_NO_LIMIT SIZE_MAX

/** Zero is the default of every field. */
struct weft_http_server_options {
    size_t size; /* sizeof(struct weft_http_server_options), or 0 for "this version" */

    /* How large a request may be. */
    size_t max_head;         /* request line and headers; 0: 16 KiB; at most 16 MiB; more: 431 */
    size_t max_request_line; /* 0: 8 KiB; more: 414 */
    size_t max_headers;      /* 0: 100; at most 100,000; more: 431 */
    size_t max_body;         /* of weft_http_read_body(), decoded; 0: 1 MiB; more: 413 */

    /* How slow a client may be. */
    weft_ns head_timeout; /* for the whole head: from when the connection was accepted, or from the
                              first byte of a later request; 0: 10 s; 408 */
    weft_ns body_timeout; /* how long reads of one body may wait in all, besides what body_rate
                              grants; 0: 10 s; 408 */
    size_t body_rate;     /* each so many bytes of a body grant a second more; 0: 512 */
    weft_ns idle_timeout; /* between two requests; 0: 60 s */
    weft_ns
        stop_idle_timeout;  /* the same from weft_http_server_stop() on; 0: none but what has come
                                  by then is answered */
    weft_ns write_timeout;  /* without any progress of what is sent; 0: 30 s; then it is reset */
    weft_ns linger_timeout; /* after an answer that ends the connection, for the client to read it
                               and close; 0: 2 s */

    /* How much at a time. */
    size_t max_connections; /* open at a time on each address; more wait; 0: 10,000 */
    size_t max_requests;    /* on one connection, which is closed then; 0: no limit */
    int backlog;            /* as in struct weft_listen_options */
    enum weft_listen_flags flags;

    enum weft_http_disconnect on_disconnect;
    const char *server_name; /* value of the Server header; copied; NULL: no such header */
};

/* ---- The server ---- */

/**
 * A server that does not listen yet. See weft_http_serve() for one with a single handler.
 *
 * Thread:    loop.
 * Ownership: the caller's, until weft_http_server_free(); what is left when the loop is freed is
 *            freed with it. `options` is copied, NULL: the defaults.
 * Errors:    NULL and errno: EINVAL (a negative duration, a server_name with a control character),
 *            ENOMEM, -WEFT_ENOLOOP.
 * Since:     0.1
 */
WEFT_PUBLIC weft_http_server *weft_http_server_new(const struct weft_http_server_options *options);

/**
 * Which handler answers which requests:
 * `weft_http_route(server, "GET /time", tell_time, .zone = "UTC")`.
 *
 * The pattern is a method, a space and a path; without the method, all methods. A segment of the
 * path may be a parameter, "{name}" (letters, digits, "_"; at most 16 of them), which stands for any
 * segment that is not empty: weft_http_request_param(). A path that ends with "/..." stands for
 * everything below, and weft_http_request_tail() is what the "..." stands for.
 *
 * Paths are compared segment by segment, with case, each decoded by itself: an escaped slash ("%2F")
 * is a part of its segment and separates nothing. The most specific route wins, from the left: a text
 * before a parameter before "...", and at the end the method before all methods. GET answers HEAD
 * too, unless there is a route for that. No route: 404; none with the method: 405 with Allow, and
 * OPTIONS gets the same list with 204.
 *
 * The frame must have a member `weft_http_request *request`; it is set to the request. The other
 * arguments are copied for every request, as in weft_spawn(); what they point to is borrowed until
 * the server is freed and its last handler has ended.
 *
 * `where` is a server, or a router: then the pattern begins behind its prefix.
 *
 * Thread:    loop; routes may also be added while the server runs.
 * Ownership: the pattern is copied.
 * Errors:    -EINVAL (not a pattern), -EEXIST (there is such a route, be it with other names for its
 *            parameters), -ENOMEM. The first of them is kept and fails weft_http_server_listen(), so
 *            that it may be ignored here.
 * Since:     0.1
 */
#define weft_http_route(where, pattern, ...) \
    WEFT__HTTP_ROUTE(where, pattern, __VA_ARGS__, .weft_frame = {0, 0})

/**
 * A part of the paths of `where`, a server or a router: those below a prefix, "/api" or
 * "/users/{id}". So what belongs together is written in one place, whatever its prefix will be:
 *
 *     void add_shop(weft_http_router *shop) { weft_http_route(shop, "GET /cart", show_cart); … }
 *     add_shop(weft_http_mount(server, "/shop"));
 *
 * The route of the prefix itself has no path there: "GET ". The same prefix is the same router.
 *
 * Thread:    loop.
 * Ownership: the server's; it is there as long as that. The prefix is copied.
 * Errors:    NULL and errno: EINVAL (not a prefix: it begins with "/" and does not end so), EEXIST
 *            (with other names for its parameters), ENOMEM, -WEFT_ETHREAD. Kept as by
 *            weft_http_route(), which refuses a router that is NULL.
 * Since:     0.1
 */
#define weft_http_mount(where, prefix) weft__http_mount(WEFT__HTTP_ROUTER(where), (prefix))

/** The router of all paths of a server, for functions that take one. Thread: any. Since: 0.1 */
WEFT_PUBLIC weft_http_router *weft_http_server_router(weft_http_server *server);

/**
 * Listen on one more address (those of <weft/listen.h>).
 *
 * Thread:    loop.
 * Ownership: the address is copied.
 * Errors:    -EINVAL (not an address), -EADDRINUSE, -EACCES and what else bind() has to say,
 *            -EMFILE, -ENFILE, -ENOMEM; WEFT_ECLOSED after weft_http_server_stop(); the first
 *            failure of weft_http_route().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK int weft_http_server_listen(weft_http_server *server,
                                                        const char *address);

struct weft_tls_context;

/**
 * The same with TLS (HTTPS): `tls` is a server's context, of <weft/tls.h>, to which a reference is
 * taken. A handshake may take `head_timeout`. Thread: loop. Errors: also -EINVAL (NULL). Since: 0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK int weft_http_server_listen_tls(weft_http_server *server,
                                                            const char *address,
                                                            struct weft_tls_context *tls);

/**
 * A server that listens, with one handler for all requests: `weft_http_serve("*:80", hello,
 * .greeting = "hi")`.
 *
 * Thread:    loop.
 * Ownership: as weft_http_server_new() and weft_http_route().
 * Errors:    NULL and errno: those of weft_http_server_new() and weft_http_server_listen(),
 *            positive.
 * Since:     0.1
 */
#define weft_http_serve(address, ...) \
    WEFT__HTTP_SERVE(NULL, address, __VA_ARGS__, .weft_frame = {0, 0})

/** weft_http_serve() with options: `weft_http_serve_with(&(struct weft_http_server_options){.max_body
 * = 1 << 24}, "*:80", hello)`. Thread: loop. Since: 0.1 */
#define weft_http_serve_with(options, address, ...) \
    WEFT__HTTP_SERVE(options, address, __VA_ARGS__, .weft_frame = {0, 0})

/** The port of the first address; 0: a unix socket, or none. Thread: loop. Since: 0.1 */
WEFT_PUBLIC int weft_http_server_port(const weft_http_server *server);

/** The first address, port included; "" if there is none. Borrowed. Thread: loop. Since: 0.1 */
WEFT_PUBLIC const char *weft_http_server_address(const weft_http_server *server);

/** What a server has done so far. */
struct weft_http_stats {
    size_t connections; /* open now */
    size_t active;      /* requests whose handler runs now */
    uint64_t requests;  /* that were given to a handler so far */
    uint64_t refused;   /* that were answered by the server itself: malformed, too slow, no route */
};

/** Thread: loop. Since: 0.1 */
WEFT_PUBLIC struct weft_http_stats weft_http_server_stats(const weft_http_server *server);

/**
 * Stop accepting, give the addresses back and close idle connections, on which nothing has come.
 * Requests under way go on; their answer ends their connection. The second time is nothing.
 *
 * A client may use an idle connection at the moment in which it is closed, and cannot know whether
 * its request was heard; what it may not send twice (POST) is lost then. With `stop_idle_timeout`
 * idle connections wait so much longer, and whoever uses one in that time is answered, and told.
 *
 * Thread:    loop.
 * Ownership: nothing changes hands.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_http_server_stop(weft_http_server *server);

/**
 * weft_http_server_stop(), and wait until every connection has ended. Cancelling it stops the wait
 * alone.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL.
 * Errors:    by the future: WEFT_ECLOSED (the server was freed meanwhile), -EBUSY (another one is
 *            under way), -ENOMEM, -ECANCELED.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_http_server_drain(weft_http_server *server);

/**
 * weft_http_server_stop(), and cancel every handler; connections are reset.
 * weft_http_server_drain() waits for their end.
 *
 * Thread:    loop.
 * Ownership: nothing changes hands.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_http_server_abort(weft_http_server *server);

/**
 * The whole end: drain, for at most `grace`; then abort, and wait for what was aborted: for as long
 * as a handler's job runs, if it has one. weft_wait_for() limits that.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. The server is still to be freed.
 * Errors:    by the future: -ETIMEDOUT when something had to be aborted; else as
 *            weft_http_server_drain().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_http_server_shutdown(weft_http_server *server,
                                                                   weft_ns grace);

/**
 * Abort and free the server; handlers that run end by themselves. NULL is nothing.
 *
 * Thread:    loop; also from a handler, which is cancelled as the others are.
 * Ownership: consumes the server.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_http_server_free(weft_http_server *server);

/*
 * ---- The request. All texts are borrowed until the handler has ended. ----
 *
 * Errors of all calls from here on: WEFT_ECLOSED, when it has.
 */

/** "GET"; any token, with case. Thread: loop. Since: 0.1 */
WEFT_PUBLIC const char *weft_http_request_method(const weft_http_request *request);

/** The target as it was sent: "/a%20b?c=d". Thread: loop. Since: 0.1 */
WEFT_PUBLIC const char *weft_http_request_target(const weft_http_request *request);

/**
 * The path, decoded: "/a b"; it begins with "/" ("*" alone for `OPTIONS *`).
 *
 * It holds no NUL and no segment that is "." or "..". An escaped slash has become a slash here, though
 * it was none when the route was looked for.
 *
 * Thread:    loop.
 * Ownership: borrowed until the handler has ended; never NULL.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC const char *weft_http_request_path(const weft_http_request *request);

/** What the route's "..." stands for, decoded; "" for other routes. Thread: loop. Since: 0.1 */
WEFT_PUBLIC const char *weft_http_request_tail(const weft_http_request *request);

/**
 * What the parameter "{name}" of the route stands for in the path, decoded: of "/users/a%2Fb" and
 * "/users/{id}", "a/b". NULL: the route has no such parameter. Thread: loop. Since: 0.1
 */
WEFT_PUBLIC const char *weft_http_request_param(const weft_http_request *request, const char *name);

/**
 * The path of the route, prefixes of routers included: "/users/{id}"; of these there are few, to count
 * requests by. "" when none was found, and for weft_http_serve(). Thread: loop. Since: 0.1
 */
WEFT_PUBLIC const char *weft_http_request_pattern(const weft_http_request *request);

/**
 * The first parameter of that name in the query, decoded: of "?ms=50&x=a+b", "50" for "ms".
 *
 * Thread:    loop.
 * Ownership: borrowed until the handler has ended.
 * Errors:    NULL: there is none, or the query is malformed there. "" is one without a value.
 * Since:     0.1
 */
WEFT_PUBLIC const char *weft_http_request_query(const weft_http_request *request, const char *name);

/** The query as it was sent, without "?"; NULL if there is none. Thread: loop. Since: 0.1 */
WEFT_PUBLIC const char *weft_http_request_query_string(const weft_http_request *request);

/** The value of the first header of that name (without case), or NULL. Thread: loop. Since: 0.1 */
WEFT_PUBLIC const char *weft_http_request_header(const weft_http_request *request,
                                                 const char *name);

/** Name and value of the header at `index`; false behind the last. Thread: loop. Since: 0.1 */
WEFT_PUBLIC bool weft_http_request_header_at(const weft_http_request *request, size_t index,
                                             const char **ret_name, const char **ret_value);

/** "HTTP/1.1" or "HTTP/1.0". Thread: loop. Since: 0.1 */
WEFT_PUBLIC const char *weft_http_request_version(const weft_http_request *request);

/** The client's address, as weft_stream_peer(). Thread: loop. Since: 0.1 */
WEFT_PUBLIC const char *weft_http_request_peer(const weft_http_request *request);

/**
 * Its connection, to look at: weft_stream_local(), weft_stream_credentials(), weft_tls_info() (NULL if it
 * did not come by TLS). Who reads, writes or ends it breaks the server. NULL: the handler has ended.
 * Borrowed until then. Thread: loop. Since: 0.1
 */
WEFT_PUBLIC weft_stream *weft_http_request_stream(const weft_http_request *request);

/** The length of the body; 0: none, -1: not known before it was read. Thread: loop. Since: 0.1 */
WEFT_PUBLIC int64_t weft_http_request_length(const weft_http_request *request);

/**
 * Should the handler come to an end? True once the server stops (weft_http_server_stop()): for
 * answers that go on for ever, as events do. And true when the handler has ended.
 *
 * Thread:    loop.
 * Ownership: nothing changes hands.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC bool weft_http_request_is_stopping(const weft_http_request *request);

/**
 * Wait until the server stops: for handlers that wait for something else meanwhile, by weft_race().
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL.
 * Errors:    by the future: -ENOMEM, -ECANCELED, WEFT_ECLOSED (the server was freed, the handler has
 *            ended).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_http_request_stopping(weft_http_request *request);

/* ---- The body of the request ---- */

/**
 * Read the whole body; the value is a weft_bytes.
 *
 * A handler that passes its failure on (as WEFT_AWAIT_INTO does) has answered with the status that
 * fits: 413, 408, 400.
 *
 * Thread:    loop; from the handler or what it started.
 * Ownership: returns one reference, never NULL. The value has a destructor: take it and call
 *            weft_bytes_free().
 * Errors:    by the future: WEFT_ELIMIT (more than max_body; nothing of it is read if its length
 *            was said), WEFT_EPROTO (malformed), -ETIMEDOUT (too slow), WEFT_EOF, -ECONNRESET and
 *            what else weft_read() fails with; -EBUSY (another read is under way), -EALREADY (a
 *            part was read before), -ENOMEM, -ECANCELED.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_http_read_body(weft_http_request *request);

/**
 * Read a piece of the body: at least one byte, at most `size`; the value is how many, 0 at its end.
 *
 * There is no limit for the length of a body that is read so.
 *
 * Thread:    loop; from the handler or what it started.
 * Ownership: returns one reference, never NULL. `buffer` is borrowed until the future is done.
 * Errors:    by the future: as weft_http_read_body(), without WEFT_ELIMIT and -EALREADY; -EINVAL
 *            (`size` is 0). A failure is final.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_http_read(weft_http_request *request, void *buffer,
                                                        size_t size);

/**
 * The value of the first trailer of that name, sent behind a body in chunks. NULL: there is none, or the
 * body was not read to its end. One that may not be a trailer (framing, routing, authentication …) is
 * left out. Borrowed until the handler has ended. Thread: loop. Since: 0.1
 */
WEFT_PUBLIC const char *weft_http_request_trailer(const weft_http_request *request,
                                                  const char *name);

/* ---- The answer ---- */

/**
 * Add a header to the answer, before it is begun.
 *
 * Content-Type is an argument of weft_http_respond() and weft_http_start(). Content-Length,
 * Transfer-Encoding and the like are the server's business, with one exception: `Connection: close`
 * ends the connection after this answer. A Date or Server header replaces the server's own.
 *
 * Thread:    loop.
 * Ownership: both are copied.
 * Errors:    -EINVAL: not a header's name, a value with a control character (so none can smuggle in
 *            a line of its own), or one that is the server's business; -EALREADY: the answer has
 *            begun; -ENOMEM.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_http_add_header(weft_http_request *request, const char *name,
                                     const char *value);

/**
 * Answer in one piece: head and body are sent by one system call. The future is that of
 * weft_http_drain().
 *
 * `content_type` may be NULL. Whether the method is HEAD, or the status (204, 304) has no body, is
 * looked after: the body is left out then.
 *
 * Thread:    loop; from the handler or what it started.
 * Ownership: returns one reference, never NULL; it may be dropped. `data` is copied as far as it is
 *            not sent at once.
 * Errors:    by the future: -EALREADY (there is an answer), -EINVAL (a status out of 200 … 599, a
 *            `content_type` with a control character), -ENOBUFS (longer than can be kept in memory:
 *            use weft_http_write()), else as weft_http_drain().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_http_respond(weft_http_request *request, int status,
                                                           const char *content_type,
                                                           const void *data, size_t len);

/** weft_http_respond() with a text as of printf(). Thread: loop. Since: 0.1 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_http_respondf(weft_http_request *request, int status,
                                                            const char *content_type,
                                                            const char *format, ...)
    WEFT_PRINTF(4, 5);

/** weft_http_respond() with what the status means: "404 Not Found". Thread: loop. Since: 0.1 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_http_respond_status(weft_http_request *request,
                                                                  int status);

/** As the length of an answer: not known before it ends. */
#define WEFT_HTTP_UNKNOWN_LENGTH ((int64_t)-1)

/**
 * Begin an answer that is sent in pieces.
 *
 * `length` is that of all pieces; if it is WEFT_HTTP_UNKNOWN_LENGTH they are sent in chunks, or to
 * an HTTP/1.0 client until the connection closes. The head is sent with the first piece, or by
 * weft_http_drain().
 *
 * Thread:    loop; from the handler or what it started.
 * Ownership: `content_type` is copied; it may be NULL.
 * Errors:    -EALREADY (there is an answer), -EINVAL as weft_http_respond(), -ENOMEM. Those that
 *            follow fail if this did, so that it may be ignored here.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_http_start(weft_http_request *request, int status, const char *content_type,
                                int64_t length);

/**
 * Send a piece of an answer. Await weft_http_drain() after each, or after some.
 *
 * A piece without bytes is nothing. The body of an answer that has none (HEAD, 204, 304) is
 * dropped.
 *
 * Thread:    loop; from the handler or what it started.
 * Ownership: `data` is copied as far as it is not sent at once.
 * Errors:    -EINVAL (no weft_http_start(), or after weft_http_end()), WEFT_ELIMIT (more than
 *            `length`), -ENOBUFS (too much waits already), -ENOMEM; -EPIPE, -ECONNRESET, -ETIMEDOUT
 *            and what else weft_write() has to say: the client is gone.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_http_write(weft_http_request *request, const void *data, size_t len);

/**
 * Wait until the client has caught up, as weft_drain(); sends the head if that was not done.
 *
 * Thread:    loop; from the handler or what it started.
 * Ownership: returns one reference, never NULL.
 * Errors:    by the future: -EPIPE, -ECONNRESET, -ETIMEDOUT (the client reads nothing) and what
 *            else weft_drain() has to say; -EINVAL (no answer was begun), -EBUSY, -ENOMEM,
 *            -ECANCELED.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_http_drain(weft_http_request *request);

/**
 * End an answer that was begun by weft_http_start(), and wait as weft_http_drain(). A handler that
 * returns has done so.
 *
 * Thread:    loop; from the handler or what it started.
 * Ownership: returns one reference, never NULL; it may be dropped.
 * Errors:    by the future: -EINVAL (no weft_http_start()), WEFT_EPROTO (fewer bytes than `length`:
 *            the connection is reset after the handler), else as weft_http_drain(). The second time
 *            is a success.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_http_end(weft_http_request *request);

/**
 * Add a field that is sent behind the answer's last chunk, between weft_http_start() and
 * weft_http_end(). Clients and proxies may drop it; one to HTTP/1.0 or HEAD is dropped here.
 *
 * Thread:    loop; from the handler or what it started.
 * Ownership: both are copied.
 * Errors:    -EINVAL: not begun, or over, or with a length that was said; a name that may not be a
 *            trailer, or a value as by weft_http_add_header(); -ENOMEM.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_http_add_trailer(weft_http_request *request, const char *name,
                                      const char *value);

/* ---- What the macros expand to; not for direct use. ---- */

WEFT_PUBLIC int weft__http_route(weft_http_router *router, const char *pattern,
                                 const weft_coroutine *coroutine, const void *frame,
                                 size_t request_offset, const char *place);
WEFT_PUBLIC weft_http_router *weft__http_mount(weft_http_router *outer, const char *prefix);

static inline weft_http_router *weft__http_router_itself(weft_http_router *router)
{
    return router;
}

WEFT_PUBLIC weft_http_server *weft__http_serve(const struct weft_http_server_options *options,
                                               const char *address, const weft_coroutine *coroutine,
                                               const void *frame, size_t request_offset,
                                               const char *place);

/* A member `request` of another type is refused: no association of _Generic fits it. */
#define WEFT__HTTP_HANDLER(name, ...)                             \
    weft__coroutine_##name(), &(struct name){__VA_ARGS__},        \
        _Generic(((struct name *)0)->request, weft_http_request * \
                 : offsetof(struct name, request)),               \
        WEFT__HERE
/* A server or a router. */
#define WEFT__HTTP_ROUTER(where)                            \
    _Generic((where), weft_http_router *                    \
             : weft__http_router_itself, weft_http_server * \
             : weft_http_server_router)(where)
#define WEFT__HTTP_ROUTE(where, pattern, ...) \
    weft__http_route(WEFT__HTTP_ROUTER(where), (pattern), WEFT__HTTP_HANDLER(__VA_ARGS__))
#define WEFT__HTTP_SERVE(options, address, ...) \
    weft__http_serve((options), (address), WEFT__HTTP_HANDLER(__VA_ARGS__))

#ifdef __cplusplus
}
#endif

#endif
