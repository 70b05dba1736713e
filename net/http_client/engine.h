/* SPDX-License-Identifier: MIT */
/* libcurl's multi interface on a loop. See net/http_client/engine.c. */
#ifndef WEFT_NET_HTTP_CLIENT_ENGINE_H
#define WEFT_NET_HTTP_CLIENT_ENGINE_H

#include <curl/curl.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <weft/callback.h>

struct weft__client_transfer;

/** All fields are [loop]. */
struct weft__client_engine {
    CURLM *multi;              /* owned */
    struct event_base *base;   /* borrowed: the loop's */
    struct event timer;        /* what libcurl waits for, by its own clock */
    struct weft_callback turn; /* what is to be done at the next tick */
    bool is_due;               /* libcurl's timer has fired */
    int64_t until;             /* of this tick's budget, by the real clock; 0: it has not begun */
    int64_t (*clock)(void);    /* [const] the real one, but for tests */
    unsigned generation;       /* [const] of the process */
    struct weft__client_transfer *first, **end; /* that are to be started */
    uint64_t attempts, turns, connections;
    unsigned most_started;
    unsigned ready, most_ready; /* sockets that libcurl was called for in this tick, and the most */
};

/** 0, -ENOMEM, -EIO (libcurl cannot be initialized). `idle`: how many connections are kept. */
int weft__client_engine_init(struct weft__client_engine *engine, size_t idle);

/** Leave the loop. All transfers are gone. The handle, with its idle connections, is the caller's
 * to clean up, on any thread; NULL: none, or it is a parent process's. */
CURLM *weft__client_engine_fini(struct weft__client_engine *engine);

/** Start a transfer at one of the next ticks. */
void weft__client_engine_add(struct weft__client_engine *engine,
                             struct weft__client_transfer *transfer);

/** The same, at once taken back, whether it has started or not; libcurl forgets it. */
void weft__client_engine_remove(struct weft__client_engine *engine,
                                struct weft__client_transfer *transfer);

#endif
