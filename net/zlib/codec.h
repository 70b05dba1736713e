/* SPDX-License-Identifier: MIT */
/* gzip and deflate, by zlib. */
#ifndef WEFT_NET_ZLIB_CODEC_H
#define WEFT_NET_ZLIB_CODEC_H

#include "net/http/coding/codec.h"

extern const struct weft__http_codec weft__zlib_codec;

#endif
