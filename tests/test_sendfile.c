/* SPDX-License-Identifier: MIT */
/* Files by streams. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/combine.h>
#include <weft/job.h>
#include <weft/sendfile.h>
#include <weft/socket.h>
#include <weft/stdio.h>
#include <weft/task.h>

#include "net/stream/stream.h"
#include "tests/support/files.h"
#include "tests/support/heap.h"
#include "tests/support/net.h"
#include "tests/support/pool.h"
#include "tests/support/toy_filter.h"
#include "tests/support/trace.h"

TestSuite(sendfile, .init = test_files_begin, .timeout = 30);

enum { SIZE = 900000 };

static int peer, file;
static char content[SIZE + 1], got[SIZE + 1000];
static size_t got_len;

static weft_stream *open_all(void)
{
    for (size_t i = 0; i < SIZE; i++)
        content[i] = (char)('a' + i % 23);
    test_make("a", content);
    file = open(test_path("a"), O_RDONLY | O_CLOEXEC);
    return weft_test_stream(&peer);
}

static void end(weft_stream *stream)
{
    weft_stream_free(stream);
    close(file);
    close(peer);
    test_files_end();
}

static void take(void)
{
    long len;
    while ((len = weft_test_receive(peer, got + got_len, sizeof(got) - got_len)) > 0)
        got_len += (size_t)len;
}

/* The peer reads until the future is done and all is here: the value, or the failure. */
static int64_t result(weft_future *future)
{
    while (!weft_is_done(future)) {
        take();
        weft_test_turn();
    }
    take();
    return weft_test_count(future);
}

/* Some way into a file that the peer does not read. */
static weft_future *begin(weft_stream *stream)
{
    weft_future *sending = weft_sendfile(stream, file, 0, 0);
    while (!(stream->flags & WEFT__STREAM_WRITE_ARMED))
        weft_test_turn();
    cr_assert(!weft_is_done(sending));
    return sending;
}

/* ---- Success ---- */

Test(sendfile, file_comes_whole_and_in_its_place)
{
    weft_stream *stream = open_all();
    cr_assert_eq(weft_write(stream, "before", 6), 0);
    cr_assert_eq(result(weft_sendfile(stream, file, 0, 0)), SIZE);
    cr_assert_eq(weft_write(stream, "after", 5), 0);
    take();
    cr_assert_eq(got_len, SIZE + 11);
    cr_assert_eq(memcmp(got, "before", 6), 0);
    cr_assert_eq(memcmp(got + 6, content, SIZE), 0);
    cr_assert_eq(memcmp(got + 6 + SIZE, "after", 5), 0);
    struct weft_stream_stats stats;
    weft_stream_get_stats(stream, &stats);
    cr_assert_eq(stats.written, SIZE + 11);
    cr_assert_eq(lseek(file, 0, SEEK_CUR), 0, "the position was not moved");
    end(stream);
}

Test(sendfile, what_was_written_before_and_waits_goes_first)
{
    weft_stream *stream = open_all();
    static char before[100000];
    cr_assert_eq(weft_stream_set_option(stream, SOL_SOCKET, SO_SNDBUF, 4096), 0);
    cr_assert_eq(weft_write(stream, before, sizeof(before)), 0);
    cr_assert_gt(weft_write_pending(stream), 0);
    cr_assert_eq(result(weft_sendfile(stream, file, 0, 100000)), 100000);
    cr_assert_eq(got_len, 200000);
    cr_assert_eq(memcmp(got, before, 100000), 0);
    cr_assert_eq(memcmp(got + 100000, content, 100000), 0);
    end(stream);
}

Test(sendfile, part_is_from_the_offset_on_and_ends_with_the_file)
{
    weft_stream *stream = open_all();
    cr_assert_eq(result(weft_sendfile(stream, file, 1000, 5)), 5);
    cr_assert_eq(memcmp(got, content + 1000, 5), 0);
    cr_assert_eq(result(weft_sendfile(stream, file, SIZE - 3, 100)), 3);
    cr_assert_eq(memcmp(got + 5, content + SIZE - 3, 3), 0);
    cr_assert_eq(result(weft_sendfile(stream, file, SIZE, 0)), 0);
    cr_assert_eq(got_len, 8);
    end(stream);
}

Test(sendfile, descriptor_may_be_closed_at_once)
{
    weft_stream *stream = open_all();
    weft_future *sending = weft_sendfile(stream, file, 0, 0);
    close(file);
    file = -1;
    cr_assert_eq(result(sending), SIZE);
    cr_assert_eq(memcmp(got, content, SIZE), 0);
    end(stream);
}

Test(sendfile, stream_is_read_meanwhile)
{
    weft_stream *stream = open_all();
    weft_future *sending = begin(stream);
    weft_test_send_text(peer, "hello\n");
    cr_assert(weft_test_gives(weft_read_line(stream, 0), "hello\n"));
    cr_assert_eq(result(sending), SIZE);
    end(stream);
}

/* ---- Where the kernel cannot ---- */

Test(sendfile, file_of_which_the_kernel_cannot_is_read)
{
    weft_stream *stream = open_all();
    cr_assert(weft__sys_fail("sendfile", 1, EINVAL));
    cr_assert_eq(result(weft_sendfile(stream, file, 0, 0)), SIZE);
    cr_assert(weft__sys_failed("sendfile"));
    for (; weft_write_pending(stream); weft_test_turn())
        take();
    take();
    cr_assert_eq(got_len, SIZE);
    cr_assert_eq(memcmp(got, content, SIZE), 0);
    end(stream);
}

Test(sendfile, pipes_get_files_too)
{
    int fds[2];
    weft_stream_free(open_all());
    close(peer);
    cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
    weft_stream *out = weft_open_pipe_writer(fds[1]), *in = weft_open_pipe_reader(fds[0]);
    weft_future *sending = weft_sendfile(out, file, 0, 0);
    cr_assert_eq(weft_test_count(weft_read_exactly(in, got, SIZE)), SIZE);
    cr_assert_eq(weft_test_count(sending), SIZE);
    cr_assert_eq(memcmp(got, content, SIZE), 0);
    weft_stream_free(in);
    peer = -1;
    end(out);
}

Test(sendfile, files_get_files_too)
{
    weft_stream_free(open_all());
    close(peer);
    weft_stream *out =
        weft_open_pipe_writer(open(test_path("b"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    cr_assert_eq(weft_test_count(weft_sendfile(out, file, 0, 0)), SIZE);
    cr_assert_eq(weft_test_count(weft_close(out)), 0);
    char *copied = test_content("b");
    cr_assert_str_eq(copied, content);
    free(copied);
    peer = -1;
    end(NULL);
}

Test(sendfile, file_goes_through_a_filter)
{
    weft_stream *stream = open_all();
    test_toy_greet(stream, peer);
    weft_future *sending = weft_sendfile(stream, file, 0, 1000);
    cr_assert_eq(weft_test_count(sending), 1000);
    cr_assert_eq(strncmp(test_toy_hear(peer), content, 1000), 0);
    end(stream);
}

/* ---- What was sent counts ---- */

Test(sendfile, cancel_after_a_part_gives_its_length_and_the_rest_can_follow)
{
    weft_stream *stream = open_all();
    weft_future *sending = begin(stream);
    weft_cancel(sending);
    int64_t sent = result(sending);
    cr_assert(sent > 0 && sent < SIZE);
    cr_assert_eq((int64_t)got_len, sent);
    cr_assert_eq(result(weft_sendfile(stream, file, sent, 0)), SIZE - sent);
    cr_assert_eq(memcmp(got, content, SIZE), 0);
    end(stream);
}

Test(sendfile, cancel_before_anything_was_sent_is_one)
{
    weft_stream *stream = open_all();
    weft_future *sending = weft_sendfile(stream, file, 0, 0);
    cr_assert(weft_cancel(sending));
    int64_t sent = result(sending);
    cr_assert(sent == -ECANCELED || sent > 0, "%ld", (long)sent);
    cr_assert_eq(got_len, sent > 0 ? (size_t)sent : 0);
    cr_assert_eq(weft_write(stream, "x", 1), 0);
    end(stream);
}

Test(sendfile, cancel_while_what_was_before_waits_sends_nothing)
{
    weft_stream *stream = open_all();
    cr_assert_eq(weft_stream_set_option(stream, SOL_SOCKET, SO_SNDBUF, 4096), 0);
    cr_assert_eq(weft_write(stream, content, 100000), 0);
    weft_future *sending = weft_sendfile(stream, file, 0, 0);
    cr_assert(weft_cancel(sending));
    cr_assert_eq(weft_test_ended(sending), -ECANCELED);
    while (weft_write_pending(stream)) {
        take();
        weft_test_turn();
    }
    take();
    cr_assert_eq(got_len, 100000);
    end(stream);
}

Test(sendfile, deadline_after_a_part_is_met_and_the_part_is_known)
{
    weft_stream *stream = open_all();
    weft_future *sending = begin(stream);
    cr_assert_eq(weft_test_run(weft_wait_for(weft_ref(sending), WEFT_S(5))), 0);
    int64_t sent = weft_test_count(sending);
    take();
    cr_assert_eq((int64_t)got_len, sent);
    end(stream);
}

Test(sendfile, peer_that_goes_away_is_met_by_the_next_call)
{
    weft_stream *stream = open_all();
    weft_future *sending = begin(stream);
    close(peer);
    peer = -1;
    int64_t sent = weft_test_count(sending);
    cr_assert(sent > 0 && sent < SIZE);
    cr_assert_lt(weft__stream_write_error(stream), 0, "nothing is written after it");
    cr_assert_eq(weft_test_count(weft_sendfile(stream, file, sent, 0)), -EPIPE);
    end(stream);
}

Test(sendfile, peer_that_goes_away_is_met_by_a_drain_and_a_close_too)
{
    weft_stream *stream = open_all();
    weft_future *sending = begin(stream);
    close(peer);
    peer = -1;
    cr_assert_gt(weft_test_count(sending), 0);
    cr_assert_eq(weft_test_ended(weft_drain(stream)), -EPIPE);
    cr_assert_eq(weft_write_eof(stream), -EPIPE);
    cr_assert_eq(weft_test_ended(weft_close(stream)), -EPIPE);
    end(NULL);
}

Test(sendfile, failure_of_the_connection_ends_it)
{
    weft_stream *stream = open_all();
    weft_future *sending = begin(stream);
    weft__stream_break(stream, -ETIMEDOUT);
    cr_assert_gt(weft_test_ended(weft_ref(sending)), -1);
    cr_assert_gt(weft_test_count(sending), 0);
    cr_assert_eq(weft_test_count(weft_sendfile(stream, file, 0, 0)), -ETIMEDOUT);
    end(stream);
}

/* ---- While a job is at it ---- */

static struct gate gate;
static struct weft__sys real;
static bool passed; /* [worker] of one job: only its first call waits */

static ssize_t gated_sendfile(int to, int from, off_t *offset, size_t size)
{
    if (!passed)
        gate_pass(&gate);
    passed = true;
    return real.sendfile(to, from, offset, size);
}

static ssize_t gated_preadv(int fd, const struct iovec *pieces, int count, off_t offset)
{
    gate_pass(&gate);
    return real.preadv(fd, pieces, count, offset);
}

static void use_gate(void)
{
    gate_init(&gate);
    real = weft__sys;
    weft__sys.sendfile = gated_sendfile;
    weft__sys.preadv = gated_preadv;
}

Test(sendfile, cancel_waits_for_a_job_that_sends_and_counts)
{
    weft_stream *stream = open_all();
    use_gate();
    weft_future *sending = weft_sendfile(stream, file, 0, 0);
    gate_wait_entered(&gate);
    cr_assert(weft_cancel(sending));
    weft_test_turn();
    cr_assert(!weft_is_done(sending));
    cr_assert_eq(weft_write(stream, "x", 1), -EBUSY);
    gate_open(&gate);
    int64_t sent = result(sending);
    cr_assert(sent > 0 && sent < SIZE);
    cr_assert_eq((int64_t)got_len, sent);
    cr_assert_eq(memcmp(got, content, got_len), 0);
    end(stream);
}

struct sends {
    WEFT_FRAME;
    weft_stream *stream;
    int64_t sent;
    int64_t *ret_sent;
};

static WEFT_ASYNC(sends)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->sent, weft_sendfile(self->stream, file, 0, 0));
    *self->ret_sent = self->sent;
    WEFT_AWAIT(weft_sleep(1));
    WEFT_END;
}

Test(sendfile, task_that_is_cancelled_knows_what_was_sent_and_keeps_the_request)
{
    int64_t sent = 0;
    weft_stream *stream = open_all();
    use_gate();
    weft_future *task = weft_spawn(sends, .stream = stream, .ret_sent = &sent);
    weft_test_turn();
    gate_wait_entered(&gate);
    cr_assert(weft_cancel(task));
    gate_open(&gate);
    cr_assert_eq(result(task), -ECANCELED);
    cr_assert_gt(sent, 0);
    cr_assert_eq((int64_t)got_len, sent);
    end(stream);
}

Test(sendfile, cancel_while_a_piece_is_read_sends_that_and_counts)
{
    weft_stream *stream = open_all();
    use_gate();
    test_toy_greet(stream, peer); /* no socket for the kernel */
    weft_future *sending = weft_sendfile(stream, file, 0, 0);
    gate_wait_entered(&gate);
    cr_assert(weft_cancel(sending));
    weft_test_turn();
    cr_assert(!weft_is_done(sending));
    gate_open(&gate);
    int64_t sent = weft_test_count(sending);
    cr_assert(sent > 0 && sent < SIZE, "%ld", (long)sent);
    end(stream);
}

Test(sendfile, free_leaves_a_job_behind_that_sends)
{
    weft_stream *stream = open_all();
    use_gate();
    weft_future *sending = weft_sendfile(stream, file, 0, 0);
    gate_wait_entered(&gate);
    weft_stream_free(stream);
    cr_assert_eq(weft_test_ended(sending), WEFT_ECLOSED);
    gate_open(&gate);
    end(NULL);
}

static void free_it(weft_future *future, void *stream)
{
    (void)future;
    weft_stream_free(stream);
}

/* Both jobs come home at once, and who frees the stream has its turn first. */
Test(sendfile, free_when_the_job_has_just_ended_is_one_like_others)
{
    struct gate first;
    weft_pool *pool = weft_loop_pool(test_loop);
    weft_stream *stream = open_all();
    gate_init(&first);
    use_gate();
    weft_future *sending = weft_sendfile(stream, file, 0, 0);
    cr_assert_eq(weft_then(weft_to_thread_fn(NULL, gate_pass, &first), free_it, stream), 0);
    gate_wait_entered(&first);
    gate_wait_entered(&gate);
    gate_open(&first);
    wait_for_idle(pool, 1);
    gate_open(&gate);
    wait_for_idle(pool, 2);
    cr_assert_eq(weft_test_count(sending), WEFT_ECLOSED);
    end(NULL);
}

Test(sendfile, peer_that_goes_away_before_the_file_is_a_failure)
{
    weft_stream *stream = open_all();
    cr_assert_eq(weft_stream_set_option(stream, SOL_SOCKET, SO_SNDBUF, 4096), 0);
    cr_assert_eq(weft_write(stream, content, 100000), 0);
    weft_future *sending = weft_sendfile(stream, file, 0, 0);
    close(peer);
    peer = -1;
    int status = (int)weft_test_count(sending);
    cr_assert(status == -EPIPE || status == -ECONNRESET, "%d", status);
    end(stream);
}

/* ---- Failures and misuse ---- */

Test(sendfile, failures_of_the_file_are_told_and_harm_no_stream)
{
    weft_stream *stream = open_all();
    int fds[2], folder = open(test_path("."), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
    cr_assert_eq(result(weft_sendfile(stream, -1, 0, 0)), -EBADF);
    cr_assert_eq(result(weft_sendfile(stream, file, -1, 0)), -EINVAL);
    cr_assert_eq(result(weft_sendfile(stream, fds[0], 0, 0)), -ESPIPE);
    cr_assert_eq(result(weft_sendfile(stream, fds[1], 0, 0)), -EBADF);
    cr_assert_eq(result(weft_sendfile(stream, folder, 0, 0)), -EISDIR);
    cr_assert(weft__sys_fail("sendfile", 1, EIO));
    cr_assert_eq(result(weft_sendfile(stream, file, 0, 0)), -EIO);
    cr_assert(weft__sys_fail("sendfile", 1, EINTR));
    cr_assert_eq(result(weft_sendfile(stream, file, 0, 10)), 10, "tried again");
    close(fds[0]);
    close(fds[1]);
    close(folder);
    end(stream);
}

Test(sendfile, second_writer_is_refused)
{
    weft_stream *stream = open_all();
    weft_future *sending = begin(stream);
    cr_assert_eq(weft_write(stream, "x", 1), -EBUSY);
    cr_assert_eq(weft_send_fd(stream, file, "x", 1), -EBUSY);
    cr_assert_eq(weft_write_eof(stream), -EBUSY);
    cr_assert_eq(weft_test_ended(weft_drain(stream)), -EBUSY);
    cr_assert_eq(weft_test_ended(weft_sendfile(stream, file, 0, 0)), -EBUSY);
    cr_assert_eq(test_toy_start(test_toy_new(), stream), -EBUSY);
    cr_assert_eq(result(sending), SIZE);
    cr_assert_eq(got_len, SIZE);
    cr_assert_eq(memcmp(got, content, SIZE), 0);
    cr_assert_eq(weft_write_eof(stream), 0);
    cr_assert_eq(weft_test_count(weft_sendfile(stream, file, 0, 0)), -EPIPE);
    end(stream);
}

/* ---- The end of the stream meanwhile ---- */

Test(sendfile, close_and_free_end_it)
{
    weft_stream *stream = open_all();
    weft_future *sending = begin(stream);
    cr_assert_eq(weft_test_count(weft_close(stream)), 0);
    cr_assert_eq(weft_test_ended(sending), WEFT_ECLOSED);
    close(peer);
    stream = weft_test_stream(&peer);
    sending = begin(stream);
    weft_stream_free(stream);
    cr_assert_eq(weft_test_ended(sending), WEFT_ECLOSED);
    close(peer);
    stream = weft_test_stream(&peer);
    sending = weft_sendfile(stream, file, 0, 0); /* a job is under way */
    weft_stream_free(stream);
    cr_assert_eq(weft_test_ended(sending), WEFT_ECLOSED);
    end(NULL);
}

Test(sendfile, end_of_the_loop_ends_it)
{
    weft_stream *stream = open_all();
    weft_future *sending = begin(stream);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(weft_test_ended(sending), -ECANCELED);
    cr_assert_eq(weft_test_ended(weft_sendfile(stream, file, 0, 0)), -ESHUTDOWN);
    end(stream);
}

Test(sendfile, end_of_the_loop_waits_for_a_job)
{
    weft_stream *stream = open_all();
    weft_future *sending = weft_sendfile(stream, file, 0, 0);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    int status = weft_test_ended(sending);
    cr_assert(status == 0 || status == -ECANCELED || status == -ESHUTDOWN, "%d", status);
    end(stream);
}

/* ---- Out of memory ---- */

static bool by_reading;

static int scene(void)
{
    int fds[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    weft_stream *stream = weft_stream_new(fds[0]);
    int64_t sent = -ENOMEM;
    weft__sys_fail("sendfile", by_reading, EINVAL);
    if (stream)
        sent = weft_test_count(weft_sendfile(stream, file, 0, 100));
    else
        close(fds[0]);
    weft_stream_free(stream);
    close(fds[1]);
    cr_assert(sent == 100 || sent == -ENOMEM, "%ld", (long)sent);
    return sent < 0 ? (int)sent : 0;
}

Test(sendfile, every_lack_of_memory_is_a_failure_and_leaves_nothing)
{
    weft_stream_free(open_all());
    cr_assert_eq(scene(), 0);
    weft_test_every_lack_of_memory(scene);
    by_reading = true;
    weft_test_every_lack_of_memory(scene);
    end(NULL);
}
