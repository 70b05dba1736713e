/* SPDX-License-Identifier: MIT */
/*
 * What net/ adds to a loop: the lists of what is open, so that the end of the loop can close it.
 */
#ifndef WEFT_NET_NET_H
#define WEFT_NET_NET_H

#include <stdbool.h>

#include "core/future.h"
#include "core/link.h"
#include "core/loop.h"
#include "net/datagram/datagram.h"
#include "net/resolve/resolve.h"
#include "net/stream/buffer.h"
#include "net/stream/stream.h"

struct weft_listener;

/** All fields are [loop]. */
struct weft__net {
    struct weft__part part; /* first */
    weft_loop *loop;        /* [const] */
    bool settled;           /* the loop ends: nothing is opened any more */
    weft__link *streams, *listeners, *connections, *connects, *datagrams;
    weft__buffer_cache buffers;
    struct weft__resolver resolver;
    weft_future done; /* PERMANENT, a success without a value: for what need not wait */
};

/**
 * The loop's net part, made if need be. NULL and *ret_status: -ENOMEM, -ESHUTDOWN, WEFT_ENOLOOP.
 */
struct weft__net *weft__net_get(weft_loop *loop, int *ret_status);

/** A failed future for a status from weft__net_get(). */
weft_future *weft__net_refused(int status);

/* The end of the loop: `end` closes and fails what is under way, `release` frees the memory. */
void weft__stream_end(weft_stream *stream);
void weft__stream_release(weft_stream *stream);
void weft__listener_end(struct weft_listener *listener);
void weft__listener_release(struct weft_listener *listener);
void weft__connection_release(struct weft__connection *connection);
void weft__connecting_end(weft__link *link);

/** The stream of a listener's connection was closed by somebody else than the listener. */
void weft__connection_lost(struct weft__connection *connection);

#endif
