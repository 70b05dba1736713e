/* SPDX-License-Identifier: MIT */
/*
 * Answers in another content coding: the way of a body from who writes it to the stream.
 *
 *     write ─► pending ─► engine, on the loop when it is little, else by a job ─► a chunk ─► drain
 *                ▲                                                                            │
 *                └──────────────── as long as there is something ◄──────────────────────────┘
 *
 * What a handler writes is collected. Once it is more than `on_loop` a pump takes it: a task that codes, by one
 * job at a time, sends, and waits until the client has caught up; what is written meanwhile is its next
 * piece. So writes stay in order, and no more is held than what may wait to be sent and the largest
 * single write, twice. What is less waits for more for FLUSH_AFTER at most; then, or at the end, it is coded on the
 * loop. So nobody has to say when a piece must go out, and many little ones are one.
 *
 * An answer in one piece is coded as a whole, so that its length is known: at once, or by a pump that sends the
 * head with it. To the server it is answered from the beginning (WEFT__HTTP_ANSWERED), as one that
 * waits in a stream's buffer is. Each pump is request->draining: the connection waits for it as for any drain,
 * and cancels it when the answer is lost.
 *
 *     no pump --much is pending, or the stream is full--> pump --nothing is left--> no pump …
 *
 * References: the request has one to its coder, and so has a pump from its start to its end.
 *
 * Failure modes. Whatever happens before the head is sent (no memory, no thread, the codec fails) is
 * answered with the body as it is. Later it breaks the answer off: writes, drains and the end fail with it, and the
 * connection is reset. Cancelling a drain stops the wait, as everywhere; the pump is cancelled by the connection
 * alone. A job that runs then stops within a slice, and is waited for.
 */
#include <errno.h>
#include <string.h>
#include <weft/job.h>

#include "core/memory.h"
#include "net/http/coding/coding.h"
#include "net/http/coding/engine.h"
#include "net/net.h"

#define FLUSH_AFTER WEFT_MS(20)

/** All fields are [loop]. */
struct weft__http_coder {
    uint32_t refs;
    weft__http_exchange *request;     /* NULL: it is over */
    struct weft__http_engine *engine; /* a reference */
    enum weft__http_coding coding;    /* [const] */
    size_t on_loop;                   /* [const] */
    weft_lane *lane;                  /* [const] */
    const weft_coroutine *coroutine;  /* [const] who began the answer */
    const char *place;                /* [const] */
    bool whole;                       /* [const] an answer in one piece */
    struct weft__http_bytes pending;  /* that no run has taken yet */
    int64_t left;                     /* of the length that was promised; -1: none was */
    bool ended;                       /* no more is written */
    bool flush;                       /* what is inside of the codec is to come out */
    bool finished;                    /* all is with the stream */
    int status;                       /* the failure, kept */
    weft_future *pump;                /* the last one; a reference, or NULL */
    bool pump_began;                  /* its first step was taken */
    weft_future *drained;             /* who waits for the pump; a reference, or NULL */
    struct weft_callback timer;       /* pending: a flush */
};

static void on_flush(void *arg);

/* ---- The object ---- */

static struct weft__http_coder *new_coder(weft__http_exchange *request,
                                          enum weft__http_coding coding, int64_t len)
{
    struct weft__http_coder *coder = weft__calloc(1, sizeof(*coder));
    if (!coder)
        return NULL;
    coder->engine = weft__http_engine_new(&request->encoding, coding, len);
    if (!coder->engine) {
        weft__free(coder);
        return NULL;
    }
    coder->refs = 1;
    coder->request = request;
    coder->coding = coding;
    coder->on_loop = request->encoding.on_loop;
    coder->lane = request->encoding.lane;
    coder->left = len;
    coder->coroutine = request->coroutine;
    coder->place = request->place;
    weft_callback_init(&coder->timer, on_flush, coder);
    return coder;
}

static void unref(struct weft__http_coder *coder)
{
    if (--coder->refs)
        return;
    weft__http_engine_unref(coder->engine);
    weft__free(coder->pending.data);
    weft__free(coder);
}

static bool is_pumping(const struct weft__http_coder *coder)
{
    return coder->pump && !weft_is_done(coder->pump);
}

static bool is_full(const struct weft__http_coder *coder)
{
    return coder->request->stream->flags & WEFT__STREAM_PAUSED;
}

/* ---- A run: what is pending, coded and sent ---- */

/* Give what is pending to the engine. False: there is nothing to do. */
static bool take(struct weft__http_coder *coder)
{
    struct weft__http_engine *engine = coder->engine;
    if (coder->finished || !(coder->pending.len || coder->flush || coder->ended))
        return false;
    struct weft__http_bytes taken = coder->pending;
    coder->pending = engine->in;
    engine->in = taken;
    coder->pending.len = engine->out.len = 0;
    engine->flush = coder->ended   ? WEFT__HTTP_FINISH
                    : coder->flush ? WEFT__HTTP_FLUSH
                                   : WEFT__HTTP_GO_ON;
    coder->flush = false;
    return true;
}

static int code_here(const struct weft__http_coder *coder)
{
    struct weft__http_engine *engine = coder->engine;
    return weft__http_engine_run(engine, engine->in.data, engine->in.len, engine->flush, NULL);
}

/* An answer in one piece, of which the head says how long it is; its type is among the headers. */
static int send_answer(weft__http_exchange *request, const struct weft__http_bytes *body)
{
    request->length = (int64_t)body->len;
    request->answer = WEFT__HTTP_STARTED;
    int status = weft__http_send_piece(request, body->data, body->len, true);
    request->answer = status < 0 ? WEFT__HTTP_BROKEN : WEFT__HTTP_ANSWERED;
    return status;
}

/* The head was not sent: what could not be coded is sent as it is. */
static int send_whole(struct weft__http_coder *coder, int status)
{
    const struct weft__http_engine *engine = coder->engine;
    if (status == -ECANCELED)
        return status;
    if (status == 0)
        weft__http_declare_coding(coder->request, coder->coding);
    return send_answer(coder->request, status < 0 ? &engine->in : &engine->out);
}

static int send_piece(const struct weft__http_coder *coder)
{
    const struct weft__http_engine *engine = coder->engine;
    return weft__http_send_piece(coder->request, engine->out.data, engine->out.len,
                                 engine->flush == WEFT__HTTP_FINISH);
}

/* The run has ended so. */
static int send_coded(struct weft__http_coder *coder, int status)
{
    if (!coder->request)
        return -ECANCELED;
    if (coder->whole)
        status = send_whole(coder, status);
    else if (status == 0)
        status = send_piece(coder);
    coder->finished = coder->engine->flush == WEFT__HTTP_FINISH;
    return status;
}

static int code_now(struct weft__http_coder *coder)
{
    if (!take(coder))
        return 0;
    coder->status = send_coded(coder, code_here(coder));
    return coder->status;
}

/* ---- The pump ---- */

struct http_coder {
    WEFT_FRAME;
    struct weft__http_coder *coder; /* a reference */
    int status;
};

static bool is_clients_fault(const struct weft__http_coder *coder)
{
    return coder->status == -ECANCELED ||
           coder->status == weft__stream_write_error(coder->request->stream);
}

/* The host is to know of a failure of which no handler hears. */
static void tell(const struct weft__http_coder *coder)
{
    weft__report(coder->request->server->loop,
                 &(struct weft_error_report){.what = "HTTP answer broken off",
                                             .status = coder->status,
                                             .message = "it could not be compressed",
                                             .task = coder->coroutine->name,
                                             .spawned_at = coder->place});
}

/* Who waits for the pump learns how it ended. False: nobody does. */
static bool wake(struct weft__http_coder *coder)
{
    weft_future *drained = coder->drained;
    coder->drained = NULL;
    bool waits = drained && !weft_is_done(drained) && drained->refs > 1;
    if (waits && coder->status == 0)
        weft_future_resolve(drained, weft_value_i64(0), NULL);
    else if (waits)
        weft_future_fail(drained, coder->status, NULL);
    if (waits && coder->status < 0 && is_clients_fault(coder))
        weft__observe(drained);
    weft_unref(drained);
    return waits;
}

void weft__http_coder_end(weft__http_exchange *request)
{
    struct weft__http_coder *coder = request->coder;
    request->coder = NULL;
    weft_callback_cancel(&coder->timer);
    weft_unref(coder->pump);
    coder->pump = NULL;
    coder->status = coder->status < 0 ? coder->status : WEFT_ECLOSED;
    wake(coder);
    coder->request = NULL;
    unref(coder);
}

static void end_pump(struct weft__http_coder *coder, int status)
{
    weft__http_exchange *request = coder->request;
    coder->status = status;
    if (request) {
        bool answered = coder->whole || request->answer == WEFT__HTTP_ANSWERED;
        if (status < 0 && answered)
            request->answer = WEFT__HTTP_BROKEN;
        if (!wake(coder) && status < 0 && answered && !is_clients_fault(coder))
            tell(coder);
    }
    unref(coder);
}

static weft_future *wait_for_client(const struct weft__http_coder *coder)
{
    return coder->request ? weft__http_drain(coder->request) : weft__net_refused(-ECANCELED);
}

static bool is_much(const struct weft__http_coder *coder)
{
    return coder->engine->in.len > coder->on_loop;
}

static WEFT_ASYNC(http_coder)
{
    WEFT_BEGIN;
    self->coder->pump_began = true;
    for (;;) {
        WEFT_CATCH(self->status, wait_for_client(self->coder));
        if (self->status < 0 || !take(self->coder))
            break;
        if (is_much(self->coder))
            WEFT_CATCH(self->status,
                       weft__http_engine_offload(self->coder->engine, self->coder->lane));
        else
            self->status = code_here(self->coder);
        self->status = send_coded(self->coder, self->status);
        if (self->status < 0)
            break;
    }
    WEFT_FINALLY;
    end_pump(self->coder, self->status);
    WEFT_END;
}

/* 0, or it could not be started, and nothing has changed. */
static int start_pump(struct weft__http_coder *coder)
{
    weft__http_exchange *request = coder->request;
    coder->refs++;
    coder->pump_began = false;
    weft_future *pump = weft_spawn_eager(http_coder, .coder = coder);
    if (weft_is_done(pump) && !coder->pump_began) {
        int status = weft__observe(pump);
        weft_unref(pump);
        coder->refs--;
        return status;
    }
    weft_unref(coder->pump);
    coder->pump = pump;
    weft_unref(request->draining);
    request->draining = weft_ref(pump);
    return 0;
}

/* ---- In one piece ---- */

/* What the head is to say when it is sent; there is room for more of it then. */
static int add_type(weft__http_exchange *request, const char *content_type)
{
    int status =
        content_type ? weft__http_add_line(&request->headers, "Content-Type", content_type) : 0;
    return status < 0 ? status : weft__http_prepare_coding(request);
}

static weft_future *send_coded_answer(weft__http_exchange *request, enum weft__http_coding coding,
                                      const struct weft__http_bytes *body)
{
    weft__http_declare_coding(request, coding);
    int status = send_answer(request, body);
    return status < 0 ? weft__http_failed(request, status) : weft__http_drain(request);
}

static weft_future *code_at_once(weft__http_exchange *request, enum weft__http_coding coding,
                                 const char *content_type, const void *data, size_t len)
{
    weft_future *future = NULL;
    struct weft__http_engine *engine =
        weft__http_engine_new(&request->encoding, coding, (int64_t)len);
    if (engine && weft__http_engine_run(engine, data, len, WEFT__HTTP_FINISH, NULL) == 0 &&
        add_type(request, content_type) == 0)
        future = send_coded_answer(request, coding, &engine->out);
    weft__http_engine_unref(engine);
    return future;
}

/* A coder that has it all; NULL: no memory. The head may have got longer. */
static struct weft__http_coder *coder_of(weft__http_exchange *request,
                                         enum weft__http_coding coding, const char *content_type,
                                         const void *data, size_t len)
{
    struct weft__http_coder *coder = new_coder(request, coding, (int64_t)len);
    if (!coder)
        return NULL;
    coder->whole = coder->ended = true;
    if (weft__http_bytes_append(&coder->pending, data, len) == 0 &&
        add_type(request, content_type) == 0)
        return coder;
    unref(coder);
    return NULL;
}

static weft_future *code_by_job(weft__http_exchange *request, enum weft__http_coding coding,
                                const char *content_type, const void *data, size_t len)
{
    struct weft__http_coder *coder = coder_of(request, coding, content_type, data, len);
    request->coder = coder;
    if (coder && start_pump(coder) == 0)
        return weft__http_coded_drain(request);
    if (coder)
        weft__http_coder_end(request);
    return NULL;
}

weft_future *weft__http_code_whole(weft__http_exchange *request, const char *content_type,
                                   const void *data, size_t len)
{
    enum weft__http_coding coding = weft__http_decide_coding(request, content_type, (int64_t)len);
    size_t before = request->headers.len;
    if (coding == WEFT__HTTP_IDENTITY || weft__http_prepare_coding(request) < 0)
        return NULL;
    if (request->bodiless) { /* HEAD: how long it would be is not known, and need not be said */
        weft__http_declare_coding(request, coding);
        request->length = WEFT_HTTP_UNKNOWN_LENGTH;
        return NULL;
    }
    weft_future *future = len <= request->encoding.on_loop
                              ? code_at_once(request, coding, content_type, data, len)
                              : code_by_job(request, coding, content_type, data, len);
    if (!future)
        request->headers.len = before;
    return future;
}

/* ---- In pieces ---- */

void weft__http_code_stream(weft__http_exchange *request, const char *content_type)
{
    enum weft__http_coding coding =
        weft__http_decide_coding(request, content_type, request->length);
    if (coding == WEFT__HTTP_IDENTITY || weft__http_prepare_coding(request) < 0)
        return;
    if (!request->bodiless) {
        request->coder = new_coder(request, coding, request->length);
        if (!request->coder)
            return;
    }
    weft__http_declare_coding(request, coding);
    weft__http_frame(request, WEFT_HTTP_UNKNOWN_LENGTH);
}

/* What has come must be sent by then. Without memory for a timer, with the next piece or at once. */
static void arm(struct weft__http_coder *coder)
{
    if (!weft_callback_is_pending(&coder->timer) &&
        weft_callback_later(&coder->timer, FLUSH_AFTER) < 0)
        on_flush(coder);
}

static void on_flush(void *arg)
{
    struct weft__http_coder *coder = arg;
    if (coder->status < 0 || coder->ended)
        return;
    coder->flush = true;
    if (is_pumping(coder))
        return;
    if (is_full(coder))
        coder->status = start_pump(coder);
    else
        code_now(coder);
}

static int refuse_write(const struct weft__http_coder *coder, size_t len)
{
    const weft_stream *stream = coder->request->stream;
    int error = weft__stream_write_error(stream);
    if (coder->status < 0 || error < 0)
        return coder->status < 0 ? coder->status : error;
    if (coder->left >= 0 && len > (uint64_t)coder->left)
        return WEFT_ELIMIT;
    return coder->pending.len + weft_write_pending(stream) > stream->write_limit ? -ENOBUFS : 0;
}

int weft__http_coded_write(weft__http_exchange *request, const void *data, size_t len)
{
    struct weft__http_coder *coder = request->coder;
    int status = refuse_write(coder, len);
    if (status < 0 || !len)
        return status;
    status = weft__http_bytes_append(&coder->pending, data, len);
    if (status == 0 && coder->pending.len > coder->on_loop && !is_pumping(coder)) {
        status = start_pump(coder);
        if (status < 0)
            coder->pending.len -= len;
    }
    if (status < 0)
        return status;
    if (coder->left >= 0)
        coder->left -= (int64_t)len;
    arm(coder);
    return coder->status;
}

int weft__http_coded_end(weft__http_exchange *request)
{
    struct weft__http_coder *coder = request->coder;
    int status = refuse_write(coder, 0);
    if (status < 0 && status != -ENOBUFS)
        return status;
    if (coder->left > 0)
        return WEFT_EPROTO;
    weft_callback_cancel(&coder->timer);
    coder->ended = true;
    if (is_pumping(coder))
        return weft__http_send_head(request);
    if (coder->pending.len <= coder->on_loop && !is_full(coder))
        return code_now(coder);
    status = weft__http_send_head(request);
    if (status == 0)
        status = start_pump(coder);
    return status < 0 ? status : coder->status;
}

weft_future *weft__http_coded_drain(weft__http_exchange *request)
{
    struct weft__http_coder *coder = request->coder;
    int status = coder->status;
    if (status == 0 && !is_pumping(coder) && is_full(coder))
        status = start_pump(coder);
    if (status < 0)
        return weft__http_failed(request, status);
    if (!is_pumping(coder))
        return weft__http_drain(request);
    if (coder->drained && !weft_is_done(coder->drained)) {
        weft_future *busy = weft_future_failed(-EBUSY, "another drain is under way");
        weft__observe(busy);
        return busy;
    }
    weft_future *drained = weft_future_new();
    if (weft_is_done(drained))
        return drained;
    weft_unref(coder->drained);
    coder->drained = drained;
    return weft_ref(drained);
}
