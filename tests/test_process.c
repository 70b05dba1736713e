/* SPDX-License-Identifier: MIT */
/* Starting, waiting, ending. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/weft.h>

#include "core/memory.h"
#include "tests/support/loop.h"
#include "tests/support/process.h"
#include "tests/support/trace.h"

TestSuite(process, .init = test_process_begin, .timeout = 60);

/* Each of these is run with a pidfd and with SIGCHLD. */
#define BOTH_WAYS(name)                 \
    static void name##_scene(void);     \
    Test(process, name##__by_pidfd)     \
    {                                   \
        test_process_watch(BY_PIDFD);   \
        name##_scene();                 \
        test_process_end();             \
    }                                   \
    Test(process, name##__by_sigchld)   \
    {                                   \
        test_process_watch(BY_SIGCHLD); \
        name##_scene();                 \
        test_process_end();             \
    }                                   \
    static void name##_scene(void)

/* ---- The end ---- */

BOTH_WAYS(exit_status_is_the_value_of_wait)
{
    weft_process *process = test_start_shell("exit 7");
    cr_assert_gt(weft_process_pid(process), 1);
    cr_assert_eq(test_wait(process), 7);
    cr_assert(weft_process_has_ended(process));
    cr_assert_eq(test_wait(process), 7, "also afterwards");
    weft_process_free(process);
}

BOTH_WAYS(end_is_heard_of_though_the_host_blocks_sigchld)
{
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    cr_assert_eq(pthread_sigmask(SIG_BLOCK, &child, NULL), 0);
    weft_process *process = test_start_shell("read line; exit 7");
    close(weft_process_take_fd(process, 0));
    cr_assert_eq(test_wait(process), 7);
    weft_process_free(process);
}

BOTH_WAYS(signal_that_ended_it_is_a_negative_status)
{
    weft_process *process = test_start_shell("kill -HUP $$");
    cr_assert_eq(test_wait(process), -SIGHUP);
    weft_process_free(process);
}

BOTH_WAYS(several_may_wait)
{
    weft_process *process = test_start_shell("read line; exit 3");
    int in = weft_process_take_fd(process, 0);
    weft_future *all = weft_gather(weft_process_wait(process), weft_process_wait(process),
                                   weft_process_wait(process));
    weft_test_ticks(3);
    close(in);
    cr_assert_eq(weft_test_run(all), 0);
    weft_process_free(process);
}

BOTH_WAYS(wait_does_not_hang_while_a_grandchild_holds_the_pipe)
{
    char byte;
    weft_process *process = test_start_shell("sleep 1000 2>&- & echo $! >&2; read line; exit 4");
    int out = weft_process_take_fd(process, 1);
    pid_t grandchild = test_read_pid(weft_process_take_fd(process, 2));
    close(weft_process_take_fd(process, 0));
    cr_assert_eq(test_wait(process), 4);
    cr_assert_eq(read(out, &byte, 1), -1);
    cr_assert_eq(errno, EAGAIN, "the grandchild has it open");
    cr_assert_eq(kill(grandchild, SIGKILL), 0);
    close(out);
    weft_process_free(process);
}

BOTH_WAYS(two_hundred_at_once)
{
    enum { COUNT = 200 };
    weft_process *processes[COUNT];
    for (int i = 0; i < COUNT; i++) {
        char command[32];
        snprintf(command, sizeof(command), "exit %d", i % 100);
        processes[i] = test_start(&(struct weft_process_options){.shell = command});
    }
    for (int i = 0; i < COUNT; i++) {
        cr_assert_eq(test_wait(processes[i]), i % 100);
        weft_process_free(processes[i]);
    }
}

BOTH_WAYS(stop_ends_what_obeys_sigterm)
{
    weft_process *process = test_start_shell("read line");
    weft_future *stop = weft_process_stop(process);
    cr_assert_eq(weft_test_run(weft_ref(stop)), 0);
    cr_assert_eq(weft_future_value(stop).i64, -SIGTERM);
    weft_unref(stop);
    cr_assert_eq(weft_test_run(weft_process_stop(process)), 0, "one that has ended is a success");
    weft_process_free(process);
}

static weft_process *start_stubborn(weft_ns grace)
{
    char line[16];
    struct weft_process_options options = test_shell("trap '' TERM; echo up; exec sleep 1000");
    options.grace = grace;
    weft_process *process = test_start(&options);
    int out = weft_process_take_fd(process, 1);
    test_read_line(out, line, sizeof(line));
    cr_assert_str_eq(line, "up\n");
    close(out);
    return process;
}

BOTH_WAYS(stop_kills_what_ignores_sigterm_when_the_grace_is_over)
{
    weft_process *process = start_stubborn(WEFT_MS(20));
    weft_future *stop = weft_process_stop(process);
    cr_assert_eq(weft_test_run(weft_ref(stop)), 0);
    cr_assert_eq(weft_future_value(stop).i64, -SIGKILL);
    weft_unref(stop);
    weft_process_free(process);
}

BOTH_WAYS(cancelled_stop_goes_on_stopping)
{
    weft_process *process = start_stubborn(WEFT_MS(20));
    weft_future *stop = weft_process_stop(process);
    cr_assert(weft_cancel(stop));
    cr_assert_eq(weft_test_run(stop), -ECANCELED);
    cr_assert_eq(test_wait(process), -SIGKILL);
    weft_process_free(process);
}

BOTH_WAYS(signals_reach_the_process)
{
    weft_process *process = test_start_shell("trap 'exit 9' USR1; while :; do read line; done");
    weft_process *other = test_start_shell("read line");
    while (!weft_process_has_ended(process)) { /* the trap may not be set yet: then it ends by it */
        int sent = weft_process_signal(process, SIGUSR1);
        cr_assert(sent == 0 || sent == -ESRCH);
        weft_test_ticks(1);
    }
    int64_t status = test_wait(process);
    cr_assert(status == 9 || status == -SIGUSR1, "%d", (int)status);
    cr_assert_eq(weft_process_signal(process, SIGUSR1), -ESRCH);
    cr_assert_eq(weft_process_terminate(process), -ESRCH);
    cr_assert_eq(weft_process_terminate(other), 0);
    cr_assert_eq(test_wait(other), -SIGTERM);
    weft_process_free(process);
    weft_process_free(other);
}

/* ---- Groups ---- */

static weft_process *start_group(int *ret_out, pid_t *ret_grandchild)
{
    char line[32];
    struct weft_process_options options =
        test_shell("(trap '' TERM; echo up; exec sleep 1000) & echo $!; read line");
    options.new_group = true;
    options.grace = WEFT_MS(10);
    weft_process *process = test_start(&options);
    *ret_out = weft_process_take_fd(process, 1);
    *ret_grandchild = 0;
    for (int i = 0; i < 2; i++) {
        test_read_line(*ret_out, line, sizeof(line));
        if (strcmp(line, "up\n") != 0)
            *ret_grandchild = (pid_t)atoi(line);
    }
    cr_assert_gt(*ret_grandchild, 0);
    cr_assert_eq(getpgid(*ret_grandchild), weft_process_pid(process));
    return process;
}

/* All who could write to it have ended. */
static void wait_for_end_of(int out)
{
    char line[8];
    test_read_line(out, line, sizeof(line));
    cr_assert_str_eq(line, "");
    close(out);
}

BOTH_WAYS(kill_group_ends_the_grandchildren)
{
    pid_t grandchild;
    int out;
    weft_process *process = start_group(&out, &grandchild);
    cr_assert_eq(weft_process_kill_group(process), 0);
    cr_assert_eq(test_wait(process), -SIGKILL);
    wait_for_end_of(out);
    cr_assert_eq(weft_process_kill_group(process), -ESRCH);
    weft_process_free(process);
}

BOTH_WAYS(stop_ends_the_whole_group)
{
    pid_t grandchild;
    int out;
    weft_process *process = start_group(&out, &grandchild);
    cr_assert_eq(weft_test_run(weft_process_stop(process)), 0);
    wait_for_end_of(out);
    weft_process_free(process);
}

Test(process, kill_group_is_refused_without_a_group)
{
    weft_process *process = test_start_shell("read line");
    cr_assert_eq(weft_process_kill_group(process), -EINVAL);
    cr_assert_eq(getpgid(weft_process_pid(process)), getpgrp());
    weft_process_free(process);
    test_process_end();
}

/* ---- Freeing, the end of the loop ---- */

BOTH_WAYS(free_kills_and_leaves_no_zombie)
{
    weft_process *process = start_stubborn(WEFT_S(1000));
    pid_t pid = weft_process_pid(process);
    weft_future *waits = weft_process_wait(process);
    weft_process_free(process);
    cr_assert_eq(weft_test_run(waits), WEFT_ECLOSED);
    while (test_exists(pid))
        weft_test_ticks(1);
}

BOTH_WAYS(dropped_start_kills)
{
    struct weft_process_options options = test_shell("read line");
    weft_unref(weft_process_start(&options));
    weft_process_free(NULL);
}

BOTH_WAYS(shutdown_terminates_waits_and_then_kills)
{
    weft_process *obeys = test_start_shell("read line");
    weft_process *stubborn = start_stubborn(WEFT_MS(30));
    weft_future *waits = weft_process_wait(stubborn);
    struct weft_stuck_list *stuck;
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, &stuck), 0);
    cr_assert_null(stuck);
    cr_assert_eq(weft_future_status(waits), 0);
    cr_assert_eq(weft_future_value(waits).i64, -SIGKILL);
    cr_assert(weft_process_has_ended(obeys));
    weft_unref(waits);
    weft_process_free(obeys);
    weft_process_free(stubborn); /* after the shutdown, before the loop is freed */
    weft_future *late = weft_process_start(&(struct weft_process_options){.shell = "exit 0"});
    cr_assert_eq(weft_future_status(late), -ESHUTDOWN);
    weft_unref(late);
}

BOTH_WAYS(what_outlasts_the_shutdown_is_listed_and_killed)
{
    struct weft_shutdown_options soon = {.jobs_timeout = WEFT_MS(20)};
    struct weft_stuck_list *stuck;
    weft_process *stubborn = start_stubborn(WEFT_S(1000));
    pid_t pid = weft_process_pid(stubborn);
    cr_assert_eq(weft_loop_shutdown(test_loop, &soon, &stuck), WEFT_ESTUCK);
    cr_assert_eq(stuck->count, 1);
    cr_assert_str_eq(stuck->stuck[0].kind, "process");
    cr_assert_neq(strstr(stuck->stuck[0].name, "trap"), NULL);
    weft__free(stuck);
    weft_loop_free(test_loop);
    test_loop = NULL;
    cr_assert_not(test_exists(pid));
}

/* ---- Somebody else waits ---- */

BOTH_WAYS(status_that_somebody_else_took_is_lost_and_said_so)
{
    int status;
    weft_process *process = test_start_shell("read line; exit 5");
    weft_future *waits = weft_process_wait(process);
    close(weft_process_take_fd(process, 0));
    cr_assert_eq(waitpid(weft_process_pid(process), &status, 0), weft_process_pid(process));
    cr_assert_eq(WEXITSTATUS(status), 5);
    cr_assert_eq(weft_test_run(waits), -ECHILD);
    cr_assert_eq(test_wait(process), -ECHILD - 1000);
    cr_assert_eq(weft_process_kill(process), -ESRCH);
    weft_process_free(process);
}

BOTH_WAYS(children_of_the_host_are_left_to_it)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(6);
    weft_process *process = test_start_shell("exit 1");
    cr_assert_eq(test_wait(process), 1);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(WEXITSTATUS(status), 6);
    weft_process_free(process);
}

Test(process, host_that_ignores_sigchld_loses_the_status_only)
{
    cr_assert_neq(signal(SIGCHLD, SIG_IGN), SIG_ERR);
    weft_process *process = test_start_shell("exit 5");
    cr_assert_eq(test_wait(process), -ECHILD - 1000);
    weft_process_free(process);
    cr_assert_neq(signal(SIGCHLD, SIG_DFL), SIG_ERR);
    test_process_end();
}

BOTH_WAYS(forked_child_that_goes_on_with_the_loop_leaves_the_parents_processes_alone)
{
    int status = 0;
    weft_process *process = test_start_shell("cat; exit 8");
    weft_process *talking = test_start_shell("cat");
    weft_future *talk = weft_process_communicate(talking, "x", 1, 0);
    pid_t child = fork();
    if (child == 0) {
        int failed = weft_after_fork_child(test_loop) != 0;
        failed += test_wait(process) != -ECHILD - 1000;
        failed += weft_test_run(talk) != -ECHILD;
        weft_process_free(process);
        weft_loop_free(test_loop);
        _exit(failed);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0, "%x", (unsigned)status);
    cr_assert_eq(weft_test_run(talk), 0);
    close(weft_process_take_fd(process, 0));
    cr_assert_eq(test_wait(process), 8);
    weft_process_free(process);
    weft_process_free(talking);
}

/* ---- Cancelling ---- */

struct waits {
    WEFT_FRAME;
    weft_process *process;
    int64_t value;
    int status;
};

static WEFT_ASYNC(waits)
{
    WEFT_BEGIN;
    WEFT_CATCH_INTO(self->status, self->value, weft_process_wait(self->process));
    weft_test_mark(self->status == 0 ? "w" : self->status == -ECANCELED ? "c" : "x");
    WEFT_END;
}

BOTH_WAYS(cancelled_wait_leaves_the_process_alone)
{
    weft_process *process = test_start_shell("read line; exit 2");
    weft_future *first = weft_process_wait(process), *second = weft_process_wait(process);
    weft_future *task = weft_spawn(waits, .process = process);
    weft_test_ticks(1);
    cr_assert(weft_cancel(first));
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(first), -ECANCELED);
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_str_eq(test_trace, "c");
    close(weft_process_take_fd(process, 0));
    cr_assert_eq(weft_test_run(second), 0);
    cr_assert_eq(test_wait(process), 2);
    weft_process_free(process);
}

/* ---- Other threads ---- */

static int ended_with(weft_future *future)
{
    int status = weft_future_status(future);
    weft_unref(future);
    return status;
}

static void *use_elsewhere(void *arg)
{
    weft_process *process = arg;
    cr_assert_eq(ended_with(weft_process_wait(process)), WEFT_ETHREAD);
    cr_assert_eq(ended_with(weft_process_stop(process)), WEFT_ETHREAD);
    cr_assert_eq(ended_with(weft_process_communicate(process, NULL, 0, 0)), WEFT_ETHREAD);
    cr_assert_eq(weft_process_kill(process), WEFT_ETHREAD);
    cr_assert_eq(weft_process_kill_group(process), WEFT_ETHREAD);
    cr_assert_eq(weft_process_take_fd(process, 0), WEFT_ETHREAD);
    cr_assert_not(weft_process_has_ended(process));
    weft_process_free(process);
    return NULL;
}

Test(process, use_on_another_thread_is_refused_and_changes_nothing)
{
    pthread_t thread;
    struct weft_process_options options = test_shell("read line; exit 2");
    options.new_group = true;
    weft_process *process = test_start(&options);
    cr_assert_eq(pthread_create(&thread, NULL, use_elsewhere, process), 0);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    weft_test_ticks(2);
    cr_assert_eq(test_reports.status, WEFT_ETHREAD);
    close(weft_process_take_fd(process, 0));
    cr_assert_eq(test_wait(process), 2);
    weft_process_free(process);
    test_process_end();
}

/* ---- Virtual time ---- */

Test(process, virtual_time_stands_still_while_somebody_waits)
{
    weft_loop_free(test_loop);
    struct weft_loop_options options = {.clock = WEFT_CLOCK_VIRTUAL};
    test_loop = weft_loop_new(&options);
    weft_process *process = test_start_shell("sleep 0.05; exit 2");
    cr_assert_eq(weft_test_run(weft_wait_for(weft_process_wait(process), WEFT_MS(1))), 0);
    cr_assert_eq(weft_now(), 0);
    weft_process_free(process);
    process = start_stubborn(WEFT_MS(20));
    cr_assert_eq(weft_test_run(weft_process_stop(process)), 0);
    cr_assert_eq(weft_now(), 0);
    weft_process_free(process);
    process = test_start_shell("exec sleep 1000");
    cr_assert_eq(weft_test_run(weft_sleep(WEFT_S(3600))), 0, "nobody waits");
    weft_process_free(process);
    test_process_end();
}
