/* SPDX-License-Identifier: MIT */
/*
 * Connecting and accepting. A blocking connect() by TCP waits for the other side, however near that is; by
 * a Unix socket it waits only when the listener has no room, and of a datagram socket it waits never.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "tools/guard/guard.h"

/* It ends where the address does; one that begins with a 0 is a name, and no file. */
static void path_text(char text[GUARD_TEXT], const char *path, size_t size)
{
    bool is_name = size > 0 && !path[0];
    snprintf(text, GUARD_TEXT, "\"%s%.*s\"", is_name ? "@" : "",
             (int)(size > 108 ? 108 : size) - is_name, path + is_name);
}

static const char *address_text(char text[GUARD_TEXT], const struct sockaddr *address,
                                socklen_t size)
{
    char host[INET6_ADDRSTRLEN];
    union {
        const struct sockaddr *any;
        const struct sockaddr_in *in;
        const struct sockaddr_in6 *in6;
        const struct sockaddr_un *un;
    } at = {.any = address};
    if (at.any->sa_family == AF_INET)
        snprintf(text, GUARD_TEXT, "%s:%u",
                 inet_ntop(AF_INET, &at.in->sin_addr, host, sizeof(host)), ntohs(at.in->sin_port));
    else if (at.any->sa_family == AF_INET6)
        snprintf(text, GUARD_TEXT, "[%s]:%u",
                 inet_ntop(AF_INET6, &at.in6->sin6_addr, host, sizeof(host)),
                 ntohs(at.in6->sin6_port));
    else if (at.any->sa_family == AF_UNIX)
        path_text(text, at.un->sun_path, size - offsetof(struct sockaddr_un, sun_path));
    else
        snprintf(text, GUARD_TEXT, "family %d", at.any->sa_family);
    return text;
}

static bool is_stream(int fd)
{
    int type = 0;
    socklen_t size = sizeof(type);
    return syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
           type != SOCK_DGRAM && type != SOCK_RAW;
}

static bool blocks(int fd)
{
    long flags = syscall(SYS_fcntl, fd, F_GETFL);
    return flags >= 0 && !(flags & O_NONBLOCK);
}

/* It was refused before anything was sent. */
static bool was_refused_here(int error)
{
    return error == EINVAL || error == EISCONN || error == EALREADY || error == EAFNOSUPPORT ||
           error == EACCES || error == EPERM || error == EADDRNOTAVAIL || error == ENETUNREACH ||
           error == EFAULT;
}

GUARD_WRAPS int connect(int fd, __CONST_SOCKADDR_ARG to, socklen_t size)
{
    const struct sockaddr *address = to.__sockaddr__;
    GUARD_REAL(connect);
    char text[GUARD_TEXT];
    int error = errno;
    if (!address || size < sizeof(sa_family_t) || address->sa_family == AF_UNSPEC ||
        !guard__watches() || !blocks(fd) || !is_stream(fd)) {
        errno = error;
        return real(fd, to, size);
    }
    bool is_local = address->sa_family == AF_UNIX;
    struct guard__call call = is_local ? guard__begin_slow("connect", "weft_connect()")
                                       : guard__begin("connect", "weft_connect()");
    int ret = real(fd, to, size);
    bool waited = is_local ? guard__was_slow(&call) : ret == 0 || !was_refused_here(errno);
    if (waited)
        guard__end(&call, "fd %d to %s", fd, address_text(text, address, size));
    else
        guard__drop(&call);
    return ret;
}

#define ACCEPT "weft_listen(), or weft_wait_readable() and O_NONBLOCK"

GUARD_WRAPS int accept(int fd, __SOCKADDR_ARG address, socklen_t *size)
{
    GUARD_REAL(accept);
    if (!guard__watches() || !guard__fd_waits(fd, POLLIN))
        return real(fd, address, size);
    struct guard__call call = guard__begin("accept", ACCEPT);
    int ret = real(fd, address, size);
    guard__end_fd(&call, GUARD_FD_WAITS, fd);
    return ret;
}

GUARD_WRAPS int accept4(int fd, __SOCKADDR_ARG address, socklen_t *size, int flags)
{
    GUARD_REAL(accept4);
    if (!guard__watches() || !guard__fd_waits(fd, POLLIN))
        return real(fd, address, size, flags);
    struct guard__call call = guard__begin("accept4", ACCEPT);
    int ret = real(fd, address, size, flags);
    guard__end_fd(&call, GUARD_FD_WAITS, fd);
    return ret;
}
