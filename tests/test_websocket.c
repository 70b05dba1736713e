/* SPDX-License-Identifier: MIT */
/* WebSockets: the handshake, messages, pings, both closes, what breaks the rules, silence, lack of memory. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weft/error.h>
#include <weft/websocket.h>

#include "tests/support/heap.h"
#include "tests/support/http.h"
#include "tests/support/loop.h"
#include "tests/support/websocket.h"

TestSuite(websocket, .init = weft_test_loop_begin, .timeout = 60);

static struct {
    struct weft_websocket_options options;
    int ended, ends; /* how handlers did */
    int code;
    char reason[128];
    int64_t ping;
    int status;
    weft_websocket *socket; /* the last one */
} seen;

/* Echoes. Messages "ping", "close", "fail", "leave", "late" do what they say. */
struct echo {
    WEFT_FRAME;
    weft_http_request *request;
    weft_websocket *socket;
    struct weft_websocket_message *message;
};

static bool is(const struct echo *self, const char *text)
{
    return strcmp(self->message->data, text) == 0;
}

static void note_end(const struct echo *self, int outcome)
{
    seen.ended = outcome;
    seen.ends++;
    if (!self->socket)
        return;
    seen.code = weft_websocket_close_code(self->socket);
    snprintf(seen.reason, sizeof(seen.reason), "%s", weft_websocket_close_reason(self->socket));
}

static WEFT_ASYNC(echo)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->socket, weft_websocket_accept(self->request, &seen.options));
    seen.socket = self->socket;
    for (;;) {
        WEFT_AWAIT_INTO(self->message, weft_websocket_receive(self->socket));
        if (!self->message || is(self, "leave"))
            break;
        if (is(self, "fail"))
            WEFT_FAIL(-EIO, "told to");
        if (is(self, "ping"))
            WEFT_AWAIT_INTO(seen.ping, weft_websocket_ping(self->socket));
        if (is(self, "late"))
            WEFT_AWAIT(weft_sleep(WEFT_S(90)));
        if (is(self, "close"))
            WEFT_AWAIT(weft_websocket_close(self->socket, 3456, "as told"));
        seen.status = weft_websocket_send(self->socket, self->message->kind, self->message->data,
                                          self->message->len);
        weft_websocket_message_free(self->message);
        self->message = NULL;
        WEFT_AWAIT(weft_websocket_drain(self->socket));
    }
    WEFT_FINALLY;
    note_end(self, WEFT_OUTCOME);
    weft_websocket_message_free(self->message);
    weft_websocket_free(self->socket);
    WEFT_END;
}

static weft_http_server *begin(void)
{
    weft_http_server *server = test_http_begin(NULL);
    memset(&seen, 0, sizeof(seen));
    weft_http_route(server, "/socket", echo);
    return server;
}

static struct test_client open_socket(void)
{
    struct test_client client = test_http_connect();
    test_http_say(&client, ASK VERSION KEY "\r\n");
    cr_assert_eq(test_http_status(client.received), 101, "%s", client.received);
    return client;
}

static void finish(struct test_client *client, weft_http_server *server)
{
    test_http_close(client);
    test_http_end(server);
}

/* ---- The handshake ---- */

Test(websocket, the_handshake_proves_that_the_key_was_read)
{
    weft_http_server *server = begin();
    struct test_client client = open_socket();
    cr_assert_str_eq(client.received, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                                      "Upgrade: websocket\r\n"
                                      "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
    finish(&client, server);
}

Test(websocket, what_is_no_handshake_is_answered_and_reported_to_nobody)
{
    static const struct {
        const char *request;
        int status;
    } others[] = {
        {"GET /socket HTTP/1.1\r\nHost: x\r\n\r\n", 426},
        {"GET /socket HTTP/1.1\r\nHost: x\r\n" VERSION KEY "\r\n", 426},
        {ASK KEY "\r\n", 426},
        {ASK KEY "Sec-WebSocket-Version: 8\r\n\r\n", 426},
        {ASK VERSION "\r\n", 400},
        {ASK VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ===\r\n\r\n", 400},
        {ASK VERSION "Sec-WebSocket-Key: dGhlIHNhbXBs*SBub25jZQ==\r\n\r\n", 400},
        {ASK VERSION KEY "Content-Length: 1\r\n\r\nx", 400},
    };
    weft_http_server *server = begin();
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        struct test_client client = test_http_connect();
        test_http_say(&client, others[i].request);
        cr_assert_eq(test_http_status(client.received), others[i].status, "%zu: %s", i,
                     client.received);
        if (others[i].status == 426)
            cr_assert_not_null(strstr(client.received, "\r\nSec-WebSocket-Version: 13\r\n"));
        cr_assert_eq(seen.ended, WEFT_EPROTO);
        test_http_close(&client);
    }
    cr_assert_eq(test_reports.count, 0);
    test_http_end(server);
}

Test(websocket, pages_of_foreign_origins_are_refused)
{
    weft_http_server *server = begin();
    seen.options.origins = "https://a.example https://b.example:8443";
    static const struct {
        const char *origin;
        int status;
    } cases[] = {{"", 101},
                 {"Origin: https://a.example\r\n", 101},
                 {"Origin: https://b.example:8443\r\n", 101},
                 {"Origin: https://b.example\r\n", 403},
                 {"Origin: http://a.example\r\n", 403},
                 {"Origin: null\r\n", 403},
                 {"Origin: \r\n", 403}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char request[512];
        snprintf(request, sizeof(request), ASK VERSION KEY "%s\r\n", cases[i].origin);
        struct test_client client = test_http_connect();
        test_http_say(&client, request);
        cr_assert_eq(test_http_status(client.received), cases[i].status, "%zu", i);
        test_http_close(&client);
    }
    cr_assert_eq(test_reports.count, 0);
    test_http_end(server);
}

Test(websocket, the_servers_dearest_subprotocol_is_chosen)
{
    weft_http_server *server = begin();
    seen.options.subprotocols = "v3 v2 v1";
    static const struct {
        const char *offered, *chosen;
    } cases[] = {{"Sec-WebSocket-Protocol: v1, v2\r\n", "v2"},
                 {"Sec-WebSocket-Protocol: v1\r\nsec-websocket-protocol: x,v3\r\n", "v3"},
                 {"Sec-WebSocket-Protocol: V1\r\n", NULL},
                 {"", NULL}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char request[512], line[64];
        snprintf(request, sizeof(request), ASK VERSION KEY "%s\r\n", cases[i].offered);
        snprintf(line, sizeof(line), "\r\nSec-WebSocket-Protocol: %s\r\n",
                 cases[i].chosen ? cases[i].chosen : "");
        struct test_client client = test_http_connect();
        test_http_say(&client, request);
        cr_assert_eq(strstr(client.received, line) != NULL, cases[i].chosen != NULL, "%zu", i);
        const char *chosen = weft_websocket_subprotocol(seen.socket);
        cr_assert(cases[i].chosen ? chosen && !strcmp(chosen, cases[i].chosen) : !chosen);
        test_http_close(&client);
    }
    test_http_end(server);
}

Test(websocket, options_that_make_no_sense_are_refused)
{
    weft_http_server *server = begin();
    seen.options.size = 1;
    struct test_client client = test_http_connect();
    test_http_say(&client, ASK VERSION KEY "\r\n");
    cr_assert_eq(test_http_status(client.received), 500);
    cr_assert_eq(seen.ended, -EINVAL);
    finish(&client, server);
}

/* ---- Messages ---- */

Test(websocket, messages_come_back_as_they_were_sent)
{
    weft_http_server *server = begin();
    struct test_client client = open_socket();
    test_websocket_say(&client, 0x81, "one");
    test_websocket_say(&client, 0x82, "two");
    test_websocket_say(&client, 1, "th");
    test_websocket_say(&client, 0x89, "between");
    test_websocket_say(&client, 0x80, "ree");
    test_websocket_say(&client, 0x81, "");
    cr_assert_str_eq(test_websocket_heard(&client),
                     "text(one) binary(two) pong(between) text(three) text() ");
    finish(&client, server);
}

Test(websocket, a_conversation_cut_at_each_byte_is_the_same)
{
    char all[512];
    size_t len = strlen(ASK VERSION KEY "\r\n");
    memcpy(all, ASK VERSION KEY "\r\n", len);
    size_t head = len;
    len += test_websocket_make(all + len, 0x81, "one", 3);
    len += test_websocket_make(all + len, 1, "\xce", 1);
    len += test_websocket_make(all + len, 0x89, "p", 1);
    len += test_websocket_make(all + len, 0x80, "\xba", 1);
    weft_http_server *server = begin();
    const char *whole = "pong(p) text(one) text(\xce\xba) close(1000) ";
    const char *parted = "text(one) pong(p) text(\xce\xba) close(1000) ";
    for (size_t cut = head - 2; cut < len; cut++) {
        struct test_client client = test_http_connect();
        test_http_send(&client, all, cut);
        test_http_turn(&client);
        test_http_send(&client, all + cut, len - cut);
        test_http_turn(&client);
        test_websocket_say(&client, 0x88,
                           "\x03\xe8"
                           "bye");
        test_http_to_end(&client);
        const char *came = test_websocket_heard(&client); /* a pong does not wait for the handler */
        cr_assert(!strcmp(came, whole) || !strcmp(came, parted), "%zu: %s", cut, came);
        cr_assert(!client.reset);
        cr_assert_eq(seen.ended, 0);
        cr_assert_eq(seen.code, 1000);
        cr_assert_str_eq(seen.reason, "bye");
        test_http_close(&client);
    }
    cr_assert_eq(test_reports.count, 0);
    test_http_end(server);
}

Test(websocket, what_breaks_the_rules_is_told_why)
{
    static const struct {
        uint8_t first;
        const char *payload;
        int code, status;
    } cases[] = {
        {0xc1, "x", 1002, WEFT_EPROTO},
        {0x83, "x", 1002, WEFT_EPROTO},
        {0x80, "x", 1002, WEFT_EPROTO},
        {0x09, "x", 1002, WEFT_EPROTO},
        {0x81, "\xff", 1007, WEFT_EPROTO},
        {0x88, "\x03\xed", 1002, WEFT_EPROTO},
        {0x88, "\x03\xe8\xff", 1007, WEFT_EPROTO},
        {0x88, "x", 1002, WEFT_EPROTO},
        {0x82, "123456789", 1009, WEFT_ELIMIT},
    };
    weft_http_server *server = begin();
    seen.options.max_message = 8;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct test_client client = open_socket();
        char frame[64], expected[32];
        size_t len = test_websocket_make(frame, cases[i].first & 0x8f, cases[i].payload,
                                         strlen(cases[i].payload));
        frame[0] = (char)cases[i].first;
        test_http_send(&client, frame, len);
        test_http_to_end(&client);
        snprintf(expected, sizeof(expected), "close(%d ", cases[i].code);
        cr_assert_eq(strncmp(test_websocket_heard(&client), expected, strlen(expected)), 0,
                     "%zu: %s", i, test_websocket_heard(&client));
        cr_assert(!client.reset, "%zu", i);
        cr_assert_eq(seen.ended, cases[i].status);
        cr_assert_eq(seen.code, 1006);
        test_http_close(&client);
    }
    cr_assert_eq(test_reports.count, 0);
    test_http_end(server);
}

Test(websocket, frames_that_are_not_masked_are_refused)
{
    weft_http_server *server = begin();
    struct test_client client = open_socket();
    test_http_send(&client, "\x81\x01x", 3);
    test_http_to_end(&client);
    cr_assert_str_eq(test_websocket_heard(&client), "close(1002 a frame that is not masked) ");
    finish(&client, server);
}

Test(websocket, a_ping_knows_how_long_its_pong_took)
{
    weft_http_server *server = begin();
    struct test_client client = open_socket();
    test_websocket_say(&client, 0x81, "ping");
    const char *frame = test_http_body(client.received);
    cr_assert_eq((uint8_t)frame[0], 0x89);
    char pong[32], payload[8];
    memcpy(payload, frame + 2, sizeof(payload));
    test_websocket_say(&client, 0x8a, "another one");
    test_http_pass(&client, WEFT_S(2));
    test_http_send(&client, pong, test_websocket_make(pong, 0x8a, payload, sizeof(payload)));
    test_http_turn(&client);
    cr_assert_geq(seen.ping, WEFT_S(2));
    finish(&client, server);
}

/* ---- The end ---- */

Test(websocket, a_close_waits_for_the_answer)
{
    weft_http_server *server = begin();
    struct test_client client = open_socket();
    test_websocket_say(&client, 0x81, "close");
    cr_assert_str_eq(test_websocket_heard(&client), "close(3456 as told) ");
    cr_assert_eq(seen.ends, 0);
    test_websocket_say(&client, 0x81, "dropped");
    test_websocket_say(&client, 0x88, "\x0d\x80");
    test_http_to_end(&client);
    cr_assert_eq(seen.code, 3456);
    cr_assert_eq(seen.status, -EPIPE, "what is sent after it");
    cr_assert_eq(seen.ended, 0);
    cr_assert(!client.reset);
    finish(&client, server);
}

Test(websocket, a_close_without_an_answer_has_a_deadline)
{
    weft_http_server *server = begin();
    seen.options.close_timeout = WEFT_S(3);
    struct test_client client = open_socket();
    test_websocket_say(&client, 0x81, "close");
    cr_assert_eq(seen.ends, 0);
    weft_ns took = test_http_to_end(&client);
    cr_assert(took >= WEFT_S(3) && took <= WEFT_S(5));
    cr_assert_eq(seen.code, 1006);
    cr_assert_eq(test_reports.count, 0);
    finish(&client, server);
}

Test(websocket, a_handler_that_ends_closes)
{
    weft_http_server *server = begin();
    struct test_client client = open_socket();
    test_websocket_say(&client, 0x81, "leave");
    cr_assert_str_eq(test_websocket_heard(&client), "close(1000) ");
    test_http_to_end(&client);
    cr_assert(!client.reset);
    finish(&client, server);
}

Test(websocket, a_handlers_own_failure_is_reported)
{
    weft_http_server *server = begin();
    struct test_client client = open_socket();
    test_websocket_say(&client, 0x81, "fail");
    test_http_to_end(&client);
    cr_assert_eq(seen.ended, -EIO);
    cr_assert_eq(test_reports.count, 1);
    finish(&client, server);
}

Test(websocket, a_connection_that_ends_without_a_close_is_no_clean_end)
{
    weft_http_server *server = begin();
    struct test_client client = open_socket();
    test_websocket_say(&client, 1, "half");
    test_http_close(&client);
    client = test_http_connect();
    test_http_turn(&client);
    cr_assert_eq(seen.ends, 1);
    cr_assert_eq(seen.ended, WEFT_EOF);
    cr_assert_eq(seen.code, 1006);
    cr_assert_eq(test_reports.count, 0);
    finish(&client, server);
}

Test(websocket, a_server_that_stops_says_that_it_goes_away)
{
    weft_http_server *server = begin();
    struct test_client client = open_socket();
    weft_future *stop = weft_http_server_shutdown(server, WEFT_S(60));
    test_http_turn(&client);
    cr_assert_str_eq(test_websocket_heard(&client), "close(1001) ");
    test_websocket_say(&client, 0x88, "\x03\xe9");
    test_http_to_end(&client);
    cr_assert_eq(seen.ended, 0);
    cr_assert_eq(weft_test_run(stop), 0);
    finish(&client, server);
}

Test(websocket, a_server_that_aborts_cancels)
{
    weft_http_server *server = begin();
    struct test_client client = open_socket();
    weft_http_server_abort(server);
    cr_assert_eq(weft_test_run(weft_http_server_drain(server)), 0);
    cr_assert_eq(seen.ended, -ECANCELED);
    finish(&client, server);
}

/* ---- Time ---- */

Test(websocket, a_silent_client_is_asked_and_then_given_up)
{
    weft_http_server *server = begin();
    struct test_client client = open_socket();
    test_http_pass(&client, WEFT_S(19));
    cr_assert_str_eq(test_websocket_heard(&client), "");
    test_http_pass(&client, WEFT_S(2));
    cr_assert_str_eq(test_websocket_heard(&client), "ping() ");
    test_websocket_say(&client, 0x8a, "");
    test_http_pass(&client, WEFT_S(39));
    cr_assert_str_eq(test_websocket_heard(&client), "ping() ping() ");
    cr_assert_eq(seen.ends, 0);
    test_http_pass(&client, WEFT_S(22));
    cr_assert_eq(seen.ended, -ETIMEDOUT);
    cr_assert_eq(test_reports.count, 0);
    test_http_to_end(&client);
    finish(&client, server);
}

Test(websocket, who_wants_no_pings_gets_none)
{
    weft_http_server *server = begin();
    seen.options.ping_interval = WEFT_FOREVER;
    struct test_client client = open_socket();
    test_http_pass(&client, WEFT_S(3600));
    cr_assert_str_eq(test_websocket_heard(&client), "");
    cr_assert_eq(seen.ends, 0);
    finish(&client, server);
}

Test(websocket, pings_are_answered_while_the_handler_is_busy)
{
    weft_http_server *server = begin();
    struct test_client client = open_socket();
    test_websocket_say(&client, 0x81, "late");
    test_websocket_say(&client, 0x89, "there?");
    cr_assert_str_eq(test_websocket_heard(&client), "pong(there?) ");
    for (int i = 0; i < 8; i++) {
        test_http_pass(&client, WEFT_S(15));
        test_websocket_say(&client, 0x8a, "");
    }
    cr_assert_not_null(strstr(test_websocket_heard(&client), "text(late) "));
    finish(&client, server);
}

Test(websocket, who_sends_more_than_is_received_has_to_wait)
{
    weft_http_server *server = begin();
    seen.options.read_high = 4096;
    struct test_client client = open_socket();
    test_websocket_say(&client, 0x81, "late");
    char frame[1100], payload[1000];
    memset(payload, 'x', sizeof(payload));
    size_t len = test_websocket_make(frame, 0x82, payload, sizeof(payload));
    size_t sent = 0;
    while (sent < 4000 && test_http_send(&client, frame, len))
        sent++;
    cr_assert(sent < 4000, "it reads without end");
    test_http_close(&client);
    weft_http_server_abort(server);
    cr_assert_eq(weft_test_run(weft_http_server_drain(server)), 0);
    test_http_end(server);
}

/* ---- Memory ---- */

/* One allocation fails, the n-th; true if it came to that. */
static bool talk_without(size_t n, const char *last)
{
    struct test_client client = test_http_connect(); /* to echo() */
    weft_test_heap_fail_at(n);
    test_http_say(&client, ASK VERSION KEY "\r\n");
    if (test_http_status(client.received) == 101) {
        test_websocket_say(&client, 1, "on");
        test_websocket_say(&client, 0x80, "e");
        test_websocket_say(&client, 0x89, "p");
        test_websocket_say(&client, 0x81, last);
        test_websocket_say(&client, 0x88, "\x03\xe8");
    }
    bool failed = weft_test_heap_failed();
    weft_test_heap_fail_at(0);
    test_http_to_end(&client);
    test_http_close(&client);
    return failed;
}

Test(websocket, survives_every_lack_of_memory)
{
    static const char *const last[] = {"ping", "close"};
    weft_http_server *server = begin();
    seen.options.subprotocols = "a";
    for (size_t i = 0; i < 2; i++) {
        size_t n = 1;
        while (talk_without(n, last[i])) {
            cr_assert_eq(weft_http_server_stats(server).active, 0, "allocation %zu", n);
            n++;
        }
        cr_assert(n > 10, "%zu", n);
    }
    test_http_end(server);
}
