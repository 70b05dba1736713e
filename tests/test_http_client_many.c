/* SPDX-License-Identifier: MIT */
/* Many requests at once. What is counted is what bounds the time that libcurl holds the loop. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include "net/http_client/session.h"
#include "tests/support/http_client.h"
#include "tests/support/loop.h"

TestSuite(http_client_many, .init = test_client_begin_real, .timeout = 120);

enum { MANY = 1000 };

static weft_future *requests[MANY];

static void start(const char *url)
{
    for (int i = 0; i < MANY; i++)
        requests[i] = weft_http_get(test_session, url);
}

static void all_succeed(void)
{
    for (int i = 0; i < MANY; i++)
        cr_assert_eq(weft_test_run(requests[i]), 0);
}

Test(http_client_many, a_thousand_at_once_are_started_a_few_in_a_turn)
{
    test_client_options((struct weft_http_session_options){.max_requests = MANY});
    start("/hello");
    all_succeed();
    struct weft_http_session_stats stats = weft_http_session_get_stats(test_session);
    cr_assert_eq(stats.requests, MANY);
    cr_assert_eq(stats.attempts, MANY);
    cr_assert_leq(stats.most_started, 32);
    cr_assert_geq(stats.turns, MANY / 32);
    test_client_end();
}

Test(http_client_many, a_limit_is_kept_and_connections_are_shared)
{
    test_client_options((struct weft_http_session_options){.max_requests = 50});
    start("/hello");
    all_succeed();
    cr_assert_leq(weft_http_session_get_stats(test_session).connections, 50);
    test_client_options((struct weft_http_session_options){.max_per_host = 5});
    start("/hello");
    all_succeed();
    cr_assert_leq(weft_http_session_get_stats(test_session).connections, 5);
    test_client_end();
}

Test(http_client_many, a_thousand_are_cancelled_wherever_they_are)
{
    test_client_options((struct weft_http_session_options){.max_requests = 500});
    start("/slow?ms=1000000");
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_MS(50))), 0);
    for (int i = 0; i < MANY; i++)
        weft_cancel(requests[i]);
    for (int i = 0; i < MANY; i++)
        cr_assert_eq(weft_test_run(requests[i]), -ECANCELED);
    cr_assert_eq(weft_http_session_get_stats(test_session).active, 0);
    test_gets("/hello", "hello");
    test_client_end();
}

/* ---- The budget of a tick, a millisecond, by a clock that goes on when it is asked ---- */

static int64_t fake_now, step;

static int64_t fake_clock(void)
{
    return fake_now += step;
}

/* With that many nanoseconds for each call of libcurl's; what a tick does then at most. */
static const struct weft__client_engine *engine_at(int64_t ns_a_call)
{
    step = ns_a_call;
    test_client_options((struct weft_http_session_options){.max_requests = MANY});
    test_session->engine.clock = fake_clock;
    for (int i = 0; i < 200; i++)
        requests[i] = weft_http_get(test_session, "/together?n=200"); /* answered all at once */
    for (int i = 0; i < 200; i++)
        cr_assert_eq(weft_test_run(requests[i]), 0);
    test_seen.together = 0;
    return &test_session->engine;
}

Test(http_client_many, a_tick_does_no_more_than_its_millisecond_allows)
{
    const struct weft__client_engine *engine = engine_at(400000);
    cr_assert_leq(engine->most_started, 4); /* it asks behind the first one, at 0, 0.4, 0.8 */
    cr_assert_leq(engine->most_ready, 3);
    engine = engine_at(2000000);
    cr_assert_leq(engine->most_started, 2);
    cr_assert_leq(engine->most_ready, 1);
    engine = engine_at(0);
    cr_assert_eq(engine->most_started, 32);
    cr_assert_gt(engine->most_ready, 3);
    test_client_end();
}
