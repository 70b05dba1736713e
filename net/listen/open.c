/* SPDX-License-Identifier: MIT */
/*
 * The sockets of listeners: bound and listening before any listener has them, so that all of a
 * list's addresses are there or none, and so that a server in several loops (net/listen/serve.c) knows
 * that it has its addresses before it starts a thread.
 *
 *     text --open--> listening, in a set --a listener takes it--> accepts --stop--> closed
 *                                         --close: nobody did------------------------'
 *
 * A socket from outside ("fd:3") is lent: what is kept is another descriptor of it, so that its
 * owner may close his own, keep it for a successor, or pass it to several loops.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/notify.h>

#include "core/memory.h"
#include "core/sys.h"
#include "core/thread.h"
#include "net/listen/listener.h"
#include "net/stream/stream.h"

#define FD_PREFIX "fd:"

enum { ITEM = 320 }; /* enough for any address that can be listened on, NUL included */

/* ---- One socket ---- */

void weft__listening_end(struct weft__listening *socket)
{
    if (socket->owns_file && socket->generation == weft__generation)
        unlink(socket->address.u.un.sun_path);
    close(socket->fd);
    socket->fd = -1;
}

static int open_socket(int family, bool is_any, const struct weft_listen_options *options)
{
    int fd = weft__sys.socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int on = 1;
    int v6only = !is_any;
    if (family != AF_UNIX) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)); /* connections inherit it */
    }
    if (family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only));
    if (options->flags & WEFT_LISTEN_REUSE_PORT)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    return fd;
}

static int read_address(int fd, struct weft__address *ret)
{
    struct sockaddr_storage bound;
    socklen_t len = sizeof(bound);
    if (getsockname(fd, (struct sockaddr *)&bound, &len) < 0)
        return -errno;
    return weft__address_set(ret, (struct sockaddr *)&bound, len);
}

static bool is_file(const struct weft__address *address)
{
    return address->u.any.sa_family == AF_UNIX && address->u.un.sun_path[0];
}

static int open_one(const struct weft__address *address, bool is_any,
                    const struct weft_listen_options *options, struct weft__listening *ret)
{
    int fd = open_socket(address->u.any.sa_family, is_any, options);
    if (fd < 0)
        return fd;
    int status = 0;
    *ret = (struct weft__listening){
        .fd = fd, .is_any = is_any, .generation = weft__generation, .address = *address};
    if (weft__sys.bind(fd, &address->u.any, address->len) < 0)
        status = -errno;
    else
        ret->owns_file = is_file(address);
    if (status == 0 && weft__sys.listen(fd, options->backlog ? options->backlog : SOMAXCONN) < 0)
        status = -errno;
    if (status == 0)
        status = read_address(fd, &ret->address);
    if (status < 0)
        weft__listening_end(ret);
    return status;
}

/* Another descriptor of a socket that listens. */
static int share_one(const struct weft__listening *from, struct weft__listening *ret)
{
    int fd = fcntl(from->fd, F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        return -errno;
    *ret = *from;
    ret->fd = fd;
    ret->owns_file = false;
    return 0;
}

static int borrow(int fd, struct weft__listening *ret)
{
    struct weft__listening lent = {.fd = fd, .is_lent = true};
    int type = 0, listens = 0;
    socklen_t len = sizeof(type);
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
        return errno == EBADF ? -EBADF : -EINVAL;
    len = sizeof(listens);
    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len);
    if (type != SOCK_STREAM || !listens || read_address(fd, &lent.address) < 0)
        return -EINVAL;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    if (lent.address.u.any.sa_family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return share_one(&lent, ret);
}

/* ---- Sets ---- */

void weft__listening_close(struct weft__listening_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        weft__listening_end(&set->sockets[i]);
    weft__free(set->sockets);
    *set = (struct weft__listening_set){0};
}

static int add(struct weft__listening_set *set, struct weft__listening *socket)
{
    size_t size = (set->count + 1) * sizeof(*set->sockets);
    struct weft__listening *sockets = weft__realloc(set->sockets, size);
    if (!sockets) {
        weft__listening_end(socket);
        return -ENOMEM;
    }
    set->sockets = sockets;
    sockets[set->count++] = *socket;
    return 0;
}

static int add_lent(struct weft__listening_set *set, int fd)
{
    struct weft__listening socket = {.fd = -1};
    int status = borrow(fd, &socket);
    return status < 0 ? status : add(set, &socket);
}

/* A number, or a name of which there may be several. */
static int open_lent(struct weft__listening_set *set, const char *name)
{
    char *end;
    int status = -EINVAL;
    long number = strtol(name, &end, 10);
    if (name[0] >= '0' && name[0] <= '9' && !*end)
        return strlen(name) < 10 ? add_lent(set, (int)number) : -EBADF;
    for (int i = 0, fd = 0; *name; i++) {
        fd = weft_listen_fd(name, i);
        if (fd < 0)
            return i && fd == -ENOENT ? 0 : fd;
        status = add_lent(set, fd);
        if (status < 0)
            return status;
    }
    return status;
}

static int open_address(struct weft__listening_set *set, const char *text,
                        const struct weft_listen_options *options)
{
    struct weft__address_spec spec;
    struct weft__listening socket = {.fd = -1};
    if (weft__address_parse(text, &spec) < 0 || spec.kind == WEFT__ADDRESS_NAME)
        return -EINVAL;
    bool is_any = spec.kind == WEFT__ADDRESS_ANY;
    int status = open_one(&spec.address, is_any, options, &socket);
    if (is_any && (status == -EAFNOSUPPORT || status == -EADDRNOTAVAIL)) { /* no IPv6 */
        weft__address_set_any(&spec.address, AF_INET, spec.port);
        status = open_one(&spec.address, true, options, &socket);
    }
    return status < 0 ? status : add(set, &socket);
}

/* The next address of a list, of which *list then is the rest, or NULL. 0, or -EINVAL. */
static int next_item(const char **list, char item[ITEM])
{
    const char *begin = *list + strspn(*list, " ");
    size_t len = strcspn(begin, ",");
    *list = begin[len] ? begin + len + 1 : NULL;
    snprintf(item, ITEM, "%.*s", (int)(len < ITEM ? len : ITEM - 1), begin);
    return len < ITEM ? 0 : -EINVAL;
}

int weft__listening_open(const char *addresses, const struct weft_listen_options *options,
                         struct weft__listening_set *ret, char failed[WEFT__ADDRESS_TEXT])
{
    struct weft__listening_set set = {0};
    char item[ITEM] = "";
    int status = addresses ? 0 : -EINVAL;
    while (addresses && status == 0) {
        status = next_item(&addresses, item);
        if (status == 0 && !strncmp(item, FD_PREFIX, strlen(FD_PREFIX)))
            status = open_lent(&set, item + strlen(FD_PREFIX));
        else if (status == 0)
            status = open_address(&set, item, options);
    }
    if (status == 0)
        *ret = set;
    else
        weft__listening_close(&set);
    if (status < 0 && failed)
        snprintf(failed, WEFT__ADDRESS_TEXT, "%.*s", WEFT__ADDRESS_TEXT - 1, item);
    return status;
}

int weft__listening_copy(const struct weft__listening_set *from,
                         const struct weft_listen_options *options, struct weft__listening_set *ret,
                         char failed[WEFT__ADDRESS_TEXT])
{
    struct weft__listening_set set = {0};
    int status = 0;
    for (size_t i = 0; i < from->count && status == 0; i++) {
        const struct weft__listening *one = &from->sockets[i];
        bool is_unix = one->address.u.any.sa_family == AF_UNIX;
        struct weft__listening socket = {.fd = -1};
        status = is_unix || one->is_lent ? share_one(one, &socket)
                                         : open_one(&one->address, one->is_any, options, &socket);
        if (status == 0)
            status = add(&set, &socket);
        if (status < 0)
            weft__address_format(&one->address, failed);
    }
    if (status == 0)
        *ret = set;
    else
        weft__listening_close(&set);
    return status;
}

int weft__listen_check_options(const struct weft_listen_options *options)
{
    unsigned known = (unsigned)WEFT_LISTEN_REUSE_PORT | (unsigned)WEFT_LISTEN_PROXY;
    if (options->size && options->size != sizeof(*options))
        return -EINVAL;
    if (options->backlog < 0 || options->close_timeout < 0 || options->handshake_timeout < 0)
        return -EINVAL;
    if (options->flags & ~known)
        return -EINVAL;
    return options->limits ? weft__stream_check_limits(options->limits) : 0;
}
