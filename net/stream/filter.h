/* SPDX-License-Identifier: MIT */
/*
 * Filters: what stands between a stream's buffers and its descriptor and changes the bytes on their
 * way. TLS is one.
 *
 *     descriptor --recv()--> filter->receive() --> in  --> who reads
 *     descriptor <--send()-- out <-- filter->encode() <-- who writes
 *
 * The stream stays what it is: `in` holds what was decoded, `out` what was encoded, so that limits,
 * drain, cork, close and cancel work as without one, and no byte is lost by any of them. A filter
 * has no events of its own; it is called when the stream reads or writes.
 *
 *     NEW --set--> SET --the stream shuts down--> SET, its end is sent --end()--> gone
 *                   '--the stream is freed, or the loop ends-----------end()-----'
 *
 * A filter calls no user code within its functions but in end(), and completes nothing there that
 * somebody may have dropped; it does so later, by a weft_callback.
 */
#ifndef WEFT_NET_FILTER_H
#define WEFT_NET_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <weft/callback.h>
#include <weft/future.h>
#include <weft/stream.h>

#include "net/stream/buffer.h"

struct weft__stream_filter;
struct weft_tls_context;

/** All called on the loop's thread, with the filter on its stream but for end(). */
struct weft__stream_filter_ops {
    const char *name; /* "TLS" */
    /*
     * In place of recv(): decode what weft__companion_filter_receive() gives into `buffer`. More
     * than 0: so many bytes; 0: the clean end of the stream; -EAGAIN: nothing now, the descriptor
     * had no more (a step of a handshake may have been made); else the failure of the reading
     * direction, for good: an end that was cut off, say. `size` is 0 when there is no memory: then
     * -EAGAIN, behind a step of a handshake, and has_more() if that is done.
     */
    ssize_t (*receive)(struct weft__stream_filter *filter, void *buffer, size_t size);
    /*
     * Encode all of the pieces, by weft__companion_filter_send(). 0; -EBUSY: not yet, a handshake is
     * under way, and nothing was taken; else the failure of the writing direction, for good.
     */
    int (*encode)(struct weft__stream_filter *filter, const struct iovec *pieces, size_t count);
    /*
     * There are bytes inside, so that receive() gives some though the descriptor is not readable.
     * Asked after each receive() that gave some, and when the stream begins to read again.
     */
    bool (*has_more)(const struct weft__stream_filter *filter);
    /*
     * The writing direction ends: weft_write_eof(), or weft_close(). Called once; what is sent now is
     * the last. 0; -EBUSY: not yet, as for encode() (a close goes on all the same); else a failure.
     */
    int (*shut_down)(struct weft__stream_filter *filter);
    /*
     * The stream is gone, or closed by the end of the loop. Fail what is under way with `status` and
     * free the filter. Called once, for each that was set; user code may be called.
     */
    void (*end)(struct weft__stream_filter *filter, int status);
    /*
     * NULL, but for a filter that is the descriptor of a stream (WEFT__STREAM_BY_HAND), in place of
     * send(): how many of the bytes, which begin what waits to be sent, are done with; 0: none yet,
     * weft__filter_go_on() will tell. Or the failure, for good. Such a filter has neither encode() nor
     * shut_down().
     */
    ssize_t (*transmit)(struct weft__stream_filter *filter, const char *data, size_t len);
};

/**
 * The first member of a filter; zeroed, with `ops`. All [loop].
 */
struct weft__stream_filter {
    const struct weft__stream_filter_ops *ops; /* [const] */
    weft_stream *stream;                       /* NULL before it is set, and in end() */
    /* How long weft_close() waits, after all is sent, for the peer's end; 0: not at all. To be
     * written by the filter at any time. */
    weft_ns close_timeout;
    /* What the future of a read or drain says that fails with `failure`; NULL: what the status means.
     * Written by the filter; borrowed. */
    int failure;
    const char *why;
    /* The stream's: what it had read when the filter was set, still encoded, and the end of a close. */
    weft__buffer early;
    struct weft_callback patience;
};

/**
 * What a weft_tls_context begins with, so that those who connect and listen need not know TLS. All
 * [const]. Thread: loop.
 */
struct weft__tls_ops {
    /* weft_start_tls(): the value is none. `server_name` is NULL for servers, and for clients that
     * check no name. The context is kept as long as it is needed. */
    weft_future *(*start)(struct weft_tls_context *context, weft_stream *stream, bool is_server,
                          const char *server_name);
    void (*ref)(struct weft_tls_context *context);
    void (*unref)(struct weft_tls_context *context);
};

/* ---- Between net/stream/filter.c and net/stream*.c; for streams that have one. ---- */

/** weft__companion_filter_set() of a stream that has none, and nothing under way. */
void weft__filter_attach(weft_stream *stream, struct weft__stream_filter *filter);

/** It is the descriptor: there is something to receive, or transmit() has something to tell. */
void weft__filter_go_on(struct weft__stream_filter *filter, bool writes);

/** recv() of a filtered stream: how many bytes, perhaps none. Keeps the end in read_end. */
ssize_t weft__filter_read(weft_stream *stream, void *buffer, size_t size);

/** There is no memory for what comes: the filter gets on with its handshake all the same. 0, or -ENOMEM:
 * it has bytes by now, which wait until somebody reads. */
int weft__filter_starve(weft_stream *stream);

/** The stream begins to read again: let it come to what is inside of the filter. */
void weft__filter_announce(weft_stream *stream);

/** A close has sent everything. True: it waits for the peer's end, and then goes on by itself. Any
 * stream. */
bool weft__filter_lingers(weft_stream *stream);

/** In that time: what came is dropped. `ended`: nothing more will come. The last thing that is done
 * with the stream. */
void weft__filter_drop(weft_stream *stream, bool ended);

/** Take the filter off, to be ended; NULL: there is none. */
struct weft__stream_filter *weft__filter_take(weft_stream *stream);

/** The message of a failure, for weft__complete_failed(); NULL: none, or no memory. Any stream. */
char *weft__filter_why(const weft_stream *stream, int status);

#endif
