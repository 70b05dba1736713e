/* SPDX-License-Identifier: MIT */
/* Forms and cookies of the HTTP server. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/http_cookie.h>
#include <weft/http_form.h>
#include <weft/task.h>

#include "tests/support/heap.h"
#include "tests/support/http.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(http_form, .init = weft_test_loop_begin, .timeout = 60);

#define HOST "Host: x\r\nConnection: close\r\n"
#define FORM "Content-Type: application/x-www-form-urlencoded\r\n"

/* ---- Forms ---- */

static char *listed(const weft_http_form *form)
{
    static char text[500];
    const char *name, *value;
    text[0] = 0;
    for (size_t i = 0; weft_http_form_at(form, i, &name, &value); i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "[%s=%s]", name, value);
    return text;
}

Test(http_form, a_text_is_taken_apart)
{
    static const char *const cases[][2] = {
        {"", ""},
        {"a=b", "[a=b]"},
        {"a=b&c=d&a=e", "[a=b][c=d][a=e]"},
        {"a", "[a=]"},
        {"=", "[=]"},
        {"&&a&&b&", "[a=][b=]"},
        {"a+b=c%20d%2B&%3D=%26", "[a b=c d+][==&]"},
        {"a=b=c", "[a=b=c]"},
        {"%C3%BC=\xC3\xBC", "[\xC3\xBC=\xC3\xBC]"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        weft_http_form *form = weft_http_form_parse(cases[i][0], strlen(cases[i][0]));
        cr_assert_not_null(form);
        cr_assert_str_eq(listed(form), cases[i][1]);
        weft_http_form_free(form);
    }
    weft_http_form_free(NULL);
    weft_test_loop_end();
}

Test(http_form, the_first_of_a_name_is_got)
{
    weft_http_form *form = weft_http_form_parse("a=1&b=2&a=3&c", 13);
    cr_assert_str_eq(weft_http_form_get(form, "a"), "1");
    cr_assert_str_eq(weft_http_form_get(form, "c"), "");
    cr_assert_null(weft_http_form_get(form, "d"));
    cr_assert_null(weft_http_form_get(form, "A"));
    cr_assert_eq(weft_http_form_count(form), 4);
    weft_http_form_free(form);
    weft_test_loop_end();
}

Test(http_form, what_is_unsound_is_refused)
{
    static const char *const bad[] = {"a=%", "a=%2", "a=%xx", "%zz=a", "a=%00", "a=b&c=%1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_null(weft_http_form_parse(bad[i], strlen(bad[i])), "%s", bad[i]);
        cr_assert_eq(errno, EINVAL);
    }
    cr_assert_null(weft_http_form_parse("a=\0b", 4));
    weft_test_loop_end();
}

static int parse(void)
{
    weft_http_form *form = weft_http_form_parse("a=b&c=d", 7);
    int status = form ? 0 : -errno;
    weft_http_form_free(form);
    return status;
}

Test(http_form, taking_apart_survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(parse);
    weft_test_loop_end();
}

struct posted {
    WEFT_FRAME;
    weft_http_request *request;
    weft_http_form *form;
    weft_bytes *body;
    bool tries;
    int status;
};

static WEFT_ASYNC(posted)
{
    WEFT_BEGIN;
    if (!self->tries) {
        WEFT_AWAIT_INTO(self->form, weft_http_read_form(self->request));
        WEFT_AWAIT(weft_http_respondf(self->request, 200, NULL, "%s", listed(self->form)));
        WEFT_RETURN(0);
    }
    WEFT_CATCH(self->status, weft_http_read_form(self->request));
    cr_assert_eq(self->status, WEFT_EPROTO);
    WEFT_AWAIT_INTO(self->body, weft_http_read_body(self->request));
    WEFT_AWAIT(weft_http_respondf(self->request, 200, NULL, "raw %s", self->body->data));
    WEFT_FINALLY;
    weft_bytes_free(self->body);
    weft_http_form_free(self->form);
    WEFT_END;
}

static weft_http_server *begin(void)
{
    weft_http_server *server = test_http_begin(&(struct weft_http_server_options){.max_body = 40});
    weft_http_route(server, "POST /form", posted);
    weft_http_route(server, "POST /tries", posted, .tries = true);
    return server;
}

static char *post(const char *path, const char *headers, const char *body)
{
    char text[600];
    snprintf(text, sizeof(text), "POST %s HTTP/1.1\r\n%s" HOST "Content-Length: %zu\r\n\r\n%s",
             path, headers, strlen(body), body);
    return test_http_ask(text);
}

Test(http_form, a_body_is_read_as_one)
{
    weft_http_server *server = begin();
    static const char *const types[] = {
        FORM, "Content-Type: Application/X-WWW-form-urlencoded; charset=utf-8\r\n"};
    for (size_t i = 0; i < 2; i++) {
        char *answer = post("/form", types[i], "a=b+c&d=%26");
        cr_assert_eq(test_http_status(answer), 200, "%s", answer);
        cr_assert_str_eq(test_http_body(answer), "[a=b c][d=&]");
        free(answer);
    }
    test_http_end(server);
}

Test(http_form, a_handler_that_passes_a_failure_on_has_answered)
{
    static const struct {
        const char *headers, *body;
        int status;
    } cases[] = {
        {FORM, "a=%zz", 400},
        {FORM, "a=0123456789012345678901234567890123456789", 413},
        {"", "a=b", 415},
        {"Content-Type: text/plain\r\n", "a=b", 415},
        {"Content-Type: application/x-www-form-urlencodedx\r\n", "a=b", 415},
        {"Content-Type: multipart/form-data; boundary=x\r\n", "a=b", 415},
    };
    weft_http_server *server = begin();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *answer = post("/form", cases[i].headers, cases[i].body);
        cr_assert_eq(test_http_status(answer), cases[i].status, "%zu: %s", i, answer);
        free(answer);
    }
    cr_assert_eq(test_reports.count, 0);
    test_http_end(server);
}

Test(http_form, a_body_that_is_none_can_still_be_read)
{
    weft_http_server *server = begin();
    char *answer = post("/tries", "Content-Type: text/plain\r\n", "a=b");
    cr_assert_str_eq(test_http_body(answer), "raw a=b", "%s", answer);
    free(answer);
    test_http_end(server);
}

/* One allocation fails, the n-th; true if it came to that. */
static bool read_without(size_t n)
{
    struct test_client client = test_http_connect();
    weft_test_heap_fail_at(n);
    weft_unref(weft_http_read_form(NULL));
    test_http_say(&client, "POST /form HTTP/1.1\r\n" FORM HOST "Content-Length: 3\r\n\r\na=");
    test_http_say(&client, "b");
    bool failed = weft_test_heap_failed();
    weft_test_heap_fail_at(0);
    test_http_to_end(&client);
    cr_assert(failed || test_http_status(client.received) == 200);
    test_http_close(&client);
    return failed;
}

Test(http_form, reading_survives_every_lack_of_memory)
{
    weft_http_server *server = begin();
    size_t n = 1;
    while (read_without(n)) {
        cr_assert_eq(weft_http_server_stats(server).active, 0, "allocation %zu", n);
        n++;
    }
    cr_assert(n > 3);
    test_http_end(server);
}

/* ---- Cookies of a request ---- */

struct eats {
    WEFT_FRAME;
    weft_http_request *request;
};

static const char *or_none(const char *text)
{
    return text ? text : "(none)";
}

static WEFT_ASYNC(eats)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_http_respondf(self->request, 200, NULL, "%s|%s",
                                  or_none(weft_http_request_cookie(self->request, "a")),
                                  or_none(weft_http_request_cookie(self->request, "b"))));
    WEFT_END;
}

static void must_eat(const char *headers, const char *expected)
{
    char text[400];
    snprintf(text, sizeof(text), "GET /eat HTTP/1.1\r\n%s" HOST "\r\n", headers);
    char *answer = test_http_ask(text);
    cr_assert_str_eq(test_http_body(answer), expected, "%s: %s", headers, answer);
    free(answer);
}

Test(http_form, cookies_are_read_by_their_names)
{
    weft_http_server *server = begin();
    weft_http_route(server, "GET /eat", eats);
    must_eat("", "(none)|(none)");
    must_eat("Cookie: a=1\r\n", "1|(none)");
    must_eat("Cookie: b=2; a=1; a=3\r\n", "1|2");
    must_eat("Cookie: a=1;b=2\r\n", "1|2");
    must_eat("Cookie: a=\"1\"; b=\"\"\r\n", "1|");
    must_eat("Cookie: a=; b=x=y\r\n", "|x=y");
    must_eat("Cookie: a=1\r\ncookie: b=2\r\n", "1|2");
    must_eat("Cookie: A=1; b=%20\r\n", "(none)|%20");
    must_eat("Cookie: $Version=1; b=2;\r\n", "(none)|2");
    test_http_end(server);
}

Test(http_form, a_malformed_cookie_is_passed_over)
{
    weft_http_server *server = begin();
    weft_http_route(server, "GET /eat", eats);
    must_eat("Cookie: a; b=2\r\n", "(none)|2");
    must_eat("Cookie: a=1 2; b=2\r\n", "(none)|2");
    must_eat("Cookie: a=1,b=2\r\n", "(none)|(none)");
    must_eat("Cookie: a=\"1; b=2\r\n", "(none)|2");
    must_eat("Cookie: a=1\"; b=\"\r\n", "(none)|(none)");
    must_eat("Cookie: a=\\1; b=2\r\n", "(none)|2");
    must_eat("Cookie: a=\xC3\xBC; b=2\r\n", "(none)|2");
    must_eat("Cookie: a b=1; =2; b=3\r\n", "(none)|3");
    must_eat("Cookie: ;;; ; b=3\r\n", "(none)|3");
    test_http_end(server);
}

Test(http_form, the_next_request_has_its_own_cookies)
{
    weft_http_server *server = begin();
    weft_http_route(server, "GET /eat", eats);
    struct test_client client = test_http_connect();
    test_http_say(&client, "GET /eat HTTP/1.1\r\nHost: x\r\nCookie: a=1\r\n\r\n");
    cr_assert_str_eq(test_http_body(client.received), "1|(none)");
    size_t before = client.len;
    test_http_say(&client, "GET /eat HTTP/1.1\r\nHost: x\r\n\r\n");
    cr_assert_str_eq(test_http_body(client.received + before), "(none)|(none)");
    test_http_close(&client);
    test_http_end(server);
}

/* ---- Cookies of an answer ---- */

struct sets {
    WEFT_FRAME;
    weft_http_request *request;
};

static struct weft_http_cookie cookie;
static int status;

static WEFT_ASYNC(sets)
{
    WEFT_BEGIN;
    status = weft_http_set_cookie(self->request, &cookie);
    WEFT_AWAIT(weft_http_respond(self->request, 200, NULL, "x", 1));
    cr_assert_eq(weft_http_set_cookie(self->request, &(struct weft_http_cookie){.name = "late"}),
                 -EALREADY);
    WEFT_END;
}

static char *set(void)
{
    static char line[300];
    char *answer = test_http_ask("GET /set HTTP/1.1\r\n" HOST "\r\n");
    const char *at = strstr(answer, "\r\nSet-Cookie: ");
    line[0] = 0;
    if (at)
        sscanf(at + 14, "%299[^\r]", line);
    free(answer);
    return line;
}

#define MUST_SET(expected, ...)                          \
    do {                                                 \
        cookie = (struct weft_http_cookie){__VA_ARGS__}; \
        cr_assert_str_eq(set(), expected);               \
        cr_assert_eq(status, *(expected) ? 0 : -EINVAL); \
    } while (0)

Test(http_form, a_cookie_protects_unless_it_is_told_otherwise)
{
    weft_http_server *server = begin();
    weft_http_route(server, "GET /set", sets);
    MUST_SET("a=; SameSite=Lax; HttpOnly", .name = "a");
    MUST_SET("a=b; Max-Age=60; Path=/p; Domain=x.example; SameSite=Strict; Secure; HttpOnly",
             .name = "a", .value = "b", .path = "/p", .domain = "x.example", .max_age = WEFT_S(60),
             .same_site = WEFT_HTTP_SAME_SITE_STRICT, .flags = WEFT_HTTP_COOKIE_SECURE);
    MUST_SET("a=b; SameSite=None; Secure; Partitioned", .name = "a", .value = "b",
             .same_site = WEFT_HTTP_SAME_SITE_NONE,
             .flags = WEFT_HTTP_COOKIE_SECURE | WEFT_HTTP_COOKIE_FOR_SCRIPTS |
                      WEFT_HTTP_COOKIE_PARTITIONED);
    MUST_SET("a=; Max-Age=0; SameSite=Lax; HttpOnly", .name = "a", .max_age = WEFT_S(9),
             .flags = WEFT_HTTP_COOKIE_DELETE);
    MUST_SET("__Host-a=b; Path=/; SameSite=Lax; Secure; HttpOnly", .name = "__Host-a", .value = "b",
             .path = "/", .flags = WEFT_HTTP_COOKIE_SECURE);
    test_http_end(server);
}

Test(http_form, a_cookie_that_is_none_or_breaks_its_promise_is_refused)
{
    weft_http_server *server = begin();
    weft_http_route(server, "GET /set", sets);
    MUST_SET("", .name = NULL);
    MUST_SET("", .name = "");
    MUST_SET("", .name = "a b");
    MUST_SET("", .name = "a=b");
    MUST_SET("", .name = "a", .value = "b c");
    MUST_SET("", .name = "a", .value = "b;c");
    MUST_SET("", .name = "a", .value = "b,c");
    MUST_SET("", .name = "a", .value = "\"b\"");
    MUST_SET("", .name = "a", .value = "b\r\nX: y");
    MUST_SET("", .name = "a", .value = "\xC3\xBC");
    MUST_SET("", .name = "a", .path = "p");
    MUST_SET("", .name = "a", .path = "/p; Domain=y");
    MUST_SET("", .name = "a", .path = "/p\n");
    MUST_SET("", .name = "a", .domain = "");
    MUST_SET("", .name = "a", .domain = "x;y");
    MUST_SET("", .name = "a", .max_age = -1);
    MUST_SET("", .name = "a", .size = 5);
    MUST_SET("", .name = "a", .flags = 64);
    MUST_SET("", .name = "a", .same_site = 3);
    MUST_SET("", .name = "a", .same_site = WEFT_HTTP_SAME_SITE_NONE);
    MUST_SET("", .name = "a", .flags = WEFT_HTTP_COOKIE_PARTITIONED);
    MUST_SET("", .name = "__Secure-a");
    MUST_SET("", .name = "__secure-a");
    MUST_SET("", .name = "__Host-a", .path = "/");
    MUST_SET("", .name = "__Host-a", .flags = WEFT_HTTP_COOKIE_SECURE);
    MUST_SET("", .name = "__Host-a", .path = "/p", .flags = WEFT_HTTP_COOKIE_SECURE);
    MUST_SET("", .name = "__Host-a", .path = "/", .domain = "x", .flags = WEFT_HTTP_COOKIE_SECURE);
    test_http_end(server);
}

/* One allocation fails, the n-th; true if it came to that. */
static bool eat_without(size_t n)
{
    struct test_client client = test_http_connect();
    weft_test_heap_fail_at(n);
    cr_assert_eq(weft_http_set_cookie(NULL, &cookie), WEFT_ECLOSED);
    cr_assert_null(weft_http_request_cookie(NULL, "a"));
    test_http_say(&client, "GET /eat HTTP/1.1\r\nHost: x\r\nCookie: a=1; b=2\r\n\r\n"
                           "GET /set HTTP/1.1\r\n" HOST "\r\n");
    bool failed = weft_test_heap_failed();
    weft_test_heap_fail_at(0);
    test_http_to_end(&client);
    cr_assert(failed || (strstr(client.received, "1|2") && strstr(client.received, "Set-Cookie")));
    test_http_close(&client);
    return failed;
}

Test(http_form, cookies_survive_every_lack_of_memory)
{
    weft_http_server *server = begin();
    weft_http_route(server, "GET /eat", eats);
    weft_http_route(server, "GET /set", sets);
    cookie = (struct weft_http_cookie){.name = "a", .value = "b"};
    size_t n = 1;
    while (eat_without(n)) {
        cr_assert_eq(weft_http_server_stats(server).active, 0, "allocation %zu", n);
        n++;
    }
    cr_assert(n > 3);
    test_http_end(server);
}
