/* SPDX-License-Identifier: MIT */
/* Replacing a file as a whole: old or new, and nothing else, whatever happens. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/weft.h>

#include "tests/support/files.h"
#include "tests/support/sanitizer.h"

TestSuite(file_replace, .init = test_files_begin, .timeout = 60);

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
    cr_assert_eq(lstat(test_path(name), &status), 0);
    return status.st_mode;
}

static weft_future *replace(const char *name, const char *content)
{
    return weft_path_write_atomic(test_path(name), content, strlen(content), 0666);
}

Test(file_replace, makes_a_new_file_with_the_mode_less_the_umask)
{
    umask(027);
    cr_assert_eq(test_number(replace("a", "new")), 3);
    cr_assert(has("a", "new"));
    cr_assert_eq(mode_of("a") & 07777, 0640);
    cr_assert_eq(test_count_entries(), 1);
    test_files_end();
}

Test(file_replace, keeps_the_mode_of_the_old_file)
{
    test_make("a", "old");
    cr_assert_eq(chmod(test_path("a"), 0752), 0);
    cr_assert_eq(test_number(replace("a", "new")), 3);
    cr_assert(has("a", "new"));
    cr_assert_eq(mode_of("a") & 07777, 0752);
    test_files_end();
}

/* Only root can try. */
Test(file_replace, keeps_the_group_where_it_cannot_keep_the_owner)
{
    const gid_t group = 4242;
    const uid_t owner = 4243, own = 4244;
    struct stat status;
    test_make("a", "old");
    if (geteuid() == 0) {
        cr_assert_eq(chmod(test_path(""), 0777), 0);
        cr_assert_eq(chown(test_path("a"), owner, group), 0);
        cr_assert_eq(chmod(test_path("a"), 0664), 0);
        cr_assert_eq(setgroups(1, &group), 0);
        cr_assert_eq(seteuid(own), 0);
        int64_t size = test_number(replace("a", "new"));
        cr_assert_eq(seteuid(0), 0);
        cr_assert_eq(size, 3);
        cr_assert_eq(stat(test_path("a"), &status), 0);
        cr_assert_eq(status.st_uid, own);
        cr_assert_eq(status.st_gid, group);
        cr_assert_eq(status.st_mode & 07777, 0664);
    }
    test_files_end();
}

Test(file_replace, leaves_who_has_the_old_file_open_with_the_old_content)
{
    char buffer[8] = "";
    test_make("a", "old");
    weft_file *file = test_open("a", O_RDONLY);
    cr_assert_eq(test_number(replace("a", "new")), 3);
    cr_assert_eq(test_number(weft_file_read(file, buffer, sizeof(buffer))), 3);
    cr_assert_str_eq(buffer, "old");
    weft_file_unref(file);
    test_files_end();
}

Test(file_replace, replaces_a_link_and_not_what_it_leads_to)
{
    test_make("a", "old");
    cr_assert_eq(symlink("a", test_path("link")), 0);
    cr_assert_eq(test_number(replace("link", "new")), 3);
    cr_assert(has("a", "old"));
    cr_assert(has("link", "new"));
    cr_assert(S_ISREG(mode_of("link")));
    test_files_end();
}

Test(file_replace, takes_names_as_they_come)
{
    char longest[256], here[4096];
    memset(longest, 'n', 255);
    longest[255] = 0;
    cr_assert_eq(test_number(replace(longest, "long")), 4);
    cr_assert(has(longest, "long"));
    cr_assert_not_null(getcwd(here, sizeof(here)));
    cr_assert_eq(chdir(test_path("")), 0);
    cr_assert_eq(test_number(weft_path_write_atomic("bare", "b", 1, 0600)), 1);
    cr_assert_eq(test_number(weft_path_write_atomic("./dotted", "d", 1, 0600)), 1);
    cr_assert_eq(test_number(weft_path_write_atomic("empty", NULL, 0, 0600)), 0);
    cr_assert(has("bare", "b"));
    cr_assert(has("dotted", "d"));
    cr_assert(has("empty", ""));
    cr_assert_eq(chdir(here), 0);
    test_files_end();
}

Test(file_replace, refuses_what_is_no_file)
{
    cr_assert_eq(test_number(replace("", "x")), -EISDIR);
    cr_assert_eq(test_number(weft_path_write_atomic("..", "x", 1, 0600)), -EISDIR);
    cr_assert_eq(test_number(weft_path_write_atomic("", "x", 1, 0600)), -ENOENT);
    cr_assert_eq(test_number(replace("none/a", "x")), -ENOENT);
    cr_assert_eq(test_number(weft_path_mkdir(test_path("folder"), 0700)), 0);
    cr_assert_eq(test_number(replace("folder", "x")), -EISDIR);
    cr_assert_eq(test_number(weft_path_write_atomic(test_path("a"), NULL, 1, 0600)), -EINVAL);
    cr_assert_eq(test_number(weft_path_write_atomic(NULL, "x", 1, 0600)), -EINVAL);
    cr_assert_eq(test_count_entries(), 1);
    test_files_end();
}

/* ---- Every step fails in turn ---- */

/* A failure of the n-th call; the future's end. */
static int64_t replace_failing(const char *call, unsigned n, int error)
{
    cr_assert(weft__sys_fail(call, n, error));
    return test_number(replace("a", "new"));
}

Test(file_replace, that_fails_before_the_rename_leaves_the_old_file_and_no_other)
{
    static const struct {
        const char *call;
        unsigned n;
    } steps[] = {{"open", 1},  {"openat", 1}, {"writev", 1},  {"fstat", 1},
                 {"fsync", 1}, {"close", 1},  {"renameat", 1}};
    test_make("a", "old");
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        cr_assert_eq(replace_failing(steps[i].call, steps[i].n, EIO), -EIO, "%s", steps[i].call);
        cr_assert(has("a", "old"), "%s", steps[i].call);
        cr_assert_eq(test_count_entries(), 1, "%s", steps[i].call);
    }
    weft__sys_fail("close", 0, 0);
    /* The close that was made to fail was not made: one descriptor is open, and known. */
    weft_loop_free(test_loop);
}

Test(file_replace, says_so_when_only_the_folder_could_not_be_synced)
{
    char text[600];
    test_make("a", "old");
    snprintf(text, sizeof(text),
             "replaced, but could not fsync the folder of %s: Input/output error", test_path("a"));
    cr_assert(weft__sys_fail("fsync", 2, EIO));
    cr_assert(test_fails(replace("a", "new"), -EIO, text));
    cr_assert(has("a", "new"));
    cr_assert_eq(test_count_entries(), 1);
    test_files_end();
}

Test(file_replace, takes_another_name_when_the_temporary_one_is_taken)
{
    cr_assert_eq(replace_failing("openat", 1, EEXIST), 3);
    cr_assert_eq(replace_failing("openat", 1, EINTR), 3);
    cr_assert(has("a", "new"));
    cr_assert_eq(test_count_entries(), 1);
    test_files_end();
}

static int always_taken(int folder, const char *path, int flags, mode_t mode)
{
    (void)folder;
    (void)path;
    (void)flags;
    (void)mode;
    errno = EEXIST;
    return -1;
}

Test(file_replace, gives_up_when_every_name_is_taken)
{
    weft__sys.openat = always_taken;
    cr_assert_eq(test_number(replace("a", "new")), -EEXIST);
    test_files_end();
}

Test(file_replace, tells_of_a_full_disk_how_far_it_came)
{
    char text[600];
    cr_assert(weft__sys_fail("writev", 1, ENOSPC));
    snprintf(text, sizeof(text), "write %s: No space left on device", test_path("a"));
    cr_assert(test_fails(replace("a", "new"), -ENOSPC, text));
    test_files_end();
}

/* ---- Killed in the middle ---- */

#ifndef WEFT_TEST_NO_THREADS_IN_CHILD
enum { SIZE = 3 << 20 };
static char data[SIZE + 1];
static int calls_to_live;

/* The n-th system call is the last thing that this process does: before it, or after it. */
static void count_down(void)
{
    if (--calls_to_live == 0)
        kill(getpid(), SIGKILL);
}

#define DEADLY(type, name, parameters, call) \
    static type deadly_##name parameters     \
    {                                        \
        count_down();                        \
        type result = call;                  \
        count_down();                        \
        return result;                       \
    }

DEADLY(int, open, (const char *path, int flags, mode_t mode), open(path, flags, mode))
DEADLY(int, openat, (int folder, const char *path, int flags, mode_t mode),
       openat(folder, path, flags, mode))
DEADLY(ssize_t, writev, (int fd, const struct iovec *pieces, int count), writev(fd, pieces, count))
DEADLY(int, fstat, (int fd, struct stat *status), fstat(fd, status))
DEADLY(int, fsync, (int fd), fsync(fd))
DEADLY(int, close, (int fd), close(fd))
DEADLY(int, renameat, (int folder, const char *from, const char *to),
       renameat(folder, from, folder, to))

static _Noreturn void replace_and_die(void)
{
    weft__sys.open = deadly_open;
    weft__sys.openat = deadly_openat;
    weft__sys.writev = deadly_writev;
    weft__sys.fstat = deadly_fstat;
    weft__sys.fsync = deadly_fsync;
    weft__sys.close = deadly_close;
    weft__sys.renameat = deadly_renameat;
    weft_loop *loop = weft_loop_new(NULL);
    weft_pool *pool = weft_pool_new(&(struct weft_pool_options){.max_threads = 4});
    if (!loop || weft_loop_set_pool(loop, pool) < 0)
        _exit(2);
    int status =
        weft_loop_run_until(loop, weft_path_write_atomic(test_path("a"), data, SIZE, 0644));
    _exit(status < 0);
}

/* Old or new: how long it is, and its first and last byte. */
static bool is_old(void)
{
    struct stat status;
    char ends[2] = "";
    int fd = open(test_path("a"), O_RDONLY);
    cr_assert_geq(fd, 0, "there is no file");
    cr_assert_eq(fstat(fd, &status), 0);
    cr_assert_eq(pread(fd, &ends[0], 1, 0), 1);
    cr_assert_eq(pread(fd, &ends[1], 1, status.st_size - 1), 1);
    close(fd);
    bool old = status.st_size == 3 && ends[0] == 'o' && ends[1] == 'd';
    bool new = status.st_size == SIZE &&ends[0] == 'n' && ends[1] == 'n';
    cr_assert(old || new, "%lld bytes", (long long)status.st_size);
    return old;
}

Test(file_replace, by_a_process_that_is_killed_at_any_step_leaves_old_or_new)
{
    int olds = 0, news = 0;
    bool killed = true;
    memset(data, 'n', SIZE);
    weft_loop_free(test_loop);
    for (int n = 1; killed; n++) {
        int status;
        test_make("a", "old");
        calls_to_live = n;
        pid_t child = fork();
        cr_assert_geq(child, 0);
        if (child == 0)
            replace_and_die();
        cr_assert_eq(waitpid(child, &status, 0), child);
        killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
        cr_assert(killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
        olds += is_old();
        news += !is_old();
    }
    cr_assert_geq(olds, 14, "%d", olds); /* each step before the rename, on both its sides */
    cr_assert_geq(news, 4, "%d", news);
    test_loop = weft_loop_new(NULL);
    test_files_end();
}
#endif
