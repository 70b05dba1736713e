/* SPDX-License-Identifier: MIT */
/* A connection that is reset in the middle: by the network, which forges it, or by the peer itself. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/http_server.h>
#include <weft/listen.h>
#include <weft/sendfile.h>
#include <weft/websocket.h>

#include "tests/faults/scene.h"
#ifdef WEFT_TEST_TLS
#include "tests/support/tls.h"
#endif

TestSuite(reset, .timeout = 120);

/* ---- Streams ---- */

/* Close with a reset. */
static void slam(int fd)
{
    struct linger at_once = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(fd);
}

static bool has_received(void *stream)
{
    struct weft_stream_stats stats;
    weft_stream_get_stats(stream, &stats);
    return stats.to_read >= 4;
}

/* A stream that has four bytes to read, and whose connection is then reset. */
static weft_stream *stream_with_some(bool forged)
{
    int peer;
    weft_stream *stream = scene_stream(&peer);
    weft_test_send_text(peer, "some");
    scene_until(has_received, stream);
    if (forged) {
        wire_reset_at(WIRE_FAR, 0);
        weft_test_send_text(peer, "more");
        close(peer);
    } else {
        slam(peer);
    }
    return stream;
}

static void check_reading(bool forged)
{
    char buffer[16];
    scene_begin();
    weft_stream *stream = stream_with_some(forged);
    cr_assert_eq(weft_test_count(weft_read_exactly(stream, buffer, 9)), -ECONNRESET);
    int status;
    cr_assert_null(weft_test_bytes(weft_read_until(stream, ".", 1, 0), &status));
    cr_assert_eq(status, -ECONNRESET);
    cr_assert_eq(weft_test_count(weft_read(stream, buffer, sizeof(buffer))), 4);
    cr_assert(memcmp(buffer, "some", 4) == 0);
    cr_assert_eq(weft_test_count(weft_read(stream, buffer, sizeof(buffer))), -ECONNRESET);
    cr_assert_eq(weft_test_count(weft_read(stream, buffer, sizeof(buffer))), -ECONNRESET);
    cr_assert(!weft_at_eof(stream));
    weft_stream_free(stream);
    scene_end();
}

Test(reset, by_the_network_leaves_what_came_before_to_be_read)
{
    check_reading(true);
}

Test(reset, by_the_peer_leaves_what_came_before_to_be_read)
{
    check_reading(false);
}

/* Fails with the first failure of a write or a drain. */
struct insist {
    WEFT_FRAME;
    weft_stream *stream;
    int status;
};

static WEFT_ASYNC(insist)
{
    WEFT_BEGIN;
    for (;;) {
        static const char piece[16384];
        self->status = weft_write(self->stream, piece, sizeof(piece));
        if (self->status < 0)
            WEFT_FAIL(self->status);
        WEFT_AWAIT(weft_drain(self->stream));
    }
    WEFT_END;
}

static bool is_one_of_a_gone_peer(int status)
{
    return status == -ECONNRESET || status == -EPIPE;
}

static void check_writing(bool forged)
{
    int peer;
    scene_begin();
    weft_stream *stream = scene_stream(&peer);
    weft_future *insists = weft_spawn(insist, .stream = stream);
    weft_test_turn(); /* its drain waits: nobody reads */
    cr_assert(!weft_is_done(insists));
    if (forged) {
        wire_reset_at(WIRE_FAR, 0);
        weft_test_send_text(peer, "x");
        close(peer);
    } else {
        slam(peer);
    }
    int status = scene_ends(insists);
    cr_assert(is_one_of_a_gone_peer(status), "%s", weft_strerror(status));
    cr_assert_eq(weft_write(stream, "x", 1), status);
    cr_assert_eq(scene_ends(weft_drain(stream)), status);
    cr_assert_eq(weft_write_eof(stream), status);
    cr_assert_eq(weft_write_pending(stream), 0);
    cr_assert_eq(scene_ends(weft_close(stream)), status);
    scene_end();
}

Test(reset, by_the_network_ends_a_drain_and_all_later_writes)
{
    check_writing(true);
}

Test(reset, by_the_peer_ends_a_drain_and_all_later_writes)
{
    check_writing(false);
}

Test(reset, ends_a_close_that_waits)
{
    int peer;
    static const char much[1 << 20];
    scene_begin();
    weft_stream *stream = scene_stream(&peer);
    cr_assert_eq(weft_write(stream, much, sizeof(much)), 0);
    weft_future *closed = weft_close(stream);
    weft_test_turn();
    cr_assert(!weft_is_done(closed));
    slam(peer);
    cr_assert(is_one_of_a_gone_peer(scene_ends(closed)));
    scene_end();
}

Test(reset, ends_the_sending_of_a_file)
{
    enum { MUCH = 64 << 20 };
    int peer;
    scene_begin();
    int fd = memfd_create("file", MFD_CLOEXEC);
    cr_assert_eq(ftruncate(fd, MUCH), 0);
    weft_stream *stream = scene_stream(&peer);
    weft_future *sending = weft_sendfile(stream, fd, 0, MUCH);
    weft_test_turn();
    cr_assert(!weft_is_done(sending));
    slam(peer);
    int64_t sent = weft_test_count(sending);
    cr_assert(sent < 0 ? is_one_of_a_gone_peer((int)sent) : sent < MUCH, "%d", (int)sent);
    cr_assert(is_one_of_a_gone_peer(scene_ends(weft_drain(stream))));
    cr_assert(is_one_of_a_gone_peer(scene_ends(weft_close(stream))));
    close(fd);
    scene_end();
}

/* ---- Servers ---- */

struct count_bytes {
    WEFT_FRAME;
    weft_stream *stream;
    char buffer[64];
    int64_t got;
    int *status;
};

static WEFT_ASYNC(count_bytes)
{
    WEFT_BEGIN;
    do {
        WEFT_CATCH_INTO(*self->status, self->got,
                        weft_read(self->stream, self->buffer, sizeof(self->buffer)));
    } while (*self->status == 0 && self->got);
    WEFT_END;
}

static bool is_empty(void *listener)
{
    struct weft_listener_stats stats;
    weft_listener_get_stats(listener, &stats);
    return stats.accepted && !stats.connections;
}

Test(reset, before_it_is_accepted_troubles_no_listener)
{
    int status = 1;
    scene_begin();
    wire_be_at(WIRE_FAR);
    weft_listener *listener = weft_listen(WIRE_FAR_4 ":0", count_bytes, .status = &status);
    wire_be_at(WIRE_NEAR);
    cr_assert_not_null(listener);
    for (int i = 0; i < 3; i++)
        slam(scene_client(weft_listener_port(listener)));
    int client = scene_client(weft_listener_port(listener));
    weft_test_send_text(client, "x");
    close(client);
    struct weft_listener_stats stats;
    do {
        scene_until(is_empty, listener);
        weft_listener_get_stats(listener, &stats);
    } while (status != 0);
    cr_assert_eq(test_reports.count, 0);
    cr_assert_eq(stats.dropped, 0);
    weft_listener_free(listener);
    scene_end();
}

/* What the handlers ended with. */
static struct {
    int body, sleep, socket;
    unsigned begun;
} handled;

struct upload {
    WEFT_FRAME;
    weft_http_request *request;
    weft_bytes *body;
};

static WEFT_ASYNC(upload)
{
    WEFT_BEGIN;
    handled.begun++;
    WEFT_CATCH_INTO(handled.body, self->body, weft_http_read_body(self->request));
    WEFT_FAIL(handled.body);
    WEFT_END;
}

struct doze {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(doze)
{
    WEFT_BEGIN;
    handled.begun++;
    WEFT_CATCH(handled.sleep, weft_sleep(WEFT_FOREVER));
    WEFT_END;
}

struct chat {
    WEFT_FRAME;
    weft_http_request *request;
    weft_websocket *socket;
    struct weft_websocket_message *message;
};

static WEFT_ASYNC(chat)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->socket, weft_websocket_accept(self->request, NULL));
    handled.begun++;
    WEFT_CATCH_INTO(handled.socket, self->message, weft_websocket_receive(self->socket));
    WEFT_FINALLY;
    weft_websocket_free(self->socket);
    WEFT_END;
}

static bool is_at(void *count)
{
    return handled.begun == *(unsigned *)count;
}

static bool is_idle(void *server)
{
    return weft_http_server_stats(server).connections == 0;
}

/* A client that says this much, waits until a handler is at it, and slams. */
static void slam_at(weft_http_server *server, const char *text)
{
    unsigned next = handled.begun + 1;
    int client = scene_client(weft_http_server_port(server));
    weft_test_send_text(client, text);
    scene_until(is_at, &next);
    slam(client);
    scene_until(is_idle, server);
}

Test(reset, tells_the_handlers_of_a_server)
{
    scene_begin();
    wire_be_at(WIRE_FAR);
    weft_http_server *server = weft_http_server_new(NULL);
    cr_assert_eq(weft_http_route(server, "POST /upload", upload), 0);
    cr_assert_eq(weft_http_route(server, "GET /doze", doze), 0);
    cr_assert_eq(weft_http_route(server, "GET /chat", chat), 0);
    cr_assert_eq(weft_http_server_listen(server, WIRE_FAR_4 ":0"), 0);
    wire_be_at(WIRE_NEAR);
    slam_at(server, "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nsome");
    slam_at(server, "GET /doze HTTP/1.1\r\nHost: x\r\n\r\n");
    slam_at(server, "GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
                    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    cr_assert_eq(handled.body, -ECONNRESET);
    cr_assert_eq(handled.sleep, -ECANCELED);
    cr_assert_eq(handled.socket, -ECONNRESET);
    cr_assert_eq(test_reports.count, 0, "%s: %s", test_reports.what, test_reports.message);
    weft_http_server_free(server);
    scene_end();
}

/* ---- TLS ---- */

#ifdef WEFT_TEST_TLS
Test(reset, is_told_apart_from_an_end_of_tls)
{
    char buffer[16];
    struct test_pair pair = {0};
    wire_begin(11);
    test_tls_begin_real();
    scene_streams(&pair.client, &pair.server);
    weft_tls_context *client = test_client_context(NULL);
    weft_tls_context *server = test_server_context(NULL);
    test_shake_hands(&pair, client, server, "example.org");
    cr_assert(test_talks(&pair));
    cr_assert_eq(weft_write(pair.server, "some", 4), 0);
    scene_until(has_received, pair.client);
    wire_reset_at(WIRE_FAR, 0);
    cr_assert_eq(weft_write(pair.server, "more", 4), 0);
    cr_assert_eq(weft_test_count(weft_read_exactly(pair.client, buffer, 8)), -ECONNRESET);
    cr_assert_eq(weft_test_count(weft_read(pair.client, buffer, sizeof(buffer))), 4);
    cr_assert_eq(weft_test_count(weft_read(pair.client, buffer, sizeof(buffer))), -ECONNRESET);
    cr_assert_eq(weft_test_count(weft_read(pair.server, buffer, sizeof(buffer))), -ECONNRESET);
    cr_assert(is_one_of_a_gone_peer(scene_ends(weft_close(pair.client))));
    cr_assert(is_one_of_a_gone_peer(scene_ends(weft_close(pair.server))));
    weft_tls_context_unref(client);
    weft_tls_context_unref(server);
    test_tls_end();
    wire_end();
}
#endif
