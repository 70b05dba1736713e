/* SPDX-License-Identifier: MIT */
/* Datagram endpoints: Unix sockets, the end, misuse, failures of the system. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/udp.h>

#include "tests/support/child.h"
#include "tests/support/loop.h"
#include "tests/support/net.h"
#include "tests/support/trace.h"
#include "tests/support/udp.h"

TestSuite(udp_end, .init = weft_test_loop_begin, .timeout = 20);

/* ---- Unix sockets ---- */

static char path[108];

/* The same one in a forked child. */
static const char *unix_text(void)
{
    static char text[120];
    if (!path[0])
        snprintf(path, sizeof(path), "/tmp/weft_udp.%d", (int)getpid());
    snprintf(text, sizeof(text), "unix:%s", path);
    return text;
}

Test(udp_end, unix_sockets_lose_nothing_and_their_file_goes_with_them)
{
    char digit = '0';
    test_a = weft_test_udp_open((struct weft_udp_options){.bind = unix_text(), .receive_limit = 2});
    cr_assert_eq(access(path, F_OK), 0);
    test_b = weft_test_udp_open((struct weft_udp_options){.connect = unix_text()});
    for (int i = 0; i < 40; i++) {
        char text[2] = {(char)(digit + i), 0};
        cr_assert_eq(weft_udp_send(test_b, text, 1), 0);
        if (i % 8 == 0)
            weft_test_turn();
    }
    cr_assert_gt(weft_test_udp_stats(test_b).to_send, 0, "the receiver is slow");
    for (int i = 0; i < 40; i++) {
        char text[2] = {(char)(digit + i), 0};
        cr_assert(weft_test_udp_gives(weft_udp_receive(test_a), text));
    }
    cr_assert_eq(weft_test_udp_stats(test_a).dropped, 0);
    cr_assert_eq(weft_test_count(weft_udp_drain(test_b)), 0);
    weft_udp_free(test_a);
    test_a = NULL;
    cr_assert_neq(access(path, F_OK), 0);
    cr_assert_eq(weft_udp_send(test_b, "x", 1), -ECONNREFUSED);
    weft_test_udp_end();
}

static void free_it(void *arg)
{
    (void)arg;
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    weft_udp_free(test_a);
}

static void end_its_loop(void *arg)
{
    (void)arg;
    CHILD_EXPECT(weft_after_fork_child(test_loop) == 0);
    weft_loop_free(test_loop);
}

static void bind_another(void *arg)
{
    free_it(arg);
    CHILD_EXPECT(unlink(path) == 0);
    weft_udp *own = weft_udp_open(&(struct weft_udp_options){.bind = unix_text()});
    CHILD_EXPECT(own && access(path, F_OK) == 0);
    weft_udp_free(own);
    CHILD_EXPECT(access(path, F_OK) < 0);
}

Test(udp_end, forked_child_removes_its_own_files_alone)
{
    test_a = weft_test_udp_at(unix_text());
    weft_test_in_child(free_it, NULL);
    cr_assert_eq(access(path, F_OK), 0);
    weft_test_in_child(end_its_loop, NULL);
    cr_assert_eq(access(path, F_OK), 0);
    test_b = weft_test_udp_open((struct weft_udp_options){.connect = unix_text()});
    cr_assert_eq(weft_udp_send(test_b, "x", 1), 0);
    cr_assert(weft_test_udp_gives(weft_udp_receive(test_a), "x"), "the parent did not notice");
    weft_test_in_child(bind_another, NULL);
    weft_test_udp_end();
}

Test(udp_end, unix_sockets_without_a_name_have_no_sender)
{
    int status;
    weft_address from;
    test_a = weft_test_udp_open((struct weft_udp_options){.bind = unix_text()});
    test_b = weft_test_udp_open((struct weft_udp_options){.connect = unix_text()});
    cr_assert_eq(weft_udp_send(test_b, "x", 1), 0);
    weft_datagram *got = weft_test_udp_taken(weft_udp_receive(test_a), &status);
    from = got->from;
    weft_datagram_free(got);
    cr_assert_eq(weft_address_family(&from), AF_UNSPEC);
    cr_assert_eq(weft_test_udp_send(test_a, &from, "x"), -EAFNOSUPPORT);
    weft_test_udp_end();
}

Test(udp_end, full_receiver_of_a_unix_socket_is_told_to_who_sends_to_many)
{
    int status = 0, sent = 0;
    size_t len;
    int slow = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    char text[64];
    snprintf(text, sizeof(text), "unix:@weft_udp.%d", (int)getpid());
    test_a = weft_test_udp_at(text);
    snprintf(text, sizeof(text), "unix:@weft_udp_full.%d", (int)getpid());
    cr_assert_eq(weft_address_parse(text, &test_b_address), 0);
    const struct sockaddr *name = weft_address_get(&test_b_address, &len);
    cr_assert_eq(bind(slow, name, (socklen_t)len), 0);
    while (status == 0 && ++sent < 100000)
        status = weft_test_udp_send(test_a, &test_b_address, "x");
    cr_assert_eq(status, -EAGAIN);
    cr_assert_eq(weft_test_udp_stats(test_a).to_send, 0);
    cr_assert_eq(weft_test_udp_stats(test_a).errors, 0);
    close(slow);
    weft_test_udp_end();
}

/* ---- The end ---- */

Test(udp_end, free_ends_what_is_under_way)
{
    weft_test_udp_open_two();
    weft_future *receive = weft_udp_receive(test_a);
    cr_assert(weft__sys_fail("sendmmsg", 1, EAGAIN));
    cr_assert_eq(weft_test_udp_send(test_a, &test_b_address, "x"), 0);
    weft_future *drain = weft_udp_drain(test_a);
    weft_udp_free(test_a);
    test_a = NULL;
    cr_assert_eq(weft_test_ended(receive), WEFT_ECLOSED);
    cr_assert_eq(weft_test_ended(drain), WEFT_ECLOSED);
    weft_udp_free(NULL);
    weft_test_udp_end();
}

Test(udp_end, end_of_the_loop_closes_all)
{
    weft_test_udp_open_two();
    weft_future *receive = weft_udp_receive(test_a);
    cr_assert_eq(weft_test_udp_send(test_a, &test_b_address, "x"), 0);
    weft_test_turn();
    cr_assert_eq(weft_loop_shutdown(test_loop, NULL, NULL), 0);
    cr_assert_eq(weft_test_ended(receive), -ECANCELED);
    cr_assert_eq(weft_test_ended(weft_udp_receive(test_b)), -ESHUTDOWN);
    cr_assert_eq(weft_test_ended(weft_udp_drain(test_b)), -ESHUTDOWN);
    cr_assert_eq(weft_test_udp_send(test_b, &test_a_address, "x"), -ESHUTDOWN);
    cr_assert_eq(weft_udp_send_many(test_b, &(struct weft_udp_message){&test_a_address, "x", 1}, 1),
                 -ESHUTDOWN);
    cr_assert_eq(weft_udp_join(test_b, &test_a_address, NULL), -ESHUTDOWN);
    cr_assert_eq(weft_udp_fd(test_b), -ESHUTDOWN);
    cr_assert_eq(weft_udp_local(test_b, &test_a_address), -ESHUTDOWN);
    cr_assert_null(weft_udp_open(NULL));
    cr_assert_eq(errno, ESHUTDOWN);
    weft_udp_free(test_a);
    test_a = test_b = NULL; /* the loop's */
    weft_test_udp_end();
}

/* ---- Misuse, and failures of the system ---- */

Test(udp_end, options_that_make_no_sense_are_refused)
{
    const struct weft_udp_options odd[] = {
        {.bind = "nonsense"},
        {.bind = "fd:3"},
        {.connect = "*:1"},
        {.bind = "[::1]:0", .connect = "127.0.0.1:1"},
        {.bind = "*:0", .connect = "unix:/x"},
        {.flags = 1024},
        {.size = 1},
        {.receive_buffer = -1},
        {.max_datagram = (size_t)1 << 30},
    };
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
        cr_assert_eq(weft_test_udp_open_error(odd[i]), -EINVAL, "%zu", i);
    cr_assert_eq(weft_test_udp_open_error((struct weft_udp_options){.connect = "example.org:1"}),
                 WEFT_ERESOLVE);
    cr_assert_eq(
        weft_test_udp_open_error((struct weft_udp_options){.connect = "unix:/no/such/file"}),
        -ENOENT);
    weft_test_udp_end();
}

Test(udp_end, failures_of_the_system_leave_nothing)
{
    static const char *const calls[] = {"socket", "bind", "event_add"};
    struct weft_udp_options there = {.bind = unix_text()};
    for (size_t i = 0; i < 3; i++) {
        cr_assert(weft__sys_fail(calls[i], 1, ENOMEM));
        cr_assert_eq(weft_test_udp_open_error(there), -ENOMEM, "%s", calls[i]);
        cr_assert_neq(access(path, F_OK), 0);
    }
    cr_assert(weft__sys_fail("connect", 1, EPERM));
    cr_assert_eq(weft_test_udp_open_error((struct weft_udp_options){.connect = "127.0.0.1:1"}),
                 -EPERM);
    weft_test_udp_end();
}

Test(udp_end, machine_without_ipv6_binds_ipv4)
{
    cr_assert(weft__sys_fail("socket", 1, EAFNOSUPPORT));
    test_a = weft_test_udp_at("*:0");
    test_a_address = weft_test_udp_address(test_a);
    cr_assert_eq(weft_address_family(&test_a_address), AF_INET);
    weft_test_udp_end();
}

Test(udp_end, failure_to_receive_is_told_and_ends_nothing)
{
    weft_test_udp_open_two();
    cr_assert(weft__sys_fail("recvmmsg", 1, ENOMEM));
    cr_assert_eq(weft_test_udp_send(test_a, &test_b_address, "x"), 0);
    cr_assert_eq(weft_test_count(weft_udp_receive(test_b)), -ENOMEM);
    cr_assert(weft_test_udp_gives(weft_udp_receive(test_b), "x"));
    cr_assert(weft__sys_fail("recvmmsg", 1, EINTR));
    cr_assert_eq(weft_test_udp_send(test_a, &test_b_address, "y"), 0);
    cr_assert(weft_test_udp_gives(weft_udp_receive(test_b), "y"));
    weft_test_udp_end();
}

/* From `from` to `to`, by way of what waits. */
static int move(weft_udp *from, weft_udp *to, const weft_address *address)
{
    weft_datagram *got = NULL;
    weft__sys_fail("sendmmsg", 1, EAGAIN);
    int status = weft_udp_send_many(from, &(struct weft_udp_message){address, "x", 1}, 1);
    if (status >= 0)
        status = address ? weft_udp_send_to(from, address, "y", 1) : weft_udp_send(from, "y", 1);
    if (status == 0)
        status = (int)weft_test_count(weft_udp_drain(from));
    if (status == 0)
        got = weft_test_udp_taken(weft_udp_receive(to), &status);
    weft_datagram_free(got);
    return status;
}

static weft_udp *open_for_scene(struct weft_udp_options options, int *status)
{
    weft_udp *udp = *status == 0 ? weft_udp_open(&options) : NULL;
    if (*status == 0 && !udp)
        *status = -errno;
    return udp;
}

static int scene(void)
{
    int status = 0;
    weft_address group, self;
    weft_udp *file = open_for_scene((struct weft_udp_options){.bind = unix_text()}, &status);
    weft_udp *peer = open_for_scene((struct weft_udp_options){.connect = unix_text()}, &status);
    weft_udp *udp = open_for_scene((struct weft_udp_options){.bind = "127.0.0.1:0"}, &status);
    cr_assert_eq(weft_address_parse("239.1.2.3:1", &group), 0);
    if (status == 0)
        status = weft_udp_join(udp, &group, "lo");
    if (status == 0)
        status = weft_udp_local(udp, &self);
    if (status == 0)
        status = move(udp, udp, &self);
    if (status == 0)
        status = move(peer, file, NULL);
    weft_udp_free(udp);
    weft_udp_free(peer);
    weft_udp_free(file);
    return status;
}

Test(udp_end, every_lack_of_memory_is_a_failure_and_leaves_nothing)
{
    weft_test_every_lack_of_memory(scene);
    weft_test_loop_end();
}
