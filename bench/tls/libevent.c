/* SPDX-License-Identifier: MIT */
/* libevent's bufferevent_openssl. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>

#include "../common/server.h"
#include "../common/tls.h"

static SSL_CTX *tls;

static void on_read(struct bufferevent *conn, void *arg)
{
    (void)arg;
    bufferevent_write_buffer(conn, bufferevent_get_input(conn));
}

static void on_event(struct bufferevent *conn, short what, void *arg)
{
    SSL *ssl = bufferevent_openssl_get_ssl(conn);
    (void)arg;
    if (what & BEV_EVENT_CONNECTED)
        return;
    if (what & BEV_EVENT_EOF) {
        SSL_set_shutdown(ssl, SSL_RECEIVED_SHUTDOWN);
        SSL_shutdown(ssl);
    }
    bufferevent_free(conn);
}

static void on_connection(evutil_socket_t listener, short what, void *base)
{
    int fd;
    (void)what;
    while ((fd = server_accept(listener)) >= 0) {
        struct bufferevent *conn = bufferevent_openssl_socket_new(
            base, fd, SSL_new(tls), BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
        bufferevent_setcb(conn, on_read, NULL, on_event, NULL);
        bufferevent_enable(conn, EV_READ | EV_WRITE);
    }
}

int main(int argc, char **argv)
{
    struct event_base *base = event_base_new();
    tls = tls_server();
    int listener = server_listen(server_port(argc, argv));
    event_add(event_new(base, listener, EV_READ | EV_PERSIST, on_connection, base), NULL);
    return event_base_dispatch(base);
}
