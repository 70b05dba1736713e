/* SPDX-License-Identifier: MIT */
/* Listeners: how many connections, and what if accept() fails. test_listener.c has the rest. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <weft/combine.h>
#include <weft/listen.h>

#include "net/listen/listener.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/net.h"
#include "tests/support/server.h"

TestSuite(accept, .init = weft_test_loop_begin, .timeout = 20);

enum { MANY = 40 };

/* ---- The cap ---- */

Test(accept, accepts_no_more_than_the_cap_and_goes_on_below_it)
{
    weft_listener *listener =
        weft_test_listen_with(&(struct weft_listen_options){.max_connections = 3});
    int clients[5];
    for (int i = 0; i < 5; i++)
        clients[i] = weft_test_client(listener);
    weft_test_turn_until_open(listener, 3);
    weft_test_turn();
    cr_assert_eq(test_server.started, 3);
    cr_assert(!event_pending(&listener->sockets[0].event, EV_READ, NULL), "or it would spin");
    for (int i = 0; i < 5; i++) {
        cr_assert(weft_test_client_gets(clients[i], "hello\n"));
        close(clients[i]);
    }
    cr_assert_eq(test_server.started, 5);
    weft_test_turn_until_open(listener, 0);
    weft_listener_free(listener);
    weft_test_loop_end();
}

Test(accept, flood_is_accepted_in_portions)
{
    weft_listener *listener =
        weft_test_listen_with(&(struct weft_listen_options){.backlog = 2 * MANY});
    int clients[MANY];
    for (int i = 0; i < MANY; i++)
        clients[i] = weft_test_client(listener);
    weft_test_poll();
    size_t first = weft_listener_connections(listener);
    cr_assert_gt(first, 0);
    cr_assert_lt(first, MANY);
    weft_test_turn_until_open(listener, MANY);
    for (int i = 0; i < MANY; i++)
        close(clients[i]);
    weft_listener_free(listener);
    weft_test_loop_end();
}

/* ---- Out of descriptors ---- */

static rlim_t limit_descriptors(rlim_t most)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = most;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return before;
}

static int highest_descriptor(void)
{
    int fd = dup(0);
    close(fd);
    return fd;
}

Test(accept, out_of_descriptors_closes_connections_at_once_and_does_not_spin)
{
    weft_listener *listener = weft_test_listen("127.0.0.1:0");
    int clients[4];
    for (int i = 0; i < 4; i++)
        clients[i] = weft_test_client(listener);
    weft_test_turn_until_open(listener, 4);
    int late[2] = {weft_test_client(listener), weft_test_client(listener)};
    rlim_t before = limit_descriptors((rlim_t)highest_descriptor());
    weft_test_count_calls();
    cr_assert(weft_test_client_ends(late[0]));
    cr_assert(weft_test_client_ends(late[1]));
    size_t calls = test_calls.accept4;
    cr_assert_leq(calls, 6, "%zu calls of accept4()", calls);
    weft_test_turn();
    cr_assert_eq(test_calls.accept4, calls);
    cr_assert_eq(test_reports.count, 1);
    cr_assert_eq(test_reports.status, -EMFILE);
    cr_assert_str_eq(test_reports.task, "echo");
    cr_assert_not_null(strstr(test_reports.message, "2 connections closed at once"));

    limit_descriptors(before);
    int last = weft_test_client(listener);
    cr_assert(weft_test_client_gets(last, "hello\n"), "and goes on when there are some");
    for (int i = 0; i < 4; i++)
        close(clients[i]);
    close(late[0]);
    close(late[1]);
    close(last);
    weft_test_turn_until_open(listener, 0);
    weft_listener_free(listener);
    weft_test_loop_end();
}

static int accept_errno;

static int failing_accept(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
    (void)fd;
    (void)address;
    (void)len;
    (void)flags;
    test_calls.accept4++;
    errno = accept_errno;
    return -1;
}

static int no_reserve(void)
{
    errno = EMFILE;
    return -1;
}

static void poll_only(void)
{
    for (int i = 0; i < 10; i++)
        weft_test_poll();
}

Test(accept, lasting_failure_of_accept_makes_it_pause)
{
    int (*accept_before)(int, struct sockaddr *, socklen_t *, int) = weft__sys.accept4;
    int errors[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM};
    for (size_t i = 0; i < 4; i++) {
        weft_listener *listener = weft_test_listen("127.0.0.1:0");
        int client = weft_test_client(listener);
        accept_errno = errors[i];
        test_calls.accept4 = 0;
        test_reports.count = 0;
        weft__sys.accept4 = failing_accept;
        poll_only();
        cr_assert_leq(test_calls.accept4, 2, "then it waits");
        cr_assert_eq(test_reports.count, 1);
        cr_assert_eq(test_reports.status, -errors[i]);
        weft__sys.accept4 = accept_before;
        weft_test_let_time_pass();
        cr_assert(weft_test_client_gets(client, "hello\n"), "and comes back");
        close(client);
        weft_listener_free(listener);
    }
    weft_test_loop_end();
}

Test(accept, pauses_when_even_the_reserve_is_gone)
{
    weft_listener *listener = weft_test_listen("127.0.0.1:0");
    int (*accept_before)(int, struct sockaddr *, socklen_t *, int) = weft__sys.accept4;
    int (*open_before)(void) = weft__sys.open_reserve;
    int client = weft_test_client(listener);
    accept_errno = EMFILE;
    weft__sys.accept4 = failing_accept;
    weft__sys.open_reserve = no_reserve;
    test_calls.accept4 = 0;
    poll_only();
    cr_assert_leq(test_calls.accept4, 2);
    weft__sys.accept4 = accept_before;
    weft__sys.open_reserve = open_before;
    weft_test_let_time_pass();
    cr_assert(weft_test_client_gets(client, "hello\n"));
    close(client);
    weft_listener_free(listener);
    weft_test_loop_end();
}

Test(accept, connection_that_broke_before_it_was_accepted_is_nothing)
{
    weft_listener *listener = weft_test_listen("127.0.0.1:0");
    int (*accept_before)(int, struct sockaddr *, socklen_t *, int) = weft__sys.accept4;
    int client = weft_test_client(listener);
    accept_errno = ECONNABORTED;
    weft__sys.accept4 = failing_accept;
    poll_only();
    weft__sys.accept4 = accept_before;
    cr_assert(weft_test_client_gets(client, "hello\n"));
    cr_assert_eq(test_reports.count, 0);
    close(client);
    weft_listener_free(listener);
    weft_test_loop_end();
}

static void free_listener(weft_loop *loop, const struct weft_error_report *report, void *arg)
{
    (void)loop;
    (void)report;
    weft_listener **listener = arg;
    weft_listener_free(*listener);
    *listener = NULL;
}

Test(accept, error_handler_may_free_it)
{
    weft_listener *listener = weft_test_listen("127.0.0.1:0");
    weft_loop_set_error_handler(test_loop, free_listener, &listener);
    int client = weft_test_client(listener);
    accept_errno = ENOMEM;
    weft__sys.accept4 = failing_accept;
    poll_only();
    cr_assert_null(listener);
    cr_assert(weft_test_client_ends(client));
    close(client);
    weft_test_loop_end();
}

Test(accept, connection_without_memory_is_closed_and_the_next_one_is_served)
{
    weft_listener *listener = weft_test_listen("127.0.0.1:0");
    int warm = weft_test_client(listener); /* what is allocated once, is */
    cr_assert(weft_test_client_gets(warm, "hello\n"));
    bool failed;
    size_t n = 0;
    do {
        int client = weft_test_client(listener);
        weft_test_heap_fail_at(++n);
        weft_test_poll();
        failed = weft_test_heap_failed();
        weft_test_heap_fail_at(0);
        if (failed)
            cr_assert(weft_test_client_ends(client), "allocation %zu", n);
        else
            cr_assert(weft_test_client_gets(client, "hello\n"));
        cr_assert_eq(test_reports.status, failed || n > 1 ? -ENOMEM : 0);
        close(client);
        weft_test_let_time_pass();
        weft_test_turn_until_open(listener, 1);
        int next = weft_test_client(listener);
        cr_assert(weft_test_client_gets(next, "hello\n"), "after allocation %zu", n);
        close(next);
        weft_test_turn_until_open(listener, 1);
    } while (failed);
    cr_assert_geq(n, 3);
    close(warm);
    weft_test_turn_until_open(listener, 0);
    weft_listener_free(listener);
    weft_test_loop_end();
}
