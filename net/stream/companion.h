/* SPDX-License-Identifier: MIT */
/*
 * What the companion libraries (weft_tls) use of net/'s inside; core/companion.h says how. Thread:
 * loop, all of them; the caller has made sure of that.
 */
#ifndef WEFT_NET_COMPANION_H
#define WEFT_NET_COMPANION_H

#include "net/stream/filter.h"

/** The number of the loop to which it belongs; see core/thread.h. */
WEFT_PUBLIC uint32_t weft__companion_stream_loop_id(const weft_stream *stream);

/** Its descriptor, borrowed; -1: closed by the end of the loop. */
WEFT_PUBLIC int weft__companion_stream_fd(const weft_stream *stream);

/**
 * Set a filter. What the stream has read already is the first that it receives; what waits to be
 * sent is sent before all that it sends.
 *
 * Takes over the filter with success. -EBUSY: there is one, or a read or a file is under way, or
 * descriptors go by it; -EPIPE: after
 * weft_write_eof(); WEFT_EOF: the peer's end has come; -EINVAL: it is no socket; -ESHUTDOWN; the
 * failure of the connection.
 */
WEFT_PUBLIC int weft__companion_filter_set(weft_stream *stream, struct weft__stream_filter *filter);

/** The stream's filter if it has these ops, else NULL. */
WEFT_PUBLIC struct weft__stream_filter *
weft__companion_filter_of(const weft_stream *stream, const struct weft__stream_filter_ops *ops);

/**
 * recv(), for receive(): what has come, encoded. More than 0: so many bytes; 0: the end, without a
 * goodbye of the filter's; -EAGAIN; the failure.
 */
WEFT_PUBLIC ssize_t weft__companion_filter_receive(struct weft__stream_filter *filter, void *buffer,
                                                   size_t size);

/**
 * Append to what is to be sent; in any of the ops but end(), and outside of them. It is sent when
 * the op has returned; outside by weft__companion_filter_push(). After shut_down() it is dropped. 0
 * or -ENOMEM.
 */
WEFT_PUBLIC int weft__companion_filter_send(struct weft__stream_filter *filter, const void *data,
                                            size_t len);

/** Outside of the ops: send what waits. 0, or the failure of the writing direction. */
WEFT_PUBLIC int weft__companion_filter_push(struct weft__stream_filter *filter);

/** Outside of the ops: receive() would give something now, or get on with its handshake. */
WEFT_PUBLIC void weft__companion_filter_wake(struct weft__stream_filter *filter);

/**
 * Outside of the ops: both directions have failed, and so does what is under way. User code may be
 * called, which may free the stream: the last thing that is done with it.
 */
WEFT_PUBLIC void weft__companion_filter_fail(struct weft__stream_filter *filter, int status);

#endif
