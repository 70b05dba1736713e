/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <weft/listen.h>
#include <weft/notify.h>

#include "core/sys.h"
#include "tests/support/child.h"
#include "tests/support/fixture.h"
#include "tests/support/loop.h"
#include "tests/support/net.h"
#include "tests/support/server.h"

static struct weft_test_census before;

static void begin(void)
{
    before = weft_test_take_census();
}

TestSuite(notify, .init = begin, .timeout = 20);

/* ---- Passed sockets ---- */

static void set_number(const char *name, long number)
{
    char text[24];
    snprintf(text, sizeof(text), "%ld", number);
    cr_assert_eq(setenv(name, text, 1), 0);
}

static void pass(const char *names)
{
    set_number("LISTEN_PID", getpid());
    if (names)
        setenv("LISTEN_FDNAMES", names, 1);
}

Test(notify, no_sockets_were_passed)
{
    cr_assert_eq(weft_listen_fd(NULL, 0), -ENOENT);
    cr_assert_eq(weft_listen_fd("web", 0), -ENOENT);
    pass(NULL);
    cr_assert_eq(weft_listen_fd(NULL, 0), -ENOENT, "LISTEN_FDS is not there");
    setenv("LISTEN_FDS", "0", 1);
    cr_assert_eq(weft_listen_fd(NULL, 0), -ENOENT);
    cr_assert_eq(weft_listen_fd(NULL, -1), -EINVAL);
}

/* In a child, since 3 and 4 are the test runner's own. */
static void find_passed(void *arg)
{
    (void)arg;
    int fd = open("/dev/null", O_RDONLY);
    for (int passed = 3; passed < 6; passed++)
        CHILD_EXPECT(dup2(fd, passed) == passed && fcntl(passed, F_SETFD, 0) == 0);
    set_number("LISTEN_PID", getpid());
    setenv("LISTEN_FDS", "3", 1);
    CHILD_EXPECT(weft_listen_fd(NULL, 0) == 3);
    CHILD_EXPECT(fcntl(3, F_GETFD) == FD_CLOEXEC);
    CHILD_EXPECT(fcntl(4, F_GETFD) == 0);
    CHILD_EXPECT(weft_listen_fd(NULL, 2) == 5);
    CHILD_EXPECT(weft_listen_fd(NULL, 3) == -ENOENT);
    CHILD_EXPECT(weft_listen_fd("web", 0) == -ENOENT);
    setenv("LISTEN_FDNAMES", "web:control:web", 1);
    CHILD_EXPECT(weft_listen_fd("web", 0) == 3);
    CHILD_EXPECT(weft_listen_fd("web", 1) == 5);
    CHILD_EXPECT(weft_listen_fd("web", 2) == -ENOENT);
    CHILD_EXPECT(weft_listen_fd("control", 0) == 4);
    CHILD_EXPECT(weft_listen_fd("we", 0) == -ENOENT);
    CHILD_EXPECT(weft_listen_fd("web:control", 0) == -ENOENT);
    setenv("LISTEN_FDNAMES", "web", 1); /* fewer than there are */
    CHILD_EXPECT(weft_listen_fd("web", 1) == -ENOENT);
    CHILD_EXPECT(weft_listen_fd(NULL, 1) == 4);
    close(5);
    CHILD_EXPECT(weft_listen_fd(NULL, 2) == -EBADF);
    set_number("LISTEN_PID", getppid());
    CHILD_EXPECT(weft_listen_fd(NULL, 0) == -ENOENT);
}

Test(notify, passed_sockets_are_found_by_place_and_name)
{
    weft_test_in_child(find_passed, NULL);
    weft_test_assert_nothing_left(before);
}

Test(notify, environment_that_makes_no_sense_is_refused)
{
    static const char *const bad[] = {"", "x", "1x", " 1", "-1", "+1", "99999999999999999999"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        set_number("LISTEN_PID", getpid());
        setenv("LISTEN_FDS", bad[i], 1);
        cr_assert_eq(weft_listen_fd(NULL, 0), -EINVAL, "LISTEN_FDS='%s'", bad[i]);
        setenv("LISTEN_FDS", "1", 1);
        setenv("LISTEN_PID", bad[i], 1);
        cr_assert_eq(weft_listen_fd(NULL, 0), -EINVAL, "LISTEN_PID='%s'", bad[i]);
    }
}

/* What "fd:web" listens on: two sockets, with another one between them. */
static void serve_passed(void *arg)
{
    (void)arg;
    weft_loop *loop = weft_loop_new(NULL);
    CHILD_EXPECT(loop);
    for (int passed = 3; passed < 6; passed++) {
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        struct sockaddr_un name = {.sun_family = AF_UNIX};
        int len = snprintf(name.sun_path + 1, 64, "weft-%d-%d", (int)getpid(), passed);
        socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len);
        CHILD_EXPECT(bind(fd, (struct sockaddr *)&name, size) == 0 && listen(fd, 1) == 0);

        CHILD_EXPECT(dup2(fd, passed) == passed);
    }
    set_number("LISTEN_PID", getpid());
    setenv("LISTEN_FDS", "3", 1);
    setenv("LISTEN_FDNAMES", "web:control:web", 1);
    weft_listener *listener = weft_listen("fd:web", echo, .greeting = "");
    CHILD_EXPECT(listener);
    CHILD_EXPECT(strstr(weft_listener_address_at(listener, 0), "-3"));
    CHILD_EXPECT(strstr(weft_listener_address_at(listener, 1), "-5"));
    CHILD_EXPECT(!weft_listener_address_at(listener, 2));
    weft_listener *control = weft_listen("fd:control", echo, .greeting = "");
    CHILD_EXPECT(control && strstr(weft_listener_address(control), "-4"));
    CHILD_EXPECT(!weft_listen("fd:none", echo, .greeting = "") && errno == ENOENT);
    weft_listener_free(listener);
    weft_listener_free(control);
    CHILD_EXPECT(fcntl(3, F_GETFD) == FD_CLOEXEC);
}

Test(notify, listener_takes_all_sockets_of_a_name)
{
    weft_test_in_child(serve_passed, NULL);
}

/* ---- Telling ---- */

/* A manager that listens on this name, "@…" or a path. */
static int manager(const char *name)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    memcpy(to.sun_path, name, strlen(name));
    if (name[0] == '@')
        to.sun_path[0] = 0;
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    cr_assert_eq(bind(fd, (struct sockaddr *)&to, len), 0, "%s", strerror(errno));
    cr_assert_eq(setenv("NOTIFY_SOCKET", name, 1), 0);
    return fd;
}

static bool is_told(int fd, const char *text)
{
    char told[64];
    ssize_t len = recv(fd, told, sizeof(told), 0);
    return len == (ssize_t)strlen(text) && !memcmp(told, text, strlen(text));
}

static void check_tells(const char *name)
{
    int fd = manager(name);
    cr_assert_eq(weft_notify("READY=1\nSTATUS=up"), 1);
    cr_assert(is_told(fd, "READY=1\nSTATUS=up"));
    cr_assert_eq(weft_notify("STOPPING=1"), 1);
    cr_assert(is_told(fd, "STOPPING=1"));
    close(fd);
}

Test(notify, tells_an_abstract_socket)
{
    char name[64];
    snprintf(name, sizeof(name), "@weft-notify-%d", (int)getpid());
    check_tells(name);
    cr_assert_eq(weft_notify("READY=1"), -ECONNREFUSED, "nobody is there");
    weft_test_assert_nothing_left(before);
}

Test(notify, tells_a_socket_in_the_file_system)
{
    char folder[] = "/tmp/weft-test-XXXXXX", name[64];
    cr_assert_not_null(mkdtemp(folder));
    snprintf(name, sizeof(name), "%s/notify", folder);
    check_tells(name);
    unlink(name);
    cr_assert_eq(weft_notify("READY=1"), -ENOENT);
    rmdir(folder);
    weft_test_assert_nothing_left(before);
}

Test(notify, nobody_wants_to_know)
{
    unsetenv("NOTIFY_SOCKET");
    cr_assert_eq(weft_notify("READY=1"), 0);
    setenv("NOTIFY_SOCKET", "", 1);
    cr_assert_eq(weft_notify("READY=1"), 0);
    cr_assert_eq(weft_notify(""), -EINVAL);
    cr_assert_eq(weft_notify(NULL), -EINVAL);
}

Test(notify, names_of_other_kinds_are_refused)
{
    char name[200] = "/";
    static const char *const bad[] = {"relative", "/", "@", "vsock:2:1234"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        setenv("NOTIFY_SOCKET", bad[i], 1);
        cr_assert_eq(weft_notify("READY=1"), -EAFNOSUPPORT, "%s", bad[i]);
    }
    memset(name + 1, 'x', 107);
    setenv("NOTIFY_SOCKET", name, 1);
    cr_assert_eq(weft_notify("READY=1"), -ENAMETOOLONG);
    name[107] = 0;
    setenv("NOTIFY_SOCKET", name, 1);
    cr_assert_eq(weft_notify("READY=1"), -ENOENT);
}

Test(notify, queue_that_is_full_does_not_block)
{
    char name[64];
    int status = 1;
    snprintf(name, sizeof(name), "@weft-notify-%d", (int)getpid());
    int fd = manager(name);
    for (int i = 0; i < 100000 && status == 1; i++)
        status = weft_notify("WATCHDOG=1");
    cr_assert_eq(status, -EAGAIN);
    close(fd);
    weft_test_assert_nothing_left(before);
}

Test(notify, failures_of_the_system_are_told)
{
    char name[64];
    snprintf(name, sizeof(name), "@weft-notify-%d", (int)getpid());
    int fd = manager(name);
    weft__sys_fail("socket", 1, EMFILE);
    cr_assert_eq(weft_notify("READY=1"), -EMFILE);
    weft__sys_fail("sendmsg", 1, EMSGSIZE);
    cr_assert_eq(weft_notify("READY=1"), -EMSGSIZE);
    close(fd);
    weft_test_assert_nothing_left(before);
}
