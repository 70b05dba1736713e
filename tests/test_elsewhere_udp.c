/* SPDX-License-Identifier: MIT */
/* Calls of datagram endpoints on another thread, and in a forked child. */
#include <criterion/criterion.h>
#include <errno.h>
#include <weft/udp.h>

#include "tests/support/elsewhere.h"
#include "tests/support/loop.h"
#include "tests/support/net.h"

TestSuite(elsewhere_udp, .init = weft_test_loop_begin, .timeout = 60);

struct stage {
    weft_udp *udp;
    weft_address self, group;
};

#define CALLS(X)                                                                      \
    X(F, weft_udp_drain, weft_udp_drain(s->udp))                                      \
    X(S, weft_udp_fd, weft_udp_fd(s->udp))                                            \
    X(V, weft_udp_free, weft_udp_free(s->udp))                                        \
    X(V, weft_udp_get_stats, weft_udp_get_stats(s->udp, &(struct weft_udp_stats){0})) \
    X(S, weft_udp_join, weft_udp_join(s->udp, &s->group, "lo"))                       \
    X(S, weft_udp_leave, weft_udp_leave(s->udp, &s->group, "lo"))                     \
    X(S, weft_udp_local, weft_udp_local(s->udp, &(weft_address){0}))                  \
    X(N, weft_udp_open, weft_udp_open(NULL))                                          \
    X(F, weft_udp_receive, weft_udp_receive(s->udp))                                  \
    X(S, weft_udp_send, weft_udp_send(s->udp, "x", 1))                                \
    X(S, weft_udp_send_many,                                                          \
      weft_udp_send_many(s->udp, &(struct weft_udp_message){&s->self, "x", 1}, 1))    \
    X(S, weft_udp_send_to, weft_udp_send_to(s->udp, &s->self, "x", 1))

CALLS(WEFT_TEST_CALL)
static const struct weft_test_call calls[] = {CALLS(WEFT_TEST_ENTRY)};

Test(elsewhere_udp, calls_are_refused_named_and_change_nothing)
{
    struct weft_udp_stats stats;
    struct stage s = {
        .udp = weft_udp_open(&(struct weft_udp_options){.bind = "127.0.0.1:0"}),
    };
    cr_assert_not_null(s.udp);
    cr_assert_eq(weft_udp_local(s.udp, &s.self), 0);
    cr_assert_eq(weft_address_parse("224.0.0.251:0", &s.group), 0);

    weft_test_elsewhere(calls, sizeof(calls) / sizeof(calls[0]), &s);

    weft_test_turn();
    weft_udp_get_stats(s.udp, &stats);
    cr_assert_eq(stats.received, 0, "nothing was sent");
    cr_assert_eq(weft_udp_leave(s.udp, &s.group, "lo"), -EADDRNOTAVAIL, "nothing was joined");
    weft_udp_free(s.udp);
    weft_test_loop_end();
}
