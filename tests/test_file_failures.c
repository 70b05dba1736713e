/* SPDX-License-Identifier: MIT */
/* What the kernel does not do, or not at once: short counts, EINTR, full disks, broken ones. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/weft.h>

#include "tests/support/files.h"

TestSuite(file_failures, .init = test_files_begin, .timeout = 30);

/* A disk with room for `room` bytes, which takes at most `most` at once. */
static size_t room, most;
static atomic_int interrupts; /* so many calls fail with EINTR first */
static atomic_int calls;

static size_t total(const struct iovec *pieces, int count)
{
    size_t size = 0;
    for (int i = 0; i < count; i++)
        size += pieces[i].iov_len;
    return size;
}

static bool interrupted(void)
{
    atomic_fetch_add(&calls, 1);
    if (atomic_load(&interrupts) <= 0)
        return false;
    atomic_fetch_sub(&interrupts, 1);
    errno = EINTR;
    return true;
}

static ssize_t small_writev(int fd, const struct iovec *pieces, int count)
{
    if (interrupted())
        return -1;
    size_t size = total(pieces, count) < most ? total(pieces, count) : most;
    size = size < pieces->iov_len ? size : pieces->iov_len;
    size = size < room ? size : room;
    if (!size) {
        errno = ENOSPC;
        return -1;
    }
    room -= size;
    return write(fd, pieces->iov_base, size);
}

static ssize_t small_pwritev(int fd, const struct iovec *pieces, int count, off_t offset)
{
    cr_assert_eq(lseek(fd, offset, SEEK_SET), offset);
    return small_writev(fd, pieces, count);
}

static ssize_t small_readv(int fd, const struct iovec *pieces, int count)
{
    (void)count;
    return interrupted()
               ? -1
               : read(fd, pieces->iov_base, most < pieces->iov_len ? most : pieces->iov_len);
}

static void disk(size_t its_room, size_t at_once, int its_interrupts)
{
    room = its_room;
    most = at_once;
    atomic_store(&interrupts, its_interrupts);
    weft__sys.writev = small_writev;
    weft__sys.pwritev = small_pwritev;
    weft__sys.readv = small_readv;
}

static bool has(const char *name, const char *expected)
{
    char *content = test_content(name);
    bool same = content && strcmp(content, expected) == 0;
    free(content);
    return same;
}

static const char *message(const char *format)
{
    static char text[600];
    int length = (int)strcspn(format, "@");
    snprintf(text, sizeof(text), "%.*s%s%s", length, format, test_path("a"), format + length + 1);
    return text;
}

/* ---- Not all at once ---- */

Test(file_failures, a_write_goes_on_where_the_kernel_stopped_and_where_a_signal_came)
{
    struct iovec pieces[] = {{(void *)"hello", 5}, {(void *)" world", 6}};
    weft_file *file = test_open("a", O_RDWR | O_CREAT);
    disk(100, 3, 2);
    cr_assert_eq(test_number(weft_file_writev(file, pieces, 2)), 11);
    cr_assert_eq(test_number(weft_file_pwrite(file, "HELLO WORLD", 11, 0)), 11);
    weft_file_unref(file);
    cr_assert(has("a", "HELLO WORLD"));
    test_files_end();
}

Test(file_failures, a_read_of_a_regular_file_goes_on_to_its_end)
{
    char buffer[32] = "";
    test_make("a", "hello world");
    weft_file *file = test_open("a", O_RDONLY);
    disk(0, 2, 1);
    cr_assert_eq(test_number(weft_file_read(file, buffer, sizeof(buffer))), 11);
    cr_assert_str_eq(buffer, "hello world");
    weft_file_unref(file);
    test_files_end();
}

static int interrupted_open(const char *path, int flags, mode_t mode)
{
    return interrupted() ? -1 : open(path, flags, mode);
}

static int interrupted_truncate(int fd, off_t length)
{
    return interrupted() ? -1 : ftruncate(fd, length);
}

Test(file_failures, open_and_truncate_are_made_again_after_a_signal)
{
    atomic_store(&interrupts, 3);
    weft__sys.open = interrupted_open;
    weft__sys.ftruncate = interrupted_truncate;
    weft_file *file = test_open("a", O_RDWR | O_CREAT);
    cr_assert_eq(atomic_load(&calls), 4);
    atomic_store(&interrupts, 2);
    cr_assert_eq(test_number(weft_file_truncate(file, 3)), 0);
    weft_file_unref(file);
    test_files_end();
}

/* ---- Full and broken disks ---- */

Test(file_failures, a_full_disk_is_told_with_what_was_written_and_where_it_ended)
{
    weft_file *file = test_open("a", O_RDWR | O_CREAT);
    disk(4, 3, 0);
    cr_assert(test_fails(weft_file_write(file, "hello", 5), -ENOSPC,
                         message("write @: No space left on device (4 of 5 bytes were written)")));
    cr_assert(test_fails(weft_file_write(file, "hello", 5), -ENOSPC,
                         message("write @: No space left on device")));
    cr_assert_eq(test_number(weft_file_seek(file, 0, SEEK_CUR)), 4);
    weft_file_unref(file);
    cr_assert(has("a", "hell"));
    test_files_end();
}

Test(file_failures, the_real_full_device_says_so_too)
{
    weft_file *file = test_pointer(weft_file_open("/dev/full", O_WRONLY, 0));
    cr_assert(test_fails(weft_file_write(file, "x", 1), -ENOSPC,
                         "write /dev/full: No space left on device"));
    weft_file_unref(file);
    test_files_end();
}

static ssize_t writes_nothing(int fd, const struct iovec *pieces, int count)
{
    (void)fd;
    (void)pieces;
    (void)count;
    return 0;
}

Test(file_failures, a_write_of_nothing_is_no_endless_loop)
{
    weft_file *file = test_open("a", O_RDWR | O_CREAT);
    weft__sys.writev = writes_nothing;
    cr_assert_eq(test_number(weft_file_write(file, "x", 1)), -EIO);
    weft_file_unref(file);
    test_files_end();
}

static int fails_with_eio(int fd)
{
    (void)fd;
    errno = EIO;
    return -1;
}

static int closes_with_eio(int fd)
{
    cr_assert_eq(close(fd), 0);
    errno = EIO;
    return -1;
}

Test(file_failures, name_the_call_and_the_path)
{
    char text[600], byte;
    snprintf(text, sizeof(text), "open %s: No such file or directory", test_path("none"));
    cr_assert(test_fails(weft_file_open(test_path("none"), O_RDONLY, 0), -ENOENT, text));
    weft_file *file = test_open("a", O_WRONLY | O_CREAT);
    weft__sys.fsync = weft__sys.fdatasync = fails_with_eio;
    cr_assert(test_fails(weft_file_fsync(file), -EIO, message("fsync @: Input/output error")));
    cr_assert(
        test_fails(weft_file_fdatasync(file), -EIO, message("fdatasync @: Input/output error")));
    cr_assert(
        test_fails(weft_file_read(file, &byte, 1), -EBADF, message("read @: Bad file descriptor")));
    weft_file_unref(file);
    test_files_end();
}

Test(file_failures, a_failed_close_has_closed)
{
    weft_file *file = test_open("a", O_WRONLY | O_CREAT);
    int fd = weft_file_fd(file);
    weft__sys.close = closes_with_eio;
    cr_assert(test_fails(weft_file_close(file), -EIO, message("close @: Input/output error")));
    cr_assert_lt(fcntl(fd, F_GETFD), 0);
    weft_file_unref(file);
    test_files_end();
}

Test(file_failures, a_close_in_the_background_that_fails_is_reported)
{
    weft_file *file = test_open("a", O_WRONLY | O_CREAT);
    weft__sys.close = closes_with_eio;
    weft_file_unref(file);
    while (!test_reports.count)
        cr_assert_eq(test_number(weft_path_exists("/")), 1);
    cr_assert_eq(test_reports.status, -EIO);
    cr_assert_str_eq(test_reports.task, "weft_file_close");
    cr_assert_str_eq(test_reports.message, message("close @: Input/output error"));
    test_files_end();
}

Test(file_failures, a_call_by_name_can_be_made_to_fail_by_users)
{
    weft_file *file = test_open("a", O_WRONLY | O_CREAT);
    cr_assert(weft__sys_fail("writev", 2, EIO));
    cr_assert_eq(test_number(weft_file_write(file, "1", 1)), 1);
    cr_assert_eq(test_number(weft_file_write(file, "2", 1)), -EIO);
    cr_assert_eq(test_number(weft_file_write(file, "3", 1)), 1);
    weft_file_unref(file);
    cr_assert(has("a", "13"));
    test_files_end();
}

static struct stat looked_at;

static int fails_to_look(int fd, struct stat *status)
{
    (void)fd;
    *status = looked_at;
    errno = EIO;
    return -1;
}

Test(file_failures, a_stat_that_fails_gives_back_its_memory)
{
    weft_file *file = test_open("a", O_WRONLY | O_CREAT);
    weft__sys.fstat = fails_to_look;
    cr_assert(test_fails(weft_file_stat(file), -EIO, message("stat @: Input/output error")));
    weft_file_unref(file);
    test_files_end();
}

Test(file_failures, a_lane_that_is_full_refuses_but_closes)
{
    weft_pool *pool = weft_loop_pool(test_loop);
    struct weft_lane_options one = {.max_running = 1, .max_queued = 1, .reserved = 1};
    cr_assert_eq(weft_lane_configure(weft_pool_lane(pool, "files"), &one), 0);
    weft_file *file = test_open("a", O_WRONLY | O_CREAT);
    weft_file *other = test_open("b", O_WRONLY | O_CREAT);
    test_gate_writes();
    weft_future *running = weft_file_write(file, "1", 1);
    gate_wait_entered(&test_call_gate);
    weft_future *queued = weft_file_fsync(other);
    cr_assert_eq(test_number(weft_path_exists("/")), -EAGAIN);
    weft_future *close = weft_file_close(other);
    gate_open(&test_call_gate);
    cr_assert_eq(test_number(running), 1);
    cr_assert_eq(test_number(queued), 0);
    cr_assert_eq(test_number(close), 0);
    weft_file_unref(other);
    weft_file_unref(file);
    test_files_end();
}

Test(file_failures, that_nobody_looks_at_are_reported_by_name)
{
    weft_file *file = test_open("a", O_WRONLY | O_CREAT);
    weft__sys.writev = writes_nothing;
    weft_unref(weft_file_write(file, "x", 1));
    while (!test_reports.count)
        cr_assert_eq(test_number(weft_path_exists("/")), 1);
    cr_assert_eq(test_reports.status, -EIO);
    cr_assert_str_eq(test_reports.task, "weft_file_write");
    cr_assert_str_eq(test_reports.message, message("write @: Input/output error"));
    weft_file_unref(file);
    test_files_end();
}
