/* SPDX-License-Identifier: MIT */
/*
 * What the servers here share. A server is started as `NAME PORT [POOL]`, listens on 127.0.0.1,
 * prints one line when it does, and serves until SIGTERM.
 *
 * C and C++.
 */
#ifndef BENCH_SERVER_H
#define BENCH_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SERVER_BACKLOG 4096

static inline int server_port(int argc, char **argv)
{
    int port = argc > 1 ? atoi(argv[1]) : 0;
    if (port <= 0 || port > UINT16_MAX) {
        fprintf(stderr, "usage: %s PORT [POOL]\n", argv[0]);
        exit(2);
    }
    signal(SIGPIPE, SIG_IGN);
    return port;
}

/* How many threads for what blocks; 0: none. */
static inline int server_pool(int argc, char **argv)
{
    return argc > 2 ? atoi(argv[2]) : 0;
}

static inline void server_is_ready(int port)
{
    printf("listening on 127.0.0.1:%d\n", port);
    fflush(stdout);
}

static inline struct sockaddr_in server_address(int port)
{
    struct sockaddr_in address;
    memset(&address, 0, sizeof(address));
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/* A socket that listens, non-blocking. Ends the process if there is none. */
static inline int server_listen(int port)
{
    struct sockaddr_in address = server_address(port);
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(fd, SERVER_BACKLOG) < 0) {
        perror("listen");
        exit(1);
    }
    server_is_ready(port);
    return fd;
}

/* The next connection, non-blocking and without Nagle's algorithm; -1 if there is none. */
static inline int server_accept(int listener)
{
    int on = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return fd;
}

#endif
