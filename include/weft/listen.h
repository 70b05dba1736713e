/* SPDX-License-Identifier: MIT */
/**
 * Listeners: a coroutine for each connection that arrives (asyncio.start_server).
 *
 *     struct echo {
 *         WEFT_FRAME;
 *         weft_stream *stream;
 *         const char *greeting;
 *         size_t len;
 *         char data[4096];
 *     };
 *
 *     static WEFT_ASYNC(echo)
 *     {
 *         WEFT_BEGIN;
 *         weft_write(self->stream, self->greeting, strlen(self->greeting));
 *         do {
 *             WEFT_AWAIT_INTO(self->len, weft_read(self->stream, self->data, sizeof(self->data)));
 *             weft_write(self->stream, self->data, self->len);
 *             WEFT_AWAIT(weft_drain(self->stream));
 *         } while (self->len);
 *         WEFT_END;
 *     }
 *
 *     weft_listener *listener = weft_listen("127.0.0.1:8080", echo, .greeting = "hello\n");
 *
 * The stream belongs to the connection's task as long as the task runs: it may end it before by
 * weft_close() or weft_stream_free(), and need not. When the task has ended, the listener closes
 * the stream: if the task succeeded, after sending what was written (for at most `close_timeout`);
 * if it failed or was cancelled, at once. The connection counts as open until then. A failure of
 * the task is reported to the loop's error handler.
 *
 * End of a server: weft_listener_drain() within a deadline, then weft_listener_abort() if that was
 * not enough:
 *
 *     WEFT_CATCH(self->status, weft_wait_for(weft_listener_drain(self->listener), WEFT_S(10)));
 *     if (self->status == -ETIMEDOUT) {
 *         weft_listener_abort(self->listener);
 *         WEFT_AWAIT(weft_listener_drain(self->listener));
 *     }
 *     weft_listener_free(self->listener);
 */
#ifndef WEFT_LISTEN_H
#define WEFT_LISTEN_H

#include <stddef.h>
#include <stdint.h>
#include <weft/future.h>
#include <weft/macros.h>
#include <weft/stream.h>
#include <weft/task.h>
#include <weft/time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_listener weft_listener;

/** <weft/tls.h> makes these. */
struct weft_tls_context;

enum weft_listen_flags {
    WEFT_LISTEN_DEFAULT = 0,
    WEFT_LISTEN_REUSE_PORT = 1, /* several listeners, one in each loop, share the port */
    /* Every connection begins with a PROXY header, version 1 or 2, as haproxy, nginx and others send
     * it: weft_stream_peer() is whom it names. One that does not is refused. Only for addresses
     * that nobody but the proxy can reach: who can, is whom he says. */
    WEFT_LISTEN_PROXY = 2
};

/** Zero is the default of every field. */
struct weft_listen_options {
    size_t size; /* sizeof(struct weft_listen_options), or 0 for "this version" */
    int backlog; /* connections that wait to be accepted; 0: as many as the system allows */
    size_t max_connections; /* open at a time, on all addresses; the next ones wait in the backlog;
                               0: no limit */
    weft_ns close_timeout;  /* to send what is left after a task has ended; 0: 10 s */
    weft_ns handshake_timeout; /* from accept() until the task starts, where there is a PROXY header
                                  or a handshake to wait for; 0: 10 s */
    enum weft_listen_flags flags;
    const struct weft_stream_limits *limits; /* of each stream; copied; NULL: the defaults */
    struct weft_tls_context
        *tls; /* a server's: a task starts when its handshake is done; a reference is
                                     taken; NULL: no TLS */
};

/**
 * Listen on an address, or on several, and start a task for each connection:
 * `weft_listen("[::1]:80", serve, .config = config)`.
 *
 * The frame must have a member `weft_stream *stream`; it is set to the connection. The other
 * arguments are copied for every task, as in weft_spawn(); what they point to is borrowed until the
 * last task has ended.
 *
 * Addresses are those of <weft/address.h>, without names to look up ("localhost" is 127.0.0.1).
 * Besides, "*:8080" is every address of this machine, IPv6 and IPv4, and port 0 picks a free one:
 * see weft_listener_port(). "[::]:80" is IPv6 alone. The file of "unix:/path" must not exist; it is
 * removed when listening stops, by the process that made it. "fd:3" is a socket that listens already, by its descriptor; "fd:web"
 * is every socket of this name that a service manager has passed: <weft/notify.h>. They stay open,
 * and their owner's: the listener has descriptors of its own, and when it stops, who connects waits
 * for the next one.
 *
 * Several addresses are separated by commas: "[::]:80, 127.0.0.1:8080, unix:/run/web". It listens on
 * all of them or, when one cannot be had, on none; they share the limit, the counts and the end. (So
 * a path with a comma in it cannot be listened on.)
 *
 * When the process is out of file descriptors, connections that arrive are closed at once, and that
 * is reported to the loop's error handler; so is every other failure of accept(), after which the
 * listener pauses for a moment.
 *
 * Thread:    loop.
 * Ownership: the caller's, until weft_listener_free(); what is left when the loop is
 *            freed is freed with it.
 * Errors:    NULL and errno: EINVAL (not such an address; not a socket that listens), ENOENT (no
 *            socket of this name was passed), EBADF, EADDRINUSE, EACCES and what else bind() has to
 *            say, EMFILE, ENFILE, ENOMEM, -WEFT_ENOLOOP.
 * Since:     0.1
 */
#define weft_listen(addresses, ...) WEFT__LISTEN(NULL, addresses, __VA_ARGS__, .weft_frame = {0, 0})

/** weft_listen() with options: `weft_listen_with(&options, "*:80", serve, .config = config)`. A literal
 * with several fields needs parentheses: `weft_listen_with((&(struct weft_listen_options){…}), …)`.
 * Thread: loop. Since: 0.1 */
#define weft_listen_with(options, addresses, ...) \
    WEFT__LISTEN(options, addresses, __VA_ARGS__, .weft_frame = {0, 0})

/** The port it listens on; 0 for a unix socket. Of several addresses, the first one's. Thread: loop.
 * Since: 0.1 */
WEFT_PUBLIC int weft_listener_port(const weft_listener *listener);

/**
 * The address it listens on, port included: "127.0.0.1:8080". Of several addresses, the first.
 *
 * Thread:    loop.
 * Ownership: borrowed, as long as the listener is there; never NULL.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC const char *weft_listener_address(const weft_listener *listener);

/**
 * Each of the addresses it listens on, counting from 0, in the order in which they were named.
 *
 * Thread:    loop.
 * Ownership: borrowed, as long as the listener is there.
 * Errors:    NULL: it has not so many.
 * Since:     0.1
 */
WEFT_PUBLIC const char *weft_listener_address_at(const weft_listener *listener, size_t index);

/** How many connections are open. Thread: loop. Since: 0.1 */
WEFT_PUBLIC size_t weft_listener_connections(const weft_listener *listener);

/** What a listener has done; those that are 64 bits wide count from its beginning. */
struct weft_listener_stats {
    size_t connections; /* open now */
    size_t beginning; /* of these, those that have no task yet: header or handshake is under way */
    size_t most;      /* were open at a time */
    uint64_t accepted;
    uint64_t refused; /* of these: no PROXY header, or no handshake, in time */
    uint64_t failed;  /* of these: the task failed */
    uint64_t dropped; /* not accepted: closed at once for want of descriptors or of memory */
    const char *last_refusal; /* who was refused, and why: "192.0.2.1:4711: no PROXY header"; NULL:
                                 nobody was */
};

/**
 * Count what it has done. Who was refused is not reported to the loop's error handler, since whoever
 * connects could fill a log with that: it is only here.
 *
 * Thread:    loop.
 * Ownership: `ret` is filled; its text is borrowed until the listener refuses another one.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_listener_get_stats(const weft_listener *listener,
                                         struct weft_listener_stats *ret);

/**
 * Stop accepting and give the addresses back. Connections go on; those in the backlog are reset (of a
 * socket that is lent, "fd:3", they stay there). The second time is nothing.
 *
 * Thread:    loop.
 * Ownership: nothing changes hands.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_listener_stop(weft_listener *listener);

/**
 * Stop accepting, and wait until every connection has ended. Cancelling it stops the wait alone.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL.
 * Errors:    by the future: -EBUSY (another one is under way), WEFT_ECLOSED (the
 *            listener was freed meanwhile), -ENOMEM, -ECANCELED.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_listener_drain(weft_listener *listener);

/**
 * Stop accepting, and cancel the task of every connection; weft_listener_drain() waits for their
 * end.
 *
 * Thread:    loop.
 * Ownership: nothing changes hands.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_listener_abort(weft_listener *listener);

/**
 * Stop accepting, cancel the task of every connection, and free the listener; the tasks end by
 * themselves. NULL is nothing.
 *
 * Thread:    loop; also from a task of one of its connections, which is then cancelled
 *            as the others are.
 * Ownership: consumes the listener.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_listener_free(weft_listener *listener);

/* ---- What the macros expand to; not for direct use. ---- */

WEFT_PUBLIC weft_listener *weft__listen(const struct weft_listen_options *options,
                                        const char *addresses, const weft_coroutine *coroutine,
                                        const void *frame, size_t stream_offset, const char *place);

/* A member `stream` of another type is refused: no association of _Generic fits it. */
#define WEFT__LISTEN(options, addresses, name, ...)                                             \
    weft__listen((options), (addresses), weft__coroutine_##name(), &(struct name){__VA_ARGS__}, \
                 _Generic(((struct name *)0)->stream, weft_stream *                             \
                          : offsetof(struct name, stream)),                                     \
                 WEFT__HERE)

#ifdef __cplusplus
}
#endif

#endif
