/* SPDX-License-Identifier: MIT */
/* Streams over what the kernel cannot watch. See net/stream/file.c. */
#ifndef WEFT_NET_STREAM_FILE_H
#define WEFT_NET_STREAM_FILE_H

#include "net/stream/stream.h"

/** A stream over any descriptor, in one direction, that is read or written by jobs. Takes over `fd`,
 * unless it fails: -ENOMEM, -EMFILE. */
int weft__stream_open_file(struct weft__net *net, int fd, bool writes, weft_stream **ret);

#endif
