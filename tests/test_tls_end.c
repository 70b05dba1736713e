/* SPDX-License-Identifier: MIT */
/* The end of TLS: meant by the peer or cut off, of one direction or of both, in time. */
#include <criterion/criterion.h>
#include <errno.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/tls/tls.h"
#include "tests/support/loop.h"
#include "tests/support/net.h"
#include "tests/support/tls.h"

TestSuite(tls_end, .init = test_tls_begin, .timeout = 60);

static weft_tls_context *client, *server;
static struct test_pair pair;
static char buffer[64];

static void begin(const struct weft_tls_options *of_server)
{
    client = test_client_context(NULL);
    server = test_server_context(of_server);
    pair = test_handshake(client, server, "example.org");
    cr_assert(test_agreed(&pair) && test_talks(&pair));
}

static void end(void)
{
    test_free(&pair);
    weft_tls_context_unref(client);
    weft_tls_context_unref(server);
    test_tls_end();
}

/* Close a side's socket, without a word. */
static void cut(weft_stream *stream)
{
    shutdown(weft__companion_stream_fd(stream), SHUT_RDWR);
}

/* ---- Cut off, or meant ---- */

Test(tls_end, an_end_that_the_peer_did_not_mean_is_told_apart)
{
    begin(NULL);
    cr_assert_eq(weft_write(pair.client, "the first half", 14), 0);
    cut(pair.client);
    cr_assert_eq(weft_test_count(weft_read_exactly(pair.server, buffer, 14)), 14);
    cr_assert_eq(test_wait_for(weft_read(pair.server, buffer, 1)), WEFT_ETRUNCATED);
    cr_assert(test_says("without the peer's goodbye"));
    cr_assert_eq(test_wait_for(weft_read_line(pair.server, 0)), WEFT_ETRUNCATED);
    cr_assert(!weft_at_eof(pair.server));
    cr_assert_null(weft_tls_info(pair.server));
    end();
}

Test(tls_end, a_line_that_was_cut_off_is_not_taken_for_the_last_one)
{
    begin(NULL);
    cr_assert_eq(weft_write(pair.client, "DELETE FROM t", 13), 0);
    cut(pair.client);
    cr_assert_eq(test_wait_for(weft_read_line(pair.server, 0)), WEFT_ETRUNCATED);
    end();
}

/* OpenSSL's queue of errors is the thread's. */
Test(tls_end, an_error_that_somebody_has_left_harms_nobody)
{
    char record[128];
    begin(NULL);
    cr_assert(test_talks(&pair));
    cr_assert_eq(weft_write(pair.client, "hello\n", 6), 0);
    ssize_t len =
        recv(weft__companion_stream_fd(pair.server), record, sizeof(record), MSG_DONTWAIT);
    int fd = weft__companion_stream_fd(pair.client);
    cr_assert_eq(send(fd, record, 10, 0), 10); /* a read has to wait for the rest */
    ERR_raise(ERR_LIB_SSL, SSL_R_UNEXPECTED_EOF_WHILE_READING);
    cr_assert_eq(test_wait_for(weft_wait_for(weft_read_line(pair.server, 0), WEFT_S(1))),
                 -ETIMEDOUT);
    cr_assert_eq(send(fd, record + 10, (size_t)len - 10, 0), len - 10);
    ERR_raise(ERR_LIB_SSL, SSL_R_UNEXPECTED_EOF_WHILE_READING);
    cr_assert(weft_test_gives(weft_read_line(pair.server, 0), "hello\n"));
    ERR_raise(ERR_LIB_SSL, SSL_R_UNEXPECTED_EOF_WHILE_READING);
    struct test_pair other = test_handshake(client, server, "example.org");
    cr_assert(test_agreed(&other));
    test_free(&other);
    ERR_raise(ERR_LIB_SSL, SSL_R_UNEXPECTED_EOF_WHILE_READING);
    cr_assert_eq(weft_write_eof(pair.client), 0);
    cr_assert_eq(weft_test_count(weft_read(pair.server, buffer, 1)), 0);
    end();
}

Test(tls_end, an_end_that_the_peer_has_meant_is_the_end)
{
    begin(NULL);
    cr_assert_eq(weft_write(pair.client, "the last line", 13), 0);
    cr_assert_eq(weft_write_eof(pair.client), 0);
    cr_assert(weft_test_gives(weft_read_line(pair.server, 0), "the last line"));
    cr_assert_eq(weft_test_count(weft_read(pair.server, buffer, 1)), 0);
    cr_assert(weft_at_eof(pair.server));
    end();
}

Test(tls_end, who_allows_it_gets_an_end_that_was_not_meant_as_an_end)
{
    begin(&(struct weft_tls_options){.flags = WEFT_TLS_ALLOW_TRUNCATION});
    cr_assert_eq(weft_write(pair.client, "all", 3), 0);
    cut(pair.client);
    cr_assert(weft_test_gives(weft_read_line(pair.server, 0), "all"));
    cr_assert(weft_at_eof(pair.server));
    end();
}

Test(tls_end, a_record_that_was_changed_on_the_way_fails_behind_what_came_before)
{
    int raw[2];
    char bytes[512];
    begin(NULL);
    cr_assert_eq(weft_write(pair.client, "good", 4), 0);
    cr_assert_eq(weft_test_count(weft_read_exactly(pair.server, buffer, 4)), 4);
    cr_assert_eq(weft_write(pair.client, "evil", 4), 0);
    raw[0] = weft__companion_stream_fd(pair.server);
    raw[1] = weft__companion_stream_fd(pair.client);
    ssize_t len = recv(raw[0], bytes, sizeof(bytes), 0);
    cr_assert_gt(len, 4);
    bytes[len - 1] ^= 1;
    cr_assert_eq(send(raw[1], bytes, (size_t)len, 0), len);
    cr_assert_eq(test_wait_for(weft_read(pair.server, buffer, 4)), WEFT_ETLS);
    cr_assert_eq(weft_write(pair.server, "x", 1), WEFT_ETLS);
    cr_assert_eq(test_wait_for(weft_drain(pair.server)), WEFT_ETLS);
    cr_assert_eq(test_wait_for(weft_read(pair.client, buffer, 4)), WEFT_ETLS);
    cr_assert(test_says("the server has refused: \"bad record mac\""));
    end();
}

Test(tls_end, a_failure_that_comes_with_bytes_fails_the_next_read)
{
    char bytes[512];
    begin(NULL);
    cr_assert(test_talks(&pair));
    int fd = weft__companion_stream_fd(pair.server);
    cr_assert_eq(weft_write(pair.client, "good", 4), 0);
    ssize_t good = recv(fd, bytes, sizeof(bytes), 0);
    cr_assert_eq(weft_write(pair.client, "evil", 4), 0);
    ssize_t all = good + recv(fd, bytes + good, sizeof(bytes) - (size_t)good, 0);
    cr_assert(good > 4 && all > good + 4);
    bytes[all - 1] ^= 1;
    cr_assert_eq(send(weft__companion_stream_fd(pair.client), bytes, (size_t)all, 0), all);
    cr_assert_eq(weft_test_count(weft_read(pair.server, buffer, sizeof(buffer))), 4);
    cr_assert_eq(test_wait_for(weft_read(pair.server, buffer, 4)), WEFT_ETLS);
    end();
}

/* ---- One direction ---- */

Test(tls_end, the_other_direction_goes_on_behind_the_end_of_one)
{
    begin(NULL);
    cr_assert_eq(weft_write_eof(pair.client), 0);
    cr_assert_eq(weft_write_eof(pair.client), 0);
    cr_assert_eq(weft_write(pair.client, "x", 1), -EPIPE);
    cr_assert_eq(weft_test_count(weft_read(pair.server, buffer, 1)), 0);
    cr_assert_eq(weft_write(pair.server, "an answer\n", 10), 0);
    cr_assert(weft_test_gives(weft_read_line(pair.client, 0), "an answer\n"));
    cr_assert_eq(weft_write_eof(pair.server), 0);
    cr_assert_eq(weft_test_count(weft_read(pair.client, buffer, 1)), 0);
    end();
}

Test(tls_end, a_request_for_new_keys_behind_the_end_harms_nobody)
{
    begin(NULL);
    cr_assert_eq(weft_write_eof(pair.client), 0);
    cr_assert_eq(weft_test_count(weft_read(pair.server, buffer, 1)), 0);
    struct weft__tls *inside =
        (struct weft__tls *)(void *)weft__companion_filter_of(pair.server, &weft__tls_filter_ops);
    cr_assert(SSL_key_update(inside->ssl, SSL_KEY_UPDATE_REQUESTED));
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(weft_write(pair.server, "an answer\n", 10), 0);
        cr_assert(weft_test_gives(weft_read_line(pair.client, 0), "an answer\n"));
    }
    end();
}

/* ---- Closing ---- */

struct ending {
    WEFT_FRAME;
    weft_stream *stream;
};

/* Reads to the end, and closes. */
static WEFT_ASYNC(ending)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_read(self->stream, buffer, sizeof(buffer)));
    WEFT_AWAIT(weft_close(self->stream));
    WEFT_END;
}

Test(tls_end, a_close_ends_when_the_peer_has_closed)
{
    begin(NULL);
    weft_ns before = weft_now();
    weft_future *ended = weft_spawn(ending, .stream = pair.server);
    cr_assert_eq(test_wait_for(weft_close(pair.client)), 0);
    cr_assert_eq(test_wait_for(ended), 0);
    cr_assert_eq(weft_now(), before);
    pair.client = pair.server = NULL;
    end();
}

Test(tls_end, a_close_sends_what_was_written_and_the_goodbye)
{
    begin(NULL);
    cr_assert_eq(weft_write(pair.client, "last words\n", 11), 0);
    weft_future *closed = weft_close(pair.client);
    pair.client = NULL;
    cr_assert(weft_test_gives(weft_read_line(pair.server, 0), "last words\n"));
    cr_assert(weft_test_gives(weft_read_line(pair.server, 0), ""));
    cr_assert(weft_at_eof(pair.server));
    test_free(&pair);
    cr_assert_eq(test_wait_for(closed), 0);
    end();
}

Test(tls_end, a_close_waits_for_a_silent_peer_as_long_as_it_may)
{
    begin(&(struct weft_tls_options){.close_timeout = WEFT_S(3)});
    weft_ns before = weft_now();
    cr_assert_eq(test_wait_for(weft_close(pair.server)), 0);
    pair.server = NULL;
    cr_assert_eq(weft_now() - before, WEFT_S(3));
    end();
}

Test(tls_end, a_close_does_not_wait_where_that_is_not_wanted)
{
    begin(&(struct weft_tls_options){.close_timeout = -1});
    weft_ns before = weft_now();
    cr_assert_eq(test_wait_for(weft_close(pair.server)), 0);
    pair.server = NULL;
    cr_assert_eq(weft_now(), before);
    end();
}

Test(tls_end, a_close_that_is_cancelled_closes_at_once)
{
    begin(NULL);
    weft_future *closed = weft_close(pair.server);
    pair.server = NULL;
    weft_test_turn();
    cr_assert(!weft_is_done(closed));
    weft_cancel(closed);
    cr_assert_eq(test_wait_for(closed), -ECANCELED);
    end();
}

Test(tls_end, a_peer_that_talks_on_does_not_keep_a_close_from_its_end)
{
    begin(&(struct weft_tls_options){.close_timeout = WEFT_S(3)});
    weft_future *closed = weft_close(pair.server);
    pair.server = NULL;
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(weft_write(pair.client, "and another thing\n", 18), 0);
        weft_test_turn();
    }
    weft_ns before = weft_now();
    cr_assert_eq(test_wait_for(closed), 0);
    cr_assert_leq(weft_now() - before, WEFT_S(3));
    end();
}

Test(tls_end, a_stream_that_is_left_to_its_loop_leaves_nothing)
{
    begin(NULL);
    weft_unref(weft_close(pair.server));
    pair = (struct test_pair){0};
    end();
}
