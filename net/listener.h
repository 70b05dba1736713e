/* SPDX-License-Identifier: MIT */
/*
 * Listeners from the inside; net/listener.c has the design comment.
 */
#ifndef WEFT_NET_LISTENER_H
#define WEFT_NET_LISTENER_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <weft/listen.h>

#include "core/future.h"
#include "core/link.h"
#include "net/address.h"

struct weft__net;

/** All fields are [loop]. */
struct weft_listener {
    weft__link link;       /* first; in net->listeners */
    struct weft__net *net; /* [const] */
    int fd;                /* -1: stopped */
    int reserve_fd;        /* given up when there are no others; -1: gone */
    struct event event;
    bool armed;          /* event is added */
    bool aborted;        /* nothing is sent any more when a task ends */
    weft_future *pause;  /* accepting goes on when it is done; NULL: no pause */
    weft_ns reported_at; /* when a failure to accept was last reported */
    size_t dropped;      /* connections closed at once and not reported yet */
    size_t connections, max_connections;
    weft_ns close_timeout;
    weft_future *drainer; /* under way, with a reference, or NULL */
    const weft_coroutine *coroutine;
    char *frame; /* what each task's frame is a copy of; owned */
    size_t stream_offset;
    const char *place;
    bool has_limits;
    struct weft_stream_limits limits;
    struct weft__address address; /* where it is bound */
    char text[WEFT__ADDRESS_TEXT];
};

/** A connection: from accept() until its task has ended and its stream is closed. All [loop]. */
struct weft__connection {
    weft__link link;         /* first; in net->connections */
    weft_listener *listener; /* NULL: freed meanwhile */
    weft_stream *stream;     /* NULL: closed by the task */
    weft__waiter waiter;     /* on the task, then on the end of the stream */
    weft_ns close_timeout;
    bool closing;
};

#endif
