/* SPDX-License-Identifier: MIT */
/* Copying files, by the kernel and by hand. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/weft.h>

#include "tests/support/files.h"

TestSuite(file_copy, .init = test_files_begin, .timeout = 30);

static int64_t copy(const char *from, const char *to)
{
    return test_number(weft_path_copy(test_path(from), test_path(to), NULL));
}

static bool has(const char *name, const char *expected)
{
    char *content = test_content(name);
    bool same = content && strcmp(content, expected) == 0;
    free(content);
    return same;
}

static mode_t mode_of(const char *name)
{
    struct stat status;
    cr_assert_eq(stat(test_path(name), &status), 0);
    return status.st_mode & 07777;
}

/* ---- By the kernel ---- */

static int range_calls, refusal;

static ssize_t counted_range(int from, int to, size_t size)
{
    range_calls++;
    errno = refusal;
    return refusal ? -1 : copy_file_range(from, NULL, to, NULL, size, 0);
}

Test(file_copy, has_the_content_and_the_mode)
{
    weft__sys.copy_file_range = counted_range;
    umask(022);
    test_make("a", "hello");
    cr_assert_eq(chmod(test_path("a"), 0757), 0);
    cr_assert_eq(copy("a", "b"), 5);
    cr_assert(has("b", "hello"));
    cr_assert_eq(mode_of("b"), 0755);
    cr_assert_geq(range_calls, 1);
    test_files_end();
}

Test(file_copy, replaces_the_content_of_what_is_there_which_keeps_its_mode)
{
    test_make("a", "new");
    test_make("b", "old and long");
    cr_assert_eq(chmod(test_path("b"), 0600), 0);
    cr_assert_eq(copy("a", "b"), 3);
    cr_assert(has("b", "new"));
    cr_assert_eq(mode_of("b"), 0600);
    test_files_end();
}

/* ---- By hand ---- */

Test(file_copy, is_by_hand_where_the_kernel_cannot)
{
    static const int refusals[] = {EXDEV, EINVAL, ENOSYS, EOPNOTSUPP};
    weft__sys.copy_file_range = counted_range;
    test_make("a", "hello");
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        refusal = refusals[i];
        cr_assert_eq(copy("a", "b"), 5);
        cr_assert(has("b", "hello"));
        cr_assert_eq(unlink(test_path("b")), 0);
    }
    test_files_end();
}

static ssize_t gives_nothing(int from, int to, size_t size)
{
    (void)from;
    (void)to;
    (void)size;
    return 0;
}

Test(file_copy, does_not_believe_in_an_end_that_a_read_does_not_see)
{
    weft__sys.copy_file_range = gives_nothing;
    test_make("a", "hello");
    cr_assert_eq(copy("a", "b"), 5);
    cr_assert(has("b", "hello"));
    cr_assert_gt(test_number(weft_path_copy("/proc/self/status", test_path("c"), NULL)), 100);
    test_files_end();
}

static int times;

static ssize_t fails_later(int from, int to, size_t size)
{
    if (times++ == 0)
        return copy_file_range(from, NULL, to, NULL, size < 3 ? size : 3, 0);
    errno = refusal;
    return -1;
}

Test(file_copy, goes_on_by_hand_where_the_kernel_stopped)
{
    refusal = EXDEV;
    weft__sys.copy_file_range = fails_later;
    test_make("a", "hello");
    cr_assert_eq(copy("a", "b"), 5);
    cr_assert(has("b", "hello"));
    test_files_end();
}

/* ---- Failures ---- */

Test(file_copy, that_fails_removes_what_it_made_and_only_that)
{
    char text[1200];
    refusal = ENOSPC;
    weft__sys.copy_file_range = fails_later;
    test_make("a", "hello");
    snprintf(text, sizeof(text), "copy %s to %s: No space left on device", test_path("a"),
             test_path("b"));
    cr_assert(test_fails(weft_path_copy(test_path("a"), test_path("b"), NULL), -ENOSPC, text));
    cr_assert_eq(test_count_entries(), 1);
    test_make("b", "old");
    cr_assert_eq(copy("a", "b"), -ENOSPC);
    cr_assert(has("b", ""));
    test_files_end();
}

Test(file_copy, onto_itself_is_refused_and_does_no_harm)
{
    test_make("a", "hello");
    cr_assert_eq(link(test_path("a"), test_path("b")), 0);
    cr_assert_eq(copy("a", "a"), -EINVAL);
    cr_assert_eq(copy("a", "b"), -EINVAL);
    cr_assert(has("a", "hello"));
    test_files_end();
}

Test(file_copy, refuses_what_is_there_if_it_is_told_to)
{
    struct weft_copy_options refuse = {.existing = WEFT_COPY_REFUSE};
    struct weft_copy_options bad = {.size = 1};
    test_make("a", "hello");
    test_make("b", "old");
    cr_assert_eq(test_number(weft_path_copy(test_path("a"), test_path("b"), &refuse)), -EEXIST);
    cr_assert(has("b", "old"));
    cr_assert_eq(test_number(weft_path_copy(test_path("a"), test_path("c"), &refuse)), 5);
    cr_assert_eq(test_number(weft_path_copy(test_path("a"), test_path("d"), &bad)), -EINVAL);
    test_files_end();
}

Test(file_copy, of_what_is_not_there_or_a_folder_makes_nothing)
{
    cr_assert_eq(copy("none", "b"), -ENOENT);
    cr_assert_eq(copy("", "b"), -EISDIR);
    cr_assert_eq(test_count_entries(), 0);
    test_make("a", "hello");
    cr_assert_eq(copy("a", "none/b"), -ENOENT);
    cr_assert_eq(test_number(weft_path_copy(test_path("a"), NULL, NULL)), -EINVAL);
    cr_assert(weft__sys_fail("fstat", 1, EIO));
    cr_assert_eq(copy("a", "b"), -EIO);
    test_files_end();
}

static int closes_target_with_eio(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    close(fd);
    errno = EIO;
    return (flags & O_ACCMODE) == O_WRONLY ? -1 : 0;
}

Test(file_copy, whose_last_close_fails_has_failed)
{
    test_make("a", "hello");
    weft__sys.close = closes_target_with_eio;
    cr_assert_eq(copy("a", "b"), -EIO);
    cr_assert_eq(test_count_entries(), 1);
    test_files_end();
}

/* ---- Progress ---- */

Test(file_copy, tells_how_far_it_is_if_asked)
{
    enum { SIZE = 5 << 20 };
    struct weft_copy_options options = {.progress = 2};
    char *data = calloc(1, SIZE);
    int64_t last = 0, next;
    cr_assert_eq(test_number(weft_path_write_all(test_path("a"), data, SIZE, 0644)), SIZE);
    weft_future *copying = weft_path_copy(test_path("a"), test_path("b"), &options);
    while ((next = test_number(weft_job_next(copying))) > 0) {
        cr_assert_gt(next, last);
        last = next;
    }
    cr_assert_eq(next, WEFT_ECLOSED);
    cr_assert_eq(last, SIZE);
    cr_assert_eq(test_number(copying), SIZE);
    free(data);
    test_files_end();
}

Test(file_copy, that_nobody_reads_of_can_be_cancelled)
{
    enum { SIZE = 5 << 20 };
    struct weft_copy_options options = {.progress = 1};
    char *data = calloc(1, SIZE);
    cr_assert_eq(test_number(weft_path_write_all(test_path("a"), data, SIZE, 0644)), SIZE);
    weft_future *copying = weft_path_copy(test_path("a"), test_path("b"), &options);
    cr_assert_gt(test_number(weft_job_next(copying)), 0);
    cr_assert(weft_cancel(copying));
    cr_assert_eq(test_number(copying), -ECANCELED);
    cr_assert_eq(test_count_entries(), 1);
    free(data);
    test_files_end();
}
