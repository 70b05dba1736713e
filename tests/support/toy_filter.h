/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TESTS_TOY_FILTER_H
#define WEFT_TESTS_TOY_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <weft/callback.h>
#include <weft/future.h>

#include "net/stream/companion.h"

/*
 * A filter of the tests: "hello" both ways, then records: a byte with the length, and so many bytes
 * changed by an exclusive or. A record of length 0 is the goodbye.
 */
struct test_toy {
    struct weft__stream_filter filter; /* first */
    bool greeted;                      /* the peer's hello has come */
    bool ended;                        /* its goodbye has come */
    bool liar;                         /* says that there is more when there is not */
    int failure;                       /* encode and shut_down fail with it; 0: they do not */
    unsigned char raw[600];            /* has come, and is not decoded */
    size_t raw_len;
    char plain[256]; /* decoded, and not given: plain[start … end) */
    size_t start, end;
    weft_future *ready;        /* resolved when greeted; owned */
    struct weft_callback tell; /* … by this */
};

/* How the filters of this test were used. */
extern struct test_toy_calls {
    size_t receive, shut_down, end;
    int end_status;
} test_toy_calls;

/* One that is not set; NULL: out of memory. */
struct test_toy *test_toy_new(void);

/* Set it and say hello: 0, or why not; then it is gone unless it was set. */
int test_toy_start(struct test_toy *toy, weft_stream *stream);

/* Both; they have to succeed. */
struct test_toy *test_toy_set(weft_stream *stream);

/* The same for a stream whose plain peer says hello as well. */
struct test_toy *test_toy_greet(weft_stream *stream, int peer);

/* A record, encoded: how long it is. */
size_t test_toy_encode(const void *data, size_t len, char *ret);

/* The plain peer sends a text in a record; "" is the goodbye. */
void test_toy_say(int peer, const char *text);

/* What the plain peer has got: hellos and goodbyes as '<' and '>', decoded. Valid until the next call. */
const char *test_toy_hear(int peer);

#endif
