/* SPDX-License-Identifier: MIT */
/* Each allocation of weft fails in turn; libcurl's do in a test of their own. */
#define _XOPEN_SOURCE 700
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/support/http_client.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(http_client_memory, .init = test_client_begin, .timeout = 120);

/* The server is of the same loop, and lacks memory, too: what it does then is its own business. */
static int outcome(weft_http_response *response)
{
    int status = response ? 0 : test_failure;
    if (weft_http_status(response) >= 500)
        status = -ENOMEM;
    weft_http_response_free(response);
    if (status == WEFT_EOF || status == WEFT_ETRUNCATED || status == -ECONNRESET ||
        status == -EPIPE || status == -ECONNREFUSED)
        status = -ENOMEM;
    return status;
}

static int get(void)
{
    return outcome(test_response(weft_http_get(test_session, "/hello")));
}

Test(http_client_memory, a_request_without_memory_fails_and_the_next_one_works)
{
    weft_test_every_lack_of_memory(get);
    test_gets("/hello", "hello");
    test_client_end();
}

Test(http_client_memory, so_does_one_with_a_limit_a_host)
{
    test_client_options((struct weft_http_session_options){.max_per_host = 1});
    weft_test_every_lack_of_memory(get);
    test_gets("/hello", "hello");
    test_client_end();
}

static int other_methods(void)
{
    int status = outcome(test_response(weft_http_head(test_session, "/hello")));
    if (status == 0)
        status = outcome(test_response(weft_http_delete(test_session, "/echo")));
    if (status == 0)
        status = outcome(test_response(weft_http_post(test_session, "/echo", "a/b", "x", 1)));
    if (status == 0)
        status = outcome(test_response(weft_http_put(test_session, "/echo", "a/b", "x", 1)));
    return status;
}

Test(http_client_memory, so_does_each_method)
{
    weft_test_every_lack_of_memory(other_methods);
    test_client_end();
}

static int follow(void)
{
    const struct weft_http_field headers[] = {{"X-A", "b"}, {0}};
    const struct weft_http_fetch_options options = {
        .headers = headers,
        .body = {.data = "x", .len = 1, .type = "a/b"},
        .user = "a",
        .password = "b",
        .retry = {.attempts = 1},
    };
    return outcome(
        test_response(weft_http_fetch(test_session, "POST", "/go?code=302&to=/hello", &options)));
}

Test(http_client_memory, a_redirect_without_memory_fails)
{
    weft_test_every_lack_of_memory(follow);
    test_client_end();
}

static int read_stream(void)
{
    static char buffer[64 << 10];
    const struct weft_http_fetch_options options = {.flags = WEFT_HTTP_STREAM};
    weft_http_response *response =
        test_response(weft_http_fetch(test_session, "GET", "/big?len=200000", &options));
    int status = response ? 0 : test_failure;
    size_t all = 0, got = 1;
    while (status == 0 && got > 0) {
        weft_future *read = weft_http_response_read(response, buffer, sizeof(buffer));
        status = weft_test_run(weft_ref(read));
        got = status == 0 ? (size_t)weft_future_value(read).i64 : 0;
        all += got;
        weft_unref(read);
    }
    cr_assert(status < 0 || weft_http_status(response) != 200 || all == 200000);
    if (status < 0)
        test_failure = status;
    weft_http_response_free(status < 0 ? response : NULL);
    return outcome(status < 0 ? NULL : response);
}

Test(http_client_memory, a_stream_without_memory_fails)
{
    test_client_use_unix((struct weft_http_session_options){0});
    weft_test_every_lack_of_memory(read_stream);
    test_client_end();
}

static char path[64];

static int upload(void)
{
    const struct weft_http_fetch_options options = {.body = {.path = path}};
    return outcome(test_response(weft_http_fetch(test_session, "PUT", "/count", &options)));
}

Test(http_client_memory, an_upload_without_memory_fails)
{
    snprintf(path, sizeof(path), "/tmp/weft-http-client-XXXXXX");
    int fd = mkstemp(path);
    cr_assert_eq(ftruncate(fd, 100000), 0);
    close(fd);
    test_client_use_unix((struct weft_http_session_options){0});
    weft_test_every_lack_of_memory(upload);
    unlink(path);
    test_client_end();
}

static int open_and_close(void)
{
    const struct weft_http_field headers[] = {{"X-A", "b"}, {0}};
    const struct weft_http_session_options options = {.headers = headers,
                                                      .base_url = test_base,
                                                      .max_per_host = 1,
                                                      .proxy = "http://127.0.0.1:1"};
    weft_http_session *session = weft_http_session_new(&options);
    if (!session)
        return -errno;
    int status = weft_test_run(weft_http_session_close(session));
    weft_http_session_free(session);
    return status;
}

Test(http_client_memory, a_session_without_memory_is_not_made)
{
    weft_test_every_lack_of_memory(open_and_close);
    test_client_end();
}

static int use_cookies(void)
{
    int status = weft_http_session_set_cookie(test_session, "a=b; domain=127.0.0.1; path=/");
    weft_bytes *cookies = status == 0 ? weft_http_session_cookies(test_session) : NULL;
    if (status == 0 && !cookies)
        status = -errno;
    weft_bytes_free(cookies);
    return status < 0 ? status : weft_http_session_clear_cookies(test_session);
}

Test(http_client_memory, cookies_without_memory_fail)
{
    weft_test_every_lack_of_memory(use_cookies);
    test_client_end();
}
