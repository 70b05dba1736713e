/* SPDX-License-Identifier: MIT */
/* Streams: reads up to one of several separators or the end, and lines that are lent. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/combine.h>
#include <weft/task.h>

#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/net.h"
#include "tests/support/trace.h"

TestSuite(stream_lines, .init = weft_test_loop_begin, .timeout = 20);

static int peer;

static void end(weft_stream *stream)
{
    weft_stream_free(stream);
    close(peer);
    weft_test_loop_end();
}

/* ---- One of several ---- */

static const struct weft_separator ends[] = {{"\r\n", 2}, {"\n", 1}, {"--stop--", 8}};

static weft_future *read_any(weft_stream *stream)
{
    return weft_read_until_any(stream, ends, 3, 0);
}

Test(stream_lines, whichever_separator_ends_first_counts)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_test_send_text(peer, "one\ntwo\r\nthree--stop--four\n--stop--");
    cr_assert(weft_test_gives(read_any(stream), "one\n"));
    cr_assert(weft_test_gives(read_any(stream), "two\r\n"));
    cr_assert(weft_test_gives(read_any(stream), "three--stop--"));
    cr_assert(weft_test_gives(read_any(stream), "four\n"));
    cr_assert(weft_test_gives(read_any(stream), "--stop--"));
    end(stream);
}

Test(stream_lines, separators_that_arrive_in_pieces_are_found)
{
    weft_stream *stream = weft_test_stream(&peer);
    const char *text = "a--stop-b--stop--";
    weft_future *read = read_any(stream);
    for (const char *at = text; *at; at++) {
        cr_assert(!weft_is_done(read), "before %s", at);
        weft_test_send(peer, at, 1);
        weft_test_turn();
    }
    cr_assert(weft_test_gives(read, text));
    end(stream);
}

/* All ways to cut a text in two give the same as the whole. */
Test(stream_lines, where_it_was_cut_makes_no_difference)
{
    static const struct weft_separator overlapping[] = {{"abab", 4}, {"bc", 2}};
    const char *text = "xababac.bc";
    for (size_t cut = 1; cut < strlen(text); cut++) {
        weft_stream *stream = weft_test_stream(&peer);
        weft_future *read = weft_read_until_any(stream, overlapping, 2, 0);
        weft_test_send(peer, text, cut);
        weft_test_turn();
        weft_test_send_text(peer, text + cut);
        cr_assert(weft_test_gives(read, "xabab"), "cut at %zu", cut);
        cr_assert(weft_test_gives(weft_read_until_any(stream, overlapping, 2, 0), "ac.bc"));
        weft_stream_free(stream);
        close(peer);
    }
    weft_test_loop_end();
}

Test(stream_lines, separators_are_copied)
{
    weft_stream *stream = weft_test_stream(&peer);
    char text[] = "!";
    struct weft_separator separator = {text, 1};
    weft_future *read = weft_read_until_any(stream, &separator, 1, 0);
    text[0] = '?';
    separator = (struct weft_separator){NULL, 0};
    weft_test_send_text(peer, "so?!");
    cr_assert(weft_test_gives(read, "so?!"));
    end(stream);
}

Test(stream_lines, end_limit_and_misuse_take_nothing)
{
    weft_stream *stream = weft_test_stream(&peer);
    struct weft_separator bad[] = {{"\n", 1}, {"", 0}};
    weft_test_send_text(peer, "no end");
    cr_assert_eq(weft_test_ended(weft_read_until_any(stream, bad, 2, 0)), -EINVAL);
    cr_assert_eq(weft_test_ended(weft_read_until_any(stream, bad, 0, 0)), -EINVAL);
    cr_assert_eq(weft_test_count(weft_read_until_any(stream, ends, 3, 6)), WEFT_ELIMIT);
    weft_future *first = read_any(stream);
    cr_assert_eq(weft_test_ended(read_any(stream)), -EBUSY);
    cr_assert(weft_cancel(first));
    cr_assert_eq(weft_test_ended(first), -ECANCELED);
    shutdown(peer, SHUT_WR);
    cr_assert_eq(weft_test_count(read_any(stream)), WEFT_EOF);
    cr_assert(weft_test_gives(weft_read_line(stream, 0), "no end"));
    end(stream);
}

/* ---- Up to the end ---- */

Test(stream_lines, all_is_what_comes_until_the_end)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_future *all = weft_read_all(stream, 8);
    weft_test_send_text(peer, "one\ntw");
    weft_test_turn();
    cr_assert(!weft_is_done(all));
    weft_test_send_text(peer, "o");
    weft_test_turn();
    cr_assert(!weft_is_done(all), "as much as the limit is not the end");
    shutdown(peer, SHUT_WR);
    cr_assert(weft_test_gives(all, "one\ntwo"));
    cr_assert(weft_test_gives(weft_read_all(stream, 1), ""), "nothing is left");
    cr_assert(weft_at_eof(stream));
    end(stream);
}

Test(stream_lines, all_may_be_more_than_the_watermark)
{
    static char much[200001];
    memset(much, 'x', sizeof(much) - 1);
    weft_stream *stream = weft_test_stream(&peer);
    weft_future *all = weft_read_all(stream, SIZE_MAX);
    for (size_t sent = 0; sent < sizeof(much) - 1; sent += 20000) {
        weft_test_send(peer, much + sent, 20000);
        weft_test_turn();
    }
    shutdown(peer, SHUT_WR);
    cr_assert(weft_test_gives(all, much));
    end(stream);
}

Test(stream_lines, too_much_for_all_takes_nothing)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_test_send_text(peer, "12345");
    weft_test_turn();
    cr_assert_eq(weft_test_count(weft_read_all(stream, 4)), WEFT_ELIMIT,
                 "the end is not waited for");
    weft_future *all = weft_read_all(stream, 5);
    weft_test_turn();
    cr_assert_eq(weft_test_ended(weft_read_all(stream, 0)), -EBUSY);
    cr_assert(weft_cancel(all));
    cr_assert_eq(weft_test_ended(all), -ECANCELED);
    shutdown(peer, SHUT_WR);
    cr_assert(weft_test_gives(weft_read_all(stream, 5), "12345"));
    end(stream);
}

/* ---- Lines that are lent ---- */

/* The next line, or why there is none: "(end)", or the error's name. */
static const char *next_as(weft_stream *stream, const struct weft_lines_options *options)
{
    weft_future *future = weft_next_line(stream, options);
    int status = weft_test_run(weft_ref(future));
    weft_value value = {0};
    if (status == 0)
        status = weft_future_take(future, &value);
    weft_unref(future);
    if (status < 0)
        return weft_error_name(status);
    const weft_bytes *line = value.ptr;
    if (!line)
        return "(end)";
    cr_assert_eq(line->len, strlen(line->data));
    return line->data;
}

static const char *next(weft_stream *stream)
{
    return next_as(stream, NULL);
}

Test(stream_lines, come_one_after_another_without_their_ends)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_test_send_text(peer, "one\n\ntwo\r\nthree");
    shutdown(peer, SHUT_WR);
    cr_assert_str_eq(next(stream), "one");
    cr_assert_str_eq(next(stream), "");
    cr_assert_str_eq(next(stream), "two\r");
    cr_assert_str_eq(next(stream), "three");
    cr_assert_str_eq(next(stream), "(end)");
    cr_assert_str_eq(next(stream), "(end)");
    end(stream);
}

Test(stream_lines, may_end_with_a_carriage_return_too)
{
    static const struct weft_lines_options crlf = {.ends = WEFT_LINES_CRLF};
    weft_stream *stream = weft_test_stream(&peer);
    weft_test_send_text(peer, "one\r\ntwo\n\r\nth\rree\r");
    shutdown(peer, SHUT_WR);
    cr_assert_str_eq(next_as(stream, &crlf), "one");
    cr_assert_str_eq(next_as(stream, &crlf), "two");
    cr_assert_str_eq(next_as(stream, &crlf), "");
    cr_assert_str_eq(next_as(stream, &crlf), "th\rree\r");
    cr_assert_str_eq(next_as(stream, &crlf), "(end)");
    end(stream);
}

Test(stream_lines, last_until_the_next_call)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_test_send_text(peer, "kept\n");
    const char *line = next(stream);
    for (int i = 0; i < 40; i++) {
        weft_test_send_text(peer, "something that moves the buffer of the stream around\n");
        weft_test_turn();
    }
    cr_assert(weft_test_gives(weft_read_until(stream, "the", 3, 0), "something that moves the"));
    cr_assert_str_eq(line, "kept");
    end(stream);
}

Test(stream_lines, allocate_nothing_but_for_a_longer_one)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_test_send_text(peer, "first\n");
    cr_assert_str_eq(next(stream), "first");
    const weft_bytes *memory = stream->line;
    for (int i = 0; i < 10; i++) {
        weft_test_send_text(peer, "second\n");
        cr_assert_str_eq(next(stream), "second");
        cr_assert_eq(stream->line, memory);
    }
    end(stream);
}

Test(stream_lines, may_be_as_long_as_the_limit)
{
    static const struct weft_lines_options short_ones = {.limit = 4};
    weft_stream *stream = weft_test_stream(&peer);
    weft_test_send_text(peer, "1234\n12345\n");
    cr_assert_str_eq(next_as(stream, &short_ones), "1234");
    cr_assert_str_eq(next_as(stream, &short_ones), "WEFT_ELIMIT");
    cr_assert_str_eq(next(stream), "12345", "nothing was taken");
    weft_test_send_text(peer, "1234");
    shutdown(peer, SHUT_WR);
    weft_test_turn();
    cr_assert_str_eq(next_as(stream, &short_ones), "1234");
    end(stream);
}

Test(stream_lines, that_are_cancelled_lose_nothing)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_test_send_text(peer, "par");
    cr_assert_eq(weft_test_run(weft_wait_for(weft_next_line(stream, NULL), WEFT_S(60))),
                 -ETIMEDOUT);
    weft_test_send_text(peer, "tial\n");
    cr_assert_str_eq(next(stream), "partial");
    end(stream);
}

Test(stream_lines, options_that_make_no_sense_are_refused)
{
    weft_stream *stream = weft_test_stream(&peer);
    cr_assert_str_eq(next_as(stream, &(struct weft_lines_options){.size = 1}), "EINVAL");
    cr_assert_str_eq(next_as(stream, &(struct weft_lines_options){.limit = SIZE_MAX}), "EINVAL");
    cr_assert_str_eq(next_as(stream, &(struct weft_lines_options){.ends = WEFT_LINES_CRLF + 1}),
                     "EINVAL");
    end(stream);
}

Test(stream_lines, failure_comes_after_the_lines_before_it)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_test_send_text(peer, "one\ntwo");
    weft_test_turn();
    cr_assert(weft__sys_fail("recv", 1, ECONNRESET));
    weft_test_send_text(peer, "?");
    cr_assert_str_eq(next(stream), "one");
    cr_assert_str_eq(next(stream), "ECONNRESET");
    end(stream);
}

/* ---- Out of memory ---- */

static int scene(void)
{
    int fds[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    weft_stream *stream = weft_stream_new(fds[0]);
    int status = stream ? 0 : -errno;
    weft_test_send_text(fds[1], "one\r\ntwo\nthe rest");
    shutdown(fds[1], SHUT_WR);
    weft_bytes *bytes = stream ? weft_test_bytes(read_any(stream), &status) : NULL;
    if (status == 0)
        status = (int)(weft_test_count(weft_next_line(stream, NULL)) < 0 ? -ENOMEM : 0);
    if (status == 0)
        status = weft_test_run(weft_read_all(stream, 0));
    weft_bytes_free(bytes);
    if (!stream)
        close(fds[0]);
    weft_stream_free(stream);
    close(fds[1]);
    return status;
}

Test(stream_lines, every_lack_of_memory_is_a_failure_and_leaves_nothing)
{
    weft_test_every_lack_of_memory(scene);
    weft_test_loop_end();
}
