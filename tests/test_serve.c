/* SPDX-License-Identifier: MIT */
/* weft_serve(). Its clients are on a thread that is started when all loops accept. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <weft/serve.h>
#include <weft/weft.h>

#include "core/sys.h"
#include "net/resolve/address.h"
#include "tests/support/fixture.h"
#include "tests/support/heap.h"

static struct weft_test_census before;
static FILE *errors; /* what was printed to stderr */
static char printed[4096];

static void begin(void)
{
    weft_test_heap_install();
    errors = tmpfile();
    cr_assert_not_null(errors);
    before = weft_test_take_census();
}

TestSuite(serve, .init = begin, .timeout = 60);

static void end(void)
{
    cr_assert_eq(weft_test_heap_live(), 0, "%zu blocks of memory are left", weft_test_heap_live());
    weft_test_assert_nothing_left(before);
}

/* ---- Server and clients ---- */

/* What clients do, on their thread. */
static void (*clients_do)(void);
static pthread_t clients;
static char address_text[WEFT__ADDRESS_TEXT];
static struct weft__address_spec address;
static atomic_uint served, indices, ready_calls;

/* The job of each connection, if they have one: on which thread it ran, for each loop. */
static bool has_jobs;
static pthread_t workers[2];

struct work {
    int loop;
};

static WEFT_BLOCKING(work)
{
    workers[self->loop] = pthread_self();
    return weft_ok(0);
}

/* Greets, and stays until its client goes; "stop" stops the server. */
struct greet {
    WEFT_FRAME;
    weft_stream *stream;
    const char *greeting;
    weft_bytes *line;
};

static WEFT_ASYNC(greet)
{
    WEFT_BEGIN;
    atomic_fetch_or(&indices, 1u << weft_run_loops_index());
    atomic_fetch_add(&served, 1);
    if (has_jobs)
        WEFT_AWAIT(weft_to_thread(work, .loop = weft_run_loops_index()));
    weft_write(self->stream, self->greeting, strlen(self->greeting));
    WEFT_AWAIT_INTO(self->line, weft_read_line(self->stream, 0));
    if (!strcmp(self->line->data, "stop\n"))
        weft_run_loops_stop();
    WEFT_FINALLY;
    weft_bytes_free(self->line);
    WEFT_END;
}

static void *run_clients(void *arg)
{
    (void)arg;
    clients_do();
    return NULL;
}

static void start_clients(weft_listener *listener, void *arg)
{
    (void)arg;
    atomic_fetch_add(&ready_calls, 1);
    snprintf(address_text, sizeof(address_text), "%s", weft_listener_address(listener));
    cr_assert_eq(weft__address_parse(address_text, &address), 0);
    if (clients_do)
        cr_assert_eq(pthread_create(&clients, NULL, run_clients, NULL), 0);
    else
        weft_run_loops_stop();
}

/* Serve while the clients do what they do; `options` may have all but the way to start them. */
static int serve_clients(const char *addresses, struct weft_serve_options options,
                         void (*what)(void))
{
    clients_do = what;
    options.ready = start_clients;
    if (!options.loops)
        options.loops = 2;
    int saved = dup(STDERR_FILENO);
    cr_assert_geq(dup2(fileno(errors), STDERR_FILENO), 0);
    int status = weft_serve(&options, addresses, greet, .greeting = "hello\n");
    cr_assert_geq(dup2(saved, STDERR_FILENO), 0);
    close(saved);
    rewind(errors);
    size_t length = fread(printed, 1, sizeof(printed) - 1, errors);
    printed[length] = 0;
    if (what && ready_calls)
        pthread_join(clients, NULL);
    return status;
}

static int try_to_connect(void)
{
    int fd = socket(address.address.u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, &address.address.u.any, address.address.len) == 0)
        return fd;
    int status = -errno;
    close(fd);
    return status;
}

static int connect_and_be_greeted(void)
{
    char greeting[6];
    int fd = try_to_connect();
    cr_assert_geq(fd, 0, "%s", strerror(-fd));
    cr_assert_eq(recv(fd, greeting, 6, MSG_WAITALL), 6);
    cr_assert_eq(memcmp(greeting, "hello\n", 6), 0);
    return fd;
}

static void terminate(void)
{
    cr_assert_eq(kill(getpid(), SIGTERM), 0);
}

/* Loops stop one by one. One that comes in between is ended or reset, and says nothing. */
static void wait_until_refused(void)
{
    int fd;
    while ((fd = try_to_connect()) != -ECONNREFUSED) {
        cr_assert(fd >= 0 || fd == -ECONNRESET, "%s", strerror(-fd));
        if (fd >= 0)
            close(fd);
    }
}

/* ---- Serving ---- */

enum { MANY = 64 };

static void come_and_go(void)
{
    int fds[MANY];
    for (int i = 0; i < MANY; i++)
        fds[i] = connect_and_be_greeted();
    for (int i = 0; i < MANY; i++)
        close(fds[i]);
    terminate();
}

Test(serve, connections_are_spread_among_the_loops)
{
    struct weft_serve_options options = {.loops = 2};
    cr_assert_eq(serve_clients("127.0.0.1:0", options, come_and_go), 0, "%s", printed);
    cr_assert_eq(served, MANY);
    cr_assert_eq(indices, 3, "or the kernel has chosen one of two 64 times");
    cr_assert_eq(ready_calls, 1);
    end();
}

Test(serve, one_loop_shares_no_port)
{
    struct weft_serve_options options = {.loops = 1};
    cr_assert_eq(serve_clients("127.0.0.1:0", options, come_and_go), 0);
    cr_assert_eq(served, MANY);
    end();
}

static char folder[] = "/tmp/weft-test-XXXXXX";

static bool is_there(const char *path)
{
    struct stat found;
    return stat(path, &found) == 0;
}

Test(serve, loops_share_a_unix_socket)
{
    char name[64];
    cr_assert_not_null(mkdtemp(folder));
    snprintf(name, sizeof(name), "unix:%s/sock", folder);
    cr_assert_eq(serve_clients(name, (struct weft_serve_options){0}, come_and_go), 0);
    cr_assert_eq(served, MANY);
    cr_assert(!is_there(name + 5));
    rmdir(folder);
    end();
}

Test(serve, loops_share_a_socket_from_outside)
{
    char name[64];
    struct weft__address own;
    weft__address_set_loopback(&own, AF_INET, 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, &own.u.any, own.len), 0);
    cr_assert_eq(listen(fd, MANY), 0);
    snprintf(name, sizeof(name), "fd:%d", fd);
    cr_assert_eq(serve_clients(name, (struct weft_serve_options){0}, come_and_go), 0);
    cr_assert_eq(served, MANY);
    close(fd);
    end();
}

/* ---- Jobs ---- */

Test(serve, loops_may_share_a_pool)
{
    struct weft_pool_options one = {.max_threads = 1};
    weft_pool *pool = weft_pool_new(&one);
    struct weft_serve_options options = {.loops = 2, .pool = pool};
    has_jobs = true;
    cr_assert_eq(serve_clients("127.0.0.1:0", options, come_and_go), 0, "%s", printed);
    cr_assert_eq(indices, 3);
    cr_assert(pthread_equal(workers[0], workers[1]));
    weft_pool_unref(pool);
    end();
}

static int run_without_a_pool(void)
{
    weft_pool *pool = weft_pool_new(NULL);
    struct weft_serve_options options = {.loops = 1, .pool = pool};
    int status = serve_clients("127.0.0.1:0", options, NULL);
    weft_pool_unref(pool);
    return status;
}

Test(serve, pool_that_cannot_be_used_ends_all)
{
    bool failed = true;
    for (size_t n = 1; failed; n++) { /* without a pool, each loop would make its own */
        weft_test_heap_fail_at(n);
        int status = run_without_a_pool();
        failed = weft_test_heap_failed();
        weft_test_heap_fail_at(0);
        cr_assert(status == 0 || (failed && status == 1), "allocation %zu: %d", n, status);
    }
    end();
}

/* ---- The end ---- */

static void leave_late(void)
{
    int fd = connect_and_be_greeted();
    terminate();
    wait_until_refused();
    close(fd);
}

Test(serve, signal_stops_accepting_and_waits_for_the_connections)
{
    struct weft_serve_options options = {.grace = WEFT_FOREVER};
    cr_assert_eq(serve_clients("127.0.0.1:0", options, leave_late), 0, "%s", printed);
    end();
}

static void expect_the_end(int fd)
{
    char byte;
    ssize_t got = recv(fd, &byte, 1, 0);
    cr_assert(got == 0 || (got < 0 && errno == ECONNRESET));
    close(fd);
}

static void never_leave(void)
{
    int fd = connect_and_be_greeted();
    terminate();
    expect_the_end(fd);
}

Test(serve, grace_is_limited)
{
    struct weft_serve_options options = {.grace = WEFT_MS(1)};
    cr_assert_eq(serve_clients("127.0.0.1:0", options, never_leave), 1);
    cr_assert_not_null(strstr(printed, "1 connections had to be aborted"), "%s", printed);
    end();
}

static void interrupt_twice(void)
{
    int fd = connect_and_be_greeted();
    terminate();
    wait_until_refused();
    cr_assert_eq(kill(getpid(), SIGINT), 0);
    expect_the_end(fd);
}

Test(serve, second_signal_aborts)
{
    struct weft_serve_options options = {.grace = WEFT_FOREVER};
    cr_assert_eq(serve_clients("127.0.0.1:0", options, interrupt_twice), 1);
    cr_assert_not_null(strstr(printed, "had to be aborted"), "%s", printed);
    end();
}

static void say_stop(void)
{
    int fd = connect_and_be_greeted();
    cr_assert_eq(send(fd, "stop\n", 5, MSG_NOSIGNAL), 5);
    expect_the_end(fd);
}

Test(serve, handler_may_stop_all)
{
    cr_assert_eq(serve_clients("127.0.0.1:0", (struct weft_serve_options){0}, say_stop), 0);
    end();
}

Test(serve, may_be_stopped_when_it_is_ready)
{
    cr_assert_eq(serve_clients("127.0.0.1:0", (struct weft_serve_options){.loops = 3}, NULL), 0);
    cr_assert_eq(ready_calls, 1);
    end();
}

/* ---- The service manager ---- */

Test(serve, service_manager_is_told_once)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    char told[64] = "";
    snprintf(to.sun_path, sizeof(to.sun_path), "@weft-serve-%d", (int)getpid());
    setenv("NOTIFY_SOCKET", to.sun_path, 1);
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(to.sun_path));
    to.sun_path[0] = 0;
    int manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    cr_assert_eq(bind(manager, (struct sockaddr *)&to, len), 0);
    cr_assert_eq(serve_clients("127.0.0.1:0", (struct weft_serve_options){.loops = 3}, NULL), 0);
    cr_assert_eq(recv(manager, told, sizeof(told), 0), 7);
    cr_assert_eq(memcmp(told, "READY=1", 7), 0);
    cr_assert_eq(recv(manager, told, sizeof(told), 0), 10);
    cr_assert_eq(memcmp(told, "STOPPING=1", 10), 0);
    cr_assert_eq(recv(manager, told, sizeof(told), 0), -1);
    close(manager);
    end();
}

/* ---- What cannot be had ---- */

Test(serve, address_that_is_taken_is_named_and_nothing_runs)
{
    struct weft__address own;
    char list[160], *text = list + sizeof("127.0.0.1:0, ") - 1;
    struct sockaddr_in bound;
    socklen_t len = sizeof(bound);
    weft__address_set_loopback(&own, AF_INET, 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, &own.u.any, own.len), 0);
    cr_assert_eq(listen(fd, 1), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&bound, &len), 0);
    snprintf(list, sizeof(list), "127.0.0.1:0, 127.0.0.1:%d", ntohs(bound.sin_port));
    cr_assert_eq(serve_clients(list, (struct weft_serve_options){0}, come_and_go), 1);
    char expected[200];
    snprintf(expected, sizeof(expected), "cannot serve greet on %s: Address already in use", text);
    cr_assert_not_null(strstr(printed, expected), "%s", printed);
    cr_assert_eq(ready_calls, 0);
    close(fd);
    end();
}

Test(serve, socket_of_a_later_loop_that_cannot_be_had_ends_all)
{
    weft__sys_fail("bind", 2, EACCES);
    cr_assert_eq(serve_clients("127.0.0.1:0", (struct weft_serve_options){0}, come_and_go), 1);
    cr_assert_not_null(strstr(printed, "on 127.0.0.1:"), "%s", printed);
    cr_assert_not_null(strstr(printed, "Permission denied"), "%s", printed);
    end();
}

Test(serve, loop_that_cannot_accept_ends_all)
{
    for (unsigned n = 1; n <= 2; n++) {
        weft__sys_fail("open_reserve", n, EMFILE);
        cr_assert_eq(serve_clients("127.0.0.1:0", (struct weft_serve_options){0}, come_and_go), 1);
        cr_assert_not_null(strstr(printed, "cannot accept connections"), "%s", printed);
        cr_assert_eq(ready_calls, 0);
    }
    end();
}

Test(serve, bad_options_and_addresses_are_refused)
{
    static const struct weft_listen_options bad_listen = {.backlog = -1};
    static const struct weft_serve_options bad[] = {{.size = 1},
                                                    {.grace = -1},
                                                    {.loops = WEFT_RUN_LOOPS_MOST + 1},
                                                    {.flags = (enum weft_run_loops_flags)64},
                                                    {.listen = &bad_listen}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        cr_assert_eq(serve_clients("127.0.0.1:0", bad[i], NULL), 1, "%zu", i);
    cr_assert_eq(serve_clients("nonsense", (struct weft_serve_options){0}, NULL), 1);
    cr_assert_not_null(strstr(printed, "on nonsense: Invalid argument"), "%s", printed);
    cr_assert_eq(serve_clients(NULL, (struct weft_serve_options){0}, NULL), 1);
    cr_assert_eq(ready_calls, 0);
    end();
}

Test(serve, survives_every_lack_of_memory)
{
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        weft_test_heap_fail_at(n);
        int status = serve_clients("127.0.0.1:0", (struct weft_serve_options){0}, NULL);
        failed = weft_test_heap_failed();
        weft_test_heap_fail_at(0);
        cr_assert(status == 0 || (failed && status == 1), "allocation %zu: %d", n, status);
    }
    end();
}
