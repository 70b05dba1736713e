/* SPDX-License-Identifier: MIT */
/**
 * Addresses of sockets, and their texts. The texts are the same wherever weft takes or gives one:
 *
 *     127.0.0.1:8080       IPv4
 *     [::1]:8080           IPv6; [fe80::1%eth0]:22 with the interface of a link-local one
 *     unix:/run/some.sock  a socket in the file system
 *     unix:@name           one in Linux's abstract name space
 *     fd:3                 a descriptor that the process was started with: to listen on
 *     example.org:443      a name, looked up on a worker where it is used (<weft/resolve.h>)
 *     localhost:8080       127.0.0.1, then ::1; never looked up
 *     *:8080               every address of this machine: to listen on
 *
 * In place of the number of the port there may be the name of a service, "example.org:https". Those
 * that everybody knows (http, https, ssh, domain, smtp and their like) are the numbers that they have
 * had for ever; the others are looked up on a worker, so that they are for what is looked up alone.
 *
 * A text means one thing or nothing: "127.1", "0x7f000001" and "1.2.3.256", which look like IPv4 and of
 * which the C library makes one, are refused, as are ports with a sign or a blank. (A host whose name
 * is just "fd" or "unix" is to be written with a dot at the end: "fd.:80".)
 *
 * A weft_address is what a text says that needs no look-up: a value, copied as any struct.
 */
#ifndef WEFT_ADDRESS_H
#define WEFT_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/macros.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sockaddr;

/** An address; all zero: none. Its contents are weft's. */
typedef struct weft_address {
    union {
        uint32_t weft_align;
        unsigned char weft_bytes[116];
    } weft_opaque;
} weft_address;

/** Room for the text of any address, NUL included. */
#define WEFT_ADDRESS_TEXT 128

/**
 * Read a text.
 *
 * Thread:    any. Does not block.
 * Ownership: `ret` is filled, or left as it is on failure.
 * Errors:    -EINVAL (it is none, or more than one: "*:80"), WEFT_ERESOLVE (it is one of a name, or of
 *            a service, that is to be looked up: weft_resolve()).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK int weft_address_parse(const char *text, weft_address *ret);

/**
 * Write the text of an address, which weft_address_parse() reads as the same one: "[::1]:80"; "?" for
 * none.
 *
 * Thread:    any. Does not block.
 * Ownership: `buffer`, of `size` bytes, is the caller's; WEFT_ADDRESS_TEXT are always enough.
 * Errors:    more than 0: its length, without the NUL. -ENOBUFS: it does not fit; `buffer` is "" then.
 * Since:     0.1
 */
WEFT_PUBLIC int weft_address_format(const weft_address *address, char *buffer, size_t size);

/**
 * An address from the system's form of it: of AF_INET, AF_INET6 or AF_UNIX.
 *
 * Thread:    any.
 * Ownership: `from` is copied. `ret` is filled, or left as it is on failure.
 * Errors:    -EAFNOSUPPORT (of another family, or longer than any), -EINVAL (`len` is not that of its
 *            family).
 * Since:     0.1
 */
WEFT_PUBLIC WEFT_MUST_CHECK int weft_address_set(weft_address *ret, const struct sockaddr *from,
                                                 size_t len);

/**
 * The system's form of an address, for bind(), sendto() and their like.
 *
 * Thread:    any.
 * Ownership: borrowed, a part of `address`.
 * Errors:    NULL and *ret_len 0: it has none ("fd:3").
 * Since:     0.1
 */
WEFT_PUBLIC const struct sockaddr *weft_address_get(const weft_address *address, size_t *ret_len);

/** AF_INET, AF_INET6 or AF_UNIX; AF_UNSPEC: it is none of them. Thread: any. Since: 0.1 */
WEFT_PUBLIC int weft_address_family(const weft_address *address);

/** The port of an IPv4 or IPv6 address, else 0. Thread: any. Since: 0.1 */
WEFT_PUBLIC uint16_t weft_address_port(const weft_address *address);

/** Change the port; nothing if it is none of IPv4 or IPv6. Thread: any. Since: 0.1 */
WEFT_PUBLIC void weft_address_set_port(weft_address *address, uint16_t port);

/** The descriptor of "fd:3", borrowed; of any other -1. Thread: any. Since: 0.1 */
WEFT_PUBLIC int weft_address_fd(const weft_address *address);

/** True if both are the same: host, interface and port; path; name; descriptor. Thread: any. Since: 0.1 */
WEFT_PUBLIC bool weft_address_equal(const weft_address *a, const weft_address *b);

#ifdef __cplusplus
}
#endif

#endif
