/* SPDX-License-Identifier: MIT */
/* A file that is being sent. See net/stream/sendfile.c. For streams with WEFT__STREAM_SENDING. */
#ifndef WEFT_NET_SENDFILE_H
#define WEFT_NET_SENDFILE_H

#include "net/stream/stream.h"

/** The kernel takes more, or it has failed with `status`. The last thing that is done with the stream. */
void weft__sending_go_on(weft_stream *stream, int status);

/** The writing direction has failed: end it. The last thing that is done with the stream. */
void weft__sending_break(weft_stream *stream, int status);

/** The stream ends: let go of what is under way. The operation is still to be completed. */
struct weft__stream_op *weft__sending_take(weft_stream *stream);

#endif
