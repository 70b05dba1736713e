/* SPDX-License-Identifier: MIT */
/*
 * The echo's client: `client WORKLOAD PEER PORT CONNECTIONS SIZE SECONDS`.
 *
 * A closed loop: each connection sends a message of SIZE bytes, reads until all of it has come back,
 * and sends the next. A message larger than what the sockets take is sent and read by turns. The
 * first second is a warm-up and not counted; what comes back is counted, not compared. In the end
 * no message is begun any more, and those under way come back before the connections close.
 *
 * Prints messages/s, the quantiles of a message's round trip, and how many messages there were in
 * all, warm-up included: what the server's CPU time is divided by.
 */
#include <stdbool.h>

#include "../common/client.h"

enum { MAX_EVENTS = 256, MAX_SIZE = 1 << 20 };

struct connection {
    int fd;
    bool is_under_way; /* a message is */
    size_t sent, received;
    uint64_t began;
};

static struct {
    size_t size;
    char *message; /* the same for all */
    char *inbox;   /* what comes back is not looked at */
    uint64_t messages, warm_until;
    size_t under_way;
    bool is_ending;
    struct latencies latencies;
} all;

static void send_some(struct connection *conn)
{
    ssize_t sent = 0;
    while (conn->sent < all.size && sent >= 0) {
        sent = send(conn->fd, all.message + conn->sent, all.size - conn->sent, MSG_NOSIGNAL);
        conn->sent += sent > 0 ? (size_t)sent : 0;
    }
    if (sent < 0 && errno != EAGAIN)
        die("send");
}

static void begin(struct connection *conn)
{
    all.under_way++;
    conn->is_under_way = true;
    conn->began = now_ns();
    conn->sent = conn->received = 0;
    send_some(conn);
}

static void message_came_back(struct connection *conn)
{
    all.messages++;
    all.under_way--;
    conn->is_under_way = false;
    if (conn->began >= all.warm_until && !all.is_ending)
        latencies_add(&all.latencies, now_ns() - conn->began);
    if (!all.is_ending)
        begin(conn);
}

static void on_ready(struct connection *conn, uint32_t events)
{
    if (!conn->is_under_way)
        return;
    if (events & EPOLLIN) {
        ssize_t got = recv(conn->fd, all.inbox, all.size - conn->received, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN))
            die("the connection ended");
        conn->received += got > 0 ? (size_t)got : 0;
    }
    if (conn->received == all.size)
        message_came_back(conn);
    else if (conn->sent < all.size)
        send_some(conn);
}

static void run(int epoll, uint64_t until)
{
    struct epoll_event events[MAX_EVENTS];
    while (all.under_way > 0) {
        all.is_ending = now_ns() >= until;
        int count = epoll_wait(epoll, events, MAX_EVENTS, 0);
        for (int i = 0; i < count; i++)
            on_ready(events[i].data.ptr, events[i].events);
    }
}

static void tell(char *const *names, int seconds)
{
    latencies_sort(&all.latencies);
    emit(names[0], names[1], "messages_per_s", (double)all.latencies.count / seconds, "1/s");
    emit(names[0], names[1], "p50", latencies_quantile(&all.latencies, 0.5), "us");
    emit(names[0], names[1], "p99", latencies_quantile(&all.latencies, 0.99), "us");
    emit(names[0], names[1], "messages", (double)all.messages, "1");
}

int main(int argc, char **argv)
{
    int count = argc == 7 ? atoi(argv[4]) : 0, seconds = argc == 7 ? atoi(argv[6]) : 0;
    all.size = argc == 7 ? (size_t)atol(argv[5]) : 0;
    if (count < 1 || seconds < 1 || all.size < 1 || all.size > MAX_SIZE) {
        fprintf(stderr, "usage: client WORKLOAD PEER PORT CONNECTIONS SIZE SECONDS\n");
        return 2;
    }
    client_raise_limit();
    all.message = allocate(2, all.size);
    all.inbox = all.message + all.size;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct connection *connections = allocate((size_t)count, sizeof(*connections));
    for (int i = 0; i < count; i++) {
        connections[i].fd = client_connect(atoi(argv[3]));
        client_watch(epoll, connections[i].fd, &connections[i], EPOLLIN | EPOLLOUT | EPOLLET);
    }
    all.warm_until = now_ns() + CLIENT_SECOND;
    for (int i = 0; i < count; i++)
        begin(&connections[i]);
    run(epoll, all.warm_until + (uint64_t)seconds * CLIENT_SECOND);
    tell(argv + 1, seconds);
    return 0;
}
