/* SPDX-License-Identifier: MIT */
/* Descriptors that go by Unix sockets. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/socket.h>
#include <weft/stdio.h>
#include <weft/task.h>

#include "tests/support/fixture.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/net.h"
#include "tests/support/trace.h"

TestSuite(stream_fds, .init = weft_test_loop_begin, .timeout = 20);

static weft_stream *pair[2];
static char buffer[300 * 1024];

static void open_pair(void)
{
    cr_assert_eq(weft_stream_pair(pair), 0);
    cr_assert_eq(weft_accept_fds(pair[1], 3), 0);
}

static void end(void)
{
    weft_stream_free(pair[0]);
    weft_stream_free(pair[1]);
    weft_test_loop_end();
}

/* A descriptor of a file that holds this letter. */
static int letter(char what)
{
    int fds[2];
    cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
    cr_assert_eq(write(fds[1], &what, 1), 1);
    close(fds[1]);
    return fds[0];
}

static int send_letter(char what, const char *text)
{
    int fd = letter(what);
    int status = weft_send_fd(pair[0], fd, text, strlen(text));
    close(fd);
    return status;
}

/* The letter of the descriptor that comes next; 0: it failed, with *ret_status. */
static char receive(int *ret_status)
{
    char what = 0;
    int64_t fd = weft_test_count(weft_receive_fd(pair[1]));
    *ret_status = fd < 0 ? (int)fd : 0;
    if (fd < 0)
        return 0;
    cr_assert_eq(fcntl((int)fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    cr_assert_eq(read((int)fd, &what, 1), 1);
    close((int)fd);
    return what;
}

static char next(void)
{
    int status;
    char what = receive(&status);
    cr_assert_eq(status, 0);
    return what;
}

static int failure(void)
{
    int status;
    receive(&status);
    return status;
}

/* ---- Both ways ---- */

Test(stream_fds, descriptor_comes_with_its_bytes)
{
    open_pair();
    cr_assert_eq(weft_write(pair[0], "before\n", 7), 0);
    cr_assert_eq(send_letter('a', "with\n"), 0);
    cr_assert_eq(weft_write(pair[0], "after\n", 6), 0);
    cr_assert(weft_test_gives(weft_read_line(pair[1], 0), "before\n"));
    cr_assert(weft_test_gives(weft_read_line(pair[1], 0), "with\n"));
    cr_assert_eq(pair[1]->reader, NULL);
    weft_future *fd = weft_receive_fd(pair[1]);
    cr_assert(weft_is_done(fd), "it is here no later than its bytes");
    cr_assert_eq(close((int)weft_test_count(fd)), 0);
    cr_assert(weft_test_gives(weft_read_line(pair[1], 0), "after\n"));
    end();
}

Test(stream_fds, keep_their_order)
{
    open_pair();
    for (int round = 0; round < 3; round++) { /* around the ring */
        cr_assert_eq(send_letter('a', "1"), 0);
        cr_assert_eq(send_letter('b', "2"), 0);
        cr_assert_eq(next(), 'a');
        cr_assert_eq(next(), 'b');
    }
    cr_assert_eq(weft_test_count(weft_read_exactly(pair[1], buffer, 6)), 6);
    cr_assert_eq(memcmp(buffer, "121212", 6), 0);
    end();
}

Test(stream_fds, receive_waits_for_one)
{
    open_pair();
    weft_future *fd = weft_receive_fd(pair[1]);
    cr_assert_eq(weft_test_ended(weft_read(pair[1], buffer, 1)), -EBUSY);
    cr_assert_eq(weft_write(pair[0], "no", 2), 0);
    weft_test_turn();
    cr_assert(!weft_is_done(fd));
    cr_assert_eq(send_letter('a', "x"), 0);
    cr_assert_eq(close((int)weft_test_count(fd)), 0);
    cr_assert_eq(weft_test_count(weft_read_exactly(pair[1], buffer, 3)), 3);
    cr_assert_eq(memcmp(buffer, "nox", 3), 0);
    end();
}

/* What waits in the buffer is sent in parts: each descriptor goes with its own byte. */
Test(stream_fds, wait_in_their_places_while_the_peer_is_slow)
{
    open_pair();
    cr_assert_eq(weft_stream_set_option(pair[0], SOL_SOCKET, SO_SNDBUF, 4096), 0);
    memset(buffer, 'x', 100000);
    cr_assert_eq(weft_write(pair[0], buffer, 100000), 0);
    cr_assert_gt(weft_write_pending(pair[0]), 0);
    cr_assert_eq(send_letter('a', "A"), 0);
    cr_assert_eq(weft_write(pair[0], buffer, 5000), 0);
    cr_assert_eq(send_letter('b', "B"), 0);
    cr_assert_eq(weft_test_count(weft_read_exactly(pair[1], buffer, 100000)), 100000);
    cr_assert_eq(weft_test_count(weft_read_exactly(pair[1], buffer, 1)), 1);
    cr_assert_eq(buffer[0], 'A');
    cr_assert_eq(next(), 'a');
    cr_assert_eq(weft_test_count(weft_read_exactly(pair[1], buffer, 5001)), 5001);
    cr_assert_eq(buffer[5000], 'B');
    cr_assert_eq(next(), 'b');
    end();
}

Test(stream_fds, are_corked_like_bytes)
{
    open_pair();
    weft__stream_cork(pair[0]);
    cr_assert_eq(send_letter('a', "A"), 0);
    cr_assert_eq(send_letter('b', "B"), 0);
    cr_assert_eq(weft_write_pending(pair[0]), 2);
    cr_assert_eq(weft__stream_uncork(pair[0]), 0);
    cr_assert_eq(next(), 'a');
    cr_assert_eq(next(), 'b');
    end();
}

Test(stream_fds, close_sends_them_first)
{
    open_pair();
    weft__stream_cork(pair[0]);
    cr_assert_eq(send_letter('a', "A"), 0);
    cr_assert_eq(send_letter('b', "B"), 0);
    cr_assert_eq(weft_test_count(weft_close(pair[0])), 0);
    pair[0] = NULL;
    cr_assert_eq(next(), 'a');
    cr_assert_eq(next(), 'b');
    cr_assert_eq(failure(), WEFT_EOF);
    end();
}

Test(stream_fds, stream_that_is_sent_is_used_by_who_got_it)
{
    int peer;
    weft_stream *given = weft_test_stream(&peer);
    open_pair();
    cr_assert_eq(weft_send_fd(pair[0], weft_stream_fd(given), "x", 1), 0);
    weft_stream_free(given);
    weft_stream *got = weft_stream_new((int)weft_test_count(weft_receive_fd(pair[1])));
    cr_assert_not_null(got);
    weft_test_send_text(peer, "through\n");
    cr_assert(weft_test_gives(weft_read_line(got, 0), "through\n"));
    weft_stream_free(got);
    close(peer);
    end();
}

/* ---- Given up ---- */

Test(stream_fds, nobody_took_are_closed)
{
    open_pair();
    cr_assert_eq(send_letter('a', "A"), 0);
    cr_assert_eq(send_letter('b', "B"), 0);
    weft_unref(weft_receive_fd(pair[1]));
    weft_test_turn(); /* the fixture counts descriptors */
    weft__stream_cork(pair[0]);
    cr_assert_eq(send_letter('c', "C"), 0);
    end();
}

Test(stream_fds, that_nobody_asked_for_are_closed_and_their_bytes_come)
{
    open_pair();
    cr_assert_eq(weft_accept_fds(pair[1], 3), -EINVAL, "called before");
    int before = weft_test_fd_count();
    int fd = letter('a');
    cr_assert_eq(weft_send_fd(pair[1], fd, "plain\n", 6), 0);
    close(fd);
    cr_assert(weft_test_gives(weft_read_line(pair[0], 0), "plain\n"));
    cr_assert_eq(weft_test_fd_count(), before);
    end();
}

Test(stream_fds, cancelled_receive_loses_none)
{
    open_pair();
    weft_future *fd = weft_receive_fd(pair[1]);
    weft_test_turn();
    cr_assert(weft_cancel(fd));
    cr_assert_eq(weft_test_ended(fd), -ECANCELED);
    cr_assert_eq(send_letter('a', "A"), 0);
    cr_assert_eq(next(), 'a');
    end();
}

Test(stream_fds, end_of_the_loop_closes_all)
{
    open_pair();
    cr_assert_eq(send_letter('a', "A"), 0);
    weft_test_turn();
    weft__stream_cork(pair[0]);
    cr_assert_eq(send_letter('b', "B"), 0);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(failure(), -ESHUTDOWN);
    cr_assert_eq(weft_accept_fds(pair[0], 1), -ESHUTDOWN);
    cr_assert_eq(weft_send_fd(pair[0], 0, "x", 1), -ESHUTDOWN);
    end();
}

/* ---- Limits and misuse ---- */

Test(stream_fds, more_than_the_limit_fail_the_reading_behind_what_came)
{
    open_pair();
    for (int i = 0; i < 4; i++)
        cr_assert_eq(send_letter((char)('a' + i), "x"), 0);
    for (int i = 0; i < 8; i++)
        weft_test_turn();
    cr_assert_eq(next(), 'a');
    cr_assert_eq(next(), 'b');
    cr_assert_eq(next(), 'c');
    cr_assert_eq(failure(), WEFT_ELIMIT);
    cr_assert_eq(weft_test_count(weft_read_exactly(pair[1], buffer, 4)), 4);
    cr_assert_eq(weft_test_count(weft_read(pair[1], buffer, 1)), WEFT_ELIMIT);
    end();
}

Test(stream_fds, bytes_before_one_may_not_be_more_than_the_stream_keeps)
{
    open_pair();
    cr_assert_eq(weft_stream_set_limits(pair[1], &(struct weft_stream_limits){.read_high = 10}), 0);
    cr_assert_eq(weft_write(pair[0], "0123456789more", 14), 0);
    cr_assert_eq(send_letter('a', "x"), 0);
    cr_assert_eq(failure(), WEFT_ELIMIT);
    cr_assert_eq(weft_test_count(weft_read_exactly(pair[1], buffer, 14)), 14);
    cr_assert_eq(next(), 'a');
    end();
}

static struct weft__sys real;

static ssize_t truncating_recvmsg(int fd, struct msghdr *message, int flags)
{
    ssize_t got = real.recvmsg(fd, message, flags);
    message->msg_flags |= MSG_CTRUNC;
    return got;
}

Test(stream_fds, lack_of_numbers_fails_the_reading_behind_what_came)
{
    open_pair();
    real = weft__sys;
    weft__sys.recvmsg = truncating_recvmsg;
    cr_assert_eq(weft_write(pair[0], "came", 4), 0);
    cr_assert_eq(failure(), -EMFILE);
    cr_assert_eq(weft_test_count(weft_read_exactly(pair[1], buffer, 4)), 4);
    cr_assert_eq(weft_test_count(weft_read(pair[1], buffer, 1)), -EMFILE);
    end();
}

Test(stream_fds, failures_of_the_kernel_are_the_streams)
{
    open_pair();
    cr_assert(weft__sys_fail("recvmsg", 1, EINTR));
    cr_assert_eq(send_letter('a', "x"), 0);
    cr_assert_eq(next(), 'a');
    cr_assert(weft__sys_fail("sendmsg", 1, EAGAIN));
    cr_assert_eq(send_letter('b', "x"), 0);
    cr_assert_eq(weft_write_pending(pair[0]), 1);
    cr_assert_eq(next(), 'b');
    cr_assert(weft__sys_fail("sendmsg", 1, ETOOMANYREFS));
    cr_assert_eq(send_letter('c', "x"), -ETOOMANYREFS);
    cr_assert_eq(send_letter('c', "x"), -ETOOMANYREFS);
    cr_assert_eq(weft_test_count(weft_close(pair[0])), -ETOOMANYREFS);
    pair[0] = NULL;
    end();
}

Test(stream_fds, misuse_is_refused)
{
    open_pair();
    cr_assert_eq(weft_send_fd(pair[0], 0, "", 0), -EINVAL);
    cr_assert_eq(weft_send_fd(pair[0], -1, "x", 1), -EBADF);
    cr_assert_eq(weft_accept_fds(pair[0], 0), -EINVAL);
    cr_assert_eq(weft_accept_fds(pair[0], 254), -EINVAL);
    cr_assert_eq(weft_test_ended(weft_receive_fd(pair[0])), -EINVAL);
    cr_assert_eq(weft_write_eof(pair[0]), 0);
    cr_assert_eq(send_letter('a', "x"), -EPIPE);
    weft_stream *pipes[2];
    int fds[2];
    cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
    pipes[0] = weft_open_pipe_reader(fds[0]);
    pipes[1] = weft_open_pipe_writer(fds[1]);
    cr_assert_eq(weft_accept_fds(pipes[0], 1), -EOPNOTSUPP);
    cr_assert_eq(weft_send_fd(pipes[1], 0, "x", 1), -EOPNOTSUPP);
    weft_stream_free(pipes[0]);
    weft_stream_free(pipes[1]);
    end();
}

Test(stream_fds, write_that_is_refused_sends_none)
{
    static const struct weft_stream_limits small = {
        .write_high = 10, .write_low = 10, .write_limit = 10};
    open_pair();
    cr_assert_eq(weft_stream_set_limits(pair[0], &small), 0);
    cr_assert_eq(weft_write(pair[0], buffer, sizeof(buffer)), 0);
    cr_assert_eq(send_letter('a', "x"), -ENOBUFS);
    cr_assert_null(pair[0]->departures);
    end();
}

/* ---- Out of memory ---- */

static int scene(void)
{
    pair[0] = pair[1] = NULL;
    int status = weft_stream_pair(pair);
    if (status == 0)
        status = weft_accept_fds(pair[1], 1);
    if (status == 0)
        status = weft_send_fd(pair[0], 0, "x", 1);
    int64_t fd = status == 0 ? weft_test_count(weft_receive_fd(pair[1])) : status;
    if (fd >= 0)
        close((int)fd);
    weft_stream_free(pair[0]);
    weft_stream_free(pair[1]);
    return fd < 0 ? (int)fd : 0;
}

Test(stream_fds, every_lack_of_memory_is_a_failure_and_leaves_nothing)
{
    weft_test_every_lack_of_memory(scene);
    weft_test_loop_end();
}
