/* SPDX-License-Identifier: MIT */
/*
 * What the clients here share: connections, and latencies of which quantiles are told.
 *
 * A client is one thread that polls epoll without ever sleeping, on a CPU of its own: the wake-up of
 * a client is no part of what a server's answer took.
 */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "bench.h"

enum { CLIENT_SECOND = 1000000000 };

/* As many file descriptors as this process may have. */
static inline void client_raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* A connection to 127.0.0.1, without Nagle's algorithm; it blocks. */
static inline int client_connect(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

/* Blocks no more; `of` is what epoll tells. */
static inline void client_watch(int epoll, int fd, void *of, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = of};
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        die("epoll");
}

/* ---- Latencies ---- */

struct latencies {
    uint64_t *ns;
    size_t count, room;
};

static inline void latencies_add(struct latencies *all, uint64_t ns)
{
    if (all->count == all->room) {
        all->room = all->room ? all->room * 2 : 1 << 16;
        all->ns = realloc(all->ns, all->room * sizeof(*all->ns));
        if (!all->ns)
            die("memory");
    }
    all->ns[all->count++] = ns;
}

static inline int latencies_compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static inline void latencies_sort(struct latencies *all)
{
    if (all->count)
        qsort(all->ns, all->count, sizeof(*all->ns), latencies_compare);
}

/* In microseconds; of sorted ones. */
static inline double latencies_quantile(const struct latencies *all, double q)
{
    if (!all->count)
        return 0;
    return (double)all->ns[(size_t)(q * (double)(all->count - 1) + 0.5)] / 1e3;
}

#endif
