/* SPDX-License-Identifier: MIT */
/* Requests and responses. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/loop.h"
#include "tests/support/tree.h"

TestSuite(http_client, .init = test_client_begin, .timeout = 60);

Test(http_client, a_get_gives_status_headers_url_and_body)
{
    const char *name, *value;
    size_t len;
    weft_http_response *response = test_response(weft_http_get(test_session, "/hello"));
    cr_assert_not_null(response, "%s: %s", weft_error_name(test_failure), test_message);
    cr_assert_eq(weft_http_status(response), 200);
    cr_assert_eq(weft_http_version(response), 11);
    cr_assert_eq(weft_http_redirects(response), 0);
    cr_assert_str_eq(weft_http_url(response), test_url("%s/hello", test_base));
    cr_assert_str_eq(weft_http_header(response, "content-TYPE"), "text/plain");
    cr_assert_null(weft_http_header(response, "Content"));
    cr_assert(weft_http_header_at(response, 0, &name, &value));
    cr_assert(!weft_http_header_at(response, 100, &name, &value));
    cr_assert_str_eq(weft_http_body(response, &len), "hello");
    cr_assert_eq(len, 5);
    weft_bytes *body = weft_http_take_body(response);
    cr_assert_str_eq(body->data, "hello");
    cr_assert_null(weft_http_take_body(response));
    cr_assert_str_eq(weft_http_body(response, &len), "");
    cr_assert_eq(len, 0);
    weft_bytes_free(body);
    weft_http_response_free(response);
    test_client_end();
}

Test(http_client, requests_one_after_the_other_share_a_connection)
{
    for (int i = 0; i < 5; i++)
        test_gets("/hello", "hello");
    struct weft_http_session_stats stats = weft_http_session_get_stats(test_session);
    cr_assert_eq(stats.requests, 5);
    cr_assert_eq(stats.attempts, 5);
    cr_assert_eq(stats.connections, 1);
    cr_assert_eq(stats.active, 0);
    cr_assert_eq(stats.waiting, 0);
    test_client_end();
}

static void echoes(weft_future *future, const char *text, bool is_there)
{
    weft_http_response *response = test_response(future);
    cr_assert_not_null(response, "%s: %s", weft_error_name(test_failure), test_message);
    bool found = strstr(weft_http_body(response, NULL), text);
    cr_assert_eq(found, is_there, "%s: %s", text, weft_http_body(response, NULL));
    weft_http_response_free(response);
}

Test(http_client, each_method_is_sent_as_it_is_called)
{
    echoes(weft_http_get(test_session, "/echo"), "GET /echo\n", true);
    echoes(weft_http_delete(test_session, "/echo"), "DELETE /echo\n", true);
    echoes(weft_http_post(test_session, "/echo", "a/b", "data", 4), "POST /echo\n", true);
    echoes(weft_http_post(test_session, "/echo", "a/b", "data", 4), "\n\ndata", true);
    echoes(weft_http_post(test_session, "/echo", "a/b", "data", 4), "Content-Type: a/b\n", true);
    echoes(weft_http_post(test_session, "/echo", NULL, NULL, 0), "Content-Length: 0\n", true);
    echoes(weft_http_put(test_session, "/echo", NULL, "data", 4), "PUT /echo\n", true);
    echoes(weft_http_put(test_session, "/echo", NULL, "data", 4), "Content-Type", false);
    echoes(weft_http_put(test_session, "/echo", NULL, "data", 4), "Expect", false);
    echoes(weft_http_fetch(test_session, "PATCH", "/echo?a=b", NULL), "PATCH /echo?a=b\n", true);
    weft_http_response *response = test_response(weft_http_head(test_session, "/hello"));
    cr_assert_eq(weft_http_status(response), 200);
    cr_assert_str_eq(weft_http_header(response, "Content-Length"), "5");
    cr_assert_str_eq(weft_http_body(response, NULL), "");
    weft_http_response_free(response);
    test_client_end();
}

Test(http_client, headers_of_a_request_replace_those_of_its_session)
{
    const struct weft_http_field common[] = {{"X-A", "1"}, {"X-B", "2"}, {"X-C", ""}, {0}};
    const struct weft_http_field own[] = {
        {"x-a", "3"}, {"X-B", NULL}, {"X-D", "4"}, {"X-D", "5"}, {0}};
    test_client_options((struct weft_http_session_options){.headers = common});
    echoes(weft_http_get(test_session, "/echo"), "X-A: 1\n", true);
    echoes(weft_http_get(test_session, "/echo"), "X-C: \n", true);
    echoes(weft_http_get(test_session, "/echo"), "User-Agent: weft/", true);
    const struct weft_http_fetch_options options = {.headers = own};
    echoes(weft_http_fetch(test_session, "GET", "/echo", &options), "x-a: 3\n", true);
    echoes(weft_http_fetch(test_session, "GET", "/echo", &options), "X-A: 1\n", false);
    echoes(weft_http_fetch(test_session, "GET", "/echo", &options), "X-B", false);
    echoes(weft_http_fetch(test_session, "GET", "/echo", &options), "X-D: 4\nX-D: 5\n", true);
    test_client_end();
}

Test(http_client, a_status_is_a_response_unless_success_is_expected)
{
    weft_http_response *response = test_response(weft_http_get(test_session, "/status?code=404"));
    cr_assert_eq(weft_http_status(response), 404);
    cr_assert_str_eq(weft_http_body(response, NULL), "status 404");
    weft_http_response_free(response);
    const struct weft_http_fetch_options options = {.flags = WEFT_HTTP_EXPECT_OK};
    cr_assert_eq(test_fails(weft_http_fetch(test_session, "GET", "/status?code=404", &options)),
                 WEFT_EHTTP);
    cr_assert(strstr(test_message, "status 404"), "%s", test_message);
    test_client_end();
}

static int fetch_fails(const char *method, const char *url, const struct weft_http_field *headers)
{
    const struct weft_http_fetch_options options = {.headers = headers};
    return test_fails(weft_http_fetch(test_session, method, url, &options));
}

Test(http_client, what_is_no_request_is_refused)
{
    static const char *const urls[] = {"http://",     "ftp://a/",        "file:///etc/passwd",
                                       "http://a b/", "http://a:99999/", "http://a\n/"};
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        cr_assert_eq(fetch_fails("GET", urls[i], NULL), -EINVAL, "%s", urls[i]);
        cr_assert(strstr(test_message, "not a URL of HTTP: \""), "%s", test_message);
        cr_assert(strstr(test_message, urls[i]), "%s", test_message);
    }
    cr_assert_eq(fetch_fails("GET", NULL, NULL), -EINVAL);
    cr_assert_str_eq(test_message, "no URL");
    cr_assert_eq(fetch_fails(NULL, "/hello", NULL), -EINVAL);
    cr_assert_eq(fetch_fails("GET /x", "/hello", NULL), -EINVAL);
    cr_assert_str_eq(test_message, "not a method: GET /x");
    const struct weft_http_field bad[][2] = {{{"A b", "x"}, {0}},
                                             {{"A", "x\r\nB: y"}, {0}},
                                             {{"", "x"}, {0}},
                                             {{"Content-Length", "5"}, {0}},
                                             {{"Transfer-Encoding", "chunked"}, {0}}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_eq(fetch_fails("GET", "/hello", bad[i]), -EINVAL, "%s", bad[i][0].name);
        cr_assert(strstr(test_message, "GET /hello: not a header"), "%s", test_message);
    }
    cr_assert_eq(test_fails(weft_http_get(NULL, "/hello")), -EINVAL);
    cr_assert_eq(test_fails(weft_http_response_read(NULL, &(char){0}, 1)), -EINVAL);
    cr_assert_eq(weft_http_session_get_stats(test_session).attempts, 0);
    test_client_end();
}

Test(http_client, options_that_make_no_sense_are_refused)
{
    const struct weft_http_field bad[] = {{"A\n", "x"}, {0}};
    const struct weft_http_session_options options[] = {
        {.size = 1},
        {.base_url = "/x"},
        {.headers = bad},
        {.proxy = "what://a"},
        {.unix_socket = "/run/x"},
        {.user_agent = "a\nb"},
        {.base_url = ""},
        {.proxy = ""},
        {.max_idle = SIZE_MAX},
    };
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        errno = 0;
        cr_assert_null(weft_http_session_new(&options[i]), "%zu", i);
        cr_assert_eq(errno, EINVAL, "%zu", i);
    }
    test_client_end();
}

Test(http_client, a_body_larger_than_it_may_be_is_refused)
{
    const struct weft_http_fetch_options options = {.max_body = 1000};
    weft_http_response *response =
        test_response(weft_http_fetch(test_session, "GET", "/big?len=1000", &options));
    cr_assert_not_null(response);
    weft_http_response_free(response);
    cr_assert_eq(test_fails(weft_http_fetch(test_session, "GET", "/big?len=1001", &options)),
                 WEFT_ELIMIT);
    test_client_end();
}

Test(http_client, cookies_are_kept_sent_shown_and_cleared)
{
    weft_http_response_free(test_response(weft_http_get(test_session, "/cookie")));
    echoes(weft_http_get(test_session, "/echo"), "Cookie: c=1\n", true);
    weft_bytes *cookies = weft_http_session_cookies(test_session);
    cr_assert(strstr(cookies->data, "\tc\t1\n"), "%s", cookies->data);
    cr_assert_eq(weft_http_session_clear_cookies(test_session), 0);
    echoes(weft_http_get(test_session, "/echo"), "Cookie:", false);
    cookies->data[cookies->len - 1] = 0; /* the end of its only line */
    cr_assert_eq(weft_http_session_set_cookie(test_session, cookies->data), 0);
    weft_bytes_free(cookies);
    echoes(weft_http_get(test_session, "/echo"), "Cookie: c=1\n", true);
    cr_assert_eq(weft_http_session_set_cookie(test_session, "d=2; domain=127.0.0.1; path=/"), 0);
    echoes(weft_http_get(test_session, "/echo"), "d=2", true);
    cr_assert_eq(weft_http_session_set_cookie(test_session, "ALL"), -EINVAL);
    cr_assert_eq(weft_http_session_set_cookie(test_session, NULL), -EINVAL);
    test_client_end();
}

Test(http_client, a_session_without_a_jar_has_no_cookies)
{
    test_client_options((struct weft_http_session_options){.flags = WEFT_HTTP_NO_COOKIES});
    weft_http_response_free(test_response(weft_http_get(test_session, "/cookie")));
    echoes(weft_http_get(test_session, "/echo"), "Cookie:", false);
    cr_assert_null(weft_http_session_cookies(test_session));
    cr_assert_eq(errno, EINVAL);
    cr_assert_eq(weft_http_session_clear_cookies(test_session), -EINVAL);
    test_client_end();
}

Test(http_client, localhost_is_known_without_a_look_up)
{
    const char *port = strrchr(test_base, ':');
    test_gets(test_url("http://localhost%s/hello", port), "hello");
    test_gets(test_url("http://LOCALHOST%s/hello", port), "hello");
    test_client_end();
}

Test(http_client, basic_authentication_is_sent_when_it_is_asked_for)
{
    const struct weft_http_fetch_options options = {.user = "me", .password = "secret"};
    echoes(weft_http_fetch(test_session, "GET", "/echo", &options),
           "Authorization: Basic bWU6c2VjcmV0\n", true);
    echoes(weft_http_get(test_session, "/echo"), "Authorization", false);
    test_client_end();
}

Test(http_client, a_null_response_says_nothing)
{
    const char *name, *value;
    cr_assert_eq(weft_http_status(NULL), 0);
    cr_assert_str_eq(weft_http_url(NULL), "");
    cr_assert_str_eq(weft_http_body(NULL, NULL), "");
    cr_assert_eq(weft_http_version(NULL), 0);
    cr_assert_eq(weft_http_redirects(NULL), 0);
    cr_assert_null(weft_http_header(NULL, "a"));
    cr_assert(!weft_http_header_at(NULL, 0, &name, &value));
    cr_assert_null(weft_http_take_body(NULL));
    weft_http_response_free(NULL);
    weft_http_session_free(NULL);
    test_client_end();
}

/* ---- In the task tree ---- */

Test(http_client, says_in_the_task_tree_from_whom_it_fetches)
{
    weft_future *held = weft_http_get(test_session, test_url("/together?n=2"));
    while (test_seen.together < 1)
        cr_assert_eq(weft_test_run(weft_sleep(1)), 0);
    char *text = test_tree_text(true), expected[128];
    snprintf(expected, sizeof(expected), "#1 GET %s, waiting at ", test_base + strlen("http://"));
    cr_assert_not_null(strstr(text, expected), "%s", text);
    cr_assert_not_null(strstr(text, "in http_attempt at "), "%s", text);
    free(text);
    test_open_gate();
    weft_http_response_free(test_response(held));
    test_client_end();
}
