/* SPDX-License-Identifier: MIT */
/*
 * A peer that vanishes without a word: the wire is cut for good, and neither an end nor a reset ever
 * comes. Only who keeps a deadline learns of it. Each test has one deadline that is near, and all others
 * are off or far away.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/http_server.h>
#include <weft/listen.h>
#include <weft/socket.h>
#include <weft/websocket.h>

#include "tests/faults/scene.h"
#ifdef WEFT_TEST_TLS
#include "tests/support/tls.h"
#endif

TestSuite(half_open, .timeout = 120);

#define SOON WEFT_MS(100)

/* ---- Streams ---- */

Test(half_open, is_found_out_by_keepalive_at_both_ends)
{
    char a[4], b[4];
    weft_stream *near, *far;
    const struct weft_keepalive keepalive = {.idle = 1, .interval = 1, .count = 1};
    scene_begin();
    scene_streams(&near, &far);
    cr_assert_eq(weft_stream_set_keepalive(near, &keepalive), 0);
    cr_assert_eq(weft_stream_set_keepalive(far, &keepalive), 0);
    wire_cut(WIRE_WHOLE);
    weft_future *read = weft_read(far, b, sizeof(b));
    cr_assert_eq(scene_ends(weft_read(near, a, sizeof(a))), -ETIMEDOUT);
    cr_assert_eq(scene_ends(read), -ETIMEDOUT);
    cr_assert_eq(scene_ends(weft_read(near, a, sizeof(a))), -ETIMEDOUT);
    weft_stream_free(near);
    weft_stream_free(far);
    scene_end();
}

Test(half_open, is_found_out_by_a_limit_of_what_is_not_acknowledged)
{
    int peer;
    char buffer[4];
    scene_begin();
    weft_stream *stream = scene_stream(&peer);
    cr_assert_eq(weft_stream_set_option(stream, IPPROTO_TCP, TCP_USER_TIMEOUT, 300), 0);
    wire_cut(WIRE_WHOLE);
    cr_assert_eq(weft_write(stream, "x", 1), 0);
    cr_assert_eq(scene_ends(weft_read(stream, buffer, sizeof(buffer))), -ETIMEDOUT);
    cr_assert_eq(weft_stream_get_option(stream, SOL_SOCKET, SO_ERROR, &(int){0}), 0);
    int status = weft_write(stream, "x", 1);
    cr_assert(status == -ETIMEDOUT || status == -EPIPE, "%s", weft_strerror(status));
    weft_stream_free(stream);
    close(peer);
    scene_end();
}

Test(half_open, ends_a_read_that_has_a_deadline_and_loses_nothing)
{
    int peer;
    char buffer[16];
    scene_begin();
    weft_stream *stream = scene_stream(&peer);
    wire_cut(WIRE_WHOLE);
    weft_test_send_text(peer, "late, but whole");
    for (int i = 0; i < 3; i++)
        cr_assert_eq(scene_ends(weft_wait_for(weft_read_exactly(stream, buffer, 15), SOON)),
                     -ETIMEDOUT);
    weft_future *read = weft_read(stream, buffer, sizeof(buffer));
    weft_test_turn();
    weft_cancel(read);
    cr_assert_eq(scene_ends(read), -ECANCELED);
    wire_heal();
    cr_assert_eq(weft_test_count(weft_read_exactly(stream, buffer, 15)), 15);
    cr_assert(memcmp(buffer, "late, but whole", 15) == 0);
    weft_stream_free(stream);
    close(peer);
    scene_end();
}

/* ---- Listeners ---- */

struct tell_much {
    WEFT_FRAME;
    weft_stream *stream;
};

static WEFT_ASYNC(tell_much)
{
    static const char much[1 << 20];
    WEFT_BEGIN;
    weft_write(self->stream, much, sizeof(much));
    WEFT_END;
}

static bool has_one(void *listener)
{
    return weft_listener_connections(listener) == 1;
}

static bool has_none(void *listener)
{
    return weft_listener_connections(listener) == 0;
}

Test(half_open, ends_a_listeners_connection_that_waits_to_send)
{
    scene_begin();
    wire_be_at(WIRE_FAR);
    weft_listener *listener = weft_listen_with(
        (&(struct weft_listen_options){.close_timeout = SOON}), WIRE_FAR_4 ":0", tell_much);
    wire_be_at(WIRE_NEAR);
    cr_assert_not_null(listener);
    wire_cut_at(WIRE_FAR, 0);
    int client = scene_client(weft_listener_port(listener));
    scene_until(has_one, listener);
    scene_until(has_none, listener);
    cr_assert(wire_has_struck());
    close(client);
    weft_listener_free(listener);
    scene_end();
}

/* ---- HTTP servers ---- */

static struct {
    int body, answer, socket, drain;
    unsigned begun;
} handled;

struct take_body {
    WEFT_FRAME;
    weft_http_request *request;
    weft_bytes *body;
};

static WEFT_ASYNC(take_body)
{
    WEFT_BEGIN;
    handled.begun++;
    WEFT_CATCH_INTO(handled.body, self->body, weft_http_read_body(self->request));
    WEFT_FAIL(handled.body);
    WEFT_END;
}

struct pour_out {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(pour_out)
{
    static const char piece[65536];
    WEFT_BEGIN;
    handled.begun++;
    weft_http_start(self->request, 200, "text/plain", WEFT_HTTP_UNKNOWN_LENGTH);
    while (handled.answer == 0) {
        handled.answer = weft_http_write(self->request, piece, sizeof(piece));
        if (handled.answer == 0)
            WEFT_CATCH(handled.answer, weft_http_drain(self->request));
    }
    WEFT_FAIL(handled.answer);
    WEFT_END;
}

struct say_hello {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(say_hello)
{
    WEFT_BEGIN;
    handled.begun++;
    WEFT_AWAIT(weft_http_respondf(self->request, 200, "text/plain", "hello\n"));
    WEFT_END;
}

static const struct weft_websocket_options anxious = {.ping_interval = SOON, .ping_timeout = SOON};

struct listen_to {
    WEFT_FRAME;
    weft_http_request *request;
    weft_websocket *socket;
    struct weft_websocket_message *message;
};

static WEFT_ASYNC(listen_to)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->socket, weft_websocket_accept(self->request, &anxious));
    handled.begun++;
    WEFT_CATCH_INTO(handled.socket, self->message, weft_websocket_receive(self->socket));
    WEFT_FINALLY;
    weft_websocket_free(self->socket);
    WEFT_END;
}

struct shout_at {
    WEFT_FRAME;
    weft_http_request *request;
    weft_websocket *socket;
};

static WEFT_ASYNC(shout_at)
{
    static const char piece[65536];
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->socket, weft_websocket_accept(self->request, &anxious));
    handled.begun++;
    while (handled.drain == 0) {
        if (weft_websocket_send(self->socket, WEFT_WEBSOCKET_BINARY, piece, sizeof(piece)) < 0)
            break;
        WEFT_CATCH(handled.drain, weft_websocket_drain(self->socket));
    }
    WEFT_FINALLY;
    weft_websocket_free(self->socket);
    WEFT_END;
}

#define UPGRADE                                                                    \
    " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"        \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" \
    "\r\n"

/* All deadlines but those that are given are off. */
static struct weft_http_server_options patient(void)
{
    return (struct weft_http_server_options){
        .head_timeout = WEFT_FOREVER,
        .body_timeout = WEFT_FOREVER,
        .idle_timeout = WEFT_FOREVER,
        .write_timeout = WEFT_FOREVER,
        .linger_timeout = SOON,
    };
}

static weft_http_server *serve(const struct weft_http_server_options *options)
{
    weft_http_server *server = weft_http_server_new(options);
    cr_assert_not_null(server);
    cr_assert_eq(weft_http_route(server, "POST /body", take_body), 0);
    cr_assert_eq(weft_http_route(server, "GET /hello", say_hello), 0);
    cr_assert_eq(weft_http_route(server, "GET /listen", listen_to), 0);
    cr_assert_eq(weft_http_route(server, "GET /pour", pour_out), 0);
    cr_assert_eq(weft_http_route(server, "GET /shout", shout_at), 0);
    wire_be_at(WIRE_FAR);
    cr_assert_eq(weft_http_server_listen(server, WIRE_FAR_4 ":0"), 0);
    wire_be_at(WIRE_NEAR);
    return server;
}

static bool is_open(void *server)
{
    return weft_http_server_stats(server).connections == 1;
}

static bool is_gone(void *server)
{
    return weft_http_server_stats(server).connections == 0;
}

static bool has_begun(void *unused)
{
    (void)unused;
    return handled.begun;
}

/* A client says this, a handler begins (if one is to), the client vanishes: the server lets it go. */
static void vanish_after(const struct weft_http_server_options *options, const char *text,
                         bool handles)
{
    scene_begin();
    weft_http_server *server = serve(options);
    int client = scene_client(weft_http_server_port(server));
    scene_until(is_open, server);
    weft_test_send_text(client, text);
    if (handles)
        scene_until(has_begun, NULL);
    wire_cut(WIRE_WHOLE);
    scene_until(is_gone, server);
    cr_assert_eq(test_reports.count, 0, "%s: %s", test_reports.what, test_reports.message);
    close(client);
    weft_http_server_free(server);
    scene_end();
}

Test(half_open, meets_the_deadline_of_a_head)
{
    struct weft_http_server_options options = patient();
    options.head_timeout = SOON;
    vanish_after(&options, "GET /hello HT", false);
}

Test(half_open, meets_the_deadline_of_a_head_before_its_first_byte)
{
    struct weft_http_server_options options = patient();
    options.head_timeout = SOON;
    vanish_after(&options, "", false);
}

Test(half_open, meets_the_deadline_of_a_body)
{
    struct weft_http_server_options options = patient();
    options.body_timeout = SOON;
    vanish_after(&options, "POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nsome", true);
    cr_assert_eq(handled.body, -ETIMEDOUT);
}

Test(half_open, meets_the_deadline_of_idleness)
{
    struct weft_http_server_options options = patient();
    options.idle_timeout = SOON;
    vanish_after(&options, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n", true);
}

Test(half_open, meets_the_deadline_of_an_answer)
{
    struct weft_http_server_options options = patient();
    options.write_timeout = SOON;
    vanish_after(&options, "GET /pour HTTP/1.1\r\nHost: x\r\n\r\n", true);
    cr_assert_eq(handled.answer, -ETIMEDOUT);
}

Test(half_open, meets_the_ping_of_a_websocket)
{
    struct weft_http_server_options options = patient();
    vanish_after(&options, "GET /listen" UPGRADE, true);
    cr_assert_eq(handled.socket, -ETIMEDOUT);
}

Test(half_open, meets_the_ping_of_a_websocket_that_waits_to_send)
{
    struct weft_http_server_options options = patient();
    vanish_after(&options, "GET /shout" UPGRADE, true);
    cr_assert_eq(handled.drain, -ETIMEDOUT);
}

Test(half_open, is_not_waited_for_beyond_the_grace_of_a_shutdown)
{
    struct weft_http_server_options options = patient();
    scene_begin();
    weft_http_server *server = serve(&options);
    int client = scene_client(weft_http_server_port(server));
    weft_test_send_text(client, "GET /pour HTTP/1.1\r\nHost: x\r\n\r\n");
    scene_until(has_begun, NULL);
    wire_cut(WIRE_WHOLE);
    cr_assert_eq(scene_ends(weft_http_server_shutdown(server, SOON)), -ETIMEDOUT);
    cr_assert_eq(weft_http_server_stats(server).connections, 0);
    cr_assert_eq(handled.answer, -ECANCELED);
    close(client);
    weft_http_server_free(server);
    scene_end();
}

/* ---- HTTPS ---- */

#ifdef WEFT_TEST_TLS
struct ask_once {
    WEFT_FRAME;
    weft_stream *stream;
    weft_bytes *line;
};

static WEFT_ASYNC(ask_once)
{
    static const char text[] = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";
    WEFT_BEGIN;
    weft_write(self->stream, text, sizeof(text) - 1);
    WEFT_AWAIT_INTO(self->line, weft_read_line(self->stream, 0));
    WEFT_FINALLY;
    weft_bytes_free(self->line);
    WEFT_END;
}

Test(half_open, meets_the_deadline_of_a_goodbye_by_tls)
{
    struct weft_http_server_options options = patient();
    options.idle_timeout = SOON;
    wire_begin(3);
    test_tls_begin_real();
    struct weft_tls_options serving = test_serving(test_server);
    serving.close_timeout = SOON;
    weft_tls_context *server_tls = test_server_context(&serving);
    weft_tls_context *client_tls = test_client_context(NULL);
    weft_http_server *server = weft_http_server_new(&options);
    cr_assert_eq(weft_http_route(server, "GET /hello", say_hello), 0);
    wire_be_at(WIRE_FAR);
    cr_assert_eq(weft_http_server_listen_tls(server, WIRE_FAR_4 ":7", server_tls), 0);
    wire_be_at(WIRE_NEAR);
    weft_stream *client = scene_connected(weft_connect_with(
        &(struct weft_connect_options){.tls = client_tls, .server_name = "example.org"},
        WIRE_FAR_4 ":7"));
    cr_assert_eq(scene_ends(weft_spawn(ask_once, .stream = client)), 0);
    wire_cut(WIRE_WHOLE);
    scene_until(is_gone, server);
    weft_stream_free(client);
    weft_http_server_free(server);
    weft_tls_context_unref(client_tls);
    weft_tls_context_unref(server_tls);
    test_tls_end();
    wire_end();
}
#endif
