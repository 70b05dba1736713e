/* SPDX-License-Identifier: MIT */
/**
 * Datagrams: UDP, and Unix sockets of that kind (asyncio's create_datagram_endpoint, without its
 * callbacks).
 *
 *     struct echo { WEFT_FRAME; weft_udp *udp; weft_datagram *got; };
 *
 *     static WEFT_ASYNC(echo)
 *     {
 *         WEFT_BEGIN;
 *         self->udp = weft_udp_open(&(struct weft_udp_options){.bind = "127.0.0.1:7"});
 *         while (self->udp) {
 *             WEFT_AWAIT_INTO(self->got, weft_udp_receive(self->udp));
 *             weft_udp_send_to(self->udp, &self->got->from, self->got->data, self->got->len);
 *             weft_datagram_free(self->got);
 *             self->got = NULL;
 *         }
 *         WEFT_FINALLY;
 *         weft_datagram_free(self->got);
 *         weft_udp_free(self->udp);
 *         WEFT_END;
 *     }
 *
 * Receiving: what arrives is read at once, many datagrams by one system call, into a queue of at
 * most `receive_limit`. When that is full a datagram of UDP is dropped, and counted; Unix sockets
 * are not read on, so that who sends has to wait: nothing of theirs is lost. One receiver at a
 * time. A receive that is cancelled has taken nothing; a datagram that nobody took of its future is
 * the next one again.
 *
 * Sending: the kernel gets it at once; what it has no room for is kept, in order, and follows by
 * itself. A datagram that was sent may be lost on its way, and none is ever sent twice.
 *
 * What the network has to say of datagrams sent earlier (ICMP: nobody listens there) is known of
 * connected endpoints alone. The receiver is told, behind what has arrived, and may go on
 * receiving.
 */
#ifndef WEFT_UDP_H
#define WEFT_UDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/address.h>
#include <weft/future.h>
#include <weft/macros.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct weft_udp weft_udp;

/** A datagram that was received: one block of memory, so that `free` is its destructor too (unless
 * weft_set_allocator() was called). */
typedef struct weft_datagram {
    weft_address from; /* none: a Unix socket without a name */
    size_t len;
    char *data;     /* in the same block; a NUL follows the last byte and is not counted */
    bool truncated; /* it was longer than `max_datagram`; the rest is lost */
} weft_datagram;

/** Free what weft_udp_receive() gave. NULL is nothing. Thread: any. Since: 0.1 */
WEFT_PUBLIC void weft_datagram_free(weft_datagram *datagram);

/** For weft_udp_options.flags. */
enum weft_udp_flags {
    WEFT_UDP_BROADCAST = 1,     /* it may send to broadcast addresses */
    WEFT_UDP_REUSE_PORT = 2,    /* several sockets share the port; each gets a part of what comes */
    WEFT_UDP_REUSE_ADDRESS = 4, /* … and each gets all that goes to a group that it has joined */
    WEFT_UDP_DROP_OLDEST = 8    /* when the queue is full, drop the oldest; else: what arrives */
};

/**
 * How to open an endpoint. Zero is the default of every field.
 *
 * The addresses are texts of <weft/address.h>: numbers, "localhost:53", "*:53" (to bind: IPv6 and
 * IPv4), "unix:/path", "unix:@name". Names are to be looked up before: weft_resolve().
 */
struct weft_udp_options {
    size_t size;          /* sizeof(struct weft_udp_options), or 0 for "this version" */
    const char *bind;     /* this end; port 0: any free one. NULL: any; Unix sockets: no name */
    const char *connect;  /* send to this address, and receive from no other; NULL: any */
    uint32_t flags;       /* of enum weft_udp_flags */
    size_t max_datagram;  /* bytes of a datagram that are received; 0: 65535, the most of UDP */
    size_t receive_limit; /* datagrams that wait to be received; 0: 256 */
    size_t send_limit;    /* refuse when more bytes than this wait to be sent, what each datagram
                             takes besides included; 0: 256 KiB */
    int receive_buffer;   /* bytes of the kernel's buffer (SO_RCVBUF); 0: what the system has */
};

/**
 * Open an endpoint. NULL or no addresses at all: it sends by UDP to anybody, and receives the
 * answers.
 *
 * A file that binding a Unix socket makes is removed by weft_udp_free(), in the process that made it:
 * a forked child leaves it to its parent.
 *
 * Thread:    loop.
 * Ownership: the caller's, until weft_udp_free(); what is left when its loop is freed is freed with
 *            it. `options` are copied.
 * Errors:    NULL and errno: EINVAL (an address is none, or two of different families; limits),
 *            -WEFT_ERESOLVE (an address is a name), what socket(), bind() and connect() have to say
 *            (EADDRINUSE, EACCES, ENOENT, EMFILE, …), ENOMEM, ESHUTDOWN, -WEFT_ENOLOOP.
 * Since:     0.1
 */
WEFT_PUBLIC weft_udp *weft_udp_open(const struct weft_udp_options *options);

/**
 * Close it at once: what waits to be sent, or to be received, is dropped. weft_udp_drain() first
 * lets it be sent. NULL is nothing.
 *
 * Thread:    loop.
 * Ownership: consumes `udp`. What is under way fails with WEFT_ECLOSED.
 * Errors:    none.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_udp_free(weft_udp *udp);

/**
 * This end's address, with the port that it has got.
 *
 * Thread:    loop.
 * Ownership: `ret` is filled, or left as it is on failure.
 * Errors:    -ESHUTDOWN (the loop has ended).
 * Since:     0.1
 */
WEFT_PUBLIC int weft_udp_local(const weft_udp *udp, weft_address *ret);

/**
 * Its descriptor, to set options of the kernel's that weft does not know (IP_MULTICAST_TTL). Who
 * sends or receives by it, or makes it blocking, breaks the endpoint.
 *
 * Thread:    loop.
 * Ownership: borrowed, as long as the endpoint is there.
 * Errors:    -ESHUTDOWN (the loop has ended).
 * Since:     0.1
 */
WEFT_PUBLIC int weft_udp_fd(const weft_udp *udp);

/* ---- Receiving ---- */

/**
 * The next datagram; the value is a weft_datagram. One of no bytes is one as well.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. The value is to be freed by weft_datagram_free(),
 *            which is its destructor.
 * Errors:    by the future: -EBUSY (another receive is under way), -ECONNREFUSED and what else ICMP
 *            says of datagrams that were sent (a connected endpoint; the next receive goes on),
 *            -ENOMEM (a datagram was dropped for it; the next receive goes on), WEFT_ECLOSED,
 *            -ESHUTDOWN, -ECANCELED.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_udp_receive(weft_udp *udp);

/* ---- Sending ---- */

/**
 * Send a datagram to the address that the endpoint is connected to.
 *
 * Success says that the kernel has it, or weft keeps it and sends it when the kernel has room. When
 * it then fails it is dropped and counted (weft_udp_get_stats()).
 *
 * Thread:    loop.
 * Ownership: `data` is copied as far as it is kept; of no bytes it may be NULL.
 * Errors:    -ENOBUFS: more than `send_limit` bytes wait already, await weft_udp_drain();
 *            -EMSGSIZE: longer than any can be; -EDESTADDRREQ: it is not connected; -ECONNREFUSED
 *            (a Unix socket: nobody has it any more), -EPERM, -ENETUNREACH and what else sendto()
 *            has to say: nothing was sent, and the endpoint is as it was; -ENOMEM, -ESHUTDOWN.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_udp_send(weft_udp *udp, const void *data, size_t len);

/**
 * The same to any address. An IPv4 address is fine for an endpoint bound to "*:port".
 *
 * Thread:    loop.
 * Ownership: as weft_udp_send(); `to` is copied.
 * Errors:    as weft_udp_send(); -EAFNOSUPPORT: `to` is of another family than the endpoint;
 *            -EISCONN; of a Unix socket -EAGAIN: its owner has to read first. It is not kept then,
 *            since nobody would tell when there is room, and others would have to wait behind it.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_udp_send_to(weft_udp *udp, const weft_address *to, const void *data,
                                 size_t len);

/** One of many. */
struct weft_udp_message {
    const weft_address *to; /* NULL: to the address that the endpoint is connected to */
    const void *data;
    size_t len;
};

/**
 * Send many datagrams, by as few system calls as there are (sendmmsg).
 *
 * Thread:    loop.
 * Ownership: as weft_udp_send_to().
 * Errors:    how many were taken, from the first on: all, or those before one that failed; what
 *            that failed with, as weft_udp_send_to(), if it is the first.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK int
weft_udp_send_many(weft_udp *udp, const struct weft_udp_message *messages, size_t count);

/**
 * Wait until the kernel has all that was sent. A task that sends without end gets a turn's pause
 * here now and then, so that others get theirs.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL.
 * Errors:    by the future: -EBUSY (another drain is under way), WEFT_ECLOSED, -ENOMEM, -ESHUTDOWN,
 *            -ECANCELED. A datagram that could not be sent is no failure of it.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_udp_drain(weft_udp *udp);

/* ---- Groups ---- */

/**
 * Join a multicast group: from now on, what is sent to it, at the endpoint's port, is received too.
 *
 * Bind to "*:port" (or, in IPv4, to the group's own address), with WEFT_UDP_REUSE_ADDRESS if others
 * on this machine shall receive it as well.
 *
 * Thread:    loop.
 * Ownership: nothing changes hands.
 * Errors:    -EINVAL: it is no group's address; -ENODEV: there is no such interface, or no way to
 *            the group; -EADDRINUSE: joined already; -ENOMEM, -ENOBUFS: the system allows no more;
 *            -ESHUTDOWN.
 * Since:     0.1
 *
 * @param group      its address; the port does not matter
 * @param interface  the name of the network interface ("eth0"); NULL: the one in the group's
 *                   address ("[ff02::1%eth0]:0"), else the kernel chooses one by its routes
 */
WEFT_PUBLIC int weft_udp_join(weft_udp *udp, const weft_address *group, const char *interface);

/**
 * Leave a group, which was joined by the same interface.
 *
 * Thread:    loop.
 * Ownership: nothing changes hands.
 * Errors:    -EADDRNOTAVAIL: it was not joined; else as weft_udp_join().
 * Since:     0.1
 */
WEFT_PUBLIC int weft_udp_leave(weft_udp *udp, const weft_address *group, const char *interface);

/* ---- Statistics ---- */

/** What an endpoint has done. */
struct weft_udp_stats {
    uint64_t received;          /* datagrams that have come, those that were then dropped as well */
    uint64_t dropped;           /* of `received`: the queue was full, or there was no memory */
    uint64_t dropped_by_kernel; /* its buffer was full: as far as datagrams behind them have told */
    uint64_t sent;              /* datagrams that the kernel took */
    uint64_t errors;            /* that were not sent, and what ICMP has said */
    size_t to_receive;          /* datagrams that wait to be received */
    size_t to_send;             /* bytes that wait to be sent, as `send_limit` counts them */
};

/**
 * Count what an endpoint has done.
 *
 * Thread:    loop.
 * Ownership: nothing changes hands.
 * Errors:    all zero on another thread.
 * Since:     0.1
 */
WEFT_PUBLIC void weft_udp_get_stats(const weft_udp *udp, struct weft_udp_stats *ret);

#ifdef __cplusplus
}
#endif

#endif
