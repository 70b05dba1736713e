/* SPDX-License-Identifier: MIT */
/*
 * The HTTP server from the inside. net/http/connection.c has the design comment; the other sources
 * are about one thing each:
 *
 *     server.c      options, listeners, the end
 *     route.c       patterns, and which handler answers what
 *     tree.c        finding a route
 *     connection.c  the coroutine of a connection: head, handler, what comes after
 *     metrics.c     what it is doing, for other threads
 *     deadline.c    how long a connection may wait
 *     watch.c       a client that goes away while its handler waits
 *     handle.c      the number by which a handler knows its request
 *     request.c     what a handler may ask about its request
 *     body.c        reading the body
 *     answer.c      the answer
 *     headers.c     what handlers add to its head
 *     coder.c       answers in another content coding; see there
 *     middleware.c  what is called for a request, and in what order
 *     access.c      who is told of a request that is over
 *     upgrade.c     a connection that goes on with another protocol; websocket*.c are one
 *     events.c      server-sent events
 *     cookie.c      cookies, both ways
 *     form.c        bodies that are forms; upload.c: with files
 *     static.c      files as answers; beneath.c opens them, conditional.c and ranges.c decide, by_kernel.c
 *                   sends large ones
 *
 * and request_id.c, time_limit.c and cors.c are middleware.
 */
#ifndef WEFT_NET_HTTP_SERVER_H
#define WEFT_NET_HTTP_SERVER_H

#include <time.h>
#include <weft/callback.h>
#include <weft/event.h>
#include <weft/http_middleware.h>
#include <weft/http_server.h>

#include "core/context.h"
#include "core/future.h"
#include "core/inspect/source.h"
#include "core/link.h"
#include "core/loop.h"
#include "net/http/coding/codec.h"
#include "net/http/handle.h"
#include "net/http/parser/parser.h"
#include "net/http/route/route.h"
#include "net/stream/stream.h"

/** All fields are [loop]. */
struct weft_http_server {
    weft__link link; /* first; in the loop's part */
    weft_loop *loop; /* [const] */
    size_t refs;     /* the owner's, and one of each connection and drain */
    bool stopping, freed;
    weft_ns idle_until; /* when idle connections are closed, whatever idle_timeout says */
    struct weft_http_server_options options; /* [const] with the defaults filled in */
    struct weft__http_limits limits;         /* [const] */
    struct weft__http_node tree;             /* of the routes */
    struct weft__http_route *any;            /* a route for everything; owned; NULL: none */
    weft_http_router *routers;               /* all; owned */
    weft_http_router *router;                /* [const] of all paths; one of them */
    int route_error;                         /* the first that weft_http_route() returned */
    weft_http_access_fn *on_access;          /* NULL: nobody is told */
    void *on_access_arg;
    weft_event *stop_event; /* for who waits for that; made when asked for; owned; NULL: none */
    weft_listener **listeners;
    size_t listener_count;
    weft__link *connections;
    size_t open; /* of these */
    size_t active;
    uint64_t served, refused;
    weft__http_exchange *spare; /* that are not in use */
    size_t spare_count;
    struct weft__http_slots *slots; /* [const] the loop's */
    time_t date_second;             /* of the date in the next field */
    char ok_and_date[56];           /* "HTTP/1.1 200 OK\r\nDate: …\r\n" */
    char *server_line;              /* "Server: …\r\n", or NULL; owned */
    char address[128];              /* [const] once it is listed: the first one */
    struct weft__source source;     /* for who looks at it from outside: metrics.c */
};

enum weft__http_phase {
    WEFT__HTTP_IDLE,     /* between two requests: nothing of one has arrived */
    WEFT__HTTP_IN_HEAD,  /* a part of a head has */
    WEFT__HTTP_HANDLING, /* a handler runs, or what comes after it */
    WEFT__HTTP_LEAVING   /* no more requests */
};

enum weft__http_body_state {
    WEFT__HTTP_BODY_NONE, /* there is none, or all of it was read */
    WEFT__HTTP_BODY_UNTOUCHED,
    WEFT__HTTP_BODY_BEGUN,
    WEFT__HTTP_BODY_FAILED /* body_error says why; the connection cannot go on */
};

enum weft__http_answer_state {
    WEFT__HTTP_NO_ANSWER,
    WEFT__HTTP_NOT_STARTED, /* weft_http_start() failed */
    WEFT__HTTP_STARTED,     /* weft_http_start(), and the head is not sent */
    WEFT__HTTP_STREAMING,   /* the head is sent */
    WEFT__HTTP_ANSWERED,
    WEFT__HTTP_BROKEN,  /* it cannot be ended well */
    WEFT__HTTP_UPGRADED /* the connection is the handler's: upgrade.c */
};

/** Lines that a handler has added. */
struct weft__http_lines {
    char *text; /* owned */
    size_t len, size;
};

/** How much of what was added to a head is there. */
struct weft__http_mark {
    size_t len;
    bool has_date, has_server;
};

/** A connection: what is held for it while nothing is asked. All fields are [loop]. */
typedef struct weft__http_connection {
    weft__link link;              /* first; in server->connections */
    weft_http_server *server;     /* [const] */
    weft_stream *stream;          /* NULL: closed */
    weft__http_exchange *request; /* the one that it is at; NULL when IDLE */
    uint32_t refs;                /* its own, and one of each watch */
    enum weft__http_phase phase;
    size_t served; /* requests on this connection */

    /* deadline.c */
    weft_future *waiting;  /* for input; a reference; NULL: nothing */
    weft_ns head_deadline; /* 0: not set yet */
    weft_ns read_deadline, write_deadline;
    struct weft_callback timer; /* pending: a call at `armed` */
    weft_ns armed;
    int64_t sent; /* when write_deadline was set */
    bool expired; /* `waiting` was cancelled by read_deadline */

    /* watch.c */
    weft_future *watching; /* a reference; NULL: not */
} weft__http_connection;

/**
 * A request and its answer, of which handlers know a number: one block of memory from the first byte to the end of the answer, with the
 * parser's behind it. It goes around between connections, with the texts that it owns. All fields are
 * [loop].
 */
struct weft__http_exchange {
    weft__http_exchange *next; /* first; of those that are not in use */
    weft__http_connection *connection;
    weft_http_server *server; /* the connection's */
    weft_stream *stream;      /* the connection's */
    weft_ns began;            /* if somebody is to be told of its end */
    uint32_t slot;            /* [const] */
    bool spent;               /* its slot is good for no other handler */

    struct weft__http_parser parser;
    const struct weft__http_route *route; /* NULL: none is found */
    struct weft__http_slice segments;     /* the path, with a NUL for each escaped slash */
    char *params;                         /* values of the route's, each with a NUL behind; owned */
    size_t params_size;
    const char *path, *tail, *query;
    char *cookies; /* name, NUL, value, NUL; again and again; owned */
    size_t cookies_len;
    bool has_cookies;       /* the two are known */
    const char *parameters; /* name, NUL, value, NUL; again and again */
    size_t parameters_len;
    char *text; /* where those that are not in the head lie; owned */
    size_t text_size;
    weft_http_router *router;        /* whose middleware it passes through */
    size_t step;                     /* the next one of it */
    const weft_coroutine *coroutine; /* of the handler or the middleware that was called last */
    const char *place;
    struct weft__http_mark kept; /* what had been added before */
    weft_context *context;       /* the connection's, as before this request; owned */
    weft_future *handler;        /* while it runs; a reference */
    bool watched;                /* the handler is to be watched when it does not read */
    bool gone;                   /* the client is: the handler was cancelled */

    /* body.c */
    enum weft__http_body_state body;
    bool body_asked;  /* a read was begun */
    int body_error;   /* what reads fail with */
    int body_status;  /* the HTTP status that fits body_error; 0: the client is gone */
    bool continued;   /* "100 Continue" was sent, or is needless */
    weft_ns patience; /* how long reads of this body may still wait */
    weft_ns wait_began;
    size_t credit;       /* bytes that have not bought time yet */
    weft_future *reader; /* a read under way; a reference */

    /* answer.c */
    enum weft__http_answer_state answer;
    int status;
    bool close;    /* the connection ends after this answer */
    bool bodiless; /* HEAD, 204, 304: what is written is dropped */
    bool chunked;
    bool has_date, has_server; /* among the headers */
    int64_t length;            /* what is left to write; -1: not known */
    int64_t written; /* bytes that were given to the stream, but for those of the next field */
    int64_t file_at; /* what the stream had written when a file began to be sent, or another
                        protocol; -1: none is */
    struct weft__http_lines headers, trailers; /* as added */
    weft_future *draining;                     /* a drain under way; a reference */
    struct weft__http_heartbeat *heartbeat;    /* events.c; owned; NULL: there is none */
    struct weft__http_encoding encoding;       /* to be used if it is worth it; no codec: none */
    struct weft__http_coder *coder;            /* that the body goes through; owned; NULL: none */
};

/* ---- server.c ---- */

void weft__http_server_unref(weft_http_server *server);

/** It can be looked at from outside from now on, if it listens; nothing if it can already. See
 * metrics.c. */
void weft__http_show(weft_http_server *server);

/** For a connection whose next request has begun; NULL: out of memory. */
weft__http_exchange *weft__http_request_new(weft__http_connection *connection);
void weft__http_request_free(weft__http_exchange *request);

/* ---- route.c ---- */

/** 0, 404, or 405 and, for OPTIONS, 204: then `allowed` is a list for the Allow header. */
int weft__http_find_route(const weft_http_server *server, const weft__http_exchange *request,
                          struct weft__http_found *ret);
void weft__http_free_routes(weft_http_server *server);

/** One more router; NULL: out of memory. */
weft_http_router *weft__http_router_new(weft_http_server *server, weft_http_router *outer);

/* ---- middleware.c ---- */

/** The head is there: find who answers, and begin; a call. NULL: the server has answered. */
weft_future *weft__http_dispatch(weft__http_exchange *request);

/** A new router uses what those around it do. 0, -ENOMEM. */
int weft__http_router_inherit(weft_http_router *router);
void weft__http_free_uses(weft_http_router *router);

/* ---- access.c ---- */

void weft__http_tell_access(const weft__http_exchange *request);

/* ---- connection.c ---- */

/** weft_listen_with(), with the coroutine of a connection. */
weft_listener *weft__http_listen(weft_http_server *server, const char *address,
                                 const struct weft_listen_options *options);

void weft__http_connection_unref(weft__http_connection *connection);

/** It ends: stop everything that would call back. */
void weft__http_connection_end(weft__http_connection *connection);

/* ---- deadline.c ---- */

/** Wait for more input than `have` bytes, until `deadline`. weft__http_waited() must follow. */
weft_future *weft__http_wait(weft__http_connection *connection, size_t have, weft_ns deadline);

/** After the wait: its status, but -ETIMEDOUT if the deadline had passed. */
int weft__http_waited(weft__http_connection *connection, int status);

/** How much of the answer has reached the client; only differences of it mean anything. */
int64_t weft__http_sent(const weft__http_connection *connection);

/** Something waits to be sent: it has write_timeout for each piece of progress. */
void weft__http_limit_write(weft__http_connection *connection);

/** The server stops: nothing but what its `idle_until` grants is waited for where no request is. */
void weft__http_limit_idle(weft__http_connection *connection);

/** The timer's function. */
void weft__http_on_time(void *connection);

/* ---- watch.c ---- */

void weft__http_watch(weft__http_connection *connection);
void weft__http_unwatch(weft__http_connection *connection);

/** The client is gone: the handler is cancelled. Not if it is to be kept. */
void weft__http_client_is_gone(weft__http_connection *connection);

/* ---- events.c ---- */

/** Nothing is sent by itself any more. */
void weft__http_events_end(weft__http_exchange *request);

/* ---- request.c ---- */

/** The head is there: decode path and query. 0, -EINVAL (a path that is not allowed), -ENOMEM. */
int weft__http_request_decode(weft__http_exchange *request);

/** A route is found: keep what its parameters and its "..." stand for. 0, -ENOMEM. */
int weft__http_request_routed(weft__http_exchange *request, const struct weft__http_found *found);
void weft__http_request_forget(weft__http_exchange *request);

/* ---- body.c ---- */

/** The head is there: what is known of the body. */
void weft__http_body_begin(weft__http_exchange *request);

/** How many bytes of the body are still to come, if that is known; else UINT64_MAX. */
uint64_t weft__http_body_left(const weft__http_exchange *request);

/**
 * Drop what has arrived of a body that nobody wants. 0: all of it is over; -EAGAIN: wait for more;
 * else the failure.
 */
int weft__http_body_discard(weft__http_exchange *request);
weft_future *weft__http_body_wait(weft__http_exchange *request);

/** What the body says is the client's fault: a handler that fails with `error` has answered `status`.
 * Returns `error`. */
int weft__http_blame_body(weft__http_exchange *request, int error, int status);
int weft__http_body_waited(weft__http_exchange *request, int status);

/* ---- answer.c ---- */

void weft__http_answer_begin(weft__http_exchange *request);

/** Begin anew, with what was added before the last step (`kept`). */
void weft__http_answer_again(weft__http_exchange *request);

/** Send the head of a 101; what the handler has added is in it. 0, or as weft_write(). */
int weft__http_switch(weft__http_exchange *request, const char *protocol);
weft_future *weft__http_end(weft__http_exchange *request);

/** "404 Not Found", and why; NULL: not said. */
weft_future *weft__http_respond_status(weft__http_exchange *request, int status,
                                       const char *reason);

/** Drop a future whose failure is no news. */
void weft__http_let_go(weft_future *future);

/** The server's own answer, which ends the connection if it was no whole request. */
void weft__http_refuse(weft__http_exchange *request, int status, const char *reason);

/** A wait for what was written, kept in request->draining while it is under way. */
weft_future *weft__http_drain(weft__http_exchange *request);

/** Its status is `status`, and nobody need hear of it if the client is the reason. */
weft_future *weft__http_failed(const weft__http_exchange *request, int status);

/** How the end of the body is told: by `length`, or if that is not known in chunks or by the connection's. */
void weft__http_frame(weft__http_exchange *request, int64_t length);

/** Send the head of an answer that was started, if it was not sent. 0, or as weft_write(). */
int weft__http_send_head(weft__http_exchange *request);

/** Send a piece of the body, be it empty, however much waits; `last`: and the end. 0, or as
 * weft_write(). */
int weft__http_send_piece(weft__http_exchange *request, const void *data, size_t len, bool last);

/* ---- by_kernel.c ---- */

/** How many bytes were given to the stream. */
int64_t weft__http_written(const weft__http_exchange *request);

/** Can weft__http_sendfile() send it: is nothing to be done with the bytes on their way? */
bool weft__http_can_sendfile(weft_http_request *handle);

/**
 * Send a part of a file as a piece of an answer that was started, by weft_sendfile(), whose value it is; a
 * weft__http_file_sent() follows. write_timeout watches its progress.
 */
weft_future *weft__http_sendfile(weft_http_request *handle, int fd, int64_t offset, size_t len);
int weft__http_file_sent(weft_http_request *handle, size_t len);

/* ---- headers.c ---- */

int weft__http_add_header(weft__http_exchange *request, const char *name, const char *value);

static inline struct weft__http_mark weft__http_headers_mark(const weft__http_exchange *request)
{
    return (struct weft__http_mark){request->headers.len, request->has_date, request->has_server};
}

/** Room for so many bytes more. 0, -ENOMEM. */
int weft__http_reserve_lines(struct weft__http_lines *lines, size_t more);

/** A line that is known to be sound. 0, -ENOMEM. */
int weft__http_add_line(struct weft__http_lines *lines, const char *name, const char *value);

/** There are none; a little memory is kept for the next ones. */
void weft__http_forget_lines(struct weft__http_lines *lines);

#endif
