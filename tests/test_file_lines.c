/* SPDX-License-Identifier: MIT */
/* The lines of a file, one after another. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/weft.h>

#include "tests/support/files.h"
#include "tests/support/trace.h"

TestSuite(file_lines, .init = test_files_begin, .timeout = 30);

/* All lines of a file with this content, each followed by "|"; the status that ended it. */
static int read_all_lines(const char *content, const struct weft_lines_options *options)
{
    test_make("a", content);
    test_trace[0] = 0;
    weft_file *file = test_open("a", O_RDONLY);
    weft_lines *lines = weft_lines_new(file, options);
    weft_file_unref(file);
    int status;
    const weft_bytes *line;
    do {
        weft_future *next = weft_lines_next(lines);
        status = weft_test_run(weft_ref(next));
        line = weft_future_value(next).ptr;
        weft_unref(next);
        if (line) {
            cr_assert_eq(strlen(line->data), line->len);
            weft_test_mark(line->data);
            weft_test_mark("|");
        }
    } while (status == 0 && line);
    weft_lines_free(lines);
    return status;
}

Test(file_lines, come_one_after_another_without_their_ends)
{
    cr_assert_eq(read_all_lines("one\ntwo\n\nfour\n", NULL), 0);
    cr_assert_str_eq(test_trace, "one|two||four|");
    cr_assert_eq(read_all_lines("", NULL), 0);
    cr_assert_str_eq(test_trace, "");
    test_files_end();
}

Test(file_lines, the_last_one_needs_no_end)
{
    cr_assert_eq(read_all_lines("one\ntwo", NULL), 0);
    cr_assert_str_eq(test_trace, "one|two|");
    cr_assert_eq(read_all_lines("\n", NULL), 0);
    cr_assert_str_eq(test_trace, "|");
    test_files_end();
}

Test(file_lines, a_carriage_return_belongs_to_the_line_unless_asked_otherwise)
{
    struct weft_lines_options crlf = {.ends = WEFT_LINES_CRLF};
    cr_assert_eq(read_all_lines("one\r\ntwo\nthree\r", NULL), 0);
    cr_assert_str_eq(test_trace, "one\r|two|three\r|");
    cr_assert_eq(read_all_lines("one\r\ntwo\n\r\nthree\r\r\nfour\r", &crlf), 0);
    cr_assert_str_eq(test_trace, "one|two||three\r|four\r|");
    test_files_end();
}

Test(file_lines, are_the_same_whatever_is_read_at_once)
{
    static const char content[] = "one\r\nthirteen more\n\n\r\nlast";
    for (size_t chunk = 1; chunk < 30; chunk++) {
        struct weft_lines_options options = {.chunk = chunk, .ends = WEFT_LINES_CRLF};
        cr_assert_eq(read_all_lines(content, &options), 0);
        cr_assert_str_eq(test_trace, "one|thirteen more|||last|", "%zu", chunk);
    }
    test_files_end();
}

Test(file_lines, of_the_limit_pass_and_longer_ones_fail_for_good)
{
    char text[600];
    for (size_t chunk = 1; chunk < 12; chunk++) {
        struct weft_lines_options options = {.chunk = chunk, .limit = 5};
        cr_assert_eq(read_all_lines("one\n12345\nfour\n12345", &options), 0);
        cr_assert_str_eq(test_trace, "one|12345|four|12345|");
        cr_assert_eq(read_all_lines("one\n123456\nfour\n", &options), WEFT_ELIMIT);
        cr_assert_str_eq(test_trace, "one|");
        cr_assert_eq(read_all_lines("one\n123456", &options), WEFT_ELIMIT);
    }
    struct weft_lines_options options = {.limit = 2};
    weft_file *file = test_open("a", O_RDONLY);
    weft_lines *lines = weft_lines_new(file, &options);
    snprintf(text, sizeof(text), "read %s: a line of more than 2 bytes", test_path("a"));
    cr_assert(test_fails(weft_lines_next(lines), WEFT_ELIMIT, text));
    cr_assert(test_fails(weft_lines_next(lines), WEFT_ELIMIT, text));
    weft_lines_free(lines);
    weft_file_unref(file);
    test_files_end();
}

Test(file_lines, may_contain_a_nul)
{
    weft_file *file = test_open("a", O_RDWR | O_CREAT);
    cr_assert_eq(test_number(weft_file_pwrite(file, "a\0b\n", 4, 0)), 4);
    weft_lines *lines = weft_lines_new(file, NULL);
    const weft_bytes *line = test_pointer(weft_lines_next(lines));
    cr_assert_eq(line->len, 3);
    cr_assert_eq(memcmp(line->data, "a\0b", 4), 0);
    weft_lines_free(lines);
    weft_file_unref(file);
    test_files_end();
}

Test(file_lines, of_a_file_that_grows_can_be_followed)
{
    weft_file *file = test_open("a", O_RDWR | O_CREAT);
    weft_lines *lines = weft_lines_new(file, NULL);
    cr_assert_null(test_pointer(weft_lines_next(lines)));
    cr_assert_eq(test_number(weft_file_pwrite(file, "one\n", 4, 0)), 4);
    const weft_bytes *line = test_pointer(weft_lines_next(lines));
    cr_assert_str_eq(line->data, "one");
    cr_assert_null(test_pointer(weft_lines_next(lines)));
    weft_lines_free(lines);
    weft_file_unref(file);
    test_files_end();
}

Test(file_lines, begin_at_the_position_and_are_done_at_once_while_they_are_in_memory)
{
    test_make("a", "one\ntwo\nthree\n");
    weft_file *file = test_open("a", O_RDONLY);
    cr_assert_eq(test_number(weft_file_seek(file, 4, SEEK_SET)), 4);
    weft_lines *lines = weft_lines_new(file, NULL);
    const weft_bytes *line = test_pointer(weft_lines_next(lines));
    cr_assert_str_eq(line->data, "two");
    weft_future *next = weft_lines_next(lines);
    cr_assert(weft_is_done(next));
    line = test_pointer(next);
    cr_assert_str_eq(line->data, "three");
    weft_lines_free(lines);
    weft_file_unref(file);
    test_files_end();
}

/* ---- Failures, and the end ---- */

Test(file_lines, that_could_not_be_read_are_there_for_the_next_call)
{
    test_make("a", "one\ntwo\n");
    weft_file *file = test_open("a", O_RDONLY);
    weft_lines *lines = weft_lines_new(file, NULL);
    cr_assert(weft__sys_fail("readv", 1, EIO));
    cr_assert_eq(test_number(weft_lines_next(lines)), -EIO);
    const weft_bytes *line = test_pointer(weft_lines_next(lines));
    cr_assert_str_eq(line->data, "one");
    weft_lines_free(lines);
    weft_file_unref(file);
    test_files_end();
}

static ssize_t gated_readv(int fd, const struct iovec *pieces, int count)
{
    gate_pass(&test_call_gate);
    return readv(fd, pieces, count);
}

Test(file_lines, are_asked_for_one_at_a_time)
{
    test_make("a", "one\n");
    weft_file *file = test_open("a", O_RDONLY);
    weft_lines *lines = weft_lines_new(file, NULL);
    gate_init(&test_call_gate);
    weft__sys.readv = gated_readv;
    weft_future *next = weft_lines_next(lines);
    cr_assert_eq(test_number(weft_lines_next(lines)), -EBUSY);
    gate_open(&test_call_gate);
    gate_open(&test_call_gate); /* its second read sees the end */
    const weft_bytes *line = test_pointer(next);
    cr_assert_str_eq(line->data, "one");
    weft_lines_free(lines);
    weft_file_unref(file);
    test_files_end();
}

Test(file_lines, freed_while_they_are_read_fail_and_the_buffer_waits_for_the_worker)
{
    test_make("a", "one\n");
    weft_file *file = test_open("a", O_RDONLY);
    weft_lines *lines = weft_lines_new(file, NULL);
    gate_init(&test_call_gate);
    weft__sys.readv = gated_readv;
    weft_future *next = weft_lines_next(lines);
    gate_wait_entered(&test_call_gate);
    weft_lines_free(lines);
    weft_file_unref(file);
    gate_open(&test_call_gate);
    gate_open(&test_call_gate);
    cr_assert_eq(test_number(next), WEFT_ECLOSED);
    test_files_end();
}

Test(file_lines, whose_read_is_cancelled_are_there_for_the_next_call)
{
    test_make("a", "one\n");
    weft_file *file = test_open("a", O_RDWR);
    weft_lines *lines = weft_lines_new(file, NULL);
    test_gate_writes();
    weft_future *write = weft_file_write(file, "O", 1);
    weft_future *next = weft_lines_next(lines);
    cr_assert(weft_cancel(next));
    cr_assert_eq(test_number(next), -ECANCELED);
    gate_open(&test_call_gate);
    cr_assert_eq(test_number(write), 1);
    const weft_bytes *line = test_pointer(weft_lines_next(lines));
    cr_assert_str_eq(line->data, "ne");
    weft_lines_free(lines);
    weft_file_unref(file);
    test_files_end();
}

/* The read that runs cannot be told to stop; another one is not begun. */
Test(file_lines, that_would_take_another_read_are_not_waited_for_after_a_cancel)
{
    struct weft_lines_options options = {.chunk = 2};
    test_make("a", "one two\n");
    weft_file *file = test_open("a", O_RDONLY);
    weft_lines *lines = weft_lines_new(file, &options);
    gate_init(&test_call_gate);
    weft__sys.readv = gated_readv;
    weft_future *next = weft_lines_next(lines);
    gate_wait_entered(&test_call_gate);
    cr_assert(weft_cancel(next));
    cr_assert_not(weft_is_done(next));
    gate_open(&test_call_gate);
    cr_assert_eq(test_number(next), -ECANCELED);
    weft__sys.readv = readv;
    const weft_bytes *line = test_pointer(weft_lines_next(lines));
    cr_assert_str_eq(line->data, "one two");
    weft_lines_free(lines);
    weft_file_unref(file);
    test_files_end();
}

struct reads_a_line {
    WEFT_FRAME;
    weft_lines *lines;
    const weft_bytes *line;
};

static WEFT_ASYNC(reads_a_line)
{
    WEFT_BEGIN;
    WEFT_AWAIT_INTO(self->line, weft_lines_next(self->lines));
    weft_test_mark(self->line->data);
    WEFT_AWAIT(weft_sleep(1));
    weft_test_mark("!");
    WEFT_END;
}

Test(file_lines, that_are_there_in_spite_of_a_cancel_are_given_and_the_task_keeps_the_request)
{
    test_make("a", "one\n");
    weft_file *file = test_open("a", O_RDONLY);
    weft_lines *lines = weft_lines_new(file, NULL);
    gate_init(&test_call_gate);
    weft__sys.readv = gated_readv;
    weft_future *task = weft_spawn(reads_a_line, .lines = lines);
    weft_test_ticks(1);
    gate_wait_entered(&test_call_gate);
    cr_assert(weft_cancel(task));
    gate_open(&test_call_gate);
    gate_open(&test_call_gate);
    cr_assert_eq(test_number(task), -ECANCELED);
    cr_assert_str_eq(test_trace, "one");
    weft_lines_free(lines);
    weft_file_unref(file);
    test_files_end();
}

Test(file_lines, refuse_bad_arguments)
{
    struct weft_lines_options other = {.size = 1}, ends = {.ends = (enum weft_line_ends)7},
                              huge = {.limit = SIZE_MAX};
    weft_file *file = test_open("a", O_RDWR | O_CREAT);
    cr_assert_null(weft_lines_new(NULL, NULL));
    cr_assert_eq(errno, EINVAL);
    cr_assert_null(weft_lines_new(file, &other));
    cr_assert_null(weft_lines_new(file, &ends));
    cr_assert_null(weft_lines_new(file, &huge));
    cr_assert_eq(test_number(weft_lines_next(NULL)), -EINVAL);
    weft_lines *lines = weft_lines_new(file, NULL);
    cr_assert_eq(test_number(weft_file_close(file)), 0);
    cr_assert_eq(test_number(weft_lines_next(lines)), -EBADF);
    weft_lines_free(lines);
    weft_lines_free(NULL);
    cr_assert_null(weft_lines_new(file, NULL));
    cr_assert_eq(errno, EBADF);
    weft_file_unref(file);
    test_files_end();
}
