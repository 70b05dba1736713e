/* SPDX-License-Identifier: MIT */
/* Cancelling calls for files: waiting in the file's line, queued in the lane, running, done. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weft/weft.h>

#include "tests/support/files.h"
#include "tests/support/fixture.h"
#include "tests/support/trace.h"

TestSuite(file_cancel, .init = test_files_begin, .timeout = 30);

static bool has(const char *name, const char *expected)
{
    char *content = test_content(name);
    bool same = content && strcmp(content, expected) == 0;
    free(content);
    return same;
}

Test(file_cancel, of_what_waits_in_the_files_line_is_at_once_and_does_nothing)
{
    weft_file *file = test_open("a", O_RDWR | O_CREAT);
    test_gate_writes();
    weft_future *first = weft_file_write(file, "1", 1);
    weft_future *second = weft_file_write(file, "2", 1);
    weft_future *third = weft_file_write(file, "3", 1);
    gate_wait_entered(&test_call_gate);
    cr_assert(weft_cancel(second));
    cr_assert(weft_is_cancelled(second));
    gate_open(&test_call_gate);
    gate_open(&test_call_gate);
    cr_assert_eq(test_number(first), 1);
    cr_assert_eq(test_number(second), -ECANCELED);
    cr_assert_eq(test_number(third), 1);
    weft_file_unref(file);
    cr_assert(has("a", "13"));
    test_files_end();
}

Test(file_cancel, of_a_barrier_in_the_line_lets_those_behind_it_go)
{
    char byte = 0;
    test_make("a", "x");
    weft_file *file = test_open("a", O_RDWR);
    test_gate_writes();
    weft_future *write = weft_file_write(file, "1", 1);
    weft_future *sync = weft_file_fsync(file);
    weft_future *read = weft_file_pread(file, &byte, 1, 0);
    gate_wait_entered(&test_call_gate);
    cr_assert(weft_cancel(sync));
    cr_assert_eq(test_number(read), 1);
    cr_assert_eq(byte, 'x');
    cr_assert_not(weft_is_done(write));
    gate_open(&test_call_gate);
    cr_assert_eq(test_number(write), 1);
    cr_assert_eq(test_number(sync), -ECANCELED);
    weft_file_unref(file);
    test_files_end();
}

Test(file_cancel, of_what_no_worker_has_begun_drops_it)
{
    weft_pool *pool = weft_loop_pool(test_loop);
    struct weft_lane_options one = {.max_running = 1, .reserved = 1};
    cr_assert_eq(weft_lane_configure(weft_pool_lane(pool, "files"), &one), 0);
    weft_file *file = test_open("a", O_RDWR | O_CREAT);
    weft_file *other = test_open("b", O_RDWR | O_CREAT);
    test_gate_writes();
    weft_future *running = weft_file_write(file, "1", 1);
    gate_wait_entered(&test_call_gate);
    weft_future *queued = weft_file_write(other, "2", 1);
    cr_assert(weft_cancel(queued));
    cr_assert_eq(test_number(queued), -ECANCELED);
    gate_open(&test_call_gate);
    cr_assert_eq(test_number(running), 1);
    weft_file_unref(file);
    weft_file_unref(other);
    test_files_end();
}

struct writes {
    WEFT_FRAME;
    weft_file *file;
    int64_t written;
    int second;
};

static WEFT_ASYNC(writes)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->written, weft_file_write(self->file, "1", 1));
    weft_test_mark("w");
    WEFT_CATCH(self->second, weft_sleep(1));
    if (self->second == -ECANCELED)
        weft_test_mark("c");
    WEFT_RETURN(self->written);
    WEFT_END;
}

Test(file_cancel, of_what_runs_waits_and_the_task_keeps_result_and_request)
{
    weft_file *file = test_open("a", O_RDWR | O_CREAT);
    test_gate_writes();
    weft_future *task = weft_spawn(writes, .file = file);
    weft_test_ticks(1);
    gate_wait_entered(&test_call_gate);
    cr_assert(weft_cancel(task));
    cr_assert_geq(fcntl(weft_file_fd(file), F_GETFD), 0);
    gate_open(&test_call_gate);
    cr_assert_eq(test_number(task), 1);
    cr_assert_str_eq(test_trace, "wc");
    weft_file_unref(file);
    cr_assert(has("a", "1"));
    test_files_end();
}

Test(file_cancel, of_what_is_done_is_refused)
{
    weft_file *file = test_open("a", O_RDWR | O_CREAT);
    weft_future *write = weft_file_write(file, "1", 1);
    cr_assert_eq(weft_test_run(weft_ref(write)), 0);
    cr_assert_not(weft_cancel(write));
    cr_assert_eq(test_number(write), 1);
    weft_file_unref(file);
    test_files_end();
}

/* ---- Opening ---- */

Test(file_cancel, of_an_open_that_succeeds_later_closes_the_file)
{
    test_gate_opens();
    int fds = weft_test_fd_count();
    weft_future *open = weft_file_open(test_path("a"), O_RDWR | O_CREAT, 0600);
    gate_wait_entered(&test_call_gate);
    weft_cancel(open);
    cr_assert_not(weft_is_done(open));
    gate_open(&test_call_gate);
    cr_assert_eq(weft_test_run(open), 0); /* nobody takes the value */
    while (weft_test_fd_count() > fds)
        cr_assert_eq(test_number(weft_path_exists("/")), 1);
    test_files_end();
}

struct opens {
    WEFT_FRAME;
    const char *path;
    weft_file *file;
    int status;
};

static WEFT_ASYNC(opens)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->file, weft_file_open(self->path, O_RDWR | O_CREAT, 0600));
    WEFT_AWAIT(weft_sleep(1));
    WEFT_FINALLY;
    weft_file_unref(self->file);
    WEFT_END;
}

Test(file_cancel, of_a_task_that_opens_leaves_no_descriptor)
{
    test_gate_opens();
    weft_future *task = weft_spawn(opens, .path = test_path("a"));
    weft_test_ticks(1);
    gate_wait_entered(&test_call_gate);
    cr_assert(weft_cancel(task));
    gate_open(&test_call_gate);
    cr_assert_eq(test_number(task), -ECANCELED);
    test_files_end();
}

Test(file_cancel, of_a_close_is_not_heard)
{
    weft_file *file = test_open("a", O_RDWR | O_CREAT);
    int fd = weft_file_fd(file);
    test_gate_writes();
    weft_future *write = weft_file_write(file, "1", 1);
    weft_future *close = weft_file_close(file);
    gate_wait_entered(&test_call_gate);
    weft_cancel(close);
    cr_assert_not(weft_is_done(close));
    gate_open(&test_call_gate);
    cr_assert_eq(test_number(close), 0);
    cr_assert_lt(fcntl(fd, F_GETFD), 0);
    cr_assert_eq(test_number(write), 1);
    weft_file_unref(file);
    test_files_end();
}

/* ---- Pipes ---- */

static void wait_until_it_runs_in(const char *lane)
{
    struct weft_lane_stats stats;
    do
        weft_lane_get_stats(weft_pool_lane(weft_loop_pool(test_loop), lane), &stats);
    while (!stats.running);
}

static void wait_until_it_runs(void)
{
    wait_until_it_runs_in("default");
}

Test(file_cancel, of_what_reads_a_pipe_by_its_path_is_heard)
{
    cr_assert_eq(mkfifo(test_path("fifo"), 0600), 0);
    int fd = open(test_path("fifo"), O_RDWR);
    cr_assert_geq(fd, 0);
    weft_future *read = weft_path_read_all(test_path("fifo"), 0);
    wait_until_it_runs_in("files");
    cr_assert(weft_cancel(read));
    cr_assert_eq(test_number(read), -ECANCELED);
    weft_future *copy = weft_path_copy(test_path("fifo"), test_path("copy"), NULL);
    wait_until_it_runs_in("files");
    cr_assert(weft_cancel(copy));
    cr_assert_eq(test_number(copy), -ECANCELED);
    cr_assert_eq(test_count_entries(), 1);
    close(fd);
    test_files_end();
}

Test(file_cancel, of_a_read_that_waits_for_a_pipe_takes_nothing)
{
    char buffer[8] = "";
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    weft_file *file = weft_file_new(ends[0]);
    weft_future *read = weft_file_read(file, buffer, sizeof(buffer));
    wait_until_it_runs();
    cr_assert(weft_cancel(read));
    cr_assert_eq(test_number(read), -ECANCELED);
    cr_assert_eq(write(ends[1], "abc", 3), 3);
    cr_assert_eq(test_number(weft_file_read(file, buffer, sizeof(buffer))), 3);
    cr_assert_str_eq(buffer, "abc");
    close(ends[1]);
    weft_file_unref(file);
    test_files_end();
}

Test(file_cancel, is_not_needed_for_pipes_that_wait_to_let_others_run)
{
    enum { PIPES = 3 };
    char buffer[PIPES][8] = {""};
    int ends[PIPES][2];
    weft_file *in[PIPES], *out[PIPES];
    weft_future *reads[PIPES];
    for (int i = 0; i < PIPES; i++) {
        cr_assert_eq(pipe(ends[i]), 0);
        in[i] = weft_file_new(ends[i][0]);
        out[i] = weft_file_new(ends[i][1]);
        reads[i] = weft_file_read(in[i], buffer[i], sizeof(buffer[i]));
    }
    cr_assert_eq(test_number(weft_path_mkdir(test_path("folder"), 0700)), 0);
    for (int i = 0; i < PIPES; i++) {
        cr_assert_eq(test_number(weft_file_write(out[i], "abc", 3)), 3);
        cr_assert_eq(test_number(reads[i]), 3);
        weft_file_unref(in[i]);
        weft_file_unref(out[i]);
    }
    test_files_end();
}

Test(file_cancel, of_a_write_to_a_full_pipe_says_what_was_written)
{
    enum { SIZE = 1 << 20 };
    static char data[SIZE];
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    long capacity = fcntl(ends[1], F_GETPIPE_SZ);
    weft_file *file = weft_file_new(ends[1]);
    weft_future *write = weft_file_write(file, data, SIZE);
    int waiting = 0;
    while (waiting < capacity)
        cr_assert_eq(ioctl(ends[0], FIONREAD, &waiting), 0);
    cr_assert(weft_cancel(write));
    cr_assert_eq(weft_test_run(weft_ref(write)), -ECANCELED);
    char expected[200];
    snprintf(expected, sizeof(expected),
             "write fd %d: Operation canceled (%ld of %d bytes were written)", ends[1], capacity,
             (int)SIZE);
    cr_assert_str_eq(weft_message(write), expected);
    weft_unref(write);
    close(ends[0]);
    weft_file_unref(file);
    test_files_end();
}

Test(file_cancel, of_a_line_that_is_not_whole_loses_nothing)
{
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    weft_file *file = weft_file_new(ends[0]);
    weft_lines *lines = weft_lines_new(file, NULL);
    for (int i = 0; i < 20; i++) {
        cr_assert_eq(write(ends[1], "on", 2), 2); /* which may be read before the cancel, or not */
        weft_future *next = weft_lines_next(lines);
        if (i > 0)
            weft_test_ticks(i);
        cr_assert(weft_cancel(next));
        cr_assert_eq(test_number(next), -ECANCELED);
    }
    cr_assert_eq(write(ends[1], "e\n", 2), 2);
    const weft_bytes *line = test_pointer(weft_lines_next(lines));
    cr_assert_eq(line->len, 41);
    close(ends[1]);
    weft_lines_free(lines);
    weft_file_unref(file);
    test_files_end();
}

struct reads {
    WEFT_FRAME;
    weft_file *file;
    char buffer[8];
    int64_t got;
};

static WEFT_ASYNC(reads)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->got, weft_file_read(self->file, self->buffer, sizeof(self->buffer)));
    WEFT_AWAIT(weft_sleep(1));
    WEFT_RETURN(self->got);
    WEFT_END;
}

static struct gate read_gate;

static ssize_t gated_readv(int fd, const struct iovec *pieces, int count)
{
    gate_pass(&read_gate);
    return readv(fd, pieces, count);
}

Test(file_cancel, that_comes_too_late_for_a_pipe_is_met_at_the_next_await)
{
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(write(ends[1], "abc", 3), 3);
    weft_file *file = weft_file_new(ends[0]);
    gate_init(&read_gate);
    weft__sys.readv = gated_readv;
    weft_future *task = weft_spawn(reads, .file = file);
    weft_test_ticks(1);
    gate_wait_entered(&read_gate);
    cr_assert(weft_cancel(task));
    gate_open(&read_gate);
    cr_assert_eq(test_number(task), -ECANCELED);
    close(ends[1]);
    weft_file_unref(file);
    test_files_end();
}
