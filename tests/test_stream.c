/* SPDX-License-Identifier: MIT */
/* Streams: reading, and their life. test_stream_write.c has the other direction. */
#include <criterion/criterion.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/combine.h>
#include <weft/task.h>

#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/net.h"

TestSuite(stream, .init = weft_test_loop_begin, .timeout = 20);

static int peer;
static char buffer[64 * 1024];

static void end(weft_stream *stream)
{
    weft_stream_free(stream);
    close(peer);
    weft_test_loop_end();
}

/* What a read right now gives, as a text. */
static const char *rest(weft_stream *stream)
{
    int64_t len = weft_test_count(weft_read(stream, buffer, sizeof(buffer) - 1));
    buffer[len > 0 ? len : 0] = 0;
    return buffer;
}

Test(stream, read_gives_what_is_there)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_test_send_text(peer, "hello");
    cr_assert_eq(weft_test_count(weft_read(stream, buffer, 3)), 3);
    cr_assert_eq(memcmp(buffer, "hel", 3), 0);
    cr_assert_str_eq(rest(stream), "lo");
    end(stream);
}

Test(stream, read_waits_for_the_first_byte)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_future *read = weft_read(stream, buffer, sizeof(buffer));
    weft_test_turn();
    cr_assert(!weft_is_done(read));
    weft_test_send_text(peer, "x");
    cr_assert_eq(weft_test_count(read), 1);
    end(stream);
}

Test(stream, read_gives_0_at_the_end_again_and_again)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_test_send_text(peer, "bye");
    shutdown(peer, SHUT_WR);
    cr_assert(!weft_at_eof(stream));
    cr_assert_str_eq(rest(stream), "bye");
    cr_assert_eq(weft_test_count(weft_read(stream, buffer, 10)), 0);
    cr_assert_eq(weft_test_count(weft_read(stream, buffer, 10)), 0);
    cr_assert(weft_at_eof(stream));
    end(stream);
}

Test(stream, read_exactly_waits_for_all_of_it)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_test_send_text(peer, "abc");
    weft_future *read = weft_read_exactly(stream, buffer, 5);
    weft_test_turn();
    cr_assert(!weft_is_done(read));
    weft_test_send_text(peer, "defg");
    cr_assert_eq(weft_test_count(read), 5);
    cr_assert_eq(memcmp(buffer, "abcde", 5), 0);
    cr_assert_str_eq(rest(stream), "fg");
    end(stream);
}

Test(stream, read_exactly_may_ask_for_more_than_the_watermark)
{
    enum { SIZE = 60000 };
    static char sent[SIZE];
    weft_stream *stream = weft_test_stream(&peer);
    cr_assert_eq(weft_stream_set_limits(stream, &(struct weft_stream_limits){.read_high = 100}), 0);
    for (int i = 0; i < SIZE; i++)
        sent[i] = (char)(i % 251);
    weft_test_send(peer, sent, SIZE);
    cr_assert_eq(weft_test_count(weft_read_exactly(stream, buffer, SIZE)), SIZE);
    cr_assert_eq(memcmp(buffer, sent, SIZE), 0);
    end(stream);
}

Test(stream, read_exactly_of_nothing_succeeds)
{
    weft_stream *stream = weft_test_stream(&peer);
    cr_assert_eq(weft_test_count(weft_read_exactly(stream, NULL, 0)), 0);
    cr_assert_eq(weft_test_count(weft_read(stream, buffer, 0)), -EINVAL);
    end(stream);
}

Test(stream, read_exactly_that_meets_the_end_loses_nothing)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_test_send_text(peer, "abc");
    shutdown(peer, SHUT_WR);
    cr_assert_eq(weft_test_count(weft_read_exactly(stream, buffer, 4)), WEFT_EOF);
    cr_assert_str_eq(rest(stream), "abc");
    end(stream);
}

Test(stream, read_line_takes_one_line_and_leaves_the_next)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_test_send_text(peer, "one\ntwo\n\nthr");
    cr_assert(weft_test_gives(weft_read_line(stream, 0), "one\n"));
    cr_assert(weft_test_gives(weft_read_line(stream, 0), "two\n"));
    cr_assert(weft_test_gives(weft_read_line(stream, 0), "\n"));
    weft_future *third = weft_read_line(stream, 0);
    weft_test_turn();
    cr_assert(!weft_is_done(third));
    weft_test_send_text(peer, "ee\n");
    cr_assert(weft_test_gives(third, "three\n"));
    end(stream);
}

Test(stream, last_line_needs_no_end_and_an_empty_one_is_the_end)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_test_send_text(peer, "one\ntwo");
    shutdown(peer, SHUT_WR);
    cr_assert(weft_test_gives(weft_read_line(stream, 0), "one\n"));
    cr_assert(weft_test_gives(weft_read_line(stream, 0), "two"));
    cr_assert(weft_test_gives(weft_read_line(stream, 0), ""));
    end(stream);
}

Test(stream, read_until_finds_a_separator_that_arrives_in_pieces)
{
    weft_stream *stream = weft_test_stream(&peer);
    char separator[] = "\r\n\r\n";
    weft_future *read = weft_read_until(stream, separator, 4, 0);
    separator[0] = '?'; /* it was copied */
    const char *text = "GET /\r\nHost: \r\r\n\r\nbody";
    for (size_t i = 0; i < strlen(text); i++) {
        cr_assert_eq(weft_is_done(read), i >= 18, "at %zu", i);
        weft_test_send(peer, text + i, 1);
        weft_test_turn();
    }
    cr_assert(weft_test_gives(read, "GET /\r\nHost: \r\r\n\r\n"));
    cr_assert_str_eq(rest(stream), "body");
    cr_assert_eq(weft_test_ended(weft_read_until(stream, "", 0, 0)), -EINVAL);
    end(stream);
}

Test(stream, read_until_that_meets_the_end_loses_nothing)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_test_send_text(peer, "no end");
    shutdown(peer, SHUT_WR);
    cr_assert_eq(weft_test_count(weft_read_until(stream, "!", 1, 0)), WEFT_EOF);
    cr_assert_str_eq(rest(stream), "no end");
    end(stream);
}

Test(stream, line_may_be_as_long_as_the_limit_and_no_longer)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_test_send_text(peer, "123\n1234\n");
    cr_assert(weft_test_gives(weft_read_line(stream, 4), "123\n"));
    cr_assert_eq(weft_test_count(weft_read_line(stream, 4)), WEFT_ELIMIT);
    cr_assert(weft_test_gives(weft_read_line(stream, 5), "1234\n"));
    weft_test_send_text(peer, "12345");
    shutdown(peer, SHUT_WR);
    weft_test_turn();
    cr_assert_eq(weft_test_count(weft_read_line(stream, 4)), WEFT_ELIMIT);
    cr_assert_str_eq(rest(stream), "12345");
    end(stream);
}

Test(stream, line_without_end_is_refused_without_waiting_for_the_end)
{
    weft_stream *stream = weft_test_stream(&peer);
    memset(buffer, 'x', sizeof(buffer));
    weft_test_send(peer, buffer, sizeof(buffer));
    cr_assert_eq(weft_test_count(weft_read_line(stream, 1000)), WEFT_ELIMIT);
    cr_assert_eq(weft_test_count(weft_read_line(stream, 50000)), WEFT_ELIMIT);
    cr_assert_eq(weft_test_count(weft_read_exactly(stream, buffer, sizeof(buffer))),
                 sizeof(buffer));
    end(stream);
}

Test(stream, second_read_is_refused)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_future *first = weft_read(stream, buffer, 10);
    cr_assert_eq(weft_test_ended(weft_read_line(stream, 0)), -EBUSY);
    weft_test_send_text(peer, "x");
    cr_assert_eq(weft_test_count(first), 1);
    end(stream);
}

static weft_future *some_read(weft_stream *stream, int kind)
{
    switch (kind) {
    case 0:
        return weft_read_exactly(stream, buffer, 10);
    case 1:
        return weft_read_line(stream, 0);
    case 2:
        return weft_read_until(stream, "--", 2, 0);
    default:
        return weft__stream_wait(stream, 5);
    }
}

Test(stream, cancelled_reads_lose_no_byte)
{
    weft_stream *stream = weft_test_stream(&peer);
    char sent[] = "0123456789";
    for (size_t i = 0; i < 4; i++) {
        weft_future *read = some_read(stream, (int)i);
        weft_test_send(peer, sent + i, 1);
        weft_test_turn();
        cr_assert(weft_cancel(read));
        cr_assert_eq(weft_test_ended(read), -ECANCELED);
    }
    weft_future *read = weft_read(stream, buffer, 1);
    cr_assert_eq(weft_test_ended(read), 0);
    cr_assert_eq(buffer[0], '0');
    cr_assert_str_eq(rest(stream), "123");

    read = weft_read(stream, buffer, sizeof(buffer)); /* one that bypasses the buffer */
    weft_test_turn();
    cr_assert(weft_cancel(read));
    cr_assert_eq(weft_test_ended(read), -ECANCELED);
    weft_test_send_text(peer, "4");
    weft_test_turn();
    cr_assert_str_eq(rest(stream), "4");
    end(stream);
}

Test(stream, timed_out_read_loses_no_byte)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_test_send_text(peer, "par");
    cr_assert_eq(weft_test_run(weft_wait_for(weft_read_line(stream, 0), WEFT_S(60))), -ETIMEDOUT);
    weft_test_send_text(peer, "tial\n");
    cr_assert(weft_test_gives(weft_read_line(stream, 0), "partial\n"));
    end(stream);
}

struct read_task {
    WEFT_FRAME;
    weft_stream *stream;
    int64_t got;
};

static WEFT_ASYNC(read_task)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->got, weft_read(self->stream, buffer, sizeof(buffer)));
    WEFT_RETURN(self->got);
    WEFT_END;
}

Test(stream, cancel_that_comes_after_the_bytes_does_not_lose_them)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_future *task = weft_spawn(read_task, .stream = stream);
    weft_test_turn();
    weft_test_send_text(peer, "saved");
    event_base_loop(weft_loop_base(test_loop),
                    EVLOOP_ONCE | EVLOOP_NONBLOCK); /* the bytes, but no tick */
    cr_assert(!weft_is_done(task));
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_count(task), 5);
    end(stream);
}

Test(stream, stops_reading_at_the_watermark_and_goes_on_below_it)
{
    enum { HIGH = 10000 };
    weft_stream *stream = weft_test_stream(&peer);
    cr_assert_eq(weft_stream_set_limits(stream, &(struct weft_stream_limits){.read_high = HIGH}),
                 0);
    memset(buffer, 'x', sizeof(buffer));
    weft_test_send(peer, buffer, sizeof(buffer));
    weft_test_turn();
    size_t len;
    cr_assert_not_null(weft__stream_peek(stream, &len));
    cr_assert_eq(len, HIGH);
    cr_assert(!event_pending(&stream->read_event, EV_READ, NULL), "or it would spin");
    cr_assert_eq(weft_test_count(weft_read_exactly(stream, buffer, sizeof(buffer))),
                 sizeof(buffer));
    weft_test_send_text(peer, "more");
    cr_assert_str_eq(rest(stream), "more");
    end(stream);
}

Test(stream, idle_stream_holds_no_buffer)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_test_send_text(peer, "request");
    weft_test_turn();
    cr_assert_not_null(stream->in.memory);
    cr_assert_str_eq(rest(stream), "request");
    cr_assert_null(stream->in.memory);
    size_t live = weft_test_heap_live();
    weft_test_send_text(peer, "request");
    weft_test_turn();
    cr_assert_eq(weft_test_heap_live(), live, "the buffer comes from the cache");
    cr_assert_str_eq(rest(stream), "request");
    end(stream);
}

Test(stream, request_and_response_cost_a_recv_and_a_sendmsg)
{
    enum { ROUNDS = 100 };
    weft_stream *stream = weft_test_stream(&peer);
    weft_test_count_calls();
    for (int i = 0; i < ROUNDS; i++) {
        weft_future *line = weft_read_line(stream, 0);
        weft_test_send_text(peer, "request\n");
        cr_assert(weft_test_gives(line, "request\n"));
        cr_assert_eq(weft_write(stream, "response\n", 9), 0);
        cr_assert_eq(weft_test_ended(weft_drain(stream)), 0);
        cr_assert_eq(weft_test_receive(peer, buffer, sizeof(buffer)), 9);
    }
    cr_assert_eq(test_calls.recv, ROUNDS);
    cr_assert_eq(test_calls.sendmsg, ROUNDS);
    cr_assert_eq(test_calls.event_add, 0);
    end(stream);
}

Test(stream, peek_and_consume_need_no_copy)
{
    weft_stream *stream = weft_test_stream(&peer);
    size_t len;
    cr_assert_null(weft__stream_peek(stream, &len));
    cr_assert_eq(len, 0);
    weft_future *more = weft__stream_wait(stream, 0);
    weft_test_send_text(peer, "abcdef");
    cr_assert_eq(weft_test_count(more), 6);
    cr_assert_eq(memcmp(weft__stream_peek(stream, &len), "abcdef", 6), 0);
    weft__stream_consume(stream, 4);
    cr_assert_eq(weft_test_ended(weft__stream_wait(stream, 1)), 0);
    more = weft__stream_wait(stream, 2);
    weft_test_send_text(peer, "g");
    cr_assert_eq(weft_test_count(more), 3);
    shutdown(peer, SHUT_WR);
    cr_assert_eq(weft_test_count(weft__stream_wait(stream, 3)), WEFT_EOF);
    cr_assert(weft__stream_input_ended(stream));
    cr_assert_str_eq(rest(stream), "efg");
    end(stream);
}

/* ---- Failures ---- */

static int recv_errno;

static ssize_t failing_recv(int fd, void *data, size_t size, int flags)
{
    (void)fd;
    (void)data;
    (void)size;
    (void)flags;
    errno = recv_errno;
    return -1;
}

Test(stream, failure_comes_after_the_bytes_before_it)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_test_send_text(peer, "last words");
    weft_test_turn();
    weft__sys.recv = failing_recv;
    recv_errno = ECONNRESET;
    weft_test_send_text(peer, "?");
    weft_test_turn();
    cr_assert_eq(weft_test_count(weft_read_line(stream, 0)), -ECONNRESET);
    cr_assert_str_eq(rest(stream), "last words");
    cr_assert_eq(weft_test_count(weft_read(stream, buffer, 1)), -ECONNRESET);
    end(stream);
}

Test(stream, readiness_without_bytes_is_nothing)
{
    weft_stream *stream = weft_test_stream(&peer);
    int errors[] = {EAGAIN, EINTR};
    ssize_t (*recv_before)(int, void *, size_t, int) = weft__sys.recv;
    weft_future *read = weft_read(stream, buffer, sizeof(buffer));
    weft_test_send_text(peer, "there");
    weft__sys.recv = failing_recv;
    for (int i = 0; i < 2; i++) {
        recv_errno = errors[i];
        weft_test_turn();
        cr_assert(!weft_is_done(read));
    }
    weft__sys.recv = recv_before;
    cr_assert_eq(weft_test_count(read), 5);
    end(stream);
}

static int failing_event_add(struct event *event, const struct timeval *timeout)
{
    (void)event;
    (void)timeout;
    errno = ENOMEM;
    return -1;
}

Test(stream, event_that_cannot_be_added_is_an_error)
{
    int fds[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    weft__sys.event_add = failing_event_add;
    cr_assert_null(weft_stream_new(fds[0]));
    cr_assert_eq(errno, ENOMEM);
    close(fds[0]);
    close(fds[1]);
    weft_test_loop_end();
}

Test(stream, takes_connected_stream_sockets_only)
{
    int fds[2];
    cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
    cr_assert_null(weft_stream_new(fds[0]));
    cr_assert_eq(errno, EINVAL);
    close(fds[0]);
    cr_assert_null(weft_stream_new(fds[0]));
    cr_assert_eq(errno, EBADF);
    close(fds[1]);
    int unconnected = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_null(weft_stream_new(unconnected));
    cr_assert_eq(errno, EINVAL);
    close(unconnected);
    weft_test_loop_end();
}

Test(stream, limits_that_make_no_sense_are_refused)
{
    weft_stream *stream = weft_test_stream(&peer);
    struct weft_stream_limits low_above_high = {.write_low = 10, .write_high = 9};
    struct weft_stream_limits high_above_limit = {.write_high = 10, .write_limit = 9};
    struct weft_stream_limits low_alone = {.write_low = 1 << 20};
    cr_assert_eq(weft_stream_set_limits(stream, &low_above_high), -EINVAL);
    cr_assert_eq(weft_stream_set_limits(stream, &high_above_limit), -EINVAL);
    cr_assert_eq(weft_stream_set_limits(stream, &low_alone), 0);
    cr_assert_eq(weft_stream_set_limits(stream, NULL), 0);
    end(stream);
}

Test(stream, freeing_fails_a_read_under_way)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_future *read = weft_read(stream, buffer, 1);
    weft_stream_free(stream);
    cr_assert_eq(weft_test_ended(read), WEFT_ECLOSED);
    end(NULL);
}

Test(stream, end_of_the_loop_cancels_what_is_under_way)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_future *read = weft_read(stream, buffer, 1);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(weft_test_ended(read), -ECANCELED);
    cr_assert_eq(weft_test_receive(peer, buffer, 1), -1, "the socket is closed");
    cr_assert_eq(weft_test_ended(weft_read(stream, buffer, 1)), -ESHUTDOWN);
    cr_assert_eq(weft_write(stream, "x", 1), -ESHUTDOWN);
    cr_assert_str_eq(weft_stream_local(stream), "?");
    end(stream);
}

Test(stream, stream_nobody_freed_goes_with_the_loop)
{
    cr_assert_not_null(weft_test_stream(&peer));
    close(peer);
    weft_test_loop_end();
}

Test(stream, works_on_a_base_that_the_host_dispatches)
{
    weft_loop_free(test_loop);
    struct event_base *base = event_base_new();
    test_loop = weft_loop_attach(base);
    weft_stream *pair[2];
    weft_test_stream_pair(pair);
    weft_future *task = weft_spawn(read_task, .stream = pair[1]);
    weft_future *line = weft_read_line(pair[0], 0);
    weft_test_turn();
    cr_assert_eq(weft_write(pair[0], "hello", 5), 0);
    while (!weft_is_done(task))
        event_base_loop(base, EVLOOP_ONCE);
    cr_assert_eq(weft_test_count(task), 5);
    cr_assert_eq(weft_write(pair[1], "hello\n", 6), 0);
    while (!weft_is_done(line))
        event_base_loop(base, EVLOOP_ONCE);
    cr_assert(weft_test_gives(line, "hello\n"));
    weft_stream_free(pair[0]);
    weft_stream_free(pair[1]);
    weft_loop_free(test_loop);
    test_loop = NULL;
    event_base_free(base);
    weft_test_loop_end();
}

/* ---- Out of memory ---- */

/* One of everything; true if all of it worked. */
static bool read_it_all(void)
{
    int fds[2];
    bool good = false;
    int status = 0;
    weft_bytes *line = NULL;
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    weft_test_send_text(fds[1], "one\ntwo\n");
    weft_stream *stream = weft_stream_new(fds[0]);
    if (stream) {
        line = weft_test_bytes(weft_read_line(stream, 0), &status);
        good = line && weft_test_count(weft_read_exactly(stream, buffer, 2)) == 2;
        cr_assert(line || status == -ENOMEM);
        good = good && weft_test_count(weft_read(stream, buffer, sizeof(buffer))) == 2;
        good = good && strcmp(weft_stream_peer(stream), "?") != 0;
        good = good && strcmp(weft_stream_local(stream), "?") != 0;
        if (!line) { /* whatever failed, the bytes are still there */
            int64_t len = weft_test_count(weft_read_exactly(stream, buffer, 8));
            cr_assert_eq(len, 8);
            cr_assert_eq(memcmp(buffer, "one\ntwo\n", 8), 0);
        }
    } else {
        cr_assert_eq(errno, ENOMEM);
        close(fds[0]);
    }
    weft_bytes_free(line);
    weft_stream_free(stream);
    close(fds[1]);
    return good;
}

Test(stream, running_out_of_memory_anywhere_is_an_error_that_loses_nothing)
{
    size_t n = 0;
    bool good;
    do {
        weft_test_heap_fail_at(++n);
        good = read_it_all();
        cr_assert(good || weft_test_heap_failed(), "allocation %zu", n);
    } while (weft_test_heap_failed());
    cr_assert(good);
    cr_assert_geq(n, 5);
    weft_test_heap_fail_at(0);
    weft_test_loop_end();
}
