/* SPDX-License-Identifier: MIT */
/* Streams: pairs, counters, gathered writes, resets, and what only sockets have. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/socket.h>
#include <weft/task.h>

#include "net/net.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/net.h"
#include "tests/support/trace.h"

TestSuite(socket, .init = weft_test_loop_begin, .timeout = 20);

static int peer;
static char buffer[64 * 1024];

static void end(weft_stream *stream)
{
    weft_stream_free(stream);
    close(peer);
    weft_test_loop_end();
}

/* A stream by TCP. */
static weft_stream *open_tcp(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address);
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(listening, (struct sockaddr *)&address, len), 0);
    cr_assert_eq(listen(listening, 1), 0);
    cr_assert_eq(getsockname(listening, (struct sockaddr *)&address, &len), 0);
    cr_assert_eq(connect(client, (struct sockaddr *)&address, len), 0);
    peer = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    cr_assert_geq(peer, 0);
    close(listening);
    weft_stream *stream = weft_stream_new(client);
    cr_assert_not_null(stream);
    return stream;
}

/* A stream over the reading end of a pipe; the other end is returned in *ret_writer. */
static weft_stream *open_pipe(int *ret_writer)
{
    int status, fds[2];
    weft_stream *stream;
    cr_assert_eq(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    *ret_writer = fds[1];
    cr_assert_eq(weft__stream_open_one_way(weft__net_get(test_loop, &status), fds[0],
                                           WEFT__STREAM_PIPE, false, &stream),
                 0);
    return stream;
}

/* ---- Pairs ---- */

Test(socket, pair_is_two_streams_that_talk_to_each_other)
{
    weft_stream *pair[2];
    cr_assert_eq(weft_stream_pair(pair), 0);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(weft_write(pair[i], "hello\n", 6), 0);
        cr_assert(weft_test_gives(weft_read_line(pair[!i], 0), "hello\n"));
        cr_assert_str_eq(weft_stream_peer(pair[i]), "unix:");
        cr_assert_str_eq(weft_stream_local(pair[i]), "unix:");
    }
    cr_assert_eq(weft_test_ended(weft_close(pair[0])), 0);
    cr_assert(weft_test_gives(weft_read_line(pair[1], 0), ""));
    weft_stream_free(pair[1]);
    weft_test_loop_end();
}

static int open_pair(void)
{
    weft_stream *pair[2] = {NULL, NULL};
    int status = weft_stream_pair(pair);
    cr_assert_eq(!pair[0], status < 0);
    weft_stream_free(pair[0]);
    weft_stream_free(pair[1]);
    return status;
}

Test(socket, pair_that_cannot_be_leaves_nothing)
{
    cr_assert(weft__sys_fail("socketpair", 1, EMFILE));
    cr_assert_eq(open_pair(), -EMFILE);
    for (unsigned n = 1; n <= 2; n++) {
        cr_assert(weft__sys_fail("event_add", n, ENOMEM));
        cr_assert_eq(open_pair(), -ENOMEM);
    }
    weft_test_every_lack_of_memory(open_pair);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(open_pair(), -ESHUTDOWN);
    weft_test_loop_end();
}

/* ---- Counters ---- */

static struct weft_stream_stats stats_of(const weft_stream *stream)
{
    struct weft_stream_stats stats;
    weft_stream_get_stats(stream, &stats);
    return stats;
}

Test(socket, stats_count_what_came_and_what_was_written)
{
    weft_stream *stream = weft_test_stream(&peer);
    struct weft_stream_stats stats = stats_of(stream);
    cr_assert_eq(stats.received + stats.written + stats.to_read + stats.to_send, 0);
    cr_assert_eq(stats.opened, weft_now());
    weft_test_send_text(peer, "0123456789");
    cr_assert_eq(weft_test_count(weft_read(stream, buffer, 4)), 4);
    cr_assert_eq(weft_test_count(weft_read(stream, buffer, 2)), 2);
    weft__stream_cork(stream);
    cr_assert_eq(weft_write(stream, "abc", 3), 0);
    stats = stats_of(stream);
    cr_assert_eq(stats.received, 10);
    cr_assert_eq(stats.to_read, 4);
    cr_assert_eq(stats.written, 3);
    cr_assert_eq(stats.to_send, 3);
    cr_assert_eq(weft__stream_uncork(stream), 0);
    stats = stats_of(stream);
    cr_assert_eq(stats.written, 3);
    cr_assert_eq(stats.to_send, 0);
    end(stream);
}

Test(socket, stats_count_what_goes_around_the_buffer_and_not_what_was_refused)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_future *read = weft_read(stream, buffer, sizeof(buffer));
    weft_test_send(peer, buffer, 5000);
    cr_assert_eq(weft_test_count(read), 5000);
    cr_assert_eq(stats_of(stream).received, 5000);
    cr_assert_eq(weft_write_eof(stream), 0);
    cr_assert_eq(weft_write(stream, "x", 1), -EPIPE);
    cr_assert_eq(stats_of(stream).written, 0);
    end(stream);
}

/* ---- Gathered writes ---- */

Test(socket, writev_sends_pieces_in_one_call)
{
    weft_stream *stream = weft_test_stream(&peer);
    struct iovec pieces[] = {{(void *)"one ", 4}, {NULL, 0}, {(void *)"two", 3}};
    weft_test_count_calls();
    cr_assert_eq(weft_writev(stream, pieces, 3), 0);
    cr_assert_eq(test_calls.sendmsg, 1);
    cr_assert_eq(weft_test_receive(peer, buffer, sizeof(buffer)), 7);
    cr_assert_eq(memcmp(buffer, "one two", 7), 0);
    cr_assert_eq(weft_writev(stream, NULL, 0), 0);
    end(stream);
}

Test(socket, writev_takes_more_pieces_than_the_kernel)
{
    enum { PIECES = 1000 };
    static struct iovec pieces[PIECES];
    weft_stream *stream = weft_test_stream(&peer);
    for (size_t i = 0; i < PIECES; i++)
        pieces[i] = (struct iovec){(char *)"0123456789" + i % 10, 1};
    cr_assert_eq(weft_writev(stream, pieces, PIECES), 0);
    weft_test_turn();
    cr_assert_eq(weft_test_receive(peer, buffer, sizeof(buffer)), PIECES);
    for (size_t i = 0; i < PIECES; i++)
        cr_assert_eq(buffer[i], '0' + (char)(i % 10));
    end(stream);
}

/* ---- Reset ---- */

Test(socket, abort_is_a_reset)
{
    weft_stream *stream = open_tcp();
    weft_future *read = weft_read(stream, buffer, 1);
    weft_stream_abort(stream);
    cr_assert_eq(weft_test_ended(read), WEFT_ECLOSED);
    cr_assert_eq(weft_test_receive(peer, buffer, 1), -ECONNRESET);
    weft_stream_abort(NULL);
    end(NULL);
}

Test(socket, abort_of_what_is_no_tcp_is_an_end)
{
    weft_stream *stream = weft_test_stream(&peer);
    weft_stream_abort(stream);
    cr_assert_eq(weft_test_receive(peer, buffer, 1), -1);
    close(peer);
    stream = open_pipe(&peer);
    weft_stream_abort(stream);
    end(NULL);
}

Test(socket, abort_after_the_end_of_the_loop_frees_it)
{
    weft_stream *stream = open_tcp();
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    weft_stream_abort(stream);
    end(NULL);
}

/* ---- Options ---- */

Test(socket, options_are_the_kernels)
{
    weft_stream *stream = open_tcp();
    int value = 0;
    cr_assert_eq(weft_stream_get_option(stream, IPPROTO_TCP, TCP_NODELAY, &value), 0);
    cr_assert_eq(value, 1);
    cr_assert_eq(weft_stream_set_option(stream, IPPROTO_TCP, TCP_NODELAY, 0), 0);
    cr_assert_eq(weft_stream_get_option(stream, IPPROTO_TCP, TCP_NODELAY, &value), 0);
    cr_assert_eq(value, 0);
    value = 77;
    cr_assert_eq(weft_stream_get_option(stream, SOL_SOCKET, 9999, &value), -ENOPROTOOPT);
    cr_assert_eq(weft_stream_set_option(stream, SOL_SOCKET, 9999, 1), -ENOPROTOOPT);
    cr_assert_eq(value, 77, "not touched");
    end(stream);
}

Test(socket, pipes_have_no_options)
{
    weft_stream *stream = open_pipe(&peer);
    int value;
    cr_assert_geq(weft_stream_fd(stream), 0);
    cr_assert_eq(weft_stream_set_option(stream, SOL_SOCKET, SO_KEEPALIVE, 1), -ENOTSOCK);
    cr_assert_eq(weft_stream_get_option(stream, SOL_SOCKET, SO_KEEPALIVE, &value), -ENOTSOCK);
    cr_assert_eq(weft_stream_set_keepalive(stream, NULL), -EOPNOTSUPP);
    cr_assert_eq(weft_stream_credentials(stream, &(struct weft_credentials){0}), -EOPNOTSUPP);
    end(stream);
}

Test(socket, descriptor_is_gone_after_the_end_of_the_loop)
{
    weft_stream *stream = open_tcp();
    int value, fd = weft_stream_fd(stream);
    cr_assert_eq(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(weft_stream_fd(stream), -EBADF);
    cr_assert_eq(weft_stream_set_option(stream, SOL_SOCKET, SO_KEEPALIVE, 1), -EBADF);
    cr_assert_eq(weft_stream_get_option(stream, SOL_SOCKET, SO_KEEPALIVE, &value), -EBADF);
    cr_assert_eq(weft_stream_set_keepalive(stream, NULL), -EBADF);
    cr_assert_eq(weft_stream_credentials(stream, &(struct weft_credentials){0}), -EBADF);
    end(stream);
}

static int option(const weft_stream *stream, int level, int name)
{
    int value = -1;
    cr_assert_eq(weft_stream_get_option(stream, level, name, &value), 0);
    return value;
}

Test(socket, keepalive_is_set_as_it_says_and_taken_back)
{
    weft_stream *stream = open_tcp();
    cr_assert_eq(weft_stream_set_keepalive(stream, &(struct weft_keepalive){0}), 0);
    cr_assert_eq(option(stream, SOL_SOCKET, SO_KEEPALIVE), 1);
    cr_assert_eq(option(stream, IPPROTO_TCP, TCP_KEEPIDLE), 60);
    cr_assert_eq(option(stream, IPPROTO_TCP, TCP_KEEPINTVL), 10);
    cr_assert_eq(option(stream, IPPROTO_TCP, TCP_KEEPCNT), 6);
    struct weft_keepalive mine = {.idle = WEFT_MS(1500), .interval = 1, .count = 3};
    cr_assert_eq(weft_stream_set_keepalive(stream, &mine), 0);
    cr_assert_eq(option(stream, IPPROTO_TCP, TCP_KEEPIDLE), 2, "rounded up");
    cr_assert_eq(option(stream, IPPROTO_TCP, TCP_KEEPINTVL), 1);
    cr_assert_eq(option(stream, IPPROTO_TCP, TCP_KEEPCNT), 3);
    cr_assert_eq(weft_stream_set_keepalive(stream, NULL), 0);
    cr_assert_eq(option(stream, SOL_SOCKET, SO_KEEPALIVE), 0);
    end(stream);
}

Test(socket, keepalive_that_makes_no_sense_is_refused)
{
    static const struct weft_keepalive bad[] = {
        {.size = 1},
        {.idle = -1},
        {.idle = WEFT_S(32768)},
        {.interval = -1},
        {.interval = INT64_MAX},
        {.count = -1},
        {.count = 128},
    };
    weft_stream *stream = open_tcp();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        cr_assert_eq(weft_stream_set_keepalive(stream, &bad[i]), -EINVAL, "%zu", i);
    cr_assert_eq(option(stream, SOL_SOCKET, SO_KEEPALIVE), 0);
    weft_stream_free(stream);
    close(peer);
    stream = weft_test_stream(&peer);
    cr_assert_eq(weft_stream_set_keepalive(stream, NULL), -EOPNOTSUPP);
    end(stream);
}

/* ---- The other end ---- */

Test(socket, credentials_are_those_of_the_peer)
{
    struct weft_credentials who = {.pid = 0};
    weft_stream *stream = weft_test_stream(&peer);
    cr_assert_eq(weft_stream_credentials(stream, &who), 0);
    cr_assert_eq(who.pid, getpid());
    cr_assert_eq(who.uid, geteuid());
    cr_assert_eq(who.gid, getegid());
    weft_stream_free(stream);
    close(peer);
    stream = open_tcp();
    who.pid = 77;
    cr_assert_eq(weft_stream_credentials(stream, &who), -EOPNOTSUPP);
    cr_assert_eq(who.pid, 77, "not touched");
    end(stream);
}
