/* SPDX-License-Identifier: MIT */
/* The socket of an attempt to connect, as the options say: where it comes from, and how it learns that
 * the peer is gone. */
#include "net/connect/dial.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "core/sys.h"
#include "net/stream/socket.h"

static void set_number(int fd, int level, int option, int value)
{
    setsockopt(fd, level, option, &value, sizeof(value));
}

/* A port that is not given is chosen by the destination too (IP_BIND_ADDRESS_NO_PORT): so there are as
 * many connections from an address as ports to each destination, not to all. */
static int bind_source(int fd, int family, const struct weft__address *source)
{
    if (!source->len)
        return 0;
    if (source->u.any.sa_family != family)
        return -EAFNOSUPPORT;
    if (family != AF_UNIX && !weft__address_port(source))
        set_number(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    else if (family != AF_UNIX)
        set_number(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    return weft__sys.bind(fd, &source->u.any, source->len) < 0 ? -errno : 0;
}

static int set_up(int fd, int family, const struct weft_keepalive *keepalive,
                  const struct weft__address *source)
{
    int status = 0;
    if (family != AF_UNIX)
        set_number(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (family != AF_UNIX && keepalive)
        status = weft__socket_set_keepalive(fd, keepalive);
    return status < 0 ? status : bind_source(fd, family, source);
}

int weft__dial_open(int family, const struct weft_keepalive *keepalive,
                    const struct weft__address *source)
{
    int fd = weft__sys.socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int status = set_up(fd, family, keepalive, source);
    if (status == 0)
        return fd;
    close(fd);
    return status;
}
