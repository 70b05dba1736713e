/* SPDX-License-Identifier: MIT */
/* A body on its way through a codec: by the loop, or by one job at a time. */
#ifndef WEFT_NET_HTTP_ENGINE_H
#define WEFT_NET_HTTP_ENGINE_H

#include <stdatomic.h>

#include "net/http/coding/codec.h"

struct weft__http_bytes {
    char *data; /* owned */
    size_t len, size;
};

/** 0, or -ENOMEM, and nothing has changed. Thread: any. */
int weft__http_bytes_append(struct weft__http_bytes *bytes, const void *data, size_t len);

/**
 * [turn] is the loop's, but from when a job is started until it is done: the job's. A job that the loop has
 * given up keeps it, which is what the references are for.
 */
struct weft__http_engine {
    atomic_uint refs; /* [atomic] acquire and release: the last one sees all uses */
    const struct weft__http_codec *codec; /* [const] */
    void *state;                          /* [turn] of the codec; owned */
    struct weft__http_bytes in, out;      /* [turn] what a job codes, and what was made */
    enum weft__http_flush flush;          /* [turn] for a job */
};

/** NULL: out of memory. Thread: loop. */
struct weft__http_engine *weft__http_engine_new(const struct weft__http_encoding *encoding,
                                                enum weft__http_coding coding, int64_t len);
struct weft__http_engine *weft__http_engine_ref(struct weft__http_engine *engine);
void weft__http_engine_unref(struct weft__http_engine *engine); /* NULL is nothing. Thread: any */

/** Code so much more. 0, -ENOMEM, the codec's failure, or -ECANCELED: `stopped` (NULL: never) said so. Thread:
 * whose turn it is. */
int weft__http_engine_run(struct weft__http_engine *engine, const char *data, size_t len,
                          enum weft__http_flush flush, bool (*stopped)(void));

/** Code `in` by a job, as `flush` says. Its failures are those of jobs and those above. */
weft_future *weft__http_engine_offload(struct weft__http_engine *engine, weft_lane *lane);

#endif
