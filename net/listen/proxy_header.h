/* SPDX-License-Identifier: MIT */
/*
 * The PROXY header: what a proxy says, before all else, of the connection that it passes on (the
 * protocol's specification, versions 1 and 2). net/listen/proxy_header.c tells what is refused.
 */
#ifndef WEFT_NET_PROXY_HEADER_H
#define WEFT_NET_PROXY_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "net/resolve/address.h"

enum {
    WEFT__PROXY_V1_MOST = 107, /* bytes of a header in version 1, the line's end included */
    WEFT__PROXY_V2_LEAST = 16, /* … in version 2: what is the same in all of them */
    WEFT__PROXY_MOST = WEFT__PROXY_V2_LEAST + 65535
};

/** What a header says. `source` and `destination` have a `len` of 0 when it says nothing: the
 * connection is the proxy's own (a health check), or one that it cannot describe. */
struct weft__proxy_header {
    size_t len; /* how many bytes it takes */
    struct weft__address source, destination;
};

/**
 * Read the header at the beginning of what has come so far. 0; -EAGAIN: there is nothing wrong with
 * it, and it goes on; WEFT_EPROTO: it is none, and *ret_why (static) says why. `ret` is filled with 0
 * only. What was refused stays refused, whatever comes.
 */
int weft__proxy_header_parse(const char *bytes, size_t len, struct weft__proxy_header *ret,
                             const char **ret_why);

#endif
