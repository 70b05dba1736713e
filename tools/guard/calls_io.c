/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing by descriptor: pipes, sockets, terminals, files. What waits for the other side is
 * reported when the descriptor was not ready; what is ready, or a file, when it took long; see
 * tools/guard/fd.c.
 *
 * The names that end in _chk are what the compiler calls with _FORTIFY_SOURCE.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tools/guard/guard.h"

#define READ "weft_read(), or weft_file_read() of a file"
#define WRITE "weft_write(), or weft_file_write() to a file"

/* A call on `fd`, for `events`, of `size` bytes or pieces, that libc knows as `name` and who reads the report
 * as `shown`. Of nothing there is nothing to wait for. */
#define TRANSFERS_AS(name, shown, fd, events, instead, type, parameters, arguments) \
    GUARD_WRAPS type name parameters                                                \
    {                                                                               \
        GUARD_REAL(name);                                                           \
        if (size == 0 || !guard__watches())                                         \
            return real arguments;                                                  \
        enum guard__fd how = guard__fd_is(fd, events);                              \
        if (how == GUARD_FD_NEVER)                                                  \
            return real arguments;                                                  \
        struct guard__call call = guard__begin_fd(how, shown, instead);             \
        type ret = real arguments;                                                  \
        guard__end_fd(&call, how, fd);                                              \
        return ret;                                                                 \
    }
#define TRANSFERS(name, ...) TRANSFERS_AS(name, #name, __VA_ARGS__)

TRANSFERS(read, fd, POLLIN, READ, ssize_t, (int fd, void *buffer, size_t size), (fd, buffer, size))
TRANSFERS(readv, fd, POLLIN, READ, ssize_t, (int fd, const struct iovec *pieces, int size),
          (fd, pieces, size))
TRANSFERS(pread, fd, POLLIN, READ, ssize_t, (int fd, void *buffer, size_t size, off_t offset),
          (fd, buffer, size, offset))
TRANSFERS(pread64, fd, POLLIN, READ, ssize_t, (int fd, void *buffer, size_t size, off64_t offset),
          (fd, buffer, size, offset))
TRANSFERS(preadv, fd, POLLIN, READ, ssize_t,
          (int fd, const struct iovec *pieces, int size, off_t offset), (fd, pieces, size, offset))
TRANSFERS(preadv64, fd, POLLIN, READ, ssize_t,
          (int fd, const struct iovec *pieces, int size, off64_t offset),
          (fd, pieces, size, offset))
TRANSFERS(write, fd, POLLOUT, WRITE, ssize_t, (int fd, const void *bytes, size_t size),
          (fd, bytes, size))
TRANSFERS(writev, fd, POLLOUT, WRITE, ssize_t, (int fd, const struct iovec *pieces, int size),
          (fd, pieces, size))
TRANSFERS(pwrite, fd, POLLOUT, WRITE, ssize_t,
          (int fd, const void *bytes, size_t size, off_t offset), (fd, bytes, size, offset))
TRANSFERS(pwrite64, fd, POLLOUT, WRITE, ssize_t,
          (int fd, const void *bytes, size_t size, off64_t offset), (fd, bytes, size, offset))
TRANSFERS(pwritev, fd, POLLOUT, WRITE, ssize_t,
          (int fd, const struct iovec *pieces, int size, off_t offset), (fd, pieces, size, offset))
TRANSFERS(pwritev64, fd, POLLOUT, WRITE, ssize_t,
          (int fd, const struct iovec *pieces, int size, off64_t offset),
          (fd, pieces, size, offset))
TRANSFERS(sendfile, to, POLLOUT, "weft_sendfile()", ssize_t,
          (int to, int from, off_t *offset, size_t size), (to, from, offset, size))
TRANSFERS(sendfile64, to, POLLOUT, "weft_sendfile()", ssize_t,
          (int to, int from, off64_t *offset, size_t size), (to, from, offset, size))

ssize_t __read_chk(int fd, void *buffer, size_t size, size_t room);
ssize_t __pread_chk(int fd, void *buffer, size_t size, off_t offset, size_t room);
ssize_t __pread64_chk(int fd, void *buffer, size_t size, off64_t offset, size_t room);

TRANSFERS_AS(__read_chk, "read", fd, POLLIN, READ, ssize_t,
             (int fd, void *buffer, size_t size, size_t room), (fd, buffer, size, room))
TRANSFERS_AS(__pread_chk, "pread", fd, POLLIN, READ, ssize_t,
             (int fd, void *buffer, size_t size, off_t offset, size_t room),
             (fd, buffer, size, offset, room))
TRANSFERS_AS(__pread64_chk, "pread64", fd, POLLIN, READ, ssize_t,
             (int fd, void *buffer, size_t size, off64_t offset, size_t room),
             (fd, buffer, size, offset, room))

/* Between two descriptors: the one that has to wait is told. */
GUARD_WRAPS ssize_t splice(int from, off64_t *from_at, int to, off64_t *to_at, size_t size,
                           unsigned flags)
{
    GUARD_REAL(splice);
    if (flags & SPLICE_F_NONBLOCK || !guard__watches())
        return real(from, from_at, to, to_at, size, flags);
    bool waits_to_read = guard__fd_waits(from, POLLIN);
    if (!waits_to_read && !guard__fd_waits(to, POLLOUT))
        return real(from, from_at, to, to_at, size, flags);
    struct guard__call call = guard__begin("splice", "weft_read() and weft_write()");
    ssize_t ret = real(from, from_at, to, to_at, size, flags);
    guard__end_fd(&call, GUARD_FD_WAITS, waits_to_read ? from : to);
    return ret;
}

/* ---- Sockets; what is asked not to wait does not, nor does who asks for errors ---- */

#define AT_ONCE (MSG_DONTWAIT | MSG_ERRQUEUE)

#define SENDS_AS(name, shown, events, instead, type, parameters, arguments) \
    GUARD_WRAPS type name parameters                                        \
    {                                                                       \
        GUARD_REAL(name);                                                   \
        if (flags & AT_ONCE || !guard__watches())                           \
            return real arguments;                                          \
        enum guard__fd how = guard__fd_is(fd, events);                      \
        if (how == GUARD_FD_NEVER)                                          \
            return real arguments;                                          \
        struct guard__call call = guard__begin_fd(how, shown, instead);     \
        type ret = real arguments;                                          \
        guard__end_fd(&call, how, fd);                                      \
        return ret;                                                         \
    }
#define SENDS(name, ...) SENDS_AS(name, #name, __VA_ARGS__)

#define RECEIVE "weft_read(), or weft_udp_receive() of datagrams"
#define SEND "weft_write(), or weft_udp_send() of datagrams"

SENDS(recv, POLLIN, RECEIVE, ssize_t, (int fd, void *buffer, size_t size, int flags),
      (fd, buffer, size, flags))
SENDS(recvfrom, POLLIN, RECEIVE, ssize_t,
      (int fd, void *buffer, size_t size, int flags, __SOCKADDR_ARG from, socklen_t *from_size),
      (fd, buffer, size, flags, from, from_size))
SENDS(recvmsg, POLLIN, RECEIVE, ssize_t, (int fd, struct msghdr *message, int flags),
      (fd, message, flags))
SENDS(recvmmsg, POLLIN, RECEIVE, int,
      (int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *limit),
      (fd, messages, count, flags, limit))
SENDS(send, POLLOUT, SEND, ssize_t, (int fd, const void *bytes, size_t size, int flags),
      (fd, bytes, size, flags))
SENDS(sendto, POLLOUT, SEND, ssize_t,
      (int fd, const void *bytes, size_t size, int flags, __CONST_SOCKADDR_ARG to,
       socklen_t to_size),
      (fd, bytes, size, flags, to, to_size))
SENDS(sendmsg, POLLOUT, SEND, ssize_t, (int fd, const struct msghdr *message, int flags),
      (fd, message, flags))
SENDS(sendmmsg, POLLOUT, SEND, int, (int fd, struct mmsghdr *messages, unsigned count, int flags),
      (fd, messages, count, flags))

ssize_t __recv_chk(int fd, void *buffer, size_t size, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *buffer, size_t size, size_t room, int flags,
                       struct sockaddr *from, socklen_t *from_size);

SENDS_AS(__recv_chk, "recv", POLLIN, RECEIVE, ssize_t,
         (int fd, void *buffer, size_t size, size_t room, int flags),
         (fd, buffer, size, room, flags))
SENDS_AS(__recvfrom_chk, "recvfrom", POLLIN, RECEIVE, ssize_t,
         (int fd, void *buffer, size_t size, size_t room, int flags, struct sockaddr *from,
          socklen_t *from_size),
         (fd, buffer, size, room, flags, from, from_size))
