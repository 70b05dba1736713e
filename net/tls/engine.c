/* SPDX-License-Identifier: MIT */
/*
 * TLS on a stream: a filter (net/stream/filter.h) around an SSL.
 *
 *     HANDSHAKE --all steps are made--> OPEN --failure--> FAILED
 *     HANDSHAKE --refused, cut off, too late, cancelled---> FAILED
 *
 * OpenSSL reads by a BIO from the descriptor and writes to the stream's buffer (net/tls/bio.c). So
 * a write never wants to wait, and a read stops only where the descriptor has no more: none of
 * OpenSSL's "call me again" ever reaches the one who writes. What a read makes OpenSSL send (an
 * answer to a change of keys, an alert) goes out with everything else.
 *
 * A handshake is a future that is held here and by who asked for it. It is cancelled there, by
 * completing it; here that is seen at the next event, at the deadline at the latest, and the stream
 * has failed then.
 *
 * OpenSSL puts what it has decoded where the reader wants it. Pieces of a write that fit into one
 * record go in one. After 64 GiB, a sixth of what AES-GCM allows (RFC 8446, 5.5), the
 * key of our direction is changed.
 *
 * OpenSSL's queue of errors belongs to the thread: it is cleared before each call, since what
 * somebody has left there would be taken for a failure of this call, and after each failure.
 *
 * Failure modes: net/tls/failure.c. What came before a failure is delivered first, then `end`.
 *
 * References: the stream owns the filter, which has one to the context and one to its future.
 */
#include <errno.h>
#include <string.h>

#include "net/tls/tls.h"

enum { RECORD = 16 * 1024 }; /* the most that one holds */

static struct weft__tls *tls_of(const struct weft__stream_filter *filter)
{
    return (struct weft__tls *)(void *)filter;
}

/* ---- The handshake ---- */

static void open_up(struct weft__tls *tls)
{
    tls->state = WEFT__TLS_OPEN;
    SSL_set_msg_callback(tls->ssl, NULL);
    tls->filter.close_timeout = tls->context->setup->options.close_timeout;
    weft_callback_cancel(&tls->deadline);
    (void)weft_future_resolve(tls->over, weft_value_i64(0), NULL);
}

int weft__tls_step(struct weft__tls *tls)
{
    if (weft_is_done(tls->over))
        return weft__tls_fail(tls, -ECANCELED, NULL);
    weft__tls_clear_errors();
    int result = SSL_do_handshake(tls->ssl);
    if (result == 1)
        open_up(tls);
    else if (SSL_get_error(tls->ssl, result) != SSL_ERROR_WANT_READ)
        return weft__tls_failed(tls);
    return 0;
}

/* ---- Reading ---- */

/* Why SSL_read() gave nothing: -EAGAIN, or what reading ends with, kept. */
static int no_more(struct weft__tls *tls)
{
    switch (SSL_get_error(tls->ssl, 0)) {
    case SSL_ERROR_WANT_READ:
        return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        tls->end = WEFT_EOF;
        return WEFT_EOF;
    default:
        return weft__tls_failed(tls);
    }
}

/* There is nothing to be decoded, neither in the descriptor nor in OpenSSL: so it need not be asked. */
static bool is_dry(const struct weft__tls *tls)
{
    return tls->drained && !SSL_has_pending(tls->ssl);
}

static ssize_t read_records(struct weft__tls *tls, char *buffer, size_t size)
{
    size_t len = 0;
    int status = 0;
    while (len < size && status == 0) {
        size_t got = 0;
        weft__tls_clear_errors();
        if (!SSL_read_ex(tls->ssl, buffer + len, size - len, &got))
            status = no_more(tls);
        len += got;
        if (status == 0 && is_dry(tls))
            status = -EAGAIN;
    }
    if (!len)
        return status == WEFT_EOF ? 0 : status;
    tls->has_more = status != -EAGAIN && (tls->end || SSL_has_pending(tls->ssl));
    return (ssize_t)len;
}

static ssize_t receive(struct weft__stream_filter *filter, void *buffer, size_t size)
{
    struct weft__tls *tls = tls_of(filter);
    ssize_t got = -EAGAIN;
    tls->has_more = false;
    if (tls->end)
        return tls->end == WEFT_EOF ? 0 : tls->end;
    tls->receives = true;
    tls->drained = false;
    int status = tls->state == WEFT__TLS_HANDSHAKE ? weft__tls_step(tls) : 0;
    if (status == 0 && tls->state == WEFT__TLS_OPEN) {
        tls->has_more = !size;
        got = size ? read_records(tls, buffer, size) : -EAGAIN;
    }
    tls->receives = false;
    return status < 0 ? status : got;
}

static bool has_more(const struct weft__stream_filter *filter)
{
    return tls_of(filter)->has_more;
}

/* ---- Writing ---- */

static void change_key(struct weft__tls *tls)
{
    tls->protected_bytes = 0;
    if (SSL_version(tls->ssl) >= TLS1_3_VERSION)
        SSL_key_update(tls->ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
}

static int write_all(struct weft__tls *tls, const void *data, size_t len)
{
    size_t written;
    if (!len)
        return 0;
    if (tls->protected_bytes >= WEFT__TLS_KEY_BYTES)
        change_key(tls);
    tls->protected_bytes += len;
    weft__tls_clear_errors();
    return SSL_write_ex(tls->ssl, data, len, &written) ? 0 : weft__tls_failed(tls);
}

struct record {
    size_t len;
    char data[RECORD];
};

/* Add a piece to the record, which is written when there is no room. */
static int add(struct weft__tls *tls, struct record *record, const struct iovec *piece)
{
    int status = 0;
    if (piece->iov_len > RECORD - record->len) {
        status = write_all(tls, record->data, record->len);
        record->len = 0;
    }
    if (status < 0)
        return status;
    if (piece->iov_len > RECORD)
        return write_all(tls, piece->iov_base, piece->iov_len);
    if (piece->iov_len)
        memcpy(record->data + record->len, piece->iov_base, piece->iov_len);
    record->len += piece->iov_len;
    return 0;
}

static int write_pieces(struct weft__tls *tls, const struct iovec *pieces, size_t count)
{
    struct record record;
    int status = 0;
    record.len = 0;
    for (size_t i = 0; i < count && status == 0; i++)
        status = add(tls, &record, &pieces[i]);
    return status < 0 ? status : write_all(tls, record.data, record.len);
}

static int encode(struct weft__stream_filter *filter, const struct iovec *pieces, size_t count)
{
    struct weft__tls *tls = tls_of(filter);
    if (tls->state == WEFT__TLS_FAILED)
        return tls->filter.failure;
    if (tls->state == WEFT__TLS_HANDSHAKE)
        return weft_is_done(tls->over) ? weft__tls_fail(tls, -ECANCELED, NULL) : -EBUSY;
    if (count == 1)
        return write_all(tls, pieces->iov_base, pieces->iov_len);
    return write_pieces(tls, pieces, count);
}

/* ---- The end ---- */

static int shut_down(struct weft__stream_filter *filter)
{
    struct weft__tls *tls = tls_of(filter);
    if (tls->state == WEFT__TLS_FAILED)
        return tls->filter.failure;
    if (tls->state == WEFT__TLS_HANDSHAKE)
        return -EBUSY;
    weft__tls_clear_errors();
    return SSL_shutdown(tls->ssl) < 0 ? weft__tls_failed(tls) : 0;
}

void weft__tls_free(struct weft__tls *tls)
{
    weft_callback_cancel(&tls->deadline);
    SSL_free(tls->ssl);
    weft_unref(tls->over);
    weft_tls_context_unref(tls->context);
    weft__companion_free(tls->info);
    weft__companion_free(tls->why);
    weft__companion_free(tls);
}

static void end(struct weft__stream_filter *filter, int status)
{
    struct weft__tls *tls = tls_of(filter);
    /* Else OpenSSL forgets a session whose connection was not closed by both: nothing since TLS 1.1
     * asks for that. */
    if (tls->state == WEFT__TLS_OPEN)
        SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    tls->state = WEFT__TLS_FAILED;
    if (!weft_is_done(tls->over))
        (void)weft_future_fail(tls->over, status, NULL);
    weft__tls_free(tls);
}

const struct weft__stream_filter_ops weft__tls_filter_ops = {
    .name = "TLS",
    .receive = receive,
    .encode = encode,
    .has_more = has_more,
    .shut_down = shut_down,
    .end = end,
};
