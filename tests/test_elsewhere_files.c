/* SPDX-License-Identifier: MIT */
/* Calls of files on another thread, and in a forked child. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <unistd.h>

#include "tests/support/elsewhere.h"
#include "tests/support/files.h"

TestSuite(elsewhere_files, .init = test_files_begin, .timeout = 60);

struct stage {
    weft_file *file;
    weft_lines *lines;
    weft_dir *dir;
};

static char byte;
static const struct iovec piece = {&byte, 1};

#define CALLS_OF_FILES(X)                                             \
    X(F, weft_file_close, weft_file_close(s->file))                   \
    X(S, weft_file_fd, weft_file_fd(s->file))                         \
    X(F, weft_file_fdatasync, weft_file_fdatasync(s->file))           \
    X(F, weft_file_fsync, weft_file_fsync(s->file))                   \
    X(N, weft_file_new, weft_file_new(0))                             \
    X(H, weft_file_open, weft_file_open("/", O_RDONLY, 0))            \
    X(F, weft_file_pread, weft_file_pread(s->file, &byte, 1, 0))      \
    X(F, weft_file_preadv, weft_file_preadv(s->file, &piece, 1, 0))   \
    X(F, weft_file_pwrite, weft_file_pwrite(s->file, &byte, 1, 0))    \
    X(F, weft_file_pwritev, weft_file_pwritev(s->file, &piece, 1, 0)) \
    X(F, weft_file_read, weft_file_read(s->file, &byte, 1))           \
    X(F, weft_file_readv, weft_file_readv(s->file, &piece, 1))        \
    X(V, weft_file_ref, weft_file_ref(s->file))                       \
    X(F, weft_file_seek, weft_file_seek(s->file, 0, SEEK_SET))        \
    X(F, weft_file_stat, weft_file_stat(s->file))                     \
    X(F, weft_file_truncate, weft_file_truncate(s->file, 0))          \
    X(V, weft_file_unref, weft_file_unref(s->file))                   \
    X(F, weft_file_write, weft_file_write(s->file, &byte, 1))         \
    X(F, weft_file_writev, weft_file_writev(s->file, &piece, 1))

#define CALLS_OF_PATHS(X)                                            \
    X(F, weft_dir_next, weft_dir_next(s->dir))                       \
    X(V, weft_dir_free, weft_dir_free(s->dir))                       \
    X(H, weft_dir_open, weft_dir_open("/"))                          \
    X(V, weft_lines_free, weft_lines_free(s->lines))                 \
    X(Z, weft_lines_new, weft_lines_new(s->file, NULL))              \
    X(F, weft_lines_next, weft_lines_next(s->lines))                 \
    X(H, weft_path_copy, weft_path_copy("/", "/", NULL))             \
    X(H, weft_path_exists, weft_path_exists("/"))                    \
    X(H, weft_path_lstat, weft_path_lstat("/"))                      \
    X(H, weft_path_mkdir, weft_path_mkdir("/", 0))                   \
    X(H, weft_path_mkdir_all, weft_path_mkdir_all("/", 0))           \
    X(H, weft_path_read_all, weft_path_read_all("/", 0))             \
    X(H, weft_path_rename, weft_path_rename("/", "/"))               \
    X(H, weft_path_rmdir, weft_path_rmdir("/"))                      \
    X(H, weft_path_stat, weft_path_stat("/"))                        \
    X(H, weft_path_unlink, weft_path_unlink("/"))                    \
    X(H, weft_path_write_all, weft_path_write_all("/", &byte, 1, 0)) \
    X(H, weft_path_write_atomic, weft_path_write_atomic("/", &byte, 1, 0))

#define CALLS(X)      \
    CALLS_OF_FILES(X) \
    CALLS_OF_PATHS(X)

CALLS(WEFT_TEST_CALL)
static const struct weft_test_call calls[] = {CALLS(WEFT_TEST_ENTRY)};

Test(elsewhere_files, calls_are_refused_and_named)
{
    struct stage stage = {.file = test_open("a", O_RDWR | O_CREAT)};
    stage.lines = weft_lines_new(stage.file, NULL);
    stage.dir = test_pointer(weft_dir_open(test_path("")));
    weft_test_elsewhere(calls, sizeof(calls) / sizeof(calls[0]), &stage);
    weft_dir_free(stage.dir);
    weft_lines_free(stage.lines);
    weft_file_unref(stage.file);
    test_files_end();
}
