/* SPDX-License-Identifier: MIT */
/* Listeners on several addresses, and on sockets that come from outside. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weft/combine.h>
#include <weft/listen.h>

#include "net/listen/listener.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/net.h"
#include "tests/support/server.h"

TestSuite(listen_many, .init = weft_test_loop_begin, .timeout = 20);

static char folder[] = "/tmp/weft-test-XXXXXX", file[64];

/* "127.0.0.1:0, [::1]:0, unix:FILE" */
static const char *three_addresses(void)
{
    static char addresses[160];
    cr_assert_not_null(mkdtemp(folder));
    snprintf(file, sizeof(file), "%s/sock", folder);
    snprintf(addresses, sizeof(addresses), "127.0.0.1:0, [::1]:0,unix:%s", file);
    return addresses;
}

static bool is_there(const char *path)
{
    struct stat found;
    return stat(path, &found) == 0;
}

Test(listen_many, serves_all_addresses_of_a_list)
{
    weft_listener *listener = weft_test_listen(three_addresses());
    int clients[3];
    for (size_t i = 0; i < 3; i++) {
        clients[i] = weft_test_client_at(listener, i);
        cr_assert(weft_test_client_gets(clients[i], "hello\n"));
    }
    cr_assert_eq(weft_listener_connections(listener), 3);
    cr_assert_str_eq(weft_listener_address_at(listener, 0), weft_listener_address(listener));
    cr_assert_eq(strncmp(weft_listener_address_at(listener, 1), "[::1]:", 6), 0);
    cr_assert_str_eq(weft_listener_address_at(listener, 2) + 5, file);
    cr_assert_null(weft_listener_address_at(listener, 3));
    weft_listener_stop(listener);
    cr_assert(!is_there(file));
    for (int i = 0; i < 3; i++)
        close(clients[i]);
    cr_assert_eq(weft_test_run(weft_listener_drain(listener)), 0);
    weft_listener_free(listener);
    rmdir(folder);
    weft_test_loop_end();
}

Test(listen_many, listens_on_all_or_on_none)
{
    weft_listener *taken = weft_test_listen("127.0.0.1:0");
    char addresses[200];
    three_addresses();
    snprintf(addresses, sizeof(addresses), "[::1]:0,unix:%s,%s", file,
             weft_listener_address(taken));
    cr_assert_null(weft_listen(addresses, echo));
    cr_assert_eq(errno, EADDRINUSE);
    cr_assert(!is_there(file), "what was had is given back");
    weft_listener_free(taken);
    rmdir(folder);
    weft_test_loop_end();
}

Test(listen_many, malformed_lists_are_refused)
{
    static const char *const bad[] = {",",
                                      "127.0.0.1:0,",
                                      ",127.0.0.1:0",
                                      "127.0.0.1:0,,[::1]:0",
                                      "127.0.0.1:0 [::1]:0",
                                      "127.0.0.1:0 ,[::1]:0",
                                      " ",
                                      "fd:"};
    static char endless[1000];
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        cr_assert_null(weft_listen(bad[i], echo), "'%s'", bad[i]);
        cr_assert_eq(errno, EINVAL, "'%s': %s", bad[i], strerror(errno));
    }
    memset(endless, 'x', sizeof(endless) - 1);
    cr_assert_null(weft_listen(endless, echo));
    cr_assert_eq(errno, EINVAL);
    cr_assert_null(weft_listen(NULL, echo));
    cr_assert_eq(errno, EINVAL);
    weft_test_loop_end();
}

Test(listen_many, cap_counts_the_connections_of_all_addresses)
{
    struct weft_listen_options options = {.max_connections = 3};
    weft_listener *listener =
        weft_listen_with(&options, "127.0.0.1:0,[::1]:0", echo, .greeting = "hello\n");
    int clients[6];
    for (size_t i = 0; i < 6; i++)
        clients[i] = weft_test_client_at(listener, i % 2);
    weft_test_turn_until_open(listener, 3);
    weft_test_turn();
    cr_assert_eq(test_server.started, 3);
    for (size_t i = 0; i < 2; i++)
        cr_assert(!event_pending(&listener->sockets[i].event, EV_READ, NULL), "or it would spin");
    for (int i = 0; i < 6; i++) /* each lets in the next one, of whichever address */
        close(clients[i]);
    while (test_server.ended < 6)
        weft_test_turn();
    weft_test_turn_until_open(listener, 0);
    struct weft_listener_stats stats;
    weft_listener_get_stats(listener, &stats);
    cr_assert_eq(stats.accepted, 6);
    cr_assert_eq(stats.most, 3);
    cr_assert_eq(stats.connections, 0);
    weft_listener_free(listener);
    weft_test_loop_end();
}

Test(listen_many, abort_and_drain_are_for_the_connections_of_all_addresses)
{
    weft_listener *listener = weft_test_listen("127.0.0.1:0,[::1]:0");
    int clients[2];
    for (size_t i = 0; i < 2; i++) {
        clients[i] = weft_test_client_at(listener, i);
        cr_assert(weft_test_client_gets(clients[i], "hello\n"));
    }
    weft_future *drain = weft_wait_for(weft_listener_drain(listener), WEFT_S(10));
    cr_assert_eq(weft_test_run(drain), -ETIMEDOUT);
    weft_listener_abort(listener);
    cr_assert_eq(weft_test_run(weft_listener_drain(listener)), 0);
    cr_assert_eq(test_server.cancelled, 2);
    for (int i = 0; i < 2; i++) {
        cr_assert(weft_test_client_ends(clients[i]));
        close(clients[i]);
    }
    weft_listener_free(listener);
    weft_test_loop_end();
}

static int (*real_accept4)(int, struct sockaddr *, socklen_t *, int);
static size_t shortages;

/* Out of descriptors, as often as asked for. */
static int scarce_accept(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
    if (!shortages)
        return real_accept4(fd, address, len, flags);
    shortages--;
    errno = EMFILE;
    return -1;
}

Test(listen_many, reserve_is_for_all_addresses_and_the_report_says_so)
{
    weft_listener *listener = weft_test_listen("127.0.0.1:0,[::1]:0");
    real_accept4 = weft__sys.accept4;
    weft__sys.accept4 = scarce_accept;
    for (size_t i = 0; i < 2; i++) {
        int client = weft_test_client_at(listener, i);
        shortages = 1;
        cr_assert(weft_test_client_ends(client));
        close(client);
        weft_test_let_time_pass();
    }
    struct weft_listener_stats stats;
    weft_listener_get_stats(listener, &stats);
    cr_assert_eq(stats.dropped, 2);
    cr_assert_eq(stats.accepted, 0);
    cr_assert_eq(test_reports.count, 2);
    cr_assert_not_null(strstr(test_reports.message, " and 1 more, 1 connections closed at once"),
                       "%s", test_reports.message);
    weft_listener_free(listener);
    weft_test_loop_end();
}

Test(listen_many, failure_of_an_event_leaves_nothing)
{
    three_addresses();
    for (unsigned n = 1; n <= 2; n++) {
        char addresses[160];
        snprintf(addresses, sizeof(addresses), "unix:%s,[::1]:0", file);
        weft__sys_fail("event_add", n, ENOMEM);
        cr_assert_null(weft_listen(addresses, echo));
        cr_assert_eq(errno, ENOMEM);
        cr_assert(!is_there(file));
    }
    weft__sys_fail("open_reserve", 1, EMFILE);
    cr_assert_null(weft_listen("127.0.0.1:0", echo));
    cr_assert_eq(errno, EMFILE);
    rmdir(folder);
    weft_test_loop_end();
}

Test(listen_many, listening_on_a_list_without_memory_fails_and_leaves_nothing)
{
    const char *addresses = three_addresses();
    weft_listener *listener;
    size_t n = 0;
    do {
        weft_test_heap_fail_at(++n);
        listener = weft_listen(addresses, echo);
        cr_assert(listener || (errno == ENOMEM && weft_test_heap_failed()));
        cr_assert_eq(is_there(file), listener != NULL);
    } while (!listener);
    cr_assert_geq(n, 5);
    weft_listener_free(listener);
    rmdir(folder);
    weft_test_loop_end();
}

/* ---- Sockets from outside ---- */

static int listening_socket(int backlog)
{
    struct weft__address address;
    weft__address_set_loopback(&address, AF_INET, 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, &address.u.any, address.len), 0);
    cr_assert(!backlog || listen(fd, backlog) == 0);
    return fd;
}

static weft_listener *listen_on_fd(int fd)
{
    char address[32];
    snprintf(address, sizeof(address), "fd:%d", fd);
    return weft_listen(address, echo, .greeting = "hello\n");
}

Test(listen_many, socket_from_outside_is_served_and_stays_its_owners)
{
    int fd = listening_socket(8);
    weft_listener *listener = listen_on_fd(fd);
    cr_assert_not_null(listener, "%s", strerror(errno));
    cr_assert_gt(weft_listener_port(listener), 0);
    int client = weft_test_client(listener);
    cr_assert(weft_test_client_gets(client, "hello\n"));
    weft_listener_stop(listener);
    int late = weft_test_client(listener);
    close(client);
    cr_assert_eq(weft_test_run(weft_listener_drain(listener)), 0);
    weft_listener_free(listener);

    weft_listener *next = listen_on_fd(fd);
    cr_assert(weft_test_client_gets(late, "hello\n"), "it waited for the next one");
    close(late);
    weft_test_turn_until_open(next, 0);
    weft_listener_free(next);
    close(fd);
    weft_test_loop_end();
}

Test(listen_many, owner_may_close_its_descriptor)
{
    int fd = listening_socket(8);
    weft_listener *listener = listen_on_fd(fd);
    close(fd);
    int client = weft_test_client(listener);
    cr_assert(weft_test_client_gets(client, "hello\n"));
    close(client);
    weft_test_turn_until_open(listener, 0);
    weft_listener_free(listener);
    weft_test_loop_end();
}

Test(listen_many, file_of_a_unix_socket_from_outside_stays)
{
    three_addresses();
    struct weft__address_spec spec;
    char address[80];
    snprintf(address, sizeof(address), "unix:%s", file);
    cr_assert_eq(weft__address_parse(address, &spec), 0);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, &spec.address.u.any, spec.address.len), 0);
    cr_assert_eq(listen(fd, 8), 0);
    weft_listener *listener = listen_on_fd(fd);
    cr_assert_str_eq(weft_listener_address(listener), address);
    weft_listener_free(listener);
    cr_assert(is_there(file));
    close(fd);
    unlink(file);
    rmdir(folder);
    weft_test_loop_end();
}

Test(listen_many, what_does_not_listen_is_refused)
{
    int silent = listening_socket(0), datagrams = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int pair[2];
    cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int bad[] = {silent, datagrams, pair[0], null};
    for (size_t i = 0; i < 4; i++) {
        cr_assert_null(listen_on_fd(bad[i]));
        cr_assert_eq(errno, EINVAL, "%zu: %s", i, strerror(errno));
        close(bad[i]);
    }
    close(pair[1]);
    cr_assert_null(listen_on_fd(null));
    cr_assert_eq(errno, EBADF, "%s", strerror(errno));
    static const char *const addresses[] = {"fd:9999999999", "fd:99999999999999999999999"};
    for (size_t i = 0; i < 2; i++) {
        cr_assert_null(weft_listen(addresses[i], echo));
        cr_assert_eq(errno, EBADF);
    }
    cr_assert_null(weft_listen("fd:web", echo));
    cr_assert_eq(errno, ENOENT, "nothing was passed");
    cr_assert_null(weft_listen("fd:-1", echo));
    cr_assert_eq(errno, ENOENT, "it is a name");
    weft_test_loop_end();
}

/* ---- Statistics ---- */

Test(listen_many, statistics_count_failed_tasks)
{
    weft_listener *listener = weft_test_listen("127.0.0.1:0");
    struct weft_listener_stats stats;
    weft_listener_get_stats(listener, &stats);
    cr_assert_eq(stats.accepted, 0);
    cr_assert_null(stats.last_refusal);
    int client = weft_test_client(listener), other = weft_test_client(listener);
    weft_test_send_text(client, "fail\n");
    cr_assert(weft_test_client_gets(client, "hello\n"));
    cr_assert(weft_test_client_ends(client));
    cr_assert(weft_test_client_gets(other, "hello\n"));
    weft_listener_get_stats(listener, &stats);
    cr_assert_eq(stats.connections, 1);
    cr_assert_eq(stats.most, 2);
    cr_assert_eq(stats.accepted, 2);
    cr_assert_eq(stats.failed, 1);
    cr_assert_eq(stats.refused, 0);
    close(client);
    close(other);
    weft_test_turn_until_open(listener, 0);
    weft_listener_free(listener);
    weft_test_loop_end();
}
