/* SPDX-License-Identifier: MIT */
/* The ready-made middleware of the HTTP server, and the hook of its access log. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/http_middleware.h>
#include <weft/job.h>
#include <weft/task.h>

#include "tests/support/heap.h"
#include "tests/support/http.h"
#include "tests/support/http_handlers.h"
#include "tests/support/loop.h"

TestSuite(http_ready, .init = weft_test_loop_begin, .timeout = 60);

#define HOST "Host: x\r\nConnection: close\r\n\r\n"

static void must_have(const char *answer, const char *line)
{
    cr_assert_not_null(strstr(answer, line), "%s: %s", line, answer);
}

static void must_lack(const char *answer, const char *text)
{
    cr_assert_null(strstr(answer, text), "%s: %s", text, answer);
}

/* ---- The access log ---- */

static struct {
    size_t count;
    int status;
    bool complete;
    uint64_t bytes;
    weft_ns duration;
    char text[300];
} logged;

static void log_access(const struct weft_http_access *access, void *arg)
{
    cr_assert_eq(arg, &logged);
    logged.count++;
    logged.status = access->status;
    logged.complete = access->complete;
    logged.bytes = access->bytes;
    logged.duration = access->duration;
    snprintf(logged.text, sizeof(logged.text), "%s|%s|%.40s|%s|%s|%s|%s", access->peer,
             access->method, access->target, access->version, access->pattern, access->user_agent,
             access->referer);
}

static weft_http_server *begin_log(void)
{
    weft_http_server *server = test_http_begin(NULL);
    memset(&logged, 0, sizeof(logged));
    weft_http_on_access(server, log_access, &logged);
    return server;
}

Test(http_ready, the_log_is_told_of_each_request_when_it_is_over)
{
    weft_http_server *server = begin_log();
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /hello?x=1 HTTP/1.1\r\nHost: x\r\nUser-Agent: me/1\r\n"
                           "Referer: http://y/\r\n\r\n");
    cr_assert_eq(logged.count, 1);
    cr_assert_str_eq(logged.text, "unix:|GET|/hello?x=1|HTTP/1.1|/hello|me/1|http://y/");
    cr_assert_eq(logged.status, 200);
    cr_assert(logged.complete);
    cr_assert_eq(logged.bytes, client.len + strlen("Date: Fri, 20 Nov 2026 11:40:15 GMT\r\n"));
    cr_assert_eq(logged.duration, 0);
    test_http_say(&client, "GET /sleep?ms=30 HTTP/1.0\r\n\r\n");
    test_http_pass(&client, WEFT_MS(50));
    cr_assert_eq(logged.count, 2);
    cr_assert_eq(logged.duration, WEFT_MS(30));
    cr_assert_str_eq(logged.text, "unix:|GET|/sleep?ms=30|HTTP/1.0|/sleep||");
    test_http_close(&client);
    weft_http_on_access(server, NULL, NULL);
    free(test_http_ask("GET /hello HTTP/1.1\r\n" HOST));
    cr_assert_eq(logged.count, 2);
    test_http_end(server);
}

Test(http_ready, the_log_is_told_of_what_the_server_refuses)
{
    static const struct {
        const char *request;
        int status;
        const char *text;
    } cases[] = {
        {"GET /nowhere HTTP/1.1\r\n" HOST, 404, "unix:|GET|/nowhere|HTTP/1.1|||"},
        {"PUT /hello HTTP/1.1\r\n" HOST, 405, "unix:|PUT|/hello|HTTP/1.1|||"},
        {"GET /hello HTTP/1.1\r\n\r\n", 400, "unix:|GET|/hello||||"},
        {"GET /../x HTTP/1.1\r\n" HOST, 400, "unix:|GET|/../x|HTTP/1.1|||"},
        {"nonsense\r\n\r\n", 400, "unix:||||||"},
    };
    weft_http_server *server = begin_log();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        free(test_http_ask(cases[i].request));
        cr_assert_eq(logged.count, i + 1, "%s", cases[i].request);
        cr_assert_eq(logged.status, cases[i].status, "%s", cases[i].request);
        cr_assert_str_eq(logged.text, cases[i].text, "%s: %s", cases[i].request, logged.text);
    }
    test_http_end(server);
}

Test(http_ready, the_log_tells_an_answer_that_was_broken_off_and_a_client_that_went_away)
{
    weft_http_server *server = begin_log();
    free(test_http_ask("GET /fail?when=middle HTTP/1.1\r\n" HOST));
    cr_assert_eq(logged.status, 200);
    cr_assert_not(logged.complete);
    free(test_http_ask("GET /fail?when=before HTTP/1.1\r\n" HOST));
    cr_assert_eq(logged.status, 500);
    cr_assert(logged.complete);
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /sleep?ms=60000 HTTP/1.1\r\nHost: x\r\n\r\n");
    test_http_close(&client);
    client = test_http_connect();
    test_http_say(&client, "GET /he");
    cr_assert_eq(logged.count, 3);
    cr_assert_eq(logged.status, 0);
    cr_assert_not(logged.complete);
    test_http_close(&client);
    client = test_http_connect();
    test_http_turn(&client);
    cr_assert_eq(logged.count, 4, "a part of a request, which was cut off, was answered");
    cr_assert_eq(logged.status, 400);
    test_http_close(&client);
    test_http_end(server);
}

/* ---- Names of requests ---- */

struct id_job {
    int unused;
};

static WEFT_BLOCKING(id_job)
{
    return weft_ok(strdup(weft_context_get(weft_http_id)), free);
}

struct tell_id {
    WEFT_FRAME;
    weft_http_request *request;
    char *id;
};

static WEFT_ASYNC(tell_id)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->id, weft_to_thread(id_job, .unused = 0));
    WEFT_AWAIT(weft_http_respondf(self->request, 200, NULL, "%s %s", self->id,
                                  weft_context_get(weft_http_id)));
    WEFT_FINALLY;
    free(self->id);
    WEFT_END;
}

static char *ask_id(const char *header)
{
    char text[400];
    snprintf(text, sizeof(text), "GET /id HTTP/1.1\r\n%s" HOST, header);
    struct test_client client = test_http_connect();
    test_http_say(&client, text);
    while (!test_http_body(client.received) || !*test_http_body(client.received))
        test_http_turn(&client);
    test_http_to_end(&client);
    char *received = client.received;
    client.received = NULL;
    test_http_close(&client);
    return received;
}

Test(http_ready, a_sound_name_of_a_request_is_taken_over_and_sent_back)
{
    weft_http_server *server = test_http_begin(NULL);
    weft_http_use(server, weft_http_request_id);
    weft_http_route(server, "GET /id", tell_id);
    char *answer = ask_id("X-Request-Id: a-B_3.x\r\n");
    must_have(answer, "\r\nX-Request-Id: a-B_3.x\r\n");
    cr_assert_str_eq(test_http_body(answer), "a-B_3.x a-B_3.x");
    free(answer);
    answer = test_http_ask("GET /nowhere HTTP/1.1\r\nX-Request-Id: 7\r\n" HOST);
    cr_assert_eq(test_http_status(answer), 404);
    must_have(answer, "\r\nX-Request-Id: 7\r\n");
    free(answer);
    answer = test_http_ask("GET /fail?when=before HTTP/1.1\r\nX-Request-Id: 8\r\n" HOST);
    cr_assert_eq(test_http_status(answer), 500);
    must_have(answer, "\r\nX-Request-Id: 8\r\n");
    free(answer);
    test_http_end(server);
}

Test(http_ready, an_unsound_name_is_replaced_by_a_new_one)
{
    weft_http_server *server = test_http_begin(NULL);
    weft_http_use(server, weft_http_request_id);
    weft_http_route(server, "GET /id", tell_id);
    char longest[200] = "X-Request-Id: ", before[33] = "", id[33];
    memset(longest + strlen(longest), 'x', 129);
    strncat(longest, "\r\n", 3);
    const char *bad[] = {"",
                         "X-Request-Id: \r\n",
                         "X-Request-Id: a b\r\n",
                         "X-Request-Id: a;b\r\n",
                         "X-Request-Id: \xC3\xBC\r\n",
                         longest};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        char *answer = ask_id(bad[i]);
        cr_assert_eq(sscanf(test_http_body(answer), "%32[0-9a-f] ", id), 1, "%s", answer);
        cr_assert_eq(strlen(id), 32);
        cr_assert_str_neq(id, before);
        memcpy(before, id, sizeof(id));
        free(answer);
    }
    test_http_end(server);
}

/* ---- The deadline ---- */

static int limited_status(const char *request)
{
    struct test_client client = test_http_connect();
    test_http_say(&client, request);
    test_http_to_end(&client);
    int status = test_http_status(client.received);
    test_http_close(&client);
    return status;
}

struct says_timeout {
    WEFT_FRAME;
    weft_http_request *request;
    bool begins;
};

static WEFT_ASYNC(says_timeout)
{
    WEFT_BEGIN;
    weft_http_add_header(self->request, "X-Prepared", "1");
    if (self->begins) {
        weft_http_start(self->request, 200, NULL, 10);
        WEFT_AWAIT(weft_http_drain(self->request));
        WEFT_AWAIT(weft_sleep(WEFT_S(60)));
    }
    WEFT_FAIL(-ETIMEDOUT, "mine");
    WEFT_END;
}

Test(http_ready, a_handler_that_takes_too_long_is_cancelled_and_503_is_answered)
{
    weft_http_server *server = test_http_begin(NULL);
    weft_http_use(server, weft_http_deadline, .limit = WEFT_MS(100));
    cr_assert_eq(limited_status("GET /sleep?ms=90 HTTP/1.1\r\n" HOST), 200);
    cr_assert_eq(test_handled.cancelled, 0);
    cr_assert_eq(limited_status("GET /sleep?ms=60000 HTTP/1.1\r\n" HOST), 503);
    cr_assert_eq(test_handled.cancelled, 1);
    cr_assert_eq(limited_status("GET /hello HTTP/1.1\r\n" HOST), 200);
    cr_assert_eq(test_reports.count, 0);
    test_http_end(server);
}

Test(http_ready, after_a_503_the_connection_goes_on)
{
    weft_http_server *server = test_http_begin(NULL);
    weft_http_use(server, weft_http_deadline, .limit = WEFT_MS(100));
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /sleep?ms=60000 HTTP/1.1\r\nHost: x\r\n\r\n");
    test_http_pass(&client, WEFT_MS(101));
    cr_assert_eq(test_http_status(client.received), 503);
    size_t before = client.len;
    test_http_say(&client, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_assert_eq(test_http_status(client.received + before), 200);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_ready, a_failure_of_the_handlers_own_is_none_of_the_deadline)
{
    weft_http_server *server = test_http_begin(NULL);
    weft_http_use(server, weft_http_deadline, .limit = WEFT_MS(100));
    weft_http_route(server, "GET /own", says_timeout);
    cr_assert_eq(limited_status("GET /own HTTP/1.1\r\n" HOST), 500);
    cr_assert_eq(test_reports.status, -ETIMEDOUT);
    cr_assert_str_eq(test_reports.message, "mine");
    test_http_end(server);
}

Test(http_ready, an_answer_that_was_begun_is_broken_off_and_the_failure_reported)
{
    weft_http_server *server = test_http_begin(NULL);
    weft_http_use(server, weft_http_deadline, .limit = WEFT_MS(100));
    weft_http_route(server, "GET /begun", says_timeout, .begins = true);
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /begun HTTP/1.1\r\nHost: x\r\n\r\n");
    test_http_pass(&client, WEFT_MS(101));
    cr_assert(client.ended);
    cr_assert_eq(test_http_count(client.received, "HTTP/1.1"), 1);
    cr_assert_eq(test_reports.count, 1);
    cr_assert_eq(test_reports.status, -ETIMEDOUT);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_ready, a_client_that_goes_away_is_no_timeout)
{
    weft_http_server *server = test_http_begin(NULL);
    weft_http_use(server, weft_http_deadline, .limit = WEFT_S(100));
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /sleep?ms=60000 HTTP/1.1\r\nHost: x\r\n\r\n");
    test_http_close(&client);
    client = test_http_connect();
    test_http_turn(&client);
    cr_assert_eq(test_handled.cancelled, 1);
    cr_assert_eq(test_reports.count, 0);
    test_http_close(&client);
    test_http_end(server);
}

/* ---- Origins ---- */

static char *cross(const char *request, const char *headers)
{
    char text[400];
    snprintf(text, sizeof(text), "%s HTTP/1.1\r\n%s" HOST, request, headers);
    return test_http_ask(text);
}

#define PREFLIGHT "Access-Control-Request-Method: PUT\r\n"

Test(http_ready, a_preflight_of_an_origin_in_the_list_is_granted)
{
    weft_http_server *server = test_http_begin(NULL);
    weft_http_use(server, weft_http_cors, .origins = "https://a.example https://b.example",
                  .methods = "GET, PUT", .headers = "X-Token", .credentials = true,
                  .max_age = WEFT_S(600));
    char *answer = cross("OPTIONS /hello", "Origin: https://b.example\r\n" PREFLIGHT);
    cr_assert_str_eq(answer, "HTTP/1.1 204 No Content\r\nConnection: close\r\nVary: Origin\r\n"
                             "Access-Control-Allow-Origin: https://b.example\r\n"
                             "Access-Control-Allow-Credentials: true\r\n"
                             "Access-Control-Allow-Methods: GET, PUT\r\n"
                             "Access-Control-Allow-Headers: X-Token\r\n"
                             "Access-Control-Max-Age: 600\r\n\r\n");
    free(answer);
    test_http_end(server);
}

Test(http_ready, another_origin_is_granted_nothing)
{
    static const char *const others[] = {
        "https://c.example",
        "https://a.exampl",
        "ttps://a.example",
        "https://a.example2",
        "https://a.example/",
        "https://a.example https://b.example",
        "null",
        "HTTPS://A.EXAMPLE",
    };
    weft_http_server *server = test_http_begin(NULL);
    weft_http_use(server, weft_http_cors, .origins = "https://a.example https://b.example");
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        char header[200];
        snprintf(header, sizeof(header), "Origin: %s\r\n" PREFLIGHT, others[i]);
        char *answer = cross("OPTIONS /hello", header);
        cr_assert_eq(test_http_status(answer), 403, "%s", others[i]);
        must_lack(answer, "Access-Control");
        must_have(answer, "\r\nVary: Origin\r\n");
        free(answer);
        snprintf(header, sizeof(header), "Origin: %s\r\n", others[i]);
        answer = cross("GET /hello", header);
        cr_assert_eq(test_http_status(answer), 200);
        must_lack(answer, "Access-Control");
        free(answer);
    }
    test_http_end(server);
}

Test(http_ready, answers_say_what_pages_may_see_also_those_that_fail)
{
    weft_http_server *server = test_http_begin(NULL);
    weft_http_use(server, weft_http_cors, .origins = "https://a.example", .expose = "X-Total");
    static const struct {
        const char *request;
        int status;
    } cases[] = {{"GET /hello", 200}, {"GET /nowhere", 404}, {"GET /fail?when=before", 500}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *answer = cross(cases[i].request, "Origin: https://a.example\r\n");
        cr_assert_eq(test_http_status(answer), cases[i].status);
        must_have(answer, "\r\nVary: Origin\r\nAccess-Control-Allow-Origin: https://a.example\r\n"
                          "Access-Control-Expose-Headers: X-Total\r\n");
        free(answer);
    }
    test_http_end(server);
}

Test(http_ready, any_origin_may_but_never_with_credentials)
{
    weft_http_server *server = test_http_begin(NULL);
    weft_http_use(server, weft_http_cors, .origins = "*", .credentials = true);
    char *answer = cross("OPTIONS /hello", "Origin: https://b.example\r\n" PREFLIGHT);
    cr_assert_eq(test_http_status(answer), 204);
    must_have(answer, "\r\nAccess-Control-Allow-Origin: *\r\n");
    must_have(answer, "\r\nAccess-Control-Allow-Methods: GET, HEAD, POST\r\n");
    must_lack(answer, "Credentials");
    must_lack(answer, "Vary");
    free(answer);
    test_http_end(server);
}

Test(http_ready, options_that_are_no_preflight_go_on)
{
    weft_http_server *server = test_http_begin(NULL);
    weft_http_use(server, weft_http_cors, .origins = "https://a.example");
    char *answer = cross("OPTIONS /hello", "Origin: https://a.example\r\n");
    must_have(answer, "\r\nAllow: GET, HEAD, OPTIONS\r\n");
    free(answer);
    answer = cross("OPTIONS /hello", PREFLIGHT);
    must_have(answer, "\r\nAllow: GET, HEAD, OPTIONS\r\n");
    must_lack(answer, "Access-Control");
    free(answer);
    test_http_end(server);
}

Test(http_ready, origins_that_were_forgotten_are_an_error)
{
    weft_http_server *server = test_http_begin(NULL);
    weft_http_use(server, weft_http_cors, .methods = "GET");
    char *answer = cross("GET /hello", "");
    cr_assert_eq(test_http_status(answer), 500);
    cr_assert_str_eq(test_reports.task, "weft_http_cors");
    cr_assert_eq(test_reports.status, -EINVAL);
    free(answer);
    test_http_end(server);
}

/* ---- Out of memory ---- */

/* One allocation fails, the n-th; true if it came to that. */
static bool serve_without(size_t n)
{
    struct test_client client = test_http_connect();
    weft_test_heap_fail_at(n);
    test_http_say(&client, "GET /hello HTTP/1.1\r\nHost: x\r\nOrigin: https://a.example\r\n\r\n");
    test_http_say(&client, "GET /sleep?ms=1 HTTP/1.1\r\n" HOST);
    bool failed = weft_test_heap_failed();
    weft_test_heap_fail_at(0);
    test_http_to_end(&client);
    cr_assert(failed || test_http_count(client.received, "HTTP/1.1 200") == 2);
    test_http_close(&client);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(5))), 0);
    return failed;
}

Test(http_ready, all_of_it_survives_every_lack_of_memory)
{
    weft_http_server *server = begin_log();
    weft_http_use(server, weft_http_request_id);
    weft_http_use(server, weft_http_cors, .origins = "https://a.example");
    weft_http_use(server, weft_http_deadline, .limit = WEFT_S(10));
    size_t n = 1;
    while (serve_without(n)) {
        cr_assert_eq(weft_http_server_stats(server).active, 0, "allocation %zu", n);
        n++;
    }
    cr_assert(n > 10);
    test_http_end(server);
}
