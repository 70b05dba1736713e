/* SPDX-License-Identifier: MIT */
/* Streams: reading from the stream's own buffer, and what that holds. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/task.h>

#include "net/net.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/net.h"

TestSuite(stream_fill, .init = weft_test_loop_begin, .timeout = 20);

static int peer;
static char buffer[256 * 1024];

static void end(weft_stream *stream)
{
    weft_stream_free(stream);
    close(peer);
    weft_test_loop_end();
}

static bool shows(const weft_stream *stream, const char *text)
{
    size_t len;
    const char *data = weft_peek(stream, &len);
    return len == strlen(text) && (!len || memcmp(data, text, len) == 0) && !data == !len;
}

/* ---- Filling ---- */

Test(stream_fill, shows_what_has_come_and_takes_what_is_consumed)
{
    weft_stream *stream = weft_test_stream(&peer);
    cr_assert(shows(stream, ""));
    weft_future *fill = weft_fill(stream, 0);
    weft_test_turn();
    cr_assert(!weft_is_done(fill));
    weft_test_send_text(peer, "hello");
    cr_assert_eq(weft_test_count(fill), 5);
    cr_assert(shows(stream, "hello"));
    cr_assert_eq(weft_consume(stream, 2), 0);
    cr_assert(shows(stream, "llo"));
    cr_assert_eq(weft_consume(stream, 3), 0);
    cr_assert(shows(stream, ""));
    end(stream);
}

Test(stream_fill, is_done_at_once_if_there_are_more_bytes_than_were_known)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_test_send_text(peer, "abc");
    cr_assert_eq(weft_test_count(weft_fill(stream, 0)), 3);
    cr_assert_eq(weft_test_ended(weft_fill(stream, 2)), 0);
    weft_future *more = weft_fill(stream, 3);
    weft_test_turn();
    cr_assert(!weft_is_done(more));
    weft_test_send_text(peer, "d");
    cr_assert_eq(weft_test_count(more), 4);
    cr_assert(shows(stream, "abcd"));
    end(stream);
}

Test(stream_fill, at_the_end_gives_what_is_left)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_test_send_text(peer, "end");
    shutdown(peer, SHUT_WR);
    cr_assert_eq(weft_test_count(weft_fill(stream, 10)), 3);
    cr_assert_eq(weft_test_count(weft_fill(stream, 3)), 3);
    cr_assert_eq(weft_consume(stream, 3), 0);
    cr_assert_eq(weft_test_count(weft_fill(stream, 0)), 0);
    cr_assert(weft_at_eof(stream));
    end(stream);
}

Test(stream_fill, fails_with_the_connection_and_the_bytes_before_stay)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_test_send_text(peer, "abc");
    cr_assert_eq(weft_test_count(weft_fill(stream, 0)), 3);
    cr_assert_eq(weft_write(stream, "unread", 6), 0);
    close(peer); /* with unread bytes: a reset */
    cr_assert_eq(weft_test_run(weft_fill(stream, 3)), -ECONNRESET);
    cr_assert(shows(stream, "abc"));
    weft_stream_free(stream);
    weft_test_loop_end();
}

Test(stream_fill, goes_past_the_watermark_if_that_is_asked_for)
{
    weft_stream *stream = weft_test_stream(&peer);
    cr_assert_eq(weft_stream_set_limits(stream, &(struct weft_stream_limits){.read_high = 1000}),
                 0);
    weft_test_send(peer, buffer, 3000);
    cr_assert_eq(weft_test_count(weft_fill(stream, 0)), 1000);
    cr_assert_eq(weft_test_count(weft_fill(stream, 1000)), 1001);
    cr_assert_geq(weft_test_count(weft_fill(stream, 2500)), 2501);
    end(stream);
}

Test(stream_fill, counts_as_a_read)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_future *fill = weft_fill(stream, 0);
    cr_assert_eq(weft_test_ended(weft_read(stream, buffer, 1)), -EBUSY);
    cr_assert_eq(weft_consume(stream, 0), -EBUSY);
    cr_assert(weft_cancel(fill));
    cr_assert_eq(weft_test_ended(fill), -ECANCELED);
    fill = weft_fill(stream, 0);
    weft_stream_free(stream);
    cr_assert_eq(weft_test_ended(fill), WEFT_ECLOSED);
    end(NULL);
}

Test(stream_fill, consume_of_more_than_there_is_takes_nothing)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_test_send_text(peer, "abc");
    cr_assert_eq(weft_test_count(weft_fill(stream, 0)), 3);
    cr_assert_eq(weft_consume(stream, 4), -EINVAL);
    cr_assert(shows(stream, "abc"));
    end(stream);
}

Test(stream_fill, and_other_reads_see_the_same_bytes)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_test_send_text(peer, "one\ntwo\n");
    cr_assert_eq(weft_test_count(weft_fill(stream, 0)), 8);
    cr_assert(weft_test_gives(weft_read_line(stream, 0), "one\n"));
    cr_assert(shows(stream, "two\n"));
    end(stream);
}

/* ---- What it holds ---- */

Test(stream_fill, holds_no_memory_while_it_waits)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_test_send_text(peer, "abc");
    cr_assert_eq(weft_test_count(weft_fill(stream, 0)), 3);
    cr_assert_eq(weft_consume(stream, 3), 0);
    weft_future *fill = weft_fill(stream, 0);
    weft_test_turn();
    cr_assert_null(stream->in.memory);
    cr_assert_null(stream->out.memory);
    weft_cancel(fill);
    weft_unref(fill);
    end(stream);
}

Test(stream_fill, many_connections_in_turn_share_one_buffer)
{
    enum { COUNT = 50 };
    weft_stream *streams[COUNT];
    int peers[COUNT];
    for (int i = 0; i < COUNT; i++)
        streams[i] = weft_test_stream(&peers[i]);
    size_t before = weft_test_heap_live();
    for (int i = 0; i < COUNT; i++) {
        weft_test_send_text(peers[i], "x");
        cr_assert_eq(weft_test_count(weft_fill(streams[i], 0)), 1);
        cr_assert_eq(weft_consume(streams[i], 1), 0);
    }
    cr_assert_leq(weft_test_heap_live(), before + 1);
    for (int i = 0; i < COUNT; i++) {
        weft_stream_free(streams[i]);
        close(peers[i]);
    }
    weft_test_loop_end();
}

/* Send so much and take it; how much came at once. */
static size_t most_of(weft_stream *stream, size_t len)
{
    size_t most = 0;
    weft_test_send(peer, buffer, len);
    for (size_t got, left = len; left; left -= got) {
        int64_t filled = weft_test_count(weft_fill(stream, 0));
        cr_assert_gt(filled, 0);
        got = (size_t)filled;
        most = got > most ? got : most;
        cr_assert_eq(weft_consume(stream, got), 0);
    }
    return most;
}

Test(stream_fill, reads_grow_with_the_traffic_and_shrink_again)
{
    enum { LARGE = 64 * 1024, SMALL = 16 * 1024 };
    weft_stream *stream = weft_test_stream(&peer);
    cr_assert_eq(most_of(stream, LARGE), 2 * SMALL);
    cr_assert_eq(most_of(stream, LARGE), LARGE);
    weft_test_count_calls();
    for (int i = 0; i < 10; i++)
        cr_assert_eq(most_of(stream, LARGE), LARGE);
    cr_assert_eq(test_calls.recv, 10);
    cr_assert_eq(test_calls.event_add, 0, "a buffer that is full for a moment stops nothing");
    for (int i = 0; i < 3; i++)
        most_of(stream, 1);
    test_calls.most_read = 0;
    most_of(stream, 1);
    cr_assert_eq(test_calls.most_read, SMALL);
    end(stream);
}

Test(stream_fill, large_traffic_allocates_nothing_once_it_goes)
{
    enum { LARGE = 64 * 1024 };
    weft_stream *stream = weft_test_stream(&peer);
    for (int i = 0; i < 3; i++)
        most_of(stream, LARGE);
    size_t before = weft_test_heap_live();
    for (int i = 0; i < 10; i++)
        most_of(stream, LARGE);
    cr_assert_eq(weft_test_heap_live(), before);
    end(stream);
}

/* True if the allocation that was to fail was asked for. */
static bool fill_without(size_t n)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_test_send_text(peer, "abc");
    weft_test_heap_fail_at(n);
    int64_t got = weft_test_count(weft_fill(stream, 0));
    bool failed = weft_test_heap_failed();
    weft_test_heap_fail_at(0);
    cr_assert_eq(got, failed ? -ENOMEM : 3, "allocation %zu: %d", n, (int)got);
    cr_assert_eq(weft_test_count(weft_fill(stream, 0)), 3, "nothing is lost");
    cr_assert(shows(stream, "abc"));
    weft_stream_free(stream);
    close(peer);
    return failed;
}

Test(stream_fill, running_out_of_memory_anywhere_is_an_error_that_loses_nothing)
{
    size_t n = 1;
    test_loop->slabs.on = false;
    while (fill_without(n))
        n++;
    cr_assert_gt(n, 1);
    weft_test_loop_end();
}
