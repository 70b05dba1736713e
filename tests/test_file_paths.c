/* SPDX-License-Identifier: MIT */
/* What is done to paths, and folders as streams of entries. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/weft.h>

#include "tests/support/files.h"

TestSuite(file_paths, .init = test_files_begin, .timeout = 30);

Test(file_paths, are_looked_at)
{
    test_make("a", "hello");
    cr_assert_eq(symlink("a", test_path("link")), 0);
    struct stat *status = test_pointer(weft_path_stat(test_path("link")));
    cr_assert_eq(status->st_size, 5);
    weft_stat_free(status);
    status = test_pointer(weft_path_lstat(test_path("link")));
    cr_assert(S_ISLNK(status->st_mode));
    weft_stat_free(status);
    weft_stat_free(NULL);
    cr_assert_eq(test_number(weft_path_stat(test_path("none"))), -ENOENT);
    test_files_end();
}

Test(file_paths, exist_or_do_not)
{
    test_make("a", "");
    cr_assert_eq(test_number(weft_path_exists(test_path("a"))), 1);
    cr_assert_eq(test_number(weft_path_exists(test_path("none"))), 0);
    cr_assert_eq(test_number(weft_path_exists(test_path("a/b"))), 0);
    cr_assert_eq(symlink("loop", test_path("loop")), 0);
    cr_assert_eq(test_number(weft_path_exists(test_path("loop"))), -ELOOP);
    test_files_end();
}

Test(file_paths, are_renamed_and_removed)
{
    char text[1200];
    test_make("a", "hello");
    test_make("b", "old");
    cr_assert_eq(test_number(weft_path_rename(test_path("a"), test_path("b"))), 0);
    cr_assert_eq(test_count_entries(), 1);
    snprintf(text, sizeof(text), "rename %s to %s: No such file or directory", test_path("a"),
             test_path("c"));
    cr_assert(test_fails(weft_path_rename(test_path("a"), test_path("c")), -ENOENT, text));
    cr_assert_eq(test_number(weft_path_rename(test_path("a"), NULL)), -EINVAL);
    cr_assert_eq(test_number(weft_path_unlink(test_path("b"))), 0);
    snprintf(text, sizeof(text), "unlink %s: No such file or directory", test_path("b"));
    cr_assert(test_fails(weft_path_unlink(test_path("b")), -ENOENT, text));
    test_files_end();
}

Test(file_paths, of_folders_are_made_and_removed)
{
    cr_assert_eq(test_number(weft_path_mkdir(test_path("d"), 0700)), 0);
    cr_assert_eq(test_number(weft_path_mkdir(test_path("d"), 0700)), -EEXIST);
    cr_assert_eq(test_number(weft_path_mkdir(test_path("x/y"), 0700)), -ENOENT);
    test_make("d/a", "");
    cr_assert_eq(test_number(weft_path_rmdir(test_path("d"))), -ENOTEMPTY);
    cr_assert_eq(test_number(weft_path_unlink(test_path("d/a"))), 0);
    cr_assert_eq(test_number(weft_path_rmdir(test_path("d"))), 0);
    cr_assert_eq(test_count_entries(), 0);
    test_files_end();
}

Test(file_paths, of_folders_are_made_with_those_above)
{
    char text[600], here[4096];
    cr_assert_eq(test_number(weft_path_mkdir_all(test_path("a/b/c"), 0700)), 0);
    cr_assert_eq(test_number(weft_path_mkdir_all(test_path("a/b/c"), 0700)), 0);
    cr_assert_eq(test_number(weft_path_mkdir_all(test_path("a//x/./y//"), 0700)), 0);
    cr_assert_eq(access(test_path("a/x/y"), F_OK), 0);
    test_make("file", "");
    snprintf(text, sizeof(text), "mkdir %s: Not a directory", test_path("file/x"));
    cr_assert_eq(test_number(weft_path_mkdir_all(test_path("file/x"), 0700)), -ENOTDIR);
    cr_assert_eq(test_number(weft_path_mkdir_all(test_path("file"), 0700)), -EEXIST);
    cr_assert_eq(test_number(weft_path_mkdir_all("", 0700)), -ENOENT);
    cr_assert_eq(test_number(weft_path_mkdir_all("/", 0700)), 0);
    cr_assert_not_null(getcwd(here, sizeof(here)));
    cr_assert_eq(chdir(test_path("")), 0);
    cr_assert_eq(test_number(weft_path_mkdir_all("r/s", 0700)), 0);
    cr_assert_eq(chdir(here), 0);
    cr_assert_eq(access(test_path("r/s"), F_OK), 0);
    test_files_end();
}

Test(file_paths, are_copied_by_the_call_and_have_a_length)
{
    char path[4200];
    test_make("a", "");
    snprintf(path, sizeof(path), "%s", test_path("a"));
    weft_future *exists = weft_path_exists(path);
    memset(path, 'x', sizeof(path));
    cr_assert_eq(test_number(exists), 1);
    path[4096] = 0;
    cr_assert(test_fails(weft_path_stat(path), -ENAMETOOLONG, "stat: File name too long"));
    path[4095] = 0;
    cr_assert_eq(test_number(weft_path_stat(path)), -ENAMETOOLONG);
    cr_assert_eq(test_number(weft_path_stat(NULL)), -EINVAL);
    test_files_end();
}

/* ---- Folders ---- */

static struct weft_dir_entry next(weft_dir *dir)
{
    const struct weft_dir_entry *entry = test_pointer(weft_dir_next(dir));
    return entry ? *entry : (struct weft_dir_entry){0};
}

Test(file_paths, of_folders_lead_to_entries_with_their_types)
{
    test_make("file", "");
    cr_assert_eq(mkdir(test_path("folder"), 0700), 0);
    cr_assert_eq(symlink("none", test_path("link")), 0);
    cr_assert_eq(mkfifo(test_path("pipe"), 0600), 0);
    weft_dir *dir = test_pointer(weft_dir_open(test_path("")));
    struct weft_dir_entry entry;
    unsigned seen = 0;
    while ((entry = next(dir)).name) {
        enum weft_file_type expected = strcmp(entry.name, "file") == 0     ? WEFT_FILE_REGULAR
                                       : strcmp(entry.name, "folder") == 0 ? WEFT_FILE_FOLDER
                                       : strcmp(entry.name, "link") == 0   ? WEFT_FILE_LINK
                                                                           : WEFT_FILE_OTHER;
        cr_assert_eq(entry.type, expected, "%s", entry.name);
        cr_assert_gt(entry.inode, 0);
        seen++;
    }
    cr_assert_eq(seen, 4);
    cr_assert_null(next(dir).name);
    weft_dir_free(dir);
    test_files_end();
}

enum { MANY = 1000 };

Test(file_paths, of_large_folders_are_read_in_batches)
{
    static bool seen[MANY];
    char name[300];
    int jobs = 0, count = 0;
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "%d-%0*d", i, i % 200, 0);
        test_make(name, "");
    }
    weft_dir *dir = test_pointer(weft_dir_open(test_path("")));
    for (;;) {
        weft_future *future = weft_dir_next(dir);
        jobs += !weft_is_done(future);
        const struct weft_dir_entry *entry = test_pointer(future);
        if (!entry)
            break;
        seen[atoi(entry->name)] = true;
        count++;
    }
    cr_assert_eq(count, MANY);
    for (int i = 0; i < MANY; i++)
        cr_assert(seen[i], "%d", i);
    cr_assert_geq(jobs, MANY / 128);
    cr_assert_leq(jobs, MANY / 32);
    weft_dir_free(dir);
    test_files_end();
}

Test(file_paths, of_what_is_no_folder_cannot_be_listed)
{
    char text[600];
    test_make("a", "");
    snprintf(text, sizeof(text), "open %s: Not a directory", test_path("a"));
    cr_assert(test_fails(weft_dir_open(test_path("a")), -ENOTDIR, text));
    cr_assert_eq(test_number(weft_dir_open(test_path("none"))), -ENOENT);
    cr_assert_eq(test_number(weft_dir_open(NULL)), -EINVAL);
    cr_assert_eq(test_number(weft_dir_next(NULL)), -EINVAL);
    weft_dir_free(NULL);
    test_files_end();
}

/* A lane of one that is held by a write: what comes behind it is queued. */
static weft_future *hold_lane(weft_file *file)
{
    struct weft_lane_options one = {.max_running = 1, .reserved = 1};
    weft_lane *lane = weft_pool_lane(weft_loop_pool(test_loop), "files");
    cr_assert_eq(weft_lane_configure(lane, &one), 0);
    test_gate_writes();
    weft_future *write = weft_file_write(file, "1", 1);
    gate_wait_entered(&test_call_gate);
    return write;
}

Test(file_paths, of_folders_are_read_one_at_a_time_and_a_cancel_loses_nothing)
{
    weft_file *file = test_open("a", O_RDWR | O_CREAT);
    weft_dir *dir = test_pointer(weft_dir_open(test_path("")));
    weft_future *write = hold_lane(file);
    weft_future *entry = weft_dir_next(dir);
    cr_assert_eq(test_number(weft_dir_next(dir)), -EBUSY);
    cr_assert(weft_cancel(entry));
    cr_assert_eq(test_number(entry), -ECANCELED);
    gate_open(&test_call_gate);
    cr_assert_eq(test_number(write), 1);
    cr_assert_str_eq(next(dir).name, "a");
    weft_dir_free(dir);
    weft_file_unref(file);
    test_files_end();
}

Test(file_paths, of_folders_that_are_freed_meanwhile_fail)
{
    weft_file *file = test_open("a", O_RDWR | O_CREAT);
    weft_dir *dir = test_pointer(weft_dir_open(test_path("")));
    weft_future *write = hold_lane(file);
    weft_future *entry = weft_dir_next(dir);
    weft_dir_free(dir);
    gate_open(&test_call_gate);
    cr_assert_eq(test_number(entry), WEFT_ECLOSED);
    cr_assert_eq(test_number(write), 1);
    weft_file_unref(file);
    test_files_end();
}
