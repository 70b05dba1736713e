/* SPDX-License-Identifier: MIT */
/* The HTTP server: bodies of requests. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <weft/task.h>

#include "tests/support/heap.h"
#include "tests/support/http.h"
#include "tests/support/http_handlers.h"
#include "tests/support/loop.h"

TestSuite(http_body, .init = weft_test_loop_begin, .timeout = 60);

#define HOST "Host: x\r\n\r\n"

/* A client of its own says this; what it got when it has nothing more to say. */
static const char *say(struct test_client *client, const char *text)
{
    *client = test_http_connect();
    return test_http_say(client, text);
}

Test(http_body, is_read_whole_by_length_and_by_chunks)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client;
    say(&client, "POST /echo HTTP/1.1\r\nContent-Length: 5\r\n" HOST "hello");
    cr_assert_str_eq(test_http_body(client.received), "hello");
    test_http_close(&client);
    say(&client, "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" HOST
                 "3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nTrailer: t\r\n\r\n");
    cr_assert_str_eq(test_http_body(client.received), "hello");
    test_http_close(&client);
    say(&client, "POST /echo HTTP/1.1\r\nContent-Length: 0\r\n" HOST);
    cr_assert_str_eq(test_http_body(client.received), "");
    test_http_close(&client);
    test_http_end(server);
}

static void send_large(struct test_client *client, size_t len)
{
    char *data = malloc(len);
    cr_assert_not_null(data);
    memset(data, 'x', len);
    cr_assert(test_http_send(client, data, len));
    test_http_turn(client);
    free(data);
}

Test(http_body, of_just_the_limit_is_read_whole)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client;
    say(&client, "POST /echo HTTP/1.1\r\nContent-Length: 1048576\r\n" HOST);
    send_large(&client, 1 << 20);
    cr_assert_eq(test_http_status(client.received), 200);
    cr_assert_eq(strlen(test_http_body(client.received)), 1 << 20);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_body, streamed_may_be_longer_than_the_limit)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client;
    say(&client, "POST /count HTTP/1.1\r\nContent-Length: 5000000\r\n" HOST);
    send_large(&client, 5000000);
    cr_assert_str_eq(test_http_body(client.received), "5000000");
    test_http_say(&client, "GET /hello HTTP/1.1\r\n" HOST);
    cr_assert_eq(test_http_count(client.received, "HTTP/1.1 200"), 2);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_body, of_tiny_chunks_is_read_whole_and_streamed)
{
    static char request[8 * 10000 + 200];
    weft_http_server *server = test_http_begin(NULL);
    for (int streamed = 0; streamed < 2; streamed++) {
        struct test_client client;
        int len = snprintf(request, 200, "POST /%s HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" HOST,
                           streamed ? "count" : "echo");
        for (int i = 0; i < 10000; i++, len += 6)
            memcpy(request + len, "1\r\nx\r\n", 6);
        memcpy(request + len, "0\r\n\r\n", 6);
        say(&client, request);
        const char *body = test_http_body(client.received);
        cr_assert_eq(test_http_status(client.received), 200);
        cr_assert(streamed ? strcmp(body, "10000") == 0 : strlen(body) == 10000);
        test_http_close(&client);
    }
    test_http_end(server);
}

Test(http_body, that_breaks_the_limit_later_is_413)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client;
    say(&client, "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" HOST "80000\r\n");
    send_large(&client, 0x80000);
    test_http_say(&client, "\r\n80001\r\n");
    cr_assert_eq(test_http_status(client.received), 413);
    cr_assert_eq(test_reports.count, 0);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_body, continue_is_sent_when_the_handler_reads)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client;
    say(&client, "POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n" HOST);
    cr_assert_str_eq(client.received, "HTTP/1.1 100 Continue\r\n\r\n");
    test_http_say(&client, "abc");
    cr_assert_eq(test_http_count(client.received, "HTTP/1.1 200"), 1);
    cr_assert_eq(test_http_count(client.received, "HTTP/1.1 100"), 1);
    cr_assert_not(client.ended);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_body, continue_is_left_out_when_the_body_is_there)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client;
    say(&client, "POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n" HOST "abc");
    cr_assert_eq(test_http_count(client.received, "HTTP/1.1 100"), 0);
    cr_assert_eq(test_http_status(client.received), 200);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_body, continue_is_refused_by_an_answer_that_ends_the_connection)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client;
    say(&client, "POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 9999999\r\n" HOST);
    cr_assert_eq(test_http_status(client.received), 413);
    cr_assert(client.ended);
    test_http_close(&client);
    say(&client, "POST /nowhere HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n" HOST);
    cr_assert_eq(test_http_status(client.received), 404);
    cr_assert_not_null(strstr(client.received, "Connection: close"));
    cr_assert(client.ended);
    test_http_close(&client);
    test_http_end(server);
}

struct begun {
    WEFT_FRAME;
    weft_http_request *request;
    weft_bytes *body;
};

static WEFT_ASYNC(begun)
{
    WEFT_BEGIN;
    weft_http_start(self->request, 200, NULL, WEFT_HTTP_UNKNOWN_LENGTH);
    if (weft_http_request_query(self->request, "sent"))
        WEFT_AWAIT(weft_http_drain(self->request));
    WEFT_AWAIT_INTO(self->body, weft_http_read_body(self->request));
    weft_http_write(self->request, self->body->data, self->body->len);
    WEFT_FINALLY;
    weft_bytes_free(self->body);
    WEFT_END;
}

/* Else client and server would wait for each other. Behind the head there is no room for it. */
Test(http_body, continue_is_sent_as_long_as_the_head_of_the_answer_is_not)
{
    weft_http_server *server = test_http_begin(NULL);
    weft_http_route(server, "POST /begun", begun);
    struct test_client client;
    say(&client, "POST /begun HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n" HOST);
    cr_assert_str_eq(client.received, "HTTP/1.1 100 Continue\r\n\r\n");
    test_http_say(&client, "abc");
    cr_assert_not_null(strstr(client.received, "\r\n\r\n3\r\nabc\r\n0\r\n\r\n"));
    cr_assert_not(client.ended);
    test_http_close(&client);
    say(&client, "POST /begun?sent HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n" HOST);
    cr_assert_eq(test_http_count(client.received, "HTTP/1.1 200"), 1);
    test_http_say(&client, "abc");
    cr_assert_eq(test_http_count(client.received, "HTTP/1.1 100"), 0);
    cr_assert(client.ended);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_body, that_nobody_read_is_skipped_if_it_is_short)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client;
    say(&client, "PUT /describe HTTP/1.1\r\nContent-Length: 60000\r\n" HOST);
    cr_assert_eq(test_http_status(client.received), 200);
    send_large(&client, 60000);
    test_http_say(&client, "GET /hello HTTP/1.1\r\n" HOST);
    cr_assert_eq(test_http_count(client.received, "HTTP/1.1 200"), 2);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_body, that_nobody_read_ends_the_connection_if_it_is_long)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client;
    say(&client, "PUT /describe HTTP/1.1\r\nContent-Length: 70000\r\n" HOST);
    cr_assert_not_null(strstr(client.received, "Connection: close"));
    cr_assert(client.ended);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_body, its_failure_is_the_handlers_to_swallow)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client;
    say(&client, "POST /swallow HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" HOST "nonsense\r\n");
    cr_assert_eq(test_handled.status, WEFT_EPROTO);
    cr_assert_eq(test_http_status(client.received), 200);
    cr_assert(client.ended);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_body, may_be_read_after_the_answer)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client;
    say(&client, "POST /late HTTP/1.1\r\nContent-Length: 300\r\n" HOST);
    cr_assert_str_eq(test_http_body(client.received), "early");
    send_large(&client, 300);
    test_http_say(&client, "GET /hello HTTP/1.1\r\n" HOST);
    cr_assert_eq(test_http_count(client.received, "HTTP/1.1 200"), 2);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_body, that_is_cut_off_is_not_reported)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client;
    say(&client, "POST /echo HTTP/1.1\r\nContent-Length: 5\r\n" HOST "he");
    shutdown(client.fd, SHUT_WR);
    test_http_turn(&client);
    cr_assert_eq(test_http_status(client.received), 400);
    test_http_close(&client);
    say(&client, "POST /count HTTP/1.1\r\nContent-Length: 5\r\n" HOST "he");
    test_http_close(&client);
    struct test_client other;
    say(&other, "GET /hello HTTP/1.1\r\n" HOST);
    cr_assert_eq(weft_http_server_stats(server).active, 0);
    cr_assert_eq(test_handled.status, WEFT_EOF);
    cr_assert_eq(test_reports.count, 0);
    test_http_close(&other);
    test_http_end(server);
}

Test(http_body, whose_read_was_dropped_does_not_disturb_the_next_request)
{
    weft_http_server *server = test_http_begin(NULL);
    for (int waits = 0; waits < 2; waits++) {
        struct test_client client;
        say(&client, waits ? "POST /drop?wait=yes HTTP/1.1\r\nContent-Length: 5\r\n" HOST "he"
                           : "POST /drop HTTP/1.1\r\nContent-Length: 5\r\n" HOST "he");
        test_http_pass(&client, WEFT_MS(20));
        cr_assert_str_eq(test_http_body(client.received), "dropped");
        test_http_say(&client, "lloGET /hello HTTP/1.1\r\n" HOST);
        cr_assert_eq(test_http_count(client.received, "HTTP/1.1 200"), 2);
        test_http_close(&client);
    }
    test_http_end(server);
}

Test(http_body, is_there_once)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client;
    say(&client, "POST /twice HTTP/1.1\r\nContent-Length: 2\r\n" HOST "hi");
    cr_assert_str_eq(test_http_body(client.received), "hi");
    cr_assert_eq(test_handled.status, -EALREADY);
    test_http_close(&client);
    test_http_end(server);
}

struct cookie {
    WEFT_FRAME;
    weft_http_request *request;
    weft_bytes *body;
};

static WEFT_ASYNC(cookie)
{
    WEFT_BEGIN;
    weft_http_add_header(self->request, "Set-Cookie", "secret");
    if (weft_http_request_query(self->request, "start"))
        weft_http_start(self->request, 99, NULL, 5);
    WEFT_AWAIT_INTO(self->body, weft_http_read_body(self->request));
    WEFT_FINALLY;
    weft_bytes_free(self->body);
    WEFT_END;
}

Test(http_body, its_failure_is_answered_without_what_the_handler_had_begun)
{
    static const char *const targets[] = {"/cookie", "/cookie?start"};
    weft_http_server *server = test_http_begin(NULL);
    weft_http_route(server, "POST /cookie", cookie);
    for (size_t i = 0; i < 2; i++) {
        char text[128];
        struct test_client client;
        snprintf(text, sizeof(text), "POST %s HTTP/1.1\r\nContent-Length: 2000000\r\n" HOST,
                 targets[i]);
        say(&client, text);
        cr_assert_eq(test_http_status(client.received), 413, "%s: %s", targets[i], client.received);
        cr_assert_null(strstr(client.received, "secret"));
        cr_assert_not_null(strstr(client.received, "Connection: close\r\n"));
        test_http_close(&client);
    }
    cr_assert_eq(test_reports.count, 0);
    test_http_end(server);
}

/* A body that reads like many requests, in two parts, with the n-th allocation failing. */
static bool send_requests_as_a_body(weft_http_server *server, size_t n)
{
    static const char request[] = "GET /hello HTTP/1.1\r\n" HOST;
    uint64_t before = weft_http_server_stats(server).requests;
    char body[188 * (sizeof(request) - 1) + 1];
    for (size_t i = 0; i < 188; i++)
        memcpy(body + i * (sizeof(request) - 1), request, sizeof(request));
    struct test_client client = test_http_connect();
    weft_test_heap_fail_at(n);
    test_http_say(&client, "POST /echo HTTP/1.1\r\nContent-Length: 6016\r\n" HOST);
    test_http_send(&client, body, 4992);
    test_http_turn(&client);
    test_http_say(&client, body + 4992);
    bool failed = weft_test_heap_failed();
    weft_test_heap_fail_at(0);
    cr_assert(weft_http_server_stats(server).requests - before <= 1, "allocation %zu", n);
    test_http_close(&client);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(200))), 0); /* the listener pauses */
    return failed;
}

Test(http_body, is_never_taken_for_requests_when_memory_runs_out)
{
    weft_http_server *server = test_http_begin(NULL);
    size_t n = 1;
    send_requests_as_a_body(server, 0);
    while (send_requests_as_a_body(server, n))
        n++;
    cr_assert(n > 10);
    test_http_end(server);
}

/* Bodies that are not worth reading, with the n-th allocation failing. */
static bool ask_with_a_long_body(const char *path, size_t n)
{
    char text[128];
    snprintf(text, sizeof(text), "POST %s HTTP/1.1\r\nContent-Length: 1000000\r\n" HOST, path);
    struct test_client client = test_http_connect();
    weft_test_heap_fail_at(n);
    test_http_say(&client, text);
    bool failed = weft_test_heap_failed();
    weft_test_heap_fail_at(0);
    if (client.len)
        cr_assert_not_null(strstr(client.received, "Connection: close\r\n"),
                           "%s, allocation %zu: %s", path, n, client.received);
    test_http_close(&client);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(200))), 0);
    return failed;
}

Test(http_body, that_is_long_ends_the_connection_also_when_its_read_did_not_begin)
{
    static const char *const paths[] = {"/count", "/echo"};
    weft_http_server *server = test_http_begin(NULL);
    for (size_t i = 0; i < 2; i++) {
        size_t n = 1;
        while (ask_with_a_long_body(paths[i], n))
            n++;
        cr_assert(n > 5);
    }
    test_http_end(server);
}
