/* SPDX-License-Identifier: MIT */
#include "tests/support/process.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/sys.h"
#include "tests/support/loop.h"

static int (*real_pidfd_open)(pid_t pid, unsigned flags);

static int no_pidfd(pid_t pid, unsigned flags)
{
    (void)pid;
    (void)flags;
    errno = ENOSYS;
    return -1;
}

void test_process_watch(enum test_watch how)
{
    weft__sys.pidfd_open = how == BY_SIGCHLD ? no_pidfd : real_pidfd_open;
}

void test_process_begin(void)
{
    real_pidfd_open = weft__sys.pidfd_open;
    weft_test_loop_begin_real();
}

void test_process_end(void)
{
    siginfo_t info;
    weft_test_loop_end();
    cr_assert_eq(waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT), -1, "a child is left");
    cr_assert_eq(errno, ECHILD);
}

struct weft_process_options test_shell(const char *command)
{
    return (struct weft_process_options){
        .shell = command, .in = WEFT_STDIO_PIPE, .out = WEFT_STDIO_PIPE, .err = WEFT_STDIO_PIPE};
}

weft_process *test_start(const struct weft_process_options *options)
{
    weft_value value;
    weft_future *future = weft_process_start(options);
    cr_assert_eq(weft_future_status(future), 0, "%s",
                 weft_message(future) ? weft_message(future) : "?");
    cr_assert_eq(weft_future_take(future, &value), 0);
    weft_unref(future);
    return value.ptr;
}

weft_process *test_start_shell(const char *command)
{
    struct weft_process_options options = test_shell(command);
    return test_start(&options);
}

int64_t test_wait(weft_process *process)
{
    weft_future *future = weft_process_wait(process);
    int status = weft_test_run(weft_ref(future));
    int64_t exit_status = status < 0 ? status - 1000 : weft_future_value(future).i64;
    weft_unref(future);
    return exit_status;
}

struct weft_process_output *test_output(weft_future *future, int *ret_status)
{
    weft_value value = {0};
    *ret_status = weft_test_run(weft_ref(future));
    if (*ret_status == 0)
        cr_assert_eq(weft_future_take(future, &value), 0);
    weft_unref(future);
    return value.ptr;
}

void test_read_line(int fd, char *line, size_t size)
{
    size_t len = 0;
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    while (len + 1 < size && (len == 0 || line[len - 1] != '\n')) {
        cr_assert_eq(poll(&readable, 1, -1), 1);
        ssize_t got = read(fd, line + len, 1);
        if (got == 0)
            break;
        len += got > 0;
    }
    line[len] = 0;
}

int test_exists(pid_t pid)
{
    return kill(pid, 0) == 0;
}

pid_t test_read_pid(int fd)
{
    char line[32];
    test_read_line(fd, line, sizeof(line));
    close(fd);
    pid_t pid = (pid_t)atoi(line);
    cr_assert_gt(pid, 1);
    return pid;
}
