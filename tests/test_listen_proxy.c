/* SPDX-License-Identifier: MIT */
/* Listeners behind a proxy. test_proxy_header.c has the parser. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <weft/combine.h>
#include <weft/http_server.h>
#include <weft/listen.h>

#include "net/listen/listener.h"
#include "net/listen/proxy_header.h"
#include "net/net.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/net.h"
#include "tests/support/server.h"

TestSuite(listen_proxy, .init = weft_test_loop_begin, .timeout = 20);

#define HEADER "PROXY TCP4 192.0.2.1 198.51.100.2 40000 443\r\n"

static const struct weft_listen_options behind_proxy = {.flags = WEFT_LISTEN_PROXY,
                                                        .handshake_timeout = WEFT_S(3)};

/* Says to whom it talks, then the first line that it got. */
struct whoami {
    WEFT_FRAME;
    weft_stream *stream;
    weft_bytes *line;
};

static void say_peer(weft_stream *stream)
{
    const char *peer = weft_stream_peer(stream); /* once: without memory it is "?" */
    weft_write(stream, peer, strlen(peer));
    weft_write(stream, "\n", 1);
}

static WEFT_ASYNC(whoami)
{
    WEFT_BEGIN;
    say_peer(self->stream);
    WEFT_AWAIT_INTO(self->line, weft_read_line(self->stream, 0));
    weft_write(self->stream, self->line->data, self->line->len);
    WEFT_FINALLY;
    weft_bytes_free(self->line);
    WEFT_END;
}

static weft_listener *listen_behind_proxy(const char *address)
{
    weft_listener *listener = weft_listen_with(&behind_proxy, address, whoami);
    cr_assert_not_null(listener, "%s", strerror(errno));
    return listener;
}

static struct weft_listener_stats stats_of(const weft_listener *listener)
{
    struct weft_listener_stats stats;
    weft_listener_get_stats(listener, &stats);
    return stats;
}

/* What the server says to the client of this header, and that it says it to nobody before. */
static void check_peer(const char *address, const char *header, size_t len, const char *peer)
{
    weft_listener *listener = listen_behind_proxy(address);
    int client = weft_test_client(listener);
    weft_test_turn_until_open(listener, 1);
    for (size_t i = 0; i < len; i++) {
        char byte;
        weft_test_turn();
        cr_assert_eq(weft_test_receive(client, &byte, 1), 0, "%zu bytes of %zu", i, len);
        cr_assert_eq(stats_of(listener).beginning, 1);
        weft_test_send(client, header + i, 1);
    }
    weft_test_send_text(client, "GET /\n");
    cr_assert(weft_test_client_gets(client, peer));
    cr_assert(weft_test_client_gets(client, "\nGET /\n"));
    cr_assert(weft_test_client_ends(client));
    cr_assert_eq(stats_of(listener).refused, 0);
    cr_assert_eq(stats_of(listener).beginning, 0);
    close(client);
    weft_test_turn_until_open(listener, 0);
    weft_listener_free(listener);
}

Test(listen_proxy, peer_is_whom_the_header_names)
{
    check_peer("127.0.0.1:0", HEADER, strlen(HEADER), "192.0.2.1:40000");
    weft_test_loop_end();
}

Test(listen_proxy, peer_may_have_a_longer_address_than_the_proxy)
{
    static const char v2[] = "\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24"
                             "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
                             "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\1\0\2";
    char address[64];
    snprintf(address, sizeof(address), "unix:@weft-test-%d", (int)getpid());
    check_peer(address, v2, sizeof(v2) - 1, "[2001:db8::1]:1");
    weft_test_loop_end();
}

Test(listen_proxy, unix_socket_may_be_the_peer)
{
    static char v2[16 + 216] = "\r\n\r\n\0\r\nQUIT\n\x21\x31\0\xd8/run/some";
    check_peer("[::1]:0", v2, sizeof(v2), "unix:/run/some");
    weft_test_loop_end();
}

Test(listen_proxy, proxys_own_connection_is_its_own)
{
    static const char v2[] = "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    weft_listener *listener = listen_behind_proxy("127.0.0.1:0");
    int client = weft_test_client(listener);
    struct weft__address own = {.len = sizeof(own.u)};
    char text[WEFT__ADDRESS_TEXT];
    getsockname(client, &own.u.any, &own.len);
    weft_test_send(client, v2, sizeof(v2) - 1);
    cr_assert(weft_test_client_gets(client, weft__address_format(&own, text)));
    close(client);
    weft_test_turn_until_open(listener, 0);
    weft_listener_free(listener);
    weft_test_loop_end();
}

struct tell_peer {
    WEFT_FRAME;
    weft_http_request *request;
};

static WEFT_ASYNC(tell_peer)
{
    WEFT_BEGIN;
    WEFT_AWAIT(
        weft_http_respondf(self->request, 200, NULL, "%s", weft_http_request_peer(self->request)));
    WEFT_END;
}

Test(listen_proxy, http_request_comes_from_the_client)
{
    struct weft_http_server_options options = {.flags = WEFT_LISTEN_PROXY};
    weft_http_server *server = weft_http_serve_with(&options, "127.0.0.1:0", tell_peer);
    cr_assert_not_null(server);
    weft_listener *listener =
        (weft_listener *)(void *)weft__net_get(test_loop, &(int){0})->listeners;
    int client = weft_test_client(listener);
    weft_test_send_text(client, HEADER "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    char answer[400] = "";
    while (!strstr(answer, "192.0.2.1:40000")) {
        size_t len = strlen(answer);
        cr_assert_geq(weft_test_receive(client, answer + len, sizeof(answer) - len - 1), 0);
        weft_test_turn();
    }
    close(client);
    weft_http_server_free(server);
    weft_test_loop_end();
}

Test(listen_proxy, nobody_is_believed_without_the_option)
{
    weft_listener *listener = weft_listen("127.0.0.1:0", whoami);
    int client = weft_test_client(listener);
    weft_test_send_text(client, HEADER);
    cr_assert(weft_test_client_gets(client, "127.0.0.1:"));
    close(client);
    weft_test_turn_until_open(listener, 0);
    weft_listener_free(listener);
    weft_test_loop_end();
}

Test(listen_proxy, header_and_data_may_come_at_once)
{
    weft_listener *listener = listen_behind_proxy("127.0.0.1:0");
    int client = weft_test_client(listener);
    weft_test_send_text(client, HEADER "GET /\n");
    cr_assert(weft_test_client_gets(client, "192.0.2.1:40000\nGET /\n"));
    cr_assert(weft_test_client_ends(client));
    close(client);
    weft_test_turn_until_open(listener, 0);
    weft_listener_free(listener);
    weft_test_loop_end();
}

Test(listen_proxy, longest_header_is_taken_whatever_the_limits_are)
{
    static char header[WEFT__PROXY_MOST] = "\r\n\r\n\0\r\nQUIT\n\x20\0\xff\xff";
    static const struct weft_stream_limits small = {.read_high = 16};
    struct weft_listen_options options = {.flags = WEFT_LISTEN_PROXY, .limits = &small};
    weft_listener *listener = weft_listen_with(&options, "127.0.0.1:0", whoami);
    int client = weft_test_client(listener);
    for (size_t sent = 0; sent < sizeof(header);) {
        ssize_t some = send(client, header + sent, sizeof(header) - sent, MSG_NOSIGNAL);
        sent += some > 0 ? (size_t)some : 0;
        weft_test_turn();
    }
    weft_test_send_text(client, "GET /\n");
    cr_assert(weft_test_client_gets(client, "127.0.0.1:"));
    close(client);
    weft_test_turn_until_open(listener, 0);
    weft_listener_free(listener);
    weft_test_loop_end();
}

/* ---- Refused ---- */

static void check_refused(const char *bytes, const char *why)
{
    weft_listener *listener = listen_behind_proxy("127.0.0.1:0");
    int client = weft_test_client(listener);
    weft_test_send_text(client, bytes);
    cr_assert(weft_test_client_ends(client));
    weft_test_turn_until_open(listener, 0);
    struct weft_listener_stats stats = stats_of(listener);
    cr_assert_eq(stats.refused, 1);
    cr_assert_eq(stats.accepted, 1);
    cr_assert_eq(stats.failed, 0);
    cr_assert_eq(strncmp(stats.last_refusal, "127.0.0.1:", 10), 0);
    cr_assert_not_null(strstr(stats.last_refusal, why), "%s", stats.last_refusal);
    cr_assert_eq(test_reports.count, 0, "it is no error of the server");
    close(client);
    weft_listener_free(listener);
}

Test(listen_proxy, who_sends_no_header_is_refused_and_counted)
{
    check_refused("GET / HTTP/1.1\r\n\r\n", "no PROXY header");
    check_refused("PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", "ports");
    weft_test_loop_end();
}

Test(listen_proxy, who_leaves_before_the_end_of_the_header_is_refused)
{
    weft_listener *listener = listen_behind_proxy("127.0.0.1:0");
    int client = weft_test_client(listener);
    weft_test_send_text(client, "PROXY TCP4");
    close(client);
    while (!stats_of(listener).refused)
        weft_test_turn();
    cr_assert_not_null(strstr(stats_of(listener).last_refusal, "end of stream"));
    cr_assert_eq(weft_listener_connections(listener), 0);
    weft_listener_free(listener);
    weft_test_loop_end();
}

Test(listen_proxy, who_is_too_slow_is_refused)
{
    weft_listener *listener = listen_behind_proxy("127.0.0.1:0");
    int client = weft_test_client(listener);
    weft_test_turn_until_open(listener, 1);
    weft_ns start = weft_now();
    weft_test_send_text(client, "PROXY ");
    cr_assert_eq(weft_test_run(weft_listener_drain(listener)), 0);
    cr_assert_eq(weft_now() - start, WEFT_S(3), "one limit for all of it");
    cr_assert_not_null(strstr(stats_of(listener).last_refusal, "took too long"));
    cr_assert(weft_test_client_ends(client));
    cr_assert_eq(test_reports.count, 0);
    close(client);
    weft_listener_free(listener);
    weft_test_loop_end();
}

Test(listen_proxy, silent_clients_count_for_the_cap)
{
    struct weft_listen_options options = behind_proxy;
    options.max_connections = 1;
    weft_listener *listener = weft_listen_with(&options, "127.0.0.1:0", whoami);
    int silent = weft_test_client(listener), other = weft_test_client(listener);
    weft_test_turn_until_open(listener, 1);
    weft_test_send_text(other, HEADER "GET /\n");
    weft_test_turn();
    cr_assert_eq(stats_of(listener).accepted, 1);
    weft_test_let_time_pass();
    weft_test_let_time_pass();
    cr_assert(weft_test_client_gets(other, "192.0.2.1:40000\n"));
    close(silent);
    close(other);
    weft_test_turn_until_open(listener, 0);
    weft_listener_free(listener);
    weft_test_loop_end();
}

/* ---- The end, before the task ---- */

static int client_in_its_header(weft_listener *listener)
{
    int client = weft_test_client(listener);
    weft_test_send_text(client, "PROXY ");
    weft_test_turn_until_open(listener, 1);
    weft_test_turn();
    cr_assert_eq(stats_of(listener).beginning, 1);
    return client;
}

Test(listen_proxy, drain_waits_for_who_has_begun)
{
    weft_listener *listener = listen_behind_proxy("127.0.0.1:0");
    int client = client_in_its_header(listener);
    weft_future *drain = weft_listener_drain(listener);
    weft_test_send_text(client, &HEADER[6]);
    cr_assert(weft_test_client_gets(client, "192.0.2.1:40000\n"));
    cr_assert(!weft_is_done(drain));
    close(client);
    cr_assert_eq(weft_test_run(drain), 0);
    weft_listener_free(listener);
    weft_test_loop_end();
}

Test(listen_proxy, abort_ends_a_connection_in_its_header)
{
    weft_listener *listener = listen_behind_proxy("127.0.0.1:0");
    int client = client_in_its_header(listener);
    weft_listener_abort(listener);
    cr_assert_eq(weft_test_run(weft_listener_drain(listener)), 0);
    cr_assert(weft_test_client_ends(client));
    cr_assert_eq(stats_of(listener).refused, 0, "nobody refused it");
    close(client);
    weft_listener_free(listener);
    weft_test_loop_end();
}

Test(listen_proxy, abort_ends_a_connection_whose_header_just_came)
{
    weft_listener *listener = listen_behind_proxy("127.0.0.1:0");
    int client = client_in_its_header(listener);
    weft_test_send_text(client, &HEADER[6]);
    weft_test_poll();
    weft_listener_abort(listener);
    cr_assert_eq(weft_test_run(weft_listener_drain(listener)), 0);
    char byte;
    cr_assert_eq(weft_test_receive(client, &byte, 1), -1, "no task has written");
    close(client);
    weft_listener_free(listener);
    weft_test_loop_end();
}

Test(listen_proxy, freeing_the_listener_ends_a_connection_in_its_header)
{
    for (int polled = 0; polled < 2; polled++) {
        weft_listener *listener = listen_behind_proxy("127.0.0.1:0");
        int client = client_in_its_header(listener);
        weft_test_send_text(client, &HEADER[6]);
        if (polled)
            weft_test_poll();
        weft_listener_free(listener);
        cr_assert(weft_test_client_ends(client));
        close(client);
    }
    weft_test_loop_end();
}

Test(listen_proxy, freeing_the_listener_right_after_accept_ends_the_connection)
{
    weft_listener *listener = listen_behind_proxy("127.0.0.1:0");
    int client = weft_test_client(listener);
    weft_test_poll();
    cr_assert_eq(weft_listener_connections(listener), 1);
    weft_listener_free(listener);
    cr_assert(weft_test_client_ends(client));
    close(client);
    weft_test_loop_end();
}

Test(listen_proxy, end_of_the_loop_ends_a_connection_in_its_header)
{
    weft_listener *listener = listen_behind_proxy("127.0.0.1:0");
    int client = client_in_its_header(listener);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert(weft_test_client_ends(client));
    cr_assert_eq(test_reports.count, 0);
    close(client);
    weft_test_loop_end();
}

Test(listen_proxy, connection_without_memory_is_ended_and_the_next_one_is_served)
{
    weft_listener *listener = listen_behind_proxy("127.0.0.1:0");
    int warm = weft_test_client(listener);
    weft_test_send_text(warm, HEADER);
    cr_assert(weft_test_client_gets(warm, "192.0.2.1:40000\n"));
    bool failed;
    size_t n = 0;
    do {
        int client = weft_test_client(listener);
        weft_test_send_text(client, HEADER);
        weft_future *until_idle = weft_sleep(WEFT_MS(1));
        weft_test_heap_fail_at(++n);
        cr_assert_eq(weft_test_run(until_idle), 0);
        failed = weft_test_heap_failed();
        weft_test_heap_fail_at(0);
        char said[17];
        long got = weft_test_receive(client, said, 16);
        cr_assert(got == 16 || failed, "allocation %zu: %ld", n, got);
        close(client);
        weft_test_let_time_pass();
        weft_test_turn_until_open(listener, 1);
        int next = weft_test_client(listener);
        weft_test_send_text(next, HEADER);
        cr_assert(weft_test_client_gets(next, "192.0.2.1:40000\n"), "after allocation %zu", n);
        close(next);
        weft_test_turn_until_open(listener, 1);
    } while (failed);
    cr_assert_geq(n, 5);
    close(warm);
    weft_test_turn_until_open(listener, 0);
    weft_listener_free(listener);
    weft_test_loop_end();
}
