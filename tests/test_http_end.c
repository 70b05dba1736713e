/* SPDX-License-Identifier: MIT */
/* The HTTP server: its options and routes, its end, and what it does without memory. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <weft/combine.h>
#include <weft/task.h>

#include "core/memory.h"
#include "tests/support/heap.h"
#include "tests/support/http.h"
#include "tests/support/http_handlers.h"
#include "tests/support/loop.h"

TestSuite(http_end, .init = weft_test_loop_begin, .timeout = 200);

#define HOST "Host: x\r\n\r\n"

Test(http_end, stop_closes_idle_connections_and_lets_requests_finish)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client idle = test_http_connect();
    struct test_client fresh = test_http_connect();
    struct test_client busy = test_http_connect();
    test_http_say(&idle, "GET /hello HTTP/1.1\r\n" HOST);
    test_http_say(&busy, "GET /sleep?ms=1000 HTTP/1.1\r\n" HOST);
    weft_future *drain = weft_http_server_drain(server);
    test_http_turn(&idle);
    test_http_turn(&fresh);
    cr_assert(idle.ended && fresh.ended);
    cr_assert_not(busy.ended);
    cr_assert_eq(weft_test_run(drain), 0);
    test_http_turn(&busy);
    cr_assert_str_eq(test_http_body(busy.received), "slept");
    cr_assert_not_null(strstr(busy.received, "Connection: close\r\n"));
    cr_assert(busy.ended);
    test_http_close(&idle);
    test_http_close(&fresh);
    test_http_close(&busy);
    test_http_end(server);
}

Test(http_end, request_that_came_before_the_stop_is_answered)
{
    static const char request[] = "GET /hello HTTP/1.1\r\n" HOST;
    weft_http_server *server = test_http_begin(NULL);
    struct test_client idle = test_http_connect();
    struct test_client fresh = test_http_connect();
    test_http_say(&idle, request);
    idle.received[idle.len = 0] = '\0';
    cr_assert_eq(send(idle.fd, request, strlen(request), 0), (ssize_t)strlen(request));
    cr_assert_eq(send(fresh.fd, request, strlen(request), 0), (ssize_t)strlen(request));
    weft_http_server_stop(server);
    test_http_turn(&idle);
    test_http_turn(&fresh);
    cr_assert_str_eq(test_http_body(idle.received), "hello");
    cr_assert_not_null(strstr(idle.received, "Connection: close\r\n"));
    cr_assert_str_eq(test_http_body(fresh.received), "hello");
    cr_assert(idle.ended && fresh.ended);
    test_http_close(&idle);
    test_http_close(&fresh);
    test_http_end(server);
}

Test(http_end, idle_connections_may_bring_one_more_request_for_so_long)
{
    struct weft_http_server_options options = {.stop_idle_timeout = WEFT_S(5)};
    weft_http_server *server = test_http_begin(&options);
    struct test_client idle = test_http_connect();
    struct test_client user = test_http_connect();
    struct test_client fresh = test_http_connect();
    test_http_say(&idle, "GET /hello HTTP/1.1\r\n" HOST);
    test_http_say(&user, "GET /hello HTTP/1.1\r\n" HOST);
    weft_ns begin = weft_now();
    weft_future *drain = weft_http_server_drain(server);
    weft_http_server_stop(server); /* the second time is nothing */
    test_http_pass(&user, WEFT_S(4));
    cr_assert_not(user.ended);
    user.received[user.len = 0] = '\0';
    test_http_say(&user, "GET /hello HTTP/1.1\r\n" HOST);
    cr_assert_str_eq(test_http_body(user.received), "hello");
    cr_assert_not_null(strstr(user.received, "Connection: close\r\n"));
    cr_assert(user.ended);
    test_http_close(&user);
    cr_assert_not(idle.ended || fresh.ended);
    cr_assert_eq(weft_test_run(drain), 0);
    cr_assert_eq(weft_now() - begin, WEFT_S(5));
    test_http_turn(&idle);
    test_http_turn(&fresh);
    cr_assert(idle.ended && fresh.ended);
    test_http_close(&idle);
    test_http_close(&fresh);
    test_http_end(server);
}

Test(http_end, shutdown_of_an_idle_server_is_quick)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client idle = test_http_connect();
    test_http_say(&idle, "GET /hello HTTP/1.1\r\n" HOST);
    weft_ns begin = weft_now();
    cr_assert_eq(weft_test_run(weft_http_server_shutdown(server, WEFT_S(10))), 0);
    cr_assert_eq(weft_now(), begin);
    test_http_close(&idle);
    test_http_end(server);
}

Test(http_end, shutdown_ends_endless_answers_in_good_order)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /events HTTP/1.1\r\n" HOST);
    weft_future *end = weft_http_server_shutdown(server, WEFT_S(10));
    test_http_pass(&client, WEFT_S(1));
    cr_assert_not_null(strstr(client.received, "0\r\n\r\n"));
    cr_assert(client.ended);
    test_http_close(&client);
    cr_assert_eq(weft_test_run(end), 0);
    test_http_end(server);
}

Test(http_end, shutdown_aborts_what_takes_longer_than_its_grace)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /sleep?ms=60000 HTTP/1.1\r\n" HOST);
    weft_ns begin = weft_now();
    weft_future *end = weft_ref(weft_http_server_shutdown(server, WEFT_S(3)));
    cr_assert_eq(weft_test_run(end), -ETIMEDOUT);
    cr_assert_eq(weft_now() - begin, WEFT_S(3));
    cr_assert_eq(test_handled.cancelled, 1);
    cr_assert_eq(weft_http_server_stats(server).connections, 0);
    weft_unref(end);
    test_http_turn(&client);
    cr_assert(client.ended);
    cr_assert_str_eq(client.received, "");
    cr_assert_eq(test_reports.count, 0);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_end, abort_does_not_wait_for_a_body_that_nobody_wants)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client = test_http_connect();
    test_http_say(&client, "POST /late HTTP/1.1\r\nContent-Length: 100\r\n" HOST);
    cr_assert_str_eq(test_http_body(client.received), "early");
    weft_ns begin = weft_now();
    weft_http_server_abort(server);
    cr_assert_eq(weft_test_run(weft_http_server_drain(server)), 0);
    cr_assert_eq(weft_now(), begin);
    cr_assert_eq(test_reports.count, 0);
    test_http_close(&client);
    test_http_end(server);
}

struct fill {
    WEFT_FRAME;
    weft_http_request *request;
};

/* Much is written, and nobody waits for it to be sent. */
static WEFT_ASYNC(fill)
{
    WEFT_BEGIN;
    weft_http_start(self->request, 200, NULL, WEFT_HTTP_UNKNOWN_LENGTH);
    for (int i = 0; i < 10000; i++)
        weft_http_write(self->request, test_http_address, 64);
    if (weft_http_request_query(self->request, "end"))
        weft_unref(weft_http_end(self->request));
    else
        weft_unref(weft_http_drain(self->request));
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    WEFT_FAIL(-EIO);
    WEFT_END;
}

Test(http_end, abort_does_not_wait_for_a_client_that_reads_nothing)
{
    static const char *const requests[] = {"GET /fill HTTP/1.1\r\n" HOST,
                                           "GET /fill?end HTTP/1.1\r\n" HOST};
    for (size_t i = 0; i < 2; i++) {
        if (i > 0)
            weft_test_loop_begin();
        weft_http_server *server = test_http_begin(NULL);
        weft_http_route(server, "GET /fill", fill);
        struct test_client client = test_http_connect();
        client.deaf = true;
        test_http_say(&client, requests[i]);
        weft_ns begin = weft_now();
        weft_http_server_abort(server);
        cr_assert_eq(weft_test_run(weft_http_server_drain(server)), 0);
        cr_assert_eq(weft_now(), begin);
        cr_assert_eq(test_reports.count, 0, "%s: %s", test_reports.what, test_reports.message);
        test_http_close(&client);
        test_http_end(server);
    }
}

Test(http_end, a_broken_answer_is_reset_however_slow_its_client_is)
{
    weft_http_server *server = test_http_begin(NULL);
    weft_http_route(server, "GET /fill", fill);
    struct test_client client = test_http_connect();
    client.deaf = true;
    test_http_say(&client, "GET /fill HTTP/1.1\r\n" HOST);
    test_http_pass(&client, WEFT_S(1)); /* the handler has failed */
    cr_assert_eq(test_reports.status, -EIO);
    cr_assert_eq(weft_http_server_stats(server).connections, 0);
    test_http_close(&client);
    test_http_end(server);
}

struct dropper {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(dropper)
{
    WEFT_BEGIN;
    weft_http_start(self->request, 200, NULL, WEFT_HTTP_UNKNOWN_LENGTH);
    for (int i = 0; i < 10000; i++)
        weft_http_write(self->request, test_http_address, 64);
    weft_unref(weft_http_drain(self->request));
    if (weft_http_request_query(self->request, "end"))
        weft_unref(weft_http_end(self->request));
    WEFT_END;
}

Test(http_end, an_answer_that_ends_while_a_drain_is_under_way_is_whole)
{
    static const char *const requests[] = {"GET /drain HTTP/1.1\r\n" HOST,
                                           "GET /drain?end HTTP/1.1\r\n" HOST};
    weft_http_server *server = test_http_begin(NULL);
    weft_http_route(server, "GET /drain", dropper);
    for (size_t i = 0; i < 2; i++) {
        struct test_client client = test_http_connect();
        client.deaf = true;
        test_http_say(&client, requests[i]);
        client.deaf = false;
        test_http_turn(&client);
        cr_assert_str_eq(client.received + client.len - 7, "\r\n0\r\n\r\n");
        cr_assert_eq(test_reports.count, 0, "%s: %s", test_reports.what, test_reports.message);
        test_http_close(&client);
    }
    test_http_end(server);
}

Test(http_end, free_cancels_handlers_and_fails_a_drain)
{
    weft_http_server *server = test_http_begin(NULL);
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /sleep?ms=60000 HTTP/1.1\r\n" HOST);
    weft_future *drain = weft_http_server_drain(server);
    weft_http_server_free(server);
    cr_assert_eq(weft_test_run(drain), WEFT_ECLOSED);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(1))), 0);
    cr_assert_eq(test_handled.cancelled, 1);
    test_http_close(&client);
    weft_test_loop_end();
}

Test(http_end, a_stopped_server_listens_no_more)
{
    weft_http_server *server = test_http_begin(NULL);
    weft_http_server_stop(server);
    weft_http_server_stop(server);
    cr_assert_eq(weft_http_server_listen(server, "127.0.0.1:0"), WEFT_ECLOSED);
    test_http_end(server);
}

Test(http_end, max_requests_ends_a_connection)
{
    weft_http_server *server =
        test_http_begin(&(struct weft_http_server_options){.max_requests = 3});
    struct test_client client = test_http_connect();
    for (int i = 0; i < 5; i++)
        test_http_say(&client, "GET /hello HTTP/1.1\r\n" HOST);
    cr_assert_eq(test_http_count(client.received, "HTTP/1.1 200"), 3);
    cr_assert_eq(test_http_count(client.received, "Connection: close"), 1);
    cr_assert(client.ended);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_end, max_connections_makes_others_wait)
{
    weft_http_server *server =
        test_http_begin(&(struct weft_http_server_options){.max_connections = 1});
    struct test_client first = test_http_connect();
    struct test_client second = test_http_connect();
    test_http_say(&first, "GET /hello HTTP/1.1\r\n" HOST);
    test_http_say(&second, "GET /hello HTTP/1.1\r\n" HOST);
    cr_assert_str_eq(second.received, "");
    test_http_close(&first);
    test_http_turn(&second);
    cr_assert_eq(test_http_status(second.received), 200);
    test_http_close(&second);
    test_http_end(server);
}

struct last {
    WEFT_FRAME;
    weft_http_request *request;
    weft_http_server *server;
    int status;
};

static WEFT_ASYNC(last)
{
    WEFT_BEGIN;
    weft_http_server_free(self->server);
    WEFT_CATCH(self->status, weft_sleep(WEFT_S(1)));
    test_handled.status = self->status;
    WEFT_AWAIT(weft_http_respond_status(self->request, 200));
    WEFT_END;
}

Test(http_end, a_handler_may_free_its_server)
{
    weft_http_server *server = test_http_begin(NULL);
    weft_http_route(server, "GET /last", last, .server = server);
    struct test_client client = test_http_connect();
    struct test_client other = test_http_connect();
    test_http_say(&other, "GET /sleep?ms=5000 HTTP/1.1\r\n" HOST);
    test_http_say(&client, "GET /last HTTP/1.1\r\n" HOST);
    cr_assert_eq(test_handled.status, -ECANCELED);
    cr_assert_eq(test_handled.cancelled, 1);
    test_http_turn(&other);
    cr_assert(client.ended && other.ended);
    test_http_close(&client);
    test_http_close(&other);
    weft_test_loop_end();
}

struct stubborn {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(stubborn)
{
    WEFT_BEGIN;
    for (;;)
        WEFT_CATCH(test_handled.status, weft_sleep(WEFT_S(1)));
    WEFT_END;
}

Test(http_end, a_handler_that_does_not_end_is_named_and_leaves_nothing)
{
    struct weft_stuck_list *stuck = NULL;
    weft_http_server *server = test_http_begin(NULL);
    weft_http_route(server, "GET /stubborn", stubborn);
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /stubborn HTTP/1.1\r\n" HOST);
    cr_assert_eq(weft_loop_shutdown(test_loop,
                                    &(struct weft_shutdown_options){.tasks_timeout = WEFT_MS(20)},
                                    &stuck),
                 WEFT_ESTUCK);
    cr_assert_eq(stuck->count, 1);
    cr_assert_str_eq(stuck->stuck[0].name, "http_connection");
    weft__free(stuck);
    test_http_close(&client);
    weft_test_loop_end();
}

struct both {
    WEFT_FRAME;
    weft_http_request *request;
    weft_bytes *body;
    weft_results *results;
};

static WEFT_ASYNC(both)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->results,
                    weft_gather(weft_http_read_body(self->request), weft_sleep(WEFT_MS(100))));
    WEFT_AWAIT(weft_http_respond_status(self->request, 200));
    WEFT_FINALLY;
    weft_results_free(self->results);
    WEFT_END;
}

Test(http_end, a_handler_may_wait_for_its_body_and_something_else)
{
    weft_http_server *server = test_http_begin(NULL);
    weft_http_route(server, "POST /both", both);
    for (int i = 0; i < 3; i++) {
        struct test_client client = test_http_connect();
        test_http_say(&client, "POST /both HTTP/1.1\r\nContent-Length: 3\r\n" HOST);
        if (i > 0)
            test_http_say(&client, "abc");
        if (i < 2) { /* it goes away while one or both are waited for */
            test_http_close(&client);
            cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(200))), 0);
            cr_assert_eq(weft_http_server_stats(server).active, 0);
            continue;
        }
        test_http_pass(&client, WEFT_MS(150));
        cr_assert_eq(test_http_count(client.received, "HTTP/1.1 200"), 1);
        test_http_close(&client);
    }
    cr_assert_eq(test_reports.count, 0);
    test_http_end(server);
}

/* ---- Options and routes ---- */

Test(http_end, options_are_checked)
{
    cr_assert_null(weft_http_server_new(&(struct weft_http_server_options){.idle_timeout = -1}));
    cr_assert_eq(errno, EINVAL);
    cr_assert_null(
        weft_http_server_new(&(struct weft_http_server_options){.server_name = "a\r\nX: y"}));
    cr_assert_eq(errno, EINVAL);
    cr_assert_null(weft_http_server_new(&(struct weft_http_server_options){.size = 7}));
    cr_assert_eq(errno, EINVAL);
    cr_assert_null(
        weft_http_server_new(&(struct weft_http_server_options){.max_head = WEFT_HTTP_NO_LIMIT}));
    cr_assert_eq(errno, EINVAL);
    weft_test_loop_end();
}

struct name {
    WEFT_FRAME;
    weft_http_request *request;
    const char *name;
};

static WEFT_ASYNC(name)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_http_respondf(self->request, 200, NULL, "%s", self->name));
    WEFT_END;
}

static void must_go_to(const char *request, const char *name)
{
    char *answer = test_http_ask(request);
    cr_assert_str_eq(test_http_body(answer), name, "%s: %s", request, answer);
    free(answer);
}

Test(http_end, the_most_specific_route_wins)
{
    weft_http_server *server = test_http_begin(NULL);
    weft_http_route(server, "/a/...", name, .name = "a");
    weft_http_route(server, "GET /a/b/...", name, .name = "get a/b");
    weft_http_route(server, "/a/b/...", name, .name = "a/b");
    weft_http_route(server, "/a/b/c", name, .name = "a/b/c");
    weft_http_route(server, "DELETE /a/b/c", name, .name = "delete a/b/c");
    weft_http_route(server, "PURGE /...", name, .name = "purge");
    must_go_to("GET /a/x HTTP/1.1\r\n" HOST, "a");
    must_go_to("GET /a/b/x HTTP/1.1\r\n" HOST, "get a/b");
    must_go_to("PUT /a/b/x HTTP/1.1\r\n" HOST, "a/b");
    must_go_to("GET /a/b/c HTTP/1.1\r\n" HOST, "a/b/c");
    must_go_to("DELETE /a/b/c HTTP/1.1\r\n" HOST, "delete a/b/c");
    must_go_to("GET /a/ HTTP/1.1\r\n" HOST, "a");
    must_go_to("GET /%61/b/%63 HTTP/1.1\r\n" HOST, "a/b/c");
    must_go_to("PURGE / HTTP/1.1\r\n" HOST, "purge");
    char *answer = test_http_ask("GET /a HTTP/1.1\r\n" HOST);
    cr_assert_eq(test_http_status(answer), 405);
    free(answer);
    test_http_end(server);
}

Test(http_end, bad_routes_fail_the_listening)
{
    weft_http_server *server = weft_http_server_new(NULL);
    cr_assert_eq(weft_http_route(server, "GET /a", name), 0);
    cr_assert_eq(weft_http_route(server, "GET /a", name), -EEXIST);
    cr_assert_eq(weft_http_route(server, "GET a", name), -EINVAL);
    cr_assert_eq(weft_http_route(server, "", name), -EINVAL);
    cr_assert_eq(weft_http_route(server, " /a", name), -EINVAL);
    cr_assert_eq(weft_http_server_listen(server, "127.0.0.1:0"), -EEXIST);
    test_http_end(server);
}

Test(http_end, serve_is_a_server_with_one_handler_for_everything)
{
    weft_http_server *server = weft_http_serve("127.0.0.1:0", name, .name = "all");
    cr_assert_not_null(server);
    cr_assert(weft_http_server_port(server) > 0);
    cr_assert_eq(strncmp(weft_http_server_address(server), "127.0.0.1:", 10), 0);
    cr_assert_null(weft_http_serve("nonsense", name));
    cr_assert_eq(errno, EINVAL);
    cr_assert_eq(weft_http_server_listen(server, "unix:@weft-http-serve"), 0);
    test_http_end(server);
}

Test(http_end, without_a_loop_there_is_no_server)
{
    weft_test_loop_end();
    cr_assert_null(weft_http_server_new(NULL));
    cr_assert_eq(errno, -WEFT_ENOLOOP);
}

/* ---- Out of memory ---- */

/* All that a connection does, with the n-th allocation failing; true if one did. */
static bool serve_without(size_t n)
{
    struct test_client client = test_http_connect();
    weft_test_heap_fail_at(n);
    test_http_say(&client, "GET /describe?q=1 HTTP/1.1\r\n" HOST);
    test_http_say(&client,
                  "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" HOST "3\r\nabc\r\n");
    test_http_say(&client, "0\r\n\r\nPOST /count HTTP/1.1\r\nContent-Length: 4\r\n" HOST "a");
    test_http_say(&client, "bcdGET /headers HTTP/1.1\r\n" HOST);
    test_http_say(&client, "GET /nothing-there HTTP/1.1\r\n" HOST);
    test_http_say(&client, "GET /sleep?ms=0 HTTP/1.1\r\n" HOST "GET /chunks HTTP/1.1\r\n" HOST);
    test_http_say(&client, "GET /big HTTP/1.1\r\nConnection: close\r\n" HOST);
    bool failed = weft_test_heap_failed();
    weft_test_heap_fail_at(0);
    test_http_to_end(&client);
    test_http_close(&client);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(1))), 0);
    return failed;
}

Test(http_end, serving_survives_the_failure_of_any_allocation)
{
    weft_http_server *server = test_http_begin(NULL);
    size_t n = 1;
    serve_without(0);
    while (serve_without(n)) {
        cr_assert_eq(weft_http_server_stats(server).active, 0, "allocation %zu", n);
        cr_assert_eq(weft_http_server_stats(server).connections, 0, "allocation %zu", n);
        n++;
    }
    cr_assert(n > 10);
    char *answer = test_http_ask("GET /hello HTTP/1.1\r\n" HOST);
    cr_assert_eq(test_http_status(answer), 200);
    free(answer);
    test_http_end(server);
}

static bool set_up_without(size_t n)
{
    weft_test_heap_fail_at(n);
    weft_http_server *server =
        weft_http_server_new(&(struct weft_http_server_options){.server_name = "x"});
    if (server) {
        weft_http_route(server, "GET /", name);
        if (weft_http_server_listen(server, "unix:@weft-http-oom") == 0)
            weft_test_run(weft_http_server_shutdown(server, WEFT_S(1)));
    }
    bool failed = weft_test_heap_failed();
    weft_test_heap_fail_at(0);
    weft_http_server_free(server);
    cr_assert_eq(weft_test_run(weft_sleep(0)), 0);
    return failed;
}

Test(http_end, setting_up_survives_the_failure_of_any_allocation)
{
    size_t n = 1;
    while (set_up_without(n))
        n++;
    cr_assert(n > 5);
    weft_test_loop_end();
}
