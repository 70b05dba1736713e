/* SPDX-License-Identifier: MIT */
/* Connecting with TLS, as far as it is not TLS: a handshake that the test makes. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <weft/connect.h>
#include <weft/resolve.h>
#include <weft/testing.h>
#include <weft/weft.h>

#include "net/stream/filter.h"
#include "tests/support/dial.h"
#include "tests/support/loop.h"
#include "tests/support/names.h"
#include "tests/support/net.h"
#include "tests/support/trace.h"

#define ADDRESS "192.0.2.1:443"

struct weft_tls_context {
    const struct weft__tls_ops *ops;
    int refs;
    weft_future *handshake; /* under way; owned */
    char name[64];
};

static weft_future *start(struct weft_tls_context *context, weft_stream *stream, bool is_server,
                          const char *server_name)
{
    cr_assert_not_null(stream);
    cr_assert(!is_server);
    snprintf(context->name, sizeof(context->name), "%s", server_name ? server_name : "(none)");
    weft_unref(context->handshake);
    context->handshake = weft_future_new();
    return weft_ref(context->handshake);
}

struct stubborn {
    WEFT_FRAME;
    weft_future *until;
    int status;
};

/* A handshake that fails in its own way when it is cancelled. */
static WEFT_ASYNC(stubborn)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, self->until);
    WEFT_FAIL(WEFT_EPROTO, "cut off");
    WEFT_END;
}

static weft_future *start_stubborn(struct weft_tls_context *context, weft_stream *stream,
                                   bool is_server, const char *server_name)
{
    return weft_spawn(stubborn, .until = start(context, stream, is_server, server_name));
}

static void ref(struct weft_tls_context *context)
{
    context->refs++;
}

static void unref(struct weft_tls_context *context)
{
    context->refs--;
}

static const struct weft__tls_ops ops = {.start = start, .ref = ref, .unref = unref};
static struct weft_tls_context tls = {.ops = &ops};
static struct weft_connect_options options = {.tls = &tls};

static void begin(void)
{
    weft_test_loop_begin();
    test_names_begin();
    test_network_begin();
    test_name("secure.test", "192.0.2.1");
    cr_assert_eq(weft_test_run(weft_resolve("secure.test", NULL)), 0);
}

TestSuite(connect_secure, .init = begin, .timeout = 60);

static void end(void)
{
    cr_assert_eq(tls.refs, 0);
    weft_unref(tls.handshake);
    test_network_end();
    weft_test_loop_end();
}

static void settle(void)
{
    cr_assert_eq(weft_testing_run_until_blocked(test_loop), 0);
}

/* A connect that is connected; its handshake is under way. */
static weft_future *handshake_of(const char *address, const char *number)
{
    test_network_answers(number);
    weft_future *connect = weft_connect_with(&options, address);
    settle();
    cr_assert(!weft_is_done(connect));
    cr_assert_not_null(tls.handshake);
    return connect;
}

static void agree(void)
{
    cr_assert_eq(weft_future_resolve(tls.handshake, weft_value_i64(0), NULL), 0);
}

Test(connect_secure, stream_is_given_when_the_handshake_is_done)
{
    weft_value value;
    weft_future *connect = handshake_of("secure.test:https", ADDRESS);
    cr_assert_str_eq(tls.name, "secure.test");
    agree();
    settle();
    cr_assert_eq(weft_future_take(connect, &value), 0);
    cr_assert_str_eq(weft_stream_peer(value.ptr), ADDRESS);
    weft_stream_free(value.ptr);
    weft_unref(connect);
    end();
}

static void check_name(const char *address, const char *number, const char *name)
{
    weft_future *connect = handshake_of(address, number);
    cr_assert_str_eq(tls.name, name);
    cr_assert(weft_cancel(connect));
    cr_assert_eq(weft_test_ended(connect), -ECANCELED);
}

Test(connect_secure, name_is_the_host_of_the_address_or_that_of_the_options)
{
    check_name("192.0.2.7:1", "192.0.2.7:1", "192.0.2.7");
    check_name("[2001:db8::7]:1", "[2001:db8::7]:1", "2001:db8::7");
    check_name("[fe80::1%lo]:1", "[fe80::1%lo]:1", "fe80::1");
    check_name("localhost:1", "127.0.0.1:1", "localhost");
    check_name("Secure.test:1", "192.0.2.1:1", "Secure.test");
    check_name("unix:/x", "unix:/x", "(none)");
    options.server_name = "other.test";
    check_name("192.0.2.7:1", "192.0.2.7:1", "other.test");
    check_name("unix:/x", "unix:/x", "other.test");
    end();
}

Test(connect_secure, handshake_that_fails_is_a_failure_with_its_reason)
{
    test_name("both.test", "192.0.2.1 192.0.2.2");
    cr_assert_eq(weft_test_run(weft_resolve("both.test", NULL)), 0);
    weft_future *connect = handshake_of("both.test:443", ADDRESS);
    cr_assert_eq(weft_future_fail(tls.handshake, WEFT_EPROTO, "the certificate is another's"), 0);
    settle();
    cr_assert_eq(weft_future_status(connect), WEFT_EPROTO);
    cr_assert_str_eq(weft_message(connect),
                     "cannot connect to both.test:443 (" ADDRESS ": the certificate is another's)");
    weft_unref(connect);
    cr_assert(test_network_is_closed(ADDRESS));
    cr_assert_str_eq(test_network_tried(), ADDRESS);
    end();
}

Test(connect_secure, failure_without_a_reason_is_told_by_its_status)
{
    weft_future *connect = handshake_of("secure.test:443", ADDRESS);
    cr_assert_eq(weft_future_fail(tls.handshake, -ECONNRESET, NULL), 0);
    settle();
    cr_assert_str_eq(weft_message(connect),
                     "cannot connect to secure.test:443 (" ADDRESS ": Connection reset by peer)");
    weft_unref(connect);
    end();
}

Test(connect_secure, cancel_ends_the_handshake_and_closes)
{
    weft_future *connect = handshake_of("secure.test:443", ADDRESS);
    cr_assert(weft_cancel(connect));
    cr_assert_eq(weft_test_ended(connect), -ECANCELED);
    cr_assert(weft_is_cancelled(tls.handshake));
    cr_assert(test_network_is_closed(ADDRESS));
    end();
}

Test(connect_secure, failure_of_a_handshake_that_was_given_up_is_not_reported)
{
    static const struct weft__tls_ops stubborn_ops = {
        .start = start_stubborn, .ref = ref, .unref = unref};
    tls.ops = &stubborn_ops;
    weft_future *connect = handshake_of("secure.test:443", ADDRESS);
    cr_assert(weft_cancel(connect));
    cr_assert_eq(weft_test_ended(connect), -ECANCELED);
    settle();
    cr_assert_eq(test_reports.count, 0);
    end();
}

Test(connect_secure, cancel_that_comes_with_the_end_of_the_handshake_is_kept)
{
    weft_future *connect = handshake_of("secure.test:443", ADDRESS);
    agree();
    cr_assert(weft_cancel(connect));
    cr_assert(!weft_is_done(connect));
    settle();
    cr_assert_eq(weft_test_ended(connect), -ECANCELED);
    cr_assert(test_network_is_closed(ADDRESS));
    end();
}

Test(connect_secure, limit_of_all_counts_the_handshake)
{
    options.timeout = WEFT_S(1);
    weft_future *connect = handshake_of("secure.test:443", ADDRESS);
    cr_assert_eq(weft_testing_advance(test_loop, WEFT_S(1) - 1), 0);
    cr_assert(!weft_is_done(connect));
    cr_assert_eq(weft_testing_advance(test_loop, 1), 0);
    cr_assert_eq(weft_future_status(connect), -ETIMEDOUT);
    cr_assert_str_eq(weft_message(connect), "cannot connect to secure.test:443 in time (" ADDRESS
                                            ": no end of the TLS handshake yet)");
    weft_unref(connect);
    cr_assert(test_network_is_closed(ADDRESS));
    end();
}

Test(connect_secure, limit_of_an_attempt_does_not_count_the_handshake)
{
    options.attempt_timeout = WEFT_S(1);
    weft_future *connect = handshake_of("secure.test:443", ADDRESS);
    cr_assert_eq(weft_testing_advance(test_loop, WEFT_S(10)), 0);
    cr_assert(!weft_is_done(connect));
    agree();
    settle();
    cr_assert_eq(weft_test_ended(connect), 0);
    end();
}

Test(connect_secure, losers_are_closed_before_the_handshake)
{
    weft_future *connect = weft_connect_with(&options, "localhost:1");
    cr_assert_eq(weft_testing_advance(test_loop, WEFT_S(1)), 0);
    test_network_connects("[::1]:1");
    settle();
    cr_assert_not_null(tls.handshake);
    cr_assert(test_network_is_closed("127.0.0.1:1"));
    cr_assert(!test_network_is_closed("[::1]:1"));
    weft_cancel(connect);
    weft_unref(connect);
    end();
}

Test(connect_secure, end_of_the_loop_ends_the_handshake)
{
    weft_future *connect = handshake_of("secure.test:443", ADDRESS);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(weft_test_ended(connect), -ECANCELED);
    cr_assert(test_network_is_closed(ADDRESS));
    end();
}

Test(connect_secure, end_of_the_loop_that_comes_with_that_of_the_handshake_leaves_nothing)
{
    weft_future *connect = handshake_of("secure.test:443", ADDRESS);
    agree();
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert(weft_is_done(connect));
    weft_unref(connect);
    cr_assert(test_network_is_closed(ADDRESS));
    end();
}

static int secured(void)
{
    test_network_end();
    options.timeout = WEFT_S(60);
    weft_future *connect = weft_connect_with(&options, ADDRESS);
    settle();
    if (!weft_is_done(connect)) {
        agree();
        settle();
    }
    return weft_test_ended(connect);
}

Test(connect_secure, survives_every_lack_of_memory)
{
    test_network_answers(ADDRESS);
    weft_test_every_lack_of_memory(secured);
    end();
}
