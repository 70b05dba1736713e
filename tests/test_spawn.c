/* SPDX-License-Identifier: MIT */
/* What a child gets, and what keeps it from being started. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/weft.h>

#include "core/sys.h"
#include "tests/support/loop.h"
#include "tests/support/process.h"
#include "tests/support/trace.h"

static char folder[] = "/tmp/weft-spawn-XXXXXX";

static void begin(void)
{
    test_process_begin();
    cr_assert_not_null(mkdtemp(folder));
}

static void end(void)
{
    cr_assert_eq(
        weft_test_run(weft_process_run(
            &(struct weft_process_options){.argv = (const char *const[]){"rm", "-r", folder, NULL}},
            NULL, 0, 0)),
        0);
    test_process_end();
}

TestSuite(spawn, .init = begin, .timeout = 60);

static char *path_in_folder(const char *name)
{
    static char path[64];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

/* What the process says on `out`, the status being 0. */
static bool says(struct weft_process_options options, const char *text)
{
    int status;
    struct weft_process_output *output =
        test_output(weft_process_run(&options, NULL, 0, 0), &status);
    cr_assert_eq(status, 0);
    bool same = output->status == 0 && strcmp(output->out, text) == 0;
    if (!same)
        fprintf(stderr, "status %d: %s%s", output->status, output->out, output->err);
    weft_process_output_free(output);
    return same;
}

static bool shell_says(const char *command, const char *text)
{
    return says((struct weft_process_options){.shell = command}, text);
}

#define ARGV(...) ((const char *const[]){__VA_ARGS__, NULL})

/* ---- What it gets ---- */

Test(spawn, argv_is_passed_on_as_it_is)
{
    cr_assert(says((struct weft_process_options){.argv = ARGV("printf", "%s|%s|", "a b", "$HOME")},
                   "a b|$HOME|"));
    end();
}

Test(spawn, env_replaces_the_environment)
{
    setenv("WEFT_TEST", "inherited", 1);
    cr_assert(shell_says("echo $WEFT_TEST", "inherited\n"));
    cr_assert(
        says((struct weft_process_options){.argv = ARGV("/usr/bin/env"), .env = ARGV("A=1", "B=2")},
             "A=1\nB=2\n"));
    cr_assert(says((struct weft_process_options){.argv = ARGV("/usr/bin/env"),
                                                 .env = (const char *const[]){NULL}},
                   ""));
    end();
}

Test(spawn, cwd_is_the_childs_folder)
{
    char expected[64], here[256], after[256];
    cr_assert_not_null(getcwd(here, sizeof(here)));
    snprintf(expected, sizeof(expected), "%s\n", folder);
    cr_assert(says((struct weft_process_options){.argv = ARGV("/bin/pwd", "-P"), .cwd = folder},
                   expected));
    cr_assert_str_eq(getcwd(after, sizeof(after)), here);
    end();
}

Test(spawn, file_is_read_written_and_appended_to)
{
    struct weft_process_options options = {.shell = "echo one",
                                           .out = WEFT_STDIO_FILE(path_in_folder("f"))};
    for (int i = 0; i < 2; i++)
        cr_assert_eq(weft_test_run(weft_process_run(&options, NULL, 0, 0)), 0);
    options.out = WEFT_STDIO_APPEND(path_in_folder("f"));
    cr_assert_eq(weft_test_run(weft_process_run(&options, NULL, 0, 0)), 0);
    cr_assert(says(
        (struct weft_process_options){.shell = "cat", .in = WEFT_STDIO_FILE(path_in_folder("f"))},
        "one\none\n"));
    end();
}

Test(spawn, null_is_empty_and_takes_everything)
{
    cr_assert(says((struct weft_process_options){.shell = "cat; echo lost; echo kept >&2",
                                                 .in = WEFT_STDIO_NULL,
                                                 .out = WEFT_STDIO_NULL},
                   ""));
    end();
}

Test(spawn, fd_is_passed_on_and_stays_the_callers)
{
    int fds[2];
    char line[16];
    cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
    struct weft_process_options options = {.shell = "echo hello", .out = WEFT_STDIO_FD(fds[1])};
    cr_assert_eq(weft_test_run(weft_process_run(&options, NULL, 0, 0)), 0);
    test_read_line(fds[0], line, sizeof(line));
    cr_assert_str_eq(line, "hello\n");
    cr_assert(fcntl(fds[1], F_GETFD) & FD_CLOEXEC);
    close(fds[0]);
    close(fds[1]);
    end();
}

Test(spawn, merged_err_goes_where_out_goes_in_order)
{
    struct weft_process_options options = {.shell = "echo a; echo b >&2; echo c",
                                           .err = WEFT_STDIO_MERGE};
    cr_assert(says(options, "a\nb\nc\n"));
    end();
}

Test(spawn, descriptors_0_to_2_may_be_swapped)
{
    int saved[3];
    FILE *first = tmpfile(), *second = tmpfile();
    char line[16] = "";
    for (int i = 0; i < 3; i++)
        saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 50);
    dup2(fileno(first), 1);
    dup2(fileno(second), 2);
    struct weft_process_options options = {
        .shell = "echo out; echo err >&2", .out = WEFT_STDIO_FD(2), .err = WEFT_STDIO_FD(1)};
    int status = weft_test_run(weft_process_run(&options, NULL, 0, 0));
    for (int i = 0; i < 3; i++) {
        dup2(saved[i], i);
        close(saved[i]);
    }
    cr_assert_eq(status, 0);
    rewind(first);
    rewind(second);
    cr_assert_not_null(fgets(line, sizeof(line), first));
    cr_assert_str_eq(line, "err\n");
    cr_assert_not_null(fgets(line, sizeof(line), second));
    cr_assert_str_eq(line, "out\n");
    fclose(first);
    fclose(second);
    end();
}

Test(spawn, works_in_a_process_without_standard_descriptors)
{
    int saved[3], status;
    for (int i = 0; i < 3; i++) {
        saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 50);
        close(i);
    }
    struct weft_process_output *output = test_output(
        weft_process_run(&(struct weft_process_options){.shell = "cat; echo err >&2"}, "in", 2, 0),
        &status);
    for (int i = 0; i < 3; i++) {
        dup2(saved[i], i);
        close(saved[i]);
    }
    cr_assert_eq(status, 0);
    cr_assert_str_eq(output->out, "in");
    cr_assert_str_eq(output->err, "err\n");
    weft_process_output_free(output);
    end();
}

Test(spawn, nothing_else_that_is_open_is_passed_on)
{
    int fds[2];
    cr_assert_eq(pipe(fds), 0); /* without close-on-exec */
    weft_process *holds_pipes = test_start_shell("read line");
    cr_assert(shell_says("ls /proc/self/fd | wc -l", "4\n"), "0, 1, 2 and what ls opens");
    weft_process_free(holds_pipes);
    close(fds[0]);
    close(fds[1]);
    end();
}

Test(spawn, no_signal_is_blocked_or_ignored_in_the_child)
{
    sigset_t all;
    sigfillset(&all);
    cr_assert_neq(signal(SIGPIPE, SIG_IGN), SIG_ERR);
    cr_assert_neq(signal(SIGHUP, SIG_IGN), SIG_ERR);
    weft_signal *listener = weft_signal_open(SIGUSR1);
    cr_assert_eq(pthread_sigmask(SIG_SETMASK, &all, NULL), 0);
    cr_assert(
        says((struct weft_process_options){.argv = ARGV("grep", "-cE",
                                                        "^Sig(Blk|Ign):\\s0000000[01][08]0000000$",
                                                        "/proc/self/status")},
             "2\n"),
        "but for two of the C library's own");
    sigemptyset(&all);
    cr_assert_eq(pthread_sigmask(SIG_SETMASK, &all, NULL), 0);
    weft_signal_close(listener);
    end();
}

/* ---- What keeps it from being started ---- */

/* The status; the message must name what is wrong. */
static int failure(struct weft_process_options options, const char *named)
{
    weft_future *future = weft_process_start(&options);
    int status = weft_future_status(future);
    cr_assert_not_null(weft_message(future));
    cr_assert(strstr(weft_message(future), named), "%s", weft_message(future));
    weft_unref(future);
    return status;
}

Test(spawn, program_that_cannot_be_executed_is_named)
{
    struct weft_process_options options = {
        .argv = ARGV("no-such-program"), .cwd = "/", .in = WEFT_STDIO_PIPE, .out = WEFT_STDIO_PIPE};
    cr_assert_eq(failure(options, "no-such-program: No such file"), -ENOENT);
    options.argv = ARGV("/etc/passwd");
    cr_assert_eq(failure(options, "/etc/passwd: Permission denied"), -EACCES);
    options.argv = ARGV("/etc/passwd/x");
    cr_assert_eq(failure(options, "/etc/passwd/x: Not a directory"), -ENOTDIR);
    end();
}

Test(spawn, folder_that_is_not_there_is_named)
{
    struct weft_process_options options = {.argv = ARGV("true"), .cwd = "/no/such/folder"};
    cr_assert_eq(failure(options, "cwd /no/such/folder: No such file"), -ENOENT);
    options.cwd = "/etc/passwd";
    cr_assert_eq(failure(options, "cwd /etc/passwd: Not a directory"), -ENOTDIR);
    end();
}

Test(spawn, file_that_cannot_be_opened_is_named)
{
    struct weft_process_options options = {
        .shell = "cat", .in = WEFT_STDIO_FILE("/no/file"), .out = WEFT_STDIO_PIPE};
    cr_assert_eq(failure(options, "/no/file, for `in`"), -ENOENT);
    options.in = WEFT_STDIO_NULL;
    options.err = WEFT_STDIO_FD(12345);
    cr_assert_eq(failure(options, "for `err`"), -EBADF);
    end();
}

Test(spawn, too_many_arguments_are_refused)
{
    enum { LEN = 1 << 18 };
    char *big = malloc(LEN);
    memset(big, 'x', LEN);
    big[LEN - 1] = 0;
    struct weft_process_options options = {.argv = ARGV("echo", big)};
    cr_assert_eq(failure(options, "echo: Argument list too long"), -E2BIG);
    free(big);
    end();
}

Test(spawn, misuse_is_refused)
{
    struct weft_process_options options = {0};
    cr_assert_eq(failure(options, "argv or shell"), -EINVAL);
    options.argv = (const char *const[]){NULL};
    cr_assert_eq(failure(options, "argv or shell"), -EINVAL);
    options.argv = ARGV("true");
    options.shell = "true";
    cr_assert_eq(failure(options, "argv or shell"), -EINVAL);
    options.shell = NULL;
    options.out = WEFT_STDIO_MERGE;
    cr_assert_eq(failure(options, "MERGE"), -EINVAL);
    options.out = WEFT_STDIO_FILE(NULL);
    cr_assert_eq(failure(options, "path"), -EINVAL);
    options.out = WEFT_STDIO_INHERIT;
    options.in = WEFT_STDIO_APPEND("/dev/null");
    cr_assert_eq(failure(options, "APPEND"), -EINVAL);
    options.in = (struct weft_stdio){.kind = 77};
    cr_assert_eq(failure(options, "stdio"), -EINVAL);
    options.in = WEFT_STDIO_INHERIT;
    options.grace = -1;
    cr_assert_eq(failure(options, "grace"), -EINVAL);
    options.grace = 0;
    options.size = 1;
    cr_assert_eq(failure(options, "version"), -EINVAL);
    cr_assert_eq(weft_test_run(weft_process_start(NULL)), -EINVAL);
    cr_assert_eq(weft_test_run(weft_process_run(NULL, NULL, 0, 0)), -EINVAL);
    cr_assert_eq(weft_test_run(weft_process_wait(NULL)), -EINVAL);
    cr_assert_eq(weft_test_run(weft_process_stop(NULL)), -EINVAL);
    cr_assert_eq(weft_process_signal(NULL, SIGTERM), -EINVAL);
    cr_assert_eq(weft_process_take_fd(NULL, 0), -EINVAL);
    end();
}

Test(spawn, without_a_loop_it_fails)
{
    end();
    struct weft_process_options options = {.shell = "true"};
    weft_future *future = weft_process_start(&options);
    cr_assert_eq(weft_future_status(future), WEFT_ENOLOOP);
    weft_unref(future);
    future = weft_process_run(&options, NULL, 0, 0);
    cr_assert_eq(weft_future_status(future), WEFT_ENOLOOP);
    weft_unref(future);
}

/* ---- Lack ---- */

/* Descriptors are short by one, two … until it succeeds; nothing may be left. */
Test(spawn, lack_of_descriptors_fails_and_leaves_nothing)
{
    struct rlimit before, few;
    int status = -EMFILE, highest = dup(0);
    struct weft_process_options options = test_shell("exit 0");
    close(highest);
    cr_assert_eq(weft_test_run(weft_process_run(&options, NULL, 0, 0)),
                 0); /* all that is made once */
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    for (rlim_t n = 0; status < 0; n++) {
        few = (struct rlimit){(rlim_t)highest + n, before.rlim_max};
        cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
        status = weft_test_run(weft_process_run(&options, NULL, 0, 0));
        cr_assert_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
        cr_assert(status == 0 || status == -EMFILE, "%d", status);
        cr_assert(status == -EMFILE || n >= 6, "with %d descriptors", (int)n);
    }
    end();
}

Test(spawn, without_a_descriptor_for_the_pidfd_sigchld_serves)
{
    test_process_watch(BY_SIGCHLD);
    weft_process *process = test_start_shell("exit 3");
    test_process_watch(BY_PIDFD);
    weft_process *other = test_start_shell("exit 4");
    cr_assert_eq(test_wait(other), 4);
    cr_assert_eq(test_wait(process), 3);
    weft_process_free(process);
    weft_process_free(other);
    end();
}

static int no_spawn(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                    const posix_spawnattr_t *attributes, char *const argv[], char *const env[])
{
    (void)pid, (void)file, (void)actions, (void)attributes, (void)argv, (void)env;
    return EAGAIN;
}

Test(spawn, too_many_processes_are_an_error)
{
    int (*real)(pid_t *, const char *, const posix_spawn_file_actions_t *,
                const posix_spawnattr_t *, char *const[], char *const[]) = weft__sys.posix_spawnp;
    weft__sys.posix_spawnp = no_spawn;
    cr_assert_eq(failure(test_shell("true"), "true: Resource temporarily"), -EAGAIN);
    weft__sys.posix_spawnp = real;
    end();
}

/* Whichever call fails, the process is started and heard of, or nothing is left. */
Test(spawn, every_system_call_that_fails_is_an_error_or_is_made_good)
{
    static const struct failing {
        const char *name;
        int error, status;
    } calls[] = {{"pipe2", EMFILE, -EMFILE}, {"posix_spawnp", EAGAIN, -EAGAIN},
                 {"pidfd_open", EMFILE, 0},  {"event_add", ENOMEM, 0},
                 {"waitid", EINTR, 0},       {"waitid", ECHILD, -ECHILD}};
    struct weft_process_options options = {.shell = "exit 0"};
    for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
        cr_assert(weft__sys_fail(calls[i].name, 1, calls[i].error));
        weft_future *future = weft_process_run(&options, NULL, 0, 0);
        int status = weft_test_run(future);
        cr_assert_eq(status, calls[i].status, "%s: %d", calls[i].name, status);
        cr_assert(weft__sys_failed(calls[i].name));
    }
    for (pid_t left = 0; left >= 0;) /* after ECHILD: it was ours all the same */
        left = waitpid(-1, NULL, 0);
    end();
}

static int scene(void)
{
    struct weft_process_options options = test_shell("exit 0");
    weft_future *future = weft_process_start(&options);
    weft_value value;
    int status = weft_future_status(future);
    if (status == 0) {
        cr_assert_eq(weft_future_take(future, &value), 0);
        status = weft_test_run(weft_process_wait(value.ptr));
        weft_process_free(value.ptr);
    }
    weft_unref(future);
    return status;
}

Test(spawn, survives_every_lack_of_memory)
{
    weft_test_every_lack_of_memory(scene);
    test_process_watch(BY_SIGCHLD);
    weft_test_every_lack_of_memory(scene);
    end();
}
