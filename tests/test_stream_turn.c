/* SPDX-License-Identifier: MIT */
/* Streams: what comes is read in the turn of who waits for it, and what may happen before that. */
#include <criterion/criterion.h>
#include <errno.h>
#include <event2/event.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/task.h>

#include "core/loop.h"
#include "tests/support/loop.h"
#include "tests/support/net.h"

TestSuite(stream_turn, .init = weft_test_loop_begin, .timeout = 20);

static int peer;
static char buffer[64 * 1024];

static void end(weft_stream *stream)
{
    weft_stream_free(stream);
    close(peer);
    weft_test_loop_end();
}

/* libevent has seen that there is something, and nobody had a turn since. */
static void poll_only(void)
{
    event_base_loop(weft_loop_base(test_loop), EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

/* ---- The order ---- */

static char trace[16];
static struct weft__sys real;

static ssize_t traced_recv(int fd, void *data, size_t size, int flags)
{
    strncat(trace, "r", sizeof(trace) - strlen(trace) - 1);
    return real.recv(fd, data, size, flags);
}

static ssize_t traced_sendmsg(int fd, const struct msghdr *message, int flags)
{
    strncat(trace, "s", sizeof(trace) - strlen(trace) - 1);
    return real.sendmsg(fd, message, flags);
}

struct answer {
    WEFT_FRAME;
    weft_stream *stream;
    int64_t len;
    char data[16];
};

struct answer_timeless {
    WEFT_FRAME;
    weft_stream *stream;
    int64_t len;
    char data[16];
};

static WEFT_ASYNC(answer)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->len, weft_read(self->stream, self->data, sizeof(self->data)));
    weft_write(self->stream, self->data, (size_t)self->len);
    WEFT_END;
}

/* However slow the machine is. */
static WEFT_ASYNC(answer_timeless)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->len, weft_read(self->stream, self->data, sizeof(self->data)));
    weft_write(self->stream, self->data, (size_t)self->len);
    test_loop->polled_at = WEFT_FOREVER;
    WEFT_END;
}

Test(stream_turn, each_connection_is_read_and_answered_before_the_next)
{
    int other;
    weft_stream *streams[2] = {weft_test_stream(&peer), weft_test_stream(&other)};
    weft_future *tasks[2];
    for (int i = 0; i < 2; i++)
        tasks[i] = weft_spawn(answer, .stream = streams[i]);
    weft_test_turn();
    real = weft__sys;
    weft__sys.recv = traced_recv;
    weft__sys.sendmsg = traced_sendmsg;
    weft_test_send_text(peer, "one");
    weft_test_send_text(other, "two");
    poll_only();
    cr_assert_str_eq(trace, "", "nothing is read before its turn");
    for (int i = 0; i < 2; i++)
        cr_assert_eq(weft_test_run(tasks[i]), 0);
    cr_assert_str_eq(trace, "rsrs");
    weft_stream_free(streams[1]);
    close(other);
    end(streams[0]);
}

Test(stream_turn, comes_once_however_often_it_was_announced)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_future *read = weft_read(stream, buffer, sizeof(buffer));
    weft_test_count_calls();
    weft_test_send_text(peer, "once");
    poll_only();
    poll_only();
    cr_assert_eq(weft_test_count(read), 4);
    cr_assert_eq(test_calls.recv, 1);
    end(stream);
}

Test(stream_turn, in_vain_leaves_the_read_waiting)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_future *read = weft_read(stream, buffer, sizeof(buffer));
    weft_test_send_text(peer, "gone");
    poll_only();
    cr_assert_eq(recv(stream->fd, buffer, sizeof(buffer), 0), 4);
    weft_test_turn();
    cr_assert(!weft_is_done(read));
    weft_test_send_text(peer, "here");
    cr_assert_eq(weft_test_count(read), 4);
    cr_assert_eq(memcmp(buffer, "here", 4), 0);
    end(stream);
}

Test(stream_turn, is_for_the_one_who_waits_then)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_future *first = weft_read_exactly(stream, buffer, 10);
    weft_test_send_text(peer, "abc");
    poll_only();
    cr_assert(weft_cancel(first));
    cr_assert_eq(weft_test_ended(first), -ECANCELED);
    cr_assert_eq(weft_test_count(weft_read(stream, buffer, sizeof(buffer))), 3);
    end(stream);
}

enum { CONNECTIONS = 300 };

static weft_stream *streams[CONNECTIONS];
static int peers[CONNECTIONS];
static unsigned answered;

static uint64_t polls(void)
{
    struct weft_loop_stats stats;
    weft_loop_get_stats(test_loop, &stats);
    return stats.polls;
}

static void note_answer(weft_future *future, void *arg)
{
    (void)future;
    (void)arg;
    if (++answered == CONNECTIONS)
        weft_loop_stop(test_loop);
}

/* How many polls it takes to answer all. */
static uint64_t ask_all(void)
{
    answered = 0;
    for (int i = 0; i < CONNECTIONS; i++)
        cr_assert_eq(
            weft_then(weft_spawn(answer_timeless, .stream = streams[i]), note_answer, NULL), 0);
    weft_test_turn();
    for (int i = 0; i < CONNECTIONS; i++)
        weft_test_send_text(peers[i], "asked");
    uint64_t before = polls();
    cr_assert_eq(weft_loop_run(test_loop), 0);
    return polls() - before;
}

/* Else all that wait for their turn would be found again, and again. */
Test(stream_turn, of_all_that_a_poll_has_found_comes_before_the_next_poll)
{
    for (int i = 0; i < CONNECTIONS; i++)
        streams[i] = weft_test_stream(&peers[i]);
    for (int i = 0; i < 4; i++)
        ask_all(); /* libevent takes few events at first, and then ever more */
    cr_assert_leq(ask_all(), 2);
    for (int i = 0; i < CONNECTIONS; i++) {
        weft_stream_free(streams[i]);
        close(peers[i]);
    }
    weft_test_loop_end();
}

/* ---- Before it ---- */

Test(stream_turn, cancel_before_it_gets_what_has_come)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_future *read = weft_read(stream, buffer, sizeof(buffer));
    weft_test_send_text(peer, "saved");
    poll_only();
    cr_assert(weft_cancel(read));
    cr_assert_eq(weft_test_count(read), 5);
    end(stream);
}

Test(stream_turn, cancel_before_it_gets_the_end_that_has_come)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_future *read = weft_read(stream, buffer, sizeof(buffer));
    shutdown(peer, SHUT_WR);
    poll_only();
    cr_assert(weft_cancel(read));
    cr_assert_eq(weft_test_count(read), 0);
    cr_assert(weft_at_eof(stream));
    end(stream);
}

Test(stream_turn, cancel_before_it_is_a_cancel_when_nothing_has_come)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_future *read = weft_read(stream, buffer, sizeof(buffer));
    weft_test_send_text(peer, "gone");
    poll_only();
    cr_assert_eq(recv(stream->fd, buffer, sizeof(buffer), 0), 4);
    cr_assert(weft_cancel(read));
    cr_assert_eq(weft_test_ended(read), -ECANCELED);
    weft_test_turn();
    end(stream);
}

Test(stream_turn, close_before_it_fails_the_read)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_future *read = weft_read(stream, buffer, sizeof(buffer));
    weft_test_send_text(peer, "late");
    poll_only();
    weft_stream_free(stream);
    cr_assert_eq(weft_test_ended(read), WEFT_ECLOSED);
    weft_test_turn();
    end(NULL);
}

Test(stream_turn, end_of_the_loop_before_it_cancels_the_read)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_future *read = weft_read(stream, buffer, sizeof(buffer));
    weft_test_send_text(peer, "late");
    poll_only();
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(weft_test_ended(read), -ECANCELED);
    end(stream);
}
