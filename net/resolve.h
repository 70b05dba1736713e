/* SPDX-License-Identifier: MIT */
/*
 * Looking up names, on a worker: getaddrinfo() blocks.
 */
#ifndef WEFT_NET_RESOLVE_H
#define WEFT_NET_RESOLVE_H

#include <stddef.h>
#include <stdint.h>
#include <weft/future.h>

#include "net/address.h"

/** At least one. Freed by weft__free(). */
struct weft__addresses {
    size_t count;
    struct weft__address list[];
};

/**
 * The stream addresses that a name and a port stand for, in the order in which to try them; the
 * value is a weft__addresses with a destructor. Fails with WEFT_ERESOLVE and a message, or as
 * weft_to_thread().
 */
weft_future *weft__resolve(const char *host, uint16_t port);

#endif
