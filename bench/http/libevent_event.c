/* SPDX-License-Identifier: MIT */
/* libevent as a reactor only: a persistent event for each connection, read() and write(). What it
 * takes more than raw_epoll is libevent's dispatch. */
#include <event2/event.h>

#include "http.h"

struct connection {
    struct event *event;
    struct http_input in;
};

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct connection *conn = arg;
    struct http_input *in = &conn->in;
    (void)what;
    ssize_t got = read(fd, in->data + in->len, sizeof(in->data) - in->len);
    if (got <= 0) {
        event_free(conn->event);
        free(conn);
        close(fd);
        return;
    }
    in->len += (size_t)got;
    size_t done = 0, len;
    bool is_slow;
    while ((len = http_request_at(in, done, &is_slow)) > 0) {
        done += len;
        if (write(fd, HTTP_ANSWER, HTTP_ANSWER_LEN) < 0)
            break;
    }
    http_consume(in, done);
}

static void on_connection(evutil_socket_t listener, short what, void *base)
{
    int fd;
    (void)what;
    while ((fd = server_accept(listener)) >= 0) {
        struct connection *conn = malloc(sizeof(*conn));
        conn->in.len = 0;
        conn->event = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, conn);
        event_add(conn->event, NULL);
    }
}

int main(int argc, char **argv)
{
    struct event_base *base = event_base_new();
    int listener = server_listen(server_port(argc, argv));
    event_add(event_new(base, listener, EV_READ | EV_PERSIST, on_connection, base), NULL);
    return event_base_dispatch(base);
}
