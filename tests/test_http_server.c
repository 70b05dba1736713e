/* SPDX-License-Identifier: MIT */
/* The HTTP server: answers and connections that go well. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/context.h>
#include <weft/task.h>

#include "tests/support/heap.h"
#include "tests/support/http.h"
#include "tests/support/http_handlers.h"
#include "tests/support/loop.h"
#include "tests/support/net.h"

TestSuite(http_server, .init = weft_test_loop_begin, .timeout = 120);

#define HOST "Host: x\r\n\r\n"

static void must_answer(const char *request, const char *expected)
{
    char *answer = test_http_ask(request);
    cr_assert_str_eq(answer, expected, "%s", answer);
    free(answer);
}

/* One request, which ends its connection: the body of its answer. */
static void must_say(const char *request, const char *expected)
{
    char *answer = test_http_ask(request);
    cr_assert_eq(test_http_status(answer), 200, "%s", answer);
    cr_assert_str_eq(test_http_body(answer), expected);
    free(answer);
}

Test(http_server, answers_a_get)
{
    weft_http_server *server = test_http_begin(NULL);
    must_answer("GET /hello HTTP/1.1\r\n" HOST, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                                                "Content-Length: 5\r\n\r\nhello");
    cr_assert_eq(weft_http_server_stats(server).requests, 1);
    cr_assert_eq(weft_http_server_stats(server).connections, 0);
    test_http_end(server);
}

struct whole {
    WEFT_FRAME;
    weft_http_request *request;
    char text[5000];
};

/* Every header, in order, and the client. */
static void list_headers(struct whole *self)
{
    const char *name, *value;
    size_t len = 0;
    for (size_t i = 0; weft_http_request_header_at(self->request, i, &name, &value); i++)
        len += (size_t)snprintf(self->text + len, sizeof(self->text) - len, "%s=%s;", name, value);
    snprintf(self->text + len, sizeof(self->text) - len, "%s",
             weft_http_request_peer(self->request));
}

static WEFT_ASYNC(whole)
{
    WEFT_BEGIN;
    list_headers(self);
    cr_assert_eq(weft_http_add_header(self->request, "X-Copy", self->text), 0);
    WEFT_AWAIT(weft_http_respondf(self->request, 200, NULL, "%s", self->text));
    cr_assert_eq(weft_http_add_header(self->request, "X-Late", "x"), -EALREADY);
    WEFT_CATCH(test_handled.status, weft_http_respond(self->request, 200, NULL, "x", 1));
    WEFT_AWAIT(weft_http_end(self->request));
    WEFT_END;
}

Test(http_server, passes_on_long_texts_and_every_header)
{
    weft_http_server *server = test_http_begin(NULL);
    weft_http_route(server, "GET /whole", whole);
    struct test_client client = test_http_connect();
    char filler[2001], request[6000], expected[3000];
    memset(filler, 'f', 2000);
    filler[2000] = 0;
    for (int round = 0; round < 2; round++) {
        size_t before = client.len;
        snprintf(request, sizeof(request), "GET /whole?%s HTTP/1.1\r\nA: b\r\nA: %s\r\n" HOST,
                 filler, filler);
        test_http_say(&client, request);
        snprintf(expected, sizeof(expected), "A=b;A=%s;Host=x;unix:", filler);
        cr_assert_str_eq(test_http_body(client.received + before), expected);
        cr_assert_eq(test_handled.status, -EALREADY);
    }
    cr_assert_not(client.ended);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_server, sends_date_and_name)
{
    weft_http_server *server =
        test_http_begin(&(struct weft_http_server_options){.server_name = "weft/0.1"});
    struct test_client client = test_http_connect();
    client.deaf = true;
    test_http_say(&client, "GET /hello HTTP/1.1\r\n" HOST);
    char answer[512] = "";
    cr_assert(weft_test_receive(client.fd, answer, sizeof(answer) - 1) > 0);
    cr_assert_not_null(strstr(answer, "\r\nServer: weft/0.1\r\n"));
    char day[4], month[4];
    int numbers[5], used = 0;
    sscanf(strstr(answer, "Date: "), "Date: %3[A-Z-a-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT\r\n%n",
           day, &numbers[0], month, &numbers[1], &numbers[2], &numbers[3], &numbers[4], &used);
    cr_assert_eq(used, 37);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_server, head_gets_the_head_alone)
{
    weft_http_server *server = test_http_begin(NULL);
    must_answer("HEAD /hello HTTP/1.1\r\n" HOST, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                                                 "Content-Length: 5\r\n\r\n");
    must_answer("HEAD /chunks HTTP/1.1\r\n" HOST,
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
                "Content-Type: text/plain\r\n\r\n");
    test_http_end(server);
}

Test(http_server, describes_the_request)
{
    weft_http_server *server = test_http_begin(NULL);
    must_say("GET /describe HTTP/1.1\r\nConnection: close\r\n" HOST,
             "GET /describe|/describe||(none)|(none)|(none)|HTTP/1.1|0");
    must_say("PUT /describe?a=1&q=x%20y+z&q=2 HTTP/1.1\r\nX-Test:  v \r\nContent-Length: 0\r\n"
             "Connection: close\r\n" HOST,
             "PUT /describe?a=1&q=x%20y+z&q=2|/describe||a=1&q=x%20y+z&q=2|x y z|v|HTTP/1.1|0");
    must_say(
        "GET /describe/a%20b/%C3%BC?q HTTP/1.1\r\nConnection: close\r\n" HOST,
        "GET /describe/a%20b/%C3%BC?q|/describe/a b/\xC3\xBC|a b/\xC3\xBC|q||(none)|HTTP/1.1|0");
    must_say("GET http://h/describe/x HTTP/1.0\r\n\r\n",
             "GET http://h/describe/x|/describe/x|x|(none)|(none)|(none)|HTTP/1.0|0");
    must_say("POST /describe HTTP/1.1\r\nContent-Length: 3\r\nConnection: close\r\n" HOST "abc",
             "POST /describe|/describe||(none)|(none)|(none)|HTTP/1.1|3");
    must_say("POST /describe HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n" HOST
             "0\r\n\r\n",
             "POST /describe|/describe||(none)|(none)|(none)|HTTP/1.1|-1");
    test_http_end(server);
}

Test(http_server, serves_many_requests_on_a_connection)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client = test_http_connect();
    for (int i = 0; i < 100; i++)
        test_http_say(&client, "GET /hello HTTP/1.1\r\n" HOST);
    cr_assert_eq(test_http_count(client.received, "\r\n\r\nhello"), 100);
    cr_assert_not(client.ended);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_server, answers_pipelined_requests_in_order)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /sleep?ms=50 HTTP/1.1\r\n" HOST "POST /echo HTTP/1.1\r\n"
                           "Content-Length: 3\r\n" HOST "abcGET /hello HTTP/1.1\r\n" HOST);
    cr_assert_str_eq(client.received, "");
    test_http_pass(&client, WEFT_MS(60));
    const char *slept = strstr(client.received, "slept");
    const char *echoed = strstr(client.received, "\r\n\r\nabc");
    const char *hello = strstr(client.received, "hello");
    cr_assert(slept && slept < echoed && echoed < hello);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_server, a_thousand_pipelined_requests_leave_others_their_turn)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client flood = test_http_connect();
    struct test_client other = test_http_connect();
    static const char request[] = "GET /hello HTTP/1.1\r\n" HOST;
    for (int i = 0; i < 1000; i++)
        test_http_send(&flood, request, sizeof(request) - 1);
    test_http_say(&other, request);
    cr_assert_eq(test_http_status(other.received), 200);
    test_http_pass(&flood, WEFT_S(1));
    cr_assert_eq(test_http_count(flood.received, "\r\n\r\nhello"), 1000);
    test_http_close(&flood);
    test_http_close(&other);
    test_http_end(server);
}

Test(http_server, reads_a_request_that_comes_byte_by_byte)
{
    static const char request[] = "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" HOST
                                  "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client = test_http_connect();
    for (size_t i = 0; i < sizeof(request) - 1; i++) {
        test_http_send(&client, request + i, 1);
        test_http_turn(&client);
    }
    cr_assert_str_eq(test_http_body(client.received), "abcde");
    test_http_close(&client);
    test_http_end(server);
}

Test(http_server, ends_the_connection_when_the_client_asks)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /hello HTTP/1.1\r\nConnection: close\r\n" HOST);
    cr_assert(client.ended && !client.reset);
    cr_assert_not_null(strstr(client.received, "Connection: close\r\n"));
    test_http_close(&client);
    test_http_end(server);
}

Test(http_server, http_1_0_ends_unless_it_asks_to_go_on)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    cr_assert_not(client.ended);
    cr_assert_not_null(strstr(client.received, "Connection: keep-alive\r\n"));
    test_http_say(&client, "GET /hello HTTP/1.0\r\n\r\n");
    cr_assert(client.ended);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_server, streams_in_chunks)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /chunks?ms=100 HTTP/1.1\r\n" HOST);
    cr_assert_str_eq(client.received, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
                                      "Content-Type: text/plain\r\n\r\n3\r\none\r\n");
    test_http_pass(&client, WEFT_MS(110));
    cr_assert_str_eq(test_http_body(client.received),
                     "3\r\none\r\n3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n");
    cr_assert_not(client.ended);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_server, streams_to_http_1_0_until_the_end)
{
    weft_http_server *server = test_http_begin(NULL);
    must_answer("GET /chunks HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\n"
                "onetwothree");
    test_http_end(server);
}

struct at_once {
    WEFT_FRAME;
    weft_http_request *request;
    const char *data;
    size_t len;
};

static WEFT_ASYNC(at_once)
{
    WEFT_BEGIN;
    weft_http_start(self->request, 200, NULL, WEFT_HTTP_UNKNOWN_LENGTH);
    test_handled.status = weft_http_write(self->request, self->data, self->len);
    WEFT_AWAIT(weft_http_end(self->request));
    WEFT_END;
}

Test(http_server, one_long_piece_has_its_end_however_much_waits)
{
    static char data[4 << 20];
    memset(data, 'x', sizeof(data));
    weft_http_server *server = test_http_begin(NULL);
    weft_http_route(server, "GET /at-once", at_once, .data = data, .len = sizeof(data));
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /at-once HTTP/1.1\r\n" HOST);
    cr_assert_eq(test_handled.status, 0);
    cr_assert(client.len > sizeof(data));
    cr_assert_str_eq(client.received + client.len - 7, "\r\n0\r\n\r\n");
    cr_assert_not(client.ended);
    cr_assert_eq(test_reports.count, 0);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_server, streams_a_known_length)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /sized?say=twelve+bytes HTTP/1.1\r\n" HOST);
    cr_assert_not_null(strstr(client.received, "Content-Length: 12\r\n"));
    cr_assert_str_eq(test_http_body(client.received), "twelve bytes");
    cr_assert_not(client.ended);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_server, sends_events_as_they_come)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /events HTTP/1.1\r\n" HOST);
    cr_assert_str_eq(test_http_body(client.received), "");
    test_http_pass(&client, WEFT_MS(500));
    cr_assert_eq(test_http_count(client.received, "9\r\ndata: x\n\n\r\n"), 2);
    test_http_close(&client);
    test_http_pass(&client, WEFT_MS(500));
    cr_assert_eq(weft_http_server_stats(server).active, 0);
    test_http_end(server);
}

Test(http_server, adds_headers_and_refuses_those_that_inject)
{
    weft_http_server *server = test_http_begin(NULL);
    must_answer("GET /headers HTTP/1.1\r\n" HOST,
                "HTTP/1.1 201 Created\r\nContent-Length: 4\r\nX-One: 1\r\nSet-Cookie: a=b\r\n"
                "Set-Cookie: c=d; e\r\n\r\nmade");
    cr_assert_eq(test_handled.status, 12);
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /headers?close=yes HTTP/1.1\r\n" HOST);
    cr_assert_not_null(strstr(client.received, "Connection: close\r\n"));
    test_http_to_end(&client);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_server, heads_of_any_length_are_sent_whole)
{
    char name[60];
    memset(name, 's', 54); /* its line has 64 bytes */
    name[54] = 0;
    weft_http_server *server =
        test_http_begin(&(struct weft_http_server_options){.server_name = name});
    for (int len = 1; len < 200; len++) {
        struct test_client client = test_http_connect();
        char request[100], expected[1500], texts[3][200] = {"", "", ""};
        for (int i = 0; i < 3; i++)
            memset(texts[i], "cxd"[i], (size_t)len);
        snprintf(request, sizeof(request), "GET /long?ms=%d HTTP/1.1\r\n" HOST, len);
        snprintf(expected, sizeof(expected),
                 "HTTP/1.1 431 Request Header Fields Too Large\r\nServer: %s\r\n"
                 "Transfer-Encoding: chunked\r\nX: %s\r\nContent-Type: %s\r\n\r\n"
                 "%x\r\n%s\r\n0\r\n\r\n",
                 name, texts[1], texts[0], (unsigned)len, texts[2]);
        cr_assert_str_eq(test_http_say(&client, request), expected);
        test_http_close(&client);
    }
    test_http_end(server);
}

Test(http_server, a_request_costs_one_read_and_one_write)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /hello HTTP/1.1\r\n" HOST);
    weft_test_count_calls();
    for (int i = 0; i < 10; i++)
        test_http_say(&client, "GET /hello HTTP/1.1\r\n" HOST);
    cr_assert_eq(test_calls.recv, 10);
    cr_assert_eq(test_calls.sendmsg, 10);
    cr_assert_eq(test_calls.event_add, 0);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_server, an_idle_connection_holds_no_head)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client clients[100];
    for (size_t i = 0; i < 100; i++) {
        clients[i] = test_http_connect();
        test_http_say(&clients[i], "GET /hello HTTP/1.1\r\n" HOST);
    }
    size_t live = weft_test_heap_live();
    for (size_t i = 0; i < 100; i++) {
        test_http_say(&clients[i], "GET /hello HTTP/1.1\r\n" HOST);
        cr_assert_eq(weft_test_heap_live(), live);
    }
    for (size_t i = 0; i < 100; i++)
        test_http_close(&clients[i]);
    test_http_end(server);
}

/* The memory of a request is the next one's, of any connection. */
Test(http_server, a_request_finds_nothing_of_another_ones)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client first = test_http_connect(), second = test_http_connect();
    for (int i = 0; i < 3; i++) {
        test_http_say(&first, "PUT /describe?a=1&q=x HTTP/1.1\r\nX-Test: v\r\n"
                              "Content-Length: 2\r\n" HOST "xy");
        test_http_say(&first, "GET /headers HTTP/1.1\r\n" HOST);
        test_http_say(&second, "GET /describe HTTP/1.1\r\n" HOST);
        test_http_say(&second, "GET /hello HTTP/1.1\r\n" HOST);
    }
    const char *nothing = "GET /describe|/describe||(none)|(none)|(none)|HTTP/1.1|0";
    cr_assert_eq(test_http_count(second.received, nothing), 3);
    cr_assert_eq(test_http_count(second.received, "X-One"), 0);
    cr_assert_eq(test_http_count(first.received, "X-One: 1\r\n"), 3);
    test_http_close(&first);
    test_http_close(&second);
    test_http_end(server);
}

static WEFT_CONTEXT_KEY(user, char *, free);
static WEFT_CONTEXT_KEY(site, const char *, NULL);

struct whose {
    WEFT_FRAME;
    weft_http_request *request;
};

/* Who was said to ask, here or in a request before. */
static WEFT_ASYNC(whose)
{
    WEFT_BEGIN;
    if (weft_http_request_query(self->request, "user"))
        weft_context_set(user, strdup(weft_http_request_query(self->request, "user")));
    if (weft_http_request_query(self->request, "later"))
        WEFT_AWAIT(weft_sleep(0));
    WEFT_AWAIT(weft_http_respondf(self->request, 200, NULL, "%s at %s;",
                                  weft_context_is_set(user) ? weft_context_get(user) : "nobody",
                                  weft_context_get(site)));
    WEFT_END;
}

/* A proxy's connection carries the requests of many. */
Test(http_server, what_a_handler_sets_of_its_context_is_gone_with_its_request)
{
    static const char *const setting[] = {"/whose?user=ada", "/whose?user=ada&later=yes"};
    weft_http_server *server = test_http_begin(NULL);
    weft_http_route(server, "GET /whose", whose);
    weft_context_set(site, "home");
    for (size_t i = 0; i < 2; i++) {
        char request[128];
        struct test_client client = test_http_connect();
        snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\n" HOST, setting[i]);
        test_http_say(&client, request);
        test_http_say(&client, "GET /whose HTTP/1.1\r\n" HOST "GET /nowhere HTTP/1.1\r\n" HOST
                               "GET /whose?later=yes HTTP/1.1\r\n" HOST);
        cr_assert_eq(test_http_count(client.received, "ada at home;"), 1);
        cr_assert_eq(test_http_count(client.received, "nobody at home;"), 2, "%s", client.received);
        test_http_close(&client);
    }
    test_http_end(server);
}

Test(http_server, a_server_that_nobody_frees_goes_with_its_loop)
{
    test_http_begin(NULL);
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /sleep?ms=1000 HTTP/1.1\r\n" HOST);
    test_http_close(&client);
    weft_http_server_new(NULL);
    weft_test_loop_end();
}
