/* SPDX-License-Identifier: MIT */
/* A peer that is there and never reads: who writes waits, or is refused; what waits is bounded, and can
 * be given up at any time. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <weft/listen.h>
#include <weft/socket.h>

#include "tests/faults/scene.h"
#ifdef WEFT_TEST_TLS
#include "tests/support/tls.h"
#endif

TestSuite(full, .timeout = 120);

#define SOON WEFT_MS(50)
enum { PIECE = 16384, MIB = 1 << 20 };

static char piece[PIECE];

/* So that the kernel takes much less than weft does. */
static void narrow(int from, int to)
{
    int little = 32 * 1024;
    setsockopt(from, SOL_SOCKET, SO_SNDBUF, &little, sizeof(little));
    setsockopt(to, SOL_SOCKET, SO_RCVBUF, &little, sizeof(little));
}

/* Write the pattern until no more is taken, and then drain; how much was written. */
static uint64_t fill(weft_stream *stream, weft_future **ret_drain)
{
    int status = 0;
    uint64_t written = 0;
    while (status == 0) {
        wire_pattern(piece, PIECE, written);
        status = weft_write(stream, piece, PIECE);
        written += status == 0 ? PIECE : 0;
    }
    cr_assert_eq(status, -ENOBUFS);
    *ret_drain = weft_drain(stream);
    return written;
}

/* A stream whose peer never reads, full, and being drained. */
static weft_stream *full_stream(int *ret_peer, uint64_t *ret_written, weft_future **ret_drain)
{
    weft_stream *stream = scene_stream(ret_peer);
    narrow(weft_stream_fd(stream), *ret_peer);
    *ret_written = fill(stream, ret_drain);
    return stream;
}

/* The peer reads what is left of the pattern to the end; how much it was in all. */
static uint64_t read_to_end(int peer)
{
    uint64_t done = 0;
    weft_stream *far = weft_stream_new(peer);
    cr_assert_not_null(far);
    cr_assert_eq(scene_ends(weft_spawn(scene_drink, .stream = far, .done = &done)), 0, "%s",
                 scene_message);
    weft_stream_free(far);
    return done;
}

Test(full, makes_a_drain_wait_that_can_be_given_up_and_asked_again)
{
    int peer;
    weft_future *drain;
    uint64_t written;
    scene_begin();
    weft_stream *stream = full_stream(&peer, &written, &drain);
    cr_assert_eq(scene_ends(weft_drain(stream)), -EBUSY);
    weft_cancel(drain);
    cr_assert_eq(scene_ends(drain), -ECANCELED);
    cr_assert_eq(scene_ends(weft_wait_for(weft_drain(stream), SOON)), -ETIMEDOUT);
    drain = weft_drain(stream);
    cr_assert_eq(weft_write_eof(stream), 0);
    cr_assert_eq(read_to_end(peer), written);
    cr_assert_eq(scene_ends(drain), 0);
    cr_assert_eq(scene_ends(weft_close(stream)), 0);
    scene_end();
}

Test(full, refuses_what_is_written_without_a_drain)
{
    int peer;
    scene_begin();
    weft_stream *stream = scene_stream(&peer);
    uint64_t written = 0;
    int status = 0;
    size_t most = 0;
    while (status == 0) {
        wire_pattern(piece, PIECE, written);
        status = weft_write(stream, piece, PIECE);
        written += status == 0 ? PIECE : 0;
        most = weft_write_pending(stream) > most ? weft_write_pending(stream) : most;
    }
    cr_assert_eq(status, -ENOBUFS);
    cr_assert_leq(most, MIB + PIECE);
    cr_assert_eq(weft_write(stream, "x", 1), -ENOBUFS);
    cr_assert_eq(weft_write_eof(stream), 0);
    cr_assert_eq(read_to_end(peer), written);
    cr_assert_eq(scene_ends(weft_close(stream)), 0);
    scene_end();
}

Test(full, makes_a_close_wait_for_as_long_as_it_may)
{
    int peer;
    weft_future *drain;
    uint64_t written;
    scene_begin();
    weft_stream *stream = full_stream(&peer, &written, &drain);
    weft_future *closed = weft_close(stream);
    cr_assert_eq(scene_ends(drain), WEFT_ECLOSED);
    cr_assert_eq(scene_ends(weft_wait_for(closed, SOON)), -ETIMEDOUT);
    close(peer);
    scene_end(); /* the descriptor is given back */
}

static bool is_reset(void *peer)
{
    char sink[65536];
    ssize_t got = recv(*(int *)peer, sink, sizeof(sink), MSG_DONTWAIT);
    cr_assert_neq(got, 0, "it ended, and was not reset");
    return got < 0 && errno == ECONNRESET;
}

Test(full, is_told_by_an_abort)
{
    int peer;
    weft_future *drain;
    uint64_t written;
    scene_begin();
    weft_stream *stream = full_stream(&peer, &written, &drain);
    weft_stream_abort(stream);
    cr_assert_eq(scene_ends(drain), WEFT_ECLOSED);
    scene_until(is_reset, &peer);
    close(peer);
    scene_end();
}

/* ---- The other direction ---- */

Test(full, makes_the_peer_wait_when_we_do_not_read)
{
    weft_stream *near, *far;
    uint64_t done = 0;
    struct weft_stream_stats stats;
    scene_begin();
    scene_streams(&near, &far);
    weft_future *poured = weft_spawn(scene_pour, .stream = far, .total = 16 * MIB);
    cr_assert_eq(scene_ends(weft_wait_for(weft_shield(weft_ref(poured)), 4 * SOON)), -ETIMEDOUT);
    weft_stream_get_stats(near, &stats);
    cr_assert_leq(stats.to_read, 64 * 1024);
    cr_assert_leq(weft_write_pending(far), 64 * 1024 + 8192);
    cr_assert_eq(scene_ends(weft_spawn(scene_drink, .stream = near, .done = &done)), 0);
    cr_assert_eq(scene_ends(poured), 0);
    cr_assert_eq(done, 16 * MIB);
    weft_stream_free(near);
    weft_stream_free(far);
    scene_end();
}

/* ---- Listeners ---- */

struct pour_on {
    WEFT_FRAME;
    weft_stream *stream;
    int *ended; /* how it was, counted */
    int status;
};

static WEFT_ASYNC(pour_on)
{
    WEFT_BEGIN;
    while (self->status == 0) {
        self->status = weft_write(self->stream, piece, PIECE);
        if (self->status == 0)
            WEFT_CATCH(self->status, weft_drain(self->stream));
    }
    *self->ended += self->status == -ECANCELED;
    WEFT_END;
}

static bool has_three(void *listener)
{
    return weft_listener_connections(listener) == 3;
}

Test(full, keeps_no_listener_from_ending)
{
    int clients[3], ended = 0;
    scene_begin();
    wire_be_at(WIRE_FAR);
    weft_listener *listener = weft_listen(WIRE_FAR_4 ":0", pour_on, .ended = &ended);
    wire_be_at(WIRE_NEAR);
    cr_assert_not_null(listener);
    for (int i = 0; i < 3; i++)
        clients[i] = scene_client(weft_listener_port(listener));
    scene_until(has_three, listener);
    cr_assert_eq(scene_ends(weft_wait_for(weft_listener_drain(listener), SOON)), -ETIMEDOUT);
    cr_assert_eq(weft_listener_connections(listener), 3);
    weft_listener_abort(listener);
    cr_assert_eq(scene_ends(weft_listener_drain(listener)), 0);
    cr_assert_eq(ended, 3);
    for (int i = 0; i < 3; i++)
        close(clients[i]);
    weft_listener_free(listener);
    scene_end();
}

/* ---- TLS ---- */

#ifdef WEFT_TEST_TLS
Test(full, is_the_same_with_tls)
{
    struct test_pair pair = {0};
    weft_future *drain;
    uint64_t done = 0;
    wire_begin(5);
    test_tls_begin_real();
    scene_streams(&pair.client, &pair.server);
    weft_tls_context *client = test_client_context(NULL);
    weft_tls_context *server = test_server_context(NULL);
    test_shake_hands(&pair, client, server, "example.org");
    cr_assert(test_agreed(&pair));
    narrow(weft_stream_fd(pair.client), weft_stream_fd(pair.server));
    narrow(weft_stream_fd(pair.server), weft_stream_fd(pair.client));
    uint64_t written = fill(pair.client, &drain);
    weft_cancel(drain);
    cr_assert_eq(scene_ends(drain), -ECANCELED);
    cr_assert_leq(weft_write_pending(pair.client), MIB + MIB / 8);
    cr_assert_eq(scene_ends(weft_wait_for(weft_drain(pair.client), SOON)), -ETIMEDOUT);
    weft_future *read = weft_spawn(scene_drink, .stream = pair.server, .done = &done);
    cr_assert_eq(weft_write_eof(pair.client), 0);
    cr_assert_eq(scene_ends(read), 0, "%s", scene_message);
    cr_assert_eq(done, written);
    fill(pair.server, &drain);
    weft_future *closed = weft_close(pair.server);
    cr_assert_eq(scene_ends(drain), WEFT_ECLOSED);
    cr_assert_eq(scene_ends(weft_wait_for(closed, SOON)), -ETIMEDOUT);
    weft_stream_free(pair.client);
    weft_tls_context_unref(client);
    weft_tls_context_unref(server);
    test_tls_end();
    wire_end();
}
#endif
