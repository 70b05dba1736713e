/* SPDX-License-Identifier: MIT */
/* Descriptors that go by a Unix socket. See net/stream/fds.c. */
#ifndef WEFT_NET_STREAM_FDS_H
#define WEFT_NET_STREAM_FDS_H

#include "net/stream/read.h"

/** recv() of a stream with WEFT__STREAM_FDS, which keeps the descriptors that come along: how many bytes,
 * perhaps none. Keeps the end in read_end. */
ssize_t weft__fds_receive(weft_stream *stream, void *buffer, size_t size);

/** Send from `out`, once, while a descriptor waits to be sent: how many bytes, or -1 and errno. */
ssize_t weft__fds_send(weft_stream *stream);

/** Try weft_receive_fd(). */
struct weft__read_end weft__fds_try(weft_stream *stream);

/** Close those that wait to be sent. */
void weft__fds_drop(weft_stream *stream);

/** Close all. */
void weft__fds_free(weft_stream *stream);

#endif
