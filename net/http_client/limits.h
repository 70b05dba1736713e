/* SPDX-License-Identifier: MIT */
/* How many requests are under way at once, to a host and in all. */
#ifndef WEFT_NET_HTTP_CLIENT_LIMITS_H
#define WEFT_NET_HTTP_CLIENT_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <weft/future.h>
#include <weft/semaphore.h>

#include "net/http_client/url.h"

struct weft__client_host;

/** All fields are [loop]. */
struct weft__client_limits {
    weft_semaphore *all;             /* owned */
    struct weft__client_host *hosts; /* those to which somebody has, or waits for, a place */
    size_t per_host;                 /* 0: no limit */
    size_t waiting;
};

/** A place of one attempt. All zero: none. */
struct weft__client_place {
    struct weft__client_limits *limits;
    struct weft__client_host *host;
    bool has_host, has_all;
};

/** 0, -ENOMEM. */
int weft__client_limits_init(struct weft__client_limits *limits, size_t all, size_t per_host);
void weft__client_limits_fini(struct weft__client_limits *limits);

/** Get in line; then await the two, in that order, and say so. -ENOMEM. */
int weft__client_place_enter(struct weft__client_place *place, struct weft__client_limits *limits,
                             const struct weft__client_url *url);
weft_future *weft__client_place_of_host(const struct weft__client_place *place);
weft_future *weft__client_place_of_all(const struct weft__client_place *place);

/** Both were awaited. */
void weft__client_place_is_taken(struct weft__client_place *place);

/** Give up what there is of it. */
void weft__client_place_leave(struct weft__client_place *place);

#endif
