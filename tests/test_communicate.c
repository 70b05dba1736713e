/* SPDX-License-Identifier: MIT */
/* Talking to processes: communicate and run. */
#include <criterion/criterion.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/weft.h>

#include "tests/support/child.h"
#include "tests/support/loop.h"
#include "tests/support/process.h"
#include "tests/support/trace.h"

TestSuite(communicate, .init = test_process_begin, .timeout = 60);

static weft_future *run_shell(const char *command, const char *input)
{
    struct weft_process_options options = {.shell = command, .grace = WEFT_MS(20)};
    return weft_process_run(&options, input, strlen(input), 0);
}

static weft_future *communicate(weft_process *process, const char *input)
{
    return weft_process_communicate(process, input, strlen(input), 0);
}

/* ---- Success ---- */

Test(communicate, gives_both_outputs_and_the_status)
{
    int status;
    weft_process *process = test_start_shell("cat; echo err >&2; exit 3");
    struct weft_process_output *output = test_output(communicate(process, "hello"), &status);
    cr_assert_eq(status, 0);
    cr_assert_eq(output->status, 3);
    cr_assert_str_eq(output->out, "hello");
    cr_assert_eq(output->out_len, 5);
    cr_assert_str_eq(output->err, "err\n");
    weft_process_output_free(output);
    cr_assert_eq(test_wait(process), 3);
    output = test_output(communicate(process, ""), &status);
    cr_assert_str_eq(output->out, "", "all was read");
    weft_process_output_free(output);
    weft_process_free(process);
    test_process_end();
}

Test(communicate, megabyte_goes_through_cat_both_ways)
{
    enum { SIZE = 1 << 20 };
    int status;
    char *input = malloc(SIZE);
    for (int i = 0; i < SIZE; i++)
        input[i] = (char)(i * 31 >> 3);
    struct weft_process_options options = {.shell = "tee /dev/stderr"};
    struct weft_process_output *output =
        test_output(weft_process_run(&options, input, SIZE, 0), &status);
    cr_assert_eq(status, 0);
    cr_assert_eq(output->out_len, SIZE);
    cr_assert_eq(output->err_len, SIZE);
    cr_assert_eq(memcmp(output->out, input, SIZE), 0);
    cr_assert_eq(memcmp(output->err, input, SIZE), 0);
    weft_process_output_free(output);
    free(input);
    test_process_end();
}

Test(communicate, process_that_does_not_read_its_input_is_no_failure)
{
    enum { SIZE = 1 << 20 };
    int status;
    char *input = calloc(1, SIZE);
    cr_assert_eq(signal(SIGPIPE, SIG_DFL), SIG_DFL);
    struct weft_process_options options = {.shell = "exec <&-; echo done"};
    struct weft_process_output *output =
        test_output(weft_process_run(&options, input, SIZE, 0), &status);
    cr_assert_eq(status, 0);
    cr_assert_str_eq(output->out, "done\n");
    weft_process_output_free(output);
    free(input);
    test_process_end();
}

Test(communicate, sigpipe_that_the_host_has_pending_stays_pending)
{
    sigset_t broken, pending;
    static char input[1 << 20];
    sigemptyset(&broken);
    sigaddset(&broken, SIGPIPE);
    cr_assert_eq(pthread_sigmask(SIG_BLOCK, &broken, NULL), 0);
    struct weft_process_options options = {.shell = "exec <&-"};
    cr_assert_eq(weft_test_run(weft_process_run(&options, input, sizeof(input), 0)), 0);
    sigpending(&pending);
    cr_assert_not(sigismember(&pending, SIGPIPE), "ours was taken");
    raise(SIGPIPE);
    cr_assert_eq(weft_test_run(weft_process_run(&options, input, sizeof(input), 0)), 0);
    sigpending(&pending);
    cr_assert(sigismember(&pending, SIGPIPE));
    test_process_end();
}

Test(communicate, input_for_a_process_without_a_pipe_for_it_is_invalid)
{
    struct weft_process_options options = {
        .shell = "cat", .in = WEFT_STDIO_NULL, .out = WEFT_STDIO_PIPE};
    weft_process *process = test_start(&options);
    weft_future *talk = communicate(process, "lost?");
    cr_assert_eq(weft_test_run(weft_ref(talk)), -EINVAL);
    cr_assert_str_eq(weft_message(talk), "input, but `in` is no open pipe");
    weft_unref(talk);
    int status;
    struct weft_process_output *output = test_output(communicate(process, ""), &status);
    cr_assert_eq(status, 0, "the process was left alone");
    weft_process_output_free(output);
    weft_process_free(process);
    cr_assert_eq(weft_test_run(weft_process_run(&options, "lost?", 5, 0)), -EINVAL);
    test_process_end();
}

Test(communicate, process_that_closes_its_output_early_is_waited_for)
{
    int status;
    struct weft_process_output *output =
        test_output(run_shell("exec >&- 2>&-; read line; exit 6", "go\n"), &status);
    cr_assert_eq(status, 0);
    cr_assert_eq(output->status, 6);
    cr_assert_str_eq(output->out, "");
    weft_process_output_free(output);
    test_process_end();
}

Test(communicate, output_of_a_grandchild_belongs_to_it)
{
    int status;
    struct weft_process_output *output =
        test_output(run_shell("(sleep 0.02; echo late) & echo early", ""), &status);
    cr_assert_eq(status, 0);
    cr_assert_str_eq(output->out, "early\nlate\n");
    weft_process_output_free(output);
    test_process_end();
}

Test(communicate, descriptor_that_was_taken_is_left_out)
{
    char line[16];
    int status;
    weft_process *process = test_start_shell("echo out; echo err >&2");
    int out = weft_process_take_fd(process, 1);
    cr_assert_eq(weft_process_take_fd(process, 1), -EBADF);
    cr_assert_eq(weft_process_take_fd(process, 3), -EINVAL);
    struct weft_process_output *output = test_output(communicate(process, ""), &status);
    cr_assert_str_eq(output->out, "");
    cr_assert_str_eq(output->err, "err\n");
    weft_process_output_free(output);
    test_read_line(out, line, sizeof(line));
    cr_assert_str_eq(line, "out\n");
    close(out);
    weft_process_free(process);
    test_process_end();
}

Test(communicate, many_run_at_the_same_time)
{
    enum { COUNT = 40 };
    weft_future *futures[COUNT];
    for (int i = 0; i < COUNT; i++)
        futures[i] = run_shell("cat; echo x >&2", "input");
    for (int i = 0; i < COUNT; i++) {
        int status;
        struct weft_process_output *output = test_output(futures[i], &status);
        cr_assert_str_eq(output->out, "input");
        cr_assert_str_eq(output->err, "x\n");
        weft_process_output_free(output);
    }
    test_process_end();
}

Test(communicate, value_that_nobody_takes_is_freed)
{
    cr_assert_eq(weft_test_run(run_shell("echo x", "")), 0);
    test_process_end();
}

/* ---- Failure ---- */

Test(communicate, output_beyond_the_limit_ends_the_process)
{
    struct weft_process_options options = {.shell = "yes", .grace = WEFT_S(1000)};
    weft_future *future = weft_process_run(&options, NULL, 0, 1000);
    cr_assert_eq(weft_test_run(weft_ref(future)), WEFT_ELIMIT);
    cr_assert(strstr(weft_message(future), "yes: more than 1000"), "%s", weft_message(future));
    weft_unref(future);
    test_process_end();
}

Test(communicate, output_of_just_the_limit_is_taken)
{
    int status;
    struct weft_process_options options = {.shell = "printf 12345; printf 1234 >&2"};
    struct weft_process_output *output =
        test_output(weft_process_run(&options, NULL, 0, 5), &status);
    cr_assert_eq(status, 0);
    cr_assert_str_eq(output->out, "12345");
    weft_process_output_free(output);
    cr_assert_eq(weft_test_run(weft_process_run(&options, NULL, 0, 4)), WEFT_ELIMIT);
    test_process_end();
}

Test(communicate, check_makes_a_failure_of_the_status_and_quotes_the_last_line)
{
    struct weft_process_options options = {.shell = "echo first >&2; echo no luck >&2; exit 2",
                                           .check = true};
    weft_future *future = weft_process_run(&options, NULL, 0, 0);
    cr_assert_eq(weft_test_run(weft_ref(future)), WEFT_EEXIT);
    cr_assert(strstr(weft_message(future), ": status 2: no luck"), "%s", weft_message(future));
    weft_unref(future);
    options.shell = "kill -9 $$";
    future = weft_process_run(&options, NULL, 0, 0);
    cr_assert_eq(weft_test_run(weft_ref(future)), WEFT_EEXIT);
    cr_assert(strstr(weft_message(future), ": signal 9"), "%s", weft_message(future));
    weft_unref(future);
    options.shell = "exit 0";
    cr_assert_eq(weft_test_run(weft_process_run(&options, NULL, 0, 0)), 0);
    test_process_end();
}

Test(communicate, second_one_at_a_time_is_refused)
{
    weft_process *process = test_start_shell("cat");
    weft_future *first = communicate(process, "x");
    cr_assert_eq(weft_test_run(communicate(process, "y")), -EBUSY);
    cr_assert_eq(weft_process_take_fd(process, 0), -EBADF);
    cr_assert_eq(weft_test_run(first), 0);
    weft_process_free(process);
    cr_assert_eq(weft_test_run(weft_process_communicate(NULL, NULL, 0, 0)), -EINVAL);
    test_process_end();
}

Test(communicate, free_fails_it)
{
    weft_process *process = test_start_shell("cat; exec sleep 1000");
    weft_future *future = communicate(process, "x");
    weft_process_free(process);
    cr_assert_eq(weft_test_run(future), WEFT_ECLOSED);
    test_process_end();
}

Test(communicate, lost_status_is_said_so)
{
    cr_assert_neq(signal(SIGCHLD, SIG_IGN), SIG_ERR);
    cr_assert_eq(weft_test_run(run_shell("echo x", "")), -ECHILD);
    cr_assert_neq(signal(SIGCHLD, SIG_DFL), SIG_ERR);
    test_process_end();
}

Test(communicate, run_of_what_cannot_be_started_fails_as_start_does)
{
    const char *const argv[] = {"no-such-program", NULL};
    struct weft_process_options options = {.argv = argv};
    weft_future *future = weft_process_run(&options, NULL, 0, 0);
    cr_assert_eq(weft_test_run(weft_ref(future)), -ENOENT);
    cr_assert(strstr(weft_message(future), "no-such-program"));
    weft_unref(future);
    test_process_end();
}

Test(communicate, misuse_is_refused)
{
    struct weft_process_options options = {.shell = "cat"};
    weft_process *process = test_start_shell("cat");
    cr_assert_eq(weft_test_run(weft_process_communicate(process, NULL, 1, 0)), -EINVAL);
    cr_assert_eq(weft_test_run(weft_process_run(&options, NULL, 1, 0)), -EINVAL);
    weft_process_free(process);
    test_process_end();
}

Test(communicate, is_named_after_its_program_in_dumps)
{
    weft_future *future = run_shell("cat", "x");
    cr_assert_str_eq(weft_task_name(future), "cat");
    cr_assert_eq(weft_test_run(weft_ref(future)), 0);
    cr_assert_str_eq(weft_task_name(future), "process");
    weft_unref(future);
    test_process_end();
}

/* ---- Cancelling ---- */

static int cancelled(weft_future *future)
{
    cr_assert(weft_cancel(future));
    return weft_test_run(future);
}

Test(communicate, cancel_terminates_and_waits)
{
    weft_process *process = test_start_shell("cat; exec sleep 1000");
    cr_assert_eq(cancelled(communicate(process, "x")), -ECANCELED);
    cr_assert(weft_process_has_ended(process));
    cr_assert_eq(test_wait(process), -SIGTERM);
    weft_process_free(process);
    cr_assert_eq(cancelled(run_shell("exec sleep 1000", "")), -ECANCELED);
    test_process_end();
}

Test(communicate, cancel_kills_what_ignores_sigterm)
{
    char line[16];
    struct weft_process_options options = test_shell("trap '' TERM; echo up >&2; exec sleep 1000");
    options.grace = WEFT_MS(20);
    weft_process *process = test_start(&options);
    int err = weft_process_take_fd(process, 2);
    test_read_line(err, line, sizeof(line));
    close(err);
    weft_future *future = communicate(process, "");
    cr_assert(weft_cancel(future));
    cr_assert(weft_cancel(future), "asked twice");
    cr_assert_not(weft_is_done(future));
    cr_assert_eq(weft_test_run(future), -ECANCELED);
    cr_assert_eq(test_wait(process), -SIGKILL);
    weft_process_free(process);
    test_process_end();
}

Test(communicate, cancel_while_only_a_grandchild_holds_the_pipe_is_at_once)
{
    weft_process *process = test_start_shell("sleep 1000 2>&- & echo $! >&2");
    pid_t grandchild = test_read_pid(weft_process_take_fd(process, 2));
    weft_future *future = communicate(process, "");
    cr_assert_eq(test_wait(process), 0);
    weft_test_ticks(3);
    cr_assert_not(weft_is_done(future));
    cr_assert(weft_cancel(future));
    cr_assert(weft_is_cancelled(future));
    weft_unref(future);
    weft_process_free(process);
    cr_assert_eq(kill(grandchild, SIGKILL), 0);
    test_process_end();
}

Test(communicate, wait_for_limits_it_and_ends_the_process)
{
    cr_assert_eq(weft_test_run(weft_wait_for(run_shell("exec sleep 1000", ""), WEFT_MS(5))),
                 -ETIMEDOUT);
    test_process_end();
}

struct talks {
    WEFT_FRAME;
    struct weft_process_output *output;
    int status;
};

static WEFT_ASYNC(talks)
{
    WEFT_BEGIN;
    WEFT_CATCH_INTO(self->status, self->output, run_shell("cat; sleep 0.01", "x"));
    weft_test_mark(self->status == 0 ? "o" : self->status == -ECANCELED ? "c" : "x");
    weft_process_output_free(self->output);
    WEFT_END;
}

Test(communicate, cancel_of_the_task_is_delivered_when_the_process_has_ended)
{
    weft_future *task = weft_spawn(talks);
    weft_test_ticks(1);
    cr_assert(weft_cancel(task));
    cr_assert_eq(weft_test_run(task), 0);
    cr_assert_str_eq(test_trace, "c");
    test_process_end();
}

Test(communicate, shutdown_cancels_it_and_waits_for_the_process)
{
    weft_future *future = run_shell("exec sleep 1000", "");
    weft_future *task = weft_spawn(talks);
    weft_test_ticks(1);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert(weft_is_cancelled(future));
    weft_unref(future);
    weft_unref(task);
    test_process_end();
}

Test(communicate, shutdown_does_not_wait_for_a_grandchild_that_holds_the_pipe)
{
    weft_process *process = test_start_shell("sleep 1000 2>&- & echo $! >&2");
    pid_t grandchild = test_read_pid(weft_process_take_fd(process, 2));
    weft_future *future = communicate(process, "");
    cr_assert_eq(test_wait(process), 0);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert(weft_is_cancelled(future));
    weft_unref(future);
    weft_process_free(process);
    cr_assert_eq(kill(grandchild, SIGKILL), 0);
    test_process_end();
}

/* ---- Memory ---- */

static int scene(void)
{
    return weft_test_run(run_shell("head -c 20000 /dev/zero; echo x >&2", "input"));
}

Test(communicate, survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(scene);
    test_process_end();
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

Test(communicate, survives_every_lack_of_memory_in_libevent)
{
    test_process_end();
    event_set_mem_functions(failing_malloc, failing_realloc, free);
    for (size_t n = 1; n < 12; n++) {
        test_process_begin();
        countdown = n;
        weft_future *future = run_shell("cat", "x");
        weft_cancel(future);
        int status = weft_test_run(future);
        countdown = 0;
        cr_assert(status == -ENOMEM || status == -ECANCELED || status == 0, "%d", status);
        test_process_end();
    }
}

/* ---- Fork ---- */

static weft_process *talking[2];
static bool is_child;

static void free_all(weft_loop *loop, const struct weft_error_report *report, void *arg)
{
    (void)loop;
    (void)report;
    (void)arg;
    for (int i = 0; i < 2 && is_child; i++)
        weft_process_free(talking[i]);
}

static void go_on(void *arg)
{
    (void)arg;
    is_child = true;
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    weft_loop_free(test_loop);
}

Test(communicate, handler_that_hears_of_a_lost_one_in_a_forked_child_may_free_them_all)
{
    weft_loop_set_error_handler(test_loop, free_all, NULL);
    for (int i = 0; i < 2; i++) {
        talking[i] = test_start_shell("exec sleep 60");
        weft_unref(communicate(talking[i], ""));
    }
    weft_test_in_child(go_on, NULL);
    for (int i = 0; i < 2; i++)
        weft_process_free(talking[i]);
    test_process_end();
}
