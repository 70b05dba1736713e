/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/combine.h>
#include <weft/connect.h>
#include <weft/listen.h>
#include <weft/resolve.h>

#include "core/loop.h"
#include "tests/support/gate.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/names.h"
#include "tests/support/net.h"
#include "tests/support/trace.h"

TestSuite(connect, .init = weft_test_loop_begin, .timeout = 20);

static char target[128];

/* A plain listening socket; its address in `target`. */
static int listen_plainly(int family)
{
    struct weft__address address;
    weft__address_set_loopback(&address, family, 0);
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(fd, &address.u.any, address.len), 0);
    cr_assert_eq(listen(fd, 8), 0);
    cr_assert_eq(getsockname(fd, &address.u.any, &address.len), 0);
    weft__address_format(&address, target);
    return fd;
}

/* A port of 127.0.0.1 and ::1 on which nobody listens. */
static void find_free_port(void)
{
    close(listen_plainly(AF_INET));
}

static weft_stream *connected(const char *address)
{
    weft_value value = weft_value_ptr(NULL);
    weft_future *connect = weft_connect(address);
    int status = weft_test_run(weft_ref(connect));
    cr_assert_eq(status, 0, "%s: %s", address, weft_message(connect));
    cr_assert_eq(weft_future_take(connect, &value), 0);
    weft_unref(connect);
    return value.ptr;
}

static void check_connection(int listening)
{
    weft_stream *stream = connected(target);
    int peer = accept(listening, NULL, NULL);
    cr_assert_str_eq(weft_stream_peer(stream), target);
    cr_assert_str_neq(weft_stream_local(stream), target);
    cr_assert_eq(strncmp(weft_stream_local(stream), target, 4), 0);
    int nodelay = 0;
    socklen_t len = sizeof(nodelay);
    getsockopt(stream->fd, IPPROTO_TCP, TCP_NODELAY, &nodelay, &len);
    cr_assert(nodelay);
    weft_test_send_text(peer, "hello\n");
    cr_assert(weft_test_gives(weft_read_line(stream, 0), "hello\n"));
    weft_stream_free(stream);
    close(peer);
    close(listening);
    weft_test_loop_end();
}

Test(connect, reaches_ipv4)
{
    check_connection(listen_plainly(AF_INET));
}

Test(connect, reaches_ipv6)
{
    check_connection(listen_plainly(AF_INET6));
}

Test(connect, reset_comes_after_the_bytes_before_it)
{
    int listening = listen_plainly(AF_INET);
    weft_stream *stream = connected(target);
    int peer = accept(listening, NULL, NULL);
    weft_test_send_text(peer, "last words\n");
    cr_assert(weft_test_gives(weft_read_until(stream, "last", 4, 0), "last"));
    struct linger reset = {.l_onoff = 1};
    setsockopt(peer, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(peer);
    cr_assert(weft_test_gives(weft_read_line(stream, 0), " words\n"));
    char byte;
    cr_assert_eq(weft_test_count(weft_read(stream, &byte, 1)), -ECONNRESET);
    weft_stream_free(stream);
    close(listening);
    weft_test_loop_end();
}

Test(connect, localhost_is_ipv4_and_then_ipv6)
{
    char localhost[64];
    int listening = listen_plainly(AF_INET6);
    snprintf(localhost, sizeof(localhost), "localhost%s", strrchr(target, ':'));
    weft_stream *stream = connected(localhost);
    cr_assert_str_eq(weft_stream_peer(stream), target);
    weft_stream_free(stream);
    close(listening);

    listening = listen_plainly(AF_INET);
    snprintf(localhost, sizeof(localhost), "localhost%s", strrchr(target, ':'));
    stream = connected(localhost);
    cr_assert_str_eq(weft_stream_peer(stream), target);
    weft_stream_free(stream);
    close(listening);
    weft_test_loop_end();
}

static int failing_connect(int fd, const struct sockaddr *address, socklen_t len)
{
    (void)fd;
    (void)len;
    errno = address->sa_family == AF_INET ? EHOSTUNREACH : ENETUNREACH;
    return -1;
}

Test(connect, failure_names_every_attempt)
{
    weft__sys.connect = failing_connect;
    weft_future *connect = weft_ref(weft_connect("localhost:81"));
    cr_assert_eq(weft_test_run(connect), -ENETUNREACH);
    cr_assert_str_eq(weft_message(connect),
                     "cannot connect to localhost:81 (127.0.0.1:81: No route to host; "
                     "[::1]:81: Network is unreachable)");
    weft_unref(connect);
    weft_test_loop_end();
}

Test(connect, refusal_is_a_failure_with_the_address)
{
    find_free_port();
    weft_future *connect = weft_ref(weft_connect(target));
    cr_assert_eq(weft_test_run(connect), -ECONNREFUSED);
    cr_assert_not_null(strstr(weft_message(connect), "Connection refused"));
    cr_assert_not_null(strstr(weft_message(connect), target));
    weft_unref(connect);
    weft_test_loop_end();
}

Test(connect, what_is_no_address_is_refused)
{
    cr_assert_eq(weft_test_ended(weft_connect("nonsense")), -EINVAL);
    cr_assert_eq(weft_test_ended(weft_connect("*:80")), -EINVAL);
    cr_assert_eq(weft_test_ended(weft_connect("fd:3")), -EINVAL);
    cr_assert_eq(weft_test_ended(weft_connect(NULL)), -EINVAL);
    weft_test_loop_end();
}

Test(connect, needs_a_loop)
{
    weft_loop_free(test_loop);
    test_loop = NULL;
    cr_assert_eq(weft_test_ended(weft_connect("127.0.0.1:1")), WEFT_ENOLOOP);
    cr_assert_null(weft_stream_new(0));
    cr_assert_eq(-errno, WEFT_ENOLOOP);
    weft_test_loop_end();
}

Test(connect, cancelled_one_leaves_nothing)
{
    int listening = listen_plainly(AF_INET);
    weft_future *connect = weft_connect(target);
    cr_assert(!weft_is_done(connect));
    cr_assert(weft_cancel(connect));
    cr_assert_eq(weft_test_ended(connect), -ECANCELED);
    close(listening);
    weft_test_loop_end();
}

Test(connect, stream_that_nobody_takes_is_closed)
{
    int listening = listen_plainly(AF_INET);
    cr_assert_eq(weft_test_run(weft_connect(target)), 0);
    int peer = accept(listening, NULL, NULL);
    char byte;
    cr_assert_eq(weft_test_receive(peer, &byte, 1), -1);
    close(peer);
    close(listening);
    weft_test_loop_end();
}

Test(connect, end_of_the_loop_cancels_one_under_way)
{
    int listening = listen_plainly(AF_INET);
    weft_future *connect = weft_connect(target);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(weft_test_ended(connect), -ECANCELED);
    cr_assert_eq(weft_test_ended(weft_connect(target)), -ESHUTDOWN);
    close(listening);
    weft_test_loop_end();
}

static int failing_socket(int family, int type, int protocol)
{
    (void)family;
    (void)type;
    (void)protocol;
    errno = EMFILE;
    return -1;
}

Test(connect, no_descriptor_is_a_failure)
{
    weft__sys.socket = failing_socket;
    cr_assert_eq(weft_test_ended(weft_connect("127.0.0.1:1")), -EMFILE);
    weft_test_loop_end();
}

Test(connect, running_out_of_memory_anywhere_is_a_failure)
{
    int listening = listen_plainly(AF_INET);
    int status;
    size_t n = 0;
    do {
        weft_test_heap_fail_at(++n);
        status = weft_test_run(weft_connect(target));
        cr_assert(status == 0 || status == -ENOMEM, "allocation %zu: %d", n, status);
        cr_assert(status == 0 || weft_test_heap_failed());
        close(status == 0 ? accept(listening, NULL, NULL) : -1);
    } while (weft_test_heap_failed());
    cr_assert_eq(status, 0);
    cr_assert_geq(n, 4);
    close(listening);
    weft_test_loop_end();
}

/* ---- Names ---- */

Test(connect, every_address_of_a_name_is_tried)
{
    char name[64];
    int listening = listen_plainly(AF_INET6);
    snprintf(name, sizeof(name), "service.test%s", strrchr(target, ':'));
    test_names_begin();
    test_name("service.test", "127.0.0.1 ::1");
    weft_stream *stream = connected(name);
    cr_assert_str_eq(weft_stream_peer(stream), target);
    weft_stream_free(stream);
    close(listening);
    weft_test_loop_end();
}

Test(connect, name_whose_addresses_all_refuse_fails_with_each_of_them)
{
    test_names_begin();
    test_name("service.test", "127.0.0.1 ::1");
    weft__sys.connect = failing_connect;
    weft_future *connect = weft_ref(weft_connect("service.test:81"));
    cr_assert_eq(weft_test_run(connect), -ENETUNREACH);
    cr_assert_str_eq(weft_message(connect),
                     "cannot connect to service.test:81 (127.0.0.1:81: No route to host; "
                     "[::1]:81: Network is unreachable)");
    weft_unref(connect);
    weft_test_loop_end();
}

Test(connect, unknown_name_is_a_failure_with_the_name)
{
    test_names_begin();
    weft_future *connect = weft_ref(weft_connect("no.such.test:80"));
    cr_assert_eq(weft_test_run(connect), WEFT_ERESOLVE);
    cr_assert_str_eq(weft_message(connect),
                     "cannot look up no.such.test: Name or service not known");
    weft_unref(connect);
    weft_test_loop_end();
}

/* A connect whose name is just being looked up. */
static weft_future *hold_the_look_up(struct gate *gate)
{
    gate_init(gate);
    test_names_begin();
    test_names_gate(gate);
    weft_future *connect = weft_connect("slow.test:80");
    gate_wait_entered(gate);
    return connect;
}

/* The look-up may outlive the loop. */
static void end_when_looked_up(struct gate *gate)
{
    weft_loop_free(test_loop);
    test_loop = NULL;
    cr_assert_eq(test_reports.count, 0);
    gate_open(gate);
    while (weft_test_heap_live() > 0)
        sched_yield();
    weft_test_loop_end();
}

Test(connect, cancel_does_not_wait_for_the_look_up)
{
    struct gate gate;
    weft_future *connect = hold_the_look_up(&gate);
    cr_assert(weft_cancel(connect));
    cr_assert_eq(weft_test_ended(connect), -ECANCELED);
    end_when_looked_up(&gate);
}

Test(connect, end_of_the_loop_does_not_wait_for_the_look_up)
{
    struct gate gate;
    weft_future *connect = hold_the_look_up(&gate);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(weft_test_ended(connect), -ECANCELED);
    end_when_looked_up(&gate);
}

Test(connect, cancel_that_comes_with_the_addresses_is_kept)
{
    test_names_begin();
    test_name("service.test", "127.0.0.1");
    cr_assert_eq(weft_test_run(weft_resolve("service.test", NULL)), 0);
    weft_future *connect = weft_connect("service.test:81"); /* the name is known */
    cr_assert(weft_cancel(connect));
    cr_assert(!weft_is_done(connect));
    weft_test_turn();
    cr_assert_eq(weft_test_ended(connect), -ECANCELED);
    weft_test_loop_end();
}

Test(connect, end_of_the_loop_that_comes_with_the_addresses_leaves_nothing)
{
    test_names_begin();
    test_name("service.test", "127.0.0.1");
    cr_assert_eq(weft_test_run(weft_resolve("service.test", NULL)), 0);
    weft_future *connect = weft_connect("service.test:81");
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert(weft_is_done(connect));
    cr_assert_lt(weft_test_ended(connect), 0);
    weft_test_loop_end();
}

static int by_name(void)
{
    if (weft_resolver_configure(NULL) < 0)
        return -ENOMEM;
    int status = weft_test_run(weft_connect_with(
        &(struct weft_connect_options){.timeout = WEFT_S(60)}, "service.test:81"));
    return status == -ENETUNREACH ? 0 : status;
}

Test(connect, survives_every_lack_of_memory)
{
    weft__sys.connect = failing_connect;
    test_names_begin();
    test_name("service.test", "127.0.0.1 ::1");
    weft_test_every_lack_of_memory(by_name);
    weft_test_loop_end();
}

/* ---- Options ---- */

static struct weft_connect_options options;

static weft_stream *connected_with_options(void)
{
    weft_value value = weft_value_ptr(NULL);
    weft_future *connect = weft_connect_with(&options, target);
    int status = weft_test_run(weft_ref(connect));
    cr_assert_eq(status, 0, "%s", weft_message(connect));
    cr_assert_eq(weft_future_take(connect, &value), 0);
    weft_unref(connect);
    return value.ptr;
}

static int number_of(const weft_stream *stream, int level, int option)
{
    int value = -1;
    socklen_t len = sizeof(value);
    cr_assert_eq(getsockopt(stream->fd, level, option, &value, &len), 0);
    return value;
}

Test(connect, keepalive_is_set_as_the_options_say)
{
    int listening = listen_plainly(AF_INET);
    struct weft_keepalive keepalive = {.idle = WEFT_MS(29500), .interval = WEFT_S(7), .count = 4};
    options = (struct weft_connect_options){.keepalive = &keepalive};
    weft_stream *stream = connected_with_options();
    cr_assert_eq(number_of(stream, SOL_SOCKET, SO_KEEPALIVE), 1);
    cr_assert_eq(number_of(stream, IPPROTO_TCP, TCP_KEEPIDLE), 30);
    cr_assert_eq(number_of(stream, IPPROTO_TCP, TCP_KEEPINTVL), 7);
    cr_assert_eq(number_of(stream, IPPROTO_TCP, TCP_KEEPCNT), 4);
    cr_assert_eq(number_of(stream, IPPROTO_TCP, TCP_NODELAY), 1);
    weft_stream_free(stream);
    stream = connected(target);
    cr_assert_eq(number_of(stream, SOL_SOCKET, SO_KEEPALIVE), 0);
    weft_stream_free(stream);
    close(listening);
    weft_test_loop_end();
}

Test(connect, limits_are_those_of_the_stream)
{
    int listening = listen_plainly(AF_INET);
    struct weft_stream_limits limits = {.read_high = 1000, .write_high = 2000};
    options = (struct weft_connect_options){.limits = &limits};
    weft_future *connect = weft_connect_with(&options, target);
    limits = (struct weft_stream_limits){0};
    weft_value value = weft_value_ptr(NULL);
    cr_assert_eq(weft_test_run(weft_ref(connect)), 0);
    cr_assert_eq(weft_future_take(connect, &value), 0);
    weft_unref(connect);
    weft_stream *stream = value.ptr;
    cr_assert_eq(stream->read_high, 1000);
    cr_assert_eq(stream->write_high, 2000);
    weft_stream_free(stream);
    close(listening);
    weft_test_loop_end();
}

static void check_source(int family, const char *source)
{
    int listening = listen_plainly(family);
    options = (struct weft_connect_options){.source = source};
    weft_stream *stream = connected_with_options();
    const char *local = weft_stream_local(stream);
    size_t len = (size_t)(strrchr(source, ':') - source);
    cr_assert_eq(strncmp(local, source, len + 1), 0, "%s", local);
    cr_assert_eq(number_of(stream, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT), 1);
    weft_stream_free(stream);
    close(listening);
}

Test(connect, source_is_where_it_comes_from)
{
    check_source(AF_INET, "127.0.0.2:0");
    check_source(AF_INET6, "[::1]:0");
    weft_test_loop_end();
}

Test(connect, source_may_have_a_port)
{
    char source[sizeof(target)];
    find_free_port();
    snprintf(source, sizeof(source), "%s", target);
    int listening = listen_plainly(AF_INET);
    options = (struct weft_connect_options){.source = source};
    weft_stream *stream = connected_with_options();
    cr_assert_str_eq(weft_stream_local(stream), source);
    cr_assert_eq(number_of(stream, SOL_SOCKET, SO_REUSEADDR), 1);
    weft_stream_free(stream);
    close(listening);
    weft_test_loop_end();
}

Test(connect, source_that_is_not_ours_is_a_failure_of_the_attempt)
{
    options = (struct weft_connect_options){.source = "192.0.2.1:0"};
    weft_future *connect = weft_ref(weft_connect_with(&options, "localhost:81"));
    cr_assert_eq(weft_test_run(connect), -EAFNOSUPPORT);
    cr_assert_str_eq(weft_message(connect),
                     "cannot connect to localhost:81 (127.0.0.1:81: Cannot assign requested "
                     "address; [::1]:81: Address family not supported by protocol)");
    weft_unref(connect);
    weft_test_loop_end();
}

Test(connect, family_leaves_out_the_other_addresses)
{
    weft__sys.connect = failing_connect;
    options = (struct weft_connect_options){.family = AF_INET6};
    weft_future *connect = weft_ref(weft_connect_with(&options, "localhost:81"));
    cr_assert_eq(weft_test_run(connect), -ENETUNREACH);
    cr_assert_str_eq(weft_message(connect), "cannot connect to localhost:81 ([::1]:81: Network is "
                                            "unreachable)");
    weft_unref(connect);
    connect = weft_connect_with(&options, "127.0.0.1:81");
    cr_assert_str_eq(weft_message(connect), "127.0.0.1:81 has no address of this family");
    cr_assert_eq(weft_test_ended(connect), WEFT_ERESOLVE);
    weft_test_loop_end();
}

Test(connect, options_that_make_no_sense_are_refused)
{
    static const struct weft_stream_limits no_limits = {.write_low = 2, .write_high = 1};
    static const struct weft_keepalive no_keepalive = {.idle = -1};
    static const struct weft_connect_options wrong[] = {
        {.size = 1},
        {.timeout = -1},
        {.attempt_timeout = -1},
        {.attempt_delay = -1},
        {.family = AF_UNIX},
        {.keepalive = &no_keepalive},
        {.limits = &no_limits},
        {.source = "nonsense"},
        {.source = "example.org:0"},
        {.source = "localhost:0"},
        {.source = "*:0"},
        {.source = "fd:0"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        cr_assert_eq(weft_test_ended(weft_connect_with(&wrong[i], "127.0.0.1:1")), -EINVAL, "%zu",
                     i);
    weft_test_loop_end();
}
