/* SPDX-License-Identifier: MIT */
/* libuv's streams and the least of HTTP. /slow goes to uv_queue_work(), with POOL threads. */
#include <uv.h>

#include "http.h"

struct connection {
    uv_tcp_t tcp; /* first */
    uv_write_t write;
    uv_work_t work;
    bool is_working, is_closing;
    struct http_input in;
};

static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

static void drop(struct connection *conn)
{
    conn->is_closing = true;
    if (!conn->is_working && !uv_is_closing((uv_handle_t *)&conn->tcp))
        uv_close((uv_handle_t *)&conn->tcp, on_closed);
}

static void answer(struct connection *conn)
{
    uv_stream_t *stream = (uv_stream_t *)&conn->tcp;
    uv_buf_t buf = uv_buf_init((char *)(uintptr_t)HTTP_ANSWER, HTTP_ANSWER_LEN);
    if (uv_try_write(stream, &buf, 1) < 0)
        uv_write(&conn->write, stream, &buf, 1, NULL);
}

static void block(uv_work_t *work)
{
    (void)work;
    http_block();
}

static void on_blocked(uv_work_t *work, int status)
{
    struct connection *conn = work->data;
    (void)status;
    conn->is_working = false;
    if (conn->is_closing)
        drop(conn);
    else
        answer(conn);
}

static void on_request(struct connection *conn, bool is_slow)
{
    if (!is_slow) {
        answer(conn);
        return;
    }
    conn->is_working = true;
    conn->work.data = conn;
    uv_queue_work(conn->tcp.loop, &conn->work, block, on_blocked);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    struct http_input *in = &((struct connection *)handle)->in;
    (void)suggested;
    *ret = uv_buf_init(in->data + in->len, (unsigned)(sizeof(in->data) - in->len));
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    struct connection *conn = (struct connection *)stream;
    (void)buf;
    if (got < 0) {
        drop(conn);
        return;
    }
    conn->in.len += (size_t)got;
    size_t done = 0, len;
    bool is_slow;
    while ((len = http_request_at(&conn->in, done, &is_slow)) > 0) {
        done += len;
        on_request(conn, is_slow);
    }
    http_consume(&conn->in, done);
}

static void on_connection(uv_stream_t *server, int status)
{
    struct connection *conn = malloc(sizeof(*conn));
    (void)status;
    conn->is_working = conn->is_closing = false;
    conn->in.len = 0;
    uv_tcp_init(server->loop, &conn->tcp);
    if (uv_accept(server, (uv_stream_t *)&conn->tcp) < 0) {
        drop(conn);
        return;
    }
    uv_tcp_nodelay(&conn->tcp, 1);
    uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read);
}

int main(int argc, char **argv)
{
    int port = server_port(argc, argv);
    struct sockaddr_in address = server_address(port);
    if (server_pool(argc, argv))
        setenv("UV_THREADPOOL_SIZE", argv[2], 1);
    uv_tcp_t server;
    uv_tcp_init(uv_default_loop(), &server);
    uv_tcp_bind(&server, (struct sockaddr *)&address, 0);
    if (uv_listen((uv_stream_t *)&server, SERVER_BACKLOG, on_connection) < 0)
        return 1;
    server_is_ready(port);
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
