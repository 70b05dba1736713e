/* SPDX-License-Identifier: MIT */
/*
 * A body on its way through a codec.
 *
 * What comes in is handed to the codec in slices, so that a job that is told to stop does so within a slice;
 * what comes out is collected in one piece of memory that grows.
 *
 * Failure modes. A run that was stopped, or that failed, leaves the codec in between: nothing can be coded
 * after it. What was to be coded is still there.
 */
#include "net/http/coding/engine.h"

#include <errno.h>
#include <string.h>
#include <weft/job.h>

#include "core/memory.h"

enum {
    SLICE = 64 * 1024, /* between two looks whether to go on: a millisecond or two */
    ROOM = 4096        /* at least, for what comes out */
};

/* ---- Bytes ---- */

static int reserve(struct weft__http_bytes *bytes, size_t more)
{
    size_t size = bytes->size ? bytes->size : ROOM;
    if (more <= bytes->size - bytes->len)
        return 0;
    while (size - bytes->len < more)
        size *= 2;
    char *data = weft__realloc(bytes->data, size);
    if (!data)
        return -ENOMEM;
    bytes->data = data;
    bytes->size = size;
    return 0;
}

int weft__http_bytes_append(struct weft__http_bytes *bytes, const void *data, size_t len)
{
    int status = reserve(bytes, len);
    if (status < 0)
        return status;
    memcpy(bytes->data + bytes->len, data, len);
    bytes->len += len;
    return 0;
}

/* ---- The object ---- */

struct weft__http_engine *weft__http_engine_new(const struct weft__http_encoding *encoding,
                                                enum weft__http_coding coding, int64_t len)
{
    struct weft__http_engine *engine = weft__calloc(1, sizeof(*engine));
    if (!engine)
        return NULL;
    engine->codec = encoding->codec;
    engine->state = engine->codec->begin(coding, encoding->level, len);
    atomic_init(&engine->refs, 1);
    if (engine->state)
        return engine;
    weft__free(engine);
    return NULL;
}

struct weft__http_engine *weft__http_engine_ref(struct weft__http_engine *engine)
{
    atomic_fetch_add_explicit(&engine->refs, 1, memory_order_relaxed);
    return engine;
}

void weft__http_engine_unref(struct weft__http_engine *engine)
{
    if (!engine || atomic_fetch_sub_explicit(&engine->refs, 1, memory_order_acq_rel) > 1)
        return;
    engine->codec->end(engine->state);
    weft__free(engine->in.data);
    weft__free(engine->out.data);
    weft__free(engine);
}

/* ---- Coding ---- */

static int run_slice(struct weft__http_engine *engine, const char *data, size_t len,
                     enum weft__http_flush flush)
{
    struct weft__http_bytes *out = &engine->out;
    struct weft__http_codec_io io = {.in = data, .in_len = len};
    int status;
    do {
        if (reserve(out, ROOM) < 0)
            return -ENOMEM;
        io.out = out->data + out->len;
        io.out_len = out->size - out->len;
        status = engine->codec->run(engine->state, &io, flush);
        out->len = out->size - io.out_len;
    } while (status > 0);
    return status;
}

int weft__http_engine_run(struct weft__http_engine *engine, const char *data, size_t len,
                          enum weft__http_flush flush, bool (*stopped)(void))
{
    data = data ? data : ""; /* nothing, to be flushed */
    for (size_t slice;; data += slice, len -= slice) {
        slice = len < SLICE ? len : SLICE;
        if (stopped && stopped())
            return -ECANCELED;
        int status = run_slice(engine, data, slice, slice == len ? flush : WEFT__HTTP_GO_ON);
        if (status < 0 || slice == len)
            return status;
    }
}

struct http_compress {
    struct weft__http_engine *engine; /* a reference */
};

static void release(void *arg)
{
    const struct http_compress *job = arg;
    weft__http_engine_unref(job->engine);
}

static WEFT_BLOCKING(http_compress)
{
    struct weft__http_engine *engine = self->engine;
    int status = weft__http_engine_run(engine, engine->in.data, engine->in.len, engine->flush,
                                       weft_job_cancelled);
    return status < 0 ? weft_err(status) : weft_ok(0);
}

/* Who writes an answer has been promised that it is sent: a lane that is full makes it wait. */
weft_future *weft__http_engine_offload(struct weft__http_engine *engine, weft_lane *lane)
{
    struct weft_job_options options = {.lane = lane,
                                       .submit = WEFT_SUBMIT_WAIT,
                                       .on_cancel = WEFT_CANCEL_COOPERATIVE,
                                       .release = release};
    struct http_compress job = {weft__http_engine_ref(engine)};
    return weft__offload(&options, weft__blocking_http_compress(), &job, WEFT__HERE);
}
