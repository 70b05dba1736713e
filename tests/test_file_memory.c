/* SPDX-License-Identifier: MIT */
/* Out of memory at each allocation of each call for files: -ENOMEM, and nothing is left. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/files.h"
#include "tests/support/trace.h"

TestSuite(file_memory, .init = test_files_begin, .timeout = 60);

static weft_file *file;
static char buffer[4] = "abc", read_into[4][4];
static const struct iovec piece = {buffer, 3};
static const struct iovec pieces_in[] = {{read_into[2], 3}, {read_into[3], 3}};

static int open_one(void)
{
    return weft_test_run(weft_file_open(test_path("b"), O_RDWR | O_CREAT, 0600));
}

static int over_a_descriptor(void)
{
    int fd = dup(weft_file_fd(file));
    weft_file *other = weft_file_new(fd);
    int error = errno;
    if (!other)
        close(fd);
    weft_file_unref(other);
    return other ? 0 : -error;
}

static int close_one(void)
{
    int fd = dup(weft_file_fd(file));
    weft_file *other = weft_file_new(fd);
    if (!other) {
        close(fd);
        return -ENOMEM;
    }
    int status = weft_test_run(weft_file_close(other));
    weft_file_unref(other);
    return status;
}

/* Each in turn, until one has no memory. */
static int use(void)
{
    weft_future *futures[] = {weft_file_write(file, buffer, 3),
                              weft_file_pwrite(file, buffer, 3, 0),
                              weft_file_seek(file, 0, SEEK_SET),
                              weft_file_writev(file, &piece, 1),
                              weft_file_pwritev(file, &piece, 1, 0),
                              weft_file_pread(file, read_into[0], 3, 0),
                              weft_file_seek(file, 0, SEEK_SET),
                              weft_file_read(file, read_into[1], 3),
                              weft_file_readv(file, &pieces_in[0], 1),
                              weft_file_preadv(file, &pieces_in[1], 1, 0),
                              weft_file_fsync(file),
                              weft_file_fdatasync(file),
                              weft_file_truncate(file, 3),
                              weft_file_stat(file)};
    int status = 0;
    for (size_t i = 0; i < sizeof(futures) / sizeof(futures[0]); i++) {
        int ended = weft_test_run(futures[i]);
        status = status ? status : ended;
    }
    return status;
}

Test(file_memory, of_files_survives_every_lack)
{
    file = test_open("a", O_RDWR | O_CREAT);
    weft_test_every_lack_of_memory(open_one);
    weft_test_every_lack_of_memory(over_a_descriptor);
    weft_test_every_lack_of_memory(close_one);
    weft_test_every_lack_of_memory(use);
    weft_file_unref(file);
    test_files_end();
}

/* A line that could not be handed out is there for the next call. */
static int read_lines(void)
{
    int status = 0, lines_read = 0;
    if (lseek(weft_file_fd(file), 0, SEEK_SET) < 0)
        return -errno;
    struct weft_lines_options options = {.chunk = 4};
    weft_lines *lines = weft_lines_new(file, &options);
    if (!lines)
        return -errno;
    for (;;) {
        weft_future *next = weft_lines_next(lines);
        int ended = weft_test_run(weft_ref(next));
        const weft_bytes *line = weft_future_value(next).ptr;
        weft_unref(next);
        status = status ? status : ended;
        if (ended == 0 && !line)
            break;
        if (ended == 0)
            cr_assert_eq(line->len, (size_t)++lines_read * 2);
    }
    cr_assert_eq(lines_read, 3);
    weft_lines_free(lines);
    return status;
}

Test(file_memory, of_lines_loses_no_line)
{
    test_make("a", "12\n1234\n123456\n");
    file = test_open("a", O_RDONLY);
    weft_test_every_lack_of_memory(read_lines);
    weft_file_unref(file);
    test_files_end();
}

static int list(void)
{
    int status = 0, entries = 0;
    weft_value dir = {0};
    weft_future *open = weft_dir_open(test_path("folder"));
    int opened = weft_test_run(weft_ref(open));
    if (opened == 0)
        weft_future_take(open, &dir);
    weft_unref(open);
    while (opened == 0) {
        weft_future *next = weft_dir_next(dir.ptr);
        int ended = weft_test_run(weft_ref(next));
        bool is_end = ended == 0 && !weft_future_value(next).ptr;
        weft_unref(next);
        status = status ? status : ended;
        if (is_end)
            break;
        entries += ended == 0;
    }
    cr_assert(opened < 0 || entries == 2);
    weft_dir_free(dir.ptr);
    return opened < 0 ? opened : status;
}

Test(file_memory, of_folders_loses_no_entry)
{
    cr_assert_eq(test_number(weft_path_mkdir(test_path("folder"), 0700)), 0);
    test_make("folder/a", "");
    test_make("folder/b", "");
    weft_test_every_lack_of_memory(list);
    test_files_end();
}

static int whole(void)
{
    weft_future *all[] = {weft_path_write_all(test_path("w"), "abc", 3, 0600)};
    int status = weft_test_run(all[0]);
    if (status == 0)
        status = weft_test_run(weft_path_read_all(test_path("w"), 0));
    if (status == 0)
        status = weft_test_run(weft_path_read_all("/proc/self/status", 0));
    return status;
}

static int atomic(void)
{
    int status = weft_test_run(weft_path_write_atomic(test_path("atomic"), "abc", 3, 0600));
    cr_assert_leq(test_count_entries(), 4);
    return status;
}

static ssize_t no_range(int from, int to, size_t size)
{
    (void)from;
    (void)to;
    (void)size;
    errno = EXDEV;
    return -1;
}

static int copy(void)
{
    unlink(test_path("copy"));
    int status = weft_test_run(weft_path_copy(test_path("w"), test_path("copy"), NULL));
    cr_assert(status == 0 || access(test_path("copy"), F_OK) < 0);
    return status;
}

Test(file_memory, of_whole_files_survives_every_lack)
{
    weft_test_every_lack_of_memory(whole);
    weft_test_every_lack_of_memory(atomic);
    weft_test_every_lack_of_memory(copy);
    weft__sys.copy_file_range = no_range;
    weft_test_every_lack_of_memory(copy);
    test_files_end();
}

static int paths(void)
{
    rmdir(test_path("m/n"));
    rmdir(test_path("m"));
    unlink(test_path("r"));
    test_make("q", "");
    weft_future *futures[] = {weft_path_stat(test_path("q")), weft_path_lstat(test_path("q")),
                              weft_path_exists(test_path("q"))};
    int status = 0, ended;
    for (int i = 0; i < 3; i++) {
        ended = weft_test_run(futures[i]);
        status = status ? status : ended;
    }
    if (status == 0)
        status = weft_test_run(weft_path_rename(test_path("q"), test_path("r")));
    if (status == 0)
        status = weft_test_run(weft_path_unlink(test_path("r")));
    if (status == 0)
        status = weft_test_run(weft_path_mkdir(test_path("m"), 0700));
    if (status == 0)
        status = weft_test_run(weft_path_mkdir_all(test_path("m/n"), 0700));
    if (status == 0)
        status = weft_test_run(weft_path_rmdir(test_path("m/n")));
    return status;
}

Test(file_memory, of_paths_survives_every_lack)
{
    weft_test_every_lack_of_memory(paths);
    test_files_end();
}
