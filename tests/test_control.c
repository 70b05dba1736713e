/* SPDX-License-Identifier: MIT */
/* The control socket: when there is one, where, for whom, and what becomes of bad clients. */
#include <weft/control.h>

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <weft/weft.h>

#include "core/inspect/control.h"
#include "core/sys.h"
#include "tests/support/child.h"
#include "tests/support/control.h"
#include "tests/support/fixture.h"
#include "tests/support/loop.h"
#include "tests/support/sanitizer.h"

TestSuite(control, .init = control_begin, .timeout = 60);

static const char *socket_name(pid_t pid)
{
    static char name[64];
    snprintf(name, sizeof(name), "weft/%d.sock", (int)pid);
    return control_path(name);
}

static bool is_there(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

static char path_now[256];

static int path_status(void)
{
    return weft_control_path(path_now, sizeof(path_now));
}

static weft_loop *loop_with(enum weft_control control)
{
    weft_loop *loop = weft_loop_new(&(struct weft_loop_options){.control = control});
    cr_assert_not_null(loop);
    return loop;
}

/* In place of the test's loop, which wants a socket. */
static void without_loop(void)
{
    weft_loop_free(test_loop);
    test_loop = NULL;
}

struct waits {
    WEFT_FRAME;
    weft_future *future;
};

static WEFT_ASYNC(waits)
{
    WEFT_BEGIN;
    WEFT_AWAIT(self->future);
    WEFT_END;
}

/* ---- When, and where ---- */

Test(control, is_at_a_path_by_the_process_number_for_its_user_only)
{
    struct stat folder, file;
    without_loop();
    cr_assert_eq(rmdir(control_path("weft")), 0);
    mode_t before = umask(0);
    test_loop = loop_with(WEFT_CONTROL_ON);
    umask(before);
    cr_assert_eq(path_status(), 0);
    cr_assert_str_eq(path_now, socket_name(getpid()));
    cr_assert_eq(lstat(path_now, &file), 0);
    cr_assert(S_ISSOCK(file.st_mode));
    cr_assert_eq(file.st_mode & 07777, 0600);
    cr_assert_eq(stat(control_path("weft"), &folder), 0);
    cr_assert_eq(folder.st_mode & 07777, 0700);
    control_end();
}

Test(control, is_gone_with_the_last_loop_that_wants_it)
{
    cr_assert(is_there(socket_name(getpid())));
    without_loop();
    cr_assert_eq(path_status(), -ENOENT);
    cr_assert_not(is_there(socket_name(getpid())));
    control_end();
}

static void *loop_of_another_thread(void *arg)
{
    weft_loop *loop = loop_with(WEFT_CONTROL_ON);
    *(int *)arg = path_status();
    weft_loop_free(loop);
    return NULL;
}

Test(control, lasts_while_any_loop_wants_it_and_can_begin_anew)
{
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        int status = 1;
        cr_assert_eq(pthread_create(&thread, NULL, loop_of_another_thread, &status), 0);
        pthread_join(thread, NULL);
        cr_assert_eq(status, 0);
        cr_assert_eq(path_status(), test_loop ? 0 : -ENOENT);
        if (i == 0)
            without_loop();
    }
    control_end();
}

Test(control, is_opt_in_and_the_option_wins_over_the_environment)
{
    static const struct {
        const char *environment;
        enum weft_control option;
        int status;
    } cases[] = {
        {NULL, WEFT_CONTROL_AS_ENVIRONMENT, -ENOENT},
        {"", WEFT_CONTROL_AS_ENVIRONMENT, -ENOENT},
        {"0", WEFT_CONTROL_AS_ENVIRONMENT, -ENOENT},
        {"1", WEFT_CONTROL_AS_ENVIRONMENT, 0},
        {"1", WEFT_CONTROL_OFF, -ENOENT},
        {NULL, WEFT_CONTROL_ON, 0},
        {"0", WEFT_CONTROL_ON, 0},
    };
    without_loop();
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        if (cases[i].environment)
            setenv("WEFT_CONTROL", cases[i].environment, 1);
        else
            unsetenv("WEFT_CONTROL");
        weft_loop *loop = loop_with(cases[i].option);
        cr_assert_eq(path_status(), cases[i].status, "case %zu", i);
        weft_loop_free(loop);
    }
    struct weft_loop_options wrong = {.control = (enum weft_control)3};
    cr_assert_null(weft_loop_new(&wrong));
    cr_assert_eq(errno, EINVAL);
    control_end();
}

Test(control, path_says_what_room_it_needs)
{
    cr_assert_eq(path_status(), 0);
    size_t len = strlen(path_now);
    cr_assert_eq(weft_control_path(path_now, len), -ENAMETOOLONG);
    cr_assert_eq(weft_control_path(path_now, len + 1), 0);
    control_end();
}

/* ---- Folders ---- */

struct told {
    int count, status;
    char message[512];
};

static void note(weft_loop *loop, const struct weft_error_report *report, void *arg)
{
    (void)loop;
    struct told *told = arg;
    told->count++;
    told->status = report->status;
    snprintf(told->message, sizeof(told->message), "%s: %s", report->what, report->message);
}

static struct told make_and_run(void)
{
    struct told told = {0};
    without_loop();
    test_loop = loop_with(WEFT_CONTROL_ON);
    weft_loop_set_error_handler(test_loop, note, &told);
    cr_assert_eq(weft_test_run(weft_sleep(1)), 0);
    return told;
}

/* A loop that is made now has no socket, and tells its error handler when it runs. */
static void expect_failure(int status, const char *why)
{
    char message[512];
    snprintf(message, sizeof(message), "there is no control socket: %s: %s", socket_name(getpid()),
             why);
    struct told told = make_and_run();
    cr_assert_eq(told.count, 1);
    cr_assert_eq(told.status, status, "%d: %s", told.status, told.message);
    cr_assert_str_eq(told.message, message);
    cr_assert_eq(path_status(), -ENOENT);
}

Test(control, trusts_no_folder_that_others_can_enter)
{
    without_loop();
    cr_assert_eq(chmod(control_path("weft"), 0750), 0);
    expect_failure(-EPERM, "the folder is not this user's alone");
    control_end();
}

Test(control, follows_no_symbolic_link)
{
    without_loop();
    cr_assert_eq(rmdir(control_path("weft")), 0);
    cr_assert_eq(symlink("/tmp", control_path("weft")), 0);
    expect_failure(-ENOTDIR, "the folder cannot be opened, or is none");
    unlink(control_path("weft"));
    control_end();
}

Test(control, does_without_where_the_folder_cannot_be_made)
{
    without_loop();
    cr_assert_eq(rmdir(control_path("weft")), 0);
    weft__sys_fail("open", 1, EACCES);
    expect_failure(-EACCES, "the folder cannot be opened, or is none");
    control_end();
}

Test(control, says_when_the_runtime_folder_is_too_deep)
{
    char paths[2][600], name[251] = "";
    memset(name, 'x', sizeof(name) - 1);
    snprintf(paths[0], sizeof(paths[0]), "%s/%s", control_path("."), name);
    snprintf(paths[1], sizeof(paths[1]), "%.300s/%s", paths[0], name);
    cr_assert_eq(mkdir(paths[0], 0700), 0);
    cr_assert_eq(mkdir(paths[1], 0700), 0);
    setenv("XDG_RUNTIME_DIR", paths[1], 1);
    struct told told = make_and_run();
    cr_assert_eq(told.status, -ENAMETOOLONG);
    cr_assert_str_eq(told.message, "there is no control socket: XDG_RUNTIME_DIR is too long");
    cr_assert_eq(rmdir(paths[1]), 0);
    cr_assert_eq(rmdir(paths[0]), 0);
    control_end();
}

/* A socket as another process would have left it; its descriptor. */
static int another(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(fd, 1), 0);
    return fd;
}

Test(control, replaces_what_a_killed_process_has_left)
{
    without_loop();
    close(another(socket_name(getpid())));
    cr_assert_eq(make_and_run().count, 0);
    cr_assert(control_says("hello\n", "\"weft\""));
    control_end();
}

Test(control, leaves_the_socket_of_a_living_process_alone)
{
    without_loop();
    int fd = another(socket_name(getpid()));
    expect_failure(-EADDRINUSE, "it cannot be bound");
    weft_loop_free(test_loop);
    test_loop = NULL;
    cr_assert(is_there(socket_name(getpid())));
    close(fd);
    unlink(socket_name(getpid()));
    control_end();
}

Test(control, does_not_remove_what_has_taken_its_place)
{
    cr_assert_eq(unlink(socket_name(getpid())), 0);
    int fd = another(socket_name(getpid()));
    without_loop();
    cr_assert(is_there(socket_name(getpid())));
    close(fd);
    unlink(socket_name(getpid()));
    control_end();
}

Test(control, is_in_tmp_where_the_runtime_folder_is_not_this_users)
{
    char expected[64];
    snprintf(expected, sizeof(expected), "/tmp/weft-%u/%d.sock", (unsigned)geteuid(),
             (int)getpid());
    const char *others[] = {NULL, "relative", "/no/such/folder", "/"};
    if (geteuid() == 0) { /* whose is "/" */
        others[3] = control_path("other");
        cr_assert_eq(mkdir(others[3], 0700), 0);
        cr_assert_eq(chown(others[3], 65534, 65534), 0);
    }
    for (int i = 0; i < 4; i++) {
        if (others[i])
            setenv("XDG_RUNTIME_DIR", others[i], 1);
        else
            unsetenv("XDG_RUNTIME_DIR");
        cr_assert_eq(make_and_run().count, 0);
        cr_assert_eq(path_status(), 0);
        cr_assert_str_eq(path_now, expected);
        cr_assert(control_says("hello\n", "\"weft\""));
        without_loop();
        cr_assert_not(is_there(expected));
    }
    rmdir(control_path("other"));
    control_end();
}

static int no_thread(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *),
                     void *arg)
{
    (void)thread;
    (void)attributes;
    (void)start;
    (void)arg;
    return EAGAIN;
}

Test(control, tells_of_what_it_lacks_and_leaves_nothing)
{
    int (*create_before)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) =
        weft__sys.pthread_create;
    weft__sys_fail("socket", 1, EMFILE);
    expect_failure(-EMFILE, "no socket");
    weft__sys_fail("listen", 1, ENOBUFS);
    expect_failure(-ENOBUFS, "it cannot be bound");
    weft__sys.pthread_create = no_thread;
    expect_failure(-EAGAIN, "its thread cannot be started");
    weft__sys.pthread_create = create_before;
    cr_assert_not(is_there(socket_name(getpid())));
    cr_assert_eq(make_and_run().count, 0);
    control_end();
}

/* ---- Forks ---- */

#ifndef WEFT_TEST_NO_THREADS_IN_CHILD
static void go_on_in_child(void *arg)
{
    const char *of_parent = arg;
    CHILD_EXPECT(path_status() == -ENOENT);
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    CHILD_EXPECT(path_status() == 0);
    CHILD_EXPECT(strcmp(path_now, socket_name(getpid())) == 0);
    CHILD_EXPECT(control_says("hello\n", "\"weft\""));
    weft_loop_free(test_loop);
    CHILD_EXPECT(!is_there(socket_name(getpid())));
    CHILD_EXPECT(is_there(of_parent));
}

Test(control, a_forked_child_has_its_own_once_it_goes_on)
{
    char of_parent[256];
    snprintf(of_parent, sizeof(of_parent), "%s", socket_name(getpid()));
    weft_test_in_child(go_on_in_child, of_parent);
    cr_assert(control_says("hello\n", "\"weft\""));
    control_end();
}
#endif

#ifndef WEFT_TEST_NO_THREADS_IN_CHILD
static void begin_anew_in_child(void *arg)
{
    (void)arg;
    weft_loop_free(test_loop); /* the parent's: it counts for nothing here */
    for (int i = 0; i < 2; i++) {
        weft_loop *loop = loop_with(WEFT_CONTROL_ON);
        CHILD_EXPECT(path_status() == 0);
        CHILD_EXPECT(control_says("hello\n", "\"weft\""));
        weft_loop_free(loop);
        CHILD_EXPECT(path_status() == -ENOENT);
        CHILD_EXPECT(!is_there(socket_name(getpid())));
    }
}

Test(control, a_forked_child_may_begin_anew)
{
    weft_test_in_child(begin_anew_in_child, NULL);
    cr_assert(control_says("hello\n", "\"weft\""));
    control_end();
}
#endif

static void count_descriptors(void *arg)
{
    CHILD_EXPECT(weft_test_fd_count() == *(int *)arg);
}

Test(control, a_forked_child_has_none_of_its_descriptors)
{
    int before = weft_test_fd_count() - 3; /* folder, socket, eventfd */
    weft_test_in_child(count_descriptors, &before);
    control_end();
}

/* ---- Requests ---- */

Test(control, says_hello)
{
    char *answer = control_ask("hello\n"), pid[32];
    snprintf(pid, sizeof(pid), "\"pid\":%d,", (int)getpid());
    cr_assert_eq(strncmp(answer, "{\"weft\":\"0.1.0\",\"protocol\":1,", 29), 0, "%s", answer);
    cr_assert(strstr(answer, pid));
    cr_assert(strstr(answer, "\"program\":\"test_control\""));
    cr_assert(strstr(answer, "\"loops\":[{\"id\":"));
    cr_assert_str_eq(answer + strlen(answer) - 2, "}\n");
    free(answer);
    control_end();
}

Test(control, answers_bad_requests_with_an_error)
{
    char long_line[WEFT__CTL_LINE + 2];
    memset(long_line, 'x', sizeof(long_line));
    long_line[sizeof(long_line) - 2] = '\n';
    long_line[sizeof(long_line) - 1] = '\0';
    cr_assert(control_says("hallo\n", "{\"error\":\"there is no command \\\"hallo\\\"\"}\n"));
    cr_assert(control_says("\n", "there is no command \\\"\\\""));
    cr_assert(control_says("\xff\x01\n", "there is no command \\\"\\ufffd\\u0001\\\""));
    cr_assert(control_says(long_line, "{\"error\":\"the request is too long\"}\n"));
    cr_assert(control_says("hello", "{\"error\":\"the request does not end with a newline\"}\n"));
    control_end();
}

/* ---- Clients ---- */

Test(control, a_client_that_says_nothing_holds_up_nobody_for_ever)
{
    without_loop();
    weft__ctl_limits.request = WEFT_MS(20);
    test_loop = loop_with(WEFT_CONTROL_ON);
    int fd = control_connect();
    char text[128] = "";
    cr_assert(control_says("hello\n", "\"weft\""));
    cr_assert_gt(recv(fd, text, sizeof(text) - 1, 0), 0);
    cr_assert_str_eq(text, "{\"error\":\"no request came in time\"}\n");
    cr_assert_eq(recv(fd, text, sizeof(text), 0), 0);
    close(fd);
    control_end();
}

Test(control, a_client_that_hangs_up_is_nothing)
{
    for (int i = 0; i < 3; i++) {
        int fd = control_connect();
        if (i > 0)
            cr_assert_eq(send(fd, "hello\n", i == 1 ? 3 : 6, MSG_NOSIGNAL), i == 1 ? 3 : 6);
        close(fd);
    }
    cr_assert(control_says("hello\n", "\"weft\""));
    control_end();
}

static void *ask_often(void *arg)
{
    int *answered = arg;
    for (int i = 0; i < 50; i++)
        *answered += control_says("hello\n", "\"protocol\":1");
    return NULL;
}

Test(control, many_clients_at_once_all_get_their_answer)
{
    pthread_t threads[8];
    int answered[8] = {0};
    for (int i = 0; i < 8; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, ask_often, &answered[i]), 0);
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        cr_assert_eq(answered[i], 50);
    }
    control_end();
}

Test(control, a_flood_is_cut_off_and_the_next_one_served)
{
    static char flood[1 << 16];
    char text[128] = "";
    int fd = control_connect();
    size_t sent = 0;
    memset(flood, 'x', sizeof(flood));
    for (ssize_t took = 1; took > 0 && sent<10 << 20; sent += took> 0 ? (size_t)took : 0)
        took = send(fd, flood, sizeof(flood), MSG_NOSIGNAL);
    cr_assert_lt(sent, 10 << 20);
    cr_assert_gt(recv(fd, text, sizeof(text) - 1, 0), 0);
    cr_assert_str_eq(text, "{\"error\":\"the request is too long\"}\n");
    close(fd);
    cr_assert(control_says("hello\n", "\"weft\""));
    control_end();
}

Test(control, a_client_that_reads_nothing_holds_up_nobody_for_ever)
{
    without_loop();
    weft__ctl_limits.answer = WEFT_MS(20);
    test_loop = loop_with(WEFT_CONTROL_ON);
    int fd = control_connect(), small = 1;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    weft_future *never = weft_future_new();
    for (int i = 0; i < 5000; i++)
        weft_unref(weft_spawn(waits, .future = weft_ref(never)));
    cr_assert_eq(send(fd, "ps\n", 3, MSG_NOSIGNAL), 3);
    cr_assert(control_says("hello\n", "\"weft\""));
    close(fd);
    cr_assert_eq(weft_future_resolve(never, weft_value_i64(0), NULL), 0);
    cr_assert_eq(weft_test_run(weft_sleep(1)), 0);
    weft_unref(never);
    control_end();
}

Test(control, ends_while_a_client_is_connected)
{
    char text[16];
    int first = control_connect(), second = control_connect();
    without_loop();
    cr_assert_leq(recv(first, text, sizeof(text), 0), 40);
    close(first);
    close(second);
    control_end();
}

Test(control, an_answer_is_bounded)
{
    without_loop();
    weft__ctl_limits.longest = 40;
    test_loop = loop_with(WEFT_CONTROL_ON);
    cr_assert(control_says("hello\n", "{\"error\":\"the answer is too long\"}\n"));
    control_end();
}

static void ask_as_nobody(void *arg)
{
    CHILD_EXPECT(setgid(65534) == 0);
    CHILD_EXPECT(setuid(65534) == 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", (const char *)arg);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    char text[128] = "";
    CHILD_EXPECT(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    (void)!send(fd, "hello\n", 6, MSG_NOSIGNAL);
    CHILD_EXPECT(recv(fd, text, sizeof(text) - 1, 0) > 0);
    CHILD_EXPECT(strcmp(text, "{\"error\":\"this process is another user's\"}\n") == 0);
}

Test(control, another_user_is_refused_even_if_the_folder_is_open)
{
    if (geteuid() != 0)
        cr_skip_test("only root can become another user");
    cr_assert_eq(path_status(), 0);
    chmod(control_path(""), 0711);
    chmod(control_path("weft"), 0711);
    chmod(path_now, 0666);
    weft_test_in_child(ask_as_nobody, path_now);
    control_end();
}
