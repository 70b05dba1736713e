/* SPDX-License-Identifier: MIT */
/* Open files: what is read and written, in which order, and how a file ends. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/weft.h>

#include "tests/support/files.h"
#include "tests/support/heap.h"

TestSuite(file, .init = test_files_begin, .timeout = 30);

static bool has(const char *name, const char *expected)
{
    char *content = test_content(name);
    bool same = content && strcmp(content, expected) == 0;
    if (!same)
        fprintf(stderr, "%s has: %s\n", name, content ? content : "(not there)");
    free(content);
    return same;
}

/* ---- Success ---- */

Test(file, writes_and_reads_at_its_position)
{
    char buffer[16] = "";
    weft_file *file = test_open("a", O_RDWR | O_CREAT);
    cr_assert_eq(test_number(weft_file_write(file, "hello ", 6)), 6);
    cr_assert_eq(test_number(weft_file_write(file, "world", 5)), 5);
    cr_assert_eq(test_number(weft_file_seek(file, 0, SEEK_CUR)), 11);
    cr_assert_eq(test_number(weft_file_seek(file, 6, SEEK_SET)), 6);
    cr_assert_eq(test_number(weft_file_read(file, buffer, sizeof(buffer))), 5);
    cr_assert_str_eq(buffer, "world");
    cr_assert_eq(test_number(weft_file_read(file, buffer, sizeof(buffer))), 0);
    cr_assert_eq(test_number(weft_file_close(file)), 0);
    weft_file_unref(file);
    cr_assert(has("a", "hello world"));
    test_files_end();
}

Test(file, reads_and_writes_anywhere_without_moving_its_position)
{
    char buffer[4] = "";
    weft_file *file = test_open("a", O_RDWR | O_CREAT);
    cr_assert_eq(test_number(weft_file_pwrite(file, "xyz", 3, 2)), 3);
    cr_assert_eq(test_number(weft_file_pread(file, buffer, 2, 3)), 2);
    cr_assert_str_eq(buffer, "yz");
    cr_assert_eq(test_number(weft_file_write(file, "ab", 2)), 2);
    weft_file_unref(file);
    cr_assert(has("a", "abxyz"));
    test_files_end();
}

Test(file, reads_and_writes_pieces)
{
    char one[4] = "", two[8] = "";
    struct iovec out[] = {{(void *)"ab", 2}, {NULL, 0}, {(void *)"cdef", 4}};
    struct iovec in[] = {{one, 3}, {two, 7}};
    weft_file *file = test_open("a", O_RDWR | O_CREAT);
    cr_assert_eq(test_number(weft_file_writev(file, out, 3)), 6);
    cr_assert_eq(test_number(weft_file_pwritev(file, out, 3, 6)), 6);
    cr_assert_eq(test_number(weft_file_preadv(file, in, 2, 1)), 10);
    cr_assert_str_eq(one, "bcd");
    cr_assert_eq(memcmp(two, "efabcde", 7), 0);
    cr_assert_eq(test_number(weft_file_seek(file, 8, SEEK_SET)), 8);
    cr_assert_eq(test_number(weft_file_readv(file, in, 2)), 4);
    cr_assert_eq(memcmp(one, "cde", 3), 0);
    cr_assert_eq(test_number(weft_file_writev(file, NULL, 0)), 0);
    weft_file_unref(file);
    test_files_end();
}

Test(file, is_synced_cut_and_looked_at)
{
    weft_file *file = test_open("a", O_RDWR | O_CREAT);
    cr_assert_eq(test_number(weft_file_write(file, "hello", 5)), 5);
    cr_assert_eq(test_number(weft_file_fsync(file)), 0);
    cr_assert_eq(test_number(weft_file_truncate(file, 2)), 0);
    cr_assert_eq(test_number(weft_file_fdatasync(file)), 0);
    struct stat *status = test_pointer(weft_file_stat(file));
    cr_assert_eq(status->st_size, 2);
    weft_stat_free(status);
    weft_file_unref(file);
    cr_assert(has("a", "he"));
    test_files_end();
}

Test(file, is_closed_on_exec_and_its_descriptor_is_lent)
{
    weft_file *file = test_open("a", O_RDWR | O_CREAT);
    cr_assert(fcntl(weft_file_fd(file), F_GETFD) & FD_CLOEXEC);
    cr_assert_eq(test_number(weft_file_close(file)), 0);
    cr_assert_eq(weft_file_fd(file), -EBADF);
    cr_assert_eq(weft_file_fd(NULL), -EINVAL);
    weft_file_unref(file);
    test_files_end();
}

Test(file, over_a_pipe_gives_what_is_there)
{
    char buffer[16] = "";
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    weft_file *file = weft_file_new(ends[0]);
    cr_assert(fcntl(ends[0], F_GETFD) & FD_CLOEXEC);
    cr_assert_eq(write(ends[1], "abc", 3), 3);
    cr_assert_eq(test_number(weft_file_read(file, buffer, sizeof(buffer))), 3);
    cr_assert_str_eq(buffer, "abc");
    cr_assert_eq(test_number(weft_file_pread(file, buffer, 1, 0)), -ESPIPE);
    close(ends[1]);
    cr_assert_eq(test_number(weft_file_read(file, buffer, sizeof(buffer))), 0);
    weft_file_unref(file);
    cr_assert_null(weft_file_new(-1));
    cr_assert_eq(errno, EBADF);
    test_files_end();
}

/* ---- Order ---- */

Test(file, keeps_the_order_of_writes_that_were_started_at_once)
{
    enum { COUNT = 50 };
    weft_future *writes[COUNT];
    char expected[COUNT + 1] = "";
    weft_file *file = test_open("a", O_WRONLY | O_CREAT);
    for (int i = 0; i < COUNT; i++)
        expected[i] = (char)('0' + i);
    for (int i = 0; i < COUNT; i++)
        writes[i] = weft_file_write(file, expected + i, 1);
    for (int i = 0; i < COUNT; i++)
        cr_assert_eq(test_number(writes[i]), 1);
    weft_file_unref(file);
    cr_assert(has("a", expected));
    test_files_end();
}

Test(file, lets_what_names_its_place_run_beside_what_waits_for_the_position)
{
    char byte = 0;
    test_make("a", "x");
    weft_file *file = test_open("a", O_RDWR);
    test_gate_writes();
    weft_future *first = weft_file_write(file, "1", 1);
    gate_wait_entered(&test_call_gate);
    weft_future *second = weft_file_write(file, "2", 1);
    cr_assert_eq(test_number(weft_file_pread(file, &byte, 1, 0)), 1);
    cr_assert_eq(byte, 'x');
    cr_assert_not(weft_is_done(first));
    gate_open(&test_call_gate);
    gate_open(&test_call_gate);
    cr_assert_eq(test_number(first), 1);
    cr_assert_eq(test_number(second), 1);
    weft_file_unref(file);
    cr_assert(has("a", "12"));
    test_files_end();
}

Test(file, fsync_waits_for_what_was_started_before_and_is_waited_for)
{
    char byte = 0;
    weft_file *file = test_open("a", O_RDWR | O_CREAT);
    test_gate_writes();
    weft_future *write = weft_file_write(file, "1", 1);
    weft_future *sync = weft_file_fsync(file);
    weft_future *read = weft_file_pread(file, &byte, 1, 0);
    weft_future *last = weft_file_write(file, "2", 1);
    gate_wait_entered(&test_call_gate);
    cr_assert_eq(test_number(weft_path_exists(test_path("a"))), 1);
    cr_assert_not(weft_is_done(sync));
    cr_assert_not(weft_is_done(read));
    gate_open(&test_call_gate);
    cr_assert_eq(test_number(sync), 0);
    cr_assert(weft_is_done(write));
    cr_assert_eq(test_number(read), 1);
    cr_assert_eq(byte, '1');
    gate_open(&test_call_gate);
    cr_assert_eq(test_number(last), 1);
    cr_assert_eq(test_number(write), 1);
    weft_file_unref(file);
    test_files_end();
}

/* Every order in which barriers and others can stand in the line comes to an end. */
Test(file, runs_any_mixture_to_its_end)
{
    enum { COUNT = 400 };
    static weft_future *futures[COUNT];
    static char bytes[COUNT];
    unsigned random = 1;
    weft_file *file = test_open("a", O_RDWR | O_CREAT);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < COUNT; i++) {
            random = random * 1103515245 + 12345;
            unsigned kind = random >> 16 & 7;
            futures[i] = kind < 3   ? weft_file_write(file, "x", 1)
                         : kind < 6 ? weft_file_pread(file, &bytes[i], 1, 0)
                                    : weft_file_truncate(file, 10);
            if (random >> 20 & 1)
                weft_cancel(futures[random >> 8 & 0xff & (unsigned)i]);
        }
        for (int i = 0; i < COUNT; i++) {
            int64_t end = test_number(futures[i]);
            cr_assert(end == 0 || end == 1 || end == -ECANCELED, "%d: %lld", i, (long long)end);
        }
    }
    cr_assert_eq(test_number(weft_file_close(file)), 0);
    weft_file_unref(file);
    test_files_end();
}

/* ---- The end ---- */

Test(file, close_waits_for_what_was_started_and_refuses_what_comes_after)
{
    char buffer[4];
    weft_file *file = test_open("a", O_RDWR | O_CREAT);
    test_gate_writes();
    weft_future *write = weft_file_write(file, "1", 1);
    weft_future *close = weft_file_close(file);
    gate_wait_entered(&test_call_gate);
    char message[600];
    snprintf(message, sizeof(message), "read %s: it is closed", test_path("a"));
    cr_assert(test_fails(weft_file_read(file, buffer, 1), -EBADF, message));
    cr_assert_not(weft_is_done(close));
    cr_assert_not(weft_cancel(close) && weft_is_done(close));
    gate_open(&test_call_gate);
    cr_assert_eq(test_number(close), 0);
    cr_assert_eq(test_number(write), 1);
    cr_assert_eq(test_number(weft_file_close(file)), -EBADF);
    weft_file_unref(file);
    cr_assert_eq(test_number(weft_file_close(NULL)), 0);
    test_files_end();
}

Test(file, stays_open_for_what_runs_though_the_last_reference_is_gone)
{
    weft_file *file = test_open("a", O_RDWR | O_CREAT);
    test_gate_writes();
    weft_future *write = weft_file_write(file, "1", 1);
    gate_wait_entered(&test_call_gate);
    int fd = weft_file_fd(file);
    weft_file_unref(file);
    cr_assert_geq(fcntl(fd, F_GETFD), 0);
    gate_open(&test_call_gate);
    cr_assert_eq(test_number(write), 1);
    test_files_end();
    cr_assert_lt(fcntl(fd, F_GETFD), 0);
}

Test(file, is_shared_by_references)
{
    weft_file *file = test_open("a", O_RDWR | O_CREAT);
    cr_assert_eq(weft_file_ref(file), file);
    weft_file_unref(file);
    cr_assert_eq(test_number(weft_file_write(file, "1", 1)), 1);
    weft_file_unref(file);
    weft_file_unref(NULL);
    test_files_end();
}

Test(file, that_is_left_when_its_loop_is_gone_is_closed_by_its_last_reference)
{
    weft_file *file = test_open("a", O_RDWR | O_CREAT);
    int fd = weft_file_fd(file);
    weft_loop_free(test_loop);
    cr_assert_eq(weft_future_status(weft_file_fsync(file)), WEFT_ENOLOOP);
    test_loop = weft_loop_new(NULL);
    cr_assert_eq(test_number(weft_file_fsync(file)), -ESHUTDOWN);
    weft_file_unref(file);
    cr_assert_lt(fcntl(fd, F_GETFD), 0);
    test_files_end();
}

/* ---- Misuse ---- */

Test(file, refuses_bad_arguments)
{
    char byte;
    struct iovec huge[] = {{&byte, SIZE_MAX / 2}, {&byte, SIZE_MAX / 2}};
    weft_file *file = test_open("a", O_RDWR | O_CREAT);
    cr_assert_eq(test_number(weft_file_read(NULL, &byte, 1)), -EINVAL);
    cr_assert_eq(test_number(weft_file_pread(file, &byte, 1, -1)), -EINVAL);
    cr_assert_eq(test_number(weft_file_readv(file, huge, 2)), -EINVAL);
    cr_assert_eq(test_number(weft_file_readv(file, huge, -1)), -EINVAL);
    cr_assert_eq(test_number(weft_file_readv(file, huge, 1025)), -EINVAL);
    cr_assert_eq(test_number(weft_file_readv(file, NULL, 1)), -EINVAL);
    cr_assert_eq(test_number(weft_file_seek(file, -1, SEEK_SET)), -EINVAL);
    cr_assert_eq(test_number(weft_file_truncate(file, -1)), -EINVAL);
    cr_assert_eq(test_number(weft_file_open(NULL, O_RDONLY, 0)), -EINVAL);
    weft_file_unref(file);
    test_files_end();
}
