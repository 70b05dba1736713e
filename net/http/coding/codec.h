/* SPDX-License-Identifier: MIT */
/*
 * What a companion library (weft_zlib) gives to the server, so that it can send answers in another content
 * coding: functions that turn bytes into bytes. Who is asked, where it runs, what the head says and how it is
 * sent is the server's: net/http/coding/coder.c has the design comment.
 */
#ifndef WEFT_NET_HTTP_CODEC_H
#define WEFT_NET_HTTP_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/http_server.h>
#include <weft/lane.h>
#include <weft/macros.h>

enum weft__http_coding { WEFT__HTTP_IDENTITY, WEFT__HTTP_GZIP, WEFT__HTTP_DEFLATE };

enum weft__http_flush {
    WEFT__HTTP_GO_ON,
    WEFT__HTTP_FLUSH, /* what came so far can be read from what was made */
    WEFT__HTTP_FINISH /* nothing more comes */
};

/** Advanced by run(). */
struct weft__http_codec_io {
    const char *in;
    size_t in_len;
    char *out;
    size_t out_len;
};

/** Thread: any; a state is used by one at a time. */
struct weft__http_codec {
    /* For a body of `len` bytes, -1: not known. NULL: out of memory. */
    void *(*begin)(enum weft__http_coding coding, int level, int64_t len);
    /* 0: all is taken, and made as far as `flush` says; 1: more room is needed; else a failure. */
    int (*run)(void *state, struct weft__http_codec_io *io, enum weft__http_flush flush);
    void (*end)(void *state);
};

/** How answers are coded. All [const]. */
struct weft__http_encoding {
    const struct weft__http_codec *codec;
    int level;         /* for begin() */
    size_t min_size;   /* shorter answers are left alone */
    size_t on_loop;    /* so much at a time is coded on the loop, more by a job */
    weft_lane *lane;   /* for those; NULL: the default one */
    const char *types; /* that are worth it besides those that are known; "a/b c/d", or NULL */
};

/**
 * From now on the request's answer is coded so, if it is worth it and the client wants it. False: there
 * is an encoding already, or the request is gone.
 *
 * Thread: loop. Ownership: it is copied; `types` is borrowed until it is cleared.
 */
WEFT_PUBLIC bool weft__companion_http_encoding_set(weft_http_request *request,
                                                   const struct weft__http_encoding *encoding);

/** No more. What was begun goes on. Nothing when the request is gone. */
WEFT_PUBLIC void weft__companion_http_encoding_clear(weft_http_request *request);

#endif
