/* SPDX-License-Identifier: MIT */
/*
 * Socket addresses and their texts. The grammar is that of <weft/stream.h>:
 *
 *     host:port     host is an IPv4 address, "localhost", a name to look up, or "*" (to listen:
 *                   every address)
 *     [host]:port   host is an IPv6 address, with %interface if need be
 *     unix:path     a socket in the file system
 *     unix:@name    in Linux's abstract name space
 *
 * The port is 1 to 5 digits, at most 65535. Nothing here blocks: names are only told apart,
 * resolving is net/connect.c's.
 */
#ifndef WEFT_NET_ADDRESS_H
#define WEFT_NET_ADDRESS_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

/** An address as the kernel takes it; kept small, since every stream holds one. `len` 0: none. */
struct weft__address {
    socklen_t len;
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    } u;
};

enum {
    WEFT__ADDRESS_TEXT = 128, /* enough for the text of any address, NUL included */
    WEFT__HOST_NAME = 256     /* enough for a name, NUL included; DNS allows 253 */
};

enum weft__address_kind {
    WEFT__ADDRESS_PLAIN,     /* `address` is all there is to know */
    WEFT__ADDRESS_LOCALHOST, /* `address` is 127.0.0.1; ::1 is the second one to try */
    WEFT__ADDRESS_ANY,       /* `address` is [::]; 0.0.0.0 where there is no IPv6 */
    WEFT__ADDRESS_NAME       /* `host` is to be looked up; `port` */
};

/** What a text says. */
struct weft__address_spec {
    enum weft__address_kind kind;
    uint16_t port; /* 0 for unix sockets */
    struct weft__address address;
    char host[WEFT__HOST_NAME]; /* of a NAME, else "" */
};

/** Read a text. 0, or -EINVAL: `ret` is then undefined. */
int weft__address_parse(const char *text, struct weft__address_spec *ret);

/** An IPv4 or IPv6 address from its numbers: `family`'s loopback or any-address. */
void weft__address_set_loopback(struct weft__address *address, int family, uint16_t port);
void weft__address_set_any(struct weft__address *address, int family, uint16_t port);

/** Take over what getaddrinfo() or accept() wrote. 0, or -EAFNOSUPPORT when it is of no family that
 * we know. */
int weft__address_set(struct weft__address *address, const struct sockaddr *from, socklen_t len);

/** Port of an IPv4 or IPv6 address, else 0. */
uint16_t weft__address_port(const struct weft__address *address);
void weft__address_set_port(struct weft__address *address, uint16_t port);

/** Write the text of it, always terminated; "?" for a `len` of 0. Returns `text`. */
const char *weft__address_format(const struct weft__address *address,
                                 char text[WEFT__ADDRESS_TEXT]);

#endif
