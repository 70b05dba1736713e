/* SPDX-License-Identifier: MIT */
/* Pipes that do not raise SIGPIPE. */
#ifndef WEFT_CORE_PIPE_H
#define WEFT_CORE_PIPE_H

#include <sys/types.h>
#include <sys/uio.h>

/**
 * writev() to a pipe. A reader that is gone is EPIPE, and no signal. Thread: any.
 */
ssize_t weft__pipe_writev(int fd, const struct iovec *pieces, int count);

/**
 * sendfile(), likewise. Thread: any.
 */
ssize_t weft__pipe_sendfile(int to, int from, off_t *offset, size_t size);

#endif
