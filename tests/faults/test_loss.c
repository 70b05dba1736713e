/* SPDX-License-Identifier: MIT */
/* A wire that loses, delays, doubles and reorders: what is sent arrives, whole and once. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <weft/udp.h>

#include "tests/faults/scene.h"
#ifdef WEFT_TEST_TLS
#include "tests/support/tls.h"
#endif

TestSuite(loss, .timeout = 120);

enum { MIB = 1 << 20 };

static const struct wire_faults bad = {
    .lost = 15, .twice = 10, .late = 20, .delay = 1000000, .lateness = 3000000};

static void be_bad(const struct wire_faults *faults)
{
    wire_set(WIRE_NEAR, faults);
    wire_set(WIRE_FAR, faults);
}

static void assert_was_bad(enum wire_host from)
{
    struct wire_counts counts = wire_counted(from);
    printf("from %d: %zu packets, %zu lost, %zu twice, %zu late\n", (int)from, (size_t)counts.seen,
           (size_t)counts.lost, (size_t)counts.twice, (size_t)counts.late);
    cr_assert(counts.lost && counts.twice && counts.late);
}

/* So much each way at the same time, in a loop that has time for others. */
static void transfer(weft_stream *near, weft_stream *far, uint64_t total)
{
    uint64_t there = 0, back = 0;
    unsigned beats = 0;
    weft_future *beat = weft_spawn(scene_beat, .count = &beats);
    int status = scene_ends(weft_gather(weft_spawn(scene_pour, .stream = near, .total = total),
                                        weft_spawn(scene_drink, .stream = far, .done = &there),
                                        weft_spawn(scene_pour, .stream = far, .total = total),
                                        weft_spawn(scene_drink, .stream = near, .done = &back)));
    cr_assert_eq(status, 0, "%s", scene_message);
    cr_assert_eq(there, total);
    cr_assert_eq(back, total);
    cr_assert_gt(beats, 10);
    weft_cancel(beat);
    cr_assert_eq(scene_ends(beat), -ECANCELED);
}

static void assert_counted(const weft_stream *stream, uint64_t total)
{
    struct weft_stream_stats stats;
    weft_stream_get_stats(stream, &stats);
    cr_assert_eq(stats.received, total);
    cr_assert_eq(stats.written, total);
    cr_assert_eq(stats.to_read + stats.to_send, 0);
}

static void close_both(weft_stream *near, weft_stream *far)
{
    cr_assert_eq(scene_ends(weft_gather(weft_close(near), weft_close(far))), 0);
}

Test(loss, of_packets_loses_and_doubles_no_byte_of_a_stream)
{
    weft_stream *near, *far;
    scene_begin();
    scene_streams(&near, &far);
    be_bad(&bad);
    transfer(near, far, 3 * MIB);
    assert_counted(near, 3 * MIB);
    assert_counted(far, 3 * MIB);
    assert_was_bad(WIRE_NEAR);
    assert_was_bad(WIRE_FAR);
    close_both(near, far);
    scene_end();
}

Test(loss, by_a_narrow_wire_only_slows_a_stream)
{
    weft_stream *near, *far;
    scene_begin();
    scene_streams(&near, &far);
    be_bad(&(struct wire_faults){.rate = 4 * MIB, .delay = 500000});
    transfer(near, far, 3 * MIB);
    cr_assert_gt(wire_counted(WIRE_NEAR).lost + wire_counted(WIRE_FAR).lost, 0);
    close_both(near, far);
    scene_end();
}

#ifdef WEFT_TEST_TLS
Test(loss, of_packets_loses_and_doubles_no_byte_of_tls)
{
    struct test_pair pair = {0};
    wire_begin(11);
    test_tls_begin_real();
    be_bad(&bad);
    scene_streams(&pair.client, &pair.server);
    weft_tls_context *client = test_client_context(NULL);
    weft_tls_context *server = test_server_context(NULL);
    test_shake_hands(&pair, client, server, "example.org");
    cr_assert(test_agreed(&pair));
    transfer(pair.client, pair.server, 2 * MIB);
    assert_counted(pair.client, 2 * MIB);
    assert_was_bad(WIRE_NEAR);
    assert_was_bad(WIRE_FAR);
    close_both(pair.client, pair.server);
    weft_tls_context_unref(client);
    weft_tls_context_unref(server);
    test_tls_end();
    wire_end();
}
#endif

/* ---- Datagrams ---- */

enum { DATAGRAMS = 4000, SIZE = 700 };

/* Sends numbered datagrams, some at a time so that no queue but the wire loses any. */
struct spray {
    WEFT_FRAME;
    weft_udp *udp;
    uint64_t i;
    int status;
};

static int send_next(struct spray *self)
{
    char data[SIZE];
    memcpy(data, &self->i, sizeof(self->i));
    wire_pattern(data + sizeof(self->i), sizeof(data) - sizeof(self->i), self->i);
    return weft_udp_send(self->udp, data, sizeof(data));
}

static WEFT_ASYNC(spray)
{
    WEFT_BEGIN;
    for (self->i = 0; self->i < DATAGRAMS; self->i++) {
        self->status = send_next(self);
        if (self->status < 0)
            WEFT_FAIL(self->status);
        if (self->i % 32 == 0)
            WEFT_AWAIT(weft_sleep(WEFT_MS(1)));
    }
    WEFT_END;
}

/* What has come: each whole, and how often. Ends at the empty one. */
struct collect {
    WEFT_FRAME;
    weft_udp *udp;
    unsigned char *times; /* of each number */
    weft_datagram *got;
    unsigned overtaken;
    uint64_t last;
};

static bool note(struct collect *self)
{
    uint64_t i;
    if (self->got->len != SIZE)
        return false;
    memcpy(&i, self->got->data, sizeof(i));
    self->overtaken += i < self->last;
    self->last = i;
    self->times[i % DATAGRAMS]++;
    return wire_is_pattern(self->got->data + sizeof(i), SIZE - sizeof(i), i);
}

static WEFT_ASYNC(collect)
{
    WEFT_BEGIN;
    for (;;) {
        WEFT_AWAIT_INTO(self->got, weft_udp_receive(self->udp));
        if (!self->got->len)
            break;
        if (!note(self))
            WEFT_FAIL(WEFT_EPROTO);
        weft_datagram_free(self->got);
        self->got = NULL;
    }
    WEFT_RETURN(self->overtaken);
    WEFT_FINALLY;
    weft_datagram_free(self->got);
    WEFT_END;
}

static uint64_t count_different(const unsigned char *times)
{
    uint64_t count = 0;
    for (size_t i = 0; i < DATAGRAMS; i++)
        count += times[i] != 0;
    return count;
}

Test(loss, of_datagrams_is_what_the_counters_tell)
{
    static unsigned char times[DATAGRAMS];
    scene_begin();
    wire_be_at(WIRE_FAR);
    weft_udp *far = weft_udp_open(&(struct weft_udp_options){
        .bind = WIRE_FAR_4 ":7", .receive_limit = DATAGRAMS, .receive_buffer = 4 * MIB});
    wire_be_at(WIRE_NEAR);
    weft_udp *near = weft_udp_open(&(struct weft_udp_options){.connect = WIRE_FAR_4 ":7"});
    cr_assert(near && far);
    wire_set(WIRE_NEAR, &(struct wire_faults){.lost = 100, .twice = 50, .late = 100});
    weft_future *collected = weft_spawn(collect, .udp = far, .times = times);
    cr_assert_eq(scene_ends(weft_spawn(spray, .udp = near)), 0);
    /* The last one is sure to come, behind those that are late. */
    wire_set(WIRE_NEAR, &(struct wire_faults){.delay = 10000000});
    cr_assert_eq(weft_udp_send(near, NULL, 0), 0);
    int64_t overtaken = weft_test_count(collected);
    struct wire_counts counts = wire_counted(WIRE_NEAR);
    struct weft_udp_stats stats;
    weft_udp_get_stats(far, &stats);
    printf("udp: %zu seen, %zu lost, %zu twice, %zu late; %zu received, %d overtaken\n",
           (size_t)counts.seen, (size_t)counts.lost, (size_t)counts.twice, (size_t)counts.late,
           (size_t)stats.received, (int)overtaken);
    cr_assert_eq(counts.seen, DATAGRAMS + 1);
    cr_assert(counts.lost && counts.twice && overtaken > 0);
    cr_assert_eq(stats.dropped + stats.dropped_by_kernel, 0);
    cr_assert_eq(stats.received, counts.passed + counts.twice);
    cr_assert_eq(count_different(times), counts.passed - 1);
    weft_udp_free(near);
    weft_udp_free(far);
    scene_end();
}
