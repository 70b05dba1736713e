/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <weft/combine.h>
#include <weft/connect.h>
#include <weft/listen.h>

#include "net/listen/listener.h"
#include "net/net.h"
#include "tests/support/child.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/net.h"
#include "tests/support/server.h"

TestSuite(listener, .init = weft_test_loop_begin, .timeout = 20);

Test(listener, starts_a_task_for_each_connection_with_the_arguments)
{
    weft_listener *listener = weft_test_listen("127.0.0.1:0");
    cr_assert_gt(weft_listener_port(listener), 0);
    int clients[3];
    for (int i = 0; i < 3; i++)
        clients[i] = weft_test_client(listener);
    for (int i = 0; i < 3; i++) {
        cr_assert(weft_test_client_gets(clients[i], "hello\n"));
        weft_test_send_text(clients[i], "ping\n");
        cr_assert(weft_test_client_gets(clients[i], "ping\n"));
    }
    cr_assert_eq(test_server.started, 3);
    cr_assert_eq(weft_listener_connections(listener), 3);
    for (int i = 0; i < 3; i++) {
        weft_test_send_text(clients[i], "quit\n");
        cr_assert(weft_test_client_gets(clients[i], "quit\n"));
        cr_assert(weft_test_client_ends(clients[i]));
        close(clients[i]);
    }
    weft_test_turn_until_open(listener, 0);
    weft_listener_free(listener);
    weft_test_loop_end();
}

static void check_weft_client(const char *address)
{
    weft_listener *listener = weft_test_listen(address);
    weft_value value = weft_value_ptr(NULL);
    weft_future *connected = weft_connect(weft_listener_address(listener));
    cr_assert_eq(weft_test_run(weft_ref(connected)), 0);
    cr_assert_eq(weft_future_take(connected, &value), 0);
    weft_unref(connected);
    weft_stream *stream = value.ptr;
    cr_assert_str_eq(weft_stream_peer(stream), weft_listener_address(listener));
    cr_assert(weft_test_gives(weft_read_line(stream, 0), "hello\n"));
    cr_assert_eq(weft_write_eof(stream), 0);
    cr_assert(weft_test_gives(weft_read_line(stream, 0), ""));
    weft_stream_free(stream);
    cr_assert_eq(weft_test_run(weft_listener_drain(listener)), 0);
    weft_listener_free(listener);
    weft_test_loop_end();
}

Test(listener, serves_ipv4)
{
    check_weft_client("127.0.0.1:0");
}

Test(listener, serves_ipv6)
{
    check_weft_client("[::1]:0");
}

Test(listener, serves_abstract_unix_sockets)
{
    char address[64];
    snprintf(address, sizeof(address), "unix:@weft-test-%d", (int)getpid());
    check_weft_client(address);
}

Test(listener, file_of_a_unix_socket_goes_when_listening_stops)
{
    char folder[] = "/tmp/weft-test-XXXXXX", address[64];
    struct stat found;
    cr_assert_not_null(mkdtemp(folder));
    snprintf(address, sizeof(address), "unix:%s/sock", folder);
    weft_listener *listener = weft_test_listen(address);
    cr_assert_eq(weft_listener_port(listener), 0);
    cr_assert_str_eq(weft_listener_address(listener), address);
    cr_assert_eq(stat(address + 5, &found), 0);
    cr_assert_null(weft_listen(address, echo));
    cr_assert_eq(errno, EADDRINUSE);
    cr_assert_eq(stat(address + 5, &found), 0, "the file is the first one's");
    weft_listener_stop(listener);
    cr_assert_eq(stat(address + 5, &found), -1);
    weft_listener_free(listener);
    rmdir(folder);
    weft_test_loop_end();
}

static void stop_it(void *listener)
{
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    weft_listener_free(listener);
}

static void end_its_loop(void *listener)
{
    (void)listener;
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    weft_loop_free(test_loop);
}

Test(listener, file_of_a_unix_socket_stays_when_a_forked_child_stops_listening)
{
    char address[64];
    snprintf(address, sizeof(address), "unix:/tmp/weft_listener.%d", (int)getpid());
    weft_listener *listener = weft_test_listen(address);
    weft_test_in_child(stop_it, listener);
    cr_assert_eq(access(address + 5, F_OK), 0);
    weft_test_in_child(end_its_loop, listener);
    cr_assert_eq(access(address + 5, F_OK), 0);
    int client = weft_test_client(listener);
    cr_assert(weft_test_client_gets(client, "hello\n"), "the parent did not notice");
    close(client);
    weft_listener_free(listener);
    cr_assert_neq(access(address + 5, F_OK), 0);
    weft_test_loop_end();
}

Test(listener, star_is_both_protocols_and_two_colons_are_ipv6_alone)
{
    weft_listener *both = weft_test_listen("*:0");
    weft_listener *six = weft_test_listen("[::]:0");
    char address[64];
    snprintf(address, sizeof(address), "127.0.0.1:%d", weft_listener_port(both));
    cr_assert_eq(weft_test_run(weft_connect(address)), 0);
    snprintf(address, sizeof(address), "[::1]:%d", weft_listener_port(both));
    cr_assert_eq(weft_test_run(weft_connect(address)), 0);
    snprintf(address, sizeof(address), "127.0.0.1:%d", weft_listener_port(six));
    cr_assert_eq(weft_test_run(weft_connect(address)), -ECONNREFUSED);
    weft_listener_free(both);
    weft_listener_free(six);
    weft_test_loop_end();
}

Test(listener, port_may_be_shared_on_request_only)
{
    char address[64];
    struct weft_listen_options shared = {.flags = WEFT_LISTEN_REUSE_PORT};
    weft_listener *first = weft_test_listen_with(&shared);
    snprintf(address, sizeof(address), "127.0.0.1:%d", weft_listener_port(first));
    weft_listener *second = weft_listen_with(&shared, address, echo);
    cr_assert_not_null(second);
    cr_assert_null(weft_listen(address, echo));
    cr_assert_eq(errno, EADDRINUSE);
    weft_listener_free(first);
    weft_listener_free(second);
    weft_test_loop_end();
}

Test(listener, bad_addresses_and_options_are_refused)
{
    static const struct weft_stream_limits bad_limits = {.write_low = 2, .write_high = 1};
    static const struct weft_listen_options bad[] = {{.backlog = -1},
                                                     {.close_timeout = -1},
                                                     {.size = 1},
                                                     {.limits = &bad_limits},
                                                     {.flags = (enum weft_listen_flags)64}};
    static const char *const addresses[] = {"", "nonsense", "example.org:0", "1.2.3.4:99999"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        cr_assert_null(weft_listen_with(&bad[i], "127.0.0.1:0", echo));
        cr_assert_eq(errno, EINVAL);
    }
    for (size_t i = 0; i < sizeof(addresses) / sizeof(*addresses); i++) {
        cr_assert_null(weft_listen(addresses[i], echo));
        cr_assert_eq(errno, EINVAL);
    }
    cr_assert_null(weft_listen("203.0.113.1:0", echo));
    cr_assert_eq(errno, EADDRNOTAVAIL);
    weft_test_loop_end();
}

Test(listener, connections_have_no_nagle_and_know_both_addresses)
{
    weft_listener *listener = weft_test_listen("127.0.0.1:0");
    int client = weft_test_client(listener);
    cr_assert(weft_test_client_gets(client, "hello\n"));
    weft_stream *stream = (weft_stream *)(void *)listener->net->streams;
    int nodelay = 0;
    socklen_t len = sizeof(nodelay);
    getsockopt(stream->fd, IPPROTO_TCP, TCP_NODELAY, &nodelay, &len);
    cr_assert(nodelay);
    struct weft__address address = {.len = sizeof(address.u)};
    char text[WEFT__ADDRESS_TEXT];
    getsockname(client, &address.u.any, &address.len);
    cr_assert_str_eq(weft_stream_peer(stream), weft__address_format(&address, text));
    cr_assert_str_eq(weft_stream_local(stream), weft_listener_address(listener));
    close(client);
    weft_listener_free(listener);
    weft_test_loop_end();
}

/* ---- How tasks end ---- */

Test(listener, failure_of_a_task_is_reported_and_closes_the_connection)
{
    weft_listener *listener = weft_test_listen("127.0.0.1:0");
    int client = weft_test_client(listener);
    weft_test_send_text(client, "fail\n");
    cr_assert(weft_test_client_gets(client, "hello\n"));
    cr_assert(weft_test_client_ends(client));
    cr_assert_eq(test_reports.count, 1);
    cr_assert_eq(test_reports.status, -EBADMSG);
    cr_assert_str_eq(test_reports.task, "echo");
    cr_assert_str_eq(test_reports.message, "asked to");
    cr_assert_not_null(strstr(test_reports.spawned_at, "server.c:"));
    close(client);
    weft_listener_free(listener);
    weft_test_loop_end();
}

static size_t pour_through(int how, weft_listener **ret)
{
    static char data[1 << 16];
    *ret = weft_listen("127.0.0.1:0", pour, .how = how);
    int client = weft_test_client(*ret);
    size_t total = 0;
    long got;
    while ((got = weft_test_receive(client, data, sizeof(data))) >= 0) {
        total += (size_t)got;
        if (got == 0) {
            weft_test_poll();
            cr_assert_eq(weft_test_run(weft_sleep(0)), 0);
        }
    }
    close(client);
    return total;
}

Test(listener, what_a_task_wrote_is_sent_after_its_end)
{
    weft_listener *listener;
    cr_assert_eq(pour_through(0, &listener), POURED);
    weft_test_turn_until_open(listener, 0);
    weft_listener_free(listener);
    weft_test_loop_end();
}

Test(listener, close_that_a_task_began_goes_on_after_its_end)
{
    weft_listener *listener;
    cr_assert_eq(pour_through(1, &listener), POURED);
    weft_test_turn_until_open(listener, 0);
    weft_listener_free(listener);
    weft_test_loop_end();
}

Test(listener, task_may_free_its_stream)
{
    weft_listener *listener;
    cr_assert_lt(pour_through(2, &listener), POURED);
    weft_test_turn_until_open(listener, 0);
    weft_listener_free(listener);
    weft_test_loop_end();
}

Test(listener, client_that_never_reads_is_given_up_after_the_timeout)
{
    struct weft_listen_options options = {.close_timeout = WEFT_S(3)};
    weft_listener *listener = weft_listen_with(&options, "127.0.0.1:0", pour);
    weft_ns start = weft_now();
    int client = weft_test_client(listener);
    weft_test_turn_until_open(listener, 1);
    cr_assert_eq(weft_test_run(weft_listener_drain(listener)), 0);
    cr_assert_eq(weft_now() - start, WEFT_S(3));
    cr_assert_eq(test_reports.status, -ETIMEDOUT);
    close(client);
    weft_listener_free(listener);
    weft_test_loop_end();
}

/* ---- The end ---- */

Test(listener, stopped_one_refuses_and_serves_whom_it_has)
{
    weft_listener *listener = weft_test_listen("127.0.0.1:0");
    int client = weft_test_client(listener);
    cr_assert(weft_test_client_gets(client, "hello\n"));
    weft_listener_stop(listener);
    weft_listener_stop(listener);
    int refused = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct weft__address *address = &listener->sockets[0].listening.address;
    cr_assert_eq(connect(refused, &address->u.any, address->len), -1);
    cr_assert_eq(errno, ECONNREFUSED);
    weft_test_send_text(client, "still\n");
    cr_assert(weft_test_client_gets(client, "still\n"));
    close(refused);
    close(client);
    weft_test_turn_until_open(listener, 0);
    weft_listener_free(listener);
    weft_test_loop_end();
}

Test(listener, drain_waits_for_every_connection)
{
    weft_listener *listener = weft_test_listen("127.0.0.1:0");
    int a = weft_test_client(listener), b = weft_test_client(listener);
    cr_assert(weft_test_client_gets(a, "hello\n"));
    cr_assert(weft_test_client_gets(b, "hello\n"));
    weft_future *drain = weft_listener_drain(listener);
    cr_assert_eq(weft_test_ended(weft_listener_drain(listener)), -EBUSY);
    close(a);
    weft_test_turn_until_open(listener, 1);
    cr_assert(!weft_is_done(drain));
    close(b);
    cr_assert_eq(weft_test_run(drain), 0);
    cr_assert_eq(test_server.ended, 2);
    cr_assert_eq(test_server.cancelled, 0);
    cr_assert_eq(weft_test_ended(weft_listener_drain(listener)), 0);
    weft_listener_free(listener);
    weft_test_loop_end();
}

Test(listener, drain_with_a_deadline_and_then_abort)
{
    weft_listener *listener = weft_test_listen("127.0.0.1:0");
    int client = weft_test_client(listener);
    cr_assert(weft_test_client_gets(client, "hello\n"));
    cr_assert_eq(weft_test_run(weft_wait_for(weft_listener_drain(listener), WEFT_S(10))),
                 -ETIMEDOUT);
    cr_assert_eq(test_server.ended, 0);
    weft_listener_abort(listener);
    cr_assert_eq(weft_test_run(weft_listener_drain(listener)), 0);
    cr_assert_eq(test_server.cancelled, 1);
    cr_assert(weft_test_client_ends(client));
    cr_assert_eq(test_reports.count, 0, "a cancel is no failure");
    close(client);
    weft_listener_free(listener);
    weft_test_loop_end();
}

Test(listener, abort_does_not_wait_for_what_is_not_sent)
{
    weft_listener *listener = weft_listen("127.0.0.1:0", pour);
    int client = weft_test_client(listener);
    weft_test_turn_until_open(listener, 1);
    weft_test_turn();
    weft_ns start = weft_now();
    weft_listener_abort(listener);
    cr_assert_eq(weft_test_run(weft_listener_drain(listener)), 0);
    cr_assert_eq(weft_now(), start);
    close(client);
    weft_listener_free(listener);
    weft_test_loop_end();
}

Test(listener, abort_ends_connections_whose_task_never_started)
{
    weft_listener *listener = weft_test_listen("127.0.0.1:0");
    int client = weft_test_client(listener);
    weft_test_poll();
    cr_assert_eq(weft_listener_connections(listener), 1);
    weft_listener_abort(listener);
    cr_assert_eq(weft_test_run(weft_listener_drain(listener)), 0);
    cr_assert_eq(test_server.started, 0);
    cr_assert(weft_test_client_ends(client));
    close(client);
    weft_listener_free(listener);
    weft_test_loop_end();
}

Test(listener, freeing_it_cancels_its_tasks_and_its_drain)
{
    weft_listener *listener = weft_test_listen("127.0.0.1:0");
    int client = weft_test_client(listener);
    cr_assert(weft_test_client_gets(client, "hello\n"));
    weft_future *drain = weft_listener_drain(listener);
    weft_listener_free(listener);
    cr_assert_eq(weft_test_ended(drain), WEFT_ECLOSED);
    cr_assert(weft_test_client_ends(client));
    cr_assert_eq(test_server.cancelled, 1);
    close(client);
    weft_test_loop_end();
}

struct suicide {
    WEFT_FRAME;
    weft_stream *stream;
    weft_listener **listener;
};

static WEFT_ASYNC(suicide)
{
    WEFT_BEGIN;
    weft_listener_free(*self->listener);
    WEFT_AWAIT(weft_sleep(WEFT_S(1000)));
    WEFT_END;
}

Test(listener, task_may_free_its_listener)
{
    static weft_listener *listener;
    listener = weft_listen("127.0.0.1:0", suicide, .listener = &listener);
    int client = weft_test_client(listener);
    cr_assert(weft_test_client_ends(client));
    cr_assert_lt(weft_now(), WEFT_S(1000), "the task was cancelled");
    close(client);
    weft_test_loop_end();
}

Test(listener, end_of_the_loop_ends_it_with_everything)
{
    weft_listener *listener = weft_test_listen("127.0.0.1:0");
    int client = weft_test_client(listener), late = weft_test_client(listener);
    cr_assert(weft_test_client_gets(client, "hello\n"));
    cr_assert(weft_test_client_gets(late, "hello\n"));
    weft_future *drain = weft_listener_drain(listener);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(weft_test_ended(drain), -ECANCELED);
    cr_assert_eq(test_server.cancelled, 2);
    close(client);
    close(late);
    cr_assert_null(weft_listen("127.0.0.1:0", echo));
    cr_assert_eq(errno, ESHUTDOWN);
    weft_test_loop_end();
}

Test(listener, connection_that_comes_while_the_loop_ends_is_not_served)
{
    weft_listener *listener = weft_test_listen("127.0.0.1:0");
    int client = weft_test_client(listener);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert(weft_test_client_ends(client));
    cr_assert_eq(test_server.started, 0);
    cr_assert_eq(listener->sockets[0].listening.fd, -1);
    close(client);
    weft_test_loop_end();
}

/* ---- Out of memory ---- */

Test(listener, listening_without_memory_fails_and_leaves_nothing)
{
    weft_listener *listener;
    size_t n = 0;
    do {
        weft_test_heap_fail_at(++n);
        listener = weft_listen("127.0.0.1:0", echo);
        cr_assert(listener || errno == ENOMEM);
        cr_assert(listener || weft_test_heap_failed());
    } while (!listener);
    cr_assert_geq(n, 3);
    weft_listener_free(listener);
    weft_test_loop_end();
}
