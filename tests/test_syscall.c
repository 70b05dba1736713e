/* SPDX-License-Identifier: MIT */
/* System calls in words. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>

#include "core/inspect/thread_state.h"
#include "tests/support/parked.h"

TestSuite(syscall, .timeout = 20);

Test(syscall, has_the_names_of_the_kernels_headers)
{
    static const struct {
        int nr;
        const char *name;
    } some[] = {
        {SYS_read, "read"},
        {SYS_futex, "futex"},
        {SYS_flock, "flock"},
        {SYS_clock_nanosleep, "clock_nanosleep"},
        {SYS_ppoll, "ppoll"},
        {SYS_epoll_pwait, "epoll_pwait"},
        {SYS_recvmsg, "recvmsg"},
        {SYS_wait4, "wait4"},
        {SYS_fsync, "fsync"},
        {SYS_openat, "openat"},
        {SYS_statx, "statx"},
        {SYS_io_uring_enter, "io_uring_enter"},
        {SYS_close_range, "close_range"},
        {SYS_futex_waitv, "futex_waitv"},
    };
    for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++)
        cr_assert_str_eq(weft__syscall_name(some[i].nr), some[i].name);
    cr_assert_null(weft__syscall_name(-1));
    cr_assert_null(weft__syscall_name(100000));
}

/* What a thread in `fn` is told to be in. */
static const char *in_words(struct parked *parked, void (*fn)(void *), void *arg, const char *name)
{
    static char text[512];
    parked_start(parked, fn, arg);
    parked_describe(parked, name, text, sizeof(text));
    return text;
}

static void receive(void *fd)
{
    char bytes[100];
    cr_assert_eq(recv(*(int *)fd, bytes, sizeof(bytes), 0), 1);
}

static int listen_here(struct sockaddr_in *ret)
{
    socklen_t len = sizeof(*ret);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    *ret = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    cr_assert_eq(bind(fd, (struct sockaddr *)ret, len), 0);
    cr_assert_eq(listen(fd, 8), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)ret, &len), 0);
    return fd;
}

Test(syscall, on_a_TCP_connection_tells_both_addresses)
{
    struct parked parked;
    struct sockaddr_in address, own;
    socklen_t len = sizeof(own);
    char expected[128];
    int listener = listen_here(&address), client = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(getsockname(client, (struct sockaddr *)&own, &len), 0);
    int server = accept(listener, NULL, NULL);
    snprintf(expected, sizeof(expected),
             "recvfrom(fd %d: TCP 127.0.0.1:%d -> 127.0.0.1:%d, 100 bytes)", client,
             ntohs(own.sin_port), ntohs(address.sin_port));
    cr_assert_str_eq(in_words(&parked, receive, &client, "recvfrom"), expected);
    cr_assert_eq(send(server, "x", 1, 0), 1);
    parked_join(&parked);
    close(client);
    close(server);
    close(listener);
}

static void accept_one(void *fd)
{
    close(accept(*(int *)fd, NULL, NULL));
}

Test(syscall, on_a_listening_socket_tells_where_it_listens)
{
    struct parked parked;
    struct sockaddr_in address;
    char expected[128];
    int listener = listen_here(&address), client = socket(AF_INET, SOCK_STREAM, 0);
    snprintf(expected, sizeof(expected), "accept(fd %d: TCP listening at 127.0.0.1:%d)", listener,
             ntohs(address.sin_port));
    cr_assert_str_eq(in_words(&parked, accept_one, &listener, "accept"), expected);
    cr_assert_eq(connect(client, (struct sockaddr *)&address, sizeof(address)), 0);
    parked_join(&parked);
    close(client);
    close(listener);
}

Test(syscall, on_a_unix_socket_tells_its_kind)
{
    struct parked parked;
    char expected[128];
    int pair[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    snprintf(expected, sizeof(expected), "recvfrom(fd %d: unix socket, 100 bytes)", pair[0]);
    cr_assert_str_eq(in_words(&parked, receive, &pair[0], "recvfrom"), expected);
    cr_assert_eq(send(pair[1], "x", 1, 0), 1);
    parked_join(&parked);
    close(pair[0]);
    close(pair[1]);
}

static void poll_both(void *fds)
{
    cr_assert_eq(poll(fds, 6, 60000), 2);
}

Test(syscall, poll_tells_what_is_polled_and_how_long)
{
    struct parked parked;
    char expected[256];
    int pipe_fds[2];
    cr_assert_eq(pipe(pipe_fds), 0);
    struct pollfd fds[6] = {{pipe_fds[0], POLLIN, 0}, {pipe_fds[0], POLLIN | POLLPRI, 0}};
    for (int i = 2; i < 6; i++)
        fds[i].fd = -1;
    int expected_len = snprintf(expected, sizeof(expected),
                                "poll([fd %d: pipe for IN; fd %d: pipe for IN|PRI; fd -1; fd -1; "
                                "2 more], 60 s)",
                                fds[0].fd, fds[0].fd);
    cr_assert_lt((size_t)expected_len, sizeof(expected));
    cr_assert_str_eq(in_words(&parked, poll_both, fds, "poll"), expected);
    cr_assert_eq(write(pipe_fds[1], "x", 1), 1);
    parked_join(&parked);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void lock_it(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
}

Test(syscall, on_a_mutex_names_the_thread_that_holds_it)
{
    struct parked parked;
    char expected[256];
    pthread_setname_np(pthread_self(), "the holder");
    pthread_mutex_lock(&mutex);
    snprintf(expected, sizeof(expected),
             "futex(FUTEX_WAIT, %#lx: mutex held by thread %d \"the holder\", no timeout)",
             (unsigned long)(uintptr_t)&mutex, (int)gettid());
    cr_assert_str_eq(in_words(&parked, lock_it, NULL, "futex"), expected);
    pthread_mutex_unlock(&mutex);
    parked_join(&parked);
}

static void lock_file(void *fd)
{
    cr_assert_eq(flock(*(int *)fd, LOCK_EX), 0);
}

Test(syscall, on_a_file_tells_its_path)
{
    struct parked parked;
    char path[] = "/tmp/weft-test-XXXXXX", expected[256];
    int first = mkstemp(path), second = open(path, O_RDWR | O_CLOEXEC);
    cr_assert_eq(flock(first, LOCK_EX), 0);
    snprintf(expected, sizeof(expected), "flock(fd %d: %s, LOCK_EX)", second, path);
    cr_assert_str_eq(in_words(&parked, lock_file, &second, "flock"), expected);
    unlink(path);
    close(first); /* unlocks */
    parked_join(&parked);
    close(second);
}

static void wait_for_events(void *fd)
{
    struct epoll_event event;
    cr_assert_eq(epoll_wait(*(int *)fd, &event, 1, -1), 1);
}

Test(syscall, epoll_tells_that_it_has_no_timeout)
{
    struct parked parked;
    char expected[128];
    int epoll = epoll_create1(EPOLL_CLOEXEC), pipe_fds[2];
    struct epoll_event event = {.events = EPOLLIN};
    cr_assert_eq(pipe(pipe_fds), 0);
    cr_assert_eq(epoll_ctl(epoll, EPOLL_CTL_ADD, pipe_fds[0], &event), 0);
    snprintf(expected, sizeof(expected), "epoll_wait(fd %d: [eventpoll], no timeout)", epoll);
    cr_assert_str_eq(in_words(&parked, wait_for_events, &epoll, "epoll_wait"), expected);
    cr_assert_eq(write(pipe_fds[1], "x", 1), 1);
    parked_join(&parked);
    close(epoll);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

/* As if a thread were in that system call. */
static const char *described(int nr, const uint64_t args[6])
{
    static char text[256];
    struct weft__thread_state state = {.state = 'S', .syscall_nr = nr};
    memcpy(state.args, args, sizeof(state.args));
    weft__syscall_describe(&state, text, sizeof(text));
    return text;
}

#define SLEEP "nanosleep" /* no test sleeps, as a check sees to */
#define DESCRIBED(nr, ...) described((nr), (uint64_t[6]){__VA_ARGS__})

Test(syscall, times_are_told_as_durations_and_deadlines)
{
    struct timespec time = {2, 500000000}, short_one = {0, 1500000}, tiny = {0, 300};
    uint64_t at = (uintptr_t)&time, short_at = (uintptr_t)&short_one, tiny_at = (uintptr_t)&tiny;
    cr_assert_str_eq(DESCRIBED(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, at),
                     "clock_" SLEEP "(CLOCK_MONOTONIC, 2.5 s)");
    cr_assert_str_eq(DESCRIBED(SYS_clock_nanosleep, CLOCK_REALTIME, TIMER_ABSTIME, at),
                     "clock_" SLEEP "(CLOCK_REALTIME, until 2.5 s)");
    cr_assert_str_eq(DESCRIBED(SYS_clock_nanosleep, 99, 0, short_at),
                     "clock_" SLEEP "(clock 99, 1.5 ms)");
    cr_assert_str_eq(DESCRIBED(SYS_nanosleep, tiny_at), SLEEP "(300 ns)");
    cr_assert_str_eq(DESCRIBED(SYS_ppoll, 0, 0, tiny_at), "ppoll([], 300 ns)");
    cr_assert_str_eq(DESCRIBED(SYS_ppoll, 0, 0, 0), "ppoll([], no timeout)");
    cr_assert_str_eq(DESCRIBED(SYS_futex, 16, 0x80, 1, short_at),
                     "futex(FUTEX_WAIT, 0x10, 1.5 ms)");
    cr_assert_str_eq(DESCRIBED(SYS_futex, 16, 0x189, 2, short_at),
                     "futex(FUTEX_WAIT, 0x10, until 1.5 ms)");
}

Test(syscall, what_points_nowhere_is_told_as_it_is)
{
    cr_assert_str_eq(DESCRIBED(SYS_read, 12345, 0, 10), "read(fd 12345, 10 bytes)");
    cr_assert_str_eq(DESCRIBED(SYS_openat, (uint64_t)AT_FDCWD, 8), "openat(AT_FDCWD, \"\")");
    cr_assert_str_eq(DESCRIBED(SYS_ppoll, 8, 3, 0), "ppoll([3 more], no timeout)");
    cr_assert_str_eq(DESCRIBED(SYS_flock, 12345, LOCK_SH | LOCK_NB), "flock(fd 12345, LOCK_SH)");
    cr_assert_str_eq(DESCRIBED(SYS_flock, 12345, 0), "flock(fd 12345, ?)");
    cr_assert_str_eq(DESCRIBED(SYS_wait4, (uint64_t)-1), "wait4(any child)");
    cr_assert_str_eq(DESCRIBED(SYS_wait4, 77), "wait4(pid 77)");
    cr_assert_str_eq(DESCRIBED(SYS_pselect6, 12), "pselect6(12, no timeout)");
    cr_assert_str_eq(DESCRIBED(SYS_getpid, 0), "getpid()");
    cr_assert_str_eq(DESCRIBED(100000, 0), "syscall 100000");
    cr_assert_str_eq(DESCRIBED(WEFT__NO_SYSCALL, 0), "");
    cr_assert_str_eq(DESCRIBED(WEFT__SYSCALL_UNKNOWN, 0), "");
    cr_assert_str_eq(DESCRIBED(SYS_openat, (uint64_t)AT_FDCWD, (uintptr_t) "/tmp/file"),
                     "openat(AT_FDCWD, \"/tmp/file\")");
}

Test(syscall, a_text_that_is_too_long_ends_early)
{
    struct weft__thread_state state = {.syscall_nr = SYS_flock, .args = {12345, LOCK_EX}};
    char text[11] = "unchanged";
    weft__syscall_describe(&state, text, 0);
    cr_assert_str_eq(text, "unchanged");
    weft__syscall_describe(&state, text, sizeof(text));
    cr_assert_str_eq(text, "flock(fd 1");
}
