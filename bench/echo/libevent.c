/* SPDX-License-Identifier: MIT */
/* libevent's events alone: one buffer for all connections, read() and write() straight from the
 * callback; what the kernel does not take waits in a copy, and reading with it. */
#include <errno.h>
#include <event2/event.h>

#include "../common/server.h"

enum { BUFFER = 64 * 1024 };

static char buffer[BUFFER];

struct connection {
    struct event *readable, *writable;
    char *rest; /* what waits to be written */
    size_t offset, len;
};

static void drop(struct connection *conn)
{
    int fd = event_get_fd(conn->readable);
    event_free(conn->readable);
    event_free(conn->writable);
    free(conn->rest);
    free(conn);
    close(fd);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct connection *conn = arg;
    (void)what;
    ssize_t sent = write(fd, conn->rest + conn->offset, conn->len - conn->offset);
    if (sent < 0 && errno != EAGAIN) {
        drop(conn);
        return;
    }
    conn->offset += sent > 0 ? (size_t)sent : 0;
    if (conn->offset < conn->len)
        return;
    free(conn->rest);
    conn->rest = NULL;
    event_del(conn->writable);
    event_add(conn->readable, NULL);
}

static void write_rest(struct connection *conn, const char *data, size_t len)
{
    conn->rest = malloc(len);
    memcpy(conn->rest, data, len);
    conn->offset = 0;
    conn->len = len;
    event_del(conn->readable);
    event_add(conn->writable, NULL);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct connection *conn = arg;
    (void)what;
    ssize_t got = read(fd, buffer, BUFFER);
    if (got < 0 && errno == EAGAIN)
        return;
    ssize_t sent = got > 0 ? write(fd, buffer, (size_t)got) : 0;
    if (sent < 0 && errno == EAGAIN)
        sent = 0;
    if (got <= 0 || sent < 0)
        drop(conn);
    else if (sent < got)
        write_rest(conn, buffer + sent, (size_t)(got - sent));
}

static void on_connection(evutil_socket_t listener, short what, void *base)
{
    int fd;
    (void)what;
    while ((fd = server_accept(listener)) >= 0) {
        struct connection *conn = calloc(1, sizeof(*conn));
        conn->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, conn);
        conn->writable = event_new(base, fd, EV_WRITE | EV_PERSIST, on_writable, conn);
        event_add(conn->readable, NULL);
    }
}

int main(int argc, char **argv)
{
    struct event_base *base = event_base_new();
    int listener = server_listen(server_port(argc, argv));
    event_add(event_new(base, listener, EV_READ | EV_PERSIST, on_connection, base), NULL);
    return event_base_dispatch(base);
}
