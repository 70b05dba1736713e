/* SPDX-License-Identifier: MIT */
/* Streams: writing, half-closing, closing. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/combine.h>
#include <weft/task.h>

#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/net.h"

TestSuite(stream_write, .init = weft_test_loop_begin, .timeout = 20);

enum { BIG = 4 << 20 };

static int peer;
static char buffer[64 * 1024];
static char *big;

static weft_stream *open_slow(void)
{
    weft_stream *stream = weft_test_stream(&peer);
    int size = 4096;
    setsockopt(stream->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    return stream;
}

static void fill_big(void)
{
    big = malloc(BIG);
    for (size_t i = 0; i < BIG; i++)
        big[i] = (char)(i * 7 + i / 1000);
}

static void end(weft_stream *stream)
{
    weft_stream_free(stream);
    free(big);
    if (peer >= 0)
        close(peer);
    weft_test_loop_end();
}

/* The peer takes all there is and checks that it goes on as `big` from `from`. Returns how much. */
static size_t receive_big(size_t from)
{
    size_t total = 0;
    long got;
    while ((got = weft_test_receive(peer, buffer, sizeof(buffer))) > 0) {
        cr_assert_eq(memcmp(buffer, big + from + total, (size_t)got), 0);
        total += (size_t)got;
    }
    return total;
}

static bool peer_gets(const char *text)
{
    long got = weft_test_receive(peer, buffer, sizeof(buffer));
    return got == (long)strlen(text) && !memcmp(buffer, text, (size_t)got);
}

Test(stream_write, sends_at_once)
{
    weft_stream *stream = weft_test_stream(&peer);
    cr_assert_eq(weft_write(stream, "hello", 5), 0);
    cr_assert(peer_gets("hello"));
    cr_assert_eq(weft_write(stream, "", 0), 0);
    cr_assert_eq(weft_write_pending(stream), 0);
    cr_assert_eq(weft_test_ended(weft_drain(stream)), 0);
    end(stream);
}

Test(stream_write, drain_waits_for_a_slow_reader_until_the_low_watermark)
{
    weft_stream *stream = open_slow();
    fill_big();
    struct weft_stream_limits limits = {.write_high = 40000, .write_low = 10000};
    cr_assert_eq(weft_stream_set_limits(stream, &limits), 0);
    cr_assert_eq(weft_write(stream, big, 30000), 0);
    cr_assert_eq(weft_test_ended(weft_drain(stream)), 0, "below the high watermark");
    cr_assert_eq(weft_write(stream, big + 30000, 170000), 0);
    size_t pending = weft_write_pending(stream);
    cr_assert_gt(pending, 40000);
    weft_future *drain = weft_drain(stream);
    size_t got = 0;
    while (!weft_is_done(drain)) {
        cr_assert_gt(weft_write_pending(stream), 10000);
        got += receive_big(got);
        weft_test_turn();
    }
    cr_assert_leq(weft_write_pending(stream), 10000);
    cr_assert_eq(weft_test_ended(drain), 0);
    while (got < 200000) {
        got += receive_big(got);
        weft_test_turn();
    }
    cr_assert_eq(got, 200000);
    cr_assert_eq(weft_write_pending(stream), 0);
    cr_assert_null(stream->out.memory);
    end(stream);
}

Test(stream_write, who_never_drains_is_refused_and_nothing_is_torn)
{
    weft_stream *stream = open_slow();
    fill_big();
    enum { PIECE = 4096, LIMIT = 100000 };
    struct weft_stream_limits limits = {.write_limit = LIMIT};
    cr_assert_eq(weft_stream_set_limits(stream, &limits), 0);
    size_t sent = 0;
    int status = 0;
    while (sent < BIG && (status = weft_write(stream, big + sent, PIECE)) == 0)
        sent += PIECE;
    cr_assert_eq(status, -ENOBUFS);
    cr_assert_gt(weft_write_pending(stream), LIMIT);
    cr_assert_leq(weft_write_pending(stream), LIMIT + PIECE);
    cr_assert_leq(stream->out.capacity, 2 * (LIMIT + PIECE));

    size_t got = 0;
    while (weft_write_pending(stream)) {
        got += receive_big(got);
        weft_test_turn();
    }
    cr_assert_eq(weft_write(stream, big + sent, PIECE), 0, "and goes on");
    while (weft_write_pending(stream)) {
        got += receive_big(got);
        weft_test_turn();
    }
    got += receive_big(got);
    cr_assert_eq(got, sent + PIECE);
    end(stream);
}

struct write_task {
    WEFT_FRAME;
    weft_stream *stream;
    size_t at, most_held;
    int status;
};

static WEFT_ASYNC(write_task)
{
    WEFT_BEGIN;
    for (; self->at < BIG; self->at += 8192) {
        self->status = weft_write(self->stream, big + self->at, 8192);
        if (self->status < 0)
            WEFT_FAIL(self->status);
        if (self->stream->out.capacity > self->most_held)
            self->most_held = self->stream->out.capacity;
        WEFT_AWAIT(weft_drain(self->stream));
    }
    WEFT_RETURN(self->most_held);
    WEFT_END;
}

Test(stream_write, writer_that_drains_holds_little_however_much_it_writes)
{
    weft_stream *stream = open_slow();
    fill_big();
    weft_future *task = weft_spawn(write_task, .stream = stream);
    size_t got = 0;
    while (got < BIG) {
        weft_test_turn();
        got += receive_big(got);
    }
    cr_assert_leq(weft_test_count(task), 128 * 1024);
    end(stream);
}

struct counter_task {
    WEFT_FRAME;
    size_t *turns;
};

static WEFT_ASYNC(counter_task)
{
    WEFT_BEGIN;
    for (;;) {
        ++*self->turns;
        WEFT_YIELD;
    }
    WEFT_END;
}

static ssize_t swallow(int fd, const struct msghdr *message, int flags)
{
    (void)fd;
    (void)flags;
    size_t len = 0;
    for (size_t i = 0; i < message->msg_iovlen; i++)
        len += message->msg_iov[i].iov_len;
    return (ssize_t)len;
}

Test(stream_write, writer_to_a_fast_peer_lets_others_run)
{
    weft_stream *stream = weft_test_stream(&peer);
    fill_big();
    weft__sys.sendmsg = swallow;
    size_t turns = 0;
    weft_future *counter = weft_spawn(counter_task, .turns = &turns);
    cr_assert_eq(weft_test_run(weft_spawn(write_task, .stream = stream)), 0);
    cr_assert_geq(turns, BIG / (256 * 1024) - 1);
    weft_cancel(counter);
    weft_unref(counter);
    end(stream);
}

Test(stream_write, second_drain_is_refused_and_a_cancelled_one_takes_nothing_back)
{
    weft_stream *stream = open_slow();
    fill_big();
    cr_assert_eq(weft_write(stream, big, 300000), 0);
    weft_future *drain = weft_drain(stream);
    cr_assert_eq(weft_test_ended(weft_drain(stream)), -EBUSY);
    cr_assert(weft_cancel(drain));
    cr_assert_eq(weft_test_ended(drain), -ECANCELED);
    drain = weft_drain(stream);
    size_t got = 0;
    while (weft_write_pending(stream)) {
        got += receive_big(got);
        weft_test_turn();
    }
    cr_assert_eq(got + receive_big(got), 300000);
    cr_assert_eq(weft_test_ended(drain), 0);
    end(stream);
}

static size_t most_at_once;

static ssize_t send_little(int fd, const struct msghdr *message, int flags)
{
    struct iovec piece = message->msg_iov[0];
    if (piece.iov_len > most_at_once)
        piece.iov_len = most_at_once;
    struct msghdr little = {.msg_iov = &piece, .msg_iovlen = 1};
    return sendmsg(fd, &little, flags);
}

Test(stream_write, pieces_arrive_in_order_wherever_the_kernel_cuts_them)
{
    weft_stream *stream = weft_test_stream(&peer);
    char head[] = "HTTP/1.1 200 OK\r\n", end_of_head[] = "\r\n", body[] = "body";
    struct iovec pieces[] = {{head, 9}, {head, 0}, {head + 9, 8}, {end_of_head, 2}, {body, 4}};
    for (most_at_once = 1; most_at_once < 25; most_at_once++) {
        weft__sys.sendmsg = send_little;
        cr_assert_eq(weft__stream_writev(stream, pieces, 5), 0);
        cr_assert_eq(weft_write(stream, "!", 1), 0);
        while (weft_write_pending(stream))
            weft_test_turn();
        cr_assert(peer_gets("HTTP/1.1 200 OK\r\n\r\nbody!"), "%zu at once", most_at_once);
    }
    end(stream);
}

Test(stream_write, more_pieces_than_one_call_takes_arrive_as_well)
{
    enum { COUNT = 3000 };
    static struct iovec pieces[COUNT];
    weft_stream *stream = weft_test_stream(&peer);
    fill_big();
    for (size_t i = 0; i < COUNT; i++)
        pieces[i] = (struct iovec){big + i * 10, 10};
    cr_assert_eq(weft__stream_writev(stream, pieces, COUNT), 0);
    size_t got = 0;
    while (got < COUNT * 10) {
        weft_test_turn();
        got += receive_big(got);
    }
    cr_assert_eq(got, COUNT * 10);
    end(stream);
}

Test(stream_write, corked_writes_leave_in_one_call)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_test_count_calls();
    weft__stream_cork(stream);
    cr_assert_eq(weft_write(stream, "one ", 4), 0);
    cr_assert_eq(weft_write(stream, "two", 3), 0);
    cr_assert_eq(test_calls.sendmsg, 0);
    cr_assert_eq(weft__stream_uncork(stream), 0);
    cr_assert_eq(test_calls.sendmsg, 1);
    cr_assert(peer_gets("one two"));
    end(stream);
}

Test(stream_write, corked_stream_sends_beyond_the_high_watermark)
{
    weft_stream *stream = weft_test_stream(&peer);
    fill_big();
    weft__stream_cork(stream);
    cr_assert_eq(weft_write(stream, big, 60000), 0);
    cr_assert_eq(receive_big(0), 0);
    cr_assert_eq(weft_write(stream, big + 60000, 20000), 0);
    cr_assert_gt(receive_big(0), 0);
    end(stream);
}

/* ---- The peer goes away ---- */

Test(stream_write, write_to_a_peer_that_is_gone_is_an_error_and_no_signal)
{
    weft_stream *stream = weft_test_stream(&peer);
    close(peer);
    peer = -1;
    cr_assert_eq(weft_write(stream, "x", 1), -EPIPE);
    cr_assert_eq(weft_write(stream, "x", 1), -EPIPE);
    cr_assert_eq(weft__stream_write_error(stream), -EPIPE);
    cr_assert_eq(weft_test_ended(weft_drain(stream)), -EPIPE);
    cr_assert_eq(weft_write_eof(stream), -EPIPE);
    cr_assert_eq(weft_test_ended(weft_close(stream)), -EPIPE);
    end(NULL);
}

Test(stream_write, drain_fails_when_the_peer_goes)
{
    weft_stream *stream = open_slow();
    fill_big();
    cr_assert_eq(weft_write(stream, big, 500000), 0);
    weft_future *drain = weft_drain(stream);
    weft_test_turn();
    cr_assert(!weft_is_done(drain));
    close(peer);
    peer = -1;
    int status = (int)weft_test_count(drain);
    cr_assert(status == -EPIPE || status == -ECONNRESET);
    cr_assert_eq(weft_write_pending(stream), 0, "what nobody will get is dropped");
    end(stream);
}

/* ---- Half-close and close ---- */

Test(stream_write, half_close_follows_what_was_written_and_reading_goes_on)
{
    weft_stream *stream = open_slow();
    fill_big();
    cr_assert_eq(weft_write(stream, big, 100000), 0);
    cr_assert_eq(weft_write_eof(stream), 0);
    cr_assert_eq(weft_write_eof(stream), 0);
    cr_assert_eq(weft_write(stream, "x", 1), -EPIPE);
    size_t got = 0;
    while (weft_write_pending(stream)) {
        got += receive_big(got);
        weft_test_turn();
    }
    got += receive_big(got);
    cr_assert_eq(got, 100000);
    cr_assert_eq(weft_test_receive(peer, buffer, 1), -1, "then the end");
    weft_test_send_text(peer, "still here\n");
    cr_assert(weft_test_gives(weft_read_line(stream, 0), "still here\n"));
    end(stream);
}

Test(stream_write, half_close_with_nothing_to_send_is_at_once)
{
    weft_stream *stream = weft_test_stream(&peer);
    cr_assert_eq(weft_write_eof(stream), 0);
    cr_assert_eq(weft_test_receive(peer, buffer, 1), -1);
    end(stream);
}

Test(stream_write, close_sends_first)
{
    weft_stream *stream = open_slow();
    fill_big();
    cr_assert_eq(weft_write(stream, big, 200000), 0);
    weft_future *read = weft_read(stream, buffer, 1);
    weft_future *drain = weft_drain(stream);
    weft_future *closed = weft_close(stream);
    cr_assert_eq(weft_test_ended(read), WEFT_ECLOSED);
    cr_assert_eq(weft_test_ended(drain), WEFT_ECLOSED);
    size_t got = 0;
    while (!weft_is_done(closed)) {
        got += receive_big(got);
        weft_test_turn();
    }
    cr_assert_eq(weft_test_ended(closed), 0);
    cr_assert_eq(got + receive_big(got), 200000);
    cr_assert_eq(weft_test_receive(peer, buffer, 1), -1);
    end(NULL);
}

Test(stream_write, close_with_nothing_to_send_is_at_once)
{
    weft_stream *stream = weft_test_stream(&peer);
    cr_assert_eq(weft_test_ended(weft_close(stream)), 0);
    cr_assert_eq(weft_test_receive(peer, buffer, 1), -1);
    cr_assert_eq(weft_test_ended(weft_close(NULL)), 0);
    end(NULL);
}

Test(stream_write, close_of_a_corked_stream_sends)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft__stream_cork(stream);
    cr_assert_eq(weft_write(stream, "last", 4), 0);
    cr_assert_eq(weft_test_ended(weft_close(stream)), 0);
    cr_assert(peer_gets("last"));
    end(NULL);
}

Test(stream_write, close_takes_no_longer_than_its_deadline)
{
    weft_stream *stream = open_slow();
    fill_big();
    cr_assert_eq(weft_write(stream, big, 500000), 0);
    cr_assert_eq(weft_test_run(weft_wait_for(weft_close(stream), WEFT_S(5))), -ETIMEDOUT);
    cr_assert_lt(receive_big(0), 500000);
    cr_assert_eq(weft_test_receive(peer, buffer, 1), -1, "closed all the same");
    end(NULL);
}

Test(stream_write, close_nobody_waits_for_goes_on_by_itself)
{
    weft_stream *stream = open_slow();
    fill_big();
    cr_assert_eq(weft_write(stream, big, 200000), 0);
    weft_unref(weft_close(stream));
    size_t got = 0;
    long last = 0;
    while (last >= 0) {
        got += receive_big(got);
        weft_test_turn();
        last = weft_test_receive(peer, buffer, 1);
        got += last > 0;
    }
    cr_assert_eq(got, 200000);
    end(NULL);
}

Test(stream_write, close_fails_when_something_cannot_be_sent)
{
    weft_stream *stream = open_slow();
    fill_big();
    cr_assert_eq(weft_write(stream, big, 500000), 0);
    weft_future *closed = weft_close(stream);
    close(peer);
    peer = -1;
    int status = (int)weft_test_count(closed);
    cr_assert(status == -EPIPE || status == -ECONNRESET);
    end(NULL);
}

Test(stream_write, end_of_the_loop_ends_a_close)
{
    weft_stream *stream = open_slow();
    fill_big();
    cr_assert_eq(weft_write(stream, big, 500000), 0);
    weft_future *closed = weft_close(stream);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(weft_test_ended(closed), -ECANCELED);
    end(NULL);
}

/* ---- Failures that are injected ---- */

static int send_errno;

static ssize_t failing_send(int fd, const struct msghdr *message, int flags)
{
    (void)fd;
    (void)message;
    (void)flags;
    errno = send_errno;
    return -1;
}

Test(stream_write, interrupted_send_is_tried_again)
{
    int errors[] = {EINTR, EAGAIN};
    weft_stream *stream = weft_test_stream(&peer);
    for (int i = 0; i < 2; i++) {
        weft__sys.sendmsg = failing_send;
        send_errno = errors[i];
        cr_assert_eq(weft_write(stream, "later", 5), 0);
        cr_assert_eq(weft_write_pending(stream), 5);
        weft__sys.sendmsg = sendmsg;
        weft_test_turn();
        cr_assert(peer_gets("later"));
    }
    end(stream);
}

static int failing_event_add(struct event *event, const struct timeval *timeout)
{
    (void)event;
    (void)timeout;
    errno = EPERM;
    return -1;
}

Test(stream_write, event_that_cannot_be_added_fails_the_connection)
{
    weft_stream *stream = open_slow();
    fill_big();
    weft__sys.event_add = failing_event_add;
    cr_assert_eq(weft_write(stream, big, 500000), -EIO);
    cr_assert_eq(weft_write(stream, "x", 1), -EIO);
    end(stream);
}

Test(stream_write, out_of_memory_before_anything_is_sent_takes_nothing)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft__stream_cork(stream);
    weft_test_heap_fail_at(1);
    cr_assert_eq(weft_write(stream, "lost", 4), -ENOMEM);
    cr_assert(weft_test_heap_failed());
    cr_assert_eq(weft_write(stream, "sent", 4), 0);
    cr_assert_eq(weft__stream_uncork(stream), 0);
    cr_assert(peer_gets("sent"));
    end(stream);
}

Test(stream_write, out_of_memory_in_the_middle_fails_the_connection)
{
    weft_stream *stream = open_slow();
    fill_big();
    weft_test_heap_fail_at(1);
    cr_assert_eq(weft_write(stream, big, 500000), -ENOMEM);
    cr_assert(weft_test_heap_failed());
    cr_assert_eq(weft_write(stream, "x", 1), -ENOMEM);
    cr_assert_eq(weft_test_ended(weft_close(stream)), -ENOMEM);
    end(NULL);
}

Test(stream_write, out_of_memory_for_an_operation_is_its_failure)
{
    weft_stream *stream = open_slow();
    fill_big();
    cr_assert_eq(weft_write(stream, big, 500000), 0);
    weft_test_heap_fail_at(1);
    cr_assert_eq(weft_test_ended(weft_drain(stream)), -ENOMEM);
    weft_test_heap_fail_at(1);
    cr_assert_eq(weft_test_ended(weft_close(stream)), -ENOMEM);
    cr_assert(weft_test_heap_failed());
    receive_big(0);
    cr_assert_eq(weft_test_receive(peer, buffer, 1), -1, "closed all the same");
    end(NULL);
}
