/* SPDX-License-Identifier: MIT */
/* WebSockets: messages sent in parts, what goes between them, and what is refused there. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/error.h>
#include <weft/websocket.h>

#include "tests/support/heap.h"
#include "tests/support/http.h"
#include "tests/support/loop.h"
#include "tests/support/websocket.h"

TestSuite(websocket_parts, .init = weft_test_loop_begin, .timeout = 60);

static struct {
    weft_websocket *socket; /* while the handler runs */
    int ends, ended;
} seen;

/* Leaves the sending to the test; "leave" ends it. */
struct listens {
    WEFT_FRAME;
    weft_http_request *request;
    weft_websocket *socket;
    struct weft_websocket_message *message;
    bool leave;
};

static WEFT_ASYNC(listens)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->socket, weft_websocket_accept(self->request, NULL));
    seen.socket = self->socket;
    while (!self->leave) {
        WEFT_AWAIT_INTO(self->message, weft_websocket_receive(self->socket));
        if (!self->message)
            break;
        self->leave = strcmp(self->message->data, "leave") == 0;
        weft_websocket_message_free(self->message);
    }
    WEFT_FINALLY;
    if (seen.socket == self->socket)
        seen.socket = NULL;
    weft_websocket_free(self->socket);
    seen.ended = WEFT_OUTCOME;
    seen.ends++;
    WEFT_END;
}

static weft_http_server *begin(struct test_client *client)
{
    weft_http_server *server = test_http_begin(NULL);
    memset(&seen, 0, sizeof(seen));
    weft_http_route(server, "/socket", listens);
    *client = test_http_connect();
    test_http_say(client, ASK VERSION KEY "\r\n");
    cr_assert_eq(test_http_status(client->received), 101, "%s", client->received);
    return server;
}

static void finish(struct test_client *client, weft_http_server *server)
{
    test_http_close(client);
    test_http_end(server);
}

static int write_text(const char *text)
{
    return weft_websocket_write(seen.socket, text, strlen(text));
}

/* What the client has received is exactly this. */
static void must_receive(struct test_client *client, const char *bytes, size_t len)
{
    test_http_turn(client);
    const char *body = test_http_body(client->received);
    cr_assert_eq((size_t)(client->received + client->len - body), len);
    cr_assert_arr_eq(body, bytes, len);
}

#define MUST_RECEIVE(client, bytes) must_receive((client), (bytes), sizeof(bytes) - 1)

Test(websocket_parts, each_part_is_sent_at_once_and_the_last_frame_is_empty)
{
    struct test_client client;
    weft_http_server *server = begin(&client);
    cr_assert_eq(weft_websocket_start(seen.socket, WEFT_WEBSOCKET_TEXT), 0);
    cr_assert_eq(write_text("one"), 0);
    MUST_RECEIVE(&client, "\x01\x03one");
    cr_assert_eq(write_text(""), 0);
    cr_assert_eq(write_text("more"), 0);
    MUST_RECEIVE(&client, "\x01\x03one\x00\x04more");
    cr_assert_eq(weft_websocket_end(seen.socket), 0);
    MUST_RECEIVE(&client, "\x01\x03one\x00\x04more\x80\x00");
    cr_assert_eq(weft_websocket_send(seen.socket, WEFT_WEBSOCKET_BINARY, "x", 1), 0);
    MUST_RECEIVE(&client, "\x01\x03one\x00\x04more\x80\x00\x82\x01x");
    finish(&client, server);
}

Test(websocket_parts, a_message_without_parts_is_one)
{
    struct test_client client;
    weft_http_server *server = begin(&client);
    cr_assert_eq(weft_websocket_start(seen.socket, WEFT_WEBSOCKET_BINARY), 0);
    cr_assert_eq(weft_websocket_end(seen.socket), 0);
    MUST_RECEIVE(&client, "\x82\x00");
    finish(&client, server);
}

Test(websocket_parts, a_character_may_lie_in_two_of_them)
{
    struct test_client client;
    weft_http_server *server = begin(&client);
    weft_websocket_start(seen.socket, WEFT_WEBSOCKET_TEXT);
    cr_assert_eq(write_text("\xce"), 0);
    cr_assert_eq(weft_websocket_end(seen.socket), -EINVAL, "within a character");
    cr_assert_eq(write_text("x"), -EINVAL, "no second half");
    cr_assert_eq(write_text("\xba"), 0);
    cr_assert_eq(write_text("\xff"), -EINVAL);
    cr_assert_eq(weft_websocket_end(seen.socket), 0, "what was refused is not remembered");
    MUST_RECEIVE(&client, "\x01\x01\xce\x00\x01\xba\x80\x00");
    weft_websocket_start(seen.socket, WEFT_WEBSOCKET_BINARY);
    cr_assert_eq(write_text("\xff"), 0, "bytes are bytes");
    cr_assert_eq(weft_websocket_end(seen.socket), 0);
    finish(&client, server);
}

Test(websocket_parts, pings_and_pongs_go_between_them)
{
    struct test_client client;
    weft_http_server *server = begin(&client);
    weft_websocket_start(seen.socket, WEFT_WEBSOCKET_TEXT);
    write_text("a");
    test_websocket_say(&client, 0x89, "p");
    weft_future *ping = weft_websocket_ping(seen.socket);
    write_text("b");
    weft_websocket_end(seen.socket);
    test_http_turn(&client);
    const char *body = test_http_body(client.received);
    cr_assert_arr_eq(body,
                     "\x01\x01"
                     "a\x8a\x01p\x89\x08",
                     8);
    cr_assert_arr_eq(body + 16,
                     "\x00\x01"
                     "b\x80\x00",
                     5);
    weft_cancel(ping);
    cr_assert_eq(weft_test_run(ping), -ECANCELED);
    finish(&client, server);
}

Test(websocket_parts, other_messages_have_to_wait)
{
    struct test_client client;
    weft_http_server *server = begin(&client);
    cr_assert_eq(write_text("x"), -EINVAL, "not begun");
    cr_assert_eq(weft_websocket_end(seen.socket), -EINVAL);
    cr_assert_eq(weft_websocket_start(seen.socket, (enum weft_websocket_kind)0), -EINVAL);
    cr_assert_eq(weft_websocket_start(seen.socket, WEFT_WEBSOCKET_TEXT), 0);
    cr_assert_eq(weft_websocket_start(seen.socket, WEFT_WEBSOCKET_TEXT), -EBUSY);
    cr_assert_eq(weft_websocket_send(seen.socket, WEFT_WEBSOCKET_TEXT, "x", 1), -EBUSY);
    cr_assert_eq(weft_websocket_end(seen.socket), 0);
    cr_assert_eq(weft_websocket_end(seen.socket), -EINVAL);
    MUST_RECEIVE(&client, "\x81\x00");
    finish(&client, server);
}

Test(websocket_parts, a_close_may_come_between_them)
{
    struct test_client client;
    weft_http_server *server = begin(&client);
    weft_websocket_start(seen.socket, WEFT_WEBSOCKET_TEXT);
    write_text("a");
    weft_future *close = weft_websocket_close(seen.socket, 1011, "broken");
    cr_assert_eq(write_text("b"), -EPIPE);
    cr_assert_eq(weft_websocket_end(seen.socket), -EPIPE);
    MUST_RECEIVE(&client, "\x01\x01"
                          "a\x88\x08\x03\xf3"
                          "broken");
    test_websocket_say(&client, 0x88, "\x03\xf3");
    cr_assert_eq(weft_test_run(close), 0);
    test_http_to_end(&client);
    cr_assert(!client.reset);
    finish(&client, server);
}

Test(websocket_parts, a_handler_that_ends_before_its_message_says_so)
{
    struct test_client client;
    weft_http_server *server = begin(&client);
    weft_websocket_start(seen.socket, WEFT_WEBSOCKET_TEXT);
    write_text("half");
    test_websocket_say(&client, 0x81, "leave");
    test_http_to_end(&client);
    MUST_RECEIVE(&client, "\x01\x04half\x88\x02\x03\xf3");
    cr_assert_eq(seen.ends, 1);
    finish(&client, server);
}

Test(websocket_parts, what_waits_to_be_sent_is_known)
{
    static const char large[1000000];
    struct test_client client;
    weft_http_server *server = begin(&client);
    cr_assert_eq(weft_websocket_pending(seen.socket), 0);
    client.deaf = true;
    weft_websocket_start(seen.socket, WEFT_WEBSOCKET_BINARY);
    cr_assert_eq(weft_websocket_write(seen.socket, large, sizeof(large)), 0);
    size_t waits = weft_websocket_pending(seen.socket);
    cr_assert(waits > 0 && waits < sizeof(large) + 16, "%zu", waits);
    weft_future *drain = weft_websocket_drain(seen.socket);
    test_http_turn(&client);
    cr_assert(!weft_is_done(drain), "the client has to catch up");
    client.deaf = false;
    test_http_turn(&client);
    cr_assert_eq(weft_websocket_pending(seen.socket), 0);
    cr_assert_eq(weft_test_run(drain), 0);
    cr_assert_eq(weft_websocket_end(seen.socket), 0);
    finish(&client, server);
}

Test(websocket_parts, a_part_that_cannot_be_kept_can_be_sent_later)
{
    static const char large[1000000];
    struct test_client client;
    weft_http_server *server = begin(&client);
    client.deaf = true;
    weft_websocket_start(seen.socket, WEFT_WEBSOCKET_BINARY);
    int status, parts = 0;
    while ((status = weft_websocket_write(seen.socket, large, sizeof(large))) == 0)
        parts++;
    cr_assert_eq(status, -ENOBUFS);
    cr_assert_eq(weft_websocket_end(seen.socket), -ENOBUFS);
    client.deaf = false;
    test_http_turn(&client);
    cr_assert_eq(write_text("last"), 0);
    cr_assert_eq(weft_websocket_end(seen.socket), 0);
    size_t before = client.len;
    test_http_turn(&client);
    cr_assert_eq(client.len, before + 8);
    cr_assert_arr_eq(client.received + before, "\x00\x04last\x80\x00", 8);
    cr_assert_geq(before, (size_t)parts * sizeof(large));
    finish(&client, server);
}

Test(websocket_parts, a_client_that_is_gone_is_told_by_each_call)
{
    struct test_client client;
    weft_http_server *server = begin(&client);
    weft_websocket *socket = seen.socket;
    weft_websocket_start(socket, WEFT_WEBSOCKET_TEXT);
    shutdown(client.fd, SHUT_RDWR);
    cr_assert_eq(write_text("x"), -EPIPE);
    cr_assert_eq(write_text("x"), -EPIPE);
    cr_assert_eq(weft_websocket_end(socket), -EPIPE);
    finish(&client, server);
}

/* It sends, and so it is there; but it reads nothing. */
Test(websocket_parts, a_client_that_reads_nothing_is_given_up_even_if_it_sends)
{
    static const char large[1000000];
    struct test_client client;
    weft_http_server *server = begin(&client);
    client.deaf = true;
    cr_assert_eq(weft_websocket_send(seen.socket, WEFT_WEBSOCKET_BINARY, large, sizeof(large)), 0);
    weft_future *drain = weft_websocket_drain(seen.socket);
    for (int i = 0; i < 2; i++) {
        test_http_pass(&client, WEFT_S(14));
        test_websocket_say(&client, 0x89, "here");
    }
    cr_assert(!weft_is_done(drain));
    for (int i = 0; i < 4; i++) {
        test_http_pass(&client, WEFT_S(10));
        test_websocket_say(&client, 0x89, "here");
    }
    cr_assert(weft_is_done(drain));
    cr_assert_eq(weft_test_run(drain), -ETIMEDOUT);
    cr_assert_eq(seen.ends, 1, "receives have failed, too");
    cr_assert_eq(seen.ended, -ETIMEDOUT);
    cr_assert_eq(test_reports.count, 0);
    finish(&client, server);
}

Test(websocket_parts, a_client_that_reads_slowly_is_not_given_up)
{
    static char large[1000000];
    struct test_client client;
    weft_http_server *server = begin(&client);
    client.deaf = true;
    cr_assert_eq(weft_websocket_send(seen.socket, WEFT_WEBSOCKET_BINARY, large, sizeof(large)), 0);
    weft_future *drain = weft_websocket_drain(seen.socket);
    while (!weft_is_done(drain)) {
        test_http_pass(&client, WEFT_S(20));
        cr_assert_gt(read(client.fd, large, 100000), 0);
        test_websocket_say(&client, 0x8a, "");
    }
    cr_assert_eq(weft_test_run(drain), 0);
    cr_assert_eq(seen.ends, 0);
    finish(&client, server);
}

Test(websocket_parts, a_client_that_reads_slowly_is_not_given_up_while_more_is_sent)
{
    static char large[600000];
    struct test_client client;
    weft_http_server *server = begin(&client);
    client.deaf = true;
    cr_assert_eq(weft_websocket_send(seen.socket, WEFT_WEBSOCKET_BINARY, large, sizeof(large)), 0);
    weft_future *drain = weft_websocket_drain(seen.socket);
    for (int i = 0; i < 6; i++) {
        test_http_pass(&client, WEFT_S(20));
        cr_assert_gt(read(client.fd, large, 40000), 0);
        cr_assert_eq(seen.ends, 0);
        cr_assert_eq(weft_websocket_send(seen.socket, WEFT_WEBSOCKET_BINARY, large, 60000), 0);
        test_websocket_say(&client, 0x8a, "");
        cr_assert(!weft_is_done(drain));
    }
    client.deaf = false;
    test_http_turn(&client);
    cr_assert_eq(weft_test_run(drain), 0);
    cr_assert_eq(seen.ends, 0);
    finish(&client, server);
}

/* One allocation fails, the n-th; true if it came to that. */
static bool say_without(size_t n)
{
    static const char large[500000];
    struct test_client client;
    client = test_http_connect();
    test_http_say(&client, ASK VERSION KEY "\r\n");
    client.deaf = true;
    weft_test_heap_fail_at(n);
    int started = weft_websocket_start(seen.socket, WEFT_WEBSOCKET_BINARY);
    int status = weft_websocket_write(seen.socket, large, sizeof(large));
    if (status == 0)
        status = weft_websocket_end(seen.socket);
    bool failed = weft_test_heap_failed();
    weft_test_heap_fail_at(0);
    cr_assert_eq(started, 0);
    cr_assert_eq(status, failed ? -ENOMEM : 0);
    client.deaf = false;
    test_http_turn(&client);
    test_http_close(&client);
    test_http_turn(&(struct test_client){.fd = -1, .deaf = true});
    return failed;
}

Test(websocket_parts, survive_every_lack_of_memory)
{
    struct test_client client;
    weft_http_server *server = begin(&client);
    size_t n = 1;
    while (say_without(n))
        n++;
    cr_assert(n > 1, "%zu", n);
    finish(&client, server);
}
