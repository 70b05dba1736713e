/* SPDX-License-Identifier: MIT */
/* The HTTP server: what it refuses, what a handler does wrong, and how the connection ends then. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <weft/task.h>

#include "net/http/server.h"
#include "tests/support/http.h"
#include "tests/support/http_handlers.h"
#include "tests/support/loop.h"

TestSuite(http_refusals, .init = weft_test_loop_begin, .timeout = 60);

#define HOST "Host: x\r\n\r\n"

/* Answered with that status, once, and closed. */
static void must_refuse(const char *request, int status)
{
    char *answer = test_http_ask(request);
    cr_assert_eq(test_http_status(answer), status, "%s\ngives %s", request, answer);
    cr_assert_not_null(strstr(answer, "\r\nConnection: close\r\n"));
    cr_assert_eq(test_http_count(answer, "\r\nContent-Length: "), 1, "%s", answer);
    free(answer);
}

Test(http_refusals, malformed_requests_are_answered_and_the_connection_closed)
{
    static const struct {
        const char *request;
        int status;
    } cases[] = {
        {"GET /hello HTTP/1.1\nHost: x\n\n", 400},
        {"GET /hello HTTP/1.1\r\n\r\n", 400},
        {"GET /hello HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400},
        {"GET /hello HTTP/1.1\r\nA: b\r\n c\r\n" HOST, 400},
        {"GET /hello%00 HTTP/1.1\r\n" HOST, 400},
        {"GET /hello HTTP/2.0\r\n" HOST, 505},
        {"G@T /hello HTTP/1.1\r\n" HOST, 400},
        {"CONNECT a:1 HTTP/1.1\r\n" HOST, 501},
        {"GET /hello HTTP/1.1\r\nExpect: magic\r\n" HOST, 417},
        {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400},
        {"POST /echo HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n" HOST
         "0\r\n\r\nGET /hello HTTP/1.1\r\n" HOST,
         400},
        {"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n" HOST "0\r\n\r\n", 400},
        {"POST /echo HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n" HOST "abcd", 400},
        {"POST /echo HTTP/1.1\r\nContent-Length: -1\r\n" HOST, 400},
        {"POST /echo HTTP/1.1\r\nContent-Length: 1048577\r\n" HOST, 413},
        {"POST /echo HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n" HOST, 400},
        {"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" HOST "ffffffffffffffff\r\n", 413},
        {"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" HOST "100000000000000000\r\n",
         400},
        {"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" HOST "3\r\nabcd", 400},
        {"POST /count HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" HOST "x\r\n", 400},
        {"GET /../hello HTTP/1.1\r\n" HOST, 400},
        {"GET /describe/%2e%2e/%2E HTTP/1.1\r\n" HOST, 400},
        {"GET /describe/..%2f..%2fetc/passwd HTTP/1.1\r\n" HOST, 400},
        {"GET /describe/. HTTP/1.1\r\n" HOST, 400},
    };
    weft_http_server *server = test_http_begin(NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        must_refuse(cases[i].request, cases[i].status);
    cr_assert_eq(weft_http_server_stats(server).refused, sizeof(cases) / sizeof(cases[0]));
    cr_assert_eq(test_reports.count, 0);
    test_http_end(server);
}

Test(http_refusals, dots_that_are_no_segment_are_fine)
{
    weft_http_server *server = test_http_begin(NULL);
    char *answer = test_http_ask("GET /describe/a../.b/...?../.. HTTP/1.1\r\n" HOST);
    cr_assert_eq(test_http_status(answer), 200);
    free(answer);
    test_http_end(server);
}

Test(http_refusals, unknown_paths_and_methods_do_not_end_the_connection)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /nowhere HTTP/1.1\r\n" HOST);
    cr_assert_eq(test_http_status(client.received), 404);
    client.len = 0;
    test_http_say(&client, "POST /hello HTTP/1.1\r\nContent-Length: 3\r\n" HOST "abc");
    cr_assert_eq(test_http_status(client.received), 405);
    cr_assert_not_null(strstr(client.received, "\r\nAllow: GET, HEAD, OPTIONS\r\n"));
    client.len = 0;
    test_http_say(&client, "GET /hello HTTP/1.1\r\n" HOST);
    cr_assert_eq(test_http_status(client.received), 200);
    test_http_close(&client);
    test_http_end(server);
}

static char *repeat(char c, size_t count)
{
    char *text = malloc(count + 1);
    cr_assert_not_null(text);
    memset(text, c, count);
    text[count] = 0;
    return text;
}

Test(http_refusals, a_megabyte_of_head_is_answered_and_the_answer_can_be_read)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client = test_http_connect();
    char *megabyte = repeat('a', 1 << 20);
    test_http_say(&client, "GET /hello HTTP/1.1\r\nX: ");
    cr_assert(test_http_send(&client, megabyte, 1 << 20));
    test_http_turn(&client);
    cr_assert_eq(test_http_status(client.received), 431);
    cr_assert_not(client.reset);
    free(megabyte);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_refusals, a_target_or_too_many_headers_are_refused_by_their_own_status)
{
    weft_http_server *server = test_http_begin(&(struct weft_http_server_options){
        .max_head = 2000, .max_request_line = 100, .max_headers = 3, .max_body = 10});
    must_refuse("GET /01234567890123456789012345678901234567890123456789012345678901234567890123456"
                "789012345678901234 HTTP/1.1\r\n" HOST,
                414);
    must_refuse("GET /hello HTTP/1.1\r\nA: a\r\nB: b\r\nC: c\r\n" HOST, 431);
    must_refuse("POST /echo HTTP/1.1\r\nContent-Length: 11\r\n" HOST, 413);
    must_refuse("POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" HOST "b\r\n", 413);
    char *answer =
        test_http_ask("POST /count HTTP/1.1\r\nContent-Length: 11\r\n" HOST "01234567890");
    cr_assert_eq(test_http_status(answer), 200);
    free(answer);
    test_http_end(server);
}

Test(http_refusals, garbage_after_a_body_is_a_request_of_its_own)
{
    weft_http_server *server = test_http_begin(NULL);
    char *answer = test_http_ask("POST /echo HTTP/1.1\r\nContent-Length: 3\r\n" HOST
                                 "abc\x01garbage\r\n\r\nGET /hello HTTP/1.1\r\n" HOST);
    cr_assert_eq(test_http_status(answer), 200);
    cr_assert_eq(test_http_count(answer, "HTTP/1.1 400"), 1);
    cr_assert_eq(test_http_count(answer, "HTTP/1.1"), 2);
    free(answer);
    test_http_end(server);
}

Test(http_refusals, half_a_request_and_the_end_is_400)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /hello HTTP/1.1\r\nHo");
    shutdown(client.fd, SHUT_WR);
    test_http_turn(&client);
    cr_assert_eq(test_http_status(client.received), 400);
    cr_assert(client.ended);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_refusals, lingering_is_bounded)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client = test_http_connect();
    test_http_say(&client, "nonsense\r\n\r\n");
    cr_assert_eq(test_http_status(client.received), 400);
    cr_assert(client.ended); /* the writing direction: an answer that is whole */
    cr_assert_eq(weft_http_server_stats(server).connections, 1);
    for (int i = 0; i < 5; i++)
        test_http_pass(&client, WEFT_MS(300));
    test_http_say(&client, "still talking");
    cr_assert_eq(weft_http_server_stats(server).connections, 1);
    test_http_pass(&client, WEFT_MS(600));
    cr_assert_eq(weft_http_server_stats(server).connections, 0);
    test_http_close(&client);
    test_http_end(server);
}

/* ---- Handlers that do wrong ---- */

static void must_report(int status, const char *what)
{
    cr_assert_eq(test_reports.count, 1);
    cr_assert_eq(test_reports.status, status);
    cr_assert_str_eq(test_reports.what, what);
    cr_assert_not_null(strstr(test_reports.spawned_at, "http_handlers.c:"));
}

Test(http_refusals, a_handler_that_fails_has_answered_500_and_is_reported)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /fail?when=before HTTP/1.1\r\n" HOST);
    cr_assert_eq(test_http_status(client.received), 500);
    cr_assert_null(strstr(client.received, "before"));
    must_report(-EIO, "HTTP handler failed");
    cr_assert_str_eq(test_reports.message, "before");
    cr_assert_str_eq(test_reports.task, "failing");
    test_http_say(&client, "GET /hello HTTP/1.1\r\n" HOST);
    cr_assert_eq(test_http_count(client.received, "HTTP/1.1 200"), 1);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_refusals, a_handler_without_an_answer_has_answered_500)
{
    weft_http_server *server = test_http_begin(NULL);
    char *answer = test_http_ask("GET /fail?when=nothing HTTP/1.1\r\n" HOST);
    cr_assert_eq(test_http_status(answer), 500);
    must_report(-ENOMSG, "HTTP handler ended without an answer");
    free(answer);
    test_http_end(server);
}

Test(http_refusals, an_answer_that_could_not_be_started_is_500_without_its_headers)
{
    weft_http_server *server = test_http_begin(NULL);
    char *answer = test_http_ask("GET /misuse HTTP/1.1\r\n" HOST);
    cr_assert_eq(test_http_status(answer), 500);
    cr_assert_null(strstr(answer, "secret"));
    cr_assert_eq(test_handled.status, -EINVAL);
    cr_assert_eq(test_handled.writes, 3);
    must_report(-EINVAL, "HTTP handler failed");
    free(answer);
    test_http_end(server);
}

Test(http_refusals, a_handler_that_fails_in_the_middle_shows_that_something_is_missing)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /fail?when=middle HTTP/1.1\r\n" HOST);
    cr_assert(client.ended);
    cr_assert_str_eq(test_http_body(client.received), "7\r\npartial\r\n");
    must_report(-EIO, "HTTP handler failed");
    test_http_close(&client);
    test_http_end(server);
}

Test(http_refusals, what_is_missing_shows_by_a_reset_where_the_end_would_look_whole)
{
    weft_http_server *server = test_http_begin(NULL);
    cr_assert_eq(weft_http_server_listen(server, "127.0.0.1:0"), 0);
    int port = 0;
    for (size_t i = 0; i < server->listener_count; i++)
        port = weft_listener_port(server->listeners[i]);
    struct test_client client = test_http_connect_tcp(port);
    test_http_say(&client, "GET /fail?when=middle HTTP/1.0\r\n\r\n");
    while (!client.ended)
        test_http_turn(&client);
    cr_assert(client.reset);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_refusals, a_handler_that_fails_after_its_answer_is_reported)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /fail?when=after HTTP/1.1\r\n" HOST);
    cr_assert_str_eq(test_http_body(client.received), "well");
    cr_assert_not(client.ended);
    must_report(-EIO, "HTTP handler failed");
    test_http_close(&client);
    test_http_end(server);
}

Test(http_refusals, less_than_was_promised_ends_the_connection_and_is_reported)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /sized?say=short HTTP/1.1\r\n" HOST);
    cr_assert(client.ended);
    must_report(WEFT_EPROTO, "HTTP handler left its answer incomplete");
    test_http_close(&client);
    test_http_end(server);
}

Test(http_refusals, more_than_was_promised_is_not_sent)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /sized?say=much+too+long+for+it HTTP/1.1\r\n" HOST);
    cr_assert_eq(test_handled.status, WEFT_ELIMIT);
    cr_assert(client.ended);
    cr_assert_str_eq(client.received, "");
    test_http_close(&client);
    test_http_end(server);
}

/* ---- Damage ---- */

static unsigned random_state = 1;

static unsigned next_random(unsigned below)
{
    random_state = random_state * 1103515245 + 12345;
    return random_state / 65536 % below;
}

/* Change, drop or double a few bytes. Returns the new length. */
static size_t damage(char *text, size_t len)
{
    for (unsigned i = next_random(4); i > 0 && len > 2; i--) {
        size_t at = next_random((unsigned)len - 1);
        switch (next_random(3)) {
        case 0:
            text[at] = "\r\n\0 :;0fF%/x"[next_random(13)];
            break;
        case 1:
            memmove(text + at, text + at + 1, --len - at);
            break;
        default:
            memmove(text + at + 1, text + at, len++ - at);
        }
    }
    return len;
}

Test(http_refusals, damage_of_any_kind_leaves_nothing)
{
    static const char good[] =
        "GET /describe?q=%41+b HTTP/1.1\r\nX-Test: y\r\n" HOST
        "POST /echo HTTP/1.1\r\nContent-Length: 5\r\n" HOST "hello"
        "POST /count HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" HOST
        "3\r\nabc\r\n0\r\nT: t\r\n\r\n"
        "PUT /sleep?ms=5 HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-continue\r\n" HOST "body"
        "GET /chunks HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    weft_http_server *server = test_http_begin(NULL);
    for (int round = 0; round < 1500; round++) {
        char text[sizeof(good) + 8];
        memcpy(text, good, sizeof(good));
        size_t len = damage(text, sizeof(good) - 1);
        size_t cut = next_random((unsigned)len + 1);
        struct test_client client = test_http_connect();
        test_http_send(&client, text, cut);
        test_http_turn(&client);
        test_http_send(&client, text + cut, len - cut);
        test_http_turn(&client);
        if (next_random(2))
            test_http_pass(&client, WEFT_S(next_random(20)));
        test_http_close(&client);
        cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(1))), 0);
        cr_assert_eq(weft_http_server_stats(server).connections, 0, "round %d", round);
    }
    cr_assert_eq(test_reports.count, 0, "%s: %s", test_reports.task, test_reports.what);
    test_http_end(server);
}
