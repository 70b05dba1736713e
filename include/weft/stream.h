/* SPDX-License-Identifier: MIT */
/**
 * Streams: connected sockets that are read and written without blocking (asyncio's StreamReader and
 * StreamWriter in one). <weft/connect.h> has how to come by one, <weft/listen.h> the other end:
 * servers; <weft/socket.h> what only sockets have.
 *
 *     struct ask { WEFT_FRAME; weft_stream *stream; weft_bytes *line; };
 *
 *     static WEFT_ASYNC(ask)
 *     {
 *         WEFT_BEGIN;
 *         WEFT_AWAIT_INTO(self->stream, weft_connect("localhost:7"));
 *         weft_write(self->stream, "hello\n", 6);
 *         WEFT_AWAIT_INTO(self->line, weft_read_line(self->stream, 0));
 *         printf("%s", self->line->data);
 *         WEFT_FINALLY;
 *         weft_bytes_free(self->line);
 *         weft_stream_free(self->stream);
 *         WEFT_END;
 *     }
 *
 * Reading: what arrives is kept in the stream's buffer until somebody reads it, up to `read_high`
 * bytes; then the stream stops reading and the peer has to wait. A read that was cancelled, timed
 * out (weft_wait_for()), met its limit or the end too early has taken nothing: the bytes are there
 * for the next one. An error of the connection is met after all that arrived before it. One read at
 * a time.
 *
 * Writing: weft_write() sends at once what the kernel takes and keeps a copy of the rest. Await
 * weft_drain() after each write, or after some: it waits while the peer is slow, which keeps memory
 * bounded. Who never does meets -ENOBUFS in the end.
 *
 * A stream belongs to one owner, who ends it by weft_close() (what was written is sent first) or by
 * weft_stream_free() (at once). What is left when its loop is freed is freed with it.
 */
#ifndef WEFT_STREAM_H
#define WEFT_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include <weft/bytes.h>
#include <weft/file.h>
#include <weft/future.h>
#include <weft/macros.h>
#include <weft/time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_stream weft_stream;

/** How much a stream keeps in memory. Zero is the default of every field. */
struct weft_stream_limits {
    size_t size;        /* sizeof(struct weft_stream_limits), or 0 for "this version" */
    size_t read_high;   /* stop reading while so many bytes wait to be read; 0: 64 KiB */
    size_t write_high;  /* weft_drain() waits when more than this waits to be sent; 0: 64 KiB */
    size_t write_low;   /* … until no more than this does; 0: a quarter of write_high */
    size_t write_limit; /* weft_write() refuses when more than this waits to be sent; 0: 1 MiB, or
                           write_high if that is more */
};

/**
 * A stream over a stream socket that is connected already: of a socketpair(), or inherited.
 *
 * The socket is made non-blocking and close-on-exec.
 *
 * Thread:    loop.
 * Ownership: the caller's, until weft_close() or weft_stream_free(). Takes over
 *            `socket`, unless it fails.
 * Errors:    NULL and errno: EBADF, EINVAL (not a connected stream socket), ENOMEM,
 *            -WEFT_ENOLOOP.
 * Since:     0.1
 */
WEFT_PUBLIC weft_stream *weft_stream_new(int socket);

/**
 * Two streams that are each other's peer, within this process.
 *
 * They are a socketpair(), so that all that is true of streams is true of them.
 *
 * Thread:    loop.
 * Ownership: both are the caller's, as that of weft_stream_new().
 * Errors:    -EMFILE, -ENFILE, -ENOMEM, -ESHUTDOWN, WEFT_ENOLOOP: `ret` is not touched.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK int weft_stream_pair(weft_stream *ret[2]);

/**
 * Set how much the stream may keep in memory. What is there already stays.
 *
 * Thread:    loop.
 * Ownership: `limits` is copied; NULL restores the defaults.
 * Errors:    -EINVAL unless write_low <= write_high <= write_limit.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_stream_set_limits(weft_stream *stream,
                                       const struct weft_stream_limits *limits);

/**
 * Address of the peer: "127.0.0.1:40312", "[::1]:40312", "unix:/run/some.sock", "unix:" (no name).
 *
 * Thread:    loop.
 * Ownership: borrowed, as long as the stream is there; never NULL.
 * Errors:    "?" when out of memory or when the address is not known.
 * Since:     0.1
 */
WEFT_PUBLIC const char *weft_stream_peer(weft_stream *stream);

/** Address of this end; else as weft_stream_peer(). Thread: loop. Since: 0.1 */
WEFT_PUBLIC const char *weft_stream_local(weft_stream *stream);

/** What a stream has done. */
struct weft_stream_stats {
    uint64_t received; /* bytes that have come, be they read or not yet */
    uint64_t
        written; /* bytes that were taken by weft_write() and its like, be they sent or not yet */
    size_t to_read; /* of `received`: wait in the stream's buffer */
    size_t to_send; /* weft_write_pending() */
    weft_ns opened; /* when the stream was made; weft_now() */
};

/**
 * Count what a stream has done. The bytes are those that its user reads and writes: with TLS, more
 * go by the wire.
 *
 * Thread:    loop.
 * Ownership: nothing changes hands.
 * Errors:    all zero on another thread.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_stream_get_stats(const weft_stream *stream, struct weft_stream_stats *ret);

/* ---- Reading ---- */

/**
 * Read what is there, at least one byte and at most `size` (StreamReader.read); the value is how
 * many, 0 at the end of the stream.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. `buffer` is borrowed until the future
 *            is done.
 * Errors:    by the future: -EBUSY (another read is under way), -ECONNRESET and what
 *            else recv() has to say, WEFT_ECLOSED (the stream was closed meanwhile),
 *            -EINVAL (`size` is 0), -ENOMEM, -ECANCELED.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_read(weft_stream *stream, void *buffer, size_t size);

/**
 * Read `size` bytes, no fewer (StreamReader.readexactly); the value is `size`.
 *
 * Thread:    loop.
 * Ownership: as weft_read().
 * Errors:    by the future: WEFT_EOF when the stream ends before: nothing is taken
 *            then, weft_read() still has what came. Else as weft_read(); a `size` of 0
 *            is a success.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_read_exactly(weft_stream *stream, void *buffer,
                                                           size_t size);

/**
 * Read all that comes until the stream ends (StreamReader.read without a number); the value is a
 * weft_bytes, whose `len` is 0 if nothing comes.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. The value has a destructor: take it and call
 *            weft_bytes_free().
 * Errors:    by the future: WEFT_ELIMIT when more than `limit` bytes come (0: 1 MiB; SIZE_MAX: no
 *            limit): nothing is taken then. Else as weft_read().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_read_all(weft_stream *stream, size_t limit);

/**
 * Read a line (StreamReader.readline); the value is a weft_bytes that ends with the '\n'.
 *
 * At the end of the stream it is the last line without one, and then it is empty: `len` is 0.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. The value has a destructor: take it
 *            and call weft_bytes_free().
 * Errors:    by the future: WEFT_ELIMIT when the line, '\n' included, would be longer
 *            than `limit` bytes (0: 64 KiB): nothing is taken then. Else as
 *            weft_read().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_read_line(weft_stream *stream, size_t limit);

/**
 * Read up to and including a separator (StreamReader.readuntil); the value is a weft_bytes.
 *
 * Thread:    loop.
 * Ownership: as weft_read_line(); the separator is copied.
 * Errors:    by the future: WEFT_EOF when the stream ends before: nothing is taken
 *            then; WEFT_ELIMIT as for weft_read_line(); -EINVAL (an empty separator).
 *            Else as weft_read().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_read_until(weft_stream *stream, const void *separator,
                                                         size_t separator_len, size_t limit);

/** What is read until; one of several. */
struct weft_separator {
    const void *data;
    size_t len;
};

/**
 * Read up to and including whichever separator ends first (StreamReader.readuntil with a tuple);
 * the value is a weft_bytes, which ends with it.
 *
 * Of those that end at the same byte it does not matter which it was. One that begins with another
 * one is never waited for: "\n" and "\n\n" together are "\n".
 *
 * Thread:    loop.
 * Ownership: as weft_read_line(); the separators are copied.
 * Errors:    by the future: as weft_read_until(); -EINVAL: there is none, or an empty one.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *
weft_read_until_any(weft_stream *stream, const struct weft_separator *separators, size_t count,
                    size_t limit);

/**
 * The next line, lent by the stream (`async for line in reader`); the value is a `const weft_bytes
 * *`, or NULL at the end of the stream:
 *
 *     for (;;) {
 *         WEFT_AWAIT_INTO(self->line, weft_next_line(self->stream, NULL));
 *         if (!self->line)
 *             break;
 *         puts(self->line->data);
 *     }
 *
 * The line comes without its end; a NUL follows the last byte. What follows the last "\n", if
 * anything, is a line too. Compared with weft_read_line() nothing is allocated for each line, and
 * nothing is to be freed. `options` says what ends a line, and how long it may be; its `chunk` is
 * not used.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. The line is borrowed: until the next call, or the
 *            end of the stream object. `options` may be NULL, and is copied.
 * Errors:    by the future: WEFT_ELIMIT (a longer line), -EINVAL (the options). Else as
 *            weft_read(). Nothing is taken then.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_next_line(weft_stream *stream,
                                                        const struct weft_lines_options *options);

/**
 * True once the peer has ended the stream and all of it was read (at_eof).
 * Thread: loop. Since: 0.1
 */
WEFT_PUBLIC bool weft_at_eof(const weft_stream *stream);

/* ---- Reading without a copy ---- */

/**
 * Wait until the stream's own buffer holds more than `have` bytes; the value is how many it holds.
 * weft_peek() shows them, and weft_consume() takes them:
 *
 *     WEFT_AWAIT_INTO(self->len, weft_fill(self->stream, 0));
 *     self->data = weft_peek(self->stream, &self->len);
 *     weft_write(self->stream, self->data, self->len);
 *     weft_consume(self->stream, self->len);
 *
 * So a task needs no buffer of its own, and while it waits there is none at all: they are lent by
 * the loop, and many connections share a few. When the stream ends before, the value is what is
 * left, which is not more than `have`; 0 at the end.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. Takes nothing: what was filled stays for the next
 *            read of any kind.
 * Errors:    by the future: as weft_read().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_fill(weft_stream *stream, size_t have);

/**
 * The bytes that wait to be read, in one piece.
 *
 * Thread:    loop.
 * Ownership: borrowed, until the next read, fill or consume of this stream, and until the task
 *            awaits anything.
 * Errors:    NULL and *ret_len 0: there are none.
 * Since:     0.1
 */
WEFT_PUBLIC const char *weft_peek(const weft_stream *stream, size_t *ret_len);

/**
 * Take the first `len` bytes that wait to be read. The memory goes back when none are left.
 *
 * Thread:    loop.
 * Ownership: nothing changes hands.
 * Errors:    -EINVAL: there are not so many, and nothing is taken; -EBUSY: a read is under way.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_consume(weft_stream *stream, size_t len);

/* ---- Writing ---- */

/**
 * Write (StreamWriter.write): sent at once as far as the kernel takes it; the rest follows by
 * itself.
 *
 * All or nothing is taken. No signal is raised when the peer is gone. Success does not say that the
 * peer got it. A failure of the connection is kept: every later write and drain fails with it.
 *
 * Thread:    loop.
 * Ownership: `data` is copied as far as it is not sent at once.
 * Errors:    -ENOBUFS: more than `write_limit` bytes wait already, await weft_drain()
 *            first; -EPIPE (the peer is gone, or after weft_write_eof()), -ECONNRESET
 *            and what else send() has to say; -ENOMEM: when a part of it was sent
 *            already, the connection has failed with that.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_write(weft_stream *stream, const void *data, size_t len);

/**
 * Write several pieces as one (StreamWriter.writelines), with one system call and without a copy as
 * far as the kernel takes them.
 *
 * Thread:    loop.
 * Ownership: as weft_write(), for each of them.
 * Errors:    as weft_write(): all of them are taken, or nothing.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_writev(weft_stream *stream, const struct iovec *pieces, size_t count);

/**
 * Wait until the peer has caught up (StreamWriter.drain).
 *
 * Done at once unless more than `write_high` bytes wait to be sent; then it is done when no more
 * than `write_low` do. A task that writes without end to a fast peer gets a turn's pause here now
 * and then, so that others get theirs. Cancelling it takes nothing back that was written.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL.
 * Errors:    by the future: -EBUSY (another drain is under way), the failure of the
 *            connection as for weft_write(), WEFT_ECLOSED (the stream was closed
 *            meanwhile), -ENOMEM, -ECANCELED.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_drain(weft_stream *stream);

/** How many bytes wait to be sent. Thread: loop. Since: 0.1 */
WEFT_PUBLIC size_t weft_write_pending(const weft_stream *stream);

/**
 * End the writing direction once all that was written is sent (StreamWriter.write_eof); reading
 * goes on.
 *
 * Thread:    loop.
 * Ownership: nothing changes hands.
 * Errors:    0, also the second time; the failure of the connection as for
 *            weft_write().
 * Since:     0.1
 */
WEFT_PUBLIC int weft_write_eof(weft_stream *stream);

/* ---- The end ---- */

/**
 * Send what was written, then close (StreamWriter.close and wait_closed).
 *
 * A read or drain that is under way fails with WEFT_ECLOSED. Cancelling the future closes at once,
 * so that `weft_wait_for(weft_close(stream), WEFT_S(5))` never takes longer. Dropping it leaves the
 * stream to send and close by itself. NULL is nothing.
 *
 * Thread:    loop.
 * Ownership: consumes the stream. Returns one reference, never NULL.
 * Errors:    by the future, the stream being closed in any case: the failure of the
 *            connection as for weft_write() if something that was written could not be
 *            sent; -ENOMEM (the same), -ECANCELED.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_close(weft_stream *stream);

/**
 * Close at once; what was not sent is dropped. A read or drain that is under way fails with
 * WEFT_ECLOSED. NULL is nothing.
 *
 * Thread:    loop.
 * Ownership: consumes the stream.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_stream_free(weft_stream *stream);

/**
 * weft_stream_free(), and the peer is told that something is missing (transport.abort): by TCP it
 * gets a reset (RST) in place of an end, and what the kernel had still to send is dropped. With
 * other kinds of streams it is the same as weft_stream_free(). NULL is nothing.
 *
 * Thread:    loop.
 * Ownership: consumes the stream.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_stream_abort(weft_stream *stream);

#ifdef __cplusplus
}
#endif

#endif
