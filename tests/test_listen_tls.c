/* SPDX-License-Identifier: MIT */
/* Listeners with a context, which is the tests' own here: how they use one. tests/tls.cmake has those
 * with TLS. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/combine.h>
#include <weft/listen.h>

#include "net/listen/listener.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/net.h"
#include "tests/support/server.h"
#include "tests/support/toy_filter.h"

TestSuite(listen_tls, .init = weft_test_loop_begin, .timeout = 20);

struct weft_tls_context {
    const struct weft__tls_ops *ops; /* first */
    int refs;
    enum { GREETS, REFUSES, HANGS } how;
    int started;
};

static weft_future *start(struct weft_tls_context *context, weft_stream *stream, bool is_server,
                          const char *server_name)
{
    cr_assert(is_server);
    cr_assert_null(server_name);
    context->started++;
    if (context->how == REFUSES)
        return weft_future_failed(WEFT_EPROTO, "no common cipher");
    if (context->how == HANGS)
        return weft_future_new();
    struct test_toy *toy = test_toy_new();
    if (!toy)
        return weft_future_failed(-ENOMEM, NULL);
    int status = test_toy_start(toy, stream);
    return status < 0 ? weft_future_failed(status, NULL) : weft_ref(toy->ready);
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
static struct weft_tls_context context = {.ops = &ops};

static weft_listener *listen_with_context(int how, enum weft_listen_flags flags)
{
    struct weft_listen_options options = {
        .tls = &context, .flags = flags, .handshake_timeout = WEFT_S(3)};
    context.how = how == REFUSES ? REFUSES : how == HANGS ? HANGS : GREETS;
    return weft_test_listen_with(&options);
}

static struct weft_listener_stats stats_of(const weft_listener *listener)
{
    struct weft_listener_stats stats;
    weft_listener_get_stats(listener, &stats);
    return stats;
}

static void end(weft_listener *listener)
{
    weft_listener_free(listener);
    weft_test_loop_end();
    cr_assert_eq(context.refs, 0);
}

/* Turn the loop until the client has heard as much, and compare it. */
static bool hears(int client, const char *text)
{
    char said[256] = "";
    for (int i = 0; i < 100 && strlen(said) < strlen(text); i++) {
        strncat(said, test_toy_hear(client), sizeof(said) - strlen(said) - 1);
        weft_test_turn();
    }
    return !strcmp(said, text);
}

Test(listen_tls, task_starts_when_the_handshake_is_done)
{
    weft_listener *listener = listen_with_context(GREETS, WEFT_LISTEN_DEFAULT);
    int client = weft_test_client(listener);
    weft_test_turn_until_open(listener, 1);
    weft_test_turn();
    cr_assert_eq(context.started, 1);
    cr_assert_eq(test_server.started, 0);
    cr_assert_eq(stats_of(listener).beginning, 1);
    weft_test_send_text(client, "hello");
    cr_assert(hears(client, "<hello\n"));
    cr_assert_eq(stats_of(listener).beginning, 0);
    test_toy_say(client, "quit\n");
    cr_assert(hears(client, "quit\n>"), "with a goodbye");
    weft_test_turn_until_open(listener, 0);
    cr_assert_eq(test_toy_calls.end, 1);
    close(client);
    end(listener);
}

Test(listen_tls, clients_address_comes_before_the_handshake)
{
    weft_listener *listener = listen_with_context(GREETS, WEFT_LISTEN_PROXY);
    int client = weft_test_client(listener);
    weft_test_send_text(client, "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nhello");
    cr_assert(hears(client, "<hello\n"));
    close(client);
    weft_test_turn_until_open(listener, 0);

    context.how = REFUSES;
    client = weft_test_client(listener);
    weft_test_send_text(client, "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nhello");
    cr_assert(weft_test_client_ends(client));
    weft_test_turn_until_open(listener, 0);
    cr_assert_str_eq(stats_of(listener).last_refusal, "192.0.2.1:1: no common cipher");
    close(client);
    end(listener);
}

Test(listen_tls, handshake_that_fails_is_counted_and_no_error_of_the_server)
{
    weft_listener *listener = listen_with_context(REFUSES, WEFT_LISTEN_DEFAULT);
    int client = weft_test_client(listener);
    cr_assert(weft_test_client_ends(client));
    weft_test_turn_until_open(listener, 0);
    cr_assert_eq(stats_of(listener).refused, 1);
    cr_assert_eq(stats_of(listener).failed, 0);
    cr_assert_not_null(strstr(stats_of(listener).last_refusal, ": no common cipher"));
    cr_assert_eq(test_reports.count, 0);
    cr_assert_eq(test_server.started, 0);
    close(client);
    context.how = GREETS;
    client = weft_test_client(listener);
    weft_test_send_text(client, "hello");
    cr_assert(hears(client, "<hello\n"), "the next one is served");
    close(client);
    weft_test_turn_until_open(listener, 0);
    end(listener);
}

Test(listen_tls, handshake_has_a_deadline)
{
    weft_listener *listener = listen_with_context(GREETS, WEFT_LISTEN_DEFAULT);
    int client = weft_test_client(listener);
    weft_test_turn_until_open(listener, 1);
    weft_ns started = weft_now();
    cr_assert_eq(weft_test_run(weft_listener_drain(listener)), 0);
    cr_assert_eq(weft_now() - started, WEFT_S(3));
    cr_assert_not_null(strstr(stats_of(listener).last_refusal, "the handshake took too long"));
    cr_assert_eq(test_toy_calls.end, 1);
    cr_assert_eq(test_reports.count, 0);
    close(client);
    end(listener);
}

/* Succeeds after a second, and has written nothing. */
struct doze {
    WEFT_FRAME;
    weft_stream *stream;
};

static WEFT_ASYNC(doze)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_S(1)));
    WEFT_END;
}

Test(listen_tls, goodbye_to_a_client_that_is_gone_is_nobodys_failure)
{
    struct weft_listen_options options = {.tls = &context};
    weft_listener *listener = weft_listen_with(&options, "127.0.0.1:0", doze);
    int client = weft_test_client(listener);
    weft_test_send_text(client, "hello");
    cr_assert(hears(client, "<"));
    struct linger reset = {.l_onoff = 1};
    setsockopt(client, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(client);
    cr_assert_eq(weft_test_run(weft_listener_drain(listener)), 0);
    cr_assert_eq(stats_of(listener).failed, 0);
    cr_assert_eq(test_reports.count, 0, "%s", test_reports.what);
    end(listener);
}

static int client_in_its_handshake(weft_listener *listener)
{
    int client = weft_test_client(listener);
    weft_test_turn_until_open(listener, 1);
    weft_test_turn();
    cr_assert_eq(stats_of(listener).beginning, 1);
    return client;
}

Test(listen_tls, abort_ends_a_handshake)
{
    for (int how = GREETS; how <= HANGS; how += HANGS) {
        weft_listener *listener = listen_with_context(how, WEFT_LISTEN_DEFAULT);
        int client = client_in_its_handshake(listener);
        weft_listener_abort(listener);
        cr_assert_eq(weft_test_run(weft_listener_drain(listener)), 0);
        cr_assert_eq(stats_of(listener).refused, 0);
        close(client);
        weft_listener_free(listener);
    }
    end(NULL);
}

Test(listen_tls, freeing_the_listener_ends_a_handshake)
{
    for (int how = GREETS; how <= HANGS; how += HANGS) {
        weft_listener *listener = listen_with_context(how, WEFT_LISTEN_DEFAULT);
        int client = client_in_its_handshake(listener);
        weft_listener_free(listener);
        while (recv(client, &(char[8]){0}, 8, 0) != 0)
            weft_test_turn();
        close(client);
    }
    end(NULL);
}

Test(listen_tls, end_of_the_loop_ends_a_handshake)
{
    weft_listener *listener = listen_with_context(GREETS, WEFT_LISTEN_DEFAULT);
    int client = client_in_its_handshake(listener);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(test_toy_calls.end, 1);
    cr_assert_eq(test_reports.count, 0);
    close(client);
    end(listener);
}

Test(listen_tls, context_is_kept_as_long_as_the_listener_and_not_by_one_that_failed)
{
    weft_listener *listener = listen_with_context(GREETS, WEFT_LISTEN_DEFAULT);
    cr_assert_eq(context.refs, 1);
    struct weft_listen_options options = {.tls = &context};
    cr_assert_null(weft_listen_with(&options, weft_listener_address(listener), echo));
    cr_assert_eq(context.refs, 1);
    weft__sys_fail("event_add", 1, ENOMEM);
    cr_assert_null(weft_listen_with(&options, "127.0.0.1:0", echo));
    cr_assert_eq(context.refs, 1);
    end(listener);
}

Test(listen_tls, handshake_without_memory_ends_the_connection_and_the_next_one_is_served)
{
    weft_listener *listener = listen_with_context(GREETS, WEFT_LISTEN_DEFAULT);
    int warm = weft_test_client(listener);
    weft_test_send_text(warm, "hello");
    cr_assert(hears(warm, "<hello\n"));
    bool failed;
    size_t n = 0;
    do {
        int client = weft_test_client(listener);
        weft_test_send_text(client, "hello");
        weft_future *until_idle = weft_sleep(WEFT_MS(1));
        weft_test_heap_fail_at(++n);
        cr_assert_eq(weft_test_run(until_idle), 0);
        failed = weft_test_heap_failed();
        weft_test_heap_fail_at(0);
        cr_assert(failed || hears(client, "<hello\n"), "allocation %zu", n);
        close(client);
        weft_test_let_time_pass();
        weft_test_let_time_pass();
        weft_test_turn_until_open(listener, 1);
    } while (failed);
    cr_assert_geq(n, 5);
    close(warm);
    weft_test_turn_until_open(listener, 0);
    end(listener);
}
