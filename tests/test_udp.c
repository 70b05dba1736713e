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

/* ---- Both ways ---- */

Test(udp, datagram_comes_with_its_sender_and_is_answered)
{
    int status;
    weft_test_udp_open_two();
    cr_assert_eq(weft_test_udp_send(test_a, &test_b_address, "ask"), 0);
    weft_datagram *got = weft_test_udp_taken(weft_udp_receive(test_b), &status);
    cr_assert_eq(status, 0);
    cr_assert_str_eq(got->data, "ask");
    cr_assert_eq(got->len, 3);
    cr_assert(!got->truncated);
    cr_assert(weft_address_equal(&got->from, &test_a_address));
    cr_assert_eq(weft_test_udp_send(test_b, &got->from, "answer"), 0);
    weft_datagram_free(got);
    cr_assert(weft_test_udp_gives(weft_udp_receive(test_a), "answer"));
    weft_test_udp_end();
}

Test(udp, receive_waits_and_keeps_the_order)
{
    weft_test_udp_open_two();
    weft_future *first = weft_udp_receive(test_b);
    weft_test_turn();
    cr_assert(!weft_is_done(first));
    cr_assert_eq(weft_test_udp_send(test_a, &test_b_address, "1"), 0);
    cr_assert_eq(weft_test_udp_send(test_a, &test_b_address, ""), 0);
    cr_assert_eq(weft_test_udp_send(test_a, &test_b_address, "3"), 0);
    cr_assert(weft_test_udp_gives(first, "1"));
    cr_assert(weft_test_udp_gives(weft_udp_receive(test_b), ""), "of no bytes");
    cr_assert(weft_test_udp_gives(weft_udp_receive(test_b), "3"));
    cr_assert_eq(weft_test_udp_stats(test_a).sent, 3);
    cr_assert_eq(weft_test_udp_stats(test_b).received, 3);
    weft_test_udp_end();
}

Test(udp, connected_one_hears_nobody_else)
{
    test_a = weft_test_udp_at("localhost:0");
    test_a_address = weft_test_udp_address(test_a);
    test_b = weft_test_udp_towards(&test_a_address);
    test_b_address = weft_test_udp_address(test_b);
    weft_udp *other = weft_test_udp_at("127.0.0.1:0");
    cr_assert_eq(weft_test_udp_send(other, &test_b_address, "no"), 0);
    cr_assert_eq(weft_test_udp_send(test_a, &test_b_address, "yes"), 0);
    cr_assert(weft_test_udp_gives(weft_udp_receive(test_b), "yes"));
    cr_assert_eq(weft_udp_send(test_b, "back", 4), 0);
    cr_assert(weft_test_udp_gives(weft_udp_receive(test_a), "back"));
    cr_assert_eq(weft_test_udp_send(test_b, &test_a_address, "x"), -EISCONN);
    cr_assert_eq(weft_udp_send(test_a, "x", 1), -EDESTADDRREQ);
    weft_udp_free(other);
    weft_test_udp_end();
}

Test(udp, one_bound_to_any_address_talks_ipv4_too)
{
    int status;
    test_a = weft_udp_open(NULL);
    cr_assert_not_null(test_a);
    test_b = weft_test_udp_at("127.0.0.1:0");
    test_b_address = weft_test_udp_address(test_b);
    cr_assert_eq(weft_test_udp_send(test_a, &test_b_address, "ask"), 0);
    weft_datagram *got = weft_test_udp_taken(weft_udp_receive(test_b), &status);
    test_a_address = weft_test_udp_address(test_a);
    cr_assert_eq(weft_address_port(&got->from), weft_address_port(&test_a_address));
    cr_assert_eq(weft_test_udp_send(test_b, &got->from, "answer"), 0);
    weft_datagram_free(got);
    cr_assert(weft_test_udp_gives(weft_udp_receive(test_a), "answer"));
    weft_test_udp_end();
}

Test(udp, batches_go_by_few_calls_and_stop_at_the_first_that_fails)
{
    struct weft_udp_message many[40];
    weft_address odd;
    weft_test_udp_open_two();
    cr_assert_eq(weft_address_parse("unix:/nowhere", &odd), 0);
    for (int i = 0; i < 40; i++)
        many[i] = (struct weft_udp_message){&test_b_address, "0123456789", 10};
    cr_assert_eq(weft_udp_send_many(test_a, many, 40), 40);
    for (int i = 0; i < 40; i++)
        cr_assert(weft_test_udp_gives(weft_udp_receive(test_b), "0123456789"));
    many[20].to = &odd;
    cr_assert_eq(weft_udp_send_many(test_a, many, 40), 20);
    cr_assert_eq(weft_udp_send_many(test_a, many + 20, 20), -EAFNOSUPPORT);
    cr_assert_eq(weft_udp_send_many(test_a, many, 0), 0);
    cr_assert_eq(weft_test_udp_stats(test_a).sent, 60);
    weft_test_udp_end();
}

Test(udp, longer_than_the_room_is_truncated_and_says_so)
{
    int status;
    test_a = weft_test_udp_at("127.0.0.1:0");
    test_b =
        weft_test_udp_open((struct weft_udp_options){.bind = "127.0.0.1:0", .max_datagram = 4});
    test_b_address = weft_test_udp_address(test_b);
    cr_assert_eq(weft_test_udp_send(test_a, &test_b_address, "0123456789"), 0);
    weft_datagram *got = weft_test_udp_taken(weft_udp_receive(test_b), &status);
    cr_assert(got->truncated);
    cr_assert_str_eq(got->data, "0123");
    weft_datagram_free(got);
    weft_test_udp_end();
}

/* ---- The queue ---- */

static void fill_queue(uint32_t flags, int count)
{
    char text[16];
    test_a = weft_test_udp_at("127.0.0.1:0");
    test_b = weft_test_udp_open(
        (struct weft_udp_options){.bind = "127.0.0.1:0", .receive_limit = 2, .flags = flags});
    test_b_address = weft_test_udp_address(test_b);
    for (int i = 0; i < count; i++) {
        snprintf(text, sizeof(text), "%d", i);
        cr_assert_eq(weft_test_udp_send(test_a, &test_b_address, text), 0);
    }
    weft_test_turn();
}

Test(udp, full_queue_drops_what_comes_and_counts)
{
    fill_queue(0, 20);
    cr_assert_eq(weft_test_udp_stats(test_b).received, 20);
    cr_assert_eq(weft_test_udp_stats(test_b).dropped, 18);
    cr_assert_eq(weft_test_udp_stats(test_b).to_receive, 2);
    cr_assert(weft_test_udp_gives(weft_udp_receive(test_b), "0"));
    cr_assert(weft_test_udp_gives(weft_udp_receive(test_b), "1"));
    cr_assert_eq(weft_test_udp_send(test_a, &test_b_address, "next"), 0);
    cr_assert(weft_test_udp_gives(weft_udp_receive(test_b), "next"));
    weft_test_udp_end();
}

Test(udp, full_queue_may_drop_the_oldest)
{
    fill_queue(WEFT_UDP_DROP_OLDEST, 20);
    cr_assert_eq(weft_test_udp_stats(test_b).dropped, 18);
    cr_assert(weft_test_udp_gives(weft_udp_receive(test_b), "18"));
    cr_assert(weft_test_udp_gives(weft_udp_receive(test_b), "19"));
    weft_test_udp_end();
}

Test(udp, what_the_kernel_drops_is_counted_too)
{
    static char large[8000];
    test_a = weft_test_udp_at("127.0.0.1:0");
    test_b = weft_test_udp_open(
        (struct weft_udp_options){.bind = "127.0.0.1:0", .receive_buffer = 4096});
    test_b_address = weft_test_udp_address(test_b);
    for (int i = 0; i < 20; i++)
        cr_assert_eq(weft_udp_send_to(test_a, &test_b_address, large, sizeof(large)), 0);
    weft_test_turn();
    uint64_t came = weft_test_udp_stats(test_b).received;
    cr_assert_lt(came, 20);
    cr_assert_eq(weft_test_udp_send(test_a, &test_b_address, "last"), 0);
    weft_test_turn();
    cr_assert_eq(weft_test_udp_stats(test_b).dropped_by_kernel, 20 - came);
    weft_test_udp_end();
}

Test(udp, cancelled_receive_takes_nothing)
{
    weft_test_udp_open_two();
    weft_future *receive = weft_udp_receive(test_b);
    weft_test_turn();
    cr_assert_eq(weft_test_ended(weft_udp_receive(test_b)), -EBUSY);
    cr_assert(weft_cancel(receive));
    cr_assert_eq(weft_test_ended(receive), -ECANCELED);
    cr_assert_eq(weft_test_udp_send(test_a, &test_b_address, "here"), 0);
    cr_assert(weft_test_udp_gives(weft_udp_receive(test_b), "here"));
    weft_test_udp_end();
}

Test(udp, datagram_that_nobody_took_is_the_next_again)
{
    weft_test_udp_open_two();
    weft_future *receive = weft_udp_receive(test_b);
    cr_assert_eq(weft_test_udp_send(test_a, &test_b_address, "1"), 0);
    cr_assert_eq(weft_test_udp_send(test_a, &test_b_address, "2"), 0);
    weft_test_turn();
    cr_assert(weft_is_done(receive));
    weft_unref(receive);
    cr_assert(weft_test_udp_gives(weft_udp_receive(test_b), "1"));
    receive = weft_udp_receive(test_b);
    weft_future *waits = weft_udp_receive(test_b);
    weft_unref(receive);
    cr_assert(weft_test_udp_gives(waits, "2"), "at once, for who waits already");
    receive = weft_udp_receive(test_b);
    cr_assert_eq(weft_test_udp_send(test_a, &test_b_address, "3"), 0);
    weft_test_turn();
    weft_udp_free(test_b);
    test_b = NULL;
    weft_unref(receive);
    weft_test_udp_end();
}

/* ---- Sending ---- */

Test(udp, what_the_kernel_has_no_room_for_follows_in_order)
{
    weft_test_udp_open_two();
    cr_assert(weft__sys_fail("sendmmsg", 1, EAGAIN));
    cr_assert_eq(weft_test_udp_send(test_a, &test_b_address, "1"), 0);
    cr_assert_eq(weft_test_udp_send(test_a, &test_b_address, "2"), 0);
    cr_assert_gt(weft_test_udp_stats(test_a).to_send, 2);
    weft_future *drain = weft_udp_drain(test_a);
    cr_assert(!weft_is_done(drain));
    cr_assert_eq(weft_test_ended(weft_udp_drain(test_a)), -EBUSY);
    cr_assert_eq(weft_test_count(drain), 0);
    cr_assert_eq(weft_test_udp_stats(test_a).to_send, 0);
    cr_assert_eq(weft_test_udp_stats(test_a).sent, 2);
    cr_assert(weft_test_udp_gives(weft_udp_receive(test_b), "1"));
    cr_assert(weft_test_udp_gives(weft_udp_receive(test_b), "2"));
    weft_test_udp_end();
}

Test(udp, one_that_waited_and_cannot_be_sent_is_counted_and_others_follow)
{
    weft_test_udp_open_two();
    cr_assert(weft__sys_fail("sendmmsg", 1, EAGAIN));
    cr_assert_eq(weft_test_udp_send(test_a, &test_b_address, "1"), 0);
    cr_assert_eq(weft_test_udp_send(test_a, &test_b_address, "2"), 0);
    cr_assert(weft__sys_fail("sendmmsg", 1, EPERM));
    cr_assert_eq(weft_test_count(weft_udp_drain(test_a)), 0);
    cr_assert_eq(weft_test_udp_stats(test_a).errors, 1);
    cr_assert(weft_test_udp_gives(weft_udp_receive(test_b), "2"));
    weft_test_udp_end();
}

Test(udp, beyond_the_limit_is_refused)
{
    static char large[1000];
    test_a =
        weft_test_udp_open((struct weft_udp_options){.bind = "127.0.0.1:0", .send_limit = 500});
    test_b = weft_test_udp_at("127.0.0.1:0");
    test_b_address = weft_test_udp_address(test_b);
    cr_assert(weft__sys_fail("sendmmsg", 1, EAGAIN));
    cr_assert_eq(weft_udp_send_to(test_a, &test_b_address, large, sizeof(large)), 0);
    cr_assert_eq(weft_test_udp_send(test_a, &test_b_address, "x"), -ENOBUFS);
    weft_future *drain = weft_udp_drain(test_a);
    cr_assert(weft_cancel(drain));
    cr_assert_eq(weft_test_ended(drain), -ECANCELED);
    cr_assert_eq(weft_test_count(weft_udp_drain(test_a)), 0);
    cr_assert_eq(weft_test_udp_send(test_a, &test_b_address, "x"), 0);
    weft_test_udp_end();
}

Test(udp, failure_to_send_is_told_and_ends_nothing)
{
    static char large[65528];
    weft_test_udp_open_two();
    cr_assert(weft__sys_fail("sendmmsg", 1, EPERM));
    cr_assert_eq(weft_test_udp_send(test_a, &test_b_address, "1"), -EPERM);
    cr_assert_eq(weft_test_udp_stats(test_a).errors, 1);
    cr_assert_eq(weft_udp_send_to(test_a, &test_b_address, large, sizeof(large)), -EMSGSIZE);
    cr_assert_eq(weft_udp_send_to(test_a, &test_b_address, large, 65520), -EMSGSIZE);
    cr_assert(weft__sys_fail("sendmmsg", 1, EAGAIN));
    cr_assert(weft__sys_fail("event_add", 1, ENOMEM));
    cr_assert_eq(weft_test_udp_send(test_a, &test_b_address, "2"), -ENOMEM);
    cr_assert_eq(weft_test_udp_send(test_a, &test_b_address, "3"), 0);
    cr_assert(weft_test_udp_gives(weft_udp_receive(test_b), "3"));
    weft_test_udp_end();
}

Test(udp, sender_without_end_lets_others_run)
{
    static char large[60000];
    weft_test_udp_open_two();
    cr_assert_eq(weft_udp_send_to(test_a, &test_b_address, large, sizeof(large)), 0);
    weft_future *at_once = weft_udp_drain(test_a);
    cr_assert(weft_is_done(at_once));
    weft_unref(at_once);
    for (int i = 0; i < 5; i++)
        cr_assert_eq(weft_udp_send_to(test_a, &test_b_address, large, sizeof(large)), 0);
    weft_future *pause = weft_udp_drain(test_a);
    cr_assert(!weft_is_done(pause));
    cr_assert_eq(weft_test_count(pause), 0);
    weft_test_udp_end();
}

/* ---- What the network says ---- */

/* At an address of this process's own, so that nobody else takes the port. */
static void open_towards_nobody(void)
{
    char own[32];
    unsigned pid = (unsigned)getpid();
    snprintf(own, sizeof(own), "127.%u.%u.%u:0", 1 + (pid >> 16 & 63), pid >> 8 & 255, pid & 255);
    test_a = weft_test_udp_at(own);
    test_a_address = weft_test_udp_address(test_a);
    weft_udp_free(test_a);
    test_a = NULL;
    test_b = weft_test_udp_towards(&test_a_address);
    test_b_address = weft_test_udp_address(test_b);
}

static void somebody_comes(void)
{
    test_a = weft_test_udp_at(weft_test_udp_text(&test_a_address));
    cr_assert_eq(weft_udp_send(test_b, "hello", 5), 0);
    cr_assert(weft_test_udp_gives(weft_udp_receive(test_a), "hello"));
    cr_assert_eq(weft_test_udp_send(test_a, &test_b_address, "welcome"), 0);
    cr_assert(weft_test_udp_gives(weft_udp_receive(test_b), "welcome"));
}

Test(udp, refusal_is_told_to_the_receiver_and_ends_nothing)
{
    open_towards_nobody();
    weft_future *receive = weft_udp_receive(test_b);
    cr_assert_eq(weft_udp_send(test_b, "x", 1), 0);
    cr_assert_eq(weft_test_count(receive), -ECONNREFUSED);
    cr_assert_eq(weft_test_udp_stats(test_b).errors, 1);
    somebody_comes();
    weft_test_udp_end();
}

Test(udp, refusal_of_one_does_not_keep_the_next_from_being_sent)
{
    open_towards_nobody();
    cr_assert_eq(weft_udp_send(test_b, "x", 1), 0);
    test_a = weft_test_udp_at(weft_test_udp_text(&test_a_address));
    cr_assert_eq(weft_udp_send(test_b, "y", 1), 0, "the kernel's word of the first is met here");
    cr_assert(weft_test_udp_gives(weft_udp_receive(test_a), "y"));
    cr_assert_eq(weft_test_count(weft_udp_receive(test_b)), -ECONNREFUSED);
    weft_udp_free(test_a);
    test_a = NULL;
    weft_future *receive = weft_udp_receive(test_b);
    cr_assert_eq(weft_udp_send(test_b, "x", 1), 0);
    cr_assert_eq(weft_udp_send(test_b, "x", 1), 0);
    cr_assert_eq(weft_test_count(receive), -ECONNREFUSED, "by the send, before the event");
    weft_test_udp_end();
}

/* ---- Groups ---- */

/* Both are bound to any address; b's port is that of the group. */
static weft_address open_for_group(const char *text)
{
    weft_address group;
    test_a = weft_test_udp_at("*:0");
    test_b = weft_test_udp_open(
        (struct weft_udp_options){.bind = "*:0", .flags = WEFT_UDP_REUSE_ADDRESS});
    test_b_address = weft_test_udp_address(test_b);
    cr_assert_eq(weft_address_parse(text, &group), 0);
    weft_address_set_port(&group, weft_address_port(&test_b_address));
    return group;
}

Test(udp, group_is_heard_until_it_is_left)
{
    struct ip_mreqn by_lo = {.imr_ifindex = 1};
    weft_address group = open_for_group("239.1.2.3:1");
    cr_assert_eq(
        setsockopt(weft_udp_fd(test_a), IPPROTO_IP, IP_MULTICAST_IF, &by_lo, sizeof(by_lo)), 0);
    cr_assert_eq(weft_udp_join(test_b, &group, "lo"), 0);
    cr_assert_eq(weft_udp_join(test_b, &group, "lo"), -EADDRINUSE);
    cr_assert_eq(weft_test_udp_send(test_a, &group, "to all"), 0);
    cr_assert(weft_test_udp_gives(weft_udp_receive(test_b), "to all"));
    cr_assert_eq(weft_udp_leave(test_b, &group, "lo"), 0);
    cr_assert_eq(weft_test_udp_send(test_a, &group, "too late"), 0);
    weft_test_turn();
    cr_assert_eq(weft_test_udp_stats(test_b).received, 1);
    weft_test_udp_end();
}

/* The loopback interface carries no groups of IPv6. */
Test(udp, group_of_ipv6_is_joined_by_the_interface_in_its_address)
{
    weft_address group = open_for_group("[ff02::1234%lo]:1");
    cr_assert_eq(weft_udp_join(test_b, &group, NULL), 0);
    cr_assert_eq(weft_udp_join(test_b, &group, "lo"), -EADDRINUSE);
    cr_assert_eq(weft_udp_leave(test_b, &group, "lo"), 0);
    cr_assert_eq(weft_udp_leave(test_b, &group, NULL), -EADDRNOTAVAIL);
    weft_test_udp_end();
}

Test(udp, what_is_no_group_is_not_joined)
{
    weft_address group = open_for_group("[ff02::1234%lo]:1"), none = {0};
    weft_udp *ipv4 = weft_test_udp_at("127.0.0.1:0");
    cr_assert_eq(weft_udp_join(test_b, &group, "no such"), -ENODEV);
    cr_assert_eq(weft_udp_join(test_b, &test_b_address, "lo"), -EINVAL);
    cr_assert_eq(weft_udp_join(test_b, &none, "lo"), -EINVAL);
    cr_assert_eq(weft_udp_join(ipv4, &group, "lo"), -EINVAL);
    weft_udp_free(ipv4);
    weft_test_udp_end();
}

Test(udp, flags_are_options_of_the_socket)
{
    int on = 0;
    socklen_t len = sizeof(on);
    weft_address everybody;
    test_a = weft_test_udp_open((struct weft_udp_options){
        .bind = "127.0.0.1:0", .flags = WEFT_UDP_REUSE_PORT | WEFT_UDP_BROADCAST});
    test_a_address = weft_test_udp_address(test_a);
    test_b = weft_test_udp_open((struct weft_udp_options){
        .bind = weft_test_udp_text(&test_a_address), .flags = WEFT_UDP_REUSE_PORT});
    cr_assert_eq(getsockopt(weft_udp_fd(test_a), SOL_SOCKET, SO_BROADCAST, &on, &len), 0);
    cr_assert_eq(on, 1);
    cr_assert_eq(weft_address_parse("127.255.255.255:9", &everybody), 0);
    cr_assert_eq(weft_test_udp_send(test_a, &everybody, "x"), 0);
    cr_assert_eq(weft_test_udp_send(test_b, &everybody, "x"), -EACCES);
    cr_assert_eq(weft_test_udp_open_error(
                     (struct weft_udp_options){.bind = weft_test_udp_text(&test_a_address)}),
                 -EADDRINUSE);
    weft_test_udp_end();
}
