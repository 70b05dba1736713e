/* SPDX-License-Identifier: MIT */
/* Datagram endpoints from the inside: see net/datagram/datagram.c. */
#ifndef WEFT_NET_DATAGRAM_H
#define WEFT_NET_DATAGRAM_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <weft/udp.h>

#include "core/future.h"
#include "core/link.h"
#include "net/resolve/address.h"

struct weft__net;

/** How many datagrams a system call moves at most. */
enum { WEFT__DATAGRAM_BATCH = 16 };

/** One that has come, or waits to be sent: a block of its own. */
struct weft__arrival {
    weft_datagram datagram; /* first: what users free */
    struct weft__arrival *next;
    char bytes[];
};

struct weft__outgoing {
    struct weft__outgoing *next;
    struct weft__address to; /* len 0: the connected one */
    size_t len;
    char bytes[];
};

/** An operation under way. All [loop]. */
struct weft__datagram_op {
    weft_future future; /* first */
    weft_udp *udp;      /* a reference to its memory; receives only */
    struct weft__datagram_op *
        *slot; /* where the endpoint keeps it, with a reference, while PENDING */
};

/** All fields are [loop]. */
struct weft_udp {
    weft__link link;       /* first; in net->datagrams */
    struct weft__net *net; /* [const]; not to be touched once it is GONE */
    uint32_t refs;         /* of its owner, and of receives that are not freed */
    int fd;                /* -1: the loop has ended, or it is GONE */
    int family;            /* [const] */
    bool gone;             /* freed by its owner: memory is all that is left */
    bool connected;        /* [const] */
    bool reading;          /* read_event is added */
    bool drop_oldest;      /* [const] */
    bool writing;          /* write_event is added: the kernel said EAGAIN */
    char *file;            /* that binding made; NULL: none; owned */
    unsigned generation;   /* [const] of the process that bound it: weft__generation */
    struct event read_event, write_event;
    struct weft__datagram_op *receiver, *drainer; /* under way, or NULL */

    struct weft__arrival *first, **last; /* wait to be received; `last`: where the next one goes */
    size_t arrived, receive_limit;
    char *room;          /* BATCH times max_datagram bytes; owned */
    size_t max_datagram; /* [const] */
    int error;           /* for the next receive, behind what has arrived; 0: none */
    uint32_t overflows;  /* the kernel's counter (SO_RXQ_OVFL), as it was last seen */

    struct weft__outgoing *out, **out_last; /* wait to be sent */
    size_t out_bytes, send_limit;
    size_t since_pause; /* bytes sent since a drain let others run */
    struct weft_udp_stats stats;
};

/* ---- The loop's end: net/net.c ---- */

void weft__datagram_end(weft_udp *udp);
void weft__datagram_release(weft_udp *udp);

/* ---- Between net/datagram*.c ---- */

/** A reference to the endpoint's memory is not needed any more. */
void weft__datagram_unref(weft_udp *udp);

/** A pending operation in a slot that is free; NULL: out of memory. */
struct weft__datagram_op *weft__datagram_op_new(weft_udp *udp, struct weft__datagram_op **slot,
                                                const struct weft__future_ops *ops);

/** Take an operation out of its slot and complete it. Who calls this is done with the endpoint. */
void weft__datagram_op_complete(struct weft__datagram_op *op, int status, weft_value value,
                                weft_destructor *destructor);

/** Wait for datagrams, or not. 0, or libevent's failure. */
int weft__datagram_update_reading(weft_udp *udp);

/** Something of what was sent earlier has failed, which the next receive is told. Who calls this is
 * done with the endpoint. */
void weft__datagram_tell(weft_udp *udp, int error);

/** read_event and write_event; `arg` is the endpoint. */
void weft__datagram_on_readable(evutil_socket_t fd, short what, void *arg);
void weft__datagram_on_writable(evutil_socket_t fd, short what, void *arg);

/** Drop what waits to be received, or to be sent. */
void weft__datagram_drop_arrived(weft_udp *udp);
void weft__datagram_drop_out(weft_udp *udp);

#endif
