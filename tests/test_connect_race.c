/* SPDX-License-Identifier: MIT */
/* Several addresses, tried beside each other: RFC 8305. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <weft/connect.h>
#include <weft/resolve.h>
#include <weft/testing.h>
#include <weft/weft.h>

#include "core/loop.h"
#include "tests/support/dial.h"
#include "tests/support/loop.h"
#include "tests/support/names.h"
#include "tests/support/net.h"
#include "tests/support/trace.h"

#define V4A "192.0.2.1:80"
#define V4B "192.0.2.2:80"
#define V6A "[2001:db8::1]:80"
#define V6B "[2001:db8::2]:80"

static struct weft_connect_options options;

static void begin(void)
{
    weft_test_loop_begin();
    test_names_begin();
    test_network_begin();
    test_name("two.test", "2001:db8::1 192.0.2.1");
    test_name("four.test", "2001:db8::1 2001:db8::2 192.0.2.1 192.0.2.2");
}

TestSuite(connect_race, .init = begin, .timeout = 60);

static void end(void)
{
    test_network_end();
    weft_test_loop_end();
}

static void settle(void)
{
    cr_assert_eq(weft_testing_run_until_blocked(test_loop), 0);
}

static void pass(weft_ns time)
{
    cr_assert_eq(weft_testing_advance(test_loop, time), 0);
}

/* The name is known, so that it starts with the attempts. */
static weft_future *start(const char *address)
{
    char host[64] = "";
    memcpy(host, address, strcspn(address, ":"));
    if (host[0] != '[')
        cr_assert_eq(weft_test_run(weft_resolve(host, NULL)), 0);
    weft_future *connect = weft_connect_with(&options, address);
    settle();
    return connect;
}

static void check_tried(const char *addresses)
{
    cr_assert_str_eq(test_network_tried(), addresses);
}

/* It is done: a stream to that address, which works. */
static void check_won(weft_future *connect, const char *address)
{
    weft_value value;
    settle();
    cr_assert(weft_is_done(connect));
    cr_assert_eq(weft_future_take(connect, &value), 0, "%s", weft_message(connect));
    cr_assert_str_eq(weft_stream_peer(value.ptr), address);
    weft_test_send_text(test_network_connects(address), "hello\n");
    cr_assert(weft_test_gives(weft_read_line(value.ptr, 0), "hello\n"));
    weft_stream_free(value.ptr);
    weft_unref(connect);
}

static void check_failed(weft_future *connect, int status, const char *message)
{
    settle();
    cr_assert(weft_is_done(connect));
    cr_assert_eq(weft_future_status(connect), status);
    cr_assert_str_eq(weft_message(connect), message);
    weft_unref(connect);
}

/* ---- The order ---- */

Test(connect_race, families_take_turns_beginning_with_the_first)
{
    weft_future *connect = start("four.test:80");
    pass(WEFT_S(1));
    check_tried(V6A " " V4A " " V6B " " V4B);
    weft_cancel(connect);
    weft_unref(connect);
    end();
}

Test(connect_race, family_that_has_more_is_tried_to_its_end)
{
    test_name("uneven.test", "192.0.2.1 192.0.2.2 192.0.2.3 2001:db8::1");
    weft_future *connect = start("uneven.test:80");
    pass(WEFT_S(1));
    check_tried(V4A " " V6A " " V4B " 192.0.2.3:80");
    weft_cancel(connect);
    weft_unref(connect);
    end();
}

Test(connect_race, no_more_than_sixteen_addresses_are_tried)
{
    test_name("many.test",
              "10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5 10.0.0.6 10.0.0.7 10.0.0.8 "
              "10.0.0.9 10.0.0.10 10.0.0.11 10.0.0.12 10.0.0.13 10.0.0.14 10.0.0.15 "
              "10.0.0.16 10.0.0.17");
    weft_future *connect = start("many.test:80");
    pass(WEFT_S(10));
    const char *tried = test_network_tried();
    cr_assert(strstr(tried, "10.0.0.16:80"));
    cr_assert(!strstr(tried, "10.0.0.17:80"));
    weft_cancel(connect);
    weft_unref(connect);
    end();
}

/* ---- When the next one begins ---- */

Test(connect_race, next_one_begins_after_a_quarter_of_a_second)
{
    weft_future *connect = start("two.test:80");
    check_tried(V6A);
    pass(WEFT_MS(250) - 1);
    check_tried(V6A);
    pass(1);
    check_tried(V6A " " V4A);
    cr_assert(!test_network_is_closed(V6A), "both are under way");
    test_network_connects(V4A);
    check_won(connect, V4A);
    cr_assert(test_network_is_closed(V6A), "the loser is closed");
    end();
}

Test(connect_race, one_that_answers_in_time_is_alone)
{
    weft_future *connect = start("two.test:80");
    pass(WEFT_MS(249));
    test_network_connects(V6A);
    check_won(connect, V6A);
    check_tried(V6A);
    pass(WEFT_S(1));
    check_tried(V6A);
    end();
}

Test(connect_race, first_to_answer_wins_though_it_began_before)
{
    weft_future *connect = start("four.test:80");
    pass(WEFT_MS(600));
    check_tried(V6A " " V4A " " V6B);
    test_network_connects(V4A);
    check_won(connect, V4A);
    cr_assert(test_network_is_closed(V6A));
    cr_assert(test_network_is_closed(V6B));
    end();
}

Test(connect_race, failure_begins_the_next_one_at_once)
{
    weft_future *connect = start("two.test:80");
    test_network_fails(V6A);
    settle();
    check_tried(V6A " " V4A);
    test_network_connects(V4A);
    check_won(connect, V4A);
    end();
}

Test(connect_race, failure_beside_another_begins_the_next_one_at_once_and_the_wait_anew)
{
    weft_future *connect = start("four.test:80");
    pass(WEFT_MS(300));
    check_tried(V6A " " V4A);
    test_network_fails(V6A);
    settle();
    check_tried(V6A " " V4A " " V6B);
    pass(WEFT_MS(249));
    check_tried(V6A " " V4A " " V6B);
    pass(WEFT_MS(1));
    check_tried(V6A " " V4A " " V6B " " V4B);
    test_network_connects(V4A);
    check_won(connect, V4A);
    end();
}

Test(connect_race, refusal_at_once_costs_no_wait)
{
    test_network_refuses(V6A, ENETUNREACH);
    test_network_refuses(V4A, ECONNREFUSED);
    test_network_answers(V6B);
    weft_future *connect = start("four.test:80");
    check_tried(V6A " " V4A " " V6B);
    check_won(connect, V6B);
    end();
}

Test(connect_race, delay_is_that_of_the_options)
{
    options.attempt_delay = WEFT_S(2);
    weft_future *connect = start("two.test:80");
    pass(WEFT_S(2) - 1);
    check_tried(V6A);
    pass(1);
    check_tried(V6A " " V4A);
    weft_cancel(connect);
    weft_unref(connect);
    end();
}

Test(connect_race, delay_without_end_is_one_after_the_other)
{
    options.attempt_delay = WEFT_FOREVER;
    options.attempt_timeout = WEFT_S(20);
    weft_future *connect = start("two.test:80");
    pass(WEFT_S(19));
    check_tried(V6A);
    pass(WEFT_S(1));
    check_tried(V6A " " V4A);
    cr_assert(test_network_is_closed(V6A));
    test_network_connects(V4A);
    check_won(connect, V4A);
    end();
}

Test(connect_race, localhost_is_a_race_too)
{
    weft_future *connect = weft_connect("localhost:80");
    pass(WEFT_MS(250));
    check_tried("127.0.0.1:80 [::1]:80");
    test_network_connects("[::1]:80");
    check_won(connect, "[::1]:80");
    end();
}

/* ---- Failures ---- */

Test(connect_race, failure_of_all_names_each_in_the_order_in_which_they_failed)
{
    test_network_refuses(V4B, EHOSTUNREACH);
    weft_future *connect = start("four.test:80");
    pass(WEFT_S(1));
    test_network_fails(V6B);
    settle();
    test_network_fails(V4A);
    settle();
    cr_assert(!weft_is_done(connect));
    test_network_fails(V6A);
    check_failed(connect, -ECONNRESET,
                 "cannot connect to four.test:80 (" V4B ": No route to host; " V6B
                 ": Connection reset by peer; " V4A ": Connection reset by peer; " V6A
                 ": Connection reset by peer)");
    end();
}

Test(connect_race, status_is_that_of_the_last_one)
{
    test_network_refuses(V6A, ENETUNREACH);
    test_network_refuses(V4A, ECONNREFUSED);
    weft_future *connect = start("two.test:80");
    check_failed(connect, -ECONNREFUSED,
                 "cannot connect to two.test:80 (" V6A ": Network is unreachable; " V4A
                 ": Connection refused)");
    end();
}

static int no_event(struct event *event, const struct timeval *timeout)
{
    (void)event;
    (void)timeout;
    errno = EPERM;
    return -1;
}

Test(connect_race, failure_of_the_event_is_one_of_the_attempt)
{
    weft_future *connect = weft_connect(V4A);
    weft_cancel(connect);
    weft_unref(connect);
    weft__sys.event_add = no_event;
    connect = weft_connect(V4A);
    cr_assert(weft_is_done(connect));
    cr_assert_eq(weft_future_status(connect), -EIO);
    weft_unref(connect);
    end();
}

/* ---- Limits of time ---- */

Test(connect_race, attempt_that_takes_too_long_is_closed_and_the_next_one_begins)
{
    options.attempt_timeout = WEFT_MS(100);
    weft_future *connect = start("two.test:80");
    pass(WEFT_MS(100) - 1);
    check_tried(V6A);
    pass(1);
    check_tried(V6A " " V4A);
    cr_assert(test_network_is_closed(V6A));
    pass(WEFT_MS(100));
    check_failed(connect, -ETIMEDOUT,
                 "cannot connect to two.test:80 (" V6A ": Connection timed out; " V4A
                 ": Connection timed out)");
    end();
}

Test(connect_race, each_attempt_has_its_own_limit)
{
    options.attempt_timeout = WEFT_S(1);
    weft_future *connect = start("two.test:80");
    pass(WEFT_S(1));
    cr_assert(test_network_is_closed(V6A));
    cr_assert(!test_network_is_closed(V4A));
    pass(WEFT_MS(249));
    cr_assert(!weft_is_done(connect));
    test_network_connects(V4A);
    check_won(connect, V4A);
    end();
}

Test(connect_race, limit_of_all_names_what_failed_and_what_had_no_answer)
{
    options.timeout = WEFT_S(1);
    weft_future *connect = start("four.test:80");
    test_network_fails(V6A);
    pass(WEFT_S(1) - 1);
    cr_assert(!weft_is_done(connect));
    pass(1);
    check_failed(connect, -ETIMEDOUT,
                 "cannot connect to four.test:80 in time (" V6A ": Connection reset by peer; " V4A
                 ": no answer yet; " V6B ": no answer yet; " V4B ": no answer yet)");
    cr_assert(test_network_is_closed(V4A));
    end();
}

static weft_pool *use_stepped_pool(void)
{
    weft_pool *pool = weft_testing_pool_new(WEFT_TESTING_STEPPED);
    cr_assert_eq(weft_loop_set_pool(test_loop, pool), 0);
    weft_pool_unref(pool);
    return pool;
}

Test(connect_race, limit_of_all_counts_from_the_look_up)
{
    weft_pool *pool = use_stepped_pool();
    options.timeout = WEFT_S(1);
    weft_future *connect = weft_connect_with(&options, "two.test:80");
    pass(WEFT_MS(900));
    cr_assert_eq(weft_testing_pool_step(pool, 1), 1);
    settle();
    check_tried(V6A);
    pass(WEFT_MS(100));
    check_failed(connect, -ETIMEDOUT,
                 "cannot connect to two.test:80 in time (" V6A ": no answer yet)");
    end();
}

Test(connect_race, limit_of_all_ends_the_look_up)
{
    weft_pool *pool = use_stepped_pool();
    options.timeout = WEFT_S(1);
    weft_future *connect = weft_connect_with(&options, "two.test:80");
    pass(WEFT_S(1));
    check_failed(connect, -ETIMEDOUT,
                 "cannot connect to two.test:80 in time (its name is being looked up)");
    cr_assert_eq(weft_testing_pool_step(pool, 1), 0, "it was dropped");
    end();
}

/* ---- Cancel, and the end of the loop ---- */

Test(connect_race, cancel_closes_every_attempt)
{
    weft_future *connect = start("two.test:80");
    pass(WEFT_S(1));
    cr_assert(weft_cancel(connect));
    cr_assert_eq(weft_test_ended(connect), -ECANCELED);
    cr_assert(test_network_is_closed(V6A));
    cr_assert(test_network_is_closed(V4A));
    pass(WEFT_S(10));
    end();
}

Test(connect_race, end_of_the_loop_closes_every_attempt)
{
    weft_future *connect = start("two.test:80");
    pass(WEFT_S(1));
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(weft_test_ended(connect), -ECANCELED);
    cr_assert(test_network_is_closed(V6A));
    cr_assert(test_network_is_closed(V4A));
    end();
}

Test(connect_race, failure_that_nobody_looks_at_is_reported)
{
    weft_future *connect = start("two.test:80");
    weft_unref(connect);
    pass(WEFT_S(1));
    test_network_fails(V6A);
    test_network_fails(V4A);
    settle();
    cr_assert_eq(test_reports.count, 1);
    cr_assert_eq(test_reports.status, -ECONNRESET);
    end();
}

/* ---- Out of memory ---- */

static int race(void)
{
    options = (struct weft_connect_options){.timeout = WEFT_S(60)};
    test_network_end();
    weft_future *connect = weft_connect_with(&options, "localhost:80");
    int status = weft_testing_run_until_blocked(test_loop);
    cr_assert_eq(status, 0);
    pass(WEFT_S(1));
    if (!weft_is_done(connect)) {
        test_network_connects("127.0.0.1:80");
        settle();
    }
    return weft_test_ended(connect);
}

Test(connect_race, survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(race);
    end();
}
