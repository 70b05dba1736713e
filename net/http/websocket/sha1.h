/* SPDX-License-Identifier: MIT */
/* SHA-1 and base64, as the handshake of WebSockets asks for them. Not for anything secret. Thread: any. */
#ifndef WEFT_NET_HTTP_SHA1_H
#define WEFT_NET_HTTP_SHA1_H

#include <stddef.h>
#include <stdint.h>

enum { WEFT__SHA1 = 20 };

/** The hash (RFC 3174) of at most WEFT__SHA1_MOST bytes. */
enum { WEFT__SHA1_MOST = 1024 };
void weft__sha1(const void *data, size_t len, uint8_t ret[WEFT__SHA1]);

/** Room for the base64 (RFC 4648, 4) of so many bytes, with its NUL. */
#define WEFT__BASE64_SIZE(len) (((len) + 2) / 3 * 4 + 1)

void weft__base64(const void *data, size_t len, char *ret);

#endif
