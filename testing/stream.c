/* SPDX-License-Identifier: MIT */
/* Streams without a network: a pair of connected sockets. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/testing.h>

#include "core/loop.h"
#include "core/sys.h"

int weft_testing_stream_pair(weft_stream **ret_a, weft_stream **ret_b)
{
    int fds[2];
    *ret_a = *ret_b = NULL;
    if (!weft__here())
        return weft__enoloop();
    if (weft__sys.socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
        return -errno;
    weft_stream *a = weft_stream_new(fds[0]);
    weft_stream *b = a ? weft_stream_new(fds[1]) : NULL;
    if (b) {
        *ret_a = a;
        *ret_b = b;
        return 0;
    }
    int error = errno;
    if (a)
        weft_stream_free(a); /* closes its socket */
    else
        close(fds[0]);
    close(fds[1]);
    return -error;
}
