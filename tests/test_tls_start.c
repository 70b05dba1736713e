/* SPDX-License-Identifier: MIT */
/* The beginning of TLS: in the middle of plain text, cut off anywhere, too slow, cancelled,
 * misused. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/testing.h>

#include "net/tls/tls.h"
#include "tests/support/loop.h"
#include "tests/support/net.h"
#include "tests/support/tls.h"

static weft_tls_context *client, *server;
static struct test_pair pair;             /* speaks plainly when a test begins */
static weft_future *connected, *accepted; /* its sides' handshakes */
static weft_stream *stream;               /* has a bare socket for its peer */
static int peer;

static void begin(void)
{
    test_tls_begin();
    client = test_client_context(NULL);
    server = test_server_context(NULL);
    pair = test_plain();
    peer = -1;
}

TestSuite(tls_start, .init = begin, .timeout = 120);

/* ---- The pair's handshake ---- */

static void connect_it(void)
{
    connected = weft_start_tls(pair.client, client, "example.org");
}

static void accept_it(void)
{
    accepted = weft_start_tls(pair.server, server, NULL);
}

static void must_succeed(void)
{
    cr_assert_eq(test_wait_for(connected), 0);
    cr_assert_eq(test_wait_for(accepted), 0);
    cr_assert(test_talks(&pair));
}

/* ---- The stream's ---- */

static weft_future *connect_bare(void)
{
    stream = weft_test_stream(&peer);
    return weft_start_tls(stream, client, "example.org");
}

static weft_future *serve_bare(void)
{
    stream = weft_test_stream(&peer);
    return weft_start_tls(stream, server, NULL);
}

static void free_bare(void)
{
    weft_stream_free(stream);
    if (peer >= 0)
        close(peer);
    stream = NULL;
    peer = -1;
}

static void end(void)
{
    free_bare();
    test_free(&pair);
    weft_tls_context_unref(client);
    weft_tls_context_unref(server);
    test_tls_end();
}

/* ---- After plain text ---- */

Test(tls_start, plain_text_may_go_before)
{
    cr_assert(test_talks(&pair));
    test_shake_hands(&pair, client, server, "example.org");
    cr_assert(test_agreed(&pair) && test_talks(&pair));
    end();
}

Test(tls_start, plain_text_that_waits_to_be_sent_is_sent_first)
{
    enum { SIZE = 900000 };
    static char sent[SIZE], got[SIZE];
    memset(sent, 'x', SIZE);
    cr_assert_eq(weft_write(pair.server, sent, SIZE), 0);
    cr_assert_gt(weft_write_pending(pair.server), 0);
    accept_it();
    cr_assert_eq(weft_test_count(weft_read_exactly(pair.client, got, SIZE)), SIZE);
    cr_assert_eq(memcmp(got, sent, SIZE), 0);
    connect_it();
    must_succeed();
    end();
}

Test(tls_start, what_came_behind_the_request_for_tls_is_refused_by_a_server)
{
    cr_assert_eq(weft_write(pair.client, "STARTTLS\nRSET\n", 14), 0);
    cr_assert(weft_test_gives(weft_read_line(pair.server, 0), "STARTTLS\n"));
    cr_assert_eq(test_wait_for(weft_start_tls(pair.server, server, NULL)), WEFT_EPROTO);
    cr_assert(test_says("came unprotected before TLS began"));
    cr_assert(weft_test_gives(weft_read_line(pair.server, 0), "RSET\n")); /* it is as it was */
    end();
}

Test(tls_start, what_came_behind_the_answer_is_refused_by_a_client)
{
    cr_assert_eq(weft_write(pair.server, "220 ready\n\x16\x03\x03", 13), 0);
    cr_assert(weft_test_gives(weft_read_line(pair.client, 0), "220 ready\n"));
    cr_assert_eq(test_wait_for(weft_start_tls(pair.client, client, "example.org")), WEFT_EPROTO);
    cr_assert(test_says("came unprotected before TLS began"));
    end();
}

Test(tls_start, a_hello_that_came_already_is_taken)
{
    cr_assert_eq(weft_write(pair.client, "PROXY\n", 6), 0);
    connect_it();
    cr_assert(weft_test_gives(weft_read_line(pair.server, 0), "PROXY\n"));
    size_t len;
    weft_peek(pair.server, &len);
    cr_assert_gt(len, 100);
    accept_it();
    must_succeed();
    end();
}

/* What looks like a handshake and is none breaks the handshake, and is never read. */
Test(tls_start, what_is_injected_as_a_handshake_is_not_read_as_text)
{
    char buffer[16];
    cr_assert_eq(weft_write(pair.client, "STARTTLS\n\x16RSET\n", 15), 0);
    cr_assert(weft_test_gives(weft_read_line(pair.server, 0), "STARTTLS\n"));
    cr_assert_eq(test_wait_for(weft_start_tls(pair.server, server, NULL)), WEFT_ETLS);
    cr_assert_eq(test_wait_for(weft_read(pair.server, buffer, 16)), WEFT_ETLS);
    end();
}

/* ---- Cut off ---- */

/* Keep what a client sends first, and what it sends when it has seen the server's answer. */
struct flights {
    char bytes[2][8192];
    size_t len[2];
};

static size_t take_all(int fd, char *buffer, size_t size)
{
    ssize_t len = recv(fd, buffer, size, MSG_DONTWAIT);
    return len > 0 ? (size_t)len : 0;
}

/* A server gets the first `len` bytes of a client's hello, and then the end. */
static void cut_hello(const char *hello, size_t len)
{
    weft_future *started = serve_bare();
    if (len)
        weft_test_send(peer, hello, len);
    weft_test_turn();
    cr_assert(!weft_is_done(started), "%zu", len);
    shutdown(peer, SHUT_WR);
    cr_assert_eq(test_wait_for(started), WEFT_ETRUNCATED, "%zu: %s", len, test_message);
    cr_assert(test_says("the peer has gone in the middle of the handshake"));
    cr_assert_eq(weft_test_count(weft_read(stream, (char[1]){0}, 1)), WEFT_ETRUNCATED);
    cr_assert_eq(weft_write(stream, "x", 1), WEFT_ETRUNCATED);
    free_bare();
}

Test(tls_start, a_client_that_is_cut_off_at_any_byte_is_told_apart)
{
    char hello[2048];
    weft_future *started = connect_bare();
    size_t len = take_all(peer, hello, sizeof(hello));
    cr_assert_gt(len, 100);
    free_bare();
    cr_assert_eq(test_wait_for(started), WEFT_ECLOSED);
    for (size_t at = 0; at < len; at++)
        cut_hello(hello, at);
    end();
}

/* Between a client and a server on bare sockets: the first `most` bytes of the server go through.
 * */
static void cut_answer(size_t most)
{
    char bytes[8192];
    int to_client, to_server;
    weft_stream *streams[2] = {weft_test_stream(&to_client), weft_test_stream(&to_server)};
    connected = weft_start_tls(streams[0], client, "example.org");
    accepted = weft_start_tls(streams[1], server, NULL);
    weft_test_send(to_server, bytes, take_all(to_client, bytes, sizeof(bytes)));
    weft_test_turn();
    size_t len = take_all(to_server, bytes, sizeof(bytes));
    cr_assert_gt(len, most);
    if (most)
        weft_test_send(to_client, bytes, most);
    shutdown(to_client, SHUT_WR);
    cr_assert_eq(test_wait_for(connected), WEFT_ETRUNCATED, "%zu: %s", most, test_message);
    cr_assert(test_says("TLS with example.org (unix:): the peer has gone"));
    shutdown(to_server, SHUT_WR);
    cr_assert_eq(test_wait_for(accepted), WEFT_ETRUNCATED);
    for (size_t i = 0; i < 2; i++)
        weft_stream_free(streams[i]);
    close(to_client);
    close(to_server);
}

Test(tls_start, a_server_that_is_cut_off_at_any_byte_is_told_apart)
{
    for (size_t most = 0; most < 600; most++)
        cut_answer(most);
    end();
}

/* All bytes both ways come one at a time. */
Test(tls_start, a_handshake_may_come_byte_by_byte)
{
    char bytes[8192];
    int ends[2];
    weft_stream *streams[2] = {weft_test_stream(&ends[0]), weft_test_stream(&ends[1])};
    weft_future *started[2] = {weft_start_tls(streams[0], client, "example.org"),
                               weft_start_tls(streams[1], server, NULL)};
    for (size_t from = 0; !weft_is_done(started[0]) || !weft_is_done(started[1]); from ^= 1) {
        size_t len = take_all(ends[from], bytes, sizeof(bytes));
        for (size_t i = 0; i < len; i++) {
            weft_test_send(ends[from ^ 1], bytes + i, 1);
            event_base_loop(weft_loop_base(test_loop), EVLOOP_ONCE | EVLOOP_NONBLOCK);
        }
    }
    cr_assert_eq(test_wait_for(started[0]), 0);
    cr_assert_eq(test_wait_for(started[1]), 0);
    for (size_t i = 0; i < 2; i++) {
        weft_stream_free(streams[i]);
        close(ends[i]);
    }
    end();
}

/* A byte of the server's that is changed on the way is never taken for the truth. */
Test(tls_start, a_handshake_that_is_changed_on_the_way_fails)
{
    for (size_t at = 0; at < 900; at += 7) {
        char bytes[8192];
        int to_client, to_server;
        weft_stream *streams[2] = {weft_test_stream(&to_client), weft_test_stream(&to_server)};
        connected = weft_start_tls(streams[0], client, "example.org");
        accepted = weft_start_tls(streams[1], server, NULL);
        weft_test_send(to_server, bytes, take_all(to_client, bytes, sizeof(bytes)));
        weft_test_turn();
        size_t len = take_all(to_server, bytes, sizeof(bytes));
        bytes[at < len ? at : len - 1] ^= 0x41;
        weft_test_send(to_client, bytes, len);
        shutdown(to_client, SHUT_WR);
        shutdown(to_server, SHUT_WR);
        cr_assert_lt(test_wait_for(connected), 0, "%zu", at);
        cr_assert_lt(test_wait_for(accepted), 0, "%zu", at);
        for (size_t i = 0; i < 2; i++)
            weft_stream_free(streams[i]);
        close(to_client);
        close(to_server);
    }
    end();
}

/* ---- Too slow, cancelled, closed ---- */

Test(tls_start, a_handshake_takes_no_time_by_itself)
{
    weft_ns before = weft_now();
    test_shake_hands(&pair, client, server, "example.org");
    cr_assert(test_agreed(&pair));
    cr_assert_eq(weft_now(), before);
    end();
}

Test(tls_start, a_silent_client_is_given_up_after_the_timeout)
{
    weft_tls_context_unref(server);
    server = test_server_context(&(struct weft_tls_options){.handshake_timeout = WEFT_S(7)});
    weft_future *started = serve_bare();
    weft_ns before = weft_now();
    cr_assert_eq(test_wait_for(started), -ETIMEDOUT);
    cr_assert(test_says("TLS with unix:: the handshake takes too long"));
    cr_assert_eq(weft_now() - before, WEFT_S(7));
    cr_assert_eq(weft_test_count(weft_read(stream, (char[1]){0}, 1)), -ETIMEDOUT);
    end();
}

Test(tls_start, a_connection_outlives_the_deadline_of_its_handshake)
{
    connect_it();
    accept_it();
    must_succeed();
    cr_assert_eq(test_wait_for(weft_sleep(WEFT_S(31))), 0);
    cr_assert(test_talks(&pair));
    end();
}

Test(tls_start, a_read_that_waits_for_a_handshake_in_vain_fails_with_it)
{
    weft_future *started = serve_bare();
    weft_future *line = weft_read_line(stream, 0);
    cr_assert_eq(test_wait_for(started), -ETIMEDOUT);
    cr_assert_eq(test_wait_for(line), -ETIMEDOUT);
    end();
}

Test(tls_start, a_cancel_before_the_first_byte_breaks_the_stream)
{
    weft_future *started = connect_bare();
    weft_cancel(started);
    cr_assert_eq(test_wait_for(started), -ECANCELED);
    cr_assert_eq(weft_write(stream, "x", 1), -ECANCELED);
    end();
}

Test(tls_start, a_cancel_in_the_middle_breaks_the_stream)
{
    accept_it();
    connect_it();
    event_base_loop(weft_loop_base(test_loop), EVLOOP_ONCE | EVLOOP_NONBLOCK);
    cr_assert(!weft_is_done(connected));
    weft_cancel(connected);
    cr_assert_eq(test_wait_for(connected), -ECANCELED);
    cr_assert_eq(weft_test_count(weft_read(pair.client, (char[1]){0}, 1)), -ECANCELED);
    weft_stream_free(pair.client);
    pair.client = NULL;
    cr_assert_lt(test_wait_for(accepted), 0); /* an end, or a reset */
    end();
}

Test(tls_start, a_cancel_that_nobody_follows_up_breaks_the_stream_at_the_deadline)
{
    weft_future *started = serve_bare();
    weft_future *line = weft_read_line(stream, 0);
    weft_cancel(started);
    weft_unref(started);
    cr_assert_eq(test_wait_for(line), -ECANCELED);
    end();
}

Test(tls_start, a_cancel_behind_the_end_changes_nothing)
{
    accept_it();
    connect_it();
    cr_assert_eq(test_wait_for(weft_ref(connected)), 0);
    cr_assert(!weft_cancel(connected));
    weft_unref(connected);
    cr_assert_eq(test_wait_for(accepted), 0);
    cr_assert(test_talks(&pair));
    end();
}

Test(tls_start, a_stream_that_is_freed_in_the_middle_fails_the_handshake)
{
    weft_future *started = serve_bare();
    free_bare();
    cr_assert_eq(test_wait_for(started), WEFT_ECLOSED);
    end();
}

Test(tls_start, a_close_in_the_middle_fails_the_handshake)
{
    weft_future *started = connect_bare();
    cr_assert_eq(test_wait_for(weft_close(stream)), 0);
    cr_assert_eq(test_wait_for(started), WEFT_ECLOSED);
    stream = NULL;
    end();
}

Test(tls_start, a_loop_that_ends_in_the_middle_leaves_nothing)
{
    weft_unref(serve_bare());
    stream = NULL; /* the end of the loop frees it */
    end();
}

Test(tls_start, a_handshake_that_nobody_waits_for_goes_on)
{
    weft_unref(weft_start_tls(pair.server, server, NULL));
    weft_unref(weft_start_tls(pair.client, client, "example.org"));
    weft_test_turn();
    cr_assert(test_talks(&pair));
    cr_assert_eq(test_reports.count, 0);
    end();
}

Test(tls_start, a_failure_that_nobody_looks_at_is_reported)
{
    weft_unref(weft_start_tls(pair.client, client, "example.com"));
    accept_it();
    cr_assert_eq(test_wait_for(accepted), WEFT_ETLS);
    test_free(&pair);
    weft_test_turn();
    cr_assert_eq(test_reports.status, WEFT_ECERT);
    cr_assert_not_null(strstr(test_reports.message, "not for example.com"));
    end();
}

Test(tls_start, a_context_may_be_dropped_in_the_middle)
{
    accept_it();
    connect_it();
    weft_tls_context_unref(client);
    weft_tls_context_unref(server);
    client = server = NULL;
    must_succeed();
    end();
}

/* ---- Misuse ---- */

Test(tls_start, a_write_before_the_handshake_is_done_is_refused)
{
    accept_it();
    connect_it();
    cr_assert_eq(weft_write(pair.client, "x", 1), -EBUSY);
    cr_assert_eq(weft_write_eof(pair.server), -EBUSY);
    cr_assert_null(weft_tls_info(pair.client));
    must_succeed();
    end();
}

Test(tls_start, what_makes_no_sense_is_refused_and_changes_nothing)
{
    static const char *const names[] = {"",    ".example.org", "*.example.org",
                                        "a b", "a/b",          "\xc3\xa4"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        cr_assert_eq(test_wait_for(weft_start_tls(pair.client, client, names[i])), -EINVAL);
    cr_assert_eq(test_wait_for(weft_start_tls(pair.client, client, NULL)), -EINVAL);
    cr_assert(test_says("the server's name is needed"));
    cr_assert_eq(test_wait_for(weft_start_tls(pair.server, server, "example.org")), -EINVAL);
    cr_assert_eq(test_wait_for(weft_start_tls(NULL, client, "example.org")), -EINVAL);
    cr_assert_eq(test_wait_for(weft_start_tls(pair.client, NULL, "example.org")), -EINVAL);
    weft_future *line = weft_read_line(pair.client, 0);
    cr_assert_eq(test_wait_for(weft_start_tls(pair.client, client, "example.org")), -EBUSY);
    weft_cancel(line);
    cr_assert_eq(test_wait_for(line), -ECANCELED);
    cr_assert_eq(test_wait_for(server->ops->start(server, pair.client, false, "x")), -EINVAL);
    cr_assert(test_says("the context is for the other side"));
    cr_assert(test_talks(&pair));
    test_shake_hands(&pair, client, server, "example.org");
    cr_assert(test_agreed(&pair));
    cr_assert_eq(test_wait_for(weft_start_tls(pair.client, client, "example.org")), -EBUSY);
    cr_assert(test_says("it is TLS already"));
    cr_assert(test_talks(&pair));
    end();
}

Test(tls_start, a_stream_that_has_ended_cannot_begin)
{
    cr_assert_eq(weft_write_eof(pair.client), 0);
    weft_test_turn();
    cr_assert_eq(test_wait_for(weft_start_tls(pair.client, client, "example.org")), -EPIPE);
    cr_assert_eq(test_wait_for(weft_start_tls(pair.server, server, NULL)), WEFT_EOF);
    end();
}

Test(tls_start, a_peer_that_is_gone_fails_the_handshake)
{
    stream = weft_test_stream(&peer);
    close(peer);
    peer = -1;
    cr_assert_eq(test_wait_for(weft_start_tls(stream, client, "example.org")), -EPIPE);
    cr_assert(test_says("TLS with example.org (unix:): Broken pipe"));
    end();
}
