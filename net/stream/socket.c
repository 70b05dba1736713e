/* SPDX-License-Identifier: MIT */
/*
 * What streams over sockets have besides. The kernel keeps all of it; nothing here has a state.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <weft/socket.h>

#include "core/loop.h"
#include "net/net.h"
#include "net/stream/socket.h"
#include "net/stream/stream.h"

enum { MAX_SECONDS = 32767, MAX_COUNT = 127 }; /* the kernel's */

/* The descriptor, or why there is none. `function` was called. */
static int fd_of(const weft_stream *stream, const char *function)
{
    if (weft__is_elsewhere(stream->net->loop->id, function))
        return weft__elsewhere();
    return stream->fd < 0 ? -EBADF : stream->fd;
}

int weft_stream_fd(const weft_stream *stream)
{
    return fd_of(stream, __func__);
}

static int set(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value)) < 0 ? -errno : 0;
}

int weft_stream_set_option(weft_stream *stream, int level, int name, int value)
{
    int fd = fd_of(stream, __func__);
    return fd < 0 ? fd : set(fd, level, name, value);
}

static int get(int fd, int level, int name, int *ret_value)
{
    int value = 0;
    socklen_t len = sizeof(value);
    if (getsockopt(fd, level, name, &value, &len) < 0)
        return -errno;
    *ret_value = value;
    return 0;
}

int weft_stream_get_option(const weft_stream *stream, int level, int name, int *ret_value)
{
    int fd = fd_of(stream, __func__);
    return fd < 0 ? fd : get(fd, level, name, ret_value);
}

/* ---- Keepalive ---- */

/* -1: makes no sense. */
static int seconds(weft_ns time, int fallback)
{
    if (time == 0)
        return fallback;
    if (time < 0 || time > MAX_SECONDS * WEFT_S(1))
        return -1;
    return (int)((time + WEFT_S(1) - 1) / WEFT_S(1));
}

int weft__socket_set_keepalive(int fd, const struct weft_keepalive *keepalive)
{
    int protocol = 0;
    if (get(fd, SOL_SOCKET, SO_PROTOCOL, &protocol) < 0 || protocol != IPPROTO_TCP)
        return -EOPNOTSUPP;
    if (!keepalive)
        return set(fd, SOL_SOCKET, SO_KEEPALIVE, 0);
    int idle = seconds(keepalive->idle, 60);
    int interval = seconds(keepalive->interval, 10);
    int count = keepalive->count ? keepalive->count : 6;
    if (keepalive->size && keepalive->size != sizeof(*keepalive))
        return -EINVAL;
    if (idle < 0 || interval < 0 || count < 0 || count > MAX_COUNT)
        return -EINVAL;
    int status = set(fd, IPPROTO_TCP, TCP_KEEPIDLE, idle);
    if (status == 0)
        status = set(fd, IPPROTO_TCP, TCP_KEEPINTVL, interval);
    if (status == 0)
        status = set(fd, IPPROTO_TCP, TCP_KEEPCNT, count);
    return status < 0 ? status : set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
}

int weft_stream_set_keepalive(weft_stream *stream, const struct weft_keepalive *keepalive)
{
    int fd = fd_of(stream, __func__);
    return fd < 0 ? fd : weft__socket_set_keepalive(fd, keepalive);
}

/* ---- The other end ---- */

int weft_stream_credentials(const weft_stream *stream, struct weft_credentials *ret)
{
    struct ucred found;
    socklen_t len = sizeof(found);
    int domain = 0;
    int fd = fd_of(stream, __func__);
    if (fd < 0)
        return fd;
    if (get(fd, SOL_SOCKET, SO_DOMAIN, &domain) < 0 || domain != AF_UNIX)
        return -EOPNOTSUPP;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &found, &len) < 0)
        return -errno;
    *ret = (struct weft_credentials){.pid = found.pid, .uid = found.uid, .gid = found.gid};
    return 0;
}
