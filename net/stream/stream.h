/* SPDX-License-Identifier: MIT */
/*
 * Streams from the inside: the object, and what those build on who want no copies (the HTTP
 * server). net/stream/stream.c has the design comment.
 */
#ifndef WEFT_NET_STREAM_H
#define WEFT_NET_STREAM_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>
#include <weft/stream.h>

#include "core/future.h"
#include "core/link.h"
#include "net/resolve/address.h"
#include "net/stream/buffer.h"

struct weft__net;
struct weft__connection;
struct weft__stream_fds;
struct weft__stream_filter;
struct weft__departure;

/* ---- The object; nothing of it is for those who use streams. ---- */

enum weft__stream_flags {
    WEFT__STREAM_READ_ARMED = 1,  /* read_event is added */
    WEFT__STREAM_WRITE_ARMED = 2, /* write_event is added: the kernel said EAGAIN */
    WEFT__STREAM_CORKED = 4,
    WEFT__STREAM_EOF_ASKED = 8, /* weft_write_eof(): shut down once `out` is empty */
    WEFT__STREAM_PAUSED = 16,   /* more than write_high wait(ed): drains wait for write_low */
    WEFT__STREAM_CLOSING = 32,  /* weft_close(): the stream is its own owner now */
    WEFT__STREAM_DEAD = 64,     /* closed by the end of the loop; only weft_stream_free() is left */
    WEFT__STREAM_PIPE = 128,    /* no socket: one direction */
    WEFT__STREAM_FILTERED = 256,
    WEFT__STREAM_BY_HAND =
        512,                 /* no events: the filter, which is its descriptor, tells it to go on */
    WEFT__STREAM_FDS = 1024, /* keeps the descriptors that come */
    WEFT__STREAM_SENDING = 2048 /* there is a `sender`, and nobody else writes */
};

/**
 * An operation on a stream that is under way; reads, in net/stream/read.c, have more. All [loop].
 */
struct weft__stream_op {
    weft_future future;            /* first */
    weft_stream *stream;           /* while PENDING; NULL: it is gone */
    struct weft__stream_op **slot; /* where the stream keeps it, with a reference, while PENDING */
};

/** All fields are [loop]. */
struct weft_stream {
    weft__link link;       /* first; in net->streams */
    struct weft__net *net; /* [const] */
    int fd;                /* -1 when DEAD */
    uint32_t flags;
    struct event read_event;
    struct event *write_event; /* made when the kernel first says EAGAIN; owned */
    weft__buffer in, out;
    size_t read_high, write_high, write_low, write_limit;
    size_t read_size;   /* of an empty buffer; grows and shrinks with what comes at a time */
    bool read_little;   /* the last read was less than a quarter of that */
    int read_end;       /* what follows the bytes in `in`: 0: more; WEFT_EOF; an error */
    int write_error;    /* 0, or what every write fails with */
    size_t since_pause; /* bytes written since a drain let others run */
    uint64_t received, written; /* bytes, see weft_stream_get_stats() */
    weft_ns opened;             /* [const] */
    weft_bytes *line;           /* what weft_next_line() lends; NULL: not yet; owned */
    size_t line_room;           /* bytes it has room for */
    struct weft__stream_op *reader, *drainer, *closer, *sender; /* under way, or NULL */
    struct weft__stream_filter *filter; /* net/stream/filter.h; NULL: none; owned */
    struct weft__stream_fds
        *fds; /* descriptors that came; NULL: weft_accept_fds() was not called */
    struct weft__departure *departures;  /* descriptors that wait to be sent, in order */
    struct weft__connection *connection; /* a listener's record to tell of its end, or NULL */
    char *peer_text, *local_text;        /* made when asked for; owned */
    struct weft__address
        peer; /* last: only as much of it is allocated as it has; len 0: not known */
};

/* ---- For those who build a protocol on a stream. Thread: loop, all of them. ---- */

/**
 * The bytes that wait to be read, in one piece; NULL and 0 if there are none.
 *
 * Borrowed until the next consume, read or wait on this stream, and until this task awaits
 * anything.
 */
const char *weft__stream_peek(const weft_stream *stream, size_t *ret_len);

/** The first `len` of them are dealt with. The buffer is given back when it is empty: an idle
 * stream holds none. */
void weft__stream_consume(weft_stream *stream, size_t len);

/**
 * Wait until more than `have` bytes wait to be read; the value is how many (int64). Done at once if
 * there are.
 *
 * `have` is what the caller has seen and left there: 0 if it consumed everything. The buffer grows
 * past `read_high` for it. Counts as a read: -EBUSY if there is another. Fails with WEFT_EOF at the
 * end of the stream, else as weft_read(); what is there stays there.
 */
weft_future *weft__stream_wait(weft_stream *stream, size_t have);

/** weft_write() of several pieces, sent by one system call. Any `count`. */
int weft__stream_writev(weft_stream *stream, const struct iovec *pieces, size_t count);

/**
 * Between cork and uncork, writes are collected and nothing is sent; uncork sends. They do not
 * nest. An uncork returns as weft_write() does. Beyond write_high, a corked stream sends all the
 * same.
 */
void weft__stream_cork(weft_stream *stream);
int weft__stream_uncork(weft_stream *stream);

/**
 * weft_drain(), but until nothing at all waits to be sent. Every later drain of this stream waits for
 * that too: for the end of a connection.
 */
weft_future *weft__stream_flush(weft_stream *stream);

/** Fail the writing direction, and a drain under way, with `status`; what waits is dropped. */
void weft__stream_break(weft_stream *stream, int status);

/** The failure of the writing direction, kept; 0: none. -EPIPE after weft_write_eof(). */
int weft__stream_write_error(const weft_stream *stream);

/** True once the peer's end or an error has arrived, even if there are still bytes to read. */
static inline bool weft__stream_input_ended(const weft_stream *stream)
{
    return stream->read_end != 0;
}

/* ---- Between net/stream*.c, net/listen/listener.c and net/connect/connect.c. ---- */

/**
 * A stream over a connected, non-blocking socket. Takes over `fd`, unless it fails: -ENOMEM or
 * libevent's -EIO. `limits` is NULL or valid; `peer` is copied, NULL: not known.
 */
int weft__stream_open(struct weft__net *net, int fd, const struct weft_stream_limits *limits,
                      const struct weft__address *peer, weft_stream **ret);

/** The same for one direction; `kind` is WEFT__STREAM_PIPE, with BY_HAND or without, or 0: a socket. */
int weft__stream_open_one_way(struct weft__net *net, int fd, uint32_t kind, bool writes,
                              weft_stream **ret);

/** 0, or -EINVAL if weft_stream_set_limits() would refuse them. NULL is fine. */
int weft__stream_check_limits(const struct weft_stream_limits *limits);

/** Say of what waits for a stream which descriptor that is: see core/inspect/eye.h. */
void weft__explain_stream(struct weft__eye *eye, const weft_stream *at, struct weft__waiting *ret,
                          const char *direction);

/** Take an operation out of its slot and complete it; drops the stream's reference. */
void weft__stream_op_complete(struct weft__stream_op *op, int status, weft_value value,
                              weft_destructor *destructor);

/**
 * A pending operation in a slot that is free; NULL: out of memory. Returns the caller's reference.
 */
void *weft__stream_op_new(weft_stream *stream, struct weft__stream_op **slot,
                          const struct weft__future_ops *ops, size_t size);

/** Arm or disarm read_event, as the buffer has room (or the read under way needs it). */
void weft__stream_update_reading(weft_stream *stream);

/** read_event: there is something to read. `arg` is the stream. */
void weft__stream_on_readable(evutil_socket_t fd, short what, void *arg);

/** write_event: the kernel takes more. */
void weft__stream_on_writable(evutil_socket_t fd, short what, void *arg);

/** Close the descriptor, and nothing else. */
void weft__stream_close_fd(weft_stream *stream);

/** Close the socket, fail what is under way with `status`, free everything. */
void weft__stream_destroy(weft_stream *stream, int status);

/** The kernel may take more: let it be tried, in a turn of its own. */
void weft__stream_make_writable(weft_stream *stream);

/** Let write_event tell when the kernel takes more. 0, or the failure, kept. */
int weft__stream_wait_writable(weft_stream *stream);

/** Send what waits, if nothing else will. Calls no user code. */
void weft__stream_push(weft_stream *stream);

/** Both directions have failed, and what is under way fails with `status`; a close ends. */
void weft__stream_fail(weft_stream *stream, int status);

/** Everything is sent (or nothing can be) and it is CLOSING: end it. */
void weft__stream_finish_closing(weft_stream *stream);

#endif
