/* SPDX-License-Identifier: MIT */
/* Cancelling in each state, deadlines, the end of a session and of its loop. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <weft/testing.h>

#include "net/http_client/session.h"
#include "tests/support/http_client.h"
#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(http_client_end, .init = test_client_begin, .timeout = 60);

static void blocked(void)
{
    cr_assert_eq(weft_testing_run_until_blocked(test_loop), 0);
}

/* Nothing is under way, and the next request works. */
static void all_is_quiet(void)
{
    struct weft_http_session_stats stats = weft_http_session_get_stats(test_session);
    cr_assert_eq(stats.active, 0);
    cr_assert_eq(stats.waiting, 0);
    cr_assert_null(test_session->limits.hosts);
    cr_assert_null(test_session->engine.first);
    test_gets("/hello", "hello");
}

Test(http_client_end, a_request_is_cancelled_before_it_has_begun)
{
    weft_future *request = weft_http_get(test_session, "/hello");
    cr_assert(weft_cancel(request));
    cr_assert_eq(weft_test_run(request), -ECANCELED);
    cr_assert_eq(weft_http_session_get_stats(test_session).attempts, 0);
    all_is_quiet();
    test_client_end();
}

/* After each number of ticks: in each of its states, whatever they are. */
Test(http_client_end, a_request_is_cancelled_after_any_number_of_ticks)
{
    const struct weft_http_fetch_options options = {.body = {.data = "data", .len = 4},
                                                    .retry = {.attempts = 3}};
    int cancelled = 0, ended = 0;
    for (int ticks = 0; ended < 3; ticks++) {
        weft_future *request =
            weft_http_fetch(test_session, "PUT", "/go?code=307&to=/fail%3Ftimes=1", &options);
        weft_test_ticks(ticks);
        weft_cancel(request);
        int status = weft_test_run(request);
        cr_assert(status == 0 || status == -ECANCELED, "%s", weft_error_name(status));
        cancelled += status == -ECANCELED;
        ended += status == 0;
        all_is_quiet();
        cr_assert_lt(ticks, 1000);
    }
    cr_assert_gt(cancelled, 5);
    test_client_end();
}

Test(http_client_end, a_request_that_waits_for_its_turn_is_cancelled)
{
    test_client_options((struct weft_http_session_options){.max_requests = 2, .max_per_host = 1});
    weft_future *first = weft_http_get(test_session, "/slow?ms=1000");
    weft_future *second = weft_http_get(test_session, "/slow?ms=1000");
    weft_future *third = weft_http_get(test_session, "/slow?ms=1000");
    blocked();
    cr_assert_eq(weft_http_session_get_stats(test_session).active, 3);
    cr_assert_eq(weft_http_session_get_stats(test_session).waiting, 2);
    cr_assert_eq(test_seen.requests, 1);
    weft_cancel(second);
    cr_assert_eq(weft_test_run(second), -ECANCELED);
    cr_assert_eq(weft_test_run(first), 0);
    cr_assert_eq(weft_test_run(third), 0);
    cr_assert_eq(test_seen.requests, 2);
    all_is_quiet();
    test_client_end();
}

Test(http_client_end, a_limit_is_of_each_host_and_port)
{
    const char *port = strrchr(test_base, ':');
    test_client_options((struct weft_http_session_options){.max_per_host = 1});
    const char *other = test_url("http://localhost%s/slow?ms=1000", port);
    weft_future *first = weft_http_get(test_session, "/slow?ms=2000");
    weft_future *second = weft_http_get(test_session, other);
    weft_future *third = weft_http_get(test_session, other);
    weft_future *fourth = weft_http_get(test_session, "/slow?ms=1000");
    blocked();
    cr_assert_eq(test_seen.requests, 2);
    cr_assert_eq(weft_http_session_get_stats(test_session).waiting, 2);
    weft_cancel(fourth);
    cr_assert_eq(weft_test_run(fourth), -ECANCELED);
    cr_assert_eq(weft_test_run(first), 0);
    cr_assert_eq(weft_test_run(second), 0);
    cr_assert_eq(weft_test_run(third), 0);
    all_is_quiet();
    test_client_end();
}

Test(http_client_end, a_cancel_closes_the_connection)
{
    weft_future *request = weft_http_get(test_session, "/slow?ms=1000000000");
    blocked();
    cr_assert_eq(test_seen.requests, 1);
    weft_cancel(request);
    cr_assert_eq(weft_test_run(request), -ECANCELED);
    blocked();
    cr_assert_eq(test_seen.cancelled, 1);
    all_is_quiet();
    test_client_end();
}

Test(http_client_end, a_request_that_is_dropped_goes_on_unobserved)
{
    weft_unref(weft_http_get(test_session, "/hello"));
    blocked();
    cr_assert_eq(test_seen.requests, 1);
    all_is_quiet();
    test_client_end();
}

Test(http_client_end, a_request_that_takes_too_long_fails)
{
    const struct weft_http_fetch_options options = {.timeouts.total = WEFT_S(3)};
    weft_ns begin = weft_now();
    cr_assert_eq(test_fails(weft_http_fetch(test_session, "GET", "/slow?ms=1000000000", &options)),
                 -ETIMEDOUT);
    cr_assert_eq(weft_now() - begin, WEFT_S(3));
    all_is_quiet();
    test_client_end();
}

Test(http_client_end, a_response_that_is_too_slow_fails)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello";
    const char *url = test_raw_server(head, sizeof(head) - 1, TEST_HANGS);
    const struct weft_http_fetch_options options = {
        .timeouts = {.low_speed = WEFT_S(5), .low_speed_bytes = 100}};
    cr_assert_eq(test_fails(weft_http_fetch(test_session, "GET", url, &options)), -ETIMEDOUT);
    cr_assert(strstr(test_message, "too slow"), "%s", test_message);
    all_is_quiet();
    test_client_end();
}

/* ---- The session ---- */

Test(http_client_end, a_close_waits_for_what_is_under_way)
{
    weft_future *request = weft_http_get(test_session, "/slow?ms=1000");
    weft_future *closing = weft_http_session_close(test_session);
    weft_test_ticks(20);
    cr_assert(!weft_is_done(closing));
    cr_assert_eq(test_fails(weft_http_get(test_session, "/hello")), WEFT_ECLOSED);
    cr_assert_eq(test_fails(weft_http_session_close(test_session)), -EBUSY);
    cr_assert_eq(weft_test_run(closing), 0);
    cr_assert(weft_is_done(request));
    cr_assert_eq(weft_test_run(request), 0);
    cr_assert_eq(weft_test_run(weft_http_session_close(test_session)), 0);
    test_client_end();
}

Test(http_client_end, a_close_waits_for_streams_too_and_can_be_cancelled)
{
    const struct weft_http_fetch_options options = {.flags = WEFT_HTTP_STREAM};
    weft_http_response *response =
        test_response(weft_http_fetch(test_session, "GET", "/big?len=10000000", &options));
    weft_future *closing = weft_http_session_close(test_session);
    blocked();
    cr_assert(!weft_is_done(closing));
    weft_cancel(closing);
    cr_assert_eq(weft_test_run(closing), -ECANCELED);
    closing = weft_http_session_close(test_session);
    weft_http_response_free(response);
    cr_assert_eq(weft_test_run(closing), 0);
    test_client_end();
}

Test(http_client_end, freeing_a_session_fails_what_is_under_way)
{
    static char buffer[16];
    const struct weft_http_fetch_options options = {.flags = WEFT_HTTP_STREAM};
    weft_http_response *response =
        test_response(weft_http_fetch(test_session, "GET", "/big?len=0", &options));
    weft_http_response_free(response);
    const char *silent = test_raw_server("HTTP/1.1 200 OK\r\n\r\n", 19, TEST_HANGS);
    response = test_response(weft_http_fetch(test_session, "GET", silent, &options));
    weft_future *read = weft_http_response_read(response, buffer, sizeof(buffer));
    weft_future *running = weft_http_get(test_session, "/slow?ms=1000000000");
    weft_future *closing = weft_http_session_close(test_session);
    blocked();
    weft_http_session_free(test_session);
    test_session = NULL;
    cr_assert_eq(weft_test_run(read), WEFT_ECLOSED);
    cr_assert_eq(weft_test_run(running), WEFT_ECLOSED);
    cr_assert_eq(weft_test_run(closing), WEFT_ECLOSED);
    cr_assert_eq(weft_test_run(weft_http_response_read(response, buffer, 1)), WEFT_ECLOSED);
    weft_http_response_free(response);
    test_client_end();
}

Test(http_client_end, a_response_outlives_its_session)
{
    weft_http_response *response = test_response(weft_http_get(test_session, "/hello"));
    weft_http_session_free(test_session);
    test_session = NULL;
    cr_assert_str_eq(weft_http_body(response, NULL), "hello");
    weft_http_response_free(response);
    test_client_end();
}

Test(http_client_end, a_response_that_nobody_takes_is_freed)
{
    weft_future *request = weft_http_get(test_session, "/hello");
    cr_assert_eq(weft_test_run(request), 0);
    const struct weft_http_fetch_options options = {.flags = WEFT_HTTP_STREAM};
    request = weft_http_fetch(test_session, "GET", "/big?len=10000000", &options);
    cr_assert_eq(weft_test_run(request), 0);
    all_is_quiet();
    test_client_end();
}

Test(http_client_end, a_loop_that_shuts_down_cancels_requests)
{
    weft_future *request = weft_http_get(test_session, "/slow?ms=1000000000");
    blocked();
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(weft_future_status(request), -ECANCELED);
    weft_unref(request);
    request = weft_http_get(test_session, "/hello");
    cr_assert_lt(weft_future_status(request), 0);
    weft_unref(request);
    test_client_end();
}
