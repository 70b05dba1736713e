/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/weft.h>

#include "tests/support/loop.h"
#include "tests/support/trace.h"

TestSuite(fd, .init = weft_test_loop_begin_real, .timeout = 20);

static int fds[2];

static void open_pair(void)
{
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
}

static void send_byte(void)
{
    cr_assert_eq(write(fds[1], "x", 1), 1);
}

static void send_byte_call(void *arg)
{
    (void)arg;
    send_byte();
}

static void end(void)
{
    close(fds[0]);
    close(fds[1]);
    weft_test_loop_end();
}

/* ---- Success ---- */

Test(fd, wait_readable_is_done_when_there_is_something_to_read)
{
    open_pair();
    weft_future *wait = weft_wait_readable(fds[0]);
    weft_test_ticks(3);
    cr_assert_not(weft_is_done(wait));
    weft_unref(weft_call_soon(send_byte_call, NULL));
    cr_assert_eq(weft_test_run(wait), 0);
    cr_assert_eq(weft_test_run(weft_wait_readable(fds[0])), 0, "it is so as long as nobody reads");
    end();
}

Test(fd, wait_readable_is_done_at_the_end_of_the_stream)
{
    open_pair();
    cr_assert_eq(shutdown(fds[1], SHUT_WR), 0);
    cr_assert_eq(weft_test_run(weft_wait_readable(fds[0])), 0);
    end();
}

static void fill(int fd)
{
    char block[4096] = {0};
    while (write(fd, block, sizeof(block)) > 0)
        ;
    cr_assert_eq(errno, EAGAIN);
}

static void drain(int fd)
{
    char block[4096];
    while (read(fd, block, sizeof(block)) > 0)
        ;
}

Test(fd, wait_writable_is_done_when_there_is_room)
{
    open_pair();
    cr_assert_eq(weft_test_run(weft_wait_writable(fds[0])), 0);
    fill(fds[0]);
    weft_future *wait = weft_wait_writable(fds[0]);
    weft_test_ticks(3);
    cr_assert_not(weft_is_done(wait));
    drain(fds[1]);
    cr_assert_eq(weft_test_run(wait), 0);
    end();
}

Test(fd, wait_writable_is_done_when_the_reader_of_a_pipe_is_gone)
{
    cr_assert_eq(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    fill(fds[1]);
    weft_future *wait = weft_wait_writable(fds[1]);
    close(fds[0]);
    fds[0] = dup(fds[1]);
    cr_assert_eq(weft_test_run(wait), 0);
    end();
}

Test(fd, several_may_wait_for_the_same_and_all_are_woken)
{
    open_pair();
    weft_future *both = weft_gather(weft_wait_readable(fds[0]), weft_wait_readable(fds[0]),
                                    weft_wait_writable(fds[0]));
    send_byte();
    cr_assert_eq(weft_test_run(both), 0);
    end();
}

Test(fd, device_that_epoll_takes_is_waited_for)
{
    fds[0] = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    cr_assert_geq(fds[0], 0);
    fds[1] = dup(fds[0]);
    cr_assert_eq(weft_test_run(weft_wait_writable(fds[0])), 0);
    end();
}

/* ---- Failure ---- */

static void no_log(int severity, const char *text)
{
    cr_assert_fail("libevent logs (%d): %s", severity, text);
}

static int wait_for_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    cr_assert_geq(fd, 0);
    int status = weft_test_run(weft_wait_readable(fd));
    close(fd);
    return status;
}

Test(fd, what_cannot_be_waited_for_is_refused_and_nothing_is_logged)
{
    open_pair();
    event_set_log_callback(no_log);
    cr_assert_eq(weft_test_run(weft_wait_readable(-1)), -EBADF);
    cr_assert_eq(weft_test_run(weft_wait_writable(10000)), -EBADF);
    cr_assert_eq(wait_for_file("/etc/passwd"), -EPERM);
    cr_assert_eq(wait_for_file("/"), -EPERM);
    cr_assert_eq(wait_for_file("/dev/null"), -EPERM);
    end();
}

Test(fd, closing_fails_all_who_wait_for_it_and_nobody_else)
{
    open_pair();
    weft_future *first = weft_wait_readable(fds[0]);
    weft_future *second = weft_wait_readable(fds[0]);
    weft_future *other = weft_wait_readable(fds[1]);
    cr_assert_eq(weft_fd_closing(fds[0]), 2);
    cr_assert_eq(weft_fd_closing(fds[0]), 0);
    cr_assert_eq(weft_test_run(first), WEFT_ECLOSED);
    cr_assert_eq(weft_test_run(second), WEFT_ECLOSED);
    cr_assert_not(weft_is_done(other));
    weft_cancel(other);
    weft_unref(other);
    end();
}

/* ---- Cancelling ---- */

Test(fd, cancelled_wait_ends_at_once_and_takes_nothing)
{
    open_pair();
    weft_future *wait = weft_wait_readable(fds[0]);
    cr_assert(weft_cancel(wait));
    cr_assert(weft_is_cancelled(wait));
    weft_unref(wait);
    send_byte();
    cr_assert_eq(weft_test_run(weft_wait_readable(fds[0])), 0);
    end();
}

struct waits {
    WEFT_FRAME;
    int status;
};

static WEFT_ASYNC(waits)
{
    WEFT_BEGIN;
    WEFT_CATCH(self->status, weft_wait_readable(fds[0]));
    weft_test_mark(self->status == 0 ? "r" : self->status == -ECANCELED ? "c" : "x");
    WEFT_END;
}

Test(fd, cancel_of_the_task_after_readiness_does_not_lose_it)
{
    open_pair();
    weft_future *task = weft_spawn(waits);
    weft_test_ticks(1);
    send_byte();
    while (weft_cancelling(task) == 0) { /* ready, and the task not run yet */
        cr_assert_eq(event_base_loop(weft_loop_base(test_loop), EVLOOP_NONBLOCK), 0);
        weft_cancel(task);
    }
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_str_eq(test_trace, "r");
    end();
}

Test(fd, cancel_of_the_task_before_readiness_is_delivered)
{
    open_pair();
    weft_future *task = weft_spawn(waits);
    weft_test_ticks(1);
    weft_cancel(task);
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_str_eq(test_trace, "c");
    end();
}

/* ---- The end, memory ---- */

Test(fd, waits_end_with_the_loop)
{
    open_pair();
    weft_future *wait = weft_wait_readable(fds[0]);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert(weft_is_cancelled(wait));
    weft_unref(wait);
    weft_future *late = weft_wait_readable(fds[0]);
    cr_assert_eq(weft_future_status(late), -ESHUTDOWN);
    weft_unref(late);
    end();
}

Test(fd, without_a_loop_a_wait_fails)
{
    open_pair();
    weft_loop_free(test_loop);
    test_loop = NULL;
    weft_future *wait = weft_wait_readable(fds[0]);
    cr_assert_eq(weft_future_status(wait), WEFT_ENOLOOP);
    weft_unref(wait);
    cr_assert_eq(weft_fd_closing(fds[0]), 0);
    end();
}

static int scene(void)
{
    return weft_test_run(weft_wait_writable(fds[0]));
}

Test(fd, survives_every_lack_of_memory)
{
    open_pair();
    weft_test_every_lack_of_memory(scene);
    end();
}

static size_t countdown;

static void *failing_malloc(size_t size)
{
    return countdown && --countdown == 0 ? NULL : malloc(size);
}

static void *failing_realloc(void *ptr, size_t size)
{
    return countdown && --countdown == 0 ? NULL : realloc(ptr, size);
}

Test(fd, lack_of_memory_in_libevent_is_a_failure_and_leaves_nothing)
{
    int status = -ENOMEM;
    weft_test_loop_end();
    event_set_mem_functions(failing_malloc, failing_realloc, free);
    weft_test_loop_begin_real();
    open_pair();
    cr_assert_eq(dup2(fds[0], 60), 60); /* libevent's table must grow for it */
    for (size_t n = 1; status < 0; n++) {
        countdown = n;
        status = weft_test_run(weft_wait_writable(60));
        countdown = 0;
        cr_assert(status == 0 || status == -ENOMEM || status == -EIO, "%d", status);
        cr_assert(status < 0 || n > 1);
    }
    close(60);
    end();
}
