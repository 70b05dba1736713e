/* SPDX-License-Identifier: MIT */
/* Options of sockets that are not streams yet. */
#ifndef WEFT_NET_SOCKET_H
#define WEFT_NET_SOCKET_H

#include <weft/socket.h>

/** weft_stream_set_keepalive() of a descriptor. */
int weft__socket_set_keepalive(int fd, const struct weft_keepalive *keepalive);

#endif
