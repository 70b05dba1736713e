/* SPDX-License-Identifier: MIT */
/* Middleware of the HTTP server: what is called in what order, and what becomes of the answer. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/http_middleware.h>
#include <weft/task.h>

#include "tests/support/heap.h"
#include "tests/support/http.h"
#include "tests/support/http_handlers.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(http_middleware, .init = weft_test_loop_begin, .timeout = 60);

#define HOST "Host: x\r\nConnection: close\r\n\r\n"

static char trace[400];
static weft_http_request *last;
static int seen;

static void note(const char *text)
{
    snprintf(trace + strlen(trace), sizeof(trace) - strlen(trace), "%s ", text);
}

/* Notes how it goes: "<name", then what is inside, then "name>STATUS". */
struct around {
    WEFT_FRAME;
    weft_http_request *request;
    const char *name;
    bool waits, answers, twice, swallows;
    int status;
};

static void note_begin(struct around *self)
{
    char text[40];
    snprintf(text, sizeof(text), "<%s", self->name);
    note(text);
    snprintf(text, sizeof(text), "X-%s", self->name);
    weft_http_add_header(self->request, text, "1");
}

static void note_end(struct around *self)
{
    char text[60];
    snprintf(text, sizeof(text), "%s>%d/%d", self->name, self->status,
             weft_http_answer_status(self->request));
    note(text);
}

static WEFT_ASYNC(around)
{
    WEFT_BEGIN;
    note_begin(self);
    if (self->waits)
        WEFT_AWAIT(weft_sleep(WEFT_MS(1)));
    if (self->answers) {
        WEFT_AWAIT(weft_http_respond(self->request, 403, NULL, "no", 2));
        WEFT_RETURN(0);
    }
    WEFT_CATCH(self->status, weft_http_next(self->request));
    note_end(self);
    if (self->twice) {
        WEFT_CATCH(self->status, weft_http_next(self->request));
        note_end(self);
        self->status = 0;
    }
    if (self->status < 0 && self->swallows) {
        WEFT_AWAIT(weft_http_respond(self->request, 418, NULL, "caught", 6));
        WEFT_RETURN(0);
    }
    if (self->status < 0)
        WEFT_FAIL(self->status);
    WEFT_END;
}

struct inner {
    WEFT_FRAME;
    weft_http_request *request;
    const char *text;
    bool waits, fails, nexts;
};

static WEFT_ASYNC(inner)
{
    WEFT_BEGIN;
    last = self->request;
    note(self->text);
    weft_http_add_header(self->request, "X-Inner", "1");
    if (self->nexts)
        WEFT_CATCH(seen, weft_http_next(self->request));
    if (self->waits)
        WEFT_AWAIT(weft_sleep(WEFT_MS(1)));
    if (self->fails)
        WEFT_FAIL(-EIO, "inside");
    WEFT_AWAIT(weft_http_respond(self->request, 200, NULL, self->text, strlen(self->text)));
    WEFT_END;
}

static weft_http_server *begin(void)
{
    weft_http_server *server = test_http_begin(NULL);
    trace[0] = 0;
    seen = 0;
    weft_http_route(server, "GET /in", inner, .text = "in");
    weft_http_route(server, "GET /waits", inner, .text = "waits", .waits = true);
    weft_http_route(server, "GET /fails", inner, .text = "fails", .fails = true);
    weft_http_route(server, "GET /late", inner, .text = "late", .waits = true, .fails = true);
    weft_http_route(server, "GET /nexts", inner, .text = "nexts", .nexts = true);
    return server;
}

/* The answer, to be freed. */
static char *ask(const char *request)
{
    char text[300];
    snprintf(text, sizeof(text), "%s HTTP/1.1\r\n" HOST, request);
    trace[0] = 0;
    return test_http_ask(text);
}

static void must_go(const char *request, int status, const char *expected)
{
    char *answer = ask(request);
    cr_assert_eq(test_http_status(answer), status, "%s: %s", request, answer);
    cr_assert_str_eq(trace, expected, "%s: %s", request, trace);
    free(answer);
}

static void must_have(const char *answer, const char *line, bool there)
{
    cr_assert_eq(strstr(answer, line) != NULL, there, "%s: %s", line, answer);
}

Test(http_middleware, is_around_the_handler_the_first_one_outside)
{
    weft_http_server *server = begin();
    cr_assert_eq(weft_http_use(server, around, .name = "a"), 0);
    cr_assert_eq(weft_http_use(server, around, .name = "b"), 0);
    must_go("GET /in", 200, "<a <b in b>0/200 a>0/200 ");
    must_go("GET /waits", 200, "<a <b waits b>0/200 a>0/200 ");
    char *answer = ask("GET /in");
    must_have(answer, "\r\nX-a: 1\r\nX-b: 1\r\nX-Inner: 1\r\n", true);
    free(answer);
    test_http_end(server);
}

Test(http_middleware, may_wait_on_the_way_in)
{
    weft_http_server *server = begin();
    weft_http_use(server, around, .name = "a", .waits = true);
    weft_http_use(server, around, .name = "b", .waits = true);
    must_go("GET /waits", 200, "<a <b waits b>0/200 a>0/200 ");
    must_go("GET /in", 200, "<a <b in b>0/200 a>0/200 ");
    test_http_end(server);
}

Test(http_middleware, may_answer_instead_of_the_handler)
{
    weft_http_server *server = begin();
    weft_http_use(server, around, .name = "a");
    weft_http_use(server, around, .name = "b", .answers = true);
    must_go("GET /in", 403, "<a <b a>0/403 ");
    cr_assert_eq(test_reports.count, 0);
    test_http_end(server);
}

Test(http_middleware, of_a_router_is_for_its_routes_alone)
{
    weft_http_server *server = begin();
    weft_http_router *api = weft_http_mount(server, "/api");
    weft_http_router *deep = weft_http_mount(api, "/deep");
    weft_http_use(deep, around, .name = "deep");
    weft_http_use(server, around, .name = "root");
    weft_http_use(api, around, .name = "api");
    weft_http_route(api, "GET /x", inner, .text = "x");
    weft_http_route(deep, "GET /y", inner, .text = "y");
    weft_http_route(server, "GET /api/z", inner, .text = "z");
    weft_http_use(weft_http_mount(deep, "/er"), around, .name = "er");
    weft_http_route(weft_http_mount(server, "/api/deep/er"), "GET /w", inner, .text = "w");
    must_go("GET /in", 200, "<root in root>0/200 ");
    must_go("GET /api/x", 200, "<root <api x api>0/200 root>0/200 ");
    must_go("GET /api/deep/y", 200, "<root <api <deep y deep>0/200 api>0/200 root>0/200 ");
    must_go("GET /api/deep/er/w", 200,
            "<root <api <deep <er w er>0/200 deep>0/200 api>0/200 root>0/200 ");
    must_go("GET /api/z", 200, "<root z root>0/200 ");
    test_http_end(server);
}

Test(http_middleware, sees_what_has_no_route)
{
    weft_http_server *server = begin();
    weft_http_use(server, around, .name = "root");
    weft_http_use(weft_http_mount(server, "/api"), around, .name = "api", .waits = true);
    weft_http_route(weft_http_mount(server, "/api"), "PUT /x", inner, .text = "x");
    must_go("GET /nowhere", 404, "<root root>0/404 ");
    must_go("GET /api/nowhere", 404, "<root <api api>0/404 root>0/404 ");
    must_go("GET /apix", 404, "<root root>0/404 ");
    must_go("GET /api", 404, "<root <api api>0/404 root>0/404 ");
    must_go("OPTIONS *", 204, "<root root>0/204 ");
    char *answer = ask("GET /api/x");
    cr_assert_eq(test_http_status(answer), 405);
    must_have(answer, "\r\nAllow: PUT, OPTIONS\r\n", true);
    must_have(answer, "\r\nX-api: 1\r\n", true);
    free(answer);
    answer = ask("OPTIONS /api/x");
    cr_assert_eq(test_http_status(answer), 204);
    must_have(answer, "\r\nAllow: PUT, OPTIONS\r\n", true);
    free(answer);
    cr_assert_eq(test_reports.count, 0);
    test_http_end(server);
}

Test(http_middleware, passes_a_failure_on_and_keeps_its_own_headers_with_the_500)
{
    weft_http_server *server = begin();
    weft_http_use(server, around, .name = "a");
    static const char *const requests[] = {"GET /fails", "GET /late"};
    for (size_t i = 0; i < 2; i++) {
        memset(&test_reports, 0, sizeof(test_reports));
        char *answer = ask(requests[i]);
        cr_assert_eq(test_http_status(answer), 500);
        must_have(answer, "\r\nX-a: 1\r\n", true);
        must_have(answer, "X-Inner", false);
        cr_assert_eq(test_reports.count, 1);
        cr_assert_str_eq(test_reports.task, "inner", "who failed, not who passed it on");
        cr_assert_eq(test_reports.status, -EIO);
        free(answer);
    }
    test_http_end(server);
}

Test(http_middleware, may_catch_a_failure_and_answer_then_nobody_is_told)
{
    weft_http_server *server = begin();
    weft_http_use(server, around, .name = "a", .swallows = true);
    must_go("GET /fails", 418, "<a fails a>-5/0 ");
    must_go("GET /late", 418, "<a late a>-5/0 ");
    cr_assert_eq(test_reports.count, 0);
    test_http_end(server);
}

Test(http_middleware, goes_on_once)
{
    weft_http_server *server = begin();
    weft_http_use(server, around, .name = "a", .twice = true);
    must_go("GET /in", 200, "<a in a>0/200 a>-114/200 ");
    must_go("GET /waits", 200, "<a waits a>0/200 a>-114/200 ");
    weft_http_use(server, around, .name = "b", .answers = true);
    must_go("GET /in", 403, "<a <b a>0/403 a>-114/403 ");
    test_http_end(server);
}

Test(http_middleware, a_handler_has_nothing_that_is_next)
{
    weft_http_server *server = begin();
    must_go("GET /nexts", 200, "nexts ");
    cr_assert_eq(seen, -EALREADY);
    weft_http_use(server, around, .name = "a");
    must_go("GET /nexts", 200, "<a nexts a>0/200 ");
    cr_assert_eq(seen, -EALREADY);
    test_http_end(server);
}

/* Ends before what it called has. */
struct hasty {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(hasty)
{
    WEFT_BEGIN;
    weft_unref(weft_http_next(self->request));
    WEFT_AWAIT(weft_http_respond(self->request, 202, NULL, "begun", 5));
    WEFT_END;
}

Test(http_middleware, that_ends_early_leaves_the_handler_without_its_request)
{
    weft_http_server *server = begin();
    weft_http_use(server, hasty);
    must_go("GET /waits", 202, "waits ");
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(5))), 0);
    cr_assert_eq(test_reports.count, 2, "the call that came too late, and its failure");
    test_http_end(server);
}

/* The key is set for what is inside. */
static WEFT_CONTEXT_KEY(user, const char *, NULL);

struct sets {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(sets)
{
    WEFT_BEGIN;
    if (weft_http_request_query(self->request, "user"))
        weft_context_set(user, "bob");
    WEFT_AWAIT(weft_http_next(self->request));
    WEFT_END;
}

struct gets {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(gets)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_http_respondf(self->request, 200, NULL, "%s",
                                  weft_context_get(user) ? weft_context_get(user) : "nobody"));
    WEFT_END;
}

Test(http_middleware, what_it_sets_of_the_context_is_its_requests)
{
    weft_http_server *server = begin();
    weft_http_use(server, sets);
    weft_http_route(server, "GET /who", gets);
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /who?user=1 HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_assert_str_eq(test_http_body(client.received), "bob");
    size_t before = client.len;
    test_http_say(&client, "GET /who HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_assert_str_eq(test_http_body(client.received + before), "nobody");
    test_http_close(&client);
    test_http_end(server);
}

Test(http_middleware, a_client_that_goes_away_cancels_all_of_it)
{
    weft_http_server *server = begin();
    weft_http_use(server, around, .name = "a");
    weft_http_use(server, around, .name = "b");
    struct test_client client = test_http_connect();
    trace[0] = 0;
    test_http_say(&client, "GET /sleep?ms=60000 HTTP/1.1\r\nHost: x\r\n\r\n");
    test_http_close(&client);
    client = test_http_connect();
    test_http_turn(&client);
    cr_assert_str_eq(trace, "<a <b b>-125/0 a>-125/0 ");
    cr_assert_eq(weft_http_server_stats(server).active, 0);
    cr_assert_eq(test_reports.count, 0);
    test_http_close(&client);
    test_http_end(server);
}

Test(http_middleware, is_not_added_while_a_request_is_under_way)
{
    weft_http_server *server = begin();
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /sleep?ms=1000 HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_assert_eq(weft_http_use(server, around, .name = "a"), -EBUSY);
    test_http_pass(&client, WEFT_S(2));
    cr_assert_eq(weft_http_use(server, around, .name = "a"), 0);
    cr_assert_eq(weft_http_use((weft_http_router *)NULL, around, .name = "a"), -EINVAL);
    cr_assert_eq(weft_http_server_listen(server, "unix:@weft-other"), -EBUSY,
                 "a server that lacks one does not listen");
    test_http_close(&client);
    test_http_end(server);
}

Test(http_middleware, a_server_that_aborts_cancels_all_of_it)
{
    weft_http_server *server = begin();
    weft_http_use(server, around, .name = "a");
    struct test_client client = test_http_connect();
    trace[0] = 0;
    test_http_say(&client, "GET /sleep?ms=60000 HTTP/1.1\r\nHost: x\r\n\r\n");
    weft_http_server_abort(server);
    cr_assert_eq(weft_test_run(weft_http_server_drain(server)), 0);
    cr_assert_str_eq(trace, "<a a>-125/0 ");
    test_http_close(&client);
    test_http_end(server);
}

Test(http_middleware, reads_and_writes_bodies_as_a_handler_does)
{
    weft_http_server *server = begin();
    weft_http_use(server, around, .name = "a");
    char *answer = test_http_ask("POST /echo HTTP/1.1\r\nContent-Length: 3\r\n" HOST "abc");
    cr_assert_str_eq(test_http_body(answer), "abc");
    free(answer);
    answer = test_http_ask("GET /chunks?ms=5 HTTP/1.1\r\n" HOST);
    cr_assert_eq(test_http_count(answer, "\r\n0\r\n\r\n"), 1);
    free(answer);
    test_http_end(server);
}

/* ---- Out of memory ---- */

static int set_up(void)
{
    weft_http_server *server = weft_http_server_new(NULL);
    int status = server ? 0 : -errno;
    weft_http_router *api = server ? weft_http_mount(server, "/api") : NULL;
    if (server && !api)
        status = -errno;
    if (status == 0)
        status = weft_http_use(server, around, .name = "a");
    if (status == 0)
        status = weft_http_use(api, around, .name = "b");
    if (status == 0)
        status = weft_http_mount(api, "/deep") ? 0 : -errno;
    weft_http_server_free(server);
    return status;
}

Test(http_middleware, setting_up_survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(set_up);
    weft_test_loop_end();
}

/* One allocation fails, the n-th; true if it came to that. */
static bool serve_without(size_t n)
{
    struct test_client client = test_http_connect();
    trace[0] = 0;
    weft_test_heap_fail_at(n);
    weft_future *unused = weft_http_next(last);
    test_http_say(&client, "GET /in HTTP/1.1\r\nHost: x\r\n\r\n");
    test_http_say(&client, "GET /waits HTTP/1.1\r\nHost: x\r\n\r\nGET /no HTTP/1.1\r\n" HOST);
    bool failed = weft_test_heap_failed();
    weft_test_heap_fail_at(0);
    weft_unref(unused);
    test_http_to_end(&client);
    cr_assert(failed || test_http_count(client.received, "HTTP/1.1 ") == 3, "%s", client.received);
    test_http_close(&client);
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(5))), 0);
    return failed;
}

Test(http_middleware, serving_survives_every_lack_of_memory)
{
    weft_http_server *server = begin();
    weft_http_use(server, around, .name = "a");
    weft_http_use(server, around, .name = "b", .waits = true);
    free(ask("GET /in"));
    size_t n = 1;
    while (serve_without(n)) {
        cr_assert_eq(weft_http_server_stats(server).active, 0, "allocation %zu", n);
        n++;
    }
    cr_assert(n > 5);
    test_http_end(server);
}
