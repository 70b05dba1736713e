/* SPDX-License-Identifier: MIT */
/**
 * What streams over sockets have besides (<weft/stream.h>): the descriptor, options, who is at the
 * other end; and descriptors that are handed to another process.
 */
#ifndef WEFT_SOCKET_H
#define WEFT_SOCKET_H

#include <stddef.h>
#include <sys/types.h>
#include <weft/future.h>
#include <weft/macros.h>
#include <weft/stream.h>
#include <weft/time.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The descriptor of a stream, to look at (get_extra_info("socket")). Who reads or writes it, or
 * makes it blocking, breaks the stream.
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

/** When a peer that says nothing is asked whether it is there. Zero: the default of a field. */
struct weft_keepalive {
    size_t size;      /* sizeof(struct weft_keepalive), or 0 for "this version" */
    weft_ns idle;     /* so long after it said something; whole seconds, rounded up; 0: 60 s */
    weft_ns interval; /* and then so often, until it answers; likewise; 0: 10 s */
    int count;        /* after so many in vain the connection fails, with -ETIMEDOUT; 0: 6 */
};

/**
 * Let the kernel ask a silent peer whether it is there (SO_KEEPALIVE): else a connection whose peer
 * has lost power, or its network, is there for ever if nothing is written.
 *
 * Thread:    loop.
 * Ownership: `keepalive` is copied; NULL: not any more.
 * Errors:    -EINVAL: negative fields, or more than 32767 seconds, or 127 times; -EOPNOTSUPP: it is
 *            not TCP; -EBADF as weft_stream_fd().
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

/* ---- Descriptors by Unix sockets ---- */

/**
 * Write, and hand over a copy of a descriptor with the first byte (SCM_RIGHTS).
 *
 * The peer, which is another process most often, gets a descriptor of its own of the same open
 * file. It keeps its place among the bytes that are written before and after. A peer that does not
 * expect one gets the bytes only.
 *
 * Thread:    loop.
 * Ownership: `fd` stays the caller's, who may close it at once; `data` as with weft_write().
 * Errors:    -EOPNOTSUPP: it is not a Unix socket, or has TLS; -EINVAL: `len` is 0; -EBADF, -EMFILE
 *            (there is no number for a copy), -ENOMEM. Else as weft_write().
 * Since:     0.1
 */
WEFT_PUBLIC int weft_send_fd(weft_stream *stream, int fd, const void *data, size_t len);

/**
 * Keep the descriptors that come from now on, at most `limit` that weft_receive_fd() has not given;
 * what came before was closed. Call it right after the stream was made.
 *
 * When more come, or the process has no free number for one, the reading direction fails behind the
 * bytes before, with WEFT_ELIMIT or -EMFILE.
 *
 * Thread:    loop.
 * Ownership: what is kept is closed with the stream.
 * Errors:    -EOPNOTSUPP: it is not a Unix socket, or has TLS; -EINVAL: `limit` is 0 or more than
 *            253, or it was called before; -ENOMEM; -ESHUTDOWN.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_accept_fds(weft_stream *stream, size_t limit);

/**
 * The next descriptor that has come, in order; the value is its number. It is close-on-exec.
 *
 * It is here no later than the byte with which it was sent: so read the message first, and then as
 * many descriptors as it announces. A task that waits for one before reading what is before it
 * meets WEFT_ELIMIT when that is more than the stream may keep.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. The value has a destructor, which closes it:
 *            whoever takes it closes it.
 * Errors:    by the future: WEFT_EOF (the stream has ended), -EBUSY (another read is under way),
 *            -EINVAL (weft_accept_fds() was not called), WEFT_ELIMIT; else as weft_read().
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_receive_fd(weft_stream *stream);

#ifdef __cplusplus
}
#endif

#endif
