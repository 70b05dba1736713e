/* SPDX-License-Identifier: MIT */
/*
 * Streams: whatever is written in whatever way, and read in whatever way, with cancels in between, comes
 * whole and in order. Each byte tells its place.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/sendfile.h>
#include <weft/socket.h>
#include <weft/task.h>

#include "tests/support/files.h"
#include "tests/support/net.h"
#include "tests/support/toy_filter.h"

TestSuite(stream_random, .init = test_files_begin, .timeout = 120);

enum {
    PERIOD = 23 * 97,
    MOST = 20000,   /* a read */
    LARGE = 200000, /* sent of a file */
    STEPS = 15000,
    FDS = 100
};

static char pattern[PERIOD + LARGE]; /* longer than any buffer grows */
static int file;
static weft_stream *from, *to;
static size_t written, read_so_far; /* bytes */
static size_t fds_sent, fds_got;
static bool corked, filtered;
static uint64_t state;

static size_t below(size_t limit)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(state >> 33) % limit;
}

static void make_pattern(void)
{
    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = (char)(i % 97 == 96 ? '\n' : 'a' + i % 23);
    for (size_t i = PERIOD; i < sizeof(pattern); i++)
        pattern[i] = pattern[i - PERIOD];
    file = open(test_path("pattern"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    cr_assert_eq(write(file, pattern, sizeof(pattern)), (ssize_t)sizeof(pattern));
}

static void begin(uint64_t seed)
{
    weft_stream *pair[2];
    static const struct weft_stream_limits limits = {
        .read_high = 3000, .write_high = 8000, .write_limit = 30000};
    make_pattern();
    state = seed;
    cr_assert_eq(weft_stream_pair(pair), 0);
    from = pair[0];
    to = pair[1];
    cr_assert_eq(weft_stream_set_limits(from, &limits), 0);
    cr_assert_eq(weft_stream_set_limits(to, &limits), 0);
    cr_assert_eq(weft_stream_set_option(from, SOL_SOCKET, SO_SNDBUF, 4096), 0);
    if (!filtered) {
        cr_assert_eq(weft_accept_fds(to, FDS), 0);
        return;
    }
    struct test_toy *toys[2] = {test_toy_set(from), test_toy_set(to)};
    for (int i = 0; i < 2; i++)
        cr_assert_eq(weft_test_count(weft_ref(toys[i]->ready)), 0);
}

/* ---- Writing ---- */

static const char *next_bytes(void)
{
    return pattern + written % PERIOD;
}

static void note_write(int status, size_t len)
{
    cr_assert(status == 0 || status == -ENOBUFS, "%d", status);
    written += status == 0 ? len : 0;
}

static void write_pieces(void)
{
    size_t first = below(3000), second = 1 + below(3000);
    struct iovec pieces[] = {
        {(void *)next_bytes(), first}, {NULL, 0}, {(void *)(next_bytes() + first), second}};
    note_write(weft_writev(from, pieces, 3), first + second);
}

static void write_with_fd(void)
{
    size_t len = 1 + below(300);
    if (filtered || fds_sent - fds_got >= FDS)
        return;
    int status = weft_send_fd(from, file, next_bytes(), len);
    fds_sent += status == 0;
    note_write(status, len);
}

static void toggle_cork(void)
{
    corked = !corked;
    if (corked)
        weft__stream_cork(from);
    else
        cr_assert_eq(weft__stream_uncork(from), 0);
}

/* Something that is waited for, or NULL. */
static weft_future *write_something(void)
{
    size_t len = 1 + below(5000);
    switch (below(8)) {
    case 0:
        write_pieces();
        return NULL;
    case 1:
        write_with_fd();
        return NULL;
    case 2:
        toggle_cork();
        return NULL;
    case 3:
    case 4:
        corked = false; /* it uncorks */
        return weft_sendfile(from, file, (int64_t)(written % PERIOD),
                             1 + below(below(4) ? MOST : LARGE));
    case 5:
        return corked ? NULL : weft_drain(from);
    default:
        note_write(weft_write(from, next_bytes(), len), len);
        return NULL;
    }
}

/* What was sent counts; a drain gives 0. */
static void note_written(weft_future *done)
{
    int64_t sent = weft_test_count(done);
    cr_assert(sent >= 0 || sent == -ECANCELED, "%ld", (long)sent);
    written += sent > 0 ? (size_t)sent : 0;
}

/* ---- Reading ---- */

static char buffer[MOST];

enum kind { SOME, EXACTLY, LINE, NEXT, ANY, FILL, FD, KINDS };

static weft_future *read_something(enum kind kind)
{
    static const struct weft_separator ends[] = {{"\nab", 3}, {"w", 1}, {"def", 3}};
    switch (kind) {
    case EXACTLY:
        return weft_read_exactly(to, buffer, below(sizeof(buffer)));
    case LINE:
        return weft_read_line(to, 0);
    case NEXT:
        return weft_next_line(to, NULL);
    case ANY:
        return weft_read_until_any(to, ends, 3, 0);
    case FILL:
        return weft_fill(to, below(5000));
    case FD:
        if (!filtered)
            return weft_receive_fd(to);
        return weft_read(to, buffer, 1);
    case SOME:
    case KINDS:
    default:
        return weft_read(to, buffer, 1 + below(sizeof(buffer)));
    }
}

static void expect(const char *data, size_t len)
{
    cr_assert_eq(memcmp(data, pattern + read_so_far % PERIOD, len), 0, "at %zu", read_so_far);
    read_so_far += len;
}

static void take_filled(void)
{
    size_t have;
    const char *data = weft_peek(to, &have);
    size_t len = have ? below(have + 1) : 0;
    if (len)
        expect(data, len);
    cr_assert_eq(weft_consume(to, len), 0);
}

static void take_line(const weft_bytes *line, bool lent)
{
    if (line)
        expect(line->data, line->len);
    if (line && lent)
        expect("\n", 1);
}

/* False: it was cancelled, or has met the end or a limit; then nothing was taken. */
static bool note_read(enum kind kind, weft_future *done)
{
    weft_value value;
    int status = weft_test_run(weft_ref(done));
    if (status == 0)
        status = weft_future_take(done, &value);
    weft_unref(done);
    if (status < 0)
        return false;
    if (kind == FD && !filtered) {
        close((int)value.i64);
        fds_got++;
    } else if (kind == FILL) {
        take_filled();
    } else if (kind == LINE || kind == ANY) {
        take_line(value.ptr, false);
        weft_bytes_free(value.ptr);
    } else if (kind == NEXT) {
        take_line(value.ptr, true);
    } else {
        expect(buffer, (size_t)value.i64);
    }
    return true;
}

/* ---- Both ---- */

static void step(weft_future **writing, weft_future **reading, enum kind *kind)
{
    if (*writing && weft_is_done(*writing)) {
        note_written(*writing);
        *writing = NULL;
    }
    if (!*writing)
        *writing = write_something();
    else if (below(300) == 0)
        weft_cancel(*writing);
    if (*reading && weft_is_done(*reading)) {
        note_read(*kind, *reading);
        *reading = NULL;
    }
    if (!*reading)
        *reading = read_something(*kind = (enum kind)below(KINDS));
    else if (below(10) == 0)
        weft_cancel(*reading);
    if (below(2))
        weft_test_turn();
}

static void read_to_the_end(void)
{
    int64_t got;
    while ((got = weft_test_count(weft_read(to, buffer, 1 + below(sizeof(buffer))))) > 0)
        expect(buffer, (size_t)got);
    cr_assert_eq(got, 0);
    for (; fds_got < fds_sent; fds_got++)
        close((int)weft_test_count(weft_receive_fd(to)));
}

static void run(uint64_t seed)
{
    weft_future *writing = NULL, *reading = NULL;
    enum kind kind = SOME;
    begin(seed);
    for (int i = 0; i < STEPS; i++)
        step(&writing, &reading, &kind);
    if (reading) {
        weft_cancel(reading);
        note_read(kind, reading);
    }
    if (writing) {
        weft_cancel(writing);
        note_written(writing);
    }
    weft_future *closed = weft_close(from);
    read_to_the_end();
    cr_assert_eq(weft_test_count(closed), 0);
    cr_assert_eq(read_so_far, written);
    cr_assert_gt(written, 10 * PERIOD, "%zu", written);
    weft_stream_free(to);
    close(file);
    test_files_end();
}

Test(stream_random, bytes_come_whole_and_in_order_1)
{
    run(1);
}

Test(stream_random, bytes_come_whole_and_in_order_2)
{
    run(20261121);
}

Test(stream_random, bytes_come_whole_and_in_order_through_a_filter_1)
{
    filtered = true;
    run(3);
}

Test(stream_random, bytes_come_whole_and_in_order_through_a_filter_2)
{
    filtered = true;
    run(4);
}
