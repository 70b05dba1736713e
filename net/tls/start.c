/* SPDX-License-Identifier: MIT */
/*
 * Beginning TLS on a stream.
 *
 * Before: what was read already is looked at. Plain text that came behind the request for TLS would
 * otherwise stay in the buffer, and be read as if TLS had protected it (as in CVE-2011-0411). Here
 * the stream hands it to TLS as the first of what came (net/stream/filter.h), so that it can break the
 * handshake and nothing else; it is refused before, for a message that says what happened. To a
 * server only a record of a handshake may have come already (behind a PROXY header, say), to a
 * client nothing at all.
 *
 * A client begins here, at once; a server when the first bytes are there.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "net/tls/tls.h"

enum { LONGEST_NAME = 253 };

/* ---- Names ---- */

static bool is_address(const char *name)
{
    unsigned char address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

/* Of a host or an address. OpenSSL takes ".example.org" for any name that ends so. */
static bool is_name(const char *name)
{
    size_t len = strlen(name);
    if (!len || len > LONGEST_NAME || name[0] == '.')
        return false;
    for (size_t i = 0; i < len; i++)
        if (name[i] <= ' ' || name[i] > '~' || name[i] == '*' || name[i] == '/')
            return false;
    return true;
}

static const char *check_name(const weft_tls_context *context, const char *name)
{
    unsigned flags = context->setup->options.flags;
    if (context->is_server)
        return name ? "a server means no name" : NULL;
    if (!name)
        return flags & (WEFT_TLS_INSECURE | WEFT_TLS_ANY_NAME) ? NULL
                                                               : "the server's name is needed";
    return is_name(name) ? NULL : "the server's name is not one of a host, nor an address";
}

/* NULL, or why what was read already must not be there. */
static const char *check_early(const weft_tls_context *context, const weft_stream *stream)
{
    size_t len;
    const char *data = weft_peek(stream, &len);
    if (!len || (context->is_server && data[0] == SSL3_RT_HANDSHAKE))
        return NULL;
    return "something came unprotected before TLS began, and was not read: it may be somebody "
           "else's";
}

/* ---- A connection ---- */

static bool set_name(struct weft__tls *tls)
{
    unsigned flags = tls->context->setup->options.flags;
    const char *name = tls->server_name;
    bool checks = !(flags & (WEFT_TLS_INSECURE | WEFT_TLS_ANY_NAME));
    if (!name[0])
        return true;
    SSL_set_hostflags(tls->ssl,
                      X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (is_address(name))
        return !checks || X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls->ssl), name);
    return SSL_set_tlsext_host_name(tls->ssl, name) && (!checks || SSL_set1_host(tls->ssl, name));
}

static void resume(struct weft__tls *tls)
{
    weft_tls_context *context = tls->context;
    SSL_SESSION *session = NULL;
    weft__companion_lock(&context->lock);
    if (context->current == SSL_get_SSL_CTX(tls->ssl))
        session = weft__tls_cache_take(&context->cache, tls->server_name);
    pthread_mutex_unlock(&context->lock);
    if (session)
        SSL_set_session(tls->ssl, session);
    SSL_SESSION_free(session);
}

static bool set_up(struct weft__tls *tls)
{
    SSL_CTX *ctx = weft__tls_current(tls->context);
    tls->ssl = SSL_new(ctx);
    SSL_CTX_free(ctx);
    BIO *bio = tls->ssl ? weft__tls_bio_new(tls) : NULL;
    if (!bio)
        return false;
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_msg_callback(tls->ssl, weft__tls_on_message);
    SSL_set_msg_callback_arg(tls->ssl, tls);
    if (!SSL_set_app_data(tls->ssl, tls) || !set_name(tls))
        return false;
    if (tls->is_server) {
        SSL_set_accept_state(tls->ssl);
        return true;
    }
    SSL_set_connect_state(tls->ssl);
    resume(tls);
    return true;
}

static void on_deadline(void *arg)
{
    struct weft__tls *tls = arg;
    int status = weft_is_done(tls->over)
                     ? weft__tls_fail(tls, -ECANCELED, NULL)
                     : weft__tls_fail(tls, -ETIMEDOUT, "the handshake takes too long");
    weft__companion_filter_fail(&tls->filter, status);
}

static struct weft__tls *allocate(weft_tls_context *context, const char *name)
{
    size_t name_size = strlen(name) + 1;
    struct weft__tls *tls = weft__companion_malloc(sizeof(*tls) + name_size);
    if (!tls)
        return NULL;
    memset(tls, 0, sizeof(*tls));
    memcpy(tls->server_name, name, name_size);
    if (name_size > 1 && name[name_size - 2] == '.') /* "example.org." is meant absolutely */
        tls->server_name[name_size - 2] = 0;
    tls->filter.ops = &weft__tls_filter_ops;
    tls->is_server = context->is_server;
    tls->context = weft_tls_context_ref(context);
    weft_callback_init(&tls->deadline, on_deadline, tls);
    return tls;
}

static int set_deadline(struct weft__tls *tls)
{
    weft_ns timeout = tls->context->setup->options.handshake_timeout;
    return timeout == WEFT_FOREVER ? 0 : weft_callback_later(&tls->deadline, timeout);
}

/* Takes over the connection. */
static int attach(struct weft__tls *tls, weft_stream *stream)
{
    int status = set_up(tls) ? set_deadline(tls) : -ENOMEM;
    if (status == 0)
        status = weft__companion_filter_set(stream, &tls->filter);
    ERR_clear_error();
    if (status < 0)
        weft__tls_free(tls);
    return status;
}

/* A client's hello. */
static void begin(struct weft__tls *tls)
{
    int status = weft__tls_step(tls);
    if (status == 0) {
        status = weft__companion_filter_push(&tls->filter);
        if (status < 0)
            weft__tls_fail(tls, status, NULL);
    }
    if (status < 0)
        weft__companion_filter_fail(&tls->filter, status);
}

static weft_future *start(weft_tls_context *context, weft_stream *stream, const char *name)
{
    weft_future *over = weft_future_new();
    if (weft_is_done(over))
        return over; /* it says why there can be none */
    struct weft__tls *tls = allocate(context, name ? name : "");
    if (!tls) {
        (void)weft_future_fail(over, -ENOMEM, NULL);
        return over;
    }
    tls->over = weft_ref(over);
    int status = attach(tls, stream);
    if (status < 0)
        (void)weft_future_fail(over, status, NULL);
    else if (!context->is_server)
        begin(tls);
    return over;
}

static weft_future *start_as(weft_tls_context *context, weft_stream *stream, bool is_server,
                             const char *name)
{
    const char *why = context->is_server == is_server ? check_name(context, name)
                                                      : "the context is for the other side";
    if (context->generation != weft__companion_generation())
        return weft_future_failed(WEFT_EFORK, NULL);
    if (why)
        return weft_future_failed(-EINVAL, "%s: \"%s\"", why, name ? name : "");
    if (weft__companion_filter_of(stream, &weft__tls_filter_ops))
        return weft_future_failed(-EBUSY, "it is TLS already");
    why = check_early(context, stream);
    return why ? weft_future_failed(WEFT_EPROTO, "%s", why) : start(context, stream, name);
}

weft_future *weft_start_tls(weft_stream *stream, weft_tls_context *context, const char *server_name)
{
    if (!stream || !context)
        return weft_future_failed(-EINVAL, "no stream, or no context");
    if (weft__companion_is_elsewhere(weft__companion_stream_loop_id(stream), __func__))
        return weft__companion_future_elsewhere();
    return start_as(context, stream, context->is_server, server_name);
}

static void ref(weft_tls_context *context)
{
    weft_tls_context_ref(context);
}

const struct weft__tls_ops weft__tls_context_ops = {
    .start = start_as,
    .ref = ref,
    .unref = weft_tls_context_unref,
};
