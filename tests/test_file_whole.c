/* SPDX-License-Identifier: MIT */
/* Whole files: read up to a limit, and written over. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/weft.h>

#include "tests/support/files.h"

TestSuite(file_whole, .init = test_files_begin, .timeout = 30);

static bool gives(weft_future *future, const char *text)
{
    weft_bytes *bytes = test_pointer(future);
    bool same = bytes->len == strlen(text) && strcmp(bytes->data, text) == 0;
    weft_bytes_free(bytes);
    return same;
}

Test(file_whole, is_read_with_its_length)
{
    test_make("a", "hello");
    test_make("empty", "");
    cr_assert(gives(weft_path_read_all(test_path("a"), 0), "hello"));
    cr_assert(gives(weft_path_read_all(test_path("a"), 5), "hello"));
    cr_assert(gives(weft_path_read_all(test_path("a"), SIZE_MAX), "hello"));
    cr_assert(gives(weft_path_read_all(test_path("empty"), 0), ""));
    test_files_end();
}

Test(file_whole, beyond_the_limit_is_refused)
{
    char text[600];
    test_make("a", "hello");
    snprintf(text, sizeof(text), "read %s: more than 4 bytes", test_path("a"));
    cr_assert(test_fails(weft_path_read_all(test_path("a"), 4), -EFBIG, text));
    test_files_end();
}

Test(file_whole, of_no_known_size_is_read_to_its_end)
{
    weft_bytes *bytes = test_pointer(weft_path_read_all("/proc/self/status", 0));
    cr_assert_gt(bytes->len, 100);
    cr_assert_not_null(strstr(bytes->data, "Threads:"));
    weft_bytes_free(bytes);
    cr_assert_eq(test_number(weft_path_read_all("/dev/zero", 100000)), -EFBIG);
    cr_assert_eq(test_number(weft_path_read_all("/proc/self/status", 10)), -EFBIG);
    test_files_end();
}

enum { BIG = 3 << 20 };

Test(file_whole, may_be_big)
{
    char *data = malloc(BIG);
    for (size_t i = 0; i < BIG; i++)
        data[i] = (char)(i * 7 >> 3);
    cr_assert_eq(test_number(weft_path_write_all(test_path("a"), data, BIG, 0644)), BIG);
    weft_bytes *bytes = test_pointer(weft_path_read_all(test_path("a"), 0));
    cr_assert_eq(bytes->len, BIG);
    cr_assert_eq(memcmp(bytes->data, data, BIG), 0);
    weft_bytes_free(bytes);
    free(data);
    test_files_end();
}

/* It says that it is as long as it was, and has less or more. */
static int half_the_size(int fd, struct stat *status)
{
    int result = fstat(fd, status);
    status->st_size /= 2;
    return result;
}

static int twice_the_size(int fd, struct stat *status)
{
    int result = fstat(fd, status);
    status->st_size *= 2;
    return result;
}

Test(file_whole, that_grows_or_shrinks_meanwhile_is_read_as_it_is)
{
    test_make("a", "hello world");
    weft__sys.fstat = half_the_size;
    cr_assert(gives(weft_path_read_all(test_path("a"), 0), "hello world"));
    cr_assert_eq(test_number(weft_path_read_all(test_path("a"), 10)), -EFBIG);
    weft__sys.fstat = twice_the_size;
    cr_assert(gives(weft_path_read_all(test_path("a"), 0), "hello world"));
    cr_assert(gives(weft_path_read_all(test_path("a"), 11), "hello world"));
    test_files_end();
}

Test(file_whole, is_written_over)
{
    test_make("a", "something long");
    cr_assert_eq(test_number(weft_path_write_all(test_path("a"), "new", 3, 0644)), 3);
    cr_assert(gives(weft_path_read_all(test_path("a"), 0), "new"));
    cr_assert_eq(test_number(weft_path_write_all(test_path("a"), NULL, 0, 0644)), 0);
    cr_assert(gives(weft_path_read_all(test_path("a"), 0), ""));
    test_files_end();
}

Test(file_whole, fails_by_name)
{
    char text[600];
    snprintf(text, sizeof(text), "open %s: No such file or directory", test_path("none"));
    cr_assert(test_fails(weft_path_read_all(test_path("none"), 0), -ENOENT, text));
    cr_assert_eq(test_number(weft_path_read_all(test_path(""), 0)), -EISDIR);
    cr_assert_eq(test_number(weft_path_read_all(NULL, 0)), -EINVAL);
    cr_assert_eq(test_number(weft_path_write_all(test_path("none/a"), "x", 1, 0)), -ENOENT);
    cr_assert_eq(test_number(weft_path_write_all(test_path("a"), NULL, 1, 0)), -EINVAL);
    cr_assert(test_fails(weft_path_write_all("/dev/full", "x", 1, 0), -ENOSPC,
                         "write /dev/full: No space left on device"));
    test_files_end();
}

static int closes_with_enospc(int fd)
{
    close(fd);
    errno = ENOSPC;
    return -1;
}

Test(file_whole, fails_if_its_close_does)
{
    weft__sys.close = closes_with_enospc;
    cr_assert_eq(test_number(weft_path_write_all(test_path("a"), "x", 1, 0644)), -ENOSPC);
    test_make("b", "x");
    cr_assert(gives(weft_path_read_all(test_path("b"), 0), "x")); /* nothing can be lost */
    test_files_end();
}

/* ---- Cancelling between pieces ---- */

static struct gate gate;

static ssize_t gated_readv(int fd, const struct iovec *pieces, int count)
{
    gate_pass(&gate);
    return readv(fd, pieces, count);
}

static void cancel_in_the_first_piece(weft_future *future)
{
    gate_wait_entered(&gate);
    cr_assert(weft_cancel(future));
    cr_assert_not(weft_is_done(future));
    gate_open(&gate);
    cr_assert_eq(test_number(future), -ECANCELED);
}

Test(file_whole, is_not_read_to_its_end_when_it_is_cancelled)
{
    char *data = calloc(1, BIG);
    cr_assert_eq(test_number(weft_path_write_all(test_path("a"), data, BIG, 0644)), BIG);
    gate_init(&gate);
    weft__sys.readv = gated_readv;
    cancel_in_the_first_piece(weft_path_read_all(test_path("a"), 0));
    free(data);
    test_files_end();
}

static ssize_t gated_writev(int fd, const struct iovec *pieces, int count)
{
    gate_pass(&gate);
    return writev(fd, pieces, count);
}

Test(file_whole, is_not_written_to_its_end_when_it_is_cancelled)
{
    char *data = calloc(1, BIG);
    gate_init(&gate);
    weft__sys.writev = gated_writev;
    cancel_in_the_first_piece(weft_path_write_all(test_path("a"), data, BIG, 0644));
    struct stat *status = test_pointer(weft_path_stat(test_path("a")));
    cr_assert_eq(status->st_size, 1 << 20);
    weft_stat_free(status);
    free(data);
    test_files_end();
}

Test(file_whole, replacing_that_is_cancelled_leaves_the_old_one_alone)
{
    char *data = calloc(1, BIG);
    test_make("a", "old");
    gate_init(&gate);
    weft__sys.writev = gated_writev;
    cancel_in_the_first_piece(weft_path_write_atomic(test_path("a"), data, BIG, 0644));
    cr_assert(gives(weft_path_read_all(test_path("a"), 0), "old"));
    cr_assert_eq(test_count_entries(), 1);
    free(data);
    test_files_end();
}

static int gated_rename(int folder, const char *from, const char *to)
{
    gate_pass(&gate);
    return renameat(folder, from, folder, to);
}

Test(file_whole, replacing_cannot_be_cancelled_from_its_rename_on)
{
    test_make("a", "old");
    gate_init(&gate);
    weft__sys.renameat = gated_rename;
    weft_future *replace = weft_path_write_atomic(test_path("a"), "new", 3, 0644);
    gate_wait_entered(&gate);
    weft_cancel(replace);
    gate_open(&gate);
    cr_assert_eq(test_number(replace), 3);
    cr_assert(gives(weft_path_read_all(test_path("a"), 0), "new"));
    test_files_end();
}

static ssize_t gated_range(int from, int to, size_t size)
{
    gate_pass(&gate);
    return copy_file_range(from, NULL, to, NULL, size, 0);
}

Test(file_whole, copying_that_is_cancelled_removes_what_it_made)
{
    char *data = calloc(1, BIG);
    cr_assert_eq(test_number(weft_path_write_all(test_path("a"), data, BIG, 0644)), BIG);
    gate_init(&gate);
    weft__sys.copy_file_range = gated_range;
    cancel_in_the_first_piece(weft_path_copy(test_path("a"), test_path("b"), NULL));
    cr_assert_eq(test_count_entries(), 1);
    free(data);
    test_files_end();
}
