/* SPDX-License-Identifier: MIT */
/* The HTTP server: clients that are slow, and clients that go away. Time is virtual. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <weft/task.h>

#include "core/sys.h"
#include "tests/support/heap.h"
#include "tests/support/http.h"
#include "tests/support/http_handlers.h"
#include "tests/support/loop.h"

TestSuite(http_slow, .init = weft_test_loop_begin, .timeout = 60);

#define HOST "Host: x\r\n\r\n"

static void must_take(struct test_client *client, weft_ns time)
{
    weft_ns took = test_http_to_end(client);
    cr_assert(took >= time && took <= time + WEFT_MS(500), "took %lld ms",
              (long long)took / 1000000);
}

Test(http_slow, a_client_that_says_nothing_is_closed_without_an_answer)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client = test_http_connect();
    must_take(&client, WEFT_S(10));
    cr_assert_str_eq(client.received, "");
    test_http_close(&client);
    test_http_end(server);
}

Test(http_slow, a_head_has_ten_seconds_in_all_however_it_drips)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client = test_http_connect();
    weft_ns begin = weft_now();
    test_http_say(&client, "GET /hello HTTP/1.1\r\n");
    while (!client.ended) {
        test_http_say(&client, "X: y\r\n");
        test_http_pass(&client, WEFT_MS(500));
        cr_assert(weft_now() - begin < WEFT_S(12));
    }
    cr_assert(weft_now() - begin >= WEFT_S(10));
    cr_assert_eq(test_http_status(client.received), 408);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_slow, a_later_head_has_ten_seconds_from_its_first_byte)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /hello HTTP/1.1\r\n" HOST);
    test_http_pass(&client, WEFT_S(50));
    cr_assert_not(client.ended);
    test_http_say(&client, "GET /hello");
    must_take(&client, WEFT_S(10));
    cr_assert_eq(test_http_count(client.received, "HTTP/1.1 408"), 1);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_slow, an_idle_connection_has_a_minute)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /hello HTTP/1.1\r\n" HOST);
    for (int i = 0; i < 5; i++) {
        test_http_pass(&client, WEFT_S(40));
        test_http_say(&client, "GET /hello HTTP/1.1\r\n" HOST);
    }
    must_take(&client, WEFT_S(60));
    cr_assert_eq(test_http_count(client.received, "HTTP/1.1 200"), 6);
    cr_assert_eq(test_http_count(client.received, "HTTP/1.1"), 6);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_slow, a_body_that_stops_is_408_after_ten_seconds)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client = test_http_connect();
    test_http_say(&client, "POST /echo HTTP/1.1\r\nContent-Length: 5\r\n" HOST "he");
    must_take(&client, WEFT_S(10));
    cr_assert_eq(test_http_status(client.received), 408);
    cr_assert_eq(test_reports.count, 0);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_slow, a_body_that_drips_below_the_rate_is_408)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client = test_http_connect();
    weft_ns begin = weft_now();
    test_http_say(&client, "POST /count HTTP/1.1\r\nContent-Length: 100000\r\n" HOST);
    while (!client.ended && weft_now() - begin < WEFT_S(60)) {
        test_http_say(&client, "0123456789"); /* 20 bytes a second */
        test_http_pass(&client, WEFT_MS(500));
    }
    cr_assert_eq(test_http_status(client.received), 408);
    cr_assert(weft_now() - begin < WEFT_S(12));
    test_http_close(&client);
    test_http_end(server);
}

Test(http_slow, a_body_above_the_rate_may_take_its_time)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client = test_http_connect();
    char second[1001];
    memset(second, 'x', 1000);
    second[1000] = 0;
    test_http_say(&client, "POST /count HTTP/1.1\r\nContent-Length: 60000\r\n" HOST);
    for (int i = 0; i < 60; i++) {
        test_http_pass(&client, WEFT_S(1));
        test_http_say(&client, second);
    }
    cr_assert_str_eq(test_http_body(client.received), "60000");
    test_http_close(&client);
    test_http_end(server);
}

Test(http_slow, a_client_that_reads_nothing_holds_little_memory_and_is_dropped)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client = test_http_connect();
    client.deaf = true;
    test_http_say(&client, "GET /endless HTTP/1.1\r\n" HOST);
    int writes = test_handled.writes;
    cr_assert(writes > 0 && writes < 64);
    test_http_pass(&client, WEFT_S(29));
    cr_assert_eq(test_handled.writes, writes);
    cr_assert_eq(weft_http_server_stats(server).active, 1);
    test_http_pass(&client, WEFT_S(2));
    cr_assert_eq(test_handled.status, -ETIMEDOUT);
    cr_assert_eq(weft_http_server_stats(server).connections, 0);
    cr_assert_eq(test_reports.count, 0);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_slow, a_client_that_reads_slowly_is_waited_for)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client = test_http_connect();
    client.deaf = true;
    size_t got = 0;
    char data[20000];
    test_http_say(&client, "GET /big HTTP/1.1\r\nConnection: close\r\n" HOST);
    for (int i = 0; i < 200; i++) {
        test_http_pass(&client, WEFT_S(5));
        ssize_t len = recv(client.fd, data, sizeof(data), 0);
        if (len <= 0)
            break;
        got += (size_t)len;
    }
    cr_assert(got > 1 << 20, "%zu", got);
    test_http_close(&client);
    test_http_end(server);
}

struct feed {
    WEFT_FRAME;
    weft_http_request *request;
    char data[65536];
    size_t len;
    weft_future *drain;
};

/* Writes on while a drain is under way, 8 KiB a second, or more. */
static WEFT_ASYNC(feed)
{
    WEFT_BEGIN;
    memset(self->data, 'x', sizeof(self->data));
    self->len = weft_http_request_query(self->request, "much") ? sizeof(self->data) : 8192;
    weft_http_start(self->request, 200, NULL, WEFT_HTTP_UNKNOWN_LENGTH);
    while (!self->drain || weft_is_done(self->drain)) {
        weft_unref(self->drain);
        weft_http_write(self->request, self->data, 8192);
        self->drain = weft_http_drain(self->request);
    }
    while (test_handled.status == 0 || test_handled.status == -ENOBUFS) {
        WEFT_AWAIT(weft_sleep(WEFT_S(1)));
        test_handled.status = weft_http_write(self->request, self->data, self->len);
    }
    WEFT_FINALLY;
    weft_unref(self->drain);
    WEFT_END;
}

Test(http_slow, a_client_that_reads_as_fast_as_is_written_makes_progress)
{
    weft_http_server *server = test_http_begin(NULL);
    weft_http_route(server, "GET /feed", feed);
    struct test_client client = test_http_connect();
    char data[8192];
    client.deaf = true;
    test_http_say(&client, "GET /feed HTTP/1.1\r\n" HOST);
    for (int i = 0; i < 100; i++) {
        cr_assert(recv(client.fd, data, sizeof(data), 0) > 0);
        test_http_pass(&client, WEFT_S(1));
        cr_assert_eq(test_handled.status, 0, "after %d seconds: %d", i, test_handled.status);
    }
    test_http_pass(&client, WEFT_S(61)); /* now it does not read any more */
    cr_assert_eq(test_handled.status, -ETIMEDOUT);
    cr_assert_eq(weft_http_server_stats(server).connections, 0);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_slow, what_is_written_or_refused_is_no_progress_of_its_client)
{
    weft_http_server *server = test_http_begin(NULL);
    weft_http_route(server, "GET /feed", feed);
    struct test_client client = test_http_connect();
    client.deaf = true;
    test_http_say(&client, "GET /feed?much HTTP/1.1\r\n" HOST);
    test_http_pass(&client, WEFT_S(28));
    cr_assert_eq(test_handled.status, -ENOBUFS);
    test_http_pass(&client, WEFT_S(3));
    cr_assert_eq(test_handled.status, -ETIMEDOUT);
    cr_assert_eq(weft_http_server_stats(server).connections, 0);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_slow, pipelining_without_reading_is_held_back)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client = test_http_connect();
    client.deaf = true;
    for (int i = 0; i < 100; i++)
        test_http_say(&client, "GET /big HTTP/1.1\r\n" HOST);
    cr_assert(weft_http_server_stats(server).requests < 3);
    test_http_pass(&client, WEFT_S(40));
    cr_assert_eq(weft_http_server_stats(server).connections, 0);
    test_http_close(&client);
    test_http_end(server);
}

/* ---- Clients that go away ---- */

Test(http_slow, a_handler_is_cancelled_when_its_client_goes_away)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /sleep?ms=5000 HTTP/1.1\r\n" HOST);
    cr_assert_eq(weft_http_server_stats(server).active, 1);
    test_http_close(&client);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(1))), 0);
    cr_assert_eq(test_handled.cancelled, 1);
    cr_assert_eq(weft_http_server_stats(server).connections, 0);
    cr_assert_eq(test_reports.count, 0);
    test_http_end(server);
}

Test(http_slow, a_handler_is_cancelled_also_when_a_next_request_is_waiting)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /sleep?ms=5000 HTTP/1.1\r\n" HOST);
    test_http_say(&client, "GET /hello HTTP/1.1\r\n" HOST);
    test_http_close(&client);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(1))), 0);
    cr_assert_eq(test_handled.cancelled, 1);
    cr_assert_eq(weft_http_server_stats(server).requests, 1);
    test_http_end(server);
}

Test(http_slow, a_handler_goes_on_without_its_client_if_that_is_wanted)
{
    weft_http_server *server = test_http_begin(
        &(struct weft_http_server_options){.on_disconnect = WEFT_HTTP_KEEP_HANDLER});
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /sleep?ms=5000 HTTP/1.1\r\n" HOST);
    test_http_close(&client);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_S(6))), 0);
    cr_assert_eq(test_handled.cancelled, 0);
    cr_assert_eq(test_handled.ended, 1);
    cr_assert_eq(weft_http_server_stats(server).connections, 0);
    cr_assert_eq(test_reports.count, 0);
    test_http_end(server);
}

Test(http_slow, a_client_that_ends_only_its_own_direction_gets_its_answer_if_that_is_wanted)
{
    weft_http_server *server = test_http_begin(
        &(struct weft_http_server_options){.on_disconnect = WEFT_HTTP_KEEP_HANDLER});
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /sleep?ms=5000 HTTP/1.1\r\n" HOST);
    shutdown(client.fd, SHUT_WR);
    must_take(&client, WEFT_S(5));
    cr_assert_str_eq(test_http_body(client.received), "slept");
    test_http_close(&client);
    test_http_end(server);
}

Test(http_slow, an_answer_that_needs_no_wait_reaches_a_client_that_has_ended_its_direction)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client = test_http_connect();
    test_http_send(&client, "GET /hello HTTP/1.1\r\n" HOST, 32);
    shutdown(client.fd, SHUT_WR);
    test_http_turn(&client);
    cr_assert_str_eq(test_http_body(client.received), "hello");
    cr_assert(client.ended);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_slow, a_client_that_goes_away_at_every_stage_leaves_nothing)
{
    static const char request[] =
        "POST /echo HTTP/1.1\r\nContent-Length: 5\r\n" HOST
        "helloGET /chunks?ms=10 HTTP/1.1\r\n" HOST "GET /big HTTP/1.1\r\n" HOST;
    weft_http_server *server = test_http_begin(NULL);
    for (size_t len = 0; len < sizeof(request); len++) {
        struct test_client client = test_http_connect();
        client.deaf = true;
        test_http_send(&client, request, len);
        test_http_turn(&client);
        test_http_close(&client);
        cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(1))), 0);
        cr_assert_eq(weft_http_server_stats(server).connections, 0);
        cr_assert_eq(weft_http_server_stats(server).active, 0);
    }
    cr_assert_eq(test_reports.count, 0);
    test_http_end(server);
}

/* ---- No room for a head ---- */

struct tries_again {
    WEFT_FRAME;
    weft_http_request *request;
    int status;
};

static WEFT_ASYNC(tries_again)
{
    static char large[100000]; /* than the buffers that are kept */
    WEFT_BEGIN;
    memset(large, 'x', sizeof(large) - 1);
    cr_assert_eq(weft_http_add_header(self->request, "X", large), 0);
    cr_assert_eq(weft_http_start(self->request, 200, "text/plain", 5), 0);
    cr_assert(weft__sys_fail("sendmsg", 1, EAGAIN));
    weft_test_heap_fail_at(1);
    WEFT_CATCH(self->status, weft_http_drain(self->request));
    weft_test_heap_fail_at(0);
    cr_assert_eq(self->status, -ENOMEM);
    cr_assert_eq(weft_http_write(self->request, "hello", 5), 0);
    WEFT_AWAIT(weft_http_end(self->request));
    WEFT_END;
}

Test(http_slow, a_head_that_could_not_be_kept_is_sent_with_what_follows)
{
    weft_http_server *server = test_http_begin(NULL);
    weft_http_route(server, "GET /again", tries_again);
    char *answer = test_http_ask("GET /again HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    cr_assert_eq(test_http_status(answer), 200, "%s", answer);
    cr_assert_str_eq(test_http_body(answer), "hello");
    free(answer);
    test_http_end(server);
}
