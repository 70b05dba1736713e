/* SPDX-License-Identifier: MIT */
/* The first one on its way to a server of HTTP/2. See net/http_client/scout.c. */
#ifndef WEFT_NET_HTTP_CLIENT_SCOUT_H
#define WEFT_NET_HTTP_CLIENT_SCOUT_H

#include <stdbool.h>
#include <stdint.h>
#include <weft/event.h>
#include <weft/future.h>

#include "net/http_client/request.h"

enum { WEFT__CLIENT_ORIGINS = 1024 };

/** All fields are [loop]. */
struct weft__client_scout {
    struct weft__client_scouts *scouts; /* NULL: it is none, or has ended */
    struct weft__client_scout *next;
    uint32_t origin;
    weft_event *is_back; /* owned; the others wait for it */
};

/** Of a session. All zero: none are under way, and nothing is known. */
struct weft__client_scouts {
    struct weft__client_scout *first;
    uint64_t speaks_one[WEFT__CLIENT_ORIGINS / 64]; /* a bit each: its last answer was HTTP/1 */
};

/** Wait for the one that is on its way to where this request goes; NULL: none is, or it makes no
 * difference. */
weft_future *weft__client_scout_wait(struct weft__client_scouts *scouts,
                                     const struct weft__client_request *request);

/** Be the one from now on, if none is and it makes a difference. 0, -ENOMEM and its like. */
int weft__client_scout_begin(struct weft__client_scout *scout, struct weft__client_scouts *scouts,
                             const struct weft__client_request *request);

/** It is connected, or has failed. Twice is nothing. */
void weft__client_scout_end(struct weft__client_scout *scout);

/** A server's answer was of this version. */
void weft__client_scout_learn(struct weft__client_scouts *scouts,
                              const struct weft__client_request *request, int version);

#endif
