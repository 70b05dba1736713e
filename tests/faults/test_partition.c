/* SPDX-License-Identifier: MIT */
/* The wire is cut while a connection is made or ended: at each flight of a handshake, at its goodbye,
 * before the first answer, of one family of addresses. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <weft/listen.h>
#include <weft/resolve.h>

#include "tests/faults/scene.h"
#ifdef WEFT_TEST_TLS
#include "tests/support/tls.h"
#endif

TestSuite(partition, .timeout = 120);

#define SOON WEFT_MS(150)
#define HANDSHAKE WEFT_S(1) /* one that is not cut ends before that */

static bool says(const char *text)
{
    if (!strstr(scene_message, text))
        cr_log_error("\"%s\" does not say \"%s\"\n", scene_message, text);
    return strstr(scene_message, text);
}

/* ---- Connecting ---- */

Test(partition, ends_a_connect_that_has_a_deadline)
{
    scene_begin();
    cr_assert_eq(scene_ends(weft_connect_with(&(struct weft_connect_options){.timeout = SOON},
                                              WIRE_NOBODY_4 ":7")),
                 -ETIMEDOUT);
    cr_assert(says(WIRE_NOBODY_4 ":7: no answer yet"));
    cr_assert_eq(scene_ends(weft_connect_with(
                     &(struct weft_connect_options){.attempt_timeout = SOON}, WIRE_NOBODY_4 ":7")),
                 -ETIMEDOUT);
    cr_assert_eq(scene_ends(weft_wait_for(weft_connect(WIRE_NOBODY_4 ":7"), SOON)), -ETIMEDOUT);
    cr_assert_eq(scene_ends(weft_connect("198.51.100.1:7")), -ENETUNREACH);
    cr_assert_eq(scene_ends(weft_connect(WIRE_FAR_4 ":7")), -ECONNREFUSED);
    scene_end();
}

Test(partition, that_heals_lets_a_connect_go_on)
{
    struct scene_address address;
    scene_begin();
    int listening = scene_listen(WIRE_FAR, &address);
    wire_cut(WIRE_WHOLE);
    weft_future *connect = weft_connect(address.text);
    cr_assert_eq(scene_ends(weft_wait_for(weft_shield(weft_ref(connect)), SOON)), -ETIMEDOUT);
    wire_heal();
    weft_stream_free(scene_connected(connect));
    close(listening);
    scene_end();
}

/* ---- Happy Eyeballs ---- */

static const char hosts[] =
    WIRE_FAR_6 " both.test\n" WIRE_FAR_4 " both.test\n"
               "2001:db8:99::1 no-way.test\n" WIRE_FAR_4 " no-way.test\n"
               "2001:db8:77::99 nobody.test\n" WIRE_NOBODY_4 " nobody.test\n";

struct greet {
    WEFT_FRAME;
    weft_stream *stream;
};

static WEFT_ASYNC(greet)
{
    WEFT_BEGIN;
    weft_write(self->stream, "hello", 5);
    WEFT_END;
}

/* The far host listens at port 7 of both families. */
static weft_listener *eyeballs_begin(void)
{
    scene_names(hosts, "nameserver " WIRE_NOBODY_4 "\n");
    scene_begin();
    wire_be_at(WIRE_FAR);
    weft_listener *listener = weft_listen("[" WIRE_FAR_6 "]:7," WIRE_FAR_4 ":7", greet);
    wire_be_at(WIRE_NEAR);
    cr_assert_not_null(listener);
    return listener;
}

static void eyeballs_end(weft_listener *listener)
{
    weft_listener_free(listener);
    scene_end();
}

static void assert_reaches(const char *name, const char *address)
{
    weft_stream *stream = scene_connected(weft_connect(name));
    cr_assert_str_eq(weft_stream_peer(stream), address);
    weft_stream_free(stream);
}

#define BY_6 "[" WIRE_FAR_6 "]:7"
#define BY_4 WIRE_FAR_4 ":7"

Test(partition, of_neither_family_prefers_ipv6)
{
    weft_listener *listener = eyeballs_begin();
    assert_reaches("both.test:7", BY_6);
    eyeballs_end(listener);
}

Test(partition, of_ipv6_costs_the_delay_of_an_attempt)
{
    weft_listener *listener = eyeballs_begin();
    wire_cut(WIRE_IPV6);
    assert_reaches("both.test:7", BY_4);
    /* Without that delay IPv6 is waited for, alone. */
    cr_assert_eq(scene_ends(weft_connect_with((&(struct weft_connect_options){
                                                  .attempt_delay = WEFT_FOREVER, .timeout = SOON}),
                                              "both.test:7")),
                 -ETIMEDOUT);
    cr_assert(says(BY_6 ": no answer yet"));
    cr_assert_null(strstr(scene_message, WIRE_FAR_4));
    eyeballs_end(listener);
}

Test(partition, of_ipv4_is_not_even_noticed)
{
    weft_listener *listener = eyeballs_begin();
    wire_cut(WIRE_IPV4);
    assert_reaches("both.test:7", BY_6);
    eyeballs_end(listener);
}

Test(partition, without_a_way_by_ipv6_costs_nothing)
{
    weft_listener *listener = eyeballs_begin();
    weft_stream *stream = scene_connected(weft_connect_with(
        &(struct weft_connect_options){.attempt_delay = WEFT_FOREVER}, "no-way.test:7"));
    cr_assert_str_eq(weft_stream_peer(stream), BY_4);
    weft_stream_free(stream);
    eyeballs_end(listener);
}

Test(partition, of_both_families_is_told_of_each)
{
    weft_listener *listener = eyeballs_begin();
    cr_assert_eq(scene_ends(weft_resolve("nobody.test", NULL)), 0); /* from now on it is known */
    cr_assert_eq(
        scene_ends(weft_connect_with(
            (&(struct weft_connect_options){.attempt_delay = WEFT_MS(1), .timeout = 2 * SOON}),
            "nobody.test:7")),
        -ETIMEDOUT);
    cr_assert(says("[2001:db8:77::99]:7: no answer yet"));
    cr_assert(says(WIRE_NOBODY_4 ":7: no answer yet"));
    eyeballs_end(listener);
}

/* ---- TLS ---- */

#ifdef WEFT_TEST_TLS
/* A server of TLS on the far host, and whoever connects to it. */
static struct {
    weft_tls_context *client, *server;
    weft_listener *listener;
} tls;

static void tls_begin(enum weft_tls_version version, weft_ns handshake_timeout)
{
    wire_begin(3);
    test_tls_begin_real();
    struct weft_tls_options serving = test_serving(test_server);
    serving.max_version = version;
    serving.close_timeout = SOON;
    struct weft_tls_options trusting = {
        .ca = test_ca->chain, .handshake_timeout = handshake_timeout, .close_timeout = SOON};
    tls.server = test_server_context(&serving);
    tls.client = test_client_context(&trusting);
    wire_be_at(WIRE_FAR);
    tls.listener = weft_listen_with(
        (&(struct weft_listen_options){.tls = tls.server, .handshake_timeout = handshake_timeout}),
        WIRE_FAR_4 ":7", greet);
    wire_be_at(WIRE_NEAR);
    cr_assert_not_null(tls.listener);
}

static void tls_end(void)
{
    weft_listener_free(tls.listener);
    weft_tls_context_unref(tls.client);
    weft_tls_context_unref(tls.server);
    test_tls_end();
    wire_end();
}

static weft_future *tls_connect(void)
{
    return weft_connect_with(
        (&(struct weft_connect_options){.tls = tls.client, .server_name = "example.org"}),
        WIRE_FAR_4 ":7");
}

static bool has_gone(void *unused)
{
    (void)unused;
    struct weft_listener_stats stats;
    weft_listener_get_stats(tls.listener, &stats);
    return stats.accepted && !stats.connections;
}

/* A flight: who sends it, as the how manyeth, in which version; and who notices that it is lost. */
struct flight {
    enum weft_tls_version version;
    enum wire_host from;
    unsigned n;
    bool client, server;
};

static void lose(const struct flight *flight)
{
    struct weft_listener_stats stats;
    tls_begin(flight->version, HANDSHAKE);
    wire_cut_at(flight->from, flight->n);
    weft_future *connect = tls_connect();
    if (flight->client) {
        cr_assert_eq(scene_ends(connect), -ETIMEDOUT, "%s", scene_message);
        cr_assert(says(WIRE_FAR_4 ":7: "));
    } else {
        weft_stream_free(scene_connected(connect));
    }
    scene_until(has_gone, NULL);
    cr_assert(wire_has_struck());
    weft_listener_get_stats(tls.listener, &stats);
    cr_assert_eq(stats.refused, flight->server);
    if (flight->server)
        cr_assert_not_null(strstr(stats.last_refusal, "the handshake took too long"));
    cr_assert_eq(test_reports.count, 0);
    tls_end();
}

/* The same, but the wire heals: the handshake goes on where it was. */
static void lose_for_a_while(const struct flight *flight)
{
    char buffer[5];
    tls_begin(flight->version, 0);
    wire_cut_at(flight->from, flight->n);
    weft_future *connect = tls_connect();
    while (!wire_has_struck())
        cr_assert_eq(scene_ends(weft_sleep(WEFT_MS(1))), 0);
    wire_heal();
    weft_stream *stream = scene_connected(connect);
    cr_assert_eq(weft_test_count(weft_read_exactly(stream, buffer, 5)), 5);
    cr_assert(memcmp(buffer, "hello", 5) == 0);
    weft_stream_free(stream);
    tls_end();
}

/* Its connect may have a deadline of its own. */
Test(partition, of_a_handshake_ends_a_connect_that_has_a_deadline)
{
    tls_begin(WEFT_TLS_1_3, 0);
    wire_cut_at(WIRE_FAR, 0);
    cr_assert_eq(scene_ends(weft_connect_with(
                     (&(struct weft_connect_options){
                         .tls = tls.client, .server_name = "example.org", .timeout = HANDSHAKE}),
                     WIRE_FAR_4 ":7")),
                 -ETIMEDOUT);
    cr_assert(says(WIRE_FAR_4 ":7: no end of the TLS handshake yet"));
    wire_heal();
    scene_until(has_gone, NULL);
    tls_end();
}

static const struct flight flights[] = {
    {WEFT_TLS_1_3, WIRE_NEAR, 0, true, true},  /* ClientHello */
    {WEFT_TLS_1_3, WIRE_FAR, 0, true, true},   /* ServerHello … Finished */
    {WEFT_TLS_1_3, WIRE_NEAR, 1, false, true}, /* Finished: to the client it is over */
    {WEFT_TLS_1_2, WIRE_NEAR, 0, true, true},  /* ClientHello */
    {WEFT_TLS_1_2, WIRE_FAR, 0, true, true},   /* ServerHello … ServerHelloDone */
    {WEFT_TLS_1_2, WIRE_NEAR, 1, true, true},  /* ClientKeyExchange … Finished */
    {WEFT_TLS_1_2, WIRE_FAR, 1, true, false},  /* Finished: to the server it is over */
};

/* One process each, since namespaces are the process's. */
#define FLIGHT(i, name)                             \
    Test(partition, at_##name##_meets_the_deadline) \
    {                                               \
        lose(&flights[i]);                          \
    }                                               \
    Test(partition, at_##name##_may_heal)           \
    {                                               \
        lose_for_a_while(&flights[i]);              \
    }

FLIGHT(0, the_first_flight_of_tls_1_3)
FLIGHT(1, the_second_flight_of_tls_1_3)
FLIGHT(2, the_third_flight_of_tls_1_3)
FLIGHT(3, the_first_flight_of_tls_1_2)
FLIGHT(4, the_second_flight_of_tls_1_2)
FLIGHT(5, the_third_flight_of_tls_1_2)
FLIGHT(6, the_fourth_flight_of_tls_1_2)

/* ---- Its goodbye ---- */

Test(partition, ends_a_goodbye_that_nobody_answers)
{
    char buffer[8];
    struct test_pair pair = {0};
    tls_begin(WEFT_TLS_1_3, 0);
    scene_streams(&pair.client, &pair.server);
    test_shake_hands(&pair, tls.client, tls.server, "example.org");
    cr_assert(test_talks(&pair));
    wire_cut(WIRE_WHOLE);
    cr_assert_eq(scene_ends(weft_close(pair.client)), 0);
    /* To the other end, nothing has happened; which is neither an end nor a truncation. */
    cr_assert_eq(scene_ends(weft_wait_for(weft_read(pair.server, buffer, 8), SOON)), -ETIMEDOUT);
    cr_assert(!weft_at_eof(pair.server));
    cr_assert_eq(scene_ends(weft_close(pair.server)), 0);
    tls_end();
}

Test(partition, ends_a_goodbye_behind_much_that_waits)
{
    static const char much[512 * 1024];
    struct test_pair pair = {0};
    tls_begin(WEFT_TLS_1_3, 0);
    scene_streams(&pair.client, &pair.server);
    test_shake_hands(&pair, tls.client, tls.server, "example.org");
    cr_assert(test_talks(&pair));
    wire_cut(WIRE_WHOLE);
    cr_assert_eq(weft_write(pair.client, much, sizeof(much)), 0);
    cr_assert_eq(scene_ends(weft_wait_for(weft_close(pair.client), SOON)), -ETIMEDOUT);
    weft_stream_free(pair.server);
    tls_end();
}
#endif
