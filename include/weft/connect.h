/* SPDX-License-Identifier: MIT */
/**
 * Connecting: from an address, or a name, to a stream.
 *
 *     WEFT_AWAIT_INTO(self->stream, weft_connect("example.org:80"));
 *
 * A name often stands for several addresses, some of which lead nowhere from here. They are tried as RFC
 * 8305 ("Happy Eyeballs") has it: IPv6 and IPv4 in turn; when one has not answered within 250 ms the
 * next one is tried beside it, when one has failed at once; the first that answers wins, and the others
 * are closed. So a host without a working IPv6 costs a quarter of a second, not two minutes.
 */
#ifndef WEFT_CONNECT_H
#define WEFT_CONNECT_H

#include <stddef.h>
#include <weft/address.h>
#include <weft/future.h>
#include <weft/macros.h>
#include <weft/socket.h>
#include <weft/stream.h>
#include <weft/time.h>

#ifdef __cplusplus
extern "C" {
#endif

struct weft_tls_context;

/**
 * Connect to an address (asyncio.open_connection); the value is a weft_stream.
 *
 * The address is one of <weft/address.h>. The message of a failure names every attempt and why it failed;
 * the status is that of the last one. Nagle's algorithm is off (TCP_NODELAY). A cancel is at once, also
 * while a name is looked up.
 *
 * Thread:    loop.
 * Ownership: returns one reference, never NULL. The address is copied. The value's
 *            destructor is weft_stream_free(): whoever takes the stream closes it.
 * Errors:    by the future: -EINVAL (not an address to connect to), -ECONNREFUSED and what else
 *            connect() has to say, WEFT_ERESOLVE, -EMFILE, -ENFILE, -ENOMEM, -EAGAIN (too many jobs
 *            wait in the pool), -ESHUTDOWN (the loop is closing), -ECANCELED, WEFT_ENOLOOP.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *weft_connect(const char *address);

/** Zero is the default of every field. */
struct weft_connect_options {
    size_t size;             /* sizeof(struct weft_connect_options), or 0 for "this version" */
    weft_ns timeout;         /* of all: look-up, attempts, TLS; 0: no limit */
    weft_ns attempt_timeout; /* of each attempt; 0: the system's, two minutes or so */
    weft_ns attempt_delay; /* after that the next one begins beside it; 0: 250 ms; WEFT_FOREVER: not
                                before it has failed */
    int family;            /* AF_INET or AF_INET6: such addresses only; 0: both */
    const char *source; /* where from, "192.0.2.1:0": a number and a port (0: any), of the family of
                                what is tried; or "unix:@name". NULL: the system's choice */
    const struct weft_keepalive *keepalive;  /* of TCP, see <weft/socket.h>; copied; NULL: none */
    const struct weft_stream_limits *limits; /* of the stream; copied; NULL: the defaults */
    struct weft_tls_context *tls; /* speak TLS: the stream is given when the handshake is done. See
                                     <weft/tls.h>; NULL: plain */
    const char *server_name; /* whom the peer has to prove to be; NULL: the host of the address */
};

/**
 * weft_connect() as `options` say; NULL: as that.
 *
 * Thread:    loop.
 * Ownership: as weft_connect(). The options are copied; the TLS context is referenced.
 * Errors:    as weft_connect(); -ETIMEDOUT (the message names the attempts that had not ended either),
 *            -EINVAL (options that make no sense), the failures of a handshake.
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK weft_future *
weft_connect_with(const struct weft_connect_options *options, const char *address);

#ifdef __cplusplus
}
#endif

#endif
