/* SPDX-License-Identifier: MIT */
/* A WebSocket from the inside; net/http/websocket/websocket.c has the design comment. */
#ifndef WEFT_NET_HTTP_WEBSOCKET_H
#define WEFT_NET_HTTP_WEBSOCKET_H

#include <weft/callback.h>
#include <weft/websocket.h>

#include "core/future.h"
#include "core/loop.h"
#include "net/http/handle.h"
#include "net/http/websocket/frame.h"
#include "net/stream/stream.h"

/** Somebody waits: for a message, a pong, the end. All [loop]. */
struct weft__websocket_op {
    weft_future future;     /* first */
    weft_websocket *socket; /* a reference */
    struct weft__websocket_op *
        *slot; /* where the socket keeps it, with a reference, while PENDING */
};

enum weft__websocket_state {
    WEFT__WEBSOCKET_OPEN,
    WEFT__WEBSOCKET_CLOSING, /* our Close is sent, theirs has not come */
    WEFT__WEBSOCKET_ENDED    /* nothing is sent and nothing is read any more */
};

/** A message, or the beginning of one. */
struct weft__websocket_entry {
    struct weft__websocket_entry *next;
    size_t room; /* bytes there is room for, the NUL included */
    struct weft_websocket_message message;
    char bytes[];
};

/** All fields are [loop]. */
struct weft_websocket {
    weft_loop *loop;            /* [const] */
    weft_http_request *request; /* [const] */
    weft_stream *stream;        /* [const]; there while the request is */
    uint32_t refs;              /* the owner's, of each op, and of each wait under way */
    enum weft__websocket_state state;
    bool freed;
    int status;      /* when ENDED: 0, or what receives fail with */
    const char *why; /* then; static text, or NULL */
    int close_code;  /* theirs */
    char close_reason[WEFT__WEBSOCKET_MOST_REASON + 1];
    struct weft_websocket_options options; /* [const] with the defaults filled in */
    char *subprotocol;                     /* [const]; owned; NULL: none */

    struct weft__websocket_parser parser;
    struct weft__websocket_entry *partial; /* the message under way; NULL: none; owned */
    size_t partial_len;
    struct weft__websocket_entry *first, **last; /* whole ones; owned */
    size_t queued;                               /* bytes they take */

    uint8_t sending;        /* the kind of a message that was begun and not ended; 0: none */
    uint8_t part;           /* opcode of its next frame */
    struct weft__utf8 said; /* of its text; at an end there is nothing left of it */

    weft__waiter reading, stopping; /* with a future: under way, with a reference to the socket */
    struct weft__websocket_op *receiver, *pinger, *closer;

    struct weft_callback timer; /* OPEN: the next look at whether the client is there; CLOSING: the
                                   deadline */
    weft_ns heard;              /* when something came last */
    bool asked;                 /* a ping of the timer's is under way */
    uint64_t ping_number;
    weft_ns pinged;                             /* when `pinger` asked */
    uint8_t owed[WEFT__WEBSOCKET_MOST_CONTROL]; /* the latest ping that is not answered yet */
    size_t owed_len;
    bool owes;
};

/**
 * A WebSocket on a stream that was switched; NULL: out of memory. `options` are valid. Takes over
 * `subprotocol`, unless it fails.
 */
weft_websocket *weft__websocket_new(weft_loop *loop, weft_http_request *request,
                                    const struct weft_websocket_options *options,
                                    char *subprotocol);

/** It was switched: begin. */
void weft__websocket_begin(weft_websocket *socket, weft_stream *stream);

static inline size_t weft__websocket_weight(const struct weft__websocket_entry *entry)
{
    return sizeof(*entry) + entry->message.len;
}

/* ---- websocket.c ---- */

void weft__websocket_unref(weft_websocket *socket);

/** Whoever waits is done, if anybody does. */
void weft__websocket_succeed(struct weft__websocket_op *op, weft_value value,
                             weft_destructor *destructor);

/** Whoever waits for a message gets one, or the end. */
void weft__websocket_serve_receiver(weft_websocket *socket);

/** Nothing is sent or read from now on. `why` is static, or NULL. */
void weft__websocket_end(weft_websocket *socket, int status, const char *why);

/** The same; the client is not there any more: what waits to be sent never will be. */
void weft__websocket_give_up(weft_websocket *socket, int status, const char *why);

/** Has the handler not ended, and is this its thread? */
bool weft__websocket_check(const weft_websocket *socket, const char *function, int *ret_status);
weft_future *weft__websocket_refused(int status);
#define WEFT__WEBSOCKET_CHECK(socket, ret_status) \
    weft__websocket_check((socket), __func__, (ret_status))

/** OPEN -> CLOSING, or ENDED. */
void weft__websocket_begin_close(weft_websocket *socket, int code, const char *reason);

/* ---- send.c ---- */

/** What was sent would not be: why. 0: it would. */
int weft__websocket_sending_error(const weft_websocket *socket);

/** 0, or as weft_write(). A `code` of 1005: none. */
int weft__websocket_send_frame(weft_websocket *socket, uint8_t opcode, const void *data,
                               size_t len);
int weft__websocket_send_close(weft_websocket *socket, int code, const char *reason);

/** Answer the latest ping, if there is one and room for it. */
void weft__websocket_pay_pong(weft_websocket *socket);

/* ---- read.c ---- */

static inline bool weft__websocket_is_full(const weft_websocket *socket)
{
    return socket->state == WEFT__WEBSOCKET_OPEN && socket->queued >= socket->options.read_high;
}

static inline bool weft__websocket_is_alive(const weft_websocket *socket)
{
    return !socket->freed && weft__http_alive(socket->request) != NULL;
}

/** Deal with all that has come, then wait for more; if there is room for it. */
void weft__websocket_read_on(weft_websocket *socket);

/** The timer is to look so much later. */
void weft__websocket_look_again(weft_websocket *socket, weft_ns delay);

/** Of the two waits and the timer. */
void weft__websocket_on_input(weft__item *item);
void weft__websocket_on_stopping(weft__item *item);
void weft__websocket_on_time(void *socket);

/* ---- accept.c calls these. ---- */

/** As if by weft_websocket_free(). */
void weft__websocket_drop(void *socket);

#endif
