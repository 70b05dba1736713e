/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/combine.h>
#include <weft/listen.h>

#include "core/loop.h"
#include "tests/support/heap.h"
#include "tests/support/loop.h"
#include "tests/support/net.h"

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

static char resolved_to[2][64]; /* what the look-up answers: two addresses without port */
static int resolver_code;
static int entered[2], gate[2]; /* pipes: the look-up has begun; it may return */

static struct addrinfo *numeric(const char *host, const char *service)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    struct addrinfo *found = NULL;
    getaddrinfo(host, service, &hints, &found);
    return found;
}

static int fake_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                            struct addrinfo **ret)
{
    char byte;
    (void)host;
    (void)hints;
    if (gate[0]) {
        if (write(entered[1], "", 1) != 1 || read(gate[0], &byte, 1) < 0)
            abort();
    }
    if (resolver_code)
        return resolver_code;
    *ret = numeric(resolved_to[0], service);
    (*ret)->ai_next = numeric(resolved_to[1], service);
    return 0;
}

static void fake_resolver(const char *first, const char *second)
{
    weft__sys.getaddrinfo = fake_getaddrinfo;
    snprintf(resolved_to[0], sizeof(resolved_to[0]), "%s", first);
    snprintf(resolved_to[1], sizeof(resolved_to[1]), "%s", second);
}

Test(connect, every_address_of_a_name_is_tried)
{
    char name[64];
    int listening = listen_plainly(AF_INET6);
    snprintf(name, sizeof(name), "service.test%s", strrchr(target, ':'));
    fake_resolver("127.0.0.1", "::1");
    weft_stream *stream = connected(name);
    cr_assert_str_eq(weft_stream_peer(stream), target);
    weft_stream_free(stream);
    close(listening);
    weft_test_loop_end();
}

Test(connect, name_whose_addresses_all_refuse_fails_with_each_of_them)
{
    fake_resolver("127.0.0.1", "::1");
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
    fake_resolver("", "");
    resolver_code = EAI_NONAME;
    weft_future *connect = weft_ref(weft_connect("no.such.test:80"));
    cr_assert_eq(weft_test_run(connect), WEFT_ERESOLVE);
    cr_assert_str_eq(weft_message(connect),
                     "cannot look up no.such.test: Name or service not known");
    weft_unref(connect);
    weft_test_loop_end();
}

static void hold_the_resolver(void)
{
    fake_resolver("127.0.0.1", "::1");
    resolver_code = EAI_AGAIN;
    cr_assert_eq(pipe(gate), 0);
    cr_assert_eq(pipe(entered), 0);
}

static void release_the_resolver(void)
{
    close(gate[0]);
    close(gate[1]);
    close(entered[0]);
    close(entered[1]);
}

Test(connect, cancel_does_not_wait_for_the_look_up)
{
    char byte;
    hold_the_resolver();
    weft_future *connect = weft_connect("slow.test:80");
    cr_assert_eq(read(entered[0], &byte, 1), 1);
    cr_assert(weft_cancel(connect));
    cr_assert_eq(weft_test_ended(connect), -ECANCELED);
    cr_assert_eq(write(gate[1], "", 1), 1); /* now it returns, and nobody looks */
    weft_loop_free(test_loop);
    test_loop = NULL;
    cr_assert_eq(test_reports.count, 0);
    release_the_resolver();
    weft_test_loop_end();
}

struct cancel_between {
    WEFT_FRAME;
    weft_future *connect;
};

/* Cancels after the look-up is done, and before the connect learns of it. */
static WEFT_ASYNC(cancel_between)
{
    WEFT_BEGIN;
    while (test_loop->jobs)
        WEFT_YIELD;
    cr_assert(weft_cancel(self->connect));
    cr_assert(!weft_is_done(self->connect));
    WEFT_END;
}

Test(connect, cancel_that_comes_with_the_addresses_is_kept)
{
    fake_resolver("127.0.0.1", "::1");
    weft_future *connect = weft_connect("service.test:81");
    cr_assert_eq(weft_test_run(weft_spawn(cancel_between, .connect = connect)), 0);
    weft_test_turn();
    cr_assert_eq(weft_test_ended(connect), -ECANCELED);
    weft_test_loop_end();
}

Test(connect, end_of_the_loop_waits_for_the_look_up_alone)
{
    char byte;
    hold_the_resolver();
    weft_future *connect = weft_connect("slow.test:80");
    cr_assert_eq(read(entered[0], &byte, 1), 1);
    cr_assert_eq(write(gate[1], "", 1), 1);
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    int status = weft_test_ended(connect);
    cr_assert(status == -ECANCELED || status == WEFT_ERESOLVE);
    cr_assert_eq(test_reports.count, 0);
    weft_loop_free(test_loop);
    test_loop = NULL;
    release_the_resolver();
    weft_test_loop_end();
}

Test(connect, name_without_memory_is_a_failure)
{
    weft__sys.connect = failing_connect;
    fake_resolver("127.0.0.1", "::1");
    size_t n = 0;
    bool failed;
    do {
        weft_test_heap_fail_at(++n);
        int status = weft_test_run(weft_connect("service.test:81"));
        failed = weft_test_heap_failed();
        weft_test_heap_fail_at(0);
        cr_assert(status == -ENETUNREACH || (failed && status == -ENOMEM), "%zu: %d", n, status);
    } while (failed);
    cr_assert_geq(n, 4);
    weft_test_loop_end();
}
