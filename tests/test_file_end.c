/* SPDX-License-Identifier: MIT */
/* Files when their loop ends, and in forked children. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/weft.h>

#include "tests/support/child.h"
#include "tests/support/files.h"
#include "tests/support/fixture.h"
#include "tests/support/heap.h"
#include "tests/support/sanitizer.h"

TestSuite(file_end, .init = test_files_begin, .timeout = 30);

static const struct weft_shutdown_options soon = {.jobs_timeout = 1};

static bool has(const char *name, const char *expected)
{
    char *content = test_content(name);
    bool same = content && strcmp(content, expected) == 0;
    free(content);
    return same;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* ---- The end of the loop ---- */

Test(file_end, waits_for_what_runs_refuses_what_waits_and_closes)
{
    weft_file *file = test_open("a", O_RDWR | O_CREAT);
    int fd = weft_file_fd(file);
    test_gate_writes();
    weft_future *running = weft_file_write(file, "1", 1);
    weft_future *waiting = weft_file_write(file, "2", 1);
    weft_future *close = weft_file_close(file);
    gate_wait_entered(&test_call_gate);
    gate_open(&test_call_gate);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(test_number(running), 1);
    cr_assert_eq(test_number(waiting), -ESHUTDOWN);
    cr_assert_eq(test_number(close), 0);
    cr_assert_not(is_open(fd));
    weft_file_unref(file);
    cr_assert(has("a", "1"));
    test_files_end();
}

Test(file_end, closes_files_that_are_given_up_while_it_is_under_way_and_later)
{
    weft_file *one = test_open("a", O_RDWR | O_CREAT), *two = test_open("b", O_RDWR | O_CREAT);
    int fds[] = {weft_file_fd(one), weft_file_fd(two)};
    weft_file_unref(one); /* in the background */
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_not(is_open(fds[0]));
    cr_assert_eq(test_number(weft_file_fsync(two)), -ESHUTDOWN);
    weft_file_unref(two);
    cr_assert_not(is_open(fds[1]));
    test_files_end();
}

/* The argument for the reference of a job: without it the descriptor is closed, its number taken by
 * another file, and the write that is stuck goes there. */
Test(file_end, never_closes_a_descriptor_under_a_call_that_is_stuck)
{
    struct weft_stuck_list *stuck;
    static char data[] = "late";
    weft_file *file = test_open("a", O_RDWR | O_CREAT);
    int fd = weft_file_fd(file);
    test_gate_writes();
    weft_future *write = weft_file_write(file, data, 4);
    gate_wait_entered(&test_call_gate);
    cr_assert_eq(weft_loop_shutdown(test_loop, &soon, &stuck), WEFT_ESTUCK);
    cr_assert_eq(stuck->count, 1);
    cr_assert_str_eq(stuck->stuck[0].name, "weft_file_write");
    free(stuck);
    weft_unref(write);
    weft_file_unref(file);
    weft_loop_free(test_loop);
    cr_assert(is_open(fd));
    gate_open(&test_call_gate);
    while (is_open(fd))
        sched_yield();
    while (weft_test_heap_live() > 1) /* the list was freed by free() */
        sched_yield();
    cr_assert(has("a", "late"));
}

Test(file_end, of_a_stuck_open_closes_what_it_opens_in_the_end)
{
    int fds = weft_test_fd_count();
    test_gate_opens();
    weft_unref(weft_file_open(test_path("a"), O_RDWR | O_CREAT, 0600));
    gate_wait_entered(&test_call_gate);
    cr_assert_eq(weft_loop_shutdown(test_loop, &soon, NULL), WEFT_ESTUCK);
    weft_loop_free(test_loop);
    gate_open(&test_call_gate);
    while (weft_test_heap_live())
        sched_yield();
    cr_assert_leq(weft_test_fd_count(), fds); /* the loop's are closed */
}

/* ---- Forked children ---- */

static void use_in_child(void *arg)
{
    weft_file *file = arg;
    char byte;
    CHILD_EXPECT(weft_future_status(weft_file_pread(file, &byte, 1, 0)) == WEFT_EFORK);
    CHILD_EXPECT(weft_file_fd(file) == WEFT_EFORK);
    weft_file_unref(file); /* is refused: the parent's is the same file */
}

Test(file_end, files_are_refused_in_a_forked_child)
{
    char byte = 0;
    weft_file *file = test_open("a", O_RDWR | O_CREAT);
    cr_assert_eq(test_number(weft_file_write(file, "1", 1)), 1);
    weft_test_in_child(use_in_child, file);
    cr_assert_eq(test_number(weft_file_pread(file, &byte, 1, 0)), 1);
    weft_file_unref(file);
    test_files_end();
}

#ifndef WEFT_TEST_NO_THREADS_IN_CHILD
struct under_way {
    weft_file *file;
    weft_future *running, *waiting;
};

/* What another thread was doing is lost; what waited for it is done here, by threads of its own. */
static void go_on(void *arg)
{
    struct under_way *under_way = arg;
    char byte = 0;
    weft__sys.writev = writev;
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    CHILD_EXPECT(test_number(under_way->running) == WEFT_EFORK);
    CHILD_EXPECT(test_number(under_way->waiting) == 1);
    CHILD_EXPECT(test_number(weft_file_pread(under_way->file, &byte, 1, 0)) == 1);
    CHILD_EXPECT(byte == '2');
    CHILD_EXPECT(test_number(weft_file_close(under_way->file)) == 0);
    weft_file_unref(under_way->file);
    weft_loop_free(test_loop);
}

Test(file_end, files_go_on_in_a_child_whose_loop_does)
{
    weft_file *file = test_open("a", O_RDWR | O_CREAT);
    test_gate_writes();
    struct under_way under_way = {.file = file};
    under_way.running = weft_file_write(file, "1", 1);
    under_way.waiting = weft_file_write(file, "2", 1);
    gate_wait_entered(&test_call_gate);
    weft_test_in_child(go_on, &under_way);
    gate_open(&test_call_gate);
    gate_open(&test_call_gate);
    cr_assert_eq(test_number(under_way.running), 1);
    cr_assert_eq(test_number(under_way.waiting), 1);
    weft_file_unref(file);
    test_files_end();
}
#endif
