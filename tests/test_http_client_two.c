/* SPDX-License-Identifier: MIT */
/* HTTP/2, with nginx: many streams of one connection. Behind nginx is the server of the other
   suites, in this loop, which tells what arrives. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/http_client.h"
#include "tests/support/loop.h"
#include "tests/support/nginx.h"

TestSuite(http_client_two, .init = test_client_begin_real, .timeout = 120);

enum { MANY = 100 };

static const char *front;
static weft_future *requests[MANY];
static char buffer[64 << 10];

static void open_session(struct weft_http_session_options options)
{
    options.base_url = front;
    options.ca_file = test_nginx_ca();
    test_client_options(options);
}

/* False: there is no nginx here. */
static bool begin(int requests_of_a_connection)
{
    if (!test_has_nginx()) {
        test_client_end();
        return false;
    }
    front = test_nginx_start(test_base, requests_of_a_connection);
    open_session((struct weft_http_session_options){0});
    return true;
}

static void end(void)
{
    test_client_end();
    test_nginx_end();
}

static struct weft_http_session_stats stats(void)
{
    return weft_http_session_get_stats(test_session);
}

/* The number that nginx has for the connection of a request (consumed), which must succeed. */
static int connection_of(weft_future *request)
{
    weft_http_response *response = test_response(request);
    cr_assert_not_null(response, "%s: %s", weft_error_name(test_failure), test_message);
    cr_assert_eq(weft_http_status(response), 200);
    cr_assert_eq(weft_http_version(response), 20);
    int number = atoi(weft_http_header(response, "X-Connection"));
    weft_http_response_free(response);
    return number;
}

static void start(const char *url)
{
    for (int i = 0; i < MANY; i++)
        requests[i] = weft_http_get(test_session, url);
}

static weft_http_response *open_stream(const char *url)
{
    const struct weft_http_fetch_options options = {.flags = WEFT_HTTP_STREAM};
    weft_http_response *response =
        test_response(weft_http_fetch(test_session, "GET", url, &options));
    cr_assert_not_null(response, "%s: %s", weft_error_name(test_failure), test_message);
    return response;
}

static int64_t read_some(weft_http_response *response)
{
    weft_future *read = weft_http_response_read(response, buffer, sizeof(buffer));
    int status = weft_test_run(weft_ref(read));
    int64_t got = status == 0 ? weft_future_value(read).i64 : status;
    weft_unref(read);
    return got;
}

static void is_spoken(unsigned flags, int version, const char *protocol)
{
    open_session((struct weft_http_session_options){.flags = flags});
    weft_http_response *response = test_response(weft_http_get(test_session, "/hello"));
    cr_assert_not_null(response, "%s: %s", weft_error_name(test_failure), test_message);
    cr_assert_eq(weft_http_version(response), version);
    cr_assert_str_eq(weft_http_header(response, "X-Protocol"), protocol);
    cr_assert_str_eq(weft_http_body(response, NULL), "hello");
    weft_http_response_free(response);
}

Test(http_client_two, it_is_agreed_on_in_the_handshake_unless_a_session_wants_one_only)
{
    if (!begin(1000))
        return;
    is_spoken(0, 20, "HTTP/2.0");
    is_spoken(WEFT_HTTP_ONE_ONLY, 11, "HTTP/1.1");
    is_spoken(WEFT_HTTP_TWO_ONLY, 20, "HTTP/2.0");
    end();
}

/* The server answers none of them before it has all. */
Test(http_client_two, a_hundred_at_once_are_streams_of_one_connection)
{
    if (!begin(1000))
        return;
    start(test_url("/together?n=%d", MANY));
    int first = connection_of(requests[0]);
    for (int i = 1; i < MANY; i++)
        cr_assert_eq(connection_of(requests[i]), first);
    cr_assert_eq(stats().connections, 1);
    start("/hello"); /* and again: it is there already */
    for (int i = 0; i < MANY; i++)
        cr_assert_eq(connection_of(requests[i]), first);
    cr_assert_eq(stats().connections, 1);
    end();
}

Test(http_client_two, who_waits_for_the_first_connection_can_be_cancelled)
{
    if (!begin(1000))
        return;
    start("/hello");
    weft_cancel(requests[0]); /* the others wait for it, wherever it is */
    for (int i = 1; i < MANY; i += 2)
        weft_cancel(requests[i]);
    for (int i = 0; i < MANY; i++) {
        int status = weft_test_run(requests[i]);
        cr_assert_eq(status, i == 0 || i % 2 ? -ECANCELED : 0, "%d: %d", i, status);
    }
    cr_assert_eq(stats().active, 0);
    end();
}

Test(http_client_two, a_cancel_of_one_stream_leaves_the_others)
{
    if (!begin(1000))
        return;
    int64_t got, all = 0;
    weft_http_response *one = open_stream("/big?len=50000000");
    weft_http_response *other = open_stream("/big?len=5000000");
    int number = atoi(weft_http_header(one, "X-Connection"));
    cr_assert_gt(read_some(one), 0);
    weft_http_response_free(one);
    cr_assert_eq(connection_of(weft_http_get(test_session, "/hello")), number);
    cr_assert_eq(atoi(weft_http_header(other, "X-Connection")), number);
    while ((got = read_some(other)) > 0)
        all += got;
    cr_assert_eq(got, 0);
    cr_assert_eq(all, 5000000);
    weft_http_response_free(other);
    cr_assert_lt(test_seen.written, 50000000);
    end();
}

Test(http_client_two, the_server_hears_of_a_cancel_of_the_last_stream)
{
    if (!begin(1000))
        return;
    weft_future *silent = weft_http_get(test_session, "/together?n=2");
    while (test_seen.together < 1)
        cr_assert_eq(weft_test_run(weft_sleep(0)), 0);
    weft_cancel(silent);
    cr_assert_eq(weft_test_run(silent), -ECANCELED);
    while (test_seen.cancelled < 1) /* nginx was told, and tells the server */
        cr_assert_eq(weft_test_run(weft_sleep(0)), 0);
    end();
}

Test(http_client_two, a_connection_that_says_goodbye_is_left_and_no_request_fails)
{
    if (!begin(7))
        return;
    int before = 0, changes = 0;
    for (int i = 0; i < 30; i++) {
        int now = connection_of(weft_http_get(test_session, "/hello"));
        changes += now != before;
        before = now;
    }
    cr_assert_geq(changes, 4);
    start("/hello"); /* most of them find a connection that takes no more */
    for (int i = 0; i < MANY; i++)
        connection_of(requests[i]);
    end();
}

Test(http_client_two, a_stream_goes_on_after_the_goodbye)
{
    if (!begin(3))
        return;
    int64_t got, all = 0;
    weft_http_response *response = open_stream("/big?len=20000000");
    int first = atoi(weft_http_header(response, "X-Connection"));
    cr_assert_eq(connection_of(weft_http_get(test_session, "/hello")), first);
    cr_assert_eq(connection_of(weft_http_get(test_session, "/hello")), first);
    cr_assert_neq(connection_of(weft_http_get(test_session, "/hello")), first);
    while ((got = read_some(response)) > 0)
        all += got;
    cr_assert_eq(got, 0);
    cr_assert_eq(all, 20000000);
    weft_http_response_free(response);
    end();
}

/* ---- Backpressure ---- */

static struct {
    int64_t given, length;
} source;

static weft_future *read_source(void *arg, void *to, size_t size)
{
    (void)arg;
    int64_t left = source.length - source.given;
    size_t len = (int64_t)size < left ? size : (size_t)left;
    weft_future *future = weft_future_new();
    memset(to, 'x', len);
    source.given += (int64_t)len;
    (void)weft_future_resolve(future, weft_value_i64((int64_t)len), NULL);
    return future;
}

/* Others of the same connection come and go meanwhile. */
static void others_pass(int count)
{
    for (int i = 0; i < count; i++)
        test_gets("/hello", "hello");
}

Test(http_client_two, who_does_not_read_makes_the_server_wait_and_not_the_other_streams)
{
    enum { LENGTH = 100000000 };
    if (!begin(1000))
        return;
    int64_t got, all = 0;
    weft_http_response *response = open_stream(test_url("/big?len=%d", LENGTH));
    others_pass(20);
    cr_assert_lt(test_seen.written, LENGTH / 2);                /* libcurl's window is 32 MiB */
    while (all < LENGTH / 5 && (got = read_some(response)) > 0) /* and it goes on */
        all += got;
    cr_assert_geq(all, LENGTH / 5);
    weft_http_response_free(response);
    cr_assert_eq(stats().connections, 1);
    end();
}

static void is_counted(const struct weft_http_content *body, const char *url, const char *count)
{
    const struct weft_http_fetch_options options = {.body = *body};
    weft_http_response *response =
        test_response(weft_http_fetch(test_session, "PUT", url, &options));
    cr_assert_not_null(response, "%s: %s", weft_error_name(test_failure), test_message);
    cr_assert_eq(weft_http_version(response), 20);
    cr_assert_str_eq(weft_http_body(response, NULL), count);
    weft_http_response_free(response);
}

Test(http_client_two, a_body_is_sent_whole)
{
    static char data[3 << 20];
    if (!begin(1000))
        return;
    is_counted(&(struct weft_http_content){.data = data, .len = sizeof(data)}, "/count", "3145728");
    is_counted(&(struct weft_http_content){.data = data}, "/count", "0");
    source.length = 3000000;
    is_counted(&(struct weft_http_content){.source = read_source}, "/count", "3000000");
    source.given = 0;
    is_counted(&(struct weft_http_content){.source = read_source, .len = 3000000}, "/count",
               "3000000");
    end();
}

Test(http_client_two, a_server_that_does_not_read_makes_the_source_wait)
{
    enum { LENGTH = 20000000 };
    if (!begin(1000))
        return;
    source.length = LENGTH;
    const struct weft_http_fetch_options options = {.body = {.source = read_source}};
    weft_future *request = weft_http_fetch(test_session, "PUT", "/count?held=1", &options);
    others_pass(20);
    cr_assert_lt(source.given, LENGTH / 2);
    cr_assert(!weft_is_done(request));
    test_open_gate();
    weft_http_response *response = test_response(request);
    cr_assert_not_null(response, "%s", test_message);
    cr_assert_str_eq(weft_http_body(response, NULL), "20000000");
    weft_http_response_free(response);
    end();
}

/* ---- Limits ---- */

Test(http_client_two, a_limit_a_host_counts_streams)
{
    if (!begin(1000))
        return;
    open_session((struct weft_http_session_options){.max_per_host = 5});
    start("/together?n=1000");
    while (test_seen.together < 5)
        cr_assert_eq(weft_test_run(weft_sleep(0)), 0);
    const struct weft_http_fetch_options options = {.timeouts.total = WEFT_MS(1)};
    cr_assert_eq(test_fails(weft_http_fetch(test_session, "GET", "/hello", &options)), -ETIMEDOUT);
    cr_assert_eq(test_seen.together, 5);
    cr_assert_eq(stats().waiting, MANY - 5);
    test_open_gate();
    for (int i = 0; i < MANY; i++)
        connection_of(requests[i]);
    cr_assert_eq(stats().connections, 1);
    end();
}
