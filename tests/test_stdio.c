/* SPDX-License-Identifier: MIT */
/* Streams over pipes, terminals and files, and over what the process was started with. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/combine.h>
#include <weft/job.h>
#include <weft/stdio.h>
#include <weft/task.h>

#include "net/net.h"
#include "tests/support/files.h"
#include "tests/support/heap.h"
#include "tests/support/net.h"
#include "tests/support/pool.h"
#include "tests/support/trace.h"

TestSuite(stdio, .init = test_files_begin, .timeout = 30);

static char buffer[512 * 1024];

static int open_file(const char *name, int flags)
{
    int fd = open(test_path(name), flags | O_CLOEXEC, 0600);
    cr_assert_geq(fd, 0);
    return fd;
}

static void make_pipe(int fds[2])
{
    cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
}

/* Let the descriptor (consumed) be number `as`, call, and put back what it was. */
static weft_stream *open_as(int as, int fd, weft_stream *(*open_it)(void))
{
    int before = fcntl(as, F_DUPFD_CLOEXEC, 3);
    cr_assert_eq(dup2(fd, as), as);
    close(fd);
    weft_stream *stream = open_it();
    int error = errno;
    cr_assert_not(fcntl(as, F_GETFL) & O_NONBLOCK, "others share it");
    if (before < 0)
        close(as);
    else
        dup2(before, as);
    if (before >= 0)
        close(before);
    errno = error;
    return stream;
}

static bool has(const char *name, const char *expected)
{
    char *content = test_content(name);
    bool same = content && strcmp(content, expected) == 0;
    free(content);
    return same;
}

/* ---- Pipes ---- */

Test(stdio, pipe_has_a_reader_and_a_writer)
{
    int fds[2];
    make_pipe(fds);
    weft_stream *in = weft_open_pipe_reader(fds[0]);
    weft_stream *out = weft_open_pipe_writer(fds[1]);
    cr_assert(in && out);
    cr_assert_eq(weft_write(out, "through\n", 8), 0);
    cr_assert(weft_test_gives(weft_read_line(in, 0), "through\n"));
    cr_assert_eq(weft_write(in, "x", 1), -EPIPE);
    cr_assert(weft_at_eof(out));
    cr_assert_eq(weft_test_ended(weft_close(out)), 0);
    cr_assert(weft_test_gives(weft_read_line(in, 0), ""));
    weft_stream_free(in);
    test_files_end();
}

Test(stdio, pipe_that_nobody_reads_is_an_error_and_no_signal)
{
    int fds[2];
    make_pipe(fds);
    weft_stream *out = weft_open_pipe_writer(fds[1]);
    close(fds[0]);
    cr_assert_eq(weft_write(out, "x", 1), -EPIPE);
    weft_stream_free(out);
    test_files_end();
}

Test(stdio, half_a_socket_is_a_reader_or_a_writer)
{
    int fds[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    weft_stream *in = weft_open_pipe_reader(fds[0]);
    weft_stream *out = weft_open_pipe_writer(fds[1]);
    cr_assert_eq(weft_write(out, "through", 7), 0);
    cr_assert_eq(weft_write_eof(out), 0);
    cr_assert(weft_test_gives(weft_read_line(in, 0), "through"));
    cr_assert_eq(weft_write(in, "x", 1), -EPIPE);
    cr_assert_eq(weft_test_count(weft_read(out, buffer, 1)), 0);
    weft_stream_free(in);
    weft_stream_free(out);
    test_files_end();
}

static int refusal(weft_stream *stream)
{
    int error = errno;
    cr_assert_null(stream);
    return error;
}

Test(stdio, descriptors_that_do_not_fit_are_refused_and_stay_the_callers)
{
    int fds[2];
    make_pipe(fds);
    cr_assert_eq(refusal(weft_open_pipe_reader(fds[1])), EBADF);
    cr_assert_eq(refusal(weft_open_pipe_writer(fds[0])), EBADF);
    cr_assert_eq(refusal(weft_open_pipe_reader(-1)), EBADF);
    close(fds[0]);
    close(fds[1]);
    int folder = open_file(".", O_RDONLY | O_DIRECTORY);
    cr_assert_eq(refusal(weft_open_pipe_reader(folder)), EISDIR);
    close(folder);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(refusal(weft_open_pipe_reader(0)), ESHUTDOWN);
    cr_assert_eq(refusal(weft_open_stdin()), ESHUTDOWN);
    test_files_end();
}

/* ---- Files ---- */

Test(stdio, file_is_read_line_by_line_to_its_end)
{
    test_make("a", "one\ntwo\nthree");
    weft_stream *in = weft_open_pipe_reader(open_file("a", O_RDONLY));
    cr_assert(weft_test_gives(weft_read_line(in, 0), "one\n"));
    cr_assert(weft_test_gives(weft_read_line(in, 0), "two\n"));
    cr_assert(weft_test_gives(weft_read_line(in, 0), "three"));
    cr_assert(weft_test_gives(weft_read_line(in, 0), ""));
    cr_assert(weft_at_eof(in));
    weft_stream_free(in);
    test_files_end();
}

Test(stdio, large_file_goes_through_two_streams)
{
    enum { SIZE = 300000 };
    for (size_t i = 0; i < SIZE; i++)
        buffer[i] = (char)('a' + i % 23);
    test_make("a", buffer);
    weft_stream *in = weft_open_pipe_reader(open_file("a", O_RDONLY));
    weft_stream *out = weft_open_pipe_writer(open_file("b", O_WRONLY | O_CREAT));
    cr_assert_eq(weft_stream_set_limits(in, &(struct weft_stream_limits){.read_high = 1000}), 0);
    static char piece[7000];
    int64_t got, total = 0;
    while ((got = weft_test_count(weft_read(in, piece, sizeof(piece)))) > 0) {
        total += got;
        cr_assert_eq(weft_write(out, piece, (size_t)got), 0);
        cr_assert_eq(weft_test_count(weft_drain(out)), 0);
    }
    cr_assert_eq(got, 0);
    cr_assert_eq(total, SIZE);
    cr_assert_eq(weft_test_count(weft_close(out)), 0);
    cr_assert(has("b", buffer));
    weft_stream_free(in);
    test_files_end();
}

Test(stdio, what_cannot_be_watched_is_read_and_written_too)
{
    weft_stream *in = weft_open_pipe_reader(open("/dev/zero", O_RDONLY | O_CLOEXEC));
    weft_stream *out = weft_open_pipe_writer(open("/dev/null", O_WRONLY | O_CLOEXEC));
    cr_assert_eq(weft_test_count(weft_read_exactly(in, buffer, 200000)), 200000);
    cr_assert_eq(weft_write(out, buffer, 200000), 0);
    cr_assert_eq(weft_test_count(weft_close(out)), 0);
    weft_stream_free(in);
    test_files_end();
}

Test(stdio, write_that_fails_is_a_failure_of_the_stream)
{
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    weft_stream *out = weft_open_pipe_writer(fd);
    cr_assert_eq(weft_write(out, "x", 1), 0);
    cr_assert_eq(weft_test_count(weft_close(out)), -ENOSPC);
    out = weft_open_pipe_writer(open("/dev/full", O_WRONLY | O_CLOEXEC));
    cr_assert_eq(weft_write(out, buffer, 100000), 0);
    cr_assert_eq(weft_test_count(weft_drain(out)), -ENOSPC);
    cr_assert_eq(weft_write(out, "x", 1), -ENOSPC);
    weft_stream_free(out);
    test_files_end();
}

Test(stdio, read_that_fails_comes_after_what_was_read)
{
    test_make("a", "some\n");
    weft_stream *in = weft_open_pipe_reader(open_file("a", O_RDONLY));
    cr_assert(weft__sys_fail("readv", 2, EIO));
    cr_assert(weft_test_gives(weft_read_line(in, 0), "some\n"));
    cr_assert_eq(weft_test_count(weft_read(in, buffer, 10)), -EIO);
    weft_stream_free(in);
    test_files_end();
}

Test(stdio, drain_waits_until_a_worker_has_written)
{
    weft_stream *out = weft_open_pipe_writer(open_file("a", O_WRONLY | O_CREAT));
    static const struct weft_stream_limits none = {.write_high = 1, .write_low = 1};
    cr_assert_eq(weft_stream_set_limits(out, &none), 0);
    test_gate_writes();
    cr_assert_eq(weft_write(out, "waits", 5), 0);
    weft_future *drain = weft_drain(out);
    weft_test_turn();
    gate_wait_entered(&test_call_gate);
    cr_assert_eq(weft_write_pending(out), 5, "until it is done");
    cr_assert_eq(weft_write(out, "more", 4), 0);
    gate_open(&test_call_gate);
    gate_open(&test_call_gate);
    cr_assert_eq(weft_test_count(drain), 0);
    cr_assert_eq(weft_test_count(weft_close(out)), 0);
    cr_assert(has("a", "waitsmore"));
    test_files_end();
}

Test(stdio, stream_that_is_freed_leaves_a_job_behind)
{
    weft_stream *out = weft_open_pipe_writer(open_file("a", O_WRONLY | O_CREAT));
    test_gate_writes();
    cr_assert_eq(weft_write(out, "waits", 5), 0);
    weft_test_turn();
    gate_wait_entered(&test_call_gate);
    weft_stream_free(out);
    gate_open(&test_call_gate);
    test_files_end();
}

static void free_it(weft_future *future, void *stream)
{
    (void)future;
    weft_stream_free(stream);
}

/* Both jobs come home at once, and who frees the stream has its turn first. */
Test(stdio, stream_may_be_freed_when_its_job_has_just_ended)
{
    struct gate first;
    weft_pool *pool = weft_loop_pool(test_loop);
    weft_stream *out = weft_open_pipe_writer(open_file("a", O_WRONLY | O_CREAT));
    gate_init(&first);
    test_gate_writes();
    cr_assert_eq(weft_write(out, "waits", 5), 0);
    cr_assert_eq(weft_then(weft_to_thread_fn(NULL, gate_pass, &first), free_it, out), 0);
    weft_test_turn();
    gate_wait_entered(&first);
    gate_wait_entered(&test_call_gate);
    gate_open(&first);
    wait_for_idle(pool, 1);
    gate_open(&test_call_gate);
    wait_for_idle(pool, 2);
    weft_test_turn();
    cr_assert(has("a", "waits"));
    test_files_end();
}

Test(stdio, end_of_the_loop_ends_what_is_under_way)
{
    weft_stream *out = weft_open_pipe_writer(open_file("a", O_WRONLY | O_CREAT));
    test_gate_writes();
    cr_assert_eq(weft_write(out, "waits", 5), 0);
    weft_future *closed = weft_close(out);
    weft_test_turn();
    gate_wait_entered(&test_call_gate);
    gate_open(&test_call_gate);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    int status = weft_test_ended(closed);
    cr_assert(status == 0 || status == -ECANCELED, "%d", status);
    test_files_end();
}

Test(stdio, cancelled_read_of_a_file_loses_nothing)
{
    test_make("a", "kept\n");
    weft_stream *in = weft_open_pipe_reader(open_file("a", O_RDONLY));
    weft_future *read = weft_read_line(in, 0);
    weft_test_turn(); /* a worker is at it, or has done it */
    weft_cancel(read);
    int status;
    weft_bytes *line = weft_test_bytes(read, &status);
    if (!line) {
        cr_assert_eq(status, -ECANCELED);
        line = weft_test_bytes(weft_read_line(in, 0), &status);
    }
    cr_assert_str_eq(line->data, "kept\n");
    weft_bytes_free(line);
    weft_stream_free(in);
    test_files_end();
}

/* ---- What the process was started with ---- */

Test(stdio, stdin_may_be_a_pipe)
{
    int fds[2];
    make_pipe(fds);
    weft_stream *in = open_as(0, fds[0], weft_open_stdin);
    cr_assert_not_null(in);
    cr_assert_eq(write(fds[1], "line\n", 5), 5);
    cr_assert(weft_test_gives(weft_read_line(in, 0), "line\n"));
    close(fds[1]);
    cr_assert(weft_test_gives(weft_read_line(in, 0), ""));
    weft_stream_free(in);
    test_files_end();
}

Test(stdio, stdin_may_be_a_file_or_a_socket)
{
    test_make("a", "from a file\n");
    weft_stream *in = open_as(0, open_file("a", O_RDONLY), weft_open_stdin);
    cr_assert(weft_test_gives(weft_read_line(in, 0), "from a file\n"));
    weft_stream_free(in);
    int fds[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    in = open_as(0, fds[0], weft_open_stdin);
    weft_future *line = weft_read_line(in, 0);
    weft_test_turn();
    weft_test_send_text(fds[1], "from a socket\n");
    cr_assert(weft_test_gives(line, "from a socket\n"));
    weft_stream_free(in);
    close(fds[1]);
    test_files_end();
}

/* The slave of a terminal; its master is returned in *ret_master. */
static int open_terminal(int *ret_master)
{
    *ret_master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    cr_assert_geq(*ret_master, 0);
    cr_assert_eq(grantpt(*ret_master), 0);
    cr_assert_eq(unlockpt(*ret_master), 0);
    int slave = open(ptsname(*ret_master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    cr_assert_geq(slave, 0);
    return slave;
}

static void talk_by_terminal(void)
{
    int master;
    weft_stream *in = open_as(0, open_terminal(&master), weft_open_stdin);
    cr_assert_not_null(in, "%s", strerror(errno));
    weft_future *line = weft_read_line(in, 0);
    weft_test_turn();
    cr_assert(!weft_is_done(line));
    cr_assert_eq(write(master, "typed\n", 6), 6);
    cr_assert(weft_test_gives(line, "typed\n"));
    weft_stream_free(in);
    close(master);
}

Test(stdio, stdin_may_be_a_terminal)
{
    talk_by_terminal();
    test_files_end();
}

/* Without /proc, say: by a worker, who waits for a while and is not in the way at the end. */
Test(stdio, stdin_may_be_a_terminal_that_cannot_be_opened_anew)
{
    cr_assert(weft__sys_fail("open", 1, EACCES));
    talk_by_terminal();
    cr_assert(weft__sys_failed("open"));
    test_files_end();
}

Test(stdio, stdout_and_stderr_may_be_files)
{
    weft_stream *out = open_as(1, open_file("out", O_WRONLY | O_CREAT), weft_open_stdout);
    weft_stream *err = open_as(2, open_file("err", O_WRONLY | O_CREAT), weft_open_stderr);
    cr_assert_eq(weft_write(out, "one\n", 4), 0);
    cr_assert_eq(weft_write(err, "two\n", 4), 0);
    cr_assert_eq(weft_test_count(weft_close(out)), 0);
    cr_assert_eq(weft_test_count(weft_close(err)), 0);
    cr_assert(has("out", "one\n"));
    cr_assert(has("err", "two\n"));
    test_files_end();
}

Test(stdio, stdout_may_be_a_pipe_that_is_full)
{
    int fds[2];
    make_pipe(fds);
    weft_stream *out = open_as(1, dup(fds[1]), weft_open_stdout);
    close(fds[1]);
    memset(buffer, 'x', 200000);
    cr_assert_eq(weft_write(out, buffer, 200000), 0);
    weft_future *closed = weft_close(out);
    ssize_t got, total = 0;
    cr_assert_eq(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
    while ((got = read(fds[0], buffer, sizeof(buffer))) != 0) {
        total += got > 0 ? got : 0;
        weft_test_turn();
    }
    cr_assert_eq(total, 200000);
    cr_assert_eq(weft_test_ended(closed), 0);
    close(fds[0]);
    test_files_end();
}

/* ---- Out of memory, and of descriptors ---- */

static int scene(void)
{
    int fd = open_file("a", O_WRONLY | O_CREAT | O_TRUNC);
    weft_stream *out = weft_open_pipe_writer(fd);
    if (!out) {
        int error = errno;
        close(fd);
        return -error;
    }
    int status = weft_write(out, "x", 1);
    int closed = (int)weft_test_count(weft_close(out));
    return status < 0 ? status : closed;
}

static int scene_of_a_reader(void)
{
    int fd = open_file("a", O_RDONLY);
    weft_stream *in = weft_open_pipe_reader(fd);
    if (!in) {
        int error = errno;
        close(fd);
        return -error;
    }
    int64_t got = weft_test_count(weft_read(in, buffer, 1));
    weft_stream_free(in);
    return got < 0 ? (int)got : 0;
}

static weft_stream *opened_of(weft_stream *(*open_it)(void), int *status)
{
    weft_stream *stream = open_it();
    if (!stream && *status == 0)
        *status = -errno;
    return stream;
}

static int scene_of_all_three(void)
{
    int status = 0;
    weft_stream_free(opened_of(weft_open_stdin, &status));
    weft_stream_free(opened_of(weft_open_stdout, &status));
    weft_stream_free(opened_of(weft_open_stderr, &status));
    return status;
}

Test(stdio, every_lack_of_memory_is_a_failure_and_leaves_nothing)
{
    weft_test_every_lack_of_memory(scene);
    weft_test_every_lack_of_memory(scene_of_a_reader);
    weft_test_every_lack_of_memory(scene_of_all_three);
    test_files_end();
}
