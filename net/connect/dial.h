/* SPDX-License-Identifier: MIT */
/* Sockets to connect with. See net/connect/dial.c. */
#ifndef WEFT_NET_DIAL_H
#define WEFT_NET_DIAL_H

#include <weft/socket.h>

#include "net/resolve/address.h"

/** A socket that does not block, bound to `source` if its `len` is not 0. NULL: no keepalive. Its
 * number, or the failure. */
int weft__dial_open(int family, const struct weft_keepalive *keepalive,
                    const struct weft__address *source);

#endif
