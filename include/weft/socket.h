/* SPDX-License-Identifier: MIT */
/**
 * What streams over sockets have besides (<weft/stream.h>): the descriptor, options, who is at the other
 * end.
 */
#ifndef WEFT_SOCKET_H
#define WEFT_SOCKET_H

#include <stddef.h>
#include <sys/types.h>
#include <weft/macros.h>
#include <weft/stream.h>
#include <weft/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The descriptor of a stream, to look at (get_extra_info("socket")). Who reads or writes it, or makes it
 * blocking, breaks the stream.
 *
 * Thread:    loop.
 * Ownership: borrowed, as long as the stream is there.
 * Errors:    -EBADF: it was closed by the end of its loop, or by weft_write_eof() (a pipe).
 * Since:     0.1
 */
WEFT_PUBLIC int weft_stream_fd(const weft_stream *stream);

/**
 * Set an option that is an int, as setsockopt() does: `weft_stream_set_option(stream, SOL_SOCKET,
 * SO_RCVBUF, 1 << 20)`.
 *
 * Thread:    loop.
 * Ownership: nothing changes hands.
 * Errors:    what setsockopt() has to say: -ENOPROTOOPT, -EINVAL, -ENOTSOCK (a pipe); -EBADF as
 *            weft_stream_fd().
 * Since:     0.1
 */
WEFT_PUBLIC int weft_stream_set_option(weft_stream *stream, int level, int name, int value);

/**
 * Get an option that is an int, as getsockopt() does.
 *
 * Thread:    loop.
 * Ownership: nothing changes hands. `*ret_value` is not touched by a failure.
 * Errors:    as weft_stream_set_option().
 * Since:     0.1
 */
WEFT_PUBLIC int weft_stream_get_option(const weft_stream *stream, int level, int name,
                                       int *ret_value);

/** When a peer that says nothing is asked whether it is there. Zero is the default of every field. */
struct weft_keepalive {
    size_t size;      /* sizeof(struct weft_keepalive), or 0 for "this version" */
    weft_ns idle;     /* so long after it said something; whole seconds, rounded up; 0: 60 s */
    weft_ns interval; /* and then so often, until it answers; likewise; 0: 10 s */
    int count;        /* after so many in vain the connection fails, with -ETIMEDOUT; 0: 6 */
};

/**
 * Let the kernel ask a silent peer whether it is there (SO_KEEPALIVE): else a connection whose peer has
 * lost power, or its network, is there for ever if nothing is written.
 *
 * Thread:    loop.
 * Ownership: `keepalive` is copied; NULL: not any more.
 * Errors:    -EINVAL: negative fields, or more than 32767 seconds, or 127 times; -EOPNOTSUPP: it is not
 *            TCP; -EBADF as weft_stream_fd().
 * Since:     0.1
 */
WEFT_PUBLIC int weft_stream_set_keepalive(weft_stream *stream,
                                          const struct weft_keepalive *keepalive);

/** A process at the other end of a Unix socket, as it was when it connected (or made the pair). */
struct weft_credentials {
    pid_t pid;
    uid_t uid;
    gid_t gid;
};

/**
 * Who is at the other end of a Unix socket (SO_PEERCRED). The kernel says so: the peer cannot lie.
 *
 * Thread:    loop.
 * Ownership: `*ret` is not touched by a failure.
 * Errors:    -EOPNOTSUPP: it is not a Unix socket; -EBADF as weft_stream_fd().
 * Since:     0.1
 */
WEFT_PUBLIC int weft_stream_credentials(const weft_stream *stream, struct weft_credentials *ret);

#ifdef __cplusplus
}
#endif

#endif
