/* SPDX-License-Identifier: MIT */
/*
 * Bodies on their way out.
 *
 * libcurl asks for bytes by a callback, which must not wait. Memory it can have at once. Everything
 * else has a feeder, a task that reads the source one piece ahead:
 *
 *     feeder: read a piece ----> piece there: libcurl goes on, if it was paused
 *                  ^                    |
 *                  +--room-- libcurl has taken all of it
 *
 * When libcurl asks and there is nothing, sending is paused. One piece is in memory at a time; so a
 * slow server makes the source wait.
 *
 * libcurl begins anew when the idle connection that it chose turns out to be closed: memory and
 * files are sent once more from their beginning. So the feeder does not end with the source, and a
 * piece that was read meanwhile, for the connection before, is dropped. libcurl asks for that by
 * its seek function only if it has written some of the body, and not if it was given some that it
 * could not write: so it is done before each request, too.
 *
 * The feeder is a child of the request's coroutine, which cancels it and waits for its end: the
 * buffer that a worker fills lasts until the worker is done. What fails in it fails the transfer.
 */
#include "net/http_client/upload.h"

#include <errno.h>
#include <weft/file.h>
#include <weft/stream.h>
#include <weft/task.h>

#include "net/http_client/text.h"
#include "net/http_client/transfer.h"

enum { PIECE = 64 << 10 };

int weft__client_upload_init(struct weft__client_upload *upload,
                             const struct weft__client_request *request, int64_t length)
{
    const struct weft_http_content *body = &request->body;
    *upload = (struct weft__client_upload){.length = -1};
    upload->is_sent = !weft__client_request_has_body(request);
    if (upload->is_sent)
        return 0;
    upload->body = body;
    if (body->path)
        upload->length = length;
    else if (body->data || body->len)
        upload->length = (int64_t)body->len;
    upload->is_sent = upload->length == 0;
    if (upload->is_sent || !weft__client_upload_needs_feeder(upload))
        return 0;
    upload->piece = weft__companion_malloc(PIECE);
    return upload->piece ? 0 : -ENOMEM;
}

void weft__client_upload_fini(struct weft__client_upload *upload)
{
    weft__companion_free(upload->piece);
    weft_unref(upload->room);
    *upload = (struct weft__client_upload){0};
}

bool weft__client_upload_needs_feeder(const struct weft__client_upload *upload)
{
    return upload->body && !upload->body->data && upload->length != 0;
}

/* ---- libcurl asks ---- */

static size_t read_memory(struct weft__client_upload *upload, char *buffer, size_t size)
{
    size_t left = (size_t)(upload->length - upload->given);
    size_t len = size < left ? size : left;
    if (len)
        memcpy(buffer, (const char *)upload->body->data + upload->given, len);
    return len;
}

static void wake_feeder(struct weft__client_upload *upload)
{
    if (upload->room)
        (void)weft_future_resolve(upload->room, weft_value_i64(0), NULL);
}

static size_t read_piece(struct weft__client_upload *upload, char *buffer, size_t size)
{
    size_t len = size < upload->len ? size : upload->len;
    memcpy(buffer, upload->piece + upload->at, len);
    upload->at += len;
    upload->len -= len;
    if (upload->len == 0)
        wake_feeder(upload);
    return len;
}

static bool is_all(const struct weft__client_upload *upload)
{
    if (upload->length >= 0)
        return upload->given == upload->length;
    return upload->has_ended && upload->len == 0;
}

size_t weft__client_upload_read(char *buffer, size_t one, size_t size, void *arg)
{
    struct weft__client_transfer *transfer = arg;
    struct weft__client_upload *upload = &transfer->upload;
    bool is_memory = !weft__client_upload_needs_feeder(upload);
    if (transfer->has_ended)
        return CURL_READFUNC_ABORT;
    if (!is_memory && upload->len == 0 && !is_all(upload)) {
        transfer->sending_paused = true;
        return CURL_READFUNC_PAUSE;
    }
    size_t len = is_memory ? read_memory(upload, buffer, one * size)
                           : read_piece(upload, buffer, one * size);
    upload->given += (int64_t)len;
    transfer->moved += len;
    if (is_all(upload) && !upload->is_sent) {
        upload->is_sent = true;
        weft__client_transfer_sent(transfer);
    }
    return len;
}

bool weft__client_upload_rewind(struct weft__client_upload *upload)
{
    if (upload->given == 0)
        return true;
    if (weft__client_upload_needs_feeder(upload) && !upload->body->path)
        return false;
    upload->given = 0;
    upload->at = upload->len = 0;
    upload->has_ended = upload->is_sent = false;
    upload->beginnings++;
    wake_feeder(upload);
    return true;
}

/* For a connection that was idle too long: libcurl begins anew on another one. */
int weft__client_upload_seek(void *arg, curl_off_t offset, int origin)
{
    struct weft__client_transfer *transfer = arg;
    if (origin != SEEK_SET || offset != 0 || !weft__client_upload_rewind(&transfer->upload))
        return CURL_SEEKFUNC_CANTSEEK;
    return CURL_SEEKFUNC_OK;
}

/* ---- The feeder ---- */

struct http_feed {
    WEFT_FRAME;
    struct weft__client_transfer *transfer; /* borrowed from who waits for this task */
    weft_file *file;                        /* borrowed */
    unsigned beginning;                     /* which one is read for */
    int64_t read;                           /* of it, so far */
    size_t got;
};

/* How much of the next piece may be used. */
static size_t room_of(const struct http_feed *self)
{
    const struct weft__client_upload *upload = &self->transfer->upload;
    if (upload->length < 0 || upload->length - self->read > PIECE)
        return PIECE;
    return (size_t)(upload->length - self->read);
}

static weft_future *read_source(const struct http_feed *self)
{
    const struct weft__client_upload *upload = &self->transfer->upload;
    size_t size = room_of(self);
    if (self->file)
        return weft_file_pread(self->file, upload->piece, size, self->read);
    if (upload->body->stream)
        return weft_read(upload->body->stream, upload->piece, size);
    weft_future *future = upload->body->source(upload->body->arg, upload->piece, size);
    return future ? future : weft_future_failed(-EINVAL, "the source of the body returned NULL");
}

static void piece_is_there(struct http_feed *self)
{
    struct weft__client_upload *upload = &self->transfer->upload;
    upload->at = 0;
    upload->len = self->got;
    self->read += (int64_t)self->got;
    upload->has_ended = self->got == 0 || self->read == upload->length;
    weft__client_transfer_resume_sending(self->transfer);
}

static weft_future *wait_for_room(struct weft__client_upload *upload)
{
    weft_unref(upload->room);
    upload->room = weft_future_new();
    return weft_ref(upload->room);
}

static bool wants_piece(const struct http_feed *self)
{
    const struct weft__client_upload *upload = &self->transfer->upload;
    return upload->len == 0 && !upload->has_ended && room_of(self) > 0;
}

static bool is_outdated(const struct http_feed *self)
{
    return self->beginning != self->transfer->upload.beginnings;
}

static void begin_anew(struct http_feed *self)
{
    self->beginning = self->transfer->upload.beginnings;
    self->read = 0;
}

static WEFT_ASYNC(http_feed)
{
    WEFT_BEGIN;
    for (;;) {
        if (is_outdated(self))
            begin_anew(self);
        if (!wants_piece(self)) {
            WEFT_AWAIT(wait_for_room(&self->transfer->upload));
            continue;
        }
        WEFT_AWAIT_INTO(self->got, read_source(self));
        if (self->got > room_of(self))
            WEFT_FAIL(-EINVAL, "the source of the body gave more than it was asked for");
        if (self->got == 0 && self->transfer->upload.length >= 0)
            WEFT_FAIL(WEFT_EOF, "the body of the request ended early");
        if (!is_outdated(self))
            piece_is_there(self);
    }

    WEFT_FINALLY;
    if (WEFT_OUTCOME < 0 && WEFT_OUTCOME != -ECANCELED)
        weft__client_transfer_fail(self->transfer, WEFT_OUTCOME, "cannot read the body to be sent");
    WEFT_END;
}

weft_future *weft__client_upload_feed(struct weft__client_transfer *transfer, weft_file *file)
{
    return weft_spawn(http_feed, .transfer = transfer, .file = file);
}
