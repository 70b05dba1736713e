/* SPDX-License-Identifier: MIT */
/*
 * Listeners from the inside; net/listen/listener.c has the design comment.
 */
#ifndef WEFT_NET_LISTENER_H
#define WEFT_NET_LISTENER_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <weft/listen.h>

#include "core/future.h"
#include "core/link.h"
#include "net/resolve/address.h"

struct weft__net;
struct weft__tls_ops;

/** What TLS is done by, without knowing it. */
static inline const struct weft__tls_ops *weft__tls_ops_of(const struct weft_tls_context *context)
{
    return *(const struct weft__tls_ops *const *)(const void *)context;
}

/* ---- Sockets: net/listen/open.c ---- */

/** A socket that listens, before some listener takes it. */
struct weft__listening {
    int fd;
    bool is_any;         /* IPv6, and IPv4 too: "*" */
    bool is_lent;        /* from outside: others may listen on it, too */
    bool owns_file;      /* a unix socket's, to be removed when listening stops … */
    unsigned generation; /* … in the process that made it: weft__generation */
    struct weft__address address;
};

/** Several of them. Zeroed: none. */
struct weft__listening_set {
    size_t count;
    struct weft__listening *sockets; /* owned */
};

/**
 * Listen on each address of a list, or on none. 0, or bind()'s errors and -EINVAL, -ENOENT; then
 * `failed`, if it is not NULL, is the address that could not be had.
 */
int weft__listening_open(const char *addresses, const struct weft_listen_options *options,
                         struct weft__listening_set *ret, char failed[WEFT__ADDRESS_TEXT]);

/**
 * The same addresses once more, for another loop: sockets of their own that share the ports (for
 * which all must have WEFT_LISTEN_REUSE_PORT), or other descriptors of the same ones.
 */
int weft__listening_copy(const struct weft__listening_set *set,
                         const struct weft_listen_options *options, struct weft__listening_set *ret,
                         char failed[WEFT__ADDRESS_TEXT]);

/** Those that nobody took are ended. */
void weft__listening_close(struct weft__listening_set *set);

/** Listen no more on this one, and remove its file. */
void weft__listening_end(struct weft__listening *socket);

/** 0, or -EINVAL. */
int weft__listen_check_options(const struct weft_listen_options *options);

/* ---- Listeners ---- */

/** One address of a listener. All [loop]. */
struct weft__socket {
    weft_listener *listener; /* [const] */
    struct event event;
    bool armed;                       /* event is added */
    struct weft__listening listening; /* fd is -1 when it has stopped */
    char text[WEFT__ADDRESS_TEXT];    /* of the address */
};

/** All fields are [loop]. */
struct weft_listener {
    weft__link link;              /* first; in net->listeners */
    struct weft__net *net;        /* [const] */
    struct weft__socket *sockets; /* [const] owned */
    size_t count;                 /* [const] of them */
    int reserve_fd;               /* given up when there are no others; -1: gone */
    bool stopped;
    bool aborted;        /* nothing is sent any more when a task ends */
    weft_future *pause;  /* accepting goes on when it is done; NULL: no pause */
    weft_ns reported_at; /* when a failure to accept was last reported */
    size_t dropped;      /* connections closed at once and not reported yet */
    size_t max_connections;
    struct weft_listener_stats stats;
    char refusal[WEFT__ADDRESS_TEXT + 128]; /* what stats.last_refusal is */
    weft_ns close_timeout, handshake_timeout;
    weft_future *drainer; /* under way, with a reference, or NULL */
    const weft_coroutine *coroutine;
    char *frame; /* what each task's frame is a copy of; owned */
    size_t stream_offset;
    const char *place;
    bool proxied;                 /* connections begin with a PROXY header */
    struct weft_tls_context *tls; /* NULL, or a reference */
    bool has_limits;
    struct weft_stream_limits limits;
};

/** What is known of a coroutine for connections. */
struct weft__server {
    const weft_coroutine *coroutine;
    const void *frame;
    size_t stream_offset;
    const char *place;
};

/** weft_listen() on sockets that listen already, which it takes over unless it fails. */
weft_listener *weft__listen_on(const struct weft_listen_options *options,
                               struct weft__listening_set *set, const struct weft__server *server);

/* ---- Accepting: net/listen/accept.c ---- */

/** Wait for connections, if there may be more; 0 or libevent's failure. */
int weft__listener_update(weft_listener *listener);

/** The same; a failure is reported: the last thing that is done with the listener. */
void weft__listener_go_on(weft_listener *listener);

/** Do not wait for connections any more. */
void weft__listener_rest(weft_listener *listener);

/** event: there is a connection. `arg` is the weft__socket. */
void weft__listener_on_acceptable(evutil_socket_t fd, short what, void *arg);

/* ---- Connections: net/listen/connection.c ---- */

enum weft__connection_phase {
    WEFT__CONNECTION_BEGINS, /* its PROXY header and its handshake are waited for */
    WEFT__CONNECTION_RUNS,   /* its task */
    WEFT__CONNECTION_CLOSES, /* what the task left is sent */
    WEFT__CONNECTION_LEAVES  /* nothing is left, a goodbye may be */
};

/** A connection: from accept() until its task has ended and its stream is closed. All [loop]. */
struct weft__connection {
    weft__link link;         /* first; in net->connections */
    weft_listener *listener; /* NULL: freed meanwhile */
    weft_stream *stream;     /* NULL: closed by the task */
    weft__waiter waiter;     /* on what its phase says */
    weft_ns close_timeout;
    enum weft__connection_phase phase;
};

/** A connection was accepted. Takes over `fd`, unless it fails: -ENOMEM, -EIO. */
int weft__connection_start(weft_listener *listener, int fd, const struct weft__address *peer);

/** A connection has ended, or could not be begun: who drains the listener is told of the last. */
void weft__listener_drained(weft_listener *listener, int status);

#endif
