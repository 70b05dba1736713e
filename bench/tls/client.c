/* SPDX-License-Identifier: MIT */
/*
 * The client of the TLS echo: `client WORKLOAD PEER PORT CONNECTIONS SIZE SECONDS`.
 *
 * A closed loop on each connection, as in bench/echo/client.c: a message of SIZE bytes goes there and back, and
 * the next one follows. With a SIZE of 0 a message is a connection: its handshake, never a resumed one, and its
 * goodbye. TLS 1.3; certificates are not checked, which would be this side's work. The first second is not
 * counted.
 *
 * Prints messages/s, the quantiles of how long one took, and how many there were in all.
 */
#include <stdbool.h>

#include "../common/client.h"
#include "../common/tls.h"

enum { MAX_EVENTS = 256, MAX_SIZE = 1 << 20 };

struct connection {
    int fd;
    bool is_under_way; /* a message is */
    SSL *ssl;
    size_t sent, received;
    uint64_t began;
};

static struct {
    SSL_CTX *tls;
    int epoll, port;
    size_t size;
    char *message, *inbox;
    uint64_t messages, warm_until, until;
    size_t under_way;
    struct latencies latencies;
} all;

static void open_connection(struct connection *conn)
{
    conn->fd = client_connect(all.port);
    conn->ssl = SSL_new(all.tls);
    SSL_set_fd(conn->ssl, conn->fd);
    SSL_set_connect_state(conn->ssl);
    client_watch(all.epoll, conn->fd, conn, EPOLLIN | EPOLLOUT | EPOLLET);
}

static void close_connection(struct connection *conn)
{
    SSL_shutdown(conn->ssl);
    SSL_free(conn->ssl);
    close(conn->fd);
}

static bool waits(struct connection *conn, int result)
{
    int error = SSL_get_error(conn->ssl, result);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
        die("TLS");
    return true;
}

/* True: it waits for the descriptor; false: the message has come back. */
static bool go_on(struct connection *conn)
{
    size_t moved;
    int result = SSL_do_handshake(conn->ssl);
    if (result != 1)
        return waits(conn, result);
    while (conn->sent < all.size) {
        result = SSL_write_ex(conn->ssl, all.message + conn->sent, all.size - conn->sent, &moved);
        if (!result) {
            waits(conn, result);
            break;
        }
        conn->sent += moved;
    }
    while (conn->received < all.size) {
        result = SSL_read_ex(conn->ssl, all.inbox, all.size - conn->received, &moved);
        if (!result)
            return waits(conn, result);
        conn->received += moved;
    }
    return false;
}

static void begin(struct connection *conn)
{
    conn->began = now_ns();
    conn->sent = conn->received = 0;
    if (!all.size)
        open_connection(conn);
    all.under_way++;
    conn->is_under_way = true;
}

static void on_ready(struct connection *conn)
{
    while (conn->is_under_way && !go_on(conn)) {
        uint64_t now = now_ns();
        conn->is_under_way = false;
        all.messages++;
        all.under_way--;
        if (conn->began >= all.warm_until && now < all.until)
            latencies_add(&all.latencies, now - conn->began);
        if (!all.size)
            close_connection(conn);
        if (now < all.until)
            begin(conn);
    }
}

static void run(void)
{
    struct epoll_event events[MAX_EVENTS];
    while (all.under_way > 0) {
        int count = epoll_wait(all.epoll, events, MAX_EVENTS, 0);
        for (int i = 0; i < count; i++)
            on_ready(events[i].data.ptr);
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
    if (count < 1 || seconds < 1 || all.size > MAX_SIZE) {
        fprintf(stderr, "usage: client WORKLOAD PEER PORT CONNECTIONS SIZE SECONDS\n");
        return 2;
    }
    client_raise_limit();
    all.port = atoi(argv[3]);
    all.tls = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_mode(all.tls, SSL_MODE_ENABLE_PARTIAL_WRITE);
    SSL_CTX_set_session_cache_mode(all.tls, SSL_SESS_CACHE_OFF);
    all.message = allocate(2, all.size ? all.size : 1);
    all.inbox = all.message + all.size;
    all.epoll = epoll_create1(EPOLL_CLOEXEC);
    struct connection *connections = allocate((size_t)count, sizeof(*connections));
    all.warm_until = now_ns() + CLIENT_SECOND;
    all.until = all.warm_until + (uint64_t)seconds * CLIENT_SECOND;
    for (int i = 0; i < count; i++) {
        if (all.size)
            open_connection(&connections[i]);
        begin(&connections[i]);
    }
    run();
    for (int i = 0; i < count && all.size; i++)
        close_connection(&connections[i]);
    tell(argv + 1, seconds);
    return 0;
}
