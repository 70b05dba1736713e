/* SPDX-License-Identifier: MIT */
/* Redirects, retries, and servers that misbehave. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weft/testing.h>

#include "tests/support/http_client.h"
#include "tests/support/loop.h"

TestSuite(http_client_policy, .init = test_client_begin, .timeout = 60);

static weft_http_response *fetch(const char *method, const char *url,
                                 const struct weft_http_fetch_options *options)
{
    return test_response(weft_http_fetch(test_session, method, url, options));
}

static const char *echoed(weft_http_response *response)
{
    static char text[4096];
    cr_assert_not_null(response, "%s: %s", weft_error_name(test_failure), test_message);
    snprintf(text, sizeof(text), "%s", weft_http_body(response, NULL));
    weft_http_response_free(response);
    return text;
}

/* ---- Redirects ---- */

Test(http_client_policy, a_redirect_is_followed_to_its_end)
{
    weft_http_response *response = fetch("GET", "/go?code=301&to=/go%3Fcode=302%26to=hello", NULL);
    cr_assert_not_null(response, "%s", test_message);
    cr_assert_eq(weft_http_status(response), 200);
    cr_assert_eq(weft_http_redirects(response), 2);
    cr_assert_str_eq(weft_http_url(response), test_url("%s/hello", test_base));
    cr_assert_str_eq(weft_http_body(response, NULL), "hello");
    cr_assert_eq(weft_http_session_get_stats(test_session).connections, 1);
    weft_http_response_free(response);
    test_client_end();
}

Test(http_client_policy, the_status_decides_what_becomes_of_method_and_body)
{
    static const struct {
        const char *method;
        int code;
        const char *then;
        bool keeps_body;
    } cases[] = {{"POST", 301, "GET /echo\n", false}, {"POST", 302, "GET /echo\n", false},
                 {"POST", 303, "GET /echo\n", false}, {"POST", 307, "POST /echo\n", true},
                 {"POST", 308, "POST /echo\n", true}, {"PUT", 302, "PUT /echo\n", true},
                 {"PUT", 303, "GET /echo\n", false}};
    const struct weft_http_fetch_options options = {
        .body = {.data = "data", .len = 4, .type = "a/b"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *url = test_url("/go?code=%d&to=/echo", cases[i].code);
        const char *text = echoed(fetch(cases[i].method, url, &options));
        cr_assert_eq(strncmp(text, cases[i].then, strlen(cases[i].then)), 0, "%zu: %s", i, text);
        bool keeps_body = strstr(text, "\n\ndata");
        bool keeps_type = strstr(text, "Content-Type: a/b");
        cr_assert_eq(keeps_body, cases[i].keeps_body, "%zu: %s", i, text);
        cr_assert_eq(keeps_type, cases[i].keeps_body, "%zu: %s", i, text);
    }
    test_client_end();
}

Test(http_client_policy, secrets_do_not_go_to_another_origin)
{
    const char *port = strrchr(test_base, ':');
    const struct weft_http_field headers[] = {
        {"Authorization", "Bearer x"}, {"Cookie", "a=b"}, {"X-Other", "y"}, {0}};
    const struct weft_http_fetch_options options = {.headers = headers};
    const char *text = echoed(fetch("GET", "/go?code=302&to=/echo", &options));
    cr_assert(strstr(text, "Bearer x") && strstr(text, "a=b") && strstr(text, "X-Other"), "%s",
              text);
    text =
        echoed(fetch("GET", test_url("/go?code=302&to=http://localhost%s/echo", port), &options));
    cr_assert(strstr(text, "X-Other"), "%s", text);
    cr_assert(!strstr(text, "Bearer x") && !strstr(text, "a=b"), "%s", text);
    const struct weft_http_fetch_options basic = {.user = "a", .password = "b"};
    text = echoed(fetch("GET", "/go?code=302&to=/echo", &basic));
    cr_assert(strstr(text, "Basic"), "%s", text);
    text = echoed(fetch("GET", test_url("/go?code=302&to=http://localhost%s/echo", port), &basic));
    cr_assert(!strstr(text, "Basic"), "%s", text);
    test_client_end();
}

Test(http_client_policy, redirects_have_a_limit)
{
    const struct weft_http_fetch_options one = {.max_redirects = 1};
    cr_assert_eq(test_fails(weft_http_fetch(test_session, "GET",
                                            "/go?code=301&to=/go%3Fcode=302%26to=hello", &one)),
                 WEFT_ELIMIT);
    const char *loop =
        "/go?code=302&to=/go%3Fcode=302%26to=/go%253Fcode%253D302%2526to%253D/nowhere";
    weft_http_response *response = fetch("GET", loop, NULL);
    cr_assert_not_null(response);
    weft_http_response_free(response);
    const struct weft_http_fetch_options none = {.flags = WEFT_HTTP_NO_REDIRECTS};
    response = fetch("GET", "/go?code=301&to=/hello", &none);
    cr_assert_eq(weft_http_status(response), 301);
    cr_assert_str_eq(weft_http_header(response, "location"), "/hello");
    cr_assert_str_eq(weft_http_body(response, NULL), "elsewhere");
    weft_http_response_free(response);
    test_client_end();
}

Test(http_client_policy, a_redirect_to_what_is_not_http_fails)
{
    cr_assert_eq(test_fails(weft_http_get(test_session, "/go?code=302&to=file:///etc/passwd")),
                 -EINVAL);
    cr_assert_eq(test_fails(weft_http_get(test_session, "/go?code=302&to=http://")), -EINVAL);
    test_client_end();
}

/* ---- Retries ---- */

static const struct weft_http_fetch_options thrice = {.retry = {.attempts = 3}};

Test(http_client_policy, a_request_is_tried_again_while_the_server_is_busy)
{
    cr_assert_str_eq(echoed(fetch("GET", "/fail?times=2", &thrice)), "at last");
    cr_assert_eq(test_seen.requests, 3);
    cr_assert_gt(weft_now(), WEFT_MS(100 + 200) - 1);
    cr_assert_leq(weft_now(), WEFT_MS(200 + 400));
    test_client_end();
}

Test(http_client_policy, the_last_attempt_is_the_result)
{
    weft_http_response *response = fetch("GET", "/fail?times=9", &thrice);
    cr_assert_eq(weft_http_status(response), 503);
    cr_assert_str_eq(weft_http_body(response, NULL), "not yet");
    cr_assert_eq(test_seen.requests, 3);
    weft_http_response_free(response);
    test_client_end();
}

Test(http_client_policy, a_server_says_when_to_come_back)
{
    cr_assert_str_eq(echoed(fetch("GET", "/fail?times=1&after=7", &thrice)), "at last");
    cr_assert_eq(weft_now(), WEFT_S(7));
    test_seen.requests = 0;
    weft_http_response *response = fetch("GET", "/fail?times=1&after=11", &thrice);
    cr_assert_eq(weft_http_status(response), 503);
    cr_assert_eq(weft_now(), WEFT_S(7));
    weft_http_response_free(response);
    test_client_end();
}

Test(http_client_policy, a_streamed_response_is_the_last_attempts)
{
    char buffer[16] = "";
    struct weft_http_fetch_options options = thrice;
    options.flags = WEFT_HTTP_STREAM;
    weft_http_response *response = fetch("GET", "/fail?times=2", &options);
    cr_assert_eq(weft_http_status(response), 200);
    cr_assert_eq(weft_test_run(weft_http_response_read(response, buffer, sizeof(buffer))), 0);
    cr_assert_str_eq(buffer, "at last");
    weft_http_response_free(response);
    test_client_end();
}

Test(http_client_policy, what_may_not_be_repeated_is_tried_once)
{
    struct weft_http_fetch_options options = thrice;
    weft_http_response *response = fetch("POST", "/fail?times=2", &options);
    cr_assert_eq(weft_http_status(response), 503);
    weft_http_response_free(response);
    options.flags = WEFT_HTTP_NO_RETRY;
    response = fetch("GET", "/fail?times=2", &options);
    cr_assert_eq(weft_http_status(response), 503);
    weft_http_response_free(response);
    cr_assert_eq(test_seen.requests, 2);
    test_client_end();
}

Test(http_client_policy, a_connection_that_is_refused_is_tried_again)
{
    cr_assert_eq(test_fails(weft_http_fetch(test_session, "GET", "http://127.0.0.1:1/", &thrice)),
                 -ECONNREFUSED);
    cr_assert_eq(weft_http_session_get_stats(test_session).attempts, 3);
    cr_assert(strstr(test_message, "GET http://127.0.0.1:1/: "), "%s", test_message);
    test_client_end();
}

/* ---- Servers that misbehave ---- */

static int raw(const char *text, enum test_manner manner)
{
    return test_fails(weft_http_get(test_session, test_raw_server(text, strlen(text), manner)));
}

Test(http_client_policy, what_is_cut_off_is_not_a_response)
{
    cr_assert_eq(raw("", TEST_CLOSES), WEFT_EOF);
    cr_assert_eq(raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", TEST_CLOSES),
                 WEFT_ETRUNCATED);
    cr_assert_eq(raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", TEST_CLOSES),
                 WEFT_ETRUNCATED);
    cr_assert_eq(raw("HTTP/1.1 200 OK\r\nX-A: b", TEST_CLOSES), WEFT_EOF);
    cr_assert_eq(raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", TEST_RESETS),
                 -ECONNRESET);
    cr_assert_eq(raw("", TEST_RESETS), -ECONNRESET);
    test_client_end();
}

Test(http_client_policy, what_is_not_http_is_not_a_response)
{
    static const char *const texts[] = {
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "HTTP/1.1 abc\r\n\r\n",
        "\r\n\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        int status = raw(texts[i], TEST_CLOSES);
        cr_assert(status == WEFT_EPROTO || status == WEFT_ELIMIT, "%zu: %s %s", i,
                  weft_error_name(status), test_message);
    }
    test_client_end();
}

Test(http_client_policy, an_interim_response_is_passed_over)
{
    static const char text[] = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
                               "HTTP/1.1 200 OK\r\nX-A: b\r\n  folded\r\nX-Empty:\r\n\r\nhello";
    weft_http_response *response =
        fetch("GET", test_raw_server(text, sizeof(text) - 1, TEST_CLOSES), NULL);
    cr_assert_not_null(response, "%s", test_message);
    cr_assert_eq(weft_http_status(response), 200);
    cr_assert_null(weft_http_header(response, "Link"));
    cr_assert_str_eq(weft_http_header(response, "X-A"), "b folded");
    cr_assert_str_eq(weft_http_header(response, "X-Empty"), "");
    cr_assert_str_eq(weft_http_body(response, NULL), "hello");
    weft_http_response_free(response);
    test_client_end();
}

Test(http_client_policy, trailers_are_no_headers)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "5\r\nhello\r\n0\r\nX-Late: x\r\n\r\n";
    weft_http_response *response =
        fetch("GET", test_raw_server(text, sizeof(text) - 1, TEST_CLOSES), NULL);
    cr_assert_not_null(response, "%s", test_message);
    cr_assert_null(weft_http_header(response, "X-Late"));
    cr_assert_str_eq(weft_http_body(response, NULL), "hello");
    weft_http_response_free(response);
    test_client_end();
}

Test(http_client_policy, a_body_is_decompressed_unless_it_is_to_be_raw)
{
    /* "hello", by gzip -n */
    static const char text[] =
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 25\r\n\r\n"
        "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48\xcd\xc9\xc9\x07"
        "\x00\x86\xa6\x10\x36\x05\x00\x00\x00";
    const char *url = test_raw_server(text, sizeof(text) - 1, TEST_CLOSES);
    test_gets(url, "hello");
    const struct weft_http_fetch_options options = {.flags = WEFT_HTTP_RAW};
    size_t len;
    weft_http_response *response = fetch("GET", url, &options);
    (void)weft_http_body(response, &len);
    cr_assert_eq(len, 25);
    weft_http_response_free(response);
    test_client_end();
}

Test(http_client_policy, headers_without_end_are_refused)
{
    static char text[400 << 10];
    size_t len = (size_t)snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\n");
    while (len < sizeof(text) - 100)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "X-%zu: %060d\r\n", len, 0);
    cr_assert_eq(raw(text, TEST_CLOSES), WEFT_ELIMIT);
    test_client_end();
}

Test(http_client_policy, a_silent_server_meets_the_deadline)
{
    const char *url = test_raw_server("", 0, TEST_HANGS);
    const struct weft_http_fetch_options options = {.timeouts.total = WEFT_S(2)};
    cr_assert_eq(test_fails(weft_http_fetch(test_session, "GET", url, &options)), -ETIMEDOUT);
    cr_assert_eq(weft_now(), WEFT_S(2));
    test_client_end();
}

Test(http_client_policy, a_request_goes_on_when_its_idle_connection_was_closed)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    const char *url = test_raw_server(text, sizeof(text) - 1, TEST_CLOSES);
    for (int i = 0; i < 3; i++) {
        test_gets(url, "hello");
        cr_assert_eq(weft_testing_run_until_blocked(test_loop), 0);
    }
    cr_assert_eq(weft_http_session_get_stats(test_session).connections, 3);
    test_client_end();
}

Test(http_client_policy, a_proxy_is_asked_for_the_whole_url)
{
    test_client_options((struct weft_http_session_options){.proxy = test_base});
    const char *text = echoed(fetch("GET", "http://example.invalid/echo", NULL));
    cr_assert(strstr(text, "example.invalid"), "%s", text);
    test_client_end();
}
