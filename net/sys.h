/* SPDX-License-Identifier: MIT */
/*
 * The system calls of net/ that can fail in ways worth testing, in a table: tests replace entries
 * to inject failures and to count calls, before anything runs; nothing else writes to it.
 */
#ifndef WEFT_NET_SYS_H
#define WEFT_NET_SYS_H

#include <event2/event.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/types.h>

struct weft__net_sys {
    int (*socket)(int family, int type, int protocol);
    int (*connect)(int fd, const struct sockaddr *address, socklen_t len);
    int (*accept4)(int fd, struct sockaddr *address, socklen_t *len, int flags);
    ssize_t (*recv)(int fd, void *buffer, size_t size, int flags);
    ssize_t (*sendmsg)(int fd, const struct msghdr *message, int flags);
    int (*open_reserve)(void); /* a descriptor to give up when there are no others */
    int (*event_add)(struct event *event, const struct timeval *timeout);
    int (*getaddrinfo)(const char *host, const char *service, const struct addrinfo *hints,
                       struct addrinfo **ret); /* called on a worker */
};

extern struct weft__net_sys weft__net_sys;

#endif
