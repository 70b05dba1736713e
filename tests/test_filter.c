/* SPDX-License-Identifier: MIT */
/* Filters between a stream and its descriptor: the one of the tests changes each byte, and needs a
 * handshake first. */
#include <criterion/criterion.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/combine.h>
#include <weft/task.h>

#include "net/net.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/net.h"
#include "tests/support/toy_filter.h"
#include "tests/support/trace.h"

TestSuite(filter, .init = weft_test_loop_begin, .timeout = 20);

static int peer;
static char buffer[64 * 1024];
static struct test_toy *toy;

static weft_stream *open_filtered(void)
{
    weft_stream *stream = weft_test_stream(&peer);
    toy = test_toy_greet(stream, peer);
    return stream;
}

static void end(weft_stream *stream)
{
    weft_stream_free(stream);
    cr_assert_eq(test_toy_calls.end, 1, "each filter is ended once: %zu", test_toy_calls.end);
    close(peer);
    weft_test_loop_end();
}

/* What a read gives, as a text. */
static const char *what_comes(weft_stream *stream, size_t size)
{
    int64_t len = weft_test_count(weft_read(stream, buffer, size));
    buffer[len > 0 ? len : 0] = 0;
    return buffer;
}

/* ---- Both ways ---- */

Test(filter, bytes_are_changed_both_ways)
{
    weft_stream *stream = open_filtered();
    test_toy_say(peer, "ping");
    cr_assert_str_eq(what_comes(stream, 100), "ping");
    cr_assert_eq(weft_write(stream, "pong", 4), 0);
    cr_assert_str_eq(test_toy_hear(peer), "pong");
    end(stream);
}

Test(filter, handshake_needs_nobody_who_reads)
{
    weft_stream *stream = weft_test_stream(&peer);
    toy = test_toy_set(stream);
    weft_test_turn();
    cr_assert_str_eq(test_toy_hear(peer), "<");
    weft_test_send_text(peer, "hel");
    weft_test_turn();
    cr_assert(!toy->greeted);
    weft_test_send_text(peer, "lo");
    cr_assert_eq(weft_test_count(weft_ref(toy->ready)), 0);
    end(stream);
}

Test(filter, read_waits_through_the_handshake)
{
    weft_stream *stream = weft_test_stream(&peer);
    toy = test_toy_set(stream);
    weft_future *read = weft_read(stream, buffer, sizeof(buffer));
    weft_test_send_text(peer, "hello");
    weft_test_turn();
    cr_assert(!weft_is_done(read));
    test_toy_say(peer, "now");
    cr_assert_eq(weft_test_count(read), 3);
    cr_assert_eq(memcmp(buffer, "now", 3), 0);
    end(stream);
}

Test(filter, write_before_the_handshake_is_refused_and_changes_nothing)
{
    weft_stream *stream = weft_test_stream(&peer);
    toy = test_toy_set(stream);
    cr_assert_eq(weft_write(stream, "early", 5), -EBUSY);
    cr_assert_eq(weft_write_eof(stream), -EBUSY);
    weft_test_send_text(peer, "hello");
    weft_test_turn();
    cr_assert_eq(weft_write(stream, "late", 4), 0);
    cr_assert_str_eq(test_toy_hear(peer), "<late");
    end(stream);
}

Test(filter, what_had_come_before_it_is_decoded)
{
    weft_stream *stream = weft_test_stream(&peer);
    char record[16];
    weft_test_send_text(peer, "START\nhello");
    weft_test_send(peer, record, test_toy_encode("within", 6, record));
    cr_assert(weft_test_gives(weft_read_line(stream, 0), "START\n"));
    toy = test_toy_set(stream);
    cr_assert_str_eq(what_comes(stream, 100), "within");
    end(stream);
}

Test(filter, what_waits_to_be_sent_goes_before_it)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft__stream_cork(stream);
    cr_assert_eq(weft_write(stream, "GO\n", 3), 0);
    toy = test_toy_set(stream);
    cr_assert_eq(weft_test_receive(peer, buffer, sizeof(buffer)), 0);
    cr_assert_eq(weft__stream_uncork(stream), 0);
    cr_assert_eq(weft_test_receive(peer, buffer, sizeof(buffer)), 8);
    cr_assert_eq(memcmp(buffer, "GO\nhello", 8), 0);
    end(stream);
}

Test(filter, bytes_inside_are_read_though_the_descriptor_is_silent)
{
    weft_stream *stream = open_filtered();
    cr_assert_eq(weft_stream_set_limits(stream, &(struct weft_stream_limits){.read_high = 4}), 0);
    test_toy_say(peer, "0123456789abcdefghij");
    test_toy_say(peer, "klm");
    cr_assert_eq(weft_test_count(weft_read_exactly(stream, buffer, 15)), 15);
    cr_assert_eq(memcmp(buffer, "0123456789abcde", 15), 0);
    for (const char *at = "fghijklm"; *at; at++) {
        weft_test_turn();
        cr_assert_eq(weft_test_count(weft_read(stream, buffer, 1)), 1);
        cr_assert_eq(buffer[0], *at);
    }
    end(stream);
}

Test(filter, buffer_that_is_full_is_not_filled)
{
    weft_stream *stream = open_filtered();
    cr_assert_eq(weft_stream_set_limits(stream, &(struct weft_stream_limits){.read_high = 4}), 0);
    test_toy_say(peer, "0123456789");
    weft_test_turn();
    size_t len, calls = test_toy_calls.receive;
    weft_test_turn();
    cr_assert_not_null(weft_peek(stream, &len));
    cr_assert_eq(len, 4);
    cr_assert_eq(test_toy_calls.receive, calls);
    cr_assert_eq(weft_consume(stream, 4), 0);
    cr_assert_eq(weft_test_count(weft_fill(stream, 3)), 4);
    end(stream);
}

Test(filter, large_read_goes_around_the_buffer)
{
    weft_stream *stream = open_filtered();
    weft_future *read = weft_read(stream, buffer, sizeof(buffer));
    test_toy_say(peer, "one");
    test_toy_say(peer, "two");
    cr_assert_eq(weft_test_count(read), 3);
    cr_assert_str_eq(what_comes(stream, sizeof(buffer) - 1), "two");
    end(stream);
}

/* One that says it has more, and has not, is not asked again and again. */
Test(filter, one_that_promises_too_much_does_not_keep_the_loop_busy)
{
    weft_stream *stream = open_filtered();
    toy->liar = true;
    test_toy_say(peer, "x");
    cr_assert_str_eq(what_comes(stream, 100), "x");
    weft_test_turn();
    size_t calls = test_toy_calls.receive;
    weft_test_turn();
    cr_assert_eq(test_toy_calls.receive, calls);
    weft__companion_filter_wake(&toy->filter);
    weft_test_turn();
    cr_assert_eq(test_toy_calls.receive, calls + 1);
    end(stream);
}

Test(filter, interrupted_recv_is_tried_again)
{
    weft_stream *stream = open_filtered();
    weft_future *read = weft_read(stream, buffer, 10);
    cr_assert(weft__sys_fail("recv", 1, EINTR));
    test_toy_say(peer, "x");
    cr_assert_eq(weft_test_count(read), 1);
    cr_assert(weft__sys_failed("recv"));
    end(stream);
}

/* ---- The peer's end ---- */

Test(filter, goodbye_is_the_end)
{
    weft_stream *stream = open_filtered();
    test_toy_say(peer, "last");
    test_toy_say(peer, "");
    cr_assert_str_eq(what_comes(stream, 100), "last");
    cr_assert_eq(weft_test_count(weft_read(stream, buffer, 10)), 0);
    cr_assert(weft_at_eof(stream));
    end(stream);
}

Test(filter, end_that_was_cut_off_is_a_failure_that_says_so)
{
    weft_stream *stream = open_filtered();
    test_toy_say(peer, "last");
    shutdown(peer, SHUT_WR);
    cr_assert_str_eq(what_comes(stream, 100), "last");
    weft_future *read = weft_read(stream, buffer, 10);
    cr_assert_eq(weft_test_run(weft_ref(read)), WEFT_EPROTO);
    cr_assert_str_eq(weft_message(read), "cut off");
    weft_unref(read);
    cr_assert(!weft_at_eof(stream));
    end(stream);
}

Test(filter, failure_of_the_descriptor_is_the_streams)
{
    weft_stream *stream = open_filtered();
    cr_assert(weft__sys_fail("recv", 1, ECONNRESET));
    test_toy_say(peer, "x");
    cr_assert_eq(weft_test_count(weft_read(stream, buffer, 10)), -ECONNRESET);
    end(stream);
}

/* ---- Writing ---- */

static void make_slow(weft_stream *stream)
{
    cr_assert_eq(setsockopt(stream->fd, SOL_SOCKET, SO_SNDBUF, &(int){4096}, sizeof(int)), 0);
}

Test(filter, drain_waits_for_what_was_encoded)
{
    weft_stream *stream = open_filtered();
    make_slow(stream);
    memset(buffer, 'x', sizeof(buffer));
    for (int i = 0; i < 4; i++)
        cr_assert_eq(weft_write(stream, buffer, sizeof(buffer)), 0);
    cr_assert_gt(weft_write_pending(stream), 64 * 1024);
    weft_future *drain = weft_drain(stream);
    weft_test_turn();
    cr_assert(!weft_is_done(drain));
    size_t got = 0;
    for (long more = 1; more > 0 || weft_write_pending(stream); weft_test_turn()) {
        more = weft_test_receive(peer, buffer, sizeof(buffer));
        got += more > 0 ? (size_t)more : 0;
    }
    cr_assert_eq(weft_test_ended(drain), 0);
    size_t records = (sizeof(buffer) + 254) / 255;
    cr_assert_eq(got, 4 * (sizeof(buffer) + records));
    end(stream);
}

Test(filter, corked_writes_are_collected)
{
    weft_stream *stream = open_filtered();
    weft__stream_cork(stream);
    cr_assert_eq(weft_write(stream, "one", 3), 0);
    cr_assert_eq(weft_write(stream, "two", 3), 0);
    cr_assert_str_eq(test_toy_hear(peer), "");
    cr_assert_eq(weft__stream_uncork(stream), 0);
    cr_assert_str_eq(test_toy_hear(peer), "onetwo");
    weft__stream_cork(stream);
    memset(buffer, 'x', sizeof(buffer));
    cr_assert_eq(weft_write(stream, buffer, sizeof(buffer)), 0);
    cr_assert_gt(weft_test_receive(peer, buffer, sizeof(buffer)), 0, "more than write_high");
    end(stream);
}

Test(filter, failure_to_encode_fails_the_writing_direction)
{
    weft_stream *stream = open_filtered();
    toy->failure = WEFT_EPROTO;
    cr_assert_eq(weft_write(stream, "x", 1), WEFT_EPROTO);
    toy->failure = 0;
    cr_assert_eq(weft_write(stream, "x", 1), WEFT_EPROTO);
    cr_assert_eq(weft_test_count(weft_drain(stream)), WEFT_EPROTO);
    test_toy_say(peer, "still");
    cr_assert_str_eq(what_comes(stream, 100), "still");
    cr_assert_eq(weft_test_count(weft_close(stream)), WEFT_EPROTO);
    end(NULL);
}

Test(filter, failure_fails_all_that_is_under_way)
{
    weft_stream *stream = open_filtered();
    make_slow(stream);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(weft_write(stream, buffer, sizeof(buffer)), 0);
    weft_future *drain = weft_drain(stream);
    weft_future *read = weft_read(stream, buffer, 10);
    weft__companion_filter_fail(&toy->filter, -ETIMEDOUT);
    cr_assert_eq(weft_test_ended(drain), -ETIMEDOUT);
    cr_assert_eq(weft_test_ended(read), -ETIMEDOUT);
    cr_assert_eq(weft_test_count(weft_read(stream, buffer, 10)), -ETIMEDOUT);
    cr_assert_eq(weft_write(stream, "x", 1), -ETIMEDOUT);
    end(stream);
}

/* ---- Half-close and close ---- */

Test(filter, half_close_says_goodbye_and_reading_goes_on)
{
    weft_stream *stream = open_filtered();
    cr_assert_eq(weft_write(stream, "bye", 3), 0);
    cr_assert_eq(weft_write_eof(stream), 0);
    cr_assert_eq(weft_write_eof(stream), 0);
    cr_assert_eq(test_toy_calls.shut_down, 1);
    cr_assert_str_eq(test_toy_hear(peer), "bye>");
    cr_assert_eq(weft_test_receive(peer, buffer, 1), -1);
    cr_assert_eq(weft_write(stream, "x", 1), -EPIPE);
    cr_assert_eq(weft__companion_filter_send(&toy->filter, "x", 1), 0, "dropped");
    cr_assert_eq(weft_write_pending(stream), 0);
    test_toy_say(peer, "still");
    cr_assert_str_eq(what_comes(stream, 100), "still");
    cr_assert_eq(weft_test_ended(weft_close(stream)), 0);
    cr_assert_eq(test_toy_calls.shut_down, 1);
    end(NULL);
}

Test(filter, failure_to_shut_down_is_one_of_the_connection)
{
    weft_stream *stream = open_filtered();
    toy->failure = WEFT_EPROTO;
    cr_assert_eq(weft_write_eof(stream), WEFT_EPROTO);
    cr_assert_eq(weft_test_ended(weft_close(stream)), WEFT_EPROTO);
    end(NULL);
}

Test(filter, close_says_goodbye)
{
    weft_stream *stream = open_filtered();
    cr_assert_eq(weft_write(stream, "bye", 3), 0);
    cr_assert_eq(weft_test_ended(weft_close(stream)), 0);
    cr_assert_str_eq(test_toy_hear(peer), "bye>");
    cr_assert_eq(weft_test_receive(peer, buffer, 1), -1);
    end(NULL);
}

Test(filter, close_waits_for_the_peers_end_and_drops_what_comes)
{
    weft_stream *stream = open_filtered();
    toy->filter.close_timeout = WEFT_S(5);
    test_toy_say(peer, "nobody reads this");
    weft_test_turn();
    weft_future *closed = weft_close(stream);
    weft_test_turn();
    cr_assert_str_eq(test_toy_hear(peer), ">");
    test_toy_say(peer, "nor this");
    weft_test_turn();
    cr_assert(!weft_is_done(closed));
    cr_assert_eq(test_toy_calls.end, 0);
    test_toy_say(peer, "");
    weft_test_turn();
    cr_assert_eq(weft_test_ended(closed), 0);
    end(NULL);
}

Test(filter, close_waits_after_all_was_sent)
{
    weft_stream *stream = open_filtered();
    make_slow(stream);
    toy->filter.close_timeout = WEFT_S(5);
    memset(buffer, 'x', sizeof(buffer));
    cr_assert_eq(weft_write(stream, buffer, sizeof(buffer)), 0);
    weft_future *closed = weft_close(stream);
    weft_ns begun = weft_now();
    long got;
    do {
        got = weft_test_receive(peer, buffer, sizeof(buffer));
        weft_test_turn();
    } while (got >= 0);
    cr_assert(!weft_is_done(closed));
    cr_assert_eq(weft_test_run(closed), 0);
    cr_assert_eq(weft_now() - begun, WEFT_S(5));
    end(NULL);
}

Test(filter, close_does_not_wait_for_an_end_that_has_come)
{
    weft_stream *stream = open_filtered();
    toy->filter.close_timeout = WEFT_S(5);
    test_toy_say(peer, "");
    weft_test_turn();
    cr_assert_eq(weft_test_ended(weft_close(stream)), 0);
    end(NULL);
}

Test(filter, close_within_the_handshake_is_no_failure)
{
    weft_stream *stream = weft_test_stream(&peer);
    toy = test_toy_set(stream);
    cr_assert_eq(weft_test_ended(weft_close(stream)), 0);
    end(NULL);
}

Test(filter, close_that_is_cancelled_is_at_once)
{
    weft_stream *stream = open_filtered();
    toy->filter.close_timeout = WEFT_S(5);
    cr_assert_eq(weft_test_run(weft_wait_for(weft_close(stream), WEFT_S(1))), -ETIMEDOUT);
    cr_assert_eq(test_toy_calls.end_status, -ECANCELED);
    end(NULL);
}

Test(filter, failure_ends_a_close_that_waits)
{
    weft_stream *stream = open_filtered();
    toy->filter.close_timeout = WEFT_S(5);
    weft_future *closed = weft_close(stream);
    weft__companion_filter_fail(&toy->filter, -ETIMEDOUT);
    cr_assert_eq(weft_test_ended(closed), -ETIMEDOUT);
    end(NULL);
}

Test(filter, end_of_the_loop_ends_a_close_that_waits)
{
    weft_stream *stream = open_filtered();
    toy->filter.close_timeout = WEFT_S(5);
    weft_future *closed = weft_close(stream);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(weft_test_ended(closed), -ECANCELED);
    end(NULL);
}

Test(filter, end_of_the_loop_ends_the_filter)
{
    weft_stream *stream = weft_test_stream(&peer);
    toy = test_toy_set(stream);
    weft_future *ready = weft_ref(toy->ready);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(test_toy_calls.end_status, -ECANCELED);
    cr_assert_eq(weft_test_ended(ready), -ECANCELED);
    cr_assert_eq(weft__companion_stream_fd(stream), -1);
    toy = test_toy_new();
    cr_assert_eq(test_toy_start(toy, stream), -ESHUTDOWN);
    end(stream);
}

Test(filter, stream_that_is_freed_ends_its_filter)
{
    weft_stream *stream = weft_test_stream(&peer);
    toy = test_toy_set(stream);
    weft_future *ready = weft_ref(toy->ready);
    weft_stream_free(stream);
    cr_assert_eq(weft_test_ended(ready), WEFT_ECLOSED);
    end(NULL);
}

/* ---- Cancelled reads ---- */

Test(filter, cancelled_reads_lose_no_byte)
{
    weft_stream *stream = open_filtered();
    weft_future *read = weft_read_exactly(stream, buffer, 10);
    test_toy_say(peer, "abc");
    weft_test_turn();
    cr_assert(weft_cancel(read));
    cr_assert_eq(weft_test_ended(read), -ECANCELED);
    read = weft_read_line(stream, 0);
    test_toy_say(peer, "def");
    event_base_loop(weft_loop_base(test_loop), EVLOOP_ONCE | EVLOOP_NONBLOCK);
    cr_assert(weft_cancel(read));
    cr_assert_eq(weft_test_ended(read), -ECANCELED);
    cr_assert_str_eq(what_comes(stream, 100), "abcdef");
    end(stream);
}

/* ---- Misuse ---- */

static int refusal(weft_stream *stream)
{
    return test_toy_start(test_toy_new(), stream);
}

Test(filter, is_refused_where_it_cannot_be)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_future *read = weft_read(stream, buffer, 10);
    cr_assert_eq(refusal(stream), -EBUSY, "a read is under way");
    weft_cancel(read);
    cr_assert_eq(weft_test_ended(read), -ECANCELED);
    toy = test_toy_set(stream);
    cr_assert_eq(refusal(stream), -EBUSY, "there is one");
    cr_assert_null(
        weft__companion_filter_of(stream, &(struct weft__stream_filter_ops){.name = "other"}));

    int other, status, pipe[2];
    weft_stream *ended = weft_test_stream(&other);
    cr_assert_eq(weft_write_eof(ended), 0);
    cr_assert_eq(refusal(ended), -EPIPE);
    weft_stream_free(ended);
    close(other);
    ended = weft_test_stream(&other);
    close(other);
    weft_test_turn();
    cr_assert_eq(refusal(ended), WEFT_EOF);
    weft_stream_free(ended);
    cr_assert_eq(pipe2(pipe, O_CLOEXEC | O_NONBLOCK), 0);
    cr_assert_eq(weft__stream_open_one_way(weft__net_get(test_loop, &status), pipe[0],
                                           WEFT__STREAM_PIPE, false, &ended),
                 0);
    cr_assert_eq(refusal(ended), -EINVAL, "a pipe");
    weft_stream_free(ended);
    close(pipe[1]);
    end(stream);
}

/* ---- Out of memory ---- */

Test(filter, handshake_gets_on_without_memory_and_what_comes_then_waits)
{
    weft_stream *stream = weft_test_stream(&peer);
    toy = test_toy_set(stream);
    weft_test_send_text(peer, "hello");
    test_toy_say(peer, "later");
    weft__buffer_cache_fini(&stream->net->buffers);
    weft_test_heap_fail_at(1);
    event_base_loop(weft_loop_base(test_loop), EVLOOP_ONCE | EVLOOP_NONBLOCK);
    cr_assert(weft_test_heap_failed());
    cr_assert(toy->greeted);
    cr_assert_eq(weft_test_count(weft_ref(toy->ready)), 0);
    cr_assert_str_eq(what_comes(stream, 100), "later");
    end(stream);
}

static int talk(weft_stream *stream)
{
    weft_test_send_text(peer, "hello");
    test_toy_say(peer, "ping");
    int64_t got = weft_test_count(weft_read(stream, buffer, 4096));
    int status = got < 0 ? (int)got : weft_write(stream, "pong", 4);
    if (status == 0)
        status = (int)weft_test_count(weft_drain(stream));
    return status;
}

static int scene(void)
{
    int fds[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    peer = fds[1];
    weft_stream *stream = weft_stream_new(fds[0]);
    toy = stream ? test_toy_new() : NULL;
    int status = toy ? test_toy_start(toy, stream) : -ENOMEM;
    if (toy)
        toy->filter.close_timeout = WEFT_S(1);
    if (status == 0)
        status = talk(stream);
    if (!stream)
        close(fds[0]);
    int closed = stream ? (int)weft_test_count(weft_close(stream)) : 0;
    close(peer);
    return status < 0 ? status : closed;
}

Test(filter, every_lack_of_memory_is_a_failure_and_leaves_nothing)
{
    weft_test_every_lack_of_memory(scene);
    weft_test_loop_end();
}
