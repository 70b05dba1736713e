/* SPDX-License-Identifier: MIT */
/* Calls of streams on another thread, and in a forked child; those that move bytes are in
 * test_elsewhere_net.c. */
#include <criterion/criterion.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/sendfile.h>
#include <weft/socket.h>
#include <weft/stdio.h>

#include "tests/support/elsewhere.h"
#include "tests/support/loop.h"
#include "tests/support/net.h"

TestSuite(elsewhere_stream, .init = weft_test_loop_begin, .timeout = 60);

struct stage {
    weft_stream *stream;
    int spare; /* a connected socket */
};

#define CALLS(X)                                                                                  \
    X(S, weft_accept_fds, weft_accept_fds(s->stream, 1))                                          \
    X(F, weft_next_line, weft_next_line(s->stream, NULL))                                         \
    X(N, weft_open_pipe_reader, weft_open_pipe_reader(s->spare))                                  \
    X(N, weft_open_pipe_writer, weft_open_pipe_writer(s->spare))                                  \
    X(N, weft_open_stderr, weft_open_stderr())                                                    \
    X(N, weft_open_stdin, weft_open_stdin())                                                      \
    X(N, weft_open_stdout, weft_open_stdout())                                                    \
    X(F, weft_read_all, weft_read_all(s->stream, 0))                                              \
    X(F, weft_read_until_any,                                                                     \
      weft_read_until_any(s->stream, &(struct weft_separator){"\n", 1}, 1, 0))                    \
    X(F, weft_receive_fd, weft_receive_fd(s->stream))                                             \
    X(S, weft_send_fd, weft_send_fd(s->stream, 0, "x", 1))                                        \
    X(F, weft_sendfile, weft_sendfile(s->stream, 0, 0, 1))                                        \
    X(V, weft_stream_abort, weft_stream_abort(s->stream))                                         \
    X(S, weft_stream_credentials,                                                                 \
      weft_stream_credentials(s->stream, &(struct weft_credentials){0}))                          \
    X(S, weft_stream_fd, weft_stream_fd(s->stream))                                               \
    X(S, weft_stream_get_option,                                                                  \
      weft_stream_get_option(s->stream, SOL_SOCKET, SO_ERROR, &(int){0}))                         \
    X(V, weft_stream_get_stats, weft_stream_get_stats(s->stream, &(struct weft_stream_stats){0})) \
    X(M, weft_stream_pair, weft_stream_pair((weft_stream *[2]){NULL}))                            \
    X(S, weft_stream_set_keepalive, weft_stream_set_keepalive(s->stream, NULL))                   \
    X(S, weft_stream_set_option, weft_stream_set_option(s->stream, SOL_SOCKET, SO_SNDBUF, 4096))  \
    X(S, weft_writev, weft_writev(s->stream, &(struct iovec){(char[1]){0}, 1}, 1))

CALLS(WEFT_TEST_CALL)
static const struct weft_test_call calls[] = {CALLS(WEFT_TEST_ENTRY)};

Test(elsewhere_stream, calls_are_refused_named_and_change_nothing)
{
    int peer, pair[2];
    char byte;
    struct stage s = {.stream = weft_test_stream(&peer)};
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    s.spare = pair[0];
    weft_test_send_text(peer, "line\n");

    weft_test_elsewhere(calls, sizeof(calls) / sizeof(calls[0]), &s);

    cr_assert(weft_test_gives(weft_read_line(s.stream, 0), "line\n"));
    cr_assert_eq(weft_test_receive(peer, &byte, 1), 0, "nothing was written");
    cr_assert_eq(send(s.spare, "x", 1, MSG_DONTWAIT), 1, "it is the caller's still");
    weft_stream_free(s.stream);
    close(peer);
    close(pair[0]);
    close(pair[1]);
    weft_test_loop_end();
}
