/* SPDX-License-Identifier: MIT */
/* libcurl lacks memory: each of its allocations fails in turn. (Those of its TLS library do not.)
   */
#include <criterion/criterion.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/loop.h"

static size_t count_down; /* 0: none fails */
static bool has_failed;

static bool fails(void)
{
    bool now = count_down > 0 && --count_down == 0;
    has_failed = has_failed || now;
    return now;
}

static void *allocate(size_t size)
{
    return fails() ? NULL : malloc(size);
}

static void *reallocate(void *block, size_t size)
{
    return fails() ? NULL : realloc(block, size);
}

static char *duplicate(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = allocate(size);
    return copy ? memcpy(copy, text, size) : NULL;
}

static void *allocate_zeroed(size_t count, size_t size)
{
    return fails() ? NULL : calloc(count, size);
}

/* Before any session: the first one finds libcurl initialized. */
static void begin(void)
{
    cr_assert_eq(curl_global_init_mem(CURL_GLOBAL_DEFAULT, allocate, free, reallocate, duplicate,
                                      allocate_zeroed),
                 CURLE_OK);
    test_client_begin();
}

TestSuite(http_client_libcurl, .init = begin, .timeout = 120);

/* Not of a request: libcurl 7.88.1 itself divides by zero when one of its tables lacks memory. */
static void each_lack(void (*scene)(void))
{
    size_t n = 0;
    do {
        count_down = ++n;
        has_failed = false;
        scene();
        count_down = 0;
    } while (has_failed);
    cr_assert_gt(n, 10);
    cr_assert_eq(weft_http_session_get_stats(test_session).active, 0);
    test_gets("/hello", "hello");
}

static void open_session(void)
{
    const struct weft_http_field headers[] = {{"X-A", "b"}, {0}};
    const struct weft_http_session_options options = {
        .base_url = test_base, .headers = headers, .proxy = "http://127.0.0.1:1"};
    weft_http_session *session = weft_http_session_new(&options);
    cr_assert(session || errno == ENOMEM, "%d", errno);
    weft_http_session_free(session);
}

Test(http_client_libcurl, a_session_without_memory_in_libcurl_is_not_made)
{
    each_lack(open_session);
    test_client_end();
}

static void use_cookies(void)
{
    (void)weft_http_session_set_cookie(test_session, "a=b; domain=127.0.0.1; path=/");
    weft_bytes_free(weft_http_session_cookies(test_session));
    (void)weft_http_session_clear_cookies(test_session);
}

Test(http_client_libcurl, a_jar_without_memory_in_libcurl_fails)
{
    each_lack(use_cookies);
    test_client_end();
}
