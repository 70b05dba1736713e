/* SPDX-License-Identifier: MIT */
/*
 * Socket addresses and their texts, from the inside. The grammar is that of <weft/address.h>:
 *
 *     host:port     host is an IPv4 address, "localhost", a name to look up, or "*" (to listen:
 *                   every address)
 *     [host]:port   host is an IPv6 address, with %interface if need be
 *     unix:path     a socket in the file system
 *     unix:@name    in Linux's abstract name space
 *     fd:number     a descriptor
 *
 * The port is 1 to 5 digits, at most 65535, or the name of a service, which begins with a letter.
 * Nothing here blocks: names are only told apart, looking them up is net/resolve/resolve.c's.
 */
#ifndef WEFT_NET_ADDRESS_H
#define WEFT_NET_ADDRESS_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <weft/address.h>

/**
 * An address as the kernel takes it; kept small, since every stream holds one. `len` 0: none. What a
 * weft_address holds.
 */
struct weft__address {
    socklen_t len;
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
        struct weft__address_fd {
            sa_family_t family; /* WEFT__AF_FD */
            int number;
        } fd;
    } u;
};

enum {
    WEFT__ADDRESS_TEXT = WEFT_ADDRESS_TEXT,
    WEFT__HOST_NAME = 256,   /* enough for a name, NUL included; DNS allows 253 */
    WEFT__SERVICE_NAME = 32, /* the same for a service; IANA allows 15 */
    WEFT__AF_FD = 65535      /* no family of the kernel's */
};

enum weft__address_kind {
    WEFT__ADDRESS_PLAIN,     /* `address` is all there is to know */
    WEFT__ADDRESS_LOCALHOST, /* `address` is 127.0.0.1; ::1 is the second one to try */
    WEFT__ADDRESS_ANY,       /* `address` is [::]; 0.0.0.0 where there is no IPv6 */
    WEFT__ADDRESS_NAME,      /* `host` is to be looked up; `port`, or `service` too */
    WEFT__ADDRESS_FD         /* weft__address_fd(&address) is a descriptor */
};

/** What a text says. */
struct weft__address_spec {
    enum weft__address_kind kind;
    uint16_t port; /* 0 for unix sockets */
    struct weft__address address;
    char host[WEFT__HOST_NAME];       /* of a NAME, else "" */
    char service[WEFT__SERVICE_NAME]; /* of a NAME whose service is to be looked up, else "" */
};

/** Read a text. 0, or -EINVAL: `ret` is then undefined. */
int weft__address_parse(const char *text, struct weft__address_spec *ret);

/** The same of a host (without brackets, "*" or a path) and a service or number. NULL: port 0. */
int weft__address_parse_host(const char *host, const char *service, struct weft__address_spec *ret);

/** The addresses of what is PLAIN or LOCALHOST, of this family (0: any), in the order in which to try
 * them; how many. Of the other kinds 0. */
size_t weft__address_list(const struct weft__address_spec *spec, int family,
                          struct weft__address ret[2]);

/** The host, as somebody else means it: a name, or a number without brackets and interface. "" for
 * those that have none. */
const char *weft__address_host(const struct weft__address_spec *spec, char text[WEFT__HOST_NAME]);

/** An IPv4 or IPv6 address from its numbers: `family`'s loopback or any-address. */
void weft__address_set_loopback(struct weft__address *address, int family, uint16_t port);
void weft__address_set_any(struct weft__address *address, int family, uint16_t port);

/** Take over what getaddrinfo() or accept() wrote. 0; -EAFNOSUPPORT: it is of no family that we know;
 * -EINVAL: it is too short for its family. Then `address` is none. */
int weft__address_set(struct weft__address *address, const struct sockaddr *from, socklen_t len);

/** Port of an IPv4 or IPv6 address, else 0. */
uint16_t weft__address_port(const struct weft__address *address);
void weft__address_set_port(struct weft__address *address, uint16_t port);

/** The descriptor of an FD, else -1. */
int weft__address_fd(const struct weft__address *address);

/** What is in a weft_address, and the other way round. */
struct weft__address weft__address_inside(const weft_address *address);
weft_address weft__address_outside(const struct weft__address *address);

/** Write the text of it, always terminated; "?" for a `len` of 0. Returns `text`. */
const char *weft__address_format(const struct weft__address *address,
                                 char text[WEFT__ADDRESS_TEXT]);

#endif
