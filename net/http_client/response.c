/* SPDX-License-Identifier: MIT */
/*
 * Responses: a block of memory once they are whole; or a stream, with its transfer still under way.
 *
 *     (made by an attempt) --whole: handed over, the transfer is gone
 *                          --streamed: handed over with its transfer
 *                                OPEN --the transfer ends, fails, the session goes--> ENDED
 *
 * Backpressure: while HIGH bytes wait to be read, libcurl is told to pause, which lets the socket
 * be; it goes on when half of them are read. What it holds itself then, a buffer's content and what
 * came out of the decompressor, and what had come of a stream of HTTP/2, it gives first: all is taken
 * then, since libcurl would copy what is left each time that it is refused some.
 *
 * What arrived before an end is read before the end is.
 */
#include "net/http_client/response.h"

#include <errno.h>
#include <weft/error.h>
#include <weft/loop.h>

#include "net/http_client/session.h"
#include "net/http_client/text.h"
#include "net/http_client/transfer.h"

enum { HIGH = 64 << 10, FIRST_CAPACITY = 4 << 10 };

static void on_deadline(void *arg);

/* ---- Life ---- */

weft_http_response *weft__client_response_new(bool streams, size_t limit)
{
    weft_http_response *response = weft__client_alloc(sizeof(*response));
    if (!response)
        return NULL;
    response->loop_id = weft__companion_loop_id();
    response->generation = weft__companion_generation();
    response->streams = streams;
    response->limit = limit;
    weft_callback_init(&response->deadline, on_deadline, response);
    return response;
}

void weft__client_response_close(weft_http_response *response)
{
    struct weft__client_transfer *transfer = response->transfer;
    if (!transfer)
        return;
    response->transfer = NULL;
    weft__client_link_remove(&response->link);
    (void)weft_callback_cancel(&response->deadline);
    weft_http_session *session = weft__client_session_ref(transfer->session);
    weft__client_transfer_free(transfer);
    weft__client_session_leave(session);
    weft__client_session_unref(session);
}

void weft_http_response_free(weft_http_response *response)
{
    if (!response || weft__companion_is_elsewhere(response->loop_id, __func__))
        return;
    if (response->reader.future)
        (void)weft_future_fail(response->reader.future, WEFT_ECLOSED, "the response was freed");
    weft_unref(response->reader.future);
    weft__client_response_close(response);
    weft__companion_free(response->url);
    weft__companion_free(response->body);
    weft__companion_free(response->message);
    weft__client_head_free(&response->head);
    weft__companion_free(response);
}

void weft__client_response_destroy(void *response)
{
    weft_http_response_free(response);
}

/* ---- The body arrives ---- */

static size_t unread(const weft_http_response *response)
{
    return response->body ? response->body->len - response->at : 0;
}

/* What was read makes room first. */
static void move_up(weft_http_response *response)
{
    size_t left = unread(response);
    if (response->at == 0)
        return;
    memmove(response->body->data, response->body->data + response->at, left);
    response->body->len = left;
    response->at = 0;
}

static int make_room(weft_http_response *response, size_t more)
{
    if (response->body)
        move_up(response);
    size_t len = response->body ? response->body->len : 0;
    if (response->body && response->capacity - len >= more)
        return 0;
    size_t capacity = response->capacity + response->capacity / 2;
    capacity = capacity < len + more ? len + more : capacity;
    capacity = capacity < FIRST_CAPACITY ? FIRST_CAPACITY : capacity;
    weft_bytes *body = weft__companion_realloc(response->body, sizeof(weft_bytes) + capacity + 1);
    if (!body)
        return -ENOMEM;
    body->len = len;
    body->data = (char *)(body + 1);
    response->body = body;
    response->capacity = capacity;
    return 0;
}

/* Give to who waits; how much that was. */
static size_t give(weft_http_response *response, const char *data, size_t len)
{
    weft_future *future = response->reader.future;
    if (!future)
        return 0;
    response->reader.future = NULL;
    size_t taken = 0;
    if (!weft_is_done(future)) {
        taken = len < response->reader.size ? len : response->reader.size;
        memcpy(response->reader.buffer, data, taken);
        (void)weft_future_resolve(future, weft_value_i64((int64_t)taken), NULL);
    }
    weft_unref(future);
    return taken;
}

int weft__client_response_add(weft_http_response *response, const char *data, size_t len)
{
    if (response->streams && unread(response) >= HIGH && !response->takes_all)
        return -EAGAIN;
    if (!response->streams && len > response->limit - unread(response))
        return WEFT_ELIMIT;
    int status = make_room(response, len);
    if (status < 0)
        return status;
    size_t taken = response->streams ? give(response, data, len) : 0;
    weft_bytes *body = response->body;
    if (len > taken)
        memcpy(body->data + body->len, data + taken, len - taken);
    body->len += len - taken;
    body->data[body->len] = 0;
    return 0;
}

void weft__client_response_end(weft_http_response *response, int failure, const char *message)
{
    if (response->has_ended)
        return;
    response->has_ended = true;
    response->failure = failure;
    response->message = weft__client_strdup(message);
    weft_future *future = response->reader.future;
    response->reader.future = NULL;
    if (future && failure < 0)
        (void)weft_future_fail(future, failure, "%s", message ? message : "");
    else if (future)
        (void)weft_future_resolve(future, weft_value_i64(0), NULL);
    weft_unref(future);
}

/* ---- Streams ---- */

static void cut(weft_http_response *response, int status, const char *message)
{
    weft__client_transfer_fail(response->transfer, status, message);
    weft__client_response_close(response);
}

static void on_deadline(void *arg)
{
    cut(arg, -ETIMEDOUT, "the response took too long");
}

void weft__client_response_cut(struct weft__client_link *link)
{
    cut((weft_http_response *)(void *)((char *)link - offsetof(weft_http_response, link)),
        WEFT_ECLOSED, "the session was freed");
}

void weft__client_response_hand_over(weft_http_response *response,
                                     struct weft__client_transfer *transfer, weft_ns deadline)
{
    weft_http_session *session = transfer->session;
    transfer->request = NULL;
    transfer->connecting = NULL;
    response->transfer = transfer;
    weft__client_link_add(&session->streams, &response->link);
    weft__client_session_enter(session);
    if (deadline == WEFT_FOREVER || weft_callback_at(&response->deadline, deadline) == 0)
        return;
    cut(response, -ENOMEM, NULL);
}

static weft_future *wait_for_more(weft_http_response *response, weft_future *future, void *buffer,
                                  size_t size)
{
    weft_unref(response->reader.future);
    response->reader.future = weft_ref(future);
    response->reader.buffer = buffer;
    response->reader.size = size;
    return future;
}

static void take(weft_http_response *response, weft_future *future, void *buffer, size_t size)
{
    size_t len = unread(response) < size ? unread(response) : size;
    memcpy(buffer, response->body->data + response->at, len);
    response->at += len;
    (void)weft_future_resolve(future, weft_value_i64((int64_t)len), NULL);
    if (response->transfer && response->transfer->is_paused && unread(response) <= HIGH / 2)
        weft__client_transfer_resume(response->transfer);
}

static weft_future *read_some(weft_http_response *response, void *buffer, size_t size)
{
    weft_future *future = weft_future_new();
    if (weft_is_done(future)) /* has failed */
        return future;
    if (unread(response) > 0)
        take(response, future, buffer, size);
    else if (!response->has_ended)
        return wait_for_more(response, future, buffer, size);
    else if (response->failure < 0)
        (void)weft_future_fail(future, response->failure, "%s",
                               response->message ? response->message : "");
    else
        (void)weft_future_resolve(future, weft_value_i64(0), NULL);
    return future;
}

weft_future *weft_http_response_read(weft_http_response *response, void *buffer, size_t size)
{
    if (response && weft__companion_is_elsewhere(response->loop_id, __func__))
        return weft__companion_future_elsewhere();
    if (response && response->generation != weft__companion_generation())
        return weft_future_failed(WEFT_EFORK, NULL);
    if (!response || !response->streams || !buffer || size == 0)
        return weft_future_failed(-EINVAL, NULL);
    if (response->reader.future && !weft_is_done(response->reader.future))
        return weft_future_failed(-EBUSY, "another read is under way");
    return read_some(response, buffer, size);
}

/* ---- What it says ---- */

int weft_http_status(const weft_http_response *response)
{
    return response ? response->status : 0;
}

const char *weft_http_header(const weft_http_response *response, const char *name)
{
    return response && name ? weft__client_head_get(&response->head, name) : NULL;
}

bool weft_http_header_at(const weft_http_response *response, size_t index, const char **ret_name,
                         const char **ret_value)
{
    return response && weft__client_head_at(&response->head, index, ret_name, ret_value);
}

const char *weft_http_url(const weft_http_response *response)
{
    return response && response->url ? response->url : "";
}

int weft_http_version(const weft_http_response *response)
{
    return response ? response->version : 0;
}

unsigned weft_http_redirects(const weft_http_response *response)
{
    return response ? response->redirects : 0;
}

const char *weft_http_body(const weft_http_response *response, size_t *ret_len)
{
    const weft_bytes *body = response && !response->streams ? response->body : NULL;
    if (ret_len)
        *ret_len = body ? body->len : 0;
    return body ? body->data : "";
}

weft_bytes *weft_http_take_body(weft_http_response *response)
{
    if (!response || response->streams)
        return NULL;
    weft_bytes *body = response->body;
    response->body = NULL;
    return body;
}
