/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/run_loops.h>
#include <weft/weft.h>

#include "tests/support/fixture.h"
#include "tests/support/heap.h"
#include "tests/support/trace.h"

static struct weft_test_census before;
static FILE *errors; /* what the default error handler printed: stderr of this test */
static char printed[2048];

static void begin(void)
{
    weft_test_heap_install();
    errors = tmpfile();
    cr_assert_not_null(errors);
    before = weft_test_take_census();
}

TestSuite(run, .init = begin, .timeout = 20);

static void end(void)
{
    cr_assert_null(weft_loop_current());
    cr_assert_eq(weft_test_heap_live(), 0, "%zu blocks of memory are left", weft_test_heap_live());
    weft_test_assert_nothing_left(before);
}

/* Runs `run` with stderr in `printed`. */
static int quietly(int (*run)(void))
{
    int saved = dup(STDERR_FILENO);
    cr_assert_geq(dup2(fileno(errors), STDERR_FILENO), 0);
    int status = run();
    cr_assert_geq(dup2(saved, STDERR_FILENO), 0);
    close(saved);
    rewind(errors);
    size_t length = fread(printed, 1, sizeof(printed) - 1, errors);
    printed[length] = 0;
    return status;
}

/* ---- The exit status ---- */

struct returns {
    WEFT_FRAME;
    int value;
    int with_text;
    int fail;
};

static WEFT_ASYNC(returns)
{
    WEFT_BEGIN;
    cr_assert_not_null(weft_loop_current());
    WEFT_YIELD;
    if (self->fail)
        WEFT_FAIL(self->fail, "%s", "no luck");
    if (self->with_text)
        WEFT_RETURN(strdup("text"), free);
    if (self->value)
        WEFT_RETURN(self->value);
    WEFT_END;
}

Test(run, exit_status_is_the_integer_that_was_returned)
{
    cr_assert_eq(weft_run(returns, .value = 5), 5);
    cr_assert_eq(weft_run(returns, .value = 255), 255);
    end();
}

Test(run, exit_status_is_zero_without_an_integer)
{
    cr_assert_eq(weft_run(returns), 0);
    cr_assert_eq(weft_run(returns, .with_text = 1), 0);
    end();
}

static int run_failing(void)
{
    return weft_run(returns, .fail = -EACCES);
}

Test(run, failure_is_reported_to_stderr_and_is_one)
{
    cr_assert_eq(quietly(run_failing), 1);
    cr_assert(strstr(printed, "returns"));
    cr_assert(strstr(printed, "no luck"));
    cr_assert(strstr(printed, "EACCES"));
    cr_assert(strstr(printed, "test_run.c:"));
    cr_assert_null(strchr(strchr(printed, '\n') + 1, '\n'), "one line only: %s", printed);
    end();
}

static int run_cancelled(void)
{
    return weft_run(returns, .fail = -ECANCELED);
}

Test(run, cancelled_by_other_than_a_signal_is_a_failure)
{
    cr_assert_eq(quietly(run_cancelled), 1);
    cr_assert(strstr(printed, "ECANCELED"));
    end();
}

struct stops {
    WEFT_FRAME;
};

static WEFT_ASYNC(stops)
{
    WEFT_BEGIN;
    weft_loop_stop(weft_loop_current());
    WEFT_AWAIT(weft_sleep(WEFT_S(3600)));
    WEFT_FINALLY;
    weft_test_mark("f");
    WEFT_END;
}

static int run_stopping(void)
{
    return weft_run(stops);
}

Test(run, stopped_before_the_end_is_a_failure_and_cleans_up)
{
    cr_assert_eq(quietly(run_stopping), 1);
    cr_assert_str_eq(test_trace, "f");
    cr_assert(strstr(printed, "EINTR"), "%s", printed);
    end();
}

struct sleeper {
    WEFT_FRAME;
};

static WEFT_ASYNC(sleeper)
{
    WEFT_BEGIN;
    WEFT_AWAIT(weft_sleep(WEFT_S(3600)));
    WEFT_FINALLY;
    weft_test_mark("f");
    WEFT_YIELD;
    weft_test_mark("F");
    WEFT_END;
}

struct leaves_tasks {
    WEFT_FRAME;
};

static WEFT_ASYNC(leaves_tasks)
{
    WEFT_BEGIN;
    weft_unref(weft_spawn(sleeper));
    weft_unref(weft_spawn(sleeper));
    WEFT_YIELD;
    WEFT_RETURN(3);
    WEFT_END;
}

Test(run, ends_with_an_orderly_shutdown)
{
    cr_assert_eq(weft_run(leaves_tasks), 3);
    cr_assert_str_eq(test_trace, "ffFF");
    end();
}

static int run_again(void)
{
    return weft_run(returns);
}

Test(run, on_a_thread_that_has_a_loop_is_a_failure)
{
    weft_loop *loop = weft_loop_new(NULL);
    cr_assert_eq(quietly(run_again), 1);
    cr_assert(strstr(printed, "returns"));
    cr_assert_eq(weft_loop_current(), loop);
    weft_loop_free(loop);
    end();
}

/* ---- SIGINT ---- */

static void interrupt(void *arg)
{
    (void)arg;
    cr_assert_eq(raise(SIGINT), 0);
}

/* Interrupts itself once or twice while it sleeps: an hour, unless told otherwise. */
struct interrupted {
    WEFT_FRAME;
    int times;
    int swallows;
    weft_ns pause;
    int i, status;
};

static WEFT_ASYNC(interrupted)
{
    WEFT_BEGIN;
    for (self->i = 0; self->i < self->times; self->i++) {
        weft_unref(weft_call_soon(interrupt, NULL));
        WEFT_CATCH(self->status, weft_sleep(self->pause ? self->pause : WEFT_S(3600)));
        if (self->status == -ECANCELED)
            weft_test_mark("c");
        if (self->status < 0 && !self->swallows)
            WEFT_FAIL(self->status);
    }
    WEFT_RETURN(9);
    WEFT_END;
}

static bool sigint_is(void (*handler)(int))
{
    struct sigaction now;
    cr_assert_eq(sigaction(SIGINT, NULL, &now), 0);
    return now.sa_handler == handler;
}

Test(run, sigint_cancels_the_main_task)
{
    cr_assert_eq(weft_run(interrupted, .times = 1), 130);
    cr_assert_str_eq(test_trace, "c");
    cr_assert(sigint_is(SIG_DFL));
    end();
}

Test(run, sigint_that_is_swallowed_leaves_the_exit_status)
{
    cr_assert_eq(weft_run(interrupted, .times = 1, .swallows = 1), 9);
    cr_assert_str_eq(test_trace, "c");
    cr_assert(sigint_is(SIG_DFL));
    end();
}

Test(run, sigint_works_in_each_run)
{
    cr_assert_eq(weft_run(interrupted, .times = 1), 130);
    cr_assert_eq(weft_run(interrupted, .times = 1), 130);
    end();
}

Test(run, second_sigint_ends_the_process)
{
    pid_t child = fork();
    if (child == 0)
        _exit(weft_run(interrupted, .times = 2, .swallows = 1));
    int status = 0;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFSIGNALED(status), "status %x", (unsigned)status);
    cr_assert_eq(WTERMSIG(status), SIGINT);
    end();
}

struct counts_null {
    WEFT_FRAME;
};

static WEFT_ASYNC(counts_null)
{
    WEFT_BEGIN;
    struct stat null, stat;
    int count = 0;
    if (lstat("/dev/null", &null) < 0)
        WEFT_RETURN(99);
    for (int fd = 0; fd < 3; fd++)
        count += fstat(fd, &stat) == 0 && stat.st_rdev == null.st_rdev && !fcntl(fd, F_GETFD);
    WEFT_RETURN(count);
    WEFT_END;
}

static int count_null_without_them(int (*run)(void))
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        for (int fd = 0; fd < 3; fd++)
            close(fd);
        _exit(run());
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFEXITED(status), "status %x", (unsigned)status);
    return WEXITSTATUS(status);
}

static int run_counts_null(void)
{
    return weft_run(counts_null);
}

static int run_loops_counts_null(void)
{
    return weft_run_loops(&(struct weft_run_loops_options){.loops = 1}, counts_null);
}

/* Else a program that was started without a stderr reports its failures to a client. */
Test(run, standard_descriptors_that_were_closed_are_nobodys)
{
    cr_assert_eq(count_null_without_them(run_counts_null), 3);
    cr_assert_eq(count_null_without_them(run_loops_counts_null), 3);
    end();
}

struct tells {
    WEFT_FRAME;
    int fd;
};

static WEFT_ASYNC(tells)
{
    WEFT_BEGIN;
    if (write(self->fd, "x", 1) != 1)
        WEFT_FAIL(-EIO);
    WEFT_AWAIT(weft_sleep(WEFT_S(3600)));
    WEFT_END;
}

/* The loop is here and the other process is the child: in the child of a process with threads,
 * ThreadSanitizer delivers no signal to a thread that sleeps. */
Test(run, sigint_from_another_process_wakes_the_sleeping_loop)
{
    int gate[2], status = 0;
    char byte;
    cr_assert_eq(pipe(gate), 0);
    pid_t child = fork();
    if (child == 0)
        _exit(read(gate[0], &byte, 1) == 1 && kill(getppid(), SIGINT) == 0 ? 0 : 1);
    cr_assert_eq(weft_run(tells, .fd = gate[1]), 130);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
    close(gate[0]);
    close(gate[1]);
    end();
}

static volatile sig_atomic_t host_interrupts;

static void host_handler(int signal)
{
    (void)signal;
    host_interrupts = host_interrupts + 1;
}

Test(run, leaves_the_hosts_own_handler_alone)
{
    struct sigaction action = {.sa_handler = host_handler};
    cr_assert_eq(sigaction(SIGINT, &action, NULL), 0);
    cr_assert_eq(weft_run(interrupted, .times = 2, .swallows = 1, .pause = WEFT_MS(5)), 9);
    cr_assert_eq(host_interrupts, 2);
    cr_assert_str_eq(test_trace, "");
    cr_assert(sigint_is(host_handler));
    end();
}

Test(run, leaves_an_ignored_sigint_ignored)
{
    cr_assert_neq(signal(SIGINT, SIG_IGN), SIG_ERR);
    cr_assert_eq(weft_run(interrupted, .times = 2, .swallows = 1, .pause = WEFT_MS(5)), 9);
    cr_assert_str_eq(test_trace, "");
    cr_assert(sigint_is(SIG_IGN));
    end();
}

struct replaces_handler {
    WEFT_FRAME;
};

static WEFT_ASYNC(replaces_handler)
{
    WEFT_BEGIN;
    cr_assert_neq(signal(SIGINT, host_handler), SIG_ERR);
    WEFT_END;
}

Test(run, leaves_a_handler_alone_that_was_set_meanwhile)
{
    cr_assert_eq(weft_run(replaces_handler), 0);
    cr_assert(sigint_is(host_handler));
    end();
}

/* ---- Memory ---- */

static int run_once(void)
{
    int status = weft_run(leaves_tasks);
    return status == 3 ? 0 : status == 1 ? -ENOMEM : status;
}

static int run_without_memory(void)
{
    weft_test_every_lack_of_memory(run_once);
    return 0;
}

Test(run, survives_every_lack_of_memory)
{
    cr_assert_eq(quietly(run_without_memory), 0);
    end();
}
