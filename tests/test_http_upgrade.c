/* SPDX-License-Identifier: MIT */
/* Connections of the HTTP server that go on with another protocol. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/bytes.h>
#include <weft/combine.h>
#include <weft/task.h>

#include "net/http/upgrade.h"
#include "tests/support/heap.h"
#include "tests/support/http.h"
#include "tests/support/loop.h"

#define ASK "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: lines\r\n"

static struct {
    int status;  /* of the upgrade */
    int ended;   /* how the handler ended */
    size_t ends; /* of handlers */
    weft_http_request *request;
} seen;

/* A protocol of lines: each comes back, "fail" fails, "end" ends. */
struct lines {
    WEFT_FRAME;
    weft_http_request *request;
    weft_stream *stream;
    weft_bytes *line;
};

static WEFT_ASYNC(lines)
{
    WEFT_BEGIN;
    seen.request = self->request;
    weft_http_add_header(self->request, "X-Lines", "1");
    seen.status = weft__http_upgrade(self->request, "lines", &self->stream);
    if (seen.status < 0) {
        WEFT_AWAIT(weft_http_respond_status(self->request, 426));
        WEFT_RETURN(0);
    }
    for (;;) {
        weft_bytes_free(self->line);
        self->line = NULL;
        WEFT_AWAIT_INTO(self->line, weft_read_line(self->stream, 0));
        if (self->line->len == 0 || strcmp(self->line->data, "end\n") == 0)
            break;
        if (strcmp(self->line->data, "fail\n") == 0)
            WEFT_FAIL(-EIO, "told to");
        weft_write(self->stream, self->line->data, self->line->len);
        WEFT_AWAIT(weft_drain(self->stream));
    }
    weft_write(self->stream, "bye\n", 4);
    WEFT_FINALLY;
    weft_bytes_free(self->line);
    seen.ended = WEFT_OUTCOME;
    seen.ends++;
    WEFT_END;
}

static weft_http_server *server;
static struct test_client client;

static void begin(void)
{
    weft_test_loop_begin();
    server = test_http_begin(NULL);
    weft_http_route(server, "/echo", lines);
    client = test_http_connect();
}

static void end(void)
{
    test_http_close(&client);
    test_http_end(server);
}

TestSuite(http_upgrade, .init = begin, .timeout = 60);

Test(http_upgrade, answers_101_and_gives_the_connection_to_the_handler)
{
    test_http_say(&client, ASK "\r\n");
    cr_assert_str_eq(client.received, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                                      "Upgrade: lines\r\nX-Lines: 1\r\n\r\n");
    test_http_say(&client, "one\n");
    test_http_say(&client, "two\n");
    cr_assert_str_eq(test_http_body(client.received), "one\ntwo\n");
    cr_assert_eq(weft_http_server_stats(server).active, 1);
    test_http_say(&client, "end\n");
    cr_assert_str_eq(test_http_body(client.received), "one\ntwo\nbye\n");
    test_http_to_end(&client);
    cr_assert(client.ended && !client.reset);
    cr_assert_eq(weft_http_server_stats(server).active, 0);
    end();
}

Test(http_upgrade, what_came_behind_the_request_is_the_new_protocols)
{
    test_http_say(&client, ASK "\r\none\nGET /hello HTTP/1.1\r\n");
    cr_assert_str_eq(test_http_body(client.received), "one\nGET /hello HTTP/1.1\r\n");
    end();
}

Test(http_upgrade, a_client_that_did_not_ask_gets_another_answer_and_goes_on)
{
    static const char *const others[] = {
        "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /echo HTTP/1.1\r\nHost: x\r\nUpgrade: lines\r\n\r\n",
        "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\n\r\n",
        "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: words\r\n\r\n",
        "GET /echo HTTP/1.0\r\nConnection: keep-alive, upgrade\r\nUpgrade: lines\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        test_http_close(&client);
        client = test_http_connect();
        test_http_say(&client, others[i]);
        cr_assert_eq(seen.status, WEFT_EPROTO, "%zu", i);
        cr_assert_eq(test_http_status(client.received), 426, "%zu", i);
        cr_assert_not(client.ended);
    }
    end();
}

Test(http_upgrade, the_lists_may_have_several_lines)
{
    test_http_say(&client, "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n"
                           "connection: UPGRADE\r\nUpgrade: h2c\r\nUpgrade: words , LINES\r\n\r\n");
    cr_assert_eq(test_http_status(client.received), 101);
    end();
}

Test(http_upgrade, a_request_with_a_body_is_refused)
{
    test_http_say(&client, ASK "Content-Length: 3\r\n\r\nabc");
    cr_assert_eq(seen.status, -EINVAL);
    cr_assert_eq(test_http_status(client.received), 426);
    end();
}

struct twice {
    WEFT_FRAME;
    weft_http_request *request;
    weft_stream *stream, *other;
};

static WEFT_ASYNC(twice)
{
    WEFT_BEGIN;
    cr_assert_eq(weft__http_upgrade(self->request, "lines", &self->stream), 0);
    cr_assert_eq(weft__http_upgrade(self->request, "lines", &self->other), -EALREADY);
    cr_assert_null(self->other);
    cr_assert_eq(weft_http_write(self->request, "x", 1), -EINVAL);
    cr_assert_eq(weft_http_start(self->request, 200, NULL, 1), -EALREADY);
    cr_assert_eq(weft_http_add_header(self->request, "X", "y"), -EALREADY);
    WEFT_CATCH(seen.status, weft_http_end(self->request));
    cr_assert_eq(seen.status, -EINVAL);
    WEFT_CATCH(seen.status, weft_http_respond(self->request, 200, NULL, "x", 1));
    cr_assert_eq(seen.status, -EALREADY);
    WEFT_AWAIT(weft_http_drain(self->request));
    weft_write(self->stream, "well", 4);
    WEFT_END;
}

Test(http_upgrade, there_is_no_answer_after_it)
{
    weft_http_route(server, "/twice", twice);
    char *answer = test_http_ask("GET /twice HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\n"
                                 "Upgrade: lines\r\n\r\n");
    cr_assert_str_eq(test_http_body(answer), "well");
    cr_assert_eq(test_reports.count, 0);
    free(answer);
    end();
}

Test(http_upgrade, a_handler_that_fails_resets_the_connection_and_is_reported)
{
    test_http_say(&client, ASK "\r\nfail\n");
    cr_assert(client.ended);
    cr_assert_eq(seen.ended, -EIO);
    cr_assert_str_eq(test_reports.what, "HTTP handler failed");
    cr_assert_str_eq(test_reports.message, "told to");
    cr_assert_eq(test_reports.count, 1);
    end();
}

Test(http_upgrade, the_handler_sees_the_clients_end_itself)
{
    test_http_say(&client, ASK "\r\none\n");
    test_http_close(&client);
    client = test_http_connect();
    test_http_turn(&client);
    cr_assert_eq(seen.ends, 1);
    cr_assert_neq(seen.ended, -ECANCELED, "nobody cancelled it");
    end();
}

Test(http_upgrade, nothing_limits_how_long_it_lasts)
{
    test_http_say(&client, ASK "\r\n");
    test_http_pass(&client, WEFT_S(3600));
    test_http_say(&client, "one\n");
    cr_assert_str_eq(test_http_body(client.received), "one\n");
    end();
}

Test(http_upgrade, a_server_that_aborts_cancels_the_handler)
{
    test_http_say(&client, ASK "\r\n");
    weft_http_server_abort(server);
    cr_assert_eq(weft_test_run(weft_http_server_drain(server)), 0);
    cr_assert_eq(seen.ended, -ECANCELED);
    test_http_turn(&client);
    cr_assert(client.ended);
    end();
}

/* Waits for a line, or for the server to stop. */
struct until_stop {
    WEFT_FRAME;
    weft_http_request *request;
    weft_stream *stream;
};

static WEFT_ASYNC(until_stop)
{
    WEFT_BEGIN;
    cr_assert_eq(weft__http_upgrade(self->request, "lines", &self->stream), 0);
    WEFT_CATCH(seen.status, weft_http_request_stopping(self->request));
    cr_assert(weft_http_request_is_stopping(self->request));
    WEFT_AWAIT(weft_http_request_stopping(self->request));
    weft_write(self->stream, "stopped", 7);
    WEFT_FINALLY;
    seen.ended = WEFT_OUTCOME;
    seen.ends++;
    WEFT_END;
}

Test(http_upgrade, a_server_that_stops_tells_those_who_wait_for_it)
{
    weft_http_route(server, "/until", until_stop);
    struct test_client clients[3];
    for (size_t i = 0; i < 3; i++) {
        clients[i] = test_http_connect();
        test_http_say(&clients[i], "GET /until HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\n"
                                   "Upgrade: lines\r\n\r\n");
    }
    weft_future *stop = weft_http_server_shutdown(server, WEFT_S(60));
    for (size_t i = 0; i < 3; i++) {
        test_http_turn(&clients[i]);
        cr_assert_str_eq(test_http_body(clients[i].received), "stopped");
        test_http_close(&clients[i]);
    }
    cr_assert_eq(weft_test_run(stop), 0);
    cr_assert_eq(seen.ends, 3);
    end();
}

Test(http_upgrade, freeing_the_server_cancels_or_tells_whoever_waits)
{
    weft_http_route(server, "/until", until_stop);
    test_http_say(&client, "GET /until HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\n"
                           "Upgrade: lines\r\n\r\n");
    weft_http_server_free(server);
    server = NULL;
    test_http_turn(&client);
    cr_assert_eq(seen.ends, 1);
    end();
}

Test(http_upgrade, a_request_that_is_over_is_none)
{
    test_http_say(&client, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
    weft_stream *stream = NULL;
    cr_assert_eq(weft__http_upgrade(seen.request, "lines", &stream), WEFT_ECLOSED);
    cr_assert_eq(weft_test_run(weft_http_request_stopping(seen.request)), WEFT_ECLOSED);
    cr_assert_null(stream);
    end();
}

/* One allocation fails, the n-th; true if it came to that. */
static bool upgrade_without(size_t n)
{
    test_http_close(&client);
    client = test_http_connect();
    weft_test_heap_fail_at(n);
    test_http_say(&client, ASK "\r\none\n");
    test_http_say(&client, "end\n");
    bool failed = weft_test_heap_failed();
    weft_test_heap_fail_at(0);
    test_http_to_end(&client);
    cr_assert(failed || strcmp(test_http_body(client.received), "one\nbye\n") == 0);
    return failed;
}

Test(http_upgrade, survives_every_lack_of_memory)
{
    size_t n = 1;
    while (upgrade_without(n)) {
        cr_assert_eq(weft_http_server_stats(server).active, 0, "allocation %zu", n);
        n++;
    }
    cr_assert(n > 3);
    end();
}
