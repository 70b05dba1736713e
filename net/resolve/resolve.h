/* SPDX-License-Identifier: MIT */
/*
 * Looking up names from the inside; net/resolve/resolve.c has the design comment.
 */
#ifndef WEFT_NET_RESOLVE_H
#define WEFT_NET_RESOLVE_H

#include <stddef.h>
#include <weft/resolve.h>

#include "core/link.h"
#include "net/resolve/address.h"

struct weft__look_up_entry;
struct weft__net;

enum { WEFT__RESOLVER_BUCKETS = 64 };

/** What a loop has looked up, or is looking up: a part of its weft__net. All [loop]. */
struct weft__resolver {
    weft__link *buckets[WEFT__RESOLVER_BUCKETS];
    struct weft__look_up_entry *newest, *oldest; /* of what is kept */
    size_t kept;
    struct weft_resolver_options options; /* 0 stands for the defaults yet */
};

/**
 * The stream addresses of what is a NAME; as weft_resolve_with(). A cancel completes it at once. Only for
 * `net` that is not settled.
 */
weft_future *weft__resolve(struct weft__net *net, const struct weft__address_spec *spec,
                           int family);

/* The end of the loop: see net/net.c. */
void weft__resolver_end(struct weft__net *net);
void weft__resolver_release(struct weft__net *net);

#endif
