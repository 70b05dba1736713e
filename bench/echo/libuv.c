/* SPDX-License-Identifier: MIT */
/* libuv's streams: what arrives is in one buffer for all connections, and is written at once by
 * uv_try_write(); what the kernel does not take waits in a copy, and reading with it. */
#include <uv.h>

#include "../common/server.h"

enum { BUFFER = 64 * 1024 };

static char buffer[BUFFER];

struct rest {
    uv_write_t request; /* first */
    char data[];
};

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    (void)handle;
    (void)suggested;
    *ret = uv_buf_init(buffer, BUFFER);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

static void drop(uv_stream_t *stream)
{
    if (!uv_is_closing((uv_handle_t *)stream))
        uv_close((uv_handle_t *)stream, on_closed);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *from);

static void on_rest_written(uv_write_t *request, int status)
{
    uv_stream_t *stream = request->handle;
    free(request);
    if (status < 0)
        drop(stream);
    else
        uv_read_start(stream, on_alloc, on_read);
}

static void write_rest(uv_stream_t *stream, const char *data, size_t len)
{
    struct rest *rest = malloc(sizeof(*rest) + len);
    uv_buf_t buf = uv_buf_init(rest->data, (unsigned)len);
    memcpy(rest->data, data, len);
    uv_read_stop(stream);
    uv_write(&rest->request, stream, &buf, 1, on_rest_written);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *from)
{
    if (got < 0) {
        drop(stream);
        return;
    }
    uv_buf_t buf = uv_buf_init(from->base, (unsigned)got);
    int sent = got > 0 ? uv_try_write(stream, &buf, 1) : 0;
    if (sent == UV_EAGAIN)
        sent = 0;
    if (sent < 0)
        drop(stream);
    else if (sent < got)
        write_rest(stream, from->base + sent, (size_t)(got - sent));
}

static void on_connection(uv_stream_t *server, int status)
{
    (void)status;
    uv_tcp_t *tcp = malloc(sizeof(*tcp));
    uv_tcp_init(server->loop, tcp);
    if (uv_accept(server, (uv_stream_t *)tcp) < 0) {
        drop((uv_stream_t *)tcp);
        return;
    }
    uv_tcp_nodelay(tcp, 1);
    uv_read_start((uv_stream_t *)tcp, on_alloc, on_read);
}

int main(int argc, char **argv)
{
    int port = server_port(argc, argv);
    struct sockaddr_in address = server_address(port);
    uv_tcp_t server;
    uv_tcp_init(uv_default_loop(), &server);
    uv_tcp_bind(&server, (struct sockaddr *)&address, 0);
    if (uv_listen((uv_stream_t *)&server, SERVER_BACKLOG, on_connection) < 0)
        return 1;
    server_is_ready(port);
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
