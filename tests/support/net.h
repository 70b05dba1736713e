/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_NET_H
#define WEFT_TESTS_NET_H

#include <stddef.h>
#include <stdint.h>
#include <weft/connect.h>
#include <weft/stream.h>

#include "core/sys.h"
#include "net/stream/stream.h"

/* How often the table of system calls was used since weft_test_count_calls(). */
extern struct weft_test_calls {
    size_t accept4, recv, sendmsg, event_add;
    size_t most_read; /* the largest single recv() asked for */
} test_calls;

/* Count from now on, from 0. */
void weft_test_count_calls(void);

/* A stream whose peer is a plain non-blocking socket, returned in *ret_peer: a socketpair. */
weft_stream *weft_test_stream(int *ret_peer);

/* Two streams that are each other's peer. */
void weft_test_stream_pair(weft_stream *ret[2]);

/* The plain peer sends; all of it has to fit. */
void weft_test_send(int peer, const void *data, size_t len);
void weft_test_send_text(int peer, const char *text);

/* The plain peer takes what is there: how much, 0 if nothing, -1 at the end, else -errno. */
long weft_test_receive(int peer, void *buffer, size_t size);

/* Let the loop run until it has polled and run what came of it, a few times over. */
void weft_test_turn(void);

/* Run until the future (consumed) is done: its integer, or its negative status. */
int64_t weft_test_count(weft_future *future);

/*
 * Run until the future (consumed) is done: its weft_bytes, to be freed; NULL: it failed,
 * *ret_status.
 */
weft_bytes *weft_test_bytes(weft_future *future, int *ret_status);

/* True if the future (consumed) gives just these bytes. */
bool weft_test_gives(weft_future *future, const char *text);

/* Status of a done future, which is consumed; -EINPROGRESS, and a reference lost, if it is not. */
int weft_test_ended(weft_future *future);

#endif
