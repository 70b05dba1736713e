/* SPDX-License-Identifier: MIT */
/* Datagram endpoints: both ways, the queue, what the network says, groups. */
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/udp.h>

#include "tests/support/loop.h"
#include "tests/support/net.h"
#include "tests/support/udp.h"

TestSuite(udp, .init = weft_test_loop_begin, .timeout = 20);

static weft_udp *a, *b;
static weft_address a_address, b_address;

static void open_two(void)
{
    a = weft_test_udp_at("127.0.0.1:0");
    b = weft_test_udp_at("127.0.0.1:0");
    a_address = weft_test_udp_address(a);
    b_address = weft_test_udp_address(b);
}

static void end(void)
{
    weft_udp_free(a);
    weft_udp_free(b);
    weft_test_loop_end();
}

static int open_error(struct weft_udp_options options)
{
    cr_assert_null(weft_udp_open(&options));
    return -errno;
}

/* ---- Both ways ---- */

Test(udp, datagram_comes_with_its_sender_and_is_answered)
{
    int status;
    open_two();
    cr_assert_eq(weft_test_udp_send(a, &b_address, "ask"), 0);
    weft_datagram *got = weft_test_udp_taken(weft_udp_receive(b), &status);
    cr_assert_eq(status, 0);
    cr_assert_str_eq(got->data, "ask");
    cr_assert_eq(got->len, 3);
    cr_assert(!got->truncated);
    cr_assert(weft_address_equal(&got->from, &a_address));
    cr_assert_eq(weft_test_udp_send(b, &got->from, "answer"), 0);
    weft_datagram_free(got);
    cr_assert(weft_test_udp_gives(weft_udp_receive(a), "answer"));
    end();
}

Test(udp, receive_waits_and_keeps_the_order)
{
    open_two();
    weft_future *first = weft_udp_receive(b);
    weft_test_turn();
    cr_assert(!weft_is_done(first));
    cr_assert_eq(weft_test_udp_send(a, &b_address, "1"), 0);
    cr_assert_eq(weft_test_udp_send(a, &b_address, ""), 0);
    cr_assert_eq(weft_test_udp_send(a, &b_address, "3"), 0);
    cr_assert(weft_test_udp_gives(first, "1"));
    cr_assert(weft_test_udp_gives(weft_udp_receive(b), ""), "of no bytes");
    cr_assert(weft_test_udp_gives(weft_udp_receive(b), "3"));
    cr_assert_eq(weft_test_udp_stats(a).sent, 3);
    cr_assert_eq(weft_test_udp_stats(b).received, 3);
    end();
}

Test(udp, connected_one_hears_nobody_else)
{
    a = weft_test_udp_at("localhost:0");
    a_address = weft_test_udp_address(a);
    b = weft_test_udp_towards(&a_address);
    b_address = weft_test_udp_address(b);
    weft_udp *other = weft_test_udp_at("127.0.0.1:0");
    cr_assert_eq(weft_test_udp_send(other, &b_address, "no"), 0);
    cr_assert_eq(weft_test_udp_send(a, &b_address, "yes"), 0);
    cr_assert(weft_test_udp_gives(weft_udp_receive(b), "yes"));
    cr_assert_eq(weft_udp_send(b, "back", 4), 0);
    cr_assert(weft_test_udp_gives(weft_udp_receive(a), "back"));
    cr_assert_eq(weft_test_udp_send(b, &a_address, "x"), -EISCONN);
    cr_assert_eq(weft_udp_send(a, "x", 1), -EDESTADDRREQ);
    weft_udp_free(other);
    end();
}

Test(udp, one_bound_to_any_address_talks_ipv4_too)
{
    int status;
    a = weft_udp_open(NULL);
    cr_assert_not_null(a);
    b = weft_test_udp_at("127.0.0.1:0");
    b_address = weft_test_udp_address(b);
    cr_assert_eq(weft_test_udp_send(a, &b_address, "ask"), 0);
    weft_datagram *got = weft_test_udp_taken(weft_udp_receive(b), &status);
    a_address = weft_test_udp_address(a);
    cr_assert_eq(weft_address_port(&got->from), weft_address_port(&a_address));
    cr_assert_eq(weft_test_udp_send(b, &got->from, "answer"), 0);
    weft_datagram_free(got);
    cr_assert(weft_test_udp_gives(weft_udp_receive(a), "answer"));
    end();
}

Test(udp, batches_go_by_few_calls_and_stop_at_the_first_that_fails)
{
    struct weft_udp_message many[40];
    weft_address odd;
    open_two();
    cr_assert_eq(weft_address_parse("unix:/nowhere", &odd), 0);
    for (int i = 0; i < 40; i++)
        many[i] = (struct weft_udp_message){&b_address, "0123456789", 10};
    cr_assert_eq(weft_udp_send_many(a, many, 40), 40);
    for (int i = 0; i < 40; i++)
        cr_assert(weft_test_udp_gives(weft_udp_receive(b), "0123456789"));
    many[20].to = &odd;
    cr_assert_eq(weft_udp_send_many(a, many, 40), 20);
    cr_assert_eq(weft_udp_send_many(a, many + 20, 20), -EAFNOSUPPORT);
    cr_assert_eq(weft_udp_send_many(a, many, 0), 0);
    cr_assert_eq(weft_test_udp_stats(a).sent, 60);
    end();
}

Test(udp, longer_than_the_room_is_truncated_and_says_so)
{
    int status;
    a = weft_test_udp_at("127.0.0.1:0");
    b = weft_test_udp_open((struct weft_udp_options){.bind = "127.0.0.1:0", .max_datagram = 4});
    b_address = weft_test_udp_address(b);
    cr_assert_eq(weft_test_udp_send(a, &b_address, "0123456789"), 0);
    weft_datagram *got = weft_test_udp_taken(weft_udp_receive(b), &status);
    cr_assert(got->truncated);
    cr_assert_str_eq(got->data, "0123");
    weft_datagram_free(got);
    end();
}

/* ---- The queue ---- */

static void fill_queue(uint32_t flags, int count)
{
    char text[16];
    a = weft_test_udp_at("127.0.0.1:0");
    b = weft_test_udp_open(
        (struct weft_udp_options){.bind = "127.0.0.1:0", .receive_limit = 2, .flags = flags});
    b_address = weft_test_udp_address(b);
    for (int i = 0; i < count; i++) {
        snprintf(text, sizeof(text), "%d", i);
        cr_assert_eq(weft_test_udp_send(a, &b_address, text), 0);
    }
    weft_test_turn();
}

Test(udp, full_queue_drops_what_comes_and_counts)
{
    fill_queue(0, 20);
    cr_assert_eq(weft_test_udp_stats(b).received, 20);
    cr_assert_eq(weft_test_udp_stats(b).dropped, 18);
    cr_assert_eq(weft_test_udp_stats(b).to_receive, 2);
    cr_assert(weft_test_udp_gives(weft_udp_receive(b), "0"));
    cr_assert(weft_test_udp_gives(weft_udp_receive(b), "1"));
    cr_assert_eq(weft_test_udp_send(a, &b_address, "next"), 0);
    cr_assert(weft_test_udp_gives(weft_udp_receive(b), "next"));
    end();
}

Test(udp, full_queue_may_drop_the_oldest)
{
    fill_queue(WEFT_UDP_DROP_OLDEST, 20);
    cr_assert_eq(weft_test_udp_stats(b).dropped, 18);
    cr_assert(weft_test_udp_gives(weft_udp_receive(b), "18"));
    cr_assert(weft_test_udp_gives(weft_udp_receive(b), "19"));
    end();
}

Test(udp, what_the_kernel_drops_is_counted_too)
{
    static char large[8000];
    a = weft_test_udp_at("127.0.0.1:0");
    b = weft_test_udp_open(
        (struct weft_udp_options){.bind = "127.0.0.1:0", .receive_buffer = 4096});
    b_address = weft_test_udp_address(b);
    for (int i = 0; i < 20; i++)
        cr_assert_eq(weft_udp_send_to(a, &b_address, large, sizeof(large)), 0);
    weft_test_turn();
    uint64_t came = weft_test_udp_stats(b).received;
    cr_assert_lt(came, 20);
    cr_assert_eq(weft_test_udp_send(a, &b_address, "last"), 0);
    weft_test_turn();
    cr_assert_eq(weft_test_udp_stats(b).dropped_by_kernel, 20 - came);
    end();
}

Test(udp, cancelled_receive_takes_nothing)
{
    open_two();
    weft_future *receive = weft_udp_receive(b);
    weft_test_turn();
    cr_assert_eq(weft_test_ended(weft_udp_receive(b)), -EBUSY);
    cr_assert(weft_cancel(receive));
    cr_assert_eq(weft_test_ended(receive), -ECANCELED);
    cr_assert_eq(weft_test_udp_send(a, &b_address, "here"), 0);
    cr_assert(weft_test_udp_gives(weft_udp_receive(b), "here"));
    end();
}

Test(udp, datagram_that_nobody_took_is_the_next_again)
{
    open_two();
    weft_future *receive = weft_udp_receive(b);
    cr_assert_eq(weft_test_udp_send(a, &b_address, "1"), 0);
    cr_assert_eq(weft_test_udp_send(a, &b_address, "2"), 0);
    weft_test_turn();
    cr_assert(weft_is_done(receive));
    weft_unref(receive);
    cr_assert(weft_test_udp_gives(weft_udp_receive(b), "1"));
    receive = weft_udp_receive(b);
    weft_future *waits = weft_udp_receive(b);
    weft_unref(receive);
    cr_assert(weft_test_udp_gives(waits, "2"), "at once, for who waits already");
    receive = weft_udp_receive(b);
    cr_assert_eq(weft_test_udp_send(a, &b_address, "3"), 0);
    weft_test_turn();
    weft_udp_free(b);
    b = NULL;
    weft_unref(receive);
    end();
}

/* ---- Sending ---- */

Test(udp, what_the_kernel_has_no_room_for_follows_in_order)
{
    open_two();
    cr_assert(weft__sys_fail("sendmmsg", 1, EAGAIN));
    cr_assert_eq(weft_test_udp_send(a, &b_address, "1"), 0);
    cr_assert_eq(weft_test_udp_send(a, &b_address, "2"), 0);
    cr_assert_gt(weft_test_udp_stats(a).to_send, 2);
    weft_future *drain = weft_udp_drain(a);
    cr_assert(!weft_is_done(drain));
    cr_assert_eq(weft_test_ended(weft_udp_drain(a)), -EBUSY);
    cr_assert_eq(weft_test_count(drain), 0);
    cr_assert_eq(weft_test_udp_stats(a).to_send, 0);
    cr_assert_eq(weft_test_udp_stats(a).sent, 2);
    cr_assert(weft_test_udp_gives(weft_udp_receive(b), "1"));
    cr_assert(weft_test_udp_gives(weft_udp_receive(b), "2"));
    end();
}

Test(udp, one_that_waited_and_cannot_be_sent_is_counted_and_others_follow)
{
    open_two();
    cr_assert(weft__sys_fail("sendmmsg", 1, EAGAIN));
    cr_assert_eq(weft_test_udp_send(a, &b_address, "1"), 0);
    cr_assert_eq(weft_test_udp_send(a, &b_address, "2"), 0);
    cr_assert(weft__sys_fail("sendmmsg", 1, EPERM));
    cr_assert_eq(weft_test_count(weft_udp_drain(a)), 0);
    cr_assert_eq(weft_test_udp_stats(a).errors, 1);
    cr_assert(weft_test_udp_gives(weft_udp_receive(b), "2"));
    end();
}

Test(udp, beyond_the_limit_is_refused)
{
    static char large[1000];
    a = weft_test_udp_open((struct weft_udp_options){.bind = "127.0.0.1:0", .send_limit = 500});
    b = weft_test_udp_at("127.0.0.1:0");
    b_address = weft_test_udp_address(b);
    cr_assert(weft__sys_fail("sendmmsg", 1, EAGAIN));
    cr_assert_eq(weft_udp_send_to(a, &b_address, large, sizeof(large)), 0);
    cr_assert_eq(weft_test_udp_send(a, &b_address, "x"), -ENOBUFS);
    weft_future *drain = weft_udp_drain(a);
    cr_assert(weft_cancel(drain));
    cr_assert_eq(weft_test_ended(drain), -ECANCELED);
    cr_assert_eq(weft_test_count(weft_udp_drain(a)), 0);
    cr_assert_eq(weft_test_udp_send(a, &b_address, "x"), 0);
    end();
}

Test(udp, failure_to_send_is_told_and_ends_nothing)
{
    static char large[65528];
    open_two();
    cr_assert(weft__sys_fail("sendmmsg", 1, EPERM));
    cr_assert_eq(weft_test_udp_send(a, &b_address, "1"), -EPERM);
    cr_assert_eq(weft_test_udp_stats(a).errors, 1);
    cr_assert_eq(weft_udp_send_to(a, &b_address, large, sizeof(large)), -EMSGSIZE);
    cr_assert_eq(weft_udp_send_to(a, &b_address, large, 65520), -EMSGSIZE);
    cr_assert(weft__sys_fail("sendmmsg", 1, EAGAIN));
    cr_assert(weft__sys_fail("event_add", 1, ENOMEM));
    cr_assert_eq(weft_test_udp_send(a, &b_address, "2"), -ENOMEM);
    cr_assert_eq(weft_test_udp_send(a, &b_address, "3"), 0);
    cr_assert(weft_test_udp_gives(weft_udp_receive(b), "3"));
    end();
}

Test(udp, sender_without_end_lets_others_run)
{
    static char large[60000];
    open_two();
    cr_assert_eq(weft_udp_send_to(a, &b_address, large, sizeof(large)), 0);
    weft_future *at_once = weft_udp_drain(a);
    cr_assert(weft_is_done(at_once));
    weft_unref(at_once);
    for (int i = 0; i < 5; i++)
        cr_assert_eq(weft_udp_send_to(a, &b_address, large, sizeof(large)), 0);
    weft_future *pause = weft_udp_drain(a);
    cr_assert(!weft_is_done(pause));
    cr_assert_eq(weft_test_count(pause), 0);
    end();
}

/* ---- What the network says ---- */

/* At an address of this process's own, so that nobody else takes the port. */
static void open_towards_nobody(void)
{
    char own[32];
    unsigned pid = (unsigned)getpid();
    snprintf(own, sizeof(own), "127.%u.%u.%u:0", 1 + (pid >> 16 & 63), pid >> 8 & 255, pid & 255);
    a = weft_test_udp_at(own);
    a_address = weft_test_udp_address(a);
    weft_udp_free(a);
    a = NULL;
    b = weft_test_udp_towards(&a_address);
    b_address = weft_test_udp_address(b);
}

static void somebody_comes(void)
{
    a = weft_test_udp_at(weft_test_udp_text(&a_address));
    cr_assert_eq(weft_udp_send(b, "hello", 5), 0);
    cr_assert(weft_test_udp_gives(weft_udp_receive(a), "hello"));
    cr_assert_eq(weft_test_udp_send(a, &b_address, "welcome"), 0);
    cr_assert(weft_test_udp_gives(weft_udp_receive(b), "welcome"));
}

Test(udp, refusal_is_told_to_the_receiver_and_ends_nothing)
{
    open_towards_nobody();
    weft_future *receive = weft_udp_receive(b);
    cr_assert_eq(weft_udp_send(b, "x", 1), 0);
    cr_assert_eq(weft_test_count(receive), -ECONNREFUSED);
    cr_assert_eq(weft_test_udp_stats(b).errors, 1);
    somebody_comes();
    end();
}

Test(udp, refusal_of_one_does_not_keep_the_next_from_being_sent)
{
    open_towards_nobody();
    cr_assert_eq(weft_udp_send(b, "x", 1), 0);
    a = weft_test_udp_at(weft_test_udp_text(&a_address));
    cr_assert_eq(weft_udp_send(b, "y", 1), 0, "the kernel's word of the first is met here");
    cr_assert(weft_test_udp_gives(weft_udp_receive(a), "y"));
    cr_assert_eq(weft_test_count(weft_udp_receive(b)), -ECONNREFUSED);
    weft_udp_free(a);
    a = NULL;
    weft_future *receive = weft_udp_receive(b);
    cr_assert_eq(weft_udp_send(b, "x", 1), 0);
    cr_assert_eq(weft_udp_send(b, "x", 1), 0);
    cr_assert_eq(weft_test_count(receive), -ECONNREFUSED, "by the send, before the event");
    end();
}

/* ---- Groups ---- */

/* Both are bound to any address; b's port is that of the group. */
static weft_address open_for_group(const char *text)
{
    weft_address group;
    a = weft_test_udp_at("*:0");
    b = weft_test_udp_open(
        (struct weft_udp_options){.bind = "*:0", .flags = WEFT_UDP_REUSE_ADDRESS});
    b_address = weft_test_udp_address(b);
    cr_assert_eq(weft_address_parse(text, &group), 0);
    weft_address_set_port(&group, weft_address_port(&b_address));
    return group;
}

Test(udp, group_is_heard_until_it_is_left)
{
    struct ip_mreqn by_lo = {.imr_ifindex = 1};
    weft_address group = open_for_group("239.1.2.3:1");
    cr_assert_eq(setsockopt(weft_udp_fd(a), IPPROTO_IP, IP_MULTICAST_IF, &by_lo, sizeof(by_lo)), 0);
    cr_assert_eq(weft_udp_join(b, &group, "lo"), 0);
    cr_assert_eq(weft_udp_join(b, &group, "lo"), -EADDRINUSE);
    cr_assert_eq(weft_test_udp_send(a, &group, "to all"), 0);
    cr_assert(weft_test_udp_gives(weft_udp_receive(b), "to all"));
    cr_assert_eq(weft_udp_leave(b, &group, "lo"), 0);
    cr_assert_eq(weft_test_udp_send(a, &group, "too late"), 0);
    weft_test_turn();
    cr_assert_eq(weft_test_udp_stats(b).received, 1);
    end();
}

/* The loopback interface carries no groups of IPv6. */
Test(udp, group_of_ipv6_is_joined_by_the_interface_in_its_address)
{
    weft_address group = open_for_group("[ff02::1234%lo]:1");
    cr_assert_eq(weft_udp_join(b, &group, NULL), 0);
    cr_assert_eq(weft_udp_join(b, &group, "lo"), -EADDRINUSE);
    cr_assert_eq(weft_udp_leave(b, &group, "lo"), 0);
    cr_assert_eq(weft_udp_leave(b, &group, NULL), -EADDRNOTAVAIL);
    end();
}

Test(udp, what_is_no_group_is_not_joined)
{
    weft_address group = open_for_group("[ff02::1234%lo]:1"), none = {0};
    weft_udp *ipv4 = weft_test_udp_at("127.0.0.1:0");
    cr_assert_eq(weft_udp_join(b, &group, "no such"), -ENODEV);
    cr_assert_eq(weft_udp_join(b, &b_address, "lo"), -EINVAL);
    cr_assert_eq(weft_udp_join(b, &none, "lo"), -EINVAL);
    cr_assert_eq(weft_udp_join(ipv4, &group, "lo"), -EINVAL);
    weft_udp_free(ipv4);
    end();
}

Test(udp, flags_are_options_of_the_socket)
{
    int on = 0;
    socklen_t len = sizeof(on);
    weft_address everybody;
    a = weft_test_udp_open((struct weft_udp_options){
        .bind = "127.0.0.1:0", .flags = WEFT_UDP_REUSE_PORT | WEFT_UDP_BROADCAST});
    a_address = weft_test_udp_address(a);
    b = weft_test_udp_open((struct weft_udp_options){.bind = weft_test_udp_text(&a_address),
                                                     .flags = WEFT_UDP_REUSE_PORT});
    cr_assert_eq(getsockopt(weft_udp_fd(a), SOL_SOCKET, SO_BROADCAST, &on, &len), 0);
    cr_assert_eq(on, 1);
    cr_assert_eq(weft_address_parse("127.255.255.255:9", &everybody), 0);
    cr_assert_eq(weft_test_udp_send(a, &everybody, "x"), 0);
    cr_assert_eq(weft_test_udp_send(b, &everybody, "x"), -EACCES);
    cr_assert_eq(open_error((struct weft_udp_options){.bind = weft_test_udp_text(&a_address)}),
                 -EADDRINUSE);
    end();
}
