/* SPDX-License-Identifier: MIT */
/*
 * The table of system calls, as it is outside of tests. The wrappers give the functions of the C
 * library their portable types (glibc declares the socket calls with a transparent union).
 */
#include "net/sys.h"

#include <fcntl.h>

static int call_connect(int fd, const struct sockaddr *address, socklen_t len)
{
    return connect(fd, address, len);
}

static int call_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
    return accept4(fd, address, len, flags);
}

static int open_reserve(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

struct weft__net_sys weft__net_sys = {
    .socket = socket,
    .connect = call_connect,
    .accept4 = call_accept4,
    .recv = recv,
    .sendmsg = sendmsg,
    .open_reserve = open_reserve,
    .event_add = event_add,
    .getaddrinfo = getaddrinfo,
};
